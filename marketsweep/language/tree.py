"""The tree of a condition, and its canonical text.

Nodes are equal if they mean the same; their position in the text (`span`) does not count.
`str(node)` is the canonical text, and parsing that text gives an equal tree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.vocabulary import DATE_FACTS, HAPPENINGS, NUMBER_FACTS, TEXT_FACTS


class Kind(Enum):
    """The type of a node's value at each bar of a symbol."""

    NUMBER = "a number"
    TRUTH = "true or false"
    TEXT = "text"
    DATE = "a date"


class Span(Struct, frozen=True, eq=False, gc=False):
    """Position of a node in the text that it was parsed from.

    All spans are equal, so that nodes are compared without them.
    """

    column: int = 0
    width: int = 0

    def __iter__(self) -> Iterator[int]:
        yield self.column
        yield self.width

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span)

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, Span)

    def __hash__(self) -> int:
        return 0


NOWHERE: Final = Span()

_EPOCH: Final = dt.date(1970, 1, 1)

FACTS: Final = (
    dict.fromkeys(TEXT_FACTS, Kind.TEXT)
    | dict.fromkeys(NUMBER_FACTS, Kind.NUMBER)
    | dict.fromkeys(DATE_FACTS, Kind.DATE)
)
"""Facts that a condition may name, with their kind."""

# How tightly an operator binds. Printing adds parentheses by it, and parsing reads by it.
OR, AND, NOT, WITHIN, COMPARE, SUM, PRODUCT, NEGATE, POWER, POSTFIX = range(10, 110, 10)
_ATOM: Final = 110
_BINDING: Final = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "^": POWER}


class Node(Struct, frozen=True, kw_only=True, repr_omit_defaults=True, gc=False):
    """A part of a condition."""

    # Structs are imported in a tenth of the time of dataclasses, and compare natively. A frozen
    # node cannot be part of a cycle, so the garbage collector need not look at it.
    span: Span = NOWHERE

    _kind: ClassVar = Kind.NUMBER
    _binding: ClassVar = _ATOM

    @property
    def kind(self) -> Kind:
        """The type of its value."""
        return self._kind

    @property
    def binding(self) -> int:
        """How tightly its outermost operator binds."""
        return self._binding

    def children(self) -> list[Node]:
        """Return the nodes directly below, in the order of the text."""
        children: list[Node] = []
        for name in _fields_with_nodes(type(self)):
            value = getattr(self, name)
            if isinstance(value, tuple):
                children += value
            elif isinstance(value, Node):
                children.append(value)
        return children

    def walk(self) -> Iterator[Node]:
        """Yield this node and all nodes below it."""
        yield self
        for child in self.children():
            yield from child.walk()

    def _embed(self, child: Node, *, tighter: bool = False) -> str:
        is_loose = child.binding <= self.binding if tighter else child.binding < self.binding
        return f"({child})" if is_loose else str(child)


@cache
def _fields_with_nodes(kind: type[Node]) -> tuple[str, ...]:
    """Return the fields of a kind of node that may hold other nodes."""
    types: dict[str, str] = Node.__annotations__ | kind.__annotations__
    return tuple(name for name in kind.__struct_fields__ if types[name] not in _PLAIN)


_PLAIN: Final = (
    *("str", "int", "float", "bool", "Span", "Kind | None", "str | Buckets"),
    *("tuple[str, ...]", "tuple[float, ...]"),
)
"""The types of fields that hold no nodes."""


def facts_of(nodes: Iterable[Node]) -> set[str]:
    """Return the names of the facts that trees read or group by."""
    parts = [part for node in nodes for part in node.walk()]
    facts = {part.name for part in parts if isinstance(part, Fact)}
    facts |= {HAPPENINGS[part.name][0] for part in parts if isinstance(part, Happening)}
    return facts | _groups_among(parts)


def groups_of(nodes: Iterable[Node]) -> set[str]:
    """Return the names of the facts that trees group by."""
    return _groups_among(part for node in nodes for part in node.walk())


def _groups_among(parts: Iterable[Node]) -> set[str]:
    groups = [part.by for part in parts if isinstance(part, Rank | MarketAggregate)]
    return {by.fact if isinstance(by, Buckets) else by for by in groups if by}


def map_children(node: Node, change: Callable[[Node], Node], **changes: Any) -> Node:  # noqa: ANN401
    """Return a node with `change` applied to its children; `changes` set its other fields."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            changes[name] = change(value)
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            changes[name] = tuple(
                change(item) if isinstance(item, Node) else item for item in value
            )
    return replace(node, **changes)


def as_of_one_day(node: Node) -> Node:
    """Return the tree with facts as of the day of the scan, instead of the day of each bar."""
    if not any(isinstance(part, Fact) and part.dated for part in node.walk()):
        return node
    changed = map_children(node, as_of_one_day)
    return replace(changed, dated=False) if isinstance(changed, Fact) else changed


def without_spans(node: Node) -> Node:
    """Return the tree without positions, because they refer to another text."""
    return map_children(node, without_spans, span=NOWHERE)


class Number(Node, frozen=True):
    """A literal number."""

    value: float

    def __str__(self) -> str:
        return f"{int(self.value)}" if self.value == int(self.value) < 1e15 else repr(self.value)


class Text(Node, frozen=True):
    """A literal text in quotes."""

    value: str

    _kind: ClassVar = Kind.TEXT

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'


class Day(Node, frozen=True):
    """A literal date, such as 2016-08-22; `number` is in days since 1 January 1970."""

    number: int

    _kind: ClassVar = Kind.DATE

    @classmethod
    def of(cls, date: dt.date, span: Span = NOWHERE) -> Day:
        """Return the node of a date."""
        return cls((date - _EPOCH).days, span=span)

    @property
    def date(self) -> dt.date:
        """The date."""
        return _EPOCH + dt.timedelta(days=self.number)

    def __str__(self) -> str:
        return str(self.date)


class Field(Node, frozen=True):
    """A stored field of the bar, or one computed from those."""

    name: str

    def __str__(self) -> str:
        return self.name


class Fact(Node, frozen=True):
    """A fact of the symbol; the same at every bar, unless it is `dated`."""

    name: str
    own_kind: Kind | None = None
    """The kind of a stored fact that is not one of the language."""
    dated: bool = False
    """Whether the value may differ from bar to bar: that of each bar's day."""

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.own_kind or FACTS[self.name]

    def __str__(self) -> str:
        return self.name


class Call(Node, frozen=True):
    """An indicator.

    `sources` are the expressions in place of its first fields; `output` is "" if it has a single
    output.
    """

    name: str
    sources: tuple[Node, ...]
    parameters: tuple[float, ...]
    output: str = ""

    def __str__(self) -> str:
        arguments = [str(Number(value)) for value in self.parameters]
        # Only the close is left out: `highest(252)` would not tell which field it reads.
        row = INDICATORS[self.name]
        is_close = row.inputs[: row.series] == ("close",) and self.sources == (Field("close"),)
        if not is_close or (not arguments and row.inputs == ("close",)):
            arguments = [*map(str, self.sources), *arguments]
        output = f".{self.output}" if self.output not in ("", self.name) else ""
        return f"{self.name}({', '.join(arguments)}){output}"


class HeikinAshi(Node, frozen=True):
    """An indicator, or a field computed from several, of Heikin-Ashi bars; they may be nested."""

    of: Node

    def __str__(self) -> str:
        return f"heikin_ashi({self.of})"


def as_condition(node: Node) -> Node:
    """Return a pattern as the condition that it is found; any other node as it is."""
    call = node
    while isinstance(call, HeikinAshi):
        call = call.of
    if isinstance(call, Call) and INDICATORS[call.name].is_pattern:
        return Compare((node, Number(0.0)), ("!=",), span=node.span)
    return node


class Function(Node, frozen=True):
    """Arithmetic on one bar, such as abs, min, max, if."""

    name: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


class Shift(Node, frozen=True):
    """An expression some bars earlier."""

    of: Node
    bars: int

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.of.kind

    _binding: ClassVar = POSTFIX

    def __str__(self) -> str:
        return f"{self._embed(self.of)}[{self.bars}]"


class Negate(Node, frozen=True):
    """The negative of a number."""

    operand: Node

    _binding: ClassVar = NEGATE

    def __str__(self) -> str:
        return f"-{self._embed(self.operand)}"


class Not(Node, frozen=True):
    """True if the operand is false."""

    operand: Node

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = NOT

    def __str__(self) -> str:
        return f"not {self._embed(self.operand)}"


class Join(Node, frozen=True):
    """Truths joined by `and` or `or`. `joined` makes it, and merges joins of the same operator."""

    operator: str
    operands: tuple[Node, ...]

    _kind: ClassVar = Kind.TRUTH

    @property
    def binding(self) -> int:  # noqa: D102, inherited
        return _BINDING[self.operator]

    def __str__(self) -> str:
        return f" {self.operator} ".join(map(self._embed, self.operands))


def joined(operator: str, operands: Iterable[Node], span: Span = NOWHERE) -> Node:
    """Join truths by `and` or `or`; operands that are joins of the same operator are merged."""
    flat: list[Node] = []
    for node in operands:
        if isinstance(node, Join) and node.operator == operator:
            flat += node.operands
        else:
            flat.append(node)
    return Join(operator, tuple(flat), span=span) if len(flat) > 1 else flat[0]


class Binary(Node, frozen=True):
    """`+ - * / ^` on two numbers; a date and a number of days; or the days between two dates."""

    operator: str
    left: Node
    right: Node
    is_date: bool = False

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return Kind.DATE if self.is_date else Kind.NUMBER

    @property
    def binding(self) -> int:  # noqa: D102, inherited
        return _BINDING[self.operator]

    def __str__(self) -> str:
        return f"{self._embed(self.left)} {self.operator} {self._embed(self.right, tighter=True)}"


class Compare(Node, frozen=True):
    """A comparison, or a chain of them: `40 < rsi(14) < 75`."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = COMPARE

    def __str__(self) -> str:
        first, *others = (self._embed(operand, tighter=True) for operand in self.operands)
        pairs = zip(self.operators, others, strict=True)
        return first + "".join(f" {operator} {operand}" for operator, operand in pairs)


class Cross(Node, frozen=True):
    """True on the bar on which `left` moves above (or below) `right`."""

    left: Node
    right: Node
    direction: str

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = COMPARE

    def __str__(self) -> str:
        left, right = self._embed(self.left, tighter=True), self._embed(self.right, tighter=True)
        return f"{left} crosses {self.direction} {right}"


class Match(Node, frozen=True):
    """Whether a text contains another text, or matches a pattern with `*` and `?`."""

    operand: Node
    how: str
    pattern: Text

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = COMPARE

    def __str__(self) -> str:
        return f"{self.operand} {self.how} {self.pattern}"


class In(Node, frozen=True):
    """Whether a text is one of several."""

    operand: Node
    choices: tuple[Text, ...]

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = COMPARE

    def __str__(self) -> str:
        return f"{self.operand} in [{', '.join(map(str, self.choices))}]"


class FirstBar(Node, frozen=True):
    """Whether a bar is the symbol's first one of a week, month, quarter or year, or from a day on.

    `of` is the name of a unit, or a Day.
    """

    of: str | Day

    _kind: ClassVar = Kind.TRUTH

    def __str__(self) -> str:
        return f"first_bar({self.of})"


class Happening(Node, frozen=True):
    """Whether something happened to the symbol since its previous bar (`HAPPENINGS`)."""

    name: str

    _kind: ClassVar = Kind.TRUTH

    def __str__(self) -> str:
        return self.name


class Within(Node, frozen=True):
    """Whether a condition was true on any of the last `bars` bars, this one included."""

    condition: Node
    bars: int

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = WITHIN

    def __str__(self) -> str:
        return f"{self._embed(self.condition)} within {_bars_text(self.bars)}"


class For(Node, frozen=True):
    """Whether a condition was true on each of the last `bars` bars, this one included."""

    condition: Node
    bars: int

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = WITHIN

    def __str__(self) -> str:
        return f"{self._embed(self.condition)} for {_bars_text(self.bars)}"


def _bars_text(count: int) -> str:
    return f"{count} {'bar' if count == 1 else 'bars'}"


class Event(Node, frozen=True):
    """An event function of a condition over the last bars; a row of `indicators.events`."""

    name: str
    operands: tuple[Node, ...]
    parameters: tuple[float, ...]

    def __str__(self) -> str:
        # A 0 at the end is the default of `k`.
        shown = self.parameters if self.parameters[-1] else self.parameters[:-1]
        arguments = [*self.operands, *map(Number, shown)]
        return f"{self.name}({', '.join(map(str, arguments))})"


class Frozen(Node, frozen=True):
    """Whether the price was the same in all of the last `bars` bars."""

    bars: int

    _kind: ClassVar = Kind.TRUTH

    @property
    def extremes(self) -> Compare:
        """The comparison that computes it: the highest high equals the lowest low."""
        high, low = (
            Call(name, (Field(field),), (float(self.bars),))
            for name, field in (("highest", "high"), ("lowest", "low"))
        )
        return Compare((high, low), ("==",))

    def __str__(self) -> str:
        return f"frozen({self.bars})"


# The nodes below are computed before the pass over single symbols (`engine.derived`).


class OtherSymbol(Node, frozen=True):
    """An expression of another symbol, at the sessions of this symbol's bars."""

    symbol: str
    of: Node

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.of.kind

    def __str__(self) -> str:
        symbol = Text(self.symbol)
        if isinstance(self.of, Field | Call):
            return f"symbol({symbol}).{self.of}"
        return f"symbol({symbol}, {self.of})"


class Buckets(NamedTuple):
    """Groups of symbols by a number: below the first edge, from each edge to the next, ..."""

    fact: str
    edges: tuple[float, ...]

    def __str__(self) -> str:
        return f"bucket({', '.join([self.fact, *(str(Number(edge)) for edge in self.edges)])})"


class Rank(Node, frozen=True):
    """The rank, percentile or zscore of a symbol among all symbols of a session."""

    function: str
    of: Node
    by: str | Buckets = ""
    """What the symbols are grouped by, a text fact or buckets of a number; "" for one group."""

    def __str__(self) -> str:
        return f"{self.function}({self.of}){_by_text(self.by)}"


class MarketAggregate(Node, frozen=True):
    """An aggregate over all symbols of a session: a share, a count, a mean, ..."""

    aggregate: str
    of: Node
    by: str | Buckets = ""

    def __str__(self) -> str:
        return f"market({self.aggregate}({self.of})){_by_text(self.by)}"


def _by_text(by: str | Buckets) -> str:
    return f" by {by}" if by else ""


class Calendar(Node, frozen=True):
    """What the calendar says of the bar's session: `date`, `month`, ... (`vocabulary.CALENDAR`)."""

    name: str

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return Kind.DATE if self.name == "date" else Kind.NUMBER

    def __str__(self) -> str:
        return self.name


class LatestDay(Node, frozen=True):
    """The latest day, at or before each bar, on which something happened to the symbol."""

    name: str

    _kind: ClassVar = Kind.DATE

    def __str__(self) -> str:
        return f"latest day of {self.name}"


class Resampled(Node, frozen=True):
    """An expression of longer bars: of the last complete one, or of the running one.

    `unit` is weekly, monthly, quarterly or yearly, or a number of sessions, such as "3".
    """

    unit: str
    of: Node
    running: bool = False

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.of.kind

    def __str__(self) -> str:
        call = f"bars({self.unit}, " if self.unit.isdigit() else f"{self.unit}("
        return f"{call}{self.of}{', running' if self.running else ''})"


class FactSeries(Node, frozen=True):
    """What is known on the day of each bar: a fact, or a comparison or match of texts."""

    of: Node

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.of.kind

    def __str__(self) -> str:
        return f"({self.of}) on each day"


Derived = OtherSymbol | Rank | MarketAggregate | Resampled | Calendar | LatestDay | FactSeries
"""The nodes that are computed in a pass of their own."""
