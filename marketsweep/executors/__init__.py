"""Ways to run a plan over a panel: one module each, one contract, one answer to the bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.errors import UsageError
from marketsweep.panel import Panel
from marketsweep.plan import Plan

Executor = Callable[[Plan, Panel], list[NDArray[np.float64]]]
"""Takes a plan and a panel, gives float64 [rows, symbols] for each of the plan's results."""

EXECUTORS: Final = ("threads", "serial")
"""Names of the executors, the default first; each is a module of this folder with `run`."""


def executor(name: str, threads: int | None = None) -> Executor:
    """The executor of that name. Raises `UsageError` where there is none.

    `threads` (None: one a processor) is how many the one of that name has.
    """
    if name not in EXECUTORS:
        raise UsageError(f"unknown executor {name!r}: choose one of {', '.join(EXECUTORS)}")
    run: Any = import_module(f"{__name__}.{name}").run
    found: Executor = partial(run, threads=threads) if name == "threads" and threads else run
    return found
