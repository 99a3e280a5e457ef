"""The candlestick patterns of one or two bars."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.candles.parts import (
    HALF,
    all_of,
    bearish,
    black,
    body,
    bottom,
    bullish,
    by_color,
    doji,
    either,
    equal,
    gap_down,
    gap_up,
    has_lower,
    has_upper,
    long_body,
    lower_shadow,
    near,
    no_lower,
    no_upper,
    row,
    short_body,
    short_shadow,
    small_body,
    top,
    upper_shadow,
    white,
    within,
)

_OPPOSITE_1: Final = f"({white(1)}) and ({black(0)}) or ({black(1)}) and ({white(0)})"
_INSIDE: Final = "max(open, close) < max(open, close)[1] and min(open, close) > min(open, close)[1]"
_INSIDE_OR_EQUAL: Final = (
    "max(open, close) <= max(open, close)[1] and min(open, close) >= min(open, close)[1]"
)


def _harami(small: str) -> str:
    side = f"if({white(1)}, -1, 1)"
    size = f"if({_INSIDE}, 100, if({_INSIDE_OR_EQUAL}, 80, 0))"
    return f"if({all_of(long_body(1), small)}, {side} * {size}, 0)"


def _kicking(color: str) -> str:
    both = all_of(
        _OPPOSITE_1,
        long_body(1, 0),
        no_upper(1, 0),
        no_lower(1, 0),
        f"({black(1)}) and low > high[1] or ({white(1)}) and high < low[1]",
    )
    return f"if({both}, {color}, 0)"


SHORT_PATTERNS: Final = (
    row(
        "belthold",
        "Belt hold.",
        10,
        either(f"({white(0)}) and {no_lower(0)}", f"({black(0)}) and {no_upper(0)}", long_body(0)),
    ),
    row(
        "closingmarubozu",
        "Closing marubozu.",
        10,
        either(f"({white(0)}) and {no_upper(0)}", f"({black(0)}) and {no_lower(0)}", long_body(0)),
    ),
    row(
        "counterattack",
        "Counterattack.",
        11,
        by_color(_OPPOSITE_1, long_body(1, 0), within("close", "close[1]", equal(1))),
    ),
    row(
        "darkcloudcover",
        "Dark cloud cover.",
        11,
        bearish(
            white(1),
            long_body(1),
            black(0),
            "open > high[1]",
            f"close > open[1] and close < close[1] - {body(1)} * penetration",
        ),
        HALF,
    ),
    row("doji", "Doji: open and close are nearly equal.", 10, bullish(doji(0))),
    row(
        "dojistar",
        "Doji star.",
        11,
        either(
            f"({black(1)}) and {gap_down(0, 1)}",
            f"({white(1)}) and {gap_up(0, 1)}",
            long_body(1),
            doji(0),
        ),
    ),
    row("dragonflydoji", "Dragonfly doji.", 10, bullish(doji(0), no_upper(0), has_lower(0))),
    row(
        "engulfing",
        "Engulfing; 80 if one end of the bodies is equal.",
        2,
        "("
        + either(
            all_of(
                white(0),
                black(1),
                "close >= open[1] and open < close[1] or close > open[1] and open <= close[1]",
            ),
            all_of(
                black(0),
                white(1),
                "open >= close[1] and close < open[1] or open > close[1] and close <= open[1]",
            ),
        )
        + ") * if(open != close[1] and close != open[1], 1, 0.8)",
    ),
    row("gravestonedoji", "Gravestone doji.", 10, bullish(doji(0), no_lower(0), has_upper(0))),
    row(
        "hammer",
        "Hammer.",
        11,
        bullish(
            short_body(0),
            f"{lower_shadow(0)} > {body(0)}",
            no_upper(0),
            f"{bottom(0)} <= low[1] + {near(1)}",
        ),
    ),
    row(
        "hangingman",
        "Hanging man.",
        11,
        bearish(
            short_body(0),
            f"{lower_shadow(0)} > {body(0)}",
            no_upper(0),
            f"{bottom(0)} >= high[1] - {near(1)}",
        ),
    ),
    row("harami", "Harami; 80 if one end of the bodies is equal.", 11, _harami(small_body(0))),
    row("haramicross", "Harami cross; 80 if one end of the bodies is equal.", 11, _harami(doji(0))),
    row(
        "highwave",
        "High wave.",
        10,
        by_color(
            short_body(0),
            f"{upper_shadow(0)} > 2 * {body(0)}",
            f"{lower_shadow(0)} > 2 * {body(0)}",
        ),
    ),
    row(
        "homingpigeon",
        "Homing pigeon.",
        11,
        bullish(black(1, 0), long_body(1), small_body(0), "open < open[1] and close > close[1]"),
    ),
    row(
        "inneck",
        "In-neck.",
        11,
        bearish(
            black(1),
            long_body(1),
            white(0),
            "open < low[1]",
            f"close <= close[1] + {equal(1)} and close >= close[1]",
        ),
    ),
    row(
        "invertedhammer",
        "Inverted hammer.",
        11,
        bullish(short_body(0), f"{upper_shadow(0)} > {body(0)}", no_lower(0), gap_down(0, 1)),
    ),
    row("kicking", "Kicking.", 11, _kicking(f"if({white(0)}, 100, -100)")),
    row(
        "kickingbylength",
        "Kicking, by the longer marubozu.",
        11,
        _kicking(
            f"if({body(0)} > {body(1)}, if({white(0)}, 100, -100), if({white(1)}, 100, -100))"
        ),
    ),
    row(
        "longleggeddoji",
        "Long-legged doji.",
        10,
        bullish(doji(0), f"{lower_shadow(0)} > {body(0)} or {upper_shadow(0)} > {body(0)}"),
    ),
    row(
        "longline",
        "Long line.",
        10,
        by_color(
            long_body(0),
            f"{upper_shadow(0)} < {short_shadow(0)}",
            f"{lower_shadow(0)} < {short_shadow(0)}",
        ),
    ),
    row(
        "marubozu",
        "Marubozu: a long body without shadows.",
        10,
        by_color(long_body(0), no_upper(0), no_lower(0)),
    ),
    row(
        "matchinglow",
        "Matching low.",
        6,
        bullish(black(1, 0), within("close", "close[1]", equal(1))),
    ),
    row(
        "onneck",
        "On-neck.",
        11,
        bearish(
            black(1), long_body(1), white(0), "open < low[1]", within("close", "low[1]", equal(1))
        ),
    ),
    row(
        "piercing",
        "Piercing line.",
        11,
        bullish(
            black(1),
            long_body(1),
            white(0),
            long_body(0),
            "open < low[1]",
            f"close < open[1] and close > close[1] + {body(1)} * 0.5",
        ),
    ),
    row(
        "rickshawman",
        "Rickshaw man.",
        10,
        bullish(
            doji(0),
            f"{lower_shadow(0)} > {body(0)}",
            f"{upper_shadow(0)} > {body(0)}",
            f"{bottom(0)} <= low + (high - low) / 2 + {near(0)}",
            f"{top(0)} >= low + (high - low) / 2 - {near(0)}",
        ),
    ),
    row(
        "separatinglines",
        "Separating lines.",
        11,
        either(
            f"({white(0)}) and {no_lower(0)}",
            f"({black(0)}) and {no_upper(0)}",
            _OPPOSITE_1,
            within("open", "open[1]", equal(1)),
            long_body(0),
        ),
    ),
    row(
        "shootingstar",
        "Shooting star.",
        11,
        bearish(short_body(0), f"{upper_shadow(0)} > {body(0)}", no_lower(0), gap_up(0, 1)),
    ),
    row(
        "shortline",
        "Short line.",
        10,
        by_color(
            short_body(0),
            f"{upper_shadow(0)} < {short_shadow(0)}",
            f"{lower_shadow(0)} < {short_shadow(0)}",
        ),
    ),
    row(
        "spinningtop",
        "Spinning top.",
        10,
        by_color(short_body(0), f"{upper_shadow(0)} > {body(0)}", f"{lower_shadow(0)} > {body(0)}"),
    ),
    row(
        "takuri",
        "Takuri: a dragonfly doji with a very long lower shadow.",
        10,
        bullish(doji(0), no_upper(0), f"{lower_shadow(0)} > 2 * {body(0)}"),
    ),
    row(
        "thrusting",
        "Thrusting.",
        11,
        bearish(
            black(1),
            long_body(1),
            white(0),
            "open < low[1]",
            f"close > close[1] + {equal(1)} and close <= close[1] + {body(1)} * 0.5",
        ),
    ),
)
