"""Tickers that a company gives up for a while: XYZ is XYZD for twenty sessions, then XYZ again.

Sources tell such a ticker once, with the days of its last return or with none. The bars show the
rest: a stretch of one ticker lies in a gap of the other, and begins where that gap begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from marketsweep.core.records import Listing
from marketsweep.store.companies.bar_days import CLEAN, NEAR, BarDays


class _Stretch(NamedTuple):
    """Bars of a ticker between two clean gaps, by the places of their sessions."""

    first: int
    last: int
    symbol: str


def with_returns(
    listings: Sequence[Listing], shared: Container[str], bars: BarDays
) -> list[Listing]:
    """The listings of one company in their order, one for each time under a ticker.

    `listings` are in their order. `shared` are tickers that other companies had too. A ticker that
    is told for each of its times, or never returns, keeps the listings that it has.
    """
    told = Counter(one.symbol for one in listings)
    left = {one.renamed_from for one in listings}
    usable = {symbol for symbol in told if symbol not in shared or symbol in left}
    stretches = _in_turn(usable, bars)
    while stretches and _has_ended(stretches[-1], listings, bars):
        stretches.pop()
    times = Counter(one.symbol for one in stretches)
    if max(times.values(), default=1) == 1 or any(told[symbol] > 1 for symbol in times):
        return list(listings)
    of_symbol = {
        one.symbol: _times(one, stretches, bars) for one in listings if one.symbol in times
    }
    newest = max(place for place, one in enumerate(listings) if one.symbol in times)
    return [
        *(one for one in listings[:newest] if one.symbol not in times),
        *(next(of_symbol[one.symbol]) for one in stretches),
        *listings[newest + 1 :],
    ]


def comes_back(old: str, new: str, bars: BarDays) -> bool:
    """Whether the bars of one ticker go on where those of another, which followed them, end."""
    stretches = _in_turn({old, new}, bars)
    return len(stretches) > 1 and stretches[-1].symbol == old


def _in_turn(symbols: Iterable[str], bars: BarDays) -> list[_Stretch]:
    """The stretches of bars that lead from one ticker to the next, the oldest first."""
    found: list[_Stretch] = []
    for one in sorted(stretch for symbol in symbols for stretch in _stretches(symbol, bars)):
        if found and found[-1].symbol == one.symbol:
            found[-1] = found[-1]._replace(last=one.last)
            continue
        if found and not _follows(one, found[-1]):
            found.clear()
        found.append(one)
    return found


def _follows(one: _Stretch, before: _Stretch) -> bool:
    """Whether a stretch begins where another ends; both tickers may have bars for some days."""
    return -CLEAN <= one.first - before.last <= NEAR and one.last > before.last


def _stretches(symbol: str, bars: BarDays) -> Iterable[_Stretch]:
    runs = bars.runs(symbol)
    begin = 0
    for at, (_, last) in enumerate(runs, start=1):
        if at == len(runs) or runs[at][0] > last + CLEAN:
            yield _Stretch(runs[begin][0], last, symbol)
            begin = at


def _has_ended(stretch: _Stretch, listings: Sequence[Listing], bars: BarDays) -> bool:
    """Whether the company is told to have left a ticker for good before a stretch of its bars."""
    symbols = {one.symbol for one in listings}
    mine = [one for one in listings if one.symbol == stretch.symbol]
    is_back = any(one.renamed_from in symbols for one in mine) or any(
        one.renamed_to == stretch.symbol for one in listings
    )
    return not is_back and all(
        one.last is not None and bars.place(one.last) + NEAR < stretch.first for one in mine
    )


def _times(listing: Listing, stretches: Iterable[_Stretch], bars: BarDays) -> Iterator[Listing]:
    """A listing for each of its ticker's stretches; days that contradict the bars are left out."""
    mine = [one for one in stretches if one.symbol == listing.symbol]
    for at, stretch in enumerate(mine):
        first = listing.first if at == 0 else bars.day(stretch.first)
        last = listing.last if at + 1 == len(mine) else bars.day(stretch.last)
        yield replace(
            listing,
            first=first if first is None or bars.place(first) <= stretch.last else None,
            last=last if last is None or bars.place(last) >= stretch.first else None,
        )
