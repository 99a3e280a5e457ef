"""How many threads the machine gives."""

from __future__ import annotations

import os
from typing import Final

WORKERS: Final = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
)
"""Processors that this process may run on."""
