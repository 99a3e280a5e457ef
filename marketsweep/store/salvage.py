"""What can be read of a damaged data folder: the good parts of its catalog, the good segments.

A part of the catalog (`packs`) is good where it fits the checksum beside it, and that of the root
where the root is good. A segment is good where its bytes fit the checksum in its name. Its label
says which sessions and tickers it holds.
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
"""What reading a damaged catalog raises: SQLite quotes bytes that are not text, too."""

_decode_root: Final = msgspec.msgpack.Decoder(dict[str, int]).decode


class Salvage(NamedTuple):
    """The good parts of a catalog."""

    version: int
    """The data version; 0 where it is not known."""
    format: int
    """The number of the format that the catalog names; 0 where it cannot be read."""
    packs: dict[str, bytes]
    lost: list[str]
    """Names of the parts that are damaged or gone."""
    journals: dict[str, list[Row]]
    """The rows of each journal, as far as they can be read."""
    complete: bool
    """Whether `lost` names all that is lost."""


def salvage(folder: Path, journals: Sequence[str]) -> Salvage:
    """Return the good parts of a folder's catalog; nothing where there is none. Never raises."""
    try:
        connection = connect_reader(folder / FILE)
    except _UNREADABLE:
        return Salvage(0, 0, {}, [], {}, complete=False)
    with closing(connection):
        version, checksums = _root(connection)
        named = 0
        with suppress(*_UNREADABLE):
            (named,) = connection.execute("PRAGMA user_version").fetchone()
        packs: dict[str, bytes] = {}
        lost: set[str] = set()
        rows, in_order = _read(connection, "packs")
        for name, data, checksum in rows:
            if not isinstance(name, str):
                continue
            good = isinstance(data, bytes) and crc32(data) == checksum
            if good and checksums.get(name, checksum) == checksum:
                packs[name] = data
            else:
                lost.add(name)
        lost |= {name for name in checksums if not name.startswith(SUM)} - packs.keys()
        of_journals = {table: _read(connection, table)[0] for table in journals}
    lost -= packs.keys()
    complete = in_order or version > 0
    return Salvage(version, named, packs, sorted(lost), of_journals, complete)


def _root(connection: sqlite3.Connection) -> tuple[int, dict[str, int]]:
    """The version, and the checksum of each part; 0 and none where that is damaged."""
    with suppress(*_UNREADABLE, msgspec.MsgspecError, TypeError):
        row = connection.execute("SELECT version, packs, checksum FROM root").fetchone()
        version, packs, checksum = row
        if isinstance(version, int) and checksum_of(version, packs) == checksum:
            return version, _decode_root(packs)
    return 0, {}


def _read(connection: sqlite3.Connection, table: str) -> tuple[list[Row], bool]:
    """The rows of a table that can be read, by their numbers, and whether that is all of them."""
    found: dict[int, Row] = {}

    def read(end: str, *values: object) -> None:
        for number, *row in connection.execute(f"SELECT rowid, * FROM {table} {end}", values):
            found[number] = tuple(row)

    in_order = True
    try:
        read("ORDER BY rowid")
    except _UNREADABLE:
        in_order = False
        # A damaged page is met from both sides, and passed by with the numbers of the index.
        with suppress(*_UNREADABLE):
            read("ORDER BY rowid DESC")
        for number in _indexed(connection) if table == "packs" else ():
            with suppress(*_UNREADABLE):
                read("WHERE rowid = ?", number)
    return [row for _, row in sorted(found.items())], in_order


def _indexed(connection: sqlite3.Connection) -> list[int]:
    """The numbers of the packs, from the index of their names."""
    found: list[int] = []
    with suppress(*_UNREADABLE):
        found.extend(n for (n,) in connection.execute("SELECT rowid FROM packs ORDER BY name"))
    return found


class Found(NamedTuple):
    """A good segment file, and what its label says."""

    row: SegmentRow
    days: Sequence[dt.date]
    tickers: Sequence[str]
    at: int
    """When it was written, in nanoseconds."""


def find_segments(folder: Path) -> tuple[list[Found], list[str]]:
    """Return the good segments of a folder, and the names of the other files in it."""
    found, others = [], []
    for name in sorted(files_in(folder)) if folder.is_dir() else []:
        one = _segment(folder / name)
        if one is None:
            others.append(name)
        else:
            found.append(one)
    return found, others


def _segment(path: Path) -> Found | None:
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
    shape = _shape_of(data)
    if shape is None or shape[:2] != (len(FIELDS), len(label.days)):
        return None
    row = SegmentRow(period, path.name, len(label.days), shape[2], len(data), int(checksum, 16))
    return Found(row, label.days, label.tickers, at) if shape[2] == len(label.tickers) else None


def _shape_of(data: bytes) -> tuple[int, ...] | None:
    with suppress(ValueError):
        file = io.BytesIO(data[:4096])
        np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
        return shape if len(shape) == 3 else None
    return None


def _weight(one: Found) -> tuple[bool, int, int]:
    return "." not in one.row.period, len(one.days), one.at


def choose(found: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Return segments that hold each session once, by period, and the names of the others.

    A month outweighs its weeks, which it was made of, more sessions outweigh fewer, and of as many
    the newer file does. Files of another list of tickers than most cannot be used.
    """
    axis = max((one.tickers for one in found), key=len, default=[])
    chosen: dict[str, Found] = {}
    taken: set[dt.date] = set()
    for one in sorted(found, key=_weight)[::-1]:
        fits = list(one.tickers) == list(axis[: len(one.tickers)])
        if fits and one.row.period not in chosen and taken.isdisjoint(one.days):
            chosen[one.row.period] = one
            taken.update(one.days)
    kept = {one.row.file for one in chosen.values()}
    return (
        sorted(chosen.values(), key=lambda one: one.row.period),
        [one.row.file for one in found if one.row.file not in kept],
    )
