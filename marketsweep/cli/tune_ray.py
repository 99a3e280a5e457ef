"""`marketsweep tune --executor ray`: how many workers of how many threads, and blocks of what size.

1. A sweep is counted by workers of 1, 2, 4, ... threads, as many as the cluster holds.
2. With the best of these, by 1, 2, 4, ... 50 workers; and then over blocks of several sizes.
3. Each time the smallest within 5% of the best is chosen, to be kept in the folder's `config.toml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from marketsweep.cli.tune import CONNECTIONS, Curve, Say, drawn, market_of
from marketsweep.core.settings import RAY_BLOCK, RAY_THREADS, RAY_WORKERS, Key
from marketsweep.engine.executors.options import Ray
from marketsweep.market import Market

MOST_WORKERS: Final = max(CONNECTIONS)
BLOCKS: Final = (128, 256, 512, 1024, 2048)
_SWEEP: Final = "rsi({n}) < {t} and close > bbands({m}, 2).middle"
_BARS: Final = range(5, 29, 3)
_LEVELS: Final = range(20, 60, 5)
_BANDS: Final = range(20, 180, 20)
_SESSIONS: Final = 63
_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class RayTuning:
    """The curves of threads, workers and blocks, in the order in which they were measured."""

    threads: Curve
    workers: Curve
    blocks: Curve

    @property
    def chosen(self) -> dict[Key, int]:
        """What is worth keeping, by key of the settings."""
        return {
            RAY_WORKERS: self.workers.choice,
            RAY_THREADS: self.threads.choice,
            RAY_BLOCK: self.blocks.choice,
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain data: the JSON of `marketsweep tune --executor ray --json`."""
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
    with market_of(folder, say) as market:
        return _measured(market, cluster, nodes, say)


def _measured(market: Market, cluster: Ray, nodes: list[int], say: Say) -> RayTuning:
    def holds(threads: int) -> int:
        return min(MOST_WORKERS, sum(count // threads for count in nodes))

    def curve(what: str, choices: Iterable[int], wanted: Callable[[int], Ray]) -> Curve:
        rates = {}
        for choice in choices:
            say(f"ray: {choice} {what}")
            rates[choice] = _rate(market, wanted(choice))
        return Curve(what, "thousand counts a second", rates)

    threads = curve(
        "threads a worker",
        _doubled(min(nodes)),
        lambda n: replace(cluster, threads=n, workers=holds(n)),
    )
    cluster = replace(cluster, threads=threads.choice)
    most = holds(threads.choice)
    workers = curve(
        "workers",
        sorted({*(n for n in CONNECTIONS if n <= most), most}),
        lambda n: replace(cluster, workers=n),
    )
    cluster = replace(cluster, workers=workers.choice)
    blocks = curve("symbols a block", BLOCKS, lambda n: replace(cluster, block=n))
    return RayTuning(threads, workers, blocks)


def _doubled(most: int) -> list[int]:
    return sorted({*(2**n for n in range(most.bit_length())), most})


def _rate(market: Market, cluster: Ray) -> float:
    """Thousands of counts, of variants in sessions, a second; a first sweep puts the blocks."""
    with market.view() as view:
        since = view.sessions[-_SESSIONS:][0]

    def seconds() -> float:
        found = market.sweep(_SWEEP, since=since, executor=cluster, n=_BARS, t=_LEVELS, m=_BANDS)
        return found.seconds / found.matches.size

    seconds()
    return 1e-3 / median(seconds() for _ in range(_RUNS))


def report(tuning: RayTuning) -> str:
    """The curves as bars of text, with what was chosen."""
    return "\n".join(
        drawn("ray", curve) for curve in (tuning.threads, tuning.workers, tuning.blocks)
    )
