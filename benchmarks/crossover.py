"""Which executor pays when: `python -m benchmarks.crossover` prints the table of the docs.

Sweeps of 1 to 1,000 variants over panels of walks, by each executor that there is here: what only
the newest bar is asked of, and what every bar is asked of. Counts come back, the same from all.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from benchmarks import machine
from benchmarks.measure import Samples, alternate, clocked
from benchmarks.sweeps import CONDITION
from benchmarks.walks import walks
from marketsweep.core.calendar import sessions_in_range
from marketsweep.engine.executors.registry import EXECUTORS, Tallier, tallier
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, make_plan
from marketsweep.errors import MarketsweepError
from marketsweep.kernels.cpu import TILE
from marketsweep.language.templates import Template, variants_of

_SIZES: Final = ((6_000, 252), (6_000, 513), (6_000, 5_040), (10_000, 5_040))
_VALUES: Final[dict[int, dict[str, Any]]] = {
    1: {"n": [14], "t": [30], "m": [50]},
    10: {"n": [14], "t": [30], "m": range(20, 120, 10)},
    100: {"n": [14], "t": range(25, 35), "m": range(20, 120, 10)},
    1_000: {"n": range(5, 15), "t": range(25, 35), "m": range(20, 120, 10)},
}
_MOST_ANSWERS: Final = 1.6e9
"""Variants times bars: more take minutes, and tell nothing new."""
_RUNS: Final = 3
_FIELDS: Final = ("close",)


class Line(NamedTuple):
    """The seconds of one sweep by each executor: the first, and those of warm ones."""

    symbols: int
    bars: int
    every_bar: bool
    variants: int
    first: dict[str, float]
    warm: dict[str, Samples]

    def cells(self, names: Sequence[str]) -> list[str]:
        """A line of the table; the fastest is in bold."""
        best = min(self.warm, key=lambda name: self.warm[name].median)
        asked = "every bar" if self.every_bar else "the newest bar"
        cells = [f"{self.symbols:,} x {self.bars:,}", asked, f"{self.variants:,}"]
        for name in names:
            warm = _time(self.warm[name].median)
            cells.append(f"{f'**{warm}**' if name == best else warm} ({_time(self.first[name])})")
        return cells


def lines(names: Sequence[str]) -> Iterator[Line]:
    """All sizes and sweeps, the small ones first."""
    for symbols, bars in _SIZES:
        panel = with_sessions(walks(symbols, bars))
        for every_bar in (False, True):
            for variants, values in _VALUES.items():
                rows = bars if every_bar else 1
                if variants * symbols * rows > _MOST_ANSWERS or (bars > 513 and not every_bar):
                    continue
                template = Template(CONDITION)
                nodes = [template.tree(one) for one in variants_of(template, values)]
                plan = make_plan(nodes, rows)
                # Of the newest bar alone, sessions are not asked for.
                on = panel if every_bar else replace(panel, spans=None)
                counts, first, tasks = [], {}, []
                for name in names:
                    count: Tallier = tallier(name)
                    started = perf_counter()
                    counts.append(count(plan, on).sum(axis=1))
                    first[name] = perf_counter() - started
                    tasks.append(clocked(partial(count, plan, on)))
                if not all(np.array_equal(counts[0], other) for other in counts):
                    raise AssertionError("executors count differently")
                warm = dict(zip(names, alternate(_RUNS, *tasks), strict=True))
                yield Line(symbols, bars, every_bar, variants, first, warm)


def with_sessions(panel: Panel) -> Panel:
    """The closes of a panel, each bar of it being of a session, and looked at."""
    numbers = np.arange(panel.rows, dtype=float)[:, None] * np.ones((1, TILE))
    sessions = np.broadcast_to(numbers, (panel.tiles, *numbers.shape)).copy()
    sessions[np.isnan(panel.fields["close"])] = np.nan
    last = np.full(len(panel.symbols), panel.rows - 1)
    spans = np.array([np.zeros_like(last), last, panel.bars])
    days = sessions_in_range(dt.date(1990, 1, 2), dt.date(2016, 12, 30))[-panel.rows :]
    fields = {name: panel.fields[name] for name in _FIELDS} | {SESSION: sessions}
    return replace(panel, fields=fields, dates=days, spans=spans)


def available() -> list[str]:
    """The executors that there are here."""
    panel, plan = walks(100, 30), make_plan([Template("close > {x}").tree((1.0,))])
    found = []
    for name in (name for name in EXECUTORS if name != "auto"):
        try:
            tallier(name)(plan, panel)
        except MarketsweepError as error:
            print(f"{name}: {error}", file=sys.stderr)
        else:
            found.append(name)
    return found


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def main() -> None:
    """Print the table."""
    description, _, _ = (__doc__ or "").partition("\n")
    argparse.ArgumentParser(
        prog="python -m benchmarks.crossover", description=description
    ).parse_args()
    stolen, names = machine.Stolen(), available()
    head = ["symbols x bars", "asked of", "variants", *(f"{name}, warm (first)" for name in names)]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for line in lines(names):
        print(f"| {' | '.join(line.cells(names))} |", flush=True)
    print(f"\n{machine.described()}; {stolen}.")


if __name__ == "__main__":
    main()
