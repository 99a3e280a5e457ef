"""The table of a study: what followed the signals of a condition, by horizon and by year."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from marketsweep.studies.study.result import Figures, Study

_ENTRIES: Final = {
    "next_open": "the next open",
    "close": "the close of the signal",
    "next_close": "the next close",
}
_UNKNOWN: Final = "-"


def study_report(result: Study) -> str:
    """Return the figures of a study as a table."""
    symbols, sessions = set(result.events.symbols), set(result.events.sessions.tolist())
    options = result.options
    lines = [
        f"{result.condition}: {len(result):,} events of {len(symbols):,} symbols in "
        f"{len(sessions):,} of {len(result.sessions):,} sessions, {result.since} to "
        f"{result.until}",
        f"bought at {_ENTRIES[options.entry]}, "
        + ("every session with a signal" if options.every else "the first session of a streak")
        + (f", {options.cooldown} sessions between events" if options.cooldown else "")
        + f"; returns {'with' if options.adjust == 'total' else 'without'} dividends, "
        + (f"less {options.costs:g} basis points of costs" if options.costs else "before costs"),
        "",
    ]
    lines += _table(result.horizons, options.benchmark, "horizon", None)
    if len(result.years) > 1:
        for place, hold in enumerate(result.holds):
            rows = [figures[place] for figures in result.years.values()]
            names = [f"{year}" for year in result.years]
            lines += ["", f"horizon {hold.horizon}, by year of the signal"]
            lines += _table(rows, options.benchmark, "year", names)
    lines += ["", *_notes(result.horizons)]
    return "".join(f"{line}\n" for line in lines)


def _table(
    rows: Sequence[Figures], benchmark: str | None, first: str, names: Sequence[str] | None
) -> list[str]:
    header = [first, "events", "mean", "95 % interval", "median", "hit rate", "quartiles", "worst"]
    header += ["best", "over market", "95 % interval"]
    if benchmark:
        header += [f"over {benchmark}", "95 % interval"]
    cells = [header]
    for i, row in enumerate(rows):
        line = [
            names[i] if names else f"{row.sessions}",
            f"{row.events:,}",
            _percent(row.mean),
            _interval(row.ci_low, row.ci_high),
            _percent(row.median),
            _UNKNOWN if row.hit_rate is None else f"{row.hit_rate:.1%}",
            _interval(row.quartile_low, row.quartile_high),
            _percent(row.worst),
            _percent(row.best),
            _percent(row.excess_market),
            _interval(row.excess_market_low, row.excess_market_high),
        ]
        if benchmark:
            line += [
                _percent(row.excess_benchmark),
                _interval(row.excess_benchmark_low, row.excess_benchmark_high),
            ]
        cells.append(line)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]


def _notes(rows: Iterable[Figures]) -> list[str]:
    notes = []
    for row in rows:
        parts = [
            f"{count:,} {meaning}"
            for count, meaning in (
                (row.open, "open: the session of the exit is not stored"),
                (row.no_entry, "without a price in the session of the entry"),
                (row.suspect, "left out: held over suspicious bars"),
                (row.delisted, "ended by a delisting, at the last close"),
            )
            if count
        ]
        if parts:
            notes.append(f"horizon {row.sessions}: {'; '.join(parts)}")
    if any(row.ci_low is None and row.events > 1 for row in rows):
        notes.append("no interval: too few sessions, fewer than 4 horizons and 16 sessions")
    return notes


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:+.2%}"


def _interval(low: float | None, high: float | None) -> str:
    return _UNKNOWN if low is None or high is None else f"{low:+.2%} to {high:+.2%}"
