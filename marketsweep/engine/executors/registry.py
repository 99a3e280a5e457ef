"""Ways to run a plan over a panel: one module each, one contract, one answer to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.options import Distribution, Ray
from marketsweep.engine.lowering import Found, Tallies
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.errors import UsageError

Executor = Callable[[Plan, Panel], list[NDArray[np.float64]]]
"""Takes a plan and a panel, gives float64 [rows, symbols] for each of the plan's results."""

_FOLDER: Final = "marketsweep.engine.executors"
_MODULES: Final = {
    "threads": f"{_FOLDER}.threads",
    "serial": f"{_FOLDER}.serial",
    "ray": f"{_FOLDER}.ray.executor",
    "gpu": f"{_FOLDER}.gpu.executor",
    "auto": f"{_FOLDER}.auto",
}
"""Modules by the name of their executor; each has `run`, `search` and `tally`."""

EXECUTORS: Final = tuple(_MODULES)
"""Names of the executors, the default first."""

Searcher = Callable[[Plan, Panel], Found]
"""Takes a plan and a panel with sessions and spans, gives where the first result holds."""


class Tallier(Protocol):
    """Takes a plan and a panel, counts where each result holds; see `lowering.begin_tally`."""

    def __call__(self, plan: Plan, panel: Panel, first: int = 0) -> Tallies:
        """The counts of sessions from number `first` on."""


def executor(
    which: str | Ray, threads: int | None = None, done: Distribution | None = None
) -> Executor:
    """The executor of that name. Raises `UsageError` where there is none.

    `threads` (None: one a processor) is how many the one of that name has, or each worker of ray,
    which tells in `done` what it did, as auto tells whom it picked.
    """
    found: Executor = _of(which, "run", threads, done)
    return found


def searcher(
    which: str | Ray, threads: int | None = None, done: Distribution | None = None
) -> Searcher:
    """How the executor of that name searches. Raises as `executor` does."""
    found: Searcher = _of(which, "search", threads, done)
    return found


def tallier(
    which: str | Ray, threads: int | None = None, done: Distribution | None = None
) -> Tallier:
    """How the executor of that name counts. Raises as `executor` does."""
    found: Tallier = _of(which, "tally", threads, done)
    return found


def executor_of_passes(which: str | Ray, threads: int | None = None) -> Executor:
    """The executor of the passes before the last: what they give is needed here."""
    if isinstance(which, Ray) or which == "ray":
        return executor("threads")
    return executor(which, threads)


def name_of(which: str | Ray, done: Distribution | None = None) -> str:
    """The name of an executor; of auto, once it is `done`, with whom it picked."""
    name = "ray" if isinstance(which, Ray) else which
    return f"{name}: {', '.join(sorted(done.picked))}" if done and done.picked else name


def processors_of(cluster: Ray) -> list[int]:
    """Whole processors of each node of a Ray cluster, ascending. Raises as `executor` does."""
    found: list[int] = _ray("processors_of")(cluster)
    return found


def _of(which: str | Ray, function: str, threads: int | None, done: Distribution | None) -> Any:  # noqa: ANN401, of any kind
    name = name_of(which)
    if name not in EXECUTORS:
        raise UsageError(f"unknown executor {name!r}: choose one of {', '.join(EXECUTORS)}")
    if name == "ray":
        cluster = which if isinstance(which, Ray) else Ray()
        cluster = replace(cluster, threads=threads or cluster.threads)
        return partial(_ray(function), cluster=cluster, done=done)
    found = getattr(import_module(_MODULES[name]), function)
    if name == "auto":
        return partial(found, threads=threads, done=done)
    return partial(found, threads=threads) if name == "threads" and threads else found


def _ray(function: str) -> Any:  # noqa: ANN401, as above
    try:
        module = import_module(_MODULES["ray"])
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UsageError(
            "the ray executor needs Ray: pip install 'marketsweep[ray]', or choose another"
        ) from error
    return getattr(module, function)
