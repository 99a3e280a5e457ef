"""Intervals hold the true mean as often as they say, although events are not independent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from marketsweep.studies.intervals import block_length, interval, student_quantile
from tests.helpers.clustered_returns import simulated

RUNS = 60


@pytest.mark.parametrize(("count", "hold"), [(252, 1), (252, 5), (252, 20), (756, 20)])
def test_the_interval_holds_the_mean_in_95_of_100_runs(count: int, hold: int) -> None:
    holding = plain = 0
    for seed in range(RUNS):
        returns, sessions = simulated(seed, count, hold)
        low, high = interval(returns, sessions, count, hold)
        holding += low <= 0 <= high
        error = 1.96 * returns.std() / math.sqrt(len(returns))
        plain += abs(returns.mean()) <= error
    # 60 runs of 95 % are 57; fewer than 52 are rarer than 1 in 100.
    assert holding >= 52
    assert plain < 45, "the usual interval would do as well"


def test_an_interval_is_the_same_each_time_and_moves_with_its_values() -> None:
    returns, sessions = simulated(1, 252, 5)
    low, high = interval(returns, sessions, 252, 5)
    assert interval(returns, sessions, 252, 5) == (low, high)
    assert interval(returns + 1, sessions, 252, 5) == pytest.approx((low + 1, high + 1), abs=1e-9)
    assert interval(3 * returns, sessions, 252, 5) == pytest.approx((3 * low, 3 * high), abs=1e-9)


@pytest.mark.parametrize("hold", [1, 5, 20, 63])
def test_too_few_sessions_have_no_interval(hold: int) -> None:
    sessions = np.arange(2 * block_length(hold))
    returns = np.sin(sessions * 1.0)
    assert not math.isnan(interval(returns, sessions, len(sessions), hold)[0])
    assert math.isnan(interval(returns[:-1], sessions[:-1], len(sessions) - 1, hold)[0])
    assert math.isnan(interval(returns[:1], sessions[:1], len(sessions), hold)[0])


@pytest.mark.parametrize(
    ("freedom", "published"),
    [(2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980)],
)
def test_quantiles_are_those_of_published_tables(freedom: float, published: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(published, rel=0.01)
    if freedom >= 4:
        assert student_quantile(0.975, freedom) == pytest.approx(published, abs=0.0015)
