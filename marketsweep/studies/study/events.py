"""Choose the events of a study: the hits of its condition at which a streak begins."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.safe_text import counted
from marketsweep.scan.loader import Loader
from marketsweep.scan.scan import Scan
from marketsweep.studies.signals import signals
from marketsweep.studies.signals_result import Signals
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.prices import Companies

PAUSE: Final = 5
"""A streak ends if its company has no bar in this many sessions."""


def choose_events(
    scan: Scan,
    loader: Loader,
    hits: Signals,
    companies: Companies,
    options: Options,
    first: int,
    warnings: list[str],
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Return the hits that are events, and the lanes and sessions of all hits."""
    lanes, numbers = places_of(hits, companies)
    is_event = np.ones(len(lanes), dtype=bool)
    if not options.every:
        is_event = _begins(scan, loader, hits, companies, lanes, numbers, first)
        is_unknown = is_event & may_have_begun_earlier(lanes, numbers, hits.bars_needed, companies)
        is_event &= ~is_unknown
        warnings += _unknown_warning(int(is_unknown.sum()))
    if options.exclude_suspect:
        is_event &= np.array([not mark for mark in hits.suspicious], dtype=bool)
    chosen = np.flatnonzero(is_event)
    if options.cooldown:
        chosen = chosen[after_cooldown(lanes[chosen], numbers[chosen], options.cooldown)]
    return chosen, lanes, numbers


def places_of(hits: Signals, companies: Companies) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lanes and the numbers of the sessions of hits."""
    dates = np.array(companies.history.dates, "datetime64[D]")
    numbers = np.searchsorted(dates, hits.days)
    return companies.lanes_of(hits.symbols, numbers), numbers


def _begins(
    scan: Scan,
    loader: Loader,
    hits: Signals,
    companies: Companies,
    lanes: NDArray[np.int64],
    numbers: NDArray[np.int64],
    first: int,
) -> NDArray[np.bool_]:
    """Return which hits begin a streak; it may have begun before the first session."""
    stored = loader.snapshot.whole or loader.sessions
    earlier_days = stored[: bisect_left(stored, companies.history.dates[first])][-PAUSE:]
    if not earlier_days or not len(hits):
        return first_of_streaks(lanes, numbers, first, companies.has_bar)
    unmarked = replace(scan, marked=False, finds_unsettled=False)
    earlier = signals(unmarked, loader, earlier_days[0], earlier_days[-1])
    earlier_lanes, earlier_numbers = places_of(earlier, companies)
    begins = first_of_streaks(
        np.concatenate([earlier_lanes, lanes]),
        np.concatenate([earlier_numbers, numbers]),
        first,
        companies.has_bar,
    )
    return begins[len(earlier_lanes) :]


def _unknown_warning(count: int) -> Iterator[str]:
    if count:
        yield (
            f"{counted(count, 'signal')} on the first bar that the condition can be evaluated at "
            f"{'is' if count == 1 else 'are'} not counted: it may have held before; run "
            "marketsweep sync with an earlier --since"
        )


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
    lanes: NDArray[np.int64], sessions: NDArray[np.int64], needed: int, companies: Companies
) -> NDArray[np.bool_]:
    """Return which hits are on the first bar that can be evaluated, although older bars exist.

    The condition needs `needed` bars. A company whose first stored bar is one of the store's first
    sessions was traded before: whether the condition held then is not known.
    """
    is_old: NDArray[np.bool_] = companies.first_bars[lanes] < PAUSE
    return is_old & (companies.bar_counts[sessions, lanes] <= needed)


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
