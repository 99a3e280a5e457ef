"""Work is limited by the stored bars, by an estimate, by a time limit, and by Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.engine.cost import estimate_seconds
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors import threads
from marketsweep.engine.lowering import begin
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.engine.time_limit import time_limit
from marketsweep.kernels.cpu import TILE
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.markets import LAST, panel_of, random_bars


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
    truth = np.where(bars["close"] > bars["open"], 1.0, 0.0)
    for row in range(max(0, rows - asked), rows):
        want = truth[max(0, row - n + 1) : row + 1].sum(axis=0)
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
def test_windows_longer_than_the_stored_history(long: str, short: str, market: ms.Market) -> None:
    assert set(market.scan(long).symbols) == set(market.scan(short).symbols)


def test_nested_windows_read_only_stored_bars(market: ms.Market) -> None:
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


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_a_time_limit_ends_each_executor(executor: str, market: ms.Market) -> None:
    slow = " or ".join(f"median(close, {n})[1] > 9 within 100 bars" for n in range(100, 140))
    with pytest.raises(ms.TimedOut, match="time limit"):
        market.scan(slow, timeout=0.02, executor=executor)
    assert market.scan("close > 1", executor=executor).matched > 1000


def test_a_time_limit_ends_the_loading_of_bars(real: Path) -> None:
    with ms.open(real) as market:
        with time_limit(1e-6), pytest.raises(ms.TimedOut):
            market.scan("close > 1")
        assert market.scan("close > 1").matched > 1000


def wide_panel(rows: int, tiles: int) -> Panel:
    """Return a panel of the largest size; all of its bars share one number in memory."""
    count = tiles * TILE
    bars = np.broadcast_to(np.float64(1.0), (tiles, rows, TILE))
    fields = dict.fromkeys(("open", "high", "low", "close", "volume"), bars)
    names = [str(number) for number in range(count)]
    have = np.full(count, rows)
    return Panel(LAST, names, rows, fields, have, 0 * have, Reference([], list, LAST))


def test_a_plan_that_takes_hours_is_refused_with_its_estimate() -> None:
    panel = wide_panel(5000, 391)
    texts = [f"avgdev(close, {n}) > 1 for 5000 bars" for n in range(4800, 5000)]
    plan = make_plan([parse_expression(text) for text in texts])
    with pytest.raises(ms.UsageError, match=r"about [\d,]+ minutes .* avgdev reaches over 4,999"):
        evaluate(plan, panel, threads.run, _nobody)
    for text in ("rsi(14) < 30", "highest(high, 5000) == high for 5000 bars", "sma(200) > 1"):
        assert estimate_seconds(make_plan([parse_expression(text)]), panel) < 60


def _nobody(symbol: str, plan: Plan) -> Panel:
    raise AssertionError(symbol)


LONG = """
import os, signal, sys, threading, time
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.engine.executors import {executor}
from marketsweep.engine.plan import make_plan
from tests.helpers.markets import panel_of, random_bars

panel = panel_of(random_bars(3000, 2000, 1))
texts = ["avgdev(close, %d)" % n for n in range(1400, 1500)]
plan = make_plan([parse_expression(text) for text in texts], 1500)
begun = time.process_time()
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    {executor}.run(plan, panel)
except KeyboardInterrupt:
    print("stopped after", time.process_time() - begun)
"""


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_ctrl_c_stops_a_long_evaluation(executor: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", LONG.format(executor=executor)],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert process.stdout.startswith("stopped after"), process.stderr
    # Seconds of processor time, which other programs do not change; without it, it takes minutes.
    assert float(process.stdout.split()[-1]) < 20


@pytest.mark.parametrize("threads", [257, 1_000_000, 10**30])
def test_more_threads_than_a_machine_can_have_are_refused(market: ms.Market, threads: int) -> None:
    for call in (market.scan, market.signals):
        with pytest.raises(ms.UsageError, match="above the limit of 256"):
            call("close > 5", threads=threads)
    with pytest.raises(ms.UsageError, match="from 1 to 256"):
        ms.Ray(threads=threads)
    with pytest.raises(ms.UsageError, match="from 1 to 10,000"):
        ms.Ray(workers=threads * 100)
