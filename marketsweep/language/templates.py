"""Conditions with placeholders: `rsi({n}) < {t}` is one condition for each pair of values.

A template is cut into tokens once, and each part of it is read once for all that it depends on: so
the trees of a thousand variants share their nodes, and a plan meets each part once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from numbers import Real
from typing import Final

from marketsweep.errors import ConditionError, UsageError
from marketsweep.language.lexer import PLACEHOLDER, Token, tokens
from marketsweep.language.parser import Parser, Saved, parse
from marketsweep.language.tree import Kind, Node

MOST_VARIANTS: Final = 1_000_000

_OPERAND: Final = -1
"""Beside the floors of expressions: what stands between operators."""

Values = tuple[float, ...]
"""A number for each placeholder, in the order of the `names` of a template."""


class Template:
    """A condition some of whose numbers are placeholders. Raises ConditionError for what is none.

    `names` are those of the placeholders, in the order in which they first stand in the text.
    """

    def __init__(self, source: str, saved: Saved | None = None) -> None:
        self.source = source
        self.saved = saved
        self._tokens = list(tokens(source))
        found = {
            at: one.text[1:-1] for at, one in enumerate(self._tokens) if one.kind == PLACEHOLDER
        }
        self.names = list(dict.fromkeys(found.values()))
        self._places = {at: self.names.index(name) for at, name in found.items()}
        """Number of the name, by the place of a placeholder among the tokens."""
        self.places = {self._tokens[at].column: place for at, place in self._places.items()}
        """Number of the name, by the column of a placeholder."""
        self.parts = _Parts()

    def written(self, values: Values) -> str:
        """The text of a variant."""
        parts, end = [], 0
        for at, place in self._places.items():
            token = self._tokens[at]
            parts += [self.source[end : token.column], _written(values[place])]
            end = token.column + len(token.text)
        return "".join([*parts, self.source[end:]])

    def tree(self, values: Values) -> Node:
        """The condition of a variant. Raises ConditionError, which shows the variant's text."""
        bound = self._tokens.copy()
        for at, place in self._places.items():
            bound[at] = Token("number", _written(values[place]), bound[at].column)
        try:
            node = _Bound(self, bound, values).whole()
            if node.kind is Kind.TRUTH:
                return node
        except ConditionError:
            pass
        return parse(self.written(values), self.saved)  # which says what is wrong, and where


def variants_of(template: Template, values: Mapping[str, Iterable[float]]) -> list[Values]:
    """Every combination of the values, those of the last name changing fastest.

    Raises UsageError for names that are not those of the template, and for what is not a number.
    """
    names = ", ".join(f"{{{name}}}" for name in template.names)
    if not names:
        raise UsageError(
            "there is nothing to vary in the condition: put a name in braces where a number "
            "stands, as in rsi({n}) < 30"
        )
    given = {name: _numbers(name, some) for name, some in values.items()}
    for name in template.names:
        if name not in given:
            raise _no_values(name)
    for name in given:
        if name not in template.names:
            raise UsageError(f"there is no {{{name}}} in the condition, which has {names}")
    count = math.prod(map(len, given.values()))
    if count > MOST_VARIANTS:
        raise UsageError(f"these are {count:,} variants, and at most {MOST_VARIANTS:,} are swept")
    return list(product(*(given[name] for name in template.names)))


def _numbers(name: str, values: Iterable[float]) -> list[float]:
    found = []
    if not isinstance(values, Iterable):
        raise UsageError(f"{{{name}}} stands for several numbers, and {values!r} is not several")
    for value in values:
        if not _is_finite(value):
            raise UsageError(f"{{{name}}} stands for numbers, and {value!r} is none")
        found.append(float(value))
    if not found:
        raise _no_values(name)
    return found


def _is_finite(value: object) -> bool:
    if isinstance(value, bool):  # which Python counts as a number
        return False
    return isinstance(value, Real) and math.isfinite(value)


def _no_values(name: str) -> UsageError:
    example = f"{name}=range(5, 30), or --vary {name}=5..29"
    return UsageError(f"{{{name}}} has no values: write, for example, {example}")


def _written(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(value)


class _Parts:
    """What was read of a template before, by where it begins and the values in it."""

    def __init__(self) -> None:
        self.extents: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
        """Token after what begins at a token, and the placeholders in between."""
        self.nodes: dict[tuple[int, int, Values], Node] = {}
        self.measured = False


class _Bound(Parser):
    """A parser of the tokens of a template, with values in place of its placeholders."""

    def __init__(self, template: Template, bound: list[Token], values: Values) -> None:
        super().__init__(template.source, template.saved, (), bound)
        self._places = template.places
        self._parts = template.parts
        self._values = values

    def expression(self, floor: int) -> Node:
        return self._once(floor, super().expression, floor)

    def operand(self) -> Node:
        return self._once(_OPERAND, super().operand)

    def need_size(self, node: Node) -> None:
        if not self._parts.measured:  # all variants are of one size
            super().need_size(node)

    def whole(self) -> Node:
        node = super().whole()
        self._parts.measured = True
        return node

    def _once(self, what: int, read: Callable[..., Node], *arguments: int) -> Node:
        begin, parts = self.at, self._parts
        extent = parts.extents.get((begin, what))
        if extent is not None:
            values = tuple([self._values[place] for place in extent[1]])
            found = parts.nodes.get((begin, what, values))
            if found is not None:
                self.at = extent[0]
                return found
        node = read(*arguments)
        # A name of the text's own may stand for anything that varies.
        columns = (
            self._places if self.lets else [one.column for one in self.tokens[begin : self.at]]
        )
        inside = {self._places[column] for column in columns if column in self._places}
        parts.extents[begin, what] = self.at, tuple(sorted(inside))
        if len(inside) < len(self._values):  # what all of them decide is never met again
            values = tuple([self._values[place] for place in sorted(inside)])
            parts.nodes[begin, what, values] = node
        return node
