"""Choose the events of a study: the hits of its condition at which a streak begins."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.safe_text import counted
from marketsweep.scan.loader import Loader
from marketsweep.scan.scan import Scan
from marketsweep.studies.signals import signals
from marketsweep.studies.signals_result import Signals
from marketsweep.studies.study.events import (
    PAUSE,
    after_cooldown,
    first_of_streaks,
    may_have_begun_earlier,
)
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.prices import Companies


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
        needed = hits.bars_needed
        is_unknown = is_event & may_have_begun_earlier(lanes, numbers, needed, companies.has_bar)
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
    earlier = signals(scan, loader, earlier_days[0], earlier_days[-1])
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
