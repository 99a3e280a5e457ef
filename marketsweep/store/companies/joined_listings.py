"""Which listing belongs to which company: renames join listings, reuse of a ticker does not.

A *company* is an instrument with a permanent number. A *listing* is what a source reports about a
company under one ticker.

1. A reported listing matches a stored one of its ticker if their FIGIs are equal, or else their
   last days, or their periods, or if the stored one has not ended (`_Book.match_rows`).
2. A new listing continues a company under another ticker if its FIGI says so, or if the source
   names its previous ticker (`_Book.add_new`).
3. Any other listing is a new company, even if its ticker is known. If a source reports later that
   two companies are one, they become one (`_Book.join_candidates`).
4. If days are missing or wrong, the bars show whether two listings follow each other
   (`joined_by_bars`).

When two companies become one, the lower number stays. Bars are stored under the ticker of their
day; `tenures` finds when a company had which ticker, and `moves_of` where its earlier bars are.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from itertools import chain, groupby, pairwise
from operator import attrgetter
from typing import Final

from marketsweep.core.records import Listing
from marketsweep.store.companies.bar_days import BarDays
from marketsweep.store.companies.returning import comes_back
from marketsweep.store.companies.ticker_changes import (
    Change,
    Doubt,
    ReadClose,
    change_between,
    has_same_price,
    is_successor,
    sort_listings,
)

_RENAME_OVERLAP: Final = dt.timedelta(days=7)
"""Both tickers of a rename may be reported for some days: sources see it at different times."""

_DAY_TOLERANCE: Final = dt.timedelta(days=30)
"""Reported days of one company may be wrong by this much, so that its tickers seem to overlap."""

_MAX_COMMON: Final = 10
"""Sessions in which both tickers of a company may have a bar, as reported days may be wrong."""

_DAY: Final = dt.timedelta(days=1)

_MOST_TICKERS: Final = 8
"""Tickers of one FIGI; a FIGI reported for more tickers does not identify a company."""

_MERGED_FIELDS: Final = {field.name for field in fields(Listing)} - {"last", "instrument"}


def identify_listings(stored: Iterable[Listing], reported: Iterable[Listing]) -> list[Listing]:
    """Return all listings after a source has reported some, each with the number of its company.

    Days are as reported. If a ticker is reported several times, its listings belong to successive
    owners.
    """
    reported = _with_real_figis(reported)
    book = _Book(stored, reported)
    new_rows: list[Listing] = []
    updated_rows: list[Listing] = []
    for symbol, group in groupby(sorted(reported, key=_by_ticker_and_end), attrgetter("symbol")):
        rows = _distinct(group)
        for row, known in zip(rows, book.match_rows(symbol, rows), strict=True):
            if known is None:
                new_rows.append(row)
            else:
                updated_rows.append(book.update(known, _complete(row, known)))
    # A company's new ticker comes after its old one.
    new_rows.sort(key=lambda row: (row.last or dt.date.max, row.first or dt.date.min, row.symbol))
    for row in [book.with_previous_ticker(row) for row in new_rows]:
        book.add_new(row)
    for row in updated_rows:
        book.join_candidates(row)
    return book.listings()


def joined_by_bars(
    listings: Iterable[Listing], bars: BarDays, close: ReadClose
) -> tuple[list[Listing], list[Doubt]]:
    """Return the listings, joined where the bars show that one follows the other, and the doubts.

    `close` returns the raw close of a ticker in a session (given by place); NaN without a bar. A
    rename from a ticker without a listing adds a listing of that ticker.
    """
    book = _Book(listings)
    while True:
        before, doubts = book.listings(), list[Doubt]()
        for instruments in book.equal_figis():
            doubts += _join_same_figi(book, instruments, bars)
        for row in [listing for listing in book.listings() if listing.renamed_to]:
            doubts += _join_next_ticker(book, row, bars, close)
        for row in [listing for listing in book.listings() if listing.renamed_from]:
            doubts += _join_previous_ticker(book, row, bars, close)
        # A joined listing may connect further ones.
        if list(map(_identity, book.listings())) == list(map(_identity, before)):
            return before, doubts


def _join_same_figi(book: _Book, instruments: Iterable[int], bars: BarDays) -> Iterator[Doubt]:
    """Join companies of one FIGI, unless their tickers are traded side by side."""
    listings = [listing for number in instruments for listing in book.of_company(number)]
    for earlier, later in pairwise(sort_listings(listings, bars)):
        number, other_number = book.number_of(earlier), book.number_of(later)
        if number is None or other_number is None or number == other_number:
            continue
        common = bars.common(earlier.symbol, later.symbol)
        single_owners = book.is_only_owner(earlier) and book.is_only_owner(later)
        in_sequence = common <= _MAX_COMMON or is_successor(earlier.symbol, later.symbol, bars)
        if (single_owners and not in_sequence) or _days_conflict(earlier, later, bars):
            reason = f"they share the FIGI {earlier.figi}, and both are traded in {common} sessions"
            yield Doubt(later.symbol, earlier.symbol, reason)
        elif bars.runs(earlier.symbol) and bars.runs(later.symbol):
            book.merge_companies(number, other_number)


def _join_next_ticker(
    book: _Book, row: Listing, bars: BarDays, close: ReadClose
) -> Iterator[Doubt]:
    """Join a company with the owner of the ticker that it is reported to have had afterwards."""
    new, number = row.renamed_to, book.number_of(row)
    if new is None or number is None or new == row.symbol or not bars.runs(new):
        return
    if any(other.symbol == new for other in book.of_company(number)):
        return
    if any(other.renamed_from == row.symbol for other in book.of_ticker(new)):
        return
    change = change_between(row, Listing(new, first=_start_of_new(book, row, new, bars)), bars)
    if change is None:
        yield Doubt(new, row.symbol, f"nothing shows when {row.symbol} was renamed")
        return
    if (
        book.is_only_listing(row)
        and _is_traded_on(row.symbol, change, bars)
        and not has_same_price(row.symbol, new, change.place, close)
    ):
        reason = f"{row.symbol} is traded on at another price than {new}"
        yield Doubt(new, row.symbol, reason)
        return
    successors = [
        other
        for other in book.of_ticker(new)
        if (other.last is None or bars.place(other.last) >= change.place)
        and not _days_conflict(row, other, bars)
        and not _left_before(other, change, bars)
    ]
    successors.sort(
        key=lambda other: (other.renamed_to != row.symbol, _starts_at_change(other, change, bars))
    )
    if (
        successors
        and successors[-1].renamed_from
        and not _bars_lead_to(row.symbol, book, successors[-1], bars)
    ):
        return  # its own report counts
    if successors:
        book.merge_companies(number, book.number_of(successors[-1]) or number)
    else:
        # The new ticker has no listing of its own.
        book.add_listing(Listing(new, renamed_from=row.symbol, instrument=number))


def _left_before(listing: Listing, change: Change, bars: BarDays) -> bool:
    """Return whether a company had left its ticker for another one before a change."""
    next_ticker = listing.renamed_to
    if next_ticker is None or not bars.runs(next_ticker):
        return False
    own_change = change_between(listing, Listing(next_ticker), bars)
    return own_change is not None and own_change.place < change.place


def _starts_at_change(listing: Listing, change: Change, bars: BarDays) -> bool:
    return listing.first is not None and bars.place(listing.first) == change.place


def _start_of_new(book: _Book, row: Listing, new: str, bars: BarDays) -> dt.date | None:
    """Return the day since which another company has the new ticker, if a listing has no end.

    Days before the first stored session say nothing about the bars.
    """
    if row.last is not None:
        return None
    days = [
        listing.first
        for listing in book.of_ticker(new)
        if listing.first and bars.place(listing.first)
    ]
    return max(days, default=None)


def _bars_lead_to(symbol: str, book: _Book, successor: Listing, bars: BarDays) -> bool:
    """Return whether a ticker's bars end where the bars of a company's ticker begin."""
    tickers = {listing.symbol for listing in book.of_company(book.number_of(successor) or 0)}
    is_apart = not any(bars.common(symbol, ticker) for ticker in tickers)
    return is_apart and any(is_successor(symbol, ticker, bars) for ticker in tickers)


def _join_previous_ticker(
    book: _Book, row: Listing, bars: BarDays, close: ReadClose
) -> Iterator[Doubt]:
    """Join a company with the owner of the ticker that it is reported to have had before."""
    old, number = row.renamed_from, book.number_of(row)
    if old is None or number is None:
        return
    if old == row.symbol:
        yield Doubt(old, old, "it is told to have had its own ticker before")
        return
    if any(listing.symbol == old for listing in book.of_company(number)):
        return
    if not bars.runs(row.symbol):
        return  # checked once it is traded
    if not bars.runs(old):
        yield Doubt(row.symbol, old, f"{old} has no bars")
        return
    previous = _previous_listing(book, row, old, bars)
    change = change_between(previous or Listing(old), row, bars)
    if (
        previous is not None
        and previous.first
        and change
        and bars.place(previous.first) > change.place
    ):
        previous = None  # the company that took the ticker over later
    if change is None or not bars.has(old, 0, change.place - 1):
        yield Doubt(row.symbol, old, f"no bar of {old} comes before those of {row.symbol}")
        return
    trades_on = _is_traded_on(old, change, bars)
    is_same = previous is not None and bool(
        (previous.last and not book.is_only_listing(previous))
        or (row.figi and previous.figi == row.figi)
    )
    if trades_on and not is_same and not has_same_price(old, row.symbol, change.place, close):
        reason = f"{old} is traded on at another price than {row.symbol}"
        yield Doubt(row.symbol, old, reason)
    elif previous is not None and (
        previous.last is not None or not trades_on or comes_back(old, row.symbol, bars)
    ):
        book.merge_companies(number, book.number_of(previous) or number)
    else:
        # The present owner of the old ticker took it over.
        book.add_listing(Listing(old, instrument=number))


def _previous_listing(book: _Book, row: Listing, old: str, bars: BarDays) -> Listing | None:
    """Return the listing of the old ticker that a renamed company may have had, or None."""
    owners = [
        other for other in book.of_ticker(old) if book.number_of(other) != book.number_of(row)
    ]
    candidates = [other for other in owners if not _days_conflict(other, row, bars)]
    candidates.sort(key=lambda other: (other.figi == row.figi, _last_day(other)))
    return candidates[-1] if candidates else None


def _days_conflict(listing: Listing, other: Listing, bars: BarDays) -> bool:
    """Return whether the reported days of two listings exclude that they are of one company."""
    if listing.first is None or other.first is None:
        return False
    first = max(listing.first, other.first)
    last = min(listing.last or dt.date.max, other.last or dt.date.max)
    return first + _DAY_TOLERANCE < last and bars.common(listing.symbol, other.symbol) > _MAX_COMMON


def _is_traded_on(old: str, change: Change, bars: BarDays) -> bool:
    """Return whether the old ticker is still traded after a company is said to have left it."""
    return bars.has(old, change.place + _MAX_COMMON, len(bars.sessions) - 1)


def _identity(listing: Listing) -> tuple[Listing, int | None]:
    return listing, listing.instrument


def key_of(listing: Listing) -> tuple[str, int, str]:
    """Return the unique key of a stored listing: a company may return to a ticker later."""
    assert listing.instrument is not None
    first = "" if listing.first is None else listing.first.isoformat()
    return listing.symbol, listing.instrument, first


def _by_ticker_and_end(listing: Listing) -> tuple[str, dt.date]:
    return listing.symbol, _last_day(listing)


def _with_real_figis(reported: Iterable[Listing]) -> list[Listing]:
    """Return the rows, without FIGIs that are reported for more tickers than a company ever had."""
    rows = list(reported)
    tickers: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        tickers[row.figi or ""].add(row.symbol)
    shared = {figi for figi, symbols in tickers.items() if len(symbols) > _MOST_TICKERS}
    return [replace(row, figi=None) if row.figi in shared else row for row in rows]


def _distinct(rows: Iterable[Listing]) -> list[Listing]:
    """Return the rows of one ticker, without those that repeat what another row says."""
    distinct: dict[object, Listing] = {}
    for row in rows:
        distinct[(row.figi, row.first, row.last, row.renamed_from) if row.figi else row] = row
    unique_rows = list(distinct.values())
    return [
        row
        for row in unique_rows
        if not any(_is_redundant(row, other) for other in unique_rows if other is not row)
    ]


def _is_redundant(row: Listing, other: Listing) -> bool:
    """Return whether a row says nothing that could make it a different company than another row."""
    return (
        not any((row.figi, row.first, row.last, row.renamed_from, row.renamed_to))
        and (other.renamed_from or other.renamed_to) is not None
        and (other.figi, other.first, other.last) == (None, None, None)
        and row.name in (None, other.name)
    )


def _complete(row: Listing, stored: Listing) -> Listing:
    """Return a reported row with its unknown (None) fields taken from the stored listing.

    The last day is not taken: None is news there, as the listing has not ended.
    """
    known = {name: getattr(stored, name) for name in _MERGED_FIELDS if getattr(row, name) is None}
    return replace(row, instrument=stored.instrument, **known)


class _Book:
    """The listings by ticker and by company, updated with each reported row."""

    def __init__(self, stored: Iterable[Listing], reported: Iterable[Listing] = ()) -> None:
        self._by_ticker: defaultdict[str, list[Listing]] = defaultdict(list)
        self._by_instrument: defaultdict[int, list[Listing]] = defaultdict(list)
        self._by_figi: defaultdict[str, set[int]] = defaultdict(set)
        self._reported_tickers: defaultdict[str, set[str]] = defaultdict(set)
        """Tickers for which a FIGI is reported now."""
        self._figis: defaultdict[str, set[str]] = defaultdict(set)
        """FIGIs (or empty texts) that are reported for a ticker now."""
        for listing in stored:
            self.add_listing(listing)
        for row in reported:
            self._reported_tickers[row.figi or ""].add(row.symbol)
            self._figis[row.symbol].add(row.figi or "")
        self._last_number = max(self._by_instrument, default=0)

    def listings(self) -> list[Listing]:
        """Return all listings, by ticker, company and time."""
        all_listings = chain.from_iterable(self._by_ticker.values())
        return sorted(all_listings, key=key_of)

    def of_ticker(self, symbol: str) -> Sequence[Listing]:
        """Return the listings of a ticker."""
        return self._by_ticker.get(symbol, ())

    def of_company(self, number: int) -> Sequence[Listing]:
        """Return the listings of a company."""
        return tuple(self._by_instrument.get(number, ()))

    def equal_figis(self) -> list[list[int]]:
        """Return groups of companies that share a FIGI and are not yet joined."""
        return [
            sorted(numbers) for figi, numbers in self._by_figi.items() if figi and len(numbers) > 1
        ]

    def number_of(self, listing: Listing) -> int | None:
        """Return the current number of a listing's company, which may have been joined since."""
        numbers = (
            other.instrument for other in self._by_ticker[listing.symbol] if other == listing
        )
        return next(numbers, None)

    def is_only_listing(self, listing: Listing) -> bool:
        """Return whether the ticker has no other listing."""
        return len(self._by_ticker[listing.symbol]) == 1

    def is_only_owner(self, listing: Listing) -> bool:
        """Return whether no other company had the ticker of a listing."""
        return len({other.instrument for other in self._by_ticker[listing.symbol]}) == 1

    def add_listing(self, listing: Listing) -> None:
        """Add a listing to the company whose number it has."""
        assert listing.instrument is not None
        self._by_ticker[listing.symbol].append(listing)
        self._by_instrument[listing.instrument].append(listing)
        if listing.figi:
            self._by_figi[listing.figi].add(listing.instrument)

    def _remove(self, listing: Listing) -> None:
        assert listing.instrument is not None
        company_listings = self._by_instrument[listing.instrument]
        for listings in (self._by_ticker[listing.symbol], company_listings):
            listings[:] = [known for known in listings if known is not listing]
        if listing.figi not in {known.figi for known in company_listings}:
            self._by_figi[listing.figi or ""].discard(listing.instrument)

    def match_rows(self, symbol: str, rows: Sequence[Listing]) -> list[Listing | None]:
        """Return the stored listing that each reported row matches, None for a new one."""
        free = list(self._by_ticker[symbol])
        matches: list[Listing | None] = [None] * len(rows)
        for is_match in (self._same_figi, _same_end, _same_time, self._may_continue):
            for i, row in enumerate(rows):
                if matches[i] is None:
                    matches[i] = next((stored for stored in free if is_match(stored, row)), None)
                    free = [stored for stored in free if stored is not matches[i]]
        return matches

    def _may_continue(self, stored: Listing, row: Listing) -> bool:
        """Return whether the row may be the stored listing, which is not reported to have ended."""
        if stored.figi and row.figi and stored.figi != row.figi:
            # A FIGI may be corrected, unless one of the two FIGIs belongs to a company with another
            # ticker.
            figis = (stored.figi, row.figi)
            if any(self._tickers_of_figi(figi) - {row.symbol} for figi in figis):
                return False
        return stored.last is None and _begins_by(stored.first, row.last)

    def _tickers_of_figi(self, figi: str) -> set[str]:
        numbers = self._by_figi.get(figi, ())
        stored = {listing.symbol for number in numbers for listing in self._by_instrument[number]}
        return stored | self._reported_tickers.get(figi, set())

    def with_previous_ticker(self, row: Listing) -> Listing:
        """Return a new row with the previous ticker of its FIGI, if a ticker changed owner."""
        if not row.figi or row.renamed_from:
            return row
        is_taken = any(other.figi not in (None, row.figi) for other in self._by_ticker[row.symbol])
        numbers = self._by_figi.get(row.figi, ())
        left_tickers = [
            listing.symbol
            for number in numbers
            for listing in self._by_instrument[number]
            if listing.figi == row.figi
            and listing.last is None
            and row.figi not in self._figis[listing.symbol]
            and (is_taken or self._figis[listing.symbol])
        ]
        return replace(row, renamed_from=left_tickers[-1]) if left_tickers else row

    def _same_figi(self, stored: Listing, row: Listing) -> bool:
        if stored.figi is None or stored.figi != row.figi:
            return False
        # A company that continued under another ticker may have returned to this one.
        assert stored.instrument is not None
        company_listings = self._by_instrument[stored.instrument]
        if max(company_listings, key=_last_day) is stored:
            return True
        return row.last is not None and _begins_by(row.first, stored.last)

    def update(self, stored: Listing, reported: Listing) -> Listing:
        """Replace a stored listing by the reported one."""
        self._remove(stored)
        self.add_listing(reported)
        return reported

    def add_new(self, row: Listing) -> None:
        """Add a new listing to the company that it continues, or to a new company."""
        row = replace(row, instrument=None)  # a number of another store means nothing here
        for instrument in self._candidates(row):
            listings = self._by_instrument[instrument]
            if all(_in_sequence(other, row) for other in listings):
                self.add_listing(replace(_with_return_day(row, listings), instrument=instrument))
                return
        self._last_number += 1
        self.add_listing(replace(row, instrument=self._last_number))

    def join_candidates(self, row: Listing) -> None:
        """Join two companies that a listing reports to be one, after both were added."""
        # Its number may have changed: one of its other tickers was joined.
        row = next(known for known in self._by_ticker[row.symbol] if known == row)
        assert row.instrument is not None
        own = self._by_instrument[row.instrument]
        for instrument in self._candidates(row):
            others = self._by_instrument[instrument]
            if all(_in_sequence(listing, other) for listing in own for other in others):
                self.merge_companies(instrument, row.instrument)
                return

    def merge_companies(self, first: int, second: int) -> None:
        """Make two companies one; the lower number stays."""
        if first == second:
            return
        both = sorted((*self._by_instrument[first], *self._by_instrument[second]), key=_last_day)
        number, merged = min(first, second), list[Listing]()
        for listing in both:
            self._remove(listing)
        for listing in both:
            same_ticker = [other for other in both if other.symbol == listing.symbol]
            if len(same_ticker) > 1 and _is_ticker_only(listing):
                continue  # an inferred listing, which is reported now
            merged.append(replace(_with_return_day(listing, merged), instrument=number))
            self.add_listing(merged[-1])

    def _candidates(self, row: Listing) -> list[int]:
        """Return the other companies to which a listing may belong."""
        same_figi = self._by_figi.get(row.figi or "", set()) - {row.instrument}
        if same_figi:
            return sorted(filter(None, same_figi))
        if any(
            _ends_before(other, row) for other in self._by_instrument.get(row.instrument or 0, [])
        ):
            return []  # its previous listing is known
        previous = [
            other
            for other in self._by_ticker.get(row.renamed_from or "", [])
            if not (other.figi and row.figi) and _ends_before(other, row)
        ]
        numbers = [other.instrument for other in sorted(previous, key=_last_day, reverse=True)]
        return [number for number in numbers if number not in (None, row.instrument)]


def _with_return_day(row: Listing, earlier: Iterable[Listing]) -> Listing:
    """Return a listing with a first day if its company returns to a ticker that it had."""
    last_days = [listing.last for listing in earlier if listing.last]
    if row.first is None and last_days and row.symbol in {listing.symbol for listing in earlier}:
        return replace(row, first=max(last_days) + _DAY)
    return row


def _is_ticker_only(listing: Listing) -> bool:
    """Return whether nothing but its ticker is known of a listing."""
    return listing == Listing(listing.symbol)


def _same_end(stored: Listing, row: Listing) -> bool:
    return stored.last == row.last and _same_time(stored, row)


def _same_time(stored: Listing, row: Listing) -> bool:
    if stored.figi and row.figi:
        return False
    return _begins_by(row.first, stored.last) and _begins_by(stored.first, row.last)


def _begins_by(first: dt.date | None, last: dt.date | None) -> bool:
    return first is None or last is None or first <= last


def _in_sequence(listing: Listing, other: Listing) -> bool:
    """Return whether both can be of one company, which has one ticker at a time."""
    return _ends_before(listing, other) or _ends_before(other, listing)


def _ends_before(listing: Listing, later: Listing) -> bool:
    """Return whether a listing ends before another begins, give or take some days."""
    if listing.last is None or listing.last >= _last_day(later):
        return False
    return later.first is None or listing.last < later.first + _RENAME_OVERLAP


def _last_day(listing: Listing) -> dt.date:
    return listing.last or dt.date.max
