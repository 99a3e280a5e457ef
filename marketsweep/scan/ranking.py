"""Rank the matches of a scan, and cut and order them for the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.safe_text import join_first
from marketsweep.engine.cross_section import order_in_groups

_SHOWN: Final = 3
"""The number of suspicious matches that a warning names."""

_CHUNK: Final = 256
"""The number of matches inspected together; reading dominates the time of smaller chunks."""


def rank(
    matched: NDArray[np.bool_],
    keys: Sequence[NDArray[np.float64]],
    symbols: list[str],
    *,
    descending: bool,
) -> NDArray[np.int64]:
    """Return the positions of the matches, best first.

    `matched` and each of `keys` are [symbols]. Ties of the first key are broken by the second, and
    so on. NaN sorts last. Remaining ties are in the order of the symbols, so that a result is the
    same on every machine.
    """
    indices = np.flatnonzero(matched)
    names = np.array([symbols[index] for index in indices.tolist()], dtype=str)
    one_group = np.zeros(len(indices), dtype=np.int64)
    return indices[
        order_within(one_group, [key[indices] for key in keys], names, descending=descending)
    ]


_FEW: Final = 10_000
"""Matches that one sort by all keys orders in a millisecond."""


def order_within(
    groups: NDArray[np.int64],
    keys: Sequence[NDArray[np.float64]],
    names: NDArray[np.str_] | NDArray[np.int64],
    *,
    descending: bool,
) -> NDArray[np.intp]:
    """Return the order of matches by group, best first within a group; all arrays are [matches]."""
    columns = [-key if descending else key for key in reversed(keys)]
    if len(columns) > 1 or len(groups) < _FEW:
        return np.lexsort((names, *columns, groups))
    (column,) = columns
    order, starts, sizes = order_in_groups(groups, column)
    for begin, size in zip(starts.tolist(), sizes.tolist(), strict=True):
        of_group = order[begin : begin + size]
        values = column[of_group]
        if not (values[1:] > values[:-1]).all():  # ties, or NaN
            by_name = np.lexsort((names[of_group], values))
            order[begin : begin + size] = of_group[by_name]
    return order


def best_of_groups(
    places: NDArray[np.int64], groups: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Return the first `most` of `places` in each group, in the order of `places`.

    `groups` is [symbols]; symbols of the unknown group, -1, are left out.
    """
    group_of_place = groups[places]
    order = np.argsort(group_of_place, kind="stable")
    sorted_groups = group_of_place[order]
    starts = np.searchsorted(
        sorted_groups, sorted_groups
    )  # the first position of each match's group
    is_best = (np.arange(len(sorted_groups)) - starts < most) & (sorted_groups >= 0)
    return places[np.sort(order[is_best])]


class Ranked(NamedTuple):
    """Matches in order, the mark of each, and the warnings about the marked ones."""

    places: NDArray[np.int64]
    marks: list[str]
    warnings: list[str]


Marks = Callable[[Sequence[str]], list[str]]
"""A function that returns, for each symbol, the names of the rules that suspect its bars, or ""."""


def no_marks(symbols: Sequence[str]) -> list[str]:
    """Return an empty mark for each symbol, for scans that do not inspect bars."""
    return [""] * len(symbols)


def order_clean_first(
    places: NDArray[np.int64], symbols: Sequence[str], marks: Marks, most: int | None
) -> Ranked:
    """Return the first `most` matches, those without a mark first.

    Inspects no more symbols than needed to find `most` matches without a mark.
    """
    clean: list[int] = []
    marked: dict[int, str] = {}
    ranked = places.tolist()
    limit = len(ranked) if most is None else most
    step = max(1, len(ranked)) if most is None else max(_CHUNK, most)
    for begin in range(0, len(ranked), step):
        chunk = ranked[begin : begin + step]
        chunk_marks = marks([symbols[place] for place in chunk])
        marked |= {place: mark for place, mark in zip(chunk, chunk_marks, strict=True) if mark}
        clean += [place for place in chunk if place not in marked]
        if len(clean) >= limit:
            break
    ordered = [*clean, *marked][:limit]
    warnings = suspicious_warning("suspicious matches come last", _marks_by_symbol(symbols, marked))
    return Ranked(
        np.array(ordered, np.int64), [marked.get(place, "") for place in ordered], warnings
    )


def keep_rank_order(
    places: NDArray[np.int64], symbols: Sequence[str], marks: Marks, most: int | None
) -> Ranked:
    """Return the first `most` matches in their order, with their marks."""
    shown = places[:most]
    shown_marks = marks([symbols[place] for place in shown.tolist()])
    marked = {place: mark for place, mark in zip(shown.tolist(), shown_marks, strict=True) if mark}
    return Ranked(
        shown,
        shown_marks,
        suspicious_warning("suspicious matches", _marks_by_symbol(symbols, marked)),
    )


def _marks_by_symbol(symbols: Sequence[str], marked: Mapping[int, str]) -> dict[str, str]:
    return {symbols[place]: mark for place, mark in marked.items()}


def suspicious_warning(heading: str, marks: Mapping[str, str]) -> list[str]:
    """Return a warning that names the symbols with a mark; an empty list if no symbol has one."""
    if not marks:
        return []
    texts = [f"{symbol} ({mark})" for symbol, mark in marks.items()]
    return [
        f"{heading}: {join_first(texts, _SHOWN)}; --exclude-suspect skips them, marketsweep "
        "status --quality shows their bars"
    ]
