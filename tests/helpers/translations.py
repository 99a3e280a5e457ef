"""Compare a translated filter with the condition that a person would write for it."""

from __future__ import annotations

from marketsweep.language.translate.translate import Translation, translate
from marketsweep.market import Market


def assert_same_meaning(market: Market, text: str, language: str, expected: str) -> Translation:
    """Check that both match the same symbols of the example market, and at least one."""
    translation = translate(text, language)
    found = market.scan(translation.condition, min_coverage=0).symbols
    wanted = market.scan(expected, min_coverage=0).symbols
    assert found == wanted, translation.condition
    assert wanted, f"nothing matches {expected}"
    return translation
