"""Any file as a table of cells: Parquet, Arrow, or text with commas, semicolons, tabs or pipes.

The kind is told by content and not by name. Cells of text files stay text, so that the tickers
NAN, TRUE and INF stay tickers; what they mean is decided column by column. A large file is read in
slices of rows.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from marketsweep.errors import UsageError
from marketsweep.ingest.files.packed import is_packed
from marketsweep.ingest.files.text import NAMES, Text

DEFAULT_MB: Final = 1024
"""Megabytes of a file, unpacked, that are read unless a setting allows more."""

_MB: Final = 2**20
_PACKED_TIMES: Final = 50
"""Times its own size that a packed file may unpack to; prices unpack to five times theirs."""

_SMALL_MB: Final = 1
"""Megabytes of a packed file that is not measured before it is read."""

_ALWAYS_MB: Final = 128
"""Unpacked megabytes that are read whatever the file's own size is."""

_TYPED: Final = (".parquet", ".arrow", ".feather", ".ipc")
"""Suffixes of files that are not text."""

_CHUNK: Final = 2**20
_MAGIC: Final = 8
"""Bytes that tell a file of columns."""

_BLOCK: Final = 2**22
"""Bytes of a slice of text; while it is read it takes some ten times as much."""

_ROWS: Final = 2**19
"""Rows of a slice of columns."""


@dataclass(frozen=True, slots=True)
class Cells:
    """A table as a file has it, or its first rows.

    Of a text file `table` has every line, headers too, as text, padding removed. Of other files
    `names` are the columns, and the table has typed cells.
    """

    table: pl.DataFrame
    kind: str
    """In words: what sort of file it is."""
    names: list[str] | None = None


class Sheet(Protocol):
    """A file of cells that is open."""

    @property
    def kind(self) -> str:
        """In words: what sort of file it is, as far as it was read."""

    def first(self) -> Cells:
        """Return the first slice."""

    def rest(self, headers: int) -> Iterator[Cells]:
        """Yield the other slices, each below the header rows of the first."""


def read_cells(path: Path, most_mb: int = DEFAULT_MB) -> Cells:
    """Return the cells of a file. Raises UsageError for one that cannot be read, or is too big."""
    with open_sheet(path, most_mb, sliced=False) as sheet:
        return sheet.first()


@contextmanager
def open_sheet(path: Path, most_mb: int = DEFAULT_MB, *, sliced: bool = True) -> Iterator[Sheet]:
    """Open a file of cells.

    Raises UsageError, then or while it is read, for one that cannot be read, or is too big.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path}: a folder, where a file is needed")
        with path.open("rb") as file:
            yield _sheet(path, file, most_mb, sliced)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise UsageError(f"{path}: no such file") from error
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read, it is damaged or no table: {reason}") from error
    except pl.exceptions.PanicException as error:  # a damaged file may trip polars itself
        raise UsageError(f"{path}: cannot be read, it is damaged") from error


def _sheet(path: Path, file: io.BufferedReader, most_mb: int, sliced: bool) -> Sheet:
    start = file.read(_MAGIC)
    typed = start.startswith((b"PAR1", b"ARROW1"))
    if typed and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise UsageError(f"{path}: a pipe holds text only: save Parquet and Arrow as a file")
    if start.startswith(b"PAR1"):
        return _Columns(path, pl.scan_parquet(path), "Parquet", most_mb, sliced)
    if start.startswith(b"ARROW1"):
        return _Columns(path, pl.scan_ipc(path), "Arrow", most_mb, sliced)
    packed = start.startswith(b"\x1f\x8b")
    _measure(path, packed, most_mb)
    source = _Joined(start, file)
    if packed:
        # Python's gzip checks the length and the checksum, which polars does not.
        chunks = _chunks(path, gzip.GzipFile(fileobj=source), most_mb, source)
    else:
        chunks = _chunks(path, source, most_mb, None)
    return _Lines(path, chunks, "gzip, " if packed else "", sliced)


class _Lines:
    """A text file."""

    def __init__(self, path: Path, chunks: Iterator[bytes], kind: str, sliced: bool) -> None:
        first = next(chunks, b"")
        _refuse_packed(path, first)
        if path.suffix.lower() in _TYPED:
            raise UsageError(
                f"{path}: cannot be read, it is damaged: its name says {path.suffix[1:]}, and its "
                "first bytes do not"
            )
        self._text = Text(path, chain([first], chunks), _BLOCK if sliced else None)
        self._kind = f"{kind}text with {NAMES.get(self._text.delimiter, self._text.delimiter)}"

    @property
    def kind(self) -> str:
        above = f", lines of words above it: {self._text.above}" if self._text.above else ""
        return self._kind + self._text.encoding + above

    def first(self) -> Cells:
        return Cells(self._text.first(), self.kind)

    def rest(self, headers: int) -> Iterator[Cells]:
        for table in self._text.rest(headers):
            yield Cells(table, self.kind)


class _Columns:
    """A file of typed columns."""

    def __init__(
        self, path: Path, lazy: pl.LazyFrame, kind: str, most_mb: int, sliced: bool
    ) -> None:
        self.kind = kind
        self._lazy = lazy
        self._names = lazy.collect_schema().names()
        self._rows = lazy.select(pl.len()).collect().item()
        size = self._rows * len(self._names) * 8 / _MB
        unlikely = size > _ALWAYS_MB and size * _MB > 10 * _PACKED_TIMES * path.stat().st_size
        if size > most_mb or unlikely:
            raise _too_big(path, most_mb, f"{self._rows:,} rows, more")
        # Differences of packed bars run through the whole table.
        self._step = _ROWS if sliced and not is_packed(self._names) else max(1, self._rows)

    def first(self) -> Cells:
        return self._slice(0)

    def rest(self, headers: int) -> Iterator[Cells]:
        yield from map(self._slice, range(self._step, self._rows, self._step))

    def _slice(self, first: int) -> Cells:
        whole = self._step >= self._rows
        lazy = self._lazy if whole else self._lazy.slice(first, self._step)
        return Cells(lazy.collect(), self.kind, self._names)


def _measure(path: Path, packed: bool, most_mb: int) -> None:
    """Refuse a file that is too big, before any of it is held; a pipe can only be read once."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return
    if not packed and status.st_size > most_mb * _MB:
        raise _too_big(path, most_mb)
    if packed and status.st_size > _SMALL_MB * _MB:
        with path.open("rb") as file:
            source = _Joined(b"", file)
            for _ in _chunks(path, gzip.GzipFile(fileobj=source), most_mb, source):
                pass


class _Joined(io.RawIOBase):
    """The rest of a file behind bytes that were read already: a pipe cannot be read twice."""

    def __init__(self, start: bytes, file: io.BufferedReader) -> None:
        self._start = start
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        chunk, self._start = self._start[: len(buffer)], self._start[len(buffer) :]
        chunk += self._file.read(len(buffer) - len(chunk))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        return len(chunk)


def _chunks(
    path: Path, source: io.RawIOBase | gzip.GzipFile, most_mb: int, packed: _Joined | None
) -> Iterator[bytes]:
    """The bytes of a file, unpacked. Raises UsageError once there are too many."""
    count = 0
    while chunk := source.read(_CHUNK):
        count += len(chunk)
        if count > most_mb * _MB:
            raise _too_big(path, most_mb)
        if packed and count > _PACKED_TIMES * packed.count + _ALWAYS_MB * _MB:
            raise UsageError(
                f"{path}: unpacks to more than {_PACKED_TIMES} times its size, as no prices do; "
                "unpack it yourself if it is right"
            )
        yield chunk


def _too_big(path: Path, most_mb: int, size: str = "") -> UsageError:
    return UsageError(
        f"{path}: {size or 'more'} than {most_mb:,} MB unpacked: split it, or allow more with "
        "max_file_mb in [sync] of config.toml, or MARKETSWEEP_MAX_FILE_MB"
    )


def _refuse_packed(path: Path, content: bytes) -> None:
    """Raise UsageError for files that are not text and are often taken for tables."""
    start = content[:512].lstrip()
    other = {
        b"PK\x03\x04": "a zip or an Excel workbook: unpack it, or save it as CSV",
        b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
        b"%PDF": "a PDF",
        b"BZh": "packed with bzip2: unpack it",
        b"\xfd7zXZ": "packed with xz: unpack it",
        b"(\xb5/\xfd": "packed with zstd: unpack it",
        b"SQLite format": "an SQLite database: export a table as CSV",
        b"FEA1": "a Feather file of version 1: write version 2",
    }
    for magic, what in other.items():
        if start.startswith(magic):
            raise UsageError(f"{path}: cannot be read, it is {what}")
