"""The CPU's kernels as CUDA source: the headers as one text, and fused kernels from a plan's steps.

The text includes no other files, since CuPy's cache and NVRTC know of none. A launched kernel takes
the address of a `Work` (card.hpp) and the number of its first job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

OPTIONS: Final = ("--fmad=false",)
"""Options of NVRTC: without them, the card would round some results differently from the CPU."""

OF_RESULTS: Final = ("results", "search", "tally")
"""The kernels of card_results.hpp."""

OPERAND: Final = np.dtype([(name, np.int64) for name in ("source", "index", "shift", "rows")])
JOB: Final = np.dtype(
    [
        *((name, np.int64) for name in ("operands", "rows", "lookback", "gapless")),
        ("out", np.int64, 4),
        ("parameters", np.float64, 8),
    ]
)
WORK: Final = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("operands", "jobs", "fields", "field_rows", "depths", "constants", "facts"),
            *("scratch", "out", "tiles", "rows", "scratch_rows", "results", "result_rows"),
            *("session", "spans", "needed", "counts", "hits", "places", "sessions", "values"),
            *("session_rows", "first_session", "counted", "columns", "room", "first_place"),
        )
    ]
)
"""The struct `Work` of card.hpp; an address is a number."""

# On a card nothing is included, and a lane is one double.
_PRELUDE = """\
#define MARKETSWEEP_CARD
#define MARKETSWEEP_SCALAR
#define MARKETSWEEP_ISA card
#ifdef __CUDACC__
typedef int int32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <cstdint>
#endif
"""
_FOLDER = Path(__file__).parent.parent
_OPERATORS: Final = "indicators/operators"


@cache
def source() -> str:
    """Return the source of every kernel except the elementwise ones, and of the result kernels."""
    families = (
        *("averages", "extremes", "median", "momentum", "events", "trend", "volatility", "windows"),
        *("volume", "cycles"),
    )
    headers = [f"indicators/{family}" for family in families]
    return _PRELUDE + _inlined([*headers, "gpu/card_results"])


@cache
def drivers() -> dict[str, str]:
    """Return how each kernel of `source` is driven, by name: recursive, windowed or by_row."""
    lines = re.findall(r"^(RECURSIVE|WINDOWED|BY_ROW)\((\w+),", source(), re.MULTILINE)
    return {name: driver.lower() for driver, name in lines}


@cache
def elementwise() -> frozenset[str]:
    """Return the names of the kernels that `fused_source` combines."""
    rows = re.findall(r"^ELEMENTWISE\(\w+, (\w+),", _inlined([_OPERATORS]), re.MULTILINE)
    return frozenset(rows)


def fused_source(expressions: Iterable[tuple[str, str]]) -> str:
    """Return the source of fused kernels: names, and expressions like `and_of(less_of(x(0), x(1)),
    x(2))`.

    `x(i)` is operand i of the job, `<kernel>_of` an elementwise kernel.
    """
    launched = [_FUSED.format(name=name, expression=text) for name, text in expressions]
    opened = "namespace marketsweep::card {\n"
    return "\n".join([_PRELUDE + _inlined([_OPERATORS]) + opened, *launched, "}\n"])


_FUSED = """\
extern "C" __global__ void {name}(const Work* given, int64_t first) {{
  const Work& work = *given;
  const Job& job = work.jobs[first + blockIdx.z];
  if (row_of_thread() >= job.rows) return;
  const auto x = [&](int64_t i) {{ return operand(work, job, i); }};
  give(work, job, {expression});
}}
"""


def _inlined(names: Iterable[str]) -> str:
    """Return headers as one text, each once, with included headers in place."""
    done: set[str] = set()

    def text(name: str) -> str:
        if name in done:
            return ""
        done.add(name)
        lines = []
        for line in (_FOLDER / f"{name}.hpp").read_text().splitlines():
            if included := re.match(r'#include "([\w/]+)\.hpp"', line):
                lines.append(text(included[1]))
            elif not line.startswith(("#include <", "#pragma once")):
                lines.append(line)
        return "\n".join(lines)

    return "\n".join(map(text, names)) + "\n"
