"""Work is bounded: by the bars that are there, by its estimate, by a time limit, by Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.condition import parse_expression
from marketsweep.evaluate import begin
from marketsweep.plan import make_plan
from tests.markets import panel_of, random_bars


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 120),
    rows=st.integers(1, 90),
    asked=st.integers(1, 90),
    seed=st.integers(0, 2**16),
)
def test_sliding_counts_equal_counts_one_by_one(n: int, rows: int, asked: int, seed: int) -> None:
    bars = random_bars(rows, 40, seed, short=0.5)
    plan = make_plan([parse_expression(f"count(close > open, {n})")], asked)
    run = begin(plan, panel_of(bars))
    run.take()
    held = np.where(bars["close"] > bars["open"], 1.0, 0.0)
    for row in range(max(0, rows - asked), rows):
        want = held[max(0, row - n + 1) : row + 1].sum(axis=0)
        want = np.where(np.isnan(bars["close"][row]), np.nan, want)
        np.testing.assert_array_equal(run.results[0][row - rows], want)


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("close > open within 100000 bars", "close > open within 1000 bars"),
        ("close > open for 100000 bars", "close > open for 1000 bars"),
        ("count(close > open, 100000) > 90", "count(close > open, 1000) > 90"),
        ("close[100000] > 1", "close[1000] > 1"),
        ("bars_since(close > open, 100000) > 3", "bars_since(close > open, 1000) > 3"),
        ("ema(close[100000], 5) > 1 or close > 5", "close > 5"),
        ("sma(100000) > 1 or close > 5", "close > 5"),
        ("rank(close)[1000] <= 5 or close > 5", "close > 5"),
    ],
)
def test_windows_beyond_what_is_stored(long: str, short: str, market: ms.Market) -> None:
    assert set(market.scan(long).symbols) == set(market.scan(short).symbols)


def test_nested_windows_take_no_more_than_what_is_stored(market: ms.Market) -> None:
    text = "close > open"
    for _ in range(6):
        text = f"count({text}, 100000) > 2"
    assert market.scan(text, timeout=60).matched > 1000


def test_a_time_limit_ends_a_scan(market: ms.Market) -> None:
    with pytest.raises(ms.UsageError, match="timeout"):
        market.scan("close > 1", timeout=-1)
    with pytest.raises(ms.UsageError, match="timeout"):
        market.scan("close > 1", timeout="soon")  # type: ignore[arg-type]
    assert market.scan("close > 1", timeout=120).matched > 1000
    slow = " or ".join(f"zscore(sma({n})) > 99" for n in range(2, 110))
    with pytest.raises(ms.TimedOut, match="time limit"):
        market.scan(slow, timeout=1e-3)
    assert market.scan("close > 1").matched > 1000


LONG = """
import os, signal, sys, threading, time
from marketsweep.condition import parse_expression
from marketsweep.executors import threads
from marketsweep.plan import make_plan
from tests.markets import panel_of, random_bars

panel = panel_of(random_bars(3000, 2000, 1))
texts = [f"bbands({n}, 2).upper" for n in range(1400, 1500)]
plan = make_plan([parse_expression(text) for text in texts], 1500)
begun = time.monotonic()
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    threads.run(plan, panel)
except KeyboardInterrupt:
    print("stopped after", time.monotonic() - begun)
"""


def test_ctrl_c_stops_a_long_evaluation() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LONG], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stdout.startswith("stopped after"), done.stderr
    # It would take minutes.
    assert float(done.stdout.split()[-1]) < 20
