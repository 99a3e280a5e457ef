"""Checksummed parts of the catalog; everything that affects an answer is stored in one of them.

A pack is one document in one row of the table `packs`, with its CRC-32. The single row of the table
`root` holds the data version, the CRC-32 of every pack, and a CRC-32 of itself. A reader takes the
root when its transaction begins, and compares each pack with it when the pack is read. A flipped
bit, a lost row or an old row is therefore an error and never a different answer. The CRC beside a
pack is for `marketsweep repair`, which saves packs if the root is lost.
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
    from isal.isal_zlib import crc32  # eight times as fast, with the same result
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
    """The packs of a catalog, and the journals: tables of rows that affect no answer."""

    JOURNALS: ClassVar[tuple[str, ...]] = ()
    """Append-only tables. `damages` compares each with a sum of its rows."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        super().__init__(connection, folder)
        self._root: tuple[int, dict[str, int]] | None = None
        """Version and checksums, cached while a transaction lasts."""
        self._changed = False

    # Reading

    def begin_read(self) -> None:
        """Keep the present state until `close`. Raises StoreDamaged if the root is damaged."""
        super().begin_read()
        self._root = self._read_root()

    def version(self) -> int:
        """Return the data version, a number that grows with every commit that changed anything."""
        return (self._root or self._read_root())[0]

    def state(self, name: str) -> tuple[int, bool]:
        """Return the data version, and whether a pack of that name exists, read at once."""
        version, checksums = self._root or self._read_root()
        return version, name in checksums

    def pack(self, name: str) -> bytes | None:
        """Return the bytes of a pack, or None if there is none. Raises StoreDamaged."""
        checksums = self._checksums()
        if name not in checksums:
            return None
        rows = self._rows("SELECT data FROM packs WHERE name = ?", name)
        data = rows[0][0] if rows else None
        if not isinstance(data, bytes) or crc32(data) != checksums[name]:
            raise self._damage_error(f"its part {name!r} does not match its checksum")
        return data

    def decoded(self, name: str, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
        """Return the content of a pack, or None if there is none. Raises StoreDamaged."""
        data = self.pack(name)
        if data is None:
            return None
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._damage_error(f"its part {name!r} cannot be read ({error})") from None

    def pack_names(self, prefix: str) -> list[str]:
        """Return the names of the packs that begin with `prefix`, sorted."""
        return sorted(name for name in self._checksums() if name.startswith(prefix))

    def damages(self) -> list[str]:
        """Return everything that is damaged in the catalog, as text."""
        damages = [text for (text,) in self._rows("PRAGMA integrity_check") if text != "ok"]
        for name in sorted(self._checksums()):
            try:
                if not name.startswith(SUM):
                    self.pack(name)
            except StoreDamaged as error:
                damages.append(str(error))
        damages += [
            f"{self._file}: the table {table!r} does not match its checksum"
            for table in self.JOURNALS
            if self._sum_of_rows(self._rows(f"SELECT * FROM {table}")) != self._journal_sum(table)
        ]
        return damages

    def _journal_sum(self, table: str) -> int:
        return self._checksums().get(SUM + table, 0)

    # Writing, inside `transaction`

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all writes of the block durably when it ends, or none of them."""
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
        """Raise the data version by one, and return it."""
        version, checksums = self._current_root()
        self._root = version + 1, checksums
        self._changed = True
        return version + 1

    def put_pack(self, name: str, data: bytes | None) -> bool:
        """Store a pack, replacing an earlier one; None removes it. Return whether it changed."""
        _, checksums = self._current_root()
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
        """Store records as a pack, or no pack if there are none. Return whether it changed."""
        records = list(rows)
        return self.put_pack(name, msgspec.msgpack.encode(records) if records else None)

    def append(self, table: str, rows: list[tuple[object, ...]]) -> None:
        """Append rows to a journal."""
        if not rows:
            return
        placeholders = ", ".join("?" * len(rows[0]))
        self._connection.executemany(f"INSERT INTO {table} VALUES ({placeholders})", rows)
        _, checksums = self._current_root()
        checksums[SUM + table] = (self._journal_sum(table) + self._sum_of_rows(rows)) % _SUM_MODULUS
        self._changed = True

    def _make_tables(self) -> None:
        self._execute_all(PACKS)
        self._root = 0, {}
        self._write_root()
        self._root = None

    def fill(self, version: int, packs: Mapping[str, bytes]) -> None:
        """Store all packs of a catalog whose journals are filled already."""
        self._root = version, {}
        for name, data in packs.items():
            self.put_pack(name, data)
        journal_sums = {
            SUM + table: self._sum_of_rows(self._rows(f"SELECT * FROM {table}"))
            for table in self.JOURNALS
        }
        self._current_root()[1].update(
            {name: total for name, total in journal_sums.items() if total}
        )
        self._write_root()
        self._root = None

    def restore(
        self, version: int, packs: Mapping[str, bytes], journals: Mapping[str, list[Row]]
    ) -> None:
        """Fill an empty catalog with what was saved from another one."""
        with self._atomic():
            for table, rows in journals.items():
                for row in rows:
                    placeholders = ", ".join("?" * len(row))
                    self._connection.execute(
                        f"INSERT OR IGNORE INTO {table} VALUES ({placeholders})", row
                    )
            self.fill(version, packs)

    # The root

    def _current_root(self) -> tuple[int, dict[str, int]]:
        assert self._root is not None, "packs are written inside a transaction"
        return self._root

    def _checksums(self) -> dict[str, int]:
        return (self._root or self._read_root())[1]

    def _read_root(self) -> tuple[int, dict[str, int]]:
        rows = self._rows("SELECT version, packs, checksum FROM root")
        if len(rows) != 1:
            raise self._damage_error("its root is missing")
        version, packs, checksum = rows[0]
        if not isinstance(version, int) or not isinstance(packs, bytes):
            raise self._damage_error("its root cannot be read")
        if checksum_of(version, packs) != checksum:
            raise self._damage_error("its root does not match its checksum")
        try:
            return version, _decode_root(packs)
        except (msgspec.MsgspecError, ValueError):
            raise self._damage_error("its root cannot be read") from None

    def _write_root(self) -> None:
        version, checksums = self._current_root()
        packs = msgspec.msgpack.encode(dict(sorted(checksums.items())))
        self._connection.execute(
            "INSERT OR REPLACE INTO root VALUES (1, ?, ?, ?)",
            (version, packs, checksum_of(version, packs)),
        )

    def _damage_error(self, problem: str) -> StoreDamaged:
        return StoreDamaged(
            f"{self._file} is damaged: {problem}; marketsweep repair shows what can be saved"
        )

    @staticmethod
    def _sum_of_rows(rows: Iterable[tuple[object, ...]]) -> int:
        return sum(crc32(msgspec.msgpack.encode(row)) for row in rows) % _SUM_MODULUS


SUM: Final = "sum of "
"""Prefix of a journal's name: the sum of the checksums of its rows."""
_SUM_MODULUS: Final = 1 << 32


def checksum_of(version: int, packs: bytes) -> int:
    """Return the checksum of a root."""
    return crc32(packs, crc32(b"%d" % version))
