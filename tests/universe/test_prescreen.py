"""A fetch by symbol that a pre-screen goes before: who is asked for, and what that saves."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from marketsweep.cli.reports.text import forecast_report, sync_report
from marketsweep.errors import ConditionError, UsageError
from marketsweep.ingest.call_routes import Prescreen
from marketsweep.ingest.estimate import Forecast, forecast
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.language.builder import Expression, builder
from marketsweep.store.store import Store
from marketsweep.universe.low_volume import set_override
from marketsweep.universe.named import screen_of
from marketsweep.universe.prescreen import prescreen_of
from tests.helpers.command import refused, run
from tests.helpers.two_months import FIRST, LAST, Files
from tests.ingest.test_by_symbol import SETTLED
from tests.ingest.test_sync import SANDBOX_KEY

NASDAQ = 'exchange == "NASDAQ"'
NOW = dt.datetime(SETTLED.year, SETTLED.month, SETTLED.day, 22, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def url(files: Files) -> Iterator[str]:
    with running(files.settings(now=SETTLED)) as address:
        yield address


@pytest.fixture(scope="module")
def whole(files: Files, url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sessions up to the fourth last, fetched whole; only to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    with Store.create(folder) as store:
        sync(store, massive(url), FIRST, files.days[-4])
    return folder


@pytest.fixture
def begun(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "begun"))


def massive(url: str) -> MassiveProvider:
    return MassiveProvider(SANDBOX_KEY, url)


def screen(
    folder: Path,
    universe: str | None = None,
    where: str | Expression | None = None,
    unknown: str | None = None,
) -> Prescreen | None:
    return prescreen_of(screen_of(folder, universe, where, unknown))


def fill(folder: Path, url: str, always: Collection[str] = (), **how: Any) -> SyncReceipt:  # noqa: ANN401
    with Store.create(folder) as store:
        chosen = screen(folder, **how)
        return sync(store, massive(url), FIRST, LAST, by_symbol=True, always=always, screen=chosen)


def planned(folder: Path, url: str, always: Collection[str] = (), **how: Any) -> Forecast:  # noqa: ANN401
    return forecast(
        folder,
        massive(url),
        FIRST,
        LAST,
        by_symbol=True,
        now=NOW,
        always=always,
        screen=screen(folder, **how),
    )


def listed(files: Files) -> pl.DataFrame:
    """Everyone who was listed in those months, with the exchange where it is known."""
    symbols = pl.read_parquet(files.folder / "symbols.parquet")
    return symbols.filter(pl.col("last_listed") >= FIRST).select("symbol", exchange="exchange_2026")


def traded(files: Files) -> pl.DataFrame:
    """Close and median dollar volume of the last 20 of the sessions that `whole` has."""
    bars = files.bars.filter(pl.col("date").is_in(files.days[-23:-3])).sort("date")
    return bars.group_by("symbol").agg(
        close=pl.col("close").last(), dollars=(pl.col("close") * pl.col("volume")).median()
    )


def asked(folder: Path, day: dt.date) -> frozenset[str]:
    with Store.open(folder) as store, store.snapshot() as snapshot:
        return snapshot.requested_on(day) or frozenset()


def test_a_first_sync_asks_only_for_those_who_pass(files: Files, url: str, tmp_path: Path) -> None:
    everyone = listed(files)
    chosen = set(everyone.filter(pl.col("exchange") == "NASDAQ")["symbol"])
    assert 20 < len(chosen) < everyone.height / 2
    plan = planned(tmp_path / "none", url, where=NASDAQ)
    assert (plan.funnel, plan.prescreened, plan.screens_later) == ([], 0, True)
    assert "the pre-screen needs reference data" in forecast_report(plan)

    receipt = fill(tmp_path / "some", url, where=NASDAQ)
    left = everyone.height - len(chosen)
    assert receipt.symbols_wanted == receipt.symbols_fetched == len(chosen)
    assert (receipt.prescreened, receipt.saved, receipt.low_volume) == (left, left, 0)
    (clause,) = receipt.funnel
    unknown = everyone["exchange"].null_count()
    assert (clause.text, clause.left, clause.removed) == (NASDAQ, len(chosen), left)
    assert clause.unknown == unknown > 0
    bars = files.bars.filter(pl.col("symbol").is_in(list(chosen)))
    assert receipt.new == bars.height
    assert asked(tmp_path / "some", files.days[-1]) <= chosen

    # What was saved is what the same costs without a pre-screen.
    without = fill(tmp_path / "all", url)
    assert without.usage.calls - receipt.usage.calls == receipt.saved
    assert (without.funnel, without.prescreened) == ([], 0)
    report = sync_report(receipt)
    assert f"{left:,} saved by the pre-screen: {left:,} symbols)" in report
    shown = report.splitlines()[-1].split()
    assert shown[-4:] == [str(left), str(left), str(unknown), str(len(chosen))]


def test_floors_are_judged_by_the_stored_bars(files: Files, url: str, begun: Path) -> None:
    (begun / "universe.toml").write_text(
        "[mine]\nmin_price = 10\nmin_dollar_volume = '1M'\nexclude = 'A'\n"
    )
    everyone, bars = set(listed(files)["symbol"]), traded(files)
    rich = set(bars.filter(pl.col("close") >= 10)["symbol"])
    both = set(bars.filter(pl.col("close") >= 10, pl.col("dollars") >= 1e6)["symbol"])
    passing = (both & everyone) - {"A"}
    silent = everyone - set(bars["symbol"])
    assert "A" in everyone
    assert len(passing) > 30
    assert silent

    plan = planned(begun, url, universe="mine")
    assert (plan.symbols, plan.calls["prices"]) == (len(passing), len(passing))
    assert plan.prescreened == plan.saved == len(everyone - passing)
    report = forecast_report(plan)
    assert f"saved: {plan.saved} calls, by the pre-screen: {plan.saved} symbols" in report
    assert "price >= 10" in report
    receipt = fill(begun, url, universe="mine")
    assert receipt.symbols_wanted == plan.calls["prices"]
    assert (receipt.prescreened, receipt.saved) == (plan.prescreened, plan.saved)
    assert receipt.usage.calls + receipt.untraded == plan.total + (receipt.untraded > 0)
    assert receipt.funnel == plan.funnel
    assert [(one.removed, one.unknown, one.left) for one in receipt.funnel] == [
        (1, 0, len(everyone) - 1),
        (len(everyone - rich - {"A"}), len(silent), len((rich & everyone) - {"A"})),
        (len((rich & everyone) - both - {"A"}), len(silent), len(passing)),
    ]
    assert asked(begun, files.days[-1]) <= passing


def test_unknown_symbols_may_be_kept(files: Files, url: str, begun: Path) -> None:
    known = listed(files).filter(pl.col("exchange").is_not_null())
    dropped = planned(begun, url, where=NASDAQ)
    kept = planned(begun, url, where=NASDAQ, unknown="keep")
    nasdaq = known.filter(pl.col("exchange") == "NASDAQ").height
    assert dropped.symbols == nasdaq
    assert kept.symbols == listed(files).height - (known.height - nasdaq)


def test_where_nothing_is_stored_floors_tell_of_nobody(
    files: Files, url: str, tmp_path: Path
) -> None:
    everyone = listed(files).height
    said = (
        f"no symbol passes the pre-screen, and {everyone} of {everyone} symbols lack facts or bars "
        "that it needs: --unknown keep fetches those"
    )
    with pytest.raises(UsageError, match=said):
        fill(tmp_path, url, universe="liquid")
    # The reference data is stored by now, so that the forecast knows as much.
    with pytest.raises(UsageError, match=said):
        planned(tmp_path, url, universe="liquid")
    receipt = fill(tmp_path, url, universe="liquid", unknown="keep")
    assert (receipt.symbols_wanted, receipt.prescreened) == (everyone, 0)
    assert [clause.unknown for clause in receipt.funnel] == [everyone, everyone]


def test_the_low_volume_list_and_always_count_as_ever(files: Files, url: str, begun: Path) -> None:
    nasdaq = sorted(listed(files).filter(pl.col("exchange") == "NASDAQ")["symbol"])
    other = sorted(set(listed(files)["symbol"]) - set(nasdaq))
    thin, always = [*nasdaq[:2], other[0]], [nasdaq[0], other[1]]
    with Store.open(begun) as store:
        set_override(store, thin, None, out=True)
    plan = planned(begun, url, where=NASDAQ, always=always)
    assert plan.symbols == len(nasdaq) - 2 + 2
    assert (plan.low_volume, plan.prescreened) == (2, len(other) - 2)
    assert plan.saved == len(other)
    assert [(one.text, one.removed) for one in plan.funnel] == [
        ("low-volume list", 3),
        (NASDAQ, len(other) - 1),
    ]
    by = f"by the pre-screen: {len(other) - 2} symbols, by the low-volume list: 2 symbols"
    assert f"saved: {len(other)} calls, {by}" in forecast_report(plan)
    receipt = fill(begun, url, where=builder("exchange") == "NASDAQ", always=always)
    assert (receipt.low_volume, receipt.prescreened) == (2, len(other) - 2)
    assert f"{len(other)} saved {by}" in sync_report(receipt)


def test_a_symbol_of_the_watchlist_that_nobody_lists_is_named(
    files: Files, url: str, begun: Path
) -> None:
    (begun / "universe.toml").write_text('[mine]\nwatchlist = ["A", "NOSUCH"]\n')
    receipt = fill(begun, url, universe="mine")
    (warning,) = receipt.warnings
    assert warning.endswith("on the watchlist, but not in the market of 2016-12-30: NOSUCH")
    assert receipt.symbols_wanted == 1


def test_the_command(files: Files, url: str, begun: Path) -> None:
    key = {"MASSIVE_API_KEY": SANDBOX_KEY}
    asking = ["sync", "--by-symbol", "--where", NASDAQ, "--since", f"{FIRST}", "--base-url", url]
    data = ["--data", str(begun), "--json"]
    plan = json.loads(run(*asking, "--plan", *data, **key).stdout)
    receipt = json.loads(run(*asking, *data, **key).stdout)
    nasdaq = listed(files).filter(pl.col("exchange") == "NASDAQ").height
    assert plan["calls"]["prices"] == receipt["symbols_wanted"] == nasdaq
    assert plan["funnel"] == receipt["funnel"]
    assert receipt["funnel"][0]["left"] == nasdaq
    refused(2, *asking, "--universe", "likwid", *data, says="did you mean liquid", **key)


def test_what_cannot_be_screened_is_refused(url: str, begun: Path) -> None:
    with Store.open(begun) as store:
        liquid, nasdaq = screen(begun, universe="liquid"), screen(begun, where=NASDAQ)
        with pytest.raises(UsageError, match="with --by-symbol, and without --only"):
            sync(store, massive(url), FIRST, screen=liquid)
        with pytest.raises(UsageError, match="with --by-symbol, and without --only"):
            sync(store, massive(url), FIRST, by_symbol=True, symbols=["A"], screen=nasdaq)
        series = screen(begun, where="close > 5")
        with pytest.raises(ConditionError, match="changes from bar to bar"):
            sync(store, massive(url), FIRST, by_symbol=True, screen=series)
    with pytest.raises(UsageError, match='neither "keep" nor "drop"'):
        screen(begun, unknown="maybe")
