"""Values that may still depend on where the stored history begins.

A recursion, such as an exponential average, begins with its first bars and forgets them slowly.
TA-Lib gives its values from the lookback on. Over a longer history they come out otherwise, until
the start weighs less than `SETTLED`.

`settled` writes a condition so that such values are unknown. Where its answer is another one then,
it may depend on bars that are not stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.language import tree
from marketsweep.language.indicators.table import INDICATORS, SETTLED
from marketsweep.language.tree import Node

Column = NDArray[np.float64]

_NOTHING: Final = tree.Number(0.0)


def recursions(node: Node) -> dict[str, int]:
    """Return the recursive indicators that a node has, by their text, and the bars each takes."""
    return {str(part): bars + 1 for part in node.walk() if (bars := _bars(part))}


def settled(node: Node) -> Node:
    """Return an expression in which each recursion is unknown until its start is forgotten."""
    match node:
        case tree.Call(name=name, source=source) if bars := _bars(node):
            return _known(node, tree.Shift(settled(source or _first_input(name)), bars))
        case tree.Standing(of=of) if recursions(of):
            return _known(node, settled(of))
    return tree.mapped(node, settled)


class Unsettled(NamedTuple):
    """What may depend on bars before the stored ones."""

    bars: int
    """Bars at which every recursion has settled; 0 where there is none."""
    young: NDArray[np.bool_]
    """Which symbols have fewer: bool [symbols]."""
    differs: dict[Node, NDArray[np.bool_]]
    """Whether a value or answer may differ over a longer history, bool [symbols]."""

    def of(self, node: Node) -> NDArray[np.bool_]:
        """Return of which symbols a value or answer may be another one."""
        return self.differs.get(node, np.zeros_like(self.young))

    def removed(self, columns: Mapping[Node, Column]) -> dict[Node, Column]:
        """Return the columns of what may differ, unknown where it may."""
        return {node: np.where(some, np.nan, columns[node]) for node, some in self.differs.items()}

    def names(self, shown: Mapping[str, Node], places: NDArray[np.int64]) -> list[tuple[str, ...]]:
        """Return of some symbols the names of the shown values that may be others."""
        return names_of(shown, self.differs, places)


def names_of(
    shown: Mapping[str, Node],
    may_differ: Mapping[Node, NDArray[np.bool_]],
    places: NDArray[np.int64],
) -> list[tuple[str, ...]]:
    """Return the names of the shown values that may be others, at some places of the columns."""
    names = [name for name, node in shown.items() if node in may_differ]
    if not names:
        return [()] * len(places)
    table = np.stack([may_differ[shown[name]][places] for name in names], axis=1)
    # Few sets of names occur: each is made once, however many places there are.
    sets: dict[tuple[bool, ...], tuple[str, ...]] = {}
    rows = map(tuple, table.tolist())
    return [sets.get(row) or sets.setdefault(row, tuple(compress(names, row))) for row in rows]


def find_unsettled(
    bars: int,
    of_symbols: NDArray[np.int64],
    columns: Mapping[Node, Column],
    settled_nodes: Mapping[Node, Node],
) -> Unsettled:
    """Return what may depend on earlier bars.

    `bars` is what all recursions take to settle, `of_symbols` what each symbol has. `settled_nodes`
    has what `settled` makes of nodes, and `columns` the values of both.
    """
    may_differ = {node: differs(columns[node], columns[one]) for node, one in settled_nodes.items()}
    return Unsettled(bars, of_symbols < bars, may_differ)


def differs(column: Column, settled_column: Column) -> NDArray[np.bool_]:
    """Return where values are known and their settled form is unknown or another one."""
    may_differ: NDArray[np.bool_] = ~np.isnan(column) & (settled_column != column)
    return may_differ


def _known(node: Node, where: Node) -> Node:
    """Return a number that is unknown where another one is."""
    return tree.Binary("+", node, tree.Binary("*", _NOTHING, where))


def _first_input(indicator: str) -> Node:
    return tree.Field(INDICATORS[indicator].inputs[0])


def _bars(node: Node) -> int:
    """Bars before the first that a recursion has settled at; 0 for everything else."""
    if not isinstance(node, tree.Call):
        return 0
    recursion = INDICATORS[node.name].recursion
    return recursion(*map(int, node.parameters)).bars(SETTLED) if recursion else 0
