"""Price levels that break overnight: decimal slips, wrong instruments, missing splits.

1. Splits that count are applied, so that the remaining breaks are unexplained (`_Series`).
2. A jump is a bar whose open and close are both far from the close before (`_jumps`).
3. A jump that a later one undoes is a decimal slip, or bars of another instrument (`_excursion`).
4. A jump that stays without unusual trading is a split that was not reported, or another instrument
   that has not left yet (`_lasting_break`). A jump with unusual trading is news.

The thresholds are calibrated on the market of 2016; docs/guide/quality.md has the figures.
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
from marketsweep.quality.series import LOT, NEIGHBORS, BarSeries

_MIN_JUMP: Final = log(1.4)
"""Smallest jump, in logs: just below the smallest common split, 3 for 2."""

_MIN_REVERSE: Final = log(1.7)
"""Smallest rise, in logs, that may be a reverse split: below 1 for 2, as quotes are never exact."""

_FORWARD_TOLERANCES: Final = {1.5: 0.03} | dict.fromkeys((2.0, *range(3, 11)), 0.06)
"""Ratio of a forward split to how far from it, in logs, the first open and close may be."""

_SEASONING_BARS: Final = 5
"""Bars until a listing is known: the first ones may fall for many reasons."""

_MIN_RANGE_RATIO: Final = 1.14
"""The higher range's low over the lower one's high, before and after a split, at least."""

_MIN_FOREIGN_RATIO: Final = 1.25
"""The ranges of another instrument, at least: its price is twice as high, or half as high."""

_UNDO_TOLERANCE: Final = log(1.25)
"""A jump is undone by one that is this near to its inverse, in logs."""

_MAX_EXCURSION: Final = 252
"""Most bars of another instrument: one that stays for a year has the ticker."""

_SLIP_BARS: Final = 3
_MAX_SLIP: Final = 0.06
"""How far the ratio of a slip may be from a power of ten, in decimal logs."""

_SHARES_OF_NEWS: Final = 5.0
_DOLLARS_OF_NEWS: Final = 4.0
_DOLLARS_OF_A_SPLIT: Final = 0.3
_DOLLARS_OF_ANOTHER: Final = 0.1
"""Share of the usual dollar volume of the bars before."""

_REVERSE_RATIOS: Final = (
    *(2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 75, 80, 100, 150, 200),
)
"""Old shares for one, to name a gap by the nearest ratio; any other is possible."""


class Kind(Enum):
    """The kind of a break."""

    SLIP = "decimal slip"
    OTHER = "wrong instrument"
    SPLIT = "missing split"


class Break(Struct, frozen=True):
    """A price level that changed without a stored reason, in bars `first` to `last`."""

    kind: Kind
    column: int
    first: int
    last: int
    evidence: str


def find_breaks(bars: BarSeries) -> Iterator[Break]:
    """Yield every unexplained break of a price level, by symbol and bar.

    `bars` have possible prices only (`series.replace_impossible`).
    """
    factors = np.ones(bars.session.shape)
    for column, splits in enumerate(bars.splits):
        for entry in splits:
            factors[entry.row, column] *= entry.split.factor
    columns, rows = _jumps(bars, factors)
    # np.unique imports all of numpy.ma, which takes longer than a scan.
    for column in dict.fromkeys(columns.tolist()):
        jumps = rows[columns == column].tolist()
        yield from _Series(bars, factors[:, column], column, jumps).breaks()


def _jumps(
    bars: BarSeries, factors: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return columns and rows of the bars that open and close far from the close before.

    Open and close are both above that close, or both below it.
    """
    before = bars.values[CLOSE, :-1] * factors[1:]
    gap, move = log(bars.values[[OPEN, CLOSE], 1:] / before)
    is_jump = (np.minimum(gap, move) >= _MIN_JUMP) | (np.maximum(gap, move) <= -_MIN_JUMP)
    columns, rows = np.nonzero(is_jump.T)
    return columns, rows + 1


class _Series:
    """The bars of one symbol, with reported splits applied, and the rows of its jumps."""

    def __init__(
        self, bars: BarSeries, factors: NDArray[np.float64], column: int, jumps: list[int]
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
        """Yield the breaks among the jumps; a break that is undone includes the jumps inside it."""
        next_row = 0
        for i, row in enumerate(self.jumps):
            if row < next_row:
                continue
            later = self.jumps[i + 1 : bisect_right(self.jumps, row + _MAX_EXCURSION)]
            end = next((jump for jump in later if self._undoes(row, jump)), None)
            price_break = self._excursion(row, end) if end is not None else None
            if price_break and end is not None:
                next_row = end + 1
            else:
                price_break = self._lasting_break(row)
            if price_break:
                yield price_break

    def _undoes(self, row: int, later: int) -> bool:
        """Return whether a later jump is the inverse of a jump; the price may drift in between."""
        jump = log(self.open[row] / self.close[row - 1])
        later_jump = log(self.open[later] / self.close[later - 1])
        return bool(abs(jump + later_jump) <= _UNDO_TOLERANCE)

    def _excursion(self, row: int, end: int) -> Break | None:
        """Return the bars from `row` up to `end` as a slip or another instrument, else None."""
        inside = self.close[row:end]
        outside = np.sqrt(self.close[row - 1] * self.close[end])
        power = np.round(log10(np.median(inside) / outside))
        errors = np.abs(np.log10(inside / outside) - power)
        if end - row <= _SLIP_BARS and abs(power) in (1, 2) and (errors <= _MAX_SLIP).all():
            return self._break(
                Kind.SLIP,
                row,
                end - 1,
                f"{_count(end - row)} at {_times(10.0**power)} of its neighbours: {self._turn(row)}"
                f", {self._turn(end)}",
            )
        ratio = min(
            _range_ratio(
                self.low, self.high, self._before(row), slice(row, min(end, row + NEIGHBORS))
            ),
            _range_ratio(
                self.low, self.high, slice(max(row, end - NEIGHBORS), end), self._after(end)
            ),
        )
        if ratio < _MIN_FOREIGN_RATIO or not self._is_double(row) or self._is_news(row):
            return None
        return self._break(
            Kind.OTHER,
            row,
            end - 1,
            f"{_count(end - row)} at another level, there and back: {self._turn(row)}, "
            f"{self._turn(end)}; {self._trade(row, slice(row, end))}",
        )

    def _lasting_break(self, row: int) -> Break | None:
        """Return a break that is not undone as a split or another instrument, else None."""
        before, after = self._before(row), self._after(row)
        ratio = _range_ratio(self.low, self.high, before, after)
        gap = log(self.open[row] / self.close[row - 1])
        dollars = self._dollar_ratio(row, after)
        if (
            gap < 0
            and ratio >= _MIN_FOREIGN_RATIO
            and self._is_double(row)
            and dollars <= _DOLLARS_OF_ANOTHER
        ):
            return self._other_instrument(row)
        is_thin = min(np.median(self.volume[before]), np.median(self.volume[after])) < LOT
        if ratio < _MIN_RANGE_RATIO or is_thin or self._is_news(row):
            return None
        split_text = self._reverse_split(gap) if gap > 0 else self._forward_split(row, gap)
        if split_text is None:
            return None
        return self._break(
            Kind.SPLIT,
            row,
            row,
            f"{self._turn(row)}, {np.exp(gap):.4g} times, about {split_text}; "
            f"{self._trade(row, after)}; before {self._range(row, before)}, "
            f"since {self._range(row, after)}",
        )

    def _reverse_split(self, gap: float) -> str | None:
        """Return the reverse split that a rise is closest to, as text: 1-for-10."""
        if gap < _MIN_REVERSE:
            return None
        ratio = min(_REVERSE_RATIOS, key=lambda candidate: abs(log(candidate) - gap))
        return "2-for-5" if ratio == 2.5 else f"1-for-{ratio}"

    def _forward_split(self, row: int, gap: float) -> str | None:
        """Return the forward split that a fall matches exactly, as text: 2-for-1."""
        ratio = min(_FORWARD_TOLERANCES, key=lambda candidate: abs(log(candidate) + gap))
        move = log(self.close[row] / self.close[row - 1])
        error = max(abs(gap + log(ratio)), abs(move + log(ratio)))
        dollars = self._dollar_ratio(row, slice(row, row + 1))
        if (
            error > _FORWARD_TOLERANCES[ratio]
            or row < _SEASONING_BARS
            or dollars < _DOLLARS_OF_A_SPLIT
        ):
            return None
        return "3-for-2" if ratio == 1.5 else f"{ratio:g}-for-1"

    def _other_instrument(self, row: int) -> Break:
        """Return the bars since a break, or those before it at the start of a listing."""
        start, end = self._level_before(row), self._level_after(row)
        evidence = f"{self._turn(row)}, and has not returned; {self._trade(row, self._after(row))}"
        if start == 0 and row < min(_SEASONING_BARS, end - row):
            return self._break(Kind.OTHER, 0, row - 1, evidence)
        return self._break(Kind.OTHER, row, min(end, row + _MAX_EXCURSION) - 1, evidence)

    def _level_before(self, row: int) -> int:
        """Return the row at which the level before a jump begins."""
        place = bisect_left(self.jumps, row)
        return self.jumps[place - 1] if place else 0

    def _level_after(self, row: int) -> int:
        """Return the row at which the level after a jump ends."""
        place = bisect_right(self.jumps, row)
        return self.jumps[place] if place < len(self.jumps) else self.count

    def _before(self, row: int) -> slice:
        """Return up to ten bars of the level before a jump."""
        return slice(max(self._level_before(row), row - NEIGHBORS), row)

    def _after(self, row: int) -> slice:
        """Return up to ten bars of the level after a jump."""
        return slice(row, min(self._level_after(row), row + NEIGHBORS))

    def _is_double(self, row: int) -> bool:
        return bool(abs(log(self.open[row] / self.close[row - 1])) >= log(2.0))

    def _is_news(self, row: int) -> bool:
        """Return whether trading was unusual: many more shares, or dollars if the price fell."""
        if self.close[row] > self.close[row - 1]:
            usual = float(np.median(self.volume[self._before(row)]))
            return bool((self.volume[row] + LOT) / (usual + LOT) >= _SHARES_OF_NEWS)
        return self._dollar_ratio(row, slice(row, row + 1)) >= _DOLLARS_OF_NEWS

    def _dollar_ratio(self, row: int, bars: slice) -> float:
        """Return the median dollar volume of bars over that of the bars before a row."""
        dollars = self.close * (self.volume + LOT)
        return float(np.median(dollars[bars]) / np.median(dollars[self._before(row)]))

    def _turn(self, row: int) -> str:
        before, now = self.close[row - 1] * self.scale[row], self.open[row] * self.scale[row]
        return f"from {before:,.4g} to {now:,.4g}"

    def _trade(self, row: int, bars: slice) -> str:
        medians = (np.median(self.volume[part]) for part in (self._before(row), bars))
        before, after = (float(volume) / self.scale[row] for volume in medians)
        return f"shares a day {before:,.0f}, then {after:,.0f}"

    def _range(self, row: int, bars: slice) -> str:
        low, high = self.low[bars].min(), self.high[bars].max()
        return f"{low * self.scale[row]:,.4g} to {high * self.scale[row]:,.4g}"

    def _break(self, kind: Kind, first: int, last: int, evidence: str) -> Break:
        return Break(kind, self.column, first, last, evidence)


def _range_ratio(
    low: NDArray[np.float64], high: NDArray[np.float64], first: slice, second: slice
) -> float:
    """Return the higher range's low over the lower range's high; above 1 if they are apart."""
    return float(max(low[first].min() / high[second].max(), low[second].min() / high[first].max()))


def _count(bars: int) -> str:
    return "a bar" if bars == 1 else f"{bars:,} bars"


def _times(factor: float) -> str:
    return f"{factor:g} times" if factor >= 1 else f"1/{1 / factor:g}"
