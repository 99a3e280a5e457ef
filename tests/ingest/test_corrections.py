"""Providers that change their mind: corrections, sessions that vanish, tickers in another case."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl

from marketsweep.core.calendar import close_time, is_session, next_session, sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import SessionBars
from marketsweep.ingest.files import read_bars
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.market import open_market
from marketsweep.store.store import Store
from tests.helpers.markets import EXAMPLE, example_bars
from tests.helpers.massive_server import KEY, Body, Market, MassiveServer, serving
from tests.helpers.two_months import FIRST, LAST, Files
from tests.ingest.test_faults import contents, until_whole
from tests.ingest.test_sync import closes, served, stored_bars

QUICK = HttpSettings(tries=2, pause_s=0.01)
MONDAY, TUESDAY, WEDNESDAY = sessions_in_range(dt.date(2016, 3, 7), dt.date(2016, 3, 9))


def after(day: dt.date) -> dt.datetime:
    """A minute past the close."""
    return close_time(day) + dt.timedelta(minutes=1)


def synced(
    path: Path, server: MassiveServer, now: dt.datetime, since: dt.date, until: dt.date
) -> SyncReceipt:
    server.market.now = now.isoformat()
    with Store.create(path) as store:
        return sync(store, MassiveProvider(KEY, server.url, settings=QUICK), since, until)


# Late corrections


def early_and_late(first: dt.date, last: dt.date, every: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars that were told on their day and others on the next; all bars as they ended."""
    names = example_bars()["symbol"].unique().sort().gather_every(every).to_list()
    chosen = pl.col("date").is_between(first, last) & pl.col("symbol").is_in(names)
    late = example_bars().filter(chosen)
    late = late.filter([is_session(day) for day in late["date"]]).sort("date", "symbol")
    return read_bars(EXAMPLE / "early.parquet").filter(chosen), late


def test_real_corrections_end_in_the_late_truth(tmp_path: Path) -> None:
    early, late = early_and_late(dt.date(2016, 8, 22), dt.date(2016, 10, 7), every=10)
    assert early.height > 2000
    told_late = served(late).bars
    told_early = served(late.update(early, on=["symbol", "date"])).bars
    days, revised = sorted(told_late), 0
    first, last = days[0], days[-1]
    with serving(Market()) as server:
        for day in days:
            server.market.bars = told_late | {day: told_early[day]}
            revised += synced(tmp_path / "daily", server, after(day), first, day).revised
        server.market.bars = told_late
        settled = after(next_session(last))
        revised += synced(tmp_path / "daily", server, settled, first, last).revised
        assert synced(tmp_path / "once", server, settled, first, last).revised == 0
    assert contents(tmp_path / "daily") == contents(tmp_path / "once")
    assert revised == early.height
    with Store.open(tmp_path / "daily") as store, store.snapshot() as snapshot:
        found = {(r.symbol, r.session): (r.old, r.new) for r in snapshot.revisions()}
    expected = early.join(late, on=["symbol", "date"], suffix="_late")
    assert found == {
        (row["symbol"], row["date"]): (
            tuple(row[name] for name in FIELDS),
            tuple(row[f"{name}_late"] for name in FIELDS),
        )
        for row in expected.iter_rows(named=True)
    }


# A session that vanishes


def row(ticker: str, close: float) -> Body:
    return {"T": ticker, "o": close, "h": close, "l": close, "c": close, "v": 10}


def test_a_session_that_vanishes_stays_and_is_asked_for_until_it_is_back(tmp_path: Path) -> None:
    told = {MONDAY: [row("A", 1.0), row("B", 2.0)], TUESDAY: [row("A", 3.0), row("B", 4.0)]}
    with serving(Market(bars=dict(told))) as server:
        synced(tmp_path, server, after(TUESDAY), MONDAY, TUESDAY)
        before = contents(tmp_path)
        server.market.bars[TUESDAY] = []
        for _ in range(2):
            gone = synced(tmp_path, server, after(TUESDAY), MONDAY, TUESDAY)
            assert (gone.wanted, gone.empty, gone.revised) == (2, [TUESDAY], 0)
            assert contents(tmp_path) == before
        server.market.bars[TUESDAY] = [row("B", 4.0)]
        half = synced(tmp_path, server, after(TUESDAY), MONDAY, TUESDAY)
        assert (half.empty, half.unchanged) == ([], 3)
        assert contents(tmp_path) == before
        server.market.bars = told | {TUESDAY: [row("A", 3.5), row("B", 4.0)]}
        back = synced(tmp_path, server, after(WEDNESDAY), MONDAY, TUESDAY)
        assert (back.empty, back.revised) == ([], 1)
        last = synced(tmp_path, server, after(WEDNESDAY), MONDAY, TUESDAY)
        assert (last.wanted, last.checked, last.unchanged) == (1, TUESDAY, 2)
    assert closes(tmp_path)["A", TUESDAY] == 3.5


# A ticker in another case


def test_tickers_that_differ_by_case_alone_are_two(tmp_path: Path) -> None:
    """KIMpL is a preferred share of Kimco, and KIMPL could be listed beside it."""
    with serving(Market()) as server:
        market = server.market
        market.bars = {
            MONDAY: [row("KIMpL", 25.0), row("A", 1.0)],
            TUESDAY: [row("KIMPL", 26.0), row("A", 2.0)],
            WEDNESDAY: [row("KIMpL", 27.0), row("KIMPL", 7.0), row("A", 3.0)],
        }
        market.tickers = [
            {"ticker": "KIMpL", "active": True, "name": "Kimco preferred", "type": "PFD"},
            {"ticker": "KIMPL", "active": True, "name": "Kimpl", "type": "CS"},
        ]
        market.splits = [
            {"ticker": "KIMPL", "execution_date": f"{WEDNESDAY}", "split_from": 1, "split_to": 4}
        ]
        receipt = synced(tmp_path, server, after(WEDNESDAY), MONDAY, WEDNESDAY)
    assert (receipt.new, receipt.set_aside) == (7, {})
    assert closes(tmp_path) == {
        ("KIMpL", MONDAY): 25.0,
        ("KIMPL", TUESDAY): 26.0,
        ("KIMpL", WEDNESDAY): 27.0,
        ("KIMPL", WEDNESDAY): 7.0,
        ("A", MONDAY): 1.0,
        ("A", TUESDAY): 2.0,
        ("A", WEDNESDAY): 3.0,
    }
    with open_market(tmp_path) as opened:
        # The split of one leaves the other's price alone.
        assert opened.history("KIMPL")["close"].to_list() == [6.5, 7.0]
        assert opened.history("KIMpL")["close"].to_list() == [25.0, 27.0]
        assert set(opened.scan("close > 5").symbols) == {"KIMpL", "KIMPL"}
        assert opened.scan("close > 5", where="symbol == 'KIMpL'").close.tolist() == [27.0]
        assert opened.scan("close > 5", where="type == 'CS'").symbols == ["KIMPL"]
        tuesday = opened.scan("close > 0", as_of=TUESDAY)
        assert set(tuesday.symbols) == {"KIMPL", "A"}
        assert tuesday.coverage.stale_symbols == ["KIMpL"]
        facts = opened.store.snapshot().counts()
    assert (facts.symbols, facts.bars, facts.set_aside) == (3, 7, {})


def test_a_session_told_in_another_case_loses_nothing(tmp_path: Path) -> None:
    with serving(Market(bars={MONDAY: [row("KIMPL", 25.0)]})) as server:
        synced(tmp_path, server, after(MONDAY), MONDAY, MONDAY)
        server.market.bars[MONDAY] = [row("KIMpL", 25.0)]
        again = synced(tmp_path, server, after(MONDAY), MONDAY, MONDAY)
    assert (again.new, again.revised, again.unchanged) == (1, 0, 0)
    assert closes(tmp_path) == {("KIMPL", MONDAY): 25.0, ("KIMpL", MONDAY): 25.0}


def test_the_sandbox_s_change_of_case_adds_tickers_and_takes_none(
    files: Files, tmp_path: Path
) -> None:
    plain = files.settings()
    settings = Settings(bars=plain.bars, faults=("case",), fault_share=1.0, seed=3)
    with running(settings) as url:
        with Store.create(tmp_path) as store:
            sync(store, files.provider(), FIRST, FIRST)
        until_whole(tmp_path, url)
        last, _ = until_whole(tmp_path, url)
    with Store.open(tmp_path) as store, store.snapshot() as snapshot:
        assert store.verify().damages == []
        found = stored_bars(snapshot)
    told = files.bars.select("symbol", "date", *FIELDS)
    kept = found.join(told, on=["symbol", "date"], how="semi")
    assert kept.equals(told.sort("date", "symbol"))
    more = found.join(told, on=["symbol", "date"], how="anti")
    newest = files.bars.filter(pl.col("date") == LAST).height
    assert more["date"].unique().to_list() == [LAST]
    assert more.height == newest // 2 == last.new
    other_case = pl.Series([name.swapcase() for name in more["symbol"]])
    original = more.with_columns(symbol=other_case).join(told, on=["symbol", "date"])
    np.testing.assert_array_equal(
        original.select(FIELDS).to_numpy(),
        original.select([f"{name}_right" for name in FIELDS]).to_numpy(),
    )
    assert original.height == more.height


# Sessions that repeat the one before


def session_of(day: dt.date, closes_of: dict[str, float]) -> SessionBars:
    close = np.array(list(closes_of.values()))
    values = np.stack([close, close + 0.5, close - 0.5, close, np.full(len(close), 1000.0)])
    return SessionBars(day, list(closes_of), values)


def test_bars_of_the_session_before_go_when_the_right_ones_come(tmp_path: Path) -> None:
    names = [f"S{number:02d}" for number in range(40)]
    monday = dict(zip(names, np.linspace(10, 50, 40).tolist(), strict=True))
    echo = monday | {"S03": 99.0}
    # S01 and S39 were not traded on Tuesday; S03 was, and the new answer lacks it.
    tuesday = {name: close * 1.01 for name, close in monday.items()}
    for name in ("S01", "S03", "S39"):
        del tuesday[name]
    with Store.create(tmp_path / "store") as store, store.writer() as writer:
        writer.commit([session_of(MONDAY, monday)], "test")
        writer.commit([session_of(TUESDAY, echo)], "test")
        writer.resolve()
        with store.snapshot() as snapshot:
            assert snapshot.frozen() == [TUESDAY]
        receipt = writer.commit([session_of(TUESDAY, tuesday)], "test")
        writer.resolve()
        with store.snapshot() as snapshot:
            assert snapshot.frozen() == []
            bars = snapshot.bars(TUESDAY)
            aside = snapshot.set_aside()
        assert store.verify().damages == []
    assert receipt.set_aside == {"bar of the session before": 2}
    assert [(row.session, row.symbol, row.values[3]) for row in aside] == [
        (TUESDAY, "S01", monday["S01"]),
        (TUESDAY, "S39", monday["S39"]),
    ]
    assert bars is not None
    found = dict(zip(names, bars[3].tolist(), strict=False))
    assert found["S03"] == 99.0
    assert {name: found[name] for name in tuesday} == tuesday
    assert np.isnan(found["S01"])
    assert "S39" not in found or np.isnan(found["S39"])


def test_a_partial_answer_takes_no_bar_of_a_sound_session(tmp_path: Path) -> None:
    names = [f"S{number:02d}" for number in range(40)]
    monday = dict(zip(names, np.linspace(10, 50, 40).tolist(), strict=True))
    tuesday = {name: close * 1.01 for name, close in monday.items()}
    tuesday["S05"] = monday["S05"]
    with Store.create(tmp_path / "store") as store, store.writer() as writer:
        writer.commit([session_of(MONDAY, monday), session_of(TUESDAY, tuesday)], "test")
        writer.resolve()
        part = {name: close for name, close in tuesday.items() if name != "S05"}
        assert writer.commit([session_of(TUESDAY, part)], "test").set_aside == {}
        with store.snapshot() as snapshot:
            bars = snapshot.bars(TUESDAY)
    assert bars is not None
    assert bars[3].tolist() == list(tuesday.values())
