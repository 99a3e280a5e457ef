"""The words of the condition language. Cheap to import: the package asks it what is a word."""

from __future__ import annotations

from typing import Final

from marketsweep.fields import DERIVED, FIELDS
from marketsweep.indicators import INDICATORS

FUNCTIONS: Final = {"abs": 1, "min": 2, "max": 2}
"""Plain arithmetic of one bar, and how many numbers each takes."""

TEXT_FACTS: Final = ("symbol", "name", "type", "exchange", "sector", "industry", "country")
NUMBER_FACTS: Final = ("market_cap", "listing_age")
"""Reference data; `listing_age` is in calendar days at the as-of date."""

WORDS: Final = frozenset((*FIELDS, *DERIVED, *INDICATORS, *FUNCTIONS, *TEXT_FACTS, *NUMBER_FACTS))
"""Every name that means something in a condition."""
