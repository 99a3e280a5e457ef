"""What a data folder holds, and whether it is sound: the facts of `marketsweep status`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketsweep.core.calendar import last_closed_session, sessions_distance, sessions_in_range
from marketsweep.core.completeness import is_thin
from marketsweep.core.records import ActionAside
from marketsweep.store.companies.rulings import Ruling
from marketsweep.store.companies.ticker_changes import Doubt
from marketsweep.store.missing_actions import MissingActions, of_notes, to_dict
from marketsweep.store.session_notes import NOT_LISTED, STOPPED, PutAside, SessionNotes
from marketsweep.store.snapshot import Counts, Snapshot
from marketsweep.store.store import Store


@dataclass(frozen=True, slots=True)
class Status:
    """Figures, gaps, age and damages of a store."""

    path: Path
    counts: Counts
    missing: list[dt.date]
    """Sessions between the first and the last stored one that are not stored."""
    partial: list[dt.date]
    """Sessions that hold some symbols only, fetched one by one."""
    thin: list[dt.date]
    """Sessions with far fewer bars than those around them."""
    put_aside: list[PutAside]
    """Sessions that could not be fetched and are requested again later."""
    frozen: list[dt.date]
    """Frozen sessions: most of their bars are flat or repeat the session before."""
    missing_actions: list[MissingActions]
    """Splits or dividends that could not be fetched."""
    rulings: list[Ruling]
    """Decisions about reported actions that are not applied exactly as reported."""
    stopped: str
    """Why the provider failed in the last sync that stored something; empty if it did not."""
    not_listed: str
    """Why the last sync did not get the list of tickers; empty if it did."""
    unusable: list[ActionAside]
    """Reported actions that cannot be used."""
    doubts: list[Doubt]
    """Reported renames that cannot be used."""
    renames: int
    """Number of ticker changes with a known day."""
    sessions_behind: int
    """Number of sessions that closed after the newest whole session, if any."""
    verified: bool
    damages: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the status as plain data: the JSON of `marketsweep status --json`."""
        counts = self.counts._asdict()
        notes = counts.pop("notes")
        return {
            "path": str(self.path),
            **{
                key: value.isoformat() if isinstance(value, dt.date) else value
                for key, value in counts.items()
            },
            "missing": [day.isoformat() for day in self.missing],
            "partial": [day.isoformat() for day in self.partial],
            "thin": [day.isoformat() for day in self.thin],
            "put_aside": [aside.to_dict() for aside in self.put_aside],
            "frozen": [day.isoformat() for day in self.frozen],
            "missing_actions": [to_dict(missing) for missing in self.missing_actions],
            "stopped": self.stopped,
            "not_listed": self.not_listed,
            "actions": [_to_plain(ruling) for ruling in self.rulings],
            "unusable_actions": [_to_plain(action) for action in self.unusable],
            "renames": self.renames,
            "doubtful_tickers": [doubt._asdict() for doubt in self.doubts],
            "sessions_behind": self.sessions_behind,
            "verified": self.verified,
            "damages": self.damages,
            "notes": notes,
        }


def read_status(store: Store, *, verify: bool, now: dt.datetime | None = None) -> Status:
    """Return the status of a store; with `verify`, compare every byte with its checksum."""
    with store.snapshot() as snapshot:
        counts = snapshot.counts()
        damages = snapshot.verify().damages if verify else []
        notes = snapshot.notes()
        last_closed = last_closed_session(now or dt.datetime.now(dt.UTC))
        return Status(
            path=store.path,
            counts=counts,
            missing=_missing(snapshot.sessions),
            partial=snapshot.partial,
            thin=_thin(snapshot),
            put_aside=[aside for _, aside in sorted(SessionNotes.of(notes).put_aside.items())],
            frozen=snapshot.frozen(),
            missing_actions=list(of_notes(notes).values()),
            rulings=[*snapshot.rulings("split"), *snapshot.rulings("dividend")],
            stopped=notes.get(STOPPED, ""),
            not_listed=notes.get(NOT_LISTED, ""),
            unusable=snapshot.actions_aside(),
            doubts=snapshot.doubts(),
            renames=sum(1 for tenure in snapshot.tenures() if tenure.before and tenure.first),
            sessions_behind=sessions_distance(snapshot.newest, last_closed)
            if snapshot.newest
            else 0,
            verified=verify,
            damages=damages,
        )


def _to_plain(record: Ruling | ActionAside) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in record._asdict().items()
    }


def _missing(stored: list[dt.date]) -> list[dt.date]:
    if not stored:
        return []
    stored_days = set(stored)
    return [day for day in sessions_in_range(stored[0], stored[-1]) if day not in stored_days]


def _thin(snapshot: Snapshot) -> list[dt.date]:
    whole = set(snapshot.whole)
    rows = [row for row in snapshot.session_rows() if row.date in whole]
    bars = [row.counts["bars"] for row in rows]
    return [row.date for place, row in enumerate(rows) if is_thin(bars, place)]
