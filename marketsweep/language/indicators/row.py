"""The row of an indicator: what the language, the docs, the command line and the tests read of it.

Each family of indicators is a module of rows; `table` joins them. A row's kernel is the struct of
the same name in `kernels/`. The first valid bars equal TA-Lib's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

MAX_PERIOD: Final = 100_000
"""The longest period that TA-Lib accepts."""

FORGOTTEN: Final = 1e-12
"""Weight below which the first bars of a recursion are not read; 1% of the promised accuracy."""

SETTLED: Final = 1e-4
"""Weight of the first bars below which a recursion has settled: shown values do not change."""


Unit = Literal["", "percent", "ratio", "count"]

Units = Mapping[Unit, str]
"""Names of rows, separated by spaces, by their unit."""


class Parameter(NamedTuple):
    """A number that an indicator takes; it is whole if `minimum` is an int."""

    name: str
    default: float
    minimum: float = 1
    maximum: float = MAX_PERIOD

    @property
    def whole(self) -> bool:
        """Whether it is a whole number, of bars."""
        return isinstance(self.minimum, int)

    def allows(self, value: float) -> bool:
        """Return whether it may have a value."""
        is_within = self.minimum <= value <= self.maximum
        return is_within and (not self.whole or value == int(value))

    @property
    def shown(self) -> str:
        """Its default, as shown in a call."""
        return f"{self.default:g}"


class Recursion(NamedTuple):
    """How fast an indicator forgets its first bars: `seed` bars, then each new bar weighs `alpha`.

    `stages` is the number of recursions in a row, each fed by the one before. After n bars, one
    stage keeps (1 - alpha) ** n of its start; a second stage keeps n * alpha times as much.
    """

    seed: int
    alpha: float
    stages: int = 1

    def bars(self, weight: float) -> int:
        """Return after how many bars the start weighs less than `weight`."""
        if self.alpha >= 1:
            return self.seed + self.stages
        per_bar = -math.log1p(-self.alpha)
        bars = -math.log(weight) / per_bar
        for _ in range(self.stages - 1):
            bars += math.log(max(bars * self.alpha, 1.0)) / per_bar
        return self.seed + math.ceil(bars)


Formula = str | Callable[..., str]
"""An expression of the language, or a function of the parameters that returns one."""

_NO_FORMULAS: Final[Mapping[str, Formula]] = MappingProxyType({})


class Indicator(NamedTuple):
    """A row of the table.

    `inputs` are the fields that it reads. A call may put any expression in place of the first
    `series` of them. An output is computed by the kernel of the row's name, or it is a formula: an
    expression of the language (`formulas`). `lookback` returns, for parameters, the number of bars
    before the first valid one; None if it follows from the formula. `recursion` returns how the
    kernel forgets its start; it is None if the kernel reads nothing older than its lookback.
    """

    name: str
    doc: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    lookback: Callable[..., int] | None = None
    outputs: tuple[str, ...] = ()
    series: int = 0
    recursion: Callable[..., Recursion] | None = None
    problem: Callable[..., str | None] | None = None
    """Returns what is wrong with parameters that are each within their limits."""
    scale: Literal["same", "difference", "own"] = "own"
    """Range of its values: "same" as its inputs, as of an average; "difference": around zero in the
    unit of its inputs, as of a difference of averages; "own": a scale of its own, such as 0 to
    100."""
    formulas: Mapping[str, Formula] = _NO_FORMULAS
    """The formula of each output that is not the kernel's; "" is the name of a single output.

    In a formula, the parameters have their names, and `x` and `y` are the series."""
    measures: tuple[str, ...] = ()
    """Outputs of a scale of their own, such as a width in percent: charts draw the others."""
    is_pattern: bool = False
    """Whether it is 0 where nothing was found: as a condition, it is true elsewhere."""
    aliases: tuple[str, ...] = ()
    """Other names of the indicator."""
    output_aliases: Mapping[str, str] = MappingProxyType({})
    """Other names of outputs, such as TA-Lib's."""
    unit: Unit = ""
    """Unit of all its outputs; "" if the unit follows from its inputs or its formula, or is none of
    these."""
    total: Literal["", "sum", "product"] = ""
    """Whether it is a running total, whose level depends on where the stored history begins:
    another start adds a constant to a "sum", and multiplies a "product" by one (`levels`)."""
    memory: int = 0
    """Bars after which the state of the kernel hardly ever depends on its start; 0 for others.

    The kernel has an output `settled(name)` for each of its outputs, which is unknown until the
    start no longer matters."""

    def typed(self, parameters: Sequence[float]) -> tuple[float, ...]:
        """Return parameters with whole numbers as int."""
        return tuple(
            int(value) if parameter.whole else value
            for parameter, value in zip(self.parameters, parameters, strict=True)
        )

    @property
    def signature(self) -> str:
        """The call with its defaults, as in the docs."""
        sources = list(self.inputs[: self.series])
        return f"{self.name}({', '.join(sources + [p.shown for p in self.parameters])})"

    def formula_texts(self) -> dict[str, str]:
        """Return the formula of each output, of the default parameters if it depends on them."""
        defaults = [parameter.default for parameter in self.parameters]
        return {
            output: text if isinstance(text, str) else text(*defaults)
            for output, text in self.formulas.items()
        }

    @property
    def kernel_outputs(self) -> tuple[str, ...]:
        """The outputs that the kernel computes, in its order."""
        outputs = tuple(output for output in self.outputs or ("",) if output not in self.formulas)
        return (*outputs, *map(settled, outputs)) if self.memory else outputs


def settled(output: str) -> str:
    """Return the name of the output of a kernel that is unknown until its start is forgotten."""
    return f"settled {output}"


HLC: Final = ("high", "low", "close")


def ema_weight(n: int) -> float:
    """Return the weight of a new bar in an exponential average of n bars."""
    return 2.0 / (n + 1.0)


def period(default: int, minimum: int = 2) -> tuple[Parameter, ...]:
    """Return the parameters of an indicator that takes a number of bars."""
    return (Parameter("n", default, minimum),)


def formula(
    name: str,
    doc: str,
    text: Formula,
    parameters: tuple[Parameter, ...] = (),
    *,
    inputs: tuple[str, ...] = ("close",),
    series: int = 0,
    lookback: Callable[..., int] | None = None,
    scale: Literal["same", "difference", "own"] = "own",
    aliases: tuple[str, ...] = (),
) -> Indicator:
    """Return the row of an indicator with a single output that is a formula of others."""
    return Indicator(
        name,
        doc,
        inputs,
        parameters,
        lookback=lookback,
        series=series,
        scale=scale,
        formulas={"": text},
        aliases=aliases,
    )


def of_series(
    name: str,
    doc: str,
    text: Formula,
    parameters: tuple[Parameter, ...] = (),
    *,
    scale: Literal["same", "difference", "own"] = "own",
    aliases: tuple[str, ...] = (),
) -> Indicator:
    """Return the row of a formula of any series, by default the close."""
    return formula(name, doc, text, parameters, series=1, scale=scale, aliases=aliases)


def outputs_of(
    name: str,
    doc: str,
    formulas: Mapping[str, Formula],
    parameters: tuple[Parameter, ...] = (),
    *,
    inputs: tuple[str, ...] = ("close",),
    series: int = 0,
    scale: Literal["same", "difference", "own"] = "own",
    aliases: tuple[str, ...] = (),
    other_names: Mapping[str, str] | None = None,
) -> Indicator:
    """Return the row of an indicator with several outputs that are formulas.

    `other_names` are further names of outputs, such as TA-Lib's.
    """
    return Indicator(
        name,
        doc,
        inputs,
        parameters,
        outputs=tuple(formulas),
        measures=tuple(output for output in formulas if output in ("width", "direction")),
        series=series,
        scale=scale,
        formulas=formulas,
        aliases=aliases,
        output_aliases=other_names or {},
    )


def with_units(rows: Sequence[Indicator], units: Units) -> tuple[Indicator, ...]:
    """Return the rows with their units. Raises ValueError for a name without a row."""
    unit_by_name = {name: unit for unit, names in units.items() for name in names.split()}
    if unknown := unit_by_name.keys() - {row.name for row in rows}:
        raise ValueError(f"no rows: {', '.join(sorted(unknown))}")
    return tuple(row._replace(unit=unit_by_name.get(row.name, "")) for row in rows)


def ratio(above: str, below: str, otherwise: str = "0") -> str:
    """Return the text of a quotient that has a value where the denominator is 0, as in TA-Lib."""
    return f"if({below} == 0, {otherwise}, ({above}) / ({below}))"


def window(name: str, doc: str, field: str) -> Indicator:
    """Return the row of an indicator whose values lie among the last n values of any series."""
    return Indicator(
        name,
        doc,
        (field,),
        period(20, 1),
        lookback=lambda n: n - 1,
        series=1,
        scale="same",
    )
