"""`marketsweep sweep`: count the matches of thousands of variants of a condition."""

from __future__ import annotations

import datetime as dt
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from marketsweep.cli.commands._shared import (
    DAY,
    FILE,
    Scanning,
    adjust_option,
    as_of_option,
    check_page,
    checked_format,
    data_option,
    date_of,
    executor_options,
    facts_option,
    output_file,
    progress_line,
    strict_option,
    table_format_option,
    universe_option,
    unknown_option,
    where_option,
    write_answer,
)
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.engine.executors.options import Ray
    from marketsweep.engine.panel.adjustments import Adjust
    from marketsweep.scan.loader import FactsOf


@click.command(cls=Scanning)
@click.argument("condition")
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=VALUES",
    help="Values of {NAME}: n=5..30, n=20..200..20 or n=10,14,21. Repeatable.",
)
@as_of_option
@click.option("--since", type=DAY, help="Count each session from that day on.")
@click.option(
    "--until",
    type=DAY,
    help="Count each session up to that day; without --since, one year of them.",
)
@where_option
@universe_option
@unknown_option
@facts_option
@executor_options
@adjust_option
@strict_option
@click.option(
    "--outcome",
    metavar="return(N)|excess(N)",
    help="Add up what followed in N sessions, alone or over the market.",
)
@table_format_option
@click.option("--output", type=FILE, metavar="FILE", help="Write the answer to this file.")
@click.option("--html", type=FILE, metavar="FILE", help="With --outcome: also write a page.")
@data_option
def sweep(
    condition: str,
    vary: tuple[str, ...],
    as_of: dt.datetime | None,
    since: dt.datetime | None,
    until: dt.datetime | None,
    where: str | None,
    universe: str | None,
    unknown: Literal["keep", "drop"] | None,
    facts: FactsOf,
    executor: str | Ray,
    threads: int | None,
    adjust: Adjust,
    strict: bool,
    outcome: str | None,
    format_: str | None,
    output: Path | None,
    html: Path | None,
    data: Path | None,
) -> None:
    """Count the symbols for which each of thousands of variants of CONDITION is true, in one pass.

    CONDITION has names in braces in place of numbers, and --vary gives the values of each name.
    Each combination is a variant and one line of the table; with --since or --until, the table has
    one line per variant and session. With --outcome the table ranks the variants by what followed
    the first session of each streak, shows whether the best one of the past went on to be good, and
    how much of it is luck after as many trials.

    \b
    Examples:
      marketsweep sweep 'rsi({n}) < {t}' --vary n=5..29 --vary t=15..39
      marketsweep sweep 'close > sma({n})' --vary n=20..200..20 --since 2016-06-01 --format csv
      marketsweep sweep 'close > {k} * bbands(20).upper' --vary k=1,1.02,1.05
      marketsweep sweep 'rsi({n}) < {t}' --vary n=2..30 --vary t=5..40..5 --outcome 'return(20)'
    """
    from marketsweep.cli.reports.sweep import sweep_report
    from marketsweep.market import Market, data_folder, open_market
    from marketsweep.studies.variants import parse_variants

    format_ = checked_format(format_, output)
    check_page(html, output)
    if html is not None and outcome is None:
        raise UsageError("the page shows outcomes: add --outcome 'return(20)', or leave --html out")
    if as_of and (since or until):
        raise UsageError(
            "--as-of is one session, --since and --until are many: give one or the other"
        )
    values = parse_variants(vary, reserved=signature(Market.sweep).parameters)
    with open_market(data_folder(data)) as market, progress_line("sweeping", "matches") as progress:
        result = market.sweep(
            condition,
            as_of=date_of(as_of),
            since=date_of(since),
            until=date_of(until),
            where=where,
            universe=universe,
            unknown=unknown,
            facts=facts,
            executor=executor,
            threads=threads,
            adjust=adjust,  # any text; checked by the call
            strict=strict,
            outcome=outcome,
            progress=progress,
            **values,
        )
    if html is not None:
        from marketsweep.output.charts.sweep_page import sweep_page

        with output_file(html) as file:
            file.write(sweep_page(result).encode())
    write_answer(result, result.seconds, format_, output, sweep_report)
