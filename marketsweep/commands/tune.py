"""`marketsweep tune`: measure what connections and threads are worth, and keep the best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.commands._shared import data_option, write_json
from marketsweep.commands._sources import limit_option, massive_source, source_options
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.providers.massive import MassiveProvider


@click.command()
@source_options
@limit_option
@click.option("--sandbox", "in_sandbox", is_flag=True, help="Fetch from a local stand-in instead.")
@data_option
@click.option("--json", "as_json", is_flag=True, help="The curves as JSON on stdout.")
def tune(
    provider: str,
    base_url: str | None,
    api_key: str | None,
    calls_per_minute: int | None,
    in_sandbox: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Measure how many connections and threads are worth having, and keep them.

    \b
    Examples:
      marketsweep tune                       about 1,200 calls of your plan
      marketsweep tune --sandbox             against a local stand-in, 80 ms away
      marketsweep tune --provider files      the threads alone

    The fewest within 5% of the best go to config.toml in the data folder, where sync and scan
    find them. Nothing that is fetched is stored.
    """
    from marketsweep.config import read_config, write_config
    from marketsweep.market import data_folder
    from marketsweep.tune import example_provider, kept, report
    from marketsweep.tune import tune as run_tune

    folder = data_folder(data)
    limit = calls_per_minute or read_config(folder).calls_per_minute
    otherwise = "add --sandbox to measure against a local stand-in, 80 ms away"

    def source(connections: int) -> MassiveProvider:
        return massive_source(base_url, api_key, None, connections, otherwise)

    with contextlib.ExitStack() as stack:
        make: Callable[[int], MassiveProvider] | None = None
        if in_sandbox:
            make, limit = stack.enter_context(example_provider()), None
        elif provider == "massive":
            make = source
            make(1)  # refuses what cannot be before anything is measured
        elif provider != "files":
            raise UsageError(f"unknown provider {provider!r}: choose massive or files")
        tuning = run_tune(folder, make, limit, lambda line: click.echo(line, err=True))
    # Shown first: it is no less true where the folder cannot be written to.
    if as_json:
        write_json(tuning.to_dict())
    else:
        click.echo(report(tuning))
    click.echo(kept(write_config(folder, tuning.chosen), tuning.chosen), err=as_json)
