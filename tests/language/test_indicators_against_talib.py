"""Every indicator against TA-Lib and against its slow twin, on real and on difficult bars."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketsweep.engine.lowering import begin
from marketsweep.engine.plan import make_plan
from marketsweep.kernels import cpu
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.markets import Bars, panel_of, random_bars, series
from tests.helpers.reference import TWINS

Series = NDArray[np.float64]

# TA-Lib's function for each indicator, with the inputs of its row.
TALIB: dict[str, Callable[..., Any]] = {
    "sma": lambda x, n: talib.SMA(x, n) if n > 1 else x,  # TA-Lib's shortest is 2
    "ema": lambda x, n: talib.EMA(x, n) if n > 1 else x,
    "rsi": talib.RSI,
    "macd": talib.MACD,
    "roc": talib.ROC,
    "stoch": lambda high, low, close, k, slow_k, slow_d: talib.STOCH(
        high, low, close, fastk_period=k, slowk_period=slow_k, slowd_period=slow_d
    ),
    "atr": talib.ATR,
    "adx": talib.ADX,
    "bbands": lambda x, n, width: talib.BBANDS(x, n, width, width),
    "highest": lambda x, n: talib.MAX(x, n) if n > 1 else x,
    "lowest": lambda x, n: talib.MIN(x, n) if n > 1 else x,
    # TA-Lib has no median.
    "median": lambda x, n: pd.Series(x).rolling(n).median().to_numpy(),
}

PERIODS: dict[str, list[tuple[float, ...]]] = {
    "macd": [(12, 26, 9), (3, 10, 16), (5, 5, 2)],
    "stoch": [(14, 3, 3), (5, 1, 1), (1, 2, 3)],
    "bbands": [(20, 2.0), (5, 0.5), (2, 3.0)],
    "rsi": [(14,), (2,), (30,)],
    "adx": [(14,), (2,), (30,)],
}
COMMON: list[tuple[float, ...]] = [(14,), (1,), (2,), (50,), (200,)]
ROWS = {name: INDICATORS[name] for name in TALIB}
CASES = [
    pytest.param(row, periods, id=f"{name}{periods}")
    for name, row in ROWS.items()
    for periods in PERIODS.get(name, COMMON)
]


def evaluated(row: Indicator, periods: tuple[float, ...], bars: Bars, rows: int) -> list[Series]:
    """Return every output of an indicator, float64 [rows, symbols] each."""
    arguments = ", ".join(f"{value:g}" for value in periods)
    call = f"{row.name}({arguments})"
    calls = [f"{call}.{output}" if output else call for output in row.kernel_outputs]
    plan = make_plan([parse_expression(call) for call in calls], rows)
    run = begin(plan, panel_of(bars))
    run.take()
    return [result.copy() for result in run.results]


def by_symbol(
    function: Callable[..., Any], row: Indicator, periods: tuple[float, ...], bars: Bars
) -> list[Series]:
    """Apply a function of one symbol's bars to all symbols, each from its first bar on."""
    rows, symbols = bars["close"].shape
    outs = [np.full((rows, symbols), np.nan) for _ in row.kernel_outputs]
    parameters = [int(v) if p.whole else v for p, v in zip(row.parameters, periods, strict=True)]
    for symbol in range(symbols):
        columns = [bars[name][:, symbol] for name in row.inputs]
        first = int(np.isnan(columns[0]).sum())
        if first == rows:
            continue
        result = function(
            *(np.ascontiguousarray(column[first:]) for column in columns), *parameters
        )
        result = result if isinstance(result, tuple | list) else [result]
        for out, values in zip(outs, result, strict=True):
            out[first:, symbol] = values
    return outs


def assert_close(got: Series, want: Series, scale: Series, relative: float) -> None:
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    tolerance = relative * np.maximum(np.abs(want), scale)
    worst = np.nanmax(np.abs(got - want) - tolerance, initial=-np.inf)
    assert worst <= 0, f"off by {worst:.3g} more than allowed"


def scale_of(row: Indicator, bars: Bars) -> Series:
    """Return the size to compare errors with: the price for values in dollars, else 1."""
    in_dollars = row.scale != "own"
    return np.abs(bars[row.inputs[0]]) if in_dollars else np.ones(bars["close"].shape)


@pytest.mark.parametrize(("row", "periods"), CASES)
def test_equals_talib(row: Indicator, periods: tuple[float, ...]) -> None:
    bars = random_bars(rows=420, symbols=70, seed=1)
    want = by_symbol(TALIB[row.name], row, periods, bars)
    for got, expected in zip(evaluated(row, periods, bars, 420), want, strict=True):
        # TA-Lib's running sums lose some digits themselves, most in the bands' variance.
        assert_close(got, expected, scale_of(row, bars), 1e-7 if row.name == "bbands" else 1e-10)


@pytest.mark.parametrize(("row", "periods"), CASES)
def test_a_quote_that_freezes_equals_talib(row: Indicator, periods: tuple[float, ...]) -> None:
    bars = random_bars(rows=700, symbols=20, seed=8)
    for field in ("open", "high", "low"):
        bars[field][150:] = bars["close"][149]
    bars["close"][150:] = bars["close"][149]
    want = by_symbol(TALIB[row.name], row, periods, bars)
    for got, expected in zip(evaluated(row, periods, bars, 700), want, strict=True):
        assert_close(got, expected, scale_of(row, bars), 1e-7 if row.name == "bbands" else 1e-10)


@pytest.mark.parametrize(("row", "periods"), CASES)
def test_equals_its_slow_twin(row: Indicator, periods: tuple[float, ...]) -> None:
    bars = random_bars(rows=160, symbols=40, seed=2)
    want = by_symbol(TWINS[row.name], row, periods, bars)
    for got, expected in zip(evaluated(row, periods, bars, 160), want, strict=True):
        assert_close(got, expected, scale_of(row, bars), 1e-11)


@pytest.mark.parametrize("symbol", ["AAPL", "AA", "TRUE", "ON", "NAN", "E"])
@pytest.mark.parametrize("name", ROWS)
def test_equals_talib_on_real_bars(name: str, symbol: str) -> None:
    row = INDICATORS[name]
    columns = series(symbol)
    assert len(columns["close"]) > 150
    bars = {field: values[:, None] for field, values in columns.items()}
    periods = tuple(parameter.default for parameter in row.parameters)
    want = by_symbol(TALIB[name], row, periods, bars)
    for got, expected in zip(
        evaluated(row, periods, bars, len(columns["close"])), want, strict=True
    ):
        assert_close(got, expected, scale_of(row, bars), 1e-7 if name == "bbands" else 1e-10)


@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_settling_bars_are_enough(row: Indicator) -> None:
    """The newest value does not depend on history beyond what a plan loads."""
    periods = tuple(parameter.default for parameter in row.parameters)
    full = random_bars(rows=2000, symbols=64, seed=4, short=0)
    call = f"{row.name}({', '.join(f'{p:g}' for p in periods)})"
    calls = [f"{call}.{output}" if output else call for output in row.kernel_outputs]
    history = make_plan([parse_expression(call) for call in calls]).history
    cut = {name: matrix[-history:] for name, matrix in full.items()}
    for long, short in zip(
        evaluated(row, periods, full, 1), evaluated(row, periods, cut, 1), strict=True
    ):
        assert_close(short, long, scale_of(row, {n: m[-1:] for n, m in full.items()}), 1e-10)


@pytest.mark.parametrize("n", [511, 513, 900])
def test_long_windows_of_many_rows(n: int) -> None:
    """Extremes slide over windows of any length, and so does stoch."""
    bars = random_bars(rows=1600, symbols=33, seed=6, short=0.2)
    for name, periods in (("highest", (n,)), ("lowest", (n,)), ("stoch", (n, 3, 3))):
        want = by_symbol(TALIB[name], INDICATORS[name], periods, bars)
        outputs = evaluated(INDICATORS[name], periods, bars, 1600)
        for got, expected in zip(outputs, want, strict=True):
            assert_close(got, expected, scale_of(INDICATORS[name], bars), 1e-10)


@pytest.mark.parametrize("price", [0.1, 33.33, 1e-4, 123456.789])
@pytest.mark.parametrize("name", ["sma", "ema", "bbands"])
def test_a_flat_series_has_exactly_flat_averages(name: str, price: float) -> None:
    bars = {field: np.full((300, 3), price) for field in ("open", "high", "low", "close", "volume")}
    row = INDICATORS[name]
    for periods in [(7,), (20,), (199,)]:
        parameters = (*periods, 2.0) if name == "bbands" else periods
        for got in evaluated(row, parameters, bars, 50):
            assert (got == price).all()


@pytest.mark.parametrize("name", ["sma", "bbands", "highest", "lowest", "median", "roc"])
def test_a_window_forgets_what_has_left_it(name: str) -> None:
    """A price that is wrong by ten orders of magnitude leaves no rounding error behind."""
    clean = random_bars(rows=120, symbols=8, seed=5, short=0)
    slipped = {field: matrix.copy() for field, matrix in clean.items()}
    for field in ("high", "low", "close"):
        slipped[field][20] *= 1e10
    row = INDICATORS[name]
    periods = (20, 2.0) if name == "bbands" else (20,)
    for got, want in zip(
        evaluated(row, periods, clean, 60), evaluated(row, periods, slipped, 60), strict=True
    ):
        np.testing.assert_array_equal(got, want)


@settings(deadline=None, max_examples=60)
@given(
    row=st.sampled_from(list(ROWS.values())),
    rows=st.integers(1, 90),
    symbols=st.integers(1, 70),
    period=st.integers(2, 40),
    seed=st.integers(0, 2**16),
    asked=st.integers(1, 90),
)
def test_any_shape_equals_the_twin(
    row: Indicator, rows: int, symbols: int, period: int, seed: int, asked: int
) -> None:
    bars = random_bars(rows, symbols, seed, short=0.5)
    # Some quotes freeze, and prices are rounded: this gives ties and zero ranges.
    frozen = np.random.default_rng(seed).random(symbols) < 0.3
    for field in ("open", "high", "low", "close"):
        bars[field] = np.round(bars[field], 1)
        bars[field][rows // 2 :, frozen] = np.round(bars["close"][rows // 2, frozen], 1)
    before = {name: matrix.copy() for name, matrix in bars.items()}
    periods = tuple(float(period) if p.whole else p.default for p in row.parameters)
    want = by_symbol(TWINS[row.name], row, periods, bars)
    for got, expected in zip(evaluated(row, periods, bars, asked), want, strict=True):
        tail = expected[max(0, rows - asked) :]
        assert np.isnan(got[: asked - len(tail)]).all()
        assert_close(got[asked - len(tail) :], tail, scale_of(row, bars)[rows - len(tail) :], 1e-9)
    for name, matrix in bars.items():
        np.testing.assert_array_equal(matrix, before[name])


def test_the_table_is_complete() -> None:
    assert set(TALIB) == set(TWINS)
    for row in INDICATORS.values():
        assert (row.name in cpu.KERNELS) or not row.kernel_outputs
        assert row.doc.endswith(".")
        assert row.series <= len(row.inputs)
