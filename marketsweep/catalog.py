"""The catalog of a data folder: its schema, and typed queries.

It knows nothing of the segments' contents and takes its values as they come; what the rows mean
is `store`'s. A commit is one transaction here: before it nothing has happened, after it all has.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import chain
from operator import attrgetter
from typing import Final, Literal, TypeVar

from marketsweep.database import Database
from marketsweep.identity import identified, key_of
from marketsweep.records import Dividend, Life, Listing, LowVolume, Settled, Span, Split
from marketsweep.schema import SCHEMA, UPGRADES
from marketsweep.spans import Asked, joined

_Action = TypeVar("_Action", Split, Dividend)

_VALUES: Final[dict[type, Callable[[object], tuple[object, ...]]]] = {
    kind: attrgetter(*(field.name for field in fields(kind)))
    for kind in (Split, Dividend, Listing, LowVolume, Span)
}
"""The fields of a record: a table has its columns in their order."""

_BLOCK: Final = 1000
"""Tickers of the axis in a row."""

_LIFE: Final = "SELECT symbol, nullif(first, ''), last, instrument FROM listings"
# The index by instrument has all of these columns, but in another order: sorting takes longer.
_LIVES: Final = _LIFE + " NOT INDEXED ORDER BY symbol, instrument"
_SHARED_LIVES: Final = f"""
{_LIFE} WHERE instrument IN (SELECT instrument FROM listings GROUP BY 1 HAVING count(*) > 1) UNION
{_LIFE} WHERE symbol IN (SELECT symbol FROM listings GROUP BY 1 HAVING count(*) > 1)
"""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One file as the catalog knows it; `checksum` is the CRC-32 of the whole file."""

    period: str
    """The month that it holds, or the part of one (`segments.period_of`)."""
    file: str
    sessions: int
    width: int
    bytes: int
    checksum: int


QUALITY: Final = (
    "bars",
    "nonpositive",  # a price at or below zero
    "inverted",  # the high is below the low
    "outside",  # the open or the close is not between low and high
    "absurd",  # a price of ten million dollars or more
    "no_volume",
    "negative_volume",
)
"""What is counted of a session's bars."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One stored session, its `QUALITY` counts, and the source that last changed a bar of it."""

    date: dt.date
    source: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that was kept out of the segments; `values` as `fields.FIELDS`, NaN where absent."""

    session: dt.date
    symbol: str
    reason: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Revision:
    """A stored bar that a later fetch changed at `at` (UTC); values as `fields.FIELDS`."""

    session: dt.date
    symbol: str
    at: dt.datetime
    old: tuple[float, ...]
    new: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that one commit does to the catalog."""

    at: dt.datetime
    tickers: Sequence[str]
    """New on the axis, in its order."""
    sessions: Sequence[SessionRow]
    segments: Sequence[SegmentRow]
    superseded: Sequence[str]
    """Periods whose segments these take the place of."""
    revisions: Sequence[Revision]
    set_aside: Sequence[SetAside]
    days: Sequence[dt.date]
    """Sessions of which bars came, be they new or not."""
    asked: Asked | None
    """None where those sessions came whole."""


class Catalog(Database):
    """What is stored, as typed rows."""

    schema = SCHEMA
    upgrades = UPGRADES

    # What a snapshot is made of

    def version(self) -> int:
        """The number that grows with every commit that changed anything."""
        version: int = self._value("SELECT data_version FROM meta")
        return version

    def dates(self, month: str = "") -> list[dt.date]:
        """The stored sessions, ascending; of one month ("2016-01") if it is given."""
        rows = self._rows("SELECT date FROM sessions WHERE date GLOB ? ORDER BY date", month + "*")
        return list(map(dt.date.fromisoformat, chain.from_iterable(rows)))

    def tickers(self) -> list[str]:
        """The axis: a ticker's place in it is its column in every segment."""
        packed = [text for (text,) in self._rows("SELECT tickers FROM axis ORDER BY first")]
        return "\n".join(packed).split("\n") if packed else []

    def segments(self, month: str = "") -> list[SegmentRow]:
        """The segments, ascending; of one month ("2016-01") if it is given."""
        rows = self._rows(
            "SELECT period, file, sessions, width, bytes, checksum FROM segments"
            " WHERE period GLOB ? ORDER BY period",
            month + "*",
        )
        return [SegmentRow(*row) for row in rows]

    def newest(self) -> dt.date | None:
        """The newest stored session."""
        day = self._value("SELECT max(date) FROM sessions")
        return _date(day)

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

    # Actions and reference data

    def splits(self, since: dt.date | None = None) -> list[Split]:
        """Splits with an ex-date on or after `since`, by symbol and ex-date."""
        rows = self._rows(
            "SELECT symbol, ex_date, old, new FROM splits WHERE ex_date >= ?"
            " ORDER BY symbol, ex_date, old, new",
            _since(since),
        )
        return [Split(s, dt.date.fromisoformat(day), old, new) for s, day, old, new in rows]

    def dividends(self, since: dt.date | None = None) -> list[Dividend]:
        """Dividends with an ex-date on or after `since`, by symbol and ex-date."""
        rows = self._rows(
            "SELECT symbol, ex_date, cash FROM dividends WHERE ex_date >= ?"
            " ORDER BY symbol, ex_date, cash",
            _since(since),
        )
        return [Dividend(s, dt.date.fromisoformat(day), cash) for s, day, cash in rows]

    def lives(self) -> list[tuple[str, str | None, str | None, int]]:
        """Symbol, first and last day and instrument of every listing, by symbol."""
        return [(row[0], row[1], row[2], row[3]) for row in self._rows(_LIVES)]

    def shared_lives(self) -> list[Life]:
        """The lives of instruments that had several tickers, and of tickers of several of them."""
        rows = self._rows(_SHARED_LIVES)
        return [Life(symbol, _date(first), _date(last), of) for symbol, first, last, of in rows]

    def listings(self) -> list[Listing]:
        """Every listing, by symbol."""
        rows = self._rows(
            "SELECT symbol, name, type, exchange, sector, industry, country, market_cap,"
            " nullif(first, ''), last, figi, renamed_from, instrument, shares, shares_on"
            " FROM listings"
            " ORDER BY symbol, instrument, first"
        )
        return [
            Listing(*row[:8], *map(_date, row[8:10]), *row[10:14], *map(_date, row[14:]))
            for row in rows
        ]

    def replace_splits(
        self, splits: Iterable[Split], since: dt.date | None, symbols: Iterable[str] | None = None
    ) -> bool:
        """Make these the splits on or after `since`, of `symbols` or all; whether any changed."""
        stored, given = _of(self.splits(since), symbols), set(splits)
        self._remove("splits", "symbol = ? AND ex_date = ? AND old = ? AND new = ?", stored - given)
        return self._insert("splits", given - stored) > 0 or bool(stored - given)

    def replace_dividends(
        self,
        dividends: Iterable[Dividend],
        since: dt.date | None,
        symbols: Iterable[str] | None = None,
    ) -> bool:
        """The same for dividends."""
        stored, given = _of(self.dividends(since), symbols), set(dividends)
        self._remove("dividends", "symbol = ? AND ex_date = ? AND cash = ?", stored - given)
        return self._insert("dividends", given - stored) > 0 or bool(stored - given)

    def merge_splits(self, splits: Iterable[Split]) -> bool:
        """Put these in the place of those of the same symbol and day; whether that changed any."""
        return self.replace_splits(_joined(self.splits(), splits), None)

    def merge_dividends(self, dividends: Iterable[Dividend]) -> bool:
        """Put these in the place of those of the same symbol and day; whether that changed any."""
        return self.replace_dividends(_joined(self.dividends(), dividends), None)

    def settled(self) -> list[Settled]:
        """The user's word on splits and dividends, by symbol, ex-date and kind."""
        rows = self._rows(
            "SELECT symbol, ex_date, kind, old, new, cash FROM settled"
            " ORDER BY symbol, ex_date, kind"
        )
        return [_settled(*row) for row in rows]

    def settle(self, one: Settled) -> bool:
        """Keep the user's word in the place of an earlier one; whether that changed anything."""
        if one in self.settled():
            return False
        old = new = cash = None
        if isinstance(one.action, Split):
            old, new = one.action.old, one.action.new
        elif one.action is not None:
            cash = one.action.cash
        self._connection.execute(
            f"INSERT OR REPLACE INTO settled VALUES ({_marks(6)})",
            (one.symbol, one.ex_date.isoformat(), one.kind, old, new, cash),
        )
        return True

    def unsettle(self, symbol: str, ex_date: dt.date, kind: str) -> bool:
        """Forget the user's word; whether there was one."""
        removed = self._connection.execute(
            "DELETE FROM settled WHERE symbol = ? AND ex_date = ? AND kind = ?",
            (symbol, ex_date.isoformat(), kind),
        )
        return removed.rowcount > 0

    def low_volume(self) -> list[LowVolume]:
        """The kept low-volume list, by symbol; what was built before the user's word."""
        day = dt.date.fromisoformat
        return [
            LowVolume(symbol, bool(manual), bool(out), day(since), _date(expires), *facts)
            for symbol, manual, out, since, expires, *facts in self._rows(
                "SELECT symbol, manual, out, since, expires, dollars, sessions, least"
                " FROM low_volume ORDER BY symbol, manual"
            )
        ]

    def replace_low_volume(self, lines: Iterable[LowVolume]) -> bool:
        """Make these the whole list; whether that changed anything."""
        stored, given = set(self.low_volume()), set(lines)
        self._connection.executemany(
            "DELETE FROM low_volume WHERE symbol = ? AND manual = ?",
            [(line.symbol, line.manual) for line in stored - given],
        )
        self._connection.executemany(
            f"INSERT INTO low_volume VALUES ({_marks(8)})", map(_row, given - stored)
        )
        return stored != given

    def upsert_listings(self, listings: Iterable[Listing]) -> bool:
        """Put these in the place of the stored ones that they are; whether anything changed."""
        before = self.listings()
        stored = {key_of(listing): listing for listing in before}
        known = {key_of(listing): listing for listing in identified(before, listings)}
        self._connection.executemany(
            "DELETE FROM listings WHERE symbol = ? AND instrument = ? AND first = ?",
            stored.keys() - known.keys(),
        )
        changed = [new for key, new in known.items() if stored.get(key) != new]
        self._connection.executemany(
            f"INSERT OR REPLACE INTO listings VALUES ({_marks(8)}, ifnull(?, ''), {_marks(6)})",
            map(_row, changed),
        )
        return bool(changed) or len(stored) > len(known)

    def _remove(self, table: str, where: str, records: Iterable[Split | Dividend]) -> None:
        rows = [_row(record) for record in records]
        self._connection.executemany(f"DELETE FROM {table} WHERE {where}", rows)

    def _insert(self, table: str, records: Iterable[Split | Dividend]) -> int:
        rows = [_row(record) for record in records]
        if not rows:
            return 0
        # A record before `since` may be stored already. ON CONFLICT, not OR IGNORE, which would
        # pass over a failed CHECK as well.
        insert = f"INSERT INTO {table} VALUES ({_marks(len(rows[0]))}) ON CONFLICT DO NOTHING"
        return self._connection.executemany(insert, rows).rowcount

    # A commit

    def apply(self, change: Change) -> bool:
        """Write a commit, inside a transaction; whether it changed anything."""
        executemany = self._connection.executemany
        known = self._learn(change)
        self._lengthen(change.tickers)
        executemany(
            f"INSERT OR REPLACE INTO sessions (date, source, {', '.join(QUALITY)})"
            f" VALUES ({_marks(2 + len(QUALITY))})",
            [
                (row.date.isoformat(), row.source, *(row.counts[name] for name in QUALITY))
                for row in change.sessions
            ],
        )
        self._retire(change.superseded, _time(change.at))
        for row in change.segments:
            self._point_to(row)
        executemany(
            f"INSERT INTO revisions VALUES ({_marks(13)})",
            [
                (row.session.isoformat(), row.symbol, _time(row.at), *row.old, *row.new)
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
        rows = [(*_row(span), final) for span in spans]
        self._connection.executemany(f"INSERT INTO spans VALUES ({_marks(4)})", rows)
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
        self._connection.execute(f"INSERT INTO segments VALUES ({_marks(6)})", astuple(row))

    def _set_aside(self, rows: Sequence[SetAside]) -> bool:
        # A fetch that is repeated sets the same rows aside again.
        given = dict.fromkeys(
            (row.session.isoformat(), row.symbol, row.reason, *map(_null, row.values))
            for row in rows
        )
        for day in {row[0] for row in given}:
            for stored in self._rows("SELECT * FROM set_aside WHERE date = ?", day):
                given.pop(stored, None)
        self._connection.executemany(f"INSERT INTO set_aside VALUES ({_marks(8)})", list(given))
        return bool(given)

    def bump(self) -> int:
        """Count one more change, inside a transaction; the version it makes."""
        self._connection.execute("UPDATE meta SET data_version = data_version + 1")
        return self.version()

    # Files that are no longer in use

    def in_use(self, since: dt.datetime) -> set[str]:
        """Names of the segment files that are current, or were at that time."""
        rows = self._rows(
            "SELECT file FROM segments UNION SELECT file FROM retired WHERE at >= ?", _time(since)
        )
        return {file for (file,) in rows}

    def forget_retired(self, before: dt.datetime) -> None:
        """Forget the superseded files that were retired before that time."""
        with self.transaction():
            self._connection.execute("DELETE FROM retired WHERE at < ?", (_time(before),))
            # The row is written even where nothing was retired. A transaction whose last fsync
            # failed may be whole in the log, and would come back to life after a crash; the
            # write below overwrites it, so that its files can go.
            self._connection.execute("UPDATE meta SET data_version = data_version")

    # Journal

    def put_note(self, key: str, value: str) -> None:
        """Keep a text under a key."""
        with self.transaction():
            self._connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    def notes(self) -> dict[str, str]:
        """Every note."""
        return dict(self._rows("SELECT key, value FROM notes"))

    def add_sync(self, facts: Mapping[str, object]) -> None:
        """Write a line of the sync log; values that JSON lacks become text."""
        with self.transaction():
            self._connection.execute(
                "INSERT INTO sync_log (at, facts) VALUES (?, ?)",
                (_time(dt.datetime.now(dt.UTC)), json.dumps(facts, default=str)),
            )

    def last_sync(self) -> dict[str, object] | None:
        """The facts of the last sync, and when it ended (`at`, UTC)."""
        rows = self._rows("SELECT at, facts FROM sync_log ORDER BY id DESC LIMIT 1")
        return {"at": rows[0][0], **json.loads(rows[0][1])} if rows else None

    # Accounts

    def session_rows(self) -> list[SessionRow]:
        """Every stored session, ascending."""
        rows = self._rows(f"SELECT date, source, {', '.join(QUALITY)} FROM sessions ORDER BY date")
        return [
            SessionRow(dt.date.fromisoformat(day), source, dict(zip(QUALITY, counts, strict=True)))
            for day, source, *counts in rows
        ]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        rows: int = self._value(f"SELECT count(*) FROM {table}")
        return rows

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

    def damages(self) -> list[str]:
        """What SQLite's own check of the file finds, in its words."""
        return [text for (text,) in self._rows("PRAGMA integrity_check") if text != "ok"]


def _of(actions: Iterable[_Action], symbols: Iterable[str] | None) -> set[_Action]:
    if symbols is None:
        return set(actions)
    wanted = frozenset(symbols)
    return {action for action in actions if action.symbol in wanted}


def _joined(stored: Iterable[_Action], given: Iterable[_Action]) -> set[_Action]:
    """The given, and those stored of another symbol or day."""
    new = set(given)
    places = {(one.symbol, one.ex_date) for one in new}
    return new | {one for one in stored if (one.symbol, one.ex_date) not in places}


def _settled(
    symbol: str,
    ex_date: str,
    kind: Literal["split", "dividend"],
    old: float | None,
    new: float | None,
    cash: float | None,
) -> Settled:
    day = dt.date.fromisoformat(ex_date)
    action: Split | Dividend | None = None
    if old is not None and new is not None:
        action = Split(symbol, day, old, new)
    elif cash is not None:
        action = Dividend(symbol, day, cash)
    return Settled(symbol, day, kind, action)


def _time(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds")  # all UTC: as text they sort by time


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _row(record: Split | Dividend | Listing | LowVolume | Span) -> tuple[object, ...]:
    values: tuple[object, ...] = _VALUES[type(record)](record)
    return tuple(value.isoformat() if isinstance(value, dt.date) else value for value in values)


def _since(day: dt.date | None) -> str:
    return "" if day is None else day.isoformat()


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit  # SQLite's own way to say all


def _date(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value  # SQLite has no NaN


def _float(value: float | None) -> float:
    return math.nan if value is None else value
