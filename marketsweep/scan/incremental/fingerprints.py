"""Which symbols' data differs from what a result was worked out from, without gathering a panel.

1. Segments are immutable: one that is still there under its name has not changed (`Stand.parts`).
2. Of the newest ones, which corrections and new bars replace, each column has a fingerprint; what
   came and what went do not add up to the same where a column differs (`Stand.changed`).
3. Moves, splits and dividends are told by one number of each symbol (`changes_of`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import Adjust, History, Past, in_chunks
from marketsweep.kernels import cpu
from marketsweep.scan.incremental.cache import Kept, Part

Numbers = NDArray[np.uint64]


class Stand:
    """The bars that a history holds, as files and as fingerprints of what is in them.

    `parts` are its segments, the newest first; those that `depth` bars come from have fingerprints.
    """

    def __init__(self, history: History, depth: int) -> None:
        self._history = history
        stored, sessions = history.snapshot.segments.parts, len(history.dates)
        self._segments = [one for one in reversed(stored) if one.first < sessions]
        self.parts: list[Part] = [
            (one.path.name, min(one.count, sessions - one.first)) for one in self._segments
        ]
        reached = history.reached(depth)
        self._marked = sum(one.end > reached for one in self._segments)

    def marks(self, kept: Kept) -> Numbers:
        """Fingerprints of the newest parts, [parts, columns]; taken over where they are kept."""
        shape = self._marked, len(self._history.snapshot.symbols)
        if kept.parts == self.parts and kept.marks.shape == shape:
            return kept.marks
        known = dict(zip(kept.parts, kept.marks, strict=False))
        found = np.zeros(shape, dtype=np.uint64)

        def fill(first: int, last: int) -> None:
            for place in range(first, last):
                row, before = found[place], known.get(self.parts[place])
                if before is None:
                    self._add(place, row)
                else:
                    row[: len(before)] = before

        in_chunks([fill], self._marked, 1)
        return found

    def _add(self, place: int, sums: Numbers) -> None:
        segment, (_, sessions) = self._segments[place], self.parts[place]
        days = [day.toordinal() for day in self._history.dates[segment.first :][:sessions]]
        cpu.fingerprint(segment.values, np.array(days, dtype=np.int64), sums)

    def changed(self, kept: Kept, marks: Numbers) -> NDArray[np.bool_]:
        """Which columns hold other bars than those that `kept` was worked out from."""
        held, holding = set(kept.parts), set(self.parts)
        went = [place for place, part in enumerate(kept.parts) if part not in holding]
        came = [place for place, part in enumerate(self.parts) if part not in held]
        columns = marks.shape[1]
        if kept.marks.shape[1] > columns or max(went, default=-1) >= len(kept.marks):
            return np.ones(columns, dtype=bool)
        if max(came, default=-1) >= len(marks):
            return np.ones(columns, dtype=bool)
        difference = marks[came].sum(axis=0)
        difference[: kept.marks.shape[1]] -= kept.marks[went].sum(axis=0)
        return self._followed(difference != 0)

    def _followed(self, changed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """With the columns whose earlier bars stand in one that changed."""
        found = changed.copy()
        for column, moves in self._history.moves.items():
            if any(before >= 0 and changed[before] for _, before in moves):
                found[column] = True
        return found


_ROUNDS: Final = (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53)
_SHIFT: Final = np.uint64(33)


def changes_of(history: History, columns: NDArray[np.int64], adjust: Adjust) -> Numbers:
    """A number of each column: equal where its moves and factors are, whatever else is stored."""
    changes = Past(history, columns, adjust).changes
    found = np.zeros(len(columns), dtype=np.uint64)
    if not changes:
        return found
    position, session, before, price, volume = zip(*changes, strict=True)
    # A session by its day: it gets another number where one before it is stored later.
    days = [history.dates[one].toordinal() for one in session]
    mixed = np.zeros(len(changes), dtype=np.uint64)
    for part in (days, before):
        mixed = _mixed(mixed + np.array(part, dtype=np.int64).view(np.uint64))
    for factor in (price, volume):
        mixed = _mixed(mixed + np.array(factor, dtype=np.float64).view(np.uint64))
    np.add.at(found, np.array(position), mixed)
    return found


def _mixed(numbers: Numbers) -> Numbers:
    """MurmurHash3's finalizer (Appleby), as in kernels/bars/fingerprints.hpp."""
    for factor in _ROUNDS:
        numbers = (numbers ^ (numbers >> _SHIFT)) * np.uint64(factor)
    return numbers ^ (numbers >> _SHIFT)
