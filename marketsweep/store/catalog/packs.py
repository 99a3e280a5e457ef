"""Checksummed parts of the catalog: everything that decides an answer is kept in one of them.

A pack is one document in one row of the table `packs`, with its CRC-32. The single row of the table
`root` holds the data version and the CRC-32 of every pack, and a CRC-32 of itself. A reader takes
the root when its transaction begins and compares each pack with it when the pack is read. A flipped
bit, a lost row or an old row is therefore an error and never another answer. The CRC beside a pack
serves `marketsweep repair`, which saves packs where the root is lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from marketsweep.errors import StoreDamaged
from marketsweep.store.catalog.sqlite import Database

try:
    from isal.isal_zlib import crc32  # eight times as fast, to the same number
except ImportError:
    from zlib import crc32

__all__ = ["PACKS", "Packs", "crc32"]

T = TypeVar("T")

Row = tuple[Any, ...]

PACKS: Final = """
CREATE TABLE root (
    id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, packs BLOB NOT NULL,
    checksum INTEGER NOT NULL);
CREATE TABLE packs (name TEXT PRIMARY KEY, data BLOB NOT NULL, checksum INTEGER NOT NULL);
"""

_decode_root: Final = msgspec.msgpack.Decoder(dict[str, int]).decode


class Packs(Database):
    """The packs of a catalog, and the journals: tables of rows that decide no answer."""

    JOURNALS: ClassVar[tuple[str, ...]] = ()
    """Tables that are only appended to. `damages` compares each with a sum of its rows."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        super().__init__(connection, folder)
        self._root: tuple[int, dict[str, int]] | None = None
        """Version and checksums, kept while a transaction lasts."""
        self._changed = False

    # Reading

    def begin_read(self) -> None:
        """Hold the present state until `close`. Raises StoreDamaged if the root is damaged."""
        super().begin_read()
        self._root = self._read_root()

    def version(self) -> int:
        """The data version: a number that grows with every commit that changed anything."""
        return (self._root or self._read_root())[0]

    def state(self, name: str) -> tuple[int, bool]:
        """The data version, and whether there is a pack of that name, read at once."""
        version, checksums = self._root or self._read_root()
        return version, name in checksums

    def pack(self, name: str) -> bytes | None:
        """The bytes of a pack, None where there is none. Raises StoreDamaged if it is damaged."""
        checksums = self._checksums()
        if name not in checksums:
            return None
        rows = self._rows("SELECT data FROM packs WHERE name = ?", name)
        data = rows[0][0] if rows else None
        if not isinstance(data, bytes) or crc32(data) != checksums[name]:
            raise self._damaged(f"its part {name!r} does not fit its checksum")
        return data

    def decoded(self, name: str, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
        """What a pack holds, None where there is none. Raises StoreDamaged if it is damaged."""
        data = self.pack(name)
        if data is None:
            return None
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._damaged(f"its part {name!r} cannot be read ({error})") from None

    def pack_names(self, prefix: str) -> list[str]:
        """The names of the packs that begin with `prefix`, in order."""
        return sorted(name for name in self._checksums() if name.startswith(prefix))

    def damages(self) -> list[str]:
        """Everything that is damaged in the catalog, in words."""
        found = [text for (text,) in self._rows("PRAGMA integrity_check") if text != "ok"]
        for name in sorted(self._checksums()):
            try:
                if not name.startswith(SUM):
                    self.pack(name)
            except StoreDamaged as error:
                found.append(str(error))
        found += [
            f"{self._file}: the table {table!r} does not fit its checksum"
            for table in self.JOURNALS
            if self._sum_of(self._rows(f"SELECT * FROM {table}")) != self._sum(table)
        ]
        return found

    def _sum(self, table: str) -> int:
        return self._checksums().get(SUM + table, 0)

    # Writing, inside `transaction`

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, durable when it ends, or none of them."""
        with self._atomic():
            self._root = self._read_root()
            self._changed = False
            try:
                yield
                if self._changed:
                    self._write_root()
            finally:
                self._root = None

    def bump(self) -> int:
        """Raise the data version by one; the new version."""
        version, checksums = self._held()
        self._root = version + 1, checksums
        self._changed = True
        return version + 1

    def put_pack(self, name: str, data: bytes | None) -> bool:
        """Store a pack in the place of an earlier one, None to remove it; whether it changed."""
        _, checksums = self._held()
        if data is None:
            if checksums.pop(name, None) is None:
                return False
            self._connection.execute("DELETE FROM packs WHERE name = ?", (name,))
        else:
            checksum = crc32(data)
            if checksums.get(name) == checksum and self.pack(name) == data:
                return False
            checksums[name] = checksum
            self._connection.execute(
                "INSERT OR REPLACE INTO packs VALUES (?, ?, ?)", (name, data, checksum)
            )
        self._changed = True
        return True

    def put_rows(self, name: str, rows: Iterable[object]) -> bool:
        """Store records as a pack; no pack where there are none. Whether it changed."""
        whole = list(rows)
        return self.put_pack(name, msgspec.msgpack.encode(whole) if whole else None)

    def append(self, table: str, rows: list[tuple[object, ...]]) -> None:
        """Append rows to a journal."""
        if not rows:
            return
        marks = ", ".join("?" * len(rows[0]))
        self._connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        _, checksums = self._held()
        checksums[SUM + table] = (self._sum(table) + self._sum_of(rows)) % _LIMIT
        self._changed = True

    def _make_tables(self) -> None:
        self._execute_all(PACKS)
        self._root = 0, {}
        self._write_root()
        self._root = None

    def fill(self, version: int, packs: Mapping[str, bytes]) -> None:
        """Make these all packs of a catalog whose journals are filled already."""
        self._root = version, {}
        for name, data in packs.items():
            self.put_pack(name, data)
        sums = {
            SUM + table: self._sum_of(self._rows(f"SELECT * FROM {table}"))
            for table in self.JOURNALS
        }
        self._held()[1].update({name: total for name, total in sums.items() if total})
        self._write_root()
        self._root = None

    def restore(
        self, version: int, packs: Mapping[str, bytes], journals: Mapping[str, list[Row]]
    ) -> None:
        """Fill an empty catalog with what was saved of another one."""
        with self._atomic():
            for table, rows in journals.items():
                for row in rows:
                    marks = ", ".join("?" * len(row))
                    self._connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
            self.fill(version, packs)

    # The root

    def _held(self) -> tuple[int, dict[str, int]]:
        assert self._root is not None, "packs are written inside a transaction"
        return self._root

    def _checksums(self) -> dict[str, int]:
        return (self._root or self._read_root())[1]

    def _read_root(self) -> tuple[int, dict[str, int]]:
        rows = self._rows("SELECT version, packs, checksum FROM root")
        if len(rows) != 1:
            raise self._damaged("its root is missing")
        version, packs, checksum = rows[0]
        if not isinstance(version, int) or not isinstance(packs, bytes):
            raise self._damaged("its root cannot be read")
        if checksum_of(version, packs) != checksum:
            raise self._damaged("its root does not fit its checksum")
        try:
            return version, _decode_root(packs)
        except (msgspec.MsgspecError, ValueError):
            raise self._damaged("its root cannot be read") from None

    def _write_root(self) -> None:
        version, checksums = self._held()
        packs = msgspec.msgpack.encode(dict(sorted(checksums.items())))
        self._connection.execute(
            "INSERT OR REPLACE INTO root VALUES (1, ?, ?, ?)",
            (version, packs, checksum_of(version, packs)),
        )

    def _damaged(self, what: str) -> StoreDamaged:
        return StoreDamaged(
            f"{self._file} is damaged: {what}; marketsweep repair says what can be saved"
        )

    @staticmethod
    def _sum_of(rows: Iterable[tuple[object, ...]]) -> int:
        return sum(crc32(msgspec.msgpack.encode(row)) for row in rows) % _LIMIT


SUM: Final = "sum of "
"""Before the name of a journal: the sum of the checksums of its rows."""
_LIMIT: Final = 1 << 32


def checksum_of(version: int, packs: bytes) -> int:
    """Return the checksum of a root."""
    return crc32(packs, crc32(b"%d" % version))
