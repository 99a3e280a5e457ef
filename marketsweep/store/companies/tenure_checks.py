"""Checks tenures against the bars, and reports every contradiction."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import isfinite, log
from operator import itemgetter
from typing import Final

from marketsweep.store.companies.bar_days import NEAR, BarDays
from marketsweep.store.companies.ticker_changes import Doubt, ReadClose, Rule, Tenure

_MAX_PRICE_JUMP: Final = log(1.6)
"""A price that moves by more than this at a rename, in logs, is doubtful."""

_PlacedTenure = tuple[int, int, Tenure]


def find_doubts(
    tenures: Sequence[Tenure],
    bars: BarDays,
    close: ReadClose,
    is_split: Callable[[str, int], bool],
) -> list[Doubt]:
    """Return the doubts about tenures, by ticker.

    `close` returns the raw close of a ticker in a session (given by place). `is_split` returns
    whether a split of a ticker is reported near a session.
    """
    by_ticker: defaultdict[str, list[_PlacedTenure]] = defaultdict(list)
    by_company: defaultdict[int, list[_PlacedTenure]] = defaultdict(list)
    for tenure in tenures:
        placed = (_first_place(tenure, bars), _last_place(tenure, bars), tenure)
        by_ticker[tenure.symbol].append(placed)
        by_company[tenure.instrument].append(placed)
    doubts = [doubt for placed in by_ticker.values() for doubt in _doubts_of_ticker(placed, bars)]
    for company_tenures in by_company.values():
        for earlier, later in pairwise(sorted(company_tenures, key=itemgetter(0, 1))):
            doubts += _doubts_of_change(earlier, later, bars, close, is_split)
    return sorted(dict.fromkeys(doubts))


def _doubts_of_ticker(tenures: Iterable[_PlacedTenure], bars: BarDays) -> Iterator[Doubt]:
    """Yield doubts about the owners of one ticker."""
    ordered = sorted(tenures, key=itemgetter(0, 1))
    symbol = ordered[0][2].symbol
    for (first, last, earlier), (next_first, _, later) in pairwise(ordered):
        is_unreported = earlier.last is None or later.first is None or later.rule is Rule.NEXT
        is_unclear = is_unreported or first > last or last >= next_first
        if is_unclear and earlier.instrument != later.instrument:
            yield Doubt(symbol, symbol, "several companies had it, and nothing tells when")
    next_free, orphan_runs = 0, list[tuple[int, int]]()
    for first, last, _ in [*ordered, (len(bars.sessions), 0, None)]:
        orphan_runs += [
            (max(run_first, next_free), min(run_last, first - 1))
            for run_first, run_last in bars.runs(symbol)
            if max(run_first, next_free) <= min(run_last, first - 1)
        ]
        next_free = max(next_free, last + 1)
    count = sum(last - first + 1 for first, last in orphan_runs)
    if count > NEAR:
        first_day, last_day = bars.day(orphan_runs[0][0]), bars.day(orphan_runs[-1][1])
        reason = f"{count:,} bars from {first_day} to {last_day} are of no known company"
        yield Doubt(symbol, symbol, reason)


def _doubts_of_change(
    earlier: _PlacedTenure,
    later: _PlacedTenure,
    bars: BarDays,
    close: ReadClose,
    is_split: Callable[[str, int], bool],
) -> Iterator[Doubt]:
    """Yield doubts about a company's change from one ticker to another."""
    (old_first, old_last, old), (first, last, new) = earlier, later
    if first > last or old_first > old_last:
        yield Doubt(new.symbol, old.symbol, "the days of the rename leave no time for one of them")
        return
    if old.symbol == new.symbol or not bars.runs(old.symbol) or not bars.runs(new.symbol):
        return
    if old_last >= first:
        common = bars.common(old.symbol, new.symbol)
        reason = f"the day of the rename is not known: both are traded in {common:,} sessions"
        yield Doubt(new.symbol, old.symbol, reason)
        return
    before, after = _last_bar(old.symbol, old_last, bars), _first_bar(new.symbol, first, bars)
    if before is None or after is None or before < old_first or after > last:
        yield Doubt(new.symbol, old.symbol, "one of them has no bar on its side of the rename")
        return
    if after - before > NEAR:
        reason = f"{after - before - 1:,} sessions without a bar lie between them"
        yield Doubt(new.symbol, old.symbol, reason)
    prices = close(old.symbol, before), close(new.symbol, after)
    ratio = prices[1] / prices[0] if prices[0] else 0
    if not (isfinite(ratio) and ratio > 0):
        return
    if abs(log(ratio)) > _MAX_PRICE_JUMP and not (
        is_split(old.symbol, after) or is_split(new.symbol, after)
    ):
        reason = f"the price moves from {prices[0]:,.4g} to {prices[1]:,.4g} where they meet"
        yield Doubt(new.symbol, old.symbol, reason)


def _first_place(tenure: Tenure, bars: BarDays) -> int:
    return 0 if tenure.first is None else bars.place(tenure.first)


def _last_place(tenure: Tenure, bars: BarDays) -> int:
    newest = len(bars.sessions) - 1
    return newest if tenure.last is None else bisect_right(bars.sessions, tenure.last) - 1


def _last_bar(symbol: str, place: int, bars: BarDays) -> int | None:
    """Return the last session up to a place that has a bar."""
    last_bars = [min(last, place) for first, last in bars.runs(symbol) if first <= place]
    return last_bars[-1] if last_bars else None


def _first_bar(symbol: str, place: int, bars: BarDays) -> int | None:
    """Return the first session from a place on that has a bar."""
    first_bars = (max(first, place) for first, last in bars.runs(symbol) if last >= place)
    return next(first_bars, None)
