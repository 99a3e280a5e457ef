"""Choose the events of a study among the hits of a condition."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

PAUSE: Final = 5
"""A streak ends if its company has no bar in this many sessions."""


def first_of_streaks(
    lanes: NDArray[np.int64],
    sessions: NDArray[np.int64],
    since: int,
    has_bar: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which hits, from session `since` on, follow a bar of their company without a hit.

    Hit i is the company of `lanes[i]` in session number `sessions[i]`; `has_bar` is bool [sessions,
    lanes]. The hits of `PAUSE` sessions before `since` must be among them.
    """
    width = has_bar.shape[1]
    previous = np.full(len(lanes), -1, dtype=np.int64)
    for back in range(PAUSE, 0, -1):
        earlier = sessions - back
        is_bar = (earlier >= 0) & has_bar[np.maximum(earlier, 0), lanes]
        previous = np.where(is_bar, earlier, previous)
    continues = np.isin(previous * width + lanes, sessions * width + lanes) & (previous >= 0)
    begins: NDArray[np.bool_] = ~continues & (sessions >= since)
    return begins


def may_have_begun_earlier(
    lanes: NDArray[np.int64],
    sessions: NDArray[np.int64],
    needed: int,
    has_bar: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return which hits are on the first bar that can be evaluated, although older bars exist.

    The condition needs `needed` bars. A company whose first stored bar is one of the store's first
    sessions was traded before: whether the condition held then is not known.
    """
    first_bars = np.argmax(has_bar, axis=0)
    counts = np.cumsum(has_bar, axis=0, dtype=np.int32)
    is_old: NDArray[np.bool_] = first_bars[lanes] < PAUSE
    return is_old & (counts[sessions, lanes] <= needed)


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
