"""Actions that a source corrects: told for another day, or not told any more."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Dividend, Split
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sync import sync
from marketsweep.quality.overrides import dismiss, entries
from marketsweep.store.store import Store
from tests.helpers.command import run
from tests.helpers.markets import store_of

DAYS = sessions_in_range(dt.date(2015, 6, 1), dt.date(2016, 6, 30))


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.parquet"
    close = 20 + np.sin(np.arange(len(DAYS)))
    pl.concat(
        pl.DataFrame({"symbol": symbol, "date": DAYS}).with_columns(
            open=pl.Series(close),
            high=pl.Series(close + 1),
            low=pl.Series(close - 1),
            close=pl.Series(close),
            volume=pl.lit(1e6),
        )
        for symbol in ("A", "B", "C")
    ).write_parquet(path)
    return path


def told(folder: Path, rows: Sequence[tuple[str, dt.date, float]]) -> Path:
    path = folder / "actions.csv"
    lines = [f"{symbol},{day},dividend,{cash}" for symbol, day, cash in rows]
    path.write_text("\n".join(["symbol,ex_date,kind,cash", *lines]))
    return path


def synced(store: Store, bars: Path, rows: Sequence[tuple[str, dt.date, float]]) -> SyncReceipt:
    return sync(store, FilesProvider(bars, told(bars.parent, rows), None))


@pytest.mark.parametrize("first", [100, 146], ids=["in a year", "across a new year"])
def test_a_dividend_that_is_told_for_two_days_counts_and_is_named(
    first: int, bars: Path, tmp_path: Path
) -> None:
    day, later = DAYS[first], DAYS[first + 4]
    with Store.create(tmp_path / "data") as store:
        assert synced(store, bars, [("A", day, 0.5)]).actions == []
        (one,) = synced(store, bars, [("A", later, 0.5)]).actions
        assert (one["symbol"], one["ex_date"], one["ticker"]) == ("A", later, "A")
        assert str(day) in one["evidence"]
        with store.snapshot() as snapshot:
            assert snapshot.dividends() == [Dividend("A", day, 0.5), Dividend("A", later, 0.5)]
            assert str(day) in entries(snapshot, "A")[1].ruling
        dismiss(store, "A", day, "dividend")
        with store.snapshot() as snapshot:
            assert snapshot.dividends() == [Dividend("A", later, 0.5)]
            assert [one.ruling for one in entries(snapshot, "A")] == ["", ""]


def test_dividends_that_only_look_alike_are_not_named(bars: Path, tmp_path: Path) -> None:
    weekly = [("A", DAYS[place], 0.1) for place in range(160, 200, 5)]
    monthly = [("B", DAYS[place], 0.1) for place in range(100, 200, 21)]
    others = [("C", DAYS[100], 0.5), ("C", DAYS[104], 0.2)]
    with Store.create(tmp_path / "data") as store:
        assert synced(store, bars, [*weekly, *monthly, *others]).actions == []


def test_actions_that_a_file_tells_no_longer_are_named(bars: Path, tmp_path: Path) -> None:
    rows = [(symbol, DAYS[place], 0.5) for symbol in ("A", "B") for place in (20, 80, 140, 200)]
    with Store.create(tmp_path / "data") as store:
        assert synced(store, bars, rows).warnings == []
        changed = [*rows[:1], ("A", DAYS[80], 0.6), *rows[3:]]  # another amount, and a row is gone
        (warning,) = synced(store, bars, changed).warnings
        assert f"A {DAYS[140]} dividend 0.5" in warning
        assert "marketsweep actions dismiss" in warning
        with store.snapshot() as snapshot:
            assert len(snapshot.dividends()) == len(rows)
        dismiss(store, "A", DAYS[140], "dividend")
        assert synced(store, bars, changed).warnings == []


def test_a_file_of_what_is_new_leaves_the_rest_alone(bars: Path, tmp_path: Path) -> None:
    rows = [(symbol, DAYS[place], 0.5) for symbol in ("A", "B") for place in (20, 80, 140, 200)]
    with Store.create(tmp_path / "data") as store:
        synced(store, bars, rows)
        assert synced(store, bars, [("C", DAYS[10], 0.5), ("C", DAYS[210], 0.5)]).warnings == []
        assert synced(store, bars, rows[:4]).warnings == []


SPLIT_DAY = DAYS[100]


@pytest.mark.parametrize(
    ("net", "told"),
    [
        (5, [(10, 1), (1, 2)]),
        (2, [(1000, 1), (1, 500)]),
        (2, [(100, 1), (1, 50)]),
        (1 / 6, [(1, 2), (1, 3)]),
    ],
)
def test_two_splits_of_one_day_count_together(
    net: float, told: list[tuple[float, float]], tmp_path: Path
) -> None:
    """A reverse split that cashes out small holders is followed by a split on the same day."""
    closes = [20 + 0.1 * (place % 7) for place in range(len(DAYS))]
    raw = [
        close / net if day < SPLIT_DAY else close for close, day in zip(closes, DAYS, strict=True)
    ]
    frame = pl.DataFrame({"symbol": "A", "date": DAYS, "open": raw, "high": raw}).with_columns(
        low="open", close="open", volume=pl.lit(1e6)
    )
    with store_of(tmp_path, frame, reference=False) as store, store.writer() as writer:
        writer.put_splits([Split("A", SPLIT_DAY, old, new) for old, new in told])
    with ms.open(tmp_path) as opened:
        found = opened.history("A", adjust="splits")["close"].to_list()
    assert found == pytest.approx(closes)


def test_files_of_a_folder_that_overlap_tell_a_dividend_once(bars: Path, tmp_path: Path) -> None:
    head = "symbol,ex_date,kind,cash\n"
    folder = tmp_path / "actions"
    folder.mkdir()
    rows = [f"A,{DAYS[place]},dividend,0.25\n" for place in (20, 80, 140)]
    (folder / "a.csv").write_text(head + rows[0] + rows[1])
    (folder / "b.csv").write_text(head + rows[1] + rows[2])
    with Store.create(tmp_path / "data") as store:
        sync(store, FilesProvider(bars, folder, None))
        with store.snapshot() as snapshot:
            assert [one.cash for one in snapshot.dividends()] == [0.25] * 3


def test_actions_that_do_not_fit_are_named_by_sync_status_and_scans(tmp_path: Path) -> None:
    """A split of bars that are adjusted already, and one of a ticker without bars."""
    rows = "".join(
        f"{symbol},{day},20,21,19,20.{place % 7},100000\n"
        for place, day in enumerate(DAYS)
        for symbol in ("A", "B")
    )
    (tmp_path / "bars.csv").write_text("symbol,date,open,high,low,close,volume\n" + rows)
    (tmp_path / "actions.csv").write_text(
        "symbol,ex_date,kind,split_from,split_to\n"
        f"A,{DAYS[200]},split,1,4\nGONE,{DAYS[210]},split,1,2\n"
    )
    data = tmp_path / "data"
    synced_now = run(
        *("sync", "--provider", "files", "--path", tmp_path / "bars.csv"),
        *("--actions", tmp_path / "actions.csv", "--data", data),
    )
    status = run("status", "--data", data)
    scan = run("scan", "close > sma(200)", "--data", data, "--min-coverage", "0")
    for said in (synced_now.stdout, status.stdout, scan.stderr):
        assert f"A {DAYS[200]} split 4-for-1" in said
        assert f"GONE {DAYS[210]} split 2-for-1" in said
    assert "reported split that prices contradict" in scan.stderr
    assert "match no company with bars" in scan.stderr
    left = run(
        *("scan", "close > sma(200) or close > 0", "--data", data, "--min-coverage", "0"),
        *("--exclude-suspect", "--format", "csv"),
    )
    assert [line.split(",")[0] for line in left.stdout.splitlines()] == ["symbol", "B"]
    # A scan that looks at later bars alone does not rest on them.
    late = run("scan", "close > sma(5)", "--data", data, "--min-coverage", "0")
    assert "contradict" not in late.stderr
