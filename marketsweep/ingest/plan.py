"""What a sync has to fetch, decided from the store and the calendar alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

from marketsweep.core.calendar import NEW_YORK, sessions_between
from marketsweep.core.funnel import Screened
from marketsweep.core.records import Window
from marketsweep.errors import UsageError
from marketsweep.ingest.providers.tariff import Tariff
from marketsweep.ingest.routes import MARKET, Prices, Request, Stored, choose
from marketsweep.store.session_notes import ACTIONS, LISTED, SessionNotes
from marketsweep.store.snapshot import Snapshot

DEFAULT_SPAN: Final = dt.timedelta(days=729)
"""How far back a first sync goes: two years, which the free plan has too."""

_OVERLAP: Final = dt.timedelta(days=30)
"""Actions are asked for again this far back: some are told, or taken back, late."""

_LISTINGS_KEPT: Final = dt.timedelta(hours=20)

# Notes in the store: [first, last] day of the actions, when the reference data came.


@dataclass(frozen=True, slots=True)
class Agenda:
    """The prices to fetch, from when on actions are asked for, and whether listings are due."""

    first: dt.date
    last: dt.date
    start: dt.date
    """The first session of which the whole market will be stored: actions are known from there."""
    prices: Prices
    stored: int
    """Sessions from `first` to `last` that need not be fetched."""
    joins: bool
    """Whether what is told joins what is stored, or takes its place."""
    notes: SessionNotes
    """Which sessions are fetched again."""
    check: dt.date | None
    """The older session that is fetched again to see late corrections."""
    actions_since: dt.date
    actions_of: tuple[str, ...] | None
    """The symbols whose actions are asked for, None for all."""
    listings: bool
    screened: Screened | None
    """What the pre-screen made of the market's symbols; None where there is none."""


def make_agenda(
    snapshot: Snapshot, window: Window, request: Request, tariff: Tariff, now: dt.datetime
) -> Agenda:
    """What is missing of what a sync is asked for.

    `window` is what the provider can give, `now` its clock. Raises UsageError where it
    has nothing of that.
    """
    notes = snapshot.notes()
    last = min(request.until or window.last, window.last)
    first = request.since or window.first or _usual_start(snapshot, last)
    if first > last:
        raise UsageError(_nothing(window, request.since, request.until))
    joins = window.days is not None
    again = SessionNotes.of(notes)
    days = _days(sessions_between(first, last), window, request, again, now)
    check = _check(days, snapshot, request, again) if not joins else None
    stored = _stored(snapshot, window, request, again, check, now)
    listed, low_volume = _listed(snapshot, request, first), snapshot.low_volume_on(last)
    screened = request.screen(snapshot, listed, last) if request.screen else None
    out = [] if screened is None else list(compress(listed, ~screened.passes))
    prices = choose(request, days, listed, stored, tariff, low_volume, out)
    start = min([first, *snapshot.whole[:1]])
    # Sessions that come whole need the whole market's actions.
    actions_of = None if prices.days else request.symbols
    return Agenda(
        first,
        last,
        start,
        prices,
        len(stored.whole.intersection(days)),
        joins,
        again,
        check,
        first if actions_of else start if joins else _actions_since(notes, start),
        actions_of,
        request.symbols is None and (joins or _are_listings_due(notes, now)),
        screened,
    )


def _days(
    asked: list[dt.date],
    window: Window,
    request: Request,
    again: SessionNotes,
    now: dt.datetime,
) -> list[dt.date]:
    """The sessions asked for that the source has, without those that are to wait."""
    if window.days is not None:
        return [day for day in asked if day in window.days]
    waiting = set() if request.again else again.waiting(now)
    return [day for day in asked if day not in waiting]


def _check(
    days: Sequence[dt.date], snapshot: Snapshot, request: Request, again: SessionNotes
) -> dt.date | None:
    """The older session of the whole market that is fetched again, of those asked for."""
    if request.symbols is not None or request.by_symbol or request.content or request.again:
        return None
    asked = frozenset(days)
    return again.to_check(snapshot.whole, asked)


def _stored(
    snapshot: Snapshot,
    window: Window,
    request: Request,
    again: SessionNotes,
    check: dt.date | None,
    now: dt.datetime,
) -> Stored:
    """What need not be fetched again; of a source that joins, nothing."""
    market = len(snapshot.symbols) or MARKET
    if window.days is not None or request.again:
        return Stored(frozenset(), [], market)
    whole = frozenset(snapshot.whole)
    if not request.content:
        due = again.put_aside.keys() - again.waiting(now)
        whole -= again.provisional | due | {check}
    spans = snapshot.spans(final=not request.content) if snapshot.partial else []
    return Stored(whole, spans, market)


def _listed(snapshot: Snapshot, request: Request, first: dt.date) -> list[str]:
    """Every symbol that was listed on `first` or later, where they are fetched one by one."""
    if not request.by_symbol or request.symbols is not None:
        return []
    since = first.isoformat()
    lives = snapshot.lives()
    return list(dict.fromkeys(s for s, _, last, _ in lives if last is None or last >= since))


def check_screened(agenda: Agenda, request: Request) -> None:
    """Raises UsageError where nobody passes the pre-screen for want of facts."""
    found = agenda.screened
    if found is None or found.passes.any() or found.keeps_unknown or request.always:
        return
    if found.unknown:
        raise UsageError(
            f"nobody passes the pre-screen, and of {found.unknown:,} of {len(found.passes):,} "
            "symbols the facts or bars that it asks for are not stored: --unknown keep fetches "
            "those; a symbols file tells facts (marketsweep sync --provider files)"
        )


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
    return snapshot.whole[0] if snapshot.whole else last - DEFAULT_SPAN


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
    # Fetched in the future: the clock of that time was wrong, and is not a reason to wait for it.
    age = now - dt.datetime.fromisoformat(fetched)
    return not dt.timedelta(0) <= age < _LISTINGS_KEPT
