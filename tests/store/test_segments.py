"""Reading bars from segments, against one array that holds them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import SessionBars
from marketsweep.errors import StoreDamaged
from marketsweep.store.segments.reading import Segments
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from tests.helpers.two_months import FIRST, LAST

DAYS = sessions_in_range(FIRST, LAST)
NAMES = [f"S{number}" for number in range(9)]


def bars() -> NDArray[np.float64]:
    """Bars [5, sessions, symbols] with holes; three symbols come later than the others."""
    rng = np.random.default_rng(7)
    close = rng.uniform(5, 50, (len(DAYS), len(NAMES)))
    whole = np.stack([close, close + 1, close - 1, close, np.full_like(close, 1e6)])
    values = np.where(rng.random(close.shape) < 0.2, np.nan, whole)
    values[:, : len(DAYS) // 2, 6:] = np.nan
    values[:, :, 0] = whole[:, :, 0]
    return values


BARS = bars()


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    with Store.create(tmp_path_factory.mktemp("segments")) as store:
        for place, day in enumerate(DAYS):
            there = np.flatnonzero(~np.isnan(BARS[3, place]))
            row = np.ascontiguousarray(BARS[:, place, there])
            with store.writer() as writer:
                writer.commit([SessionBars(day, [NAMES[n] for n in there], row)], "test")
        return store.snapshot()


def twin(snapshot: Snapshot, columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """All bars of some columns of the store, [5, sessions, columns]."""
    order = [NAMES.index(symbol) for symbol in snapshot.symbols]
    every = np.concatenate([BARS[:, :, order], np.full((5, len(DAYS), 1), np.nan)], axis=2)
    return every[:, :, np.where(columns < 0, len(NAMES), columns)]


sessions = st.one_of(
    st.tuples(st.integers(0, len(DAYS)), st.integers(0, len(DAYS))).map(lambda two: range(*two)),
    st.lists(st.integers(0, len(DAYS) - 1), unique=True).map(
        lambda places: np.array(sorted(places), np.int64)
    ),
)
some_columns = st.lists(st.integers(-1, len(NAMES) - 1)).map(lambda some: np.array(some, np.int64))
some_fields = st.lists(st.integers(0, 4), min_size=1)


@given(sessions, some_columns, some_fields)
def test_what_is_read_is_what_was_stored(
    snapshot: Snapshot,
    places: range | NDArray[np.int64],
    columns: NDArray[np.int64],
    fields: list[int],
) -> None:
    assert len(snapshot.segments.parts) > 2
    assert len({segment.width for segment in snapshot.segments.parts}) > 1
    rows = np.arange(len(DAYS))[np.asarray(places, np.int64)]
    expected = twin(snapshot, columns)[:, rows]
    found = snapshot.segments.read(fields, places, columns)
    np.testing.assert_array_equal(found, expected[fields])
    there = snapshot.segments.holds(places, columns)
    np.testing.assert_array_equal(there, ~np.isnan(expected[3]))


@given(st.integers(0, len(DAYS) - 1), st.integers(-1, len(NAMES) - 1))
def test_the_last_close(snapshot: Snapshot, place: int, column: int) -> None:
    closes = twin(snapshot, np.array([column]))[3, : place + 1, 0]
    there = np.flatnonzero(~np.isnan(closes))
    last = (int(there[-1]), float(closes[there[-1]])) if len(there) else None
    assert snapshot.segments.last_close(place, column) == last


def test_every_way_to_read_finds_damage(tmp_path: Path) -> None:
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit([SessionBars(DAYS[0], ["A"], np.full((5, 1), 5.0))], "test")
    (file,) = (tmp_path / "segments").glob("*.npy")
    content = bytearray(file.read_bytes())
    content[140] ^= 1
    file.write_bytes(bytes(content))
    one, columns = range(1), np.array([0])
    ways: list[Callable[[Segments], object]] = [
        lambda segments: segments.read([3], one, columns),
        lambda segments: segments.holds(one, columns),
        lambda segments: segments.last_close(0, 0),
        lambda segments: segments.session(0),
        lambda segments: segments.check(one),
    ]
    for read in ways:
        with Store.open(tmp_path) as store, pytest.raises(StoreDamaged):
            read(store.snapshot().segments)
