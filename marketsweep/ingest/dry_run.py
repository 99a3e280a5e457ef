"""What a sync from files would store: `marketsweep sync --provider files --dry-run`."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import ActionAside, SessionBars
from marketsweep.ingest.files import Reading
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.store.axis import Axis
from marketsweep.store.validation import judge, judge_dividends, judge_splits

_SHOWN: Final = 5
"""Rows that are shown, of those that would be stored and of those set aside."""


class Row(NamedTuple):
    """A row of bars, and why it would be set aside; `reason` is empty if it would be stored."""

    symbol: str
    session: dt.date
    values: tuple[float, ...]
    """In the order of `fields.FIELDS`."""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data; None where a value is missing."""
        values = {
            name: None if math.isnan(value) else value
            for name, value in zip(FIELDS, self.values, strict=True)
        }
        why = {"reason": self.reason} if self.reason else {}
        return {"symbol": self.symbol, "session": self.session.isoformat(), **values, **why}


@dataclass(slots=True)
class DryRun:
    """What was understood of files, and what of it would be stored."""

    readings: list[Reading]
    bars: int = 0
    """Rows that would be stored as bars."""
    symbols: int = 0
    sessions: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    rows: list[Row] = field(default_factory=list)
    """The first bars."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows that would be set aside, by reason."""
    examples: list[Row] = field(default_factory=list)
    """The first of them."""
    splits: int = 0
    dividends: int = 0
    listings: int = 0
    unusable: list[ActionAside] = field(default_factory=list)
    """Actions that cannot be used, with the reason."""
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the JSON of `marketsweep sync --dry-run --json`."""
        return {
            "files": [reading.to_dict() for reading in self.readings],
            "bars": self.bars,
            "symbols": self.symbols,
            "sessions": self.sessions,
            "first": self.first and self.first.isoformat(),
            "last": self.last and self.last.isoformat(),
            "rows": [row.to_dict() for row in self.rows],
            "set_aside": self.set_aside,
            "set_aside_rows": [row.to_dict() for row in self.examples],
            "splits": self.splits,
            "dividends": self.dividends,
            "listings": self.listings,
            "unusable_actions": [
                one._asdict() | {"ex_date": one.ex_date and one.ex_date.isoformat()}
                for one in self.unusable
            ],
            "notes": self.notes,
        }


class Part(NamedTuple):
    """What a sync is asked for of the files."""

    since: dt.date | None = None
    until: dt.date | None = None
    symbols: Collection[str] | None = None
    """None for all."""

    def of(self, bars: SessionBars) -> SessionBars | None:
        """Return the bars of a session that are asked for; None if the session is not."""
        day = bars.session
        if (self.since and day < self.since) or (self.until and day > self.until):
            return None
        if self.symbols is None:
            return bars
        places = [place for place, symbol in enumerate(bars.symbols) if symbol in self.symbols]
        return SessionBars(day, [bars.symbols[place] for place in places], bars.values[:, places])


def dry_run(provider: FilesProvider, part: Part | None = None) -> DryRun:
    """Read files and judge the rows of a part as a sync would; nothing is stored.

    Raises what reading the files raises.
    """
    return asyncio.run(_read(provider, part or Part()))


async def _read(provider: FilesProvider, part: Part) -> DryRun:
    async with provider:
        splits, bad_splits = judge_splits(await provider.splits(None))
        dividends, bad_dividends = judge_dividends(await provider.dividends(None))
        found = DryRun(
            [*provider.readings, *provider.symbol_readings],
            splits=len(splits),
            dividends=len(dividends),
            listings=len(await provider.listings()),
            unusable=[*provider.actions_aside, *bad_splits, *bad_dividends],
            notes=provider.notes(),
        )
        asked = (some for bars in provider.all_sessions() if (some := part.of(bars)) is not None)
        _judge(found, asked)
    return found


def _judge(found: DryRun, sessions: Iterable[SessionBars]) -> None:
    axis, today, aside = Axis([]), dt.datetime.now(NEW_YORK).date(), Counter[str]()
    for session in sessions:
        intake = judge(session, axis, today)
        day = intake.session
        if count := len(intake.columns):
            found.bars, found.sessions = found.bars + count, found.sessions + 1
            found.first, found.last = found.first or day, day
        for column, values in zip(
            intake.columns[: _SHOWN - len(found.rows)].tolist(), intake.values.T, strict=False
        ):
            found.rows.append(Row(axis.symbols[column], day, tuple(values.tolist())))
        aside.update(reason for _, reason, _ in intake.set_aside)
        room = _SHOWN - len(found.examples)
        found.examples += [
            Row(symbol, day, values, reason) for symbol, reason, values in intake.set_aside[:room]
        ]
    found.symbols, found.set_aside = len(axis), dict(aside)
