"""`marketsweep tune --executor ray`: measure the best workers, threads and block size.

1. A sweep is counted by workers of 1, 2, 4, ... threads, as many workers as fit the cluster.
2. With the best number of threads, it is counted by 1, 2, 4, ... 50 workers.
3. With the best number of workers, it is counted in blocks of several sizes.
4. Each time the smallest value within 5% of the best rate is chosen, to be saved in `config.toml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from marketsweep.cli.tune import CONNECTIONS, Curve, Say, draw_curve, own_or_example_market
from marketsweep.core.settings import RAY_BLOCK, RAY_THREADS, RAY_WORKERS, Key
from marketsweep.engine.executors.options import Ray
from marketsweep.market import Market

MAX_WORKERS: Final = max(CONNECTIONS)
BLOCKS: Final = (128, 256, 512, 1024, 2048)
_SWEEP: Final = "rsi({n}) < {t} and close > bbands({m}, 2).middle"
_BARS: Final = range(5, 29, 3)
_LEVELS: Final = range(20, 60, 5)
_BANDS: Final = range(20, 180, 20)
_SESSIONS: Final = 63
_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class RayTuning:
    """The curves of threads, workers and blocks, in the order of measurement."""

    threads: Curve
    workers: Curve
    blocks: Curve

    @property
    def chosen(self) -> dict[Key, int]:
        """The values to save, by key of the settings."""
        return {
            RAY_WORKERS: self.workers.choice,
            RAY_THREADS: self.threads.choice,
            RAY_BLOCK: self.blocks.choice,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the curves as plain data: the JSON of `marketsweep tune --executor ray --json`."""
        return {
            "threads": self.threads.to_dict(),
            "workers": self.workers.to_dict(),
            "blocks": self.blocks.to_dict(),
        }


def tune_ray(folder: Path, cluster: Ray, say: Say) -> RayTuning:
    """Measure on a cluster; nothing is written. Raises UsageError, ExecutorError and StoreError."""
    from marketsweep.engine.executors.registry import (
        processors_of,  # Ray takes a second and a half to import
    )

    nodes = processors_of(cluster)
    say(f"ray: {len(nodes)} nodes with {sum(nodes)} processors")
    with own_or_example_market(folder, say) as market:
        return _measure(market, cluster, nodes, say)


def _measure(market: Market, cluster: Ray, nodes: list[int], say: Say) -> RayTuning:
    def capacity(threads: int) -> int:
        return min(MAX_WORKERS, sum(count // threads for count in nodes))

    def measure_curve(label: str, choices: Iterable[int], configure: Callable[[int], Ray]) -> Curve:
        rates = {}
        for choice in choices:
            say(f"ray: {choice} {label}")
            rates[choice] = _rate(market, configure(choice))
        return Curve(label, "thousand counts a second", rates)

    threads = measure_curve(
        "threads a worker",
        _powers_of_two(min(nodes)),
        lambda n: replace(cluster, threads=n, workers=capacity(n)),
    )
    cluster = replace(cluster, threads=threads.choice)
    largest = capacity(threads.choice)
    workers = measure_curve(
        "workers",
        sorted({*(n for n in CONNECTIONS if n <= largest), largest}),
        lambda n: replace(cluster, workers=n),
    )
    cluster = replace(cluster, workers=workers.choice)
    blocks = measure_curve("symbols a block", BLOCKS, lambda n: replace(cluster, block=n))
    return RayTuning(threads, workers, blocks)


def _powers_of_two(largest: int) -> list[int]:
    return sorted({*(2**n for n in range(largest.bit_length())), largest})


def _rate(market: Market, cluster: Ray) -> float:
    """Return thousands of counts per second; a first sweep distributes the blocks."""
    with market.view() as view:
        since = view.sessions[-_SESSIONS:][0]

    def seconds() -> float:
        result = market.sweep(_SWEEP, since=since, executor=cluster, n=_BARS, t=_LEVELS, m=_BANDS)
        return result.seconds / result.matches.size

    seconds()
    return 1e-3 / median(seconds() for _ in range(_RUNS))


def report(tuning: RayTuning) -> str:
    """Return the curves as bars of text, with the chosen values."""
    return "\n".join(
        draw_curve("ray", curve) for curve in (tuning.threads, tuning.workers, tuning.blocks)
    )
