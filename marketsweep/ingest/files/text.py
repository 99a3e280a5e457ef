"""Read text files as blocks of whole lines: encodings, delimiters, quotes.

A block has some megabytes, so that a file of any size is read in little memory.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.errors import UsageError

DELIMITER_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
"""Names of the delimiters, for messages."""

_MAX_CONTROL_SHARE: Final = 0.02
"""Share of control characters at the start from which a file is not text."""

_WEB_PAGE_STARTS: Final = (b"<!doctype", b"<html", b"<?xml", b"<table", b"<head", b"<body")
"""How web pages begin, in lower case."""

_DELIMITERS: Final = tuple(DELIMITER_NAMES)

_SNIFFED_LINES: Final = 20
"""Number of lines from which the delimiter is detected."""

_MIN_DELIMITERS: Final = 4
"""Minimum number of delimiters in the first line of a table with lines of text above it."""

_MAX_LINES_ABOVE: Final = 10
"""Maximum number of lines of text above a table."""

_MAX_ROW_BYTES: Final = 2**16
"""Bytes at the end of a block in which the start of a row is searched."""

_HEAD_BYTES: Final = 4096
"""Number of bytes from which it is detected whether a file is text, and its encoding."""


class NoTable(UsageError):
    """A file that is not a table, such as a note or an empty file in a folder of tables."""

    def __init__(self, message: str, description: str = "is a text, not a table") -> None:
        super().__init__(message)
        self.description = description


class TextReader:
    """The lines of a text file, in blocks that end with a line."""

    def __init__(self, path: Path, chunks: Iterable[bytes], block: int | None) -> None:
        self._path = path
        self.encoding = ""
        """Encoding for messages, as the end of a sentence; empty for UTF-8."""
        self._blocks = _blocks(self._to_utf8(chunks), block)
        first = next(self._blocks, b"")
        """Return the cells of the first block as text without padding, including headers."""
        _refuse_documents(path, first)
        self._old_mac = b"\n" not in first
        first = self._decode_lines(first)
        line = first[: first.find(b"\n") + 1] or first
        declared = None
        if line[:4].lower() == b"sep=" and len(line.rstrip(b"\r\n")) == 5:
            declared, first = chr(line[4]), first[len(line) :]
        self.delimiter = declared or _detect_delimiter(first)
        if not first.strip():
            raise NoTable(f"{path}: cannot be read, it is empty", "is empty")
        text_above, self._first = _split_off_text(first.lstrip(b"\r\n"), self.delimiter)
        self.lines_above = text_above.count(b"\n")
        """Number of lines of text above the table."""
        self._lines_read = 0

    def first(self) -> pl.DataFrame:
        """Return the cells of the first block as text without padding, headers too."""
        self._lines_read = self.lines_above + self._first.count(b"\n")
        return self._parse_cells(self._first, self.lines_above)

    def rest(self, headers: int) -> Iterator[pl.DataFrame]:
        """Yield the cells of the other blocks, each below the header rows of the first block."""
        header = self._header_lines(headers)
        header_lines = header.count(b"\n")
        for block in self._blocks:
            lines = self._decode_lines(block)
            yield self._parse_cells(header + lines, self._lines_read - header_lines)
            self._lines_read += lines.count(b"\n")

    def _header_lines(self, rows: int) -> bytes:
        """Return the lines of the first `rows` rows; a row may span several lines."""
        end = 0
        while rows and (line := self._first.find(b"\n", end)) >= 0:
            end = line + 1
            head = self._first[:end]
            if head.count(b'"') % 2 == 0 and self._parse_cells(head, 0).height >= rows:
                break
        return self._first[:end]

    def _parse_cells(self, content: bytes, lines_before: int) -> pl.DataFrame:
        """Return the cells of lines; `lines_before` counts the lines of the file before them."""
        content = _without_padding(content, self.delimiter)
        try:
            table = pl.read_csv(
                content, has_header=False, infer_schema=False, separator=self.delimiter
            )
        except pl.exceptions.PolarsError as error:
            if "more fields" in str(error):
                fault = _ragged_line_message(content, self.delimiter, lines_before)
                raise UsageError(f"{self._path}: {fault}") from error
            if line := _first_line_with_odd_quotes(content):
                raise UsageError(
                    f"{self._path}: cannot be read: its quotes are not paired; the first line with "
                    f"an odd number of them is line {lines_before + line}"
                ) from error
            raise
        return table.with_columns(pl.all().str.strip_chars(" \t\r\u00a0"))

    def _decode_lines(self, block: bytes) -> bytes:
        if self._old_mac:
            block = block.replace(b"\r", b"\n")
        try:
            block.decode()
        except UnicodeDecodeError:
            # Windows programs write this encoding; five of its 256 bytes are undefined.
            self.encoding = ", Windows-1252"
            return block.decode("cp1252", errors="replace").encode()
        return block

    def _to_utf8(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes as UTF-8 without a mark; Windows-1252 is decoded later, line by line."""
        source, start = iter(chunks), b""
        while len(start) < _HEAD_BYTES and (chunk := next(source, b"")):
            start += chunk
        if start.startswith(codecs.BOM_UTF8):
            yield start[3:]
            yield from source
            return
        encoding = _two_byte_encoding(self._path, start[:_HEAD_BYTES])
        if encoding is None:
            yield start
            yield from source
            return
        self.encoding = ", UTF-16"
        decoder = codecs.getincrementaldecoder(encoding)()
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
    """Yield whole lines, about `size` bytes at a time; all at once if `size` is None."""
    pending, count = list[bytes](), 0
    for chunk in chunks:
        pending.append(chunk)
        count += len(chunk)
        if size is None or count < size:
            continue
        joined = b"".join(pending)
        end = _end_of_last_line(joined)
        if not end:
            raise UsageError(f"cannot be read: a line has more than {size >> 20:,} MB: not a table")
        yield joined[:end]
        pending, count = [joined[end:]], len(joined) - end
    if remainder := b"".join(pending):
        yield remainder


def _end_of_last_line(content: bytes) -> int:
    """Return the end of the last whole line, 0 for none; a line break in quotes ends no line."""
    line_break = b"\n" if b"\n" in content else b"\r"
    quotes, end = content.count(b'"'), len(content)
    last = content.rfind(line_break) + 1
    while (line := content.rfind(line_break, max(0, last - _MAX_ROW_BYTES), end)) >= 0:
        quotes -= content.count(b'"', line, end)
        end = line
        if quotes % 2 == 0:
            return line + 1
    return last  # a quote that is never closed is part of a text, such as 3" pipes


def _refuse_documents(path: Path, content: bytes) -> None:
    """Raise UsageError for texts that users often mistake for tables."""
    start = content[:512].lstrip()
    if start[:200].lower().startswith(_WEB_PAGE_STARTS):
        raise UsageError(f"{path}: cannot be read, it is a web page, not a table")
    if start[:1] in (b"{", b"["):
        raise UsageError(f"{path}: cannot be read, it is JSON: write it as CSV or Parquet")


def _two_byte_encoding(path: Path, head: bytes) -> str | None:
    """Return the encoding of a text with two bytes per character, None for other texts.

    Raises UsageError if the file is not text.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    damaged = UsageError(f"{path}: cannot be read, it is damaged or not text")
    if b"\0" in head:
        # In a text of Latin letters every second byte is zero.
        zeros = {"utf-16-le": head[1::2].count(0), "utf-16-be": head[::2].count(0)}
        encoding = max(zeros, key=lambda name: zeros[name])
        if zeros[encoding] < len(head) // 4 or min(zeros.values()) > len(head) // 100:
            raise damaged
        return encoding
    if sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head) > _MAX_CONTROL_SHARE * len(head):
        raise damaged
    return None


def _without_padding(content: bytes, delimiter: str) -> bytes:
    """Return the text without spaces around quotes; the quotes would be part of the cell."""
    mark = re.escape(delimiter.encode())
    if b'"' not in content:
        return content
    content = re.sub(rb'((?:^|%b)) +"' % mark, rb'\1"', content, flags=re.MULTILINE)
    return re.sub(rb'" +(?=%b|\r?$)' % mark, b'"', content, flags=re.MULTILINE)


def _detect_delimiter(content: bytes) -> str:
    """Return the delimiter on whose number the first lines agree best."""
    lines = content[: 2**16].decode(errors="replace").splitlines()[:_SNIFFED_LINES]
    lines = [_outside_quotes(line) for line in lines if line.strip()]
    if not lines:
        return ","
    counts = {mark: [line.count(mark) for line in lines] for mark in _DELIMITERS}

    def merit(mark: str) -> tuple[bool, int]:
        line_counts = counts[mark]
        return len(set(line_counts)) == 1 and line_counts[0] > 0, line_counts[0]

    return max(_DELIMITERS, key=merit)


def _split_off_text(content: bytes, delimiter: str) -> tuple[bytes, bytes]:
    """Return the lines of text above a table, such as the name of a report, and the table."""
    lines = content[: 2**16].decode(errors="replace").splitlines(keepends=True)[:_SNIFFED_LINES]
    cells = [_outside_quotes(line).count(delimiter) for line in lines]
    first_row = next((i for i, count in enumerate(cells) if count), 0)
    if first_row > _MAX_LINES_ABOVE or cells[first_row] < _MIN_DELIMITERS:
        return b"", content
    size = sum(len(line.encode()) for line in lines[:first_row])
    return content[:size], content[size:]


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _first_line_with_odd_quotes(content: bytes) -> int:
    """Return the first line, counted from 1, with an odd number of quotes; 0 for none."""
    lines = content.split(b"\n")
    return next((number for number, line in enumerate(lines, 1) if line.count(b'"') % 2), 0)


def _ragged_line_message(content: bytes, delimiter: str, above: int) -> str:
    lines = content.decode(errors="replace").splitlines()
    width = _outside_quotes(lines[0]).count(delimiter) + 1
    for number, line in enumerate(lines, 1):
        cells = _outside_quotes(line).count(delimiter) + 1
        if cells > width:
            return (
                f"cannot be read: line {above + number} has {cells} cells, but the first has "
                f"{width}: {line[:100]}"
            )
    return f"cannot be read: a line has more than the {width} cells of the first"
