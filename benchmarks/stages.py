"""Each stage on its own, so that a regression shows where it is."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.example import SESSIONS, Example, grouped_bodies
from benchmarks.measure import Row, prepared, repeated, within
from marketsweep.cli.demo import AS_OF, REFERENCE_SCAN
from marketsweep.core.records import SessionBars
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.lowering import _Lowering, begin
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.ingest.providers.http.answers import Answer, decode_body
from marketsweep.ingest.providers.massive.bodies import GroupedBodies
from marketsweep.kernels import cpu
from marketsweep.language.parsing.parser import parse
from marketsweep.language.parsing.token_stream import MAX_LENGTH
from marketsweep.market import Market, open_market
from marketsweep.output.formats import FORMATS, writer
from marketsweep.scan.loader import Loader
from marketsweep.scan.ranking import rank
from marketsweep.scan.results import Hits
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.universe.screen import NO_SCREEN

_RUNS: Final = 7
_PARSE_LIMIT_S: Final = 0.01
_CLAUSES: Final = (
    *("close > sma({0})", "rsi({0}) < 30", "volume > 2 * sma(volume, {0})", "adx({0}) > 20"),
    *("close > highest(high, {0})[1]", "(close - open) / open > 0.0{0}", "macd(2, {0}).hist > 0"),
    "sma({0}) crosses above ema(200)",
)


def rows(example: Example) -> Iterator[Row]:
    """The way of the data, from a body on the wire to an answer."""
    yield from _intake(example)
    with open_market(example.store) as market:
        yield from _loading(example.store, market)
        yield from _evaluation(market)
        yield from _answer(market)


def _intake(example: Example) -> Iterator[Row]:
    month = [day for day in SESSIONS if (day.year, day.month) == (AS_OF.year, AS_OF.month)]
    bodies = grouped_bodies(month)
    answer = Answer(200, {"Content-Encoding": "gzip"}, gzip.compress(bodies[-1], 1))
    reader = GroupedBodies()
    sessions = [reader.read(day, body) for day, body in zip(month, bodies, strict=True)]
    tickers = f"{len(sessions[-1].symbols):,}"
    yield _stage(f"unpack a body of {tickers} bars", lambda: decode_body(answer, bytes, 2**30))
    yield _stage("decode it", lambda: reader.read(month[-1], bodies[-1]))
    yield _commit(example, "commit a month to an empty store", [], sessions)
    yield _commit(example, "commit its last session to the others", sessions[:-1], sessions[-1:])


def _commit(
    example: Example, what: str, before: Sequence[SessionBars], sessions: Sequence[SessionBars]
) -> Row:
    def prepare(number: int) -> Store:
        store = Store.create(example.folder / what.replace(" ", "-") / str(number))
        with store.writer() as writer:
            writer.commit(before, "benchmark")
        return store

    def commit(store: Store) -> None:
        with store, store.writer() as writer:
            writer.commit(sessions, "benchmark")

    return Row(f"stage: {what}", prepared(_RUNS, prepare, commit))


def _loading(store: Path, market: Market) -> Iterator[Row]:
    plan = make_plan([parse(REFERENCE_SCAN)])

    def day(loader: Loader) -> None:
        loader.universe(AS_OF, NO_SCREEN)

    def with_universe(_number: int) -> Loader:
        loader = _loader(market)
        day(loader)
        return loader

    def panel(loader: Loader) -> None:
        loader.panel(AS_OF, NO_SCREEN, plan, "splits")

    yield _stage("open a store and take a snapshot", lambda: _opened(store))
    yield Row("stage: universe", prepared(_RUNS, lambda _: _loader(market), day))
    yield Row("stage: panel, four fields", prepared(_RUNS, with_universe, panel))


def _loader(market: Market) -> Loader:
    return Loader(market.store.snapshot(), market.store.path)


def _opened(path: Path) -> Snapshot:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return snapshot


def _evaluation(market: Market) -> Iterator[Row]:
    condition = parse(REFERENCE_SCAN)
    plan = make_plan([condition])
    panel = _loader(market).panel(AS_OF, NO_SCREEN, plan, "splits")
    yield _stage("parse the reference scan", lambda: parse(REFERENCE_SCAN))
    yield _stage("plan it", lambda: make_plan([condition]))
    long = _long_condition()
    yield within(
        f"stage: parse a condition of {len(long):,} characters",
        repeated(_RUNS, lambda: parse(long)),
        _PARSE_LIMIT_S,
    )
    yield _stage("lower it", lambda: _Lowering(plan, tallied=False).program())
    for isa in cpu.ISAS:
        yield _stage(f"evaluate it, {isa}, one thread", _swept(plan, panel, isa))
    threads = executor("threads")
    yield _stage(f"evaluate it, {cpu.ISAS[-1]}, all threads", lambda: threads(plan, panel))


def _long_condition() -> str:
    """Return a condition of nearly the largest size, of clauses with different numbers."""
    clauses: list[str] = []
    while len(" and ".join(clauses)) < MAX_LENGTH - 40:
        n = len(clauses)
        clauses.append(_CLAUSES[n % len(_CLAUSES)].format(n + 2))
    return " and ".join(clauses)


def _swept(plan: Plan, panel: Panel, isa: str) -> Callable[[], None]:
    def sweep() -> None:
        begin(plan, panel, isa).take()

    return sweep


def _answer(market: Market) -> Iterator[Row]:
    snapshot = market.store.snapshot()
    names, r = snapshot.symbols, np.random.default_rng(0)
    matched, key = r.random(len(names)) < 0.1, r.random(len(names))
    yield _stage(
        f"rank {np.count_nonzero(matched)} matches of {len(names):,} symbols",
        partial(rank, matched, [key], names, descending=True),
    )
    hits = market.scan(REFERENCE_SCAN)
    for name in FORMATS:
        yield _stage(f"write {len(hits)} matches as {name}", _written(hits, name))


def _written(hits: Hits, name: str) -> Callable[[], None]:
    return lambda: writer(name)(hits, io.BytesIO())


def _stage(what: str, work: Callable[[], object]) -> Row:
    return Row(f"stage: {what}", repeated(_RUNS, work))
