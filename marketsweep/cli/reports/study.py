"""The table of a study: what followed the signals of a condition, by horizon and by year."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from marketsweep.core.safe_text import counted
from marketsweep.output.study_table import (
    cells,
    costs_text,
    has_sectors,
    names,
    portfolio_text,
    terms_of,
)
from marketsweep.studies.study.options import Grouped
from marketsweep.studies.study.ranking import StudyRanking
from marketsweep.studies.study.result import Figures, Study

_GROUPS: Final[dict[Grouped, str]] = {
    "year": "year of the signal",
    "price": "close of the signal",
    "size": "market cap at the signal, of today's number of shares",
    "sector": "sector, as known today",
    "regime": "the state of the market at the signal",
}


def study_report(result: Study) -> str:
    """Return the figures of a study as a table."""
    symbols, sessions = set(result.events.symbols), set(result.events.sessions.tolist())
    options = result.options
    lines = [
        f"{result.condition}: {counted(len(result), 'event')} of "
        f"{counted(len(symbols), 'symbol')} in "
        f"{len(sessions):,} of {len(result.sessions):,} sessions, {result.since} to "
        f"{result.until}",
        *terms_of(options),
        "",
    ]
    horizons = [f"{hold.horizon}" for hold in result.holds]
    lines += _table(result.horizons, options.benchmark, "horizon", horizons)
    groups: dict[Grouped, dict[str, list[Figures]]] = {}
    if len(result.years) > 1:
        groups["year"] = result.years
    groups |= result.groups
    for name, figures_of in groups.items():
        for place, hold in enumerate(result.holds):
            rows = [figures[place] for figures in figures_of.values()]
            lines += ["", f"horizon {hold.horizon}, by {_GROUPS[name]}"]
            lines += _table(rows, options.benchmark, name, list(figures_of))
    lines += ["", *_notes(result)]
    return "".join(f"{line}\n" for line in lines)


def ranking_report(result: StudyRanking) -> str:
    """Return a line for each condition: what followed at the horizon that ranks them."""
    place = result.options.horizons.index(result.ranked_by)
    rows = [study.horizons[place] for study in result.studies]
    lines = [
        f"{counted(len(result), 'condition')}, {result.since} to {result.until}, horizon "
        f"{result.ranked_by}, by the mean over the market",
        *terms_of(result.options),
        "",
        *_table(
            rows, result.options.benchmark, "condition", [row.condition for row in result.studies]
        ),
        "",
        f"of {len(result):,} conditions that do nothing, {0.05 * len(result):.0f} have an interval "
        "of 95 % that leaves out zero",
    ]
    return "".join(f"{line}\n" for line in lines)


def _table(
    rows: Sequence[Figures], benchmark: str | None, first: str, labels: Sequence[str]
) -> list[str]:
    sectors = has_sectors(rows)
    lines = [[first, *names(benchmark, sectors=sectors)]]
    lines += [
        [label, *cells(row, benchmark, sectors=sectors)]
        for label, row in zip(labels, rows, strict=True)
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]


def _notes(study: Study) -> list[str]:
    notes = [] if study.portfolio is None else [portfolio_text(study)]
    if study.options.spread and len(study):
        notes.append(costs_text(study))
    last_close, at_delisting = "the last close", study.options.delisting_return
    if study.options.delisting_returns:
        last_close += " and the return of its reason"
    elif at_delisting:
        last_close += f" and a return of {100 * at_delisting:+g}%"
    for row in study.horizons:
        parts = [
            f"{count:,} {meaning}"
            for count, meaning in (
                (row.open, "open: the session of the exit is not stored"),
                (row.no_entry, "without a price in the session of the entry"),
                (row.suspect, "left out: held over suspicious bars"),
                (row.exit, "closed by the exit condition"),
                (row.stop, "by the stop"),
                (row.target, "by the target"),
                (row.delisted, f"ended by a delisting, at {last_close}"),
            )
            if count
        ]
        if study.options.ends_early and row.sessions_held is not None:
            parts.append(f"held on average for {row.sessions_held:.1f} sessions")
        if parts:
            notes.append(f"horizon {row.sessions}: {'; '.join(parts)}")
    if study.trials is not None and study.trials > 1:
        notes.append(
            f"{study.trials:,} conditions were tried for these horizons on this data so far: an "
            "interval of 95 % leaves out zero for one in twenty that do nothing"
        )
    if any(row.ci_low is None and row.events > 1 for row in study.horizons):
        notes.append(
            "no interval: the events lie in fewer sessions than 4 times the horizon plus 16"
        )
    return notes
