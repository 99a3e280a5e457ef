"""What a scan asks of every symbol, as one plan: the condition, what to sort by, what to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Final, NamedTuple

from marketsweep.engine.clauses import clauses_of, parts_of
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.engine.settling import recursions, settled
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.parser import parse, parse_expression, split_expressions
from marketsweep.language.presets import Saved
from marketsweep.language.tree import Kind, Node
from marketsweep.universe.screen import written

DEFAULT_SORT: Final = "median(dollar_volume, 20), dollar_volume"
"""What matches are sorted by where nothing is asked for: the most traded first.

The median is not misled by one wrong bar; symbols with fewer bars follow, by their newest one.
"""

CLOSE: Final = tree.Field("close")
VOLUME: Final = tree.Field("volume")

NO_CONDITIONS: Final = Saved()

_CHANGING: Final = (tree.Field, tree.Fact, tree.Call, tree.Occurred)
"""What a value has a part of that is worth showing: others are constants."""


class Wanted(NamedTuple):
    """What a scan is given; texts or trees."""

    condition: str | Node
    sort: str | Node | None = None
    columns: tuple[str | Node, ...] = ()
    saved: Saved = NO_CONDITIONS
    explained: bool = False
    """Whether the clauses of the condition are looked at one by one."""
    marked: bool = False
    """Whether values that may depend on earlier bars are found."""


class Asked(NamedTuple):
    """A condition with what goes with it.

    The results of `plan`, `nodes`, are truth, close and volume, the `keys` to sort by, what is
    `shown` by name, `settled` forms of what has recursions where these are marked, and the `parts`
    that explain the `clauses`, where these are asked for.
    """

    condition: Node
    keys: list[Node]
    shown: dict[str, Node]
    settled: dict[Node, Node]
    clauses: dict[Node, str]
    """What the condition joins by `and`, as its writer put it."""
    parts: list[Node]
    nodes: list[Node]
    plan: Plan


@lru_cache(maxsize=64)
def planned_together(wanted: tuple[Wanted, ...]) -> tuple[list[Asked], Plan]:
    """What several scans ask, and the one plan of it all, in their order. Raises ConditionError."""
    asked = [planned(*one) for one in wanted]
    if len(asked) == 1:
        return asked, asked[0].plan
    firsts = accumulate((len(one.nodes) for one in asked), initial=0)
    read_where = [
        None if place is None else first + place
        for first, one in zip(firsts, asked, strict=False)
        for place in one.plan.read_where
    ]
    nodes = [node for one in asked for node in one.nodes]
    return asked, make_plan(nodes, read_where=tuple(read_where))


@lru_cache(maxsize=256)
def planned(
    given: str | Node,
    sort: str | Node | None,
    columns: tuple[str | Node, ...],
    saved: Saved,
    explained: bool = False,
    marked: bool = False,
) -> Asked:
    """What one scan asks. Raises ConditionError."""
    condition = condition_tree(given, saved)
    source = given if isinstance(given, str) else None
    shown = {written(node, source): node for node in _compared(condition)}
    for column in columns:
        shown[column.strip() if isinstance(column, str) else str(column)] = _number(column, saved)
    clauses = {node: written(node, source) for node in clauses_of(condition)}
    found = (part for clause in clauses for part in parts_of(clause)) if explained else ()
    parts = list(dict.fromkeys(found))
    keys = [_number(key, saved) for key in _several(sort or DEFAULT_SORT)]
    fixed = [condition, CLOSE, VOLUME]
    explaining = tuple(clauses) if explained else ()
    recursive = (condition, *keys, *shown.values(), *explaining) if marked else ()
    late = {node: settled(node) for node in recursive if recursions(node)}
    of_matches = [*fixed, *keys, *shown.values()]
    nodes = [*of_matches, *late.values(), *parts]
    # Answers that may be others are counted, wherever they are.
    whole = {one for node in (condition, *explaining) if node in late for one in (node, late[node])}
    guards = [None if node in whole else 0 for node in (*of_matches, *late.values())]
    plan = make_plan(nodes, read_where=(*guards, *[None] * len(parts)))
    return Asked(condition, keys, shown, late, clauses, parts, nodes, plan)


def settled_bars(asked: Asked) -> int:
    """Return the bars at which all recursions of what is asked have settled; 0 without any."""
    bars = dict(zip(asked.nodes, asked.plan.bars, strict=True))
    return max((bars[late] for late in asked.settled.values()), default=0)


def slowest(asked: Asked) -> str:
    """Return the recursion that takes the most bars to settle; there must be one."""
    takes = dict(chain.from_iterable(recursions(node).items() for node in asked.settled))
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
