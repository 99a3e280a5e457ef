"""`marketsweep repair`: repair a damaged data folder, and fetch what was lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.cli.commands._shared import data_option, echo, json_option, write_json
from marketsweep.cli.commands._sources import Source, file_options, limit_option, source_options
from marketsweep.errors import CoverageError, UsageError

if TYPE_CHECKING:
    from marketsweep.ingest.repair import Repaired


@click.command()
@source_options
@file_options
@limit_option
@data_option
@json_option
def repair(
    provider: str,
    base_url: str | None,
    api_key: str | None,
    path: Path | None,
    actions: Path | None,
    symbols: Path | None,
    facts: str | None,
    calls_per_minute: int | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Repair a damaged data folder: keep what is good, and fetch what was lost.

    \b
    Examples:
      marketsweep repair                       with MASSIVE_API_KEY, as for sync
      marketsweep repair --provider files --path bars.parquet --actions actions.parquet
      marketsweep repair --json

    Every byte is checked. A damaged or missing catalog is rebuilt from its good parts and from the
    segments of bars. Damaged files are not deleted, but moved to a folder beside them. Lost data is
    then fetched. If something is still missing, the report names it and the exit code is 3.
    """
    from marketsweep.cli.reports.repair import repair_report
    from marketsweep.core.settings import read_config
    from marketsweep.ingest.repair import repair as run_repair
    from marketsweep.market import data_folder

    folder = data_folder(data)
    repaired = run_repair(folder, lambda message: echo(f"marketsweep: {message}", err=True))
    if repaired.lost_days or repaired.lost_parts:
        source = Source(
            *(provider, base_url, api_key, path, actions, symbols, facts),
            calls_per_minute=calls_per_minute,
            concurrency=None,
            config=read_config(folder),
        )
        try:
            source.make()
        except UsageError as error:
            echo(f"marketsweep: nothing is fetched: {error}", err=True)
        else:
            _fetch(repaired, source)
    if as_json:
        write_json(repaired.to_dict())
    else:
        echo(repair_report(repaired))
    if repaired.is_missing:
        raise CoverageError(f"{folder} is repaired, but some data is missing: {repaired.next_step}")


def _fetch(repaired: Repaired, source: Source) -> None:
    """Fetch the lost sessions, and with them the lost reference data."""
    from marketsweep.ingest.repair import runs
    from marketsweep.ingest.sync import sync
    from marketsweep.store.store import Store

    with Store.open(repaired.path) as store:
        with store.snapshot() as snapshot:
            newest = snapshot.sessions[-1:]
        # Each sync fetches reference data: if no session was lost, a stored one is fetched.
        for first, last in runs(repaired.lost_days or newest):
            echo(f"marketsweep: fetching {first} to {last}", err=True)
            sync(store, source.make(), first, last, facts=source.fact_groups)
        with store.snapshot() as snapshot:
            repaired.take_fetched(snapshot.sessions, snapshot.notes())
