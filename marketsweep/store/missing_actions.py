"""Splits and dividends that a source did not give: days without data, and rows that are gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from marketsweep.core.records import Dividend, Split
from marketsweep.core.safe_text import join_first
from marketsweep.store.companies.rulings import Kind, action_text

NOTE: Final = "missing actions"

KINDS: Final[dict[str, Kind]] = {"splits": "split", "dividends": "dividend"}
"""The kind of an action by its plural."""


_MAX_SHOWN: Final = 3
"""Number of actions that a warning names."""

_Action = Split | Dividend


class MissingActions(Struct, frozen=True):
    """Actions of a kind with an ex-date from `since` to `until` are unknown, for `reason`."""

    kind: Kind
    since: dt.date
    until: dt.date
    reason: str
    symbols: tuple[str, ...] | None = None
    """The symbols concerned; None for the whole market."""


def of_notes(notes: Mapping[str, str]) -> dict[Kind, MissingActions]:
    """Return the missing actions that the notes of a store record, by kind."""
    return {
        row["kind"]: MissingActions(
            row["kind"],
            dt.date.fromisoformat(row["since"]),
            dt.date.fromisoformat(row["until"]),
            row["reason"],
            None if row["symbols"] is None else tuple(row["symbols"]),
        )
        for row in msgspec.json.decode(notes.get(NOTE, "[]"))
    }


def as_note(missing: Iterable[MissingActions]) -> str:
    """Return missing actions as the text of a note."""
    return msgspec.json.encode([to_dict(actions) for actions in missing]).decode()


def to_dict(missing: MissingActions) -> dict[str, object]:
    """Return missing actions as plain data for JSON."""
    facts = asdict(missing)
    return facts | {"since": missing.since.isoformat(), "until": missing.until.isoformat()}


def joined(stored: MissingActions | None, new: MissingActions) -> MissingActions:
    """Return what is missing in all, after more of the same kind could not be fetched."""
    if stored is None:
        return new
    symbols = None
    if stored.symbols is not None and new.symbols is not None:
        symbols = tuple(sorted({*stored.symbols, *new.symbols}))
    return MissingActions(
        new.kind,
        min(stored.since, new.since),
        max(stored.until, new.until),
        new.reason,
        symbols,
    )


def is_given(missing: MissingActions, since: dt.date, symbols: Iterable[str] | None) -> bool:
    """Return whether actions of `symbols` (None: all) since a day cover all that was missing."""
    if since > missing.since:
        return False
    return symbols is None or (
        missing.symbols is not None and {*symbols}.issuperset(missing.symbols)
    )


def no_longer_told(reported: Iterable[_Action], stored: Iterable[_Action]) -> list[_Action]:
    """Return stored actions that a file lacks although it has most of the actions of its days.

    A file with few symbols, or with recent actions only, has few of them: then the list is empty.
    """
    keys = {_key(action) for action in reported}
    days = sorted(day for _, _, day in keys)
    in_range = [action for action in stored if days and days[0] <= action.ex_date <= days[-1]]
    absent = [action for action in in_range if _key(action) not in keys]
    return absent if len(in_range) > 2 * len(absent) else []


def _key(action: _Action) -> tuple[type, str, dt.date]:
    return type(action), action.symbol, action.ex_date


def in_words(rows: Sequence[_Action]) -> str:
    """Return a warning about stored actions that the source no longer reports."""
    named = join_first(
        [f"{row.symbol} {row.ex_date} {action_text(row)}" for row in rows], _MAX_SHOWN
    )
    return (
        f"{len(rows):,} stored splits and dividends are not in the file, which has most actions "
        f"of its days, and still count: {named}. marketsweep actions dismiss removes one"
    )
