"""What the figures were taken on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

import numpy as np

from marketsweep.core.parallel import WORKERS
from marketsweep.kernels.cpu import ISAS

_CPUINFO: Final = Path("/proc/cpuinfo")
_STAT: Final = Path("/proc/stat")
_STEAL: Final = 7
"""Place of the time that a hypervisor gave to others among the figures of `_STAT`."""


def described() -> str:
    """The machine and what runs on it, in one line."""
    return (
        f"{WORKERS} x {_processor()}, {ISAS[-1]}, {platform.system()}, "
        f"Python {platform.python_version()}, NumPy {np.__version__}"
    )


def _processor() -> str:
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


class Stolen:
    """The share of the processors' time that others had, since this was made."""

    def __init__(self) -> None:
        self._before = _ticks()

    def __str__(self) -> str:
        stolen, all_of_it = (
            now - before for now, before in zip(_ticks(), self._before, strict=True)
        )
        if not all_of_it:
            return "it does not tell how much of its time went to others"
        return f"{stolen / all_of_it:.0%} of its time went to other virtual machines meanwhile"


def _ticks() -> tuple[int, int]:
    """Stolen and all time so far; zeros where the system does not tell."""
    if not _STAT.exists():
        return 0, 0
    ticks = list(map(int, _STAT.read_text().splitlines()[0].split()[1:]))
    return ticks[_STEAL], sum(ticks)
