"""What a server takes for small and large markets: memory, and the time of a scan and a study."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.example import Example
from benchmarks.measure import Row, Samples
from benchmarks.scale import DAYS, TICKERS, fill
from benchmarks.serving import Client, Server, let_load, served
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.language.presets import SavedConditions, presets

_RUNS: Final = 15
_TWO_YEARS: Final = 504
_STUDIED: Final = "/api/v1/study?condition=close%20%3E%201.06%20*%20sma(200)"


def rows(example: Example) -> Iterator[Row]:
    """The example market, two years and twenty years of 12,500 tickers."""
    yield from _of("252 sessions, 6,950 tickers", example.store)
    for years, days in ((2, DAYS[-_TWO_YEARS:]), (20, DAYS)):
        store = example.folder / f"years-{years}"
        fill(store, days)
        yield from _of(f"{years} years, {TICKERS:,} tickers", store)


def _of(what: str, store: Path) -> Iterator[Row]:
    disk = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    yield Row(f"{what}: on disk", Samples((disk / 1e6,), "MB"))
    with served(store) as server:
        let_load(server)
        yield from _memory(f"{what}: after the start", server)
        client = Client(server)
        for name in filter(_is_of_one_symbol, presets()):
            client.scan(name, limit=50)
        yield from _memory(f"{what}: after all presets", server)
        times = []
        for number in range(_RUNS):
            started = perf_counter()
            client.scan(f"{REFERENCE_SCAN} and close > {number + 1}e-9", limit=50)
            times.append(perf_counter() - started)
        yield Row(f"{what}: the reference scan over HTTP", Samples.of(times))
        started = perf_counter()
        urllib.request.urlopen(server.url + _STUDIED).read()
        yield Row(f"{what}: a study of a year", Samples((perf_counter() - started,)))
        yield from _memory(f"{what}: after the study", server)
        yield Row(f"{what}: the peak", Samples((server.memory("VmHWM"),), "MB"))


def _is_of_one_symbol(name: str) -> bool:
    """Whether a preset needs no bars of an index fund, which made markets lack."""
    return not any(fund in SavedConditions().one(name).condition for fund in ("SPY", "QQQ"))


def _memory(what: str, server: Server) -> Iterator[Row]:
    yield Row(f"{what}, memory of its own", Samples((server.memory_mb,), "MB"))
