"""Twenty years of 12,500 tickers: what the largest store costs to keep, and a session to fetch."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import numpy as np
import polars as pl

from benchmarks.example import Example
from benchmarks.measure import Row, Samples, anonymous_memory, prepared, repeated, within
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import SessionBars
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.market import open_market
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.packs import crc32
from marketsweep.store.store import Store

TICKERS: Final = 12_500
DAYS: Final = sessions_in_range(dt.date(1997, 1, 2), dt.date(2016, 12, 30))
_FETCHED: Final = DAYS[-42:]
_NAMES: Final = [f"S{number:05}" for number in range(TICKERS)]
_START: Final = np.exp(np.random.default_rng(20).normal(3, 1, TICKERS))
_RUNS: Final = 5
_SINCE: Final = "1998-01-02"
_CONDITION: Final = "close > 1.06 * sma(200)"
"""As rare in these random bars as golden_cross is in a market."""


def rows(example: Example) -> Iterator[Row]:
    """The store first, then what fetching costs the client."""
    store = example.folder / "twenty-years"
    fill(store)
    size = f"{len(DAYS):,} sessions, up to {TICKERS:,} tickers"
    yield within(f"{size}: open and take a snapshot", repeated(_RUNS, partial(_open, store)), 0.02)
    parts = _parts(store)
    compare = repeated(_RUNS, lambda: [crc32(part) for part in parts])
    yield within(f"{size}: compare the checksums of the whole catalog", compare, 0.002)
    last = bars_of(DAYS[-1])
    append = prepared(_RUNS, lambda number: _copy(store, number), partial(_append, last))
    yield within(f"{size}: append a session", append, 0.02)
    # What was superseded meanwhile stays for ten minutes, for readers.
    with Store.open(store) as opened, opened.snapshot() as snapshot:
        disk = snapshot.counts().bytes
    raw = sum(map(_tickers_of, DAYS[:-1])) * len(FIELDS) * 8
    kept = Samples.of([disk / 1e6], "MB")
    yield within(f"{size}: on disk; limit 1.1 of raw float64", kept, 1.1 * raw / 1e6)
    yield from _study(store)
    shutil.rmtree(store)
    cost = Samples.of(_costs(example.folder / "wide"))
    yield within(f"fetch, decode and commit a session of {TICKERS:,} bars: processor", cost, 0.015)


def _study(path: Path) -> Iterator[Row]:
    """A study of 19 years, and the memory that it takes besides the mapped store."""
    with open_market(path) as market, anonymous_memory() as peak:
        started = perf_counter()
        study = market.study(_CONDITION, since=_SINCE)
        events = sum(row.events for row in study.horizons[:1])
        seconds = perf_counter() - started
    what = f"19 years, up to {TICKERS:,} tickers: `market.study`, {events:,} events"
    yield within(what, Samples.of([seconds]), 20.0)
    yield within(f"{what}: memory, without the mapped store", Samples.of([peak()], "MB"), 3000.0)


def _parts(path: Path) -> list[bytes]:
    """Every part of a catalog that has a checksum; a snapshot reads some of them."""
    catalog = Catalog.open(path)
    try:
        return [catalog.pack(name) or b"" for name in catalog.pack_names("")]
    finally:
        catalog.close()


def fill(path: Path, days: Sequence[dt.date] = DAYS) -> None:
    """Make a store of these sessions."""
    with Store.create(path) as store, store.writer() as writer:
        for _, year in groupby(days[:-1], key=lambda day: day.year):
            writer.commit([bars_of(day) for day in year], "walks")


def _tickers_of(day: dt.date) -> int:
    """A market that grows to its full size."""
    grown = min(1.0, 0.6 + 0.4 * (day - DAYS[0]).days / 6000)
    return int(TICKERS * grown)


def bars_of(day: dt.date) -> SessionBars:
    count = _tickers_of(day)
    r = np.random.default_rng(day.toordinal())
    close = np.round(_START[:count] * r.normal(1, 0.02, count), 2)
    volume = np.floor(1e6 * r.random(count))
    values = [close, np.round(close * 1.01, 2), np.round(close * 0.99, 2), close, volume]
    return SessionBars(day, _NAMES[:count], np.stack(values))


def _open(path: Path) -> None:
    with Store.open(path) as store:
        store.snapshot().close()


def _copy(path: Path, number: int) -> Path:
    """The store again; its segments are links, since none is ever written to."""
    copy = path.with_name(f"{path.name}-{number}")
    shutil.copytree(path, copy, copy_function=_link)
    os.sync()  # or else the first fsync of a commit would write the copy out as well
    return copy


def _link(source: str, target: str) -> None:
    if source.endswith(".npy"):
        Path(target).hardlink_to(source)
    else:
        shutil.copy2(source, target)


def _append(bars: SessionBars, path: Path) -> None:
    with Store.open(path) as store, store.writer() as writer:
        writer.commit([bars], "walks")


def _costs(folder: Path) -> Iterator[float]:
    """Processor seconds a session, reference data left out."""
    folder.mkdir()
    frames = [
        pl.DataFrame({"symbol": bars.symbols, "date": [bars.session] * len(bars.symbols)}).hstack(
            [pl.Series(name, column) for name, column in zip(FIELDS, bars.values, strict=True)]
        )
        for bars in map(bars_of, _FETCHED)
    ]
    pl.concat(frames).write_parquet(folder / "bars.parquet")
    with running(Settings(bars=folder / "bars.parquet", latency_ms=20)) as url:
        for number in range(_RUNS):
            with Store.create(folder / f"store-{number}") as store:
                # The first session comes with the reference data; after it that is not due.
                sync(store, MassiveProvider("sandbox", url), _FETCHED[0], _FETCHED[0])
                started = process_time()
                receipt = sync(store, MassiveProvider("sandbox", url), _FETCHED[0])
                yield (process_time() - started) / receipt.fetched
