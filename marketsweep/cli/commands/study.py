"""`marketsweep study`: what followed the signals of a condition."""

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
    check_page,
    checked_format,
    csv_safe_option,
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

if TYPE_CHECKING:
    from marketsweep.engine.executors.options import Ray
    from marketsweep.scan.loader import FactsOf
    from marketsweep.studies.study.options import Entry, Grouped


def _horizons(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Return the numbers between the commas of a text."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of sessions: write 1,5,20") from None


def _share(text: str) -> float:
    """Return the share that a percentage is; -30% needs its sign, as -0.3 may be either."""
    try:
        if not text.endswith("%"):
            raise ValueError
        return float(text.removesuffix("%")) / 100
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a percentage: write -30%, or merger=0%,other=-30%"
        ) from None


def _delisting_return(_: click.Context, __: click.Parameter, text: str) -> float | dict[str, float]:
    """Return one share for all delistings, or one for each reason."""
    if "=" not in text:
        return _share(text)
    pairs = (part.rpartition("=") for part in text.split(","))
    return {reason.strip(): _share(share.strip()) for reason, _, share in pairs}


@click.command(cls=Scanning)
@click.argument("condition", required=False, shell_complete=complete_condition)
@click.option(
    "--presets",
    is_flag=True,
    help="Instead of CONDITION: rank all presets and your own conditions by what followed.",
)
@click.option("--since", type=DAY, help="First session. Default: 252 sessions back.")
@click.option("--until", type=DAY, help="Last session of a signal. Default: the newest one.")
@click.option(
    "--horizons",
    callback=_horizons,
    metavar="N,...",
    help="Close positions at the close of the N-th session after the signal. Default: 1,5,20,63.",
)
@click.option(
    "--entry",
    type=click.Choice(["next_open", "close", "next_close"]),
    default="next_open",
    show_default=True,
    help="Price of the entry: of the session after the signal, or the signal's close.",
)
@click.option(
    "--exit",
    "exit_",
    metavar="CONDITION",
    help="Close a position earlier if this holds, at the price that --entry names.",
)
@click.option(
    "--max-hold",
    type=click.IntRange(1),
    metavar="N",
    help="Close positions after N sessions at the latest; the only horizon.",
)
@click.option(
    "--stop",
    metavar="DISTANCE",
    help="Close a position at a loss of 8%, or of 2atr: two times atr(14) at the signal.",
)
@click.option("--target", metavar="DISTANCE", help="Close a position at a gain of 20%, or 3atr.")
@click.option("--benchmark", metavar="SYMBOL", help="Also show the excess over this symbol.")
@click.option(
    "--costs",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="BPS",
    help="Costs of entry and exit together, in basis points.",
)
@click.option(
    "--spread",
    is_flag=True,
    help="Also deduct an estimated spread: of price, dollar volume and volatility at the signal.",
)
@click.option(
    "--first/--every",
    "first",
    default=True,
    show_default=True,
    help="Count the first session of a streak, or every session with a signal.",
)
@click.option(
    "--cooldown",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Ignore signals of a symbol in the N sessions after its last event.",
)
@click.option(
    "--delisting-return",
    callback=_delisting_return,
    default="0%",
    show_default=True,
    metavar="PERCENT",
    help="Return from the last close of a company that is delisted: -30%, or by the stored fact "
    "delisting_reason: merger=0%,other=-30%.",
)
@where_option
@universe_option
@unknown_option
@facts_option
@click.option(
    "--adjust",
    type=click.Choice(["total", "splits"]),
    default="total",
    show_default=True,
    help="Count dividends in the returns, or splits alone.",
)
@executor_options
@table_format_option
@csv_safe_option
@click.option("--output", type=FILE, metavar="FILE", help="Write the answer to this file.")
@click.option("--html", type=FILE, metavar="FILE", help="Also write a page of pictures.")
@click.option(
    "--exclude-suspect", is_flag=True, help="Leave out signals and holds on suspicious bars."
)
@click.option(
    "--regime",
    metavar="CONDITION",
    help="A condition on the market that splits the events. Default: --benchmark above its "
    "average of 200 days.",
)
@click.option(
    "--positions",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Also follow a portfolio of at most N positions, at the middle horizon.",
)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["year", "price", "size", "sector", "regime"]),
    help="Also show the figures of groups. Repeatable.",
)
@strict_option
@data_option
def study(
    condition: str | None,
    presets: bool,
    since: dt.datetime | None,
    until: dt.datetime | None,
    horizons: tuple[int, ...] | None,
    entry: Entry,
    exit_: str | None,
    max_hold: int | None,
    stop: str | None,
    target: str | None,
    benchmark: str | None,
    costs: float,
    spread: bool,
    first: bool,
    cooldown: int,
    delisting_return: float | dict[str, float],
    where: str | None,
    universe: str | None,
    unknown: Literal["keep", "drop"] | None,
    facts: FactsOf,
    adjust: Literal["total", "splits"],
    executor: str | Ray,
    threads: int | None,
    format_: str | None,
    csv_safe: bool,
    output: Path | None,
    html: Path | None,
    exclude_suspect: bool,
    regime: str | None,
    positions: int | None,
    by: tuple[Grouped, ...],
    strict: bool,
    data: Path | None,
) -> None:
    """Show what followed the signals of CONDITION: returns, and how certain their mean is.

    An event is the first of a streak of sessions in which `marketsweep signals` finds a symbol. A
    position is opened at the next open and closed after each of the horizons, or earlier by --exit,
    --stop or --target. The table has a line for each horizon; csv and parquet have a row for each
    position, with its entry and its exit.

    \b
    Examples:
      marketsweep study golden_cross
      marketsweep study 'rsi(14) < 30 and close > sma(200)' --benchmark QQQ --costs 10
      marketsweep study gap_up --horizons 1,2,3,5 --entry close --cooldown 20
      marketsweep study turtle_entry --exit turtle_exit --max-hold 63 --stop 2atr
      marketsweep study new_52_week_low --spread --delisting-return -30%
      marketsweep study nr7 --format parquet --output positions.parquet
      marketsweep study turtle_entry --html study.html
      marketsweep study rsi_oversold --benchmark QQQ --by regime --by price
      marketsweep study --presets --horizons 20 --costs 10
    """
    from marketsweep.cli.reports.study import ranking_report, study_report
    from marketsweep.errors import UsageError
    from marketsweep.market import data_folder, open_market
    from marketsweep.studies.study.options import StudyArguments

    format_ = checked_format(format_, output)
    check_page(html, output)
    if (condition is None) != presets:
        raise UsageError("give a condition to study, or --presets")
    if presets and html is not None:
        raise UsageError("the page is of one condition: leave --presets or --html out")
    arguments = StudyArguments(
        since=date_of(since),
        until=date_of(until),
        horizons=horizons,
        entry=entry,
        exit=exit_,
        max_hold=max_hold,
        stop=stop,
        target=target,
        benchmark=benchmark,
        costs=costs,
        spread=spread,
        every=not first,
        cooldown=cooldown,
        delisting_return=delisting_return,
        where=where,
        universe=universe,
        unknown=unknown,
        facts=facts,
        executor=executor,
        threads=threads,
        adjust=adjust,
        exclude_suspect=exclude_suspect,
        regime=regime,
        positions=positions,
        by=("regime", *by) if regime is not None and "regime" not in by else by,
        strict=strict,
    )
    folder = data_folder(data)
    if condition is None:
        with (
            open_market(folder) as market,
            progress_line("studying", "events") as progress,
        ):
            ranking = market.study_presets(progress=progress, **arguments)
        write_answer(ranking, ranking.seconds, format_, output, ranking_report, csv_safe)
        return
    with open_market(folder) as market, progress_line("scanning", "hits") as progress:
        result = market.study(condition, progress=progress, **arguments)
    if html is not None:
        from marketsweep.output.charts.study_page import study_page

        with output_file(html) as file:
            file.write(study_page(result).encode())
    write_answer(result, result.seconds, format_, output, study_report, csv_safe)
