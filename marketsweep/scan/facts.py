"""Warn or fail if a scan needs facts that no symbol has: then its result says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marketsweep.errors import CoverageError


def absent_facts_warnings(facts: Sequence[str]) -> Iterator[str]:
    """Yield a warning if there are facts that no symbol has."""
    if facts:
        yield (
            f"{', '.join(facts)}: known of none of the symbols; a provider may not tell it; a "
            "symbols file does (marketsweep sync --provider files --symbols FILE)"
        )


def require_facts(absent: Sequence[str]) -> None:
    """Raise CoverageError for a result without matches if no symbol has the `absent` facts."""
    for warning in absent_facts_warnings(absent):
        raise CoverageError(f"nothing was found, and {warning}")
