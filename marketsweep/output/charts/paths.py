"""Scale values to a picture, and write them as SVG paths."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


class Scale:
    """Maps values to heights in a picture, where y grows downwards."""

    def __init__(self, values: Sequence[NDArray[np.float64]], top: float, bottom: float) -> None:
        finite = np.concatenate(values)
        finite = finite[np.isfinite(finite)]
        self.low = float(finite.min(initial=np.inf)) if len(finite) else 0.0
        span = (float(finite.max()) - self.low) if len(finite) else 0.0
        self.high = self.low + span
        self.bottom = bottom
        # A constant line is at the bottom, and so is a span too large for floats.
        self.unit = (bottom - top) / span if 0.0 < span < math.inf else 0.0

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the heights of values."""
        return self.bottom - (values - self.low) * self.unit


def vertical_lines(
    x: NDArray[np.float64],
    top: NDArray[np.float64] | float,
    bottom: NDArray[np.float64] | float,
) -> str:
    """Return vertical lines as one path."""
    tops, bottoms = np.broadcast_to(top, x.shape), np.broadcast_to(bottom, x.shape)
    return "".join(
        f"M{at:g} {high:.1f}V{low:.1f}"
        for at, high, low in zip(x.tolist(), tops.tolist(), bottoms.tolist(), strict=True)
        if math.isfinite(high + low)
    )


def candles(
    x: NDArray[np.float64], y: Scale, bars: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[str, str]]:
    """Yield the path of each class of candles: `up` and `down` are wicks, `up body` the bodies."""
    up = bars["close"] >= bars["open"]
    for name, chosen in (("up", up), ("down", ~up)):
        opened, high, low, close = (
            y(bars[field][chosen]) for field in ("open", "high", "low", "close")
        )
        yield name, vertical_lines(x[chosen], high, low)
        # If the close equals the open, the body is a dash.
        top, bottom = np.minimum(opened, close) - 0.4, np.maximum(opened, close) + 0.4
        yield f"{name} body", vertical_lines(x[chosen], top, bottom)


def polyline(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Return the points as one path, with gaps where a value is unknown."""
    return "".join(_points(x, y))


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> Iterator[str]:
    command = "M"
    for at, height in zip(x.tolist(), y.tolist(), strict=True):
        if math.isfinite(height):
            yield f"{command}{at:g} {height:.1f}"
            command = "L"
        else:
            command = "M"
