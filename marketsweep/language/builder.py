"""Build conditions in Python: `ms.close > ms.sma(200)` is the tree of `close > sma(200)`.

Operators join trees (`_combine`). Calls are parsed with trees in place of their arguments
(`_parse_parts`). If that fails, the whole is written as text and parsed, so that the parser's error
points at the fault: text and Python give the same errors and the same trees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import isfinite
from numbers import Real
from typing import Any, Final, Literal, TypeGuard

from msgspec.structs import replace

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.table import find_indicator
from marketsweep.language.parsing.calls import can_be_fact
from marketsweep.language.parsing.parser import parse_expression, parse_with, require_size
from marketsweep.language.tree import Kind, Node
from marketsweep.language.vocabulary import CALLS, EXAMPLES, GROUPS, JOINS

_MAX_PARTS: Final = 100_000
"""Most parts of a condition: expressions that use each other grow exponentially."""


def node_of(condition: str | Expression | Node) -> Node | str:
    """Return what a scan takes: the tree of an expression, or a text unchanged.

    A text is parsed later, so that errors can point at its columns. Raises ConditionError for
    anything else, and for an expression that is too large.
    """
    node = condition.node if isinstance(condition, Expression) else condition
    if not isinstance(node, str | Node):
        raise ConditionError(
            f"{condition!r} is not an expression: write, for example, 'rsi(14) < 30'"
        )
    if isinstance(condition, Expression):
        require_size(condition.node, _MAX_PARTS)
    return node


class Expression:
    """A part of a condition. Python's operators join parts to larger ones.

    `&`, `|` and `~` stand for and, or and not, which Python does not let a library define. They
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
            f"{self.node} has no truth value in Python: use & | ~ instead of and, or, not, and "
            "between(low, high) instead of a chain"
        )

    def _join(self, operator: str, other: Any, *, swapped: bool = False) -> Expression:  # noqa: ANN401
        left, right = self.node, _operand(other)
        if swapped:
            left, right = right, left
        node = _combine(operator, left, right)
        return Expression(node) if node else _parse_parts(left, f" {operator} ", right)

    def __lt__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("<", other)

    def __le__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("<=", other)

    def __gt__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join(">", other)

    def __ge__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join(">=", other)

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._join("==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._join("!=", other)

    def __add__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("+", other)

    def __radd__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("+", other, swapped=True)

    def __sub__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("-", other)

    def __rsub__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("-", other, swapped=True)

    def __mul__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("*", other)

    def __rmul__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("*", other, swapped=True)

    def __pow__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("^", other)

    def __rpow__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("^", other, swapped=True)

    def __truediv__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("/", other)

    def __rtruediv__(self, other: Any) -> Expression:  # noqa: ANN401
        return self._join("/", other, swapped=True)

    def __neg__(self) -> Expression:
        is_number = self.node.kind is Kind.NUMBER
        return Expression(tree.Negate(self.node)) if is_number else _parse_parts("-", self.node)

    def __and__(self, other: Expression) -> Expression:
        return self._join("and", other)

    def __or__(self, other: Expression) -> Expression:
        return self._join("or", other)

    def __invert__(self) -> Expression:
        is_truth = self.node.kind is Kind.TRUTH
        return Expression(tree.Not(self.node)) if is_truth else _parse_parts("not ", self.node)

    def __getitem__(self, bars: int) -> Expression:
        return _parse_parts(self.node, f"[{bars}]")

    def crosses_above(self, other: Any) -> Expression:  # noqa: ANN401
        """Return whether this rises above the other on this bar."""
        return self._join("crosses above", other)

    def crosses_below(self, other: Any) -> Expression:  # noqa: ANN401
        """Return whether this falls below the other on this bar."""
        return self._join("crosses below", other)

    def between(self, low: Any, high: Any) -> Expression:  # noqa: ANN401
        """Return `low <= this <= high`."""
        return _parse_parts(self.node, " between ", _operand(low), " and ", _operand(high))

    def within(self, bars: int) -> Expression:
        """Return whether this was true on any of the last bars."""
        return _parse_parts(self.node, f" within {bars} bars")

    def for_bars(self, bars: int) -> Expression:
        """Return whether this was true on each of the last bars."""
        return _parse_parts(self.node, f" for {bars} bars")

    def is_in(self, choices: Sequence[Any]) -> Expression:
        """Return whether this text or number is one of several."""
        if isinstance(choices, str) or not isinstance(choices, Iterable):
            raise ConditionError(f"is_in takes a list, not {choices!r}: write [{choices!r}]")
        return _parse_parts(self.node, f" in [{', '.join(map(_literal_text, choices))}]")

    def contains(self, text: str) -> Expression:
        """Return whether this text contains another text."""
        return _parse_parts(self.node, f" contains {_literal_text(text)}")

    def matches(self, pattern: str) -> Expression:
        """Return whether this text matches a pattern with `*` and `?`."""
        return _parse_parts(self.node, f" matches {_literal_text(pattern)}")

    def by(self, fact: str | Expression) -> Expression:
        """Compute this rank or market aggregate within each sector, industry or other group."""
        if isinstance(fact, Expression) and isinstance(self.node, tree.Rank | tree.MarketAggregate):
            if not isinstance(fact.node, tree.Fact) or fact.node.kind is not Kind.TEXT:
                raise ConditionError(f"{fact} is not a text fact: group by sector, or another")
            return Expression(replace(self.node, by=fact.node.name))
        if isinstance(fact, str) and fact.isidentifier() and fact.lower() not in GROUPS:
            raise ConditionError(
                f"{fact} is not one of {', '.join(GROUPS)}: write by(ms.fact({fact!r}, 'text')) "
                "for a fact of your own"
            )
        return Expression(parse_expression(f"{self} by {fact}"))


class _Outputs(Expression):
    """An indicator with several outputs, which are its attributes: `ms.macd(12, 26, 9).hist`."""

    __slots__ = ("_call", "_names")

    def __init__(self, call: Sequence[str | Node], names: tuple[str, ...]) -> None:
        self._call, self._names = call, names

    def __getattr__(self, name: str) -> Expression:
        if name == "node":  # no output is chosen: the parser's error lists them
            return _parse_parts(*self._call).node  # type: ignore[return-value]
        if name.startswith("_"):
            raise AttributeError(name)
        return _parse_parts(*self._call, f".{name}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]


class _Symbol(Expression):
    """`ms.symbol`: the ticker as a fact; called with a ticker, the data of that symbol."""

    __slots__ = ()

    def __call__(self, ticker: str, of: Any = None) -> Any:  # noqa: ANN401
        if of is None:
            return _OtherSymbol(f"symbol({_literal_text(ticker)})")
        return _parse_parts(f"symbol({_literal_text(ticker)}, ", _operand(of), ")")


class _OtherSymbol:
    """Another symbol; its attributes are fields and indicators: `ms.symbol("QQQ").sma(50)`."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("__"):
            raise AttributeError(name)
        is_call = find_indicator(name) is not None
        return _make_function(name, self._symbol + ".") if is_call else self._field(name)

    def _field(self, name: str) -> Expression:
        return _parse_parts(f"{self._symbol}.{name.removesuffix('_')}")


def breadth(aggregate: str, of: Any) -> Expression:  # noqa: ANN401
    """Return an aggregate over all symbols: pct, count, mean, median or sum, as `market(...)`."""
    return _parse_parts(f"market({aggregate}(", _operand(of), "))")


def _combine(operator: str, left: Node, right: Node) -> Node | None:
    """Return two trees joined by an operator, or None if their kinds do not fit it."""
    kind = left.kind if left.kind is right.kind else None
    if operator in ("and", "or"):
        return tree.joined(operator, (left, right)) if kind is Kind.TRUTH else None
    if kind is Kind.TEXT and operator in ("==", "!="):
        return tree.Compare((left, right), (operator,))
    if kind is not Kind.NUMBER:
        return None
    if operator in ("+", "-", "*", "/", "^"):
        return tree.Binary(operator, left, right)
    if operator.startswith("crosses "):
        return tree.Cross(left, right, operator.removeprefix("crosses "))
    return tree.Compare((left, right), (operator,))


def _is_truth(value: object) -> TypeGuard[Expression]:
    return isinstance(value, Expression) and value.node.kind is Kind.TRUTH


def _operand(value: Any) -> Node:  # noqa: ANN401
    """Return the argument of an operator or a call as a tree."""
    if isinstance(value, Expression):
        return value.node
    if isinstance(value, str):
        return tree.Text(value)
    if value is not True and value is not False and isinstance(value, Real) and isfinite(value):
        number = float(value)
        return tree.Number(number) if number >= 0 else tree.Negate(tree.Number(-number))
    return parse_expression(str(value))


def _literal_text(value: Any) -> str:  # noqa: ANN401
    """Return a text or a number as it is written in a condition."""
    return str(tree.Text(value) if isinstance(value, str) else value)


def _parse_parts(*parts: str | Node) -> Expression:
    """Parse a text in which some parts are trees."""
    text = "".join(f"_{i}" if isinstance(part, Node) else part for i, part in enumerate(parts))
    nodes = {f"_{i}": part for i, part in enumerate(parts) if isinstance(part, Node)}
    if not nodes:
        return Expression(_parse_cached(text))
    try:
        return Expression(parse_with(text, nodes))
    except ConditionError:
        texts = (f"({part})" if isinstance(part, Node) else part for part in parts)
        return Expression(parse_expression("".join(texts)))


_parse_cached: Final = lru_cache(maxsize=1024)(parse_expression)


def _make_function(name: str, owner: str = "") -> Callable[..., Expression]:
    indicator = find_indicator(name)

    def call(*arguments: Any, running: bool = False) -> Expression:  # noqa: ANN401
        truths = [argument.node for argument in arguments if _is_truth(argument)]
        if truths and name in JOINS and len(truths) == len(arguments):
            return Expression(tree.joined(JOINS[name], truths))
        parts: list[str | Node] = [f"{owner}{name}("]
        for i, argument in enumerate(arguments):
            node = argument.node if isinstance(argument, Expression) else _literal_text(argument)
            parts += [", ", node] if i else [node]
        parts.append(", running)" if running else ")")
        return (
            _Outputs(parts, indicator.outputs)
            if indicator and indicator.outputs
            else _parse_parts(*parts)
        )

    call.__name__ = call.__qualname__ = name
    row = indicator or EVENTS.get(name)
    call.__doc__ = f"{row.doc} As in {row.signature}." if row else f"As in {EXAMPLES[name]}."
    return call


def fact(name: str, kind: Literal["number", "text", "date"] = "number") -> Expression:
    """Return a stored fact, such as a column of a symbols file, by its name and kind."""
    if kind not in ("number", "text", "date"):
        raise ConditionError(f"the kind of a fact is number, text or date, and not {kind!r}")
    if not isinstance(name, str) or not name.isidentifier():
        raise ConditionError(f"{name!r} is not the name of a fact: write, for example, 'pe'")
    if not can_be_fact(name.lower()):
        raise ConditionError(f"{name} is a word of the language and not a stored fact")
    return Expression(tree.Fact(name.lower(), Kind[kind.upper()]))


def builder(word: str) -> Any:  # noqa: ANN401
    """Return the expression for a word of the language, or the function that makes one."""
    if word == "symbol":
        return _Symbol(parse_expression(word))
    return _make_function(word) if word in CALLS else _parse_parts(word)
