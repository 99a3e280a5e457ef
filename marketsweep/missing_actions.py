"""Splits and dividends that a source did not give: over which days none are known."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from marketsweep.rulings import Kind

NOTE: Final = "missing actions"

KINDS: Final[dict[str, Kind]] = {"splits": "split", "dividends": "dividend"}
"""The kind of an action by the name of all of them."""


@dataclass(frozen=True, slots=True)
class MissingActions:
    """Actions of a kind with an ex-date from `since` to `until` are not known, and why."""

    kind: Kind
    since: dt.date
    until: dt.date
    reason: str
    symbols: tuple[str, ...] | None = None
    """Whose; None for the whole market."""


def of_notes(notes: Mapping[str, str]) -> dict[Kind, MissingActions]:
    """What was noted."""
    return {
        row["kind"]: MissingActions(
            row["kind"],
            dt.date.fromisoformat(row["since"]),
            dt.date.fromisoformat(row["until"]),
            row["reason"],
            None if row["symbols"] is None else tuple(row["symbols"]),
        )
        for row in json.loads(notes.get(NOTE, "[]"))
    }


def as_note(missing: Iterable[MissingActions]) -> str:
    """As a note of the store."""
    return json.dumps([to_dict(one) for one in missing])


def to_dict(one: MissingActions) -> dict[str, object]:
    """As JSON has it."""
    facts = asdict(one)
    return facts | {"since": one.since.isoformat(), "until": one.until.isoformat()}


def joined(known: MissingActions | None, new: MissingActions) -> MissingActions:
    """What is missing after more of the same kind could not be had."""
    if known is None:
        return new
    symbols = None
    if known.symbols is not None and new.symbols is not None:
        symbols = tuple(sorted({*known.symbols, *new.symbols}))
    return MissingActions(
        new.kind,
        min(known.since, new.since),
        max(known.until, new.until),
        new.reason,
        symbols,
    )


def is_given(known: MissingActions, since: dt.date, symbols: Iterable[str] | None) -> bool:
    """Whether actions of some symbols (None: all) since a day are all that was missing."""
    if since > known.since:
        return False
    return symbols is None or (known.symbols is not None and {*symbols}.issuperset(known.symbols))
