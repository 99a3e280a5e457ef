"""Studies of several conditions side by side: which of them was followed by what."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from contextvars import copy_context
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, structs

from marketsweep.core.parallel import WORKERS
from marketsweep.core.safe_text import counted
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.errors import UsageError
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.tree import Node
from marketsweep.scan.frames import Frame
from marketsweep.scan.loader import Loader
from marketsweep.scan.query import Query, plan_query
from marketsweep.studies.sessions import BLOCK
from marketsweep.studies.signals_result import SessionReceipt, total_bars
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.result import Figures, Study

if TYPE_CHECKING:
    import polars as pl


class RankedStudy(Struct, frozen=True):
    """The figures of one condition, by horizon."""

    condition: str
    events: int
    symbols: int
    horizons: list[Figures]


@dataclass(frozen=True, eq=False)
class StudyRanking(Frame):
    """Studies with the same options, by what followed at the horizon `ranked_by`."""

    studies: list[RankedStudy]
    """The greatest mean over the market first; those without one come last."""
    ranked_by: int
    options: Options
    since: dt.date
    until: dt.date
    sessions: list[SessionReceipt]
    """The coverage of the condition that needs the fewest bars."""
    bars_needed: int
    warnings: list[str]
    absent_facts: tuple[str, ...]
    executor: str
    data_version: int
    seconds: float

    def __len__(self) -> int:
        return len(self.studies)

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame with a row for each condition and horizon, in the order of rank."""
        import polars as pl  # 400 ms to import, and few callers need it

        rows = [
            {"condition": study.condition, **structs.asdict(figures)}
            for study in self.studies
            for figures in study.horizons
        ]
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {
            "since": f"{self.since}",
            "until": f"{self.until}",
            **self.options.to_dict(),
            "ranked_by": self.ranked_by,
            "studies": [
                structs.asdict(study)
                | {"horizons": [structs.asdict(figures) for figures in study.horizons]}
                for study in self.studies
            ],
            "warnings": self.warnings,
            "executor": self.executor,
            "data_version": self.data_version,
            "seconds": self.seconds,
        }

    @property
    def receipt(self) -> str:
        """The coverage of the result, in one sentence."""
        evaluated, expected = total_bars(self.sessions)
        return (
            f"{counted(len(self), 'condition')} in {counted(len(self.sessions), 'session')}, "
            f"{self.since} to {self.until}; at most {evaluated:,} of {expected:,} bars expected in "
            "them evaluated"
        )

    def __repr__(self) -> str:
        return f"<StudyRanking: {self.receipt}>"


def rank_conditions(
    names: Sequence[str],
    loader: Loader,
    sessions: Sequence[dt.date],
    study: Callable[[str], Study],
    progress: Callable[[int, int, int], None] | None = None,
) -> StudyRanking:
    """Return the ranking of conditions by their studies, of which only the figures are kept.

    If `sessions`, those of the studies, fit in one block, the bars that all conditions need are
    read once, and two or more conditions are studied at a time. A condition whose study raises
    UsageError is left out with a warning. Raises UsageError if none is left.
    """
    started = perf_counter()
    rows, left_out, warnings, events = list[RankedStudy](), list[str](), Counter[str](), 0
    widest: _Result | None = None
    is_small = len(sessions) <= BLOCK
    plan = _plan_of(names, loader.own_names())
    with loader.expecting(plan) if is_small else nullcontext():
        results = _study_each(names, study, at_once=WORKERS if is_small else 1)
        for done, (name, result) in enumerate(zip(names, results, strict=True), 1):
            if isinstance(result, UsageError):
                left_out.append(f"{name} is left out: {result}")
                continue
            rows.append(result.row)
            warnings.update(result.warnings)
            if widest is None or result.bars_needed < widest.bars_needed:
                widest = result
            events += result.row.events
            if progress is not None:
                progress(done, len(names), events)
    if widest is None:
        raise UsageError("; ".join(left_out) or "no condition is saved")
    place = widest.options.middle
    return StudyRanking(
        studies=sorted(rows, key=lambda row: _rank(row.horizons[place])),
        ranked_by=widest.options.horizons[place],
        options=widest.options,
        since=widest.since,
        until=widest.until,
        sessions=widest.sessions,
        bars_needed=widest.bars_needed,
        # What one condition is warned of would hide what concerns the data.
        warnings=[*left_out, *(text for text, count in warnings.items() if 2 * count > len(rows))],
        absent_facts=(),
        executor=widest.executor,
        data_version=widest.data_version,
        seconds=perf_counter() - started,
    )


class _Result(NamedTuple):
    """What is kept of a study."""

    row: RankedStudy
    warnings: list[str]
    bars_needed: int
    options: Options
    since: dt.date
    until: dt.date
    sessions: list[SessionReceipt]
    executor: str
    data_version: int


def _study_each(
    names: Sequence[str], study: Callable[[str], Study], at_once: int
) -> Iterator[_Result | UsageError]:
    """Yield what is kept of the study of each condition, or the error that ends it.

    The first one reads what the others share. While one of the others waits for the kernels,
    another one is summarised.
    """

    def study_one(name: str) -> _Result | UsageError:
        try:
            result = study(name)
        except UsageError as error:
            return error
        symbols = len(set(result.events.symbols))
        return _Result(
            RankedStudy(name, len(result), symbols, result.horizons),
            result.warnings,
            result.bars_needed,
            result.options,
            result.since,
            result.until,
            result.sessions,
            result.executor,
            result.data_version,
        )

    waiting = iter(names)
    for name in waiting:
        first = study_one(name)
        yield first
        if isinstance(first, _Result):
            break
    else:
        return
    if at_once == 1 or first.executor != "threads":
        yield from map(study_one, waiting)
        return
    with ThreadPoolExecutor(at_once) as pool:
        # Each thread has the time limit of the caller.
        contexts = [(copy_context(), name) for name in waiting]
        yield from pool.map(lambda pair: pair[0].run(study_one, pair[1]), contexts)


def _plan_of(names: Sequence[str], own_names: OwnNames) -> Plan:
    """Return the plan of all conditions that can be parsed."""
    nodes = set[Node]()
    for name in names:
        with suppress(UsageError):
            nodes.update(
                plan_query(Query(name, own_names=own_names, shows_values=False)).layout.nodes
            )
    return make_plan(tuple(nodes))


def _rank(figures: Figures) -> tuple[bool, float]:
    mean = figures.excess_market
    return mean is None, -(mean or 0.0)
