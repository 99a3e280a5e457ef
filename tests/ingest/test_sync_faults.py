"""A sync goes on where a session, a symbol or the actions cannot be had, and says so."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

import marketsweep as ms
from marketsweep.cli.reports.text import status_report, sync_report
from marketsweep.core.calendar import NEW_YORK, close_time, sessions_in_range
from marketsweep.errors import CoverageError, ProviderError, ProviderRefused, ProviderUnreachable
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt, require_use
from marketsweep.ingest.sync import sync
from marketsweep.store.companies.frozen_sessions import Stillness, frozen
from marketsweep.store.session_notes import SessionNotes
from marketsweep.store.status import read_status
from marketsweep.store.store import Store
from tests.helpers.command import run as command
from tests.helpers.markets import doubts_of
from tests.helpers.massive_server import (
    KEY,
    Body,
    Handler,
    Market,
    MassiveServer,
    raw,
    says,
    serving,
    status,
)

DAYS = sessions_in_range(dt.date(2024, 3, 1), dt.date(2024, 5, 31))
IMPATIENT = HttpSettings(tries=2, pause_s=0.01)
HOUR = dt.timedelta(hours=1)

BAD: dict[str, Handler] = {
    "500": status(500),
    "not allowed": status(403, "Your plan doesn't include this data timeframe."),
    "not JSON": raw(b"<html>down</html>"),
    "undecodable": raw(b'{"status":"OK","resultsCount":1,"results":[{"T":"A","o":"one"}]}'),
    "an error in a success": raw(b'{"status":"ERROR","error":"database error"}'),
}


def bar(ticker: str, close: float = 10.0, volume: float = 1000.0) -> Body:
    return {"T": ticker, "o": close, "h": close + 1, "l": close - 1, "c": close, "v": volume}


@pytest.fixture
def server() -> Iterator[MassiveServer]:
    bars = {day: [bar("A", 10.0 + n), bar("B", 20.0 + n)] for n, day in enumerate(DAYS)}
    with serving(Market(now=after(DAYS[-1]), bars=bars)) as server:
        yield server


def after(day: dt.date, later: dt.timedelta = HOUR) -> str:
    return f"{close_time(day) + later}"


def synced(
    server: MassiveServer,
    path: Path,
    since: dt.date | None = DAYS[0],
    until: dt.date | None = None,
    **how: object,
) -> SyncReceipt:
    provider = MassiveProvider(KEY, server.url, settings=IMPATIENT)
    with Store.create(path) as store:
        return sync(store, provider, since, until, **how)  # type: ignore[arg-type]


def stored(path: Path) -> list[dt.date]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return snapshot.sessions


def asked(server: MassiveServer, since: int) -> set[str]:
    return {
        call.path.rsplit("/", 1)[1] for call in server.calls[since:] if "/grouped/" in call.path
    }


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("place", [0, 11, len(DAYS) - 1])
def test_one_session_that_cannot_be_had_is_put_aside(
    server: MassiveServer, tmp_path: Path, fault: str, place: int
) -> None:
    server.market.now = after(DAYS[-1], 24 * HOUR)  # a plan may not include today's session
    bad = DAYS[place]
    server.always(f"grouped/locale/us/market/stocks/{bad}", BAD[fault])
    receipt = synced(server, tmp_path)
    require_use(receipt)
    assert stored(tmp_path) == [day for day in DAYS if day != bad]
    (gone,) = receipt.unavailable
    assert gone["of"] == f"{bad}"
    (aside,) = receipt.put_aside
    assert (aside["session"], aside["tries"]) == (f"{bad}", 1)
    assert f"put aside: {bad}" in sync_report(receipt)
    with Store.open(tmp_path) as store:
        found = read_status(store, verify=False)
        assert f"put aside: {bad}" in status_report(found)
        assert found.to_dict()["put_aside"] == receipt.put_aside


def test_a_session_put_aside_is_asked_for_after_ever_longer_pauses(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.market.now = after(DAYS[20])
    bad = DAYS[10]
    address = f"grouped/locale/us/market/stocks/{bad}"
    server.always(address, status(500))
    synced(server, tmp_path)
    begun = close_time(DAYS[20]) + HOUR
    # Due after 1, 2, 4 hours and so on, counted from the try before.
    tried = [begun]
    for hours in (0.9, 1.1, 2.0, 3.2, 5.0, 7.3, 12.0, 15.5):
        server.market.now = f"{begun + dt.timedelta(hours=hours)}"
        calls = len(server.calls)
        receipt = synced(server, tmp_path)
        is_due = begun + dt.timedelta(hours=hours) >= tried[-1] + HOUR * 2 ** (len(tried) - 1)
        assert (f"{bad}" in asked(server, calls)) is is_due
        if is_due:
            tried.append(begun + dt.timedelta(hours=hours))
        (aside,) = receipt.put_aside
        assert aside["tries"] == len(tried)
    assert len(tried) == 5
    server.market.now = after(DAYS[40])
    server.always(address, server.honest)
    assert synced(server, tmp_path).put_aside == []
    assert stored(tmp_path) == DAYS[:41]


def test_again_asks_for_a_session_put_aside_at_once(server: MassiveServer, tmp_path: Path) -> None:
    address = f"grouped/locale/us/market/stocks/{DAYS[3]}"
    server.always(address, status(500))
    assert len(synced(server, tmp_path).put_aside) == 1
    server.always(address, server.honest)
    receipt = synced(server, tmp_path, DAYS[3], DAYS[3], again=True)
    assert (receipt.new, receipt.put_aside) == (2, [])
    assert stored(tmp_path) == DAYS


@pytest.mark.parametrize("bad", [DAYS[:4], DAYS[:25], DAYS[30:60], DAYS[5:]])
def test_no_row_of_bad_sessions_stops_syncs_for_good(
    server: MassiveServer, tmp_path: Path, bad: list[dt.date]
) -> None:
    for day in bad:
        server.always(f"grouped/locale/us/market/stocks/{day}", status(500))
    failures = 0
    for _ in range(6):
        try:
            require_use(synced(server, tmp_path))
        except ProviderUnreachable:
            failures += 1
    assert failures < 6
    assert stored(tmp_path) == [day for day in DAYS if day not in bad]


@pytest.mark.parametrize(("bad", "ends"), [(2, False), (3, True)])
def test_three_failures_before_anything_has_come_end_a_sync(
    bad: int, ends: bool, server: MassiveServer, tmp_path: Path
) -> None:
    for day in DAYS[:bad]:
        server.always(f"grouped/locale/us/market/stocks/{day}", status(500))
    if ends:
        with pytest.raises(ProviderUnreachable, match=f"{DAYS[0]}"):
            synced(server, tmp_path)
    else:
        assert len(synced(server, tmp_path).put_aside) == bad


@pytest.mark.parametrize(("bad", "ends"), [(19, False), (20, True)])
def test_twenty_failures_in_a_row_end_a_sync(
    bad: int, ends: bool, server: MassiveServer, tmp_path: Path
) -> None:
    for day in DAYS[5 : 5 + bad]:
        server.always(f"grouped/locale/us/market/stocks/{day}", status(500))
    if ends:
        assert f"{DAYS[5]}" in synced(server, tmp_path).stopped
        assert set(DAYS[:5]) <= set(stored(tmp_path))
    else:
        assert len(synced(server, tmp_path).put_aside) == bad


@pytest.mark.parametrize(("code", "word"), [(401, "MASSIVE_API_KEY"), (403, "403")])
def test_a_provider_that_fails_midway_is_a_warning_and_the_next_sync_continues(
    code: int, word: str, server: MassiveServer, tmp_path: Path
) -> None:
    for day in DAYS[30:]:
        server.always(f"grouped/locale/us/market/stocks/{day}", status(code, "no"))
    call = ("--base-url", server.url, "--data", tmp_path)
    done = command("sync", *call, "--since", f"{DAYS[0]}", MASSIVE_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert "the provider failed after" in done.stderr
    assert word in done.stderr
    assert set(DAYS[:20]) <= set(stored(tmp_path)) < set(DAYS)
    told = command("status", "--data", tmp_path).stdout
    assert "the last sync stopped early" in told
    for day in DAYS[30:]:
        server.always(f"grouped/locale/us/market/stocks/{day}", server.honest)
    assert not synced(server, tmp_path).stopped
    assert stored(tmp_path) == DAYS
    assert "stopped early" not in command("status", "--data", tmp_path).stdout


def test_dividends_are_missing_until_they_are_stored(server: MassiveServer, tmp_path: Path) -> None:
    """A sync that ends at any time leaves no total return without a word."""
    stored = threading.Event()
    seen: list[list[str]] = []

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(stored.wait)
        return await server.honest(request)

    def watch(done: int, total: int, bars: int) -> None:
        with ms.open(tmp_path) as market:
            if not stored.is_set() and market.store.snapshot().sessions:
                seen.append(market.scan("roc(9) > -99", adjust="total").warnings)
                seen.append(market.scan("roc(9) > -99").warnings)
                told = command("status", "--data", tmp_path).stdout
                assert "a sync is under way or was interrupted" in told
                stored.set()

    server.always("dividends", late)
    provider = MassiveProvider(KEY, server.url, settings=HttpSettings())
    with Store.create(tmp_path) as store:
        receipt = sync(store, provider, DAYS[0], DAYS[-1], watch)
    total, splits_only = seen
    assert any("dividends from" in warning for warning in total)
    assert not any("dividends from" in warning for warning in splits_only)
    assert receipt.missing_actions == []
    with ms.open(tmp_path) as market:
        hits = market.scan("roc(9) > -99", adjust="total")
        assert not any("dividends from" in warning for warning in hits.warnings)


@pytest.mark.parametrize("tries", [1, 2, 7, 8, 9, 12, 40])
def test_pauses_double_up_to_a_week(tries: int) -> None:
    now = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    notes = SessionNotes.of({})
    for _ in range(tries):
        notes.failed([(DAYS[3], "gone")], now)
    pause = notes.put_aside[DAYS[3]].again - now
    assert pause == dt.timedelta(hours=min(2 ** (tries - 1), 168))


def test_a_source_that_gives_nothing_is_an_error_and_no_row_of_tries(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.always("grouped", status(500))
    with pytest.raises(ProviderUnreachable, match=rf"{DAYS[0]}.*500"):
        synced(server, tmp_path)
    server.always("grouped", status(403, "Your plan doesn't include this data timeframe."))
    with pytest.raises(ProviderRefused, match="--since"):
        synced(server, tmp_path / "other")


def test_a_single_session_that_fails_is_an_error_that_names_it(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.always("grouped", status(500))
    receipt = synced(server, tmp_path, DAYS[5], DAYS[5])
    with pytest.raises(ProviderUnreachable, match=f"{DAYS[5]}.*500"):
        require_use(receipt)
    done = command(
        *("sync", "--base-url", server.url, "--data", tmp_path, "--again"),
        *("--since", f"{DAYS[5]}", "--until", f"{DAYS[5]}"),
        MASSIVE_API_KEY=KEY,
    )
    assert done.returncode == 4
    assert f"{DAYS[5]}" in done.stderr


def test_symbols_that_fail_do_not_end_the_others(server: MassiveServer, tmp_path: Path) -> None:
    server.always("ticker/B/", status(500))
    receipt = synced(server, tmp_path, DAYS[0], DAYS[4], symbols=["A", "B"], by_symbol=True)
    require_use(receipt)
    assert [one["of"] for one in receipt.unavailable] == ["B"]
    assert (receipt.symbols_fetched, receipt.new) == (1, 5)
    assert "could not be fetched: B" in sync_report(receipt)
    server.always("ticker/B/", server.honest)
    assert synced(server, tmp_path, DAYS[0], DAYS[4], symbols=["A", "B"], by_symbol=True).new == 5


def test_details_that_fail_do_not_end_the_others(server: MassiveServer, tmp_path: Path) -> None:
    server.market.tickers = [{"ticker": name, "type": "CS"} for name in ("A", "B")]
    server.always("tickers/A", status(500))
    receipt = synced(server, tmp_path, symbols=["A", "B"], details=True)
    assert receipt.listings == 1
    assert any("no details of A" in warning for warning in receipt.warnings)


# Splits and dividends that cannot be had


@pytest.mark.parametrize("fault", [status(400, "no"), status(403, "no"), status(500)])
def test_without_splits_a_sync_and_scans_over_the_time_are_no_success(
    server: MassiveServer, tmp_path: Path, fault: Handler
) -> None:
    server.always("splits", fault)
    receipt = synced(server, tmp_path)
    with pytest.raises(CoverageError, match="splits from"):
        require_use(receipt)
    (missing,) = receipt.missing_actions
    assert (missing["kind"], missing["since"]) == ("split", f"{DAYS[0]}")
    assert missing["until"] == f"{DAYS[-1]}"
    with ms.open(tmp_path) as market:
        hits = market.scan("roc(9) > -99")
        assert any("splits from" in warning for warning in hits.warnings)
        assert hits.coverage.sessions_unadjusted == 9
        # One bar depends on no split, and nothing does without adjustment.
        assert market.scan("close > 0").coverage.sessions_unadjusted == 0
        raw_hits = market.scan("roc(9) > -99", adjust="none")
        assert (doubts_of(raw_hits), raw_hits.coverage.sessions_unadjusted) == ([], 0)
        found = market.signals("roc(9) > -99", since=DAYS[20])
        assert any("splits from" in warning for warning in found.warnings)
        swept = market.sweep("roc({n}) > -99", n=[5, 9])
        assert any("splits from" in warning for warning in swept.warnings)
        explained = market.explain("A", "roc(9) > -99")
        assert any("splits from" in warning for warning in explained.warnings)
        assert market.explain("A", "roc(9) > -99", adjust="none").warnings == []
        with pytest.warns(ms.DataWarning, match="splits from") as caught:
            market.history("A")
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            market.history("A", adjust="none")
        chart = market.chart("A")
        assert any("splits from" in warning for warning in chart.drawing.warnings)
        assert "splits from" in chart.html
        bars = market.price_history_batch(["A"], DAYS[0], DAYS[-1])
        assert any("splits from" in warning for warning in bars.warnings)
    assert "splits from" in command("explain", "A", "roc(9) > -99", "--data", tmp_path).stderr
    page = tmp_path / "a.html"
    assert "splits from" in command("chart", "A", "--data", tmp_path, "--output", page).stderr
    for arguments, code in (([], 3), (["--min-coverage", "0"], 0), (["--adjust", "none"], 0)):
        done = command("scan", "roc(9) > -99", "--data", tmp_path, *arguments)
        assert done.returncode == code
    with Store.open(tmp_path) as store:
        assert "splits from" in status_report(read_status(store, verify=False))
    server.always("splits", server.honest)
    receipt = synced(server, tmp_path)
    require_use(receipt)
    assert receipt.missing_actions == []
    with ms.open(tmp_path) as market:
        assert doubts_of(market.scan("roc(9) > -99")) == []


def test_a_time_without_splits_grows_until_they_come(server: MassiveServer, tmp_path: Path) -> None:
    server.market.now = after(DAYS[20])
    synced(server, tmp_path, DAYS[10])
    server.always("splits", status(500))
    server.market.now = after(DAYS[30])
    (missing,) = synced(server, tmp_path, None).missing_actions
    assert missing["until"] == f"{DAYS[30]}"
    begun = dt.date.fromisoformat(missing["since"])
    assert begun <= DAYS[20]
    server.market.now = after(DAYS[40])
    (missing,) = synced(server, tmp_path, None).missing_actions
    assert (missing["since"], missing["until"]) == (f"{begun}", f"{DAYS[40]}")
    with ms.open(tmp_path) as market:
        assert market.scan("roc(9) > -99", as_of=DAYS[40]).coverage.sessions_unadjusted == 9
    server.always("splits", server.honest)
    assert synced(server, tmp_path, None).missing_actions == []


def test_missing_dividends_concern_total_returns_alone(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.always("dividends", status(403, "no"))
    receipt = synced(server, tmp_path)
    require_use(receipt)
    with ms.open(tmp_path) as market:
        assert doubts_of(market.scan("roc(9) > -99")) == []
        hits = market.scan("roc(9) > -99", adjust="total")
        assert hits.coverage.sessions_unadjusted == 9
        assert any("dividends from" in warning for warning in hits.warnings)


def test_missing_splits_of_some_symbols_are_not_of_the_market(
    server: MassiveServer, tmp_path: Path
) -> None:
    synced(server, tmp_path, until=DAYS[-2])
    server.always("splits", status(500))
    receipt = synced(server, tmp_path, DAYS[-5], symbols=["A"], by_symbol=True)
    (missing,) = receipt.missing_actions
    assert missing["symbols"] == ("A",)
    with ms.open(tmp_path) as market:
        hits = market.scan("roc(9) > -99")
        assert hits.coverage.sessions_unadjusted == 0
        assert any("of 1 symbol" in warning for warning in hits.warnings)
    server.always("splits", server.honest)
    receipt = synced(server, tmp_path, DAYS[-5], symbols=["A"], by_symbol=True)
    assert receipt.missing_actions == []


def test_a_file_of_actions_makes_up_for_missing_ones(server: MassiveServer, tmp_path: Path) -> None:
    server.always("splits", status(403, "no"))
    synced(server, tmp_path / "data")
    actions = tmp_path / "actions.csv"
    actions.write_text("symbol,ex_date,kind,split_from,split_to\nA,2024-04-01,split,1,2\n")
    data = ("--data", tmp_path / "data", "--json")
    done = command("sync", "--provider", "files", "--actions", actions, *data)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["missing_actions"] == []


# Exit codes say whether anything useful came


def test_empty_answers_for_sessions_that_took_place_are_no_success(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.market.bars = {}
    receipt = synced(server, tmp_path)
    with pytest.raises(CoverageError, match="no bars for any of"):
        require_use(receipt)
    # The newest one may not be there yet.
    newest = synced(server, tmp_path, DAYS[-1])
    require_use(newest)
    assert newest.empty == [DAYS[-1]]


def test_rows_that_are_all_set_aside_are_no_success(tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text("symbol,date,open,high,low,close,volume\nA,2024-03-02,1,1,1,1,1\n")
    done = command("sync", "--provider", "files", "--path", bars, "--data", tmp_path / "data")
    assert done.returncode == 3
    assert "none of 1 rows" in done.stderr


# Corrections that come days later


def test_each_sync_checks_another_of_the_last_thirty_sessions(
    server: MassiveServer, tmp_path: Path
) -> None:
    synced(server, tmp_path)
    checked = [synced(server, tmp_path).checked for _ in range(31)]
    # All but the newest, which is provisional and comes again in any case; then from the start.
    assert checked[:29] == DAYS[-30:-1][::-1]
    assert checked[29] == DAYS[-2]


def test_a_correction_is_seen_by_a_later_sync(server: MassiveServer, tmp_path: Path) -> None:
    synced(server, tmp_path)
    late = DAYS[-20]
    server.market.bars[late] = [bar("A", 99.0), bar("B", 20.0 + len(DAYS) - 20)]
    revised = 0
    for _ in range(30):
        receipt = synced(server, tmp_path)
        revised += receipt.revised
        assert (receipt.revised == 1) is (receipt.checked == late)
    assert revised == 1
    with ms.open(tmp_path) as market:
        assert market.history("A").filter(date=late)["close"].to_list() == [99.0]


def test_only_sessions_that_were_asked_for_are_checked(
    server: MassiveServer, tmp_path: Path
) -> None:
    synced(server, tmp_path)
    assert synced(server, tmp_path, DAYS[-3], DAYS[-2]).checked in DAYS[-3:-1]
    assert synced(server, tmp_path, DAYS[0], DAYS[5]).checked is None
    assert synced(server, tmp_path, symbols=["A"], by_symbol=True).checked is None


def test_again_fetches_stored_sessions_and_keeps_what_it_revises(
    server: MassiveServer, tmp_path: Path
) -> None:
    synced(server, tmp_path)
    server.market.bars[DAYS[7]] = [bar("A", 55.0), bar("B", 27.0)]
    calls = len(server.calls)
    done = command(
        *("sync", "--base-url", server.url, "--data", tmp_path, "--json", "--again"),
        *("--since", f"{DAYS[6]}", "--until", f"{DAYS[8]}"),
        MASSIVE_API_KEY=KEY,
    )
    receipt = json.loads(done.stdout)
    assert (receipt["wanted"], receipt["new"], receipt["revised"]) == (3, 0, 1)
    assert asked(server, calls) == {f"{day}" for day in DAYS[6:9]}
    (revision,) = receipt["revisions"]
    assert (revision["session"], revision["new"]["close"]) == (f"{DAYS[7]}", 55.0)


def test_again_needs_a_first_session(tmp_path: Path) -> None:
    done = command("sync", "--again", "--data", tmp_path, MASSIVE_API_KEY=KEY)
    assert done.returncode == 2
    assert "--again needs --since" in done.stderr


# Sessions in which the market stands still


def moving(day: int, spoilt: Iterable[int] = (), kind: str = "flat") -> list[Body]:
    """Forty symbols in a session; most stand still in a spoilt one."""
    rows = []
    for n in range(40):
        close = 10.0 + n + 0.25 * ((day * (n + 3)) % 7)
        row = bar(f"S{n:02}", close, 1e5) | {"o": close - 0.1}
        if day in spoilt and n < 36:
            if kind == "repeated":
                row = {**moving(day - 1)[n]}
            else:
                row |= {"o": close, "h": close, "l": close, "v": 250}
        rows.append(row)
    return rows


@pytest.mark.parametrize("kind", ["flat", "repeated"])
def test_a_session_that_stands_still_is_named_and_asked_for_again(
    server: MassiveServer, tmp_path: Path, kind: str
) -> None:
    bad = 40
    server.market.bars = {day: moving(n, [bad], kind) for n, day in enumerate(DAYS)}
    receipt = synced(server, tmp_path)
    assert receipt.frozen == [DAYS[bad]]
    assert [one["session"] for one in receipt.put_aside] == [f"{DAYS[bad]}"]
    assert "stands still" in sync_report(receipt)
    with ms.open(tmp_path) as market:
        assert any(
            "most prices are unchanged" in one
            for one in market.scan("close > 0", as_of=DAYS[bad]).warnings
        )
        assert any(
            "most prices are unchanged" in one for one in market.scan("roc(30) > -99").warnings
        )
        assert doubts_of(market.scan("close > 0")) == []
        assert any(
            "most prices are unchanged" in one
            for one in market.signals("close > 0", since=DAYS[0]).warnings
        )
    with Store.open(tmp_path) as store:
        found = read_status(store, verify=False)
        assert found.to_dict()["frozen"] == [f"{DAYS[bad]}"]
        assert "stands still" in status_report(found)
    server.market.bars[DAYS[bad]] = moving(bad)
    calls = len(server.calls)
    synced(server, tmp_path)
    assert f"{DAYS[bad]}" not in asked(server, calls)
    server.market.now = after(DAYS[-1], 2.5 * HOUR)
    receipt = synced(server, tmp_path)
    assert receipt.revised > 30
    assert (receipt.frozen, receipt.put_aside) == ([], [])
    with ms.open(tmp_path) as market:
        assert doubts_of(market.scan("roc(30) > -99")) == []


def test_good_bars_are_not_replaced_by_a_session_that_stands_still(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.market.bars = {day: moving(n) for n, day in enumerate(DAYS)}
    synced(server, tmp_path)
    server.market.bars |= {day: moving(n, [n]) for n, day in enumerate(DAYS)}
    receipt = synced(server, tmp_path)
    assert receipt.checked
    assert (receipt.revised, receipt.frozen) == (0, [])
    assert any("unchanged prices" in warning for warning in receipt.warnings)
    taken = synced(server, tmp_path, receipt.checked, receipt.checked, again=True)
    assert (taken.revised, taken.frozen) == (36, [receipt.checked])


def test_a_repeated_session_is_found_where_it_came_before_the_one_before_it(
    server: MassiveServer, tmp_path: Path
) -> None:
    bad = 40
    server.market.bars = {day: moving(n, [bad], "repeated") for n, day in enumerate(DAYS)}
    assert synced(server, tmp_path, DAYS[bad]).frozen == []
    assert synced(server, tmp_path).frozen == [DAYS[bad]]


def test_a_market_that_is_hardly_traded_is_not_frozen() -> None:
    days = DAYS[:30]
    still = dict.fromkeys(days, Stillness(60, 100))
    assert frozen(still) == []
    usual = dict.fromkeys(days, Stillness(4, 100))
    assert frozen(usual | {days[9]: Stillness(60, 100)}) == [days[9]]
    # Too few bars to say.
    assert frozen(dict.fromkeys(days, Stillness(0, 10)) | {days[9]: Stillness(10, 10)}) == []


def test_no_session_of_the_real_market_is_frozen(real: Path) -> None:
    with Store.open(real) as store, store.snapshot() as snapshot:
        assert snapshot.frozen() == []


def test_notes_survive_a_wrong_clock() -> None:
    notes = SessionNotes()
    ahead = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    notes.failed([(DAYS[0], "500")], ahead)
    again = SessionNotes.of(notes.texts())
    assert again == notes
    assert again.waiting(dt.datetime(2024, 6, 3, tzinfo=dt.UTC)) == set()


# -- bars that nobody asked for


def at(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), NEW_YORK).timestamp()) * 1000


def closes(path: Path, last: dt.date) -> dict[dt.date, float]:
    with ms.open(path) as market:
        frame = market.price_history_batch(["A"], DAYS[0], last, adjust="none").frame
        return dict(frame.select("date", "close").iter_rows())


def test_bars_of_other_days_replace_nothing(server: MassiveServer, tmp_path: Path) -> None:
    server.market.now = after(DAYS[-1], 48 * HOUR)
    synced(server, tmp_path, DAYS[0], DAYS[9])
    before = closes(tmp_path, DAYS[9])
    row = {"o": 999.0, "h": 999.0, "l": 999.0, "c": 999.0, "v": 1.0}
    rows = [{**row, "t": at(day)} for day in DAYS[:15]]
    server.always(
        "/range/1/day/", says({"status": "OK", "resultsCount": len(rows), "results": rows})
    )
    receipt = synced(server, tmp_path, DAYS[10], DAYS[14], symbols=["A"], by_symbol=True)
    assert receipt.set_aside["not asked for"] == 10
    assert any(f"A {DAYS[0]}" in warning for warning in receipt.warnings)
    assert receipt.new == 5
    now = closes(tmp_path, DAYS[14])
    assert {day: now[day] for day in before} == before
    assert [now[day] for day in DAYS[10:15]] == [999.0] * 5


def test_bars_of_another_ticker_are_a_fault(server: MassiveServer, tmp_path: Path) -> None:
    server.market.now = after(DAYS[-1], 48 * HOUR)
    row = {"o": 999.0, "h": 999.0, "l": 999.0, "c": 999.0, "v": 1.0, "t": at(DAYS[0])}
    other = {"status": "OK", "ticker": "B", "resultsCount": 1, "results": [row]}
    synced(server, tmp_path, DAYS[0], DAYS[2])
    server.always("/ticker/A/range/", says(other))
    with pytest.raises(ProviderError, match="bars of another ticker"):
        require_use(synced(server, tmp_path, DAYS[3], DAYS[4], symbols=["A"], by_symbol=True))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"resultsCount": 20}, "1 of the 20 rows that it counts"),
        ({"resultsCount": 1, "adjusted": True}, "adjusted bars, but bars that are not adjusted"),
    ],
)
def test_a_session_that_lacks_rows_or_is_adjusted_is_put_aside(
    said: dict[str, object], reason: str, whole: bool, server: MassiveServer, tmp_path: Path
) -> None:
    """With the fast decoder and, where a row has a field as text, with the general one."""
    server.market.now = after(DAYS[-1], 48 * HOUR)
    row = {"T": "A", "o": 9.0, "h": 9.0, "l": 9.0, "c": 9.0, "v": None if whole else 1.0}
    reply = {"status": "OK", **said, "results": [{**row, "t": at(DAYS[5])}]}
    server.always(f"grouped/locale/us/market/stocks/{DAYS[5]}", says(reply))
    receipt = synced(server, tmp_path, DAYS[0], DAYS[9])
    assert stored(tmp_path) == [day for day in DAYS[:10] if day != DAYS[5]]
    (gone,) = receipt.unavailable
    assert reason in gone["reason"]


def test_a_list_of_tickers_that_fails_is_said_until_it_comes(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.market.now = after(DAYS[-1], 48 * HOUR)
    server.always("/v3/reference/tickers", status(500))
    synced(server, tmp_path, DAYS[0], DAYS[9])

    def action_text() -> tuple[bool, bool]:
        with ms.open(tmp_path) as market:
            warned = any("list of tickers" in one for one in market.scan("close > 1").warnings)
        with Store.open(tmp_path) as store:
            report = status_report(read_status(store, verify=False))
        return warned, "the list of tickers could not be fetched" in report

    assert action_text() == (True, True)
    server.always("/v3/reference/tickers", server.honest)
    synced(server, tmp_path, DAYS[0], DAYS[9])
    assert action_text() == (False, False)


def test_actions_of_which_none_can_be_used_are_no_success(tmp_path: Path) -> None:
    bars, actions = tmp_path / "bars.csv", tmp_path / "actions.csv"
    rows = "".join(f"A,{day},10,11,9,10,100\n" for day in DAYS[:9])
    bars.write_text("symbol,date,open,high,low,close,volume\n" + rows)
    actions.write_text(f"symbol,ex_date,kind,split_from,split_to\nA,{DAYS[5]},split,1,1e9\n")
    done = command(
        *("sync", "--provider", "files", "--path", bars, "--actions", actions),
        *("--data", tmp_path / "data"),
    )
    assert done.returncode == 3
    assert "none of 1 splits and dividends could be used" in done.stderr
    assert "  0 splits, 0 dividends" in done.stdout + done.stderr


def test_a_session_with_bars_of_another_day_is_put_aside(
    server: MassiveServer, tmp_path: Path
) -> None:
    server.market.now = after(DAYS[-1], 48 * HOUR)
    row = {"T": "A", "o": 999.0, "h": 999.0, "l": 999.0, "c": 999.0, "v": 1.0}
    stale = {"status": "OK", "resultsCount": 1, "results": [{**row, "t": at(DAYS[4])}]}
    server.always(f"grouped/locale/us/market/stocks/{DAYS[5]}", says(stale))
    receipt = synced(server, tmp_path, DAYS[0], DAYS[9])
    assert stored(tmp_path) == [day for day in DAYS[:10] if day != DAYS[5]]
    (gone,) = receipt.unavailable
    assert gone["of"] == f"{DAYS[5]}"
    assert "another day" in gone["reason"]
