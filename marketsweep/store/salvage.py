"""Reads what is good in a damaged data folder: parts of its catalog, and segments.

A part of the catalog (`packs`) is good if it matches its own checksum, and also the root's if the
root is good. A segment is good if its bytes match the checksum in its name. Its label names its
sessions and tickers.
"""

from __future__ import annotations

import datetime as dt
import io
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from marketsweep.core.fields import FIELDS
from marketsweep.errors import StoreError
from marketsweep.store.catalog.packs import SUM, Row, checksum_of, crc32
from marketsweep.store.catalog.rows import SegmentRow
from marketsweep.store.catalog.sqlite import FILE, connect_reader
from marketsweep.store.segments.files import SUFFIX, files_in
from marketsweep.store.segments.labels import label_of

_UNREADABLE: Final = (sqlite3.Error, OSError, ValueError)
"""Errors from reading a damaged catalog; SQLite also quotes bytes that are not text."""

_decode_root: Final = msgspec.msgpack.Decoder(dict[str, int]).decode


class Salvage(NamedTuple):
    """The good parts of a catalog."""

    version: int
    """The data version; 0 if unknown."""
    format: int
    """The number of the format that the catalog names; 0 if it cannot be read."""
    packs: dict[str, bytes]
    lost: list[str]
    """Names of the parts that are damaged or missing."""
    journals: dict[str, list[Row]]
    """The readable rows of each journal."""
    complete: bool
    """Whether `lost` names everything that is lost."""


def salvage(folder: Path, journals: Sequence[str]) -> Salvage:
    """Return the good parts of a folder's catalog; empty if there is no catalog. Never raises."""
    try:
        connection = connect_reader(folder / FILE)
    except _UNREADABLE:
        return Salvage(0, 0, {}, [], {}, complete=False)
    with closing(connection):
        version, checksums = _read_root(connection)
        format_number = 0
        with suppress(*_UNREADABLE):
            (format_number,) = connection.execute("PRAGMA user_version").fetchone()
        packs: dict[str, bytes] = {}
        lost: set[str] = set()
        rows, in_order = _readable_rows(connection, "packs")
        for name, data, checksum in rows:
            if not isinstance(name, str):
                continue
            good = isinstance(data, bytes) and crc32(data) == checksum
            if good and checksums.get(name, checksum) == checksum:
                packs[name] = data
            else:
                lost.add(name)
        lost |= {name for name in checksums if not name.startswith(SUM)} - packs.keys()
        journal_rows = {table: _readable_rows(connection, table)[0] for table in journals}
    lost -= packs.keys()
    complete = in_order or version > 0
    return Salvage(version, format_number, packs, sorted(lost), journal_rows, complete)


def _read_root(connection: sqlite3.Connection) -> tuple[int, dict[str, int]]:
    """Return the version and the checksum of each part; 0 and none if the root is damaged."""
    with suppress(*_UNREADABLE, msgspec.MsgspecError, TypeError):
        row = connection.execute("SELECT version, packs, checksum FROM root").fetchone()
        version, packs, checksum = row
        if isinstance(version, int) and checksum_of(version, packs) == checksum:
            return version, _decode_root(packs)
    return 0, {}


def _readable_rows(connection: sqlite3.Connection, table: str) -> tuple[list[Row], bool]:
    """Return the readable rows of a table, by row number, and whether these are all rows."""
    rows: dict[int, Row] = {}

    def read_into(clause: str, *values: object) -> None:
        for number, *row in connection.execute(f"SELECT rowid, * FROM {table} {clause}", values):
            rows[number] = tuple(row)

    in_order = True
    try:
        read_into("ORDER BY rowid")
    except _UNREADABLE:
        in_order = False
        # Read up to a damaged page from both sides, and skip it by the row numbers of the index.
        with suppress(*_UNREADABLE):
            read_into("ORDER BY rowid DESC")
        for number in _row_numbers_from_index(connection) if table == "packs" else ():
            with suppress(*_UNREADABLE):
                read_into("WHERE rowid = ?", number)
    return [row for _, row in sorted(rows.items())], in_order


def _row_numbers_from_index(connection: sqlite3.Connection) -> list[int]:
    """Return the row numbers of the packs, from the index of their names."""
    numbers: list[int] = []
    with suppress(*_UNREADABLE):
        numbers.extend(n for (n,) in connection.execute("SELECT rowid FROM packs ORDER BY name"))
    return numbers


class Found(NamedTuple):
    """A good segment file, and the sessions and tickers of its label."""

    row: SegmentRow
    days: Sequence[dt.date]
    tickers: Sequence[str]
    at: int
    """The time of writing, in nanoseconds."""


def find_segments(folder: Path) -> tuple[list[Found], list[str]]:
    """Return the good segments of a folder, and the names of the other files in it."""
    good, others = [], []
    for name in sorted(files_in(folder)) if folder.is_dir() else []:
        segment = _read_segment(folder / name)
        if segment is None:
            others.append(name)
        else:
            good.append(segment)
    return good, others


def _read_segment(path: Path) -> Found | None:
    period, _, checksum = path.name.removesuffix(SUFFIX).rpartition(".")
    if not path.name.endswith(SUFFIX):
        return None
    try:
        data, at = path.read_bytes(), path.stat().st_mtime_ns
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from error
    label = label_of(data)
    if label is None or f"{crc32(data):08x}" != checksum or not label.days:
        return None
    shape = _array_shape(data)
    if shape is None or shape[:2] != (len(FIELDS), len(label.days)):
        return None
    row = SegmentRow(period, path.name, len(label.days), shape[2], len(data), int(checksum, 16))
    return Found(row, label.days, label.tickers, at) if shape[2] == len(label.tickers) else None


def _array_shape(data: bytes) -> tuple[int, ...] | None:
    with suppress(ValueError):
        file = io.BytesIO(data[:4096])
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
        return shape if len(shape) == 3 else None
    return None


def _priority(segment: Found) -> tuple[bool, int, int]:
    return "." not in segment.row.period, len(segment.days), segment.at


def choose(segments: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Return segments that hold each session once, by period, and the names of the others.

    A month is preferred to its weeks, more sessions to fewer, and the newer of two equal files.
    Files with a different list of tickers than most cannot be used.
    """
    axis = max((segment.tickers for segment in segments), key=len, default=[])
    chosen: dict[str, Found] = {}
    days_covered: set[dt.date] = set()
    for segment in sorted(segments, key=_priority)[::-1]:
        fits = list(segment.tickers) == list(axis[: len(segment.tickers)])
        if fits and segment.row.period not in chosen and days_covered.isdisjoint(segment.days):
            chosen[segment.row.period] = segment
            days_covered.update(segment.days)
    chosen_files = {segment.row.file for segment in chosen.values()}
    return (
        sorted(chosen.values(), key=lambda segment: segment.row.period),
        [segment.row.file for segment in segments if segment.row.file not in chosen_files],
    )
