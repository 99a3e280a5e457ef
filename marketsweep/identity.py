"""Which listing is of which instrument: renames join, and a ticker that is used again does not.

1. A told listing is a stored one of its ticker where their FIGIs or else their times agree, or
   where the stored one has not ended (`_Book.known`).
2. A new one continues an instrument under another ticker where its FIGI says so, or where the
   source names the ticker that it had before (`_Book.add`).
3. Whatever else comes is another instrument, though the ticker may have been seen. Where a source
   says later that two of them are one, they become one (`_Book.join`).

Numbers of instruments stay; of two that become one, the first. A store's bars stand under tickers;
`moves_of` says where those of an instrument are that had others, or whose ticker had other owners.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, groupby
from operator import attrgetter
from typing import Final

from marketsweep.records import Life, Listing

_OVERLAP: Final = dt.timedelta(days=7)
"""Both tickers of a rename may be told for some days: sources see it at different times."""

_DAY: Final = dt.timedelta(days=1)

_KEPT: Final = {one.name for one in fields(Listing)} - {"last", "instrument"}


def identified(stored: Iterable[Listing], told: Iterable[Listing]) -> list[Listing]:
    """Every listing there is after a source has told some, by ticker, instrument and time.

    Each has its instrument and the time that it is known to cover. Of a ticker that is told
    several times the listings are of owners one after the other.
    """
    book = _Book(stored)
    unknown: list[Listing] = []
    corrected: list[Listing] = []
    for symbol, told_rows in groupby(sorted(told, key=_by_ticker_and_end), attrgetter("symbol")):
        rows = list(_one_after_the_other(told_rows))
        for row, known in zip(rows, book.known(symbol, rows), strict=True):
            if known is None:
                unknown.append(row)
            else:
                corrected.append(book.correct(known, _completed(row, known)))
    # Who was renamed comes after whom it was before.
    unknown.sort(key=lambda row: (row.last or dt.date.max, row.first or dt.date.min, row.symbol))
    for row in unknown:
        book.add(row)
    for row in corrected:
        book.join(row)
    return book.listings()


def key_of(listing: Listing) -> tuple[str, int, str]:
    """What tells a listing from all others of a store: an instrument may come back to a ticker."""
    assert listing.instrument is not None
    first = "" if listing.first is None else listing.first.isoformat()
    return listing.symbol, listing.instrument, first


def _by_ticker_and_end(listing: Listing) -> tuple[str, dt.date]:
    return listing.symbol, _end(listing)


def _one_after_the_other(rows: Iterable[Listing]) -> Iterable[Listing]:
    """The owners of a ticker; nobody has it before the owner before has given it up."""
    given_up: dt.date | None = None
    for row in rows:
        takes_over = given_up is not None and _takes_over(row, given_up)
        yield replace(row, first=given_up + _DAY) if given_up and takes_over else row
        given_up = row.last or given_up


def _takes_over(row: Listing, last: dt.date) -> bool:
    """Whether a ticker's owner comes after one until `last`, and is not said to begin later."""
    return _end(row) > last and (row.first is None or row.first <= last)


def _completed(row: Listing, known: Listing) -> Listing:
    """What is told, and of what was known the parts that are not told: None is unknown.

    But for the end of the listing, of which None is news.
    """
    kept = {name: getattr(known, name) for name in _KEPT if getattr(row, name) is None}
    return replace(row, instrument=known.instrument, **kept)


class _Book:
    """Listings by ticker and by instrument, as they become known."""

    def __init__(self, stored: Iterable[Listing]) -> None:
        self._of_ticker: defaultdict[str, list[Listing]] = defaultdict(list)
        self._of_instrument: defaultdict[int, list[Listing]] = defaultdict(list)
        self._of_figi: defaultdict[str, set[int]] = defaultdict(set)
        for listing in stored:
            self._note(listing)
        self._last = max(self._of_instrument, default=0)

    def listings(self) -> list[Listing]:
        """All of them, by ticker, instrument and time."""
        every = chain.from_iterable(self._of_ticker.values())
        return sorted(every, key=key_of)

    def _note(self, listing: Listing) -> None:
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
        for agrees in (self._same_figi, _same_time, _still_open):
            for place, row in enumerate(rows):
                if found[place] is None:
                    found[place] = next((one for one in free if agrees(one, row)), None)
                    free = [one for one in free if one is not found[place]]
        return found

    def _same_figi(self, stored: Listing, row: Listing) -> bool:
        if stored.figi is None or stored.figi != row.figi:
            return False
        # An instrument that went on under another ticker may have come back to this one.
        assert stored.instrument is not None
        tickers = self._of_instrument[stored.instrument]
        if max(tickers, key=_end) is stored:
            return True
        return row.last is not None and _begins_by(row.first, stored.last)

    def correct(self, known: Listing, told: Listing) -> Listing:
        """Put what is told in the place of what was known of the same."""
        self._forget(known)
        self._note(told)
        return told

    def add(self, row: Listing) -> None:
        """Note a listing that is new, of the instrument that it continues or of a new one."""
        row = replace(row, instrument=None)  # a number that another store gave means nothing here
        for instrument in self._candidates(row):
            tickers = self._of_instrument[instrument]
            if all(_in_turn(other, row) for other in tickers):
                self._note(replace(_returned(row, tickers), instrument=instrument))
                return
        self._last += 1
        self._note(replace(row, instrument=self._last))

    def join(self, row: Listing) -> None:
        """Make one of two instruments that a listing tells are one, later than they came."""
        # Its number may be another by now: one of its other tickers was joined.
        row = next(one for one in self._of_ticker[row.symbol] if one == row)
        assert row.instrument is not None
        mine = self._of_instrument[row.instrument]
        for instrument in self._candidates(row):
            others = self._of_instrument[instrument]
            if all(_in_turn(one, other) for one in mine for other in others):
                number = min(instrument, row.instrument)
                both = sorted((*mine, *others), key=_end)
                for place, one in enumerate(both):
                    self._forget(one)
                    self._note(replace(_returned(one, both[:place]), instrument=number))
                return

    def _candidates(self, row: Listing) -> list[int]:
        """The instruments that a listing says it is of, itself not counted."""
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
    """A listing after others of its instrument; one may come back to a ticker that it had."""
    if row.first is None and row.symbol in {one.symbol for one in earlier}:
        return replace(row, first=max(one.last for one in earlier if one.last) + _DAY)
    return row


def _same_time(stored: Listing, row: Listing) -> bool:
    if stored.figi and row.figi:
        return False
    return _begins_by(row.first, stored.last) and _begins_by(stored.first, row.last)


def _still_open(stored: Listing, row: Listing) -> bool:
    """Whether it can be nobody else: nothing says that the stored one has ended."""
    return stored.last is None and _begins_by(stored.first, row.last)


def _begins_by(first: dt.date | None, last: dt.date | None) -> bool:
    return first is None or last is None or first <= last


def _in_turn(one: Listing, other: Listing) -> bool:
    """Whether both can be of one instrument, which has one ticker at a time."""
    return _is_over(one, other) or _is_over(other, one)


def _is_over(listing: Listing, by: Listing) -> bool:
    """Whether a listing makes room for another."""
    if listing.last is None or listing.last >= _end(by):
        return False
    return by.first is None or listing.last < by.first + _OVERLAP


@dataclass(frozen=True, slots=True)
class Move:
    """Before `day` the bars of an instrument stand under the ticker `before`.

    None for none: what stands there under its own ticker is of another instrument.
    """

    day: dt.date
    before: str | None


def moves_of(lives: Iterable[Life], as_of: dt.date) -> dict[str, list[Move]]:
    """Of each ticker that needs them, the moves of who has it on a day or had it last.

    Newest first. `lives` are those of instruments that had several tickers, and of tickers that
    several had.
    """
    of_ticker: defaultdict[str, list[Life]] = defaultdict(list)
    of_instrument: defaultdict[int, list[Life]] = defaultdict(list)
    for life in lives:
        if life.first is None or life.first <= as_of:
            of_ticker[life.symbol].append(life)
            of_instrument[life.instrument].append(life)
    found = {}
    for symbol, owners in of_ticker.items():
        life = max(owners, key=_end)
        moves = list(_moves(life, of_instrument[life.instrument], of_ticker))
        # Nobody has a ticker before whoever had it, or what it was, has given it up.
        if moves and moves[0].day <= as_of:
            found[symbol] = moves
    return found


def _moves(
    life: Life, tickers: Sequence[Life], of_ticker: Mapping[str, Sequence[Life]]
) -> Iterator[Move]:
    for earlier in sorted(tickers, key=_end, reverse=True):
        if earlier.last is not None and _end(earlier) < _end(life):
            day = earlier.last + _DAY
            if life.first is not None:
                # Told of both tickers for some days, the new one counts from its first on.
                day = min(day, life.first) if life.first > earlier.last else life.first
            yield Move(day, earlier.symbol)
            life = earlier
    others = [one for one in of_ticker[life.symbol] if one.instrument != life.instrument]
    before = [one.last for one in others if one.last and _end(one) < _end(life)]
    if before:
        yield Move(max(before) + _DAY, None)


def _end(listed: Life | Listing) -> dt.date:
    return listed.last or dt.date.max
