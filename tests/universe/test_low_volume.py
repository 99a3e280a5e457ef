"""The kept low-volume list: built from what polars computes, expiring, ruled by the user's word."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from time import process_time

import polars as pl
import pytest

from marketsweep.cli.reports.text import forecast_report
from marketsweep.core.records import LowVolume
from marketsweep.errors import CoverageError, UsageError
from marketsweep.ingest.estimate import forecast
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.market import open_market
from marketsweep.store.store import Store
from marketsweep.universe.low_volume import day_of, rebuild, set_override
from tests.helpers.command import refused, run
from tests.helpers.markets import LAST, doubts_of, example_bars, store_of
from tests.helpers.two_months import FIRST, Files
from tests.ingest.test_by_symbol import SETTLED
from tests.ingest.test_sync import SANDBOX_KEY
from tests.universe.test_universe import listed, today, traded

LATER = LAST + dt.timedelta(days=30)


def thin(least: float, sessions: int) -> set[str]:
    """Listed symbols that trade for less, or not at all."""
    liquid = traded(LAST, sessions).filter(pl.col("dollars") >= least)["symbol"]
    return set(listed()["symbol"]) - set(liquid)


def on(store: Store, day: dt.date) -> frozenset[str]:
    with store.snapshot() as snapshot:
        return snapshot.low_volume_on(day)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The example market, with a list that each test builds as it needs it."""
    with store_of(tmp_path_factory.mktemp("low-volume"), example_bars()) as store:
        yield store


@pytest.fixture
def store(whole: Store) -> Store:
    with whole.writer() as writer:
        writer.put_low_volume([])
    return whole


@pytest.mark.parametrize(("least", "sessions"), [(1e6, 20), (2.5e5, 63), (5e6, 1)])
def test_the_list_is_what_polars_finds(store: Store, least: float, sessions: int) -> None:
    begun = process_time()
    done = rebuild(store, least, sessions)
    assert process_time() - begun < 5.0  # 0.2 s; not by symbol
    expected = thin(least, sessions)
    assert on(store, LAST) == expected
    silent = expected - set(traded(LAST, sessions)["symbol"])
    assert (done.listed, done.without_bars) == (len(expected), len(silent))
    assert (done.expected, done.session) == (listed().height, LAST)
    dollars = dict(traded(LAST, sessions)["symbol", "dollars"].iter_rows())
    with store.snapshot() as snapshot:
        for line in snapshot.low_volume():
            assert line.dollars == pytest.approx(dollars.get(line.symbol))
            assert (line.sessions, line.least, line.expires) == (sessions, least, LATER)


def test_what_was_built_holds_from_its_session_until_it_expires(store: Store) -> None:
    rebuild(store, 1e6, 20, "30d")
    day = dt.timedelta(days=1)
    for when, holds in (
        (LAST - day, False),
        (LAST, True),
        (LATER - day, True),
        (LATER, False),
    ):
        assert bool(on(store, when)) is holds, when


def test_a_rebuild_says_what_is_new_and_what_is_gone(store: Store) -> None:
    low, high = thin(1e6, 20), thin(5e6, 20)
    rebuild(store, 1e6)
    more = rebuild(store, 5e6)
    assert (more.new, more.gone) == (len(high - low), 0)
    less = rebuild(store, 1e6)
    assert (less.new, less.gone) == (0, len(high - low))
    version = less.data_version
    assert rebuild(store, 1e6).data_version == version  # the same list is no news


def test_the_users_word_wins_and_outlives_a_rebuild(store: Store) -> None:
    small = min(thin(1e6, 20) & today())
    rebuild(store)
    set_override(
        store, ["AAPL", "KIMpL"] if "KIMpL" in listed()["symbol"] else ["AAPL"], None, out=True
    )
    set_override(store, [small], None, out=False)
    for _ in range(2):
        assert "AAPL" in on(store, LAST)
        assert small not in on(store, LAST)
        rebuild(store)
    set_override(store, ["AAPL"], None, out=False)  # a later word takes the place of the earlier
    assert on(store, LAST) == thin(1e6, 20) - {small}


def test_the_users_word_expires(store: Store) -> None:
    rebuild(store)
    small = min(thin(1e6, 20))
    tomorrow = dt.date.today() + dt.timedelta(days=1)
    set_override(store, ["AAPL"], "1d", out=True)
    set_override(store, [small], f"{tomorrow}", out=False)
    assert "AAPL" in on(store, LAST)  # a word holds on every day before
    assert "AAPL" not in on(store, tomorrow)
    assert small not in on(store, LAST)
    # What was built holds again where the word has ended first.
    rebuild(store, expires="9999d")
    assert small in on(store, tomorrow)


def test_expired_lines_go_with_the_next_rebuild(store: Store) -> None:
    gone = LowVolume("AAPL", True, True, dt.date(2016, 1, 4), dt.date(2016, 6, 1))
    with store.writer() as writer:
        writer.put_low_volume([gone])
    rebuild(store)
    with store.snapshot() as snapshot:
        assert gone not in snapshot.low_volume()


def test_a_scan_skips_the_list_where_it_is_asked_to(store: Store) -> None:
    rebuild(store)
    set_override(store, ["AAPL"], None, out=True)
    left = thin(1e6, 20) | {"AAPL"}
    (store.path / "universe.toml").write_text("[mine]\nskip_low_volume = true\n")
    with open_market(store.path) as market:
        assert set(market.scan("close > 0").symbols) == today()
        for hits in (
            market.scan("close > 0", skip_low_volume=True),
            market.scan("close > 0", universe="mine"),
        ):
            assert set(hits.symbols) == today() - left
            assert hits.coverage.excluded.prescreen == len(left)
            assert [clause.text for clause in hits.coverage.funnel] == ["low-volume list"]
            assert all("suspicious" in warning for warning in doubts_of(hits))
        # Of the past nobody knew the list, and says so; the user's word holds all the same.
        past = market.scan("close > 0", skip_low_volume=True, as_of="2016-06-30")
        assert past.coverage.excluded.prescreen == 1
        assert "no built low-volume list is valid on 2016-06-30" in past.warnings[0]
        # A change of the list is seen by a market that is open.
        set_override(store, ["AAPL"], None, out=False)
        assert "AAPL" in market.scan("close > 0", skip_low_volume=True).symbols


def test_a_store_without_a_session(tmp_path: Path) -> None:
    with Store.create(tmp_path) as empty, pytest.raises(CoverageError, match="no session"):
        rebuild(empty)


def test_words_that_cannot_be(store: Store) -> None:
    with pytest.raises(UsageError, match=r"'AAPLE' is neither listed nor stored: did you mean"):
        set_override(store, ["MSFT", "AAPLE"], None, out=True)
    assert not on(store, LAST)
    for text in ("soon", "30", "2016-13-01", "99999999d", "-1d"):
        with pytest.raises(UsageError, match="write 30d or 2027-01-31"):
            day_of(text, LAST)
    for text in ("0d", "2016-12-30", "2016-01-01"):
        with pytest.raises(UsageError, match="cannot end on"):
            day_of(text, LAST)
    assert day_of("3d", LAST) == day_of("2017-01-02", LAST) == dt.date(2017, 1, 2)


# From the command line


def test_the_list_from_the_command_line(store: Store, tmp_path: Path) -> None:
    data = ("--data", store.path)
    assert "universe rebuild builds it" in run("universe", "show", *data).stdout
    done = run("universe", "rebuild", "--min-dollar-volume", "250K", "--sessions", "63", *data)
    assert done.returncode == 0, done.stderr
    expected = thin(2.5e5, 63)
    assert f"{len(expected):,} of {listed().height:,} symbols, below 250,000" in done.stdout
    (tmp_path / "list.txt").write_text("MSFT\nXOM # both\n")
    said = run("universe", "exclude", f"@{tmp_path / 'list.txt'}", "GE", "--expires", "9d", *data)
    until = dt.date.today() + dt.timedelta(days=9)
    assert f"MSFT, XOM, GE: on the low-volume list, set by you, until {until}" in said.stdout
    shown = json.loads(run("universe", "show", "--json", *data).stdout)
    assert shown["universes"]["common"] == ['type == "CS"']
    lines = {(line["symbol"], line["by"]): line for line in shown["low_volume"]}
    assert {symbol for symbol, by in lines if by == "rebuild"} == expected
    assert {symbol for symbol, by in lines if by == "you"} == {"MSFT", "XOM", "GE"}
    assert lines["GE", "you"] == {
        "symbol": "GE", "out": True, "by": "you", "reason": "by your word", "dollars": None,
        "sessions": None, "least": None, "since": f"{dt.date.today()}", "expires": f"{until}",
        "holds": True,
    }  # fmt: skip
    table = run("universe", "show", *data).stdout.splitlines()
    for line in lines.values():
        words = [line["symbol"], "out", line["since"], "until", line["expires"]]
        (row,) = [row for row in table if row.split()[:5] == words]
        assert row.endswith(line["reason"])
    dollars = dict(traded(LAST, 63)["symbol", "dollars"].iter_rows())
    some = next(line for line in lines.values() if line["dollars"])
    assert some["reason"] == (
        f"median of {dollars[some['symbol']]:,.0f} dollars in 63 sessions, below 250,000"
    )
    refused(2, "universe", "include", "AAPLE", *data, says="did you mean APLE or AAPL")
    refused(2, "universe", "rebuild", "--min-dollar-volume", "lots", *data, says="write 5, 2e6")


# A fetch by symbol


@pytest.fixture(scope="module")
def url(files: Files) -> Iterator[str]:
    with running(files.settings(now=SETTLED)) as address:
        yield address


@pytest.fixture(scope="module")
def start(files: Files) -> dt.date:
    """All but the last three sessions are fetched whole first."""
    return files.days[-4]


def fetch(store: Store, url: str, **how: object) -> SyncReceipt:
    return sync(store, MassiveProvider(SANDBOX_KEY, url), FIRST, by_symbol=True, **how)  # type: ignore[arg-type]


@pytest.fixture
def begun(url: str, start: dt.date, tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path) as store:
        sync(store, MassiveProvider(SANDBOX_KEY, url), FIRST, start)
        yield store


def test_listed_symbols_are_not_asked_for(
    files: Files, url: str, start: dt.date, begun: Store
) -> None:
    least = 5e5
    bars = files.bars.filter(pl.col("date") <= start)
    days = bars["date"].unique().sort().tail(20)
    liquid = (
        bars.filter(pl.col("date").is_in(days.to_list()))
        .group_by("symbol")
        .agg(dollars=(pl.col("close") * pl.col("volume")).median())
        .filter(pl.col("dollars") >= least)["symbol"]
    )
    symbols = pl.read_parquet(files.folder / "symbols.parquet")
    everyone = set(symbols.filter(pl.col("last_listed") >= FIRST)["symbol"])
    expected = set(symbols.filter(pl.col("last_listed") >= start)["symbol"])
    rebuild(begun, least)
    left = expected - set(liquid)
    always = sorted(left & set(bars["symbol"]))[:2]
    assert len(left) > 60

    plan = forecast(
        begun.path,
        MassiveProvider(SANDBOX_KEY, url),
        FIRST,
        by_symbol=True,
        always=always,
        now=dt.datetime(SETTLED.year, SETTLED.month, SETTLED.day, 22, tzinfo=dt.UTC),
    )
    saved = f"saved: {len(left) - 2} calls, by the low-volume list: {len(left) - 2} symbols"
    assert saved in forecast_report(plan)
    receipt = fetch(begun, url, always=always)
    assert receipt.low_volume == receipt.saved == len(left) - 2
    assert receipt.symbols_wanted == len(everyone - left) + 2
    assert (plan.low_volume, plan.saved) == (receipt.low_volume, receipt.saved)
    assert plan.calls["prices"] == receipt.symbols_wanted
    got = files.bars.filter(pl.col("date") > start, pl.col("symbol").is_in([*liquid, *always]))
    with begun.snapshot() as snapshot:
        assert not snapshot.requested_on(files.days[-1]) & (left - set(always))  # type: ignore[operator]
    assert receipt.new >= got.height > 0


def test_who_was_not_asked_for_stays_on_the_list(
    files: Files, url: str, start: dt.date, tmp_path: Path
) -> None:
    names = sorted(files.bars.filter(pl.col("date") == start)["symbol"])[:40]
    massive = MassiveProvider(SANDBOX_KEY, url)
    with Store.create(tmp_path) as store:
        sync(store, massive, start, start, symbols=names, by_symbol=True)
        assert rebuild(store, 1e12).listed == 40
        receipt = sync(store, MassiveProvider(SANDBOX_KEY, url), start, by_symbol=True)
        assert receipt.low_volume == 40
        again = rebuild(store, 1e12)
        assert (again.session, again.waiting) == (files.days[-1], 40)
        assert frozenset(names) < on(store, files.days[-1])


def test_symbols_that_are_named_are_fetched_though_they_are_listed(
    files: Files, url: str, begun: Store
) -> None:
    rebuild(begun, 1e12)
    names = sorted(files.bars["symbol"].unique())[:5]
    assert set(names) <= on(begun, files.days[-1])
    receipt = fetch(begun, url, symbols=names)
    assert (receipt.symbols_wanted, receipt.low_volume) == (5, 0)


def test_a_list_that_has_expired_saves_no_call(
    files: Files, url: str, start: dt.date, begun: Store
) -> None:
    rebuild(begun, 1e12, expires="1d")
    assert on(begun, start)
    assert fetch(begun, url).low_volume == 0


def test_everybody_may_be_on_the_list(files: Files, url: str, begun: Store) -> None:
    rebuild(begun, 1e12)
    receipt = fetch(begun, url)
    assert receipt.saved > 200
    assert f"{receipt.saved:,} saved by the low-volume list" in run(
        "sync", "--by-symbol", "--since", f"{FIRST}", "--base-url", url, "--data", begun.path,
        MASSIVE_API_KEY=SANDBOX_KEY,
    ).stdout  # fmt: skip
