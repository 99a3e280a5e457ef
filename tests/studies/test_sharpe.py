"""Sharpe ratios and their deflation, against the worked example of the paper and plain formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from marketsweep.studies.sharpe import exceeds, expected_maximum, moments

# "The Deflated Sharpe Ratio" (2014), section "A numerical example": an annualised ratio of 2.5 over
# 1,250 daily returns with skewness -3 and kurtosis 10; the variance of the annualised ratios of the
# trials is 1/2.
DAILY = 2.5 / math.sqrt(250)
VARIANCE = 0.5 / 250


def test_the_example_of_the_paper() -> None:
    threshold = expected_maximum(VARIANCE, 100)
    assert threshold == pytest.approx(0.1132, abs=5e-5)
    assert exceeds(DAILY, threshold, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)


def test_with_46_trials_the_example_passes_95_percent() -> None:
    assert exceeds(DAILY, expected_maximum(VARIANCE, 46), 1250, -3, 10) == pytest.approx(
        0.9505, abs=5e-5
    )
    # With normal returns, 88 trials would have been allowed.
    assert exceeds(DAILY, expected_maximum(VARIANCE, 88), 1250, 0, 3) == pytest.approx(
        0.9505, abs=5e-5
    )


def test_one_trial_needs_no_luck() -> None:
    assert expected_maximum(VARIANCE, 1) == 0.0
    assert exceeds(0.0, 0.0, 100, 0, 3) == 0.5


def test_the_best_of_many_is_near_its_expectation() -> None:
    chance = np.random.default_rng(5)
    best = chance.normal(0, 0.3, (2_000, 200)).max(axis=1).mean()
    assert expected_maximum(0.09, 200) == pytest.approx(best, rel=0.02)


def test_moments_are_those_of_each_row() -> None:
    chance = np.random.default_rng(3)
    values = chance.gamma(2, 1, (5, 400))
    values[chance.random(values.shape) < 0.2] = np.nan
    values[4] = 1.5
    of_rows = moments(values)
    for i in range(4):
        row = values[i][~np.isnan(values[i])]
        centred = (row - row.mean()) / row.std()
        assert of_rows.known[i] == len(row)
        assert of_rows.sharpe[i] == pytest.approx(row.mean() / row.std(ddof=1), rel=1e-12)
        assert of_rows.skewness[i] == pytest.approx((centred**3).mean(), rel=1e-9)
        assert of_rows.kurtosis[i] == pytest.approx((centred**4).mean(), rel=1e-9)
    assert np.isnan(of_rows.sharpe[4]), "a constant series has no ratio"


def test_too_few_observations_say_nothing() -> None:
    assert math.isnan(exceeds(0.1, 0.0, 1, 0, 3))
