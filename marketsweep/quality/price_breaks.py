"""Price levels that break overnight: decimal slips, wrong instruments, missing splits.

1. Splits that count are applied, so that what is left over is unexplained (`_Series`).
2. A jump is a bar whose open and close are both far from the close before (`_jumps`).
3. A jump that a later one undoes is a decimal slip, or another instrument's bars (`_excursion`).
4. One that stays, though trading did not take notice, is a split that was not told, or another
   instrument that has not left yet (`_lasting`). News is what takes the market's notice.

The thresholds come from the market of 2016; docs/guide/quality.md has the figures.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import Enum
from typing import Final

import numpy as np
from msgspec import Struct
from numpy import log, log10
from numpy.typing import NDArray

from marketsweep.core.fields import CLOSE, OPEN, VOLUME
from marketsweep.quality.series import AROUND, LOT, OwnBars

_JUMP: Final = log(1.4)
"""Below the smallest common split, 3 for 2."""

_REVERSE: Final = log(1.7)
"""Reverse splits are 1 for 2 or more, and never exact: these quotes move 10% overnight."""

_FORWARD: Final = {1.5: 0.03} | dict.fromkeys((2.0, *range(3, 11)), 0.06)
"""New shares for one, and how far from it, in logs, open and close of the first bar may be."""

_SEASONED: Final = 5
"""Bars until a listing is known: its first ones fall for many reasons, and may be another's."""

_APART: Final = 1.14
"""The prices before and after a split do not overlap: the higher lowest over the lower highest."""

_STRANGE: Final = 1.25
"""As `_APART`, for another instrument: its price is at least twice or at most half as high."""

_INVERSE: Final = log(1.25)
"""As near as this to its inverse a jump is undone."""

_LONGEST: Final = 252
"""Bars. An instrument that stays for a year has the ticker; 276 tickers changed hands."""

_SLIP_BARS: Final = 3
_SLIP: Final = 0.06
"""How far from a power of ten, in decimal logs, a slip may be."""

_SHARES_OF_NEWS: Final = 5.0
_DOLLARS_OF_NEWS: Final = 4.0
_DOLLARS_OF_A_SPLIT: Final = 0.3
_DOLLARS_OF_ANOTHER: Final = 0.1
"""Part of the usual dollars of the bars before."""

_REVERSE_RATIOS: Final = (
    *(2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 75, 80, 100, 150, 200),
)
"""Old shares for one: any is possible, so these only name what an overnight gap is near to."""


class Kind(Enum):
    """What a break looks like."""

    SLIP = "decimal slip"
    OTHER = "wrong instrument"
    SPLIT = "missing split"


class Break(Struct, frozen=True):
    """A level that changed without a reason that is stored, in bars `first` to `last`."""

    kind: Kind
    column: int
    first: int
    last: int
    evidence: str


def find_breaks(bars: OwnBars) -> Iterator[Break]:
    """Every unexplained break of a price level, by symbol and bar.

    `bars` are possible ones (`series.possible`).
    """
    factors = np.ones(bars.session.shape)
    for column, told in enumerate(bars.splits):
        for one in told:
            factors[one.row, column] *= one.split.factor
    columns, rows = _jumps(bars, factors)
    # np.unique imports all of numpy.ma, which takes longer than a scan.
    for column in dict.fromkeys(columns.tolist()):
        jumps = rows[columns == column].tolist()
        yield from _Series(bars, factors[:, column], column, jumps).breaks()


def _jumps(
    bars: OwnBars, factors: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns and rows of the bars that open and close far from the close before, to one side."""
    before = bars.values[CLOSE, :-1] * factors[1:]
    gap, move = log(bars.values[[OPEN, CLOSE], 1:] / before)
    far = (np.minimum(gap, move) >= _JUMP) | (np.maximum(gap, move) <= -_JUMP)
    columns, rows = np.nonzero(far.T)
    return columns, rows + 1


class _Series:
    """One symbol's bars, told splits applied, and the rows of its jumps."""

    def __init__(
        self, bars: OwnBars, factors: NDArray[np.float64], column: int, jumps: list[int]
    ) -> None:
        count = int(bars.count[column])
        self.bars = bars
        self.column = column
        self.count = count
        self.jumps = jumps
        self.scale = np.cumprod(factors[:count])
        prices = bars.values[:VOLUME, :count, column] / self.scale
        self.open, self.high, self.low, self.close = prices
        self.volume = bars.values[VOLUME, :count, column] * self.scale

    def breaks(self) -> Iterator[Break]:
        """The breaks among the jumps; one that is undone takes those on its way with it."""
        passed = 0
        for place, row in enumerate(self.jumps):
            if row < passed:
                continue
            later = self.jumps[place + 1 : bisect_right(self.jumps, row + _LONGEST)]
            end = next((jump for jump in later if self._undoes(row, jump)), None)
            found = self._excursion(row, end) if end is not None else None
            if found and end is not None:
                passed = end + 1
            else:
                found = self._lasting(row)
            if found:
                yield found

    def _undoes(self, row: int, later: int) -> bool:
        """Whether a later jump is the inverse of this one; in between the price may drift."""
        there = log(self.open[row] / self.close[row - 1])
        back = log(self.open[later] / self.close[later - 1])
        return bool(abs(there + back) <= _INVERSE)

    def _excursion(self, row: int, end: int) -> Break | None:
        """The bars from `row` to `end` as a decimal slip or another instrument, else None."""
        inside = self.close[row:end]
        outside = np.sqrt(self.close[row - 1] * self.close[end])
        power = np.round(log10(np.median(inside) / outside))
        off = np.abs(np.log10(inside / outside) - power)
        if end - row <= _SLIP_BARS and abs(power) in (1, 2) and (off <= _SLIP).all():
            return self._break(
                Kind.SLIP,
                row,
                end - 1,
                f"{_count(end - row)} at {_times(10.0**power)} of its neighbours: {self._turn(row)}"
                f", {self._turn(end)}",
            )
        apart = min(
            _apart(self.low, self.high, self._before(row), slice(row, min(end, row + AROUND))),
            _apart(self.low, self.high, slice(max(row, end - AROUND), end), self._after(end)),
        )
        if apart < _STRANGE or not self._doubles(row) or self._is_news(row):
            return None
        return self._break(
            Kind.OTHER,
            row,
            end - 1,
            f"{_count(end - row)} at another level, there and back: {self._turn(row)}, "
            f"{self._turn(end)}; {self._trade(row, slice(row, end))}",
        )

    def _lasting(self, row: int) -> Break | None:
        """A break that nothing has undone as a split or another instrument; None for neither."""
        before, after = self._before(row), self._after(row)
        apart = _apart(self.low, self.high, before, after)
        gap = log(self.open[row] / self.close[row - 1])
        dollars = self._dollars(row, after)
        if gap < 0 and apart >= _STRANGE and self._doubles(row) and dollars <= _DOLLARS_OF_ANOTHER:
            return self._other(row)
        quoted = min(np.median(self.volume[before]), np.median(self.volume[after])) < LOT
        if apart < _APART or quoted or self._is_news(row):
            return None
        words = self._reverse(gap) if gap > 0 else self._forward(row, gap)
        if words is None:
            return None
        return self._break(
            Kind.SPLIT,
            row,
            row,
            f"{self._turn(row)}, {np.exp(gap):.4g} times, about {words}; "
            f"{self._trade(row, after)}; before {self._range(row, before)}, "
            f"since {self._range(row, after)}",
        )

    def _reverse(self, gap: float) -> str | None:
        """The reverse split that a rise is near to, in words: 1-for-10."""
        if gap < _REVERSE:
            return None
        old = min(_REVERSE_RATIOS, key=lambda one: abs(log(one) - gap))
        return "2-for-5" if old == 2.5 else f"1-for-{old}"

    def _forward(self, row: int, gap: float) -> str | None:
        """The forward split that a fall is exactly, in words: 2-for-1."""
        new = min(_FORWARD, key=lambda one: abs(log(one) + gap))
        move = log(self.close[row] / self.close[row - 1])
        off = max(abs(gap + log(new)), abs(move + log(new)))
        traded = self._dollars(row, slice(row, row + 1))
        if off > _FORWARD[new] or row < _SEASONED or traded < _DOLLARS_OF_A_SPLIT:
            return None
        return "3-for-2" if new == 1.5 else f"{new:g}-for-1"

    def _other(self, row: int) -> Break:
        """The bars since a break; or those before it, where they are the first few of a listing."""
        start, end = self._level_before(row), self._level_after(row)
        evidence = f"{self._turn(row)}, and has not come back; {self._trade(row, self._after(row))}"
        if start == 0 and row < min(_SEASONED, end - row):
            return self._break(Kind.OTHER, 0, row - 1, evidence)
        return self._break(Kind.OTHER, row, min(end, row + _LONGEST) - 1, evidence)

    def _level_before(self, row: int) -> int:
        """Where the level before a jump began."""
        place = bisect_left(self.jumps, row)
        return self.jumps[place - 1] if place else 0

    def _level_after(self, row: int) -> int:
        """Where the level that a jump led to ended."""
        place = bisect_right(self.jumps, row)
        return self.jumps[place] if place < len(self.jumps) else self.count

    def _before(self, row: int) -> slice:
        """Up to ten bars of the level before a jump."""
        return slice(max(self._level_before(row), row - AROUND), row)

    def _after(self, row: int) -> slice:
        """Up to ten bars of the level that a jump led to."""
        return slice(row, min(self._level_after(row), row + AROUND))

    def _doubles(self, row: int) -> bool:
        return bool(abs(log(self.open[row] / self.close[row - 1])) >= log(2.0))

    def _is_news(self, row: int) -> bool:
        """Whether the market took notice: many more shares, or dollars where the price fell."""
        if self.close[row] > self.close[row - 1]:
            usual = float(np.median(self.volume[self._before(row)]))
            return bool((self.volume[row] + LOT) / (usual + LOT) >= _SHARES_OF_NEWS)
        return self._dollars(row, slice(row, row + 1)) >= _DOLLARS_OF_NEWS

    def _dollars(self, row: int, bars: slice) -> float:
        """The dollar volume of some bars over that of the bars before a row, both medians."""
        traded = self.close * (self.volume + LOT)
        return float(np.median(traded[bars]) / np.median(traded[self._before(row)]))

    def _turn(self, row: int) -> str:
        before, now = self.close[row - 1] * self.scale[row], self.open[row] * self.scale[row]
        return f"from {before:,.4g} to {now:,.4g}"

    def _trade(self, row: int, bars: slice) -> str:
        traded = (np.median(self.volume[one]) for one in (self._before(row), bars))
        before, after = (float(volume) / self.scale[row] for volume in traded)
        return f"shares a day {before:,.0f}, then {after:,.0f}"

    def _range(self, row: int, bars: slice) -> str:
        low, high = self.low[bars].min(), self.high[bars].max()
        return f"{low * self.scale[row]:,.4g} to {high * self.scale[row]:,.4g}"

    def _break(self, kind: Kind, first: int, last: int, evidence: str) -> Break:
        return Break(kind, self.column, first, last, evidence)


def _apart(low: NDArray[np.float64], high: NDArray[np.float64], one: slice, other: slice) -> float:
    """The higher of two ranges' lowest price over the lower one's highest; above 1 where apart."""
    return float(max(low[one].min() / high[other].max(), low[other].min() / high[one].max()))


def _count(bars: int) -> str:
    return "a bar" if bars == 1 else f"{bars:,} bars"


def _times(factor: float) -> str:
    return f"{factor:g} times" if factor >= 1 else f"1/{1 / factor:g}"
