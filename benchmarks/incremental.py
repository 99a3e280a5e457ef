"""One new session, fetched and scanned, by a process that is already running."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.example import SESSIONS, Example, settings
from benchmarks.measure import COUNT, Row, Samples, within
from marketsweep.cli.demo import AS_OF, FIRST, LATENCY_MS, REFERENCE_SCAN
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.market import open_market
from marketsweep.store.store import Store

_RUNS: Final = 5
_LIMIT_S: Final = 0.5


def rows(example: Example) -> Iterator[Row]:
    """With a provider next door, and with one far away."""
    for latency_ms in (0.0, LATENCY_MS):
        yield from _rows(example, latency_ms)


def _rows(example: Example, latency_ms: float) -> Iterator[Row]:
    what = f"incremental, {latency_ms:.0f} ms a call"
    with running(settings(latency_ms)) as url:
        behind = _settled(example, url, f"behind-{latency_ms:.0f}")
        rounds = [_round(behind, example.folder / "next", url) for _ in range(_RUNS)]
    totals, syncs, receipts = zip(*rounds, strict=True)
    yield within(f"{what}: one new session to ranked matches", Samples.of(totals), _LIMIT_S)
    yield Row(f"{what}: its sync", Samples.of(syncs))
    sessions = Samples.of((receipt.wanted for receipt in receipts), COUNT)
    yield within(f"{what}: calls for prices", sessions, 1)
    calls = Samples.of((receipt.usage.calls for receipt in receipts), COUNT)
    yield Row(f"{what}: all calls, reference data and actions too", calls)


def _settled(example: Example, url: str, name: str) -> Path:
    """A store that lacks a session, and has its reference data from the same provider."""
    path = shutil.copytree(example.store_behind, example.folder / name)
    with Store.open(path) as store:
        sync(store, MassiveProvider("sandbox", base_url=url), FIRST, SESSIONS[-2])
    return path


def _round(behind: Path, path: Path, url: str) -> tuple[float, float, SyncReceipt]:
    """Seconds of it all and of the sync, and the sync's receipt."""
    shutil.copytree(behind, path)
    with open_market(path) as market:
        market.scan(REFERENCE_SCAN)
        started = perf_counter()
        receipt = sync(market.store, MassiveProvider("sandbox", base_url=url), FIRST, AS_OF)
        synced = perf_counter()
        hits = market.scan(REFERENCE_SCAN)
        ended = perf_counter()
    assert hits.as_of == AS_OF
    shutil.rmtree(path)
    return ended - started, synced - started, receipt
