"""Columns to matches: the only step that sees all symbols at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rank(
    matched: NDArray[np.bool_],
    key: NDArray[np.float64],
    symbols: list[str],
    *,
    descending: bool,
    limit: int | None,
) -> NDArray[np.int64]:
    """Places of the matches, best first; at most `limit` of them.

    `matched` and `key` are [symbols]. Where the key is NaN a match comes last; equal keys are in
    the order of their symbols, so that an answer is the same on every machine.
    """
    places = np.flatnonzero(matched)
    keys = key[places]
    names = np.array([symbols[place] for place in places.tolist()], dtype=object)
    order = np.lexsort((names.astype(str), -keys if descending else keys))
    return places[order][:limit]
