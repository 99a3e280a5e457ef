"""The candlestick patterns of three to five bars."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.candles.parts import (
    HALF,
    PENETRATION,
    all_of,
    bearish,
    black,
    body,
    bottom,
    bullish,
    doji,
    either,
    equal,
    far,
    gap_down,
    gap_up,
    has_lower,
    has_upper,
    long_body,
    lower_shadow,
    mean_range,
    near,
    no_lower,
    no_upper,
    open_of,
    row,
    short_body,
    short_shadow,
    small_body,
    top,
    upper_shadow,
    white,
    within,
)

_SOLDIERS: Final = (white(2, 1, 0), "close > close[1] > close[2]")
_OPENS_IN_BODY_2: Final = f"open[1] > open[2] and open[1] <= close[2] + {near(2)}"
_OPENS_IN_BODY_1: Final = f"open > open[1] and open <= close[1] + {near(1)}"
_STAR_DOWN: Final = "close < close[2] - abs(close - open)[2] * penetration"
_STAR_UP: Final = "close > close[2] + abs(close - open)[2] * penetration"
_HIKKAKE_UP: Final = "high[1] < high[2] and low[1] > low[2] and high < high[1] and low < low[1]"
_HIKKAKE_DOWN: Final = "high[1] < high[2] and low[1] > low[2] and high > high[1] and low > low[1]"

_INSIDE_TWICE: Final = (
    "high[2] < high[3] and low[2] > low[3] and high[1] < high[2] and low[1] > low[2]"
)


def _confirmed(pattern: str, other: str, breaks: str) -> str:
    """Return the text of: a pattern of the last three bars is confirmed on this bar for the first
    time, and no newer one has taken its place."""
    cases = []
    for age in (1, 2, 3):
        newer = [f"not ({pattern})[{k}] and not ({other})[{k}]" for k in range(1, age)]
        unconfirmed = [f"not ({breaks.format(age + 1 - k)})[{k}]" for k in range(1, age)]
        cases.append(all_of(f"({pattern})[{age}]", breaks.format(age + 1), *newer, *unconfirmed))
    return " or ".join(f"({case})" for case in cases)


def _hikkake(up: str, down: str, breaks_up: str, breaks_down: str) -> str:
    return (
        f"if({up}, 100, if({down}, -100, if({_confirmed(up, down, breaks_up)}, 200, "
        f"if({_confirmed(down, up, breaks_down)}, -200, 0))))"
    )


LONG_PATTERNS: Final = (
    row(
        "2crows",
        "Two crows.",
        12,
        bearish(
            white(2),
            long_body(2),
            black(1),
            gap_up(1, 2),
            black(0),
            "open < open[1] and open > close[1]",
            "close > open[2] and close < close[2]",
        ),
    ),
    row(
        "3blackcrows",
        "Three black crows.",
        13,
        bearish(
            white(3),
            black(2, 1, 0),
            no_lower(2, 1, 0),
            "open[1] < open[2] and open[1] > close[2]",
            "open < open[1] and open > close[1]",
            "high[3] > close[2] > close[1] > close",
        ),
    ),
    row(
        "3inside",
        "Three inside up or down.",
        12,
        either(
            f"({black(2)}) and ({white(0)}) and close > open[2]",
            f"({white(2)}) and ({black(0)}) and close < open[2]",
            long_body(2),
            small_body(1),
            f"{top(1)} < {top(2)} and {bottom(1)} > {bottom(2)}",
        ),
    ),
    row(
        "3linestrike",
        "Three-line strike.",
        8,
        either(
            all_of(
                white(3, 2, 1),
                black(0),
                "close[1] > close[2] > close[3]",
                "open > close[1]",
                "close < open[3]",
            ),
            all_of(
                black(3, 2, 1),
                white(0),
                "close[1] < close[2] < close[3]",
                "open < close[1]",
                "close > open[3]",
            ),
            *(
                f"{open_of(k)} >= {bottom(k + 1)} - {near(k + 1)} and "
                f"{open_of(k)} <= {top(k + 1)} + {near(k + 1)}"
                for k in (2, 1)
            ),
        ),
    ),
    row(
        "3outside",
        "Three outside up or down.",
        3,
        either(
            all_of(
                white(1), black(2), "close[1] > open[2]", "open[1] < close[2]", "close > close[1]"
            ),
            all_of(
                black(1), white(2), "open[1] > close[2]", "close[1] < open[2]", "close < close[1]"
            ),
        ),
    ),
    row(
        "3starsinsouth",
        "Three stars in the south.",
        12,
        bullish(
            black(2, 1, 0),
            long_body(2),
            f"{lower_shadow(2)} > {body(2)}",
            f"{body(1)} < {body(2)}",
            "open[1] > close[2] and open[1] <= high[2]",
            "low[1] < close[2] and low[1] >= low[2]",
            has_lower(1),
            short_body(0),
            no_lower(0),
            no_upper(0),
            "low > low[1] and high < high[1]",
        ),
    ),
    row(
        "3whitesoldiers",
        "Three white soldiers.",
        12,
        bullish(
            *_SOLDIERS,
            no_upper(2, 1, 0),
            _OPENS_IN_BODY_2,
            _OPENS_IN_BODY_1,
            f"{body(1)} > {body(2)} - {far(2)}",
            f"{body(0)} > {body(1)} - {far(1)}",
            long_body(0),
        ),
    ),
    row(
        "abandonedbaby",
        "Abandoned baby.",
        12,
        either(
            all_of(black(2), white(0), _STAR_UP, "high[1] < low[2]", "low > high[1]"),
            all_of(white(2), black(0), _STAR_DOWN, "low[1] > high[2]", "high < low[1]"),
            long_body(2),
            doji(1),
            long_body(0),
        ),
        PENETRATION,
    ),
    row(
        "advanceblock",
        "Advance block.",
        12,
        bearish(
            *_SOLDIERS,
            _OPENS_IN_BODY_2,
            _OPENS_IN_BODY_1,
            long_body(2),
            f"{upper_shadow(2)} < {short_shadow(2)}",
            f"{body(1)} < {body(2)} - {far(2)} and {body(0)} < {body(1)} + {near(1)} or "
            f"{body(0)} < {body(1)} - {far(1)} or {body(0)} < {body(1)} < {body(2)} and "
            f"({upper_shadow(0)} > {short_shadow(0)} or {upper_shadow(1)} > {short_shadow(1)}) or "
            f"{body(0)} < {body(1)} and {upper_shadow(0)} > {body(0)}",
        ),
    ),
    row(
        "breakaway",
        "Breakaway.",
        14,
        either(
            all_of(
                black(4, 3, 1),
                white(0),
                gap_down(3, 4),
                "high[2] < high[3] and low[2] < low[3]",
                "high[1] < high[2] and low[1] < low[2]",
                "close > open[3] and close < close[4]",
            ),
            all_of(
                white(4, 3, 1),
                black(0),
                gap_up(3, 4),
                "high[2] > high[3] and low[2] > low[3]",
                "high[1] > high[2] and low[1] > low[2]",
                "close < open[3] and close > close[4]",
            ),
            long_body(4),
        ),
    ),
    row(
        "concealbabyswall",
        "Concealing baby swallow.",
        13,
        bullish(
            black(3, 2, 1, 0),
            no_upper(3, 2),
            no_lower(3, 2),
            gap_down(1, 2),
            has_upper(1),
            "high[1] > close[2]",
            "high > high[1] and low < low[1]",
        ),
    ),
    row(
        "eveningdojistar",
        "Evening doji star.",
        12,
        bearish(long_body(2), white(2), doji(1), gap_up(1, 2), long_body(0), black(0), _STAR_DOWN),
        PENETRATION,
    ),
    row(
        "eveningstar",
        "Evening star.",
        12,
        bearish(
            long_body(2), white(2), small_body(1), gap_up(1, 2), long_body(0), black(0), _STAR_DOWN
        ),
        PENETRATION,
    ),
    row(
        "gapsidesidewhite",
        "Up or down gap with side-by-side white lines.",
        7,
        either(
            f"{gap_up(1, 2)} and {gap_up(0, 2)}",
            f"{gap_down(1, 2)} and {gap_down(0, 2)}",
            white(1, 0),
            within(body(0), body(1), near(1)),
            within("open", "open[1]", equal(1)),
        ),
    ),
    row(
        "hikkake",
        "Hikkake; 200 where it is confirmed within three bars.",
        5,
        _hikkake(_HIKKAKE_UP, _HIKKAKE_DOWN, "close > high[{}]", "close < low[{}]"),
    ),
    row(
        "hikkakemod",
        "Modified hikkake; 200 where it is confirmed within three bars.",
        10,
        _hikkake(
            f"{_INSIDE_TWICE} and high < high[1] and low < low[1] and "
            f"close[2] <= low[2] + {near(2)}",
            f"{_INSIDE_TWICE} and high > high[1] and low > low[1] and "
            f"close[2] >= high[2] - {near(2)}",
            "close > high[{}]",
            "close < low[{}]",
        ),
    ),
    row(
        "identical3crows",
        "Identical three crows.",
        12,
        bearish(
            black(2, 1, 0),
            no_lower(2, 1, 0),
            "close[2] > close[1] > close",
            within("open[1]", "close[2]", equal(2)),
            within("open", "close[1]", equal(1)),
        ),
    ),
    row(
        "ladderbottom",
        "Ladder bottom.",
        14,
        bullish(
            black(4, 3, 2),
            "open[4] > open[3] > open[2]",
            "close[4] > close[3] > close[2]",
            black(1),
            has_upper(1),
            white(0),
            "open > open[1]",
            "close > high[1]",
        ),
    ),
    row(
        "mathold",
        "Mat hold.",
        14,
        bullish(
            long_body(4),
            short_body(3, 2, 1),
            white(4),
            black(3),
            white(0),
            gap_up(3, 4),
            f"{bottom(2)} < close[4] and {bottom(1)} < close[4]",
            f"{bottom(2)} > close[4] - {body(4)} * penetration",
            f"{bottom(1)} > close[4] - {body(4)} * penetration",
            f"{top(2)} < open[3] and {top(1)} < {top(2)}",
            "open > close[1]",
            "close > max(high[3], high[2], high[1])",
        ),
        HALF,
    ),
    row(
        "morningdojistar",
        "Morning doji star.",
        12,
        bullish(long_body(2), black(2), doji(1), gap_down(1, 2), long_body(0), white(0), _STAR_UP),
        PENETRATION,
    ),
    row(
        "morningstar",
        "Morning star.",
        12,
        bullish(
            long_body(2), black(2), small_body(1), gap_down(1, 2), long_body(0), white(0), _STAR_UP
        ),
        PENETRATION,
    ),
    row(
        "risefall3methods",
        "Rising or falling three methods.",
        14,
        either(
            all_of(
                white(4),
                black(3, 2, 1),
                white(0),
                "close[2] < close[3] and close[1] < close[2]",
                "open > close[1] and close > close[4]",
            ),
            all_of(
                black(4),
                white(3, 2, 1),
                black(0),
                "close[2] > close[3] and close[1] > close[2]",
                "open < close[1] and close < close[4]",
            ),
            long_body(4),
            short_body(3, 2, 1),
            long_body(0),
            *(f"{bottom(k)} < high[4] and {top(k)} > low[4]" for k in (3, 2, 1)),
        ),
    ),
    row(
        "stalledpattern",
        "Stalled pattern.",
        12,
        bearish(
            *_SOLDIERS,
            long_body(2, 1),
            no_upper(1),
            _OPENS_IN_BODY_2,
            short_body(0),
            f"open >= close[1] - {body(0)} - {near(1)}",
        ),
    ),
    row(
        "sticksandwich",
        "Stick sandwich.",
        7,
        bullish(
            black(2),
            white(1),
            black(0),
            "low[1] > close[2]",
            within("close", "close[2]", equal(2)),
        ),
    ),
    row(
        "tasukigap",
        "Tasuki gap.",
        7,
        either(
            all_of(
                gap_up(1, 2),
                white(1),
                black(0),
                "open < close[1] and open > open[1]",
                f"close < open[1] and close > {top(2)}",
            ),
            all_of(
                gap_down(1, 2),
                black(1),
                white(0),
                "open < open[1] and open > close[1]",
                f"close > open[1] and close < {bottom(2)}",
            ),
            f"abs({body(1)} - {body(0)}) < {near(1)}",
        ),
    ),
    row(
        "tristar",
        "Tristar.",
        12,
        either(
            f"{gap_down(1, 2)} and {bottom(0)} > {bottom(1)}",
            f"{gap_up(1, 2)} and {top(0)} < {top(1)}",
            *(f"{body(k)} <= 0.1 * {mean_range(2, 10)}" for k in (2, 1, 0)),
        ),
    ),
    row(
        "unique3river",
        "Unique three river.",
        12,
        bullish(
            long_body(2),
            black(2, 1),
            "close[1] > close[2] and open[1] <= open[2] and low[1] < low[2]",
            short_body(0),
            white(0),
            "open > low[1]",
        ),
    ),
    row(
        "upsidegap2crows",
        "Upside gap two crows.",
        12,
        bearish(
            white(2),
            long_body(2),
            black(1),
            small_body(1),
            gap_up(1, 2),
            black(0),
            "open > open[1] and close < close[1]",
            "close > close[2]",
        ),
    ),
    row(
        "xsidegap3methods",
        "Upside or downside gap three methods.",
        2,
        either(
            all_of(white(2, 1), black(0), gap_up(1, 2)),
            all_of(black(2, 1), white(0), gap_down(1, 2)),
            f"open < {top(1)} and open > {bottom(1)}",
            f"close < {top(2)} and close > {bottom(2)}",
        ),
    ),
)
