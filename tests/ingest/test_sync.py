"""Syncs of real bars over real HTTP: equal to the file, resumable, and safe from any death."""

from __future__ import annotations

import asyncio
import ctypes
import datetime as dt
import gc
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from aiohttp import web

from marketsweep.cli.reports.text import sync_report
from marketsweep.core.calendar import (
    NEW_YORK,
    close_time,
    last_closed_session,
    session_on_or_before,
    sessions_in_range,
)
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import Dividend, SessionBars, Split
from marketsweep.errors import ProviderUnreachable, StoreLocked, UsageError
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import Progress, sync
from marketsweep.market import open_market
from marketsweep.store import batches
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from tests.helpers import massive_server
from tests.helpers.massive_server import KEY, MassiveServer, serving, status
from tests.helpers.two_months import CLOSED, FIRST, LAST, Files
from tests.store.test_store import assert_same_segments
from tests.store.test_store_crash import FaultyDisk, in_child, kill

COMMAND = Path(sys.executable).parent / "marketsweep"
STINGY = 32
"""Calls of a minute that let a sync of 42 sessions commit once, and then wait."""
SANDBOX_KEY = "sandbox"
IMPATIENT = HttpSettings(tries=2, pause_s=0.01)

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def url(files: Files) -> Iterator[str]:
    """A sandbox over the files."""
    with running(files.settings()) as address:
        yield address


@pytest.fixture(scope="module")
def whole(files: Files, url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that was synced from the sandbox in one go; only to be read."""
    path = tmp_path_factory.mktemp("whole")
    receipt = fill(path, MassiveProvider(SANDBOX_KEY, url), FIRST)
    assert receipt.new == files.bars.height
    return path


def fill(
    path: Path,
    provider: Provider,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, bars: None,
) -> SyncReceipt:
    with Store.create(path) as store:
        return sync(store, provider, since, until, progress)


def stored_days(path: Path) -> list[dt.date]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return snapshot.sessions


def stored_bars(snapshot: Snapshot) -> pl.DataFrame:
    """Every bar of a snapshot, by date and symbol."""
    frames = []
    for segment in snapshot.segments.parts:
        for row in range(segment.count):
            frame = pl.DataFrame(
                {
                    "symbol": snapshot.symbols[: segment.width],
                    "date": [snapshot.sessions[segment.first + row]] * segment.width,
                    **{name: segment.values[i, row] for i, name in enumerate(FIELDS)},
                }
            )
            frames.append(frame.filter(pl.col("close").is_not_nan()))
    return pl.concat(frames).sort("date", "symbol")


def assert_holds(path: Path, bars: pl.DataFrame) -> None:
    with Store.open(path) as store:
        assert store.verify().damages == []
        with store.snapshot() as snapshot:
            expected = bars.select("symbol", "date", *FIELDS).sort("date", "symbol")
            assert stored_bars(snapshot).equals(expected)


# The same as the file


def test_every_bar_arrives_as_the_file_has_it(files: Files, whole: Path) -> None:
    assert_holds(whole, files.bars)
    assert stored_days(whole) == files.days


def test_actions_and_listings_arrive(files: Files, whole: Path) -> None:
    actions = pl.read_parquet(files.folder / "actions.parquet")
    actions = actions.filter(pl.col("ex_date").is_between(FIRST, LAST)).sort("symbol", "ex_date")
    splits = actions.filter(pl.col("kind") == "split")
    paid = actions.filter(pl.col("kind") == "dividend", pl.col("cash") > 0)
    listed = pl.read_parquet(files.folder / "symbols.parquet").filter(
        pl.col("first_listed").is_null() | (pl.col("first_listed") <= LAST)
    )
    with Store.open(whole) as store, store.snapshot() as snapshot:
        stored = snapshot.splits()
        assert [(s.symbol, s.ex_date) for s in stored] == splits.select("symbol", "ex_date").rows()
        factors = splits["factor"].to_list()
        assert [s.factor for s in stored] == pytest.approx(factors, rel=1e-3)
        assert len(stored) > 5
        cash = sorted((d.symbol, d.ex_date, d.cash) for d in snapshot.dividends())
        assert cash == sorted(paid.select("symbol", "ex_date", "cash").rows())
        assert len(cash) > 50
        names = {one.symbol: one.name for one in snapshot.listings()}
        told = dict(listed.select("symbol", "name").rows())
        assert names == {symbol: name or None for symbol, name in told.items()}


def test_http_and_files_make_the_same_segments(files: Files, whole: Path, tmp_path: Path) -> None:
    receipt = fill(tmp_path, files.provider(), FIRST)
    assert (receipt.wanted, receipt.fetched, receipt.new) == (42, 42, files.bars.height)
    assert receipt.usage.calls == 0
    assert_same_segments(tmp_path, whole)


# Only what is missing


def test_a_second_sync_checks_one_settled_session_and_a_new_one_costs_one_call(
    files: Files, url: str, tmp_path: Path
) -> None:
    *_, eve, last = files.days
    first = fill(tmp_path, MassiveProvider(SANDBOX_KEY, url), FIRST, eve)
    again = fill(tmp_path, MassiveProvider(SANDBOX_KEY, url), FIRST, eve)
    assert (first.wanted, first.fetched, first.first, first.last) == (41, 41, FIRST, eve)
    # Beside the sessions: the clock, splits, dividends, listed and delisted.
    assert first.usage.calls == 41 + 5
    assert again.usage.calls <= 6
    assert (again.wanted, again.checked, again.fetched) == (1, eve, 1)
    assert (again.new, again.revised) == (0, 0)
    assert again.data_version == first.data_version
    next_day = fill(tmp_path, MassiveProvider(SANDBOX_KEY, url), FIRST)
    assert (next_day.wanted, next_day.fetched) == (2, 2)
    assert next_day.checked == files.days[-3]
    assert next_day.usage.calls == again.usage.calls + 1
    assert next_day.new == files.bars.filter(pl.col("date") == last).height
    assert next_day.data_version > again.data_version
    assert_holds(tmp_path, files.bars)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (dt.date(2016, 11, 9), dt.date(2016, 11, 17)),
        (dt.date(2016, 11, 12), dt.date(2016, 11, 27)),  # from Saturday to Sunday
        (dt.date(2016, 12, 13), dt.date(2016, 12, 13)),
    ],
)
@pytest.mark.parametrize("source", ["http", "files"])
def test_since_and_until_are_honoured(
    files: Files, url: str, tmp_path: Path, since: dt.date, until: dt.date, source: str
) -> None:
    provider: Provider = files.provider()
    if source == "http":
        provider = MassiveProvider(SANDBOX_KEY, url)
    receipt = fill(tmp_path, provider, since, until)
    wanted = files.bars.filter(pl.col("date").is_between(since, until))
    assert (receipt.first, receipt.last) == (since, until)
    assert receipt.wanted == receipt.fetched == wanted["date"].n_unique()
    assert_holds(tmp_path, wanted)


def test_an_earlier_since_fetches_the_earlier_sessions_alone(
    files: Files, url: str, tmp_path: Path
) -> None:
    middle = dt.date(2016, 11, 28)
    later = files.bars.filter(pl.col("date") >= middle)["date"].n_unique()
    assert fill(tmp_path, MassiveProvider(SANDBOX_KEY, url), middle).wanted == later
    # The newest one is provisional, and is fetched again; so is one that is settled.
    assert fill(tmp_path, MassiveProvider(SANDBOX_KEY, url), FIRST).wanted == 42 - later + 2
    assert_holds(tmp_path, files.bars)


def test_days_that_cannot_be(files: Files, tmp_path: Path) -> None:
    tomorrow = dt.datetime.now(NEW_YORK).date() + DAY
    for since, until, says in (
        (tomorrow, None, "--since .* future"),
        (None, tomorrow, "--until .* future"),
        (LAST, FIRST, "is after --until"),
        (LAST + DAY, None, "from 2016-12-31: the provider has 2016-11-01 to 2016-12-30"),
        (None, FIRST - DAY, "until 2016-10-31: the provider has 2016-11-01 to 2016-12-30"),
    ):
        with pytest.raises(UsageError, match=says):
            fill(tmp_path, files.provider(), since, until)
    assert stored_days(tmp_path) == []


# A provider that fails


def served(bars: pl.DataFrame) -> massive_server.Market:
    """Bars as the scripted server has them."""
    market = massive_server.Market(now=f"{max(bars['date'].to_list())}T20:00:00-05:00")
    for row in bars.iter_rows(named=True):
        market.bars.setdefault(row["date"], []).append(
            {"T": row["symbol"], **{name[0]: row[name] for name in FIELDS}}
        )
    return market


@pytest.fixture
def few(files: Files) -> pl.DataFrame:
    """Bars of 20 symbols in 30 sessions, more than are committed at once."""
    symbols = files.bars["symbol"].unique().sort()[:20]
    return files.bars.filter(
        pl.col("symbol").is_in(symbols.to_list()), pl.col("date") <= files.days[29]
    )


def asked_days(server: MassiveServer, since: int = 0) -> list[str]:
    return [call.path.rsplit("/", 1)[1] for call in server.calls[since:] if "grouped" in call.path]


def test_what_arrived_before_a_failure_stays(few: pl.DataFrame, tmp_path: Path) -> None:
    days = few["date"].unique().sort().to_list()
    with serving(served(few)) as server:
        server.always(f"{days[24]}", status(429, "too many", **{"Retry-After": "1000"}))
        provider = MassiveProvider(KEY, server.url, settings=IMPATIENT)
        assert "429" in fill(tmp_path / "broken", provider, FIRST).stopped
        left = stored_days(tmp_path / "broken")
        assert left == days[: len(left)]
        assert_holds(tmp_path / "broken", few.filter(pl.col("date").is_in(left)))
        server.always(f"{days[24]}", server.honest)
        rest = fill(tmp_path / "broken", MassiveProvider(KEY, server.url), FIRST)
        assert rest.wanted == rest.fetched == 30 - len(left) + (rest.checked is not None)
        fill(tmp_path / "whole", MassiveProvider(KEY, server.url), FIRST)
    assert_holds(tmp_path / "broken", few)
    assert_same_segments(tmp_path / "broken", tmp_path / "whole")


def test_a_sandbox_that_dies_midway(files: Files, whole: Path, tmp_path: Path) -> None:
    command = [f"{COMMAND}", "sandbox", "--bars", f"{files.folder}/bars.parquet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()

        def watch(done: int, total: int, bars: int) -> None:
            if done == 25:
                process.kill()
                process.wait()

        # Two calls at once, four ahead: the rest cannot have arrived yet.
        provider = MassiveProvider(SANDBOX_KEY, url, concurrency=2, settings=IMPATIENT)
        assert fill(tmp_path, provider, FIRST, progress=watch).stopped
    finally:
        process.kill()
        process.communicate()
    stored = stored_days(tmp_path)
    assert 25 <= len(stored) < 42
    assert_holds(tmp_path, files.bars.filter(pl.col("date") <= stored[-1]))
    assert stored == files.days[: len(stored)]
    with running(files.settings()) as url:
        rest = fill(tmp_path, MassiveProvider(SANDBOX_KEY, url), FIRST)
    assert rest.wanted == rest.fetched == 42 - len(stored) + 1
    assert rest.checked == stored[-1]
    assert_same_segments(tmp_path, whole)


def test_failures_at_once_are_one_error(
    few: pl.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.Response(status=500)

    with serving(served(few)) as server:
        server.always("splits", status(500))
        server.always("grouped", late)
        provider = MassiveProvider(KEY, server.url, settings=IMPATIENT)
        with (
            caplog.at_level(logging.ERROR),
            pytest.raises(ProviderUnreachable, match="answers 500"),
        ):
            fill(tmp_path, provider, FIRST)
        gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


def test_too_many_calls_are_waited_for(few: pl.DataFrame, tmp_path: Path) -> None:
    with serving(served(few)) as server:
        refusal = status(429, "too many", **{"Retry-After": "0"})
        server.script("grouped", *[refusal] * 7)
        receipt = fill(tmp_path, MassiveProvider(KEY, server.url, settings=IMPATIENT), FIRST)
        assert len(asked_days(server)) == 30 + 7
    assert receipt.usage.retries == 7
    assert_holds(tmp_path, few)


def test_a_limit_on_calls_is_kept_to(few: pl.DataFrame, tmp_path: Path) -> None:
    settings = HttpSettings(window_s=0.2)
    with serving(served(few)) as server:
        fill(tmp_path, MassiveProvider(KEY, server.url, 12, settings=settings), FIRST)
        times = [call.at for call in server.calls]
    assert len(times) >= 30
    gaps = [later - earlier for earlier, later in zip(times, times[12:], strict=False)]
    assert min(gaps) > 0.19
    assert_holds(tmp_path, few)


def test_a_plan_without_actions_has_prices(few: pl.DataFrame, tmp_path: Path) -> None:
    with serving(served(few)) as server:
        for kind in ("splits", "dividends", "tickers"):
            server.always(kind, status(403, "Not in your plan."))
        receipt = fill(tmp_path, MassiveProvider(KEY, server.url), FIRST)
    words_of = ("no dividends", "no reference data", "no splits")
    for words, warning in zip(words_of, sorted(receipt.warnings), strict=True):
        assert warning.startswith(words)
        assert "Not in your plan" in warning
    assert_holds(tmp_path, few)


@pytest.mark.parametrize("refused", [False, True])
def test_no_bar_is_seen_before_its_splits(few: pl.DataFrame, tmp_path: Path, refused: bool) -> None:
    """The splits are slow; where they are refused, that is noted before."""
    days = few["date"].unique().sort().to_list()
    seen: list[int] = []
    with serving(served(few)) as server:

        async def late(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.3)
            with Store.open(tmp_path) as store, store.snapshot() as snapshot:
                seen.append(len(snapshot.sessions))
            answer = status(403, "not in your plan") if refused else server.honest
            return await answer(request)

        server.always("splits", late)
        receipt = fill(tmp_path, MassiveProvider(KEY, server.url), FIRST, days[-1])
    assert set(seen) == {0}
    assert stored_days(tmp_path) == days
    assert [one["kind"] for one in receipt.missing_actions] == ["split"] * refused


def test_an_empty_session_is_asked_for_again(few: pl.DataFrame, tmp_path: Path) -> None:
    *_, last = days = few["date"].unique().sort().to_list()
    hole, market = days[7], served(few)
    market.now = "2016-12-30T20:00:00-05:00"  # long after the last of them, which is settled
    with serving(market) as server:
        rows = server.market.bars.pop(hole)
        first = fill(tmp_path, MassiveProvider(KEY, server.url, settings=IMPATIENT), FIRST, last)
        assert (first.wanted, first.empty) == (30, [hole])
        assert_holds(tmp_path, few.filter(pl.col("date") != hole))
        calls = len(server.calls)
        again = fill(tmp_path, MassiveProvider(KEY, server.url, settings=IMPATIENT), FIRST, last)
        assert set(asked_days(server, calls)) == {f"{hole}", f"{last}"}
        assert (again.wanted, again.new, again.empty) == (2, 0, [hole])
        server.market.bars[hole] = rows
        third = fill(tmp_path, MassiveProvider(KEY, server.url, settings=IMPATIENT), FIRST, last)
        assert (third.wanted, third.new, third.empty) == (2, len(rows), [])
    assert_holds(tmp_path, few)


# Rows and values that are not as they should be


def write_csv(path: Path, *rows: str) -> FilesProvider:
    path.write_text("\n".join(["symbol,date,open,high,low,close,volume", *rows]) + "\n")
    return FilesProvider(path)


def test_rows_on_closed_days_are_set_aside_and_counted(tmp_path: Path) -> None:
    provider = write_csv(
        tmp_path / "bars.csv",
        "A,2016-11-23,1,2,1,2,10",
        "A,2016-11-24,1,2,1,3,10",
        "B,2016-11-24,1,2,1,4,10",
        "A,2016-11-25,1,2,1,5,10",
        "A,2016-11-26,1,2,1,6,10",
        "A,2016-11-28,1,2,1,7,10",
    )
    aside = [("A", CLOSED[0], 3.0), ("B", CLOSED[0], 4.0), ("A", dt.date(2016, 11, 26), 6.0)]
    for new in (3, 0):
        receipt = fill(tmp_path / "data", provider)
        assert (receipt.new, receipt.set_aside) == (new, {"closed day": 3})
        with Store.open(tmp_path / "data") as store, store.snapshot() as snapshot:
            rows = snapshot.set_aside("closed day")
            assert [(r.symbol, r.session, r.values[3]) for r in rows] == aside
            assert snapshot.symbols == ["A"]
            assert stored_bars(snapshot)["close"].to_list() == [2.0, 5.0, 7.0]


def test_rows_of_days_to_come_are_set_aside_and_counted(tmp_path: Path) -> None:
    day = "2050-01-03"
    provider = write_csv(tmp_path / "bars.csv", "A,2016-11-23,1,2,1,2,10", f"A,{day},1,2,1,3,10")
    receipt = fill(tmp_path / "data", provider)
    assert (receipt.new, receipt.set_aside) == (1, {"future day": 1})
    assert (receipt.last, receipt.empty) == (dt.date(2016, 11, 23), [])
    assert stored_days(tmp_path / "data") == [dt.date(2016, 11, 23)]


def test_who_is_listed_is_expected_though_nobody_says_since_when(
    few: pl.DataFrame, tmp_path: Path
) -> None:
    days = few["date"].unique().sort().to_list()
    traded = set(few.filter(pl.col("date") == days[-1])["symbol"])
    market = served(few)
    market.tickers = [
        {"ticker": "QUIET", "active": True},
        {"ticker": "GONE", "active": False, "delisted_utc": f"{days[0]}T00:00:00Z"},
    ]
    with serving(market) as server:
        fill(tmp_path, MassiveProvider(KEY, server.url), FIRST)
    with open_market(tmp_path) as opened:
        newest = opened.scan("close > 0").coverage
        before = opened.scan("close > 0", as_of=days[-2]).coverage
    assert "QUIET" in newest.stale_symbols
    assert newest.expected >= len(traded) + 1
    # Of an earlier day nobody told who was listed: those count that traded lately.
    assert "QUIET" not in before.stale_symbols
    assert "GONE" not in newest.stale_symbols + before.stale_symbols


# Files join what is stored


def closes(path: Path) -> dict[tuple[str, dt.date], float]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return {row[:2]: row[2] for row in stored_bars(snapshot)["symbol", "date", "close"].rows()}


def test_a_file_a_ticker_makes_one_market(tmp_path: Path) -> None:
    data, days = tmp_path / "data", [dt.date(2016, 11, 22), dt.date(2016, 11, 23)]
    for ticker in ("ON", "PI"):
        rows = [f"{ticker},{day},1,2,1,1.5,10" for day in days]
        assert fill(data, write_csv(tmp_path / f"{ticker}.csv", *rows)).new == 2
    assert closes(data) == {(ticker, day): 1.5 for ticker in ("ON", "PI") for day in days}


def test_a_corrected_file_revises_what_is_stored(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "bars.csv"
    fill(data, write_csv(path, "A,2016-11-22,1,2,1,1.5,10", "A,2016-11-23,1,2,1,1.5,10"))
    receipt = fill(
        data,
        write_csv(
            path,
            "A,2016-11-22,1,2,1,1.75,10",
            "A,2016-11-23,1,2,1,1.5,10",
            "B,2016-11-23,1,2,1,1,5",
        ),
    )
    assert (receipt.new, receipt.revised, receipt.unchanged) == (1, 1, 1)
    assert sorted(closes(data).values()) == [1.0, 1.5, 1.75]


def actions_of(path: Path) -> tuple[list[tuple[str, str, float]], list[tuple[str, str, float]]]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        told = snapshot.reported_actions()
    splits = [(s.symbol, f"{s.ex_date:%m-%d}", s.factor) for s in told if isinstance(s, Split)]
    paid = [(d.symbol, f"{d.ex_date:%m-%d}", d.cash) for d in told if isinstance(d, Dividend)]
    return splits, paid


def test_actions_of_files_join_and_correct_those_stored(tmp_path: Path) -> None:
    bars, data = tmp_path / "bars.csv", tmp_path / "data"
    days = [dt.date(2016, 1, 4), dt.date(2016, 3, 21), dt.date(2016, 6, 1)]
    rows = [f"{ticker},{day},1,2,1,1.5,10" for ticker in ("ON", "PI") for day in days]
    write_csv(bars, *rows)
    head = "symbol,ex_date,kind,split_from,split_to,cash"

    def told(*lines: str) -> None:
        (tmp_path / "actions.csv").write_text("\n".join([head, *lines]) + "\n")
        fill(data, FilesProvider(bars, tmp_path / "actions.csv"))

    fill(data, FilesProvider(bars))
    assert actions_of(data) == ([], [])
    told("ON,2016-01-11,split,1,2,", "ON,2016-03-21,dividend,,,0.5", "PI,2016-03-21,split,2,1,")
    first = ([("ON", "01-11", 0.5), ("PI", "03-21", 2.0)], [("ON", "03-21", 0.5)])
    assert actions_of(data) == first
    fill(data, FilesProvider(bars))
    assert actions_of(data) == first, "no file of actions takes none away"
    told("ON,2016-01-11,split,1,4,", "ON,2016-06-01,dividend,,,0.25")
    assert actions_of(data) == (
        [("ON", "01-11", 0.25), ("PI", "03-21", 2.0)],
        [("ON", "03-21", 0.5), ("ON", "06-01", 0.25)],
    )


def test_files_leave_the_actions_of_a_provider_alone(
    files: Files, url: str, tmp_path: Path
) -> None:
    fill(tmp_path / "data", MassiveProvider(SANDBOX_KEY, url), FIRST)
    before = actions_of(tmp_path / "data")
    assert before[0]
    assert before[1]
    fill(tmp_path / "data", write_csv(tmp_path / "bars.csv", f"ZZ,{LAST},1,2,1,1.5,10"))
    assert actions_of(tmp_path / "data") == before


def newest_sessions() -> tuple[dt.date, dt.date]:
    """The last session that is over, and the one before it."""
    newest = last_closed_session(dt.datetime.now(NEW_YORK))
    return session_on_or_before(newest - DAY), newest


def test_the_newest_session_is_fetched_again_and_what_it_revises_is_kept(tmp_path: Path) -> None:
    before, newest = newest_sessions()
    data = tmp_path / "data"

    def row(ticker: str, close: float, volume: int) -> massive_server.Body:
        return {"T": ticker, "o": 1, "h": 6, "l": 1, "c": close, "v": volume}

    late = f"{newest}T20:00:00-05:00"
    first = {before: [row("A", 1, 10)], newest: [row("A", 1.5, 10), row("B", 5, 10)]}
    then = {before: [row("A", 1, 10)], newest: [row("A", 1.75, 20), row("B", 5, 10)]}
    with serving(massive_server.Market(now=late, bars=first)) as server:
        assert fill(data, MassiveProvider(KEY, server.url), before).new == 3
    with serving(massive_server.Market(now=late, bars=then)) as server:
        receipt = fill(data, MassiveProvider(KEY, server.url), before)
        assert asked_days(server) == [f"{before}", f"{newest}"]
    assert (receipt.wanted, receipt.new, receipt.revised, receipt.unchanged) == (2, 0, 1, 2)
    [revised] = receipt.to_dict()["revisions"]
    assert (revised["symbol"], revised["session"]) == ("A", f"{newest}")
    assert (revised["old"]["close"], revised["new"]["close"]) == (1.5, 1.75)
    changed = f"revised: A {newest} close 1.5 -> 1.75 and volume 10 -> 20"
    assert changed in sync_report(receipt)
    with Store.open(data) as store, store.snapshot() as snapshot:
        (revision,) = snapshot.revisions()
        assert (revision.symbol, revision.session) == ("A", newest)
        assert list(revision.old) == [1, 6, 1, 1.5, 10]
        assert list(revision.new) == [1, 6, 1, 1.75, 20]
        assert stored_bars(snapshot)["close"].to_list() == [1.0, 1.75, 5.0]


# Whole processes


def environment(key: str = SANDBOX_KEY) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MARKETSWEEP", "MASSIVE"))}
    return kept | {"MASSIVE_API_KEY": key}


def start(data: Path, url: str, key: str = SANDBOX_KEY) -> subprocess.Popen[str]:
    command = [f"{COMMAND}", "sync", "--base-url", url, f"--data={data}", f"--since={FIRST}"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(key)
    )


def command(*arguments: str | Path, key: str = SANDBOX_KEY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(key),
        check=False,
    )


@pytest.fixture(scope="module")
def slow(files: Files) -> Iterator[str]:
    """A sandbox a third of a second away: a sync comes in two waves of 24 sessions."""
    with running(files.settings(latency_ms=350)) as address:
        yield address


@pytest.fixture(scope="module")
def begun(files: Files, url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the first ten sessions; only to be copied."""
    path = tmp_path_factory.mktemp("begun")
    fill(path, MassiveProvider(SANDBOX_KEY, url), FIRST, files.days[9])
    assert stored_days(path) == files.days[:10]
    return path


def wait_for_commit(data: Path, process: subprocess.Popen[str], beyond: int) -> list[dt.date]:
    """The sessions stored, once they are more than that."""
    patience = time.monotonic() + 120
    while time.monotonic() < patience:
        if len(days := stored_days(data)) > beyond:
            return days
        assert process.poll() is None
        time.sleep(0.005)
    raise AssertionError("no commit came")


def kill_and_recover(data: Path, moment: float | None, slow: str, url: str, whole: Path) -> int:
    """Kill a sync after some seconds, or after its first commit; how many sessions it left."""
    process = start(data, slow)
    try:
        if moment is None:
            seen = wait_for_commit(data, process, 10)
        else:
            time.sleep(moment)
            seen = stored_days(data)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0)
    with Store.open(data) as store:
        assert store.verify().damages == []
        with store.snapshot() as snapshot:
            left = snapshot.sessions
    assert set(seen) <= set(left)
    rest = fill(data, MassiveProvider(SANDBOX_KEY, url), FIRST)
    # The newest session is provisional: it is fetched again if it was there; and one is checked.
    checked = len(left) > (LAST in left)
    assert rest.wanted == rest.fetched == 42 - len(left) + (LAST in left) + checked
    with Store.open(data) as store:
        assert store.verify().damages == []
    assert_same_segments(data, whole)
    return len(left)


def test_kills_at_many_moments(
    files: Files, begun: Path, slow: str, url: str, whole: Path, tmp_path: Path
) -> None:
    started = time.monotonic()
    shutil.copytree(begun, tmp_path / "timed")
    process = start(tmp_path / "timed", slow)
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    took = time.monotonic() - started
    moments = [took * n / 14 for n in range(14)]
    folders = [tmp_path / f"{n}" for n in range(len(moments))]
    for folder in folders:
        shutil.copytree(begun, folder)
    with ThreadPoolExecutor(2) as pool:
        left = list(
            pool.map(lambda f, m: kill_and_recover(f, m, slow, url, whole), folders, moments)
        )
    assert left[0] == 10


def test_a_kill_between_two_commits(
    files: Files, begun: Path, url: str, whole: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(begun, data)
    with running(files.settings(calls=STINGY)) as stingy:
        left = kill_and_recover(data, None, stingy, url, whole)
    assert 10 < left < 42  # 31 but where the machine is slow: a batch does not wait for long


def test_an_interrupted_sync_keeps_what_arrived(
    files: Files, begun: Path, url: str, whole: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(begun, data)
    with running(files.settings(calls=STINGY)) as stingy:
        process = start(data, stingy)
        seen = wait_for_commit(data, process, 10)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted; committed data is kept" in err
    assert "Traceback" not in err
    stored = stored_days(data)
    assert 10 < len(seen) <= len(stored) < 42
    assert stored == files.days[: len(stored)]
    with Store.open(data) as store:
        assert store.verify().damages == []
    fill(data, MassiveProvider(SANDBOX_KEY, url), FIRST)
    assert_same_segments(data, whole)


def test_one_writer_at_a_time_and_readers_wait_for_nobody(
    files: Files, begun: Path, url: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(begun, data)
    with running(files.settings(latency_ms=60_000)) as stuck:
        process = start(data, stuck)
        try:
            holder = f"process {process.pid} "
            patience = time.monotonic() + 120
            while holder not in (data / "writer.lock").read_text():
                assert time.monotonic() < patience
                time.sleep(0.01)
            second = command("sync", "--base-url", url, "--data", data, "--since", f"{FIRST}")
            assert second.returncode == 5
            assert holder in second.stderr
            assert f"{data}" in second.stderr
            assert second.stdout == ""
            with pytest.raises(StoreLocked, match=holder):
                fill(data, files.provider(), FIRST)
            scanned = command("scan", "close > 5", "--data", data, "--format", "json")
            assert scanned.returncode == 0, scanned.stderr
            day = files.bars.filter(pl.col("date") == files.days[9])
            expected = set(day.filter(pl.col("close") > 5)["symbol"])
            assert {m["symbol"] for m in json.loads(scanned.stdout)["matches"]} == expected
            with open_market(data) as market:
                assert set(market.scan("close > 5").symbols) == expected
            assert process.poll() is None
        finally:
            process.kill()
            process.communicate()
    assert stored_days(data) == files.days[:10]


def test_of_two_syncs_at_once_one_wins_and_is_whole(few: pl.DataFrame, tmp_path: Path) -> None:
    with serving(served(few)) as server:
        fill(tmp_path / "alone", MassiveProvider(KEY, server.url), FIRST)
        for round in range(3):
            data, refused = tmp_path / f"{round}", threading.Event()

            async def held(
                request: web.Request, refused: threading.Event = refused
            ) -> web.StreamResponse:
                # No session comes before one of the two has given up: the loser waits for nothing.
                while not refused.is_set():  # noqa: ASYNC110, it is set in another thread
                    await asyncio.sleep(0.01)
                return await server.honest(request)

            server.always("grouped", held)
            both = [start(data, server.url, KEY) for _ in range(2)]
            patience = time.monotonic() + 120
            while not (ended := [process for process in both if process.poll() is not None]):
                assert time.monotonic() < patience
                time.sleep(0.005)
            refused.set()
            said = {process.pid: process.communicate() for process in both}
            winner, loser = sorted(both, key=lambda process: process.returncode)
            assert (winner.returncode, loser.returncode) == (0, 5), said
            assert ended == [loser]
            out, err = said[loser.pid]
            assert out == ""
            assert err.count("\n") == 1
            assert f"{data} is being written to by process {winner.pid} since" in err
            assert_same_segments(data, tmp_path / "alone")
            with Store.open(data) as store:
                assert store.verify().damages == []


def test_readers_see_whole_commits_while_a_sync_writes(
    files: Files, begun: Path, slow: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(begun, data)
    heights = dict(files.bars.group_by("date").len().rows())
    seen: list[dt.date] = []
    process = start(data, slow)
    with open_market(data) as market:
        while not seen or seen[-1] < LAST:
            assert process.poll() in (None, 0)
            hits = market.scan("volume >= 0")
            assert len(hits) == heights[hits.as_of]
            seen.append(hits.as_of)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "Traceback" not in out + err
    assert seen == sorted(seen)
    assert seen[0] == files.days[9]


def test_a_wrong_key_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    key = "aWr0ngKeyThatNobodyMayRead"
    for arguments, given in (([], key), (["--api-key", key], SANDBOX_KEY)):
        done = command("sync", "--base-url", url, "--data", tmp_path, *arguments, key=given)
        assert done.returncode == 4
        assert "MASSIVE_API_KEY" in done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert key not in done.stderr
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or key.encode() not in file.read_bytes()


def test_a_refusal_of_the_plan_exits_with_4(few: pl.DataFrame, tmp_path: Path) -> None:
    with serving(served(few)) as server:
        server.always("grouped", status(403, "Your plan does not include this data."))
        done = command(
            *("sync", "--base-url", server.url, "--data", tmp_path, "--since", f"{FIRST}"), key=KEY
        )
    assert done.returncode == 4
    assert "403" in done.stderr
    assert "Your plan does not include this data" in done.stderr
    assert "--since" in done.stderr
    assert KEY not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


# Clocks that are wrong: no process can be given another clock here, so the provider's is moved.
# To this machine, a provider of 2016 is ten years behind; one of the year after next is ahead.


def one_row(close: float) -> list[massive_server.Body]:
    return [{"T": "A", "o": 1, "h": 9, "l": 1, "c": close, "v": 10}]


@pytest.mark.parametrize("year", [2016, 2030], ids=["we are ahead", "we are behind"])
def test_what_is_final_is_decided_by_the_provider_s_clock(year: int, tmp_path: Path) -> None:
    before, day, after = sessions_in_range(dt.date(year, 3, 11), dt.date(year, 3, 20))[:3]
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit([SessionBars(before, ["A"], np.ones((5, 1)))], "test", before)
    second = dt.timedelta(seconds=1)
    market = massive_server.Market(now=f"{close_time(day) + second}", bars={day: one_row(2.0)})
    with serving(market) as server:

        def synced() -> tuple[list[str], SyncReceipt]:
            calls = len(server.calls)
            receipt = fill(tmp_path, MassiveProvider(KEY, server.url))
            # One of the settled sessions is asked for by turns, several times where it is empty.
            return sorted({*asked_days(server, calls), f"{before}"})[1:], receipt

        asked, receipt = synced()
        assert asked == [f"{day}"]
        assert (receipt.new, receipt.set_aside) == (1, {})
        # Until the next close it is asked for at each sync, and corrected.
        market.bars[day] = one_row(2.5)
        market.now = f"{close_time(after) - second}"
        asked, receipt = synced()
        assert asked == [f"{day}"]
        assert (receipt.new, receipt.revised) == (0, 1)
        market.bars[after] = one_row(3.0)
        market.now = f"{close_time(after) + second}"
        assert synced()[0] == [f"{day}", f"{after}"]
        asked, receipt = synced()
        assert receipt.checked in {before, day}
        assert set(asked) - {f"{receipt.checked}"} == {f"{after}"}, "what is final is only checked"
    assert closes(tmp_path) == {("A", before): 1.0, ("A", day): 2.5, ("A", after): 3.0}
    with open_market(tmp_path) as opened:
        assert opened.scan("close > 0").as_of == after
        assert opened.scan("close > 0", as_of=day).close.tolist() == [2.5]


def test_a_clock_that_was_ahead_keeps_nobody_from_reference_data(tmp_path: Path) -> None:
    day = dt.date(2016, 3, 9)
    market = massive_server.Market(
        bars={day: one_row(1.0)}, tickers=[{"ticker": "A", "active": True}]
    )
    with serving(market) as server:

        def asked_for_tickers(now: str) -> bool:
            calls, market.now = len(server.calls), now
            fill(tmp_path, MassiveProvider(KEY, server.url), day, day)
            return any("tickers" in call.path for call in server.calls[calls:])

        assert asked_for_tickers("2017-03-09T17:00:00-05:00")
        assert asked_for_tickers("2016-03-09T17:00:00-05:00")
        assert not asked_for_tickers("2016-03-10T12:59:59-05:00")
        assert asked_for_tickers("2016-03-10T13:00:01-05:00")


# A data folder that cannot be written to

_DROP_BOUNDING, _DAC_OVERRIDE = 24, 1  # of <linux/prctl.h> and <linux/capability.h>


def heed_permissions() -> None:
    """From here on permissions bind root too: the process gives up the right to override them."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_DROP_BOUNDING, _DAC_OVERRIDE, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "root cannot give up its rights here")


@pytest.fixture
def read_only(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the store in which nothing may be written, by nobody."""
    data = tmp_path / "data"
    shutil.copytree(whole, data)
    paths = [data, *data.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield data
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)


def heeding(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(),
        preexec_fn=heed_permissions,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="permissions bind root only where it can yield")
def test_a_folder_that_is_read_only_can_be_scanned_and_is_not_synced(
    files: Files, url: str, read_only: Path
) -> None:
    before = {path: path.read_bytes() for path in read_only.rglob("*") if path.is_file()}
    refused = heeding("sync", "--base-url", url, "--data", read_only)
    assert refused.returncode == 5
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert f"{read_only} cannot be written to (Permission denied)" in refused.stderr
    new = read_only / "inner"
    refused = heeding("sync", "--base-url", url, "--data", new)
    assert refused.returncode == 5
    assert f"{new} cannot be written to (Permission denied)" in refused.stderr
    for arguments in (["scan", "close > 5", "--format", "json"], ["status"]):
        done = heeding(*arguments, "--data", read_only)
        assert done.returncode == 0, done.stderr
    day = files.bars.filter(pl.col("date") == LAST, pl.col("close") > 5)
    scanned = heeding("scan", "close > 5", "--format", "json", "--data", read_only)
    assert {m["symbol"] for m in json.loads(scanned.stdout)["matches"]} == set(day["symbol"])
    assert {path: path.read_bytes() for path in before} == before


# The power goes in the middle of a sync: the disk is that of test_store_crash


@pytest.fixture
def _whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is committed when it is full, however slow the machine is."""
    monkeypatch.setattr(batches, "_PATIENCE_S", 1e9)


@pytest.mark.usefixtures("_whole_batches")
def test_a_sync_shows_nothing_before_it_is_durable_and_known_to_be_provisional(
    few: pl.DataFrame, tmp_path: Path
) -> None:
    *_, last = few["date"].unique().sort().to_list()
    disk = FaultyDisk()
    with serving(served(few)) as server, Store.create(tmp_path, disk) as store:

        def state() -> tuple[int, str | None]:
            with store.snapshot() as snapshot:
                return snapshot.version, snapshot.notes().get("provisional")

        disk.watch = state
        sync(store, MassiveProvider(KEY, server.url), FIRST)
        assert state() == (2, f'["{last}"]')
    assert disk.log == [*written(NOVEMBER), *written(DECEMBER)]
    first, second = len(written(NOVEMBER)), len(written(DECEMBER))
    assert disk.watched == [(0, None)] * first + [(1, f'["{last}"]')] * second


# The first batch is November, in weeks while it is the newest month; the second puts it together.
NOVEMBER = ["2016-11"] * 5
DECEMBER = ["2016-11", *["2016-12"] * 2]


def written(months: list[str]) -> list[str]:
    """The operations of a commit that writes a file of each of these months."""
    each = ("write {}", "write {}", "write {}", "sync {}", "rename {}")
    return [*(one.format(month) for month in months for one in each), "sync_folder segments"]


@pytest.mark.usefixtures("_whole_batches")
@pytest.mark.parametrize("fault", [kill, FaultyDisk.cut_power])
def test_a_death_at_any_operation_of_a_sync_loses_nothing(
    few: pl.DataFrame, tmp_path: Path, fault: Callable[[FaultyDisk], None]
) -> None:
    days = few["date"].unique().sort().to_list()
    with serving(served(few)) as server:
        fill(tmp_path / "whole", MassiveProvider(KEY, server.url), FIRST)
        first, second = len(written(NOVEMBER)), len(written(DECEMBER))
        # A file's own operations once in each commit, and those around each commit's end.
        around = [0, 1, 2, 3, 4, first - 2, first - 1, first, first + 2, first + 3, first + 4]
        for at in [*around, first + second - 2, first + second - 1]:
            data = tmp_path / f"{at}"
            Store.create(data).close()
            seen = tmp_path / f"{at}.seen"

            def work(data: Path = data, at: int = at, seen: Path = seen) -> None:
                disk = FaultyDisk(at, fault)
                with Store.open(data, disk) as store:
                    disk.watch = lambda: seen.write_text(f"{store.version()}")
                    sync(store, MassiveProvider(KEY, server.url), FIRST)
                    disk.watch()
                fault(disk)

            assert in_child(work) == -signal.SIGKILL
            left = stored_days(data)
            assert left == days[: len(left)]
            committed = int(seen.read_text()) if seen.exists() else 0
            with Store.open(data) as store:
                assert store.version() >= committed, "what was committed is there"
            if left:
                assert_holds(data, few.filter(pl.col("date").is_in(left)))
            rest = fill(data, MassiveProvider(KEY, server.url), FIRST)
            provisional = days[-1] in left
            checked = len(left) > provisional
            assert rest.wanted == len(days) - len(left) + provisional + checked
            assert_same_segments(data, tmp_path / "whole")
            assert_holds(data, few)
