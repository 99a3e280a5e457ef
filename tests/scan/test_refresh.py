"""`Market.refresh`: newer states of the data are loaded on one thread, and others never wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import marketsweep as ms
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.two_months import FIRST, Files

CONDITION = "close > sma(10) and volume > sma(volume, 5)"


@pytest.fixture
def data(files: Files, tmp_path: Path) -> Path:
    fill(tmp_path / "data", files, 20)
    return tmp_path / "data"


def fill(folder: Path, files: Files, sessions: int) -> None:
    with Store.create(folder) as store:
        sync(store, files.provider(), FIRST, files.days[sessions - 1])


@pytest.fixture
def market(data: Path) -> Iterator[ms.Market]:
    with ms.open(data) as opened:
        yield opened


def test_without_it_the_next_scan_sees_a_commit(
    market: ms.Market, data: Path, files: Files
) -> None:
    assert market.scan(CONDITION).as_of == files.days[19]
    fill(data, files, 22)
    assert market.scan(CONDITION).as_of == files.days[21]


def test_with_it_scans_see_what_was_loaded_last(
    market: ms.Market, data: Path, files: Files
) -> None:
    assert not market.refresh()
    market.scan(CONDITION, adjust="total")
    fill(data, files, 22)
    assert market.scan(CONDITION).as_of == files.days[19]
    assert market.refresh()
    hits = market.scan(CONDITION, columns="rsi(5)")
    assert hits.as_of == files.days[21]
    assert not market.refresh()
    with ms.open(data) as fresh:
        want = fresh.scan(CONDITION, columns="rsi(5)")
    assert hits.to_dicts() == want.to_dicts()
    assert (hits.coverage, hits.warnings) == (want.coverage, want.warnings)


def test_scans_on_other_threads_go_on_meanwhile(
    market: ms.Market, data: Path, files: Files
) -> None:
    want = {}
    for count in range(20, 26):
        fill(data, files, count)
        with ms.open(data) as fresh:
            want[files.days[count - 1]] = fresh.scan(CONDITION).symbols
    market.refresh()
    ended = threading.Event()
    wrong: list[object] = []
    seen = set()

    def scan() -> None:
        while not ended.is_set():
            hits = market.scan(CONDITION)
            seen.add(hits.as_of)
            if hits.symbols != want.get(hits.as_of):
                wrong.append(hits.as_of)

    threads = [threading.Thread(target=scan) for _ in range(3)]
    for thread in threads:
        thread.start()
    for count in range(26, 30):
        with ms.open(data) as fresh:
            before = fresh.scan(CONDITION)
        fill(data, files, count)
        with ms.open(data) as fresh:
            want[files.days[count - 1]] = fresh.scan(CONDITION).symbols
        assert market.refresh()
        assert before.as_of == files.days[count - 2]
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert files.days[28] in seen | {market.scan(CONDITION).as_of}


def test_it_may_be_closed_while_it_loads(data: Path, files: Files) -> None:
    market = ms.open(data)
    market.refresh()
    fill(data, files, 24)
    loading = threading.Thread(target=market.refresh)
    loading.start()
    loading.join()
    market.close()
    with pytest.raises(ms.UsageError, match="closed"):
        market.refresh()
