"""Splits and dividends that a source did not give: days over which none are known, rows gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from marketsweep.core.records import Dividend, Split
from marketsweep.core.safe_text import some_of
from marketsweep.store.companies.rulings import Kind, said

NOTE: Final = "missing actions"

KINDS: Final[dict[str, Kind]] = {"splits": "split", "dividends": "dividend"}
"""The kind of an action by the name of all of them."""


_SHOWN: Final = 3
"""Actions that are named."""

_Action = Split | Dividend


class MissingActions(Struct, frozen=True):
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
        for row in msgspec.json.decode(notes.get(NOTE, "[]"))
    }


def as_note(missing: Iterable[MissingActions]) -> str:
    """As a note of the store."""
    return msgspec.json.encode([to_dict(one) for one in missing]).decode()


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


def no_longer_told(told: Iterable[_Action], stored: Iterable[_Action]) -> list[_Action]:
    """Stored actions that a file which tells most of those of its days does not tell.

    A file of a few symbols, or of what is new, tells few of them: then there are none.
    """
    names = {_name(one) for one in told}
    days = sorted(day for _, _, day in names)
    within = [one for one in stored if days and days[0] <= one.ex_date <= days[-1]]
    gone = [one for one in within if _name(one) not in names]
    return gone if len(within) > 2 * len(gone) else []


def _name(action: _Action) -> tuple[type, str, dt.date]:
    return type(action), action.symbol, action.ex_date


def in_words(gone: Sequence[_Action]) -> str:
    """A warning of actions that are stored and no longer told."""
    named = some_of([f"{one.symbol} {one.ex_date} {said(one)}" for one in gone], _SHOWN)
    return (
        f"{len(gone):,} stored splits and dividends are not in the file, which tells most of its "
        f"days, and still count: {named}. marketsweep actions dismiss takes one out"
    )
