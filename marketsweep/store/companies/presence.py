"""In which sessions some tickers have bars: kept as runs, and extended by what is committed."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from marketsweep.store.companies.bar_days import BarDays
from marketsweep.store.segments.reading import Segments

Days = Mapping[str, Sequence[tuple[dt.date, dt.date]]]
"""Runs of a ticker's bars as their first and last days: every stored session in between has one."""


def bar_days(sessions: Sequence[dt.date], runs: Days) -> BarDays:
    """The runs of some tickers as places among the stored sessions."""
    places = {day: place for place, day in enumerate(sessions)}
    return BarDays(
        sessions,
        {
            symbol: _joined([(places[first], places[last]) for first, last in some])
            for symbol, some in runs.items()
        },
    )


def days_of(bars: BarDays, symbols: Iterable[str]) -> dict[str, list[tuple[dt.date, dt.date]]]:
    """The runs of some tickers as days, to be kept."""
    return {
        symbol: [(bars.day(first), bars.day(last)) for first, last in bars.runs(symbol)]
        for symbol in symbols
    }


def read_runs(
    sessions: Sequence[dt.date],
    segments: Segments,
    columns: Mapping[str, int],
    kept: Days,
    changed: Iterable[dt.date] | None,
) -> BarDays:
    """The runs of tickers with their columns on the axis.

    Those in `kept` are read again in the sessions that changed since (None: in all); the others
    are read in all sessions. Bars are added to a store and not taken away. Raises StoreDamaged.
    """
    known = {} if changed is None else {s: runs for s, runs in kept.items() if s in columns}
    fresh = [symbol for symbol in columns if symbol not in known]
    runs = dict(_read(range(len(sessions)), segments, {s: columns[s] for s in fresh}))
    if known:
        places = [bisect_left(sessions, day) for day in sorted(set(changed or ()))]
        before = bar_days(sessions, known)
        added = dict(_read(places, segments, {s: columns[s] for s in known}))
        for symbol in known:
            # A session that was stored meanwhile may lie within a run.
            held = _without(before.runs(symbol), places)
            runs[symbol] = _joined(sorted([*held, *added.get(symbol, ())]))
    return BarDays(sessions, runs)


def _read(
    places: range | Sequence[int], segments: Segments, columns: Mapping[str, int]
) -> Iterable[tuple[str, list[tuple[int, int]]]]:
    """The runs of tickers in some sessions, by their places, ascending."""
    symbols = list(columns)
    of = np.fromiter((columns[symbol] for symbol in symbols), np.int64, len(symbols))
    if not symbols or not len(places):
        return
    wanted = np.asarray(places, dtype=np.int64)
    there = segments.holds(places if isinstance(places, range) else wanted, of)
    yield from zip(symbols, _runs(there, wanted), strict=True)


def _runs(there: NDArray[np.bool_], places: NDArray[np.int64]) -> Iterable[list[tuple[int, int]]]:
    for column in there.T:
        held = places[column]
        breaks = np.flatnonzero(np.diff(held) > 1) + 1
        firsts = held[np.concatenate([[0], breaks])] if held.size else held
        lasts = held[np.concatenate([breaks - 1, [len(held) - 1]])] if held.size else held
        yield list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _without(runs: Sequence[tuple[int, int]], places: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Ascending runs without some places, ascending."""
    for run in runs:
        first, last = run
        for place in places[bisect_left(places, first) : bisect_right(places, last)]:
            if first < place:
                yield first, place - 1
            first = place + 1
        if first <= last:
            yield first, last


def _joined(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending runs, those that touch or overlap made one."""
    found: list[tuple[int, int]] = []
    for first, last in runs:
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found
