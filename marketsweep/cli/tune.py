"""`marketsweep tune`: measure how many connections and threads are useful on this machine.

1. Sessions are fetched over 1, 2, ... 50 connections, and not stored (`measure_fetch`).
2. The reference scan is evaluated by 1, 2, ... 50 threads, in turns (`measure_scan`).
3. The smallest number within 5% of the best rate is chosen (`Curve.choice`), to be saved in the
   folder's `config.toml`: on a flat curve, larger numbers gain nothing.
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
from marketsweep.core.calendar import sessions_in_range
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
"""Batches for each number of connections; the first batch opens the connections."""
_CALLS_PER_CONNECTION: Final = 2
"""Calls per connection in a batch."""
_MIN_CALLS: Final = 8
"""The smallest number of calls in a batch."""
_SCANS: Final = 15
_MANY_THREADS: Final = (20, 24, 32, 40, 50)
_TOLERANCE: Final = 0.05
"""Rates within this share of the best rate count as equally good."""
_SESSIONS: Final = 40
"""The number of newest sessions, which are fetched repeatedly: every plan includes them."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Curve:
    """The measured rates of one setting: amount per second by value; more is better."""

    setting: str
    """The setting that is varied: connections or threads."""
    unit: str
    rates: dict[int, float]

    @property
    def choice(self) -> int:
        """The smallest value within 5% of the best rate."""
        best = max(self.rates.values())
        return min(value for value, rate in self.rates.items() if rate >= (1 - _TOLERANCE) * best)

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as plain data."""
        rates = {str(value): rate for value, rate in self.rates.items()}
        return {"what": self.setting, "unit": self.unit, "rates": rates, "choice": self.choice}


@dataclass(frozen=True, slots=True)
class Tuning:
    """The measured curves; `fetch` is None if it was not measured, and a note says why."""

    fetch: Curve | None
    scan: Curve
    notes: list[str]

    @property
    def chosen(self) -> dict[Key, int]:
        """The values to save, by key of the settings."""
        fetch = {CONCURRENCY: self.fetch.choice} if self.fetch else {}
        return fetch | {THREADS: self.scan.choice}

    def to_dict(self) -> dict[str, Any]:
        """Return the curves as plain data: the JSON of `marketsweep tune --json`."""
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
    """Measure the curves; nothing is written, and the store is only read.

    `provider` makes a provider with a number of connections; None for files. Raises ProviderError,
    UsageError and StoreError.
    """
    notes, fetch = [], None
    if provider is None:
        notes.append("fetch: not measured, since files need no connections")
    elif calls_per_minute is not None:
        notes.append(
            f"fetch: not measured, since the limit of {calls_per_minute:,} calls a minute "
            f"decides: {calls_per_minute / 60:.2g} sessions a second with any number of "
            "connections"
        )
    else:
        fetch = asyncio.run(measure_fetch(provider, say))
        last = max(fetch.rates)
        if last < max(CONNECTIONS):
            notes.append(
                f"fetch: with more than {last} connections, calls failed and were repeated"
            )
    with own_or_example_market(folder, say) as market:
        scan = measure_scan(market, say)
    return Tuning(fetch, scan, notes)


async def measure_fetch(provider: Callable[[int], MassiveProvider], say: Say) -> Curve:
    """Return sessions per second by the number of connections; stop once calls fail."""
    calls = _BATCHES * sum(map(_calls_per_batch, CONNECTIONS)) + len(CONNECTIONS)
    say(f"fetch: {calls:,} calls at most; fetched data is not stored")
    rates: dict[int, float] = {}
    for connections in CONNECTIONS:
        say(f"fetch: {connections} connections")
        source = provider(connections)
        async with source:
            window = await source.available()
            days = sessions_in_range(window.last - dt.timedelta(days=90), window.last)[-_SESSIONS:]
            batches = _batches(days, _calls_per_batch(connections))
            seconds = [await _time_fetch(source, days) for days in islice(batches, _BATCHES)]
        if source.usage.retries and rates:
            break
        rates[connections] = _calls_per_batch(connections) / median(seconds)
    return Curve("connections", "sessions a second", rates)


def _calls_per_batch(connections: int) -> int:
    return max(_MIN_CALLS, _CALLS_PER_CONNECTION * connections)


def _batches(days: Sequence[dt.date], size: int) -> Iterator[list[dt.date]]:
    """Yield batches of days without end: a session may be fetched twice, but not in a row."""
    start = 0
    while True:
        yield [days[(start + n) % len(days)] for n in range(size)]
        start += size


async def _time_fetch(source: MassiveProvider, days: Sequence[dt.date]) -> float:
    """Return the seconds that it takes to fetch and decode the sessions."""
    started, bars = perf_counter(), 0
    async for session in source.sessions(days):
        if isinstance(session, Unavailable):
            raise error_of(session)
        bars += len(session.symbols)
    if not bars:
        raise ProviderUnreachable(f"no bars from {days[0]} on: there is nothing to measure")
    return perf_counter() - started


def measure_scan(market: Market, say: Say) -> Curve:
    """Return reference scans per second by the number of threads.

    The numbers take turns, so that other load of the machine affects all of them alike.
    """
    choices = thread_counts(WORKERS)
    say(f"scan: {_SCANS} times with {', '.join(map(str, choices))} threads")
    seconds: dict[int, list[float]] = {threads: [] for threads in choices}
    for turn in range(1 + _SCANS):
        for threads in choices:
            # Twice in a row, and only the second counts: a new number of threads starts new
            # threads.
            for counted in (False, turn > 0):
                timing = market.scan(REFERENCE_SCAN, threads=threads).timing
                if counted:
                    seconds[threads].append(timing.evaluate)
    rates = {threads: 1 / median(times) for threads, times in seconds.items()}
    return Curve("threads", "scans a second", rates)


def thread_counts(processors: int) -> list[int]:
    """Return the numbers of threads to measure, ascending.

    These are 1, 2, ... to twice the processors, by doubling if they are many; and 20 to 50.
    """
    largest = 2 * processors
    steps = (
        range(1, largest + 1) if processors <= 8 else (2**n for n in range(largest.bit_length()))
    )
    return sorted({*(n for n in steps if n <= largest), processors, largest, *_MANY_THREADS})


def _has_sessions(market: Market) -> bool:
    with market.view() as view:
        return bool(view.sessions)


@contextmanager
def own_or_example_market(folder: Path, say: Say) -> Iterator[Market]:
    """Open the folder's own market, or the example market if no session is stored."""
    try:
        own = open_market(folder)
    except UsageError:
        own = None
    if own is not None:
        with own:
            if _has_sessions(own):
                yield own
                return
    say(f"scan: no session is stored in {folder}, so the example market is measured")
    files = [example_market() / f"{name}.parquet" for name in ("bars", "actions", "symbols")]
    with tempfile.TemporaryDirectory(prefix="marketsweep-") as data:
        with Store.create(Path(data)) as store:
            sync(store, FilesProvider(*files))
        with open_market(data) as market:
            yield market


@contextmanager
def example_provider() -> Iterator[Callable[[int], MassiveProvider]]:
    """Run a sandbox of the example market with 80 ms latency, for users without a key."""
    settings = Settings(bars=example_market() / "bars.parquet", latency_ms=LATENCY_MS)
    with running(settings) as url:
        yield lambda connections: MassiveProvider(settings.api_key, url, concurrency=connections)


def report(tuning: Tuning) -> str:
    """Return the curves as bars of text, with the chosen values."""
    lines = []
    for name, curve in (("fetch", tuning.fetch), ("scan", tuning.scan)):
        if curve is not None:
            lines.append(draw_curve(name, curve))
    return "\n".join([*lines, *tuning.notes])


def draw_curve(name: str, curve: Curve) -> str:
    """Return a curve as bars of text."""
    best = max(curve.rates.values())
    lines = [f"{name}: {curve.unit} by {curve.setting}"]
    for value, rate in curve.rates.items():
        mark = "  best" if value == curve.choice else ""
        bar = "#" * round(40 * rate / best)
        lines.append(f"  {value:>4}  {rate:>9,.1f}  {bar:<40}{mark}".rstrip())
    return "\n".join(lines)


def saved_text(file: Path, chosen: dict[Key, int]) -> str:
    """Return the text that says which values were saved in which file."""
    settings = ", ".join(f"[{table}] {name} = {value}" for (table, name), value in chosen.items())
    return f"{file}: {settings}"
