"""Cache results of scans on disk, in `results/` of the data folder: one file per plan and session.

A file is written completely or not at all, and its CRC-32 detects later damage. A damaged file
counts as absent: results can always be computed again. The oldest files are deleted first.
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
MAX_BYTES: Final = 200_000_000
"""Bytes of all files together; a file of 6,000 symbols has 1 to 2 MB."""

NOT_CACHED: Final = float("-inf")
"""The time of a result that is not valid."""

_MAGIC: Final = b"marketsweep results 1\n"
_SUFFIX: Final = ".kept"
_UNFINISHED: Final = ".tmp"

SegmentPart = tuple[str, int]
"""A segment's file name, and how many of its sessions are used."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedResults:
    """The results of a plan for some symbols, and the data that they were computed from.

    For symbol i: `columns[i]` is its column on the axis, `at[i]` the time in seconds since 1970,
    `bars[i]` the bars loaded, `changes[i]` a hash of its adjustments, `facts[:, i]` its reference
    data, `values[:, i]` its results. `parts` are the stored segments, newest first; `fingerprints`
    [n, columns] are those of the columns in the first n of them.
    """

    symbols: list[str]
    columns: NDArray[np.int64]
    at: NDArray[np.float64]
    bars: NDArray[np.int64]
    changes: NDArray[np.uint64]
    facts: NDArray[np.float64]
    values: NDArray[np.float64]
    parts: list[SegmentPart]
    fingerprints: NDArray[np.uint64]

    @classmethod
    def empty(cls, facts: int, results: int) -> Self:
        """Return the results of no symbols, for a plan of which nothing is cached."""
        floats = np.zeros(0)
        integers, unsigned = floats.astype(np.int64), floats.astype(np.uint64)
        of_facts, values = np.zeros((facts, 0)), np.zeros((results, 0))
        fingerprints = np.zeros((0, 0), dtype=np.uint64)
        return cls([], integers, floats, integers, unsigned, of_facts, values, [], fingerprints)

    def fits(self, facts: int, results: int) -> bool:
        """Return whether every array has the expected shape."""
        symbols = len(self.symbols)
        by_symbol = (self.columns, self.at, self.bars, self.changes)
        return (
            all(array.shape == (symbols,) for array in by_symbol)
            and self.facts.shape == (facts, symbols)
            and self.values.shape == (results, symbols)
            and self.fingerprints.ndim == 2
            and len(self.fingerprints) <= len(self.parts)
        )


class ResultsFolder:
    """The cached results of a data folder."""

    def __init__(self, data: Path, most_bytes: int = MAX_BYTES) -> None:
        self._folder = data / FOLDER
        self._disk = Disk()
        self._most_bytes = most_bytes

    def read(self, key: str, facts: int, results: int) -> CachedResults:
        """Return the results cached under a key; empty if another shape is cached."""
        empty = CachedResults.empty(facts, results)
        try:
            data = self._file(key).read_bytes()
        except OSError:
            return empty
        head = len(_MAGIC) + _CHECKSUM
        if data[:head] != _MAGIC + _checksum(memoryview(data)[head:]):
            return empty
        try:
            cached = _unpack(data, head)
        except (ValueError, OverflowError):  # another program's file with a right checksum
            return empty
        return cached if cached.fits(facts, results) else empty

    def write(self, key: str, results: CachedResults) -> None:
        """Replace the results under a key. Raises StoreError if that fails."""
        body = _pack(results)
        file = self._file(key)
        temporary = file.with_suffix(f".{os.getpid()}.{get_ident()}{_UNFINISHED}")
        with disk_errors(self._folder):
            self._folder.mkdir(exist_ok=True)
            try:
                with temporary.open("wb", buffering=0) as new:
                    self._disk.write(new, memoryview(_MAGIC + _checksum(body) + body))
                self._disk.rename(temporary, file)
            except OSError:
                with suppress(OSError):  # the first error is the one to report
                    self._disk.unlink(temporary)
                raise
            self._make_room()

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"

    def _make_room(self) -> None:
        """Delete the oldest files until the others fit into the limit."""
        files = []
        for path in self._folder.iterdir():
            if path.name.endswith((_SUFFIX, _UNFINISHED)):  # a killed process leaves the latter
                with suppress(FileNotFoundError):  # another process is making room too
                    stat = path.stat()
                    files.append((stat.st_mtime_ns, stat.st_size, path))
        room = self._most_bytes
        for _, size, path in sorted(files, reverse=True):
            room -= size
            if room < 0:
                self._disk.unlink(path)


_CHECKSUM: Final = 9
_KINDS: Final = (np.int64, float, np.int64, np.uint64, float, float, np.uint64)
"""Types of the arrays of `CachedResults`, in order."""


def _checksum(body: memoryview | bytes) -> bytes:
    return b"%08x\n" % crc32(body)


def _pack(results: CachedResults) -> bytes:
    """Return four lines of text (counts, symbols, segment files, sessions), then the arrays."""
    counts = (
        len(results.symbols),
        len(results.facts),
        len(results.values),
        *results.fingerprints.shape,
    )
    lines = [
        " ".join(map(str, counts)),
        " ".join(results.symbols),
        " ".join(file for file, _ in results.parts),
        " ".join(str(sessions) for _, sessions in results.parts),
    ]
    arrays = (
        results.columns,
        results.at,
        results.bars,
        results.changes,
        results.facts,
        results.values,
        results.fingerprints,
    )
    return b"".join(
        [f"{line}\n".encode() for line in lines] + [array.tobytes() for array in arrays]
    )


def _unpack(data: bytes, start: int) -> CachedResults:
    """Return the results packed at `start`. Raises ValueError or OverflowError for damage."""
    lines = []
    for _ in range(4):
        end = data.index(b"\n", start)
        lines.append(data[start:end].decode().split())
        start = end + 1
    counts, symbols, files, sessions = lines
    count, facts, results, fingerprinted, width = map(int, counts)
    arrays: list[NDArray[Any]] = []
    shapes = [*[(count,)] * 4, (facts, count), (results, count), (fingerprinted, width)]
    for shape, kind in zip(shapes, _KINDS, strict=True):
        # Without a copy, which would take longer than everything else.
        arrays.append(np.frombuffer(data, kind, math.prod(shape), start).reshape(shape))
        start += arrays[-1].nbytes
    columns, at, bars, changes, fact_values, values, fingerprints = arrays
    parts = list(zip(files, map(int, sessions), strict=True))
    return CachedResults(
        symbols, columns, at, bars, changes, fact_values, values, parts, fingerprints
    )
