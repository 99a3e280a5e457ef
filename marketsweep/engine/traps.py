"""Find parts of a condition that are valid and hardly mean what their author wants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from marketsweep.engine.units import ANY, PERCENT, PRICE, SHARES, unit_of
from marketsweep.language import tree
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.tree import Kind, Node

_LEAST_PERIOD: Final = 10
"""A whole number from here on, beside a price or a volume in `max`, looks like a period."""

_WINDOWS: Final = {"max": "highest", "min": "lowest"}


def find_traps(condition: Node, source: str | None) -> list[str]:
    """Return a sentence for each part of a condition that looks like a mistake.

    `source` is the text of the condition, None for one that was built in Python.
    """
    sentences = [
        sentence
        for node in condition.walk()
        for sentence in (
            *_unlike_units(node, source),
            *_periods_as_numbers(node),
            *_facts_at_earlier_bars(node),
        )
    ]
    return list(dict.fromkeys(sentences))


def _unlike_units(node: Node, source: str | None) -> Iterator[str]:
    """Yield comparisons of percent with a percentage, and of units that differ."""
    if not isinstance(node, tree.Compare | tree.Cross):
        return
    sides = [side for side in node.children() if side.kind is Kind.NUMBER]
    for left, right in pairwise(sides):
        units = unit_of(left), unit_of(right)
        if None in units:
            continue
        if ANY in units:
            value, number = (left, right) if units[1] == ANY else (right, left)
            if unit_of(value) == PERCENT and _is_percentage(number, source):
                share = constant_value(number) or 0.0
                yield (
                    f"{value} is in percent, and {share * 100:g}% is the number {share:g}: write "
                    f"{share * 100:g} instead of {share * 100:g}%"
                )
        elif units[0] != units[1]:
            hint = _hint(node, left, right)
            yield f"{left} is in {units[0]}, and {right} is in {units[1]}: {hint}"


def _facts_at_earlier_bars(node: Node) -> Iterator[str]:
    """Yield offsets and crosses of facts that are the same at every bar."""
    match node:
        case tree.Shift(of=of, bars=bars) if bars and (name := _undated_fact(of)):
            yield f"{name} has one value for all bars: it was the same {_bars(bars)} earlier"
        case tree.Cross(left=left, right=right):
            names = [_undated_fact(side) for side in (left, right)]
            if any(names) and all(
                name or constant_value(side) is not None
                for name, side in zip(names, (left, right), strict=True)
            ):
                name = next(filter(None, names))
                yield f"{name} has one value for all bars, so that it never crosses anything"


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count:,} bars"


def _undated_fact(node: Node) -> str:
    """Return the first fact in an expression of facts and numbers alone; "" for others."""
    leaves = [part for part in node.walk() if not any(part.children())]
    facts = [leaf for leaf in leaves if isinstance(leaf, tree.Fact)]
    if not facts or any(fact.dated for fact in facts):
        return ""
    others = [leaf for leaf in leaves if not isinstance(leaf, tree.Fact | tree.Number | tree.Day)]
    return "" if others else facts[0].name


def _hint(node: Node, left: Node, right: Node) -> str:
    """Return what may be meant by a comparison of two units."""
    for side, other in ((left, right), (right, left)):
        is_average = isinstance(side, tree.Call) and side.sources == (tree.Field("close"),)
        if is_average and unit_of(other) == SHARES and unit_of(side) == PRICE:
            assert isinstance(side, tree.Call)
            meant = tree.Call(side.name, (other,), side.parameters, side.output)
            return f"write {meant} for that of the volume"
    return f"{node} compares unlike values"


def _is_percentage(number: Node, source: str | None) -> bool:
    """Return whether a number is written with a percent sign."""
    column, width = number.span
    return bool(source and width and source[column : column + width].rstrip().endswith("%"))


def _periods_as_numbers(node: Node) -> Iterator[str]:
    """Yield the larger, or smaller, of a series and a number that looks like a period."""
    match node:
        case tree.Function(name=("max" | "min") as name, arguments=(x, number)):
            value = constant_value(number)
            if value is None or value != int(value) or value < _LEAST_PERIOD:
                return
            if constant_value(x) is None and unit_of(x) in (PRICE, SHARES):
                noun = "larger" if name == "max" else "smaller"
                yield (
                    f"{node} is the {noun} of two numbers: write {_WINDOWS[name]}({x}, {value:g}) "
                    f"for the {_WINDOWS[name]} of {value:g} bars"
                )
