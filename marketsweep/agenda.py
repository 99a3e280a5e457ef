"""What a sync has to fetch, decided from the store and the calendar alone."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Final

from marketsweep.errors import UsageError
from marketsweep.records import Window
from marketsweep.sessions import NEW_YORK, is_session, sessions_between
from marketsweep.store import Snapshot

DEFAULT_SPAN: Final = dt.timedelta(days=729)
"""How far back a first sync goes: two years, which the free plan has too."""

_OVERLAP: Final = dt.timedelta(days=30)
"""Actions are asked for again this far back: some are told, or taken back, late."""

_LISTINGS_KEPT: Final = dt.timedelta(hours=20)

# Notes in the store: sessions to fetch again, [first, last] day of the actions, when the reference
# data came, and which session was the newest then.
PROVISIONAL: Final = "provisional"
ACTIONS: Final = "actions"
LISTED: Final = "listed"
LISTED_ON: Final = "listed_on"


@dataclass(frozen=True, slots=True)
class Agenda:
    """The sessions to fetch, from when on actions are asked for, and whether listings are due."""

    first: dt.date
    last: dt.date
    start: dt.date
    """The first session that will be stored: actions are known from there on."""
    days: list[dt.date]
    """Sessions that are missing, or were provisional when they were fetched; ascending.

    Of a source that knows its days: all of them.
    """
    joins: bool
    """Whether what is told joins what is stored, or takes its place."""
    provisional: set[dt.date]
    actions_since: dt.date
    listings: bool


def make_agenda(
    snapshot: Snapshot,
    window: Window,
    since: dt.date | None,
    until: dt.date | None,
    now: dt.datetime,
) -> Agenda:
    """What is missing between `since` (None: as before, or two years) and `until` (None: all).

    `window` is what the provider can give, `now` its clock. Raises UsageError where it
    has nothing of that.
    """
    notes = snapshot.notes()
    last = min(until or window.last, window.last)
    first = since or window.first or _usual_start(snapshot, last)
    if first > last:
        raise UsageError(_nothing(window, since, until))
    provisional = set(map(dt.date.fromisoformat, json.loads(notes.get(PROVISIONAL, "[]"))))
    start = min([first, *snapshot.sessions[:1]])
    joins = window.days is not None
    return Agenda(
        first,
        last,
        start,
        _days(window, first, last, set(snapshot.sessions) - provisional),
        joins,
        provisional,
        start if joins else _actions_since(notes, start),
        joins or _are_listings_due(notes, now),
    )


def _days(window: Window, first: dt.date, last: dt.date, settled: set[dt.date]) -> list[dt.date]:
    if window.days is None:
        return [day for day in sessions_between(first, last) if day not in settled]
    return sorted(day for day in window.days if first <= day <= last and is_session(day))


def _nothing(window: Window, since: dt.date | None, until: dt.date | None) -> str:
    asked = " ".join(
        f"{word} {day}" for word, day in (("from", since), ("until", until)) if day is not None
    )
    there = f"the newest is {window.last}"
    if window.first is not None:
        there = f"there is {window.first} to {window.last}"
    return f"there is no session {asked}: {there}"


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
    if fetched is None:
        return True
    # Fetched in the future: the clock of that time was wrong, and is no reason to wait for it.
    age = now - dt.datetime.fromisoformat(fetched)
    return not dt.timedelta(0) <= age < _LISTINGS_KEPT
