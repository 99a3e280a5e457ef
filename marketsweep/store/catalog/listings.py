"""Reference data: the listings of every symbol, the company of each, and further facts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Iterable, Mapping
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from marketsweep.core.records import FactKind, FactRow, FactValues, Listing, ListingPeriod
from marketsweep.store.catalog.resolved import Resolved
from marketsweep.store.catalog.rows import values_of
from marketsweep.store.companies.joined_listings import identify_listings, key_of
from marketsweep.store.companies.ticker_changes import Tenure

_LISTINGS: Final = "listings"
_LIVES: Final = "lives"
"""The part of a listing that every scan reads."""

_FACTS: Final = "facts"
"""The kind of each fact, and whether it has values with a first day; see also `_fact_pack`."""

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

_LifeRow = tuple[str, str | None, str | None, int]

_decode_listings: Final = msgspec.msgpack.Decoder(list[_Row])
_decode_facts: Final = msgspec.msgpack.Decoder(dict[str, tuple[FactKind, bool]])
_decode_fact: Final = msgspec.msgpack.Decoder(list[FactRow])
_decode_lives: Final = msgspec.msgpack.Decoder(list[_LifeRow])
_decode_rows: Final[msgspec.msgpack.Decoder[list[msgspec.Raw]]] = msgspec.msgpack.Decoder(
    list[msgspec.Raw]
)


class Listings(Resolved):
    """The listings of the catalog."""

    def lives(self) -> list[_LifeRow]:
        """Return symbol, first and last day (ISO text) and instrument of every listing."""
        return self.decoded(_LIVES, _decode_lives) or []

    def shared_lives(self) -> list[ListingPeriod]:
        """Return lives of instruments with several tickers, and of tickers with several owners."""
        lives = self.lives()
        # A scan reads this first: pairs of sorted rows, and NumPy, are faster than counters.
        tickers = {first[0] for first, second in pairwise(lives) if first[0] == second[0]}
        numbers, counts = np.unique([life[3] for life in lives], return_counts=True)
        instruments = set(numbers[counts > 1].tolist())
        return [
            ListingPeriod(symbol, _date(first), _date(last), instrument)
            for symbol, first, last, instrument in lives
            if instrument in instruments or symbol in tickers
        ]

    def listings(self, symbols: Container[str] | None = None) -> list[Listing]:
        """Return the listings of some symbols, or of all, by symbol."""
        rows = self.decoded(_LISTINGS, _decode_listings) or []
        return [Listing(*row) for row in rows if symbols is None or row[0] in symbols]

    def count_listings(self) -> int:
        """Return the number of listings."""
        rows = self.decoded(_LISTINGS, _decode_rows)
        return len(rows) if rows else 0

    def upsert_listings(self, listings: Iterable[Listing]) -> bool:
        """Update the stored listings with reported ones, and return whether anything changed."""
        return self.put_listings(identify_listings(self.listings(), listings), self.tenures())

    def put_listings(self, listings: Iterable[Listing], tenures: Iterable[Tenure]) -> bool:
        """Replace all listings; `tenures` replace their days. Return whether anything changed."""
        ordered = sorted(listings, key=key_of)
        resolved = [
            (tenure.symbol, _iso(tenure.first), _iso(tenure.last), tenure.instrument)
            for tenure in tenures
        ]
        resolved_keys = {(symbol, instrument) for symbol, *_, instrument in resolved}
        reported = [
            _days_of(listing)
            for listing in ordered
            if (listing.symbol, listing.instrument) not in resolved_keys
        ]
        stored = {(listing.symbol, listing.instrument) for listing in ordered}
        symbols = {listing.symbol for listing in ordered}
        used = [
            life
            for life in resolved
            if (life[0], life[3]) in stored or (life[3] < 0 and life[0] in symbols)
        ]
        lives = sorted([*reported, *used], key=lambda life: (life[0], life[3] or 0, life[1] or ""))
        changed = self.put_rows(_LISTINGS, map(values_of, ordered))
        return self.put_rows(_LIVES, lives) or changed

    # Facts beyond those of a listing

    def facts(self) -> Mapping[str, tuple[FactKind, bool]]:
        """Return the kind of each fact, and whether it has values with a first day, by name."""
        return self.decoded(_FACTS, _decode_facts) or {}

    def fact_rows(self, name: str) -> list[FactRow]:
        """Return the values of a fact by symbol and first day; values without a day come first."""
        return self.decoded(_fact_pack(name), _decode_fact) or []

    def upsert_facts(self, reported: Iterable[FactValues]) -> bool:
        """Update the stored facts with reported values, and return whether anything changed.

        The kind of each fact must be the stored one.
        """
        facts, changed = dict(self.facts()), False
        for name, kind, rows in reported:
            values = {row[:2]: row[2] for row in self.fact_rows(name)}
            values |= {row[:2]: row[2] for row in rows}
            # A repeated value stays: the ticker may have had another owner in between.
            merged = [
                (symbol, first, value)
                for (symbol, first), value in sorted(values.items(), key=_order_of)
                if first is not None or value is not None
            ]
            if merged and kind:
                facts[name] = kind, any(day is not None for _, day, _ in merged)
            changed |= self.put_rows(_fact_pack(name), merged)
        return self._put_kinds(facts) or changed

    def remove_fact(self, name: str) -> bool:
        """Remove a fact, and return whether there was one."""
        facts = dict(self.facts())
        facts.pop(name, None)
        self.put_pack(_fact_pack(name), None)
        return self._put_kinds(facts)

    def _put_kinds(self, facts: Mapping[str, tuple[FactKind, bool]]) -> bool:
        content = msgspec.msgpack.encode(dict(sorted(facts.items())))
        return self.put_pack(_FACTS, content if facts else None)


_Key = tuple[str, dt.date | None]


def _fact_pack(name: str) -> str:
    return f"{_FACTS}/{name}"


def _order_of(item: tuple[_Key, object]) -> tuple[str, dt.date]:
    symbol, first = item[0]
    return symbol, first or dt.date.min


def _days_of(record: Listing | Tenure) -> tuple[str, str | None, str | None, int | None]:
    return record.symbol, _iso(record.first), _iso(record.last), record.instrument


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _iso(day: dt.date | None) -> str | None:
    return None if day is None else day.isoformat()
