"""What a cluster would take: `python -m benchmarks.model` prints the model's tables of the docs.

Four quantities are measured here: what a processor takes for a bar, and what Ray takes for a task,
for a round trip and for putting a byte. From these the model says what other sizes take, which is
measured as well, and what 10 to 1,000 nodes would take for minute bars, which is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
import ray
from msgspec.structs import replace

from benchmarks import machine
from benchmarks.crossover import with_sessions
from benchmarks.measure import alternate, clocked
from benchmarks.sweeps import CONDITION
from benchmarks.walks import walks
from marketsweep.core.parallel import WORKERS
from marketsweep.engine.executors.registry import tallier
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.kernels.cpu import TILE
from marketsweep.language.templates import Template

_VARIANT: Final = Template(CONDITION).tree((14.0, 30.0, 50.0))
_RUNS: Final = 5
_TASK_S: Final = 0.05
"""What a task is worth at the least, if there is as much to do."""
_TASKS_EACH: Final = 4
_CHECKED: Final = ((6_000, 252), (6_000, 1_260), (10_000, 1_260))

_NODE_CORES: Final = 16
_NODE_BYTES: Final = 48e9
"""Of 64 GB, what is left for bars."""
_NETWORK: Final = 1.25e9
"""Bytes a second out of the machine that drives: 10 Gbit/s."""
_SYMBOLS: Final = 10_000
_DAY: Final = 390
_YEAR: Final = 252 * _DAY
_FIELD_BYTES: Final = 8 + 8
"""Of a bar: its close, and the number of its session."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds: of a processor, while all work, for a bar; of Ray for one task of many, for the
    smallest job and its answer, and for a byte.
    """

    bar: float
    task: float
    round_trip: float
    byte: float

    def __str__(self) -> str:
        return (
            f"{self.bar * 1e9:.1f} ns of a processor for a bar of one variant; of Ray "
            f"{self.task * 1e3:.2f} ms for one of many tasks, {self.round_trip * 1e3:.1f} ms for "
            f"the smallest job, and {1e-9 / self.byte:.1f} GB a second into the object store"
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """Seconds of each part of one evaluation; the first one sends the data as well."""

    sending: float
    computing: float
    sharing: float
    """For tasks to be handed out, and their answers to come back."""
    idle: int
    """Processors for which there are no symbols."""
    fits: bool
    """Whether the nodes hold the bars in memory."""

    @property
    def bottleneck(self) -> str:
        """What a second evaluation waits for."""
        if not self.fits:
            return "disks: the bars do not fit into memory"
        if self.computing < self.sharing:
            return "handing out tasks"
        return "too few symbols for the processors" if self.idle else "arithmetic"


def forecast(costs: Costs, symbols: int, bars: int, cores: int, send: float) -> Forecast:
    """One variant at every bar of symbols, on processors of a cluster; `send` seconds a byte."""
    work = costs.bar * symbols * bars
    tiles = -(-symbols // TILE)
    used = min(cores, tiles)
    tasks = max(1, min(int(work / _TASK_S), _TASKS_EACH * -(-cores // _NODE_CORES), tiles // 4))
    return Forecast(
        sending=_FIELD_BYTES * symbols * bars * send,
        computing=work / used,
        sharing=costs.round_trip + tasks * costs.task,
        idle=cores - used,
        fits=_FIELD_BYTES * symbols * bars <= _NODE_BYTES * max(1, cores // _NODE_CORES),
    )


def measured() -> Costs:
    """The costs of this machine, and of Ray on it."""
    plan, panel = _asked(6_000, 513)
    small, newest = make_plan([_VARIANT]), replace(panel, spans=None)
    tallier("ray")(plan, panel)  # connects, and starts workers
    every, here, there = alternate(
        _RUNS,
        clocked(partial(tallier("threads"), plan, panel)),
        clocked(partial(tallier("threads"), small, newest)),
        clocked(partial(tallier("ray"), small, newest)),
    )
    idle: Any = ray.remote(num_cpus=0)(_Idle)  # the workers have reserved all processors
    idlers = [idle.remote() for _ in range(WORKERS)]
    ray.get([one.work.remote() for one in idlers])
    many = 150
    all_of_them = median(
        _timed(lambda: ray.get([one.work.remote() for _ in range(many) for one in idlers]))
        for _ in range(_RUNS)
    )
    block = np.ones(4_000_000)
    put = median(_timed(lambda: ray.put(block)) for _ in range(_RUNS))
    return Costs(
        bar=every.median * WORKERS / (6_000 * 513),
        task=all_of_them / (many * len(idlers)),
        round_trip=there.median - here.median,
        byte=put / block.nbytes,
    )


def _asked(symbols: int, bars: int) -> tuple[Plan, Panel]:
    return make_plan([_VARIANT], bars), with_sessions(walks(symbols, bars))


class _Idle:
    def work(self) -> None:
        """Nothing: what is left is Ray's own."""


def _timed(work: Callable[[], Any]) -> float:
    return clocked(work)()


def checked(costs: Costs) -> Iterator[list[str]]:
    """What the model says of other sizes, and what they take."""
    for symbols, bars in _CHECKED:
        plan, panel = _asked(symbols, bars)
        said = forecast(costs, symbols, bars, WORKERS, costs.byte)
        started = perf_counter()
        tallier("ray")(plan, panel)
        first = perf_counter() - started
        threads, cluster = alternate(
            _RUNS,
            clocked(partial(tallier("threads"), plan, panel)),
            clocked(partial(tallier("ray"), plan, panel)),
        )
        again = said.computing + said.sharing
        for what, model, took in (
            ("threads", said.computing, threads.median),
            ("ray, warm", again, cluster.median),
            ("ray, first", said.sending + again, first),
        ):
            size = f"{symbols:,} x {bars:,}"
            yield [size, what, _written(model), _written(took), f"{took / model:.2f}"]


def forecasts(costs: Costs) -> Iterator[list[str]]:
    """Minute bars of the whole market on clusters that are not at hand."""
    for what, bars in (("one day", _DAY), ("one year", _YEAR), ("20 years", 20 * _YEAR)):
        for nodes in (1, 10, 100, 1_000):
            said = forecast(costs, _SYMBOLS, bars, nodes * _NODE_CORES, 1 / _NETWORK)
            again = said.computing + said.sharing
            yield [
                f"{what}, {_FIELD_BYTES * _SYMBOLS * bars / 1e9:,.1f} GB",
                f"{nodes:,}",
                _written(said.sending),
                _written(said.computing),
                _written(said.sharing),
                _written(again),
                said.bottleneck,
            ]


def _written(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def _table(head: list[str], rows: Iterator[list[str]]) -> None:
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Print the tables."""
    stolen = machine.Stolen()
    costs = measured()
    print(f"Measured: {costs}.\n")
    _table(["symbols x bars", "executor", "model", "measured", "ratio"], checked(costs))
    print()
    head = ["minute bars of 10,000 symbols", "nodes", "sending them", "arithmetic", "tasks"]
    _table([*head, "each time", "waits for"], forecasts(costs))
    print(f"\n{machine.described()}; {stolen}.")


if __name__ == "__main__":
    main()
