"""Every event function against its slow twin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.engine.lowering import begin
from marketsweep.engine.plan import make_plan
from marketsweep.errors import ConditionError
from marketsweep.kernels import cpu
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.markets import Bars, example_bars, panel_of, random_bars
from tests.helpers.reference import sma

Series = NDArray[np.float64]


def count(truth: Series, n: int) -> list[float]:
    return [
        np.nan if np.isnan(truth[i]) else float(np.sum(truth[max(0, i - n + 1) : i + 1] == 1))
        for i in range(len(truth))
    ]


def hit_bars(truth: Series, i: int, most: int) -> list[int]:
    """Return the bars on which the condition was true, newest first, among the last `most`."""
    return [j for j in range(i, max(-1, i - most), -1) if truth[j] == 1]


def bars_since(truth: Series, most: int, k: int = 0) -> list[float]:
    hits = [hit_bars(truth, i, most) for i in range(len(truth))]
    return [float(i - bars[k]) if len(bars) > k else np.nan for i, bars in enumerate(hits)]


def streak(truth: Series, most: int) -> list[float]:
    streaks = []
    for i in range(len(truth)):
        run = 0
        while run < min(most, i + 1) and truth[i - run] == 1:
            run += 1
        streaks.append(float(run))
    return streaks


def value_when(truth: Series, x: Series, k: int, most: int) -> list[float]:
    hits = [hit_bars(truth, i, most) for i in range(len(truth))]
    return [float(x[bars[k]]) if len(bars) > k else np.nan for bars in hits]


def highest_since(truth: Series, x: Series, most: int) -> list[float]:
    hits = [hit_bars(truth, i, most) for i in range(len(truth))]
    return [float(max(x[bars[0] : i + 1])) if bars else np.nan for i, bars in enumerate(hits)]


def lowest_since(truth: Series, x: Series, most: int) -> list[float]:
    return [-value for value in highest_since(truth, -x, most)]


def sum_since(truth: Series, x: Series, most: int) -> list[float]:
    hits = [hit_bars(truth, i, most) for i in range(len(truth))]
    return [float(sum(x[bars[0] : i + 1])) if bars else np.nan for i, bars in enumerate(hits)]


TWINS: dict[str, Callable[..., list[float]]] = {
    "count": count,
    "bars_since": bars_since,
    "streak": streak,
    "value_when": value_when,
    "highest_since": highest_since,
    "lowest_since": lowest_since,
    "sum_since": sum_since,
}
CASES = [
    ("count", "1"),
    ("count", "7"),
    ("bars_since", "1"),
    ("bars_since", "30"),
    ("bars_since", "40, 1"),
    ("bars_since", "252, 7"),
    ("streak", "3"),
    ("streak", "252"),
    ("value_when", "0, 40"),
    ("value_when", "1, 252"),
    ("value_when", "7, 252"),
    ("highest_since", "25"),
    ("lowest_since", "252"),
    ("sum_since", "25"),
    ("sum_since", "252"),
]
CONDITION = "close > sma(close, 10)"


def truth_of(bars: Bars, symbol: int) -> tuple[int, Series, Series]:
    """Return the row of a symbol's first bar, the condition's truth, and the volume."""
    close, volume = bars["close"][:, symbol], bars["volume"][:, symbol]
    first = int(np.isnan(close).sum())
    mean = sma(close[first:], 10)[0]
    truth = np.where(np.isnan(mean), np.nan, close[first:] > mean)
    return first, truth, volume[first:]


def call(name: str, parameters: str) -> str:
    operands = [CONDITION, "volume"][: len(EVENTS[name].operands)]
    return f"{name}({', '.join(operands)}, {parameters})"


def evaluated(text: str, bars: Bars, rows: int, isa: str = cpu.ISAS[-1]) -> Series:
    run = begin(make_plan([parse_expression(text)], rows), panel_of(bars), isa)
    run.take()
    return run.results[0].copy()


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_equals_its_slow_twin(name: str, parameters: str) -> None:
    bars, values = random_bars(rows=300, symbols=40, seed=3), eval(f"({parameters},)")
    got = evaluated(call(name, parameters), bars, 300)
    for symbol in range(40):
        first, truth, volume = truth_of(bars, symbol)
        operands = [truth, volume][: len(EVENTS[name].operands)]
        want = np.full(300, np.nan)
        want[first:] = TWINS[name](*operands, *values)
        want[first : first + 9] = np.nan  # the condition is unknown here
        np.testing.assert_array_equal(got[:, symbol], want)


@pytest.mark.parametrize(("name", "parameters"), CASES)
def test_values_do_not_depend_on_rows_history_or_processor(name: str, parameters: str) -> None:
    bars, text = random_bars(rows=600, symbols=33, seed=4, short=0.0), call(name, parameters)
    full = evaluated(text, bars, 300)
    plan = make_plan([parse_expression(text)], 20)
    cut = {field: matrix[-plan.history :] for field, matrix in bars.items()}
    for isa in cpu.ISAS:
        np.testing.assert_array_equal(evaluated(text, cut, 20, isa), full[-20:])


def test_every_row_has_its_twin_and_a_case() -> None:
    assert set(TWINS) == set(EVENTS) == {name for name, _ in CASES}


def test_for_and_rising_on_real_bars(market: ms.Market) -> None:
    hits = market.scan("rising(close, 6) and close > open for 4 bars", adjust="none")
    last = example_bars().sort("date").group_by("symbol").tail(7).group_by("symbol")
    rose = last.agg(
        (pl.col("close").diff().slice(1) > 0).all().alias("rose"),
        (pl.col("close") > pl.col("open")).tail(4).all().alias("green"),
        pl.len().alias("bars"),
        pl.col("date").max().alias("newest"),
    ).filter(pl.col("rose"), pl.col("green"), pl.col("bars") == 7, pl.col("newest") == hits.as_of)
    assert set(hits.symbols) == set(rose["symbol"])
    assert len(hits) > 3


def test_the_running_week_has_no_past(example_data: Path) -> None:
    with ms.open(example_data) as market:
        for text in ("weekly(close, running)[1] > 1", "weekly(close, running) > 1 within 2 bars"):
            with pytest.raises(ConditionError, match="a value only at the newest bar"):
                market.scan(text)
