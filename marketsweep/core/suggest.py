"""Suggest names that the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def names_near(name: str, names: Iterable[str], most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Return up to `most` of `names` that are similar to `name`, the most similar first.

    `cutoff` is the least similarity, from 0 to 1.
    """
    from difflib import get_close_matches  # imported late: most names are right

    return get_close_matches(name, list(names), n=most, cutoff=cutoff)


def names_misspelled(name: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` of which `name` may be a misspelling, the most similar first.

    A misspelling has a letter too many, too few, wrong or exchanged, or two of them in names of
    more than six letters. Names of two letters are not compared. In names of up to four letters
    the first letter is right, and a wrong one sounds like the right one (`rsy` for `rsi`): too many
    short names are alike.
    """
    most = (len(name) > 2) + (len(name) > 6)
    is_short = len(name) <= 4
    ranked = []
    for other in names:
        if abs(len(other) - len(name)) > most or not other:
            continue
        has_first = other[0] == name[:1]
        distance = _edits(name, other, 2 if is_short else 1)
        if 0 < distance <= most and (has_first or not is_short):
            ranked.append((distance, not has_first, abs(len(other) - len(name)), other))
    return [other for *_, other in sorted(ranked)]


_ALIKE = ("iy", "ck", "sz", "vw")
"""Pairs of letters that sound alike."""


def _edits(a: str, b: str, wrong: int) -> int:
    """Return the number of letters to insert, delete, replace or exchange to turn `a` into `b`.

    A letter to replace counts `wrong` times, or once if it sounds like the other one.
    """
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(b, 1):
            is_alike = f"{min(letter, other)}{max(letter, other)}" in _ALIKE
            replaced = 0 if letter == other else 1 if is_alike else wrong
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + replaced)
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
