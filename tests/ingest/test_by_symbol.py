"""Symbols fetched one by one: by the cheapest way, nothing twice, and the truth in the end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import Span
from marketsweep.core.tickers import read_list
from marketsweep.errors import ProviderRefused, StoreError, UsageError
from marketsweep.ingest.call_routes import Request, Stored, choose_route
from marketsweep.ingest.estimate import forecast
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.providers.tariff import Route, Tariff
from marketsweep.ingest.receipt import SyncReceipt, require_use
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.store.known_sessions import StoredSessions, merge_spans
from marketsweep.store.store import Store
from tests.helpers import massive_server
from tests.helpers.command import run
from tests.helpers.markets import doubts_of
from tests.helpers.massive_server import KEY, MassiveServer, says, serving, status
from tests.helpers.old_formats import as_format_1
from tests.helpers.two_months import FIRST, LAST, Files
from tests.ingest.test_sync import (
    SANDBOX_KEY,
    assert_holds,
    newest_sessions,
    stored_bars,
)
from tests.store.test_store import Market, market_of

DAYS = sessions_in_range(FIRST, LAST)
SETTLED = dt.date(2017, 1, 4)
"""On that day's evening no session of the files is corrected any more."""

# What is known


def spans_of(symbol: str) -> st.SearchStrategy[list[Span]]:
    ends = st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted)
    return st.lists(ends.map(lambda two: Span(symbol, DAYS[two[0]], DAYS[two[1]])), max_size=6)


def days_of(spans: list[Span]) -> set[tuple[str, dt.date]]:
    return {(one.symbol, day) for one in spans for day in sessions_in_range(one.first, one.last)}


@given(spans_of("A"), spans_of("B"))
def test_joined_spans_hold_the_same_sessions(a: list[Span], b: list[Span]) -> None:
    found = merge_spans([*b, *a])
    assert days_of(found) == days_of([*a, *b])
    assert found == sorted(found)
    for one, other in pairwise(found):
        # There is a session between two that were left apart.
        assert one.symbol != other.symbol or len(sessions_in_range(one.last, other.first)) > 2


@given(spans_of("A"), st.sets(st.sampled_from(DAYS[:21])))
def test_what_is_missing_is_asked_for_in_one_span(spans: list[Span], whole: set[dt.date]) -> None:
    known = StoredSessions(whole, merge_spans(spans))
    there = whole | {day for _, day in days_of(spans)}
    left = [day for day in DAYS[:21] if day not in there]
    expected = [Span("A", left[0], left[-1])] if left else []
    assert known.missing(["A"], DAYS[:21]) == expected
    unknown = [day for day in DAYS[:21] if day not in whole]
    assert known.missing(["C"], DAYS[:21]) == (
        [Span("C", unknown[0], unknown[-1])] if unknown else []
    )


# The way with the fewest calls

GROUPED = Route("grouped", 1, None, 36)
TICKER = Route("ticker", None, 1, 20, bars=50_000)
MANY = Route("many", None, 2_000, 40, bars=10_000)


@pytest.mark.parametrize(
    ("routes", "symbols", "sessions", "route", "calls"),
    [
        ((GROUPED, TICKER), 100, 42, "grouped", 42),
        ((GROUPED, TICKER), 10, 42, "ticker", 10),
        ((GROUPED, TICKER), 100, 5, "grouped", 5),
        # Of equal calls those that bring less.
        ((GROUPED, TICKER), 42, 42, "ticker", 42),
        ((TICKER,), 100, 5, "ticker", 100),
        # A hundred symbols over a year where a call takes many of them.
        ((GROUPED, MANY, TICKER), 100, 252, "many", 3),
        ((MANY,), 6_000, 252, "many", 3 * 51),
        ((TICKER,), 2, 51_000, "ticker", 4),
        ((), 100, 42, None, 0),
    ],
)
def test_the_route_with_the_fewest_calls(
    routes: tuple[Route, ...], symbols: int, sessions: int, route: str | None, calls: int
) -> None:
    days = sessions_in_range(dt.date(1800, 1, 1), LAST)[-sessions:]
    names = tuple(f"S{n}" for n in range(symbols))
    prices = choose_route(
        Request(symbols=names), days, [], Stored(frozenset(), [], 6_000), Tariff(routes)
    )
    assert (prices.route and prices.route.name, prices.calls) == (route, calls)
    assert bool(prices.days) != bool(prices.spans)
    assert len(prices.others) == max(0, len(routes) - 1)
    assert all(count >= calls for count in prices.others.values())


def test_by_symbol_stays_so_though_sessions_cost_less() -> None:
    names = tuple(f"S{n}" for n in range(50))
    stored = Stored(frozenset(DAYS[:2]), [Span("S0", DAYS[2], DAYS[3])], 6_000)
    tariff = Tariff((GROUPED, TICKER))
    prices = choose_route(Request(symbols=names, by_symbol=True), DAYS[:4], [], stored, tariff)
    assert (prices.days, prices.calls, prices.avoided) == ([], 49, 1)
    assert prices.spans[0] == Span("S1", DAYS[2], DAYS[3])
    prices = choose_route(Request(by_symbol=True), DAYS[:4], names, stored, tariff)
    assert prices.calls == 49


# Over HTTP, against the file


@pytest.fixture(scope="module")
def url(files: Files) -> Iterator[str]:
    """A sandbox over the files."""
    with running(files.settings(now=SETTLED)) as address:
        yield address


@pytest.fixture(scope="module")
def names(files: Files) -> list[str]:
    return files.bars["symbol"].unique().sort().to_list()


def fill(path: Path, provider: Provider, **how: object) -> SyncReceipt:
    with Store.create(path) as store:
        return sync(store, provider, FIRST, LAST, **how)  # type: ignore[arg-type]


def massive(url: str) -> MassiveProvider:
    return MassiveProvider(SANDBOX_KEY, url)


def test_what_comes_by_symbol_is_what_the_file_has(
    files: Files, names: list[str], url: str, tmp_path: Path
) -> None:
    receipt = fill(tmp_path, massive(url), symbols=names, by_symbol=True)
    assert receipt.route == "by ticker"
    assert (receipt.symbols_wanted, receipt.symbols_fetched) == (len(names), len(names))
    assert (receipt.new, receipt.wanted, receipt.unknown) == (files.bars.height, 0, [])
    assert_holds(tmp_path, files.bars)
    again = fill(tmp_path, massive(url), symbols=names, by_symbol=True)
    assert (again.symbols_wanted, again.avoided, again.new) == (0, len(names), 0)
    # The clock, and a page of splits and one of dividends for every hundred symbols.
    assert again.usage.calls == 1 + 2 * -(-len(names) // 100)


def test_everyone_who_is_listed(files: Files, url: str, tmp_path: Path) -> None:
    receipt = fill(tmp_path, massive(url), by_symbol=True)
    assert receipt.new == files.bars.height
    assert_holds(tmp_path, files.bars)
    listed = pl.read_parquet(files.folder / "symbols.parquet").filter(
        pl.col("last_listed").is_null() | (pl.col("last_listed") >= FIRST)
    )
    assert receipt.symbols_wanted == listed.height == receipt.listings - gone_before(files)


def gone_before(files: Files) -> int:
    listed = pl.read_parquet(files.folder / "symbols.parquet")
    return listed.filter(pl.col("last_listed") < FIRST).height


def test_reference_data_is_asked_for_once(tmp_path: Path) -> None:
    market = massive_server.Market(tickers=[{"ticker": "AAPL", "active": True}])
    with serving(market) as server, Store.create(tmp_path) as store:
        days = dt.date(2024, 3, 4), dt.date(2024, 3, 8)
        sync(store, MassiveProvider(KEY, server.url), *days, by_symbol=True)
        assert len(server.asked("/aggs/ticker/AAPL")) == 1
        for kind in ("splits", "dividends"):
            assert len(server.asked(kind)) == 1
        assert len(server.asked("/tickers")) == 2  # those that are listed, and those that were


def test_nobody_to_ask_for(files: Files, tmp_path: Path) -> None:
    bars = ms.FilesProvider(files.folder / "bars.parquet")
    with pytest.raises(UsageError, match="the symbols of the market are unknown"):
        fill(tmp_path, bars, by_symbol=True)


def test_a_sync_of_the_whole_market_completes_what_came_by_symbol(
    files: Files, names: list[str], url: str, tmp_path: Path
) -> None:
    fill(tmp_path, massive(url), symbols=names[:7], by_symbol=True)
    with Store.open(tmp_path) as store, store.snapshot() as snapshot:
        assert snapshot.partial == snapshot.sessions
        assert snapshot.whole == []
        assert {span.symbol for span in snapshot.spans()} == {*names[:7]}
    receipt = fill(tmp_path, massive(url))
    assert receipt.wanted == len(DAYS)
    assert receipt.new + receipt.unchanged == files.bars.height
    assert_holds(tmp_path, files.bars)
    with Store.open(tmp_path) as store, store.snapshot() as snapshot:
        assert (snapshot.partial, snapshot.whole) == ([], DAYS)
    # And what is whole costs no call for a price.
    assert fill(tmp_path, massive(url), symbols=names, by_symbol=True).symbols_wanted == 0


def test_a_few_symbols_over_a_few_sessions_come_as_sessions(
    files: Files, names: list[str], url: str, tmp_path: Path
) -> None:
    with Store.create(tmp_path) as store:
        receipt = sync(store, massive(url), DAYS[-5], LAST, symbols=names[:100])
    assert (receipt.route, receipt.wanted) == ("grouped", 5)
    assert receipt.usage.calls <= 10
    assert_holds(tmp_path, files.bars.filter(pl.col("date") >= DAYS[-5]))


def test_files_give_single_symbols_too(files: Files, names: list[str], tmp_path: Path) -> None:
    fill(tmp_path, files.provider(), symbols=names[3:9])
    assert_holds(tmp_path, files.bars.filter(pl.col("symbol").is_in(names[3:9])))


def test_an_interrupted_fetch_goes_on_where_it_stopped(
    files: Files, names: list[str], url: str, tmp_path: Path
) -> None:
    def stop(done: int, total: int, bars: int) -> None:
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, massive(url), symbols=names, by_symbol=True, progress=stop)
    with Store.open(tmp_path) as store:
        assert store.verify().ok
    receipt = fill(tmp_path, massive(url), symbols=names, by_symbol=True)
    assert receipt.symbols_wanted == len(names) - 40
    assert_holds(tmp_path, files.bars)


# The cache in front of it


@pytest.fixture
def opened(url: str, tmp_path: Path) -> Iterator[ms.Market]:
    with ms.open(tmp_path / "data", provider=lambda: massive(url)) as market:
        yield market


def test_a_batch_is_fetched_once(opened: ms.Market, files: Files, names: list[str]) -> None:
    some = [*names[10:40], "NONE", names[10]]
    first = opened.price_history_batch(some, FIRST, LAST)
    assert first.receipt
    assert first.receipt.symbols_fetched == 31
    assert first.receipt.unknown == first.missing == ["NONE"]
    expected = files.bars.filter(pl.col("symbol").is_in(some)).sort("symbol", "date")
    raw = opened.price_history_batch(names[10:40], f"{FIRST}", LAST, adjust="none")
    assert raw.receipt is None
    assert raw.frame.equals(expected.select("symbol", "date", *FIELDS))
    assert list(first) == names[10:40]
    assert len(first) == 30
    assert first[names[12]].columns == ["date", *FIELDS]
    with pytest.raises(KeyError):
        first["NONE"]


def test_a_longer_history_asks_for_no_symbol_that_is_there(
    opened: ms.Market, names: list[str]
) -> None:
    opened.price_history_batch(names[:10], DAYS[10], DAYS[30])
    wider = opened.price_history_batch(names[:12], DAYS[10], DAYS[30])
    assert wider.receipt
    assert wider.receipt.symbols_fetched == 2
    longer = opened.price_history_batch(names[:3], DAYS[0], DAYS[30])
    assert longer.receipt
    assert (longer.receipt.symbols_fetched, longer.receipt.avoided) == (3, 0)
    with opened.store.snapshot() as snapshot:
        assert [s for s in snapshot.spans() if s.symbol == names[0]] == [
            Span(names[0], DAYS[0], DAYS[30])
        ]


def test_a_batch_is_adjusted_as_of_its_last_day(
    opened: ms.Market, files: Files, names: list[str]
) -> None:
    told = pl.read_parquet(files.folder / "actions.parquet").filter(
        pl.col("kind") == "split", pl.col("ex_date").is_between(DAYS[5], DAYS[-5])
    )
    symbol, ex_date, factor = told.select("symbol", "ex_date", "factor").row(0)
    bars = files.bars.filter(pl.col("symbol") == symbol).sort("date")
    before = opened.price_history_batch([symbol], FIRST, ex_date - dt.timedelta(days=1))
    assert (
        before[symbol]["close"].to_list()
        == bars.filter(pl.col("date") < ex_date)["close"].to_list()
    )
    after = opened.price_history_batch([symbol], FIRST, LAST)
    rounded = np.where(bars["date"] < ex_date, bars["close"] * factor, bars["close"])
    assert after[symbol]["close"].to_numpy() == pytest.approx(rounded, rel=1e-3)
    assert after[symbol].equals(opened.history(symbol))


def test_a_batch_from_what_is_stored_needs_nobody(
    files: Files, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    fill(tmp_path, files.provider())
    with ms.open(tmp_path) as market:
        found = market.price_history_batch(names, FIRST, LAST, adjust="none")
        assert found.receipt is None
        assert found.frame.height == files.bars.height
        with pytest.raises(UsageError, match="MASSIVE_API_KEY"):
            market.price_history_batch(names[:1], "2016-10-03", LAST)


@pytest.mark.parametrize("symbols", [["AAPL", 5], ["A B"], [""], [], ["A,B"]])
def test_what_is_no_list_of_tickers(opened: ms.Market, symbols: list[str]) -> None:
    with pytest.raises(UsageError, match=r"ticker|empty"):
        opened.price_history_batch(symbols, FIRST, LAST)


def test_days_of_a_batch_that_cannot_be(opened: ms.Market) -> None:
    for days in (("tomorrow", None), (None, "2999-01-01"), (LAST, FIRST)):
        with pytest.raises(UsageError):
            opened.price_history_batch(["A"], *days)


def test_a_notebook_has_a_loop_of_its_own(opened: ms.Market, names: list[str]) -> None:
    async def cell() -> int:
        return len(opened.price_history_batch(names[:2], FIRST, LAST))

    assert asyncio.run(cell()) == 2


# A provider that stumbles

WEEK = sessions_in_range(dt.date(2024, 3, 4), dt.date(2024, 3, 8))


def bar(ticker: str, close: float) -> massive_server.Body:
    return {"T": ticker, "o": close, "h": close + 1, "l": 1, "c": close, "v": 100}


@pytest.fixture
def server() -> Iterator[MassiveServer]:
    bars = {day: [bar("AAPL", 10 + n), bar("A/B?", 5)] for n, day in enumerate(WEEK)}
    later = "2024-03-12T20:00:00-04:00"
    with serving(massive_server.Market(now=later, bars=bars)) as started:
        yield started


def ask(server: MassiveServer, path: Path, *symbols: str) -> SyncReceipt:
    provider = MassiveProvider(KEY, server.url, settings=HttpSettings(tries=3, pause_s=0.01))
    with Store.create(path) as store:
        return sync(store, provider, WEEK[0], WEEK[-1], symbols=symbols, by_symbol=True)


def closes(path: Path) -> list[float]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return stored_bars(snapshot)["close"].to_list()


def test_rows_that_are_lacking_are_asked_for_again(server: MassiveServer, tmp_path: Path) -> None:
    server.script("/aggs/ticker", says({"status": "OK", "resultsCount": 5, "results": None}))
    assert ask(server, tmp_path, "AAPL").usage.retries == 1
    assert closes(tmp_path) == [10, 11, 12, 13, 14]


def test_an_empty_answer_makes_nothing_known(server: MassiveServer, tmp_path: Path) -> None:
    server.script("/aggs/ticker", says({"status": "OK", "resultsCount": 0}))
    assert ask(server, tmp_path, "AAPL").unknown == ["AAPL"]
    assert ask(server, tmp_path, "AAPL").new == 5
    assert ask(server, tmp_path, "AAPL").symbols_wanted == 0


def test_a_ticker_that_is_not_found_stops_no_other(server: MassiveServer, tmp_path: Path) -> None:
    server.always("/aggs/ticker/NONE", status(404, "Ticker not found."))
    receipt = ask(server, tmp_path, "NONE", "AAPL")
    assert (receipt.new, receipt.unknown) == (5, ["NONE"])


def test_a_time_that_the_plan_lacks_names_the_way_out(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.always("/aggs/ticker", status(403, "Your plan doesn't include this data timeframe."))
    receipt = ask(server, tmp_path, "AAPL")
    with pytest.raises(ProviderRefused, match=r"AAPL.*--since"):
        require_use(receipt)
    with pytest.raises(ProviderRefused, match="--since"):
        ask(server, tmp_path, "AAPL", "MSFT", "XOM", "GE")


def test_a_ticker_that_would_be_another_path(server: MassiveServer, tmp_path: Path) -> None:
    assert ask(server, tmp_path, "A/B?").new == 0
    [call] = server.asked("/aggs/ticker")
    assert call.path.startswith("/v2/aggs/ticker/A/B?/range")


def test_pages_of_a_history(tmp_path: Path) -> None:
    bars = {day: [bar("AAPL", 10 + n)] for n, day in enumerate(WEEK)}
    with serving(massive_server.Market(bars=bars), page=2) as server:
        assert ask(server, tmp_path, "AAPL").new == 5
        assert len(server.asked("/aggs/ticker")) == 3
    assert closes(tmp_path) == [10, 11, 12, 13, 14]


def test_an_older_endpoint_without_lists_of_symbols(server: MassiveServer, tmp_path: Path) -> None:
    server.market.splits = [
        {"ticker": name, "execution_date": "2024-03-06", "split_from": 1, "split_to": 2}
        for name in ("AAPL", "OTHER")
    ]
    server.always("/stocks/v1/splits", status(403, "You are not entitled to this data."))
    assert ask(server, tmp_path, "AAPL").splits == 1
    with Store.open(tmp_path) as store, store.snapshot() as snapshot:
        assert [action.symbol for action in snapshot.reported_actions()] == ["AAPL"]


def test_actions_of_others_stay_when_some_are_asked_for(
    server: MassiveServer, tmp_path: Path
) -> None:
    def told(*names: str) -> None:
        server.market.splits = [
            {"ticker": name, "execution_date": "2024-03-06", "split_from": 1, "split_to": 2}
            for name in names
        ]

    told("AAPL", "MSFT")
    ask(server, tmp_path, "AAPL", "MSFT")
    told("MSFT")
    # Taken back for the one that is asked for, and no word on the other.
    ask(server, tmp_path, "AAPL")
    with Store.open(tmp_path) as store, store.snapshot() as snapshot:
        assert [action.symbol for action in snapshot.reported_actions()] == ["MSFT"]


# The newest session


def test_a_session_that_the_source_lacks_yet_is_asked_for_again(tmp_path: Path) -> None:
    before, newest = newest_sessions()
    late = f"{newest}T20:00:00-05:00"
    market = massive_server.Market(now=late, bars={before: [bar("AAPL", 1)]})

    with (
        serving(market) as server,
        ms.open(tmp_path, provider=lambda: MassiveProvider(KEY, server.url)) as opened,
    ):
        assert len(opened.price_history_batch(["AAPL"], before)["AAPL"]) == 1
        market.bars[newest] = [bar("AAPL", 2)]
        found = opened.price_history_batch(["AAPL"], before)
        assert found["AAPL"]["close"].to_list() == [1, 2]
        # It may still be corrected, which a batch can do with; a sync asks again.
        assert opened.price_history_batch(["AAPL"], before).receipt is None
        market.bars[newest] = [bar("AAPL", 3)]
        receipt = sync(opened.store, MassiveProvider(KEY, server.url), before, symbols=["AAPL"])
        assert receipt.revised == 1


def quote(ticker: str, today: float | None, before: float) -> massive_server.Body:
    def values(close: float | None) -> massive_server.Body:
        if close is None:
            return dict.fromkeys("ohlcv", 0)
        return {name: value for name, value in bar(ticker, close).items() if name != "T"}

    return {"ticker": ticker, "day": values(today), "prevDay": values(before)}


def test_the_snapshot_spares_symbols_that_were_not_traded(tmp_path: Path) -> None:
    before, newest = newest_sessions()
    names = ["STILL", "MOVED", "MENDED", "ALWAYS", "ABSENT"]
    market = massive_server.Market(
        now=f"{before}T20:00:00-05:00",
        bars={before: [bar(name, 5) for name in names], newest: [bar("MOVED", 6)]},
    )
    with serving(market) as server, Store.create(tmp_path) as store:

        def again() -> SyncReceipt:
            provider = MassiveProvider(KEY, server.url)
            return sync(store, provider, before, symbols=names, by_symbol=True, always=["ALWAYS"])

        assert again().symbols_fetched == 5
        market.now = f"{newest}T20:00:00-05:00"
        market.bars[before][2] = bar("MENDED", 4)
        market.snapshot = [
            quote("STILL", None, 5),
            quote("MOVED", 6, 5),
            quote("MENDED", None, 4),
            quote("ALWAYS", None, 5),
        ]
        calls = len(server.calls)
        receipt = again()
        asked = {call.path.split("/")[4] for call in server.calls[calls:] if "/aggs/" in call.path}
        assert asked == {"MOVED", "MENDED", "ALWAYS", "ABSENT"}
        assert (receipt.untraded, receipt.avoided) == (1, 1)
        assert receipt.new == 1


# Reference data of single symbols


def test_details_are_stored_and_foreseen(
    files: Files, names: list[str], url: str, tmp_path: Path
) -> None:
    symbols = pl.read_parquet(files.folder / "symbols.parquet")
    known = symbols.filter(pl.col("market_cap_2026").is_not_null())["symbol"].sort()[:3].to_list()
    days = FIRST, LAST
    plan = forecast(tmp_path, massive(url), *days, symbols=known, details=True)
    assert plan.calls["details"] == 3
    with Store.create(tmp_path) as store:
        receipt = sync(store, massive(url), *days, symbols=[*known, "NONE"], details=True)
        assert receipt.listings == 3
        with store.snapshot() as snapshot:
            listings = {one.symbol: one for one in snapshot.listings()}
    for row in symbols.filter(pl.col("symbol").is_in(known)).iter_rows(named=True):
        listing = listings[row["symbol"]]
        assert listing.market_cap == row["market_cap_2026"]
        assert listing.industry == row["industry_2026"]
        assert listing.first == row["first_listed"]
    with pytest.raises(UsageError, match="--only"):
        fill(tmp_path, massive(url), details=True)
    with pytest.raises(UsageError, match="--only"):
        forecast(tmp_path, massive(url), *days, details=True)


# What scans make of it


def test_a_scan_of_single_symbols_says_so(names: list[str], url: str, tmp_path: Path) -> None:
    fill(tmp_path, massive(url), symbols=names[:20], by_symbol=True)
    with ms.open(tmp_path) as market:
        hits = market.scan("close > 0")
    assert hits.coverage.expected <= 20
    assert {*hits.symbols} <= {*names[:20]}
    assert hits.as_of == LAST
    assert hits.coverage.share > 0.9
    assert any("one by one" in warning for warning in hits.warnings)


def test_a_scan_stands_on_the_newest_whole_session(
    files: Files, names: list[str], url: str, tmp_path: Path
) -> None:
    with Store.create(tmp_path) as store:
        sync(store, massive(url), FIRST, DAYS[-4])
        receipt = sync(store, massive(url), FIRST, LAST, symbols=names[:2])
        assert receipt.symbols_wanted == 2
    with ms.open(tmp_path) as market:
        whole = market.scan("close > 0")
        assert (whole.as_of, doubts_of(whole)) == (DAYS[-4], [])
        assert whole.coverage.sessions_missing == 0
        part = market.scan("close > 0", as_of=LAST)
        assert {*part.symbols} <= {*names[:2]}
        assert market.history(names[0])["date"].max() == LAST
    status = run("status", "--data", tmp_path)
    assert "3 of single symbols" in status.stdout


def test_a_scan_over_sessions_of_single_symbols_misses_them(
    names: list[str], url: str, tmp_path: Path
) -> None:
    with Store.create(tmp_path) as store:
        sync(store, massive(url), FIRST, DAYS[9])
        sync(store, massive(url), DAYS[10], DAYS[14], symbols=names[:2], by_symbol=True)
        sync(store, massive(url), DAYS[15], LAST)
    with ms.open(tmp_path) as market:
        hits = market.scan("sma(close, 40) > 0")
        assert hits.coverage.sessions_missing == 5
    # The market's sync fills them.
    with Store.open(tmp_path) as store:
        assert sync(store, massive(url), FIRST, LAST).wanted == 5 + 1  # and one is checked


def test_symbols_that_a_source_does_not_have_are_no_success(
    url: str, names: list[str], tmp_path: Path
) -> None:
    line = ("sync", "--base-url", url, "--since", FIRST, "--until", LAST, "--data", tmp_path)
    key = {"MASSIVE_API_KEY": SANDBOX_KEY}
    done = run(*map(str, line), "--only", "NOPE,NEVER", **key)
    assert done.returncode == 3
    assert "massive has no bars of any requested symbol (NOPE, NEVER)" in done.stderr
    # One that is stored already is of use, though nothing new comes of it.
    for _ in range(2):
        assert run(*map(str, line), "--only", f"{names[0]},NOPE", **key).returncode == 0


def test_a_late_first_bar_is_said_where_no_list_of_tickers_is_stored(
    server: MassiveServer, tmp_path: Path
) -> None:
    days = sessions_in_range(dt.date(2023, 11, 1), dt.date(2024, 2, 29))
    server.market.bars = {day: [bar("META", 10.0)] for day in days[40:]}
    provider = MassiveProvider(KEY, server.url)
    with Store.create(tmp_path) as store:
        receipt = sync(store, provider, days[0], days[-1], symbols=["META"])
    (warning,) = [text for text in receipt.warnings if "earlier ticker" in text]
    assert f"META ({days[40]})" in warning


# The command line, lists and folders of before


def test_sync_only_from_the_command_line(url: str, names: list[str], tmp_path: Path) -> None:
    watchlist = tmp_path / "watch.txt"
    watchlist.write_text(f"# mine\n{names[0]}, {names[1]}\n\n{names[2]}  # and this\n{names[0]}\n")
    address = ("--base-url", url, "--since", f"{FIRST}", "--until", f"{LAST}", "--data")
    key = {"MASSIVE_API_KEY": SANDBOX_KEY}
    plan = run("sync", "--plan", "--only", f"@{watchlist}", *address, tmp_path / "data", **key)
    assert "3 symbols" in plan.stdout
    assert "by ticker" in plan.stdout
    done = run("sync", "--only", f"@{watchlist}", *address, tmp_path / "data", **key)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 symbols" in done.stdout
    none = run("sync", "--only", "@nowhere.txt", *address, tmp_path / "data", **key)
    assert (none.returncode, "nowhere.txt" in none.stderr) == (2, True)


@pytest.mark.parametrize("text", ["", "A,,B", "AAPL MSFT", "A\x00"])
def test_lists_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        read_list(text)


def test_a_folder_of_the_first_format_is_brought_up_to_date(
    files: Files, url: str, tmp_path: Path
) -> None:
    fill(tmp_path / "new", files.provider())
    with Store.create(tmp_path / "old") as store:
        sync(store, files.provider(), FIRST, DAYS[-2])
    as_format_1(tmp_path / "old")
    with pytest.raises(StoreError, match="run marketsweep sync"):
        ms.open(tmp_path / "old")
    address = ("--base-url", url, "--since", f"{FIRST}", "--data", tmp_path / "old")
    done = run("sync", *address, MASSIVE_API_KEY=SANDBOX_KEY)
    assert done.returncode == 0, done.stderr
    assert_holds(tmp_path / "old", files.bars)
    assert market_in(tmp_path / "old") == market_in(tmp_path / "new")
    assert instruments_in(tmp_path / "old") == instruments_in(tmp_path / "new")


def market_in(path: Path) -> Market:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return market_of(snapshot)


def instruments_in(path: Path) -> set[frozenset[str]]:
    """The tickers of each instrument."""
    with Store.open(path) as store, store.snapshot() as snapshot:
        listings = sorted(snapshot.listings(), key=lambda one: one.instrument or 0)
    groups = groupby(listings, key=lambda one: one.instrument)
    return {frozenset(one.symbol for one in some) for _, some in groups}
