"""Choose the events of a study among the hits of a condition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def first_of_streaks(
    lanes: NDArray[np.int64], sessions: NDArray[np.int64], since: int
) -> NDArray[np.intp]:
    """Return the hits from session `since` on without a hit of the same company a session before.

    Hit i is the company of `lanes[i]` in session number `sessions[i]`.
    """
    keys = lanes * (int(sessions.max(initial=0)) + 2) + sessions
    return np.flatnonzero(~np.isin(keys - 1, keys) & (sessions >= since))


def after_cooldown(
    lanes: NDArray[np.int64], sessions: NDArray[np.int64], cooldown: int
) -> NDArray[np.intp]:
    """Return the hits that come more than `cooldown` sessions after the last one that counts.

    A hit that does not count begins no cooldown.
    """
    chosen, last_of = [], dict[int, int]()
    for hit in np.lexsort((lanes, sessions)).tolist():
        lane, session = int(lanes[hit]), int(sessions[hit])
        if session - last_of.get(lane, -cooldown - 1) > cooldown:
            last_of[lane] = session
            chosen.append(hit)
    return np.array(sorted(chosen), dtype=np.intp)
