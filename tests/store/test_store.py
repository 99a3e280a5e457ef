"""The store against a market kept in plain dictionaries."""

from __future__ import annotations

import datetime as dt
import math
import os
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import ActionOverride, Dividend, Listing, SessionBars, Split
from marketsweep.errors import StoreDamaged, StoreError, StoreLocked, UsageError
from marketsweep.ingest.files import read_bars
from marketsweep.market import open_market
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.rows import SegmentRow
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.store.writer import CommitReceipt

Bar: TypeAlias = tuple[float, ...]
Row: TypeAlias = tuple[str, Bar]
Day: TypeAlias = tuple[dt.date, list[Row]]
Market: TypeAlias = dict[dt.date, dict[str, Bar]]

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "us-2016" / "bars.parquet"
MONDAY, TUESDAY, FEBRUARY = dt.date(2016, 1, 4), dt.date(2016, 1, 5), dt.date(2016, 2, 1)
SATURDAY, THANKSGIVING = dt.date(2016, 1, 9), dt.date(2016, 11, 24)
OPEN_DAYS = [MONDAY, TUESDAY, dt.date(2016, 1, 29), FEBRUARY, dt.date(2016, 3, 1)]
CLOSED_DAYS = [SATURDAY, THANKSGIVING]
GOOD_TICKERS = ["NAN", "TRUE", "ON", "E", "PI", "BRK.B", "KIMpL", "KIMPL", "A", "É", "x" * 32]
NO_TICKERS = ["", " ", "A B", "A\nB", "\t", "x" * 33, "\ud800", "A\x00"]


def bars(day: dt.date, rows: Sequence[Row]) -> SessionBars:
    values = np.array([values for _, values in rows], np.float64).reshape(len(rows), 5).T
    return SessionBars(day, [ticker for ticker, _ in rows], values)


def bar(close: float, volume: float = 100.0) -> Bar:
    return (close, close, close, close, volume)


def market_of(snapshot: Snapshot) -> Market:
    """Every bar of a snapshot, read value by value."""
    market: Market = {day: {} for day in snapshot.sessions}
    for segment in snapshot.segments.parts:
        for row in range(segment.count):
            day = snapshot.sessions[segment.first + row]
            for column in range(segment.width):
                values = tuple(segment.values[:, row, column].tolist())
                if not all(math.isnan(value) for value in values):
                    market[day][snapshot.symbols[column]] = values
    return market


class Model:
    """What the store should hold, said in the plainest way."""

    def __init__(self) -> None:
        self.axis: list[str] = []
        self.market: Market = {}
        self.revised: list[tuple[dt.date, str, Bar, Bar]] = []
        self.aside: set[tuple[dt.date, str, str, str]] = set()

    def commit(self, days: Sequence[Day]) -> CommitReceipt:
        receipt = CommitReceipt(version=0)
        reasons: Counter[str] = Counter()
        for day, rows in sorted(days, key=lambda entry: entry[0]):
            good = self._sort_out(day, rows, reasons)
            if good:
                self._store(day, good, receipt)
        receipt.set_aside = dict(reasons)
        return receipt

    def _sort_out(self, day: dt.date, rows: list[Row], reasons: Counter[str]) -> dict[str, Bar]:
        good: dict[str, Bar] = {}
        pending: list[Row] = []
        for ticker, values in rows:
            reason = ""
            if day in CLOSED_DAYS:
                reason = "closed day"
            elif ticker in NO_TICKERS:
                reason = "no ticker"
            elif not all(math.isfinite(value) for value in values):
                reason = "incomplete"
            elif ticker in good:
                pending.append((ticker, good[ticker]))
            if reason:
                self._set_aside(day, ticker, reason, values, reasons)
            else:
                good[ticker] = values
        for ticker, values in pending:
            reason = "duplicate" if good[ticker] == values else "contradicted"
            self._set_aside(day, ticker, reason, values, reasons)
        return good

    def _set_aside(
        self, day: dt.date, ticker: str, reason: str, values: Bar, reasons: Counter[str]
    ) -> None:
        shown = "\\ud800" if ticker == "\ud800" else ticker
        self.aside.add((day, shown, reason, text_of(values)))
        reasons[reason] += 1

    def _store(self, day: dt.date, good: dict[str, Bar], receipt: CommitReceipt) -> None:
        self.axis += sorted(set(good) - set(self.axis))
        held = self.market.setdefault(day, {})
        receipt.sessions += 1
        receipt.kept += len(set(held) - set(good))
        for ticker, values in good.items():
            if ticker not in held:
                receipt.new += 1
            elif held[ticker] == values:
                receipt.unchanged += 1
                continue
            else:
                receipt.revised += 1
                self.revised.append((day, ticker, held[ticker], values))
            held[ticker] = values


def text_of(values: Bar) -> str:
    """As equality would have it: NaN is itself, and zero has no sign."""
    return " ".join(str(value + 0.0) for value in values)


def assert_equals(snapshot: Snapshot, model: Model) -> None:
    assert snapshot.symbols == model.axis
    assert snapshot.sessions == sorted(model.market)
    assert market_of(snapshot) == model.market
    assert sorted((r.session, r.symbol, r.old, r.new) for r in snapshot.revisions()) == sorted(
        model.revised
    )
    aside = [(a.session, a.symbol, a.reason, text_of(a.values)) for a in snapshot.set_aside()]
    assert len(aside) == len(set(aside))
    assert set(aside) == model.aside


def assert_same_files(one: Path, other: Path) -> None:
    """The segments in use are the same, byte by byte; so is what the catalog says of them."""
    assert catalog_rows(one) == catalog_rows(other)
    assert_same_segments(one, other)


def assert_same_segments(one: Path, other: Path) -> None:
    """Axis and segments are the same, byte by byte."""
    for pack in ("axis", "segments"):
        assert pack_of(one, pack) == pack_of(other, pack)
    for file in segment_files(one):
        name = f"segments/{file}"
        assert (one / name).read_bytes() == (other / name).read_bytes()


def segment_rows(path: Path) -> list[SegmentRow]:
    catalog = Catalog.open(path)
    try:
        return catalog.segments()
    finally:
        catalog.close()


def segment_files(path: Path) -> list[str]:
    return [row.file for row in segment_rows(path)]


def catalog_rows(path: Path) -> list[object]:
    old_new = ", ".join(f"{age}_{name}" for age in ("old", "new") for name in ("open", "volume"))
    names = [name for (name,) in query(path, "SELECT name FROM packs ORDER BY name")]
    return [
        [(name, pack_of(path, str(name))) for name in names],
        query(path, f"SELECT date, ticker, {old_new} FROM revisions ORDER BY 1, 2, 3, 4, 5, 6"),
        query(path, "SELECT * FROM set_aside ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"),
    ]


def pack_of(path: Path, name: str) -> object:
    return query(path, f"SELECT data FROM packs WHERE name = '{name}'")


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path / "catalog.sqlite")
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()


def commit(store: Store, *days: Day, source: str = "test") -> CommitReceipt:
    with store.writer() as writer:
        return writer.commit([bars(day, rows) for day, rows in days], source)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "data") as made:
        yield made


# Against the model

values_strategy = st.tuples(
    *[
        st.sampled_from(
            [1.5, 0.01, 2.0**-1074, 1e300, 250_000.25, 0.0, -0.0, -3.0, math.nan, math.inf]
        )
    ]
    * 5
) | st.sampled_from([bar(1.0), bar(2.0), bar(3.0)])
tickers_strategy = st.sampled_from(GOOD_TICKERS) | st.sampled_from(GOOD_TICKERS + NO_TICKERS)
rows_strategy = st.lists(st.tuples(tickers_strategy, values_strategy), max_size=8)
days_strategy = st.tuples(st.sampled_from(OPEN_DAYS * 3 + CLOSED_DAYS), rows_strategy)
commits_strategy = st.lists(st.lists(days_strategy, max_size=4), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(commits_strategy)
def test_any_commits_leave_what_the_model_holds_however_they_are_batched(
    commits: list[list[Day]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        batched, single = Path(folder) / "batched", Path(folder) / "single"
        model = Model()
        with Store.create(batched) as store, Store.create(single) as other:
            for days in commits:
                before = model.axis.copy(), len(model.aside), len(model.revised), store.version()
                expected = model.commit(days)
                receipt = commit(store, *days)
                changed = expected.new or before[1:3] != (len(model.aside), len(model.revised))
                expected.version = before[3] + bool(changed)
                assert receipt == expected
                assert store.version() == receipt.version
                with other.writer() as writer:
                    for day, rows in sorted(days, key=lambda entry: entry[0]):
                        writer.commit([bars(day, rows)], "test")
            with store.snapshot() as snapshot:
                assert_equals(snapshot, model)
            assert store.verify().damages == []
        assert_same_files(batched, single)


def test_real_bars_come_back_as_they_were(store: Store) -> None:
    frame = read_bars(EXAMPLE).filter(pl.col("date").is_between(MONDAY, dt.date(2016, 2, 5)))
    fields = ["open", "high", "low", "close", "volume"]
    days = [
        SessionBars(day, part["symbol"].to_list(), part.select(fields).to_numpy().T)
        for (day,), part in frame.group_by("date", maintain_order=True)
        if isinstance(day, dt.date)
    ]
    with store.writer() as writer:
        receipt = writer.commit(days, "files")
    assert receipt.new + sum(receipt.set_aside.values()) == len(frame)
    assert "NAN" in store.snapshot().index

    stored: Market = {}
    for row in frame.iter_rows():
        symbol, day, *values = row
        # New Year is over, so the only closed day of this stretch is Martin Luther King's.
        if day != dt.date(2016, 1, 18) and all(math.isfinite(value) for value in values):
            stored.setdefault(day, {})[symbol] = tuple(values)
    with store.snapshot() as snapshot:
        assert len(snapshot.sessions) == 24
        assert market_of(snapshot) == stored
        assert snapshot.counts().bars == sum(map(len, stored.values()))


# What a commit says and keeps


def test_the_same_bars_again_change_nothing(store: Store, tmp_path: Path) -> None:
    days: list[Day] = [(MONDAY, [("A", bar(1.0)), ("B", bar(math.nan))]), (FEBRUARY, [])]
    commit(store, *days)
    files = sorted((tmp_path / "data" / "segments").iterdir())
    again = commit(store, *days, source="another")
    assert (again.version, again.unchanged, again.set_aside) == (1, 1, {"incomplete": 1})
    assert sorted((tmp_path / "data" / "segments").iterdir()) == files
    with store.snapshot() as snapshot:
        assert [row.source for row in snapshot.session_rows()] == ["test"]
        assert len(snapshot.set_aside()) == 1


def test_a_partial_fetch_deletes_nothing(store: Store) -> None:
    commit(store, (MONDAY, [("A", bar(1.0)), ("B", bar(2.0))]))
    receipt = commit(store, (MONDAY, [("B", bar(2.5))]))
    assert (receipt.kept, receipt.revised, receipt.new) == (1, 1, 0)
    with store.snapshot() as snapshot:
        assert market_of(snapshot) == {MONDAY: {"A": bar(1.0), "B": bar(2.5)}}
        (revision,) = snapshot.revisions("B")
        assert (revision.old, revision.new) == (bar(2.0), bar(2.5))
        assert dt.datetime.now(dt.UTC) - revision.at < dt.timedelta(minutes=1)
        assert snapshot.revisions("A") == []


@pytest.mark.parametrize("field", range(5))
def test_a_revision_of_one_field_is_a_revision(store: Store, field: int) -> None:
    old = (2.0, 3.0, 1.0, 2.5, 100.0)
    new = (*old[:field], old[field] + 0.25, *old[field + 1 :])
    commit(store, (MONDAY, [("A", old)]))
    assert commit(store, (MONDAY, [("A", new)])).revised == 1
    with store.snapshot() as snapshot:
        assert market_of(snapshot) == {MONDAY: {"A": new}}


def test_a_revision_that_is_taken_back_is_stored_and_recorded(store: Store, tmp_path: Path) -> None:
    for close in (1.0, 2.0, 1.0):
        commit(store, (MONDAY, [("A", bar(close))]))
    (kept,) = segment_files(tmp_path / "data")
    assert (kept,) not in query(tmp_path / "data", "SELECT file FROM retired")
    with store.snapshot() as snapshot:
        assert market_of(snapshot) == {MONDAY: {"A": bar(1.0)}}
        assert [r.new[0] for r in snapshot.revisions()] == [2.0, 1.0]
        assert snapshot.version == 3


def test_a_zero_that_changes_its_sign_is_no_change_in_any_batch(tmp_path: Path) -> None:
    days: list[Day] = [(MONDAY, [("A", bar(1.0, 0.0))]), (MONDAY, [("A", bar(1.0, -0.0))])]
    with Store.create(tmp_path / "batched") as batched, Store.create(tmp_path / "single") as single:
        assert commit(batched, *days).revised == 0
        for day in days:
            commit(single, day)
    assert_same_files(tmp_path / "batched", tmp_path / "single")


def test_a_segment_is_as_wide_as_its_newest_symbol(store: Store) -> None:
    commit(store, (MONDAY, [("B", bar(1.0))]), (FEBRUARY, [("A", bar(1.0)), ("C", bar(1.0))]))
    commit(store, (TUESDAY, [("B", bar(1.0))]))
    with store.snapshot() as snapshot:
        assert snapshot.symbols == ["B", "A", "C"]
        assert [(s.first, s.count, s.width) for s in snapshot.segments.parts] == [
            (0, 2, 1),
            (2, 1, 3),
        ]
        with pytest.raises(ValueError, match="read-only"):
            snapshot.segments.parts[0].values[0, 0, 0] = 1.0


def test_a_segment_is_a_plain_npy_file(store: Store) -> None:
    commit(store, (MONDAY, [("A", (1.0, 2.0, 3.0, 4.0, 5.0))]))
    with store.snapshot() as snapshot:
        loaded = np.load(snapshot.segments.parts[0].path)
    assert loaded.tolist() == [[[1.0]], [[2.0]], [[3.0]], [[4.0]], [[5.0]]]


def test_doubtful_bars_are_stored_and_counted(store: Store) -> None:
    rows: list[Row] = [
        ("FINE", (2.0, 3.0, 1.0, 2.5, 10.0)),
        ("ZERO", (0.0, 3.0, 0.0, 2.5, 10.0)),
        ("SWAPPED", (2.0, 1.0, 3.0, 2.0, 10.0)),
        ("OUT", (2.0, 3.0, 1.0, 3.5, 10.0)),
        ("STILL", (2.0, 2.0, 2.0, 2.0, 0.0)),
        ("LESS", (2.0, 2.0, 2.0, 2.0, -1.0)),
        ("SLIP", (2.0, 2e9, 2.0, 2.0, 1.0)),
    ]
    commit(store, (MONDAY, rows), (SATURDAY, [("FINE", bar(1.0))]))
    with store.writer() as writer:
        writer.log_sync(calls=3, session=MONDAY)
        writer.note("plan", "free")
    with store.snapshot() as snapshot:
        counts = snapshot.counts()
    assert counts.bars == 7
    assert counts.quality == {
        "nonpositive": 1,
        "inverted": 1,
        "outside": 2,  # an inverted bar has nothing between its low and its high
        "absurd": 1,
        "no_volume": 1,
        "negative_volume": 1,
    }
    assert counts.set_aside == {"closed day": 1}
    assert (counts.first, counts.last, counts.sessions, counts.symbols) == (MONDAY, MONDAY, 1, 7)
    assert counts.last_sync is not None
    assert counts.last_sync["calls"] == 3
    assert counts.last_sync["session"] == "2016-01-04"
    assert counts.notes == {"plan": "free"}
    assert counts.bytes > 5 * 6 * 8


def test_values_that_do_not_fit_their_tickers_are_refused(store: Store) -> None:
    wrong = SessionBars(MONDAY, ["A", "B"], np.ones((5, 3)))
    right = bars(MONDAY, [("C", bar(1.0))])
    with store.writer() as writer, pytest.raises(UsageError, match=r"2016-01-04: 2 tickers"):
        writer.commit([right, wrong], "test")
    with store.snapshot() as snapshot:
        assert (snapshot.symbols, snapshot.version) == ([], 0)


# Actions and listings

SPLIT, OTHER_SPLIT = Split("A", MONDAY, 1.0, 2.0), Split("B", FEBRUARY, 10.0, 1.0)


def test_splits_from_a_date_on_are_replaced(store: Store) -> None:
    with store.writer() as writer:
        writer.put_splits([OTHER_SPLIT, SPLIT, SPLIT])
        writer.put_splits([SPLIT, OTHER_SPLIT])
        assert store.version() == 1
        corrected = Split("B", FEBRUARY, 11.0, 1.0)
        writer.put_splits([corrected], since=TUESDAY)
        assert store.snapshot().splits() == [SPLIT, corrected]
        writer.put_splits([SPLIT], since=TUESDAY)
        assert store.snapshot().splits() == [SPLIT]
        writer.put_splits([])
    assert store.snapshot().splits() == []
    assert store.version() == 4


def test_the_users_word_outlives_what_providers_tell(store: Store) -> None:
    own, paid = Split("B", FEBRUARY, 4.0, 1.0), Dividend("B", FEBRUARY, 0.5)
    with store.writer() as writer:
        writer.put_splits([SPLIT, OTHER_SPLIT])
        writer.put_override(ActionOverride("B", FEBRUARY, "split", own))
        writer.put_override(ActionOverride("A", MONDAY, "split", None))
        assert store.snapshot().splits() == [own]
        assert store.snapshot().reported_actions() == [SPLIT, OTHER_SPLIT]
        writer.put_splits([SPLIT])
        writer.add_splits([OTHER_SPLIT, Split("A", TUESDAY, 1.0, 3.0)])
        writer.put_dividends([paid])  # of another kind on the same day
        assert store.snapshot().splits() == [Split("A", TUESDAY, 1.0, 3.0), own]
        assert store.snapshot().dividends() == [paid]
        version = store.version()
        writer.put_override(ActionOverride("A", MONDAY, "split", None))
        assert not writer.remove_override("A", TUESDAY, "split")
        assert store.version() == version
        assert writer.remove_override("A", MONDAY, "split")
        assert store.version() == version + 1
    assert store.snapshot().splits() == [SPLIT, Split("A", TUESDAY, 1.0, 3.0), own]


def test_splits_and_dividends_that_cannot_be_are_set_aside(store: Store) -> None:
    good, paid = Split("A", MONDAY, 1.0, 1e6), Dividend("A", MONDAY, 0.01)
    bad = [
        Split("A", TUESDAY, 1e-300, 1.0),
        Split("A", TUESDAY, 1.0, 1.000001e6),
        Split("A", TUESDAY, 0.0, 0.0),
        Split("A", TUESDAY, math.nan, 1.0),
        Split("A", TUESDAY, 1.0, math.inf),
        Split("A B", TUESDAY, 1.0, 2.0),
    ]
    unpaid = [Dividend("A", TUESDAY, cash) for cash in (0.0, -1.0, math.nan, math.inf)]
    with store.writer() as writer:
        for put in (writer.put_splits, writer.add_splits):
            assert [one.reason for one in put([*bad, good])] == [
                *["a ratio beyond a million"] * 2,
                *["no amount above 0"] * 3,
                "no ticker",
            ]
        for pay in (writer.put_dividends, writer.add_dividends):
            assert [one.told for one in pay([*unpaid, paid])] == [
                f"dividend {one.cash:g}" for one in unpaid
            ]
    assert store.snapshot().reported_actions() == [good, paid]
    commit(store, (MONDAY, [("A", bar(2.0))]), (TUESDAY, [("A", bar(2.0))]))
    with open_market(store.path) as market:
        assert market.scan("close > 0", adjust="total").symbols == ["A"]


def test_two_dividends_may_share_a_day(store: Store) -> None:
    regular, special = Dividend("A", MONDAY, 0.25), Dividend("A", MONDAY, 3.0)
    with store.writer() as writer:
        writer.put_dividends([special, regular, Dividend("A", TUESDAY, 1.0)])
        writer.put_dividends([], since=TUESDAY)
    assert store.snapshot().dividends() == [regular, special]


def test_listings_are_told_anew_and_keep_what_is_not_told(store: Store) -> None:
    full = Listing(
        "KIMpL", "Kimco", "PFD", "XNYS", "Real Estate", "REIT", "US", 2.5e9, MONDAY, TUESDAY
    )
    with store.writer() as writer:
        writer.put_listings([full, Listing("KIMPL", name="another")])
        writer.put_listings([Listing("KIMPL", last=FEBRUARY)])
        writer.put_listings([full])
    assert store.snapshot().listings() == [
        Listing("KIMPL", name="another", last=FEBRUARY),
        full,
    ]
    assert store.version() == 2


# Readers and writers


def test_a_snapshot_stays_while_commits_go_on(store: Store) -> None:
    commit(store, (MONDAY, [("A", bar(1.0))]), (FEBRUARY, [("A", bar(1.0))]))
    with store.writer() as writer:
        writer.put_splits([SPLIT])  # on the first day: there is nothing that it could adjust
    old = store.snapshot()
    assert old.segments.parts[0].values[0, 0, 0] == 1.0
    commit(store, (MONDAY, [("A", bar(9.0)), ("B", bar(9.0))]), (FEBRUARY, [("A", bar(9.0))]))
    with store.writer() as writer:
        writer.put_splits([])
    assert market_of(old) == {MONDAY: {"A": bar(1.0)}, FEBRUARY: {"A": bar(1.0)}}
    assert (old.symbols, old.splits(), old.counts().bars) == (["A"], [SPLIT], 2)
    assert store.version() > old.version
    old.close()


def test_every_snapshot_taken_during_commits_is_one_commit_whole(store: Store) -> None:
    # Commit number n sets every close of two months to n.
    rounds = 25

    def write() -> None:
        with store.writer() as writer:
            for number in range(1, rounds + 1):
                days = [bars(day, [("A", bar(number)), ("B", bar(number))]) for day in OPEN_DAYS]
                writer.commit(days, "test")

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while thread.is_alive():
        with store.snapshot() as snapshot:
            values = {value for s in snapshot.segments.parts for value in s.values[3].flat}
            assert values == ({float(snapshot.version)} if snapshot.version else set())
            seen.append(snapshot.version)
    thread.join()
    assert seen == sorted(seen)
    assert store.version() == rounds


def test_a_second_writer_is_told_who_is_first(store: Store) -> None:
    with (
        store.writer(),
        pytest.raises(StoreLocked, match=f"process {os.getpid()} since 20"),
        store.writer(),
    ):
        pass
    with store.writer():
        assert store.snapshot().version == 0


def test_superseded_segments_go_after_their_grace(store: Store, tmp_path: Path) -> None:
    data = tmp_path / "data"
    commit(store, (MONDAY, [("A", bar(1.0))]))
    late, mapped = store.snapshot(), store.snapshot()
    assert mapped.segments.parts[0].values[3, 0, 0] == 1.0
    commit(store, (MONDAY, [("A", bar(2.0))]))
    (data / "segments" / "2016-01.tmp").write_bytes(b"what a killed writer left")
    (data / "segments" / "2016-01.00000000.npy").write_bytes(b"and what it had named")
    with store.writer():
        assert len(list((data / "segments").iterdir())) == 2
    query(data, "UPDATE retired SET at = '2016-01-01T00:00:00+00:00'")
    with store.writer():
        assert [p.name for p in (data / "segments").iterdir()] == segment_files(data)
    assert mapped.segments.parts[0].values[3, 0, 0] == 1.0
    with pytest.raises(StoreDamaged, match="superseded"):
        _ = late.segments.parts[0].values
    late.close()
    mapped.close()


def test_the_newest_month_is_in_weeks_until_it_is_over(store: Store, tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2016, 1, 25), dt.date(2016, 3, 2))
    for number, day in enumerate(days):
        commit(store, (day, [("A", bar(1.0 + number)), ("B", bar(2.0))]))
    data = tmp_path / "data"
    periods = ["2016-01", "2016-02", "2016-03.1"]
    assert [row.period for row in segment_rows(data)] == periods
    assert store.verify().ok
    commit(store, (dt.date(2016, 3, 18), [("A", bar(9.0))]))
    periods.append("2016-03.3")
    assert [row.period for row in segment_rows(data)] == periods
    # An older month is not touched by what comes later, and takes what comes late.
    before = segment_files(data)[:2]
    commit(store, (dt.date(2016, 3, 21), [("A", bar(9.0))]))
    assert segment_files(data)[:2] == before
    commit(store, (dt.date(2016, 2, 3), [("C", bar(9.0))]))
    with Store.create(tmp_path / "other") as other:
        last = [(dt.date(2016, 3, day), [("A", bar(9.0))]) for day in (18, 21)]
        rows = [(day, [("A", bar(1.0 + n)), ("B", bar(2.0))]) for n, day in enumerate(days)]
        commit(other, *rows, *last)
        commit(other, (dt.date(2016, 2, 3), [("C", bar(9.0))]))
    assert_same_segments(data, tmp_path / "other")


# Damage


@pytest.fixture
def damaged(store: Store, tmp_path: Path) -> tuple[Store, Path]:
    """A store of two months, and the file of the first."""
    commit(store, (MONDAY, [("A", bar(1.0)), ("B", bar(2.0))]), (FEBRUARY, [("A", bar(1.0))]))
    (segment,) = (tmp_path / "data" / "segments").glob("2016-01.*.npy")
    return store, segment


def test_a_flipped_bit_is_found_and_is_not_built_on(damaged: tuple[Store, Path]) -> None:
    store, segment = damaged
    whole = segment.read_bytes()
    for place in (0, 60, 100, len(whole) - 1):
        segment.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        )
        (damage,) = store.verify().damages
        assert segment.name in damage
        with store.writer() as writer, pytest.raises(StoreDamaged, match=segment.name):
            writer.commit([bars(TUESDAY, [("A", bar(1.0))])], "test")
    segment.write_bytes(whole)
    assert store.verify().ok
    assert store.verify().bars == 3


def test_a_short_a_foreign_and_a_missing_segment(damaged: tuple[Store, Path]) -> None:
    store, segment = damaged
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-1])
    short = f"{len(whole) - 1} bytes instead of {len(whole)}"
    with store.snapshot() as snapshot, pytest.raises(StoreDamaged, match=short):
        _ = snapshot.segments.parts[0].values
    segment.write_bytes(b"x" * len(whole))
    with store.snapshot() as snapshot, pytest.raises(StoreDamaged, match="header"):
        _ = snapshot.segments.parts[0].values
    segment.unlink()
    with store.snapshot() as snapshot:
        with pytest.raises(StoreDamaged, match="missing"):
            _ = snapshot.segments.parts[0].values
        assert snapshot.segments.parts[1].values[3, 0, 0] == 1.0
    assert len(store.verify().damages) == 1


def test_the_axis_is_the_same_however_it_grew(tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 1, 14))
    lengths = [1, 999, 1000, 1001, 1001, 3500, 3501, 3502]
    sessions = [
        SessionBars(day, [f"T{n:04}" for n in range(length)], np.ones((5, length)))
        for day, length in zip(days, lengths, strict=False)
    ]
    with Store.create(tmp_path / "slow") as slow, slow.writer() as writer:
        for bars in sessions:
            writer.commit([bars], "test")
    with Store.create(tmp_path / "fast") as fast, fast.writer() as writer:
        writer.commit(sessions, "test")
    assert_same_segments(slow.path, fast.path)
    with Store.open(slow.path) as store, store.snapshot() as snapshot:
        assert snapshot.symbols == sessions[-1].symbols


def overwrite(store: Store, name: str, data: bytes) -> None:
    """Give a pack other contents, with checksums that fit."""
    catalog = Catalog.create(store.path)
    with catalog.transaction():
        catalog.put_pack(name, data)
    catalog.close()


def test_a_catalog_that_contradicts_its_segments_is_found(damaged: tuple[Store, Path]) -> None:
    store, segment = damaged
    with store.snapshot() as snapshot:
        rows = [
            (str(row.date), row.source, (7, *list(row.counts.values())[1:]))
            for row in snapshot.session_rows()
        ]
    overwrite(store, "counts/2016", msgspec.msgpack.encode([rows[0]]))
    assert segment.name in store.verify().damages[0]
    overwrite(store, "axis", b"A\nB\nA")
    assert "twice" in store.verify().damages[0]
    overwrite(store, "days", b"2016-01-04")
    with pytest.raises(StoreDamaged, match="do not match"):
        store.snapshot()
    assert len(store.verify().damages) == 1


def test_bars_without_their_catalog_are_not_deleted(damaged: tuple[Store, Path]) -> None:
    store, segment = damaged
    store.close()
    for name in ("catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"):
        (store.path / name).unlink(missing_ok=True)
    for attempt in (Store.open, Store.create):
        with pytest.raises(StoreDamaged, match=r"2 segments of bars are still there.*repair"):
            attempt(store.path)
    (store.path / "catalog.sqlite").touch()
    for attempt in (Store.open, Store.create):
        with pytest.raises(StoreDamaged, match=r"2 segments of bars are still there.*repair"):
            attempt(store.path)
    assert segment.exists()


def test_a_catalog_that_is_none(damaged: tuple[Store, Path]) -> None:
    store, _ = damaged
    query(store.path, "PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    catalog = store.path / "catalog.sqlite"
    whole = catalog.read_bytes()
    catalog.write_bytes(b"garbage " * 1000)
    for attempt in (Store.open, Store.create):
        with pytest.raises(StoreDamaged, match=r"catalog\.sqlite"):
            attempt(store.path)
    # A page in the middle: the header still passes.
    catalog.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:])
    reopened = Store.open(store.path)
    assert reopened.verify().damages
    reopened.close()


def test_another_format_and_another_program(store: Store) -> None:
    query(store.path, "PRAGMA user_version = 99")
    with pytest.raises(StoreDamaged, match="format 99"):
        Store.open(store.path)
    query(store.path, "PRAGMA application_id = 1")
    with pytest.raises(StoreDamaged, match="another program"):
        Store.create(store.path)


# Folders


def test_no_store_is_a_usage_error_and_leaves_no_trace(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UsageError, match="run marketsweep sync"):
            Store.open(path)
    (tmp_path / "catalog.sqlite").touch()  # what a kill leaves while the catalog is being made
    with pytest.raises(UsageError, match="run marketsweep sync"):
        Store.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["catalog.sqlite"]
    with Store.create(tmp_path) as made:
        assert made.snapshot().version == 0


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot be a folder"):
            Store.create(path)


@contextmanager
def powerless() -> Iterator[None]:
    """Without root's right to write everywhere, which root's tests would have."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that any user can enter; pytest's own are for their user alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("with_log", [True, False])
def test_a_read_only_folder_can_be_read_and_not_written(
    shared_folder: Path, with_log: bool
) -> None:
    data = shared_folder / "data"
    with Store.create(data) as store, store.snapshot():
        commit(store, (MONDAY, [("A", bar(1.0))]))
    if not with_log:
        # SQLite's last connection takes the log away, if it may write.
        query(data, "SELECT 1 FROM root")
    assert (data / "catalog.sqlite-wal").exists() == with_log
    locked = [data, *data.iterdir()]
    for path in locked:
        path.chmod(0o555)
    shared_folder.chmod(0o555)
    try:
        with powerless():
            names = sorted(path.name for path in data.iterdir())
            with Store.open(data) as store, store.snapshot() as snapshot:
                assert market_of(snapshot) == {MONDAY: {"A": bar(1.0)}}
                with pytest.raises(StoreError, match="Permission denied"), store.writer():
                    pass
            assert sorted(path.name for path in data.iterdir()) == names
            with pytest.raises(StoreError, match="Permission denied"):
                Store.create(shared_folder / "other")
    finally:
        for path in (shared_folder, *locked):
            path.chmod(0o755)


def test_the_log_of_writes_is_emptied_into_the_catalog(tmp_path: Path) -> None:
    """But never waits for readers: a snapshot may be held for long."""
    log = tmp_path / "catalog.sqlite-wal"
    listings = [Listing(f"S{n}", name="of some length" * 5) for n in range(4000)]
    with Store.create(tmp_path) as store:
        with store.snapshot() as before:
            took = []
            for _ in range(3):  # a busy machine is slow once, a wait comes each time
                began = time.monotonic()
                with store.writer() as writer:
                    writer.put_listings(listings)
                took.append(time.monotonic() - began)
            assert min(took) < 4  # SQLite would wait for five seconds
            assert before.listings() == []
            assert log.stat().st_size > 1 << 18
        with store.writer():
            pass
        assert log.stat().st_size == 0
        with store.snapshot() as after:
            assert len(after.listings()) == 4000


@pytest.mark.parametrize(
    "name", ["file:x?mode=memory", ":memory:", "a?b#c%20d", "q'uo\"te", " lead"]
)
def test_folders_of_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.create(Path(name)) as store, store.writer() as writer:
        writer.commit([SessionBars(dt.date(2016, 1, 4), ["A"], np.full((5, 1), 9.0))], "test")
    with Store.open(Path(name)) as store, store.snapshot() as snapshot:
        assert snapshot.symbols == ["A"]
    assert {path.name for path in tmp_path.iterdir()} == {name}
