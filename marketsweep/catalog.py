"""The catalog of a data folder: its schema, and typed queries, those of `tables`.

It knows nothing of the segments' contents and takes its values as they come; what the rows mean
is `store`'s. A commit is one transaction here: before it nothing has happened, after it all has.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from marketsweep.schema import SCHEMA, UPGRADES
from marketsweep.tables.actions import Actions
from marketsweep.tables.bars import Bars
from marketsweep.tables.listings import Listings
from marketsweep.tables.low_volume import LowVolumeList
from marketsweep.tables.rows import text_of


class Catalog(Bars, Actions, Listings, LowVolumeList):
    """What is stored, as typed rows."""

    schema = SCHEMA
    upgrades = UPGRADES

    def version(self) -> int:
        """The number that grows with every commit that changed anything."""
        version: int = self._value("SELECT data_version FROM meta")
        return version

    def bump(self) -> int:
        """Count one more change, inside a transaction; the version it makes."""
        self._connection.execute("UPDATE meta SET data_version = data_version + 1")
        return self.version()

    # Journal

    def put_note(self, key: str, value: str) -> None:
        """Keep a text under a key."""
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    def notes(self) -> dict[str, str]:
        """Every note."""
        return dict(self._rows("SELECT key, value FROM notes"))

    def add_sync(self, facts: Mapping[str, object]) -> None:
        """Write a line of the sync log; values that JSON lacks become text."""
        import json  # scans do without

        with self.transaction():
            self._connection.execute(
                "INSERT INTO sync_log (at, facts) VALUES (?, ?)",
                (text_of(dt.datetime.now(dt.UTC)), json.dumps(facts, default=str)),
            )

    def last_sync(self) -> dict[str, object] | None:
        """The facts of the last sync, and when it ended (`at`, UTC)."""
        import json  # as above

        rows = self._rows("SELECT at, facts FROM sync_log ORDER BY id DESC LIMIT 1")
        return {"at": rows[0][0], **json.loads(rows[0][1])} if rows else None

    # Accounts

    def count(self, table: str) -> int:
        """How many rows a table has."""
        rows: int = self._value(f"SELECT count(*) FROM {table}")
        return rows

    def damages(self) -> list[str]:
        """What SQLite's own check of the file finds, in its words."""
        return [text for (text,) in self._rows("PRAGMA integrity_check") if text != "ok"]
