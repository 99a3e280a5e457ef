"""Sessions in which tickers have bars: stored as runs of days, and extended by each commit."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from marketsweep.store.companies.bar_days import BarDays
from marketsweep.store.segments.reading import Segments

DayRuns = Mapping[str, Sequence[tuple[dt.date, dt.date]]]
"""Runs of a ticker's bars as first and last day; every stored session in between has a bar."""


def bar_days(sessions: Sequence[dt.date], runs: DayRuns) -> BarDays:
    """Return the stored runs of tickers as `BarDays`, by the places of the sessions."""
    places = {day: place for place, day in enumerate(sessions)}
    return BarDays(
        sessions,
        {
            symbol: _merge_runs([(places[first], places[last]) for first, last in day_runs])
            for symbol, day_runs in runs.items()
        },
    )


def days_of(bars: BarDays, symbols: Iterable[str]) -> dict[str, list[tuple[dt.date, dt.date]]]:
    """Return the runs of tickers as days, as the catalog stores them."""
    return {
        symbol: [(bars.day(first), bars.day(last)) for first, last in bars.runs(symbol)]
        for symbol in symbols
    }


def read_runs(
    sessions: Sequence[dt.date],
    segments: Segments,
    columns: Mapping[str, int],
    stored: DayRuns,
    changed: Iterable[dt.date] | None,
) -> BarDays:
    """Return the runs of the tickers in `columns` (ticker to column of the axis).

    Runs in `stored` are updated from the sessions in `changed`, or read anew in all sessions if
    `changed` is None. Other tickers are read in all sessions. Bars are only added to a store, never
    removed. Raises StoreDamaged if a segment does not match its checksum.
    """
    usable = {} if changed is None else {s: runs for s, runs in stored.items() if s in columns}
    new_symbols = [symbol for symbol in columns if symbol not in usable]
    runs = dict(_read_runs(range(len(sessions)), segments, {s: columns[s] for s in new_symbols}))
    if usable:
        places = [bisect_left(sessions, day) for day in sorted(set(changed or ()))]
        stored_bars = bar_days(sessions, usable)
        added_runs = dict(_read_runs(places, segments, {s: columns[s] for s in usable}))
        for symbol in usable:
            # A session that was stored since may lie within a run.
            unchanged = _remove_places(stored_bars.runs(symbol), places)
            runs[symbol] = _merge_runs(sorted([*unchanged, *added_runs.get(symbol, ())]))
    return BarDays(sessions, runs)


def _read_runs(
    places: range | Sequence[int], segments: Segments, columns: Mapping[str, int]
) -> Iterable[tuple[str, list[tuple[int, int]]]]:
    """Yield the runs of each ticker within `places`, which are ascending."""
    symbols = list(columns)
    column_numbers = np.fromiter((columns[symbol] for symbol in symbols), np.int64, len(symbols))
    if not symbols or not len(places):
        return
    place_array = np.asarray(places, dtype=np.int64)
    has_bar = segments.holds(places if isinstance(places, range) else place_array, column_numbers)
    yield from zip(symbols, _column_runs(has_bar, place_array), strict=True)


def _column_runs(
    has_bar: NDArray[np.bool_], places: NDArray[np.int64]
) -> Iterable[list[tuple[int, int]]]:
    for mask in has_bar.T:
        held = places[mask]
        breaks = np.flatnonzero(np.diff(held) > 1) + 1
        firsts = held[np.concatenate([[0], breaks])] if held.size else held
        lasts = held[np.concatenate([breaks - 1, [len(held) - 1]])] if held.size else held
        yield list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _remove_places(
    runs: Sequence[tuple[int, int]], places: Sequence[int]
) -> Iterable[tuple[int, int]]:
    """Yield ascending runs without the given places, which are ascending."""
    for run in runs:
        first, last = run
        for place in places[bisect_left(places, first) : bisect_right(places, last)]:
            if first < place:
                yield first, place - 1
            first = place + 1
        if first <= last:
            yield first, last


def _merge_runs(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge ascending runs that touch or overlap."""
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged
