"""Text files as blocks of whole lines: encodings, delimiters, quotes.

A block is some megabytes, so that a file of any size is read in little memory.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.errors import UsageError

NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
"""Delimiters, in words."""

_BINARY: Final = 0.02
"""Share of control characters among the first ones, from which a file is not text."""

_PAGES: Final = (b"<!doctype", b"<html", b"<?xml", b"<table", b"<head", b"<body")
"""How web pages begin."""

_DELIMITERS: Final = tuple(NAMES)

_SNIFFED: Final = 20
"""Lines that tell the delimiter."""

_LEAST: Final = 4
"""Delimiters in a line of a table that may have lines of text above it."""

_MOST_ABOVE: Final = 10
"""Lines of text above a table."""

_LONGEST_ROW: Final = 2**16
"""Bytes at the end of a block in which a row begins, if quotes are paired."""

_HEAD: Final = 4096
"""Bytes that tell whether a file is text, and its encoding."""


class NoTable(UsageError):
    """A file that is not a table, as a note or an empty file beside the tables of a folder."""

    def __init__(self, message: str, what: str = "is a text and no table") -> None:
        super().__init__(message)
        self.what = what


class Text:
    """The lines of a text file, in blocks that end with a line."""

    def __init__(self, path: Path, chunks: Iterable[bytes], block: int | None) -> None:
        self._path = path
        self.encoding = ""
        """In words, as the end of a sentence; empty for UTF-8."""
        self._blocks = _blocks(self._as_utf8(chunks), block)
        first = next(self._blocks, b"")
        _refuse_documents(path, first)
        self._old_mac = b"\n" not in first
        first = self._lines_of(first)
        line = first[: first.find(b"\n") + 1] or first
        said = None
        if line[:4].lower() == b"sep=" and len(line.rstrip(b"\r\n")) == 5:
            said, first = chr(line[4]), first[len(line) :]
        self.delimiter = said or _delimiter(first)
        if not first.strip():
            raise NoTable(f"{path}: cannot be read, it is empty", "is empty")
        above, self._first = _parted(first.lstrip(b"\r\n"), self.delimiter)
        self.above = above.count(b"\n")
        """Lines of words above the table."""
        self._lines = 0

    def first(self) -> pl.DataFrame:
        """Return the cells of the first block as text without padding, headers too."""
        self._lines = self.above + self._first.count(b"\n")
        return self._cells(self._first, self.above)

    def rest(self, headers: int) -> Iterator[pl.DataFrame]:
        """Yield the cells of the other blocks, each below the header rows of the first."""
        head = self._head(headers)
        above = head.count(b"\n")
        for block in self._blocks:
            lines = self._lines_of(block)
            yield self._cells(head + lines, self._lines - above)
            self._lines += lines.count(b"\n")

    def _head(self, rows: int) -> bytes:
        """Return the lines of the first rows; a row may be on several lines."""
        end = 0
        while rows and (line := self._first.find(b"\n", end)) >= 0:
            end = line + 1
            head = self._first[:end]
            if head.count(b'"') % 2 == 0 and self._cells(head, 0).height >= rows:
                break
        return self._first[:end]

    def _cells(self, content: bytes, above: int) -> pl.DataFrame:
        """Return the cells of lines; `above` is how many lines of the file come before them."""
        content = _without_padding(content, self.delimiter)
        try:
            table = pl.read_csv(
                content, has_header=False, infer_schema=False, separator=self.delimiter
            )
        except pl.exceptions.PolarsError as error:
            if "more fields" in str(error):
                fault = _ragged(content, self.delimiter, above)
                raise UsageError(f"{self._path}: {fault}") from error
            if line := _odd_line(content):
                raise UsageError(
                    f"{self._path}: cannot be read: its quotes are not paired; the first line with "
                    f"an odd number of them is line {above + line}"
                ) from error
            raise
        return table.with_columns(pl.all().str.strip_chars(" \t\r\u00a0"))

    def _lines_of(self, block: bytes) -> bytes:
        if self._old_mac:
            block = block.replace(b"\r", b"\n")
        try:
            block.decode()
        except UnicodeDecodeError:
            # What Windows programs write; five of its 256 bytes stand for nothing.
            self.encoding = ", Windows-1252"
            return block.decode("cp1252", errors="replace").encode()
        return block

    def _as_utf8(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes as UTF-8 without a mark; Windows-1252 is left for whole lines."""
        source, start = iter(chunks), b""
        while len(start) < _HEAD and (chunk := next(source, b"")):
            start += chunk
        if start.startswith(codecs.BOM_UTF8):
            yield start[3:]
            yield from source
            return
        wide = _wide(self._path, start[:_HEAD])
        if wide is None:
            yield start
            yield from source
            return
        self.encoding = ", UTF-16"
        decoder = codecs.getincrementaldecoder(wide)()
        try:
            text = decoder.decode(start)
            if "\0" in text:
                raise UsageError(f"{self._path}: cannot be read, it is damaged or not text")
            yield text.encode()
            for chunk in source:
                yield decoder.decode(chunk).encode()
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError:
            raise UsageError(f"{self._path}: cannot be read, it is not text") from None


def _blocks(chunks: Iterable[bytes], size: int | None) -> Iterator[bytes]:
    """Yield whole lines, some `size` bytes at a time; None for all at once."""
    held, count = list[bytes](), 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        if size is None or count < size:
            continue
        joined = b"".join(held)
        end = _end_of_lines(joined)
        if not end:
            raise UsageError(f"cannot be read: a line has more than {size >> 20:,} MB: no table")
        yield joined[:end]
        held, count = [joined[end:]], len(joined) - end
    if last := b"".join(held):
        yield last


def _end_of_lines(content: bytes) -> int:
    """Return where the last whole line ends, 0 for none; a line break in quotes ends no line."""
    mark = b"\n" if b"\n" in content else b"\r"
    quotes, end = content.count(b'"'), len(content)
    last = content.rfind(mark) + 1
    while (line := content.rfind(mark, max(0, last - _LONGEST_ROW), end)) >= 0:
        quotes -= content.count(b'"', line, end)
        end = line
        if quotes % 2 == 0:
            return line + 1
    return last  # a quote that is never closed is part of a text, as in 3" pipes


def _refuse_documents(path: Path, content: bytes) -> None:
    """Raise UsageError for texts that are often taken for tables."""
    start = content[:512].lstrip()
    if start[:200].lower().startswith(_PAGES):
        raise UsageError(f"{path}: cannot be read, it is a web page and no table")
    if start[:1] in (b"{", b"["):
        raise UsageError(f"{path}: cannot be read, it is JSON: write it as CSV or Parquet")


def _wide(path: Path, head: bytes) -> str | None:
    """Return the encoding of a text of two bytes a character, None for others.

    Raises UsageError for what is not text.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    damaged = UsageError(f"{path}: cannot be read, it is damaged or not text")
    if b"\0" in head:
        # Of texts in Latin letters every second byte is zero.
        zeros = {"utf-16-le": head[1::2].count(0), "utf-16-be": head[::2].count(0)}
        wide = max(zeros, key=lambda name: zeros[name])
        if zeros[wide] < len(head) // 4 or min(zeros.values()) > len(head) // 100:
            raise damaged
        return wide
    if sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head) > _BINARY * len(head):
        raise damaged
    return None


def _without_padding(content: bytes, delimiter: str) -> bytes:
    """The text without spaces around quotes, where quotes would be part of the cell."""
    mark = re.escape(delimiter.encode())
    if b'"' not in content:
        return content
    content = re.sub(rb'((?:^|%b)) +"' % mark, rb'\1"', content, flags=re.MULTILINE)
    return re.sub(rb'" +(?=%b|\r?$)' % mark, b'"', content, flags=re.MULTILINE)


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


def _parted(content: bytes, delimiter: str) -> tuple[bytes, bytes]:
    """Return the lines of plain text above a table, such as the name of a report, and the table."""
    lines = content[: 2**16].decode(errors="replace").splitlines(keepends=True)[:_SNIFFED]
    cells = [_unquoted(line).count(delimiter) for line in lines]
    at = next((place for place, count in enumerate(cells) if count), 0)
    if at > _MOST_ABOVE or cells[at] < _LEAST:
        return b"", content
    size = sum(len(line.encode()) for line in lines[:at])
    return content[:size], content[size:]


def _unquoted(line: str) -> str:
    return "".join(line.split('"')[::2])


def _odd_line(content: bytes) -> int:
    """Return the first line, from 1, with an odd number of quotes; 0 for none."""
    lines = content.split(b"\n")
    return next((place for place, line in enumerate(lines, 1) if line.count(b'"') % 2), 0)


def _ragged(content: bytes, delimiter: str, above: int) -> str:
    lines = content.decode(errors="replace").splitlines()
    width = _unquoted(lines[0]).count(delimiter) + 1
    for place, line in enumerate(lines, 1):
        cells = _unquoted(line).count(delimiter) + 1
        if cells > width:
            return (
                f"cannot be read: line {above + place} has {cells} cells, where the first has "
                f"{width}: {line[:100]}"
            )
    return f"cannot be read: a line has more than the {width} cells of the first"
