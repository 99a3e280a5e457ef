"""What a sync has to fetch, decided from the store and the calendar alone."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Final

from marketsweep.errors import UsageError
from marketsweep.sessions import NEW_YORK, sessions_between
from marketsweep.store import Snapshot

DEFAULT_SPAN: Final = dt.timedelta(days=729)
"""How far back a first sync goes: two years, which the free plan has too."""

_OVERLAP: Final = dt.timedelta(days=30)
"""Actions are asked for again this far back: some are told, or taken back, late."""

_LISTINGS_KEPT: Final = dt.timedelta(hours=20)

# Notes in the store: sessions to fetch again, [first, last] day of the actions, and when the
# reference data came.
PROVISIONAL: Final = "provisional"
ACTIONS: Final = "actions"
LISTED: Final = "listed"


@dataclass(frozen=True, slots=True)
class Agenda:
    """The sessions to fetch, from when on actions are asked for, and whether listings are due."""

    first: dt.date
    last: dt.date
    start: dt.date
    """The first session that will be stored: actions are known from there on."""
    days: list[dt.date]
    """Sessions that are missing, or were provisional when they were fetched; ascending."""
    provisional: set[dt.date]
    actions_since: dt.date
    listings: bool


def make_agenda(
    snapshot: Snapshot,
    available: tuple[dt.date | None, dt.date],
    since: dt.date | None,
    until: dt.date | None,
    now: dt.datetime,
) -> Agenda:
    """What is missing between `since` (None: as before, or two years) and `until` (None: all).

    `available` is the first (None: unknown) and last session that the provider can give.
    Raises UsageError where there is nothing from `since` on.
    """
    oldest, newest = available
    notes = snapshot.notes()
    last = min(until, newest) if until else newest
    first = since or oldest or _usual_start(snapshot, last)
    if first > last:
        raise UsageError(f"there is no session from {first} on: the newest is {newest}")
    provisional = set(map(dt.date.fromisoformat, json.loads(notes.get(PROVISIONAL, "[]"))))
    settled = set(snapshot.sessions) - provisional
    start = min([first, *snapshot.sessions[:1]])
    return Agenda(
        first,
        last,
        start,
        [day for day in sessions_between(first, last) if day not in settled],
        provisional,
        _actions_since(notes, start),
        _are_listings_due(notes, now),
    )


def check_days(since: dt.date | None, until: dt.date | None, now: dt.datetime) -> None:
    """Raises UsageError for days that cannot be."""
    today = now.astimezone(NEW_YORK).date()
    for name, day in (("--since", since), ("--until", until)):
        if day and day > today:
            raise UsageError(f"{name} {day} lies in the future: it is {today} in New York")
    if since and until and since > until:
        raise UsageError(f"--since {since} is after --until {until}")


def _usual_start(snapshot: Snapshot, last: dt.date) -> dt.date:
    return snapshot.sessions[0] if snapshot.sessions else last - DEFAULT_SPAN


def _actions_since(notes: dict[str, str], start: dt.date) -> dt.date:
    """All actions of the stored time at first, then those since the last sync and a month."""
    known = json.loads(notes.get(ACTIONS, "null"))
    if known is None or start < dt.date.fromisoformat(known[0]):
        return start
    return max(start, dt.date.fromisoformat(known[1]) - _OVERLAP)


def _are_listings_due(notes: dict[str, str], now: dt.datetime) -> bool:
    """Reference data is a dozen calls or more: not more than once a day."""
    fetched = notes.get(LISTED)
    return fetched is None or now - dt.datetime.fromisoformat(fetched) >= _LISTINGS_KEPT
