"""Conditions on Heikin-Ashi bars, against TA-Lib on bars that a loop computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import talib
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.engine.levels import has_own_level
from marketsweep.engine.plan import make_plan
from marketsweep.engine.settling import recursions, require_settled
from marketsweep.engine.units import PRICE, unit_of
from marketsweep.errors import ConditionError
from marketsweep.language.indicators.row import SETTLED
from marketsweep.language.parsing.parser import parse, parse_expression
from tests.helpers.markets import Bars, example_matrices, random_bars
from tests.language.test_talib import evaluated

Series = NDArray[np.float64]
BARS = random_bars(rows=320, symbols=33, seed=8)


def heikin_ashi(bars: Bars, symbol: int) -> dict[str, Series]:
    """The Heikin-Ashi bars of a symbol, without the rows before its first bar."""
    columns = {name: bars[name][:, symbol] for name in ("open", "high", "low", "close", "volume")}
    first = int(np.isnan(columns["close"]).sum())
    o, h, low, c, volume = (np.ascontiguousarray(column[first:]) for column in columns.values())
    close = (o + h + low + c) / 4
    opened = np.empty_like(close)
    for i in range(len(close)):
        opened[i] = (o[i] + c[i]) / 2 if i == 0 else (opened[i - 1] + close[i - 1]) / 2
    return {
        "open": opened,
        "high": np.maximum(np.maximum(h, opened), close),
        "low": np.minimum(np.minimum(low, opened), close),
        "close": close,
        "volume": volume,
    }


def _hlc(b: dict[str, Series]) -> tuple[Series, Series, Series]:
    return b["high"], b["low"], b["close"]


def _ohlc(b: dict[str, Series]) -> tuple[Series, Series, Series, Series]:
    return b["open"], b["high"], b["low"], b["close"]


def _shifted(x: Series) -> Series:
    return np.concatenate([[np.nan], x[:-1]])


TWINS: dict[str, Callable[[dict[str, Series]], Any]] = {
    "close": lambda b: b["close"],
    "close[1] - low": lambda b: _shifted(b["close"]) - b["low"],
    "sma(20)": lambda b: talib.SMA(b["close"], 20),
    "rsi(14)": lambda b: talib.RSI(b["close"], 14),
    "macd().hist": lambda b: talib.MACD(b["close"])[2],
    "atr(14)": lambda b: talib.ATR(*_hlc(b), 14),
    "adx(14)": lambda b: talib.ADX(*_hlc(b), 14),
    "adx(14).plus_di": lambda b: talib.PLUS_DI(*_hlc(b), 14),
    "stoch(14, 3, 3).d": lambda b: talib.STOCH(*_hlc(b), fastk_period=14)[1],
    "willr(14)": lambda b: talib.WILLR(*_hlc(b), 14),
    "cci(20)": lambda b: talib.CCI(*_hlc(b), 20),
    "mfi(14)": lambda b: talib.MFI(*_hlc(b), b["volume"], 14),
    "stddev(close, 20)": lambda b: talib.STDDEV(b["close"], 20),
    "hl2 - ohlc4": lambda b: (b["high"] + b["low"]) / 2 - sum(_ohlc(b)) / 4,
    "cdlengulfing()": lambda b: talib.CDLENGULFING(*_ohlc(b)),
    "cdldoji()": lambda b: talib.CDLDOJI(*_ohlc(b)),
    "volume": lambda b: b["volume"],
}


@pytest.mark.parametrize("text", TWINS)
def test_equals_talib_on_heikin_ashi_bars(text: str) -> None:
    (got,) = evaluated([f"heikin_ashi({text})"], BARS)
    for symbol in range(33):
        bars = heikin_ashi(BARS, symbol)
        expected = np.asarray(TWINS[text](bars), np.float64)
        ours = got[len(got) - len(expected) :, symbol]
        if text.startswith("cdl"):
            ours = np.nan_to_num(ours)  # TA-Lib writes 0 before the first valid bar
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("text", ["atr(14)", "adx(14)", "hl2 - ohlc4", "cdlengulfing()"])
def test_heikin_ashi_bars_of_heikin_ashi_bars(text: str) -> None:
    (got,) = evaluated([f"heikin_ashi(heikin_ashi({text}))"], BARS)
    for symbol in range(33):
        once = heikin_ashi(BARS, symbol)
        twice = heikin_ashi({name: values[:, None] for name, values in once.items()}, 0)
        expected = np.asarray(TWINS[text](twice), np.float64)
        ours = got[len(got) - len(expected) :, symbol]
        ours = np.nan_to_num(ours) if text.startswith("cdl") else ours
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-9)


def test_values_are_labelled_as_what_they_are(market: ms.Market) -> None:
    hits = market.scan("heikin_ashi(atr(14)) > atr(14) and heikin_ashi(close > open)", limit=3)
    names = ["heikin_ashi(atr(14))", "atr(14)", "ha().close", "ha().open"]
    assert list(hits.values) == names
    assert hits.values["heikin_ashi(atr(14))"][0] > hits.values["atr(14)"][0]


def test_a_market_of_a_year() -> None:
    bars = example_matrices(["AAPL", "SPY", "QQQ", "ABEV", "AAC"])
    (got,) = evaluated(["heikin_ashi(close > open for 3 bars)"], bars)
    assert got.shape[1] > 3
    for place in range(got.shape[1]):
        white = heikin_ashi(bars, place)
        rises = white["close"] > white["open"]
        expected = rises[2:] & rises[1:-1] & rises[:-2]
        np.testing.assert_array_equal(got[len(got) - len(expected) :, place], expected)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("heikin_ashi(close > sma(50))", "ha().close > sma(ha().close, 50)"),
        ("heikin_ashi(adx(14) > 20)", "heikin_ashi(adx(14)) > 20"),
        ("heikin_ashi(engulfing())", "heikin_ashi(cdlengulfing()) != 0"),
        ("heikin_ashi(weekly(close > open))", "weekly(ha().close > ha().open)"),
        ('heikin_ashi(symbol("QQQ").close > 9)', 'symbol("QQQ").ha().close > 9'),
        ("heikin_ashi(volume > 1M)", "volume > 1000000"),
        ("heikin_ashi().close > 1", "ha().close > 1"),
    ],
)
def test_the_canonical_text_means_the_same(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


def test_python_writes_it_too() -> None:
    assert str(ms.heikin_ashi(ms.adx(14) > 20)) == "heikin_ashi(adx(14)) > 20"
    assert str(ms.heikin_ashi().close > 1) == "ha().close > 1"


@pytest.mark.parametrize("text", ["heikin_ashi(sector)", "heikin_ashi(close, 3)"])
def test_other_arguments_are_refused(text: str) -> None:
    with pytest.raises(ConditionError, match="takes a condition or a number, as in heikin_ashi"):
        parse_expression(text)


def test_it_settles_as_its_open_and_its_indicator_do() -> None:
    node = parse_expression("heikin_ashi(adx(14))")
    assert max(recursions(node).values()) >= max(recursions(parse_expression("adx(14)")).values())
    plain, settled = evaluated([node, require_settled(node)], BARS)
    known = ~np.isnan(settled)
    assert known.any()
    assert (np.isnan(settled) & ~np.isnan(plain)).any()
    np.testing.assert_array_equal(plain[known], settled[known])
    # Twice the history does not change what has settled.
    half = {name: matrix[60:] for name, matrix in BARS.items()}
    later_plain, later_settled = evaluated([node, require_settled(node)], half)
    later = ~np.isnan(later_settled)
    assert np.abs(later_plain - plain[60:])[later].max() < SETTLED * 100


def test_units_and_totals_see_through_it() -> None:
    assert unit_of(parse_expression("heikin_ashi(atr(14))")) == PRICE
    assert has_own_level(parse("heikin_ashi(obv() > sma(obv(), 20))"))
    assert not has_own_level(parse("heikin_ashi(obv() > 1M)"))


def test_its_history_is_loaded() -> None:
    plain = make_plan([parse_expression("adx(14)")])
    assert make_plan([parse_expression("heikin_ashi(adx(14))")]).history > plain.history
