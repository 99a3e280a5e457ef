"""Sync after each close, and again until the session is complete: `marketsweep sync --watch`."""

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

DELAY_AFTER_CLOSE: Final = dt.timedelta(minutes=20)
"""Time after a close until a provider has the bars of the day."""

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
    """Sync now and after each close, until the session `until` is complete (None: forever).

    If a session is incomplete or the provider is unreachable, sync again after 5 minutes, then
    after longer pauses, up to an hour. `say` gets a line of text for each step. Raises every other
    error of a sync: a refusal is not retried.
    """
    pause = _FIRST_PAUSE
    while True:
        newest = last_closed_session(now())
        problem = _sync_problem(store, sync_once, newest)
        if problem:
            say(f"{problem}; next try in {pause.total_seconds() / 60:.0f} min")
            sleep(pause.total_seconds())
            pause = min(2 * pause, _LONGEST_PAUSE)
            continue
        pause = _FIRST_PAUSE
        if until is not None and newest >= until:
            return
        due = close_time(next_session(newest)) + DELAY_AFTER_CLOSE
        when = due.astimezone(NEW_YORK)
        say(f"{newest} is complete; next sync at {when:%a %Y-%m-%d %H:%M} New York")
        # In UTC: Python ignores changes of the clock between two times of one zone.
        wait = due.astimezone(dt.UTC) - now().astimezone(dt.UTC)
        sleep(max(0.0, wait.total_seconds()))


def _sync_problem(
    store: Store, sync_once: Callable[[], SyncReceipt], newest: dt.date
) -> str | None:
    """Sync, and return why the newest session is still incomplete; None if it is complete."""
    try:
        receipt = sync_once()
    except ProviderUnreachable as error:
        return str(error)
    if receipt.stopped:
        return receipt.stopped
    with store.snapshot() as snapshot:
        rows = [row for row in snapshot.session_rows() if row.date <= newest]
    if not rows or rows[-1].date != newest:
        return f"the session of {newest} is not available yet"
    bars = [row.counts["bars"] for row in rows]
    if is_thin(bars, len(bars) - 1):  # the provider does not have all bars yet
        usual = usual_bars(bars, len(bars) - 1)
        return f"the session of {newest} has {bars[-1]:,} bars so far; {usual:,.0f} are usual"
    return None
