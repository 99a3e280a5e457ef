"""Find the unit of an expression: dollars, shares, percent, a ratio or a count; and its range.

A price is in dollars a share, a volume in shares, and their product in dollars. Arithmetic follows
these dimensions. A number as written has any unit, and some expressions have none that is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from marketsweep.core.fields import DERIVED, PRICES
from marketsweep.language import tree
from marketsweep.language.formulas import expand
from marketsweep.language.indicators.row import Indicator
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.calls import constant_value
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.tree import Node


class Unit(NamedTuple):
    """The powers of prices and of shares in a value; `scale` is of values without either."""

    price: int = 0
    shares: int = 0
    scale: str = ""

    def __str__(self) -> str:
        return _NAMES.get(self, "another unit")


PRICE: Final = Unit(price=1)
SHARES: Final = Unit(shares=1)
DOLLARS: Final = Unit(price=1, shares=1)
RATIO: Final = Unit()
PERCENT: Final = Unit(scale="percent")
COUNT: Final = Unit(scale="count")
ANY: Final = Unit(scale="any")
"""The unit of a number as written."""

_NAMES: Final = {
    PRICE: "dollars a share",
    SHARES: "shares",
    DOLLARS: "dollars",
    RATIO: "a ratio",
    PERCENT: "percent",
    COUNT: "a count",
    ANY: "a number",
}
_OF_INDICATORS: Final = {"percent": PERCENT, "ratio": RATIO, "count": COUNT}
_OF_FACTS: Final = {
    "market_cap": DOLLARS,
    "listing_age": COUNT,
    "shares_outstanding": SHARES,
    "dividend_yield": PERCENT,
}
_HUNDRED: Final = tree.Number(100.0)

Range = tuple[float, float]
"""The least and the largest value that is possible."""

_RANGES: Final[dict[Range, tuple[str, ...]]] = {
    (0.0, 100.0): (
        *("rsi", "mfi", "stoch", "stochf", "stochrsi", "adx", "dx", "adxr", "plus_di", "minus_di"),
        *("aroon", "ultosc", "imi", "connors_rsi", "percentrank", "rvi"),
    ),
    (-100.0, 100.0): ("cmo", "aroonosc"),
    (-100.0, 0.0): ("willr",),
    (-1.0, 1.0): ("cmf", "correl"),
    (0.0, 1.0): ("r2", "er"),
}
_RANGE_OF_ROW: Final = {name: ends for ends, names in _RANGES.items() for name in names}
_RANGE_OF_CALENDAR: Final = {
    "year": (1962.0, 9999.0),
    "quarter": (1.0, 4.0),
    "month": (1.0, 12.0),
    "week": (1.0, 53.0),
    "day_of_month": (1.0, 31.0),
    "day_of_week": (1.0, 5.0),
}
_COUNTING: Final = ("count", "bars_since", "streak")


def unit_of(node: Node) -> Unit | None:  # noqa: C901, PLR0911, PLR0912, a line for each kind of node
    """Return the unit of a number; None if it is not known."""
    if constant_value(node) is not None:
        return ANY
    match node:
        case tree.Field(name=name) if name in DERIVED:
            return unit_of(parse_expression(DERIVED[name]))
        case tree.Field(name=name):
            return PRICE if name in PRICES else SHARES
        case tree.Fact(name=name):
            return _OF_FACTS.get(name)
        case tree.Shift(of=of) | tree.Resampled(of=of) | tree.OtherSymbol(of=of):
            return unit_of(of)
        case tree.HeikinAshi(of=of):
            return unit_of(of)
        case tree.Negate(operand=operand):
            return unit_of(operand)
        case tree.Event(name=name) if name in _COUNTING:
            return COUNT
        case tree.Event(operands=(_, x)):
            return unit_of(x)
        case tree.Rank(function="rank"):
            return COUNT
        case tree.MarketAggregate(aggregate=("mean" | "median" | "sum"), of=of):
            return unit_of(of)
        case tree.Function(name=("min" | "max" | "abs"), arguments=arguments):
            return _unit_of_all(map(unit_of, arguments))
        case tree.Function(name="if", arguments=(_, *branches)):
            return _unit_of_all(map(unit_of, branches))
        case tree.Binary(operator=("+" | "-"), left=left, right=right):
            return _unit_of_all([unit_of(left), unit_of(right)])
        case tree.Binary(operator=("*" | "/") as operator, left=left, right=right):
            unit = _unit_of_product(unit_of(left), unit_of(right), operator)
            return PERCENT if unit == RATIO and _first_factor(node) == _HUNDRED else unit
        case tree.Call():
            return _unit_of_call(node)
    return None


def range_of(node: Node) -> Range | None:
    """Return the range of a number; None if it has no limits, or they are not known."""
    match node:
        case tree.Call(name=name):
            return _RANGE_OF_ROW.get(name)
        case tree.Shift(of=of) | tree.Resampled(of=of) | tree.HeikinAshi(of=of):
            return range_of(of)
        case tree.Rank(function="percentile") | tree.MarketAggregate(aggregate="pct"):
            return 0.0, 1.0
        case tree.Event(name="count", parameters=(bars,)):
            return 0.0, bars
        case tree.Calendar(name=name):
            return _RANGE_OF_CALENDAR.get(name)
    return None


def default_calls(row: Indicator) -> dict[str, Node]:
    """Return the call of each output of an indicator, with the default parameters."""
    series = ", ".join(row.inputs[: row.series])
    return {
        output: parse_expression(f"{row.name}({series}){f'.{output}' if output else ''}")
        for output in row.outputs or ("",)
    }


def units_text(row: Indicator) -> str:
    """Return the units of the outputs of an indicator; "" where none is known."""
    units = {output: unit_of(call) for output, call in default_calls(row).items()}
    distinct = set(units.values())
    if len(distinct) == 1:
        return str(*distinct) if None not in distinct else ""
    named = {output: str(unit) for output, unit in units.items() if unit is not None}
    return ", ".join(f".{output} in {unit}" for output, unit in named.items())


def _unit_of_call(call: tree.Call) -> Unit | None:
    row = INDICATORS[call.name]
    if row.unit:
        return _OF_INDICATORS[row.unit]
    if row.scale != "own" and call.output not in row.measures:
        source = call.sources[0] if call.sources else tree.Field(row.inputs[0])
        return unit_of(source)
    formula = expand(call)
    return None if formula is None else unit_of(formula)


def _first_factor(product: Node) -> Node:
    """Return the first number of a product or quotient, such as 100 * x / y."""
    while isinstance(product, tree.Binary) and product.operator in ("*", "/"):
        product = product.left
    return product


def _unit_of_all(units: Iterable[Unit | None]) -> Unit | None:
    """Return the unit that values share; numbers take the unit of the others."""
    distinct = {unit for unit in units if unit != ANY}
    return distinct.pop() if len(distinct) == 1 else None


def _unit_of_product(left: Unit | None, right: Unit | None, operator: str) -> Unit | None:
    if left is None or right is None:
        return None
    if right == ANY:
        return left
    if left == ANY:
        return right if operator == "*" else None
    if PERCENT in (left, right) or COUNT in (left, right):
        return None
    sign = 1 if operator == "*" else -1
    return Unit(left.price + sign * right.price, left.shares + sign * right.shares)
