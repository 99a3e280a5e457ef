"""Taking times so that they can be compared, and the rows that say what came of it.

A noisy machine drifts: what is to be compared runs in turns (A B A B), each ratio is of two
neighbours, and medians are given with the least and the most.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Any, Final, Self, TypeVar

_T = TypeVar("_T")

Task = Callable[[], float]
"""Runs once, and gives the seconds that count."""

COUNT: Final = "count"
"""The unit of what is only counted."""

_LONG_ENOUGH_S: Final = 0.01
"""Shorter than that, a clock and an interrupt weigh too much: the work is repeated."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The same quantity, taken several times."""

    values: tuple[float, ...]
    unit: str = "s"

    @classmethod
    def of(cls, values: Iterable[float], unit: str = "s") -> Self:
        """Samples of any numbers."""
        return cls(tuple(values), unit)

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)

    def per(self, other: Samples) -> Samples:
        """The ratio of each to the one taken beside it."""
        pairs = zip(self.values, other.values, strict=True)
        return Samples.of((mine / its for mine, its in pairs), "")

    def scaled(self, factor: float, plus: float = 0.0) -> Samples:
        """Each times a factor, plus a constant."""
        return Samples(tuple(value * factor + plus for value in self.values), self.unit)

    def __str__(self) -> str:
        write, unit = _scale(self.median, self.unit)
        median = f"{write(self.median)} {unit}".rstrip()
        if len(set(self.values)) == 1:
            return median
        return f"{median} ({write(min(self.values))} - {write(max(self.values))})"


def _scale(typical: float, unit: str) -> tuple[Callable[[float], str], str]:
    """How a number like that is written, and the unit that goes with it."""
    if not unit:
        return (_fraction if typical < 0.1 else "{:.2f}".format), ""
    if unit != "s":
        return "{:,.0f}".format, unit if unit != COUNT else ""
    if typical >= 1:
        return "{:.2f}".format, "s"
    factor, shorter = (1e3, "ms") if typical >= 1e-3 else (1e6, "us")
    return (lambda value: f"{value * factor:.1f}"), shorter


def _fraction(value: float) -> str:
    return f"1/{1 / value:.0f}" if value < 1 else f"{value:.1f} times"


@contextmanager
def anonymous_memory() -> Iterator[Callable[[], float]]:
    """The most memory within the block, in MB above that at its begin, without mapped files."""

    def read() -> float:
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1e3

    start, samples, ended = read(), [0.0], Event()

    def sample() -> None:
        while not ended.wait(0.05):
            samples.append(read() - start)

    thread = Thread(target=sample)
    thread.start()
    try:
        yield lambda: max(samples)
    finally:
        ended.set()
        thread.join()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: a figure, and where there is one, what it is held against.

    `ratio` is the figure in parts of the peer or limit, and holds where it is at most `most`.
    """

    what: str
    figure: Samples
    against: str = ""
    ratio: Samples | None = None
    most: float | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the median keeps what was promised; None where nothing was."""
        if self.ratio is None or self.most is None:
            return None
        return self.ratio.median <= self.most

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        verdict = {None: "", True: "yes", False: "**no**"}[self.holds]
        ratio = str(self.ratio) if self.ratio else ""
        return self.what, str(self.figure), self.against, ratio, verdict

    def to_dict(self) -> dict[str, Any]:
        """The line as plain data."""
        return {
            "what": self.what,
            "unit": self.figure.unit,
            "values": self.figure.values,
            "against": self.against,
            "ratios": self.ratio and self.ratio.values,
            "most": self.most,
            "holds": self.holds,
        }


def within(what: str, figure: Samples, limit: float) -> Row:
    """A row for a figure that has a limit in its own unit."""
    limits = Samples((limit,) * len(figure.values), figure.unit)
    return Row(what, figure, f"limit {limits}", figure.per(limits), 1.0)


def against(what: str, figure: Samples, peer: str, its: Samples, most: float | None = None) -> Row:
    """A row for a figure taken beside that of a peer, of which it may be the part `most`."""
    limit = f"; limit {_fraction(most)}" if most else ""
    return Row(what, figure, f"{peer}: {its}{limit}", figure.per(its), most)


def clocked(work: Callable[[], object]) -> Task:
    """The work as a task."""

    def task() -> float:
        started = perf_counter()
        work()
        return perf_counter() - started

    return task


def alternate(runs: int, *tasks: Task) -> list[Samples]:
    """Samples of each task, which take turns; a first round, not counted, warms them up."""
    for task in tasks:
        task()
    rounds = [[task() for task in tasks] for _ in range(runs)]
    return [Samples.of(values) for values in zip(*rounds, strict=True)]


def repeated(runs: int, work: Callable[[], object]) -> Samples:
    """Samples of work that may be short: each is of as many repeats as a clock needs."""
    task = clocked(work)
    task()
    repeats = max(1, round(_LONG_ENOUGH_S / task()))

    def many() -> None:
        for _ in range(repeats):
            work()

    return alternate(runs, clocked(many))[0].scaled(1 / repeats)


def prepared(runs: int, prepare: Callable[[int], _T], work: Callable[[_T], object]) -> Samples:
    """Samples of work that can be done once on what was prepared for it."""
    numbers = count()

    def task() -> float:
        ready = prepare(next(numbers))
        return clocked(lambda: work(ready))()

    return alternate(runs, task)[0]


def markdown(rows: Sequence[Row]) -> str:
    """The table, its columns aligned."""
    head = ("what", "figure: median (least - most)", "peer or limit", "ratio", "holds")
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )
