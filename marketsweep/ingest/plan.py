"""The plan of a sync: what to fetch, decided from the store and the calendar alone."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final

from marketsweep.core.calendar import NEW_YORK, sessions_in_range
from marketsweep.core.funnel import Screened
from marketsweep.core.records import Window
from marketsweep.errors import UsageError
from marketsweep.ingest.call_routes import (
    DEFAULT_MARKET_SIZE,
    Pace,
    Prices,
    Request,
    Stored,
    choose_route,
)
from marketsweep.ingest.providers.tariff import Tariff
from marketsweep.store.session_notes import ACTIONS, LISTED, UNIVERSE, SessionNotes
from marketsweep.store.snapshot import Snapshot

DEFAULT_SPAN: Final = dt.timedelta(days=729)
"""How far back the first sync goes: two years, which the free plan includes."""

_ACTIONS_OVERLAP: Final = dt.timedelta(days=30)
"""How far before the last sync actions are requested again: some are reported or withdrawn late."""

_LISTINGS_MAX_AGE: Final = dt.timedelta(hours=20)

# Notes in the store: the [first, last] day of the actions, and when the listings were fetched.


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What a sync has to fetch: prices, corporate actions and listings."""

    first: dt.date
    last: dt.date
    start: dt.date
    """First session that will have bars of the whole market: actions are needed from here on."""
    prices: Prices
    stored: int
    """Number of sessions from `first` to `last` that are not fetched."""
    merges: bool
    """Whether fetched data is merged into the stored data, and does not replace it."""
    notes: SessionNotes
    """Which sessions are fetched again."""
    recheck: dt.date | None
    """The older session that is fetched again to detect late corrections."""
    actions_since: dt.date
    actions_symbols: tuple[str, ...] | None
    """Symbols whose actions are requested; None for all."""
    listings_due: bool
    screened: Screened | None
    """Result of the pre-screen on the market's symbols; None without a pre-screen."""


def make_sync_plan(
    snapshot: Snapshot, window: Window, request: Request, tariff: Tariff, now: dt.datetime
) -> SyncPlan:
    """Return what is missing of a request.

    `window` is what the provider can give, `now` the provider's clock. Raises UsageError if the
    provider has no session of the request.
    """
    notes = snapshot.notes()
    last = min(request.until or window.last, window.last)
    first = request.since or window.first or _default_start(snapshot, last)
    merges = window.days is not None
    requested = sessions_in_range(first, last)
    if first > last or not (requested or merges):
        raise UsageError(_no_session_message(window, request.since, request.until))
    session_notes = SessionNotes.of(notes)
    days = _available_sessions(requested, window, request, session_notes, now)
    recheck = _session_to_recheck(days, snapshot, request, session_notes) if not merges else None
    stored = _stored_prices(snapshot, window, request, session_notes, recheck, now)
    listed, low_volume = (_listed_symbols(snapshot, request, first), snapshot.low_volume_on(last))
    screened = request.screen(snapshot, listed, last) if request.screen else None
    screened_out = [] if screened is None else list(compress(listed, ~screened.passes))
    prices = choose_route(request, days, listed, stored, tariff, low_volume, screened_out)
    start = min([first, *snapshot.whole[:1]])
    # Sessions of the whole market need the actions of the whole market.
    actions_symbols = None if prices.days else request.symbols
    return SyncPlan(
        first,
        last,
        start,
        prices,
        len(stored.whole.intersection(days)),
        merges,
        session_notes,
        recheck,
        first if actions_symbols else start if merges else _actions_since(notes, start),
        actions_symbols,
        request.symbols is None and (merges or _are_listings_due(notes, now)),
        screened,
    )


def _available_sessions(
    requested: list[dt.date],
    window: Window,
    request: Request,
    session_notes: SessionNotes,
    now: dt.datetime,
) -> list[dt.date]:
    """Return the requested sessions that the source has, without sessions that must wait."""
    if window.days is not None:
        return [day for day in requested if day in window.days]
    waiting = set() if request.again else session_notes.waiting(now)
    return [day for day in requested if day not in waiting]


def _session_to_recheck(
    days: Sequence[dt.date], snapshot: Snapshot, request: Request, session_notes: SessionNotes
) -> dt.date | None:
    """Return the older session of the whole market, among `days`, that is fetched again."""
    if request.symbols is not None or request.by_symbol or request.content or request.again:
        return None
    requested = frozenset(days)
    return session_notes.to_check(snapshot.whole, requested)


def _stored_prices(
    snapshot: Snapshot,
    window: Window,
    request: Request,
    session_notes: SessionNotes,
    recheck: dt.date | None,
    now: dt.datetime,
) -> Stored:
    """Return the stored prices that need not be fetched; nothing if the source's data is merged."""
    market = len(snapshot.symbols) or DEFAULT_MARKET_SIZE
    if window.days is not None or request.again:
        return Stored(frozenset(), [], market)
    whole = frozenset(snapshot.whole)
    if not request.content:
        due = session_notes.put_aside.keys() - session_notes.waiting(now)
        whole -= session_notes.provisional | due | {recheck}
    spans = snapshot.spans(final=not request.content) if snapshot.partial else []
    return Stored(whole, spans, market)


def _listed_symbols(snapshot: Snapshot, request: Request, first: dt.date) -> list[str]:
    """Return every symbol listed on `first` or later, if symbols are fetched one by one."""
    if not request.by_symbol or request.symbols is not None:
        return []
    since = first.isoformat()
    lives = snapshot.lives()
    return list(dict.fromkeys(s for s, _, last, _ in lives if last is None or last >= since))


def require_any_passes(plan: SyncPlan, request: Request) -> None:
    """Raise UsageError if no symbol passes the pre-screen because facts are missing."""
    result = plan.screened
    if result is None or result.passes.any() or result.keeps_unknown or request.always:
        return
    if result.unknown:
        raise UsageError(
            f"no symbol passes the pre-screen, and {result.unknown:,} of {len(result.passes):,} "
            "symbols lack facts or bars that it needs: --unknown keep fetches those; a symbols "
            "file adds facts (marketsweep sync --provider files)"
        )


def _no_session_message(window: Window, since: dt.date | None, until: dt.date | None) -> str:
    requested = " ".join(
        f"{word} {day}" for word, day in (("from", since), ("until", until)) if day is not None
    )
    available = f"the newest one is {window.last}"
    if window.first is not None:
        available = f"the provider has {window.first} to {window.last}"
    return f"no session {requested}: {available}"


def check_days(since: dt.date | None, until: dt.date | None, now: dt.datetime) -> None:
    """Raise UsageError if a day lies in the future, or `since` is after `until`."""
    today = now.astimezone(NEW_YORK).date()
    for name, day in (("--since", since), ("--until", until)):
        if day and day > today:
            raise UsageError(f"{name} {day} lies in the future: it is {today} in New York")
    if since and until and since > until:
        raise UsageError(f"--since {since} is after --until {until}")


def details_days(plan: SyncPlan, pace: Pace | None) -> list[dt.date]:
    """Return the days as of which the facts of symbols are to be fetched, ascending."""
    return universe_days(plan, pace, {})


def universe_days(plan: SyncPlan, pace: Pace | None, notes: Mapping[str, str]) -> list[dt.date]:
    """Return the days whose listings are to be fetched, ascending.

    After an earlier sync at that pace, the first one is the last of its days: what changed since
    is told by comparing with it.
    """
    if pace is None:
        return []
    sessions = sessions_in_range(plan.start, plan.last)
    last_of = {_period(day, pace): day for day in sessions}
    fetched = json.loads(notes.get(UNIVERSE, "null"))
    if fetched is None or fetched["pace"] != pace or fetched["first"] > str(plan.start):
        # Without the first session, those before the end of a month would see its list.
        return sorted({*sessions[:1], *last_of.values()})
    days = [day for day in last_of.values() if str(day) > fetched["last"]]
    return [dt.date.fromisoformat(fetched["last"]), *days] if days else []


def _period(day: dt.date, pace: Pace) -> tuple[int, ...]:
    """Return the day, week or month of a day."""
    if pace == "weekly":
        return day.isocalendar()[:2]
    return (day.year, day.month) if pace == "monthly" else (day.toordinal(),)


def check_facts(groups: Sequence[str], tariff: Tariff) -> None:
    """Raise UsageError for a group of facts that a provider does not have."""
    for group in groups:
        if group not in tariff.facts:
            known = ", ".join(tariff.facts)
            raise UsageError(
                f"{group!r} is not a group of facts: choose from {known}"
                if known
                else "this provider has no groups of facts: give a file of facts"
            )


def _default_start(snapshot: Snapshot, last: dt.date) -> dt.date:
    return snapshot.whole[0] if snapshot.whole else last - DEFAULT_SPAN


def _actions_since(notes: dict[str, str], start: dt.date) -> dt.date:
    """Return the day from which to fetch actions.

    The first sync fetches all since `start`; a later one fetches those since the last sync, less 30
    days.
    """
    fetched = json.loads(notes.get(ACTIONS, "null"))
    if fetched is None or start < dt.date.fromisoformat(fetched[0]):
        return start
    return max(start, dt.date.fromisoformat(fetched[1]) - _ACTIONS_OVERLAP)


def _are_listings_due(notes: dict[str, str], now: dt.datetime) -> bool:
    """Return whether listings are due: they take a dozen calls or more, so at most once a day."""
    fetched = notes.get(LISTED)
    if fetched is None:
        return True
    # A time in the future comes from a wrong clock: do not wait for it.
    age = now - dt.datetime.fromisoformat(fetched)
    return not dt.timedelta(0) <= age < _LISTINGS_MAX_AGE
