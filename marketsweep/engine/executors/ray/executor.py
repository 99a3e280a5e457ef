"""Tasks on a Ray cluster, each of which runs the threads executor over blocks of the panel.

1. The panel's fields are cut into blocks, which are kept in the object store (`_ray_blocks`).
2. Blocks that lie side by side make a task, as many as are some 50 ms of work (`_tasks`): a small
   plan is one task, and a large one as many as keep all workers busy.
3. Tasks go to workers, actors that stay. Each is sent the same part of the panel again and again,
   so that its node has the blocks; whoever has nothing left takes from the one with most
   (`_Queues`).
4. A task whose worker was lost is run again, and counted (`_receive`); whose node was lost, by the
   others. What is lost three times fails it all: an answer without some symbols would look whole.

Only answers travel back: hits of a search, counts of a tally, and the columns of a run, of those
that are read at matches alone (`Plan.read_where`) the matches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
)

from marketsweep.engine.executors.options import Distribution, Ray
from marketsweep.engine.executors.ray.blocks import edges, size_of
from marketsweep.engine.executors.ray.cluster import (
    Cluster,
    Handle,
    close,
    connected,
    first_line,
    processors_of,
)
from marketsweep.engine.executors.ray.task import Answer, Kind, Matches, Order, Outline, together
from marketsweep.engine.lowering import Found, Tallies, depths
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Plan
from marketsweep.engine.time_limit import check_time, time_left
from marketsweep.errors import ExecutorError
from marketsweep.kernels.cpu import TILE

__all__ = ["close", "processors_of", "run", "search", "tally"]

_TASK_S: Final = 0.05
"""Seconds of work that make a task worth its cost."""
_TASKS_EACH: Final = 4
"""Tasks of a worker, at the most: enough for all to end at about the same time."""
_UNDER_WAY: Final = 2
"""Tasks sent to a worker at once: the one that it works on, and the next."""
_TRIES: Final = 3
_LOOK_S: Final = 1.0
"""After so long without an answer, whether all workers have their place is looked at."""

_LOST: Final = (RayActorError, ObjectLostError, OutOfMemoryError)

_ANY: Final = Ray()

_ONE_AT_A_TIME: Final = Lock()
"""Threads that ask have the workers one after the other: each evaluation is for all of them."""


def run(
    plan: Plan, panel: Panel, cluster: Ray = _ANY, done: Distribution | None = None
) -> list[NDArray[np.float64]]:
    """Every tile, on one worker or another; NaN where what is read at matches alone has none."""
    if plan.read_where:
        return _spread(_answer("matches", {}, plan, panel, cluster, done), plan, panel)
    found: list[NDArray[np.float64]] = _answer("run", {}, plan, panel, cluster, done)
    return found


def _spread(found: Matches, plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """What was found at matches, at their places among all symbols."""
    columns = []
    for values, guard in zip(found.columns, plan.read_where, strict=True):
        column = values
        if guard is not None:
            column = np.full(len(panel.symbols), np.nan)
            column[found.places[guard]] = values
        columns.append(column[np.newaxis])
    return columns


def search(
    plan: Plan, panel: Panel, cluster: Ray = _ANY, done: Distribution | None = None
) -> Found:
    """Every tile, on one worker or another, for where the first result holds."""
    found: Found = _answer("search", {}, plan, panel, cluster, done)
    return found


def tally(
    plan: Plan,
    panel: Panel,
    first: int = 0,
    cluster: Ray = _ANY,
    done: Distribution | None = None,
) -> Tallies:
    """Every tile, on one worker or another, for how often each result holds."""
    found: Tallies = _answer("tally", {"first": first}, plan, panel, cluster, done)
    return found


def _answer(
    kind: Kind,
    settings: dict[str, int],
    plan: Plan,
    panel: Panel,
    wanted: Ray,
    done: Distribution | None,
) -> Any:  # noqa: ANN401, it depends on the kind
    names = list(plan.fields)
    if kind in ("search", "tally") and SESSION in panel.fields and SESSION not in names:
        names.append(SESSION)
    with _ONE_AT_A_TIME:
        cluster = connected(wanted)
        settings = settings | {"threads": cluster.threads}
        order = Order(kind, settings, names, panel.rows, panel.as_of, panel.dates)
        evaluation = _Evaluation(order, plan, panel, cluster, wanted, done or Distribution())
        return together(kind, evaluation.answers())


@dataclass(slots=True)
class _Task:
    number: int
    blocks: list[tuple[int, int]]
    """The first tile of each, and that of the next."""
    tries: int = 0


class _Evaluation:
    """One evaluation under way."""

    def __init__(
        self,
        order: Order,
        plan: Plan,
        panel: Panel,
        cluster: Cluster,
        wanted: Ray,
        done: Distribution,
    ) -> None:
        self.order, self.plan, self.panel = order, plan, panel
        self.cluster, self.wanted, self.done = cluster, wanted, done
        self.facts = panel.facts(plan.facts)
        self.depths = depths(plan, panel)
        self.size = size_of(panel.tiles, cluster.workers, wanted.block)
        self.blocks = edges(panel.tiles, self.size)
        self.tasks = _tasks(self.blocks, self._forecast(), cluster.workers)
        self.found: dict[int, Answer] = {}
        self.under_way: dict[ray.ObjectRef[Any], tuple[int, Handle, _Task]] = {}
        self.queues = _Queues(self.tasks, cluster.workers)

    def answers(self) -> list[Any]:
        """The answers of all tasks, in the order of the tiles."""
        try:
            while len(self.found) < len(self.tasks):
                self.queues.send(self._send, {*self.cluster.resting.values()})
                check_time()
                wanted = [*self.under_way, *self.cluster.resting]
                ready, _ = ray.wait(wanted, timeout=min(_LOOK_S, time_left()))
                for reference in ready:
                    if reference in self.cluster.resting:
                        self.cluster.wake(reference)
                    else:
                        self._receive(reference)
                if not ready and not self.cluster.is_whole():
                    self._placed_anew()
        except BaseException:
            self.cluster.release()  # or else what is under way would be in the way of the next
            raise
        self._tell_all()
        return [self.found[number].found for number in sorted(self.found)]

    def _send(self, worker: int, task: _Task) -> None:
        fields = [
            self._reference(name, block) for block in task.blocks for name in self.order.names
        ]
        actor = self.cluster.actors[worker]
        outlines = [self._outline(block) for block in task.blocks]
        plan = [self.cluster.kept_plan(self.plan)]
        reference = actor.work.remote(self.order, plan, outlines, *fields)
        self.under_way[reference] = worker, actor, task

    def _reference(self, name: str, block: tuple[int, int]) -> ray.ObjectRef[Any]:
        """A field of a block, with the rows that the plan needs of its symbols."""
        rows = int(self.depths[slice(*block)].max())
        matrix = self.panel.fields[name]
        return self.cluster.blocks.reference(matrix, self.size, block, rows, self.done)

    def _outline(self, block: tuple[int, int]) -> Outline:
        lanes = slice(block[0] * TILE, min(block[1] * TILE, len(self.panel.symbols)))
        spans, still = self.panel.spans, self.panel.still
        return Outline(
            block[0],
            self.panel.bars[lanes],
            self.facts[:, lanes],
            None if spans is None else spans[:, lanes],
            None if still is None else still[lanes],
        )

    def _receive(self, reference: ray.ObjectRef[Any]) -> None:
        """Take an answer, or see that the task is run again."""
        worker, actor, task = self.under_way.pop(reference)
        try:
            self.found[task.number] = ray.get(reference)
        except _LOST as error:
            task.tries += 1
            if task.tries == _TRIES:
                raise ExecutorError(
                    f"a task was lost {_TRIES} times on the Ray cluster ({first_line(error)}): "
                    "there is no answer; where memory runs out, a smaller block helps ([ray] block "
                    "in config.toml)"
                ) from error
            self.done.run_again += 1
            self.cluster.replace(worker, actor)
            self.queues.put_back(worker, task)
            return
        except RayTaskError as error:
            raise ExecutorError(
                f"a task failed on the Ray cluster, and so there is no answer: {error.cause!r}"
            ) from error
        except RayError as error:
            raise ExecutorError(f"the Ray cluster failed: {first_line(error)}") from error
        self.queues.answered(worker)
        if self.wanted.progress:
            tiles = sum(last - first for task in self._done() for first, last in task.blocks)
            bars = tiles * TILE * self.panel.rows
            self.wanted.progress(len(self.found), len(self.tasks), bars)

    def _done(self) -> list[_Task]:
        return [task for task in self.tasks if task.number in self.found]

    def _placed_anew(self) -> None:
        """Go on with the workers that there is still room for."""
        self.done.run_again += len(self.under_way)
        self.under_way.clear()
        self.cluster.place_remaining(self.wanted)
        rest = [task for task in self.tasks if task.number not in self.found]
        self.queues = _Queues(rest, self.cluster.workers)

    def _forecast(self) -> float:
        """Seconds that one worker would take for everything."""
        each = self.cluster.pace.of(self.plan)
        return each * self.panel.tiles / self.cluster.threads

    def _tell_all(self) -> None:
        answers = self.found.values()
        self.done.workers = self.cluster.workers
        self.done.tasks += len(answers)
        self.done.nodes |= {answer.node for answer in answers}
        seconds = sum(answer.seconds for answer in answers) * self.cluster.threads
        self.cluster.pace.measured(self.plan, seconds / self.panel.tiles)


def _tasks(blocks: list[tuple[int, int]], seconds: float, workers: int) -> list[_Task]:
    """Blocks side by side, in as many lots as are worth a task each."""
    count = max(1, min(int(seconds / _TASK_S), _TASKS_EACH * workers, len(blocks)))
    ends = [len(blocks) * number // count for number in range(count + 1)]
    return [_Task(n, blocks[ends[n] : ends[n + 1]]) for n in range(count)]


class _Queues:
    """Which worker is to get which task, and how many each has been sent."""

    def __init__(self, tasks: list[_Task], workers: int) -> None:
        self._waiting: list[deque[_Task]] = [deque() for _ in range(workers)]
        for place, task in enumerate(tasks):
            self._waiting[place * workers // len(tasks)].append(task)
        self._sent = [0] * workers

    def send(self, give: Callable[[int, _Task], None], resting: set[int]) -> None:
        """Give tasks to the workers that are not resting, of each no more than it should have."""
        for most in range(1, _UNDER_WAY + 1):
            for worker, own in enumerate(self._waiting):
                # Whoever would stand idle takes from the one with most to do.
                queue = own or (max(self._waiting, key=len) if most == 1 else own)
                if queue and self._sent[worker] < most and worker not in resting:
                    self._sent[worker] += 1
                    give(worker, queue.popleft())

    def answered(self, worker: int) -> None:
        """A worker has room for another one."""
        self._sent[worker] -= 1

    def put_back(self, worker: int, task: _Task) -> None:
        """A task is to be sent again, before the others."""
        self._sent[worker] -= 1
        self._waiting[worker].appendleft(task)
