"""Columns to matches: who comes first, and how many of them are told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rank(
    matched: NDArray[np.bool_],
    keys: Sequence[NDArray[np.float64]],
    symbols: list[str],
    *,
    descending: bool,
) -> NDArray[np.int64]:
    """Places of the matches, best first.

    `matched` and each of `keys` are [symbols]; where the first key is equal the second counts, and
    so on. Where a key is NaN a match comes last; equal ones are in the order of their symbols, so
    that an answer is the same on every machine.
    """
    places = np.flatnonzero(matched)
    names = np.array([symbols[place] for place in places.tolist()], dtype=str)
    everyone = np.zeros(len(places), dtype=np.int64)
    return places[
        ranked_within(everyone, [key[places] for key in keys], names, descending=descending)
    ]


def ranked_within(
    groups: NDArray[np.int64],
    keys: Sequence[NDArray[np.float64]],
    names: NDArray[np.str_] | NDArray[np.int64],
    *,
    descending: bool,
) -> NDArray[np.intp]:
    """The order of matches by their group, and best first within it; as `rank`, all [matches]."""
    columns = [-key if descending else key for key in reversed(keys)]
    return np.lexsort((names, *columns, groups))


def best_of_groups(
    places: NDArray[np.int64], groups: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """The first `most` places of each group, in their order; nobody of group -1, the unknown.

    `groups` is [symbols].
    """
    group = groups[places]
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.searchsorted(ordered, ordered)  # where each one's group begins
    kept = (np.arange(len(ordered)) - starts < most) & (ordered >= 0)
    return places[np.sort(order[kept])]
