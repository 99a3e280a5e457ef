"""Indicators that TA-Lib lacks, against slow twins written from the published formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib
from numpy.typing import NDArray

from marketsweep.engine.plan import make_plan
from marketsweep.engine.settling import recursions, require_settled
from marketsweep.errors import ConditionError
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.markets import random_bars
from tests.helpers.reference import TWINS
from tests.language.test_talib import evaluated, functions, row_of
from tests.language.test_totals import TOTALS

Series = NDArray[np.float64]
# The stubs of pandas know little of arithmetic on series.
Column = Any
Frame = dict[str, Column]
Twin = Callable[[Frame], Column]


def _range(b: Frame) -> Column:
    before = b["close"].shift(1)
    reach = pd.concat([b["high"], before], axis=1).max(axis=1, skipna=False)
    return reach - pd.concat([b["low"], before], axis=1).min(axis=1, skipna=False)


def _ema(x: Column, n: int) -> Column:
    values = x.to_numpy()
    start = int(np.isnan(values).sum())
    out = np.full(len(values), np.nan)
    out[start:] = talib.EMA(np.ascontiguousarray(values[start:]), n) if n > 1 else values[start:]
    return pd.Series(out)


def _hlc(b: Frame) -> tuple[Series, Series, Series]:
    return b["high"].to_numpy(), b["low"].to_numpy(), b["close"].to_numpy()


def _atr(b: Frame, n: int) -> Column:
    return pd.Series(talib.ATR(*_hlc(b), n))


def _middle(b: Frame, n: int) -> Column:
    return (b["high"].rolling(n).max() + b["low"].rolling(n).min()) / 2


def _logs(b: Frame) -> Frame:
    return {name: np.log(b[name]) for name in ("open", "high", "low", "close")}


def _squeeze(b: Frame) -> Column:
    """Both bands lie around the same mean, as in TTM_Squeeze of thinkorswim."""
    mean, half = b["close"].rolling(20).mean(), 2 * b["close"].rolling(20).std(ddof=0)
    band = 1.5 * _range(b).rolling(20).mean()
    inside = (mean + half < mean + band) & (mean - half > mean - band)
    return inside.astype(float) + 0 * (mean + band)


def _squeeze_momentum(b: Frame) -> Column:
    middle = (_middle(b, 20) + b["close"].rolling(20).mean()) / 2
    delta = (b["close"] - middle).to_numpy()
    start = int(np.isnan(delta).sum())
    out = np.full(len(delta), np.nan)
    out[start:] = talib.LINEARREG(np.ascontiguousarray(delta[start:]), 20)
    return pd.Series(out)


def _swings(b: Frame, side: str, left: int, right: int) -> list[tuple[int, int]]:
    """Return the bar of each swing point, and the bar that confirms it."""
    values = (b["high"] if side == "high" else -b["low"]).to_numpy()
    return [
        (bar, bar + right)
        for bar in range(left, len(values) - right)
        if all(values[bar] >= values[bar - i] for i in range(1, left + 1))
        and all(values[bar] > values[bar + i] for i in range(1, right + 1))
    ]


def _swing(b: Frame, side: str, left: int, right: int, k: int, most: int) -> Series:
    """Return the bar of the k-th last swing that is confirmed within `most` bars, for each bar."""
    swings, out = _swings(b, side, left, right), np.full(len(b["close"]), np.nan)
    for now in range(len(out)):
        recent = [bar for bar, confirmed in swings if now - most < confirmed <= now]
        if len(recent) > k:
            out[now] = recent[-1 - k]
    return out


def _price_of_swing(b: Frame, side: str, *parameters: int) -> Series:
    bars = _swing(b, side, *parameters)
    prices = b[side].to_numpy()
    return np.array([np.nan if np.isnan(bar) else prices[int(bar)] for bar in bars])


def _diverges(b: Frame, x: Column, side: str, *, hidden: bool = False) -> Series:
    """Return 1 on the bar that confirms a swing (5, 5) that diverges from the one before."""
    out, swings = np.zeros(len(x)), _swings(b, side, 5, 5)
    sign = 1 if side == "high" else -1
    price = b[side].to_numpy()
    for now in range(min(10, len(out))):  # it may have been a swing, if no bar after it says no
        seen = now >= 5 and any(sign * (price[now - 5] - price[now - i]) <= 0 for i in range(5))
        out[now] = 0 if seen else np.nan
    for (before, known), (bar, confirmed) in pairwise(swings):
        if confirmed - known < 60:
            price_moves = sign * (price[bar] - price[before])
            x_moves = sign * (x[bar] - x[before])
            wanted = (-price_moves, -x_moves) if hidden else (price_moves, x_moves)
            out[confirmed] = float(wanted[0] > 0 > wanted[1])
    return out


def _ratchet(upper: Series, lower: Series, close: Series, part: str) -> Series:
    out, up, down, trend = np.full(len(close), np.nan), np.nan, np.nan, 1
    for i in range(len(close)):
        if np.isnan(upper[i]):
            continue
        if np.isnan(up):
            up, down = upper[i], lower[i]
        else:
            up = upper[i] if upper[i] < up or close[i - 1] > up else up
            down = lower[i] if lower[i] > down or close[i - 1] < down else down
            if trend == 1 and close[i] < down:
                trend = -1
            elif trend == -1 and close[i] > up:
                trend = 1
        out[i] = {"line": down if trend == 1 else up, "direction": trend}[part]
    return out


def _stop(b: Frame, part: str) -> Series:
    close, reach = b["close"].to_numpy(), 3 * _atr(b, 14).to_numpy()
    return _ratchet(close + reach, close - reach, close, part)


def _connors(b: Frame) -> Column:
    c = b["close"].to_numpy()
    streak = np.zeros(len(c))
    for i in range(1, len(c)):
        rises, falls = c[i] > c[i - 1], c[i] < c[i - 1]
        streak[i] = (max(streak[i - 1], 0) + 1) * rises + (min(streak[i - 1], 0) - 1) * falls
    change = pd.Series(c).pct_change()
    rank = change.rolling(101).apply(lambda w: 100 * (w[:-1] < w[-1]).mean(), raw=True)
    return pd.Series((talib.RSI(c, 3) + talib.RSI(streak, 2) + rank.to_numpy()) / 3)


def _yang_zhang(b: Frame, n: int = 20) -> Column:
    x = _logs(b)
    overnight = (x["open"] - x["close"].shift(1)).rolling(n).var()
    day = (x["close"] - x["open"]).rolling(n).var()
    inside = (x["high"] - x["close"]) * (x["high"] - x["open"])
    inside += (x["low"] - x["close"]) * (x["low"] - x["open"])
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    return 100 * np.sqrt(252 * (overnight + k * day + (1 - k) * inside.rolling(n).mean()))


def _fisher(b: Frame) -> Column:
    """Value1 = .33 * 2 * (place - .5) + .67 * Value1[1], Fish = .5 * ln(...) + .5 * Fish[1]."""
    middle = ((b["high"] + b["low"]) / 2).to_numpy()
    out, value, fish = np.full(len(middle), np.nan), np.nan, np.nan
    for i in range(9, len(middle)):
        low, high = middle[i - 9 : i + 1].min(), middle[i - 9 : i + 1].max()
        place = (middle[i] - low) / (high - low) if high > low else 0.5
        first = np.isnan(value)
        value = 2 * (place - 0.5) if first else 0.33 * 2 * (place - 0.5) + 0.67 * value
        held = 0.999 if value > 0.99 else -0.999 if value < -0.99 else value
        turned = np.log((1 + held) / (1 - held))
        fish = turned if first else 0.5 * turned + 0.5 * fish
        out[i] = fish
    return pd.Series(out)


def _typical(b: Frame) -> Column:
    return (b["high"] + b["low"] + b["close"]) / 3


def _middle_of(b: Frame) -> Column:
    return (b["high"] + b["low"]) / 2


def _wilder(x: Column, n: int) -> Column:
    """The mean of n values, then (n - 1) / n of the last value and 1 / n of the new one."""
    values = x.to_numpy()
    first = int(np.isnan(values).sum())
    out = np.full(len(values), np.nan)
    for i in range(first + n - 1, len(values)):
        last = out[i - 1]
        is_first = np.isnan(last)
        out[i] = values[first : i + 1].mean() if is_first else (last * (n - 1) + values[i]) / n
    return pd.Series(out)


def _wavetrend(b: Frame) -> Column:
    typical = _typical(b)
    away = typical - _ema(typical, 10)
    return _ema(away / (0.015 * _ema(away.abs(), 10)), 21)


def _share_of(part: Column, other: Column) -> Column:
    return part / (part + other)


def _strength(change: Column, n: int) -> Column:
    return 100 * _share_of(_wilder(change.clip(lower=0), n), _wilder((-change).clip(lower=0), n))


def _four(x: Column) -> Column:
    return (x + 2 * x.shift(1) + 2 * x.shift(2) + x.shift(3)) / 6


def _vigor(b: Frame) -> Column:
    bodies = _four(b["close"] - b["open"]).rolling(10).sum()
    return bodies / _four(b["high"] - b["low"]).rolling(10).sum()


def _signed_volume(b: Frame) -> Column:
    typical = (b["high"] + b["low"] + b["close"]) / 3
    return pd.Series(np.sign(typical.diff()) * b["volume"])


def _flow(b: Frame, rises: bool) -> Column:
    moves = b["close"].diff() > 0 if rises else b["close"].diff() < 0
    volume = b["volume"].where(moves, 0.0)
    volume[0] = np.nan
    return volume.rolling(50).sum()


def _regression(b: Frame) -> Column:
    def explained(y: Series) -> float:
        return float(np.corrcoef(np.arange(len(y)), y)[0, 1] ** 2)

    return b["close"].rolling(14).apply(explained, raw=True)


def _smooth(x: Column, n: int) -> Column:
    values = x.to_numpy()
    start = int(np.isnan(values).sum())
    out = np.full(len(values), np.nan)
    for i in range(start + n - 1, len(values)):
        first = i == start + n - 1
        out[i] = (
            values[start : i + 1].mean() if first else out[i - 1] + 2 / n * (values[i] - out[i - 1])
        )
    return pd.Series(out)


def _kst(b: Frame) -> Column:
    c = b["close"]
    parts = [(10, 10, 1), (15, 10, 2), (20, 10, 3), (30, 15, 4)]
    return sum(w * (100 * (c / c.shift(n) - 1)).rolling(m).mean() for n, m, w in parts)


def _special_k(b: Frame) -> Column:
    c, total = b["close"], _kst(b)
    periods, means = (40, 65, 75, 100, 195, 265, 390, 530), (50, 65, 75, 100, 130, 130, 130, 195)
    for n, m, w in zip(periods, means, (1, 2, 3, 4) * 2, strict=True):
        total = total + w * (100 * (c / c.shift(n) - 1)).rolling(m).mean()
    return total


def _twiggs(b: Frame) -> Column:
    before = b["close"].shift(1)
    top = pd.concat([b["high"], before], axis=1).max(axis=1, skipna=False)
    bottom = pd.concat([b["low"], before], axis=1).min(axis=1, skipna=False)
    flow = b["volume"] * ((b["close"] - bottom) - (top - b["close"])) / (top - bottom)
    volume = b["volume"].where(before.notna())

    def wilder(x: Column) -> Column:
        values = x.to_numpy()
        return pd.Series(
            np.concatenate([[np.nan], talib.RMA(np.ascontiguousarray(values[1:]), 21)])
        )

    return wilder(flow) / wilder(volume)


def _demark(b: Frame) -> Column:
    o, h, low, c = (b[name].shift(1) for name in ("open", "high", "low", "close"))
    x = np.where(c < o, h + 2 * low + c, np.where(c > o, 2 * h + low + c, h + low + 2 * c))
    return pd.Series(x + 0 * c)


def _alma(b: Frame, n: int = 9, offset: float = 0.85, sigma: float = 6.0) -> Column:
    away = np.arange(n) - offset * (n - 1)
    weights = np.exp(-(away**2) / (2 * (n / sigma) ** 2))
    return b["close"].rolling(n).apply(lambda w: np.average(w, weights=weights), raw=True)


def _setup(b: Frame, sign: int) -> Column:
    close, run = b["close"].to_numpy(), 0
    out = np.full(len(close), np.nan)
    for i in range(4, len(close)):
        run = min(run + 1, 9) if sign * close[i] > sign * close[i - 4] else 0
        out[i] = run
    return pd.Series(out)


def _nearest_rank(b: Frame, n: int, q: float) -> Column:
    rank = max(math.ceil(round(q * n, 9)), 1)
    return b["close"].rolling(n).apply(lambda w: np.sort(w)[rank - 1], raw=True)


def _sctr_score(b: Frame) -> Column:
    c = b["close"]
    ppo = 100 * (_ema(c, 12) - _ema(c, 26)) / _ema(c, 26)
    histogram = ppo - _ema(ppo, 9)
    slope = ((histogram - histogram.shift(3)) / 3).clip(-1, 1)
    long_term = 100 * (c - _ema(c, 200)) / _ema(c, 200) + 100 * c.pct_change(125)
    medium_term = 100 * (c - _ema(c, 50)) / _ema(c, 50) + 100 * c.pct_change(20)
    short_term = 50 * (slope + 1) + pd.Series(talib.RSI(c.to_numpy(), 14))
    return 0.3 * long_term + 0.15 * medium_term + 0.05 * short_term


def _cmf(b: Frame, n: int) -> Column:
    place = (2 * b["close"] - b["low"] - b["high"]) / (b["high"] - b["low"])
    return (place * b["volume"]).rolling(n).sum() / b["volume"].rolling(n).sum()


FORMULAS: dict[str, Twin] = {
    "alma()": _alma,
    "alma(close, 30, 0.2, 3)": lambda b: _alma(b, 30, 0.2, 3.0),
    "alma(close, 1)": lambda b: b["close"],
    "td_setup().buy": lambda b: _setup(b, -1),
    "td_setup().sell": lambda b: _setup(b, 1),
    "mansfield(close, volume, 50)": lambda b: (
        100 * (b["close"] / b["volume"] / (b["close"] / b["volume"]).rolling(50).mean() - 1)
    ),
    "rs_score()": lambda b: sum(
        weight * 100 * (b["close"] / b["close"].shift(n) - 1)
        for n, weight in ((63, 0.4), (126, 0.2), (189, 0.2), (252, 0.2))
    ),
    "sctr_score()": _sctr_score,
    "ad_score()": lambda b: _cmf(b, 63),
    "quantile(close, 40, 0.1)": lambda b: _nearest_rank(b, 40, 0.1),
    "quantile(close, 5, 0.3)": lambda b: _nearest_rank(b, 5, 0.3),
    "adx(14).plus_di": lambda b: pd.Series(talib.PLUS_DI(*_hlc(b), 14)),
    "adx(14).minus_di": lambda b: pd.Series(talib.MINUS_DI(*_hlc(b), 14)),
    "pmo().pmo": lambda b: _smooth(10 * _smooth(100 * b["close"].pct_change(), 35), 20),
    "pmo().signal": lambda b: _ema(
        _smooth(10 * _smooth(100 * b["close"].pct_change(), 35), 20), 10
    ),
    "kst().kst": _kst,
    "kst().signal": lambda b: _kst(b).rolling(9).mean(),
    "special_k()": _special_k,
    "twiggs(21)": _twiggs,
    "pivots().p": lambda b: ((b["high"] + b["low"] + b["close"]) / 3).shift(1),
    "pivots().r1": lambda b: (2 * (b["high"] + b["low"] + b["close"]) / 3 - b["low"]).shift(1),
    "pivots().s2": lambda b: ((b["high"] + b["low"] + b["close"]) / 3 - b["high"] + b["low"]).shift(
        1
    ),
    "fibonacci_pivots().r2": lambda b: (
        (b["high"] + b["low"] + b["close"]) / 3 + 0.618 * (b["high"] - b["low"])
    ).shift(1),
    "camarilla_pivots().s3": lambda b: (b["close"] - 1.1 / 4 * (b["high"] - b["low"])).shift(1),
    "demark_pivots().p": lambda b: _demark(b) / 4,
    "demark_pivots().s1": lambda b: _demark(b) / 2 - b["high"].shift(1),
    "sqrt(close)": lambda b: np.sqrt(b["close"]),
    "exp(close / 100)": lambda b: np.exp(b["close"] / 100),
    "ln(close)": lambda b: np.log(b["close"]),
    "sin(close)": lambda b: np.sin(b["close"]),
    "cos(close)": lambda b: np.cos(b["close"]),
    "atan(close - 50)": lambda b: np.arctan(b["close"] - 50),
    "floor(close)": lambda b: np.floor(b["close"]),
    "ceil(close)": lambda b: np.ceil(b["close"]),
    "round(close)": lambda b: np.floor(b["close"] + 0.5),
    "sign(close - 50)": lambda b: np.sign(b["close"] - 50),
    "pow(close, 1.7)": lambda b: b["close"] ** 1.7,
    "close ^ 3": lambda b: b["close"] ** 3,
    "(close - 50) ^ 5": lambda b: (b["close"] - 50) ** 5,
    "smooth(close, 9, 0.3)": lambda b: pd.Series(
        np.concatenate(
            [
                np.full(8, np.nan),
                pd.Series([b["close"][:9].mean(), *b["close"][9:]])
                .ewm(alpha=0.3, adjust=False)
                .mean()
                .to_numpy(),
            ]
        )
    ),
    "covar(high, volume, 30)": lambda b: b["high"].rolling(30).cov(b["volume"], ddof=0),
    "r2(close, 14)": _regression,
    "linreg(close, 14).r2": _regression,
    "bars_since_highest(high, 20)": lambda b: (
        b["high"].rolling(20).apply(lambda w: int(np.argmax(w[::-1])), raw=True)
    ),
    "bars_since_lowest(low, 20)": lambda b: (
        b["low"].rolling(20).apply(lambda w: int(np.argmin(w[::-1])), raw=True)
    ),
    "swing_high()": lambda b: _price_of_swing(b, "high", 3, 3, 0, 252),
    "swing_high(2, 4, 7, 90).price": lambda b: _price_of_swing(b, "high", 2, 4, 7, 90),
    "swing_high(5, 1, 2, 40).age": lambda b: (
        np.arange(len(b["close"])) - _swing(b, "high", 5, 1, 2, 40)
    ),
    "swing_low(1, 2, 1)": lambda b: _price_of_swing(b, "low", 1, 2, 1, 252),
    "swing_low(3, 3, 1).age": lambda b: np.arange(len(b["close"])) - _swing(b, "low", 3, 3, 1, 252),
    "divergence().bearish": lambda b: _diverges(b, b["close"], "high"),
    "divergence(roc(5)).bullish": lambda b: _diverges(b, b["close"].pct_change(5), "low"),
    "divergence(roc(5)).bearish": lambda b: _diverges(b, b["close"].pct_change(5), "high"),
    "divergence(roc(5)).hidden_bullish": lambda b: _diverges(
        b, b["close"].pct_change(5), "low", hidden=True
    ),
    "divergence(roc(5)).hidden_bearish": lambda b: _diverges(
        b, b["close"].pct_change(5), "high", hidden=True
    ),
    "adr_percent(20)": lambda b: 100 * ((b["high"] / b["low"]).rolling(20).mean() - 1),
    "ulcer(14)": lambda b: np.sqrt(
        ((100 * (b["close"] / b["close"].rolling(14).max() - 1)) ** 2).rolling(14).mean()
    ),
    "volatility(20)": lambda b: 100 * np.sqrt(252) * np.log(b["close"]).diff().rolling(20).std(),
    "parkinson(20)": lambda b: (
        100
        * np.sqrt(252 * (np.log(b["high"] / b["low"]) ** 2).rolling(20).mean() / (4 * np.log(2)))
    ),
    "garman_klass(20)": lambda b: (
        100
        * np.sqrt(
            252
            * (
                0.5 * np.log(b["high"] / b["low"]) ** 2
                - (2 * np.log(2) - 1) * np.log(b["close"] / b["open"]) ** 2
            )
            .rolling(20)
            .mean()
        )
    ),
    "rogers_satchell(20)": lambda b: (
        100
        * np.sqrt(
            252
            * (
                np.log(b["high"] / b["close"]) * np.log(b["high"] / b["open"])
                + np.log(b["low"] / b["close"]) * np.log(b["low"] / b["open"])
            )
            .rolling(20)
            .mean()
        )
    ),
    "yang_zhang(20)": _yang_zhang,
    "keltner(20, 2, 10).upper": lambda b: _ema(b["close"], 20) + 2 * _atr(b, 10),
    "keltner(20, 2, 10).middle": lambda b: _ema(b["close"], 20),
    "keltner(20, 2, 10).lower": lambda b: _ema(b["close"], 20) - 2 * _atr(b, 10),
    "keltner(20, 2, 10).width": lambda b: 400 * _atr(b, 10) / _ema(b["close"], 20),
    "bbands(20, 2).width": lambda b: (
        400 * b["close"].rolling(20).std(ddof=0) / b["close"].rolling(20).mean()
    ),
    "bbands(20, 2).percent_b": lambda b: (
        0.5
        + (b["close"] - b["close"].rolling(20).mean()) / (4 * b["close"].rolling(20).std(ddof=0))
    ),
    "donchian(20).width": lambda b: (
        100 * (b["high"].rolling(20).max() - b["low"].rolling(20).min()) / _middle(b, 20)
    ),
    "squeeze(20)": _squeeze,
    "squeeze(20).momentum": _squeeze_momentum,
    "ichimoku().tenkan": lambda b: _middle(b, 9),
    "ichimoku().kijun": lambda b: _middle(b, 26),
    "ichimoku().span_a": lambda b: ((_middle(b, 9) + _middle(b, 26)) / 2).shift(26),
    "ichimoku().span_b": lambda b: _middle(b, 52).shift(26),
    "choppiness(14)": lambda b: (
        100
        * np.log10(
            _range(b).rolling(14).sum()
            / (
                pd.concat([b["high"], b["close"].shift(1)], axis=1)
                .max(axis=1, skipna=False)
                .rolling(14)
                .max()
                - pd.concat([b["low"], b["close"].shift(1)], axis=1)
                .min(axis=1, skipna=False)
                .rolling(14)
                .min()
            )
        )
        / np.log10(14)
    ),
    "chandelier(22, 3).long": lambda b: b["high"].rolling(22).max() - 3 * _atr(b, 22),
    "chandelier(22, 3).short": lambda b: b["low"].rolling(22).min() + 3 * _atr(b, 22),
    "trailing_stop(14, 3).line": lambda b: _stop(b, "line"),
    "trailing_stop(14, 3).direction": lambda b: _stop(b, "direction"),
    "connors_rsi()": _connors,
    "woodie_pivots().p": lambda b: ((b["high"] + b["low"] + 2 * b["close"]) / 4).shift(1),
    "woodie_pivots().r1": lambda b: (
        2 * ((b["high"] + b["low"] + 2 * b["close"]) / 4).shift(1) - b["low"].shift(1)
    ),
    "woodie_pivots().s2": lambda b: (
        (b["high"] + b["low"] + 2 * b["close"]) / 4 - (b["high"] - b["low"])
    ).shift(1),
    "cpr().tc": lambda b: np.maximum(_middle_of(b), 2 * _typical(b) - _middle_of(b)).shift(1),
    "cpr().bc": lambda b: np.minimum(_middle_of(b), 2 * _typical(b) - _middle_of(b)).shift(1),
    "cpr().p": lambda b: _typical(b).shift(1),
    "chande_kroll(10, 1, 9).long": lambda b: (
        (b["low"].rolling(10).min() + _atr(b, 10)).rolling(9).min()
    ),
    "chande_kroll(10, 2, 9).short": lambda b: (
        (b["high"].rolling(10).max() - 2 * _atr(b, 10)).rolling(9).max()
    ),
    "alligator().jaw": lambda b: _wilder(_middle_of(b), 13).shift(8),
    "alligator().teeth": lambda b: _wilder(_middle_of(b), 8).shift(5),
    "alligator().lips": lambda b: _wilder(_middle_of(b), 5).shift(3),
    "ichimoku(9, 26, 52, 30).span_b": lambda b: _middle(b, 52).shift(30),
    "wavetrend(10, 21)": _wavetrend,
    "wavetrend(10, 21).wt2": lambda b: _wavetrend(b).rolling(4).mean(),
    "rmi(20, 5)": lambda b: _strength(b["close"].diff(5), 20),
    "demarker(14)": lambda b: _share_of(
        b["high"].diff().clip(lower=0).rolling(14).sum(),
        (-b["low"].diff()).clip(lower=0).rolling(14).sum(),
    ),
    "rvgi(10)": _vigor,
    "rvgi(10).signal": lambda b: _four(_vigor(b)),
    "trix(15, 9).signal": lambda b: _ema(
        100 * _ema(_ema(_ema(b["close"], 15), 15), 15).pct_change(fill_method=None), 9
    ),
    "tsi(25, 13, 7).signal": lambda b: _ema(
        100 * _ema(_ema(b["close"].diff(), 25), 13) / _ema(_ema(b["close"].diff().abs(), 25), 13),
        7,
    ),
    "fisher(10)": _fisher,
    "fisher(10).signal": lambda b: _fisher(b).shift(1),
    "emv(14)": lambda b: (
        (((b["high"] + b["low"]) / 2).diff() / (b["volume"] / 1e8 / (b["high"] - b["low"])))
        .rolling(14)
        .mean()
    ),
    "klinger(34, 55)": lambda b: _ema(_signed_volume(b), 34) - _ema(_signed_volume(b), 55),
    "klinger(34, 55, 13).signal": lambda b: _ema(
        _ema(_signed_volume(b), 34) - _ema(_signed_volume(b), 55), 13
    ),
    "up_down_volume(50)": lambda b: _flow(b, rises=True) / _flow(b, rises=False),
    "if(close > open, volume, -1)": lambda b: b["volume"].where(b["close"] > b["open"], -1.0),
    "number(close > open) + number(close > high[1])": lambda b: (
        (b["close"] > b["open"]).astype(float)
        + (b["close"] > b["high"].shift(1)).astype(float)
        + 0 * b["close"].shift(1)
    ),
    "max(open, close, high[1], low)": lambda b: pd.concat(
        [b["open"], b["close"], b["high"].shift(1), b["low"]], axis=1
    ).max(axis=1, skipna=False),
    "sma(close, 2 * 5)": lambda b: b["close"].rolling(10).mean(),
    "close[floor(7 / 2)]": lambda b: b["close"].shift(3),
}
"""A call, and the same from the bars of one symbol."""

INNER = {
    "wilder_sum": "plus_dm, plus_di, minus_di",
    "adaptive": "kama",
    "dominant_cycle": "ht_dcperiod, ht_phasor",
    "cycle_mode": "ht_dcphase, ht_trendline, ht_trendmode",
    "ha_open": "ha",
    "sum_oscillator": "adosc",
    "ratchet": "supertrend, trailing_stop",
    "sma_of_bars": "mavp",
    "log10": "log10",
}
"""Rows that only formulas use, and the functions of TA-Lib that test them."""


@pytest.mark.parametrize("text", FORMULAS)
def test_equals_its_slow_twin(text: str) -> None:
    bars = random_bars(rows=800 if text.startswith("special") else 300, symbols=20, seed=7)
    (got,) = evaluated([text], bars)
    for symbol in range(20):
        first = int(np.isnan(bars["close"][:, symbol]).sum())
        frame = {name: pd.Series(matrix[first:, symbol]) for name, matrix in bars.items()}
        want = np.asarray(FORMULAS[text](frame), dtype=float) if first < len(got) else np.empty(0)
        np.testing.assert_array_equal(np.isnan(got[first:, symbol]), np.isnan(want))
        np.testing.assert_allclose(got[first:, symbol], want, rtol=1e-9, atol=1e-9)


def test_every_row_has_an_oracle() -> None:
    of_talib = {row_of(name).name for name in functions()}
    here = {text.partition("(")[0].strip() for text in FORMULAS}
    patterns = {name for name in INDICATORS if name.startswith("cdl")}  # test_candles.py
    others = TOTALS | {"ytd"}  # test_totals.py, test_calendar.py
    oracles = patterns | of_talib | set(TWINS) | set(INNER) | others
    assert set(INDICATORS) == oracles | (here & set(INDICATORS))


@pytest.mark.parametrize("name", [name for name in INDICATORS if INDICATORS[name].formulas])
def test_outputs_of_every_row_can_be_called(name: str) -> None:
    row = INDICATORS[name]
    series = ", ".join(row.inputs[: row.series])
    for output in row.outputs or ("",):
        call = f"{name}({series}){f'.{output}' if output else ''}"
        node = parse_expression(call)
        assert parse_expression(str(node)) == node
        make_plan([node, require_settled(node)], 3)
    for alias in row.aliases:
        assert parse_expression(f"{alias}({series}){f'.{row.outputs[0]}' if row.outputs else ''}")


@pytest.mark.parametrize(
    "text",
    [
        "sar()",
        "supertrend().line",
        "supertrend().direction",
        "trailing_stop().line",
        "kama(10)",
        "ht_dcperiod()",
        "ht_trendline()",
        "mama().mama",
    ],
)
def test_state_is_settled_only_when_the_start_does_not_matter(text: str) -> None:
    """Where the settled form is known, bars before the first one would not change the value."""
    node = parse_expression(text)
    assert recursions(node)
    bars = random_bars(rows=3000, symbols=64, seed=11, short=0)
    whole = evaluated([text], bars)[0][1000:]
    later = {name: matrix[1000:] for name, matrix in bars.items()}
    settled_form = evaluated([require_settled(node)], later)[0]
    known = ~np.isnan(settled_form)
    assert known.mean() > 0.2
    assert not known[0].any()
    off = np.abs(settled_form[known] - whole[known]) > 1e-3 * np.abs(whole[known])
    # A band that has settled to 1e-4 may still be crossed on another bar.
    assert off.mean() <= (0.0002 if text == "sar()" else 0.002)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sma(50, close)", r"the series comes first: sma\(close, 50\)"),
        ("beta(close)", "beta needs 2 series"),
        ("correl(30)", "correl needs 2 series"),
        ("ma(close, 20, 10)", "matype 10 is not available"),
        ("mavp(close, open, 9, 5)", r"minperiod \(9\) must not be longer than maxperiod"),
        ("mama(close, 0.5, 0.001)", "parameter slowlimit of mama must be a number from 0.01"),
        ("if(close > 1, 2)", "if takes 3 arguments, not 2: if"),
        ("max(close)", "max takes at least 2 arguments"),
        ("number(close)", "number must be true or false"),
        ("close[close]", "the number of bars back"),
        ("close[1 / 2]", "whole number"),
        ("supertrend(10, 3)", "several outputs"),
        ("sqrt(1, 2)", "too many"),
        ("linreg(close, 1).slope", "from 2"),
    ],
)
def test_errors_name_the_fix(text: str, says: str) -> None:
    with pytest.raises(ConditionError, match=says):
        parse_expression(text)
