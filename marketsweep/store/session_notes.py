"""What a store remembers of sessions between syncs: which ones are fetched again, and when.

A session is asked for again while it is *provisional* (late corrections still come in), after it
was *put aside* (it could not be had, or most of the market stands still in it), and from time to
time to see corrections that come days later (*checked*).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

ACTIONS: Final = "actions"
"""A note in the store: the first and the last day of which all actions are known."""
LISTED: Final = "listed"
"""When a source last told what is listed."""
NOT_LISTED: Final = "not listed"
"""Why the last sync that asked for the list of tickers did not get it; empty where it did."""
LISTED_ON: Final = "listed_on"
"""Which session was the newest then."""

PROVISIONAL: Final = "provisional"
PUT_ASIDE: Final = "put aside"
CHECKED: Final = "checked"

_LONGEST: Final = dt.timedelta(days=7)
"""Time after which a session that was put aside is asked for again, at the most."""

_CHECKED: Final = 30
"""The newest sessions among which one is fetched again by each sync."""


class PutAside(NamedTuple):
    """A session that is asked for again later, and not by each sync."""

    session: dt.date
    reason: str
    tries: int
    """Times that it was asked for in vain."""
    again: dt.datetime
    """Not asked for before, UTC."""

    def is_due(self, now: dt.datetime) -> bool:
        """Whether it is asked for; also where the clock was wrong when it was put aside."""
        return now >= self.again or self.again - now > _LONGEST

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        again = self.again.isoformat(timespec="seconds")
        return self._asdict() | {"session": self.session.isoformat(), "again": again}


@dataclass
class SessionNotes:
    """Which sessions are fetched again, though they may be stored."""

    provisional: set[dt.date] = field(default_factory=set)
    put_aside: dict[dt.date, PutAside] = field(default_factory=dict)
    checked: dt.date | None = None
    """The session that was fetched last to see late corrections."""

    @classmethod
    def of(cls, notes: Mapping[str, str]) -> SessionNotes:
        """As they were noted."""
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
            {one.session: one for one in aside},
            dt.date.fromisoformat(checked) if checked else None,
        )

    def texts(self) -> dict[str, str]:
        """As notes of the store."""
        aside = [self.put_aside[day].to_dict() for day in sorted(self.put_aside)]
        return {
            PROVISIONAL: msgspec.json.encode(sorted(map(str, self.provisional))).decode(),
            PUT_ASIDE: msgspec.json.encode(aside).decode(),
            CHECKED: "" if self.checked is None else self.checked.isoformat(),
        }

    def waiting(self, now: dt.datetime) -> set[dt.date]:
        """The sessions put aside that are not asked for yet."""
        return {day for day, one in self.put_aside.items() if not one.is_due(now)}

    def to_check(self, whole: Sequence[dt.date], asked: Collection[dt.date]) -> dt.date | None:
        """The one of the newest sessions that is fetched again by turns, of those asked for.

        `whole` are all that are stored, ascending. Each sync takes the one before that of the sync
        before; None if there is none.
        """
        away = {*self.provisional, *self.put_aside}
        choices = [day for day in whole[-_CHECKED:] if day in asked and day not in away]
        earlier = [day for day in choices if self.checked is None or day < self.checked]
        return max(earlier or choices, default=None)

    def failed(
        self, sessions: Iterable[tuple[dt.date, str]], now: dt.datetime, *, due: bool = False
    ) -> None:
        """Put sessions aside: they are due after 1, 2, 4 hours and so on, up to a week.

        With `due` at once: the source as a whole may have failed.
        """
        for session, reason in sessions:
            known = self.put_aside.get(session)
            tries = 1 + (known.tries if known else 0)
            pause = min(dt.timedelta(hours=2.0 ** min(tries - 1, 20)), _LONGEST)
            again = now if due else now + pause
            self.put_aside[session] = PutAside(session, reason, tries, again.astimezone(dt.UTC))

    def came(self, sessions: Collection[dt.date]) -> None:
        """Note that sessions came: they are no longer put aside."""
        for session in sessions:
            self.put_aside.pop(session, None)
