"""Sharpe ratios of many variants, and what is left of the best one after so many trials.

The best of a thousand variants without any effect looks good. The deflated Sharpe ratio is the
probability that a ratio exceeds what the best of as many trials would reach by chance.

Source: D. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias,
Backtest Overfitting and Non-Normality", Journal of Portfolio Management 40 (5), 2014.
"""

from __future__ import annotations

from math import e, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_EULER: Final = 0.5772156649015329
"""The Euler-Mascheroni constant."""
_NORMAL: Final = NormalDist()


class Moments(NamedTuple):
    """The moments of the rows of a matrix, all float64 [rows]; NaN where too few are known."""

    known: NDArray[np.float64]
    """How many values are known."""
    sharpe: NDArray[np.float64]
    """The mean divided by the standard deviation."""
    skewness: NDArray[np.float64]
    kurtosis: NDArray[np.float64]
    """3 for a normal distribution."""


def moments(values: NDArray[np.float64]) -> Moments:
    """Return the moments of each row of float64 [rows, columns], without its NaN."""
    is_known = ~np.isnan(values)
    count = is_known.sum(axis=1).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(is_known, values, 0.0).sum(axis=1) / count
        centred = np.where(is_known, values - mean[:, None], 0.0)
        second, third, fourth = ((centred**power).sum(axis=1) / count for power in (2, 3, 4))
        deviation = np.sqrt(second * count / (count - 1))
        is_flat = second <= (1e-12 * np.abs(mean)) ** 2
        sharpe = np.where(is_flat, np.nan, mean / deviation)
        return Moments(count, sharpe, third / second**1.5, fourth / second**2)


def expected_maximum(variance: float, trials: int) -> float:
    """Return the expected Sharpe ratio of the best of so many trials without any effect.

    `variance` is that of the ratios of the trials.
    """
    if trials < 2:
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / trials)
    second = _NORMAL.inv_cdf(1 - 1 / (trials * e))
    return sqrt(variance) * ((1 - _EULER) * first + _EULER * second)


def exceeds(
    sharpe: float, threshold: float, observations: float, skewness: float, kurtosis: float
) -> float:
    """Return the probability that the true Sharpe ratio lies above a threshold.

    This is the probabilistic Sharpe ratio; with the threshold of `expected_maximum`, the deflated
    one. NaN with fewer than two observations.
    """
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if not observations > 1 or not spread > 0:
        return float("nan")
    return _NORMAL.cdf((sharpe - threshold) * sqrt(observations - 1) / sqrt(spread))
