"""The words of the condition language. Cheap to import: the package asks it what is a word."""

from __future__ import annotations

from typing import Final

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.language.indicators.events import OCCURRENCES
from marketsweep.language.indicators.table import INDICATORS

FUNCTIONS: Final = {"abs": 1, "min": 2, "max": 2}
"""Plain arithmetic of one bar, and how many numbers each takes."""

TEXT_FACTS: Final = ("symbol", "name", "type", "exchange", "sector", "industry", "country")
GROUPS: Final = tuple(fact for fact in TEXT_FACTS if fact != "symbol")
"""What symbols may be grouped by."""
NUMBER_FACTS: Final = ("market_cap", "listing_age")
"""Reference data; `listing_age` is in calendar days at the as-of date."""

TRENDS: Final = {"rising": ">", "falling": "<"}
"""How a number compares with the one before, on each of the last n bars."""

JOINS: Final = {"any": "or", "all": "and"}
"""Several conditions as one."""

STANDINGS: Final = ("rank", "percentile", "zscore")
"""Where a symbol stands among all."""

AGGREGATES: Final = {"pct": "condition", "count": "condition"} | dict.fromkeys(
    ("mean", "median", "sum"), "x"
)
"""What `market(...)` makes of all symbols, and of what: truths or numbers."""

FRAMES: Final = ("weekly", "monthly")
"""Longer bars, made of daily ones."""

EXAMPLES: Final = {
    "abs": "abs(close - open)",
    "min": "min(open, close)",
    "max": "max(open, close)",
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
    "market": "market(pct(close > sma(50)))",
    "rs": 'rs(63, "QQQ")',
}
"""A call of each function that has no row in a table."""

CALLS: Final = frozenset((*INDICATORS, *OCCURRENCES, *EXAMPLES))
"""What is followed by a parenthesis; so is `symbol`, which has a meaning without one too."""

KEYWORDS: Final = frozenset(
    (
        *("and", "or", "not", "in", "between", "contains", "matches", "crosses", "above"),
        *("below", "within", "for", "bar", "bars", "by", "running", "let"),
    )
)
"""Words that are part of the grammar, and so no names."""

WORDS: Final = frozenset(
    (
        *FIELDS,
        *DERIVED,
        *CALLS,
        *TEXT_FACTS,
        *NUMBER_FACTS,
    )
)
"""Every name that means something in a condition."""
