"""Count the processors of the machine."""

from __future__ import annotations

import os
from typing import Final

WORKERS: Final = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
)
"""The number of processors that this process may run on."""
