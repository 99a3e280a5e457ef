"""Pine Script: scripts that users post, their meaning, and what is refused."""

from __future__ import annotations

import pytest

from marketsweep.errors import ConditionError
from marketsweep.language.translate.translate import guess_language, translate
from marketsweep.market import Market
from tests.helpers.translations import assert_same_meaning

SCRIPTS = {
    "volume in the last months of a year": (
        """
        //@version=5
        indicator("obv")
        rises = ta.obv > ta.ema(ta.obv, 21) and close > ta.alma(close, 9, 0.85, 6)
        alertcondition(rises and month >= 11 and dayofweek == 6)
        """,
        "obv() > ema(obv(), 21) and close > alma(close, 9, 0.85, 6)",
    ),
    "crossover alert": (
        """
        //@version=5
        indicator(title="Custom", shorttitle="CI", overlay=true)
        length = input.int(14, title="Length", minval=1)
        source = input.source(close, title="Source")
        value = ta.sma(source, length)
        plot(value, title="Value", color=color.blue, linewidth=2)
        alertcondition(ta.crossover(source, value), title="Crossover Alert", message="over")
        """,
        "close crosses above sma(14)",
    ),
    "RSI and trend": (
        """
        //@version=5
        indicator("RSI dip", overlay=true)
        rsiLen = input.int(14, "RSI Length")
        os = input(35, "Oversold")
        trendUp = close > ta.sma(close, 200)
        dip = ta.rsi(close, rsiLen) < os
        plotshape(trendUp and dip, style=shape.triangleup, location=location.belowbar,
             color=color.green)
        """,
        "close > sma(200) and rsi(14) < 35",
    ),
    "kind of average by a switch": (
        """
        //@version=5
        indicator("MA ribbon", overlay=true)
        kind = input.string("EMA", "Type", options=["SMA", "EMA", "VWAP"])
        ma(float source, simple int length, string type) =>
            switch type
                "SMA" => ta.sma(source, length)
                "EMA" => ta.ema(source, length)
                "VWAP" => ta.vwap(source)
        fast = ma(close, 21, kind)
        slow = ma(close, 50, "SMA")
        alertcondition(ta.crossover(fast, slow), "cross")
        """,
        "ema(21) crosses above sma(50)",
    ),
    "functions of the script": (
        """
        //@version=5
        indicator("functions")
        length = 20
        half(x) => x / 2
        width(src, len, mult = 2.0) =>
            length = len * 2
            dev = ta.stdev(src, len) * mult
            dev / ta.sma(src, length) + half(0.02)
        alertcondition(width(close, 10) < half(0.1) and close > ta.sma(close, length))
        """,
        "2 * stddev(10) / sma(20) + 0.01 < 0.05 and close > sma(20)",
    ),
    "values of if and switch": (
        """
        //@version=5
        indicator("blocks")
        base = if close > open
            low
        else if close < open
            high
        else
            close
        state = switch
            close > ta.sma(close, 50) => 1
            close < ta.sma(close, 50) => -1
            => 0
        long = state == 1 and close > base
        alertcondition(long)
        """,
        "if(close > sma(50), 1, if(close < sma(50), -1, 0)) == 1 "
        "and close > if(close > open, low, if(close < open, high, close))",
    ),
    "width of bands, a ratio": (
        """
        //@version=5
        alertcondition(ta.bbw(close, 20, 2) < 0.05)
        """,
        "bbands(20, 2).width / 100 < 0.05",
    ),
    "width of bands, in percent": (
        """
        //@version=6
        alertcondition(ta.bbw(close, 20, 2) < 5)
        """,
        "bbands(20, 2).width < 5",
    ),
    "strategy with an if": (
        """
        //@version=4
        strategy("MA cross", overlay=true)
        fast = sma(close, input(10, title="Fast"))
        slow = sma(close, input(30, title="Slow"))
        longCondition = crossover(fast, slow)
        if (longCondition)
            strategy.entry("Long", strategy.long)
        shortCondition = crossunder(fast, slow)
        if (shortCondition)
            strategy.entry("Short", strategy.short)
        """,
        "sma(10) crosses above sma(30)",
    ),
    "MACD lines": (
        """
        [macdLine, signalLine, histLine] = ta.macd(close, 12, 26, 9)
        up = ta.crossover(macdLine, signalLine) and histLine[1] < 0
        alertcondition(up)
        """,
        "macd().macd crosses above macd().signal and macd().hist[1] < 0",
    ),
    "bands": (
        """
        [middle, upper, lower] = ta.bb(close, 20, 2)
        breakout = close > upper and volume > 1.5 * ta.sma(volume, 20)
        plotchar(breakout, "breakout")
        """,
        "close > bbands(20, 2).upper and volume > 1.5 * sma(volume, 20)",
    ),
    "an expression": (
        "ta.crossover(ta.ema(close, 9), ta.ema(close, 21)) and close > ta.ema(close, 50)",
        "ema(9) crosses above ema(21) and close > ema(50)",
    ),
    "breakout of a channel": (
        """
        //@version=6
        indicator("Donchian")
        n = input.int(20)
        hh = ta.highest(n)[1]
        float ll = ta.lowest(low, n)[1]
        bool buy = high > hh and not (low < ll)
        alertcondition(buy, "Buy", "Buy")
        """,
        "high > highest(high, 20)[1] and not low < lowest(low, 20)[1]",
    ),
    "weekly filter": (
        """
        wk = request.security(syminfo.tickerid, "W", ta.sma(close, 10))
        alertcondition(close > wk and close > open)
        """,
        "close > weekly(sma(10), running) and close > open",
    ),
    "choice": (
        """
        useFilter = input.bool(true, "Filter")
        maType = input.string("EMA", "Type", options=["SMA", "EMA"])
        ma = maType == "EMA" ? ta.ema(close, 20) : ta.sma(close, 20)
        ok = useFilter ? volume > ta.sma(volume, 50) : true
        alertcondition(ta.cross(close, ma) and ok)
        """,
        "(close crosses above ema(20) or close crosses below ema(20)) and volume > sma(volume, 50)",
    ),
    "supertrend and DMI": (
        """
        [st, dir] = ta.supertrend(3, 10)
        [plus, minus, adx] = ta.dmi(14, 14)
        buy = dir < 0 and close > st and plus > minus and adx > 25
        plotshape(buy)
        """,
        "supertrend(10, 3).direction > 0 and close > supertrend(10, 3).line and "
        "plus_di(14) > minus_di(14) and adx(14) > 25",
    ),
    "higher highs": (
        """
        hh = ta.rising(high, 3)
        chg = (close - close[5]) / close[5] * 100
        since = ta.barssince(ta.crossover(close, ta.sma(close, 20)))
        alertcondition(hh and chg > 1 and since <= 10)
        """,
        "rising(high, 3) and roc(5) > 1 and bars_since(close crosses above sma(20)) <= 10",
    ),
    "stochastic and ATR": (
        """
        k = ta.sma(ta.stoch(close, high, low, 14), 3)
        d = ta.sma(k, 3)
        quiet = ta.atr(14) / close < 0.03
        plot(ta.crossover(k, d) and k < 40 and quiet ? 1 : 0)
        """,
        "stoch(14, 3, 3).k crosses above stoch(14, 3, 3).d and stoch(14, 3, 3).k < 40 and "
        "atr(14) / close < 0.03",
    ),
    "several lines": (
        """
        volOk = volume > ta.sma(volume, 50) and
             close > 10
        up = close > open
             and math.abs(close - open) > 0.5 * (high - low)
        alertcondition(volOk and up)
        """,
        "volume > sma(volume, 50) and close > 10 and close > open and "
        "abs(close - open) > 0.5 * (high - low)",
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_has_the_meaning_of_its_condition(name: str, market: Market) -> None:
    text, expected = SCRIPTS[name]
    assert_same_meaning(market, text, "pine", expected)
    assert guess_language(text) == "pine"


@pytest.mark.parametrize(
    ("text", "reason", "part"),
    [
        ("alertcondition(close > ta.vwap(close))", "daily bars only", "ta.vwap"),
        ("x = 0.0\nx := nz(x[1]) + 1\nalertcondition(x > 5)", "changes within the script", "x > 5"),
        ("alertcondition(math.all(close) > 5)", "cannot be translated", "math.all"),
        ("f(x) => f(x) * 2\nalertcondition(f(close) > 5)", "calls itself", "f(x)"),
        (
            "f(x) =>\n    y = 0.0\n    y := x\n    y\nalertcondition(f(close) > 5)",
            "the function f cannot be translated",
            "f(close)",
        ),
        (
            "f(x) =>\n    y = 0.0\n    if x > 1\n        y := x\n    y\n"
            "alertcondition(f(close) > 5)",
            "a value changes within it",
            "f(close)",
        ),
        (
            "y = 1.0\nz = if close > 1\n    y := 2.0\n    5\nalertcondition(y > 5)",
            "changes within the script",
            "y > 5",
        ),
        (
            "f(x) =>\n    for i = 0 to 3\n        x\nalertcondition(f(close) > 5)",
            "the function f cannot be translated",
            "f(close)",
        ),
        ("f(x, y) => x\nalertcondition(f(close) > 5)", "y of f is missing", "f(close)"),
        ("f(x) => x\nalertcondition(f(close, 5) > 5)", "f has other parameters", "f(close, 5)"),
        ("alertcondition(f(close) > 5)", "the function f cannot be translated", "f"),
        (
            "x = if close > open\n    y = 1\n    y\nelse\n    0\nalertcondition(x > 0)",
            "a block of several lines",
            "if",
        ),
        ("alertcondition(close[-1] > 5)", "into the future", "close[-1]"),
        (
            'x = request.security(syminfo.tickerid, "60", close)\nalertcondition(x > 5)',
            "bars of the timeframe '60' are not stored",
            "request.security",
        ),
        ("alertcondition(ta.pivothigh(5, 5) > 0)", "a value on a single bar", "ta.pivothigh"),
        (
            "alertcondition(ta.magic(5) > 0)",
            "the function ta.magic cannot be translated",
            "ta.magic",
        ),
        ("alertcondition(ta.sma(close, 0) > 0)", "from 1 to 100,000, not 0", "ta.sma(close, 0)"),
        ("alertcondition(bar_index > 5)", "bars have no number", "bar_index"),
        ("plot(close)", "the script has no condition", ""),
        ("alertcondition(close % 2 == 0)", "the rest of a division", "%"),
        (
            "x = x[1] + close\nalertcondition(x > 5)",
            "computed from its own earlier value",
            "x[1]",
        ),
    ],
)
def test_a_refusal_shows_the_part(text: str, reason: str, part: str) -> None:
    with pytest.raises(ConditionError) as caught:
        translate(text, "pine")
    assert reason in caught.value.message
    assert caught.value.source[caught.value.column :].startswith(part)


def test_an_error_in_a_function_leaves_the_script_as_it_was() -> None:
    text = """
    //@version=5
    n = 20
    rises = close > ta.sma(close, n)
    f(n) => ta.magic(n)
    bad = f(close) > 5
    """
    assert translate(text, "pine").condition == "close > sma(20)"


def test_a_signal_needs_all_conditions_around_it() -> None:
    text = """
    strategy("RSI Strategy", overlay=true)
    vrsi = ta.rsi(close, 14)
    co = ta.crossover(vrsi, 30)
    if close > open
        if co
            strategy.entry("RsiLE", strategy.long, comment="RsiLE")
    """
    assert translate(text).condition == "close > open and rsi(14) crosses above 30"


def test_a_signal_of_an_else_is_refused() -> None:
    text = "if close > open\n    x = 1\nelse\n    strategy.entry('a', strategy.short)"
    with pytest.raises(ConditionError, match="in the block of an else"):
        translate(text, "pine")


def test_the_last_condition_is_noted() -> None:
    translation = translate("buy = close > open\nsell = close < open", "pine")
    assert translation.condition == "close < open"
    assert translation.notes == ("the script has no signal: this is the last condition, sell",)


def test_known_values() -> None:
    translation = translate("alertcondition(not na(ta.sma(close, 50)) and close > 5)", "pine")
    assert translation.condition == "sma(50) == sma(50) and close > 5"


def test_further_signals_are_noted() -> None:
    text = "alertcondition(close > open)\nalertcondition(close < open)"
    translation = translate(text, "pine")
    assert translation.condition == "close > open"
    assert translation.notes == ("the script has 2 signals, in lines 1, 2: this is the first",)


def test_earlier_weeks_are_complete_ones() -> None:
    text = (
        'w = request.security(syminfo.tickerid, "W", close)\nalertcondition(ta.crossover(close, w))'
    )
    translation = translate(text, "pine")
    assert translation.condition == "close crosses above weekly(close)"
    assert translation.notes == (
        "earlier weeks and months are complete ones, without the running one",
    )
