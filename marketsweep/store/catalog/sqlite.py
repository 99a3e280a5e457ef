"""One connection to the SQLite file of a data folder: open, check, read, write in transactions.

SQLite's errors are translated here; `catalog` gives the tables their meaning.
"""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from marketsweep.errors import StoreDamaged, StoreError, StoreFull, StoreLocked, UsageError

FILE: Final = "catalog.sqlite"
FORMAT: Final = 5
_APPLICATION: Final = 0x6D737770  # "mswp", in the database's header


class Outdated(StoreError):
    """The folder has an earlier format, which the next writer upgrades."""


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Translate SQLite's errors into StoreError, naming the folder."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(error, folder) from error
    except UnicodeDecodeError as error:
        # SQLite quotes damaged bytes in its message, and Python cannot decode them.
        raise StoreDamaged(
            f"{folder / FILE} is damaged: it has text that cannot be decoded"
        ) from error


def _store_error(error: sqlite3.Error, folder: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    # Also a write that failed for another reason than a full disk (a quota, a file size limit).
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC):
        return StoreFull(f"{folder}: the disk refused to write the catalog ({error})")
    match code & 0xFF:  # the primary code; the rest is detail
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreLocked(f"{folder}: another process holds the catalog ({error})")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StoreDamaged(f"{folder / FILE} is damaged, or is not a database ({error})")
        case _:
            return StoreError(f"{folder / FILE} cannot be used ({error})")


class Database(ABC):
    """One connection to the catalog; safe to share between threads."""

    UPGRADES: ClassVar[Mapping[int, str]] = {}
    """Statements that upgrade a catalog of that format to the next one, separated by semicolons."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._file = folder / FILE
        self._lock = threading.Lock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open for reading. Raises UsageError if there is no store, or StoreDamaged."""
        file = folder / FILE
        try:
            file.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise _no_data_error(folder) from None
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({error.strerror})") from error
        with _translated(folder):
            catalog = cls(connect_reader(file), folder)
            return catalog._checked()

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Open for writing; the catalog is made if there is none.

        The caller holds the folder's writer lock if there is no catalog yet.
        """
        with _translated(folder):
            catalog = cls(_connect_writer(folder / FILE), folder)
            if catalog._is_blank():
                catalog._initialize()
            catalog._upgrade()
            return catalog._checked()

    @classmethod
    def is_absent(cls, folder: Path) -> bool:
        """Return whether a folder has no catalog, or an empty one left by a killed first sync."""
        file = folder / FILE
        if not file.exists():
            return True
        with _translated(folder):
            catalog = cls(connect_reader(file), folder)
            try:
                return catalog._is_blank()
            finally:
                catalog.close()

    def close(self) -> None:
        """Close the connection, and with it a read transaction."""
        self._connection.close()

    def empty_log(self) -> None:
        """Move the log of writes into the file.

        SQLite silently ignores a damaged end of its log, so that an older state would look like the
        newest one. A reader of an older state prevents emptying the log, and so does a full disk:
        the data in the log is safe there as well.
        """
        if _log_size(self._file) > 0:
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
            raise _no_data_error(self._folder)
        if self._value("PRAGMA application_id") != _APPLICATION:
            raise StoreDamaged(f"{self._file} is a database of another program")
        number = self._format()
        if number in self.UPGRADES:
            raise Outdated(
                f"{self._file} was written by an earlier marketsweep: run marketsweep sync, which "
                "updates it without loss"
            )
        if number != FORMAT:
            raise StoreDamaged(
                f"{self._file} has format {number}, and this marketsweep reads {FORMAT}"
            )

    def _format(self) -> int:
        number: int = self._value("PRAGMA user_version")
        return number

    def _is_blank(self) -> bool:
        # A process that is killed while it makes the catalog leaves this.
        return not self._value("SELECT count(*) FROM sqlite_master")

    def _initialize(self) -> None:
        with self._atomic():
            self._make_tables()
            self._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {FORMAT}")

    @abstractmethod
    def _make_tables(self) -> None:
        """Make the tables of an empty catalog."""

    def _upgrade(self) -> None:
        while (number := self._format()) in self.UPGRADES:
            with self._atomic():
                self._upgrade_from(number)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")

    def _upgrade_from(self, number: int) -> None:
        """Upgrade a catalog of an earlier format to the next one."""
        self._execute_all(self.UPGRADES[number])

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
        """Keep the present state until `close`: everything read from now on is consistent."""
        self._rows("BEGIN")

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        """Commit all writes of the block durably when it ends, or none of them."""
        with _translated(self._folder):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself after some errors.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _no_data_error(folder: Path) -> UsageError:
    return UsageError(f"no data in {folder}: run marketsweep sync")


def _connect_writer(file: Path) -> sqlite3.Connection:
    # Absolute: SQLite takes a name that begins with `file:` as a URI.
    connection = sqlite3.connect(file.absolute(), isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")  # macOS: through the drive's own cache
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(file: Path) -> sqlite3.Connection:
    """Return a read-only connection. Raises sqlite3.Error."""
    try:
        return _connect_at(file, "mode=ro")
    except sqlite3.OperationalError as error:
        # A reader of a database in WAL mode shares an index file with its writers, and cannot make
        # one in a read-only folder. If there is no log either, nobody is writing.
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
    """Return the bytes of the log of writes; 0 if there is none."""
    log = file.with_name(file.name + "-wal")
    return log.stat().st_size if log.exists() else 0
