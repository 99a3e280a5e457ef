"""Where a command fetches from: its options, and the provider that they make."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.config import Config
    from marketsweep.providers.files import FilesProvider
    from marketsweep.providers.massive import MassiveProvider

limit_option = click.option(
    "--calls-per-minute", type=click.IntRange(1), help="Your plan's limit; free: 5."
)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where to fetch from."""
    for option in (
        click.option(
            "--api-key", metavar="KEY", help="Better in MASSIVE_API_KEY, out of your history."
        ),
        click.option("--base-url", metavar="URL", help="Another address of the Massive protocol."),
        click.option(
            "--provider",
            default="massive",
            show_default=True,
            metavar="massive|files",
            help="Where from.",
        ),
    ):
        command = option(command)
    return command


def massive_source(
    base_url: str | None,
    api_key: str | None,
    calls_per_minute: int | None,
    concurrency: int | None,
    config: Config,
    otherwise: str = "sync from files you own with --provider files --path bars.parquet",
) -> MassiveProvider:
    from marketsweep.providers.massive import CONCURRENCY, MASSIVE, MassiveProvider, http_settings

    key = api_key or os.environ.get("MASSIVE_API_KEY")
    if not key:
        raise UsageError(
            f"no API key: export MASSIVE_API_KEY=... (from your Massive dashboard), or {otherwise}"
        )
    return MassiveProvider(
        key,
        base_url or MASSIVE,
        calls_per_minute,
        concurrency or CONCURRENCY,
        settings=http_settings(config),
    )


def files_source(
    name: str,
    path: Path | None,
    actions: Path | None,
    symbols: Path | None,
    most_mb: int | None = None,
) -> FilesProvider:
    if name != "files":
        raise UsageError(f"unknown provider {name!r}: choose massive or files")
    from marketsweep.files import DEFAULT_MB
    from marketsweep.providers.files import FilesProvider

    if not (path or actions or symbols):
        raise UsageError(
            "--provider files needs --path FILE with bars, --actions FILE or --symbols FILE"
        )
    return FilesProvider(path, actions, symbols, most_mb=most_mb or DEFAULT_MB)
