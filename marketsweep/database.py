"""One connection to the SQLite file of a data folder: open, check, read, write in transactions.

SQLite's errors become ours here; what the tables mean is `catalog`'s.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from marketsweep.errors import StoreDamaged, StoreError, StoreFull, StoreLocked, UsageError

FILE: Final = "catalog.sqlite"
FORMAT: Final = 4
_APPLICATION: Final = 0x6D737770  # "mswp", in the database's header
_LONG_LOG: Final = 1 << 18
"""Bytes: reading through them takes most of a millisecond."""


class Outdated(StoreError):
    """A folder of an earlier format, which the next writer brings up to date."""


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours, naming the folder."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, folder) from error


def _translate(error: sqlite3.Error, folder: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    # A write cut short for another reason than a full disk (a quota, a limit on file size).
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC):
        return StoreFull(f"{folder}: the disk refused to write the catalog ({error})")
    match code & 0xFF:  # the primary code; the rest is detail
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreLocked(f"{folder}: another process holds the catalog ({error})")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreDamaged(f"{folder / FILE} is damaged, or is not a database ({error})")
        case _:
            return StoreError(f"{folder / FILE} cannot be used ({error})")


class Database:
    """One connection to the catalog; safe to share between threads."""

    schema: ClassVar[str] = ""
    """Statements that make an empty one, separated by semicolons."""
    upgrades: ClassVar[Mapping[int, str]] = {}
    """Statements that bring one of an earlier format to the next."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """A reader. Raises UsageError where there is no store, StoreDamaged where it is no good."""
        file = folder / FILE
        try:
            file.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise _nothing_in(folder) from None
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({error.strerror})") from error
        with _translated(folder):
            catalog = cls(_connect_reader(file), folder)
            return catalog._checked()

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A writer, on a catalog that is made where there is none.

        The caller holds the folder's writer lock if there is none yet.
        """
        with _translated(folder):
            catalog = cls(_connect_writer(folder / FILE), folder)
            if catalog._is_blank():
                catalog._make()
            catalog._upgrade()
            return catalog._checked()

    def close(self) -> None:
        """End the connection, and with it a read transaction."""
        self._connection.close()

    def shorten_log(self) -> None:
        """Move a long log of writes into the file: who opens that next would read all of it.

        Not where somebody reads an older state, nor where it fails: what is in the log is safe.
        """
        if _log_size(self._folder / FILE) > _LONG_LOG:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _checked(self) -> Self:
        try:
            self._check()
        except BaseException:
            self.close()
            raise
        return self

    def _check(self) -> None:
        if self._is_blank():
            raise _nothing_in(self._folder)
        if self._value("PRAGMA application_id") != _APPLICATION:
            raise StoreDamaged(f"{self._folder / FILE} is a database of another program")
        found = self._format()
        if found in self.upgrades:
            raise Outdated(
                f"{self._folder / FILE} is of an earlier marketsweep: run marketsweep sync, which "
                "brings it up to date and loses nothing"
            )
        if found != FORMAT:
            raise StoreDamaged(
                f"{self._folder / FILE} has format {found}, and this marketsweep reads {FORMAT}"
            )

    def _format(self) -> int:
        found: int = self._value("PRAGMA user_version")
        return found

    def _is_blank(self) -> bool:
        # What a process leaves that is killed while it makes the catalog.
        return not self._value("SELECT count(*) FROM sqlite_master")

    def _make(self) -> None:
        with self.transaction():
            self._execute_all(self.schema)
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _upgrade(self) -> None:
        while (found := self._format()) in self.upgrades:
            with self.transaction():
                self._execute_all(self.upgrades[found])
                self._connection.execute(f"PRAGMA user_version = {found + 1}")

    def _execute_all(self, statements: str) -> None:
        for statement in statements.split(";"):
            self._connection.execute(statement)

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _translated(self._folder):
            return self._connection.execute(sql, values).fetchall()

    def _value(self, sql: str, *values: object) -> Any:  # noqa: ANN401, SQLite's types are dynamic
        return self._rows(sql, *values)[0][0]

    # Transactions

    def begin_read(self) -> None:
        """Hold the present state: what is read from now on belongs together, until `close`."""
        self._rows("BEGIN")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's writes, durable when it ends, or none of them."""
        with _translated(self._folder):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some of its errors.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _nothing_in(folder: Path) -> UsageError:
    return UsageError(f"no data in {folder}: run marketsweep sync")


def _connect_writer(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's own cache
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_reader(file: Path) -> sqlite3.Connection:
    try:
        return _connect_at(file, "mode=ro")
    except sqlite3.OperationalError as error:
        # A reader of a database in WAL mode shares an index file with its writers, and cannot
        # make one in a read-only folder. Where there is no log either, nobody is writing.
        refused = error.sqlite_errorcode & 0xFF in (
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
        )
        if not refused or _log_size(file) > 0:
            raise
        return _connect_at(file, "mode=ro&immutable=1")


def _connect_at(file: Path, options: str) -> sqlite3.Connection:
    uri = f"{file.absolute().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _log_size(file: Path) -> int:
    """Bytes of the log of writes; 0 where there is none."""
    log = file.with_name(file.name + "-wal")
    return log.stat().st_size if log.exists() else 0
