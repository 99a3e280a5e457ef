"""A short description of the condition language, for a model that writes conditions."""

from __future__ import annotations

from typing import Final

EXAMPLES: Final = {
    "compare": "rsi(14) < 30 and close > sma(200)",
    "a series as the first argument": "sma(volume, 20) > 1M",
    "earlier bars": "close > close[1] and volume > 2 * sma(volume, 50)[1]",
    "crosses": "sma(50) crosses above sma(200) within 5 bars",
    "holds for several bars": "close > ema(21) for 10 bars",
    "outputs of an indicator": "macd(12, 26, 9).hist > 0 and bbands(20, 2).percent_b < 0.1",
    "breakouts": "close > highest(high, 252)[1] and volume > 1.5 * sma(volume, 50)",
    "percent change over bars": "roc(5) > 10",
    "longer bars": "weekly(close > sma(30)) and monthly(rsi(14)) > 60",
    "another symbol": 'rs(126, "SPY") > rs(126, "SPY")[21]',
    "ranks in the market": "percentile(roc(126)) > 90% and rank(roc(21)) by sector <= 5",
    "facts of symbols": 'exchange == "NASDAQ" and market_cap > 1B',
    "candlestick patterns": "engulfing() and close > sma(50)",
    "presets and saved conditions": "golden_cross and not new_52_week_high",
    "names of your own": "let base = highest(high, 60)[1]; close > base and close < 1.05 * base",
    "functions of your own": "def near(x, p) = close > p * x; near(highest(high, 252), 95%)",
}
"""Conditions by what they show."""

GRAMMAR: Final = """\
A condition is true or false for each symbol on each daily bar. Bars are adjusted for splits.
Fields: open high low close volume, hl2 hlc3 ohlc4, dollar_volume. [n] after any value is n bars
earlier. Numbers may be 1M, 2.5B, 90%. Operators: + - * / ^, < <= > >= == !=, and or not, in,
between A and B, crosses above, crosses below, within N bars, for N bars, is rising, contains.
Division by zero and missing values are unknown, and an unknown condition does not match.
Parameters follow a series, which is the close by default: sma(50), sma(volume, 50), rsi(14).
Columns and sort keys are expressions of the same language, without a comparison.
"""


def help_text() -> str:
    """Return the description with its examples."""
    lines = [f"- {purpose}: {condition}" for purpose, condition in EXAMPLES.items()]
    return "\n".join([GRAMMAR, "Examples:", *lines])
