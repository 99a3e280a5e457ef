"""Conditions built in Python: `ms.close > ms.sma(200)` is the tree of `close > sma(200)`.

An expression writes itself as text and is read by the one parser, so that there is one set of
rules, one set of errors, and the same tree from either side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from marketsweep import tree
from marketsweep.condition import parse_expression
from marketsweep.errors import ConditionError
from marketsweep.indicators import INDICATORS
from marketsweep.occurrences import OCCURRENCES
from marketsweep.tree import Node
from marketsweep.vocabulary import CALLS, EXAMPLES


def node_of(given: str | Expression | Node) -> Node | str:
    """What a scan takes: the tree of an expression; a text stays a text, so that errors point."""
    node = given.node if isinstance(given, Expression) else given
    if not isinstance(node, str | Node):
        raise ConditionError(f"{given!r} is no expression: write, for example, 'rsi(14) < 30'")
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
        left, right = f"({self})", f"({_text(other)})"
        return _read(f"{right} {operator} {left}" if swapped else f"{left} {operator} {right}")

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
        return _read(f"-({self})")

    def __and__(self, other: Expression) -> Expression:
        return self._with("and", other)

    def __or__(self, other: Expression) -> Expression:
        return self._with("or", other)

    def __invert__(self) -> Expression:
        return _read(f"not ({self})")

    def __getitem__(self, bars: int) -> Expression:
        return _read(f"({self})[{bars}]")

    def crosses_above(self, other: Any) -> Expression:  # noqa: ANN401
        """The bar on which this comes to stand above the other."""
        return self._with("crosses above", other)

    def crosses_below(self, other: Any) -> Expression:  # noqa: ANN401
        """The bar on which this comes to stand below the other."""
        return self._with("crosses below", other)

    def between(self, low: Any, high: Any) -> Expression:  # noqa: ANN401
        """`low <= this <= high`."""
        return _read(f"({self}) between ({_text(low)}) and ({_text(high)})")

    def within(self, bars: int) -> Expression:
        """Whether this held on any of the last bars."""
        return _read(f"({self}) within {bars} bars")

    def for_bars(self, bars: int) -> Expression:
        """Whether this held on each of the last bars."""
        return _read(f"({self}) for {bars} bars")

    def is_in(self, choices: Sequence[Any]) -> Expression:
        """Whether this text, or number, is one of several."""
        return _read(f"({self}) in [{', '.join(map(_text, choices))}]")

    def contains(self, text: str) -> Expression:
        """Whether this text has another in it."""
        return _read(f"{self} contains {_text(text)}")

    def matches(self, pattern: str) -> Expression:
        """Whether this text fits a pattern with `*` and `?`."""
        return _read(f"{self} matches {_text(pattern)}")

    def by(self, fact: str) -> Expression:
        """This standing, or breadth, within each sector, industry or other group."""
        return _read(f"{self} by {fact}")


class _Outputs(Expression):
    """An indicator with several outputs, as its attributes: `ms.macd(12, 26, 9).hist`."""

    __slots__ = ("_call", "_names")

    def __init__(self, call: str, names: tuple[str, ...]) -> None:
        self._call, self._names = call, names

    def __getattr__(self, name: str) -> Expression:
        if name == "node":  # used without choosing: the parser says what there is to choose from
            return parse_expression(self._call)  # type: ignore[return-value]
        if name.startswith("_"):
            raise AttributeError(name)
        return _read(f"{self._call}.{name}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._names]


class _Symbol(Expression):
    """`ms.symbol`: the ticker itself, and called with one, what there is of that symbol."""

    __slots__ = ()

    def __call__(self, ticker: str, of: Any = None) -> Any:  # noqa: ANN401
        if of is None:
            return _Other(f"symbol({_text(ticker)})")
        return _read(f"symbol({_text(ticker)}, {_text(of)})")


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
    return _read(f"market({aggregate}({_text(of)}))")


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        return str(tree.Text(value))
    return str(value)


def _read(text: str) -> Expression:
    return Expression(parse_expression(text))


def _caller(name: str, owner: str = "") -> Callable[..., Expression]:
    row = INDICATORS.get(name)

    def call(*arguments: Any, running: bool = False) -> Expression:  # noqa: ANN401
        given = [*map(_text, arguments), *(["running"] if running else [])]
        text = f"{owner}{name}({', '.join(given)})"
        return _Outputs(text, row.outputs) if row and row.outputs else _read(text)

    call.__name__ = call.__qualname__ = name
    known = row or OCCURRENCES.get(name)
    call.__doc__ = f"{known.doc} As in {known.signature}." if known else f"As in {EXAMPLES[name]}."
    return call


def builder(word: str) -> Any:  # noqa: ANN401
    """The expression, or the function that makes one, for a word of the language."""
    if word == "symbol":
        return _Symbol(parse_expression(word))
    return _caller(word) if word in CALLS else _read(word)
