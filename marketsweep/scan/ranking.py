"""Columns to matches: who comes first, and how many of them are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.safe_text import some_of

_SHOWN: Final = 3
"""Suspicious matches that a warning names."""

_CHUNK: Final = 256
"""Matches that are judged together; of fewer, reading takes longest."""


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


class Ranked(NamedTuple):
    """Matches in their order, with the mark of each, and what is to be said of the marked."""

    places: NDArray[np.int64]
    marks: list[str]
    warnings: list[str]


Marks = Callable[[Sequence[str]], list[str]]
"""What is suspicious of some symbols."""


def no_marks(symbols: Sequence[str]) -> list[str]:
    """Return a mark of each symbol that says nothing, for scans that do not judge bars."""
    return [""] * len(symbols)


def marked_last(
    places: NDArray[np.int64], symbols: Sequence[str], marks: Marks, most: int | None
) -> Ranked:
    """Return the first `most` matches, those without a mark before the others.

    No more symbols are judged than it takes to find as many without a mark.
    """
    clean: list[int] = []
    marked: dict[int, str] = {}
    everyone = places.tolist()
    wanted = len(everyone) if most is None else most
    step = max(1, len(everyone)) if most is None else max(_CHUNK, most)
    for begin in range(0, len(everyone), step):
        chunk = everyone[begin : begin + step]
        found = marks([symbols[place] for place in chunk])
        marked |= {place: mark for place, mark in zip(chunk, found, strict=True) if mark}
        clean += [place for place in chunk if place not in marked]
        if len(clean) >= wanted:
            break
    ordered = [*clean, *marked][:wanted]
    said = suspicious_warning("suspicious matches come last", _by_symbol(symbols, marked))
    return Ranked(np.array(ordered, np.int64), [marked.get(place, "") for place in ordered], said)


def marked_in_place(
    places: NDArray[np.int64], symbols: Sequence[str], marks: Marks, most: int | None
) -> Ranked:
    """Return the first `most` matches as they are ranked, with their marks."""
    shown = places[:most]
    found = marks([symbols[place] for place in shown.tolist()])
    marked = {place: mark for place, mark in zip(shown.tolist(), found, strict=True) if mark}
    return Ranked(
        shown, found, suspicious_warning("suspicious matches", _by_symbol(symbols, marked))
    )


def _by_symbol(symbols: Sequence[str], marked: Mapping[int, str]) -> dict[str, str]:
    return {symbols[place]: mark for place, mark in marked.items()}


def suspicious_warning(what: str, marks: Mapping[str, str]) -> list[str]:
    """Return a warning that names the symbols with a mark; an empty list if no symbol has one."""
    if not marks:
        return []
    named = [f"{symbol} ({mark})" for symbol, mark in marks.items()]
    return [
        f"{what}: {some_of(named, _SHOWN)}; --exclude-suspect leaves them out, "
        "marketsweep status --quality shows their bars"
    ]
