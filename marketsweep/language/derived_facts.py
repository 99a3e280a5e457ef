"""Facts that are formulas of stored facts: ratios follow the price of the day, and need no calls.

A stored fact of the same name comes first: a file may have the ratios of its source.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class DerivedFact(NamedTuple):
    """A fact as a formula of other facts."""

    formula: str
    inputs: tuple[str, ...]
    """The stored facts that it needs, beside those of the language."""


# A ratio to losses or to a negative equity has no meaning: dividing by zero makes it unknown.
DERIVED_FACTS: Final[dict[str, DerivedFact]] = {
    "pe": DerivedFact("market_cap / max(net_income, 0)", ("net_income",)),
    "ps": DerivedFact("market_cap / max(revenue, 0)", ("revenue",)),
    "pb": DerivedFact("market_cap / max(equity, 0)", ("equity",)),
    "roe": DerivedFact("100 * net_income / max(equity, 0)", ("net_income", "equity")),
    "net_margin": DerivedFact("100 * net_income / max(revenue, 0)", ("net_income", "revenue")),
    "debt_to_equity": DerivedFact("debt / max(equity, 0)", ("debt", "equity")),
    "short_percent_of_float": DerivedFact(
        "100 * short_interest / max(float, 0)", ("short_interest", "float")
    ),
}
"""The facts by name."""
