"""The tables of a data folder's catalog, as SQL: statements that make and upgrade them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Everything that affects an answer is stored in packs (`packs`). These tables do not: they record
# what was set aside or revised, what each sync did, and which superseded files may be deleted.
# Dates and times are ISO text. Tickers compare byte by byte (BINARY, the default).
JOURNALS: Final = """
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
CREATE TABLE sync_log (id INTEGER PRIMARY KEY, at TEXT NOT NULL, facts TEXT NOT NULL);
"""
"""Statements that make the journals, separated by semicolons."""

_TO_2: Final = """
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
CREATE TABLE settled (
    symbol TEXT, ex_date TEXT, kind TEXT CHECK (kind IN ('split', 'dividend')),
    old REAL, new REAL, cash REAL, PRIMARY KEY (symbol, ex_date, kind)) WITHOUT ROWID;
"""

# An unknown day is '' where it is part of the key.
_TO_3: Final = """
ALTER TABLE spans RENAME COLUMN settled TO final;
DROP INDEX listings_of;
ALTER TABLE listings RENAME TO listings_2;
CREATE TABLE listings (
    symbol TEXT, name TEXT, type TEXT, exchange TEXT, sector TEXT, industry TEXT, country TEXT,
    market_cap REAL, first TEXT, last TEXT, figi TEXT, renamed_from TEXT, instrument INTEGER,
    PRIMARY KEY (symbol, instrument, first)) WITHOUT ROWID;
INSERT INTO listings SELECT symbol, name, type, exchange, sector, industry, country, market_cap,
    ifnull(first, ''), last, figi, renamed_from, instrument FROM listings_2;
DROP TABLE listings_2;
ALTER TABLE axis RENAME TO axis_2;
CREATE TABLE axis (first INTEGER PRIMARY KEY, tickers TEXT NOT NULL);
INSERT INTO axis SELECT 0, tickers FROM (SELECT group_concat(tickers, char(10)) AS tickers FROM
    (SELECT tickers FROM axis_2 ORDER BY first)) WHERE tickers IS NOT NULL;
DROP TABLE axis_2"""

_TO_4: Final = """
CREATE TABLE low_volume (
    symbol TEXT, manual INTEGER, out INTEGER NOT NULL, since TEXT NOT NULL, expires TEXT,
    dollars REAL, sessions INTEGER, least REAL, PRIMARY KEY (symbol, manual)) WITHOUT ROWID;
ALTER TABLE listings ADD COLUMN shares REAL;
ALTER TABLE listings ADD COLUMN shares_on TEXT;
"""

_TO_5: Final = """
DROP TABLE meta;
DROP TABLE notes;
DROP TABLE sessions;
DROP TABLE segments;
DROP TABLE splits;
DROP TABLE dividends;
DROP TABLE axis;
DROP TABLE listings;
DROP TABLE partial;
DROP TABLE spans;
DROP TABLE settled;
DROP TABLE low_volume
"""
"""Runs after the rows have become packs (`upgrade`)."""

UPGRADES: Final[Mapping[int, str]] = {1: _TO_2, 2: _TO_3, 3: _TO_4, 4: _TO_5}
"""Statements that upgrade a catalog of that format to the next one."""
