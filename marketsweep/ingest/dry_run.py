"""Report what a sync from files would store: `marketsweep sync --provider files --dry-run`."""

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
from marketsweep.store.ticker_axis import Axis
from marketsweep.store.validation import judge, judge_dividends, judge_splits

_SHOWN_ROWS: Final = 5
"""Number of rows shown, both of those to store and of those set aside."""


class Row(NamedTuple):
    """A row of bars, and why it would be set aside; `reason` is empty if it would be stored."""

    symbol: str
    session: dt.date
    values: tuple[float, ...]
    """In the order of `fields.FIELDS`."""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data; None for a missing value."""
        values = {
            name: None if math.isnan(value) else value
            for name, value in zip(FIELDS, self.values, strict=True)
        }
        reason = {"reason": self.reason} if self.reason else {}
        return {"symbol": self.symbol, "session": self.session.isoformat(), **values, **reason}


@dataclass(slots=True)
class DryRun:
    """How files were read, and what of their content would be stored."""

    readings: list[Reading]
    bars: int = 0
    """Number of rows that would be stored as bars."""
    symbols: int = 0
    sessions: int = 0
    first: dt.date | None = None
    last: dt.date | None = None
    rows: list[Row] = field(default_factory=list)
    """The first of these rows."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Number of rows that would be set aside, by reason."""
    examples: list[Row] = field(default_factory=list)
    """The first of the rows to set aside."""
    splits: int = 0
    dividends: int = 0
    listings: int = 0
    unusable: list[ActionAside] = field(default_factory=list)
    """Actions that cannot be used, with the reason."""
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: the JSON of `marketsweep sync --dry-run --json`."""
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
                action._asdict() | {"ex_date": action.ex_date and action.ex_date.isoformat()}
                for action in self.unusable
            ],
            "notes": self.notes,
        }


class Part(NamedTuple):
    """The part of the files that a sync requests."""

    since: dt.date | None = None
    until: dt.date | None = None
    symbols: Collection[str] | None = None
    """None for all."""

    def of(self, bars: SessionBars) -> SessionBars | None:
        """Return the requested bars of a session; None if the session is not requested."""
        day = bars.session
        if (self.since and day < self.since) or (self.until and day > self.until):
            return None
        if self.symbols is None:
            return bars
        columns = [i for i, symbol in enumerate(bars.symbols) if symbol in self.symbols]
        return SessionBars(day, [bars.symbols[i] for i in columns], bars.values[:, columns])


def dry_run(provider: FilesProvider, part: Part | None = None) -> DryRun:
    """Read files and judge the rows of a part as a sync would; store nothing.

    Raises the errors of reading the files.
    """
    return asyncio.run(_read(provider, part or Part()))


async def _read(provider: FilesProvider, part: Part) -> DryRun:
    async with provider:
        splits, bad_splits = judge_splits(await provider.splits(None))
        dividends, bad_dividends = judge_dividends(await provider.dividends(None))
        result = DryRun(
            [*provider.readings, *provider.symbol_readings],
            splits=len(splits),
            dividends=len(dividends),
            listings=len(await provider.listings()),
            unusable=[*provider.actions_aside, *bad_splits, *bad_dividends],
            notes=provider.notes(),
        )
        sessions = (s for bars in provider.all_sessions() if (s := part.of(bars)) is not None)
        _judge(result, sessions)
    return result


def _judge(result: DryRun, sessions: Iterable[SessionBars]) -> None:
    axis, today, set_aside = Axis([]), dt.datetime.now(NEW_YORK).date(), Counter[str]()
    for session in sessions:
        intake = judge(session, axis, today)
        day = intake.session
        if count := len(intake.columns):
            result.bars, result.sessions = result.bars + count, result.sessions + 1
            result.first, result.last = result.first or day, day
        for column, values in zip(
            intake.columns[: _SHOWN_ROWS - len(result.rows)].tolist(), intake.values.T, strict=False
        ):
            result.rows.append(Row(axis.symbols[column], day, tuple(values.tolist())))
        set_aside.update(reason for _, reason, _ in intake.set_aside)
        room = _SHOWN_ROWS - len(result.examples)
        result.examples += [
            Row(symbol, day, values, reason) for symbol, reason, values in intake.set_aside[:room]
        ]
    result.symbols, result.set_aside = len(axis), dict(set_aside)
