"""Conditions with placeholders: `rsi({n}) < {t}` is one condition for each pair of values.

A template is cut into tokens once. Each part of it is parsed once per combination of the values
that it contains. So the trees of a thousand variants share nodes, and a plan sees each part once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from numbers import Real
from typing import Final

from marketsweep.errors import ConditionError, UsageError
from marketsweep.language.parsing.lexer import PLACEHOLDER, Token, tokenize
from marketsweep.language.parsing.own_names import NO_NAMES, OwnNames
from marketsweep.language.parsing.parser import Parser, parse
from marketsweep.language.tree import Kind, Node

MOST_VARIANTS: Final = 1_000_000

_OPERAND: Final = -1
"""Key of the cache for operands; expressions have their floor, which is at least 0."""

Values = tuple[float, ...]
"""A number for each placeholder, in the order of the template's `names`."""


class Template:
    """A condition in which some numbers are placeholders. Raises ConditionError for invalid tokens.

    `names` are the names of the placeholders, in the order of their first use in the text.
    """

    def __init__(self, source: str, own_names: OwnNames = NO_NAMES) -> None:
        self.source = source
        self.own_names = own_names
        self._tokens = list(tokenize(source))
        placeholders = {
            i: token.text[1:-1] for i, token in enumerate(self._tokens) if token.kind == PLACEHOLDER
        }
        self.names = list(dict.fromkeys(placeholders.values()))
        self._name_at_token = {i: self.names.index(name) for i, name in placeholders.items()}
        """Index of the name, by the index of the placeholder among the tokens."""
        self.name_at_column = {
            self._tokens[i].column: number for i, number in self._name_at_token.items()
        }
        """Index of the name, by the column of the placeholder."""
        self.cache = _ParseCache()

    def written(self, values: Values) -> str:
        """Return the text of a variant."""
        parts, end = [], 0
        for i, name in self._name_at_token.items():
            token = self._tokens[i]
            parts += [self.source[end : token.column], _format_number(values[name])]
            end = token.column + len(token.text)
        return "".join([*parts, self.source[end:]])

    def tree(self, values: Values) -> Node:
        """Return the tree of a variant. Raises ConditionError, which shows the variant's text."""
        values = tuple(value + 0.0 for value in values)  # 0 and -0 are one value of the cache
        variant_tokens = self._tokens.copy()
        for i, name in self._name_at_token.items():
            variant_tokens[i] = Token(
                "number", _format_number(values[name]), variant_tokens[i].column
            )
        try:
            node = _VariantParser(self, variant_tokens, values).parse_all()
            if node.kind is Kind.TRUTH:
                return node
        except ConditionError:
            pass
        # This raises an error that points at the fault.
        return parse(self.written(values), self.own_names)


def variants_of(template: Template, values: Mapping[str, Iterable[float]]) -> list[Values]:
    """Return every combination of the values; those of the last name change fastest.

    Raises UsageError for names that the template does not have, and for values that are not
    numbers.
    """
    names = ", ".join(f"{{{name}}}" for name in template.names)
    if not names:
        raise UsageError(
            "the condition has nothing to vary: put a name in braces in place of a number, as in "
            "rsi({n}) < 30"
        )
    numbers = {name: _numbers(name, name_values) for name, name_values in values.items()}
    for name in template.names:
        if name not in numbers:
            raise _missing_values_error(name)
    for name in numbers:
        if name not in template.names:
            raise UsageError(f"there is no {{{name}}} in the condition, which has {names}")
    count = math.prod(map(len, numbers.values()))
    if count > MOST_VARIANTS:
        raise UsageError(f"these are {count:,} variants, but at most {MOST_VARIANTS:,} are allowed")
    return list(product(*(numbers[name] for name in template.names)))


def _numbers(name: str, values: Iterable[float]) -> list[float]:
    numbers = []
    if not isinstance(values, Iterable):
        raise UsageError(f"{{{name}}} needs a list of numbers, not {values!r}")
    for value in values:
        if not _is_finite(value):
            raise UsageError(f"{{{name}}} needs numbers, not {value!r}")
        numbers.append(float(value))
    if not numbers:
        raise _missing_values_error(name)
    return numbers


def _is_finite(value: object) -> bool:
    if isinstance(value, bool):  # a bool is a Real in Python
        return False
    return isinstance(value, Real) and math.isfinite(value)


def _missing_values_error(name: str) -> UsageError:
    example = f"{name}=range(5, 30), or --vary {name}=5..29"
    return UsageError(f"{{{name}}} has no values: write, for example, {example}")


def _format_number(value: float) -> str:
    value += 0.0  # a zero without a sign
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(value)


class _ParseCache:
    """Parsed parts of a template, by their first token and the values in them."""

    def __init__(self) -> None:
        self.extents: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
        """Token after the part that begins at a token, and the placeholders in the part."""
        self.nodes: dict[tuple[int, int, Values], Node] = {}
        self.size_checked = False


class _VariantParser(Parser):
    """A parser of a template's tokens, with values in place of the placeholders."""

    def __init__(self, template: Template, variant_tokens: list[Token], values: Values) -> None:
        super().__init__(template.source, template.own_names, (), variant_tokens)
        self._name_at_column = template.name_at_column
        self._cache = template.cache
        self._values = values

    def expression(self, floor: int) -> Node:
        return self._parse_cached(floor, super().expression, floor)

    def operand(self) -> Node:
        return self._parse_cached(_OPERAND, super().operand)

    def check_size(self, node: Node) -> None:
        if not self._cache.size_checked:  # all variants have the same size
            super().check_size(node)

    def parse_all(self) -> Node:
        node = super().parse_all()
        self._cache.size_checked = True
        return node

    def _parse_cached(self, key: int, parse_part: Callable[..., Node], *arguments: int) -> Node:
        start, cache = self.position, self._cache
        extent = cache.extents.get((start, key))
        if extent is not None:
            values = tuple([self._values[i] for i in extent[1]])
            node_of_values = cache.nodes.get((start, key, values))
            if node_of_values is not None:
                self.jump(extent[0])
                return node_of_values
        node = parse_part(*arguments)
        # What `let` and `def` define may stand for any placeholder.
        columns = (
            self._name_at_column
            if self.lets or self.functions
            else [token.column for token in self.tokens[start : self.position]]
        )
        placeholders = {
            self._name_at_column[column] for column in columns if column in self._name_at_column
        }
        cache.extents[start, key] = self.position, tuple(sorted(placeholders))
        if len(placeholders) < len(self._values):  # a part with all placeholders occurs only once
            values = tuple([self._values[i] for i in sorted(placeholders)])
            cache.nodes[start, key, values] = node
        return node
