"""From nothing stored to ranked matches, over HTTP from a provider 80 ms away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Final

from benchmarks.example import Example, settings
from benchmarks.measure import COUNT, Row, Samples, within
from benchmarks.process import MARKETSWEEP, launch
from marketsweep.cli.demo import AS_OF, FIRST, LATENCY_MS, DemoResult, run_demo
from marketsweep.ingest.sandbox.launch import running

_RUNS: Final = 3
_LIMIT_S: Final = 10.0
_LIMIT_MB: Final = 600.0


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One time all the way, and the processor time that it took of ours."""

    result: DemoResult
    processor_s: float


def rows(example: Example) -> Iterator[Row]:
    """The cold sweep, its stages and its cost."""
    sweeps = [_sweep() for _ in range(_RUNS)]
    results = [sweep.result for sweep in sweeps]
    sync, scan = results[0].sync, results[0].hits
    yield within(
        f"cold: {sync.fetched} sessions x {scan.coverage.expected:,} symbols over HTTP, "
        f"{LATENCY_MS:.0f} ms a call, to {len(scan)} ranked matches",
        Samples.of(result.total for result in results),
        _LIMIT_S,
    )
    for stage in results[0].seconds:
        yield Row(f"cold: {stage}", Samples.of(result.seconds[stage] for result in results))
    yield Row("cold: processor time", Samples.of(sweep.processor_s for sweep in sweeps))
    usages = [result.sync.usage for result in results]
    yield Row("cold: calls", Samples.of((usage.calls for usage in usages), COUNT))
    received = (usage.bytes_received / 1e6 for usage in usages)
    yield Row("cold: received", Samples.of(received, "MB"))
    peak = Samples((_peak_mb(example),), "MB")
    yield within("cold: peak memory of `marketsweep sync`", peak, _LIMIT_MB)


def _sweep() -> _Sweep:
    before = process_time()
    with tempfile.TemporaryDirectory(prefix="marketsweep-") as data:
        result = run_demo(None, Path(data), lambda done, total, bars: None, lambda line: None)
    return _Sweep(result, process_time() - before)


def _peak_mb(example: Example) -> float:
    with running(settings(LATENCY_MS)) as url:
        address = ("--base-url", url, "--api-key", "sandbox")
        days = ("--since", str(FIRST), "--until", str(AS_OF))
        folder = str(example.folder / "cold")
        return launch(MARKETSWEEP, "sync", *address, *days, "--data", folder).peak_mb
