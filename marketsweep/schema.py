"""The tables of a data folder's catalog, as SQL: what makes them, and brings older ones to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Dates and times are ISO text, so that the catalog can be read with SQLite's own shell.
# Tickers compare byte by byte (BINARY, the default): KIMpL is not KIMPL.
# A session is whole, or partial: then only the spans of single symbols are known of it.
# The axis keeps its tickers in rows of a thousand, joined by newlines: 12,500 rows of a ticker each
# would take 12 ms to read, these take 1.
_TABLES: Final = """
CREATE TABLE meta (data_version INTEGER NOT NULL);
INSERT INTO meta VALUES (0);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    date TEXT PRIMARY KEY, source TEXT NOT NULL, bars INTEGER NOT NULL,
    nonpositive INTEGER NOT NULL, inverted INTEGER NOT NULL, outside INTEGER NOT NULL,
    absurd INTEGER NOT NULL, no_volume INTEGER NOT NULL,
    negative_volume INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (
    period TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, sessions INTEGER NOT NULL,
    width INTEGER NOT NULL, bytes INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE retired (file TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE set_aside (
    date TEXT NOT NULL, ticker TEXT NOT NULL, reason TEXT NOT NULL,
    open REAL, high REAL, low REAL, close REAL, volume REAL);
CREATE INDEX set_aside_of ON set_aside (date);
CREATE TABLE revisions (
    date TEXT NOT NULL, ticker TEXT NOT NULL, at TEXT NOT NULL,
    old_open REAL, old_high REAL, old_low REAL, old_close REAL, old_volume REAL,
    new_open REAL, new_high REAL, new_low REAL, new_close REAL, new_volume REAL);
CREATE INDEX revisions_of ON revisions (ticker, date);
CREATE TABLE splits (
    symbol TEXT, ex_date TEXT, old REAL CHECK (old > 0), new REAL CHECK (new > 0),
    PRIMARY KEY (symbol, ex_date, old, new)) WITHOUT ROWID;
CREATE TABLE dividends (
    symbol TEXT, ex_date TEXT, cash REAL, PRIMARY KEY (symbol, ex_date, cash)) WITHOUT ROWID;
CREATE TABLE sync_log (id INTEGER PRIMARY KEY, at TEXT NOT NULL, facts TEXT NOT NULL);
"""

_AXIS: Final = """
CREATE TABLE axis (first INTEGER PRIMARY KEY, tickers TEXT NOT NULL);
"""

# A day that is not known is '' where it is a part of the key.
_LISTINGS: Final = """
CREATE TABLE listings (
    symbol TEXT, name TEXT, type TEXT, exchange TEXT, sector TEXT, industry TEXT, country TEXT,
    market_cap REAL, first TEXT, last TEXT, figi TEXT, renamed_from TEXT, instrument INTEGER,
    PRIMARY KEY (symbol, instrument, first)) WITHOUT ROWID;
CREATE INDEX listings_of ON listings (instrument, symbol, first, last);
"""
_SPANS: Final = """
CREATE TABLE partial (date TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE spans (
    symbol TEXT, first TEXT, last TEXT, final INTEGER NOT NULL,
    PRIMARY KEY (symbol, final, first)) WITHOUT ROWID;
"""

_SETTLED: Final = """
CREATE TABLE settled (
    symbol TEXT, ex_date TEXT, kind TEXT CHECK (kind IN ('split', 'dividend')),
    old REAL, new REAL, cash REAL, PRIMARY KEY (symbol, ex_date, kind)) WITHOUT ROWID;
"""

_LOW_VOLUME: Final = """
CREATE TABLE low_volume (
    symbol TEXT, manual INTEGER, out INTEGER NOT NULL, since TEXT NOT NULL, expires TEXT,
    dollars REAL, sessions INTEGER, least REAL, PRIMARY KEY (symbol, manual)) WITHOUT ROWID;
"""

_SHARES: Final = """
ALTER TABLE listings ADD COLUMN shares REAL;
ALTER TABLE listings ADD COLUMN shares_on TEXT;
"""

_TO_2: Final = f"""
ALTER TABLE segments RENAME COLUMN month TO period;
ALTER TABLE listings ADD COLUMN figi TEXT;
ALTER TABLE listings ADD COLUMN renamed_from TEXT;
ALTER TABLE listings ADD COLUMN instrument INTEGER;
UPDATE listings SET instrument =
    (SELECT count(*) FROM listings AS earlier WHERE earlier.symbol <= listings.symbol);
CREATE INDEX listings_of ON listings (instrument);
CREATE TABLE partial (date TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE spans (
    symbol TEXT, first TEXT, last TEXT, settled INTEGER NOT NULL,
    PRIMARY KEY (symbol, settled, first)) WITHOUT ROWID;
{_SETTLED}"""

_TO_3: Final = f"""
ALTER TABLE spans RENAME COLUMN settled TO final;
DROP INDEX listings_of;
ALTER TABLE listings RENAME TO listings_2;
{_LISTINGS}
INSERT INTO listings SELECT symbol, name, type, exchange, sector, industry, country, market_cap,
    ifnull(first, ''), last, figi, renamed_from, instrument FROM listings_2;
DROP TABLE listings_2;
ALTER TABLE axis RENAME TO axis_2;
{_AXIS}
INSERT INTO axis SELECT 0, tickers FROM (SELECT group_concat(tickers, char(10)) AS tickers FROM
    (SELECT tickers FROM axis_2 ORDER BY first)) WHERE tickers IS NOT NULL;
DROP TABLE axis_2"""

SCHEMA: Final = _TABLES + _AXIS + _LISTINGS + _SPANS + _SETTLED + _LOW_VOLUME + _SHARES
"""Statements that make an empty catalog, separated by semicolons."""

UPGRADES: Final[Mapping[int, str]] = {1: _TO_2, 2: _TO_3, 3: _LOW_VOLUME + _SHARES}
"""Statements that bring a catalog of that format to the next one."""
