"""Move an expression from the stored bars to their Heikin-Ashi bars."""

from __future__ import annotations

from typing import Final

from marketsweep.core.fields import DERIVED
from marketsweep.language import tree
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.tree import Node

_BARS: Final = ("open", "high", "low", "close")


def on_heikin_ashi(node: Node) -> Node:
    """Return an expression with Heikin-Ashi bars in place of the bars; the volume stays.

    An indicator that reads bars by itself becomes a node `HeikinAshi`.
    """
    match node:
        case tree.Field(name=name) if name in _BARS:
            return tree.Call("ha", (), (), name, span=node.span)
        case tree.Field(name=name) if name in DERIVED:
            return tree.HeikinAshi(node, span=node.span)
        case tree.Call(name=name, sources=sources) if sources or INDICATORS[name].formulas:
            row = INDICATORS[name]
            if row.formulas or len(row.inputs) > len(sources):
                return tree.HeikinAshi(node, span=node.span)
        case tree.Call() | tree.HeikinAshi():
            return tree.HeikinAshi(node, span=node.span)
    return tree.map_children(node, on_heikin_ashi)


def with_bars_as_series(call: tree.Call) -> Node:
    """Return the call of a kernel with the Heikin-Ashi bars as its series."""
    row = INDICATORS[call.name]
    fields = [tree.Field(name) for name in row.inputs[len(call.sources) :]]
    return tree.Call(
        call.name,
        tuple(map(on_heikin_ashi, (*call.sources, *fields))),
        call.parameters,
        call.output,
    )
