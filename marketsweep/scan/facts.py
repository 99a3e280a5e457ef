"""Facts that an answer rests on and that are known of no symbol: without them it says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marketsweep.errors import CoverageError


def absent_in_words(facts: Sequence[str]) -> Iterator[str]:
    """Yield a warning where facts are known of no symbol."""
    if facts:
        yield (
            f"{', '.join(facts)}: known of none of the symbols; a provider may not tell it; a "
            "symbols file does (marketsweep sync --provider files --symbols FILE)"
        )


def require_facts(absent: Sequence[str]) -> None:
    """Raise CoverageError for an answer in which nothing was found, if facts are `absent`."""
    for warning in absent_in_words(absent):
        raise CoverageError(f"nothing was found, and {warning}")
