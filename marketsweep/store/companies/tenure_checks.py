"""What the bars say against tenures that were worked out: each is named, and none is hidden."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import isfinite, log
from operator import itemgetter
from typing import Final

from marketsweep.store.companies.bar_days import NEAR, BarDays
from marketsweep.store.companies.tenures import Close, Doubt, Rule, Tenure

_JUMP: Final = log(1.6)
"""A price that moves further at a rename than this is doubtful, in logs."""

_Piece = tuple[int, int, Tenure]


def doubts_of(
    tenures: Sequence[Tenure],
    bars: BarDays,
    close: Close,
    is_split: Callable[[str, int], bool],
) -> list[Doubt]:
    """Return what is doubtful of tenures, by ticker.

    `close` is the raw close of a ticker in a session, by its place. `is_split` says whether a
    split of one of the tickers of a company is told near a session.
    """
    of_ticker: defaultdict[str, list[_Piece]] = defaultdict(list)
    of_company: defaultdict[int, list[_Piece]] = defaultdict(list)
    for tenure in tenures:
        piece = (_first(tenure, bars), _last(tenure, bars), tenure)
        of_ticker[tenure.symbol].append(piece)
        of_company[tenure.instrument].append(piece)
    found = [doubt for pieces in of_ticker.values() for doubt in _of_ticker(pieces, bars)]
    for pieces in of_company.values():
        for earlier, later in pairwise(sorted(pieces, key=itemgetter(0, 1))):
            found += _of_change(earlier, later, bars, close, is_split)
    return sorted(dict.fromkeys(found))


def _of_ticker(pieces: Iterable[_Piece], bars: BarDays) -> Iterator[Doubt]:
    """What is doubtful of the owners of one ticker."""
    ordered = sorted(pieces, key=itemgetter(0, 1))
    symbol = ordered[0][2].symbol
    for (first, last, earlier), (after, _, later) in pairwise(ordered):
        untold = earlier.last is None or later.first is None or later.rule is Rule.NEXT
        unclear = untold or first > last or last >= after
        if unclear and earlier.instrument != later.instrument:
            yield Doubt(symbol, symbol, "several companies had it, and nothing tells when")
    free, lost = 0, list[tuple[int, int]]()
    for first, last, _ in [*ordered, (len(bars.sessions), 0, None)]:
        lost += [
            (max(since, free), min(until, first - 1))
            for since, until in bars.runs(symbol)
            if max(since, free) <= min(until, first - 1)
        ]
        free = max(free, last + 1)
    count = sum(last - first + 1 for first, last in lost)
    if count > NEAR:
        begin, end = bars.day(lost[0][0]), bars.day(lost[-1][1])
        reason = f"{count:,} bars from {begin} to {end} are of no known company"
        yield Doubt(symbol, symbol, reason)


def _of_change(
    earlier: _Piece,
    later: _Piece,
    bars: BarDays,
    close: Close,
    is_split: Callable[[str, int], bool],
) -> Iterator[Doubt]:
    """What is doubtful of a company's change from one ticker to another."""
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
    before, after = _bar_before(old.symbol, old_last, bars), _bar_from(new.symbol, first, bars)
    if before is None or after is None or before < old_first or after > last:
        yield Doubt(new.symbol, old.symbol, "one of them has no bar on its side of the rename")
        return
    if after - before > NEAR:
        reason = f"{after - before - 1:,} sessions without a bar lie between them"
        yield Doubt(new.symbol, old.symbol, reason)
    prices = close(old.symbol, before), close(new.symbol, after)
    moved = prices[1] / prices[0] if prices[0] else 0
    if not (isfinite(moved) and moved > 0):
        return
    if abs(log(moved)) > _JUMP and not (is_split(old.symbol, after) or is_split(new.symbol, after)):
        reason = f"the price moves from {prices[0]:,.4g} to {prices[1]:,.4g} where they meet"
        yield Doubt(new.symbol, old.symbol, reason)


def _first(tenure: Tenure, bars: BarDays) -> int:
    return 0 if tenure.first is None else bars.place(tenure.first)


def _last(tenure: Tenure, bars: BarDays) -> int:
    newest = len(bars.sessions) - 1
    return newest if tenure.last is None else bisect_right(bars.sessions, tenure.last) - 1


def _bar_before(symbol: str, place: int, bars: BarDays) -> int | None:
    """The last session up to a place with a bar."""
    found = [min(last, place) for first, last in bars.runs(symbol) if first <= place]
    return found[-1] if found else None


def _bar_from(symbol: str, place: int, bars: BarDays) -> int | None:
    """The first session from a place on with a bar."""
    found = (max(first, place) for first, last in bars.runs(symbol) if last >= place)
    return next(found, None)
