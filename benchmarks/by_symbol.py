"""Symbols one by one: 6,000 single calls, a batch of few, and a batch from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from benchmarks.example import SESSIONS, Example, settings
from benchmarks.measure import COUNT, Row, Samples, repeated, within
from marketsweep.cli.demo import AS_OF, FIRST, LATENCY_MS
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.market import open_market
from marketsweep.store.store import Store

_MANY: Final = 6_000
_FEW: Final = 100
_RUNS: Final = 3
_LIMIT_S: Final = 20.0
_LIMIT_CALLS: Final = 10


def rows(example: Example) -> Iterator[Row]:
    """The way that costs most first."""
    with Store.open(example.store) as store, store.snapshot() as snapshot:
        symbols = sorted(snapshot.symbols)[:_MANY]
    with running(settings(LATENCY_MS)) as url:
        folders = [example.folder / f"one-by-one-{number}" for number in range(_RUNS)]
        yield within(
            f"by symbol: {_MANY:,} calls for a year each, {LATENCY_MS:.0f} ms a call, stored",
            Samples.of(_one_by_one(folder, url, symbols) for folder in folders),
            _LIMIT_S,
        )
        calls = _calls(example.folder / "few", url, symbols[:_FEW])
        what = f"by symbol: calls for the last five sessions of {_FEW} symbols"
        yield within(what, Samples.of([calls], COUNT), _LIMIT_CALLS)
    cached = repeated(_RUNS, partial(_batch, folders[0], symbols))
    yield Row(f"by symbol: a batch of {_MANY:,} from the cache, as a frame", cached)


def _one_by_one(folder: Path, url: str, symbols: Sequence[str]) -> float:
    started = perf_counter()
    with Store.create(folder) as store:
        provider = MassiveProvider("sandbox", url)
        receipt = sync(store, provider, FIRST, AS_OF, symbols=symbols, by_symbol=True)
    assert receipt.symbols_fetched == len(symbols)
    return perf_counter() - started


def _calls(folder: Path, url: str, symbols: Sequence[str]) -> int:
    with open_market(folder, lambda: MassiveProvider("sandbox", url)) as market:
        receipt = market.price_history_batch(symbols, SESSIONS[-5], AS_OF).receipt
    assert receipt
    return receipt.usage.calls


def _batch(folder: Path, symbols: Sequence[str]) -> None:
    # The sandbox stands at the last session's close: it may yet bring bars of that.
    with open_market(folder) as market:
        assert market.price_history_batch(symbols, FIRST, SESSIONS[-2]).receipt is None
