"""`marketsweep scan`: find the symbols for which a condition holds."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from marketsweep.cli.commands._completion import complete_condition
from marketsweep.cli.commands._shared import (
    FILE,
    SHARE,
    Scanning,
    adjust_option,
    as_of_option,
    csv_safe_option,
    data_option,
    date_of,
    echo,
    executor_options,
    facts_option,
    format_of,
    output_file,
    read_symbols,
    refuse_store_file,
    strict_option,
    universe_option,
    unknown_option,
    where_option,
    write_table,
)
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.engine.executors.options import Ray
    from marketsweep.engine.panel.adjustments import Adjust
    from marketsweep.market import Market
    from marketsweep.scan.incremental.run import Incremental
    from marketsweep.scan.loader import FactsOf
    from marketsweep.scan.results import Hits
    from marketsweep.scan.scan import MinHistory


_ROWS: Final = 30
"""The number of matches that a terminal shows without --limit."""


@click.command(cls=Scanning)
@click.argument("condition", shell_complete=complete_condition)
@where_option
@universe_option
@unknown_option
@facts_option
@click.option("--skip-low-volume", is_flag=True, help="Skip the symbols of the low-volume list.")
@as_of_option
@click.option(
    "--sort",
    metavar="EXPR",
    help="Rank by this value, or by several: 'A, B'. Default: median(dollar_volume, 20).",
)
@click.option(
    "--descending/--ascending",
    default=True,
    show_default=True,
    help="Rank the highest or the lowest value first.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show at most N matches.")
@click.option(
    "--top",
    type=click.IntRange(1),
    metavar="N",
    help="Show at most N matches of each group; needs --by.",
)
@click.option(
    "--by",
    default="",
    metavar="FACT",
    help="Fact that makes the groups: sector, industry, exchange, ...",
)
@click.option(
    "--columns", default="", metavar="'EXPR,...'", help="Show these numbers, dates or facts."
)
@executor_options
@adjust_option
@click.option(
    "--format",
    "format_",
    metavar="table|json|csv|parquet|arrow",
    help="Format of the answer. Default: by the ending of --output, else table.",
)
@csv_safe_option
@click.option("--output", type=FILE, metavar="FILE", help="Write the answer to this file.")
@click.option(
    "--charts",
    type=FILE,
    metavar="DIR",
    help="Write a page of charts of the matches to this folder.",
)
@click.option(
    "--min-coverage",
    default=0.95,
    show_default=True,
    type=SHARE,
    metavar="SHARE",
    help="Exit with code 3 if a smaller share of the symbols has a bar.",
)
@click.option(
    "--max-lag",
    type=click.IntRange(0),
    metavar="N",
    help="Exit with code 3 if the data is more than N sessions behind today.",
)
@click.option("--exclude-suspect", is_flag=True, help="Skip symbols with suspicious bars.")
@click.option(
    "--min-history",
    default="valid",
    show_default=True,
    metavar="valid|settled",
    help="Use values from TA-Lib's first bar on, or only after recursions have settled.",
)
@click.option("--funnel", is_flag=True, help="Count the symbols that pass each clause.")
@click.option(
    "--near",
    type=click.IntRange(1),
    metavar="N",
    help=(
        "Also show the N symbols that fail only one clause, by the smallest margin (table and "
        "json)."
    ),
)
@strict_option
@click.option(
    "--incremental",
    is_flag=True,
    help="Evaluate only symbols with new data, and reuse the other results.",
)
@click.option(
    "--always", metavar="A,B|@FILE", help="With --incremental: always evaluate these symbols."
)
@click.option(
    "--max-age", metavar="1h", help="With --incremental: time for which a result is reused."
)
@click.option(
    "--audit-sample",
    type=click.IntRange(0),
    metavar="N",
    help="With --incremental: evaluate N reused symbols as a check. Default: 500.",
)
@data_option
def scan(
    condition: str,
    where: str | None,
    universe: str | None,
    unknown: Literal["keep", "drop"] | None,
    facts: FactsOf,
    skip_low_volume: bool,
    as_of: dt.datetime | None,
    sort: str | None,
    descending: bool,
    limit: int | None,
    top: int | None,
    by: str,
    columns: str,
    executor: str | Ray,
    threads: int | None,
    adjust: Adjust,
    format_: str | None,
    csv_safe: bool,
    output: Path | None,
    charts: Path | None,
    min_coverage: float,
    max_lag: int | None,
    exclude_suspect: bool,
    min_history: MinHistory,
    funnel: bool,
    near: int | None,
    strict: bool,
    incremental: bool,
    always: str | None,
    max_age: str | None,
    audit_sample: int | None,
    data: Path | None,
) -> None:
    """Find the symbols for which CONDITION is true.

    \b
    Examples:
      marketsweep scan 'rsi(14) < 30 and close > sma(200)'
      marketsweep scan 'close > 0.95 * highest(high, 252)' --where 'exchange == "NASDAQ"' --limit 20
      marketsweep scan 'macd(12, 26, 9).hist > 0' --sort 'roc(63)' --columns 'sector,rsi(14)'
      marketsweep scan 'roc(5) > 10' --universe liquid --where 'type == "CS"' --unknown keep
      marketsweep scan uptrend --sort 'percentile(roc(63))' --top 3 --by sector
      marketsweep scan minervini_trend_template --funnel --near 10
      marketsweep scan 'rsi(14) > 70' --as-of 2016-12-30 --format json > hits.json
      marketsweep scan 'close crosses above sma(50)' --charts charts   # open charts/index.html
      marketsweep scan uptrend --incremental --always @mine.txt --max-age 15m

    `marketsweep indicators` lists what a condition can use.
    """
    from marketsweep.cli.reports.text import clauses_report, receipt_report
    from marketsweep.market import data_folder, open_market
    from marketsweep.output.formats import writer
    from marketsweep.scan.receipt import require_coverage, require_recent

    format_ = format_of(format_, output)
    write = writer(format_, csv_safe=csv_safe)
    if near and format_ not in ("table", "json"):
        raise UsageError(f"--near does not work with {format_}: choose --format table or json")
    reuse = _incremental_options(incremental, always, max_age, audit_sample)
    if format_ in ("parquet", "arrow") and output is None and sys.stdout.isatty():
        raise UsageError(f"{format_} cannot be written to a terminal: add --output FILE")
    with open_market(data_folder(data)) as market:
        hits = market.scan(
            condition,
            where=where,
            universe=universe,
            unknown=unknown,
            facts=facts,
            skip_low_volume=skip_low_volume,
            as_of=date_of(as_of),
            sort=sort,
            descending=descending,
            limit=limit,
            top=top,
            by=by.lower(),
            columns=columns,
            executor=executor,
            threads=threads,
            adjust=adjust,  # any text; the scan checks it
            exclude_suspect=exclude_suspect,
            min_history=min_history,  # likewise
            funnel=funnel,
            near=near or 0,
            strict=strict,
            incremental=reuse,
        )
        if charts:
            from marketsweep.output.charts.folder import (
                make_folder,  # fails before the result is written
            )

            refuse_store_file(charts / "index.html")
            make_folder(charts)
        for warning in hits.warnings:
            echo(f"marketsweep: {warning}", err=True)
        with output_file(output) as file:
            if format_ == "table":
                # A terminal shows the first matches, unless --limit is given.
                most = _ROWS if limit is None and file.isatty() else None
                write_table(hits, market, file, adjust, most)
            else:
                write(hits, file)
        if format_ == "table":
            echo(clauses_report(hits), nl=False)
        echo(receipt_report(hits), err=True)
        if charts:
            _draw(hits, market, charts, adjust)
    require_recent(hits, max_lag)
    require_coverage(hits, min_coverage)


def _incremental_options(
    incremental: bool, always: str | None, max_age: str | None, sample: int | None
) -> Incremental | bool:
    options = {"--always": always, "--max-age": max_age, "--audit-sample": sample}
    misplaced = [option for option, value in options.items() if value is not None]
    if not incremental:
        if misplaced:
            raise UsageError(f"{misplaced[0]} needs --incremental")
        return False
    from marketsweep.scan.incremental.run import MAX_AGE, SAMPLE, Incremental

    return Incremental(
        always=read_symbols(always) if always else (),
        max_age=MAX_AGE if max_age is None else _seconds(max_age),
        sample=SAMPLE if sample is None else sample,
    )


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNITS:
        raise UsageError(
            f"--max-age {text!r} is not a time: write, for example, 90s, 15m, 1h or 2d"
        )
    return float(number) * _UNITS[unit]


def _draw(hits: Hits, market: Market, folder: Path, adjust: Adjust) -> None:
    from marketsweep.output.charts.folder import MAX_CHARTS, write_charts

    count = min(len(hits), MAX_CHARTS)
    with (
        market.view() as view,
        click.progressbar(length=count, label="drawing charts", file=sys.stderr) as bar,
    ):
        index = write_charts(hits, view, folder, adjust, bar.update)
    if not count:
        echo(f"no match to draw: {index} has no charts", err=True)
        return
    which = "all" if count == len(hits) else f"the first {count:,} of"
    echo(f"charts of {which} {len(hits):,} matches: {index}", err=True)
