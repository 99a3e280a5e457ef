"""What a data folder holds, and whether it holds: the facts of `marketsweep status`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marketsweep.core.calendar import last_closed_session, sessions_between, sessions_from_to
from marketsweep.core.completeness import is_thin
from marketsweep.core.records import ActionAside
from marketsweep.store.companies.rulings import Ruling
from marketsweep.store.companies.tenures import Doubt
from marketsweep.store.missing_actions import MissingActions, of_notes, to_dict
from marketsweep.store.session_notes import NOT_LISTED, PutAside, SessionNotes
from marketsweep.store.snapshot import Counts, Snapshot
from marketsweep.store.store import Store


@dataclass(frozen=True, slots=True)
class Status:
    """The store in figures, its gaps, its age and its damages."""

    path: Path
    counts: Counts
    missing: list[dt.date]
    """Sessions between the first and the last stored one that are not stored."""
    partial: list[dt.date]
    """Sessions that hold some symbols only, fetched one by one."""
    thin: list[dt.date]
    """Sessions with far fewer bars than those around them."""
    put_aside: list[PutAside]
    """Sessions that could not be had and are asked for again later."""
    frozen: list[dt.date]
    """Sessions in which most of the market stands still."""
    missing_actions: list[MissingActions]
    """Splits or dividends that could not be had."""
    rulings: list[Ruling]
    """What becomes of told actions that do not count just as they are told."""
    not_listed: str
    """Why the last sync did not get the list of tickers; empty where it did."""
    unusable: list[ActionAside]
    """Told actions that cannot be used."""
    doubts: list[Doubt]
    """Renames that are told and cannot be used."""
    renames: int
    """Changes of tickers of which the day is known."""
    sessions_behind: int
    """How many sessions have closed since the newest one that is whole, if any is."""
    verified: bool
    damages: list[str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the JSON of `marketsweep status --json`."""
        facts = self.counts._asdict()
        notes = facts.pop("notes")
        return {
            "path": str(self.path),
            **{
                key: value.isoformat() if isinstance(value, dt.date) else value
                for key, value in facts.items()
            },
            "missing": [day.isoformat() for day in self.missing],
            "partial": [day.isoformat() for day in self.partial],
            "thin": [day.isoformat() for day in self.thin],
            "put_aside": [one.to_dict() for one in self.put_aside],
            "frozen": [day.isoformat() for day in self.frozen],
            "missing_actions": [to_dict(one) for one in self.missing_actions],
            "not_listed": self.not_listed,
            "actions": [_plain(one) for one in self.rulings],
            "unusable_actions": [_plain(one) for one in self.unusable],
            "renames": self.renames,
            "doubtful_tickers": [one._asdict() for one in self.doubts],
            "sessions_behind": self.sessions_behind,
            "verified": self.verified,
            "damages": self.damages,
            "notes": notes,
        }


def read_status(store: Store, *, verify: bool, now: dt.datetime | None = None) -> Status:
    """The state of a store; with `verify` every byte is checked against its checksum."""
    with store.snapshot() as snapshot:
        counts = snapshot.counts()
        damages = snapshot.verify().damages if verify else []
        notes = snapshot.notes()
        newest = last_closed_session(now or dt.datetime.now(dt.UTC))
        return Status(
            path=store.path,
            counts=counts,
            missing=_missing(snapshot.sessions),
            partial=snapshot.partial,
            thin=_thin(snapshot),
            put_aside=[one for _, one in sorted(SessionNotes.of(notes).put_aside.items())],
            frozen=snapshot.frozen(),
            missing_actions=list(of_notes(notes).values()),
            rulings=[*snapshot.rulings("split"), *snapshot.rulings("dividend")],
            not_listed=notes.get(NOT_LISTED, ""),
            unusable=snapshot.actions_aside(),
            doubts=snapshot.doubts(),
            renames=sum(1 for one in snapshot.tenures() if one.before and one.first),
            sessions_behind=sessions_from_to(snapshot.newest, newest) if snapshot.newest else 0,
            verified=verify,
            damages=damages,
        )


def _plain(one: Ruling | ActionAside) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, dt.date) else value
        for name, value in one._asdict().items()
    }


def _missing(stored: list[dt.date]) -> list[dt.date]:
    if not stored:
        return []
    there = set(stored)
    return [day for day in sessions_between(stored[0], stored[-1]) if day not in there]


def _thin(snapshot: Snapshot) -> list[dt.date]:
    whole = set(snapshot.whole)
    rows = [row for row in snapshot.session_rows() if row.date in whole]
    bars = [row.counts["bars"] for row in rows]
    return [row.date for place, row in enumerate(rows) if is_thin(bars, place)]
