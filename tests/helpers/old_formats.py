"""Data folders as earlier versions left them, made out of one of today."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from zlib import crc32

import numpy as np

from marketsweep.core.records import Dividend, Split
from marketsweep.store.catalog.rows import QUALITY, values_of
from marketsweep.store.segments.labels import label_of
from marketsweep.store.store import Store

FORMAT_4 = """
CREATE TABLE meta (data_version INTEGER NOT NULL);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    date TEXT PRIMARY KEY, source TEXT NOT NULL, bars INTEGER NOT NULL,
    nonpositive INTEGER NOT NULL, inverted INTEGER NOT NULL, outside INTEGER NOT NULL,
    absurd INTEGER NOT NULL, no_volume INTEGER NOT NULL,
    negative_volume INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (
    period TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, sessions INTEGER NOT NULL,
    width INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE splits (
    symbol TEXT, ex_date TEXT, old REAL CHECK (old > 0), new REAL CHECK (new > 0),
    PRIMARY KEY (symbol, ex_date, old, new)) WITHOUT ROWID;
CREATE TABLE dividends (
    symbol TEXT, ex_date TEXT, cash REAL, PRIMARY KEY (symbol, ex_date, cash)) WITHOUT ROWID;
CREATE TABLE axis (first INTEGER PRIMARY KEY, tickers TEXT NOT NULL);
CREATE TABLE listings (
    symbol TEXT, name TEXT, type TEXT, exchange TEXT, sector TEXT, industry TEXT, country TEXT,
    market_cap REAL, first TEXT, last TEXT, figi TEXT, renamed_from TEXT, instrument INTEGER,
    shares REAL, shares_on TEXT, PRIMARY KEY (symbol, instrument, first)) WITHOUT ROWID;
CREATE INDEX listings_of ON listings (instrument, symbol, first, last);
CREATE TABLE partial (date TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE spans (
    symbol TEXT, first TEXT, last TEXT, final INTEGER NOT NULL,
    PRIMARY KEY (symbol, final, first)) WITHOUT ROWID;
CREATE TABLE settled (
    symbol TEXT, ex_date TEXT, kind TEXT CHECK (kind IN ('split', 'dividend')),
    old REAL, new REAL, cash REAL, PRIMARY KEY (symbol, ex_date, kind)) WITHOUT ROWID;
CREATE TABLE low_volume (
    symbol TEXT, manual INTEGER, out INTEGER NOT NULL, since TEXT NOT NULL, expires TEXT,
    dollars REAL, sessions INTEGER, least REAL, PRIMARY KEY (symbol, manual)) WITHOUT ROWID;
"""


def as_format_4(path: Path) -> None:
    """Rows in place of packs, and segments without labels."""
    with Store.open(path) as store, store.snapshot() as snapshot:
        splits = [one for one in snapshot.reported_actions() if isinstance(one, Split)]
        dividends = [one for one in snapshot.reported_actions() if isinstance(one, Dividend)]
        tables: dict[str, list[tuple[object, ...]]] = {
            "meta": [(snapshot.version,)],
            "notes": list(snapshot.notes().items()),
            "sessions": [
                (row.date, row.source, *(row.counts[name] for name in QUALITY))
                for row in snapshot.session_rows()
            ],
            "splits": [tuple(one) for one in splits],
            "dividends": [tuple(one) for one in dividends],
            "axis": [
                (first, "\n".join(snapshot.symbols[first : first + 1000]))
                for first in range(0, len(snapshot.symbols), 1000)
            ],
            "listings": [values_of(one)[:-1] for one in snapshot.listings()],
            "partial": [(day,) for day in snapshot.partial],
            "spans": [
                (*span, final) for final in (False, True) for span in snapshot.spans(final=final)
            ],
            "settled": [
                (one.symbol, one.ex_date, one.kind, *_values(one.action))
                for one in snapshot.overrides()
            ],
            "low_volume": [tuple(line) for line in snapshot.low_volume()],
            "segments": [_without_label(segment.path) for segment in snapshot.segments.parts],
        }
    with sqlite3.connect(path / "catalog.sqlite", isolation_level=None) as old:
        old.execute("DROP TABLE root")
        old.execute("DROP TABLE packs")
        old.executescript(FORMAT_4)
        for table, rows in tables.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                values = [_stored(value) for value in row]
                if table == "listings":
                    values[8] = values[8] or ""
                old.execute(f"INSERT INTO {table} VALUES ({marks})", values)
        old.execute("PRAGMA user_version = 4")
    old.close()


def as_format_1(path: Path) -> None:
    """No spans, no instruments, and the newest month whole."""
    as_format_4(path)
    with sqlite3.connect(path / "catalog.sqlite", isolation_level=None) as old:
        rows = old.execute("SELECT * FROM segments WHERE period GLOB '2016-12.*'").fetchall()
        weeks = [np.load(path / "segments" / row[1]) for row in rows]
        month = np.full((5, sum(w.shape[1] for w in weeks), max(w.shape[2] for w in weeks)), np.nan)
        start = 0
        for week in weeks:
            month[:, start : start + week.shape[1], : week.shape[2]] = week
            start += week.shape[1]
        np.save(path / "segments" / "2016-12.npy", month)
        row = ("2016-12", *_named(path / "segments" / "2016-12.npy", "2016-12")[1:])
        old.execute("DELETE FROM segments WHERE period GLOB '2016-12.*'")
        old.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)", row)
        old.execute("ALTER TABLE segments RENAME COLUMN period TO month")
        axis = [text for (text,) in old.execute("SELECT tickers FROM axis ORDER BY first")]
        tickers = "\n".join(axis).split("\n")
        old.execute("DROP TABLE axis")
        old.execute("CREATE TABLE axis (first INTEGER PRIMARY KEY, date TEXT, tickers TEXT)")
        for first in (0, 3):
            some = "\n".join(tickers[:3] if first == 0 else tickers[3:])
            old.execute("INSERT INTO axis VALUES (?, '2016-12-01', ?)", (first, some))
        old.execute("ALTER TABLE listings RENAME TO listings_2")
        columns = "symbol, name, type, exchange, sector, industry, country, market_cap, first, last"
        old.execute(f"CREATE TABLE listings ({columns}, PRIMARY KEY (symbol)) WITHOUT ROWID")
        old.execute(f"INSERT INTO listings SELECT {columns} FROM listings_2")
        old.execute("UPDATE listings SET first = NULL WHERE first = ''")
        for table in ("listings_2", "partial", "spans", "settled", "low_volume"):
            old.execute(f"DROP TABLE {table}")
        old.execute("PRAGMA user_version = 1")
    old.close()


def _without_label(segment: Path) -> tuple[object, ...]:
    data = segment.read_bytes()
    label = label_of(data)
    assert label is not None
    segment.write_bytes(data[: -len(label.pack())])
    return _named(segment, segment.name.rsplit(".", 2)[0])


def _named(file: Path, period: str) -> tuple[object, ...]:
    """The row of a segment; its file gets the name of its bytes."""
    data = file.read_bytes()
    named = file.with_name(f"{period}.{crc32(data):08x}.npy")
    file.rename(named)
    return period, named.name, *np.load(named).shape[1:], len(data), crc32(data)


def _values(action: Split | Dividend | None) -> tuple[float | None, ...]:
    if isinstance(action, Split):
        return action.old, action.new, None
    return None, None, None if action is None else action.cash


def _stored(value: object) -> object:
    return str(value) if hasattr(value, "isoformat") else value
