"""Ways to run a plan over a panel: one module each, one contract, one answer to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsweep.errors import UsageError
from marketsweep.evaluate import Found, Tallies
from marketsweep.panel import Panel
from marketsweep.plan import Plan

Executor = Callable[[Plan, Panel], list[NDArray[np.float64]]]
"""Takes a plan and a panel, gives float64 [rows, symbols] for each of the plan's results."""

EXECUTORS: Final = ("threads", "serial", "gpu")
"""Names of the executors, the default first; each is a module of this folder.

It has `run`, `search` and `tally`. Beside them there is "auto", which picks one for each job.
"""


@dataclass(frozen=True, slots=True)
class Auto:
    """What "auto" is for one scan: it remembers whom it picked."""

    picked: set[str] = field(default_factory=set)


def settled(which: str | Auto) -> str | Auto:
    """The executor of one scan, whose name tells in the end who evaluated it."""
    return Auto() if which == "auto" else which


def name_of(which: str | Auto) -> str:
    """The name of an executor as a receipt tells it."""
    if isinstance(which, Auto):
        return f"auto: {', '.join(sorted(which.picked)) or 'nothing to do'}"
    return which


Searcher = Callable[[Plan, Panel], Found]
"""Takes a plan and a panel with sessions and spans, gives where the first result holds."""


class Tallier(Protocol):
    """Takes a plan and a panel, counts where each result holds; see `evaluate.begin_tally`."""

    def __call__(self, plan: Plan, panel: Panel, first: int = 0) -> Tallies:
        """The counts of sessions from number `first` on."""


def executor(name: str | Auto, threads: int | None = None) -> Executor:
    """The executor of that name. Raises `UsageError` where there is none.

    `threads` (None: one a processor) is how many the one of that name has.
    """
    found: Executor = _of(name, "run", threads)
    return found


def searcher(name: str | Auto, threads: int | None = None) -> Searcher:
    """How the executor of that name searches. Raises as `executor` does."""
    found: Searcher = _of(name, "search", threads)
    return found


def tallier(name: str | Auto, threads: int | None = None) -> Tallier:
    """How the executor of that name counts. Raises as `executor` does."""
    found: Tallier = _of(name, "tally", threads)
    return found


def _of(which: str | Auto, function: str, threads: int | None) -> Any:  # noqa: ANN401, of any kind
    which = settled(which)
    if isinstance(which, Auto):
        return import_module(f"{__name__}.auto").Job(function, threads, which.picked)
    if which not in EXECUTORS:
        known = ", ".join((*EXECUTORS, "auto"))
        raise UsageError(f"unknown executor {which!r}: choose one of {known}")
    found = getattr(import_module(f"{__name__}.{which}"), function)
    return partial(found, threads=threads) if which == "threads" and threads else found
