"""`marketsweep sync`: fetch what is missing, or show what it would cost."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from marketsweep.cli.commands._shared import (
    DAY,
    data_option,
    date_of,
    echo,
    progress_line,
    read_symbols,
    universe_option,
    unknown_option,
    where_option,
    write_json,
)
from marketsweep.cli.commands._sources import Source, file_options, limit_option, source_options
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.ingest.call_routes import Pace
    from marketsweep.ingest.dry_run import Part
    from marketsweep.ingest.estimate import Forecast
    from marketsweep.ingest.providers.files import FilesProvider
    from marketsweep.ingest.receipt import SyncReceipt


@click.command()
@source_options
@click.option("--since", type=DAY, help="First session. Default: two years back.")
@click.option("--until", type=DAY, help="Last session. Default: the newest one.")
@click.option("--again", is_flag=True, help="Fetch stored sessions again; needs --since.")
@file_options
@limit_option
@click.option("--only", metavar="A,B|@FILE", help="Fetch only these symbols, in the fewest calls.")
@click.option(
    "--by-symbol", is_flag=True, help="Make one call per symbol instead of one per session."
)
@universe_option
@where_option
@unknown_option
@click.option(
    "--details", is_flag=True, help="With --only: fetch market cap and more; one call per symbol."
)
@click.option(
    "--universe-history",
    type=click.Choice(["daily", "weekly", "monthly"]),
    help="Also fetch names, types and exchanges as of earlier days, so often.",
)
@click.option(
    "--details-history",
    type=click.Choice(["daily", "weekly", "monthly"]),
    help="With --only: also fetch shares, sector and SIC code as of earlier days, so often; one "
    "call per symbol and day.",
)
@click.option("--always", metavar="A,B|@FILE", help="With --by-symbol: always fetch these.")
@click.option(
    "--concurrency", type=click.IntRange(1, 100), help="Number of calls at the same time."
)
@click.option("--plan", "only_plan", is_flag=True, help="Show the cost of this sync; make no call.")
@click.option(
    "--dry-run", is_flag=True, help="With files: show how they are understood; store nothing."
)
@click.option("--watch", "keep_on", is_flag=True, help="Keep running, and sync after each close.")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Write the receipt as JSON.")
def sync(
    provider: str,
    base_url: str | None,
    api_key: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    again: bool,
    path: Path | None,
    actions: Path | None,
    symbols: Path | None,
    facts: str | None,
    calls_per_minute: int | None,
    only: str | None,
    by_symbol: bool,
    universe: str | None,
    where: str | None,
    unknown: Literal["keep", "drop"] | None,
    details: bool,
    universe_history: Pace | None,
    details_history: Pace | None,
    always: str | None,
    concurrency: int | None,
    only_plan: bool,
    dry_run: bool,
    keep_on: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Fetch what is missing: prices, splits, dividends, reference data.

    \b
    Examples:
      marketsweep sync                                   two years of every US stock
      marketsweep sync --plan --calls-per-minute 5       what that would cost
      marketsweep sync --since 2020-01-01 --calls-per-minute 5
      marketsweep sync --again --since 2024-06-10 --until 2024-06-10
      marketsweep sync --only AAPL,BRK.B --since 2010-01-01
      marketsweep sync --only @watchlist.txt --by-symbol
      marketsweep sync --by-symbol --universe liquid     only symbols that pass
      marketsweep sync --facts float,short_interest      and facts, dated by when they were known
      marketsweep sync --universe-history monthly        and the market as it was
      marketsweep sync --watch                           now, and after each close
      marketsweep sync --provider files --path bars.parquet --actions actions.parquet
      marketsweep sync --provider files --path MSFT.csv --dry-run
      marketsweep sync --provider files --facts facts.csv

    Fetched data is always kept; run sync again to continue. A session that cannot be fetched is
    requested again later. The exit code is 3 if splits are not included or no row is usable, and 4
    if nothing could be fetched.
    """
    from marketsweep.core.settings import read_config
    from marketsweep.ingest.receipt import require_use
    from marketsweep.ingest.sync import sync as run_sync
    from marketsweep.language.parsing.own_names import NO_NAMES
    from marketsweep.market import data_folder
    from marketsweep.scan.loader import own_names_at
    from marketsweep.store.store import Store
    from marketsweep.universe.named import screen_of
    from marketsweep.universe.prescreen import prescreen_of

    source = Source(
        *(provider, base_url, api_key, path, actions, symbols, facts),
        calls_per_minute=calls_per_minute,
        concurrency=concurrency,
        config=read_config(data_folder(data)),
    )
    source.make()  # raises for invalid options before a folder is created
    if keep_on and until:
        raise UsageError("--watch has no end: remove --until")
    only_symbols = None if only is None else read_symbols(only)
    always_symbols = () if always is None else read_symbols(always)
    if again and since is None:
        raise UsageError("--again needs --since: the first session to fetch again")
    if dry_run:
        if provider != "files":
            raise UsageError("--dry-run needs --provider files; --plan shows what a sync costs")
        from marketsweep.ingest.dry_run import Part

        part = Part(date_of(since), date_of(until), only_symbols)
        _show_dry_run(source.files(), part, as_json)
        return
    folder = data_folder(data)
    own_names = own_names_at(folder) if where or universe else NO_NAMES
    screen = prescreen_of(screen_of(folder, universe, where, unknown, own_names))
    if only_plan:
        from marketsweep.ingest.estimate import forecast

        first, last = date_of(since), date_of(until)
        plan = forecast(
            folder,
            source.make(),
            first,
            last,
            symbols=only_symbols,
            by_symbol=by_symbol,
            screen=screen,
            details=details,
            always=always_symbols,
            again=again,
            facts=source.fact_groups,
            universe_history=universe_history,
            details_history=details_history,
        )
        _show_forecast(plan, as_json)
        return

    def sync_once() -> SyncReceipt:
        with progress_line("fetching") as progress:
            receipt = run_sync(
                store,
                source.make(),
                date_of(since),
                date_of(until),
                progress,
                symbols=only_symbols,
                by_symbol=by_symbol,
                screen=screen,
                details=details,
                always=always_symbols,
                again=again,
                facts=source.fact_groups,
                universe_history=universe_history,
                details_history=details_history,
            )
        _show_receipt(receipt, as_json)
        return receipt

    with Store.create(folder) as store:
        if keep_on:
            from marketsweep.ingest.schedule import watch

            watch(store, sync_once, lambda message: echo(f"marketsweep: {message}", err=True))
        else:
            require_use(sync_once())


def _show_receipt(receipt: SyncReceipt, as_json: bool) -> None:
    for warning in receipt.warnings:
        echo(f"marketsweep: {warning}", err=True)
    if as_json:
        write_json(receipt.to_dict())
    else:
        from marketsweep.cli.reports.text import sync_report

        echo(sync_report(receipt))


def _show_dry_run(source: FilesProvider, part: Part, as_json: bool) -> None:
    from marketsweep.cli.reports.text import dry_run_report
    from marketsweep.ingest.dry_run import dry_run

    result = dry_run(source, part)
    if as_json:
        write_json(result.to_dict())
    else:
        echo(dry_run_report(result))


def _show_forecast(plan: Forecast, as_json: bool) -> None:
    from marketsweep.cli.reports.text import forecast_report

    if as_json:
        write_json(plan.to_dict())
    else:
        echo(forecast_report(plan))
