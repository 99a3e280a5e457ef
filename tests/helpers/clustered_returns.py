"""Returns of events without any effect, of which neither days nor holds are independent."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def simulated(seed: int, count: int, hold: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return returns with a mean of 0 and their sessions.

    Events come in clusters; each return is the market's move over its hold and one of its own.
    """
    chance = np.random.default_rng(seed)
    moves = chance.normal(0, 0.01, count + hold)
    level, crowd = 0.0, np.empty(count)
    for session in range(count):
        level = 0.9 * level + chance.normal(0, 0.5)
        crowd[session] = level
    sessions = np.repeat(np.arange(count), chance.poisson(3 * np.exp(crowd)))
    path = np.concatenate([[0.0], np.cumsum(moves)])
    own = chance.normal(0, 0.02 * math.sqrt(hold), len(sessions))
    return path[sessions + hold] - path[sessions] + own, sessions
