"""Evaluate a part of a condition that is about facts of one symbol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from marketsweep.language import tree
from marketsweep.language.tree import Node

UNKNOWN: Final = float("nan")

ReadFact = Callable[[str], str | float | None]
"""Returns a fact of the symbol by name; None if it is unknown."""


def value_of(node: Node, read: ReadFact) -> float:
    """Return the value of a node: a number, or 1 or 0 for a truth, or NaN if it is unknown."""
    match node:
        case tree.Fact(name=name):
            number = read(name)
            return UNKNOWN if number is None else float(number)
        case tree.Match(operand=operand, how=how, pattern=pattern):
            return _matches(operand, how, pattern.value, read)
        case tree.In(operand=operand, choices=choices):
            return _is_one_of(operand, choices, read)
        case tree.Compare(operands=(left, right), operators=(operator,)):
            equal = _is_one_of(left, (right,), read)
            return equal if operator == "==" else 1.0 - equal
    raise TypeError(f"{type(node).__name__} is not about reference data")


def _matches(operand: Node, how: str, pattern: str, read: ReadFact) -> float:
    text = _text(operand, read)
    if text is None:
        return UNKNOWN
    if operand != tree.Fact("symbol"):
        text, pattern = fold(text), fold(pattern)
    return float(pattern in text if how == "contains" else fnmatchcase(text, pattern))


def _is_one_of(operand: Node, choices: Sequence[Node], read: ReadFact) -> float:
    text = _text(operand, read)
    if text is None:
        return UNKNOWN
    # Two tickers may differ by case alone; in names of sectors or exchanges case means nothing.
    exact = operand == tree.Fact("symbol")
    texts = (_text(choice, read) for choice in choices)
    return float(any(_is_same_text(text, choice, exact=exact) for choice in texts))


def _text(node: Node, read: ReadFact) -> str | None:
    if isinstance(node, tree.Text):
        return node.value
    assert isinstance(node, tree.Fact)
    value = read(node.name)
    return None if value is None else str(value)


def _is_same_text(text: str, choice: str | None, *, exact: bool) -> bool:
    if choice is None:
        return False
    return text == choice if exact else fold(text) == fold(choice)


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Return a text for comparisons in which case means nothing."""
    return text.casefold()
