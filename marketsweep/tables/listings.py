"""Reference data: the listings of every symbol, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from marketsweep.database import Database
from marketsweep.identity import identified, key_of
from marketsweep.records import Life, Listing
from marketsweep.tables.rows import date_of, marks, row_of

_LIFE: Final = "SELECT symbol, nullif(first, ''), last, instrument FROM listings"
# The index by instrument has all of these columns, but in another order: sorting takes longer.
_LIVES: Final = _LIFE + " NOT INDEXED ORDER BY symbol, instrument"
_SHARED_LIVES: Final = f"""
{_LIFE} WHERE instrument IN (SELECT instrument FROM listings GROUP BY 1 HAVING count(*) > 1) UNION
{_LIFE} WHERE symbol IN (SELECT symbol FROM listings GROUP BY 1 HAVING count(*) > 1)
"""


class Listings(Database):
    """The table of listings."""

    def lives(self) -> list[tuple[str, str | None, str | None, int]]:
        """Symbol, first and last day and instrument of every listing, by symbol."""
        return cast(list[tuple[str, str | None, str | None, int]], self._rows(_LIVES))

    def shared_lives(self) -> list[Life]:
        """The lives of instruments that had several tickers, and of tickers of several of them."""
        rows = self._rows(_SHARED_LIVES)
        return [Life(symbol, date_of(first), date_of(last), of) for symbol, first, last, of in rows]

    def listings(self) -> list[Listing]:
        """Every listing, by symbol."""
        rows = self._rows(
            "SELECT symbol, name, type, exchange, sector, industry, country, market_cap,"
            " nullif(first, ''), last, figi, renamed_from, instrument, shares, shares_on"
            " FROM listings"
            " ORDER BY symbol, instrument, first"
        )
        return [
            Listing(*row[:8], *map(date_of, row[8:10]), *row[10:14], *map(date_of, row[14:]))
            for row in rows
        ]

    def upsert_listings(self, listings: Iterable[Listing]) -> bool:
        """Put these in the place of the stored ones that they are; whether anything changed."""
        before = self.listings()
        stored = {key_of(listing): listing for listing in before}
        known = {key_of(listing): listing for listing in identified(before, listings)}
        self._connection.executemany(
            "DELETE FROM listings WHERE symbol = ? AND instrument = ? AND first = ?",
            stored.keys() - known.keys(),
        )
        changed = [new for key, new in known.items() if stored.get(key) != new]
        self._connection.executemany(
            f"INSERT OR REPLACE INTO listings VALUES ({marks(8)}, ifnull(?, ''), {marks(6)})",
            map(row_of, changed),
        )
        return bool(changed) or len(stored) > len(known)
