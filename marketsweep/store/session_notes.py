"""What a store remembers about sessions between syncs: which are fetched again, and when.

A session is requested again while it is *provisional* (late corrections still arrive), after it was
*put aside* (it could not be fetched, or it is frozen), and at intervals to see corrections after
days (*checked*).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct, field

ACTIONS: Final = "actions"
"""Note: first and last day for which all actions are known."""
LISTED: Final = "listed"
"""Note: when a source last reported its listings."""
NOT_LISTED: Final = "not listed"
"""Note: why the last sync did not get the requested list of tickers; empty if it did."""
STOPPED: Final = "stopped"
"""Note: why the last sync that stored something stopped early; empty if it did not."""
LISTED_ON: Final = "listed_on"
"""Note: the newest session at that time."""
UNIVERSE: Final = "universe"
"""Note: which lists of tickers of earlier days are stored."""

PROVISIONAL: Final = "provisional"
PUT_ASIDE: Final = "put aside"
CHECKED: Final = "checked"

_MAX_PAUSE: Final = dt.timedelta(days=7)
"""Longest time until a session that was put aside is requested again."""

_CHECK_RANGE: Final = 30
"""Number of newest sessions, one of which is fetched again by each sync."""


class PutAside(NamedTuple):
    """A session that is requested again later, but not by each sync."""

    session: dt.date
    reason: str
    tries: int
    """Number of failed requests."""
    again: dt.datetime
    """Earliest time of the next request, UTC."""

    def is_due(self, now: dt.datetime) -> bool:
        """Return whether the session is due; also if the clock was wrong when it was put aside."""
        return now >= self.again or self.again - now > _MAX_PAUSE

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data for JSON."""
        again = self.again.isoformat(timespec="seconds")
        return self._asdict() | {"session": self.session.isoformat(), "again": again}


class SessionNotes(Struct):
    """Which sessions are fetched again although they may be stored."""

    provisional: set[dt.date] = field(default_factory=set)
    put_aside: dict[dt.date, PutAside] = field(default_factory=dict)
    checked: dt.date | None = None
    """The session that was last fetched to see late corrections."""

    @classmethod
    def of(cls, notes: Mapping[str, str]) -> SessionNotes:
        """Return the session notes that the notes of a store hold."""
        rows = msgspec.json.decode(notes.get(PUT_ASIDE, "[]"))
        aside = [
            PutAside(
                dt.date.fromisoformat(row["session"]),
                row["reason"],
                row["tries"],
                dt.datetime.fromisoformat(row["again"]),
            )
            for row in rows
        ]
        checked = notes.get(CHECKED)
        return cls(
            set(map(dt.date.fromisoformat, msgspec.json.decode(notes.get(PROVISIONAL, "[]")))),
            {entry.session: entry for entry in aside},
            dt.date.fromisoformat(checked) if checked else None,
        )

    def texts(self) -> dict[str, str]:
        """Return the session notes as notes of the store."""
        aside = [self.put_aside[day].to_dict() for day in sorted(self.put_aside)]
        return {
            PROVISIONAL: msgspec.json.encode(sorted(map(str, self.provisional))).decode(),
            PUT_ASIDE: msgspec.json.encode(aside).decode(),
            CHECKED: "" if self.checked is None else self.checked.isoformat(),
        }

    def waiting(self, now: dt.datetime) -> set[dt.date]:
        """Return the sessions put aside that are not yet due."""
        return {day for day, entry in self.put_aside.items() if not entry.is_due(now)}

    def to_check(self, whole: Sequence[dt.date], requested: Collection[dt.date]) -> dt.date | None:
        """Return the one of the newest sessions, among those requested, that is fetched again.

        `whole` are all stored sessions, ascending. Each sync takes the session before that of the
        previous sync. None if there is none.
        """
        excluded = {*self.provisional, *self.put_aside}
        choices = [day for day in whole[-_CHECK_RANGE:] if day in requested and day not in excluded]
        earlier = [day for day in choices if self.checked is None or day < self.checked]
        return max(earlier or choices, default=None)

    def failed(
        self, sessions: Iterable[tuple[dt.date, str]], now: dt.datetime, *, due: bool = False
    ) -> None:
        """Put sessions aside: they are due after 1, 2, 4 hours and so on, up to a week.

        With `due` they are due at once, as the source as a whole may have failed.
        """
        for session, reason in sessions:
            previous = self.put_aside.get(session)
            tries = 1 + (previous.tries if previous else 0)
            pause = min(dt.timedelta(hours=2.0 ** min(tries - 1, 20)), _MAX_PAUSE)
            again = now if due else now + pause
            self.put_aside[session] = PutAside(session, reason, tries, again.astimezone(dt.UTC))

    def came(self, sessions: Collection[dt.date]) -> None:
        """Note that sessions were fetched: they are no longer put aside."""
        for session in sessions:
            self.put_aside.pop(session, None)
