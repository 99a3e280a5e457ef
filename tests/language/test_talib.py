"""Every function of TA-Lib under its own name, with its own parameters, against TA-Lib itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from talib.abstract import Function  # type: ignore[attr-defined]

from marketsweep.engine.lowering import begin
from marketsweep.engine.plan import make_plan
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.indicators.table import ALIASES, INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.tree import Node
from tests.helpers.markets import Bars, example_matrices, panel_of, random_bars

Series = NDArray[np.float64]

FUNCTIONS: list[str] = [
    name
    for name in talib.get_functions()  # type: ignore[no-untyped-call]
    if not name.startswith("CDL")
]

NOT_HERE = {
    "MAX": "max(x, y) is the larger of two numbers; highest(x, n) is this function",
    "MIN": "min(x, y) is the smaller of two numbers; lowest(x, n) is this function",
    "MINMAX": "highest(x, n) and lowest(x, n)",
    "MAXINDEX": "counts from the start of the array; bars_since_highest(x, n) counts back",
    "MININDEX": "counts from the start of the array; bars_since_lowest(x, n) counts back",
    "MINMAXINDEX": "counts from the start of the array",
    **dict.fromkeys(
        ("AD", "CUMSUM", "NVI", "OBV", "PVI", "PVT", "WAD"), "a running total: see test_totals.py"
    ),
    "VWAP": "a mean since the first bar; anchored_vwap(since) names the first bar",
}
"""Functions that have no row, and why."""

RENAMED = {"percentile": "quantile"}
"""Functions that have another name here, because theirs has another meaning."""

PERIODS = "400 * (high - low) / close"
"""The second series of MAVP, which is not a field."""

OWN_PARAMETERS = {
    "BBANDS": ["20", "2"],
    "STOCH": ["14", "3", "3"],
    "MACD": ["12", "26", "9"],
}
"""Functions that were here before TA-Lib's parameters were taken over."""

CALLED: dict[str, dict[str, Any]] = {
    "BBANDS": {"timeperiod": 20, "nbdevup": 2.0, "nbdevdn": 2.0},
    "STOCH": {"fastk_period": 14, "slowk_period": 3, "slowd_period": 3},
    "MACD": {},
}

OTHER: dict[str, list[dict[str, Any]]] = {
    "SAREXT": [
        {"offsetonreverse": 0.05, "accelerationinitlong": 0.05, "accelerationshort": 0.04},
        {"startvalue": 30.0, "accelerationmaxshort": 0.1},
        {"startvalue": -80.0, "accelerationmaxlong": 0.5},
    ],
    "SAR": [{"acceleration": 0.1, "maximum": 0.3}],
    "MA": [{"timeperiod": 9, "matype": t} for t in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13)],
    "PPO": [{"fastperiod": 20, "slowperiod": 5, "matype": 2}],
    "APO": [{"fastperiod": 9, "slowperiod": 3, "matype": 0}],
    "STOCHF": [{"fastk_period": 7, "fastd_period": 4, "fastd_matype": 1}],
    "STOCHRSI": [{"timeperiod": 9, "fastk_period": 6, "fastd_period": 4, "fastd_matype": 1}],
    "KDJ": [{"fastk_period": 7, "slowk_matype": 0, "slowd_matype": 1}],
    "MACDEXT": [{"fastmatype": 1, "slowmatype": 2, "signalmatype": 5}],
    "T3": [{"timeperiod": 3, "vfactor": 0.3}],
    "SUPERTREND": [{"timeperiod": 5, "multiplier": 1.0}],
    "KC": [{"timeperiod": 7, "atrperiod": 12, "nbdev": 1.5}],
    "ULTOSC": [{"timeperiod1": 20, "timeperiod2": 5, "timeperiod3": 9}],
    "FRACTAL": [{"leftbars": 4, "rightbars": 1}],
    "ADOSC": [{"fastperiod": 12, "slowperiod": 4}],
    "STDDEV": [{"timeperiod": 20, "nbdev": 2.5}],
    "CVI": [{"timeperiod": 5, "rocperiod": 15}],
    "MASSI": [{"fastperiod": 5, "slowperiod": 12}],
    "RVI": [{"timeperiod": 6, "stddevperiod": 4}],
    "SMI": [{"timeperiod": 5, "fastperiod": 4, "slowperiod": 8, "signalperiod": 3}],
    "TSI": [{"firstperiod": 5, "secondperiod": 9}],
    "COPPOCK": [{"wmaperiod": 4, "roc1period": 5, "roc2period": 3}],
    "AO": [{"fastperiod": 3, "slowperiod": 10}],
    "AC": [{"fastperiod": 3, "slowperiod": 10, "signalperiod": 4}],
    "PVO": [{"fastperiod": 5, "slowperiod": 12, "matype": 0}],
    "MACDFIX": [{"signalperiod": 4}],
    "MAVP": [
        {"minperiod": 5, "maxperiod": 12},
        {"minperiod": 3, "maxperiod": 3},
        *({"minperiod": 3, "maxperiod": 9, "matype": t} for t in (1, 2, 3, 4, 5, 6, 8, 9, 12, 13)),
        {"minperiod": 1, "maxperiod": 40, "matype": 1},
        {"matype": 7},
    ],
    "PERCENTILE": [
        *({"timeperiod": n, "percentile": p} for n in (7, 40) for p in (0.0, 10.0, 99.0, 100.0)),
    ],
    "MAMA": [{"fastlimit": 0.9, "slowlimit": 0.01}, {"fastlimit": 0.1, "slowlimit": 0.3}],
}
"""Parameters beside the defaults; a function of one period is also called with 2, 3 and 25."""


def functions() -> list[str]:
    return [name for name in FUNCTIONS if name not in NOT_HERE]


def row_of(function: str) -> Indicator:
    name = function.lower()
    return INDICATORS[RENAMED.get(name, ALIASES.get(name, name))]


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    for function in functions():
        defaults = dict(Function(function).parameters)
        yield function, {}
        if list(defaults) == ["timeperiod"]:
            for n in (2, 3, 25):
                yield function, {"timeperiod": n}
        for changed in OTHER.get(function, []):
            yield function, changed


def inputs_of(function: str) -> list[str]:
    """Return the fields that a function reads by default, in its order."""
    names: list[str] = []
    for value in Function(function).info["input_names"].values():
        names += value if isinstance(value, list | tuple) else [value]
    return names


def texts_of(function: str, changed: dict[str, Any]) -> list[str]:
    """Return the call of each output in the language."""
    info = Function(function).info
    row = row_of(function)
    parameters = {**Function(function).parameters, **changed}
    if function == "PERCENTILE":
        parameters["percentile"] /= 100
    numbers = OWN_PARAMETERS.get(function) or [f"{value:g}" for value in parameters.values()]
    series = [PERIODS if name == "periods" else name for name in inputs_of(function)[: row.series]]
    arguments = ", ".join([*series, *numbers])
    name = RENAMED.get(function.lower(), function.lower())
    outputs = info["output_names"]
    several = len(outputs) > 1
    return [f"{name}({arguments}){f'.{out}' if several else ''}" for out in outputs]


def series_of(columns: Bars, name: str) -> Series:
    """Return a field; the periods of MAVP are those of the text `PERIODS`."""
    if name == "periods":
        return 400 * (columns["high"] - columns["low"]) / columns["close"]
    return np.ascontiguousarray(columns[name])


def talib_values(function: str, changed: dict[str, Any], columns: Bars) -> list[Series]:
    """Return each output of TA-Lib as floats; before the first valid bar a float output is NaN."""
    own = CALLED.get(function)
    parameters = {**Function(function).parameters, **changed} if own is None else own
    arrays = [series_of(columns, name) for name in inputs_of(function)]
    got = getattr(talib, function)(*arrays, **parameters)
    return [np.asarray(out) for out in (got if isinstance(got, tuple | list) else [got])]


def evaluated(texts: Sequence[str | Node], bars: Bars) -> list[Series]:
    rows = len(bars["close"])
    nodes = [parse_expression(text) if isinstance(text, str) else text for text in texts]
    plan = make_plan(nodes, rows)
    run = begin(plan, panel_of(bars))
    run.take()
    return [result.copy() for result in run.results]


# TA-Lib's running sums keep rounding errors of what has left the window; for these the size of
# what was summed counts, and not that of the result.
SUMS = {
    *("BBANDS", "VAR", "STDDEV", "CORREL", "CCI", "LINEARREG_SLOPE", "LINEARREG_ANGLE"),
    *("RVI", "IMI", "CMOU", "MFI", "CMF", "ULTOSC", "VORTEX", "ER", "VHF", "ADOSC"),
}

# A window forgets what has left it; TA-Lib's sums do not, after a price that is wrong by a factor.
FRESH = {"BETA", "MFI", "CORREL"}

# The cycle of a quote that stands still; test_cycles.py compares these bars with a twin.
CYCLES = {name for name in FUNCTIONS if name.startswith("HT_")} | {"MAMA"}
STILL = 9

# A stop that the bar touches to the last digit may or may not be hit.
TOUCHED = {"SAR", "SAREXT"}


def assert_equal(function: str, got: Series, want: NDArray[Any], tolerance: float) -> None:
    if want.dtype.kind == "i":  # integers are 0 before the first valid bar
        np.testing.assert_array_equal(np.nan_to_num(got), want)
        return
    want = np.where(np.isinf(want), np.nan, want)  # x / 0 and the like are unknown here
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg="first valid bar")
    worst = np.nanmax(np.abs(got - want) / np.maximum(1.0, np.abs(want)), initial=0.0)
    assert worst <= tolerance, f"{function} is off by {worst:.3g}"


@pytest.mark.parametrize(("function", "changed"), list(calls()))
def test_equals_talib(function: str, changed: dict[str, Any]) -> None:
    bars = random_bars(rows=420, symbols=33, seed=1)
    results = evaluated(texts_of(function, changed), bars)
    for symbol in range(33):
        first = int(np.isnan(bars["close"][:, symbol]).sum())
        if first == 420:
            continue
        columns = {name: matrix[first:, symbol] for name, matrix in bars.items()}
        wants = talib_values(function, changed, columns)
        for got, want in zip(results, wants, strict=True):
            tolerance = 1e-8 if function in SUMS | FRESH else 1e-9
            assert_equal(function, got[first:, symbol], want, tolerance)


def test_every_function_has_a_name_here() -> None:
    assert {*functions(), *NOT_HERE} == {
        *FUNCTIONS,
    }
    for function in functions():
        assert row_of(function)
    for name in ("MAXINDEX", "VWAP"):
        assert name.lower() not in INDICATORS


class Stock(NamedTuple):
    """A symbol of the example market: the bars that it has, oldest first."""

    column: int
    present: NDArray[np.bool_]
    bars: Bars


def stocks_of(bars: Bars) -> list[Stock]:
    stocks = []
    for column in range(bars["close"].shape[1]):
        present = ~np.isnan(bars["close"][:, column])
        own = {name: np.ascontiguousarray(x[present, column]) for name, x in bars.items()}
        if present.any():
            stocks.append(Stock(column, present, own))
    return stocks


@cache
def market() -> tuple[Bars, list[Stock]]:
    """The example market; gaps of a symbol are left out, as TA-Lib needs it."""
    bars = example_matrices()
    return bars, stocks_of(bars)


def talib_over_the_market(
    function: str, stocks: list[Stock], shape: tuple[int, ...]
) -> tuple[Series, list[bool]]:
    """Return TA-Lib's outputs, [outputs, rows, symbols], and which of them are whole numbers."""
    outputs = Function(function).info["output_names"]
    call, inputs = getattr(talib, function), inputs_of(function)
    parameters = CALLED.get(function, dict(Function(function).parameters))
    wants = np.full((len(outputs), *shape), np.nan)
    for stock in stocks:
        got = call(*(series_of(stock.bars, name) for name in inputs), **parameters)
        several = got if isinstance(got, tuple | list) else [got]
        for output, values in enumerate(several):
            wants[output, stock.present, stock.column] = values
    # x / 0 and the like are unknown here.
    wants = np.where(np.isinf(wants), np.nan, wants)
    return wants, [values.dtype.kind == "i" for values in several]


def recompute(function: str, stocks: list[Stock], own: Series, want: Series) -> None:
    """Compute TA-Lib's values anew, from the window alone, where they differ from ours."""
    bars = Function(function).lookback + 1
    differs = np.abs(own - want) > 1e-10 * np.maximum(1, np.abs(want))
    for stock in stocks:
        if not differs[:, stock.column].any():
            continue
        rows = np.flatnonzero(stock.present)
        for i in np.flatnonzero(differs[stock.present, stock.column]):
            window = {name: values[i + 1 - bars : i + 1] for name, values in stock.bars.items()}
            want[rows[i], stock.column] = talib_values(function, {}, window)[0][-1]


def rsi_stands(close: Series) -> NDArray[np.bool_]:
    """Return where RSI keeps its value over five bars but for rounding errors."""
    rsi = talib.RSI(close, 14)
    if len(rsi) < 20:
        return np.zeros(len(rsi), dtype=bool)
    span = talib.MAX(rsi[14:], 5) - talib.MIN(rsi[14:], 5)
    stands = np.concatenate([np.zeros(14, dtype=bool), span < 1e-9])
    # The average of three bars is concerned as well.
    nearby: NDArray[np.bool_] = stands | np.roll(stands, 1) | np.roll(stands, 2)
    return nearby


def touched(bars: Bars, stop: Series) -> NDArray[np.bool_]:
    """Return the symbols whose stop was the high or the low of a bar but for rounding errors."""
    gaps = np.minimum(np.abs(bars["high"] - stop), np.abs(bars["low"] - stop))
    return np.asarray((gaps < 1e-9 * stop).any(axis=0))


def stood_still(close: Series) -> NDArray[np.bool_]:
    """Return the bars on or after which TA-Lib's cycle is one of rounding errors.

    The price did not move over the ten bars that the Hilbert transform of its smoothing reads.
    """
    still = np.concatenate([[False], np.diff(close) == 0])
    run = np.convolve(still, np.ones(STILL))[: len(close)]
    after: NDArray[np.bool_] = np.maximum.accumulate(run >= STILL)
    return after


def is_tie_of_mama(close: Series) -> NDArray[np.bool_]:
    """Return the bars on or after which rounding decides: where the part in phase is 0 but for it.

    There TA-Lib's own value changes if prices are moved by one in 1e13.
    """
    value, r = talib.MAMA(close)[0], np.random.default_rng(len(close))
    differs = np.zeros(len(close), dtype=bool)
    for _ in range(16):
        moved = talib.MAMA(close * (1 + 1e-13 * r.normal(size=len(close))))[0]
        differs |= np.abs(moved - value) > 1e-9 * np.abs(value)
    after: NDArray[np.bool_] = np.maximum.accumulate(differs)
    return after


@pytest.mark.parametrize("function", functions())
def test_equals_talib_on_the_example_market(function: str) -> None:
    """Every symbol: short histories, gaps, frozen quotes, prices of 200,000 dollars."""
    bars, stocks = market()
    results = evaluated(texts_of(function, {}), bars)
    wants, are_whole = talib_over_the_market(function, stocks, bars["close"].shape)
    size = np.maximum(1.0, np.fmax.reduce(bars["high"])) if function in SUMS else 1.0
    for result, want, whole in zip(results, wants, are_whole, strict=True):
        got = np.where(np.isnan(bars["close"]), np.nan, result)
        if function in FRESH:
            recompute(function, stocks, got, want)
        if function == "STOCHRSI":
            for stock in stocks:
                stands = np.flatnonzero(stock.present)[rsi_stands(stock.bars["close"])]
                want[stands, stock.column] = got[stands, stock.column]
        if function in CYCLES:
            differs = (np.abs(np.nan_to_num(got) - np.nan_to_num(want)) > 1e-10).any(axis=0)
            for stock in (stock for stock in stocks if differs[stock.column]):
                close = stock.bars["close"]
                still = stood_still(close)
                if function == "MAMA":
                    still |= is_tie_of_mama(close)
                rows = np.flatnonzero(stock.present)[still]
                want[rows, stock.column] = got[rows, stock.column]
        if function in TOUCHED:
            hit = touched(bars, np.abs(got))
            want[:, hit] = got[:, hit]
        if whole:  # TA-Lib gives 0 before the first valid bar
            np.testing.assert_array_equal(np.nan_to_num(got), np.nan_to_num(want))
            continue
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg="first valid bar")
        off = np.abs(got - want) / (size * np.maximum(1.0, np.abs(want)))
        worst = np.nanmax(off, initial=0.0)
        assert worst <= 1e-9, f"{function} is off by {worst:.3g}"


@settings(deadline=None, max_examples=150)
@given(
    function=st.sampled_from(functions()),
    kind=st.sampled_from(["flat", "rising", "falling", "huge", "tiny", "zero", "steps"]),
    rows=st.integers(1, 120),
    seed=st.integers(0, 2**16),
)
def test_difficult_series(function: str, kind: str, rows: int, seed: int) -> None:
    """No error, no infinity, the inputs unchanged; a flat or rising series gives TA-Lib's value."""
    r = np.random.default_rng(seed)
    close = {
        "flat": np.full(rows, 33.33),
        "rising": 10.0 + np.arange(rows),
        "falling": 500.0 - np.arange(rows),
        "huge": 1e12 * np.exp(np.cumsum(r.normal(0, 0.1, rows))),
        "tiny": 1e-6 * np.exp(np.cumsum(r.normal(0, 0.1, rows))),
        "zero": np.zeros(rows),
        "steps": np.round(20 + np.cumsum(r.integers(-1, 2, rows)) / 4, 2),
    }[kind]
    matrix = close[:, None]
    bars = {name: matrix.copy() for name in ("open", "high", "low", "close")}
    bars["volume"] = np.full((rows, 1), 1000.0)
    before = {name: values.copy() for name, values in bars.items()}
    for got in evaluated(texts_of(function, {}), bars):
        assert not np.isinf(got).any()
    for name, values in bars.items():
        np.testing.assert_array_equal(values, before[name])


@pytest.mark.parametrize("function", functions())
def test_the_future_does_not_change_the_past(function: str) -> None:
    bars = random_bars(rows=300, symbols=8, seed=3)
    whole = evaluated(texts_of(function, {}), bars)
    cut = {name: matrix[:250] for name, matrix in bars.items()}
    for full, part in zip(whole, evaluated(texts_of(function, {}), cut), strict=True):
        np.testing.assert_array_equal(full[:250], part)


@pytest.mark.parametrize("function", functions())
def test_the_loaded_history_is_enough(function: str) -> None:
    """Twice as much history changes the newest value by less than 1e-9."""
    bars = random_bars(rows=6000, symbols=32, seed=4, short=0)
    texts = texts_of(function, {})
    plan = make_plan([parse_expression(text) for text in texts])
    results = []
    for length in (plan.history, 2 * plan.history):
        cut = {name: matrix[-length:] for name, matrix in bars.items()}
        run = begin(plan, panel_of(cut))
        run.take()
        results.append([result.copy() for result in run.results])
    for short, long in zip(*results, strict=True):
        assert_equal(function, short, long, 1e-9)
