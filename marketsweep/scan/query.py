"""What a scan asks of every symbol, as one plan: the condition, what to sort by, what to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.clauses import clauses_of, parts_of
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.engine.settling import recursions, settled
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.parser import parse, parse_expression, split_expressions
from marketsweep.language.presets import Saved
from marketsweep.language.tree import Kind, Node
from marketsweep.universe.screen import written

Column = NDArray[np.float64]
Results = NDArray[np.float64]

DEFAULT_SORT: Final = "median(dollar_volume, 20), dollar_volume"
"""What matches are sorted by where nothing is asked for: the most traded first.

The median is not misled by one wrong bar; symbols with fewer bars follow, by their newest one.
"""

CLOSE: Final = tree.Field("close")
VOLUME: Final = tree.Field("volume")

NO_CONDITIONS: Final = Saved()

_CHANGING: Final = (tree.Field, tree.Fact, tree.Call, tree.Occurred)
"""What a value has a part of that is worth showing: others are constants."""


class Query(NamedTuple):
    """What a scan asks for, as texts or trees."""

    condition: str | Node
    sort: str | Node | None = None
    columns: tuple[str | Node, ...] = ()
    saved: Saved = NO_CONDITIONS
    explained: bool = False
    """Whether the clauses of the condition are looked at one by one."""
    marked: bool = False
    """Whether values that may depend on earlier bars are found."""


class ResultLayout(NamedTuple):
    """Which result of a plan is of which node; the first is that of the condition."""

    nodes: tuple[Node, ...]

    def newest(self, results: Iterable[Results]) -> dict[Node, Column]:
        """Return the newest row of each result [rows, symbols], by node."""
        return {node: result[0] for node, result in zip(self.nodes, results, strict=True)}

    def of_hits(self, values: Results) -> dict[Node, Column]:
        """Return the columns of a search [hits, results], by node; the condition has none."""
        return dict(zip(self.nodes[1:], values.T, strict=True))

    def parts(self, lengths: Sequence[int]) -> list[slice]:
        """Return where the results of several queries lie, one after the other."""
        ends = list(accumulate(lengths))
        return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]


class PlannedQuery(NamedTuple):
    """A query with its plan. The results are laid out as `layout` says."""

    condition: Node
    keys: list[Node]
    """What matches are sorted by."""
    shown: dict[str, Node]
    """The values that are shown, by their names."""
    settled: dict[Node, Node]
    """For nodes with recursions, what tells whether they have settled; if these are marked."""
    clauses: dict[Node, str]
    """What the condition joins by `and`, as its writer put it."""
    parts: list[Node]
    """What explains the clauses, if that is asked for."""
    layout: ResultLayout
    plan: Plan

    @property
    def bars_needed(self) -> int:
        """The bars of a symbol that the condition needs."""
        return self.plan.bars[0]


@lru_cache(maxsize=64)
def plan_together(queries: tuple[Query, ...]) -> tuple[list[PlannedQuery], Plan, list[slice]]:
    """Plan several queries, whose results come one after the other. Raises ConditionError.

    Return the queries, their one plan, and where the results of each lie.
    """
    planned = [plan_query(query) for query in queries]
    lengths = [len(query.layout.nodes) for query in planned]
    if len(planned) == 1:
        return planned, planned[0].plan, [slice(0, lengths[0])]
    nodes = tuple(node for query in planned for node in query.layout.nodes)
    slices = ResultLayout(nodes).parts(lengths)
    read_where = [
        None if place is None else part.start + place
        for part, query in zip(slices, planned, strict=True)
        for place in query.plan.read_where
    ]
    return planned, make_plan(list(nodes), read_where=tuple(read_where)), slices


@lru_cache(maxsize=256)
def plan_query(query: Query) -> PlannedQuery:
    """Plan one query. Raises ConditionError."""
    saved = query.saved
    condition = condition_tree(query.condition, saved)
    source = query.condition if isinstance(query.condition, str) else None
    shown = {written(node, source): node for node in _compared(condition)}
    for column in query.columns:
        shown[column.strip() if isinstance(column, str) else str(column)] = _number(column, saved)
    clauses = {node: written(node, source) for node in clauses_of(condition)}
    found = (part for clause in clauses for part in parts_of(clause)) if query.explained else ()
    parts = list(dict.fromkeys(found))
    keys = [_number(key, saved) for key in _several(query.sort or DEFAULT_SORT)]
    fixed = [condition, CLOSE, VOLUME]
    explaining = tuple(clauses) if query.explained else ()
    recursive = (condition, *keys, *shown.values(), *explaining) if query.marked else ()
    late = {node: settled(node) for node in recursive if recursions(node)}
    of_matches = [*fixed, *keys, *shown.values()]
    nodes = [*of_matches, *late.values(), *parts]
    # Answers that may be others are counted, wherever they are.
    whole = {one for node in (condition, *explaining) if node in late for one in (node, late[node])}
    guards = [None if node in whole else 0 for node in (*of_matches, *late.values())]
    plan = make_plan(nodes, read_where=(*guards, *[None] * len(parts)))
    layout = ResultLayout(tuple(nodes))
    return PlannedQuery(condition, keys, shown, late, clauses, parts, layout, plan)


def settled_bars(query: PlannedQuery) -> int:
    """Return the bars at which all recursions of a query have settled; 0 without any."""
    bars = dict(zip(query.layout.nodes, query.plan.bars, strict=True))
    return max((bars[late] for late in query.settled.values()), default=0)


def slowest(query: PlannedQuery) -> str:
    """Return the recursion that takes the most bars to settle; there must be one."""
    takes = dict(chain.from_iterable(recursions(node).items() for node in query.settled))
    return max(takes, key=lambda name: takes[name])


def _several(sort: str | Node) -> Sequence[str | Node]:
    if not isinstance(sort, str):
        return [sort]
    return split_expressions(sort) or [sort]  # of nothing, the parser says what is wrong


def condition_tree(given: str | Node, saved: Saved) -> Node:
    """The tree of a condition. Raises ConditionError for what is none."""
    node = parse(given, saved) if isinstance(given, str) else given
    if node.kind is not Kind.TRUTH:
        raise _pointed(f"{node} is {node.kind.value}, and a condition is true or false", given)
    return node


def _number(given: str | Node, saved: Saved) -> Node:
    node = parse_expression(given, saved) if isinstance(given, str) else given
    if node.kind is not Kind.NUMBER:
        raise _pointed(
            f"{node} is {node.kind.value}, and only numbers can be sorted by or shown", given
        )
    return node


def _pointed(message: str, given: str | Node) -> ConditionError:
    if isinstance(given, Node):
        return ConditionError(message)
    return ConditionError(message, given, 0, len(given))


def _compared(condition: Node) -> list[Node]:
    """The numbers that a condition compares: what a reader wants to see of a match."""
    found: list[Node] = []
    for node in _own(condition):
        if isinstance(node, tree.Compare | tree.Cross):
            found += [
                side
                for side in node.children()
                if side.kind is Kind.NUMBER
                and not isinstance(side, tree.Field)
                and any(isinstance(part, _CHANGING) for part in side.walk())
            ]
    return found


def _own(node: Node) -> Iterator[Node]:
    """A node and those below it, but for the insides of what is asked of other bars or symbols."""
    yield node
    if not isinstance(node, tree.Occurred | tree.Derived):
        for child in node.children():
            yield from _own(child)
