"""`marketsweep tune`: how many connections and threads are worth having, here and now.

1. Sessions are fetched over 1, 2, ... 50 connections, and thrown away (`measure_fetch`).
2. The reference scan is evaluated by 1, 2, ... 50 threads, in turns (`measure_scan`).
3. The fewest within 5% of the best are chosen (`Curve.choice`), to be kept in the folder's
   `config.toml`: a flat curve means that more of them gain nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from marketsweep.cli.demo import LATENCY_MS, REFERENCE_SCAN, example_market
from marketsweep.core.calendar import sessions_between
from marketsweep.core.parallel import WORKERS
from marketsweep.core.records import Unavailable
from marketsweep.core.settings import CONCURRENCY, THREADS, Key
from marketsweep.errors import ProviderUnreachable, UsageError
from marketsweep.ingest.misses import error_of
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.market import Market, open_market
from marketsweep.store.store import Store

CONNECTIONS: Final = (1, 2, 4, 8, 16, 20, 24, 32, 40, 50)
_BATCHES: Final = 3
"""Batches for each number of connections; the first one opens the connections."""
_CALLS_EACH: Final = 2
"""Calls of a batch for each connection, """
_FEWEST_CALLS: Final = 8
"""but no fewer of them than these."""
_SCANS: Final = 15
_MANY_THREADS: Final = (20, 24, 32, 40, 50)
_NEAR: Final = 0.05
"""Part of the best rate within which a rate is as good."""
_SESSIONS: Final = 40
"""The newest, which are fetched over and over: every plan has them."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Curve:
    """What was measured of one setting: amount per second by its value, the more the better."""

    what: str
    """What is varied: connections or threads."""
    unit: str
    rates: dict[int, float]

    @property
    def choice(self) -> int:
        """The smallest value within 5% of the best."""
        best = max(self.rates.values())
        return min(value for value, rate in self.rates.items() if rate >= (1 - _NEAR) * best)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        rates = {str(value): rate for value, rate in self.rates.items()}
        return {"what": self.what, "unit": self.unit, "rates": rates, "choice": self.choice}


@dataclass(frozen=True, slots=True)
class Tuning:
    """The curves; that of fetching is None where it was not measured, and a note says why."""

    fetch: Curve | None
    scan: Curve
    notes: list[str]

    @property
    def chosen(self) -> dict[Key, int]:
        """What is worth keeping, by key of the settings."""
        fetch = {CONCURRENCY: self.fetch.choice} if self.fetch else {}
        return fetch | {THREADS: self.scan.choice}

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the JSON of `marketsweep tune --json`."""
        return {
            "fetch": self.fetch and self.fetch.to_dict(),
            "scan": self.scan.to_dict(),
            "notes": self.notes,
        }


def tune(
    folder: Path,
    provider: Callable[[int], MassiveProvider] | None,
    calls_per_minute: int | None,
    say: Say,
) -> Tuning:
    """Measure; nothing is written, and the store is only read.

    `provider` makes one with that many connections; None where calls cost nothing. Raises
    ProviderError, UsageError and StoreError.
    """
    notes, fetch = [], None
    if provider is None:
        notes.append("fetch: not measured, since files need no connections")
    elif calls_per_minute is not None:
        notes.append(
            f"fetch: not measured, since the limit of {calls_per_minute:,} calls a minute decides: "
            f"{calls_per_minute / 60:.2g} sessions a second over however many connections"
        )
    else:
        fetch = asyncio.run(measure_fetch(provider, say))
        last = max(fetch.rates)
        if last < max(CONNECTIONS):
            notes.append(f"fetch: over more than {last} connections calls failed, and came again")
    with market_of(folder, say) as market:
        scan = measure_scan(market, say)
    return Tuning(fetch, scan, notes)


async def measure_fetch(provider: Callable[[int], MassiveProvider], say: Say) -> Curve:
    """Sessions a second by the number of connections; stops where calls fail, as too many do."""
    calls = _BATCHES * sum(map(_calls, CONNECTIONS)) + len(CONNECTIONS)
    say(f"fetch: {calls:,} calls at most, of which nothing is stored")
    rates: dict[int, float] = {}
    for connections in CONNECTIONS:
        say(f"fetch: {connections} connections")
        source = provider(connections)
        async with source:
            window = await source.available()
            days = sessions_between(window.last - dt.timedelta(days=90), window.last)[-_SESSIONS:]
            batches = _batches(days, _calls(connections))
            seconds = [await _fetched(source, days) for days in islice(batches, _BATCHES)]
        if source.usage.retries and rates:
            break
        rates[connections] = _calls(connections) / median(seconds)
    return Curve("connections", "sessions a second", rates)


def _calls(connections: int) -> int:
    return max(_FEWEST_CALLS, _CALLS_EACH * connections)


def _batches(days: Sequence[dt.date], size: int) -> Iterator[list[dt.date]]:
    """Days in lots, over and over: a session may be fetched twice, but not in a row."""
    at = 0
    while True:
        yield [days[(at + n) % len(days)] for n in range(size)]
        at += size


async def _fetched(source: MassiveProvider, days: Sequence[dt.date]) -> float:
    """Seconds that it takes to fetch and decode them."""
    started, bars = perf_counter(), 0
    async for session in source.sessions(days):
        if isinstance(session, Unavailable):
            raise error_of(session)
        bars += len(session.symbols)
    if not bars:
        raise ProviderUnreachable(f"no bars from {days[0]} on: there is nothing to measure")
    return perf_counter() - started


def measure_scan(market: Market, say: Say) -> Curve:
    """Evaluations of the reference scan a second, by threads; in turns, so that all see the same
    of what else the machine does."""
    choices = thread_counts(WORKERS)
    say(f"scan: {_SCANS} times with {', '.join(map(str, choices))} threads")
    seconds: dict[int, list[float]] = {threads: [] for threads in choices}
    for turn in range(1 + _SCANS):
        for threads in choices:
            # Twice in a row, of which one counts: another number of threads starts new ones.
            for counted in (False, turn > 0):
                timing = market.scan(REFERENCE_SCAN, threads=threads).timing
                if counted:
                    seconds[threads].append(timing.evaluate)
    rates = {threads: 1 / median(found) for threads, found in seconds.items()}
    return Curve("threads", "scans a second", rates)


def thread_counts(processors: int) -> list[int]:
    """1, 2, ... to twice the processors, by doubling where they are many; and 20 to 50."""
    most = 2 * processors
    few = range(1, most + 1) if processors <= 8 else (2**n for n in range(most.bit_length()))
    return sorted({*(n for n in few if n <= most), processors, most, *_MANY_THREADS})


def _has_sessions(market: Market) -> bool:
    with market.view() as view:
        return bool(view.sessions)


@contextmanager
def market_of(folder: Path, say: Say) -> Iterator[Market]:
    """The folder's own market, or the example market where there is none yet."""
    try:
        found = open_market(folder)
    except UsageError:
        found = None
    if found is not None and _has_sessions(found):
        with found:
            yield found
        return
    say(f"scan: no session is stored in {folder}, so that of the example market is measured")
    files = [example_market() / f"{name}.parquet" for name in ("bars", "actions", "symbols")]
    with tempfile.TemporaryDirectory(prefix="marketsweep-") as data:
        with Store.create(Path(data)) as store:
            sync(store, FilesProvider(*files))
        with open_market(data) as market:
            yield market


@contextmanager
def example_provider() -> Iterator[Callable[[int], MassiveProvider]]:
    """A sandbox of the example market that is 80 ms away, for whoever has no key."""
    settings = Settings(bars=example_market() / "bars.parquet", latency_ms=LATENCY_MS)
    with running(settings) as url:
        yield lambda connections: MassiveProvider(settings.api_key, url, concurrency=connections)


def report(tuning: Tuning) -> str:
    """The curves as bars of text, with what was chosen."""
    lines = []
    for name, curve in (("fetch", tuning.fetch), ("scan", tuning.scan)):
        if curve is not None:
            lines.append(drawn(name, curve))
    return "\n".join([*lines, *tuning.notes])


def drawn(name: str, curve: Curve) -> str:
    """A curve as bars of text."""
    best = max(curve.rates.values())
    lines = [f"{name}: {curve.unit} by {curve.what}"]
    for value, rate in curve.rates.items():
        mark = "  best" if value == curve.choice else ""
        bar = "#" * round(40 * rate / best)
        lines.append(f"  {value:>4}  {rate:>9,.1f}  {bar:<40}{mark}".rstrip())
    return "\n".join(lines)


def kept(file: Path, chosen: dict[Key, int]) -> str:
    """What is kept where."""
    settings = ", ".join(f"[{table}] {name} = {value}" for (table, name), value in chosen.items())
    return f"{file}: {settings}"
