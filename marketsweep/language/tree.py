"""The tree that a condition becomes, and its canonical text.

Nodes compare by meaning: where in the text they stood (`span`) does not count. `str(node)` is the
canonical text, and parsing that gives an equal tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, ClassVar, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.vocabulary import NUMBER_FACTS, TEXT_FACTS


class Kind(Enum):
    """What a node stands for, at each bar of a symbol."""

    NUMBER = "a number"
    TRUTH = "true or false"
    TEXT = "text"


class Span(NamedTuple):
    """Where a node stood in the text it came from.

    All places are equal, so that nodes compare by meaning.
    """

    column: int = 0
    width: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span)

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, Span)

    def __hash__(self) -> int:
        return 0


NOWHERE: Final = Span()

FACTS: Final = dict.fromkeys(TEXT_FACTS, Kind.TEXT) | dict.fromkeys(NUMBER_FACTS, Kind.NUMBER)
"""Reference data that a condition may name, and what kind of thing each is."""

# How tightly an operator binds; printing puts parentheses by it, and parsing reads by it.
OR, AND, NOT, WITHIN, COMPARE, SUM, PRODUCT, NEGATE, POSTFIX = range(10, 100, 10)
_ATOM: Final = 100
_BINDING: Final = {"or": OR, "and": AND, "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT}


class Node(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """One part of a condition."""

    # Structs take a tenth of the time of dataclasses to import, and compare natively.
    span: Span = NOWHERE

    _kind: ClassVar = Kind.NUMBER
    _binding: ClassVar = _ATOM

    @property
    def kind(self) -> Kind:
        """What it stands for."""
        return self._kind

    @property
    def binding(self) -> int:
        """How tightly its outermost operator binds."""
        return self._binding

    def children(self) -> Iterator[Node]:
        """The nodes directly below, in the order of the text."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                yield from (item for item in value if isinstance(item, Node))

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.children():
            yield from child.walk()

    def _wrap(self, child: Node, *, tighter: bool = False) -> str:
        loose = child.binding <= self.binding if tighter else child.binding < self.binding
        return f"({child})" if loose else str(child)


def facts_of(nodes: Iterable[Node]) -> set[str]:
    """Return the names of the reference data that trees read or group by."""
    parts = [part for node in nodes for part in node.walk()]
    read = {part.name for part in parts if isinstance(part, Fact)}
    return read | {part.by for part in parts if isinstance(part, Standing | Breadth) and part.by}


def mapped(node: Node, change: Callable[[Node], Node], **changes: Any) -> Node:  # noqa: ANN401
    """Return a node with each of its children changed; `changes` are of its other fields."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            changes[name] = change(value)
        elif isinstance(value, tuple) and any(isinstance(item, Node) for item in value):
            changes[name] = tuple(
                change(item) if isinstance(item, Node) else item for item in value
            )
    return replace(node, **changes)


def unplaced(node: Node) -> Node:
    """Return the tree without places in a text: it came from another text."""
    return mapped(node, unplaced, span=NOWHERE)


class Number(Node, frozen=True):
    """A literal number."""

    value: float

    def __str__(self) -> str:
        return f"{int(self.value)}" if self.value == int(self.value) < 1e15 else repr(self.value)


class Text(Node, frozen=True):
    """A literal text, in quotes."""

    value: str

    _kind: ClassVar = Kind.TEXT

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"'


class Field(Node, frozen=True):
    """A field of the bar, or one derived from it."""

    name: str

    def __str__(self) -> str:
        return self.name


class Fact(Node, frozen=True):
    """Reference data of the symbol; the same at every bar."""

    name: str

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return FACTS[self.name]

    def __str__(self) -> str:
        return self.name


class Call(Node, frozen=True):
    """An indicator; `source` None where it reads fields of its own, `output` "" where it is one."""

    name: str
    source: Node | None
    parameters: tuple[float, ...]
    output: str = ""

    def __str__(self) -> str:
        given = [str(Number(value)) for value in self.parameters]
        # Only the close goes without saying: `highest(252)` would leave a reader guessing.
        unsaid = Field("close") if INDICATORS[self.name].inputs == ("close",) else None
        if self.source is not None and self.source != unsaid:
            given.insert(0, str(self.source))
        chosen = f".{self.output}" if self.output not in ("", self.name) else ""
        return f"{self.name}({', '.join(given)}){chosen}"


class Function(Node, frozen=True):
    """Plain arithmetic of one bar: abs, min, max."""

    name: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


class Shift(Node, frozen=True):
    """An expression, a number of bars earlier."""

    of: Node
    bars: int

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.of.kind

    _binding: ClassVar = POSTFIX

    def __str__(self) -> str:
        return f"{self._wrap(self.of)}[{self.bars}]"


class Negate(Node, frozen=True):
    """Minus."""

    operand: Node

    _binding: ClassVar = NEGATE

    def __str__(self) -> str:
        return f"-{self._wrap(self.operand)}"


class Not(Node, frozen=True):
    """True where the operand is false."""

    operand: Node

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = NOT

    def __str__(self) -> str:
        return f"not {self._wrap(self.operand)}"


class Join(Node, frozen=True):
    """Truths joined by `and` or `or`; made by `joined`, so that none joins others by the same."""

    operator: str
    operands: tuple[Node, ...]

    _kind: ClassVar = Kind.TRUTH

    @property
    def binding(self) -> int:  # noqa: D102, inherited
        return _BINDING[self.operator]

    def __str__(self) -> str:
        return f" {self.operator} ".join(map(self._wrap, self.operands))


def joined(operator: str, operands: Iterable[Node], span: Span = NOWHERE) -> Node:
    """Truths joined by `and` or `or`; the operands of one that is joined so already are taken."""
    flat: list[Node] = []
    for node in operands:
        if isinstance(node, Join) and node.operator == operator:
            flat += node.operands
        else:
            flat.append(node)
    return Join(operator, tuple(flat), span=span) if len(flat) > 1 else flat[0]


class Binary(Node, frozen=True):
    """`+ - * /` on numbers."""

    operator: str
    left: Node
    right: Node

    @property
    def binding(self) -> int:  # noqa: D102, inherited
        return _BINDING[self.operator]

    def __str__(self) -> str:
        return f"{self._wrap(self.left)} {self.operator} {self._wrap(self.right, tighter=True)}"


class Compare(Node, frozen=True):
    """A comparison, or a chain of them: `40 < rsi(14) < 75`."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = COMPARE

    def __str__(self) -> str:
        first, *others = (self._wrap(operand, tighter=True) for operand in self.operands)
        pairs = zip(self.operators, others, strict=True)
        return first + "".join(f" {operator} {operand}" for operator, operand in pairs)


class Cross(Node, frozen=True):
    """The bar on which `left` comes to stand above (or below) `right`."""

    left: Node
    right: Node
    direction: str

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = COMPARE

    def __str__(self) -> str:
        left, right = self._wrap(self.left, tighter=True), self._wrap(self.right, tighter=True)
        return f"{left} crosses {self.direction} {right}"


class Match(Node, frozen=True):
    """Whether a text has another in it, or fits a pattern with `*` and `?`."""

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


class Within(Node, frozen=True):
    """Whether a condition held on any of the last bars, this one included."""

    condition: Node
    bars: int

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = WITHIN

    def __str__(self) -> str:
        return f"{self._wrap(self.condition)} within {_bars(self.bars)}"


class For(Node, frozen=True):
    """Whether a condition held on each of the last bars, this one included."""

    condition: Node
    bars: int

    _kind: ClassVar = Kind.TRUTH
    _binding: ClassVar = WITHIN

    def __str__(self) -> str:
        return f"{self._wrap(self.condition)} for {_bars(self.bars)}"


def _bars(count: int) -> str:
    return f"{count} {'bar' if count == 1 else 'bars'}"


class Occurred(Node, frozen=True):
    """What a condition did over the last bars; a row of `indicators.events`."""

    name: str
    operands: tuple[Node, ...]
    parameters: tuple[float, ...]

    def __str__(self) -> str:
        given = [*self.operands, *map(Number, self.parameters)]
        return f"{self.name}({', '.join(map(str, given))})"


class Frozen(Node, frozen=True):
    """Whether the quote stood still: one price in all of the last bars."""

    bars: int

    _kind: ClassVar = Kind.TRUTH

    @property
    def extremes(self) -> Compare:
        """The comparison that it stands for."""
        high, low = (
            Call(name, Field(field), (float(self.bars),))
            for name, field in (("highest", "high"), ("lowest", "low"))
        )
        return Compare((high, low), ("==",))

    def __str__(self) -> str:
        return f"frozen({self.bars})"


# Below: what is worked out before the pass over single symbols begins (`engine.derived`).


class Other(Node, frozen=True):
    """An expression of another symbol, at the sessions of this one's bars."""

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


class Standing(Node, frozen=True):
    """Where a symbol stands among all of a session: rank, percentile or zscore of a number."""

    function: str
    of: Node
    by: str = ""
    """The fact that the symbols are grouped by, if any."""

    def __str__(self) -> str:
        return f"{self.function}({self.of}){_by(self.by)}"


class Breadth(Node, frozen=True):
    """One number of all symbols of a session: a share, a count, a mean, ..."""

    aggregate: str
    of: Node
    by: str = ""

    def __str__(self) -> str:
        return f"market({self.aggregate}({self.of})){_by(self.by)}"


def _by(fact: str) -> str:
    return f" by {fact}" if fact else ""


class Framed(Node, frozen=True):
    """An expression of weekly or monthly bars: of the last complete one, or the running one."""

    unit: str
    of: Node
    running: bool = False

    @property
    def kind(self) -> Kind:  # noqa: D102, inherited
        return self.of.kind

    def __str__(self) -> str:
        return f"{self.unit}({self.of}{', running' if self.running else ''})"


Derived = Other | Standing | Breadth | Framed
"""What a pass of its own works out."""
