"""Tree to plan: each sub-expression once, in order, with the bars of history that it needs.

1. Every node becomes an operation on columns; equal ones are one (`_Builder.add`).
2. What other symbols or longer bars decide becomes a field that a pass of its own makes
   (`_Builder.derived`).
3. From the results back, each operation learns how many of its newest rows are read (`_demand`).
4. What is derived is planned likewise, for the rows that are read of it (`_derivation`).
5. From the fields on, each learns how many bars stand before its first valid one (`_lookbacks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import reduce
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.core.fields import DERIVED
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.indicators.events import OCCURRENCES
from marketsweep.language.indicators.table import FORGOTTEN, INDICATORS
from marketsweep.language.parser import parse_expression
from marketsweep.language.tree import Node

_OPERATORS: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "and": "and",
    "or": "or",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "==": "equal",
    "!=": "not_equal",
}


class Source(IntEnum):
    """Where a column comes from, as in `Source` of kernels/runtime/program.hpp."""

    OPERATION = 0
    FIELD = 1
    CONSTANT = 2
    FACT = 3


class Column(NamedTuple):
    """A column that an operation reads: that `number` of its source, `shift` bars earlier."""

    source: Source
    number: int
    output: int = 0
    shift: int = 0

    def earlier(self, bars: int) -> Column:
        """Return this column a number of bars earlier; constants and facts stay as they are."""
        if self.source in (Source.CONSTANT, Source.FACT):
            return self
        return Column(self.source, self.number, self.output, self.shift + bars)


class Operation(NamedTuple):
    """A kernel over columns; `lookback` is its own, `reach` the earlier rows it must be fed."""

    kernel: str
    inputs: tuple[Column, ...]
    parameters: tuple[float, ...] = ()
    outputs: int = 1
    lookback: int = 0
    reach: int = 0


SESSION: Final = "session"
"""A field beside those of a bar: the number of the session that it is of."""

_PERIOD: Final = {"weekly": (5, 4.8), "monthly": (23, 20.0)}
"""The most sessions of a week or month, and how many it has at the least, on average."""


class Derivation(Struct, frozen=True):
    """A field that is worked out before: the newest `rows` of `node`, by the plan of its inside.

    `session` is whether the sessions of the bars must be known for it.
    """

    node: tree.Derived
    rows: int
    plan: Plan
    session: bool

    @property
    def name(self) -> str:
        """The field's name in the plan that reads it."""
        return str(self.node)


class Plan(Struct, frozen=True):
    """What to compute for some expressions, over any panel.

    `results[i]` is the column of expression i. `rows[i]` is how many newest rows of operation i
    are read. `fields` are what operations read, `derived` those of them that are made in passes
    before, in this order, and `loads` what must be stored bars. `history` is how many bars of
    these suffice for all; `bars[i]` is how many a symbol must have for expression i to be valid at
    the newest bar. `read_where[i]` is the number of the expression that must hold wherever anyone
    looks at expression i, None where all of it is looked at; () stands for None throughout.
    `watched` is at how many of the newest bars more history is needed where a quote stands still.
    """

    operations: tuple[Operation, ...]
    rows: tuple[int, ...]
    results: tuple[Column, ...]
    result_rows: int
    fields: tuple[str, ...]
    derived: tuple[Derivation, ...]
    loads: tuple[str, ...]
    constants: tuple[float, ...]
    facts: tuple[Node, ...]
    history: int
    bars: tuple[int, ...]
    watched: int = 1
    read_where: tuple[int | None, ...] = ()

    def within(self, most: int) -> Plan:
        """Return the plan for panels with at most so many rows: earlier ones are not worked out."""
        return replace(self, rows=tuple(max(1, min(rows, most)) for rows in self.rows))


def make_plan(
    expressions: Sequence[Node], rows: int = 1, read_where: tuple[int | None, ...] = ()
) -> Plan:
    """The plan of several expressions at once, for their newest `rows` rows."""
    builder = _Builder()
    results = tuple(builder.column(node) for node in expressions)
    operations = tuple(builder.operations)
    demand, field_rows = _demand(operations, results, rows, len(builder.fields))
    derived = {
        name: _derivation(node, field_rows[builder.fields[name]])
        for name, node in builder.derived.items()
    }
    loads = {name: field_rows[at] for name, at in builder.fields.items() if name not in derived}
    inside = [one.plan for one in derived.values() if not isinstance(one.node, tree.Other)]
    needed = {*loads, *(name for plan in inside for name in plan.loads)}
    if any(one.session for one in derived.values()):
        needed.add(SESSION)
    lookbacks = [_lookback(derived[name]) if name in derived else 0 for name in builder.fields]
    return Plan(
        operations=operations,
        rows=tuple(demand),
        results=results,
        result_rows=rows,
        fields=tuple(builder.fields),
        derived=tuple(derived.values()),
        loads=tuple(sorted(needed)),
        constants=tuple(builder.constants),
        facts=tuple(builder.facts),
        history=max([1, *loads.values(), *map(_history, derived.values())]),
        bars=tuple(one + rows for one in _lookbacks(operations, results, lookbacks)),
        watched=max(
            [rows, *map(_watched, operations, demand), *map(_watched_in, derived.values())]
        ),
        read_where=read_where,
    )


def _derivation(node: tree.Derived, rows: int) -> Derivation:
    """How to make the newest `rows` of what is derived."""
    match node:
        case tree.Framed(running=True) if rows > 1:
            raise ConditionError(
                f"{node} is known of the newest bar alone, since the running period changes with "
                "every bar: take no offset of it, and no earlier bars"
            )
        case tree.Framed(of=of):
            # At the worst every bar is of another period; one more is still running.
            return Derivation(node, rows, make_plan([of], rows + 1), session=True)
        case tree.Standing(of=of) | tree.Breadth(of=of) if rows > 1:
            # Bars of whoever was not traded every day are of sessions further back.
            return Derivation(node, rows, make_plan([of], 2 * rows + 20), session=True)
    return Derivation(node, rows, make_plan([node.of], rows), session=rows > 1)


def _history(derived: Derivation) -> int:
    """Daily bars that it is made of."""
    match derived.node:
        case tree.Framed(unit=unit):
            return (derived.plan.history + 1) * _PERIOD[unit][0]
        case tree.Other():
            return derived.rows
    return max(derived.rows, derived.plan.history)


def _watched(operation: Operation, rows: int) -> int:
    """At how many of its newest bars an operation's values rest on moves there.

    Those of averages do nowhere: their start is forgotten whatever comes. A ratio of moves, such as
    RSI, keeps what it was while nothing moves; so does what is fed by one.
    """
    row = INDICATORS.get(operation.kernel)
    if row is None or row.recursion is None or row.scale != "own":
        return 0
    one_stage = row.recursion(*operation.parameters).stages == 1
    return rows if one_stage else rows + operation.reach


def _watched_in(derived: Derivation) -> int:
    """Return the lookback of a derived field, in daily bars."""
    days = _PERIOD[derived.node.unit][0] if isinstance(derived.node, tree.Framed) else 1
    return derived.plan.watched * days


def _lookback(derived: Derivation) -> int:
    """Daily bars that stand before its first valid one, or few less."""
    inside = derived.plan.bars[0] - derived.plan.result_rows
    match derived.node:
        case tree.Framed(unit=unit):
            return int((inside + 1) * _PERIOD[unit][1])
        case tree.Standing():
            return inside
    return 0


class _Builder:
    """Turns nodes into columns; whatever was asked for before is not added again."""

    def __init__(self) -> None:
        self.operations: dict[Operation, int] = {}
        self.fields: dict[str, int] = {}
        self.constants: dict[float, int] = {}
        self.facts: dict[Node, int] = {}
        self.derived: dict[str, tree.Derived] = {}
        self.known: dict[int, tuple[Column, Node]] = {}
        """By a node's identity, since trees of one template share nodes; keeps it alive."""

    def add(self, operation: Operation, output: int = 0) -> Column:
        index = self.operations.setdefault(operation, len(self.operations))
        return Column(Source.OPERATION, index, output)

    def apply(self, kernel: str, *inputs: Column) -> Column:
        return self.add(Operation(kernel, inputs))

    def constant(self, value: float) -> Column:
        return Column(Source.CONSTANT, self.constants.setdefault(value, len(self.constants)))

    def fact(self, node: Node) -> Column:
        return Column(Source.FACT, self.facts.setdefault(node, len(self.facts)))

    def field(self, name: str) -> Column:
        if name in DERIVED:
            return self.column(parse_expression(DERIVED[name]))
        return Column(Source.FIELD, self.fields.setdefault(name, len(self.fields)))

    def derive(self, node: tree.Derived) -> Column:
        self.derived[str(node)] = node
        return Column(Source.FIELD, self.fields.setdefault(str(node), len(self.fields)))

    def column(self, node: Node) -> Column:
        found = self.known.get(id(node))
        if found is None:
            found = self.known[id(node)] = self.build(node), node
        return found[0]

    def build(self, node: Node) -> Column:  # noqa: C901, PLR0911, PLR0912, a line for each kind of node
        match node:
            case tree.Number(value=value):
                return self.constant(value)
            case tree.Field(name=name):
                return self.field(name)
            case tree.Fact() | tree.In() | tree.Match():
                return self.fact(node)
            case tree.Other() | tree.Standing() | tree.Breadth() | tree.Framed():
                return self.derive(node)
            case tree.Occurred():
                return self.occurred(node)
            case tree.Frozen(extremes=extremes):
                return self.column(extremes)
            case tree.Shift(of=of, bars=bars):
                return self.shifted(of, bars)
            case tree.Negate(operand=operand):
                return self.apply("negate", self.column(operand))
            case tree.Not(operand=operand):
                return self.apply("not", self.column(operand))
            case tree.Function(name=name, arguments=arguments):
                return self.apply(name, *map(self.column, arguments))
            case tree.Join(operator=operator, operands=operands):
                return self.joined(operator, map(self.column, operands))
            case tree.Binary(operator=operator, left=left, right=right):
                return self.apply(_OPERATORS[operator], self.column(left), self.column(right))
            case tree.Compare():
                return self.comparison(node)
            case tree.Cross():
                return self.cross(node)
            case tree.Within(condition=condition, bars=bars):
                return self.over("or", self.column(condition), bars)
            case tree.For(condition=condition, bars=bars):
                return self.over("and", self.column(condition), bars)
            case tree.Call():
                return self.call(node)
        raise TypeError(f"no operation for {type(node).__name__}")

    def shifted(self, node: Node, bars: int) -> Column:
        return self.column(node).earlier(bars)

    def comparison(self, node: tree.Compare) -> Column:
        if node.operands[0].kind is tree.Kind.TEXT:
            return self.fact(node)
        columns = [self.column(operand) for operand in node.operands]
        links = [
            self.apply(_OPERATORS[operator], columns[i], columns[i + 1])
            for i, operator in enumerate(node.operators)
        ]
        return self.joined("and", links)

    def joined(self, operator: str, columns: Iterable[Column]) -> Column:
        return reduce(lambda held, column: self.apply(operator, held, column), columns)

    def cross(self, node: tree.Cross) -> Column:
        now, before = (
            ("greater", "less_equal") if node.direction == "above" else ("less", "greater_equal")
        )
        left, right = self.column(node.left), self.column(node.right)
        return self.apply(
            "and",
            self.apply(now, left, right),
            self.apply(before, left.earlier(1), right.earlier(1)),
        )

    def over(self, operator: str, held: Column, bars: int) -> Column:
        # Either may count a bar twice, so each round doubles the bars that are covered.
        covered = 1
        while covered < bars:
            step = min(covered, bars - covered)
            held = self.apply(operator, held, held.earlier(step))
            covered += step
        return held

    def occurred(self, node: tree.Occurred) -> Column:
        row, given = OCCURRENCES[node.name], tuple(map(int, node.parameters))
        operation = Operation(
            kernel=row.name,
            inputs=tuple(map(self.column, node.operands)),
            parameters=node.parameters,
            reach=row.reach(*given),
        )
        return self.add(operation)

    def call(self, node: tree.Call) -> Column:
        row = INDICATORS[node.name]
        sources = [node.source] if node.source else [tree.Field(name) for name in row.inputs]
        given = tuple(
            int(value) if parameter.whole else value
            for parameter, value in zip(row.parameters, node.parameters, strict=True)
        )
        lookback = row.lookback(*given)
        operation = Operation(
            kernel=row.name,
            inputs=tuple(map(self.column, sources)),
            parameters=tuple(map(float, given)),
            outputs=max(1, len(row.outputs)),
            lookback=lookback,
            reach=row.recursion(*given).bars(FORGOTTEN) if row.recursion else lookback,
        )
        return self.add(operation, row.outputs.index(node.output) if node.output else 0)


def _demand(
    operations: Sequence[Operation], results: Sequence[Column], rows: int, fields: int
) -> tuple[list[int], list[int]]:
    """Newest rows that are read of each operation, and of each field."""
    demand, of_field = [0] * len(operations), [0] * fields

    def ask(column: Column, wanted: int) -> None:
        if column.source is Source.OPERATION:
            demand[column.number] = max(demand[column.number], wanted + column.shift)
        elif column.source is Source.FIELD:
            of_field[column.number] = max(of_field[column.number], wanted + column.shift)

    for column in results:
        ask(column, rows)
    for index in range(len(operations) - 1, -1, -1):
        for column in operations[index].inputs:
            ask(column, demand[index] + operations[index].reach)
    return demand, of_field


def _lookbacks(
    operations: Sequence[Operation], results: Sequence[Column], fields: Sequence[int]
) -> list[int]:
    """Bars before the first at which each result is valid, given those of the fields."""
    lookbacks: list[int] = []

    def of(column: Column) -> int:
        if column.source is Source.OPERATION:
            return lookbacks[column.number] + column.shift
        return fields[column.number] + column.shift if column.source is Source.FIELD else 0

    for operation in operations:
        fed = max(map(of, operation.inputs), default=0)
        lookbacks += [fed + operation.lookback]
    return [of(column) for column in results]
