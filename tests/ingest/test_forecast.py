"""What `sync --plan` tells, against what the sync then takes."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from marketsweep.cli.reports.text import forecast_report
from marketsweep.core.calendar import close_time, sessions_in_range
from marketsweep.errors import UsageError
from marketsweep.ingest.estimate import Forecast, forecast
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.providers.tariff import Route
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.massive_server import KEY, Market, serving
from tests.helpers.two_months import FIRST, LAST, Files


def synced(folder: Path, url: str, until: dt.date | None = None) -> SyncReceipt:
    with Store.create(folder) as store:
        return sync(store, MassiveProvider("sandbox", url), FIRST, until)


def plan_of(folder: Path, url: str, until: dt.date = LAST) -> Forecast:
    return forecast(folder, MassiveProvider("sandbox", url), FIRST, until, now=close_time(LAST))


def test_the_calls_foreseen_are_the_calls_made(files: Files, tmp_path: Path) -> None:
    with running(files.settings()) as url:
        for until in (dt.date(2016, 11, 30), dt.date(2016, 12, 15), None):
            plan = plan_of(tmp_path, url, until or LAST)
            receipt = synced(tmp_path, url, until)
            assert plan.calls["prices"] == plan.sessions == receipt.wanted
            # Nothing is known of the reference data before the first sync.
            assert plan.counted is (until != dt.date(2016, 11, 30))
            if plan.counted:
                assert plan.total == receipt.usage.calls
        # The newest session is provisional, and one that is settled is checked.
        assert plan_of(tmp_path, url).sessions == synced(tmp_path, url).wanted == 2


def test_what_an_interrupted_sync_left_is_planned(files: Files, tmp_path: Path) -> None:
    with running(files.settings()) as url:
        synced(tmp_path, url, dt.date(2016, 11, 30))
        plan = plan_of(tmp_path, url)
    assert (plan.stored, plan.sessions) == (20, 22)
    assert plan.bytes == pytest.approx(22 * files.bars["symbol"].n_unique() * 36, rel=0.1)


def test_a_plan_makes_no_call_and_leaves_nothing(tmp_path: Path) -> None:
    with serving(Market()) as server:
        plan = forecast(tmp_path / "none", MassiveProvider(KEY, server.url))
        assert server.calls == []
    assert list(tmp_path.iterdir()) == []
    assert plan.sessions == len(sessions_in_range(plan.first, plan.last))
    assert 495 <= plan.sessions <= 506


def test_a_year_on_a_free_plan_takes_fifty_minutes(tmp_path: Path) -> None:
    provider = MassiveProvider(KEY, calls_per_minute=5)
    plan = forecast(tmp_path, provider, dt.date(2016, 1, 1), dt.date(2016, 12, 30))
    assert (plan.route, plan.sessions, plan.calls["prices"]) == ("grouped", 252, 252)
    prices_alone = (252 / 5 - 1) * 60
    assert prices_alone < plan.seconds < prices_alone + 12 * 60
    assert plan.others == {"by ticker": 12_000}
    assert plan.beyond_free == 0
    report = forecast_report(plan)
    assert "by ticker it would be 12,000 calls" in report
    assert "at 5 calls a minute" in report


def test_what_lies_beyond_the_free_plan_is_said(tmp_path: Path) -> None:
    plan = forecast(tmp_path, MassiveProvider(KEY), dt.date(2013, 1, 2), dt.date(2016, 12, 30))
    assert plan.beyond_free == len(sessions_in_range(dt.date(2013, 1, 2), dt.date(2014, 12, 30)))
    assert f"{plan.beyond_free:,} of the sessions are older" in forecast_report(plan)


def test_files_cost_no_call(files: Files, tmp_path: Path) -> None:
    plan = forecast(tmp_path, files.provider())
    assert (plan.sessions, plan.total, plan.route) == (42, 0, None)
    assert "no call" in forecast_report(plan)


def test_days_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="future"):
        forecast(tmp_path, MassiveProvider(KEY), until=dt.date(2999, 1, 1))
    with pytest.raises(UsageError, match="is after"):
        forecast(tmp_path, MassiveProvider(KEY), LAST, FIRST)


def test_the_json_has_every_figure(tmp_path: Path) -> None:
    plan = forecast(tmp_path, MassiveProvider(KEY), FIRST, LAST)
    facts = json.loads(json.dumps(plan.to_dict()))
    assert (facts["first"], facts["last"]) == ("2016-11-01", "2016-12-30")
    assert facts["total"] == sum(facts["calls"].values())


@pytest.mark.parametrize(
    ("route", "sessions", "symbols", "calls"),
    [
        (Route("a day", 1, None, 1.0), 252, 6000, 252),
        (Route("a ticker", 50_000, 1, 1.0), 252, 6000, 6000),
        (Route("a hundred", 100, 100, 1.0), 252, 6001, 3 * 61),
        (Route("all", None, None, 1.0), 252, 6000, 1),
        (Route("all", None, None, 1.0), 0, 6000, 0),
    ],
)
def test_calls_of_a_route(route: Route, sessions: int, symbols: int, calls: int) -> None:
    assert route.calls(sessions, symbols) == calls
