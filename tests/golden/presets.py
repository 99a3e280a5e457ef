"""Writes presets.json: what each preset matches on the example market, worked out once more.

Each function below says for one symbol, on each of its bars, whether the preset of its name holds,
from what the preset says of itself. NumPy, polars and TA-Lib are all that it uses.

    .venv/bin/python -m tests.golden.presets
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path

import numpy as np

from tests.golden.market import Market, Series, read_market
from tests.golden.truths import (
    EXACT,
    Truth,
    adx,
    at_least,
    at_most,
    atr,
    back,
    bands,
    crosses_above,
    crosses_below,
    ema,
    equal,
    higher_average,
    highest,
    less,
    lowest,
    macd,
    more,
    rsi,
    sma,
    stoch,
)

FILE = Path(__file__).with_suffix(".json")

Preset = Callable[[Series, Market], Truth]

PRESETS: dict[str, Preset] = {}


def preset(function: Preset) -> Preset:
    PRESETS[function.__name__] = function
    return function


def moving(function: Preset) -> Preset:
    """And not a quote that had one price in the last 15 bars, whatever it says itself."""

    @wraps(function)
    def both(s: Series, m: Market) -> Truth:
        held = function(s, m)
        still = equal(highest(s.high, 15), lowest(s.low, 15))
        if held.true.shape == still.true.shape:
            return held & ~still
        return held.newest() & ~still.newest()  # of weeks, or of the newest bar alone

    return both


# -- averages and trends


@preset
@moving
def uptrend(s: Series, m: Market) -> Truth:
    short, long = sma(s.close, 50), sma(s.close, 200)
    stacked = more(s.close, short) & higher_average(short, long, s.close)
    return stacked & higher_average(long, back(long, 21), s.close)


@preset
@moving
def downtrend(s: Series, m: Market) -> Truth:
    short, long = sma(s.close, 50), sma(s.close, 200)
    stacked = less(s.close, short) & higher_average(long, short, s.close)
    return stacked & higher_average(back(long, 21), long, s.close)


@preset
@moving
def ema_stack(s: Series, m: Market) -> Truth:
    fast, middle, slow = (ema(s.close, n) for n in (8, 21, 55))
    return more(s.close, fast) & more(fast, middle) & more(middle, slow)


@preset
def golden_cross(s: Series, m: Market) -> Truth:
    above = higher_average(sma(s.close, 50), sma(s.close, 200), s.close)
    return (above & ~above.back(1)).within(5)


@preset
def death_cross(s: Series, m: Market) -> Truth:
    below = higher_average(sma(s.close, 200), sma(s.close, 50), s.close)
    return (below & ~below.back(1)).within(5)


@preset
def back_above_200_day(s: Series, m: Market) -> Truth:
    long = sma(s.close, 200)
    return crosses_above(s.close, long) & less(s.close, long).for_bars(40).back(1)


@preset
def pullback_to_50_day(s: Series, m: Market) -> Truth:
    return uptrend(s, m) & at_most(s.low, sma(s.close, 50))


@preset
def low_volatility_uptrend(s: Series, m: Market) -> Truth:
    return less(atr(s, 14) / s.close, 0.015) & uptrend(s, m)


@preset
@moving
def strong_trend(s: Series, m: Market) -> Truth:
    strength = adx(s, 14)
    rose = more(strength, back(strength, 1)).for_bars(3)
    return more(strength, 25) & rose & more(s.close, sma(s.close, 50))


@preset
@moving
def weinstein_stage_2(s: Series, m: Market) -> Truth:
    close = s.weekly_closes()
    average = sma(close, 30)
    return more(close, average) & higher_average(average, back(average, 1), close).for_bars(4)


@preset
@moving
def minervini_trend_template(s: Series, m: Market) -> Truth:
    short, middle, long = (sma(s.close, n) for n in (50, 150, 200))
    stacked = higher_average(short, middle, s.close) & higher_average(middle, long, s.close)
    return (
        stacked
        & more(s.close, short)
        & more(s.close, middle)
        & more(s.close, long)
        & higher_average(long, back(long, 21), s.close)
        & at_least(s.close, 1.25 * lowest(s.low, 252))
        & at_least(s.close, 0.75 * highest(s.high, 252))
        & at_least(m.percentile(189).get(s.symbol, np.nan), 0.7)
    )


# -- highs, lows and bases


@preset
@moving
def new_52_week_high(s: Series, m: Market) -> Truth:
    return at_least(s.high, highest(s.high, 252))


@preset
@moving
def new_52_week_low(s: Series, m: Market) -> Truth:
    return at_most(s.low, lowest(s.low, 252))


@preset
@moving
def near_52_week_high(s: Series, m: Market) -> Truth:
    year = highest(s.high, 252)
    return more(s.close, 0.95 * year) & less(s.high, year)


@preset
def first_new_high_in_months(s: Series, m: Market) -> Truth:
    new = at_least(s.high, highest(s.high, 126))
    return new & (~new).for_bars(40).back(1)


@preset
def donchian_breakout(s: Series, m: Market) -> Truth:
    top = back(highest(s.high, 20), 1)
    return more(s.close, top) & at_most(s.close, top).back(1)


@preset
def turtle_entry(s: Series, m: Market) -> Truth:
    breakout = more(s.high, back(highest(s.high, 55), 1))
    return breakout & ~breakout.at_least(2, 10)


@preset
def turtle_exit(s: Series, m: Market) -> Truth:
    bottom = back(lowest(s.low, 20), 1)
    return less(s.low, bottom) & at_least(s.low, bottom).back(1)


@preset
def base_breakout(s: Series, m: Market) -> Truth:
    top, bottom = back(highest(s.high, 50), 1), back(lowest(s.low, 50), 1)
    heavy = more(s.volume, 1.5 * back(sma(s.volume, 50), 1))
    return more(s.close, top) & less(top, 1.25 * bottom) & heavy


@preset
@moving
def flat_base(s: Series, m: Market) -> Truth:
    return (
        less(highest(s.high, 25), 1.1 * lowest(s.low, 25), EXACT)
        & more(s.close, 0.85 * highest(s.high, 252))
        & more(s.close, sma(s.close, 50))
    )


@preset
def darvas_box(s: Series, m: Market) -> Truth:
    top = s.high
    was_high = at_least(top, highest(top, 63)).back(3)
    formed = (was_high & less(highest(top, 3), back(top, 3))).true
    ages = np.flatnonzero(formed[::-1][:60])
    if not len(ages):
        return Truth(np.zeros(1, bool), np.zeros(1, bool))
    box = top[len(top) - 1 - ages[0] - 3]
    heavy = more(s.volume, 1.5 * sma(s.volume, 20))
    return more(s.close, box) & at_most(s.close, box).back(1) & heavy


# -- volume


@preset
def accumulation(s: Series, m: Market) -> Truth:
    heavier = more(s.volume, back(s.volume, 1))
    up = more(s.close, back(s.close, 1)) & heavier
    down = less(s.close, back(s.close, 1)) & heavier
    return up.at_least(8, 20) & ~down.at_least(4, 20)


@preset
def pocket_pivot(s: Series, m: Market) -> Truth:
    down = less(s.close, back(s.close, 1)).true
    heaviest = back(highest(np.where(down, s.volume, 0.0), 10), 1)
    up = more(s.close, back(s.close, 1))
    return up & more(s.volume, heaviest) & more(s.close, sma(s.close, 50))


@preset
def unusual_volume(s: Series, m: Market) -> Truth:
    return more(s.volume, 3 * back(sma(s.volume, 20), 1)) & more(s.close * s.volume, 1e6)


@preset
def volume_breakout(s: Series, m: Market) -> Truth:
    heavy = more(s.volume, 2 * back(sma(s.volume, 20), 1))
    return more(s.close, back(highest(s.high, 20), 1)) & heavy


@preset
def volume_dry_up(s: Series, m: Market) -> Truth:
    quiet = less(s.volume, 0.5 * sma(s.volume, 50))
    near = more(s.close, 0.9 * highest(s.high, 63))
    return quiet & near & more(s.close, sma(s.close, 50))


# -- gaps, bars and candles


@preset
def gap_up(s: Series, m: Market) -> Truth:
    return more(s.open, 1.03 * back(s.close, 1), EXACT) & more(s.open, back(s.high, 1))


@preset
def gap_down(s: Series, m: Market) -> Truth:
    return less(s.open, 0.97 * back(s.close, 1), EXACT) & less(s.open, back(s.low, 1))


@preset
def gap_and_go(s: Series, m: Market) -> Truth:
    held = more(s.low, back(s.high, 1)) & more(s.close, s.open)
    return gap_up(s, m) & held & more(s.volume, 2 * back(sma(s.volume, 20), 1))


@preset
def gap_down_reversal(s: Series, m: Market) -> Truth:
    return gap_down(s, m) & more(s.close, back(s.close, 1))


@preset
def inside_day(s: Series, m: Market) -> Truth:
    return less(s.high, back(s.high, 1)) & more(s.low, back(s.low, 1))


@preset
def double_inside_day(s: Series, m: Market) -> Truth:
    return inside_day(s, m).for_bars(2)


@preset
def nr7(s: Series, m: Market) -> Truth:
    reach = s.high - s.low
    narrowest = at_most(reach, back(lowest(reach, 6), 1), EXACT)
    return narrowest & less(reach, back(reach, 1), EXACT)


@preset
def nr7_inside_day(s: Series, m: Market) -> Truth:
    return nr7(s, m) & inside_day(s, m)


@preset
def wide_range_bar(s: Series, m: Market) -> Truth:
    reach = s.high - s.low
    wide = more(reach, 2 * back(atr(s, 14), 1), s.high)
    return wide & more(s.close, s.low + 0.75 * reach, EXACT)


@preset
def key_reversal(s: Series, m: Market) -> Truth:
    return at_most(s.low, lowest(s.low, 20)) & more(s.close, back(s.high, 1))


@preset
def bullish_engulfing(s: Series, m: Market) -> Truth:
    o, c = back(s.open, 1), back(s.close, 1)
    around = at_most(s.open, c) & at_least(s.close, o) & more(s.close - s.open, o - c, EXACT)
    return less(c, o) & more(s.close, s.open) & around & less(c, back(s.close, 10))


@preset
def bearish_engulfing(s: Series, m: Market) -> Truth:
    o, c = back(s.open, 1), back(s.close, 1)
    around = at_least(s.open, c) & at_most(s.close, o) & more(s.open - s.close, c - o, EXACT)
    return more(c, o) & less(s.close, s.open) & around & more(c, back(s.close, 10))


@preset
def hammer(s: Series, m: Market) -> Truth:
    top, bottom = np.maximum(s.open, s.close), np.minimum(s.open, s.close)
    shape = at_least(bottom - s.low, 2 * (top - bottom), EXACT)
    shape &= at_most(s.high - top, 0.1 * (s.high - s.low), EXACT)
    return shape & more(top, bottom) & at_most(s.low, lowest(s.low, 10))


@preset
def shooting_star(s: Series, m: Market) -> Truth:
    top, bottom = np.maximum(s.open, s.close), np.minimum(s.open, s.close)
    shape = at_least(s.high - top, 2 * (top - bottom), EXACT)
    shape &= at_most(bottom - s.low, 0.1 * (s.high - s.low), EXACT)
    return shape & more(top, bottom) & at_least(s.high, highest(s.high, 10))


@preset
@moving
def doji(s: Series, m: Market) -> Truth:
    reach = s.high - s.low
    small = at_most(np.abs(s.close - s.open), 0.1 * reach, EXACT)
    return small & at_least(reach, atr(s, 14), s.high)


@preset
def morning_star(s: Series, m: Market) -> Truth:
    first_open, first_close = back(s.open, 2), back(s.close, 2)
    first = first_open - first_close
    long = more(first_open, first_close) & more(first, 0.7 * back(atr(s, 14), 2), first_open)
    second = np.abs(back(s.close - s.open, 1))
    below = less(back(np.maximum(s.open, s.close), 1), first_close)
    small = less(second, 0.5 * first, EXACT)
    third = more(s.close, s.open) & more(s.close, (first_open + first_close) / 2, EXACT)
    return long & below & small & third


@preset
def three_white_soldiers(s: Series, m: Market) -> Truth:
    long = more(s.close - s.open, 0.5 * back(atr(s, 14), 1), s.high)
    white = more(s.close, s.open) & more(s.close, back(s.close, 1)) & long
    inside = more(s.open, back(s.open, 1)) & less(s.open, back(s.close, 1))
    return white.for_bars(3) & inside.for_bars(2)


@preset
def three_black_crows(s: Series, m: Market) -> Truth:
    long = more(s.open - s.close, 0.5 * back(atr(s, 14), 1), s.high)
    black = less(s.close, s.open) & less(s.close, back(s.close, 1)) & long
    inside = less(s.open, back(s.open, 1)) & more(s.open, back(s.close, 1))
    return black.for_bars(3) & inside.for_bars(2)


@preset
def down_streak(s: Series, m: Market) -> Truth:
    fell = less(s.close, back(s.close, 1))
    return fell.for_bars(4) & more(s.close, sma(s.close, 200))


# -- oscillators


@preset
@moving
def rsi_overbought(s: Series, m: Market) -> Truth:
    return more(rsi(s, 14), 70)


@preset
@moving
def rsi_oversold(s: Series, m: Market) -> Truth:
    return less(rsi(s, 14), 30)


@preset
def rsi_recovery(s: Series, m: Market) -> Truth:
    index = rsi(s, 14)
    return more(index, 30) & less(index, 30).for_bars(5).back(1)


@preset
@moving
def oversold_in_uptrend(s: Series, m: Market) -> Truth:
    long = sma(s.close, 200)
    return (
        less(rsi(s, 14), 35) & more(s.close, long) & higher_average(long, back(long, 21), s.close)
    )


@preset
@moving
def connors_rsi_2(s: Series, m: Market) -> Truth:
    return more(s.close, sma(s.close, 200)) & less(rsi(s, 2), 10)


@preset
def stochastic_cross_up(s: Series, m: Market) -> Truth:
    k, d = stoch(s)
    return crosses_above(k, d, 100) & less(d, 20)


@preset
def stochastic_cross_down(s: Series, m: Market) -> Truth:
    k, d = stoch(s)
    return crosses_below(k, d, 100) & more(d, 80)


@preset
def macd_bullish_cross(s: Series, m: Market) -> Truth:
    line, signal = macd(s.close, 12, 26, 9)
    return crosses_above(line, signal, s.close) & less(line, 0, s.close)


@preset
def macd_bearish_cross(s: Series, m: Market) -> Truth:
    line, signal = macd(s.close, 12, 26, 9)
    return crosses_below(line, signal, s.close) & more(line, 0, s.close)


@preset
def macd_zero_cross(s: Series, m: Market) -> Truth:
    line, _ = macd(s.close, 12, 26, 9)
    return crosses_above(line, np.zeros_like(line), s.close)


@preset
def weekly_macd_up(s: Series, m: Market) -> Truth:
    close = s.weekly_closes()
    weekly = more(*macd(close, 3, 10, 5), close)
    daily = crosses_above(*macd(s.close, 12, 26, 9), s.close).within(3)
    return Truth(weekly.true[-1:], weekly.false[-1:]) & daily


# -- bands


@preset
def bollinger_breakout(s: Series, m: Market) -> Truth:
    return more(s.close, bands(s)[0]) & more(s.volume, 2 * back(sma(s.volume, 20), 1))


@preset
def bollinger_breakdown(s: Series, m: Market) -> Truth:
    return less(s.close, bands(s)[2])


@preset
def bollinger_reversal(s: Series, m: Market) -> Truth:
    below, inside = less(s.close, bands(s)[2]), more(s.close, bands(s)[2])
    return below.back(1) & inside


@preset
@moving
def bollinger_squeeze(s: Series, m: Market) -> Truth:
    upper, middle, lower = bands(s)
    width = (upper - lower) / middle
    return at_most(width, back(lowest(width, 125), 1), 1)


@preset
@moving
def keltner_squeeze(s: Series, m: Market) -> Truth:
    upper, _, lower = bands(s)
    middle, reach = ema(s.close, 20), 1.5 * atr(s, 20)
    return less(upper, middle + reach) & more(lower, middle - reach)


@preset
def squeeze_release(s: Series, m: Market) -> Truth:
    squeezed = keltner_squeeze(s, m)
    high = at_least(s.close, highest(s.close, 10))
    return ~squeezed & squeezed.for_bars(5).back(1) & high


# -- against the market


@preset
@moving
def momentum_leaders(s: Series, m: Market) -> Truth:
    best = at_least(m.percentile(126).get(s.symbol, np.nan), 0.95)
    return best & more(s.close, sma(s.close, 50))


@preset
@moving
def momentum_laggards(s: Series, m: Market) -> Truth:
    worst = at_most(m.percentile(126).get(s.symbol, np.nan), 0.05)
    return worst & less(s.close, sma(s.close, 50))


@preset
def short_term_strength(s: Series, m: Market) -> Truth:
    week, month, quarter = (
        at_least(m.percentile(n).get(s.symbol, np.nan), 0.9) for n in (5, 21, 63)
    )
    return week & month & quarter


@preset
def sector_leaders(s: Series, m: Market) -> Truth:
    best = at_most(m.sector_rank(63).get(s.symbol, np.nan), 10)
    return best & more(sma(s.close * s.volume, 20), 10e6)


@preset
def strong_in_weak_sector(s: Series, m: Market) -> Truth:
    strong = at_least(m.sector_percentile(63).get(s.symbol, np.nan), 0.9)
    return strong & less(m.sector_breadth(50).get(s.sector or "", np.nan), 0.5)


def _nasdaq(s: Series, m: Market) -> np.ndarray:
    """The close of QQQ in the session of each bar; where it has none, its last one before."""
    other = m.series["QQQ"]
    place = np.searchsorted(other.day, s.day, "right") - 1
    return np.where(place < 0, np.nan, other.close[place])


@preset
@moving
def outperforms_nasdaq(s: Series, m: Market) -> Truth:
    grown, other = (x / back(x, 63) for x in (s.close, m.series["QQQ"].close))
    return more(grown / other[-1], 1.2) & more(s.close, sma(s.close, 50))


@preset
def relative_strength_high(s: Series, m: Market) -> Truth:
    line = s.close / _nasdaq(s, m)
    below = less(s.close, highest(s.high, 126))
    return at_least(line, back(highest(line, 125), 1)) & below


def matches(market: Market, name: str, symbols: Iterable[str]) -> tuple[list[str], list[str]]:
    """Of some symbols those that a preset matches, and those that a rounding decides."""
    sure: list[str] = []
    edge: list[str] = []
    for symbol in sorted(symbols):
        with np.errstate(divide="ignore", invalid="ignore"):
            held = PRESETS[name](market.series[symbol], market)
        if np.atleast_1d(held.true)[-1]:
            (edge if np.atleast_1d(held.false)[-1] else sure).append(symbol)
    return sure, edge


def main() -> None:
    market = read_market()
    lines = []
    for name in sorted(PRESETS):
        sure, edge = matches(market, name, market.series)
        lines.append(f"{json.dumps(name)}: {json.dumps({'matches': sure, 'edge': edge})}")
        print(f"{name}: {len(sure)} matches, {len(edge)} on a rounding edge")
    body = ",\n".join(lines)
    FILE.write_text(f'{{"as_of": "{market.as_of}", "presets": {{\n{body}\n}}}}\n')


if __name__ == "__main__":
    main()
