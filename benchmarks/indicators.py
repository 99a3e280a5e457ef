"""Every function of TA-Lib over all bars of the example market, against TA-Lib symbol by symbol.

`python -m benchmarks.indicators` prints the table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from inspect import unwrap
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import talib
import tulip_rs
from numpy.typing import NDArray
from talib.abstract import Function  # type: ignore[attr-defined]

from benchmarks import machine
from benchmarks.example import Example
from benchmarks.measure import Row, Samples, against, alternate, clocked
from marketsweep.cli.demo import AS_OF, REFERENCE_SCAN
from marketsweep.core.fields import FIELDS
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.kernels.cpu import TILE
from marketsweep.language.indicators.table import ALIASES, INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.market import open_market
from marketsweep.universe.screen import NO_SCREEN

_RUNS: Final = 5
_ONE: Final = Samples.of([1.0] * _RUNS, "")
_MOST: Final = 1 / 10
"""What the functions may take of the time of a TA-Lib loop, as a geometric mean."""
_MOST_OF_PATTERNS: Final = 5.0
_LENGTHS: Final = (5, 20, 50, 100, 200)
_OF_ANY_LENGTH: Final = ("sma", "wma", "stddev", "linearreg", "highest", "bars_since_highest")

# Calls of tulip-rs, by what computes the same here; it computes eight series at a time.
_TOGETHER: Final = 8
_TULIP: Final[dict[tuple[str, ...], tuple[str, list[float]]]] = {
    ("sma(30)",): ("sma", [30]),
    ("ema(30)",): ("ema", [30]),
    ("wma(30)",): ("wma", [30]),
    ("rsi(14)",): ("rsi", [14]),
    ("macd().macd", "macd().signal", "macd().hist"): ("macd", [12, 26, 9]),
    ("bbands(5).upper", "bbands(5).middle", "bbands(5).lower"): ("bbands", [5, 2]),
    ("stddev(close, 5)",): ("stddev", [5]),
    ("linearreg(14)",): ("linreg", [14]),
    ("highest(close, 30)",): ("max", [30]),
}

_Columns = dict[str, NDArray[np.float64]]


class Figures(NamedTuple):
    """The times of a function over all bars, and those of its peers beside it."""

    name: str
    ours: Samples
    bare: Samples
    """A loop over TA-Lib's function without the wrapper that tests for pandas and polars."""
    called: Samples
    """A loop over TA-Lib's function as a user calls it."""


def rows(example: Example) -> Iterator[Row]:
    """The functions one by one, their geometric means, and all patterns in one pass."""
    panel = _panel(example)
    symbols = _symbols(panel)
    figures = list(_figures(panel, symbols))
    bare = [figure.ours.per(figure.bare) for figure in figures]
    what = f"{len(figures)} functions of TA-Lib over all bars, one by one: geometric mean"
    yield against(what, _mean(bare), "TA-Lib loop", _ONE, _MOST)
    called = [figure.ours.per(figure.called) for figure in figures]
    yield against("the same", _mean(called), "loop of TA-Lib as users call it", _ONE)
    slowest = max(range(len(bare)), key=lambda i: bare[i].median)
    what = f"the slowest of them, {figures[slowest].name}"
    yield against(what, bare[slowest], "TA-Lib loop", _ONE, 1 / 3)
    yield _tulip(panel, symbols)
    yield _patterns(panel)


def _panel(example: Example) -> Panel:
    with open_market(example.store) as market, market.view() as view:
        plan = make_plan([parse_expression(f"sma({name}, 252)") for name in FIELDS], 252)
        return view.panel(AS_OF, NO_SCREEN, plan, "splits")


def _figures(panel: Panel, symbols: list[_Columns]) -> Iterator[Figures]:
    names = [name for name in _functions() if not name.startswith("CDL")]
    for name in names:
        function: Callable[..., Any] = getattr(talib, name)
        fields = _inputs(name)
        arguments = [[columns[field] for field in fields] for columns in symbols]
        plan = _plan(name, panel.rows)
        yield Figures(
            name,
            *alternate(
                _RUNS,
                clocked(partial(executor("threads"), plan, panel)),
                clocked(partial(_loop, unwrap(function), arguments)),
                clocked(partial(_loop, function, arguments)),
            ),
        )


def _loop(function: Callable[..., Any], arguments: list[list[Any]]) -> list[Any]:
    """Return what each call returns: like our values, they exist together at the end."""
    return [function(*columns) for columns in arguments]


def _mean(ratios: list[Samples]) -> Samples:
    """The geometric mean of ratios, run by run."""
    logarithms = [[math.log(value) for value in ratio.values] for ratio in ratios]
    means = (math.exp(sum(run) / len(run)) for run in zip(*logarithms, strict=True))
    return Samples.of(means, "")


def _tulip(panel: Panel, symbols: list[_Columns]) -> Row:
    closes = [columns["close"] for columns in symbols if len(columns["close"]) == panel.rows]
    closes = closes[: len(closes) // _TOGETHER * _TOGETHER]
    groups = [
        [[close] for close in closes[start : start + _TOGETHER]]
        for start in range(0, len(closes), _TOGETHER)
    ]
    whole = len(closes) / len(symbols)  # ours computes the others as well
    ratios = []
    for calls, (theirs, options) in _TULIP.items():
        plan = make_plan([parse_expression(call) for call in calls], panel.rows)
        function = getattr(tulip_rs.indicators, theirs).simd_by_assets
        ours, its = alternate(
            _RUNS,
            clocked(partial(executor("threads"), plan, panel)),
            clocked(partial(_loop, function, [[group, options] for group in groups])),
        )
        ratios.append(ours.scaled(whole).per(its))
    what = f"{len(ratios)} of them with the closes of {len(closes):,} symbols: geometric mean"
    return against(what, _mean(ratios), f"tulip-rs, {_TOGETHER} series at a time", _ONE)


def _patterns(panel: Panel) -> Row:
    names = [name for name in _functions() if name.startswith("CDL")]
    patterns = make_plan([parse_expression(f"{name.lower()}()") for name in names])
    reference = make_plan([parse_expression(REFERENCE_SCAN)])
    together, scan = alternate(
        _RUNS,
        *(clocked(partial(executor("threads"), plan, panel)) for plan in (patterns, reference)),
    )
    what = f"all {len(names)} candlestick patterns of the newest bar in one pass"
    return against(what, together, "the reference scan", scan, _MOST_OF_PATTERNS)


def _functions() -> list[str]:
    """The functions that are here."""
    names: list[str] = talib.get_functions()  # type: ignore[no-untyped-call]
    return [name for name in names if ALIASES.get(name.lower(), name.lower()) in INDICATORS]


def _inputs(name: str) -> list[str]:
    if name == "MAVP":
        return ["close", "volume"]  # its periods: numbers beyond the limits are as the limits
    fields: list[str] = []
    for value in Function(name).info["input_names"].values():
        fields += value if isinstance(value, list | tuple) else [value]
    return fields


def _plan(name: str, bars: int) -> Plan:
    row = INDICATORS[ALIASES.get(name.lower(), name.lower())]
    series = ", ".join(_inputs(name)[: row.series])
    outputs = Function(name).output_names
    if len(outputs) == 1:  # ours may have more
        outputs = [""]
    calls = [f"{name.lower()}({series}){f'.{output}' if output else ''}" for output in outputs]
    return make_plan([parse_expression(call) for call in calls], bars)


def _symbols(panel: Panel) -> list[_Columns]:
    matrices = {name: np.ascontiguousarray(panel.matrix(name).T) for name in FIELDS}
    return [
        {name: matrix[place, panel.rows - count :].copy() for name, matrix in matrices.items()}
        for place, count in enumerate(panel.bars.tolist())
    ]


def _lengths(panel: Panel) -> Iterator[tuple[str, list[float]]]:
    """The ns a bar of windows, by their length."""
    bars = int(panel.bars.sum())
    for name in _OF_ANY_LENGTH:
        plans = [make_plan([parse_expression(f"{name}(close, {n})")], 252) for n in _LENGTHS]
        samples = alternate(
            _RUNS, *(clocked(partial(executor("threads"), plan, panel)) for plan in plans)
        )
        yield name, [sample.median / bars * 1e9 for sample in samples]


def main() -> None:
    """Print the tables."""
    description, _, _ = (__doc__ or "").partition("\n")
    argparse.ArgumentParser(
        prog="python -m benchmarks.indicators", description=description
    ).parse_args()
    stolen = machine.Stolen()
    with tempfile.TemporaryDirectory(prefix="marketsweep-") as folder:
        panel = _panel(Example(Path(folder)))
        symbols = _symbols(panel)
    bars = int(panel.bars.sum())
    source = np.ones(panel.tiles * panel.rows * TILE)
    target = source.copy()
    (copied,) = alternate(_RUNS, clocked(lambda: np.copyto(target, source)))
    copy_ns = copied.median / bars * 1e9
    figures = list(_figures(panel, symbols))
    print(f"{len(figures)} functions; a copy of one field takes {copy_ns:.2f} ns a bar.\n")
    print("| function | ns a bar | copies | times TA-Lib | times TA-Lib as called |")
    print("| --- | --- | --- | --- | --- |")
    for figure in figures:
        ns = figure.ours.median / bars * 1e9
        bare, called = (1 / figure.ours.per(peer).median for peer in (figure.bare, figure.called))
        name = figure.name.lower()
        print(f"| `{name}` | {ns:.1f} | {ns / copy_ns:.1f} | {bare:.1f} | {called:.1f} |")
    print(f"\n| ns a bar, with windows of | {' | '.join(map(str, _LENGTHS))} |")
    print(f"| --- |{' --- |' * len(_LENGTHS)}")
    for name, times in _lengths(panel):
        print(f"| `{name}` | {' | '.join(f'{ns:.1f}' for ns in times)} |")
    print(f"\n{machine.described()}; {stolen}.")


if __name__ == "__main__":
    main()
