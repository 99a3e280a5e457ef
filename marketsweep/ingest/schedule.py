"""Syncs after each close, and again until the session is complete: `marketsweep sync --watch`."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Final

from marketsweep.core.calendar import NEW_YORK, close_time, last_closed_session, next_session
from marketsweep.core.completeness import is_thin, usual_bars
from marketsweep.errors import ProviderUnreachable
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.store.store import Store

SETTLING: Final = dt.timedelta(minutes=20)
"""After a close, until a provider has the day's bars."""

_FIRST_PAUSE: Final = dt.timedelta(minutes=5)
_LONGEST_PAUSE: Final = dt.timedelta(hours=1)


def watch(
    store: Store,
    sync_once: Callable[[], SyncReceipt],
    say: Callable[[str], None],
    *,
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    sleep: Callable[[float], None] = time.sleep,
    until: dt.date | None = None,
) -> None:
    """Sync now and after each close, for ever or until the session `until` is complete.

    An incomplete session, or a provider that cannot be reached, is tried again after 5 minutes,
    then after longer, up to an hour. Raises what else a sync raises: a refusal is not waited out.
    """
    pause = _FIRST_PAUSE
    while True:
        newest = last_closed_session(now())
        problem = _problem(store, sync_once, newest)
        if problem:
            say(f"{problem}; again in {pause.total_seconds() / 60:.0f} min")
            sleep(pause.total_seconds())
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        if until is not None and newest >= until:
            return
        due = close_time(next_session(newest)) + SETTLING
        when = due.astimezone(NEW_YORK)
        say(f"{newest} is complete; next sync at {when:%a %Y-%m-%d %H:%M} New York")
        # In UTC: between two times of one zone Python does not see that clocks change.
        wait = due.astimezone(dt.UTC) - now().astimezone(dt.UTC)
        sleep(max(0.0, wait.total_seconds()))


def _problem(store: Store, sync_once: Callable[[], SyncReceipt], newest: dt.date) -> str | None:
    """Syncs; why the newest session cannot be called complete after it, None where it can."""
    try:
        sync_once()
    except ProviderUnreachable as error:
        return str(error)
    with store.snapshot() as snapshot:
        rows = [row for row in snapshot.session_rows() if row.date <= newest]
    if not rows or rows[-1].date != newest:
        return f"the session of {newest} is not there yet"
    bars = [row.counts["bars"] for row in rows]
    if is_thin(bars, len(bars) - 1):  # it is still coming in
        usual = usual_bars(bars, len(bars) - 1)
        return f"the session of {newest} has {bars[-1]:,} bars so far, where {usual:,.0f} are usual"
    return None
