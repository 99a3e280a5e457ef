"""Every function of TA-Lib over all bars of the example market, against TA-Lib symbol by symbol."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from inspect import unwrap
from typing import Any, Final

import numpy as np
import talib
from numpy.typing import NDArray
from talib.abstract import Function  # type: ignore[attr-defined]

from benchmarks.example import Example
from benchmarks.measure import Row, Samples, against, alternate, clocked
from marketsweep.cli.demo import AS_OF, REFERENCE_SCAN
from marketsweep.core.fields import FIELDS
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.language.indicators.table import ALIASES, INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.market import open_market
from marketsweep.universe.screen import NO_SCREEN

_RUNS: Final = 3
_MOST: Final = 1 / 10
"""What the functions may take of the time of a TA-Lib loop, as a geometric mean."""
_MOST_OF_PATTERNS: Final = 5.0

_Columns = dict[str, NDArray[np.float64]]


def rows(example: Example) -> Iterator[Row]:
    """The functions one by one, their geometric mean, and all patterns in one pass."""
    with open_market(example.store) as market, market.view() as view:
        plan = make_plan([parse_expression(f"sma({name}, 252)") for name in FIELDS], 252)
        panel = view.panel(AS_OF, NO_SCREEN, plan, "splits")
    names = [name for name in _functions() if not name.startswith("CDL")]
    symbols = _symbols(panel)
    ratios: list[Samples] = []
    for name in names:
        ours, theirs = alternate(
            _RUNS,
            clocked(partial(executor("threads"), _plan(name, panel.rows), panel)),
            clocked(partial(_loop, name, symbols)),
        )
        ratios.append(ours.per(theirs))
        times = 1 / ratios[-1].median
        ns = ours.median / sum(len(columns["close"]) for columns in symbols) * 1e9
        print(f"{name:20} {times:7.1f} times faster, {ns:6.2f} ns a bar", file=sys.stderr)
    means = [
        math.exp(sum(math.log(ratio.values[run]) for ratio in ratios) / len(ratios))
        for run in range(_RUNS)
    ]
    what = f"{len(names)} functions of TA-Lib over all bars, one by one: geometric mean"
    one = Samples.of([1.0] * _RUNS, "")
    yield against(what, Samples.of(means, ""), "TA-Lib loop", one, _MOST)
    slowest = max(range(len(names)), key=lambda i: ratios[i].median)
    yield against(
        f"the slowest of them, {names[slowest]}", ratios[slowest], "TA-Lib loop", one, 1 / 3
    )
    yield _patterns(panel)


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
    outputs = Function(name).output_names if row.outputs and name != "ADX" else [""]
    calls = [f"{name.lower()}({series}){f'.{output}' if output else ''}" for output in outputs]
    return make_plan([parse_expression(call) for call in calls], bars)


def _symbols(panel: Panel) -> list[_Columns]:
    matrices = {name: np.ascontiguousarray(panel.matrix(name).T) for name in FIELDS}
    return [
        {name: matrix[place, panel.rows - count :].copy() for name, matrix in matrices.items()}
        for place, count in enumerate(panel.bars.tolist())
    ]


def _loop(name: str, symbols: list[_Columns]) -> None:
    function: Callable[..., Any] = unwrap(getattr(talib, name))
    fields = _inputs(name)
    for columns in symbols:
        function(*(columns[field] for field in fields))
