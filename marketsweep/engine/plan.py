"""Turn a tree into a plan: each sub-expression once, in order, with the history that it needs.

1. Every node becomes an operation on columns; equal operations are shared (`_Builder.add`).
2. Expressions of other symbols, longer bars or cross-sections become derived fields
   (`_Builder.derive`).
3. From the results backwards, each operation gets the number of its newest rows that are read
   (`_required_rows`).
4. Each derived field gets a plan of its own, for the rows that are read of it (`_plan_derived`).
5. From the fields forwards, each result gets the number of bars before its first valid bar
   (`_lookbacks`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import reduce
from operator import neg
from typing import Any, Final, NamedTuple, get_args

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.core.calendar import session_on_or_after
from marketsweep.core.fields import DERIVED
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.formulas import expand
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.row import FORGOTTEN
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.calls import ARITHMETIC
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.tree import Node
from marketsweep.language.vocabulary import PAST_EVENTS, VARIADIC

_OPERATORS: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "^": "pow",
    "and": "and",
    "or": "or",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "==": "equal",
    "!=": "not_equal",
}


_ON_CONSTANTS: Final[dict[str, Callable[..., float]]] = {
    "negate": neg,
    **{_OPERATORS[sign]: function for sign, function in ARITHMETIC.items()},
}
"""What kernels compute, to the bit, for operands that are the same at every bar."""

_SMALL_POWERS: Final[dict[Node, int]] = {tree.Number(float(power)): power for power in (2, 3, 4)}


class Source(IntEnum):
    """Where a column comes from; the numbers equal `Source` of kernels/runtime/program.hpp."""

    OPERATION = 0
    FIELD = 1
    CONSTANT = 2
    FACT = 3
    STRIP = 4


class Column(NamedTuple):
    """A column that an operation reads: number `number` of its source, `shift` bars earlier."""

    source: Source
    number: int
    output: int = 0
    shift: int = 0

    def earlier(self, bars: int) -> Column:
        """Return this column some bars earlier; constants and facts do not change."""
        if self.source in (Source.CONSTANT, Source.FACT):
            return self
        return Column(self.source, self.number, self.output, self.shift + bars)


class Operation(NamedTuple):
    """A kernel and the columns that it reads.

    `lookback` is the kernel's own; `reach` is how many earlier rows its inputs must have.
    """

    kernel: str
    inputs: tuple[Column, ...]
    parameters: tuple[float, ...] = ()
    outputs: int = 1
    lookback: int = 0
    reach: int = 0


SESSION: Final = "session"
"""Name of the field that holds the session number of each bar."""

OUTCOME: Final = "outcome"
"""Name of the field that holds what followed each bar, as whole numbers; only tallies read it."""

_PERIODS: Final = {
    "weekly": (5, 4.8),
    "monthly": (23, 20.0),
    "quarterly": (66, 61.0),
    "yearly": (256, 248.0),
}


def _sessions_of(unit: str) -> tuple[int, float]:
    """Return the most sessions of a period, and the fewest that periods have on average."""
    return (int(unit), float(unit)) if unit.isdigit() else _PERIODS[unit]


class Derivation(Struct, frozen=True):
    """A derived field: the newest `rows` of `node`. Its own plan computes it beforehand.

    `session` says whether the session numbers of the bars are needed to compute it.
    """

    node: tree.Derived
    rows: int
    plan: Plan
    session: bool

    @property
    def name(self) -> str:
        """Name of the field in the plan that reads it."""
        return str(self.node)


class Plan(Struct, frozen=True):
    """The operations that compute some expressions, over any panel.

    `results[i]` is the column of expression i, `rows[i]` how many newest rows of operation i are
    read. `fields` are what operations read, `derived` those of them that are computed before, in
    this order, and `loads` the stored fields to load. `history` is how many stored bars are enough
    for all expressions, and `bars[i]` how many a symbol needs for expression i to be valid at the
    newest bar. `read_where[i]` is the expression that must hold wherever expression i is read;
    None: all of it is read; (): None for every expression. `watched` is at how many of the newest
    bars an unchanged quote makes more history necessary.
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

    @property
    def is_of_single_symbols(self) -> bool:
        """Whether the result for a symbol depends on its own bars and facts alone."""
        return all(
            isinstance(derived.node, tree.Resampled | tree.Calendar)
            and derived.plan.is_of_single_symbols
            for derived in self.derived
        )

    def within(self, max_rows: int) -> Plan:
        """Return the plan for panels with at most `max_rows` rows; older rows are not computed."""
        return replace(self, rows=tuple(max(1, min(rows, max_rows)) for rows in self.rows))


def make_plan(
    expressions: Sequence[Node], rows: int = 1, read_where: tuple[int | None, ...] = ()
) -> Plan:
    """Return the plan of several expressions at once, for their newest `rows` rows.

    Raises ConditionError for an expression that cannot be evaluated at earlier bars.
    """
    builder = _Builder()
    results = tuple(builder.column(node) for node in expressions)
    operations = tuple(builder.operations)
    op_rows, field_rows = _required_rows(operations, results, rows, len(builder.fields))
    derived = {
        name: _plan_derived(node, field_rows[builder.fields[name]])
        for name, node in builder.derived.items()
    }
    loads = {name: field_rows[i] for name, i in builder.fields.items() if name not in derived}
    inner = [
        field.plan for field in derived.values() if not isinstance(field.node, tree.OtherSymbol)
    ]
    loaded = {*loads, *(name for plan in inner for name in plan.loads)}
    if any(field.session for field in derived.values()):
        loaded.add(SESSION)
    lookbacks = [_lookback_of(derived[name]) if name in derived else 0 for name in builder.fields]
    return Plan(
        operations=operations,
        rows=tuple(op_rows),
        results=results,
        result_rows=rows,
        fields=tuple(builder.fields),
        derived=tuple(derived.values()),
        loads=tuple(sorted(loaded)),
        constants=tuple(builder.values),
        facts=tuple(builder.facts),
        history=max([1, *loads.values(), *map(_daily_bars, derived.values())]),
        bars=tuple(n + rows for n in _lookbacks(operations, results, lookbacks)),
        watched=max(
            [rows, *map(_flat_window, operations, op_rows), *map(_flat_window_of, derived.values())]
        ),
        read_where=read_where,
    )


def _plan_derived(node: tree.Derived, rows: int) -> Derivation:
    """Return how to compute the newest `rows` of a derived node."""
    match node:
        case tree.Resampled(running=True) if rows > 1:
            raise ConditionError(
                f"{node} has a value only at the newest bar, since the running period changes "
                "with every bar: remove the offset or the window"
            )
        case tree.Resampled(of=of):
            # In the worst case every bar lies in another period; the newest period is incomplete.
            longer = make_plan([of], rows + 1)
            if any(
                isinstance(derived.node, tree.Calendar | tree.LatestDay | tree.FactSeries)
                for derived in longer.derived
            ):
                raise ConditionError(
                    f"{node} needs the day of each bar, and longer bars have none: move {of} "
                    "outside"
                )
            return Derivation(node, rows, longer, session=True)
        case tree.Rank(of=of) | tree.MarketAggregate(of=of) if rows > 1:
            # Symbols that miss sessions have bars of sessions further back.
            return Derivation(node, rows, make_plan([of], 2 * rows + 20), session=True)
        case tree.Calendar() | tree.LatestDay() | tree.FactSeries():
            return Derivation(node, rows, make_plan([]), session=rows > 1)
    return Derivation(node, rows, make_plan([node.of], rows), session=rows > 1)


def _daily_bars(derived: Derivation) -> int:
    """Return how many daily bars a derived field needs."""
    match derived.node:
        case tree.Resampled(unit=unit):
            return (derived.plan.history + 1) * _sessions_of(unit)[0]
        case tree.OtherSymbol():
            return derived.rows
    return max(derived.rows, derived.plan.history)


def _flat_window(operation: Operation, rows: int) -> int:
    """Return at how many of its newest bars an operation depends on price changes there.

    0 for averages: the weight of their first bars shrinks whether prices change or not. A ratio of
    price changes, such as RSI, keeps its value while the price does not change; so does a second
    stage that reads such a ratio.
    """
    indicator = INDICATORS.get(operation.kernel)
    if indicator is None or indicator.recursion is None or indicator.scale != "own":
        return 0
    one_stage = indicator.recursion(*operation.parameters).stages == 1
    return rows if one_stage else rows + operation.reach


def _flat_window_of(derived: Derivation) -> int:
    """Return the flat window of a derived field, in daily bars."""
    node = derived.node
    bars_each = _sessions_of(node.unit)[0] if isinstance(node, tree.Resampled) else 1
    return derived.plan.watched * bars_each


def _lookback_of(derived: Derivation) -> int:
    """Return the daily bars before a derived field's first valid bar, or slightly fewer."""
    match derived.node:
        case tree.Resampled(unit=unit):
            return int((_lookback(derived.plan) + 1) * _sessions_of(unit)[1])
        case tree.Rank():
            return _lookback(derived.plan)
    return 0


def _lookback(plan: Plan) -> int:
    """Return the bars before the first valid bar of a plan's only result."""
    return plan.bars[0] - plan.result_rows


class _Builder:
    """Turns nodes into columns; equal nodes share one column."""

    def __init__(self) -> None:
        self.operations: dict[Operation, int] = {}
        self.fields: dict[str, int] = {}
        self.constants: dict[float, int] = {}
        self.values: list[float] = []
        """The constants by their number."""
        self.facts: dict[Node, int] = {}
        self.derived: dict[str, tree.Derived] = {}
        self.columns_by_id: dict[int, tuple[Column, Node]] = {}
        """Columns by id of their node, because trees of one template share nodes.

        The node is stored too, so that its id stays in use.
        """

    def add(self, operation: Operation, output: int = 0) -> Column:
        index = self.operations.setdefault(operation, len(self.operations))
        return Column(Source.OPERATION, index, output)

    def apply(self, kernel: str, *inputs: Column) -> Column:
        values = [self.value_of(column) for column in inputs]
        if kernel in _ON_CONSTANTS and None not in values and values[-1]:
            result = _ON_CONSTANTS[kernel](*values)
            if result and math.isfinite(result):  # a negative 0 equals 0, but has other bits
                return self.constant(result)
        divisor = values[-1]
        if kernel == "divide" and divisor and abs(math.frexp(divisor)[0]) == 0.5:
            # For a power of 2 the result is the same, and a product takes a fraction of the time.
            factor = 1 / divisor
            if math.isfinite(factor):
                return self.apply("multiply", inputs[0], self.constant(factor))
        return self.add(Operation(kernel, inputs))

    def value_of(self, column: Column) -> float | None:
        """Return the value of a column that is the same at every bar; None for others."""
        if column.source is not Source.CONSTANT:
            return None
        return self.values[column.number]

    def constant(self, value: float) -> Column:
        number = self.constants.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return Column(Source.CONSTANT, number)

    def fact(self, node: Node) -> Column:
        if isinstance(node, tree.Fact) and node.dated and node.name in PAST_EVENTS:
            return self.derive(tree.LatestDay(PAST_EVENTS[node.name]))
        if any(isinstance(part, tree.Fact) and part.dated for part in node.walk()):
            return self.derive(tree.FactSeries(node))
        return Column(Source.FACT, self.facts.setdefault(node, len(self.facts)))

    def field(self, name: str) -> Column:
        if name in DERIVED:
            return self.column(parse_expression(DERIVED[name]))
        return Column(Source.FIELD, self.fields.setdefault(name, len(self.fields)))

    def derive(self, node: tree.Derived) -> Column:
        self.derived[str(node)] = node
        return Column(Source.FIELD, self.fields.setdefault(str(node), len(self.fields)))

    def column(self, node: Node) -> Column:
        entry = self.columns_by_id.get(id(node))
        if entry is None:
            entry = self.columns_by_id[id(node)] = self.build(node), node
        return entry[0]

    def build(self, node: Node) -> Column:
        return _BUILDERS[type(node)](self, node)

    def function(self, node: tree.Function) -> Column:
        if quotient := _quotient_of(node):
            return self.apply("quotient", *map(self.column, quotient))
        columns = [self.column(argument) for argument in node.arguments]
        if node.name == "number":
            return columns[0]  # a truth is 1 or 0
        if node.name in VARIADIC:
            return self.join(node.name, columns)
        return self.apply(node.name, *columns)

    def arithmetic(self, node: tree.Binary) -> Column:
        left = self.column(node.left)
        if node.operator == "^" and node.right in _SMALL_POWERS:
            # A product has fewer rounding errors than e ^ (power * ln).
            factors = [left] * _SMALL_POWERS[node.right]
            return reduce(lambda product, factor: self.apply("multiply", product, factor), factors)
        return self.apply(_OPERATORS[node.operator], left, self.column(node.right))

    def first_bar(self, node: tree.FirstBar) -> Column:
        # The first session is known by the calendar; a symbol without a bar then begins later.
        if isinstance(node.of, str):
            period = self.derive(tree.Calendar(f"{node.of}s"))
            is_first = self.derive(tree.Calendar(f"first of {node.of}"))
            is_new = self.apply("not_equal", period, period.earlier(1))
        else:
            date, day = self.derive(tree.Calendar("date")), float(node.of.number)
            first = tree.Day.of(session_on_or_after(node.of.date))
            is_first = self.apply("equal", date, self.constant(float(first.number)))
            is_new = self.apply(
                "and",
                self.apply("greater_equal", date, self.constant(day)),
                self.apply("less", date.earlier(1), self.constant(day)),
            )
        return self.apply("or", is_first, is_new)

    def happening(self, node: tree.Happening) -> Column:
        # A symbol without a bar on the day has it on the next bar. The first bar has no earlier
        # one, but it may be that of the day itself.
        latest, date = self.derive(tree.LatestDay(node.name)), self.derive(tree.Calendar("date"))
        is_today = self.apply("equal", latest, date)
        return self.apply("or", is_today, self.apply("greater", latest, date.earlier(1)))

    def comparison(self, node: tree.Compare) -> Column:
        if node.operands[0].kind is tree.Kind.TEXT:
            return self.fact(node)
        columns = [self.column(operand) for operand in node.operands]
        comparisons = [
            self.apply(_OPERATORS[operator], columns[i], columns[i + 1])
            for i, operator in enumerate(node.operators)
        ]
        return self.join("and", comparisons)

    def join(self, operator: str, columns: Iterable[Column]) -> Column:
        return reduce(lambda result, column: self.apply(operator, result, column), columns)

    def cross(self, node: tree.Cross) -> Column:
        now, earlier = (
            ("greater", "less_equal") if node.direction == "above" else ("less", "greater_equal")
        )
        left, right = self.column(node.left), self.column(node.right)
        return self.apply(
            "and",
            self.apply(now, left, right),
            self.apply(earlier, left.earlier(1), right.earlier(1)),
        )

    def combine_bars(self, operator: str, condition: Node, bars: int) -> Column:
        result = self.column(condition)
        # `and` and `or` may count a bar twice, so each round doubles the bars that are covered.
        covered = 1
        while covered < bars:
            step = min(covered, bars - covered)
            result = self.apply(operator, result, result.earlier(step))
            covered += step
        return result

    def event(self, node: tree.Event) -> Column:
        event, parameters = EVENTS[node.name], tuple(map(int, node.parameters))
        operation = Operation(
            kernel=event.kernel(*parameters) if event.kernel else event.name,
            inputs=tuple(map(self.column, node.operands)),
            parameters=node.parameters,
            reach=event.reach(*parameters),
        )
        return self.add(operation)

    def call(self, node: tree.Call | tree.HeikinAshi) -> Column:
        if (formula := expand(node)) is not None:
            return self.column(formula)
        assert isinstance(node, tree.Call), "other bars are always expanded"
        row = INDICATORS[node.name]
        fields = [tree.Field(name) for name in row.inputs[len(node.sources) :]]
        sources = [*node.sources, *fields]
        parameters = row.typed(node.parameters)
        lookback = row.lookback(*parameters) if row.lookback else 0
        outputs = row.kernel_outputs
        operation = Operation(
            kernel=row.name,
            inputs=tuple(map(self.column, sources)),
            parameters=tuple(map(float, parameters)),
            outputs=len(outputs),
            lookback=lookback,
            reach=row.recursion(*parameters).bars(FORGOTTEN)
            if row.recursion
            else lookback + row.memory,
        )
        return self.add(operation, outputs.index(node.output))


def _quotient_of(node: tree.Function) -> tuple[Node, Node, Node] | None:
    """Return a, b and c of if(b == 0, c, a / b), the form of many indicators; None for others."""
    match node:
        case tree.Function(
            name="if",
            arguments=(
                tree.Compare(operands=(tested, tree.Number(value=0.0)), operators=("==",)),
                otherwise,
                tree.Binary(operator="/", left=above, right=below),
            ),
        ) if tested == below and not isinstance(below, tree.Number):
            return above, below, otherwise
    return None


# How the column of each kind of node is made.
_BUILDERS: Final[dict[type[Node], Callable[[_Builder, Any], Column]]] = {
    tree.Number: lambda builder, node: builder.constant(node.value),
    tree.Day: lambda builder, node: builder.constant(float(node.number)),
    tree.Field: lambda builder, node: builder.field(node.name),
    tree.Call: _Builder.call,
    tree.HeikinAshi: _Builder.call,
    tree.Function: _Builder.function,
    tree.Shift: lambda builder, node: builder.column(node.of).earlier(node.bars),
    tree.Negate: lambda builder, node: builder.apply("negate", builder.column(node.operand)),
    tree.Not: lambda builder, node: builder.apply("not", builder.column(node.operand)),
    tree.Join: lambda builder, node: builder.join(
        node.operator, map(builder.column, node.operands)
    ),
    tree.Binary: _Builder.arithmetic,
    tree.Compare: _Builder.comparison,
    tree.Cross: _Builder.cross,
    tree.Within: lambda builder, node: builder.combine_bars("or", node.condition, node.bars),
    tree.For: lambda builder, node: builder.combine_bars("and", node.condition, node.bars),
    tree.Event: _Builder.event,
    tree.Frozen: lambda builder, node: builder.column(node.extremes),
    tree.FirstBar: _Builder.first_bar,
    tree.Happening: _Builder.happening,
    **dict.fromkeys((tree.Fact, tree.In, tree.Match), _Builder.fact),
    **dict.fromkeys(get_args(tree.Derived), _Builder.derive),
}


def _required_rows(
    operations: Sequence[Operation], results: Sequence[Column], rows: int, fields: int
) -> tuple[list[int], list[int]]:
    """Return how many newest rows are read of each operation, and of each field."""
    operation_rows, field_rows = [0] * len(operations), [0] * fields

    def require(column: Column, count: int) -> None:
        if column.source is Source.OPERATION:
            operation_rows[column.number] = max(operation_rows[column.number], count + column.shift)
        elif column.source is Source.FIELD:
            field_rows[column.number] = max(field_rows[column.number], count + column.shift)

    for column in results:
        require(column, rows)
    for index in range(len(operations) - 1, -1, -1):
        for column in operations[index].inputs:
            require(column, operation_rows[index] + operations[index].reach)
    return operation_rows, field_rows


def _lookbacks(
    operations: Sequence[Operation], results: Sequence[Column], fields: Sequence[int]
) -> list[int]:
    """Return the bars before each result's first valid bar, given those of the fields."""
    lookbacks: list[int] = []

    def lookback_of(column: Column) -> int:
        if column.source is Source.OPERATION:
            return lookbacks[column.number] + column.shift
        return fields[column.number] + column.shift if column.source is Source.FIELD else 0

    for operation in operations:
        of_inputs = max(map(lookback_of, operation.inputs), default=0)
        lookbacks += [of_inputs + operation.lookback]
    return [lookback_of(column) for column in results]
