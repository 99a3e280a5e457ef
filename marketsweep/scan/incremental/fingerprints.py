"""Find the symbols whose data differs from what a result was computed from, without a panel.

1. Segments are immutable: a segment that still exists under its name is unchanged
   (`StoredBars.parts`).
2. In the newest segments, which corrections and new bars replace, each column has a fingerprint.
   The fingerprints added and those removed have different sums if the column changed
   (`StoredBars.changed_columns`).
3. Ticker changes, splits and dividends are compared by one hash per symbol (`adjustment_hashes`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import Adjust, Adjustments, History, in_chunks
from marketsweep.kernels import cpu
from marketsweep.scan.incremental.cache import CachedResults, SegmentPart

Numbers = NDArray[np.uint64]


class StoredBars:
    """The stored bars of a history, as segment files and as fingerprints of their columns.

    `parts` are the segments, newest first. Those that the last `depth` bars come from have
    fingerprints.
    """

    def __init__(self, history: History, depth: int) -> None:
        self._history = history
        stored, sessions = history.snapshot.segments.parts, len(history.dates)
        self._segments = [segment for segment in reversed(stored) if segment.first < sessions]
        self.parts: list[SegmentPart] = [
            (segment.path.name, min(segment.count, sessions - segment.first))
            for segment in self._segments
        ]
        reached = history.reached(depth)
        self._fingerprinted = sum(segment.end > reached for segment in self._segments)

    def fingerprints(self, cached: CachedResults) -> Numbers:
        """Return the fingerprints of the newest parts, [parts, columns]. Cached ones are reused."""
        shape = self._fingerprinted, len(self._history.snapshot.symbols)
        if cached.parts == self.parts and cached.fingerprints.shape == shape:
            return cached.fingerprints
        cached_rows = dict(zip(cached.parts, cached.fingerprints, strict=False))
        result = np.zeros(shape, dtype=np.uint64)

        def fill(first: int, last: int) -> None:
            for index in range(first, last):
                row, cached_row = result[index], cached_rows.get(self.parts[index])
                if cached_row is None:
                    self._compute(index, row)
                else:
                    row[: len(cached_row)] = cached_row

        in_chunks([fill], self._fingerprinted, 1)
        return result

    def _compute(self, index: int, out: Numbers) -> None:
        segment, (_, sessions) = self._segments[index], self.parts[index]
        days = [day.toordinal() for day in self._history.dates[segment.first :][:sessions]]
        cpu.fingerprint(segment.values, np.array(days, dtype=np.int64), out)

    def changed_columns(self, cached: CachedResults, fingerprints: Numbers) -> NDArray[np.bool_]:
        """Return which columns hold other bars than those that `cached` was computed from."""
        old_parts, new_parts = set(cached.parts), set(self.parts)
        removed = [index for index, part in enumerate(cached.parts) if part not in new_parts]
        added = [index for index, part in enumerate(self.parts) if part not in old_parts]
        columns = fingerprints.shape[1]
        if cached.fingerprints.shape[1] > columns or max(removed, default=-1) >= len(
            cached.fingerprints
        ):
            return np.ones(columns, dtype=bool)
        if max(added, default=-1) >= len(fingerprints):
            return np.ones(columns, dtype=bool)
        difference = fingerprints[added].sum(axis=0)
        difference[: cached.fingerprints.shape[1]] -= cached.fingerprints[removed].sum(axis=0)
        return self._add_successors(difference != 0)

    def _add_successors(self, changed_columns: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Add the columns whose earlier bars are in a changed column."""
        result = changed_columns.copy()
        for column, moves in self._history.moves.items():
            if any(before >= 0 and changed_columns[before] for _, before in moves):
                result[column] = True
        return result


_ROUNDS: Final = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
_SHIFT: Final = np.uint64(33)


def adjustment_hashes(history: History, columns: NDArray[np.int64], adjust: Adjust) -> Numbers:
    """Return a hash per column: equal if its ticker changes and adjustment factors are equal."""
    changes = Adjustments(history, columns, adjust).changes
    hashes = np.zeros(len(columns), dtype=np.uint64)
    if not changes:
        return hashes
    position, session, before, price, volume = zip(*changes, strict=True)
    # A session is hashed by its day: its number changes if an earlier session is stored later.
    days = [history.dates[index].toordinal() for index in session]
    mixed = np.zeros(len(changes), dtype=np.uint64)
    for part in (days, before):
        mixed = _mix(mixed + np.array(part, dtype=np.int64).view(np.uint64))
    for factor in (price, volume):
        mixed = _mix(mixed + np.array(factor, dtype=np.float64).view(np.uint64))
    np.add.at(hashes, np.array(position), mixed)
    return hashes


def _mix(numbers: Numbers) -> Numbers:
    """MurmurHash3's finalizer (Appleby), as in kernels/bars/fingerprints.hpp."""
    for factor in _ROUNDS:
        numbers = (numbers ^ (numbers >> _SHIFT)) * np.uint64(factor)
    return numbers ^ (numbers >> _SHIFT)
