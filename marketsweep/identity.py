"""Which listing is of which instrument: renames join, and a ticker that is used again does not.

1. A told listing is a stored one of its ticker where their FIGIs or else their times agree, or
   where the stored one has not ended (`_known`).
2. A new one continues an instrument under another ticker where its FIGI says so, or where the
   source names the ticker that it had before (`_Book.add`).
3. Whatever else comes is another instrument, though the ticker may have been seen.

Numbers of instruments are given once, and stay. A store's bars stand under tickers; `moves_of` says
where those of an instrument are that had others, or whose ticker had other owners.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from operator import attrgetter
from typing import Final

from marketsweep.records import Life, Listing

_OVERLAP: Final = dt.timedelta(days=7)
"""Both tickers of a rename may be told for some days: sources see it at different times."""

_DAY: Final = dt.timedelta(days=1)

_KEPT: Final = {one.name for one in fields(Listing)} - {"last", "instrument"}


def identified(stored: Iterable[Listing], told: Iterable[Listing]) -> list[Listing]:
    """The told listings, each with its instrument and the time that it is known to cover.

    Of a ticker that is told several times the listings are of owners one after the other.
    """
    book = _Book(stored)
    unknown: list[Listing] = []
    found: list[Listing] = []
    for symbol, told_rows in groupby(sorted(told, key=_by_ticker_and_end), attrgetter("symbol")):
        rows = list(_one_after_the_other(told_rows))
        known = _known(book.of_ticker[symbol], rows)
        for row, of in zip(rows, known, strict=True):
            if of is None:
                unknown.append(row)
            else:
                found.append(book.correct(of, _completed(row, of)))
    # Who was renamed comes after whom it was before.
    unknown.sort(key=lambda row: (row.last or dt.date.max, row.first or dt.date.min, row.symbol))
    return found + [book.add(row) for row in unknown]


def _known(stored: Sequence[Listing], rows: Sequence[Listing]) -> list[Listing | None]:
    """The stored listing that each told one of a ticker is, None for a new one."""
    free = list(stored)
    found: list[Listing | None] = [None] * len(rows)
    for agrees in (_same_figi, _same_time, _still_open):
        for place, row in enumerate(rows):
            if found[place] is None:
                found[place] = next((one for one in free if agrees(one, row)), None)
                free = [one for one in free if one is not found[place]]
    return found


def _by_ticker_and_end(listing: Listing) -> tuple[str, dt.date]:
    return listing.symbol, listing.last or dt.date.max


def _one_after_the_other(rows: Iterable[Listing]) -> Iterable[Listing]:
    """The owners of a ticker; nobody has it before the owner before has given it up."""
    before: Listing | None = None
    for row in rows:
        owner = row
        if before and before.last and _takes_over(row, before.last):
            owner = replace(row, first=before.last + _DAY)
        yield owner
        before = owner


def _takes_over(row: Listing, last: dt.date) -> bool:
    """Whether a ticker's owner comes after one until `last`, and is not said to begin later."""
    return (row.last or dt.date.max) > last and (row.first is None or row.first <= last)


def _completed(row: Listing, known: Listing) -> Listing:
    """What is told, and of what was known the parts that are not told: None is unknown.

    But for the end of the listing, of which None is news.
    """
    kept = {name: getattr(known, name) for name in _KEPT if getattr(row, name) is None}
    return replace(row, instrument=known.instrument, **kept)


class _Book:
    """Listings by ticker and by instrument, as they become known."""

    def __init__(self, stored: Iterable[Listing]) -> None:
        self.of_ticker: defaultdict[str, list[Listing]] = defaultdict(list)
        self._of_instrument: defaultdict[int, list[Listing]] = defaultdict(list)
        self._of_figi: dict[str, int] = {}
        self._last = 0
        for listing in stored:
            self._note(listing)

    def _note(self, listing: Listing) -> None:
        assert listing.instrument is not None
        self.of_ticker[listing.symbol].append(listing)
        self._of_instrument[listing.instrument].append(listing)
        self._last = max(self._last, listing.instrument)
        if listing.figi:
            self._of_figi[listing.figi] = listing.instrument

    def correct(self, known: Listing, told: Listing) -> Listing:
        """Put what is told in the place of what was known of the same."""
        assert known.instrument is not None
        self._of_instrument[known.instrument].remove(known)
        self._note(told)
        return told

    def add(self, row: Listing) -> Listing:
        """A listing that is new, of the instrument that it continues or of a new one."""
        added = replace(row, instrument=self._renamed(row) or self._last + 1)
        self._note(added)
        return added

    def _renamed(self, row: Listing) -> int | None:
        for instrument in self._candidates(row):
            if all(_is_over(other, row) for other in self._of_instrument[instrument]):
                return instrument
        return None

    def _candidates(self, row: Listing) -> list[int]:
        same = self._of_figi.get(row.figi or "")
        if same is not None:
            return [same]
        earlier = self.of_ticker.get(row.renamed_from or "", [])
        newest_first = sorted(earlier, key=lambda one: one.last or dt.date.max, reverse=True)
        return [
            one.instrument
            for one in newest_first
            if one.instrument is not None and not (one.figi and row.figi)
        ]


def _same_figi(stored: Listing, row: Listing) -> bool:
    return stored.figi is not None and stored.figi == row.figi


def _same_time(stored: Listing, row: Listing) -> bool:
    if stored.figi and row.figi:
        return False
    return _begins_by(row.first, stored.last) and _begins_by(stored.first, row.last)


def _still_open(stored: Listing, row: Listing) -> bool:
    """Whether it can be nobody else: nothing says that the stored one has ended."""
    return stored.last is None and _begins_by(stored.first, row.last)


def _begins_by(first: dt.date | None, last: dt.date | None) -> bool:
    return first is None or last is None or first <= last


def _is_over(listing: Listing, by: Listing) -> bool:
    """Whether a listing makes room for another: an instrument has one ticker at a time."""
    if listing.last is None or listing.last >= (by.last or dt.date.max):
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


def _end(life: Life) -> dt.date:
    return life.last or dt.date.max
