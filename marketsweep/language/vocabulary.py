"""The words of the condition language. The package imports it, so it must load fast."""

from __future__ import annotations

from typing import Final

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.table import ALIASES, INDICATORS

FUNCTIONS: Final = {
    "abs": ("x",),
    "min": ("x", "x"),
    "max": ("x", "x"),
    "if": ("condition", "x", "x"),
    "number": ("condition",),
}
"""Arithmetic on one bar, and what each function takes: numbers (x) or conditions."""

VARIADIC: Final = ("min", "max")
"""Functions that take any number of further numbers."""

TEXT_FACTS: Final = ("symbol", "name", "type", "exchange", "sector", "industry", "country")
GROUPS: Final = tuple(fact for fact in TEXT_FACTS if fact != "symbol")
"""Facts that symbols may be grouped by."""
NUMBER_FACTS: Final = ("market_cap", "listing_age", "shares_outstanding", "dividend_yield")
"""Facts that are numbers; `listing_age` is in calendar days at the as-of date, `dividend_yield`
the dividends of the last 365 days in percent of the last close."""
DATE_FACTS: Final = ("ipo_date", "last_split", "next_split", "last_dividend", "next_dividend")
"""Facts that are dates: ex-dates, and the first day of the company's first listing."""

PAST_EVENTS: Final = {"last_split": "split", "last_dividend": "dividend"}
"""Facts whose value differs from bar to bar, and what they are the days of."""

HAPPENINGS: Final = {
    "split": ("splits", "the first bar from the ex-date of a split on"),
    "dividend": ("dividends", "the first bar from the ex-date of a dividend on"),
    "ipo": ("ipo_date", "the first bar from the first day of the company's first listing on"),
}
"""What may happen to a symbol on a bar: the fact that tells it, and a description."""

TRENDS: Final = {"rising": ">", "falling": "<"}
"""How a number compares with the previous one, on each of the last n bars."""

JOINS: Final = {"any": "or", "all": "and"}
"""Functions that join several conditions, and the operator that each stands for."""

STANDINGS: Final = ("rank", "percentile", "zscore")
"""Functions that compare a symbol with all others."""

AGGREGATES: Final = {"pct": "condition", "count": "condition"} | dict.fromkeys(
    ("mean", "median", "sum"), "x"
)
"""Functions inside `market(...)`, and what each takes: a condition or a number (x)."""

FRAMES: Final = ("weekly", "monthly", "quarterly", "yearly")
"""Longer bars, made of daily bars."""

CALENDAR: Final = {
    "date": "the day, as in date >= 2016-08-22",
    "year": "the year, such as 2016",
    "quarter": "1 to 4",
    "month": "1 to 12",
    "week": "the number of the ISO week, 1 to 53",
    "day_of_month": "1 to 31",
    "day_of_week": "1 (Monday) to 5 (Friday)",
}
"""What the calendar says of a bar's session, with a description."""

UNITS: Final = {"week": 6, "month": 24, "quarter": 70, "year": 262}
"""Units that `first_bar` and `cumulative` take, and more sessions than any of them has."""

EXAMPLES: Final = {
    "abs": "abs(close - open)",
    "min": "min(open, close)",
    "max": "max(open, close)",
    "if": "if(close > open, volume, 0)",
    "number": "number(close > open)",
    "first_bar": "first_bar(month)",
    "cumulative": "cumulative(volume, month)",
    "anchored_vwap": "anchored_vwap(2016-08-22)",
    "on": "on(2016-08-22, close)",
    "bars": "bars(3, rsi(14))",
    "rising": "rising(close, 3)",
    "falling": "falling(close, 3)",
    "frozen": "frozen(15)",
    "any": "any(close > open, volume > 1M)",
    "all": "all(close > open, volume > 1M)",
    "rank": "rank(roc(63))",
    "percentile": "percentile(roc(63))",
    "zscore": "zscore(roc(63))",
    "weekly": "weekly(sma(10))",
    "monthly": "monthly(close)",
    "quarterly": "quarterly(close)",
    "yearly": "yearly(high)",
    "heikin_ashi": "heikin_ashi(close > open for 3 bars)",
    "market": "market(pct(close > sma(50)))",
    "rs": 'rs(63, "QQQ")',
}
"""An example call of each function that has no row in a table."""

CALLS: Final = frozenset((*INDICATORS, *ALIASES, *EVENTS, *EXAMPLES))
"""Words that a parenthesis must follow. `symbol` may also stand without one."""

KEYWORDS: Final = frozenset(
    (
        *("and", "or", "not", "in", "between", "contains", "matches", "crosses", "above"),
        *("below", "within", "for", "bar", "bars", "by", "running", "let", "def", "is"),
    )
)
"""Words of the grammar, which cannot be names."""

WORDS: Final = frozenset(
    (
        *FIELDS,
        *DERIVED,
        *CALENDAR,
        *CALLS,
        *TEXT_FACTS,
        *NUMBER_FACTS,
        *DATE_FACTS,
        *HAPPENINGS,
    )
)
"""Every name that has a meaning in a condition."""
