"""A window has the same bits however many rows are computed, and is right to the last digits."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.language.indicators.table import INDICATORS
from tests.helpers.kernel_cases import CASES, Case, awkward, bits, computed

WINDOWS = [
    case
    for case in CASES
    if case.lookback and not (INDICATORS[case.kernel].recursion or INDICATORS[case.kernel].memory)
]
LARGE = ("ema", "sma", "correl", "stoch")
CACHED = 4 << 20
"""Bytes of results from which on they are written past the caches."""
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 64, 100, 200)


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_the_number_of_rows_changes_no_bit(case: Case) -> None:
    fields, tops = awkward(300, 2, 11)
    everything = computed(case, fields, tops, 300, cpu.ISAS[-1])
    for rows in (1, 2, 7, 8, 9, 11, 64, 150):
        for whole, part in zip(
            everything, computed(case, fields, tops, rows, cpu.ISAS[-1]), strict=True
        ):
            np.testing.assert_array_equal(bits(part), bits(whole[-rows:]), err_msg=f"{rows} rows")


@pytest.mark.parametrize("case", WINDOWS, ids=str)
def test_older_bars_change_no_bit(case: Case) -> None:
    fields, tops = awkward(300, 2, 12)
    everything = computed(case, fields, tops, 40, cpu.ISAS[-1])
    kept = 40 + case.lookback
    younger = [np.ascontiguousarray(field[:, -kept:]) for field in fields]
    tops_then = np.maximum(tops - (300 - kept), 0)
    for whole, part in zip(
        everything, computed(case, younger, tops_then, 40, cpu.ISAS[-1]), strict=True
    ):
        np.testing.assert_array_equal(bits(part), bits(whole))


@pytest.mark.parametrize("case", [case for case in CASES if case.kernel in LARGE], ids=str)
def test_results_larger_than_the_caches_have_the_same_bits(case: Case) -> None:
    fields, tops = awkward(300, 64, 13)
    everything = computed(case, fields, tops, 300, cpu.ISAS[-1])
    assert everything[0].nbytes > CACHED
    for first in range(0, 64, 8):
        tiles = slice(first, first + 8)
        few = [np.ascontiguousarray(field[tiles]) for field in fields]
        parts = computed(case, few, tops[tiles], 300, cpu.ISAS[-1])
        assert sum(part.nbytes for part in parts) < CACHED
        for whole, part in zip(everything, parts, strict=True):
            columns = whole[:, first * TILE : (first + 8) * TILE]
            np.testing.assert_array_equal(bits(part), bits(columns))


def exact_mean(x: NDArray[np.float64]) -> float:
    return math.fsum(x) / len(x)


def exact_var(x: NDArray[np.float64]) -> float:
    mean = math.fsum(x) / len(x)
    return math.fsum((value - mean) ** 2 for value in x) / len(x)


def exact_wma(x: NDArray[np.float64]) -> float:
    n = len(x)
    return math.fsum((k + 1) * value for k, value in enumerate(x)) / (n * (n + 1) / 2)


def exact_slope(x: NDArray[np.float64]) -> float:
    n = len(x)
    if n == 1:
        return 0.0
    moment = math.fsum((k - (n - 1) / 2) * value for k, value in enumerate(x))
    return moment / (n * (n * n - 1) / 12)


def bars_since_top(x: NDArray[np.float64]) -> float:
    return float(np.argmax(x[::-1]))


LEVEL, SPREAD = 1e6, 12.0
EPSILON = 2.0**-52

EXACT: dict[str, tuple[int, float, Callable[[NDArray[np.float64]], float]]] = {
    "sma": (0, LEVEL, exact_mean),
    "bbands": (1, LEVEL, exact_mean),
    "wma": (0, LEVEL, exact_wma),
    "linreg": (1, LEVEL, exact_slope),
    "var": (0, LEVEL * SPREAD, exact_var),
    "sum": (0, LEVEL * max(LENGTHS), math.fsum),
    "bars_since_highest": (0, 0, bars_since_top),
}
"""By kernel: the output, the size of what is rounded on the way, and the value for a window."""


@pytest.mark.parametrize("kernel", EXACT)
@pytest.mark.parametrize("n", LENGTHS)
def test_windows_of_any_length_equal_exact_sums(kernel: str, n: int) -> None:
    output, size, exact = EXACT[kernel]
    r = np.random.default_rng(n)
    x = LEVEL + np.round(r.uniform(-SPREAD, SPREAD, (230, TILE)), 2)
    row = INDICATORS[kernel]
    parameters = (float(n), *(p.default for p in row.parameters[1:]))
    case = Case(kernel, parameters, 1, len(row.kernel_outputs), n - 1)
    fields = [np.ascontiguousarray(x[None])]
    got = computed(case, fields, np.zeros(1, np.int64), 230, cpu.ISAS[-1])[output]
    assert np.isnan(got[: n - 1]).all()
    expected = [[exact(x[t - n + 1 : t + 1, s]) for s in range(TILE)] for t in range(n - 1, 230)]
    np.testing.assert_allclose(got[n - 1 :], expected, rtol=0, atol=4 * EPSILON * size)


@pytest.mark.parametrize("kernel", ["sma", "wma", "bbands", "linreg"])
@pytest.mark.parametrize("n", LENGTHS)
def test_a_frozen_quote_has_exactly_its_own_average(kernel: str, n: int) -> None:
    row = INDICATORS[kernel]
    parameters = (float(n), *(p.default for p in row.parameters[1:]))
    case = Case(kernel, parameters, 1, len(row.kernel_outputs), n - 1)
    field = np.tile(np.linspace(0.01, 33.33, TILE) / 3, (250, 1))[None]
    for rows in (1, 250):
        outputs = computed(case, [field], np.zeros(1, np.int64), rows, cpu.ISAS[-1])
        for name, output in zip(row.kernel_outputs, outputs, strict=False):
            expected = np.zeros(TILE) if name == "slope" else field[0, 0]
            np.testing.assert_array_equal(output[-1], expected, err_msg=f"{name}, {rows} rows")
