"""Told splits that the price does not show on their ex-dates: premature, repeated, another's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy import log

from marketsweep.fields import CLOSE, OPEN
from marketsweep.own_bars import AROUND, OwnBars, Told

_JUDGED: Final = log(1.25)
"""Smaller told splits, as of spin-offs, are lost among ordinary moves."""


@dataclass(frozen=True, slots=True)
class Unshown:
    """A told split whose ex-date passed without a trace in the price."""

    column: int
    told: Told
    move: float
    """What the price was multiplied by on the ex-date."""
    instead: int | None
    """The bar within ten of it where the price did move so."""


def unshown_splits(bars: OwnBars) -> list[Unshown]:
    """The told splits that possible bars (`own_bars.possible`) do not show on their ex-dates."""
    found = []
    for column, told in enumerate(bars.splits):
        for one in told:
            size = log(one.split.factor)
            gap, move = _move(bars, one.row, column)
            # Half of the way is nearer to a split than to none.
            if abs(size) >= _JUDGED and max(gap / size, move / size) < 0.5:
                instead = _instead(bars, column, one)
                found.append(Unshown(column, one, float(np.exp(move)), instead))
    return found


def _move(bars: OwnBars, row: int, column: int) -> tuple[float, float]:
    """Logs of open and close over the close before."""
    before = bars.values[CLOSE, row - 1, column]
    gap, move = log(bars.values[[OPEN, CLOSE], row, column] / before)
    return float(gap), float(move)


def _instead(bars: OwnBars, column: int, told: Told) -> int | None:
    explained = {one.row for one in bars.splits[column] if one is not told}
    size = log(told.split.factor)
    first = max(1, told.row - AROUND)
    for row in range(first, min(int(bars.count[column]), told.row + AROUND + 1)):
        gap, _ = _move(bars, row, column)
        if row not in explained and abs(gap / size - 1.0) < 0.5:
            return row
    return None
