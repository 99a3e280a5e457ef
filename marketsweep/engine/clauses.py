"""Explain a condition by its clauses: how many symbols pass each, and which symbols almost pass.

A distance says how far the nearer side of a comparison has to move, as a share of the larger side's
size. It is 0 where the clause holds and NaN where it cannot be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.levels import has_own_level
from marketsweep.language import tree
from marketsweep.language.tree import Kind, Node

Column = NDArray[np.float64]

MayDiffer = Callable[[Node], NDArray[np.bool_]]
"""Tells for which symbols a node may have another value over a longer history: bool [symbols]."""

_TOUCHING: Final = 1e-12
"""Distance of two equal numbers where the comparison needs one to be larger."""

_FAILS: Final = {
    "<": np.greater_equal,
    "<=": np.greater,
    ">": np.less_equal,
    ">=": np.less,
    "==": np.not_equal,
    "!=": np.equal,
}


class ClauseCount(NamedTuple):
    """How many of the evaluated symbols pass a clause."""

    clause: str
    alone: int
    together: int
    """Symbols that pass this clause and every clause before it."""
    unsettled: int = 0
    """Symbols for which the clause may have another answer over a longer history."""


class NearMiss(NamedTuple):
    """A symbol that fails exactly one clause, and the distance by which it fails."""

    symbol: str
    clause: str
    distance: float
    unsettled: bool = False
    """Whether the clause may have another answer over a longer history."""
    suspicious: str = ""
    """Names of the rules that doubt bars of this symbol: "decimal slip, hole", or ""."""


def clauses_of(condition: Node) -> list[Node]:
    """Return the clauses that a condition joins by `and`, in order."""
    if isinstance(condition, tree.Join) and condition.operator == "and":
        return list(condition.operands)
    return [condition]


def parts_of(node: Node) -> Iterator[Node]:
    """Yield a truth, the truths below it, and the numbers that they compare."""
    yield node
    if isinstance(node, tree.Join):
        for clause in node.operands:
            yield from parts_of(clause)
    elif isinstance(node, tree.Not):
        yield from parts_of(node.operand)
    elif isinstance(node, tree.Compare | tree.Cross):
        sides = [child for child in node.children() if child.kind is not Kind.TEXT]
        if all(map(has_own_level, sides)):
            yield from sides
    elif isinstance(node, tree.Within | tree.For):
        yield from parts_of(node.condition)


def distance(node: Node, values: Mapping[Node, Column]) -> Column:
    """Return each symbol's distance from passing; `values` has the columns of `parts_of(node)`."""
    match node:
        case tree.Join(operator=operator, operands=operands):
            join = np.maximum if operator == "and" else np.fmin
            distances = join.reduce([distance(clause, values) for clause in operands])
        case tree.Compare(operands=operands) if all(
            side in values and side.kind is Kind.NUMBER for side in operands
        ):
            comparisons = zip(node.operators, node.operands, node.operands[1:], strict=False)
            distances = np.maximum.reduce(
                [_relative_gap(values[a], values[b], fails=_FAILS[o]) for o, a, b in comparisons]
            )
        case tree.Cross(left=left, right=right, direction=direction) if left in values:
            fails = _FAILS[">" if direction == "above" else "<"]
            distances = _relative_gap(values[left], values[right], fails=fails)
            distances = np.where(distances == 0, np.nan, distances)  # it crossed on an earlier bar
        case _:
            distances = np.full(values[node].shape, np.nan)
    return np.where(values[node] == 1.0, 0.0, distances)


def _relative_gap(a: Column, b: Column, *, fails: np.ufunc) -> Column:
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    gap = np.where(a == b, _TOUCHING, gap)
    is_known = ~(np.isnan(a) | np.isnan(b))
    return np.where(is_known, np.where(fails(a, b), gap, 0.0), np.nan)


def funnel(
    clauses: Mapping[Node, str], values: Mapping[Node, Column], may_differ: MayDiffer
) -> list[ClauseCount]:
    """Count the symbols that pass each clause alone, and those that pass it and all before it.

    `clauses` maps each clause to its text, `values` maps it to its column.
    """
    together: NDArray[np.bool_] | None = None
    counts = []
    for node, text in clauses.items():
        holds = values[node] == 1.0
        together = holds if together is None else together & holds
        masks = (holds, together, may_differ(node))
        counts.append(ClauseCount(text, *(int(np.count_nonzero(mask)) for mask in masks)))
    return counts


def near_misses(
    clauses: Mapping[Node, str],
    values: Mapping[Node, Column],
    symbols: Sequence[str],
    most: int,
    may_differ: MayDiffer,
) -> list[NearMiss]:
    """Return the symbols that fail exactly one clause, the nearest first; at most `most`."""
    if not most:
        return []
    truths = np.stack([values[node] for node in clauses])
    fails_one = np.count_nonzero(truths != 1.0, axis=0) == 1
    misses: list[NearMiss] = []
    for (node, text), truth in zip(clauses.items(), truths, strict=True):
        distances = distance(node, values)
        unsettled = may_differ(node)
        # An unknown value fails the clause too, but has no distance.
        positions = np.flatnonzero(fails_one & (truth == 0.0) & ~np.isnan(distances)).tolist()
        misses += [
            NearMiss(symbols[position], text, float(distances[position]), bool(unsettled[position]))
            for position in positions
        ]
    return sorted(misses, key=lambda miss: (miss.distance, miss.symbol))[:most]
