"""The notes of a store by key, and its log of syncs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

import msgspec

from marketsweep.store.catalog.packs import Packs
from marketsweep.store.catalog.rows import text_of

_NOTES: Final = "notes"

_decode_notes: Final = msgspec.msgpack.Decoder(dict[str, str])


class Journal(Packs):
    """Notes, and the log of syncs."""

    def put_note(self, key: str, value: str) -> None:
        """Store a text under a key."""
        with self.transaction():
            self._store_notes({**self.notes(), key: value})

    def put_notes(self, notes: Mapping[str, str]) -> None:
        """Replace all notes."""
        with self.transaction():
            self._store_notes(notes)

    def _store_notes(self, notes: Mapping[str, str]) -> None:
        self.put_pack(_NOTES, msgspec.msgpack.encode(dict(sorted(notes.items()))))

    def notes(self) -> dict[str, str]:
        """Return every note."""
        return self.decoded(_NOTES, _decode_notes) or {}

    def add_sync(self, facts: Mapping[str, object]) -> None:
        """Write a line of the sync log; values that JSON cannot hold become text."""
        import json  # scans do not need it

        with self.transaction():
            last = self._value("SELECT coalesce(max(id), 0) FROM sync_log")
            at = text_of(dt.datetime.now(dt.UTC))
            self.append("sync_log", [(last + 1, at, json.dumps(facts, default=str))])

    def last_sync(self) -> dict[str, object] | None:
        """Return the facts of the last sync, and its end (`at`, UTC)."""
        import json  # as above

        rows = self._rows("SELECT at, facts FROM sync_log ORDER BY id DESC LIMIT 1")
        return {"at": rows[0][0], **json.loads(rows[0][1])} if rows else None
