"""One flipped byte anywhere in a data folder: the same answer, or an error of the store."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import ActionOverride, Dividend, Listing, LowVolume, Split
from marketsweep.errors import StoreError
from marketsweep.store.store import Store
from tests.store.test_store import bar, bars, segment_files

DAYS = sessions_in_range(dt.date(2016, 1, 25), dt.date(2016, 2, 5))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with something in each of its tables, in small pages."""
    path = tmp_path_factory.mktemp("small")
    with Store.create(path) as store, store.writer() as writer:
        for number, day in enumerate(DAYS):
            rows = [("A", bar(10.0 + number)), ("B", bar(20.0 - number)), ("", bar(1.0))]
            writer.commit([bars(day, rows if number != 3 else rows[1:])], "test")
        writer.commit([bars(DAYS[0], [("B", bar(20.5))])], "test")
        writer.put_splits([Split("A", DAYS[5], 1, 2), Split("B", DAYS[2], 10, 1)])
        writer.put_dividends([Dividend("A", DAYS[7], 0.25)])
        writer.put_override(ActionOverride("B", DAYS[2], "split", None))
        writer.put_listings([Listing("A", name="Alpha", sector="Energy", first=DAYS[0])])
        writer.put_listings([Listing("B", name="Beta", sector="Utilities")])
        writer.put_low_volume([LowVolume("B", True, False, DAYS[0], None)])
        writer.note("listed_on", str(DAYS[-1]))
        writer.log_sync(calls=3)
    old = sqlite3.connect(path / "catalog.sqlite", isolation_level=None)
    old.execute("PRAGMA journal_mode = DELETE")
    old.execute("PRAGMA page_size = 512")
    old.execute("VACUUM")
    old.execute("PRAGMA journal_mode = WAL")
    old.close()
    return path


def answer_of(path: Path) -> list[object]:
    """A scan without its timing, and the adjusted bars of both symbols."""
    with ms.open(path) as market:
        hits = market.scan('sma(3) > 0 and sector in ["Energy", "Utilities"]', adjust="total")
        facts = hits.to_dict()
        del facts["timing"]
        symbols = [market.history(symbol, adjust="total").rows() for symbol in ("A", "B")]
        return [facts, hits.warnings, symbols]


def state_of(path: Path) -> list[object]:
    """Everything in the catalog that decides an answer."""
    with Store.open(path) as store, store.snapshot() as snapshot:
        return [
            (snapshot.version, snapshot.sessions, snapshot.partial, snapshot.symbols),
            [structs.astuple(one) for one in snapshot.segments.parts],
            (snapshot.listings(), snapshot.lives(), snapshot.notes(), snapshot.spans()),
            (
                snapshot.reported_actions(),
                snapshot.overrides(),
                snapshot.low_volume(),
                snapshot.session_rows(),
            ),
        ]


def flip_each_byte(folder: Path, file: Path, read: Callable[[Path], list[object]]) -> int:
    """Flip each byte of a file once, and compare what is read then; how often it was refused."""
    right, whole, refused = read(folder), file.read_bytes(), 0
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        for left in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
            (folder / left).unlink(missing_ok=True)
        try:
            same = read(folder) == right
        except StoreError:
            refused += 1
        else:
            assert same, (file.name, place)
    file.write_bytes(whole)
    assert read(folder) == right
    return refused


def test_a_flipped_byte_of_the_catalog_changes_no_answer(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(small, folder)
    catalog = folder / "catalog.sqlite"
    assert flip_each_byte(folder, catalog, state_of) > catalog.stat().st_size / 20


def test_a_flipped_byte_of_a_segment_changes_no_answer(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(small, folder)
    for name in segment_files(folder):
        segment = folder / "segments" / name
        assert flip_each_byte(folder, segment, answer_of) == segment.stat().st_size
