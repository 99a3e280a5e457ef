"""The whole way on one machine: a local provider, an empty disk, a sync, the reference scan."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from marketsweep.errors import UsageError
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt, require_use
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import Progress, sync
from marketsweep.market import open_market
from marketsweep.scan.receipt import require_coverage
from marketsweep.scan.results import Hits
from marketsweep.store.store import Store

REFERENCE_SCAN: Final = (
    "close > 5 and sma(volume, 20) > 200K and close > sma(50) and sma(50) > sma(200) "
    "and 40 < rsi(14) < 75 and macd(12, 26, 9).macd > macd(12, 26, 9).signal "
    "and atr(14) / close < 0.05 and close > 0.9 * highest(high, 252) "
    "and close < bbands(20, 2).upper and adx(14) > 15 and stoch(14, 3, 3).k > 20 and roc(63) > 5"
)
"""Twelve conditions that most trend followers would know; the benchmarks use it too."""

FIRST: Final = dt.date(2016, 1, 4)
AS_OF: Final = dt.date(2016, 12, 30)
LATENCY_MS: Final = 80.0
_MARK: Final = ".demo"
"""A file in a folder that a demo made, and that the next one may remove."""

TARGET_S: Final = 60.0
"""What a full sweep, fetch included, was once hoped to take."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The seconds of each stage, from nothing stored to ranked matches."""

    sync: SyncReceipt
    hits: Hits
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """All stages together; starting the stand-in for the provider is none of them."""
        return sum(self.seconds.values())

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the JSON of `marketsweep demo --json`."""
        return {
            "seconds": self.seconds | {"total": self.total},
            "target": TARGET_S,
            "sync": self.sync.to_dict(),
            "scan": self.hits.to_dict(),
        }


def example_market() -> Path:
    """The folder of the example market, which the source tree has and a wheel has not."""
    folder = Path(__file__).resolve().parents[2] / "examples" / "us-2016"
    if not folder.is_dir():
        raise UsageError(
            "the example market is part of the source tree, not of the installed package: "
            "clone the repository and run make demo, or give a folder with --market DIR"
        )
    return folder


def make_room(data: Path) -> None:
    """Remove what an earlier demo left in a folder. Raises UsageError if it holds anything else."""
    if data.exists() and any(data.iterdir()):
        if not (data / _MARK).exists():
            raise UsageError(f"{data} is not empty: name another folder with --data")
        shutil.rmtree(data)


def run_demo(
    market: Path | None, data: Path, progress: Progress, say: Callable[[str], None]
) -> DemoResult:
    """Sync and scan the example market over HTTP into an empty folder."""
    folder = market or example_market()
    settings = Settings(
        bars=folder / "bars.parquet",
        actions=folder / "actions.parquet",
        symbols=folder / "symbols.parquet",
        latency_ms=LATENCY_MS,
    )
    say("starting the sandbox: the real US market of 2016, 80 ms a call")
    with running(settings) as url:
        say(f"sandbox ready at {url}; syncing every ticker into the empty folder {data}")
        started = perf_counter()
        with Store.create(data) as store:
            (data / _MARK).touch()
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
