"""Expand an indicator that is a formula of others, or reads other bars, into a tree of others."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from marketsweep.core.fields import DERIVED
from marketsweep.language import tree
from marketsweep.language.heikin_ashi import on_heikin_ashi, with_bars_as_series
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import MAX_PARTS, parse_expression, parse_with
from marketsweep.language.tree import Node

_SERIES: Final = ("x", "y")
"""The names of the series of an indicator in its formulas."""


@lru_cache(maxsize=4096)
def expand(node: tree.Call | tree.HeikinAshi) -> Node | None:
    """Return the tree of an indicator's formula; None if a kernel computes it."""
    return _on_other_bars(node.of) if isinstance(node, tree.HeikinAshi) else _formula_of(node)


def _on_other_bars(node: Node) -> Node:
    """Return an indicator or a derived field of Heikin-Ashi bars."""
    match node:
        case tree.Field(name=name):
            return on_heikin_ashi(parse_expression(DERIVED[name]))
        case tree.Call():
            formula = _formula_of(node)
            return with_bars_as_series(node) if formula is None else on_heikin_ashi(formula)
        case tree.HeikinAshi(of=of):
            return on_heikin_ashi(_on_other_bars(of))
    raise AssertionError(f"{node} is not an indicator or a field")


def _formula_of(call: tree.Call) -> Node | None:
    row = INDICATORS[call.name]
    formula = row.formulas.get(call.output)
    if formula is None:
        return None
    text = formula if isinstance(formula, str) else formula(*call.parameters)
    names: dict[str, Node] = dict(zip(_SERIES, call.sources, strict=False))
    for parameter, value in zip(row.parameters, call.parameters, strict=True):
        number = tree.Number(abs(value))
        names[parameter.name] = number if value >= 0 else tree.Negate(number)
    # A formula of the table may be longer than a condition.
    node = parse_with(text, names, MAX_PARTS)
    if row.lookback is None or row.kernel_outputs:
        return node  # a lookback beside a kernel is that of the kernel
    # The formula may be known earlier than TA-Lib's first value.
    first = call.sources[0] if call.sources else tree.Field(row.inputs[0])
    bars = row.lookback(*call.parameters)
    return tree.Binary("+", node, tree.Binary("*", tree.Number(0.0), tree.Shift(first, int(bars))))
