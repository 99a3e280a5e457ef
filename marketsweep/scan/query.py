"""Plan what a scan computes for every symbol: the condition, the sort keys and the shown values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.clauses import clauses_of, parts_of
from marketsweep.engine.levels import has_own_level, require_level
from marketsweep.engine.panel.facts import days_of
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.engine.settling import recursions, require_settled
from marketsweep.engine.traps import find_traps
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.parsing.own_names import OwnNames, with_stored_facts
from marketsweep.language.parsing.parser import parse, parse_expression, split_expressions
from marketsweep.language.presets import PRESETS_ALONE
from marketsweep.language.tree import Kind, Node
from marketsweep.universe.screen import written

Column = NDArray[np.float64]
Results = NDArray[np.float64]

DEFAULT_SORT: Final = "median(dollar_volume, 20), dollar_volume"
"""The default sort keys: the most traded symbol first.

One wrong bar does not change the median much. Symbols with fewer bars follow, sorted by their
newest bar.
"""

CLOSE: Final = tree.Field("close")
VOLUME: Final = tree.Field("volume")

_CHANGING: Final = (tree.Field, tree.Fact, tree.Call, tree.Event)
"""A value is worth showing if it contains one of these; without them it is constant."""


class Query(NamedTuple):
    """What a scan computes, as texts or trees."""

    condition: str | Node
    sort: str | Node | None = None
    columns: tuple[str | Node, ...] = ()
    own_names: OwnNames = PRESETS_ALONE
    explained: bool = False
    """Whether the clauses of the condition are evaluated one by one."""
    marked: bool = False
    """Whether values that may depend on bars before the first stored one are found."""
    strict: bool = False
    """Whether a part of the condition that looks like a mistake is an error."""
    shows_values: bool = True
    """Whether the numbers that the condition compares are shown."""


class ResultLayout(NamedTuple):
    """The node of each result of a plan, in order. The first is the condition."""

    nodes: tuple[Node, ...]

    def newest(self, results: Iterable[Results]) -> dict[Node, Column]:
        """Return the newest row of each result [rows, symbols], by node."""
        return {node: result[0] for node, result in zip(self.nodes, results, strict=True)}

    def of_hits(self, values: Results) -> dict[Node, Column]:
        """Return the columns of a search [hits, results], by node. The condition has no column."""
        return dict(zip(self.nodes[1:], values.T, strict=True))

    def parts(self, lengths: Sequence[int]) -> list[slice]:
        """Return the slice of each of several queries in their joined results."""
        ends = list(accumulate(lengths))
        return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


class PlannedQuery(NamedTuple):
    """A query with its plan. The results are laid out as `layout` says."""

    condition: Node
    keys: list[Node]
    """The sort keys of the matches."""
    shown: dict[str, Node]
    """The values to show, by name. Texts are facts of the symbols, and not in the plan."""
    settled: dict[Node, Node]
    """For each node with recursions, its variant that is unknown until they have settled."""
    clauses: dict[Node, str]
    """The clauses of the condition, with their text as written by the user."""
    parts: list[Node]
    """The nodes that explain the clauses, if requested."""
    layout: ResultLayout
    plan: Plan
    facts: frozenset[str]
    """The facts that the results depend on."""
    traps: tuple[str, ...]
    """Sentences on parts of the condition that look like mistakes."""

    @property
    def bars_needed(self) -> int:
        """The number of bars of a symbol that the condition needs."""
        return self.plan.bars[0]


@lru_cache(maxsize=64)
def plan_together(queries: tuple[Query, ...]) -> tuple[list[PlannedQuery], Plan, list[slice]]:
    """Plan several queries as one plan. Raises ConditionError.

    Returns the planned queries, the joint plan, and the slice of each query in its results.
    """
    planned = [plan_query(query) for query in queries]
    lengths = [len(query.layout.nodes) for query in planned]
    if len(planned) == 1:
        return planned, planned[0].plan, [slice(0, lengths[0])]
    nodes = tuple(node for query in planned for node in query.layout.nodes)
    slices = ResultLayout(nodes).parts(lengths)
    read_where = [
        None if row is None else part.start + row
        for part, query in zip(slices, planned, strict=True)
        for row in query.plan.read_where
    ]
    return planned, make_plan(list(nodes), read_where=tuple(read_where)), slices


@lru_cache(maxsize=256)
def plan_query(query: Query) -> PlannedQuery:
    """Plan one query. Raises ConditionError."""
    own_names = query.own_names
    condition = parse_condition(query.condition, own_names)
    source = query.condition if isinstance(query.condition, str) else None
    traps = find_traps(condition, source)
    if traps and query.strict:
        raise ConditionError(traps[0])
    compared = _compared_numbers(condition) if query.shows_values else ()
    shown = {written(node, source): node for node in compared}
    for column in query.columns:
        name = column.strip() if isinstance(column, str) else str(column)
        shown[name] = _parse_column(column, own_names)
    clauses = {node: written(node, source) for node in clauses_of(condition)}
    explaining_parts = (
        (part for clause in clauses for part in parts_of(clause)) if query.explained else ()
    )
    parts = list(dict.fromkeys(explaining_parts))
    computed = [node for node in shown.values() if node.kind is not Kind.TEXT]
    keys = [_parse_number(key, own_names) for key in _split_keys(query.sort or DEFAULT_SORT)]
    fixed = [condition, CLOSE, VOLUME]
    explaining = tuple(clauses) if query.explained else ()
    recursive = (condition, *keys, *computed, *explaining) if query.marked else ()
    settled_nodes = {node: require_settled(node) for node in recursive if recursions(node)}
    match_nodes = [*fixed, *keys, *computed]
    nodes = [*match_nodes, *settled_nodes.values(), *parts]
    # A condition or clause that may change is counted over all symbols, so it is never guarded.
    unguarded = {
        output
        for node in (condition, *explaining)
        if node in settled_nodes
        for output in (node, settled_nodes[node])
    }
    if tree.facts_of([condition]):
        unguarded.add(condition)  # symbols whose facts are unknown are counted, too
    guards = [None if node in unguarded else 0 for node in (*match_nodes, *settled_nodes.values())]
    plan = make_plan(nodes, read_where=(*guards, *[None] * len(parts)))
    layout = ResultLayout(tuple(nodes))
    facts = frozenset(tree.facts_of(nodes))
    return PlannedQuery(
        condition, keys, shown, settled_nodes, clauses, parts, layout, plan, facts, tuple(traps)
    )


def shown_column(
    node: Node, panel: Panel, places: NDArray[np.intp], read: Callable[[Node], Column]
) -> NDArray[Any]:
    """Return the texts, dates or numbers of a shown value, of the matches at some places.

    `read` returns the numbers of a node of the plan.
    """
    if isinstance(node, tree.Fact) and node.kind is Kind.TEXT:
        return panel.texts(node.name, places)
    return days_of(read(node)) if node.kind is Kind.DATE else read(node)


def settled_bars(query: PlannedQuery) -> int:
    """Return the number of bars after which all recursions have settled; 0 without recursions."""
    bars = dict(zip(query.layout.nodes, query.plan.bars, strict=True))
    return max((bars[settled_node] for settled_node in query.settled.values()), default=0)


def slowest(query: PlannedQuery) -> str:
    """Return the recursion that needs the most bars to settle; the query must have one."""
    bars_by_recursion = dict(
        chain.from_iterable(recursions(node).items() for node in query.settled)
    )
    return max(bars_by_recursion, key=lambda name: bars_by_recursion[name])


def _split_keys(sort: str | Node) -> Sequence[str | Node]:
    if not isinstance(sort, str):
        return [sort]
    return split_expressions(sort) or [sort]  # the parser reports what is wrong with an empty text


def parse_condition(source: str | Node, own_names: OwnNames) -> Node:
    """Return the tree of a condition. Raises ConditionError if it is not a valid condition."""
    if isinstance(source, str):
        node = parse(source, own_names)
    else:
        node = with_stored_facts(tree.as_condition(source), own_names)
    if node.kind is not Kind.TRUTH:
        raise _condition_error(
            f"{node} is {node.kind.value}, but a condition must be true or false", source
        )
    require_level(node)
    return node


def _parse_number(source: str | Node, own_names: OwnNames) -> Node:
    node = _parse_any(source, own_names)
    if node.kind is not Kind.NUMBER:
        raise _condition_error(
            f"{node} is {node.kind.value}, but matches are sorted by numbers", source
        )
    require_level(node)
    return node


def _parse_column(source: str | Node, own_names: OwnNames) -> Node:
    """Return the tree of a number, a date or a text fact."""
    node = _parse_any(source, own_names)
    if node.kind is Kind.TRUTH:
        raise _condition_error(
            f"{node} is true or false, but a column is a number, a date or a text: "
            f"write number({node})",
            source,
        )
    if node.kind is Kind.TEXT and not isinstance(node, tree.Fact):
        raise _condition_error(
            f"{node} is the same for all symbols: show a fact, as sector", source
        )
    if node.kind is Kind.NUMBER:
        require_level(node)
    return node


def _parse_any(source: str | Node, own_names: OwnNames) -> Node:
    if isinstance(source, str):
        return parse_expression(source, own_names)
    return with_stored_facts(source, own_names)


def _condition_error(message: str, source: str | Node) -> ConditionError:
    if isinstance(source, Node):
        return ConditionError(message)
    return ConditionError(message, source, 0, len(source))


def _compared_numbers(condition: Node) -> list[Node]:
    """Return the numbers that a condition compares: the values worth showing of a match."""
    numbers: list[Node] = []
    for node in _walk_own_bars(condition):
        if isinstance(node, tree.Compare | tree.Cross):
            numbers += [
                side
                for side in node.children()
                if side.kind is Kind.NUMBER
                and not isinstance(side, tree.Field)
                and any(isinstance(part, _CHANGING) for part in side.walk())
                and has_own_level(side)
            ]
    return numbers


def _walk_own_bars(node: Node) -> Iterator[Node]:
    """Yield a node and the nodes below it, except those evaluated on other bars or symbols."""
    yield node
    if not isinstance(node, tree.Event | tree.Derived):
        for child in node.children():
            yield from _walk_own_bars(child)
