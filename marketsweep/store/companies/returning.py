"""Tickers that a company gives up for a while: XYZ is XYZD for twenty sessions, then XYZ again.

Sources report such a ticker once, with the days of its last return or without days. The bars show
the rest: a stretch of one ticker lies in a gap of the other and begins where that gap begins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from marketsweep.core.records import Listing
from marketsweep.store.companies.bar_days import CLEAN, NEAR, BarDays


class _Stretch(NamedTuple):
    """Bars of a ticker between two clean gaps; `first` and `last` are places of sessions."""

    first: int
    last: int
    symbol: str


def with_returns(
    listings: Sequence[Listing], shared: Container[str], bars: BarDays
) -> list[Listing]:
    """Return the listings of one company in order, one for each period under a ticker.

    `listings` are in order. `shared` are tickers that other companies had too. A ticker keeps its
    listings if each of its periods is reported, or if it never returns.
    """
    reported = Counter(listing.symbol for listing in listings)
    left_tickers = {listing.renamed_from for listing in listings}
    usable = {symbol for symbol in reported if symbol not in shared or symbol in left_tickers}
    stretches = _alternating(usable, bars)
    while stretches and _is_after_departure(stretches[-1], listings, bars):
        stretches.pop()
    counts = Counter(stretch.symbol for stretch in stretches)
    if max(counts.values(), default=1) == 1 or any(reported[symbol] > 1 for symbol in counts):
        return list(listings)
    by_symbol = {
        listing.symbol: _split_listing(listing, stretches, bars)
        for listing in listings
        if listing.symbol in counts
    }
    last_index = max(i for i, listing in enumerate(listings) if listing.symbol in counts)
    return [
        *(listing for listing in listings[:last_index] if listing.symbol not in counts),
        *(next(by_symbol[stretch.symbol]) for stretch in stretches),
        *listings[last_index + 1 :],
    ]


def comes_back(old: str, new: str, bars: BarDays) -> bool:
    """Return whether the old ticker's bars resume where the bars of the new ticker end."""
    stretches = _alternating({old, new}, bars)
    return len(stretches) > 1 and stretches[-1].symbol == old


def _alternating(symbols: Iterable[str], bars: BarDays) -> list[_Stretch]:
    """Return the stretches that lead from one ticker to the next, oldest first."""
    chain: list[_Stretch] = []
    for stretch in sorted(stretch for symbol in symbols for stretch in _stretches_of(symbol, bars)):
        if chain and chain[-1].symbol == stretch.symbol:
            chain[-1] = chain[-1]._replace(last=stretch.last)
            continue
        if chain and not _starts_at_end(stretch, chain[-1]):
            chain.clear()
        chain.append(stretch)
    return chain


def _starts_at_end(stretch: _Stretch, previous: _Stretch) -> bool:
    """Return whether a stretch begins where another ends; both may have bars for some days."""
    return -CLEAN <= stretch.first - previous.last <= NEAR and stretch.last > previous.last


def _stretches_of(symbol: str, bars: BarDays) -> Iterable[_Stretch]:
    runs = bars.runs(symbol)
    start = 0
    for i, (_, last) in enumerate(runs, start=1):
        if i == len(runs) or runs[i][0] > last + CLEAN:
            yield _Stretch(runs[start][0], last, symbol)
            start = i


def _is_after_departure(stretch: _Stretch, listings: Sequence[Listing], bars: BarDays) -> bool:
    """Return whether the company is reported to have left a ticker for good before a stretch."""
    symbols = {listing.symbol for listing in listings}
    own = [listing for listing in listings if listing.symbol == stretch.symbol]
    is_resumed = any(listing.renamed_from in symbols for listing in own) or any(
        listing.renamed_to == stretch.symbol for listing in listings
    )
    return not is_resumed and all(
        listing.last is not None and bars.place(listing.last) + NEAR < stretch.first
        for listing in own
    )


def _split_listing(
    listing: Listing, stretches: Iterable[_Stretch], bars: BarDays
) -> Iterator[Listing]:
    """Yield a listing for each stretch of its ticker, without days that contradict the bars."""
    own = [stretch for stretch in stretches if stretch.symbol == listing.symbol]
    for i, stretch in enumerate(own):
        first = listing.first if i == 0 else bars.day(stretch.first)
        last = listing.last if i + 1 == len(own) else bars.day(stretch.last)
        yield replace(
            listing,
            first=first if first is None or bars.place(first) <= stretch.last else None,
            last=last if last is None or bars.place(last) >= stretch.first else None,
        )
