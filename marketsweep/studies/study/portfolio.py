"""Follow a portfolio that takes the events of a study as they come, at most so many at a time."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class Portfolio(Struct, frozen=True, eq=False):
    """The equity of a portfolio, beginning with 1, over the sessions of a study."""

    horizon: int
    positions: int
    """The most positions at the same time."""
    taken: int
    """Events that a position was opened for; the others found no free place."""
    first: int
    """Number of the first session."""
    equity: NDArray[np.float64]
    """At the close of each session."""
    benchmark: NDArray[np.float64] | None
    """What 1 in the benchmark is worth at the close of each session."""

    @property
    def gain(self) -> float:
        """The gain over all sessions, as a share."""
        return float(self.equity[-1]) - 1.0

    @property
    def drawdown(self) -> float:
        """The greatest loss from an earlier close, as a share below zero."""
        highest = np.maximum(1.0, np.maximum.accumulate(self.equity))
        return float((self.equity / highest - 1.0).min())


def choose_positions(entries: NDArray[np.int64], exits: NDArray[np.int64], most: int) -> list[int]:
    """Return the events that find a free place, in the order of their entries.

    `entries` and `exits` are numbers of sessions, -1 for an event without a return. A place is free
    from the session after the exit on.
    """
    free_from = np.full(most, -1, dtype=np.int64)
    chosen = []
    for event in np.argsort(entries, kind="stable").tolist():
        if exits[event] < 0 or entries[event] < 0:
            continue
        place = int(free_from.argmin())
        if free_from[place] <= entries[event]:
            free_from[place] = exits[event] + 1
            chosen.append(event)
    return chosen


def equity_of(
    entries: list[int],
    paths: list[NDArray[np.float64]],
    costs: list[float],
    most: int,
    sessions: range,
) -> NDArray[np.float64]:
    """Return the equity at the close of each session, beginning with 1.

    Position i is opened in session `entries[i]` with an equal part of the equity, and is worth
    `paths[i]` times that part at the close of each session from then on; at the last one it is
    sold, less its costs, a share of the part. Entries ascend.
    """
    cash, equity, opened = 1.0, 1.0, 0
    active: dict[int, float] = {}
    result = np.empty(len(sessions))
    for row, session in enumerate(sessions):
        while opened < len(entries) and entries[opened] == session:
            active[opened] = min(cash, equity / most)
            cash -= active[opened]
            opened += 1
        value = 0.0
        for position, part in list(active.items()):
            path, held = paths[position], session - entries[position]
            worth = part * float(path[held])
            if held == len(path) - 1:
                cash += worth - part * costs[position]
                del active[position]
            else:
                value += worth
        equity = cash + value
        result[row] = equity
    return result
