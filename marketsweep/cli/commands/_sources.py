"""The options that say where a command fetches from, and the provider that they make."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from marketsweep.cli.commands._shared import FILE
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.core.settings import Config
    from marketsweep.ingest.providers.base import Provider
    from marketsweep.ingest.providers.files import FilesProvider
    from marketsweep.ingest.providers.massive.provider import MassiveProvider

limit_option = click.option(
    "--calls-per-minute",
    type=click.IntRange(1, 100_000),
    help="Limit of your plan; 5 on the free one.",
)


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the data source to a command."""
    for option in (
        click.option(
            "--api-key", metavar="KEY", help="API key. Safer: the variable MASSIVE_API_KEY."
        ),
        click.option(
            "--base-url", metavar="URL", help="Another server that speaks Massive's protocol."
        ),
        click.option(
            "--provider",
            default="massive",
            show_default=True,
            metavar="massive|files",
            help="Source of the data.",
        ),
    ):
        command = option(command)
    return command


def file_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the user's own files to a command."""
    for option in (
        click.option(
            "--facts",
            metavar="FILE|GROUP,...",
            help="With files: symbol, known_on, name and value in rows. With massive: float, "
            "short_interest, ratios, financials.",
        ),
        click.option("--symbols", metavar="FILE", type=FILE, help="With files: reference data."),
        click.option(
            "--actions", metavar="FILE", type=FILE, help="With files: splits and dividends."
        ),
        click.option(
            "--path",
            metavar="FILE",
            type=FILE,
            help="With files: bars, as Parquet, CSV or Arrow; a file, folder or pattern.",
        ),
    ):
        command = option(command)
    return command


class Source(NamedTuple):
    """The data source that the options of a command describe."""

    provider: str
    base_url: str | None
    api_key: str | None
    path: Path | None
    actions: Path | None
    symbols: Path | None
    facts: str | None
    calls_per_minute: int | None
    concurrency: int | None
    config: Config

    @property
    def fact_groups(self) -> tuple[str, ...]:
        """The groups of facts that are requested from a provider other than files."""
        if self.provider == "files" or self.facts is None:
            return ()
        return tuple(part.strip().lower() for part in self.facts.split(","))

    def make(self) -> Provider:
        """Return the provider. Raises UsageError for invalid options."""
        if self.provider != "massive":
            return self.files()
        if self.path or self.actions or self.symbols:
            raise UsageError("--path, --actions and --symbols need --provider files")
        return massive_source(
            self.base_url,
            self.api_key,
            self.calls_per_minute or self.config.calls_per_minute,
            self.concurrency or self.config.concurrency,
            self.config,
        )

    def files(self) -> FilesProvider:
        """Return the provider of files. Raises UsageError if another provider is chosen."""
        most_mb = self.config.max_file_mb
        facts = None if self.facts is None else Path(self.facts)
        return files_source(self.provider, self.path, self.actions, self.symbols, facts, most_mb)


def massive_source(
    base_url: str | None,
    api_key: str | None,
    calls_per_minute: int | None,
    concurrency: int | None,
    config: Config,
    otherwise: str = "sync from files you own with --provider files --path bars.parquet",
) -> MassiveProvider:
    from marketsweep.ingest.providers.massive.provider import (
        CONCURRENCY,
        MASSIVE,
        MassiveProvider,
        http_settings,
    )

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
    facts: Path | None = None,
    most_mb: int | None = None,
) -> FilesProvider:
    if name != "files":
        raise UsageError(f"unknown provider {name!r}: choose massive or files")
    from marketsweep.ingest.files import DEFAULT_MB
    from marketsweep.ingest.providers.files import FilesProvider

    if not (path or actions or symbols or facts):
        raise UsageError(
            "--provider files needs --path FILE with bars, --actions FILE, --symbols FILE or "
            "--facts FILE"
        )
    return FilesProvider(path, actions, symbols, facts, most_mb=most_mb or DEFAULT_MB)
