"""Results of scans kept on disk, `results/` in the data folder: one file a plan and session.

A file is written whole or not at all, and its CRC-32 tells what became of it since. Whatever is
wrong with one, it counts as none: results can always be worked out anew. The oldest make room.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from typing import Any, Final, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.whole_files import Disk, disk_errors

FOLDER: Final = "results"
MOST_BYTES: Final = 200_000_000
"""Bytes of all files together; one of 6,000 symbols has 1 to 2 MB."""

NOT_KEPT: Final = float("-inf")
"""The time of a result that does not hold."""

_MAGIC: Final = b"marketsweep results 1\n"
_KEPT: Final = ".kept"
_UNFINISHED: Final = ".tmp"

Part = tuple[str, int]
"""A segment's file and how many of its sessions count."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What a plan gave for some symbols, and the data that it was worked out from.

    Of symbol i: `columns[i]` on the axis, `at[i]` seconds since 1970, `bars[i]` loaded, a number
    of what changes its past (`changes[i]`), reference data `facts[:, i]`, results `values[:, i]`.
    The `parts` are the stored bars, newest first; `marks` [n, columns] are fingerprints of the
    columns in the first n of them.
    """

    symbols: list[str]
    columns: NDArray[np.int64]
    at: NDArray[np.float64]
    bars: NDArray[np.int64]
    changes: NDArray[np.uint64]
    facts: NDArray[np.float64]
    values: NDArray[np.float64]
    parts: list[Part]
    marks: NDArray[np.uint64]

    @classmethod
    def of_nobody(cls, facts: int, results: int) -> Self:
        """What is kept before anything is."""
        none = np.zeros(0)
        whole, numbers = none.astype(np.int64), none.astype(np.uint64)
        of_facts, values = np.zeros((facts, 0)), np.zeros((results, 0))
        marks = np.zeros((0, 0), dtype=np.uint64)
        return cls([], whole, none, whole, numbers, of_facts, values, [], marks)

    def fits(self, facts: int, results: int) -> bool:
        """Whether every array has the shape that it should have."""
        symbols = len(self.symbols)
        lines = (self.columns, self.at, self.bars, self.changes)
        return (
            all(line.shape == (symbols,) for line in lines)
            and self.facts.shape == (facts, symbols)
            and self.values.shape == (results, symbols)
            and self.marks.ndim == 2
            and len(self.marks) <= len(self.parts)
        )


class Results:
    """The kept results of a data folder."""

    def __init__(self, data: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = data / FOLDER
        self._disk = Disk()
        self._most_bytes = most_bytes

    def read(self, key: str, facts: int, results: int) -> Kept:
        """What is kept under a key, of so many facts and results a symbol; else of nobody."""
        nobody = Kept.of_nobody(facts, results)
        try:
            data = self._file(key).read_bytes()
        except OSError:
            return nobody
        head = len(_MAGIC) + _CHECKSUM
        if data[:head] != _MAGIC + _checksum(memoryview(data)[head:]):
            return nobody
        try:
            kept = _unpacked(data, head)
        except (ValueError, OverflowError):  # somebody else's, with a checksum that fits
            return nobody
        return kept if kept.fits(facts, results) else nobody

    def write(self, key: str, kept: Kept) -> None:
        """Keep this in the place of what was there. Raises StoreError where it cannot be."""
        body = _packed(kept)
        file = self._file(key)
        unfinished = file.with_suffix(f".{os.getpid()}.{get_ident()}{_UNFINISHED}")
        with disk_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            try:
                with unfinished.open("wb", buffering=0) as new:
                    self._disk.write(new, memoryview(_MAGIC + _checksum(body) + body))
                self._disk.rename(unfinished, file)
            except OSError:
                with suppress(OSError):  # the first error is the one to tell
                    self._disk.unlink(unfinished)
                raise
            self._make_room()

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{_KEPT}"

    def _make_room(self) -> None:
        """Delete the oldest files until the rest is small enough."""
        found = []
        for path in self._folder.iterdir():
            if path.name.endswith((_KEPT, _UNFINISHED)):  # a killed process leaves the latter
                with suppress(FileNotFoundError):  # another process is making room too
                    facts = path.stat()
                    found.append((facts.st_mtime_ns, facts.st_size, path))
        room = self._most_bytes
        for _, size, path in sorted(found, reverse=True):
            room -= size
            if room < 0:
                self._disk.unlink(path)


_CHECKSUM: Final = 9
_KINDS: Final = (np.int64, float, np.int64, np.uint64, float, float, np.uint64)
"""Types of the arrays of `Kept`, in order."""


def _checksum(body: memoryview | bytes) -> bytes:
    return b"%08x\n" % crc32(body)


def _packed(kept: Kept) -> bytes:
    """Four lines of text, of counts, symbols and parts, and then the arrays of `Kept`."""
    counts = len(kept.symbols), len(kept.facts), len(kept.values), *kept.marks.shape
    lines = [
        " ".join(map(str, counts)),
        " ".join(kept.symbols),
        " ".join(file for file, _ in kept.parts),
        " ".join(str(sessions) for _, sessions in kept.parts),
    ]
    numbers = (kept.columns, kept.at, kept.bars, kept.changes, kept.facts, kept.values, kept.marks)
    return b"".join([f"{line}\n".encode() for line in lines] + [one.tobytes() for one in numbers])


def _unpacked(data: bytes, start: int) -> Kept:
    """Raises ValueError or OverflowError where `_packed` did not make what begins at `start`."""
    lines = []
    for _ in range(4):
        end = data.index(b"\n", start)
        lines.append(data[start:end].decode().split())
        start = end + 1
    counts, symbols, files, sessions = lines
    count, facts, results, marked, width = map(int, counts)
    arrays: list[NDArray[Any]] = []
    shapes = [*[(count,)] * 4, (facts, count), (results, count), (marked, width)]
    for shape, kind in zip(shapes, _KINDS, strict=True):
        # In place: copying would take longer than all else.
        arrays.append(np.frombuffer(data, kind, math.prod(shape), start).reshape(shape))
        start += arrays[-1].nbytes
    columns, at, bars, changes, of_facts, values, marks = arrays
    parts = list(zip(files, map(int, sessions), strict=True))
    return Kept(symbols, columns, at, bars, changes, of_facts, values, parts, marks)
