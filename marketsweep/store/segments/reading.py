"""Read bars: the one place that knows in which segment a session lies, and how wide that is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marketsweep.core.fields import CLOSE
from marketsweep.core.parallel import WORKERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.store.segments.files import Segment

    Places = range | NDArray[np.int64]
    """Sessions by their numbers, ascending."""

    Rows = slice | NDArray[np.intp]


class Layout(NamedTuple):
    """Where the bars of each session lie in memory, int64 [sessions]."""

    addresses: NDArray[np.int64]
    """Addresses of the first field of the first symbol."""
    widths: NDArray[np.int64]
    """Number of symbols."""
    strides: NDArray[np.int64]
    """Numbers from one field to the next."""


class Segments:
    """The bars of all stored sessions, in segments one after the other.

    A session has a number, which counts from the oldest one; a symbol has a column. Every method
    compares the segments that it reads with their checksums once, and raises StoreDamaged.
    """

    def __init__(self, parts: Sequence[Segment]) -> None:
        self.parts = parts
        self._firsts = [segment.first for segment in parts]

    @property
    def sessions(self) -> int:
        """The number of sessions."""
        return self.parts[-1].end if self.parts else 0

    def session(self, place: int) -> NDArray[np.float64]:
        """Return the bars of a session, float64 [5, symbols], read-only; NaN without a bar.

        Symbols that came later are not in it.
        """
        segment = self.parts[bisect_right(self._firsts, place) - 1]
        return segment.values[:, place - segment.first]

    def read(
        self, fields: Sequence[int], places: Places, columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return raw bars, float64 [fields, places, columns]; NaN without a bar.

        A column below zero has no bars.
        """
        bars = np.full((len(fields), len(places), len(columns)), np.nan)
        for segment, into, rows in self._touching(places):
            known = np.flatnonzero((columns >= 0) & (columns < segment.width))
            for field, found in zip(fields, bars, strict=True):
                found[_crossing(into, known)] = segment.values[field][rows][:, columns[known]]
        return bars

    def holds(self, places: Places, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which sessions have a bar of which column, bool [places, columns]."""
        there = np.zeros((len(places), len(columns)), dtype=bool)
        for segment, into, rows in self._touching(places):
            known = np.flatnonzero((columns >= 0) & (columns < segment.width))
            closes = segment.values[CLOSE][rows][:, columns[known]]
            there[_crossing(into, known)] = ~np.isnan(closes)
        return there

    def last_close(self, place: int, column: int) -> tuple[int, float] | None:
        """Return the session and the raw close of a column's last bar up to a session."""
        for segment in reversed(self.parts):
            if segment.first > place or not 0 <= column < segment.width:
                continue
            closes = segment.values[CLOSE, : place + 1 - segment.first, column]
            there = np.flatnonzero(~np.isnan(closes))
            if len(there):
                return segment.first + int(there[-1]), float(closes[there[-1]])
        return None

    def check(self, places: range) -> None:
        """Compare the segments of some sessions with their checksums, several at once."""
        unchecked = [part for part, *_ in self._touching(places) if not part.is_checked]
        if unchecked:
            with ThreadPoolExecutor(WORKERS) as pool:
                all(pool.map(lambda segment: segment.values.size, unchecked))

    def layout(self, sessions: int) -> Layout:
        """Return where the bars of the first sessions lie. They are not checked: see `check`."""
        rows = []
        for segment, _, _ in self._touching(range(sessions)):
            values = segment.unchecked
            within = np.arange(min(segment.count, sessions - segment.first))
            strides = np.full(len(within), values.strides[0] // values.itemsize)
            widths = np.full(len(within), segment.width)
            rows.append((values.ctypes.data + within * values.strides[1], widths, strides))
        none = np.zeros(0, dtype=np.int64)
        return Layout(*map(np.concatenate, zip((none, none, none), *rows, strict=True)))

    def _touching(self, places: Places) -> Iterator[tuple[Segment, Rows, Rows]]:
        """Segments with some of the sessions: where among `places`, and where in the segment."""
        for segment in self.parts:
            if isinstance(places, range):
                begin, end = max(places.start, segment.first), min(places.stop, segment.end)
                if begin < end:
                    into = slice(begin - places.start, end - places.start)
                    yield segment, into, slice(begin - segment.first, end - segment.first)
            else:
                inside = np.flatnonzero((places >= segment.first) & (places < segment.end))
                if len(inside):
                    yield segment, inside, places[inside] - segment.first


def _crossing(rows: Rows, columns: NDArray[np.intp]) -> tuple[Rows, NDArray[np.intp]]:
    """Index rows and columns of a table, where rows may be numbers as well."""
    if isinstance(rows, slice):
        return rows, columns
    return rows[:, None], columns
