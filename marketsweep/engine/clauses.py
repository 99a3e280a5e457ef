"""The clauses that a condition joins by `and`: whom each lets through, and who fails by how little.

A distance is how far the nearer side of a comparison would have to move, as a share of the larger
side's size: 0 where the clause holds, NaN where that cannot be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.language import tree
from marketsweep.language.tree import Kind, Node

Column = NDArray[np.float64]

MayDiffer = Callable[[Node], NDArray[np.bool_]]
"""For which symbols a node may have another value over a longer history: bool [symbols]."""

_TOUCHING: Final = 1e-12
"""The distance of two equal numbers of which one must be the larger."""

_FAILS: Final = {
    "<": np.greater_equal,
    "<=": np.greater,
    ">": np.less_equal,
    ">=": np.less,
    "==": np.not_equal,
    "!=": np.equal,
}


class ClauseCount(NamedTuple):
    """How many of the evaluated symbols a clause lets through."""

    clause: str
    alone: int
    together: int
    """With every clause before it."""
    unsettled: int = 0
    """Symbols for which the clause may have another answer over a longer history."""


class NearMiss(NamedTuple):
    """A symbol that fails one clause alone, and by how much."""

    symbol: str
    clause: str
    distance: float
    unsettled: bool = False
    """Whether the clause may have another answer over a longer history."""
    suspicious: str = ""
    """The rules that suspect bars it rests on: "decimal slip, hole", or ""."""


def clauses_of(condition: Node) -> list[Node]:
    """The parts that a condition joins by `and`, in order."""
    if isinstance(condition, tree.Join) and condition.operator == "and":
        return list(condition.operands)
    return [condition]


def parts_of(node: Node) -> Iterator[Node]:
    """A truth and the nodes below it that explain it: truths, and the numbers that they compare."""
    yield node
    if isinstance(node, tree.Join):
        for clause in node.operands:
            yield from parts_of(clause)
    elif isinstance(node, tree.Not):
        yield from parts_of(node.operand)
    elif isinstance(node, tree.Compare | tree.Cross):
        yield from (child for child in node.children() if child.kind is Kind.NUMBER)
    elif isinstance(node, tree.Within | tree.For):
        yield from parts_of(node.condition)


def distance(node: Node, values: Mapping[Node, Column]) -> Column:
    """How far each symbol is from passing; `values` has the columns of `parts_of(node)`."""
    match node:
        case tree.Join(operator=operator, operands=operands):
            join = np.maximum if operator == "and" else np.fmin
            away = join.reduce([distance(clause, values) for clause in operands])
        case tree.Compare() if node.operands[0].kind is Kind.NUMBER:
            links = zip(node.operators, node.operands, node.operands[1:], strict=False)
            away = np.maximum.reduce(
                [_apart(values[a], values[b], fails=_FAILS[o]) for o, a, b in links]
            )
        case tree.Cross(left=left, right=right, direction=direction):
            wrong = _FAILS[">" if direction == "above" else "<"]
            away = _apart(values[left], values[right], fails=wrong)
            away = np.where(away == 0, np.nan, away)  # on the right side, for longer
        case _:
            away = np.full(values[node].shape, np.nan)
    return np.where(values[node] == 1.0, 0.0, away)


def _apart(a: Column, b: Column, *, fails: np.ufunc) -> Column:
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    gap = np.where(a == b, _TOUCHING, gap)
    known = ~(np.isnan(a) | np.isnan(b))
    return np.where(known, np.where(fails(a, b), gap, 0.0), np.nan)


def funnel(
    clauses: Mapping[Node, str], values: Mapping[Node, Column], may_differ: MayDiffer
) -> list[ClauseCount]:
    """Return how many symbols pass each clause alone, and with those before it."""
    together: NDArray[np.bool_] | None = None
    counts = []
    for node, text in clauses.items():
        holds = values[node] == 1.0
        together = holds if together is None else together & holds
        of_clause = (holds, together, may_differ(node))
        counts.append(ClauseCount(text, *(int(np.count_nonzero(some)) for some in of_clause)))
    return counts


def near_misses(
    clauses: Mapping[Node, str],
    values: Mapping[Node, Column],
    symbols: Sequence[str],
    most: int,
    may_differ: MayDiffer,
) -> list[NearMiss]:
    """Return the symbols that fail one of the clauses alone, the nearest first; at most `most`."""
    if not most:
        return []
    truths = np.stack([values[node] for node in clauses])
    alone = np.count_nonzero(truths != 1.0, axis=0) == 1
    misses: list[NearMiss] = []
    for (node, text), truth in zip(clauses.items(), truths, strict=True):
        away = distance(node, values)
        unsettled = may_differ(node)
        # What is unknown fails as well, but by no distance.
        places = np.flatnonzero(alone & (truth == 0.0) & ~np.isnan(away)).tolist()
        misses += [
            NearMiss(symbols[place], text, float(away[place]), bool(unsettled[place]))
            for place in places
        ]
    return sorted(misses, key=lambda miss: (miss.distance, miss.symbol))[:most]
