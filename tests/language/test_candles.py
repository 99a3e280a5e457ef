"""The 61 candlestick patterns against TA-Lib."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib
from numpy.typing import NDArray
from talib.abstract import Function  # type: ignore[attr-defined]

from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import parse, parse_expression
from tests.helpers.markets import Bars, random_bars
from tests.language.test_talib import Stock, evaluated, market, stocks_of

PATTERNS: list[str] = [
    name
    for name in talib.get_functions()  # type: ignore[no-untyped-call]
    if name.startswith("CDL")
]
PENETRATES = [
    *("CDLABANDONEDBABY", "CDLDARKCLOUDCOVER", "CDLEVENINGDOJISTAR", "CDLEVENINGSTAR"),
    *("CDLMATHOLD", "CDLMORNINGDOJISTAR", "CDLMORNINGSTAR"),
]
PRICES = ("open", "high", "low", "close")


def theirs(pattern: str, columns: list[NDArray[np.float64]], **how: float) -> NDArray[Any]:
    return np.asarray(getattr(talib, pattern)(*columns, **how))


def is_tie(
    pattern: str, columns: list[NDArray[np.float64]], bar: int, value: float, how: dict[str, float]
) -> bool:
    """Return whether rounding decides: new sums, or prices moved by one in 1e12, give our value.

    TA-Lib keeps running sums, so an average may differ from ours in its last digits.
    """
    needed = Function(pattern).lookback + 1
    fresh = [np.ascontiguousarray(column[max(0, bar + 1 - needed) : bar + 1]) for column in columns]
    if theirs(pattern, fresh, **how)[-1] == value:
        return True
    window = np.stack([column[max(0, bar - 40) : bar + 1] for column in columns])
    r = np.random.default_rng(bar)
    for _ in range(200):
        moved = window * (1 + r.normal(0, 1e-12, window.shape))
        if theirs(pattern, [np.ascontiguousarray(row) for row in moved], **how)[-1] == value:
            return True
    return False


def assert_pattern(pattern: str, bars: Bars, stocks: list[Stock], **how: float) -> int:
    """Compare all bars of some symbols; return how many had the pattern."""
    numbers = ", ".join(f"{value:g}" for value in how.values())
    (got,) = evaluated([f"{pattern.lower()}({numbers})"], bars)
    found = ties = 0
    for symbol, present, own_bars in stocks:
        columns = [own_bars[name] for name in PRICES]
        want, own = theirs(pattern, columns, **how), np.nan_to_num(got[present, symbol])
        found += int(np.count_nonzero(want))
        for bar in np.flatnonzero(want != own):
            assert is_tie(pattern, columns, int(bar), own[bar], how), f"symbol {symbol}, bar {bar}"
            ties += 1
    assert ties <= 0.005 * found + 5
    return found


@pytest.mark.parametrize("pattern", PATTERNS)
def test_equals_talib_on_the_example_market(pattern: str) -> None:
    found = assert_pattern(pattern, *market())
    assert found or pattern == "CDLCONCEALBABYSWALL"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_equals_talib_on_coarse_prices(pattern: str) -> None:
    """Prices in steps of five cents touch, gap and stand still often."""
    bars = random_bars(rows=300, symbols=40, seed=9)
    for name in PRICES:
        bars[name] = np.round(bars[name] * 20) / 20
    assert_pattern(pattern, bars, stocks_of(bars))


@pytest.mark.parametrize("pattern", PENETRATES)
@pytest.mark.parametrize("penetration", [0.0, 0.1, 0.7])
def test_penetration(pattern: str, penetration: float) -> None:
    bars, stocks = market()
    assert_pattern(pattern, bars, stocks[::40], penetration=penetration)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_first_valid_bar_is_that_of_talib(pattern: str) -> None:
    """TA-Lib gives 0 before it; here the value is unknown."""
    bars = random_bars(rows=60, symbols=1, seed=2, short=0)
    (got,) = evaluated([f"{pattern.lower()}()"], bars)
    assert int(np.isnan(got[:, 0]).sum()) == Function(pattern).lookback


def test_every_pattern_has_a_row() -> None:
    assert {name.lower() for name in PATTERNS} == {
        name for name, row in INDICATORS.items() if row.is_pattern
    } - {"squeeze", "divergence"}


def test_a_pattern_is_a_condition() -> None:
    assert parse("engulfing() and close > 5") == parse("cdlengulfing() != 0 and close > 5")
    assert parse("hanging_man()") == parse("cdlhangingman() != 0")
    assert parse("not engulfing() within 3 bars") == parse("not (engulfing() != 0 within 3 bars)")
    assert parse("engulfing() > 0")
    assert str(parse_expression("engulfing()")) == "cdlengulfing()"
