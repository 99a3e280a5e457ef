"""Find values that may still depend on where the stored history begins.

A recursion, such as an exponential average, starts with its first bars and forgets them slowly.
Like TA-Lib, the program gives values from the lookback on. Over a longer history these values
differ, until the weight of the first bars is below `SETTLED`.

`require_settled` rewrites a condition so that such values are unknown. If the answer changes, it
may depend on bars that are not stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.language import tree
from marketsweep.language.formulas import expand
from marketsweep.language.indicators.row import SETTLED, settled
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.tree import Node

Column = NDArray[np.float64]

_ZERO: Final = tree.Number(0.0)


def recursions(node: Node) -> dict[str, int]:
    """Return the recursive indicators of a node by text, and the bars that each needs to settle."""
    bars_by_text: dict[str, int] = {}
    for part in node.walk():
        if bars := _settling_bars(part) or _memory(part):
            bars_by_text[str(part)] = bars + 1
        elif inner := _recursions_inside(part):
            bars_by_text[str(part)] = max(inner.values())
    return bars_by_text


def _recursions_inside(node: Node) -> dict[str, int]:
    """Return the recursions in the formula of an indicator."""
    formula = expand(node) if isinstance(node, tree.Call | tree.HeikinAshi) else None
    return {} if formula is None else recursions(formula)


def require_settled(node: Node) -> Node:
    """Return the expression with every recursion unknown until its first bars are forgotten."""
    match node:
        case tree.Call(name=name, sources=sources) if bars := _settling_bars(node):
            first = sources[0] if sources else tree.Field(INDICATORS[name].inputs[0])
            return _unknown_where(node, tree.Shift(require_settled(first), bars))
        case tree.Call(name=name, sources=sources, output=output) if INDICATORS[name].memory:
            return replace(
                node, sources=tuple(map(require_settled, sources)), output=settled(output)
            )
        case tree.Call() | tree.HeikinAshi() if (formula := expand(node)) is not None:
            return require_settled(formula) if recursions(formula) else node
        case tree.Rank(of=of) if recursions(of):
            return _unknown_where(node, require_settled(of))
    return tree.map_children(node, require_settled)


class Unsettled(NamedTuple):
    """Which symbols and values may depend on bars before the stored ones."""

    bars: int
    """Bars until every recursion has settled; 0 without recursions."""
    young: NDArray[np.bool_]
    """Which symbols have fewer bars than that: bool [symbols]."""
    differs: dict[Node, NDArray[np.bool_]]
    """Whether a value or answer may differ over a longer history, bool [symbols]."""

    def of(self, node: Node) -> NDArray[np.bool_]:
        """Return for which symbols a node may have another value, bool [symbols]."""
        return self.differs.get(node, np.zeros_like(self.young))

    def removed(self, columns: Mapping[Node, Column]) -> dict[Node, Column]:
        """Return the columns of nodes that may differ, with NaN where they may."""
        return {node: np.where(mask, np.nan, columns[node]) for node, mask in self.differs.items()}

    def names(self, shown: Mapping[str, Node], places: NDArray[np.int64]) -> list[tuple[str, ...]]:
        """Return the names of the shown values that may differ, for the symbols at `places`."""
        return names_of(shown, self.differs, places)


def names_of(
    shown: Mapping[str, Node],
    may_differ: Mapping[Node, NDArray[np.bool_]],
    places: NDArray[np.int64],
) -> list[tuple[str, ...]]:
    """Return the names of the shown values that may differ, for the symbols at `places`."""
    names = [name for name, node in shown.items() if node in may_differ]
    if not names:
        return [()] * len(places)
    masks = [may_differ[shown[name]][places] for name in names]
    if not any(mask.any() for mask in masks):
        return [()] * len(places)
    if len(masks) == 1:
        only = ((), tuple(names))
        return [only[may] for may in masks[0].tolist()]
    # Few different sets of names occur, so each tuple is made once.
    sets: dict[tuple[bool, ...], tuple[str, ...]] = {}
    rows = map(tuple, np.stack(masks, axis=1).tolist())
    return [sets.get(row) or sets.setdefault(row, tuple(compress(names, row))) for row in rows]


def find_unsettled(
    bars: int,
    of_symbols: NDArray[np.int64],
    columns: Mapping[Node, Column],
    settled_nodes: Mapping[Node, Node],
) -> Unsettled:
    """Return which values may depend on earlier bars.

    `bars` is the number of bars until all recursions settle, `of_symbols` the number that each
    symbol has. `settled_nodes` maps each node to its settled form, and `columns` has the values of
    both.
    """
    may_differ = {
        node: differs(columns[node], columns[form]) for node, form in settled_nodes.items()
    }
    return Unsettled(bars, of_symbols < bars, may_differ)


def differs(column: Column, settled_column: Column) -> NDArray[np.bool_]:
    """Return where values are known and their settled form is unknown or different."""
    may_differ: NDArray[np.bool_] = ~np.isnan(column) & (settled_column != column)
    return may_differ


def _unknown_where(node: Node, other: Node) -> Node:
    """Return a number that is unknown wherever the other one is unknown."""
    return tree.Binary("+", node, tree.Binary("*", _ZERO, other))


def _settling_bars(node: Node) -> int:
    """Return the bars before a recursion has settled; 0 for any other node."""
    if not isinstance(node, tree.Call):
        return 0
    row = INDICATORS[node.name]
    if row.recursion is None or node.output in row.formulas:
        return 0
    return row.recursion(*row.typed(node.parameters)).bars(SETTLED)


def _memory(node: Node) -> int:
    """Return the bars that a stop usually takes to forget its start; 0 for any other node."""
    return INDICATORS[node.name].memory if isinstance(node, tree.Call) else 0
