"""Find parts of a condition that are valid and hardly mean what their author wants."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from marketsweep.core.fields import PRICES
from marketsweep.engine.units import ANY, PERCENT, PRICE, SHARES, range_of, unit_of
from marketsweep.language import tree
from marketsweep.language.formulas import expand
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
            *_own_extremes(node),
            *_beyond_ranges(node, source),
            *_parameters_of_other_tools(node),
            *_pattern_numbers(node),
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
            elif unit_of(value) == PRICE and _is_percentage(number, source):
                part = constant_value(number) or 0.0
                of_price = tree.Binary("/", value, tree.Field("close"))
                yield (
                    f"{value} is in dollars a share, and {part * 100:g}% is the number {part:g}: "
                    f"write {of_price} for the part of the price"
                )
        elif units[0] != units[1]:
            hint = _hint(node, left, right)
            yield f"{left} is in {units[0]}, and {right} is in {units[1]}: {hint}"


_SIDES: Final = {">": 1, ">=": 1, "above": 1, "<": -1, "<=": -1, "below": -1}
"""Which side of the right operand the left one must be on."""


def _compared(node: Node) -> Iterator[tuple[Node, str, Node]]:
    """Yield what a node compares, as a left side, an operator and a right side; both ways round."""
    if isinstance(node, tree.Compare):
        pairs = zip(pairwise(node.operands), node.operators, strict=True)
        for (left, right), operator in pairs:
            yield left, operator, right
            yield right, operator.translate(_TURNED), left
    elif isinstance(node, tree.Cross) and node.direction in _SIDES:
        yield node.left, node.direction, node.right


_TURNED: Final = str.maketrans("<>", "><")


def _own_extremes(node: Node) -> Iterator[str]:
    """Yield a price above the highest, or below the lowest, of bars that include its own."""
    for left, operator, right in _compared(node):
        side = _SIDES.get(operator, 0) if operator not in (">=", "<=") else 0
        if not side:
            continue
        name, field = ("highest", "high") if side == 1 else ("lowest", "low")
        is_price = isinstance(left, tree.Field) and left.name in PRICES
        match _kernel_call(right):
            case tree.Call(name=called, sources=(of,)) if called == name and (
                left == of or (is_price and of == tree.Field(field))
            ):
                yield (
                    f"{right} includes this bar, so that {left} is never beyond it: write "
                    f"{right}[1]"
                )
            case tree.Resampled(unit=unit, of=of, running=False) if (
                is_price and of == tree.Field(field) and not unit.isdigit()
            ):
                yield (
                    f"{right} is that of the last complete bar, to which this session may belong: "
                    f"write {unit}({field}[1], running) for the bar before"
                )


def _kernel_call(node: Node) -> Node:
    """Return the call that an indicator stands for, if its formula is one."""
    while isinstance(node, tree.Call) and (formula := expand(node)) is not None:
        node = formula
    return node


def _beyond_ranges(node: Node, source: str | None) -> Iterator[str]:
    """Yield comparisons with a number that a value hardly reaches, or never passes."""
    for value, operator, number in _compared(node):
        limits, limit = range_of(value), constant_value(number)
        if limits is None or limit is None or operator == "!=":
            continue
        low, high = limits
        text = f"{value} is from {low:g} to {high:g}"
        if (low, high) == (0.0, 100.0) and 0 < limit < 1:
            if not _is_percentage(number, source):
                yield f"{text}: write {limit * 100:g} instead of {limit:g}"
        elif not low <= limit <= high:
            hint = f": write {limit:g}%" if high == 1 and 1 < limit <= 100 else ""
            hint = f": write -{limit:g}" if high == 0 else hint
            yield f"{text}, and never reaches {limit:g}{hint}"
        elif (operator in (">", "above") and limit == high) or (
            operator in ("<", "below") and limit == low
        ):
            yield f"{text}, and is never beyond {limit:g}"


def _parameters_of_other_tools(node: Node) -> Iterator[str]:
    """Yield calls whose parameters are in the order of another tool."""
    if not isinstance(node, tree.Call):
        return
    match node.name, node.parameters:
        case ("ppo" | "apo" | "pvo") as name, (fast, slow, 9.0):
            line = tree.Call(name, node.sources, (fast, slow, 1.0))
            yield (
                f"the 9 of {node} is the kind of average, not a signal line: write ema({line}, 9) "
                "for the signal"
            )
        case "stochrsi", (n, k, smooth, 3.0):
            yield (
                f"the last parameter of {node} is the kind of average: .d of stochrsi({n:g}, "
                f"{k:g}, {smooth:g}) is the smoothed line"
            )
        case ("bbands" | "supertrend") as name, (bars, multiplier, *_) if bars < 6 <= multiplier:
            yield f"the number of bars comes first: write {name}({multiplier:g}, {bars:g})"
        case "keltner", (bars, multiplier, range_bars) if multiplier >= 6 > range_bars:
            yield (
                "the multiplier of keltner is its second parameter: write "
                f"keltner({bars:g}, {range_bars:g}, {multiplier:g})"
            )
        case "kc", (bars, range_bars, multiplier) if multiplier >= 6 > range_bars:
            yield (
                "the multiplier of kc is its last parameter: write "
                f"kc({bars:g}, {multiplier:g}, {range_bars:g})"
            )


def _pattern_numbers(node: Node) -> Iterator[str]:
    """Yield candlestick patterns that are compared with 1, as in libraries that count by 1."""
    for value, operator, number in _compared(node):
        limit = constant_value(number)
        is_equality = operator in ("==", "!=") and limit is not None and limit % 100 != 0
        if is_equality and isinstance(value, tree.Call) and value.name.startswith("cdl"):
            yield (
                f"{value} is -100, 0 or 100, and never {limit:g}: write {value} alone, or > 0 for "
                "a rise"
            )


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
