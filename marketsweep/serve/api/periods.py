"""Merge the daily bars of a chart to weeks or months."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from marketsweep.output.charts.drawing import Drawing

Interval = Literal["day", "week", "month"]

_PERIODS: Final[dict[Interval, Callable[[dt.date], tuple[int, int]]]] = {
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
}


def merged(drawing: Drawing, interval: Interval) -> Drawing:
    """Return a chart with a bar for each calendar week (Monday to Sunday) or month.

    A bar has the first open, the highest high, the lowest low, the last close and the whole volume,
    and the date of its last session. A line has its value of that session: indicators stay those of
    daily bars, as in the condition. The condition holds in a period if it does on one of its days.
    The first bar may lack the days before the first daily bar.
    """
    if interval == "day" or not drawing.days:
        return drawing
    periods = [_PERIODS[interval](day) for day in drawing.days]
    first = np.array([n for n, of in enumerate(periods) if n == 0 or of != periods[n - 1]])
    last = np.append(first[1:], len(periods)) - 1
    bars = drawing.bars
    return replace(
        drawing,
        days=[drawing.days[n] for n in last],
        holes=[],
        bars={
            "open": bars["open"][first],
            "high": np.maximum.reduceat(bars["high"], first),
            "low": np.minimum.reduceat(bars["low"], first),
            "close": bars["close"][last],
            "volume": np.add.reduceat(bars["volume"], first),
        },
        held=None if drawing.held is None else _any(drawing.held, first),
        panes=[
            replace(pane, lines=[replace(line, values=line.values[last]) for line in pane.lines])
            for pane in drawing.panes
        ],
    )


def _any(held: NDArray[np.float64], first: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return 1 where a day of the period is 1, 0 where all known days are 0, else NaN."""
    return np.fmax.reduceat(held, first)
