"""The kept low-volume list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from marketsweep.database import Database
from marketsweep.records import LowVolume
from marketsweep.tables.rows import date_of, marks, row_of


class LowVolumeList(Database):
    """The table of the low-volume list."""

    def low_volume(self) -> list[LowVolume]:
        """The kept low-volume list, by symbol; what was built before the user's word."""
        day = dt.date.fromisoformat
        return [
            LowVolume(symbol, bool(manual), bool(out), day(since), date_of(expires), *facts)
            for symbol, manual, out, since, expires, *facts in self._rows(
                "SELECT symbol, manual, out, since, expires, dollars, sessions, least"
                " FROM low_volume ORDER BY symbol, manual"
            )
        ]

    def replace_low_volume(self, lines: Iterable[LowVolume]) -> bool:
        """Make these the whole list; whether that changed anything."""
        stored, given = set(self.low_volume()), set(lines)
        self._connection.executemany(
            "DELETE FROM low_volume WHERE symbol = ? AND manual = ?",
            [(line.symbol, line.manual) for line in stored - given],
        )
        self._connection.executemany(
            f"INSERT INTO low_volume VALUES ({marks(8)})", map(row_of, given - stored)
        )
        return stored != given
