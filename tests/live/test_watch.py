"""`marketsweep watch` over a replayed session ends with the matches of a scan of the day."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import marketsweep as ms
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.live.sources import streamed
from marketsweep.live.watch import Event, Options, Receipt, phase_of, watch
from marketsweep.scan.scan import Scan
from marketsweep.store.store import Store
from tests.helpers.command import COMMAND
from tests.helpers.two_months import LAST, Files

CONDITIONS = ("close > sma(20) and rsi(14) < 60", "nr7", "volume > 1.2 * sma(volume, 20)")
SPEED = 2400.0
EVE = dt.date(2016, 12, 29)


class Stores(NamedTuple):
    """The market up to the day before, and with the day."""

    before: Path
    whole: Path


@pytest.fixture(scope="module")
def stores(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Stores:
    folder = tmp_path_factory.mktemp("live")
    made = Stores(folder / "before", folder / "whole")
    for path, until in zip(made, (EVE, LAST), strict=True):
        with Store.create(path) as store:
            sync(store, files.provider(), until=until)
    return made


def scanned(stores: Stores) -> dict[str, list[str]]:
    """The matches of a scan of the whole day, best first."""
    with ms.open(stores.whole) as market:
        return {hits.condition: hits.symbols for hits in market.scan_together(CONDITIONS)}


def watched(
    stores: Stores, files: Files, *options: str, faults: str = "", begins: dt.time | None = None
) -> list[dict[str, Any]]:
    """Watch a replayed day to its end, and return the lines."""
    settings = replace(files.settings(), replay=LAST, speed=SPEED, seed=5, clock=begins)
    settings = replace(settings, stream_faults=tuple(faults.split()))
    with running(settings) as url:
        command = [COMMAND, "watch", *CONDITIONS, "--json", "--base-url", url, *options]
        done = subprocess.run(
            [*map(str, command), "--data", str(stores.before)],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            env=os.environ | {"MASSIVE_API_KEY": "sandbox"},
        )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(lines: list[dict[str, Any]], want: dict[str, list[str]]) -> dict[str, Any]:
    """Compare the end of a watch with a scan, and its changes with its receipts."""
    receipts = [line for line in lines if line["event"] == "scan"]
    assert receipts[-1]["matched"] == want
    reported = {name: set(found) for name, found in receipts[0]["matched"].items()}
    left: list[tuple[str, str]] = []
    for line in lines:
        if line["event"] == "scan":
            assert {name: set(found) for name, found in line["matched"].items()} == reported
        elif line["event"] == "entered":
            assert line["symbol"] not in reported[line["condition"]]
            assert line["values"]
            reported[line["condition"]].add(line["symbol"])
        else:
            left.append((line["at"], line["condition"]))
            # A crowd that leaves at once is not explained one by one.
            assert line["fails"] or left.count(left[-1]) > 20
            reported[line["condition"]].remove(line["symbol"])
    assert receipts[-1]["phase"] == "after hours"
    times = [receipt["at"] for receipt in receipts]
    assert times == sorted(times)
    last: dict[str, Any] = receipts[-1]
    return last


def test_snapshots_lead_to_the_matches_of_the_day(stores: Stores, files: Files) -> None:
    lines = watched(stores, files, "--every", "0.5")
    last = check(lines, scanned(stores))
    assert last["lost_s"] == 0
    assert len([line for line in lines if line["event"] == "scan"]) > 5
    assert any(line["event"] == "entered" for line in lines)
    assert any(line["event"] == "left" for line in lines)


@pytest.mark.parametrize("faults", ["", "twice shuffled", "cut", "cut twice shuffled"])
def test_minutes_lead_to_the_matches_of_the_day(stores: Stores, files: Files, faults: str) -> None:
    last = check(watched(stores, files, "--source", "minutes", faults=faults), scanned(stores))
    if "cut" in faults:
        assert last["connections"] > 1
        assert last["lost_s"] > 0
        assert last["reason"]
    else:
        assert last["connections"] == 1
        assert last["lost_s"] == 0


@pytest.mark.parametrize("source", ["snapshot", "minutes"])
def test_a_watch_may_begin_before_the_open(stores: Stores, files: Files, source: str) -> None:
    options = ("--source", source, "--every", "0.5")
    lines = watched(stores, files, *options, begins=dt.time(8, 45))
    first = lines[0]
    assert (first["event"], first["phase"], first["traded"]) == ("scan", "pre-market", 0)
    assert not any(first["matched"].values())
    assert first["without_bar"] == first["expected"] > 200
    check(lines, scanned(stores))


def test_a_silent_connection_is_left(stores: Stores, files: Files) -> None:
    settings = replace(files.settings(), replay=LAST, speed=SPEED, stream_faults=("silence",))
    news: list[Event | Receipt] = []

    async def run(url: str) -> None:
        async with MassiveProvider("sandbox", url) as provider:
            address = url.replace("http", "ws", 1) + "/stocks"
            source = streamed(provider, address, "sandbox", silence_s=1.0)
            scans = [Scan(condition) for condition in CONDITIONS]
            with ms.open(stores.before) as market:
                await watch(market, scans, source, Options(), news.append)

    with running(settings) as url:
        asyncio.run(asyncio.wait_for(run(url), 240))
    last = news[-1]
    assert isinstance(last, Receipt)
    assert last.matched == scanned(stores)
    assert last.connections > 1
    assert "no message" in last.reason


def refusal(settings: Settings, data: Path, *options: str, key: str = "sandbox") -> str:
    with running(settings) as url:
        done = subprocess.run(
            [str(COMMAND), "watch", "nr7", "--base-url", url, "--data", str(data), *options],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"MASSIVE_API_KEY": key},
        )
    assert done.returncode in (2, 3, 4), done.stderr
    assert "sandbox" not in done.stderr.replace("marketsweep sandbox", "")
    return done.stderr


def test_what_cannot_be_watched(stores: Stores, files: Files) -> None:
    plain = files.settings()
    replayed = replace(plain, replay=LAST)
    earlier = replace(plain, now=dt.date(2016, 12, 23))
    saturday = replace(plain, now=dt.date(2016, 12, 24), clock=dt.time(12))
    assert "is over" in refusal(earlier, stores.whole)
    assert "is not a session" in refusal(saturday, stores.before)
    for source in ("snapshot", "minutes"):
        assert "key" in refusal(replayed, stores.before, "--source", source, key="no")
    assert "no news" in refusal(replayed, stores.before, "--source", "minutes", "--max-lag", "2")


def test_phases_of_the_day() -> None:
    def phase(text: str) -> str:
        return phase_of(dt.datetime.fromisoformat(text))

    assert phase("2026-03-02T08:59:00+00:00") == "closed"
    assert phase("2026-03-02T09:00:00+00:00") == "pre-market"  # 04:00 in New York, in winter
    assert phase("2026-03-09T08:00:00+00:00") == "pre-market"  # 04:00 in summer
    assert phase("2026-03-02T14:30:00+00:00") == "open"
    assert phase("2026-03-09T13:30:00+00:00") == "open"
    assert phase("2026-11-27T17:59:59+00:00") == "open"
    assert phase("2026-11-27T18:00:00+00:00") == "after hours"  # a half day
    assert phase("2026-11-26T16:00:00+00:00") == "closed"  # Thanksgiving
