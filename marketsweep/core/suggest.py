"""Names that may have been meant."""

from __future__ import annotations

from collections.abc import Iterable


def names_near(name: str, names: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Up to so many of `names` that are like `name`, the likest first.

    `cutoff` is how like they must be, from 0 to 1.
    """
    from difflib import get_close_matches  # most names are right

    return get_close_matches(name, list(names), n=most, cutoff=cutoff)
