"""The values of an expression while it is translated, and the rows of the tables of functions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from marketsweep.language import tree
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.tree import Kind, Node


class Word(str):
    """A word in place of a value, such as `AverageType.EXPONENTIAL`, or a text; in lower case."""


class Outputs(NamedTuple):
    """The lines of an indicator that has several; the first is the one meant without a name."""

    lines: Mapping[str, Node]

    @property
    def first(self) -> Node:
        """The line that is meant without a name."""
        return next(iter(self.lines.values()))


Value = Node | Word | Outputs

AVERAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "averagetype.simple": "sma",
        "averagetype.exponential": "ema",
        "averagetype.wilders": "rma",
        "averagetype.weighted": "wma",
        "averagetype.hull": "hma",
        "simple": "sma",
        "sma": "sma",
        "exponential": "ema",
        "ema": "ema",
        "wilders": "rma",
        "weighted": "wma",
        "hull": "hma",
    }
)
"""The indicator for each type of average."""


class Function(NamedTuple):
    """A function of another tool.

    `parameters` are names with their defaults, as in `data, length=12`. A name with `?` in front
    does not change the values. `outputs` are the lines by their names in lower case, each as an
    expression of the language in which the parameters have their names. `{kind}` in it is the
    average of that parameter. `only` holds `name=value` pairs if the row is for these values alone.
    """

    parameters: str
    outputs: Mapping[str, str] | str
    only: str = ""

    @property
    def lines(self) -> Mapping[str, str]:
        """The expressions by the names of the outputs."""
        return {"": self.outputs} if isinstance(self.outputs, str) else self.outputs


class Parameter(NamedTuple):
    """A parameter of a function; `default` is the text of its value, None if it is needed."""

    name: str
    default: str | None
    is_ignored: bool

    @staticmethod
    def all_of(text: str) -> list[Parameter]:
        """Return the parameters that a row of a table writes as one text."""
        parameters = []
        for part in filter(None, map(str.strip, text.split(","))):
            name, has_default, default = part.partition("=")
            parameters.append(
                Parameter(
                    name.strip("? ").lower(),
                    default.strip() if has_default else None,
                    name.startswith("?"),
                )
            )
        return parameters


ONE: Final = tree.Number(1.0)
ZERO: Final = tree.Number(0.0)
ALWAYS: Final = tree.Compare((ONE, ONE), ("==",))
UNKNOWN: Final = tree.Binary("/", ZERO, ZERO)
"""A value that is not a number: a condition of it is not true."""
NEVER: Final = tree.Compare((ONE, ZERO), ("==",))


def as_truth(node: Node) -> Node:
    """Return a number as a condition: other tools take any number but 0 as true."""
    if node.kind is Kind.TRUTH:
        return node
    match node:
        case tree.Number(value=value):
            return ALWAYS if value else NEVER
        case tree.Function(name="number", arguments=(condition,)):
            return condition
        case tree.Function(name="if", arguments=(condition, yes, no)):
            truth = _choice_as_truth(condition, yes, no)
            if truth is not None:
                return truth
    pattern = tree.as_condition(node)
    return pattern if pattern is not node else tree.Compare((node, ZERO), ("!=",))


def _choice_as_truth(condition: Node, yes: Node, no: Node) -> Node | None:
    """Return the condition of a choice of two constants, a price, or no value; None for others."""
    truths = [_known_truth(value) for value in (yes, no)]
    if truths == [True, False]:
        return condition
    return tree.Not(condition) if truths == [False, True] else None


def _known_truth(value: Node) -> bool | None:
    if value == UNKNOWN:
        return False
    number = constant_value(value)
    return isinstance(value, tree.Field) or None if number is None else bool(number)


def as_number(node: Node) -> Node:
    """Return a condition as a number: 1 if it is true, 0 if it is false."""
    if node.kind is not Kind.TRUTH:
        return node
    if node in (ALWAYS, NEVER):
        return ONE if node == ALWAYS else ZERO
    return tree.Function("number", (node,))


def compared(operator: str, left: Node, right: Node) -> Node:
    """Return a comparison; that of a condition with 1 or 0 is the condition or its negation."""
    match left:
        case tree.Event(name="count", operands=(condition,), parameters=(bars,)) if (
            operator in ("==", ">=") and constant_value(as_number(right)) == bars
        ):
            return tree.For(condition, int(bars))
    for condition, number in ((left, right), (right, left)):
        value = constant_value(as_number(number))
        is_equality = operator in ("==", "!=")
        if condition.kind is Kind.TRUTH and value in (0.0, 1.0) and is_equality:
            return condition if (value == 1.0) == (operator == "==") else tree.Not(condition)
    return tree.Compare((as_number(left), as_number(right)), (operator,))


def simplified(node: Node) -> Node:
    """Return the count of a condition for the sum of its numbers; any other node as it is."""
    match node:
        case tree.Call(
            name="sum",
            sources=(tree.Function(name="number", arguments=(condition,)),),
            parameters=(bars,),
        ):
            return tree.Event("count", (condition,), (bars,))
    return node


def negated(node: Node) -> Node:
    """Return the negation of a condition, without a double one."""
    return node.operand if isinstance(node, tree.Not) else tree.Not(node)


def joined(operator: str, left: Node, right: Node) -> Node:
    """Return two conditions joined by `and` or `or`; one that is always true or false is left out.

    Switches of a script are such parts.
    """
    neutral, decisive = (ALWAYS, NEVER) if operator == "and" else (NEVER, ALWAYS)
    if decisive in (left, right):
        return decisive
    if neutral in (left, right):
        return right if left == neutral else left
    return tree.joined(operator, (left, right))
