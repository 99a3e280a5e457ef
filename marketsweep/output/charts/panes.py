"""Decide where each line is drawn: on the candles, on the volume, or in a pane below.

An expression is drawn on the candles if it scales with price and is near it. Its tree decides: an
average of the close has the weight 1 of a price, `close - sma(50)` has 0, `highest(high, 20) - 3 *
atr(22)` has 1 again, and `close / sma(50)` is not a price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from marketsweep.core.fields import DERIVED, FIELDS, PRICES
from marketsweep.language import tree
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.tree import Kind, Node

PRICE, VOLUME = 0, 1
"""Indices of the two panes that every chart has."""

_BARS: Final = frozenset(map(tree.Field, FIELDS))
"""The fields that the candles and the volume show already."""

_NEAR: Final = (0.5, 2.0)
"""Weights that keep the candles readable: `0.95 * highest(high, 252)`, `2 * sma(volume, 20)`."""


Shape = Literal["line", "bars"]

_GUIDES: Final = {
    "rsi": (30.0, 50.0, 70.0),
    "stoch": (20.0, 80.0),
    "adx": (25.0,),
}
"""Levels at which traders usually read an indicator."""


@dataclass(slots=True)
class Pane:
    """The content of one pane: lines, and constants that lines are compared with."""

    lines: list[Node] = field(default_factory=list)
    levels: list[Node] = field(default_factory=list)

    def add(self, lines: Sequence[Node], levels: Sequence[Node] = ()) -> None:
        """Add lines and levels that the pane does not have yet."""
        self.lines += [node for node in dict.fromkeys(lines) if node not in self.lines]
        self.levels += [node for node in dict.fromkeys(levels) if node not in self.levels]


def panes_of(condition: Node | None, indicators: Sequence[Node]) -> list[Pane]:
    """Return the panes of a chart, that of the candles first and that of the volume second.

    The sides of one comparison share a pane, and so do the outputs of one indicator.
    """
    panes = [Pane(), Pane()]
    for sides in _compared_sides(condition) if condition else ():
        lines = [_strip_shift(side) for side in sides if _is_series(side) and has_past_values(side)]
        _add_to_pane(panes, lines, _constants(sides))
    for node in indicators:
        _add_to_pane(
            panes, [_strip_shift(node)] if _is_series(node) and has_past_values(node) else [], []
        )
    return panes


def shapes_of(lines: Sequence[Node]) -> list[Shape]:
    """Return the shape of each line: bars for a histogram."""
    return [
        "bars" if isinstance(node, tree.Call) and node.output == "hist" else "line"
        for node in lines
    ]


def bands_of(lines: Sequence[Node]) -> list[int | None]:
    """Return the number of the band that each line is an edge of; None for none."""
    edges: dict[object, list[int]] = {}
    for index, node in enumerate(lines):
        if isinstance(node, tree.Call) and node.output in ("upper", "lower"):
            edges.setdefault(_family(node), []).append(index)
    bands: list[int | None] = [None] * len(lines)
    for number, indices in enumerate(pair for pair in edges.values() if len(pair) > 1):
        for index in indices:
            bands[index] = number
    return bands


def guides_of(lines: Sequence[Node]) -> list[float]:
    """Return the usual levels of a pane's indicators, ascending."""
    calls = (node.name for node in lines if isinstance(node, tree.Call))
    return sorted({level for name in calls for level in _GUIDES.get(name, ())})


def has_past_values(node: Node) -> bool:
    """Return whether the past values depend on the bars of the symbol and of one other alone."""
    return not any(
        isinstance(part, tree.Rank | tree.MarketAggregate)
        or (isinstance(part, tree.Resampled) and part.running)
        for part in node.walk()
    )


def _add_to_pane(panes: list[Pane], sides: Sequence[Node], levels: Sequence[Node]) -> None:
    # The panes of the candles and of the volume always exist.
    for pane_index in (PRICE, VOLUME):
        own_sides = [side for side in sides if home(side) == pane_index]
        if own_sides:
            panes[pane_index].add([side for side in own_sides if side not in _BARS], levels)
    below = [side for side in sides if home(side) is None]
    if below:
        families = {_family(side) for side in below}
        shared = (
            pane
            for pane in panes[VOLUME + 1 :]
            if not families.isdisjoint(map(_family, pane.lines))
        )
        pane = next(shared, None)
        if pane is None:
            panes.append(pane := Pane())
        pane.add(below, levels)
    for side in below:
        panes[PRICE].add([part for part in _inner_calls(side) if home(part) == PRICE])


def home(node: Node) -> int | None:
    """Return PRICE or VOLUME if an expression is drawn in that pane; None for a pane below."""
    unit, weight = _level(node)
    if unit in _HOMES and _NEAR[0] <= weight <= _NEAR[1]:
        return _HOMES[unit]
    return None


def _compared_sides(condition: Node) -> Iterator[list[Node]]:
    """Yield the sides of each comparison of numbers."""
    for node in condition.walk():
        if isinstance(node, tree.Compare | tree.Cross):
            sides = [side for side in node.children() if side.kind is Kind.NUMBER]
            if sides:
                yield sides


def _is_series(node: Node) -> bool:
    """Return whether a number changes from bar to bar."""
    return any(isinstance(part, tree.Field | tree.Call) for part in node.walk())


def _constants(sides: Sequence[Node]) -> list[Node]:
    changing = (tree.Field, tree.Call, tree.Fact)
    return [side for side in sides if not any(isinstance(part, changing) for part in side.walk())]


def _strip_shift(node: Node) -> Node:
    """Return a node without shifts: `sma(50)[5]` is a part of the line `sma(50)`."""
    while isinstance(node, tree.Shift):
        node = node.of
    return node


def _family(node: Node) -> Node | tuple[object, ...]:
    """Return a key that the outputs of one indicator share."""
    return (node.name, node.sources, node.parameters) if isinstance(node, tree.Call) else node


def _inner_calls(node: Node) -> Iterator[Node]:
    """Yield the outermost indicators below a node, and the indicators that they read."""
    for child in node.children():
        if isinstance(child, tree.Call):
            yield child
        if home(child) is None:
            yield from _inner_calls(child)


class _Level(NamedTuple):
    """The unit of an expression's values, and how many times a price (or volume) they are.

    For a number, the weight is the number itself.
    """

    unit: str
    weight: float


_HOMES: Final = {"price": PRICE, "volume": VOLUME}
_NO_UNIT: Final = _Level("other", 0.0)


def _level(node: Node) -> _Level:  # noqa: PLR0911, a line for each kind of node
    match node:
        case tree.Number(value=value):
            return _Level("number", value)
        case tree.Field(name=name) if name in DERIVED:
            return _level(parse_expression(DERIVED[name]))
        case tree.Field(name=name):
            return _Level("price" if name in PRICES else "volume", 1.0)
        case tree.Shift(of=of) | tree.Resampled(of=of) | tree.HeikinAshi(of=of):
            return _level(of)
        case tree.Event(operands=(_, x)):
            return _level(x)
        case tree.Negate(operand=operand):
            unit, weight = _level(operand)
            return _Level(unit, -weight)
        case tree.Function(arguments=arguments):
            return _level_of_all([_level(argument) for argument in arguments])
        case tree.Binary(operator=operator, left=left, right=right):
            return _combine_levels(operator, _level(left), _level(right))
        case tree.Call():
            return _indicator_level(node)
    return _NO_UNIT


def _level_of_all(levels: Sequence[_Level]) -> _Level:
    measured = [level for level in levels if level.unit != "number"]
    if not measured or len({level.unit for level in measured}) > 1:
        return _NO_UNIT
    return _Level(measured[0].unit, max(level.weight for level in measured))


def _combine_levels(operator: str, left: _Level, right: _Level) -> _Level:
    if operator in ("+", "-"):
        if "number" in (left.unit, right.unit) and left.unit != right.unit:
            # A price plus a number of dollars is still a price.
            left, right = (
                level if level.unit != "number" else _Level("", 0.0) for level in (left, right)
            )
        elif left.unit != right.unit:
            return _NO_UNIT
        weight = left.weight + right.weight if operator == "+" else left.weight - right.weight
        return _Level(left.unit or right.unit, weight)
    if operator == "/":
        if right.unit != "number" or right.weight == 0:
            return _NO_UNIT
        return _Level(left.unit, left.weight / right.weight)
    if "number" not in (left.unit, right.unit):
        return _NO_UNIT
    unit = right.unit if left.unit == "number" else left.unit
    return _Level(unit, left.weight * right.weight)


def _indicator_level(call: tree.Call) -> _Level:
    row = INDICATORS[call.name]
    if row.scale == "own" or call.output in row.measures:
        return _NO_UNIT
    unit, weight = _level(call.sources[0] if call.sources else tree.Field(row.inputs[0]))
    return _Level(unit, weight if row.scale == "same" else 0.0)
