"""Executors by name. Each is a module with `run`, `search` and `tally`, and all return the same
bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.options import Distribution, Ray
from marketsweep.engine.lowering import SearchResult, Tallies
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.errors import UsageError

Executor = Callable[[Plan, Panel], list[NDArray[np.float64]]]
"""Evaluates a plan over a panel: float64 [rows, symbols] for each of the plan's results."""

_FOLDER: Final = "marketsweep.engine.executors"
_MODULES: Final = {
    "threads": f"{_FOLDER}.threads",
    "serial": f"{_FOLDER}.serial",
    "ray": f"{_FOLDER}.ray.executor",
    "gpu": f"{_FOLDER}.gpu.executor",
    "auto": f"{_FOLDER}.auto",
}
"""Modules by the name of their executor."""

EXECUTORS: Final = tuple(_MODULES)
"""Names of the executors, the default first."""

Searcher = Callable[[Plan, Panel], SearchResult]
"""Searches a panel with sessions and spans, and returns where the plan's first result holds."""


class Tallier(Protocol):
    """Counts in a panel where each result of a plan holds; see `lowering.begin_tally`."""

    def __call__(self, plan: Plan, panel: Panel, first: int = 0) -> Tallies:
        """Return the counts of the sessions from number `first` on."""


def executor(
    which: str | Ray, threads: int | None = None, done: Distribution | None = None
) -> Executor:
    """Return the `run` of an executor. Raises UsageError for an unknown name or a missing package.

    `threads` is the number of threads of the threads executor or of each Ray worker (None: one per
    processor). The ray executor reports in `done` what it did, and auto which executors it picked.
    """
    function: Executor = _load_function(which, "run", threads, done)
    return function


def searcher(
    which: str | Ray, threads: int | None = None, done: Distribution | None = None
) -> Searcher:
    """Return the `search` of an executor. Raises as `executor` does."""
    function: Searcher = _load_function(which, "search", threads, done)
    return function


def tallier(
    which: str | Ray, threads: int | None = None, done: Distribution | None = None
) -> Tallier:
    """Return the `tally` of an executor. Raises as `executor` does."""
    function: Tallier = _load_function(which, "tally", threads, done)
    return function


def derived_executor(which: str | Ray, threads: int | None = None) -> Executor:
    """Return the executor for derived fields, whose values are needed on this machine."""
    if isinstance(which, Ray) or which == "ray":
        return executor("threads")
    return executor(which, threads)


def name_of(which: str | Ray, done: Distribution | None = None) -> str:
    """Return the name of an executor; for auto, after the work, also those that it picked."""
    name = "ray" if isinstance(which, Ray) else which
    return f"{name}: {', '.join(sorted(done.picked))}" if done and done.picked else name


def processors_of(cluster: Ray) -> list[int]:
    """Return the processors of each node of a Ray cluster, ascending. Raises as `executor`."""
    counts: list[int] = _load_ray_function("processors_of")(cluster)
    return counts


def _load_function(
    which: str | Ray, function: str, threads: int | None, done: Distribution | None
) -> Any:  # noqa: ANN401, of any kind
    name = name_of(which)
    if name not in EXECUTORS:
        raise UsageError(f"unknown executor {name!r}: choose one of {', '.join(EXECUTORS)}")
    if name == "ray":
        cluster = which if isinstance(which, Ray) else Ray()
        cluster = replace(cluster, threads=threads or cluster.threads)
        return partial(_load_ray_function(function), cluster=cluster, done=done)
    implementation = getattr(import_module(_MODULES[name]), function)
    if name == "auto":
        return partial(implementation, threads=threads, done=done)
    return (
        partial(implementation, threads=threads)
        if name == "threads" and threads
        else implementation
    )


def _load_ray_function(function: str) -> Any:  # noqa: ANN401, as above
    try:
        module = import_module(_MODULES["ray"])
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UsageError(
            "the ray executor needs Ray: pip install 'marketsweep[ray]', or choose another"
        ) from error
    return getattr(module, function)
