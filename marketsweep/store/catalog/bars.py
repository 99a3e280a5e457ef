"""Bars: the sessions, the axis of symbols and the segments; also revisions and rows set aside."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from marketsweep.core.records import Span
from marketsweep.store.catalog.packs import Packs
from marketsweep.store.catalog.rows import (
    QUALITY,
    Change,
    Revision,
    SegmentRow,
    SessionRow,
    SetAside,
    text_of,
)
from marketsweep.store.known_sessions import merge_spans

_AXIS: Final = "axis"
"""The tickers, joined by newlines, which no ticker contains."""
_DAYS: Final = "days"
"""The stored sessions as ISO dates, joined by spaces."""
_COUNTS: Final = "counts/"
"""One pack per year: the source of each session and the counts of its bars."""
_SEGMENTS: Final = "segments"
_PARTIAL: Final = "partial"
_SPANS: Final = "spans"

_Counts = tuple[str, str, tuple[int, ...]]

_decode_segments: Final = msgspec.msgpack.Decoder(list[SegmentRow])
_decode_days: Final = msgspec.msgpack.Decoder(list[dt.date])
_decode_spans: Final = msgspec.msgpack.Decoder(list[tuple[Span, bool]])
_decode_counts: Final = msgspec.msgpack.Decoder(list[_Counts])


class Bars(Packs):
    """What the segments contain."""

    # Contents of a snapshot

    def dates(self, month: str = "") -> list[dt.date]:
        """Return the stored sessions, ascending; only those of `month` ("2016-01") if given."""
        days = (self.pack(_DAYS) or b"").decode().split()
        return [dt.date.fromisoformat(day) for day in days if day.startswith(month)]

    def tickers(self) -> list[str]:
        """Return the axis: the place of a ticker in it is its column in every segment."""
        axis = self.pack(_AXIS)
        return axis.decode().split("\n") if axis else []

    def segments(self, month: str = "") -> list[SegmentRow]:
        """Return the segments, ascending; only those of `month` ("2016-01") if given."""
        rows = self.decoded(_SEGMENTS, _decode_segments) or []
        return [row for row in rows if row.period.startswith(month)]

    def newest(self) -> dt.date | None:
        """Return the newest stored session."""
        days = self.pack(_DAYS)
        return dt.date.fromisoformat(days[-10:].decode()) if days else None

    def partial(self) -> list[dt.date]:
        """Return the stored sessions for which only some symbols were requested, ascending."""
        return self.decoded(_PARTIAL, _decode_days) or []

    def spans(self, *, final: bool) -> list[Span]:
        """Return the stored spans by symbol; with `final` those that will not change."""
        rows = self.decoded(_SPANS, _decode_spans) or []
        return [span for span, is_final in rows if is_final == final]

    # A commit

    def apply(self, change: Change) -> bool:
        """Write a commit inside a transaction, and return whether it changed anything."""
        is_news = self._update_known(change)
        if change.tickers:
            axis = [*self.tickers(), *change.tickers]
            self.put_pack(_AXIS, "\n".join(axis).encode())
        self._put_sessions(change.sessions)
        self._point_to(change)
        self.append("revisions", list(map(_revision, change.revisions)))
        has_added = self._set_aside(change.set_aside)
        return bool(change.segments) or has_added or is_news

    def _update_known(self, change: Change) -> bool:
        """Store which sessions are whole or what is known of them; return whether that changed."""
        days, partial = set(change.days), self.partial()
        if change.asked is None:
            return self.put_rows(_PARTIAL, [day for day in partial if day not in days])
        stored = set(self.dates()) if days else set[dt.date]()
        self.put_rows(_PARTIAL, sorted({*partial, *(days - stored)}))
        spans = {
            False: merge_spans([*self.spans(final=False), *change.asked.spans]),
            True: merge_spans([*self.spans(final=True), *change.asked.final]),
        }
        rows = [(span, is_final) for is_final, kind_spans in spans.items() for span in kind_spans]
        return self.put_rows(_SPANS, rows)

    def _put_sessions(self, rows: Sequence[SessionRow]) -> None:
        by_year: defaultdict[int, dict[str, _Counts]] = defaultdict(dict)
        for row in rows:
            counts = tuple(row.counts[name] for name in QUALITY)
            by_year[row.date.year][str(row.date)] = str(row.date), row.source, counts
        for year, new in by_year.items():
            name = f"{_COUNTS}{year}"
            stored = {row[0]: row for row in self.decoded(name, _decode_counts) or []}
            self.put_rows(name, [row for _, row in sorted({**stored, **new}.items())])
        stored_days = (self.pack(_DAYS) or b"").decode().split()
        days = sorted({*stored_days, *(day for new in by_year.values() for day in new)})
        if len(days) > len(stored_days):
            self.put_pack(_DAYS, " ".join(days).encode())

    def rebuild(
        self, axis: Sequence[str], segments: Sequence[SegmentRow], sessions: Sequence[SessionRow]
    ) -> None:
        """Replace all sessions and segments, inside a transaction."""
        for name in [_DAYS, *self.pack_names(_COUNTS)]:
            self.put_pack(name, None)
        self.put_pack(_AXIS, "\n".join(axis).encode() or None)
        self.put_rows(_SEGMENTS, segments)
        self._put_sessions(sessions)
        stored = {row.date for row in sessions}
        self.put_rows(_PARTIAL, [day for day in self.partial() if day in stored])

    def _point_to(self, change: Change) -> None:
        """Point the catalog to the new segments; the replaced ones are retired."""
        if not (change.segments or change.superseded):
            return
        rows = {row.period: row for row in self.segments()}
        at = text_of(change.at)
        for period in change.superseded:
            if period in rows:
                self._connection.execute(
                    "INSERT OR REPLACE INTO retired VALUES (?, ?)", (rows.pop(period).file, at)
                )
        for row in change.segments:
            # A period that is revised and revised back has a file name that was retired before.
            self._connection.execute("DELETE FROM retired WHERE file = ?", (row.file,))
            rows[row.period] = row
        self.put_rows(_SEGMENTS, [row for _, row in sorted(rows.items())])

    def _set_aside(self, rows: Sequence[SetAside]) -> bool:
        # A repeated fetch sets the same rows aside again.
        new_rows = dict.fromkeys(
            (row.session.isoformat(), row.symbol, row.reason, *map(_to_sqlite, row.values))
            for row in rows
        )
        for day in {row[0] for row in new_rows}:
            for stored_row in self._rows("SELECT * FROM set_aside WHERE date = ?", day):
                new_rows.pop(stored_row, None)
        self.append("set_aside", list(new_rows))
        return bool(new_rows)

    # Files that are no longer in use

    def in_use(self, since: dt.datetime) -> set[str]:
        """Return the names of segment files that are current, or were at that time."""
        rows = self._rows("SELECT file FROM retired WHERE at >= ?", text_of(since))
        return {row.file for row in self.segments()} | {file for (file,) in rows}

    def forget_retired(self, before: dt.datetime) -> None:
        """Forget the superseded files that were retired before that time."""
        with self.transaction():
            self._connection.execute("DELETE FROM retired WHERE at < ?", (text_of(before),))
            # The root is written even if nothing was retired. A transaction whose last fsync failed
            # may be whole in the log, and would come back to life after a crash; the write below
            # overwrites it, so that its files can go.
            self._write_root()

    # Reports

    def session_rows(self) -> list[SessionRow]:
        """Return every stored session, ascending."""
        return [
            SessionRow(dt.date.fromisoformat(day), source, dict(zip(QUALITY, counts, strict=True)))
            for name in self.pack_names(_COUNTS)
            for day, source, counts in self.decoded(name, _decode_counts) or []
        ]

    def quality(self) -> dict[str, int]:
        """Return the `QUALITY` counts over all sessions."""
        rows = [row.counts for row in self.session_rows()]
        return {name: sum(counts[name] for counts in rows) for name in QUALITY}

    def set_aside_counts(self) -> dict[str, int]:
        """Return the number of rows set aside, by reason."""
        return dict(
            self._rows("SELECT reason, count(*) FROM set_aside GROUP BY reason ORDER BY reason")
        )

    def set_aside(self, reason: str | None, limit: int | None) -> list[SetAside]:
        """Return rows set aside, by session and ticker."""
        rows = self._rows(
            "SELECT date, ticker, reason, open, high, low, close, volume FROM set_aside"
            " WHERE ?1 IS NULL OR reason = ?1 ORDER BY date, ticker, rowid LIMIT ?2",
            reason,
            _sql_limit(limit),
        )
        return [
            SetAside(
                dt.date.fromisoformat(day), ticker, row_reason, tuple(map(_from_sqlite, values))
            )
            for day, ticker, row_reason, *values in rows
        ]

    def count_revisions(self) -> int:
        """Return the number of changed bars."""
        count: int = self._value("SELECT count(*) FROM revisions")
        return count

    def revisions(self, symbol: str | None, limit: int | None) -> list[Revision]:
        """Return changed bars, by session, ticker and time."""
        rows = self._rows(
            "SELECT * FROM revisions WHERE ?1 IS NULL OR ticker = ?1"
            " ORDER BY date, ticker, rowid LIMIT ?2",
            symbol,
            _sql_limit(limit),
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


def _revision(row: Revision) -> tuple[object, ...]:
    values = map(_to_sqlite, (*row.old, *row.new))
    return row.session.isoformat(), row.symbol, text_of(row.at), *values


def _sql_limit(limit: int | None) -> int:
    return -1 if limit is None else limit  # SQLite's value for no limit


def _to_sqlite(value: float) -> float | None:
    """Return a value as SQLite returns it: SQLite has no NaN and no sign of a zero."""
    return None if math.isnan(value) else value + 0.0


def _from_sqlite(value: float | None) -> float:
    return math.nan if value is None else value
