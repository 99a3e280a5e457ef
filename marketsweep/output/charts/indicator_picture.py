"""Draw an indicator over made bars: as a small SVG picture, and as dots in a terminal."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import sessions_in_range
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.serial import run
from marketsweep.engine.panel.panel import Panel, panel_of_bars
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.engine.units import default_calls
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.tree import Node
from marketsweep.output.charts.panes import PRICE, guides_of, home, shapes_of
from marketsweep.output.charts.paths import Scale, candles, polyline, vertical_lines

Bars = Mapping[str, NDArray[np.float64]]
"""The fields of some bars, float64 [bars] each, oldest first."""

_MADE: Final = 900
_FIRST, _LAST = dt.date(2000, 1, 3), dt.date(2016, 12, 30)
SHOWN: Final = 120
"""Bars of a picture."""

_STEP: Final = 3.0
_WIDTH: Final = SHOWN * _STEP
_PRICE_HEIGHT: Final = 80.0
_BELOW_HEIGHT: Final = 44.0
_GAP: Final = 6.0

_STYLE: Final = (
    "path{fill:none;stroke-width:1;stroke:#8a8f98}"
    ".c0{stroke:#2f6fed}.c1{stroke:#d9730d}.c2{stroke:#0b8f6a}.c3{stroke:#a347d1}"
    ".c4{stroke:#c03a55}.c5{stroke:#7a6a00}.up{stroke:#0b8f6a}.down{stroke:#c03a55}"
    ".guide{stroke-dasharray:2 3;opacity:.6}.bars{stroke-width:2}"
    ".found{stroke:#2f6fed;stroke-width:5;opacity:.25}"
)


class Curve(NamedTuple):
    """An output of an indicator over some bars, and the expression that it is."""

    node: Node
    values: NDArray[np.float64]


def made_bars() -> dict[str, NDArray[np.float64]]:
    """Return bars that rise, fall, rest and jump; always the same."""
    moves = [0.018 * shock + 0.005 * math.sin(i / 7) for i, shock in enumerate(_shocks(_MADE))]
    close = np.round(50 * np.exp(np.fromiter(accumulate(moves), np.float64)), 2)
    gaps, above, below, crowd = (
        np.fromiter(_shocks(_MADE, seed), np.float64) for seed in (11, 23, 37, 53)
    )
    before = np.concatenate([close[:1], close[:-1]])
    opened = np.round(before * (1 + 0.004 * gaps), 2)
    high = np.round(np.maximum(opened, close) * (1 + 0.006 * np.abs(above)), 2)
    low = np.round(np.minimum(opened, close) * (1 - 0.006 * np.abs(below)), 2)
    volume = np.round(1e6 * np.exp(0.3 * crowd) * (1 + 20 * np.abs(close / before - 1)))
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def curves_of(row: Indicator, bars: Bars) -> list[Curve]:
    """Return the outputs of an indicator with its defaults, without those that measure others."""
    calls = [node for name, node in default_calls(row).items() if name not in row.measures]
    plan = make_plan(calls, rows=len(bars["close"]))
    days = sessions_in_range(_FIRST, _LAST)[-len(bars["close"]) :]
    panel = panel_of_bars("MADE", bars, days)
    columns = evaluate(plan, panel, run, _no_other_symbol)
    return [Curve(node, column[:, 0]) for node, column in zip(calls, columns, strict=True)]


def have_values(curves: Sequence[Curve]) -> bool:
    """Return whether a picture would show any of the curves: a price may have no arcsine."""
    return any(np.isfinite(values[-SHOWN:]).any() for _, values in curves)


def picture_of(curves: Sequence[Curve], bars: Bars, shown: int = SHOWN) -> str:
    """Return a picture of curves as a whole SVG file: with the price, or below it."""
    bars = {name: values[-shown:] for name, values in bars.items()}
    curves = [Curve(node, values[-shown:]) for node, values in curves]
    beside = [curve for curve in curves if home(curve.node) == PRICE]
    below = [curve for curve in curves if home(curve.node) != PRICE]
    x = (np.arange(shown, dtype=np.float64) + 0.5) * (_WIDTH / shown)
    scale = Scale([bars["close"], *(curve.values for curve in beside)], 2, _PRICE_HEIGHT)
    paths = [("", polyline(x, scale(bars["close"])))]
    paths += [(f"c{i % 6}", polyline(x, scale(curve.values))) for i, curve in enumerate(beside)]
    height = _PRICE_HEIGHT
    if below:
        height += _GAP + _BELOW_HEIGHT
        paths += _lower_paths(x, below, _PRICE_HEIGHT + _GAP, height, len(beside))
    return _svg(paths, height)


def _lower_paths(
    x: NDArray[np.float64], curves: Sequence[Curve], top: float, bottom: float, first: int
) -> Iterator[tuple[str, str]]:
    nodes = [curve.node for curve in curves]
    values = [curve.values for curve in curves]
    has_bars = "bars" in shapes_of(nodes)
    scale = Scale([*values, *([np.zeros(1)] if has_bars else [])], top, bottom)
    for guide in guides_of(nodes):
        if not scale.low <= guide <= scale.high:
            continue
        yield "guide", polyline(x[[0, -1]], scale(np.array([guide, guide])))
    for i, (curve, shape) in enumerate(zip(curves, shapes_of(nodes), strict=True), start=first):
        y = scale(curve.values)
        if shape == "bars":
            yield f"bars c{i % 6}", vertical_lines(x, y, scale(np.zeros(len(x))))
        else:
            yield f"c{i % 6}", polyline(x, y)


def pattern_picture(bars: Bars, marked: NDArray[np.bool_]) -> str:
    """Return a picture of candles as a whole SVG file, with a mark where a pattern was found."""
    step = _WIDTH / len(marked)
    x = (np.arange(len(marked), dtype=np.float64) + 0.5) * step
    scale = Scale([bars["low"], bars["high"]], 4, _PRICE_HEIGHT - 4)
    paths = [("found", vertical_lines(x[marked], 0.0, _PRICE_HEIGHT))]
    paths += candles(x, scale, bars)
    return _svg(paths, _PRICE_HEIGHT, f".body{{stroke-width:{0.6 * step:.1f}}}")


def _svg(paths: Sequence[tuple[str, str]], height: float, style: str = "") -> str:
    elements = "".join(
        f'<path class="{name}" d="{path}"/>\n' if name else f'<path d="{path}"/>\n'
        for name, path in paths
        if path
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" '
        f'width="{_WIDTH:g}" height="{height:g}">\n<style>{_STYLE}{style}</style>\n'
        f"{elements}</svg>\n"
    )


def _no_other_symbol(symbol: str, plan: Plan) -> Panel:
    raise AssertionError(f"{symbol} in the default call of an indicator, of {plan}")


def _shocks(count: int, seed: int = 7) -> Iterator[float]:
    """Yield numbers from -2 to 2, mostly near 0: sums of a linear congruential generator."""
    state = seed
    for _ in range(count):
        total = 0.0
        for _ in range(4):
            state = (1_103_515_245 * state + 12_345) % 2**31
            total += state / 2**31
        yield total - 2.0
