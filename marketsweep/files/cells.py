"""Any file as a table of cells: Parquet, Arrow, or text with commas, semicolons, tabs or pipes.

The kind is told by content and not by name. Cells of text files stay text, so that the tickers
NAN, TRUE and INF stay tickers; what they mean is decided column by column.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.errors import UsageError

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

_BINARY: Final = 0.02
"""Share of control characters among the first ones, from which a file is not text."""

_PAGES: Final = (b"<!doctype", b"<html", b"<?xml", b"<table", b"<head", b"<body")
"""How web pages begin."""

_CHUNK: Final = 2**20
_DELIMITERS: Final = (",", ";", "\t", "|")
_SNIFFED: Final = 20
"""Lines that tell the delimiter."""

_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}


@dataclass(frozen=True, slots=True)
class Cells:
    """A table as a file has it.

    Of a text file `table` has every line, headers too, as text, padding removed. Of other files
    `names` are the columns, and the table has typed cells.
    """

    table: pl.DataFrame
    kind: str
    """In words: what sort of file it is."""
    names: list[str] | None = None


def read_cells(path: Path, most_mb: int = DEFAULT_MB) -> Cells:
    """Return the cells of a file. Raises UsageError for one that cannot be read, or is too big."""
    try:
        return _read(path, most_mb)
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        if isinstance(error, FileNotFoundError):
            raise UsageError(f"{path}: no such file") from error
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read, it is damaged or no table: {reason}") from error
    except pl.exceptions.PanicException as error:  # a damaged file may trip polars itself
        raise UsageError(f"{path}: cannot be read, it is damaged") from error


def _read(path: Path, most_mb: int) -> Cells:
    if path.is_dir():
        raise UsageError(f"{path}: a folder, where a file is needed")
    with path.open("rb") as file:
        start = file.read(8)
        typed = start.startswith((b"PAR1", b"ARROW1"))
        if typed and not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UsageError(f"{path}: a pipe holds text only: save Parquet and Arrow as a file")
        if start.startswith(b"PAR1"):
            return _columns(path, pl.scan_parquet(path), "Parquet", most_mb)
        if start.startswith(b"ARROW1"):
            return _columns(path, pl.scan_ipc(path), "Arrow", most_mb)
        packed = start.startswith(b"\x1f\x8b")
        _measure(path, packed, most_mb)
        source = _Joined(start, file)
        if packed:
            # Python's gzip checks the length and the checksum, which polars does not.
            content = _limited(path, gzip.GzipFile(fileobj=source), most_mb, source)
        else:
            content = _limited(path, source, most_mb)
    _refuse_packed(path, content)
    if path.suffix.lower() in _TYPED:
        raise UsageError(
            f"{path}: cannot be read, it is damaged: its name says {path.suffix[1:]}, and its "
            "first bytes do not"
        )
    return _of_text(path, content, "gzip, " if packed else "")


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
        chunk = chunk or self._file.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        return len(chunk)


def _limited(
    path: Path, source: io.RawIOBase | gzip.GzipFile, most_mb: int, packed: _Joined | None = None
) -> bytes:
    return b"".join(_chunks(path, source, most_mb, packed))


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


def _columns(path: Path, lazy: pl.LazyFrame, kind: str, most_mb: int) -> Cells:
    names = lazy.collect_schema().names()
    rows = lazy.select(pl.len()).collect().item()
    size = rows * len(names) * 8 / _MB
    unlikely = size > _ALWAYS_MB and size * _MB > 10 * _PACKED_TIMES * path.stat().st_size
    if size > most_mb or unlikely:
        raise _too_big(path, most_mb, f"{rows:,} rows, more")
    return Cells(lazy.collect(), kind, names)


def _of_text(path: Path, content: bytes, kind: str) -> Cells:
    content, encoding = _as_utf8(path, content)
    _refuse_documents(path, content)
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    first = content[: content.find(b"\n") + 1] or content
    said = None
    if first[:4].lower() == b"sep=" and len(first.rstrip(b"\r\n")) == 5:
        said, content = chr(first[4]), content[len(first) :]
    delimiter = said or _delimiter(content)
    if not content.strip():
        raise UsageError(f"{path}: cannot be read, it is empty")
    content = _without_padding(content.lstrip(b"\r\n"), delimiter)
    try:
        table = pl.read_csv(content, has_header=False, infer_schema=False, separator=delimiter)
    except pl.exceptions.PolarsError as error:
        if "more fields" in str(error):
            raise UsageError(f"{path}: {_ragged(content, delimiter)}") from error
        raise
    table = table.with_columns(pl.all().str.strip_chars(" \t\r\u00a0"))
    return Cells(table, f"{kind}text with {_NAMES.get(delimiter, delimiter)}{encoding}")


def _without_padding(content: bytes, delimiter: str) -> bytes:
    """The text without spaces around quotes, where quotes would be part of the cell."""
    mark = re.escape(delimiter.encode())
    if b'"' not in content:
        return content
    content = re.sub(rb'((?:^|%b)) +"' % mark, rb'\1"', content, flags=re.MULTILINE)
    return re.sub(rb'" +(?=%b|\r?$)' % mark, b'"', content, flags=re.MULTILINE)


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


def _refuse_documents(path: Path, content: bytes) -> None:
    """Raise UsageError for texts that are often taken for tables."""
    start = content[:512].lstrip()
    if start[:200].lower().startswith(_PAGES):
        raise UsageError(f"{path}: cannot be read, it is a web page and no table")
    if start[:1] in (b"{", b"["):
        raise UsageError(f"{path}: cannot be read, it is JSON: write it as CSV or Parquet")


def _as_utf8(path: Path, content: bytes) -> tuple[bytes, str]:
    """The text as UTF-8 without a mark, and what it was, in words."""
    if content.startswith(b"\xef\xbb\xbf"):
        return content[3:], ""
    wide = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else None
    head = content[:4096]
    if wide is None and b"\0" in head:
        # Of texts in Latin letters every second byte is zero.
        zeros = {"utf-16-le": head[1::2].count(0), "utf-16-be": head[::2].count(0)}
        wide = max(zeros, key=lambda name: zeros[name])
        if zeros[wide] < len(head) // 4 or min(zeros.values()) > len(head) // 100:
            raise UsageError(f"{path}: cannot be read, it is damaged or not text")
    if wide:
        try:
            text = content.decode(wide)
        except UnicodeError:
            raise UsageError(f"{path}: cannot be read, it is not text") from None
        if "\0" in text[:4096]:
            raise UsageError(f"{path}: cannot be read, it is damaged or not text")
        return text.encode(), ", UTF-16"
    if sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head) > _BINARY * len(head):
        raise UsageError(f"{path}: cannot be read, it is damaged or not text")
    try:
        content.decode()
    except UnicodeDecodeError:
        # What Windows programs write; five of its 256 bytes stand for nothing.
        return content.decode("cp1252", errors="replace").encode(), ", Windows-1252"
    return content, ""


def _delimiter(content: bytes) -> str:
    """The delimiter that the first lines agree on most."""
    lines = content[: 2**16].decode(errors="replace").splitlines()[:_SNIFFED]
    lines = [_unquoted(line) for line in lines if line.strip()]
    if not lines:
        return ","
    counts = {mark: [line.count(mark) for line in lines] for mark in _DELIMITERS}

    def merit(mark: str) -> tuple[bool, int]:
        found = counts[mark]
        return len(set(found)) == 1 and found[0] > 0, found[0]

    return max(_DELIMITERS, key=merit)


def _unquoted(line: str) -> str:
    return "".join(line.split('"')[::2])


def _ragged(content: bytes, delimiter: str) -> str:
    lines = content.decode(errors="replace").splitlines()
    width = _unquoted(lines[0]).count(delimiter) + 1
    for place, line in enumerate(lines, 1):
        cells = _unquoted(line).count(delimiter) + 1
        if cells > width:
            return (
                f"cannot be read: line {place} has {cells} cells, where the first has {width}: "
                f"{line[:100]}"
            )
    return f"cannot be read: a line has more than the {width} cells of the first"
