"""Refuse values that depend on where the stored history begins.

A running total, such as on-balance volume, has no level of its own: over a longer history it is the
same series, moved by a constant. (A product, such as the negative volume index, is multiplied by a
constant.) A comparison of such a series with its own past or average has the same answer for any
start: `obv() > sma(obv(), 20)`. A comparison with a number has not: `obv() > 1M`.

A `Level` says how a value follows the constants of its totals. A result may follow none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Final, NamedTuple

from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.formulas import expand
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.tree import Node


class Level(NamedTuple):
    """How a value changes if its totals begin elsewhere.

    `moved` maps a total to the multiple of its constant that is added to the value, `scaled` maps a
    product to the power of its constant by which the value is multiplied.
    """

    moved: Mapping[str, float]
    scaled: Mapping[str, float]


FIXED: Final = Level({}, {})
"""The level of a value that depends on no start."""

KEPT, LOST = True, False

FOLLOWS: Final[Mapping[str, tuple[bool | None, bool | None]]] = {
    "rsi": (LOST, LOST),
    "roc": (None, LOST),
    "var": (LOST, None),
    "covar": (LOST, None),
    "correl": (LOST, LOST),
    "percentrank": (LOST, LOST),
    "bars_since_highest": (LOST, LOST),
    "bars_since_lowest": (LOST, LOST),
    "linreg.slope": (LOST, KEPT),
    "ht_trendline": (None, None),
    "mama.mama": (None, None),
    "mama.fama": (None, None),
}
"""Whether a kernel keeps or loses a constant that is added to its series, and one that its series
is multiplied by; None: its value changes in another way. Kernels with the scale "same" keep both,
those with the scale "difference" lose the first. The cycles and MAMA begin at 0."""


class _UnknownLevelError(Exception):
    """A value follows its totals in a way that is not described by a level."""


def require_level(node: Node) -> None:
    """Raise ConditionError if a value depends on where a running total begins."""
    if not has_own_level(node):
        total = _totals_in(node)[0]
        raise ConditionError(
            f"{total} is a running total, and its level depends on where the stored history "
            f"begins: compare it with its own past or average, as in {total} > sma({total}, 20), "
            "or let it begin at a date, as in cumulative(volume, 2016-01-04)"
        )


def has_own_level(node: Node) -> bool:
    """Return whether a value is the same wherever the running totals in it begin."""
    if not _totals_in(node):
        return True
    try:
        return _level(node, "") == FIXED
    except _UnknownLevelError:
        return False


def _totals_in(node: Node) -> list[Node]:
    return [
        part for part in node.walk() if isinstance(part, tree.Call) and INDICATORS[part.name].total
    ]


def _level(node: Node, bars: str) -> Level:  # noqa: PLR0911, a line for each kind of node
    """Return the level of a node; `bars` names the bars on which it is computed."""
    match node:
        case tree.Call():
            return _level_of_call(node, bars)
        case tree.HeikinAshi() if (formula := expand(node)) is not None:
            return _level(formula, bars)
        case tree.Shift(of=of):
            return _level(of, bars)
        case tree.Resampled(of=of) | tree.OtherSymbol(of=of):
            # Each is computed on its own, so that the totals in two of them begin elsewhere.
            return _level(of, f"{bars} {node}")
        case tree.Negate(operand=operand):
            return _times(_level(operand, bars), -1)
        case tree.Binary():
            return _level_of_arithmetic(node, bars)
        case tree.Compare() | tree.Cross():
            _equal(_level(side, bars) for side in node.children())
            return FIXED
        case tree.Function(name=("min" | "max"), arguments=arguments):
            return _equal(_level(argument, bars) for argument in arguments)
        case tree.Function(name="if", arguments=(condition, *branches)):
            _fixed(condition, bars)
            return _equal(_level(branch, bars) for branch in branches)
        case tree.Event(operands=(condition, x)) if node.name != "sum_since":
            _fixed(condition, bars)
            return _level(x, bars)
    for child in node.children():
        _fixed(child, bars)
    return FIXED


def _level_of_call(node: tree.Call, bars: str) -> Level:
    row = INDICATORS[node.name]
    if row.total:
        for source in node.sources:
            _fixed(source, bars)
        constant = {f"{node}{bars}": 1.0}
        return Level(constant, {}) if row.total == "sum" else Level({}, constant)
    levels = [_level(source, bars) for source in node.sources]
    if all(level == FIXED for level in levels):
        return FIXED
    if (formula := expand(node)) is not None:
        return _level(formula, bars)
    keeps_moves, keeps_scale = FOLLOWS.get(
        f"{node.name}.{node.output}" if node.output else node.name,
        {"same": (KEPT, KEPT), "difference": (LOST, KEPT), "own": (None, None)}[row.scale],
    )
    moved = _of_kernel(keeps_moves, [level.moved for level in levels])
    return Level(moved, _of_kernel(keeps_scale, [level.scaled for level in levels]))


def _of_kernel(keeps: bool | None, parts: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """Return what a kernel keeps of the constants of its series."""
    if keeps is LOST:
        return {}
    if any(part != parts[0] for part in parts) or (keeps is None and parts[0]):
        raise _UnknownLevelError
    return parts[0]


def _level_of_arithmetic(node: tree.Binary, bars: str) -> Level:
    left, right = _level(node.left, bars), _level(node.right, bars)
    match node.operator:
        case "+" | "-":
            scaled = _equal([Level({}, left.scaled), Level({}, right.scaled)]).scaled
            sign = 1 if node.operator == "+" else -1
            return Level(_sum(left.moved, _times(right, sign).moved), scaled)
        case "*" if (factor := constant_value(node.left)) is not None:
            return _times(right, factor)
        case "*" | "/" if factor := constant_value(node.right):
            return _times(left, factor if node.operator == "*" else 1 / factor)
        case "*" | "/" if not left.moved and not right.moved:
            sign = 1 if node.operator == "*" else -1
            powers = {total: sign * power for total, power in right.scaled.items()}
            return Level({}, _sum(left.scaled, powers))
    return _equal([left, right, FIXED])


def _fixed(node: Node, bars: str) -> None:
    _equal([_level(node, bars), FIXED])


def _equal(levels: Iterable[Level]) -> Level:
    """Return the level that all values have; raise _UnknownLevelError if they differ."""

    def same(level: Level, other: Level) -> Level:
        if level != other:
            raise _UnknownLevelError
        return level

    return reduce(same, levels)


def _times(level: Level, factor: float) -> Level:
    """Return the level of a multiple; a product keeps its scale."""
    moved = {total: factor * multiple for total, multiple in level.moved.items()}
    return Level(_sum(moved, {}), level.scaled)


def _sum(terms: Mapping[str, float], others: Mapping[str, float]) -> dict[str, float]:
    """Return the sums by key, without those that are 0."""
    total = {key: terms.get(key, 0.0) + others.get(key, 0.0) for key in (*terms, *others)}
    return {key: value for key, value in total.items() if abs(value) > 1e-12}
