"""Watching over days that pass in a moment: a clock that only sleeping moves."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from marketsweep.core.calendar import NEW_YORK, close_time, last_closed_session, sessions_in_range
from marketsweep.errors import ProviderRefused, ProviderUnreachable
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.schedule import watch
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.massive_server import KEY, Body, Market, MassiveServer, serving, status

HASTY = HttpSettings(tries=1, pause_s=0.001)
MONDAY, FRIDAY = dt.date(2024, 3, 4), dt.date(2024, 3, 8)
NEXT = dt.date(2024, 3, 11)  # the first day of summer time


def rows(count: int) -> list[Body]:
    return [{"T": f"T{n}", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1} for n in range(count)]


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment).replace(tzinfo=NEW_YORK)


class Days:
    """A server, a store, and a clock in New York; `late` says how many rows a day has when."""

    def __init__(
        self, server: MassiveServer, store: Store, start: dt.datetime, first: dt.date = MONDAY
    ) -> None:
        self.server = server
        self.store = store
        self.time = start
        self.first = first
        self.said: list[str] = []
        self.synced: list[dt.datetime] = []
        self.late: dict[dt.datetime, list[Body]] = {}

    def now(self) -> dt.datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time = (self.time.astimezone(dt.UTC) + dt.timedelta(seconds=seconds)).astimezone(
            NEW_YORK
        )

    def sync(self) -> SyncReceipt:
        self.synced.append(self.time)
        self.server.market.now = self.time.isoformat()
        for moment, bars in self.late.items():
            if moment <= self.time:
                self.server.market.bars[self.time.date()] = bars
        return sync(self.store, MassiveProvider(KEY, self.server.url, settings=HASTY), self.first)

    def watch(self, until: dt.date) -> None:
        watch(self.store, self.sync, self.said.append, now=self.now, sleep=self.sleep, until=until)


@pytest.fixture
def market() -> Market:
    return Market(bars={day: rows(20) for day in sessions_in_range(MONDAY, NEXT)})


def test_a_sync_after_each_close(market: Market, tmp_path: Path) -> None:
    with serving(market) as server, Store.create(tmp_path) as store:
        days = Days(server, store, at("2024-03-07T12:00"))
        days.watch(NEXT)
        assert store.snapshot().sessions == sessions_in_range(MONDAY, NEXT)
    # At once; then 20 minutes after each close, over a weekend and into summer time.
    synced = [f"{moment:%m-%d %H:%M}" for moment in days.synced]
    assert synced == ["03-07 12:00", "03-07 16:20", "03-08 16:20", "03-11 16:20"]
    assert days.said[-1] == "2024-03-08 is complete; next sync at Mon 2024-03-11 16:20 New York"


def test_a_day_that_comes_in_slowly_is_asked_for_until_it_is_whole(tmp_path: Path) -> None:
    # The newest session of all, since only that is still fetched again.
    newest = last_closed_session(dt.datetime.now(dt.UTC))
    *before, _ = sessions_in_range(newest - dt.timedelta(days=7), newest)
    close = close_time(newest)
    with (
        serving(Market(bars={day: rows(20) for day in before})) as server,
        Store.create(tmp_path) as store,
    ):
        days = Days(server, store, close + dt.timedelta(minutes=20), first=before[0])
        days.late = {
            close + dt.timedelta(minutes=30): rows(9),
            close + dt.timedelta(minutes=90): rows(20),
        }
        days.watch(newest)
        counts = [row.counts["bars"] for row in store.snapshot().session_rows()]
    assert counts == [20] * len(counts)
    minutes = [round((moment - close) / dt.timedelta(minutes=1)) for moment in days.synced]
    assert minutes == [20, 25, 35, 55, 95]
    assert "is not available yet; next try in 5 min" in days.said[0]
    assert "has 9 bars so far; 20 are usual; next try in 20 min" in days.said[2]


def test_a_provider_that_is_away_is_waited_for(market: Market, tmp_path: Path) -> None:
    with serving(market) as server, Store.create(tmp_path) as store:
        server.script("grouped", *[status(503, "away")] * 12)
        days = Days(server, store, at("2024-03-08T17:00"))
        days.watch(FRIDAY)
    assert len(days.synced) > 2
    assert "503 Service Unavailable" in days.said[0]
    pauses = [int(said.rsplit(" ", 2)[1]) for said in days.said]
    assert pauses == sorted(pauses)
    assert pauses[:3] == [5, 10, 20][: len(pauses)]


def test_a_refusal_is_not_waited_out(market: Market, tmp_path: Path) -> None:
    with serving(market) as server, Store.create(tmp_path) as store:
        server.always("grouped", status(401, "Unknown API Key"))
        days = Days(server, store, at("2024-03-08T17:00"))
        with pytest.raises(ProviderRefused):
            days.watch(FRIDAY)
    assert len(days.synced) == 1


def test_pauses_grow_to_an_hour(tmp_path: Path) -> None:
    def away() -> SyncReceipt:
        slept.append(0.0)
        if len(slept) > 30:
            raise ProviderRefused("enough")
        raise ProviderUnreachable("away")

    slept: list[float] = []
    pauses: list[float] = []
    with Store.create(tmp_path) as store, pytest.raises(ProviderRefused):
        watch(store, away, lambda said: None, sleep=pauses.append)
    assert pauses[:5] == [300, 600, 1200, 2400, 3600]
    assert set(pauses[5:]) == {3600}


def test_the_command_watches_until_it_is_interrupted(market: Market, tmp_path: Path) -> None:
    with serving(market) as server:
        market.now = "2024-03-08T20:00:00-05:00"
        command = [str(Path(sys.executable).parent / "marketsweep"), "sync", "--watch"]
        options = ["--base-url", server.url, "--api-key", KEY, f"--data={tmp_path}"]
        with subprocess.Popen(
            [*command, *options, f"--since={MONDAY}"], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "next try in 5 min" in line:
                    break
            process.send_signal(signal.SIGINT)
            process.stderr.read()
        assert process.returncode == 130
    with Store.open(tmp_path) as store:
        assert store.snapshot().sessions == sessions_in_range(MONDAY, FRIDAY)
