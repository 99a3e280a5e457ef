"""Bars: the sessions, the axis of symbols and the segments; what was revised or set aside."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from marketsweep.database import Database
from marketsweep.records import Span
from marketsweep.spans import joined
from marketsweep.tables.rows import (
    QUALITY,
    Change,
    Revision,
    SegmentRow,
    SessionRow,
    SetAside,
    date_of,
    marks,
    row_of,
    text_of,
)

_BLOCK: Final = 1000
"""Tickers of the axis in a row."""


class Bars(Database):
    """The tables of what the segments hold."""

    # What a snapshot is made of

    def dates(self, month: str = "") -> list[dt.date]:
        """The stored sessions, ascending; of one month ("2016-01") if it is given."""
        # One text: it costs a third of five thousand rows.
        (days,) = self._rows(
            "SELECT group_concat(date, ' ') FROM sessions WHERE date >= ? AND date < ?",
            *_of_month(month),
        )[0]
        return list(map(dt.date.fromisoformat, sorted(days.split(" ")))) if days else []

    def tickers(self) -> list[str]:
        """The axis: a ticker's place in it is its column in every segment."""
        packed = [text for (text,) in self._rows("SELECT tickers FROM axis ORDER BY first")]
        return "\n".join(packed).split("\n") if packed else []

    def segments(self, month: str = "") -> list[SegmentRow]:
        """The segments, ascending; of one month ("2016-01") if it is given."""
        rows = self._rows(
            "SELECT period, file, sessions, width, bytes, checksum FROM segments"
            " WHERE period >= ? AND period < ? ORDER BY period",
            *_of_month(month),
        )
        return list(map(SegmentRow._make, rows))

    def newest(self) -> dt.date | None:
        """The newest stored session."""
        day = self._value("SELECT max(date) FROM sessions")
        return date_of(day)

    def partial(self) -> list[dt.date]:
        """The stored sessions of which only some symbols were asked for, ascending."""
        rows = self._rows("SELECT date FROM partial ORDER BY date")
        return list(map(dt.date.fromisoformat, chain.from_iterable(rows)))

    def spans(self, *, final: bool) -> list[Span]:
        """What is known of single symbols, by symbol; with `final` what will not change."""
        rows = self._rows(
            "SELECT symbol, first, last FROM spans WHERE final = ? ORDER BY symbol, first",
            final,
        )
        day = dt.date.fromisoformat
        return [Span(symbol, day(first), day(last)) for symbol, first, last in rows]

    # A commit

    def apply(self, change: Change) -> bool:
        """Write a commit, inside a transaction; whether it changed anything."""
        executemany = self._connection.executemany
        known = self._learn(change)
        self._lengthen(change.tickers)
        executemany(
            f"INSERT OR REPLACE INTO sessions (date, source, {', '.join(QUALITY)})"
            f" VALUES ({marks(2 + len(QUALITY))})",
            [
                (row.date.isoformat(), row.source, *(row.counts[name] for name in QUALITY))
                for row in change.sessions
            ],
        )
        self._retire(change.superseded, text_of(change.at))
        for row in change.segments:
            self._point_to(row)
        executemany(
            f"INSERT INTO revisions VALUES ({marks(13)})",
            [
                (row.session.isoformat(), row.symbol, text_of(row.at), *row.old, *row.new)
                for row in change.revisions
            ],
        )
        added = self._set_aside(change.set_aside)
        return bool(change.segments) or added or known

    def _lengthen(self, new: Sequence[str]) -> None:
        if not new:
            return
        last = self._rows("SELECT first, tickers FROM axis ORDER BY first DESC LIMIT 1")
        first, packed = last[0] if last else (0, "")
        tickers = [*(packed.split("\n") if packed else ()), *new]
        self._connection.executemany(
            "INSERT OR REPLACE INTO axis VALUES (?, ?)",
            [
                (first + place, "\n".join(tickers[place : place + _BLOCK]))
                for place in range(0, len(tickers), _BLOCK)
            ],
        )

    def _learn(self, change: Change) -> bool:
        """Note which sessions are whole, or what is known of them; whether that is news."""
        days = [(day.isoformat(),) for day in change.days]
        if change.asked is None:
            whole = self._connection.executemany("DELETE FROM partial WHERE date = ?", days)
            return whole.rowcount > 0
        self._connection.executemany(
            "INSERT INTO partial SELECT ?1 WHERE NOT EXISTS"
            " (SELECT 1 FROM sessions WHERE date = ?1)",
            days,
        )
        news = [
            self._join_spans(change.asked.spans, final=False),
            self._join_spans(change.asked.final, final=True),
        ]
        return any(news)

    def _join_spans(self, given: Sequence[Span], *, final: bool) -> bool:
        stored = self.spans(final=final)
        spans = joined([*stored, *given])
        if spans == stored:
            return False
        self._connection.execute("DELETE FROM spans WHERE final = ?", (final,))
        rows = [(*row_of(span), final) for span in spans]
        self._connection.executemany(f"INSERT INTO spans VALUES ({marks(4)})", rows)
        return True

    def _retire(self, periods: Iterable[str], at: str) -> None:
        for period in periods:
            self._connection.execute(
                "INSERT INTO retired SELECT file, ? FROM segments WHERE period = ?", (at, period)
            )
            self._connection.execute("DELETE FROM segments WHERE period = ?", (period,))

    def _point_to(self, row: SegmentRow) -> None:
        # A period that is revised and then revised back has a name which was retired before.
        self._connection.execute("DELETE FROM retired WHERE file = ?", (row.file,))
        self._connection.execute(f"INSERT INTO segments VALUES ({marks(6)})", row)

    def _set_aside(self, rows: Sequence[SetAside]) -> bool:
        # A fetch that is repeated sets the same rows aside again.
        given = dict.fromkeys(
            (row.session.isoformat(), row.symbol, row.reason, *map(_null, row.values))
            for row in rows
        )
        for day in {row[0] for row in given}:
            for stored in self._rows("SELECT * FROM set_aside WHERE date = ?", day):
                given.pop(stored, None)
        self._connection.executemany(f"INSERT INTO set_aside VALUES ({marks(8)})", list(given))
        return bool(given)

    # Files that are no longer in use

    def in_use(self, since: dt.datetime) -> set[str]:
        """Names of the segment files that are current, or were at that time."""
        rows = self._rows(
            "SELECT file FROM segments UNION SELECT file FROM retired WHERE at >= ?", text_of(since)
        )
        return {file for (file,) in rows}

    def forget_retired(self, before: dt.datetime) -> None:
        """Forget the superseded files that were retired before that time."""
        with self.transaction():
            self._connection.execute("DELETE FROM retired WHERE at < ?", (text_of(before),))
            # The row is written even where nothing was retired. A transaction whose last fsync
            # failed may be whole in the log, and would come back to life after a crash; the
            # write below overwrites it, so that its files can go.
            self._connection.execute("UPDATE meta SET data_version = data_version")

    # Accounts

    def session_rows(self) -> list[SessionRow]:
        """Every stored session, ascending."""
        rows = self._rows(f"SELECT date, source, {', '.join(QUALITY)} FROM sessions ORDER BY date")
        return [
            SessionRow(dt.date.fromisoformat(day), source, dict(zip(QUALITY, counts, strict=True)))
            for day, source, *counts in rows
        ]

    def quality(self) -> dict[str, int]:
        """The `QUALITY` counts over all sessions."""
        sums = ", ".join(f"coalesce(sum({name}), 0)" for name in QUALITY)
        return dict(zip(QUALITY, self._rows(f"SELECT {sums} FROM sessions")[0], strict=True))

    def set_aside_counts(self) -> dict[str, int]:
        """Rows set aside, by reason."""
        return dict(
            self._rows("SELECT reason, count(*) FROM set_aside GROUP BY reason ORDER BY reason")
        )

    def set_aside(self, reason: str | None, limit: int | None) -> list[SetAside]:
        """Rows set aside, by session and ticker."""
        rows = self._rows(
            "SELECT date, ticker, reason, open, high, low, close, volume FROM set_aside"
            " WHERE ?1 IS NULL OR reason = ?1 ORDER BY date, ticker, rowid LIMIT ?2",
            reason,
            _limit(limit),
        )
        return [
            SetAside(dt.date.fromisoformat(day), ticker, why, tuple(map(_float, values)))
            for day, ticker, why, *values in rows
        ]

    def revisions(self, symbol: str | None, limit: int | None) -> list[Revision]:
        """Changed bars, by session, ticker and time."""
        rows = self._rows(
            "SELECT * FROM revisions WHERE ?1 IS NULL OR ticker = ?1"
            " ORDER BY date, ticker, rowid LIMIT ?2",
            symbol,
            _limit(limit),
        )
        return [
            Revision(
                dt.date.fromisoformat(day),
                ticker,
                dt.datetime.fromisoformat(at),
                tuple(values[:5]),
                tuple(values[5:]),
            )
            for day, ticker, at, *values in rows
        ]


def _of_month(month: str) -> tuple[str, str]:
    """What days and periods of a month lie between, as texts; those of all months where it is ''.

    A range, as an index finds it.
    """
    return month, f"{month}~"


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit  # SQLite's own way to say all


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value  # SQLite has no NaN


def _float(value: float | None) -> float:
    return math.nan if value is None else value
