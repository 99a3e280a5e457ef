"""Ways to run a plan over a panel: one module each, one contract, one answer to the bit."""

from __future__ import annotations

from collections.abc import Callable
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

It has `run`, `search` and `tally`.
"""

Searcher = Callable[[Plan, Panel], Found]
"""Takes a plan and a panel with sessions and spans, gives where the first result holds."""


class Tallier(Protocol):
    """Takes a plan and a panel, counts where each result holds; see `evaluate.begin_tally`."""

    def __call__(self, plan: Plan, panel: Panel, first: int = 0) -> Tallies:
        """The counts of sessions from number `first` on."""


def executor(name: str, threads: int | None = None) -> Executor:
    """The executor of that name. Raises `UsageError` where there is none.

    `threads` (None: one a processor) is how many the one of that name has.
    """
    found: Executor = _of(name, "run", threads)
    return found


def searcher(name: str, threads: int | None = None) -> Searcher:
    """How the executor of that name searches. Raises as `executor` does."""
    found: Searcher = _of(name, "search", threads)
    return found


def tallier(name: str, threads: int | None = None) -> Tallier:
    """How the executor of that name counts. Raises as `executor` does."""
    found: Tallier = _of(name, "tally", threads)
    return found


def _of(name: str, function: str, threads: int | None) -> Any:  # noqa: ANN401, of either kind
    if name not in EXECUTORS:
        raise UsageError(f"unknown executor {name!r}: choose one of {', '.join(EXECUTORS)}")
    found = getattr(import_module(f"{__name__}.{name}"), function)
    return partial(found, threads=threads) if name == "threads" and threads else found
