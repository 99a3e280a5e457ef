"""Read any file as a table of cells: Parquet, Arrow, or text with a delimiter.

The kind is detected from the content, not from the name. Cells of text files stay text, so that
the tickers NAN, TRUE and INF stay tickers; each column is interpreted later. A large file is read
in slices of rows.
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
from marketsweep.ingest.files.text import DELIMITER_NAMES, TextReader

DEFAULT_MB: Final = 1024
"""Maximum megabytes of a file, unpacked, unless a setting allows more."""

_MB: Final = 2**20
_MAX_EXPANSION: Final = 50
"""Maximum ratio of unpacked to packed size; files of prices expand about fivefold."""

_UNMEASURED_MB: Final = 1
"""Megabytes up to which a packed file is read without measuring its unpacked size first."""

_ALLOWED_MB: Final = 128
"""Unpacked megabytes that are always allowed, whatever the packed size is."""

_TYPED_SUFFIXES: Final = (".parquet", ".arrow", ".feather", ".ipc")
"""Suffixes of files that are not text."""

_CHUNK: Final = 2**20
_MAGIC_BYTES: Final = 8
"""Bytes at the start that identify a file with typed columns."""

_BLOCK: Final = 2**22
"""Bytes of a slice of text; reading it takes about ten times as much memory."""

_ROWS: Final = 2**19
"""Rows of a slice of a file with typed columns."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a file, or of a slice of its rows.

    For a text file `table` has every line as text without padding, including headers. For other
    files `names` are the column names, and `table` has typed cells.
    """

    table: pl.DataFrame
    kind: str
    """Description of the file format."""
    names: list[str] | None = None


class Sheet(Protocol):
    """An open file of cells."""

    @property
    def kind(self) -> str:
        """Return a description of the file format, as far as the file was read."""

    def first(self) -> Cells:
        """Return the first slice."""

    def rest(self, headers: int) -> Iterator[Cells]:
        """Yield the other slices; each has the header rows of the first slice on top."""


def read_cells(path: Path, most_mb: int = DEFAULT_MB) -> Cells:
    """Return the cells of a file. Raises UsageError if it is unreadable or too big."""
    with open_sheet(path, most_mb, sliced=False) as sheet:
        return sheet.first()


@contextmanager
def open_sheet(path: Path, most_mb: int = DEFAULT_MB, *, sliced: bool = True) -> Iterator[Sheet]:
    """Open a file of cells, to read in slices or (`sliced=False`) at once.

    Raises UsageError, on opening or while reading, if the file is unreadable or too big.
    """
    try:
        if path.is_dir():
            raise UsageError(f"{path}: a folder, where a file is needed")
        with path.open("rb") as file:
            yield _detect_sheet(path, file, most_mb, sliced)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise UsageError(f"{path}: no such file") from error
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"{path}: cannot be read, it is damaged or not a table: {reason}"
        ) from error
    except pl.exceptions.PanicException as error:  # polars itself may fail on a damaged file
        raise UsageError(f"{path}: cannot be read, it is damaged") from error


def _detect_sheet(path: Path, file: io.BufferedReader, most_mb: int, sliced: bool) -> Sheet:
    start = file.read(_MAGIC_BYTES)
    typed = start.startswith((b"PAR1", b"ARROW1"))
    if typed and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise UsageError(f"{path}: a pipe holds text only: save Parquet and Arrow as a file")
    if start.startswith(b"PAR1"):
        return _TypedSheet(path, pl.scan_parquet(path), "Parquet", most_mb, sliced)
    if start.startswith(b"ARROW1"):
        return _TypedSheet(path, pl.scan_ipc(path), "Arrow", most_mb, sliced)
    packed = start.startswith(b"\x1f\x8b")
    _refuse_too_big(path, packed, most_mb)
    source = _PrefixedReader(start, file)
    if packed:
        # Python's gzip checks the length and the checksum, which polars does not.
        chunks = _read_chunks(path, gzip.GzipFile(fileobj=source), most_mb, source)
    else:
        chunks = _read_chunks(path, source, most_mb, None)
    return _TextSheet(path, chunks, "gzip, " if packed else "", sliced)


class _TextSheet:
    """A text file."""

    def __init__(self, path: Path, chunks: Iterator[bytes], kind: str, sliced: bool) -> None:
        first = next(chunks, b"")
        _refuse_other_formats(path, first)
        if path.suffix.lower() in _TYPED_SUFFIXES:
            raise UsageError(
                f"{path}: cannot be read, it is damaged: its name says {path.suffix[1:]}, but its "
                "first bytes do not"
            )
        self._text = TextReader(path, chain([first], chunks), _BLOCK if sliced else None)
        self._kind = (
            f"{kind}text with {DELIMITER_NAMES.get(self._text.delimiter, self._text.delimiter)}"
        )

    @property
    def kind(self) -> str:
        above = (
            f", lines of text above it: {self._text.lines_above}" if self._text.lines_above else ""
        )
        return self._kind + self._text.encoding + above

    def first(self) -> Cells:
        return Cells(self._text.first(), self.kind)

    def rest(self, headers: int) -> Iterator[Cells]:
        for table in self._text.rest(headers):
            yield Cells(table, self.kind)


class _TypedSheet:
    """A file of typed columns."""

    def __init__(
        self, path: Path, lazy: pl.LazyFrame, kind: str, most_mb: int, sliced: bool
    ) -> None:
        self.kind = kind
        self._lazy = lazy
        self._names = lazy.collect_schema().names()
        self._rows = lazy.select(pl.len()).collect().item()
        size = self._rows * len(self._names) * 8 / _MB
        unlikely = size > _ALLOWED_MB and size * _MB > 10 * _MAX_EXPANSION * path.stat().st_size
        if size > most_mb or unlikely:
            raise _too_big(path, most_mb, f"{self._rows:,} rows, more")
        # Packed bars hold differences to the row before: the table cannot be sliced.
        self._step = _ROWS if sliced and not is_packed(self._names) else max(1, self._rows)

    def first(self) -> Cells:
        return self._slice(0)

    def rest(self, headers: int) -> Iterator[Cells]:
        yield from map(self._slice, range(self._step, self._rows, self._step))

    def _slice(self, first: int) -> Cells:
        is_one_slice = self._step >= self._rows
        lazy = self._lazy if is_one_slice else self._lazy.slice(first, self._step)
        return Cells(lazy.collect(), self.kind, self._names)


def _refuse_too_big(path: Path, packed: bool, most_mb: int) -> None:
    """Raise UsageError if a file is too big, before it is read; a pipe can only be read once."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return
    if not packed and status.st_size > most_mb * _MB:
        raise _too_big(path, most_mb)
    if packed and status.st_size > _UNMEASURED_MB * _MB:
        with path.open("rb") as file:
            source = _PrefixedReader(b"", file)
            for _ in _read_chunks(path, gzip.GzipFile(fileobj=source), most_mb, source):
                pass


class _PrefixedReader(io.RawIOBase):
    """Yields bytes that were already read, then the rest of the file: a pipe cannot be rewound."""

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


def _read_chunks(
    path: Path, source: io.RawIOBase | gzip.GzipFile, most_mb: int, packed: _PrefixedReader | None
) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file. Raises UsageError once there are too many."""
    count = 0
    while chunk := source.read(_CHUNK):
        count += len(chunk)
        if count > most_mb * _MB:
            raise _too_big(path, most_mb)
        if packed and count > _MAX_EXPANSION * packed.count + _ALLOWED_MB * _MB:
            raise UsageError(
                f"{path}: unpacks to more than {_MAX_EXPANSION} times its size, which prices "
                "never do; unpack it yourself if it is right"
            )
        yield chunk


def _too_big(path: Path, most_mb: int, size: str = "") -> UsageError:
    return UsageError(
        f"{path}: {size or 'more'} than {most_mb:,} MB unpacked: split it, or allow more with "
        "max_file_mb in [sync] of config.toml, or MARKETSWEEP_MAX_FILE_MB"
    )


def _refuse_other_formats(path: Path, content: bytes) -> None:
    """Raise UsageError for binary files that users often mistake for tables."""
    start = content[:512].lstrip()
    formats = {
        b"PK\x03\x04": "a zip or an Excel workbook: unpack it, or save it as CSV",
        b"\xd0\xcf\x11\xe0": "an old Excel workbook: save it as CSV",
        b"%PDF": "a PDF",
        b"BZh": "packed with bzip2: unpack it",
        b"\xfd7zXZ": "packed with xz: unpack it",
        b"(\xb5/\xfd": "packed with zstd: unpack it",
        b"SQLite format": "an SQLite database: export a table as CSV",
        b"FEA1": "a Feather file of version 1: write version 2",
    }
    for magic, description in formats.items():
        if start.startswith(magic):
            raise UsageError(f"{path}: cannot be read, it is {description}")
