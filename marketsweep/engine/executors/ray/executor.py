"""Run tasks on a Ray cluster; each runs the threads executor over blocks of the panel.

1. The panel's fields are cut into blocks, which stay in the object store (`blocks`).
2. Neighbouring blocks make a task of about 50 ms of work (`_split_into_tasks`). A small plan is one
   task; a large one has enough tasks to keep all workers busy.
3. Tasks go to workers, which are actors. Each gets the same part of the panel every time, so that
   its node has the blocks. A worker without tasks takes one from the worker with the most
   (`_Queues`).
4. If a worker is lost, its task is run again and counted (`_receive`); if its node is lost, the
   workers are placed again on the other nodes (`_place_again`). If a task is lost three times, the
   evaluation fails: a result without some symbols would look complete.

Only results travel back: hits of a search, counts of a tally, and columns of a run. Of columns that
are read only at matches (`Plan.read_where`), only the matches travel.
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
from marketsweep.engine.executors.ray.task import Answer, Kind, Matches, Order, Outline, join_parts
from marketsweep.engine.lowering import SearchResult, Tallies, tile_depths
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import OUTCOME, SESSION, Plan
from marketsweep.engine.time_limit import check_time, time_left
from marketsweep.errors import ExecutorError
from marketsweep.kernels.cpu import TILE

__all__ = ["close", "processors_of", "run", "search", "tally"]

_TASK_S: Final = 0.05
"""Seconds of work per task, so that the cost of a task does not matter."""
_TASKS_EACH: Final = 4
"""Most tasks per worker: enough for all workers to end at about the same time."""
_MAX_SENT: Final = 2
"""Tasks sent to a worker at once: the current one and the next one."""
_MAX_TRIES: Final = 3
_CHECK_S: Final = 1.0
"""Seconds without an answer after which the workers are checked."""

_LOSS_ERRORS: Final = (RayActorError, ObjectLostError, OutOfMemoryError)

_DEFAULT: Final = Ray()

_ONE_AT_A_TIME: Final = Lock()
"""Evaluations run one after the other, because each uses all workers."""


def run(
    plan: Plan, panel: Panel, cluster: Ray = _DEFAULT, done: Distribution | None = None
) -> list[NDArray[np.float64]]:
    """Return the results of the plan, float64 [rows, symbols] each.

    Results that are read only at matches are NaN elsewhere. Raises UsageError or ExecutorError.
    """
    if plan.read_where:
        return _expand_matches(_evaluate("matches", {}, plan, panel, cluster, done), plan, panel)
    results: list[NDArray[np.float64]] = _evaluate("run", {}, plan, panel, cluster, done)
    return results


def _expand_matches(matches: Matches, plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Return columns for all symbols from the values at matches."""
    columns = []
    for values, guard in zip(matches.columns, plan.read_where, strict=True):
        column = values
        if guard is not None:
            column = np.full(len(panel.symbols), np.nan)
            column[matches.places[guard]] = values
        columns.append(column[np.newaxis])
    return columns


def search(
    plan: Plan, panel: Panel, cluster: Ray = _DEFAULT, done: Distribution | None = None
) -> SearchResult:
    """Return where the first result holds. Raises as `run` does."""
    result: SearchResult = _evaluate("search", {}, plan, panel, cluster, done)
    return result


def tally(
    plan: Plan,
    panel: Panel,
    first: int = 0,
    cluster: Ray = _DEFAULT,
    done: Distribution | None = None,
) -> Tallies:
    """Count where each result holds, in the sessions from number `first` on. Raises as `run`."""
    tallies: Tallies = _evaluate("tally", {"first": first}, plan, panel, cluster, done)
    return tallies


def _evaluate(
    kind: Kind,
    settings: dict[str, int],
    plan: Plan,
    panel: Panel,
    options: Ray,
    done: Distribution | None,
) -> Any:  # noqa: ANN401, depends on the kind
    names = list(plan.fields)
    if kind in ("search", "tally") and SESSION in panel.fields and SESSION not in names:
        names.append(SESSION)
    if kind == "tally" and OUTCOME in panel.fields:
        names.append(OUTCOME)
    with _ONE_AT_A_TIME:
        cluster = connected(options)
        settings = settings | {"threads": cluster.threads}
        order = Order(kind, settings, names, panel.rows, panel.as_of, panel.dates)
        evaluation = _Evaluation(order, plan, panel, cluster, options, done or Distribution())
        return join_parts(kind, evaluation.answers())


@dataclass(slots=True)
class _Task:
    number: int
    blocks: list[tuple[int, int]]
    """First tile of each block, and of the next block."""
    tries: int = 0


class _Evaluation:
    """An evaluation in progress."""

    def __init__(
        self,
        order: Order,
        plan: Plan,
        panel: Panel,
        cluster: Cluster,
        options: Ray,
        done: Distribution,
    ) -> None:
        self.order, self.plan, self.panel = order, plan, panel
        self.cluster, self.options, self.done = cluster, options, done
        self.facts = panel.facts(plan.facts)
        self.depths = tile_depths(plan, panel)
        self.size = size_of(panel.tiles, cluster.workers, options.block)
        self.blocks = edges(panel.tiles, self.size)
        self.tasks = _split_into_tasks(self.blocks, self._estimate_seconds(), cluster.workers)
        self.answers_by_task: dict[int, Answer] = {}
        self.sent: dict[ray.ObjectRef[Any], tuple[int, Handle, _Task]] = {}
        self.queues = _Queues(self.tasks, cluster.workers)

    def answers(self) -> list[Any]:
        """Return the results of all tasks, in the order of the tiles."""
        try:
            while len(self.answers_by_task) < len(self.tasks):
                self.queues.send(self._send, {*self.cluster.resting.values()})
                check_time()
                references = [*self.sent, *self.cluster.resting]
                ready, _ = ray.wait(references, timeout=min(_CHECK_S, time_left()))
                all_started = True
                for reference in ready:
                    if reference in self.cluster.resting:
                        all_started &= self.cluster.wake(reference)
                    else:
                        self._receive(reference)
                if not all_started or not (ready or self.cluster.is_whole()):
                    self._place_again()
        except BaseException:
            self.cluster.release()  # so that tasks still running do not delay the next evaluation
            raise
        self._report()
        return [self.answers_by_task[number].value for number in sorted(self.answers_by_task)]

    def _send(self, worker: int, task: _Task) -> None:
        fields = [
            self._reference(name, block) for block in task.blocks for name in self.order.names
        ]
        actor = self.cluster.actors[worker]
        outlines = [self._outline(block) for block in task.blocks]
        plan = [self.cluster.plan_reference(self.plan)]
        reference = actor.work.remote(self.order, plan, outlines, *fields)
        self.sent[reference] = worker, actor, task

    def _reference(self, name: str, block: tuple[int, int]) -> ray.ObjectRef[Any]:
        """Return a field of a block, with the rows that the plan needs of its symbols."""
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
        """Take an answer, or send the task again if its worker was lost. Raises ExecutorError."""
        worker, actor, task = self.sent.pop(reference)
        try:
            self.answers_by_task[task.number] = ray.get(reference)
        except _LOSS_ERRORS as error:
            task.tries += 1
            if task.tries == _MAX_TRIES:
                raise ExecutorError(
                    f"a task was lost {_MAX_TRIES} times on the Ray cluster "
                    f"({first_line(error)}): there is no answer; if memory runs out, use a "
                    "smaller block ([ray] block in config.toml)"
                ) from error
            self.done.run_again += 1
            self.cluster.replace(worker, actor)
            self.queues.put_back(worker, task)
            return
        except RayTaskError as error:
            raise ExecutorError(
                f"a task failed on the Ray cluster, so there is no answer: {error.cause!r}"
            ) from error
        except RayError as error:
            raise ExecutorError(f"the Ray cluster failed: {first_line(error)}") from error
        self.queues.answered(worker)
        if self.options.progress:
            tiles = sum(
                last - first for task in self._finished_tasks() for first, last in task.blocks
            )
            bars = tiles * TILE * self.panel.rows
            self.options.progress(len(self.answers_by_task), len(self.tasks), bars)

    def _finished_tasks(self) -> list[_Task]:
        return [task for task in self.tasks if task.number in self.answers_by_task]

    def _place_again(self) -> None:
        """Go on with as many workers as the cluster still has room for."""
        self.done.run_again += len(self.sent)
        self.sent.clear()
        self.cluster.place_remaining(self.options)
        remaining = [task for task in self.tasks if task.number not in self.answers_by_task]
        self.queues = _Queues(remaining, self.cluster.workers)

    def _estimate_seconds(self) -> float:
        """Return the seconds that one worker would take for all tasks."""
        tile_s = self.cluster.pace.of(self.plan)
        return tile_s * self.panel.tiles / self.cluster.threads

    def _report(self) -> None:
        answers = self.answers_by_task.values()
        self.done.workers = self.cluster.workers
        self.done.tasks += len(answers)
        self.done.nodes |= {answer.node for answer in answers}
        seconds = sum(answer.seconds for answer in answers) * self.cluster.threads
        self.cluster.pace.record(self.plan, seconds / self.panel.tiles)


def _split_into_tasks(blocks: list[tuple[int, int]], seconds: float, workers: int) -> list[_Task]:
    """Split the blocks into tasks of neighbouring blocks, each worth its cost."""
    count = max(1, min(int(seconds / _TASK_S), _TASKS_EACH * workers, len(blocks)))
    ends = [len(blocks) * number // count for number in range(count + 1)]
    return [_Task(n, blocks[ends[n] : ends[n + 1]]) for n in range(count)]


class _Queues:
    """The tasks waiting for each worker, and how many it has been sent."""

    def __init__(self, tasks: list[_Task], workers: int) -> None:
        self._waiting: list[deque[_Task]] = [deque() for _ in range(workers)]
        for i, task in enumerate(tasks):
            self._waiting[i * workers // len(tasks)].append(task)
        self._sent = [0] * workers

    def send(self, give: Callable[[int, _Task], None], resting: set[int]) -> None:
        """Give tasks to the workers that are not resting, at most `_MAX_SENT` to each."""
        for max_sent in range(1, _MAX_SENT + 1):
            for worker, waiting in enumerate(self._waiting):
                # An idle worker without tasks takes one from the worker with the most.
                queue = waiting or (max(self._waiting, key=len) if max_sent == 1 else waiting)
                if queue and self._sent[worker] < max_sent and worker not in resting:
                    self._sent[worker] += 1
                    give(worker, queue.popleft())

    def answered(self, worker: int) -> None:
        """Note that a worker has finished a task."""
        self._sent[worker] -= 1

    def put_back(self, worker: int, task: _Task) -> None:
        """Return a task to the front of its worker's queue."""
        self._sent[worker] -= 1
        self._waiting[worker].appendleft(task)
