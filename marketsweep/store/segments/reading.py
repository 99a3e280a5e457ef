"""Reads bars: the only module that knows a session's segment and the segment's width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marketsweep.core.fields import CLOSE, FIELDS
from marketsweep.core.parallel import WORKERS
from marketsweep.store.segments.in_memory import BarsInMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.store.segments.files import Segment

    Part = Segment | BarsInMemory
    Places = range | NDArray[np.int64]
    """Sessions by their numbers, ascending."""

    Rows = slice | NDArray[np.intp]


class Layout(NamedTuple):
    """Where the bars of each session are in memory, int64 [sessions]."""

    addresses: NDArray[np.int64]
    """Address of the first field of the first symbol."""
    widths: NDArray[np.int64]
    """Number of symbols."""
    strides: NDArray[np.int64]
    """Distance from one field to the next, in numbers."""


class Segments:
    """The bars of all stored sessions, in consecutive segments.

    A session has a number, counted from the oldest one; a symbol has a column. Every method
    compares the segments that it reads with their checksums once, and raises StoreDamaged.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self._firsts = [segment.first for segment in parts]

    @property
    def sessions(self) -> int:
        """The number of sessions."""
        return self.parts[-1].end if self.parts else 0

    def session(self, place: int) -> NDArray[np.float64]:
        """Return the bars of a session, float64 [5, symbols], read-only; NaN without a bar.

        Later symbols are not included.
        """
        segment = self.parts[bisect_right(self._firsts, place) - 1]
        return segment.values[:, place - segment.first]

    def read(
        self, fields: Sequence[int], places: Places, columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return raw bars, float64 [fields, places, columns]; NaN without a bar.

        A negative column has no bars.
        """
        bars = np.full((len(fields), len(places), len(columns)), np.nan)
        for segment, target, rows in self._overlapping(places):
            present = np.flatnonzero((columns >= 0) & (columns < segment.width))
            for field, target_field in zip(fields, bars, strict=True):
                target_field[_cross_index(target, present)] = segment.values[field][rows][
                    :, columns[present]
                ]
        return bars

    def of_column(self, column: int, places: range) -> NDArray[np.float64]:
        """Return the raw bars of one column, float64 [5, places]; NaN without a bar.

        Slices take a tenth of the time that `read` takes for a few bars.
        """
        bars = np.full((len(FIELDS), len(places)), np.nan)
        for segment, target, rows in self._overlapping(places):
            if 0 <= column < segment.width:
                bars[:, target] = segment.values[:, rows, column]
        return bars

    def holds(self, places: Places, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which sessions have a bar in which column, bool [places, columns]."""
        has_bar = np.zeros((len(places), len(columns)), dtype=bool)
        for segment, target, rows in self._overlapping(places):
            present = np.flatnonzero((columns >= 0) & (columns < segment.width))
            closes = segment.values[CLOSE][rows][:, columns[present]]
            has_bar[_cross_index(target, present)] = ~np.isnan(closes)
        return has_bar

    def last_close(self, place: int, column: int) -> tuple[int, float] | None:
        """Return session number and raw close of a column's last bar up to a session, or None."""
        for segment in reversed(self.parts):
            if segment.first > place or not 0 <= column < segment.width:
                continue
            closes = segment.values[CLOSE, : place + 1 - segment.first, column]
            held = np.flatnonzero(~np.isnan(closes))
            if len(held):
                return segment.first + int(held[-1]), float(closes[held[-1]])
        return None

    def closes_at(
        self, places: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the raw close of each column in a session of its own; NaN without a bar."""
        closes = np.full(len(places), np.nan)
        for segment, target, rows in self._overlapping(places):
            stored = (columns[target] >= 0) & (columns[target] < segment.width)
            cells = np.asarray(rows)[stored], columns[target][stored]
            closes[np.asarray(target)[stored]] = segment.values[CLOSE][cells]
        return closes

    def check(self, places: range) -> None:
        """Compare the segments of some sessions with their checksums, several at once."""
        unchecked = [segment for segment, *_ in self._overlapping(places) if not segment.is_checked]
        if unchecked:
            with ThreadPoolExecutor(WORKERS) as pool:
                all(pool.map(lambda segment: segment.values.size, unchecked))

    def layout(self, sessions: int) -> Layout:
        """Return where the bars of the first sessions are, without checking them: see `check`."""
        rows = []
        for segment, _, _ in self._overlapping(range(sessions)):
            values = segment.unchecked
            row_numbers = np.arange(min(segment.count, sessions - segment.first))
            strides = np.full(len(row_numbers), values.strides[0] // values.itemsize)
            widths = np.full(len(row_numbers), segment.width)
            rows.append((values.ctypes.data + row_numbers * values.strides[1], widths, strides))
        empty = np.zeros(0, dtype=np.int64)
        return Layout(*map(np.concatenate, zip((empty, empty, empty), *rows, strict=True)))

    def extended(self, sessions: int, values: NDArray[np.float64]) -> Segments:
        """Return the first `sessions` of these, and after them float64 [5, sessions, symbols]."""
        parts: list[Part] = [part for part in self.parts if part.end <= sessions]
        if parts != list(self.parts) and (begin := parts[-1].end if parts else 0) < sessions:
            cut = self.parts[len(parts)].values[:, : sessions - begin]
            parts.append(BarsInMemory(begin, cut))
        return Segments([*parts, BarsInMemory(sessions, values)])

    def _overlapping(self, places: Places) -> Iterator[tuple[Part, Rows, Rows]]:
        """Yield segments with any of the sessions: rows in `places`, and rows in the segment."""
        for segment in self.parts:
            if isinstance(places, range):
                begin, end = max(places.start, segment.first), min(places.stop, segment.end)
                if begin < end:
                    target = slice(begin - places.start, end - places.start)
                    yield segment, target, slice(begin - segment.first, end - segment.first)
            else:
                inside = np.flatnonzero((places >= segment.first) & (places < segment.end))
                if len(inside):
                    yield segment, inside, places[inside] - segment.first


def _cross_index(rows: Rows, columns: NDArray[np.intp]) -> tuple[Rows, NDArray[np.intp]]:
    """Return an index for rows and columns of a table; `rows` may be a slice or numbers."""
    if isinstance(rows, slice):
        return rows, columns
    return rows[:, None], columns
