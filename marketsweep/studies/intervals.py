"""Confidence intervals of means whose events are not independent: the moving-block bootstrap.

Events of one session share the market's move, and holds of several sessions overlap. A t-test
takes each event for independent, and its interval is several times too narrow. The moving-block
bootstrap (Kunsch 1989; Liu and Singh 1992) draws blocks of consecutive sessions, with all of their
events, instead of single events.

A block spans two holds and some days more, because events come in clusters. Few blocks make the
bootstrap too narrow, and so do blocks of different size: most of the events may lie in two of them.
The blocks are as many as `(sum n)^2 / sum n^2` equal ones of n events (Kish 1965), and the
deviations are widened by the ratio of Student's t to the normal quantile for as many, less one.
On simulated returns without a mean, with events in clusters, the interval held 0 in 93 to 96 % of
500 runs, for 252 and 756 sessions and holds of 1, 5 and 20 sessions.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

SEED: Final = 20_160_104
DRAWS: Final = 2_000
LEVEL: Final = 0.95

_LEAST_BLOCKS: Final = 2
"""The interval is unknown with fewer blocks, or if most events lie in fewer."""


def interval(
    values: NDArray[np.float64], sessions: NDArray[np.int64], count: int, hold: int
) -> tuple[float, float]:
    """Return the 95 % interval of the mean of `values`, one for each event; NaN if it is unknown.

    Event i is of session `sessions[i]`, from 0 to `count` - 1; its return spans `hold` sessions.
    """
    length = block_length(hold)
    if len(values) < 2 or count < _LEAST_BLOCKS * length:
        return math.nan, math.nan
    sums = np.bincount(sessions, weights=values, minlength=count)
    counts = np.bincount(sessions, minlength=count).astype(np.float64)
    mean = sums.sum() / counts.sum()
    # Blocks are circular, so that the first and last sessions are drawn as often as the others.
    residuals, sizes = _block_sums(sums - mean * counts, length), _block_sums(counts, length)
    blocks = count / length
    equal_blocks = blocks * sizes.mean() ** 2 / (sizes**2).mean()
    if equal_blocks < _LEAST_BLOCKS:
        return math.nan, math.nan
    draws = np.random.default_rng(SEED).integers(0, count, (DRAWS, math.ceil(blocks)))
    deviations = residuals[draws].sum(axis=1) / np.maximum(sizes[draws].sum(axis=1), 1.0)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(deviations, (tail, 1 - tail))
    widening = student_quantile(1 - tail, equal_blocks - 1) / NormalDist().inv_cdf(1 - tail)
    widening *= math.sqrt(equal_blocks / (equal_blocks - 1))
    return float(mean + low * widening), float(mean + high * widening)


def block_length(hold: int) -> int:
    """Return the sessions of a block: two holds and eight days."""
    return 2 * hold + 8


def _block_sums(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Return the sums of the blocks that begin at each session."""
    whole = np.concatenate([[0.0], np.cumsum(np.concatenate([values, values[: length - 1]]))])
    sums: NDArray[np.float64] = whole[length:] - whole[:-length]
    return sums


def student_quantile(p: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution.

    The expansion from the normal quantile is 26.7.5 of Abramowitz and Stegun: from 2 degrees of
    freedom on, it is right to 1 %; at 1 it is a tenth too small.
    """
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom ** (i + 1) for i, term in enumerate(terms))
