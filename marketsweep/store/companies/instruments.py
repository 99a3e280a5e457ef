"""Which listing is of which company: renames join, and a ticker that is used again does not.

A *company* is an instrument with a number that stays. A *listing* is what a source tells of a
company under one ticker.

1. A told listing is a stored one of its ticker where their FIGIs agree, or else their last days,
   their times, or where the stored one has not ended (`_Book.known`).
2. A new one continues a company under another ticker where its FIGI says so, or where the source
   names the ticker that it had before (`_Book.add`).
3. Whatever else comes is another company, though the ticker may have been seen. Where a source says
   later that two companies are one, they become one (`_Book.join`).
4. Where days are missing or wrong, the bars show whether two listings follow each other
   (`joined_by_bars`).

Of two companies that become one, the lower number stays. Bars stand under the ticker of their day;
`tenures` works out when a company had which ticker, and `moves_of` where its earlier bars are.
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
from marketsweep.store.companies.tenures import (
    Change,
    Close,
    Doubt,
    change_between,
    follows,
    in_order,
    is_one_price,
)

_OVERLAP: Final = dt.timedelta(days=7)
"""Both tickers of a rename may be told for some days: sources see it at different times."""

_SIDE_BY_SIDE: Final = dt.timedelta(days=30)
"""Told days of one company may be off by so much that its tickers seem to overlap."""

_TOGETHER: Final = 10
"""Sessions in which both tickers of a company may have a bar, for the same reason."""

_DAY: Final = dt.timedelta(days=1)

_MOST_TICKERS: Final = 8
"""Tickers of one FIGI; one that is told of more stands for no company."""

_KEPT: Final = {one.name for one in fields(Listing)} - {"last", "instrument"}


def identified(stored: Iterable[Listing], told: Iterable[Listing]) -> list[Listing]:
    """Return every listing after a source has told some, each with the number of its company.

    Days are as told. If a ticker is told several times, the listings are of one owner after the
    other.
    """
    told = _with_real_figis(told)
    book = _Book(stored, told)
    unknown: list[Listing] = []
    corrected: list[Listing] = []
    for symbol, told_rows in groupby(sorted(told, key=_by_ticker_and_end), attrgetter("symbol")):
        rows = _different(told_rows)
        for row, known in zip(rows, book.known(symbol, rows), strict=True):
            if known is None:
                unknown.append(row)
            else:
                corrected.append(book.correct(known, _completed(row, known)))
    # A company's new ticker comes after its old one.
    unknown.sort(key=lambda row: (row.last or dt.date.max, row.first or dt.date.min, row.symbol))
    for row in [book.after_its_old_ticker(row) for row in unknown]:
        book.add(row)
    for row in corrected:
        book.join(row)
    return book.listings()


def joined_by_bars(
    listings: Iterable[Listing], bars: BarDays, close: Close
) -> tuple[list[Listing], list[Doubt]]:
    """Return the listings, joined where the bars show that one follows the other.

    `close` is the raw close of a ticker in a session, by its place; NaN where it has no bar. A
    rename from a ticker of which no listing is told adds a listing of that ticker.
    """
    book = _Book(listings)
    while True:
        before, doubts = book.listings(), list[Doubt]()
        for instruments in book.of_equal_figis():
            doubts += _join_equal(book, instruments, bars)
        for row in [one for one in book.listings() if one.renamed_to]:
            doubts += _follow(book, row, bars, close)
        for row in [one for one in book.listings() if one.renamed_from]:
            doubts += _join_renamed(book, row, bars, close)
        # What was joined may tell more of the others.
        if list(map(_place, book.listings())) == list(map(_place, before)):
            return before, doubts


def _join_equal(book: _Book, instruments: Iterable[int], bars: BarDays) -> Iterator[Doubt]:
    """Join companies of one FIGI, unless their tickers are traded side by side."""
    listings = [one for number in instruments for one in book.of_instrument(number)]
    for one, other in pairwise(in_order(listings, bars)):
        number, another = book.number_of(one), book.number_of(other)
        if number is None or another is None or number == another:
            continue
        together = bars.common(one.symbol, other.symbol)
        alone = book.is_only_owner(one) and book.is_only_owner(other)
        in_turn = together <= _TOGETHER or follows(one.symbol, other.symbol, bars)
        if (alone and not in_turn) or _overlaps(one, other, bars):
            reason = f"they share the FIGI {one.figi}, and both are traded in {together} sessions"
            yield Doubt(other.symbol, one.symbol, reason)
        elif bars.runs(one.symbol) and bars.runs(other.symbol):
            book.merge(number, another)


def _follow(book: _Book, row: Listing, bars: BarDays, close: Close) -> Iterator[Doubt]:
    """Join a company with the one that has the ticker which it is told to have had afterwards."""
    new, number = row.renamed_to, book.number_of(row)
    if new is None or number is None or new == row.symbol or not bars.runs(new):
        return
    if any(one.symbol == new for one in book.of_instrument(number)):
        return
    if any(one.renamed_from == row.symbol for one in book.of_ticker(new)):
        return
    change = change_between(row, Listing(new, first=_told_start(book, row, new, bars)), bars)
    if change is None:
        yield Doubt(new, row.symbol, f"nothing shows when {row.symbol} was renamed")
        return
    if (
        book.is_alone(row)
        and _goes_on(row.symbol, change, bars)
        and not is_one_price(row.symbol, new, change.place, close)
    ):
        reason = f"{row.symbol} is traded on at another price than {new}"
        yield Doubt(new, row.symbol, reason)
        return
    later = [
        one
        for one in book.of_ticker(new)
        if (one.last is None or bars.place(one.last) >= change.place)
        and not _overlaps(row, one, bars)
        and not _has_left(one, change, bars)
    ]
    later.sort(key=lambda one: (one.renamed_to != row.symbol, _begins_at(one, change, bars)))
    if later and later[-1].renamed_from and not _leads_to(row.symbol, book, later[-1], bars):
        return  # its own word counts
    if later:
        book.merge(number, book.number_of(later[-1]) or number)
    else:
        # The new ticker has no listing of its own.
        book.put(Listing(new, renamed_from=row.symbol, instrument=number))


def _has_left(listing: Listing, change: Change, bars: BarDays) -> bool:
    """Whether a company had given its ticker up for another one before a change."""
    after = listing.renamed_to
    if after is None or not bars.runs(after):
        return False
    left = change_between(listing, Listing(after), bars)
    return left is not None and left.place < change.place


def _begins_at(listing: Listing, change: Change, bars: BarDays) -> bool:
    return listing.first is not None and bars.place(listing.first) == change.place


def _told_start(book: _Book, row: Listing, new: str, bars: BarDays) -> dt.date | None:
    """Return since when another company is told to have a ticker, if a listing has no end.

    Days before the first stored session tell nothing of the bars.
    """
    if row.last is not None:
        return None
    days = [one.first for one in book.of_ticker(new) if one.first and bars.place(one.first)]
    return max(days, default=None)


def _leads_to(symbol: str, book: _Book, later: Listing, bars: BarDays) -> bool:
    """Whether a ticker's bars end where those of a company begin, or one of its tickers does."""
    tickers = {one.symbol for one in book.of_instrument(book.number_of(later) or 0)}
    alone = not any(bars.common(symbol, ticker) for ticker in tickers)
    return alone and any(follows(symbol, ticker, bars) for ticker in tickers)


def _join_renamed(book: _Book, row: Listing, bars: BarDays, close: Close) -> Iterator[Doubt]:
    """Join a company with the one that had the ticker which it is told to have had before."""
    old, number = row.renamed_from, book.number_of(row)
    if old is None or number is None:
        return
    if old == row.symbol:
        yield Doubt(old, old, "it is told to have had its own ticker before")
        return
    if any(one.symbol == old for one in book.of_instrument(number)):
        return
    if not bars.runs(row.symbol):
        return  # it will be looked at once it is traded
    if not bars.runs(old):
        yield Doubt(row.symbol, old, f"{old} has no bars")
        return
    before = _before(book, row, old, bars)
    change = change_between(before or Listing(old), row, bars)
    if before is not None and before.first and change and bars.place(before.first) > change.place:
        before = None  # who took the ticker over later
    if change is None or not bars.has(old, 0, change.place - 1):
        yield Doubt(row.symbol, old, f"no bar of {old} comes before those of {row.symbol}")
        return
    goes_on = _goes_on(old, change, bars)
    same = before is not None and bool(
        (before.last and not book.is_alone(before)) or (row.figi and before.figi == row.figi)
    )
    if goes_on and not same and not is_one_price(old, row.symbol, change.place, close):
        reason = f"{old} is traded on at another price than {row.symbol}"
        yield Doubt(row.symbol, old, reason)
    elif before is not None and (
        before.last is not None or not goes_on or comes_back(old, row.symbol, bars)
    ):
        book.merge(number, book.number_of(before) or number)
    else:
        # Whoever has the old ticker now took it over.
        book.put(Listing(old, instrument=number))


def _before(book: _Book, row: Listing, old: str, bars: BarDays) -> Listing | None:
    """The listing of the old ticker that a renamed company may have had; None for none."""
    owners = [one for one in book.of_ticker(old) if book.number_of(one) != book.number_of(row)]
    fitting = [one for one in owners if not _overlaps(one, row, bars)]
    fitting.sort(key=lambda one: (one.figi == row.figi, _end(one)))
    return fitting[-1] if fitting else None


def _overlaps(one: Listing, other: Listing, bars: BarDays) -> bool:
    """Whether the told days of two listings say that they cannot be of one company."""
    if one.first is None or other.first is None:
        return False
    first = max(one.first, other.first)
    last = min(one.last or dt.date.max, other.last or dt.date.max)
    return first + _SIDE_BY_SIDE < last and bars.common(one.symbol, other.symbol) > _TOGETHER


def _goes_on(old: str, change: Change, bars: BarDays) -> bool:
    """Whether the old ticker is traded on after a company is said to have left it."""
    return bars.has(old, change.place + _TOGETHER, len(bars.sessions) - 1)


def _place(listing: Listing) -> tuple[Listing, int | None]:
    return listing, listing.instrument


def key_of(listing: Listing) -> tuple[str, int, str]:
    """What tells a listing from all others of a store: a company may come back to a ticker."""
    assert listing.instrument is not None
    first = "" if listing.first is None else listing.first.isoformat()
    return listing.symbol, listing.instrument, first


def _by_ticker_and_end(listing: Listing) -> tuple[str, dt.date]:
    return listing.symbol, _end(listing)


def _with_real_figis(told: Iterable[Listing]) -> list[Listing]:
    """The rows without FIGIs that are told of more tickers than a company ever had."""
    rows = list(told)
    tickers: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        tickers[row.figi or ""].add(row.symbol)
    shared = {figi for figi, symbols in tickers.items() if len(symbols) > _MOST_TICKERS}
    return [replace(row, figi=None) if row.figi in shared else row for row in rows]


def _different(rows: Iterable[Listing]) -> list[Listing]:
    """The rows of one ticker without those that tell what another of them tells."""
    found: dict[object, Listing] = {}
    for row in rows:
        found[(row.figi, row.first, row.last, row.renamed_from) if row.figi else row] = row
    different = list(found.values())
    return [
        one
        for one in different
        if not any(_says_less(one, other) for other in different if other is not one)
    ]


def _says_less(row: Listing, other: Listing) -> bool:
    """Whether a row has nothing that could make it another company's than a second row."""
    return (
        not any((row.figi, row.first, row.last, row.renamed_from, row.renamed_to))
        and (other.renamed_from or other.renamed_to) is not None
        and (other.figi, other.first, other.last) == (None, None, None)
        and row.name in (None, other.name)
    )


def _completed(row: Listing, known: Listing) -> Listing:
    """What is told, and of what was known the parts that are not told: None is unknown.

    But for the end of the listing, of which None is news.
    """
    kept = {name: getattr(known, name) for name in _KEPT if getattr(row, name) is None}
    return replace(row, instrument=known.instrument, **kept)


class _Book:
    """Listings by ticker and by company, as they become known."""

    def __init__(self, stored: Iterable[Listing], told: Iterable[Listing] = ()) -> None:
        self._of_ticker: defaultdict[str, list[Listing]] = defaultdict(list)
        self._of_instrument: defaultdict[int, list[Listing]] = defaultdict(list)
        self._of_figi: defaultdict[str, set[int]] = defaultdict(set)
        self._told: defaultdict[str, set[str]] = defaultdict(set)
        """Tickers of which a FIGI is told now."""
        self._figis: defaultdict[str, set[str]] = defaultdict(set)
        """FIGIs, or empty texts, that are told of a ticker now."""
        for listing in stored:
            self.put(listing)
        for row in told:
            self._told[row.figi or ""].add(row.symbol)
            self._figis[row.symbol].add(row.figi or "")
        self._last = max(self._of_instrument, default=0)

    def listings(self) -> list[Listing]:
        """All of them, by ticker, company and time."""
        every = chain.from_iterable(self._of_ticker.values())
        return sorted(every, key=key_of)

    def of_ticker(self, symbol: str) -> Sequence[Listing]:
        """The listings of a ticker."""
        return self._of_ticker.get(symbol, ())

    def of_instrument(self, number: int) -> Sequence[Listing]:
        """The listings of a company."""
        return tuple(self._of_instrument.get(number, ()))

    def of_equal_figis(self) -> list[list[int]]:
        """Companies that share a FIGI and are not one yet."""
        return [sorted(some) for figi, some in self._of_figi.items() if figi and len(some) > 1]

    def number_of(self, listing: Listing) -> int | None:
        """The number of a listing's company now: companies may have been joined meanwhile."""
        found = (one.instrument for one in self._of_ticker[listing.symbol] if one == listing)
        return next(found, None)

    def is_alone(self, listing: Listing) -> bool:
        """Whether no other listing of its ticker is told."""
        return len(self._of_ticker[listing.symbol]) == 1

    def is_only_owner(self, listing: Listing) -> bool:
        """Whether no other company had the ticker of a listing."""
        return len({one.instrument for one in self._of_ticker[listing.symbol]}) == 1

    def put(self, listing: Listing) -> None:
        """Note a listing of the company whose number it has."""
        assert listing.instrument is not None
        self._of_ticker[listing.symbol].append(listing)
        self._of_instrument[listing.instrument].append(listing)
        if listing.figi:
            self._of_figi[listing.figi].add(listing.instrument)

    def _forget(self, listing: Listing) -> None:
        assert listing.instrument is not None
        tickers = self._of_instrument[listing.instrument]
        for some in (self._of_ticker[listing.symbol], tickers):
            some[:] = [one for one in some if one is not listing]
        if listing.figi not in {one.figi for one in tickers}:
            self._of_figi[listing.figi or ""].discard(listing.instrument)

    def known(self, symbol: str, rows: Sequence[Listing]) -> list[Listing | None]:
        """The listing that each told one of a ticker is, None for a new one."""
        free = list(self._of_ticker[symbol])
        found: list[Listing | None] = [None] * len(rows)
        for agrees in (self._same_figi, _same_end, _same_time, self._still_open):
            for place, row in enumerate(rows):
                if found[place] is None:
                    found[place] = next((one for one in free if agrees(one, row)), None)
                    free = [one for one in free if one is not found[place]]
        return found

    def _still_open(self, stored: Listing, row: Listing) -> bool:
        """Whether it can be nobody else: nothing says that the stored one has ended."""
        if stored.figi and row.figi and stored.figi != row.figi:
            # A FIGI may be corrected, unless one of the two is of a company with another ticker.
            figis = (stored.figi, row.figi)
            if any(self._tickers_of(figi) - {row.symbol} for figi in figis):
                return False
        return stored.last is None and _begins_by(stored.first, row.last)

    def _tickers_of(self, figi: str) -> set[str]:
        numbers = self._of_figi.get(figi, ())
        stored = {one.symbol for number in numbers for one in self._of_instrument[number]}
        return stored | self._told.get(figi, set())

    def after_its_old_ticker(self, row: Listing) -> Listing:
        """A new row with the ticker that its FIGI had, where one of the two changed its owner."""
        if not row.figi or row.renamed_from:
            return row
        taken = any(one.figi not in (None, row.figi) for one in self._of_ticker[row.symbol])
        numbers = self._of_figi.get(row.figi, ())
        left = [
            one.symbol
            for number in numbers
            for one in self._of_instrument[number]
            if one.figi == row.figi
            and one.last is None
            and row.figi not in self._figis[one.symbol]
            and (taken or self._figis[one.symbol])
        ]
        return replace(row, renamed_from=left[-1]) if left else row

    def _same_figi(self, stored: Listing, row: Listing) -> bool:
        if stored.figi is None or stored.figi != row.figi:
            return False
        # A company that went on under another ticker may have come back to this one.
        assert stored.instrument is not None
        tickers = self._of_instrument[stored.instrument]
        if max(tickers, key=_end) is stored:
            return True
        return row.last is not None and _begins_by(row.first, stored.last)

    def correct(self, known: Listing, told: Listing) -> Listing:
        """Put what is told in the place of what was known of the same."""
        self._forget(known)
        self.put(told)
        return told

    def add(self, row: Listing) -> None:
        """Note a listing that is new, of the company that it continues or of a new one."""
        row = replace(row, instrument=None)  # a number that another store gave means nothing here
        for instrument in self._candidates(row):
            tickers = self._of_instrument[instrument]
            if all(_in_turn(other, row) for other in tickers):
                self.put(replace(_returned(row, tickers), instrument=instrument))
                return
        self._last += 1
        self.put(replace(row, instrument=self._last))

    def join(self, row: Listing) -> None:
        """Make one of two companies that a listing tells are one, later than they came."""
        # Its number may be another by now: one of its other tickers was joined.
        row = next(one for one in self._of_ticker[row.symbol] if one == row)
        assert row.instrument is not None
        mine = self._of_instrument[row.instrument]
        for instrument in self._candidates(row):
            others = self._of_instrument[instrument]
            if all(_in_turn(one, other) for one in mine for other in others):
                self.merge(instrument, row.instrument)
                return

    def merge(self, one: int, other: int) -> None:
        """Make one company of two; the lower number stays."""
        if one == other:
            return
        both = sorted((*self._of_instrument[one], *self._of_instrument[other]), key=_end)
        number, kept = min(one, other), list[Listing]()
        for listing in both:
            self._forget(listing)
        for listing in both:
            same = [other for other in both if other.symbol == listing.symbol]
            if len(same) > 1 and _is_bare(listing):
                continue  # a listing that was only inferred, and is told now
            kept.append(replace(_returned(listing, kept), instrument=number))
            self.put(kept[-1])

    def _candidates(self, row: Listing) -> list[int]:
        """The companies that a listing says it is of, itself not counted."""
        same = self._of_figi.get(row.figi or "", set()) - {row.instrument}
        if same:
            return sorted(filter(None, same))
        if any(_is_over(one, row) for one in self._of_instrument.get(row.instrument or 0, [])):
            return []  # what it was before is known
        earlier = [
            one
            for one in self._of_ticker.get(row.renamed_from or "", [])
            if not (one.figi and row.figi) and _is_over(one, row)
        ]
        found = [one.instrument for one in sorted(earlier, key=_end, reverse=True)]
        return [instrument for instrument in found if instrument not in (None, row.instrument)]


def _returned(row: Listing, earlier: Iterable[Listing]) -> Listing:
    """A listing after others of its company; one may come back to a ticker that it had."""
    ends = [one.last for one in earlier if one.last]
    if row.first is None and ends and row.symbol in {one.symbol for one in earlier}:
        return replace(row, first=max(ends) + _DAY)
    return row


def _is_bare(listing: Listing) -> bool:
    """Whether nothing but its ticker is known of a listing."""
    return listing == Listing(listing.symbol)


def _same_end(stored: Listing, row: Listing) -> bool:
    return stored.last == row.last and _same_time(stored, row)


def _same_time(stored: Listing, row: Listing) -> bool:
    if stored.figi and row.figi:
        return False
    return _begins_by(row.first, stored.last) and _begins_by(stored.first, row.last)


def _begins_by(first: dt.date | None, last: dt.date | None) -> bool:
    return first is None or last is None or first <= last


def _in_turn(one: Listing, other: Listing) -> bool:
    """Whether both can be of one company, which has one ticker at a time."""
    return _is_over(one, other) or _is_over(other, one)


def _is_over(listing: Listing, by: Listing) -> bool:
    """Whether a listing makes room for another."""
    if listing.last is None or listing.last >= _end(by):
        return False
    return by.first is None or listing.last < by.first + _OVERLAP


def _end(listing: Listing) -> dt.date:
    return listing.last or dt.date.max
