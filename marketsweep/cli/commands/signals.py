"""`marketsweep signals`: find the matches as of every session of a year, or of any period."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from marketsweep.cli.commands._completion import complete_condition
from marketsweep.cli.commands._shared import (
    DAY,
    FILE,
    Scanning,
    adjust_option,
    checked_format,
    csv_safe_option,
    data_option,
    date_of,
    executor_options,
    facts_option,
    progress_line,
    strict_option,
    table_format_option,
    universe_option,
    unknown_option,
    where_option,
    write_answer,
)

if TYPE_CHECKING:
    from marketsweep.engine.executors.options import Ray
    from marketsweep.engine.panel.adjustments import Adjust
    from marketsweep.scan.loader import FactsOf


@click.command(cls=Scanning)
@click.argument("condition", shell_complete=complete_condition)
@click.option("--since", type=DAY, help="First session. Default: 252 sessions back.")
@click.option("--until", type=DAY, help="Last session. Default: the newest one.")
@where_option
@universe_option
@unknown_option
@facts_option
@click.option(
    "--sort",
    metavar="EXPR",
    help="Rank the hits of a session by this. Default: median(dollar_volume, 20).",
)
@click.option(
    "--descending/--ascending",
    default=True,
    show_default=True,
    help="Rank the highest or the lowest value first.",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Show at most N hits of each session."
)
@click.option(
    "--columns", default="", metavar="'EXPR,...'", help="Show these numbers, dates or facts."
)
@click.option(
    "--plot", is_flag=True, help="Draw the share of matching symbols instead of the table."
)
@executor_options
@adjust_option
@table_format_option
@csv_safe_option
@click.option("--output", type=FILE, metavar="FILE", help="Write the answer to this file.")
@click.option("--exclude-suspect", is_flag=True, help="Skip symbols with suspicious bars.")
@strict_option
@data_option
def signals(
    condition: str,
    since: dt.datetime | None,
    until: dt.datetime | None,
    where: str | None,
    universe: str | None,
    unknown: Literal["keep", "drop"] | None,
    facts: FactsOf,
    sort: str | None,
    descending: bool,
    limit: int | None,
    columns: str,
    plot: bool,
    executor: str | Ray,
    threads: int | None,
    adjust: Adjust,
    format_: str | None,
    csv_safe: bool,
    output: Path | None,
    exclude_suspect: bool,
    strict: bool,
    data: Path | None,
) -> None:
    """Find the symbols for which CONDITION was true, as of each session of a year.

    Each session is evaluated as a scan of that day would be: with its universe, and with the splits
    and tickers known then. The table has one line per session; the other formats have all hits.
    Hits on bars that are suspicious, judged by all bars up to --until, are marked.

    \b
    Examples:
      marketsweep signals 'close crosses above sma(200)'
      marketsweep signals golden_cross --since 2016-06-01 --until 2016-12-30
      marketsweep signals 'close > sma(50)' --plot
      marketsweep signals 'rank(roc(20)) <= 10' --sort 'roc(20)' --format csv --output signals.csv
    """
    from marketsweep.cli.reports.breadth import breadth_report
    from marketsweep.cli.reports.text import signals_report
    from marketsweep.errors import UsageError
    from marketsweep.market import data_folder, open_market

    format_ = checked_format(format_, output)
    if plot and (format_ != "table" or limit is not None):
        raise UsageError(
            "--plot draws all matches in place of the table: leave --format and --limit out"
        )
    with open_market(data_folder(data)) as market, progress_line("scanning", "hits") as progress:
        result = market.signals(
            condition,
            since=date_of(since),
            until=date_of(until),
            where=where,
            universe=universe,
            unknown=unknown,
            facts=facts,
            sort=sort,
            descending=descending,
            limit=limit,
            columns=columns,
            executor=executor,
            threads=threads,
            adjust=adjust,  # any text; checked by the call
            exclude_suspect=exclude_suspect,
            strict=strict,
            progress=progress,
        )
    report = breadth_report if plot else signals_report
    write_answer(result, result.timing.total, format_, output, report, csv_safe)
