"""The parts of candlestick patterns, as texts of conditions, with the candle settings of TA-Lib.

A number `back` counts bars back from the newest. Averages are those of the bars before each bar.
"""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import Indicator, Parameter, formula


def _at(name: str, back: int) -> str:
    return f"{name}[{back}]" if back else name


def open_of(back: int) -> str:
    """Return the text of the open."""
    return _at("open", back)


def close_of(back: int) -> str:
    """Return the text of the close."""
    return _at("close", back)


def body(back: int) -> str:
    """Return the text of the size of the body."""
    return _at("abs(close - open)", back)


def top(back: int) -> str:
    """Return the text of the upper end of the body."""
    return _at("max(open, close)", back)


def bottom(back: int) -> str:
    """Return the text of the lower end of the body."""
    return _at("min(open, close)", back)


def upper_shadow(back: int) -> str:
    """Return the text of the upper shadow."""
    return _at("(high - max(open, close))", back)


def lower_shadow(back: int) -> str:
    """Return the text of the lower shadow."""
    return _at("(min(open, close) - low)", back)


def white(*backs: int) -> str:
    """Return the text of: the closes are not below the opens."""
    return " and ".join(f"{close_of(back)} >= {open_of(back)}" for back in backs)


def black(*backs: int) -> str:
    """Return the text of: the closes are below the opens."""
    return " and ".join(f"{close_of(back)} < {open_of(back)}" for back in backs)


# TA-Lib's settings: a share of the average of what a number of bars before had.


def _mean_body(back: int) -> str:
    return f"sma(abs(close - open), 10)[{back + 1}]"


def mean_range(back: int, bars: int) -> str:
    """Return the text of the mean range of the bars before one."""
    return f"sma(high - low, {bars})[{back + 1}]"


def long_body(*backs: int) -> str:
    """Return the text of: the bodies are long (BodyLong)."""
    return " and ".join(f"{body(back)} > {_mean_body(back)}" for back in backs)


def short_body(*backs: int) -> str:
    """Return the text of: the bodies are short, BodyShort."""
    return " and ".join(f"{body(back)} < {_mean_body(back)}" for back in backs)


def small_body(*backs: int) -> str:
    """Return the text of: the bodies are not long (BodyShort, with equality)."""
    return " and ".join(f"{body(back)} <= {_mean_body(back)}" for back in backs)


def doji(back: int) -> str:
    """Return the text of: the body is a doji (BodyDoji)."""
    return f"{body(back)} <= 0.1 * {mean_range(back, 10)}"


def _very_short(shadow: str, back: int) -> str:
    return f"{shadow} < 0.1 * {mean_range(back, 10)}"


def no_upper(*backs: int) -> str:
    """Return the text of: the upper shadows are very short (ShadowVeryShort)."""
    return " and ".join(_very_short(upper_shadow(back), back) for back in backs)


def no_lower(*backs: int) -> str:
    """Return the text of: the lower shadows are very short (ShadowVeryShort)."""
    return " and ".join(_very_short(lower_shadow(back), back) for back in backs)


def has_upper(back: int) -> str:
    """Return the text of: the upper shadow is not very short."""
    return f"{upper_shadow(back)} > 0.1 * {mean_range(back, 10)}"


def has_lower(back: int) -> str:
    """Return the text of: the lower shadow is not very short."""
    return f"{lower_shadow(back)} > 0.1 * {mean_range(back, 10)}"


def short_shadow(back: int) -> str:
    """Return the text of the longest short shadow: half the mean of both shadows."""
    return f"0.5 * sma(high - low - abs(close - open), 10)[{back + 1}]"


def near(back: int) -> str:
    """Return the text of the largest distance of near prices (Near)."""
    return f"0.2 * {mean_range(back, 5)}"


def far(back: int) -> str:
    """Return the text of the smallest distance of far prices (Far)."""
    return f"0.6 * {mean_range(back, 5)}"


def equal(back: int) -> str:
    """Return the text of the largest distance of equal prices (Equal)."""
    return f"0.05 * {mean_range(back, 5)}"


def within(x: str, y: str, width: str) -> str:
    """Return the text of: x is at most `width` from y."""
    return f"{x} <= {y} + {width} and {x} >= {y} - {width}"


def gap_up(back: int, before: int) -> str:
    """Return the text of: the body lies above the body `before`."""
    return f"{bottom(back)} > {top(before)}"


def gap_down(back: int, before: int) -> str:
    """Return the text of: the body lies below the body `before`."""
    return f"{top(back)} < {bottom(before)}"


def bullish(*conditions: str) -> str:
    """Return the text of: 100 where all conditions hold, else 0."""
    return f"if({all_of(*conditions)}, 100, 0)"


def bearish(*conditions: str) -> str:
    """Return the text of: -100 where all conditions hold, else 0."""
    return f"if({all_of(*conditions)}, -100, 0)"


def all_of(*conditions: str) -> str:
    """Return the text of: all conditions hold."""
    return " and ".join(f"({condition})" for condition in conditions)


def either(bull: str, bear: str, *both: str) -> str:
    """Return the text of: 100 or -100, if the conditions `both` hold."""
    value = f"if({bull}, 100, if({bear}, -100, 0))"
    return f"if({all_of(*both)}, {value}, 0)" if both else value


def by_color(*conditions: str) -> str:
    """Return the text of: 100 for a white and -100 for a black bar, if all conditions hold."""
    return either(white(0), black(0), *conditions)


PENETRATION: Final = Parameter("penetration", 0.3, 0.0, 1e6)
HALF: Final = Parameter("penetration", 0.5, 0.0, 1e6)


def row(name: str, doc: str, lookback: int, text: str, *parameters: Parameter) -> Indicator:
    """Return the row of a pattern; `lookback` is TA-Lib's number of bars before the first value."""
    return formula(
        f"cdl{name}",
        doc,
        text,
        parameters,
        inputs=("open", "high", "low", "close"),
        lookback=lambda *_: lookback,
        aliases=_FRIENDLY.get(name, ()),
    )._replace(is_pattern=True)


_FRIENDLY: Final = {
    "engulfing": ("engulfing",),
    "hangingman": ("hanging_man",),
    "invertedhammer": ("inverted_hammer",),
    "eveningstar": ("evening_star",),
    "harami": ("harami",),
    "piercing": ("piercing_line",),
    "darkcloudcover": ("dark_cloud_cover",),
    "marubozu": ("marubozu",),
    "spinningtop": ("spinning_top",),
}
"""Other names. A preset has the name where there is none here, as for `hammer`."""
