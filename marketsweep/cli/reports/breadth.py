"""Draw how broad the market was for a condition: the share of symbols that matched, by session."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.output.charts.dots import dots_of
from marketsweep.studies.signals_result import Signals

_WIDTH: Final = 160
"""Points of the line, two in a character."""
_HEIGHT: Final = 8


def breadth_report(result: Signals) -> str:
    """Return the percentage of the evaluated symbols that matched in each session, in dots.

    A session in which no symbol can be evaluated has a gap. More sessions than fit are averaged.
    """
    matches = np.array([row.matches for row in result.sessions], dtype=np.float64)
    evaluated = np.array([row.evaluated for row in result.sessions], dtype=np.float64)
    share = np.full(len(matches), np.nan)
    np.divide(100 * matches, evaluated, where=evaluated > 0, out=share)
    known = share[~np.isnan(share)]
    if not len(known):
        return "no symbol can be evaluated in these sessions\n"
    line = _averaged(share)
    most = int(np.nanargmax(share))
    first, last = result.sessions[0].session, result.sessions[-1].session
    axis = f"{first}{'':{max(1, (len(line) + 1) // 2 - 20)}}{last}"
    lines = [
        f"{result.condition}: matches in percent of the evaluated symbols",
        *dots_of([line], _HEIGHT),
        axis,
        f"mean {known.mean():.2f} %, most {share[most]:.2f} % on {result.sessions[most].session} "
        f"({result.sessions[most].matches:,} symbols), now {share[-1]:.2f} %",
    ]
    return "".join(f"{line}\n" for line in lines)


def _averaged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return at most `_WIDTH` means of neighbouring values; NaN where none is known."""
    if len(values) <= _WIDTH:
        return values
    edges = np.linspace(0, len(values), _WIDTH + 1).astype(int)
    parts = [values[begin:end] for begin, end in pairwise(edges.tolist())]
    return np.array([np.nan if np.isnan(part).all() else float(np.nanmean(part)) for part in parts])
