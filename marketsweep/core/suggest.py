"""Suggest names that the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def names_near(name: str, names: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return up to `most` of `names` that are similar to `name`, the most similar first.

    `cutoff` is the least similarity, from 0 to 1.
    """
    from difflib import get_close_matches  # imported late: most names are right

    return get_close_matches(name, list(names), n=most, cutoff=cutoff)
