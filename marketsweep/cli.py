"""The command line: parses, runs, writes. Answers go to stdout, everything else to stderr.

Nothing heavy is imported at the top: `marketsweep --help` answers without numpy.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from marketsweep import __version__
from marketsweep.actions_cli import actions as actions_group
from marketsweep.cli_shared import DAY as _DAY
from marketsweep.cli_shared import FILE as _FILE
from marketsweep.cli_shared import data_option as _data
from marketsweep.cli_shared import date_of as _date
from marketsweep.cli_shared import write_json as _write_json
from marketsweep.errors import MarketsweepError, StoreError, UsageError

if TYPE_CHECKING:
    from marketsweep.forecast import Forecast
    from marketsweep.providers import Provider
    from marketsweep.providers.massive import MassiveProvider
    from marketsweep.sync import SyncReceipt

_INTERRUPTED = 130


_limit = click.option(
    "--calls-per-minute", type=click.IntRange(1), help="Your plan's limit; free: 5."
)


def _source(command: Callable[..., None]) -> Callable[..., None]:
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


class _Group(click.Group):
    """Turns every error that is raised on purpose into one clear line and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401, click's own signature
        try:
            return super().invoke(ctx)
        except MarketsweepError as error:
            click.echo(f"marketsweep: {error}", err=True)
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("marketsweep: interrupted; what was committed stays", err=True)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # The reader of stdout left, as `head` does: nobody is there to be told.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="marketsweep")
def main() -> None:
    """Sweeps the whole US stock market for technical conditions.

    \b
    Fetch the market once, then as often as you like:
      export MASSIVE_API_KEY=...
      marketsweep sync
    Scan it:
      marketsweep scan 'rsi(14) < 30 and close > sma(200)'
      marketsweep scan 'sma(50) crosses above sma(200) within 5 bars' --where 'exchange == "NASDAQ"'

    Exit codes: 0 done, 1 any other error, 2 bad condition or usage, or no data yet, 3 coverage
    too low or data stale, 4 provider refused or unreachable, 5 store damaged or locked, or disk
    full, 130 interrupted.
    """


@main.command()
@_source
@click.option("--since", type=_DAY, help="First session. Default: two years back.")
@click.option("--until", type=_DAY, help="Last session. Default: the newest there is.")
@click.option("--path", metavar="FILE", type=_FILE, help="files: bars, Parquet, CSV or Arrow.")
@click.option("--actions", metavar="FILE", type=_FILE, help="files: splits and dividends.")
@click.option("--symbols", metavar="FILE", type=_FILE, help="files: reference data.")
@_limit
@click.option("--only", metavar="A,B|@FILE", help="These symbols alone, by the cheapest way.")
@click.option("--by-symbol", is_flag=True, help="One call a symbol, and not one a session.")
@click.option("--details", is_flag=True, help="only: market cap and more, a call each.")
@click.option("--always", metavar="A,B|@FILE", help="by symbol: fetched even if not traded.")
@click.option("--concurrency", type=click.IntRange(1, 100), help="Calls under way at once.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would cost; make no call.")
@click.option("--watch", "keep_on", is_flag=True, help="Go on: sync again after each close.")
@_data
@click.option("--json", "as_json", is_flag=True, help="The receipt as JSON on stdout.")
def sync(
    provider: str,
    base_url: str | None,
    api_key: str | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    path: Path | None,
    actions: Path | None,
    symbols: Path | None,
    calls_per_minute: int | None,
    only: str | None,
    by_symbol: bool,
    details: bool,
    always: str | None,
    concurrency: int | None,
    only_plan: bool,
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
      marketsweep sync --only AAPL,BRK.B --since 2010-01-01
      marketsweep sync --only @watchlist.txt --by-symbol
      marketsweep sync --watch                           now, and after each close
      marketsweep sync --provider files --path bars.parquet --actions actions.parquet

    What was fetched is kept, whatever happens; run it again to go on.
    """
    from marketsweep.config import read_config
    from marketsweep.market import data_folder
    from marketsweep.store import Store
    from marketsweep.sync import sync as run_sync
    from marketsweep.watchlist import read_list

    config = read_config(data_folder(data))
    limit = calls_per_minute or config.calls_per_minute
    at_once = concurrency or config.concurrency

    def source() -> Provider:
        if provider == "massive":
            return _massive(base_url, api_key, limit, at_once)
        return _files(provider, path, actions, symbols)

    source()  # refuses what cannot be before a folder is made
    if keep_on and until:
        raise UsageError("--watch goes on and on: leave --until out")
    chosen = None if only is None else read_list(only)
    if only_plan:
        from marketsweep.forecast import forecast

        first, last = _date(since), _date(until)
        folder = data_folder(data)
        plan = forecast(
            folder, source(), first, last, symbols=chosen, by_symbol=by_symbol, details=details
        )
        _show_forecast(plan, as_json)
        return

    def once() -> SyncReceipt:
        with _progress("fetching") as progress:
            receipt = run_sync(
                store,
                source(),
                _date(since),
                _date(until),
                progress,
                symbols=chosen,
                by_symbol=by_symbol,
                details=details,
                always=() if always is None else read_list(always),
            )
        _show_receipt(receipt, as_json)
        return receipt

    with Store.create(data_folder(data)) as store:
        if keep_on:
            from marketsweep.watch import watch

            watch(store, once, lambda said: click.echo(f"marketsweep: {said}", err=True))
        else:
            once()


def _show_receipt(receipt: SyncReceipt, as_json: bool) -> None:
    for warning in receipt.warnings:
        click.echo(f"marketsweep: {warning}", err=True)
    if as_json:
        _write_json(receipt.to_dict())
    else:
        from marketsweep.reports import sync_report

        click.echo(sync_report(receipt))


def _show_forecast(plan: Forecast, as_json: bool) -> None:
    from marketsweep.reports import forecast_report

    if as_json:
        _write_json(plan.to_dict())
    else:
        click.echo(forecast_report(plan))


def _massive(
    base_url: str | None,
    api_key: str | None,
    calls_per_minute: int | None,
    concurrency: int | None,
    otherwise: str = "sync from files you own with --provider files --path bars.parquet",
) -> MassiveProvider:
    from marketsweep.providers.massive import CONCURRENCY, MASSIVE, MassiveProvider

    key = api_key or os.environ.get("MASSIVE_API_KEY")
    if not key:
        raise UsageError(
            f"no API key: export MASSIVE_API_KEY=... (from your Massive dashboard), or {otherwise}"
        )
    return MassiveProvider(key, base_url or MASSIVE, calls_per_minute, concurrency or CONCURRENCY)


def _files(name: str, path: Path | None, actions: Path | None, symbols: Path | None) -> Provider:
    if name != "files":
        raise UsageError(f"unknown provider {name!r}: choose massive or files")
    from marketsweep.providers.files import FilesProvider

    if path is None:
        raise UsageError("--provider files needs --path FILE with the bars")
    return FilesProvider(path, actions, symbols)


@main.command()
@click.argument("condition")
@click.option("--where", metavar="COND", help="Pre-screen on reference data.")
@click.option("--as-of", type=_DAY, help="The market as it was that day. Default: the newest.")
@click.option("--sort", metavar="EXPR", help="Rank by this. Default: dollar_volume.")
@click.option("--descending/--ascending", default=True, show_default=True, help="Best first.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N matches.")
@click.option("--columns", default="", metavar="'EXPR,...'", help="More values to show.")
@click.option("--executor", default="threads", show_default=True, metavar="threads|serial")
@click.option("--threads", type=click.IntRange(1, 256), help="That evaluate.")
@click.option("--adjust", default="splits", show_default=True, metavar="splits|total|none")
@click.option(
    "--format", "format_", default="table", show_default=True, metavar="table|json|csv|parquet"
)
@click.option("--output", type=_FILE, metavar="FILE", help="Write there instead of to stdout.")
@click.option("--min-coverage", default=0.95, show_default=True, type=click.FloatRange(0, 1))
@click.option("--exclude-suspect", is_flag=True, help="Leave symbols with suspicious bars out.")
@_data
def scan(
    condition: str,
    where: str | None,
    as_of: dt.datetime | None,
    sort: str | None,
    descending: bool,
    limit: int | None,
    columns: str,
    executor: str,
    threads: int | None,
    adjust: str,
    format_: str,
    output: Path | None,
    min_coverage: float,
    exclude_suspect: bool,
    data: Path | None,
) -> None:
    """Find the symbols for which CONDITION holds.

    \b
    Examples:
      marketsweep scan 'rsi(14) < 30 and close > sma(200)'
      marketsweep scan 'close > 0.95 * highest(high, 252)' --where 'exchange == "NASDAQ"' --limit 20
      marketsweep scan 'macd(12, 26, 9).hist > 0' --sort 'roc(63)' --columns 'rsi(14),atr(14)/close'
      marketsweep scan 'rsi(14) > 70' --as-of 2016-12-30 --format json > hits.json

    `marketsweep indicators` lists what a condition can use.
    """
    from marketsweep.market import data_folder, open_market
    from marketsweep.outputs import writer
    from marketsweep.reports import receipt_report
    from marketsweep.scan import require_coverage

    write = writer(format_)
    if format_ == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for terminals: add --output FILE")
    with open_market(data_folder(data)) as market:
        hits = market.scan(
            condition,
            where=where,
            as_of=_date(as_of),
            sort=sort,
            descending=descending,
            limit=limit,
            columns=columns,
            executor=executor,
            threads=threads,
            adjust=adjust,  # type: ignore[arg-type]  # checked where it is used
            min_coverage=min_coverage,
            exclude_suspect=exclude_suspect,
        )
    for warning in hits.warnings:
        click.echo(f"marketsweep: {warning}", err=True)
    with _output(output) as file:
        write(hits, file)
    click.echo(receipt_report(hits), err=True)
    require_coverage(hits, min_coverage)


@main.command()
@_data
@click.option("--verify/--no-verify", default=True, help="Check every byte against its checksum.")
@click.option("--quality", is_flag=True, help="Judge every bar: list what is suspicious, and why.")
@click.option("--symbol", help="--quality: of this one only.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(
    data: Path | None, verify: bool, quality: bool, symbol: str | None, as_json: bool
) -> None:
    """What is stored: sessions, symbols, gaps, faults of the data, damage.

    \b
    Examples:
      marketsweep status
      marketsweep status --json --no-verify
      marketsweep status --quality                  suspicious bars by rule, the newest of each
      marketsweep status --quality --symbol NEE
    """
    from marketsweep.market import data_folder
    from marketsweep.reports import status_report
    from marketsweep.status import read_status
    from marketsweep.store import Store

    if quality:
        _show_quality(data_folder(data), symbol, as_json)
        return
    if symbol is not None:
        raise UsageError("--symbol goes with --quality")
    with Store.open(data_folder(data)) as store:
        found = read_status(store, verify=verify)
    if as_json:
        _write_json(found.to_dict())
    else:
        click.echo(status_report(found))
    if found.damages:
        raise StoreError(
            f"{len(found.damages)} damages: move {found.path} away and run marketsweep sync again"
        )


def _show_quality(folder: Path, symbol: str | None, as_json: bool) -> None:
    from marketsweep.inspection import read_quality
    from marketsweep.quality_report import quality_report
    from marketsweep.store import Store

    with Store.open(folder) as store, _progress("judging symbols") as progress:
        found = read_quality(store, symbol, progress)
    if as_json:
        _write_json(found.to_dict())
    else:
        click.echo(quality_report(found))


@main.command()
@click.option("--bars", required=True, type=_FILE, metavar="FILE", help="Parquet, CSV or Arrow.")
@click.option("--actions", type=_FILE, metavar="FILE", help="Splits and dividends.")
@click.option("--symbols", type=_FILE, metavar="FILE", help="Reference data.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--latency", default=0.0, metavar="MS", help="Milliseconds that every call waits.")
@click.option("--calls-per-minute", type=click.IntRange(1), metavar="N", help="Refuse more: 429.")
@click.option("--api-key", default="sandbox", show_default=True, metavar="KEY", help="Accept this.")
@click.option("--now", type=_DAY, help="Later sessions are not yet there.")
@click.option("--faults", default="", metavar="KIND,...", help="Go wrong: all, or 429,reset,...")
@click.option("--fault-share", default=0.05, show_default=True, type=click.FloatRange(0, 1))
@click.option("--seed", default=0, show_default=True, help="Of the faults.")
def sandbox(
    bars: Path,
    actions: Path | None,
    symbols: Path | None,
    port: int,
    latency: float,
    calls_per_minute: int | None,
    api_key: str,
    now: dt.datetime | None,
    faults: str,
    fault_share: float,
    seed: int,
) -> None:
    """Serve a bar file as Massive would, on this machine.

    \b
    Examples:
      marketsweep sandbox --bars examples/us-2016/bars.parquet --latency 80
      marketsweep sandbox --bars bars.csv --faults 429,500,reset --fault-share 0.2
    It prints its address on one line when it is ready, and stops at Ctrl-C.
    """
    from marketsweep.sandbox.faults import chosen_faults
    from marketsweep.sandbox.server import serve
    from marketsweep.sandbox.settings import Settings

    serve(
        Settings(
            bars=bars,
            actions=actions,
            symbols=symbols,
            port=port,
            latency_ms=latency,
            calls_per_minute=calls_per_minute,
            api_key=api_key,
            now=_date(now),
            faults=chosen_faults(faults),
            fault_share=fault_share,
            seed=seed,
        )
    )


@main.command()
@click.option("--market", type=_FILE, metavar="DIR", help="Folder of another example market.")
@click.option("--json", "as_json", is_flag=True, help="The seconds of each stage as JSON.")
def demo(market: Path | None, as_json: bool) -> None:
    """Sweep the whole US market of 2016, from an empty disk to ranked matches.

    A local server plays the provider, 80 ms away; every ticker travels over HTTP into a new data
    folder, which is removed at the end.
    """
    from marketsweep.demo import run_demo

    with _progress("fetching") as progress:
        result = run_demo(market, progress, lambda line: click.echo(line, err=True))
    if as_json:
        _write_json(result.to_dict())
        return
    from marketsweep.outputs import writer
    from marketsweep.reports import demo_report, receipt_report

    writer("table")(result.hits, sys.stdout.buffer)
    click.echo(receipt_report(result.hits))
    click.echo(demo_report(result))


@main.command()
@_source
@_limit
@click.option("--sandbox", "in_sandbox", is_flag=True, help="Fetch from a local stand-in instead.")
@_data
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
        return _massive(base_url, api_key, None, connections, otherwise)

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
        _write_json(tuning.to_dict())
    else:
        click.echo(report(tuning))
    click.echo(kept(write_config(folder, tuning.chosen), tuning.chosen), err=as_json)


@main.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def indicators(name: str | None, as_json: bool) -> None:
    """What a condition can use; with NAME, one indicator in full.

    \b
    Examples:
      marketsweep indicators
      marketsweep indicators macd
    """
    from marketsweep.reports import indicators_facts, indicators_report

    if as_json:
        _write_json(indicators_facts(name))
    else:
        click.echo(indicators_report(name))


main.add_command(actions_group)


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; on stderr either way."""
    from marketsweep.reports import ProgressLine

    line = ProgressLine(what, sys.stderr)
    try:
        yield line
    finally:
        line.close()
