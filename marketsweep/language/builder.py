"""Conditions built in Python: `ms.close > ms.sma(200)` is the tree of `close > sma(200)`.

Operators join trees (`_combined`), and calls are read by the parser with trees in the place of
their arguments (`_read`). What does not fit is written as text and read by the parser, whose error
points at it: so there is one set of errors, and the same tree from either side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from numbers import Real
from typing import Any, Final, TypeGuard

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.indicators.events import OCCURRENCES
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parser import parse_expression, parse_with, require_size
from marketsweep.language.tree import Kind, Node
from marketsweep.language.vocabulary import CALLS, EXAMPLES, JOINS

_MOST_PARTS: Final = 100_000
"""Parts of a condition: expressions that use each other grow as powers do."""


def node_of(given: str | Expression | Node) -> Node | str:
    """What a scan takes: the tree of an expression; a text stays a text, so that errors point."""
    node = given.node if isinstance(given, Expression) else given
    if not isinstance(node, str | Node):
        raise ConditionError(f"{given!r} is not an expression: write, for example, 'rsi(14) < 30'")
    if isinstance(given, Expression):
        require_size(given.node, _MOST_PARTS)
    return node


class Expression:
    """A part of a condition; Python's operators make bigger ones.

    `&`, `|` and `~` stand for and, or and not, which Python does not let a library define; they
    bind more tightly than comparisons, so write `(ms.close > 5) & (ms.rsi(14) < 30)`.
    """

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, node: Node) -> None:
        self.node = node

    def __str__(self) -> str:
        return str(self.node)

    def __repr__(self) -> str:
        return f"<Expression: {self.node}>"

    def __bool__(self) -> bool:
        raise ConditionError(
            f"{self.node} has no truth of its own in Python: use & | ~ in place of and, or, not, "
            "and between(low, high) in place of a chain"
        )

    def _with(self, operator: str, other: Any, *, swapped: bool = False) -> Expression:  # noqa: ANN401
        left, right = self.node, _operand(other)
        if swapped:
            left, right = right, left
        node = _combined(operator, left, right)
        return Expression(node) if node else _read(left, f" {operator} ", right)

    def __lt__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("<", other)

    def __le__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with(">", other)

    def __ge__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with(">=", other)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._with("!=", other)

    def __add__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("+", other)

    def __radd__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("+", other, swapped=True)

    def __sub__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("-", other, swapped=True)

    def __mul__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("*", other, swapped=True)

    def __truediv__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("/", other)

    def __rtruediv__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._with("/", other, swapped=True)

    def __neg__(self) -> Expression:
        fits = self.node.kind is Kind.NUMBER
        return Expression(tree.Negate(self.node)) if fits else _read("-", self.node)

    def __and__(self, other: Expression) -> Expression:
        return self._with("and", other)

    def __or__(self, other: Expression) -> Expression:
        return self._with("or", other)

    def __invert__(self) -> Expression:
        fits = self.node.kind is Kind.TRUTH
        return Expression(tree.Not(self.node)) if fits else _read("not ", self.node)

    def __getitem__(self, bars: int) -> Expression:
        return _read(self.node, f"[{bars}]")

    def crosses_above(self, other: Any) -> Expression:  # noqa: ANN401
        """The bar on which this comes to stand above the other."""
        return self._with("crosses above", other)

    def crosses_below(self, other: Any) -> Expression:  # noqa: ANN401
        """The bar on which this comes to stand below the other."""
        return self._with("crosses below", other)

    def between(self, low: Any, high: Any) -> Expression:  # noqa: ANN401
        """`low <= this <= high`."""
        return _read(self.node, " between ", _operand(low), " and ", _operand(high))

    def within(self, bars: int) -> Expression:
        """Whether this held on any of the last bars."""
        return _read(self.node, f" within {bars} bars")

    def for_bars(self, bars: int) -> Expression:
        """Whether this held on each of the last bars."""
        return _read(self.node, f" for {bars} bars")

    def is_in(self, choices: Sequence[Any]) -> Expression:
        """Whether this text, or number, is one of several."""
        if isinstance(choices, str):
            raise ConditionError(
                f"is_in takes a list, and {choices!r} is a text: write [{choices!r}]"
            )
        return _read(self.node, f" in [{', '.join(map(_plain, choices))}]")

    def contains(self, text: str) -> Expression:
        """Whether this text has another in it."""
        return _read(self.node, f" contains {_plain(text)}")

    def matches(self, pattern: str) -> Expression:
        """Whether this text fits a pattern with `*` and `?`."""
        return _read(self.node, f" matches {_plain(pattern)}")

    def by(self, fact: str) -> Expression:
        """This standing, or breadth, within each sector, industry or other group."""
        return Expression(parse_expression(f"{self} by {fact}"))


class _Outputs(Expression):
    """An indicator with several outputs, as its attributes: `ms.macd(12, 26, 9).hist`."""

    __slots__ = ("_call", "_names")

    def __init__(self, call: Sequence[str | Node], names: tuple[str, ...]) -> None:
        self._call, self._names = call, names

    def __getattr__(self, name: str) -> Expression:
        if name == "node":  # used without choosing: the parser says what there is to choose from
            return _read(*self._call).node  # type: ignore[return-value]
        if name.startswith("_"):
            raise AttributeError(name)
        return _read(*self._call, f".{name}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]


class _Symbol(Expression):
    """`ms.symbol`: the ticker itself, and called with one, what there is of that symbol."""

    __slots__ = ()

    def __call__(self, ticker: str, of: Any = None) -> Any:  # noqa: ANN401
        if of is None:
            return _Other(f"symbol({_plain(ticker)})")
        return _read(f"symbol({_plain(ticker)}, ", _operand(of), ")")


class _Other:
    """Another symbol, its fields and indicators as attributes: `ms.symbol("QQQ").sma(50)`."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("__"):
            raise AttributeError(name)
        return _caller(name, self._symbol + ".") if name in INDICATORS else self._field(name)

    def _field(self, name: str) -> Expression:
        return _read(f"{self._symbol}.{name.removesuffix('_')}")


def breadth(aggregate: str, of: Any) -> Expression:  # noqa: ANN401
    """`market(...)` of the language: pct, count, mean, median or sum of all symbols."""
    return _read(f"market({aggregate}(", _operand(of), "))")


def _combined(operator: str, left: Node, right: Node) -> Node | None:
    """Two trees joined by an operator; None where they do not fit."""
    kind = left.kind if left.kind is right.kind else None
    if operator in ("and", "or"):
        return tree.joined(operator, (left, right)) if kind is Kind.TRUTH else None
    if kind is Kind.TEXT and operator in ("==", "!="):
        return tree.Compare((left, right), (operator,))
    if kind is not Kind.NUMBER:
        return None
    if operator in ("+", "-", "*", "/"):
        return tree.Binary(operator, left, right)
    if operator.startswith("crosses "):
        return tree.Cross(left, right, operator.removeprefix("crosses "))
    return tree.Compare((left, right), (operator,))


def _is_truth(value: object) -> TypeGuard[Expression]:
    return isinstance(value, Expression) and value.node.kind is Kind.TRUTH


def _operand(value: Any) -> Node:  # noqa: ANN401
    """What an operator or a call takes, as a tree."""
    if isinstance(value, Expression):
        return value.node
    if isinstance(value, str):
        return tree.Text(value)
    if value is not True and value is not False and isinstance(value, Real) and isfinite(value):
        number = float(value)
        return tree.Number(number) if number >= 0 else tree.Negate(tree.Number(-number))
    return parse_expression(str(value))


def _plain(value: Any) -> str:  # noqa: ANN401
    """A text or a number as the language writes it."""
    return str(tree.Text(value) if isinstance(value, str) else value)


def _read(*parts: str | Node) -> Expression:
    """The tree of a text, some parts of which are trees."""
    text = "".join(f"_{at}" if isinstance(part, Node) else part for at, part in enumerate(parts))
    nodes = {f"_{at}": part for at, part in enumerate(parts) if isinstance(part, Node)}
    if not nodes:
        return Expression(_parsed(text))
    try:
        return Expression(parse_with(text, nodes))
    except ConditionError:
        written = (f"({part})" if isinstance(part, Node) else part for part in parts)
        return Expression(parse_expression("".join(written)))


_parsed: Final = lru_cache(maxsize=1024)(parse_expression)


def _caller(name: str, owner: str = "") -> Callable[..., Expression]:
    row = INDICATORS.get(name)

    def call(*arguments: Any, running: bool = False) -> Expression:  # noqa: ANN401
        truths = [one.node for one in arguments if _is_truth(one)]
        if truths and name in JOINS and len(truths) == len(arguments):
            return Expression(tree.joined(JOINS[name], truths))
        parts: list[str | Node] = [f"{owner}{name}("]
        for at, one in enumerate(arguments):
            node = one.node if isinstance(one, Expression) else _plain(one)
            parts += [", ", node] if at else [node]
        parts.append(", running)" if running else ")")
        return _Outputs(parts, row.outputs) if row and row.outputs else _read(*parts)

    call.__name__ = call.__qualname__ = name
    known = row or OCCURRENCES.get(name)
    call.__doc__ = f"{known.doc} As in {known.signature}." if known else f"As in {EXAMPLES[name]}."
    return call


def builder(word: str) -> Any:  # noqa: ANN401
    """The expression, or the function that makes one, for a word of the language."""
    if word == "symbol":
        return _Symbol(parse_expression(word))
    return _caller(word) if word in CALLS else _read(word)
