"""A session in memory gives the answers of the same session in the store, to the bit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from marketsweep.core.records import SessionBars
from marketsweep.errors import UsageError
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sync import sync
from marketsweep.language.presets import presets
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Hits
from marketsweep.scan.scan import Scan, run_together
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from tests.helpers.markets import EXAMPLE, LAST

EVE = dt.date(2016, 12, 29)


class Both(NamedTuple):
    """The market up to the last session, and up to the one before."""

    whole: Snapshot
    before: Snapshot
    folder: Path


@pytest.fixture(scope="module")
def both(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("eve")
    with Store.create(folder) as store:
        names = ("bars", "actions", "symbols")
        sync(store, FilesProvider(*(EXAMPLE / f"{name}.parquet" for name in names)), until=EVE)
        with store.snapshot() as before, Store.open(real) as other, other.snapshot() as whole:
            yield Both(whole, before, folder)


def bars_of(snapshot: Snapshot, day: dt.date) -> SessionBars:
    values = snapshot.bars(day)
    assert values is not None
    return SessionBars(day, snapshot.symbols[: values.shape[1]], values)


def scanned(snapshot: Snapshot, folder: Path) -> list[Hits]:
    scans = [Scan(name, funnel=True, near=5) for name in presets()]
    return run_together(scans, Loader(snapshot, folder))


def test_all_presets_give_the_same_answers(both: Both) -> None:
    running = both.before.with_session(bars_of(both.whole, LAST))
    assert running.newest == LAST
    for got, want in zip(
        scanned(running, both.folder), scanned(both.whole, both.folder), strict=True
    ):
        assert got.symbols == want.symbols, want.condition
        assert got.close.tobytes() == want.close.tobytes()
        assert got.volume.tobytes() == want.volume.tobytes()
        assert got.coverage == want.coverage
        assert got.funnel == want.funnel
        assert got.near == want.near
        assert got.suspicious == want.suspicious
        for name, values in want.values.items():
            assert got.values[name].tobytes() == values.tobytes(), name


def test_a_stored_session_is_replaced(both: Both) -> None:
    bars = bars_of(both.whole, LAST)
    halved = bars._replace(values=bars.values / 2)
    running = both.whole.with_session(halved)
    assert running.sessions == both.whole.sessions
    got = running.bars(LAST)
    assert got is not None
    assert np.array_equal(got, halved.values, equal_nan=True)
    for day in (EVE, dt.date(2016, 1, 4)):
        assert np.array_equal(running.bars(day), both.whole.bars(day), equal_nan=True)  # type: ignore[arg-type]
    assert np.array_equal(both.whole.bars(LAST), bars.values, equal_nan=True)  # type: ignore[arg-type]


def test_new_tickers_get_columns_and_bad_rows_are_no_bars(both: Both) -> None:
    good, bad = [10.0, 11.0, 9.0, 10.5, 100.0], [10.0, np.nan, 9.0, 10.5, 100.0]
    bars = SessionBars(
        LAST, ["NEWCO", "AAPL", "MSFT", "KO"], np.array([good, good, bad, good]).T.copy()
    )
    running = both.before.with_session(bars)
    values = running.bars(LAST)
    assert values is not None
    assert "NEWCO" in running.symbols
    assert "NEWCO" not in both.before.symbols
    assert values[:, running.index["NEWCO"]].tolist() == good
    assert np.isnan(values[:, running.index["MSFT"]]).all()
    assert np.count_nonzero(~np.isnan(values[0])) == 3


def test_an_earlier_session_is_refused(both: Both) -> None:
    with pytest.raises(UsageError, match="is over"):
        both.whole.with_session(bars_of(both.whole, EVE))
