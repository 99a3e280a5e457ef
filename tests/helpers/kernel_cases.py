"""Every kernel with some parameters, and bars on which two builds of one could differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.language.indicators.events import EVENTS, EventFunction
from marketsweep.language.indicators.table import INDICATORS

Matrix = NDArray[np.float64]

INPUTS = {"negate": 1, "abs": 1, "not": 1, "if": 3, "quotient": 3}
"""Number of inputs of kernels that are not rows of a table; the others have two."""

# Beside those of each row: short and long windows, and what makes a window of one bar.
PERIODS: dict[str, list[tuple[float, ...]]] = {
    "macd": [(3, 10, 16), (5, 5, 2)],
    "stoch": [(5, 1, 1), (1, 2, 3), (9, 3, 1)],
    "bbands": [(5, 0.5), (2, 3.0)],
    "bars_since": [(1, 0), (9, 0), (63, 0)],
    "bars_since_earlier": [(252, 1), (30, 7)],
    "value_when": [(0, 40), (0, 1)],
    "value_when_earlier": [(1, 252), (7, 30)],
    "rsi": [(2,), (30,)],
    "dx": [(2,), (30,)],
    "var": [(1, 1.0), (9, 1.0), (63, 2.0)],
    "linreg": [(2,), (9,), (63,)],
    "avgdev": [(2,), (9,), (63,)],
    "smooth": [(1, 0.5), (9, 1.0), (63, 1e-5)],
    "sum_oscillator": [(2, 30), (10, 3)],
    "sar": [(0.0, 0.0), (0.5, 0.3)],
    "sarext": [
        (40.0, 0.1, 0.02, 0.02, 0.2, 0.03, 0.03, 0.3),
        (-60.0, 0.0, 0.3, 0.1, 0.2, 0.02, 0.02, 0.2),
    ],
    "adx": [(2,), (30,)],
    "sma_of_bars": [(1, 1), (2, 9), (5, 63)],
    "alma": [(1, 0.5, 6.0), (9, 0.0, 2.0), (63, 1.0, 6.0)],
    "quantile": [(1, 0.5), (9, 0.1), (63, 0.9), (2, 1.0)],
    "mama": [(0.9, 0.01)],
}
EVENT_OF = {"bars_since_earlier": "bars_since", "value_when_earlier": "value_when"}
"""The event function of a kernel, if that has another name."""
COMMON: list[tuple[float, ...]] = [(1,), (2,), (9,), (63,)]


@dataclass(frozen=True, slots=True)
class Case:
    """A call of a kernel; `inputs` and `outputs` are how many."""

    kernel: str
    parameters: tuple[float, ...]
    inputs: int
    outputs: int
    lookback: int

    def __str__(self) -> str:
        return f"{self.kernel}({', '.join(f'{value:g}' for value in self.parameters)})"


def cases() -> list[Case]:
    """All of `cpu.KERNELS`, each with some parameters."""
    found = []
    for name in cpu.KERNELS:
        indicator = INDICATORS.get(name)
        event = EVENTS.get(EVENT_OF.get(name, name))
        row = indicator if indicator and indicator.kernel_outputs else event
        if row is None:
            found.append(Case(name, (), INPUTS.get(name, 2), 1, 0))
            continue
        inputs = len(row.operands if isinstance(row, EventFunction) else row.inputs)
        usual = tuple(parameter.default for parameter in row.parameters)
        common = COMMON if len(row.parameters) == 1 else []
        for periods in [usual, *PERIODS.get(name, common)]:
            whole = [int(v) if p.whole else v for p, v in zip(row.parameters, periods, strict=True)]
            lookback, outputs = 0, 1
            if indicator:
                lookback = indicator.lookback(*whole) if indicator.lookback else 0
                outputs = len(indicator.kernel_outputs)
            found.append(Case(name, periods, inputs, outputs, lookback))
    return found


CASES = cases()


def awkward(rows: int, tiles: int, seed: int) -> tuple[list[Matrix], NDArray[np.int64]]:
    """Three fields [tiles, rows, TILE] and each tile's first row of a bar.

    Short and empty histories, holes, frozen quotes, zeros of both signs, truths, an infinity.
    """
    r = np.random.default_rng(seed)
    symbols = tiles * TILE
    fields = []
    late = np.where(r.random(symbols) < 0.3, r.integers(0, rows + 1, symbols), 0)
    for _ in range(3):
        x = 50 * np.exp(np.cumsum(r.normal(0, 0.02, (rows, symbols)), axis=0))
        for symbol in range(symbols):
            flat = sorted(r.integers(0, rows + 1, 2))
            match symbol % 8:
                case 1:
                    x[flat[0] : flat[1], symbol] = x[flat[0] - 1, symbol]
                case 2:
                    x[:, symbol] = r.integers(0, 2, rows)
                case 3:
                    x[r.random(rows) < 0.2, symbol] = np.nan
                case 4:
                    x[:, symbol] = r.choice([0.0, -0.0, 1.0, np.nan], rows)
                case 5:
                    x[int(r.integers(0, rows)), symbol] = np.inf
                case 6:
                    x[:, symbol] = 33.33
            x[: late[symbol], symbol] = np.nan
        fields.append(np.ascontiguousarray(x.reshape(rows, tiles, TILE).transpose(1, 0, 2)))
    tops = np.minimum(late.reshape(tiles, TILE).min(axis=1), rows - 1).astype(np.int64)
    return fields, tops


def computed(
    case: Case, fields: list[Matrix], tops: NDArray[np.int64], rows: int, isa: str
) -> list[Matrix]:
    """The newest rows of each output, by one instruction set."""
    total, symbols = fields[0].shape[1], len(tops) * TILE
    operands = [(1, i, 0, 0) for i in range(case.inputs)]
    outs = [rows * i for i in range(case.outputs)]
    step = (case.kernel, False, rows, case.lookback, operands, outs, case.parameters, 1, -1)
    results = [(0, out, 0, rows) for out in outs]
    program = cpu.Program([step], results, [], rows * case.outputs, 0, rows, [])
    got = [np.full((rows, symbols), -7e300) for _ in outs]
    sweep = cpu.Sweep(program, fields, total - tops, np.empty((0, symbols)), got, isa)
    sweep.work()
    return got


def bits(matrix: Matrix) -> NDArray[np.int64]:
    """What must be equal: every bit of a number, and where there is none."""
    numbers = np.ascontiguousarray(matrix).view(np.int64).copy()
    numbers[np.isnan(matrix)] = np.iinfo(np.int64).max  # a NaN's sign and payload mean nothing
    return numbers
