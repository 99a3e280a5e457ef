"""Run the whole flow on one machine: a local provider, a sync into an empty folder, a scan."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from marketsweep.errors import UsageError
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.providers.massive.stream import SILENCE_S, stream_url
from marketsweep.ingest.receipt import SyncReceipt, require_use
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import Progress, sync
from marketsweep.live.sources import streamed
from marketsweep.live.watch import Event, Options, Receipt, watch
from marketsweep.market import open_market
from marketsweep.scan.receipt import require_coverage
from marketsweep.scan.results import Hits
from marketsweep.scan.scan import Scan
from marketsweep.store.store import Store

REFERENCE_SCAN: Final = (
    "close > 5 and sma(volume, 20) > 200K and close > sma(50) and sma(50) > sma(200) "
    "and 40 < rsi(14) < 75 and macd(12, 26, 9).macd > macd(12, 26, 9).signal "
    "and atr(14) / close < 0.05 and close > 0.9 * highest(high, 252) "
    "and close < bbands(20, 2).upper and adx(14) > 15 and stoch(14, 3, 3).k > 20 and roc(63) > 5"
)
"""Twelve conditions that most trend followers know; the benchmarks use them too."""

FIRST: Final = dt.date(2016, 1, 4)
AS_OF: Final = dt.date(2016, 12, 30)
WATCHED: Final = ("golden_cross", "new_52_week_high", "rsi_oversold")
"""The presets that the live demo watches."""
LATENCY_MS: Final = 80.0
_MARKER: Final = ".demo"
"""A file in a folder that a demo created, and that the next demo may remove."""

TARGET_S: Final = 60.0
"""The original target for a sync and a scan of the whole market, in seconds."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The seconds of each stage, from an empty folder to ranked matches."""

    sync: SyncReceipt
    hits: Hits
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """The sum of all stages; the start of the local server does not count."""
        return sum(self.seconds.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: the JSON of `marketsweep demo --json`."""
        return {
            "seconds": self.seconds | {"total": self.total},
            "target": TARGET_S,
            "sync": self.sync.to_dict(),
            "scan": self.hits.to_dict(),
        }


def example_market() -> Path:
    """Return the folder of the example market, which is in the source tree but not in a wheel."""
    folder = Path(__file__).resolve().parents[2] / "examples" / "us-2016"
    if not folder.is_dir():
        raise UsageError(
            "the example market is part of the source tree, not of the installed package: "
            "clone the repository and run make demo, or give a folder with --market DIR"
        )
    return folder


def remove_earlier_demo(data: Path) -> None:
    """Remove an earlier demo from a folder. Raises UsageError if the folder holds anything else."""
    if data.exists() and any(data.iterdir()):
        if not (data / _MARKER).exists():
            raise UsageError(f"{data} is not empty: name another folder with --data")
        shutil.rmtree(data)


def run_live_demo(
    market: Path | None,
    data: Path,
    speed: float,
    progress: Progress,
    say: Callable[[str], None],
    tell: Callable[[Event | Receipt], None],
) -> None:
    """Replay the last session of the example market, and watch three presets meanwhile.

    `say` gets lines about the demo, `tell` what the watch has to tell.
    """
    folder = market or example_market()
    settings = replace(_settings_of(folder), replay=AS_OF, speed=speed)
    say(f"starting the sandbox: the real US market of 2016, {AS_OF} at {speed:g} times its speed")
    with running(settings) as url:
        with Store.create(data) as store:
            (data / _MARKER).touch()
            provider = MassiveProvider(settings.api_key, base_url=url)
            require_use(sync(store, provider, FIRST, AS_OF, progress))

        async def watched() -> None:
            async with MassiveProvider(settings.api_key, base_url=url) as live:
                address = stream_url(url, delayed=False)
                source = streamed(live, address, settings.api_key, SILENCE_S)
                scans = [Scan(name) for name in WATCHED]
                await watch(opened, scans, source, Options(), tell)

        with open_market(data) as opened:
            asyncio.run(watched())


def _settings_of(folder: Path) -> Settings:
    return Settings(
        bars=folder / "bars.parquet",
        actions=folder / "actions.parquet",
        symbols=folder / "symbols.parquet",
        latency_ms=LATENCY_MS,
    )


def run_demo(
    market: Path | None, data: Path, progress: Progress, say: Callable[[str], None]
) -> DemoResult:
    """Sync the example market over HTTP into an empty folder, and scan it."""
    folder = market or example_market()
    settings = _settings_of(folder)
    say("starting the sandbox: the real US market of 2016, 80 ms a call")
    with running(settings) as url:
        say(f"sandbox ready at {url}; syncing every ticker into the empty folder {data}")
        started = perf_counter()
        with Store.create(data) as store:
            (data / _MARKER).touch()
            provider = MassiveProvider(settings.api_key, base_url=url)
            receipt = sync(store, provider, FIRST, AS_OF, progress)
        require_use(receipt)
        synced = perf_counter()
        with open_market(data) as opened:
            hits = opened.scan(REFERENCE_SCAN, as_of=AS_OF)
        ended = perf_counter()
    require_coverage(hits, 0.95)
    seconds = {
        "sync": synced - started,
        "load": hits.timing.load,
        "evaluate": hits.timing.evaluate,
        "plan, rank": ended - synced - hits.timing.load - hits.timing.evaluate,
    }
    return DemoResult(receipt, hits, seconds)
