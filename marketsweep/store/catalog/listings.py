"""Reference data: the listings of every symbol, and whose they are."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Container, Iterable
from typing import Final

import msgspec

from marketsweep.core.records import Life, Listing
from marketsweep.store.catalog.resolved import Resolved
from marketsweep.store.catalog.rows import values_of
from marketsweep.store.companies.instruments import identified, key_of
from marketsweep.store.companies.tenures import Tenure

_LISTINGS: Final = "listings"
_LIVES: Final = "lives"
"""The part of a listing that every scan asks for."""

_Row = tuple[
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    str | None,
    float | None,
    dt.date | None,
    dt.date | None,
    str | None,
    str | None,
    int | None,
    float | None,
    dt.date | None,
    str | None,
]
"""The fields of a listing, in their order."""

_Days = tuple[str, str | None, str | None, int]

_decode_listings: Final = msgspec.msgpack.Decoder(list[_Row])
_decode_lives: Final = msgspec.msgpack.Decoder(list[_Days])
_decode_rows: Final[msgspec.msgpack.Decoder[list[msgspec.Raw]]] = msgspec.msgpack.Decoder(
    list[msgspec.Raw]
)


class Listings(Resolved):
    """The listings."""

    def lives(self) -> list[_Days]:
        """Symbol, first and last day (ISO) and instrument of every listing, by symbol."""
        return self.decoded(_LIVES, _decode_lives) or []

    def shared_lives(self) -> list[Life]:
        """The lives of instruments that had several tickers, and of tickers of several of them."""
        lives = self.lives()
        of_symbol = Counter(symbol for symbol, *_ in lives)
        of_instrument = Counter(instrument for *_, instrument in lives)
        return [
            Life(symbol, _date(first), _date(last), instrument)
            for symbol, first, last, instrument in lives
            if of_symbol[symbol] > 1 or of_instrument[instrument] > 1
        ]

    def listings(self, symbols: Container[str] | None = None) -> list[Listing]:
        """The listings of some symbols, or every one, by symbol."""
        rows = self.decoded(_LISTINGS, _decode_listings) or []
        return [Listing(*row) for row in rows if symbols is None or row[0] in symbols]

    def count_listings(self) -> int:
        """The number of listings."""
        rows = self.decoded(_LISTINGS, _decode_rows)
        return len(rows) if rows else 0

    def upsert_listings(self, listings: Iterable[Listing]) -> bool:
        """Put these in the place of the stored ones that they are; whether anything changed."""
        return self.put_listings(identified(self.listings(), listings), self.tenures())

    def put_listings(self, listings: Iterable[Listing], tenures: Iterable[Tenure]) -> bool:
        """Make these all listings; `tenures` outweigh their days. Whether anything changed."""
        known = sorted(listings, key=key_of)
        worked_out = [
            (one.symbol, _iso(one.first), _iso(one.last), one.instrument) for one in tenures
        ]
        owners = {(symbol, instrument) for symbol, *_, instrument in worked_out}
        told = [_days_of(one) for one in known if (one.symbol, one.instrument) not in owners]
        stored = {(one.symbol, one.instrument) for one in known}
        symbols = {one.symbol for one in known}
        held = [
            life
            for life in worked_out
            if (life[0], life[3]) in stored or (life[3] < 0 and life[0] in symbols)
        ]
        lives = sorted([*told, *held], key=lambda life: (life[0], life[3] or 0, life[1] or ""))
        changed = self.put_rows(_LISTINGS, map(values_of, known))
        return self.put_rows(_LIVES, lives) or changed


def _days_of(one: Listing | Tenure) -> tuple[str, str | None, str | None, int | None]:
    return one.symbol, _iso(one.first), _iso(one.last), one.instrument


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()
