"""Studies of several conditions side by side: which of them was followed by what."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from marketsweep.core.safe_text import counted
from marketsweep.errors import UsageError
from marketsweep.scan.frames import Frame
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
            **structs.asdict(self.options),
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
    study: Callable[[str], Study],
    progress: Callable[[int, int, int], None] | None = None,
) -> StudyRanking:
    """Return the ranking of conditions by their studies, of which only the figures are kept.

    A condition whose study raises UsageError is left out with a warning. Raises UsageError if none
    is left.
    """
    started = perf_counter()
    rows, left_out, warnings, events = list[RankedStudy](), list[str](), Counter[str](), 0
    widest: Study | None = None
    for done, name in enumerate(names, 1):
        try:
            result = study(name)
        except UsageError as error:
            left_out.append(f"{name} is left out: {error}")
            continue
        symbols = len(set(result.events.symbols))
        rows.append(RankedStudy(name, len(result), symbols, result.horizons))
        warnings.update(result.warnings)
        if widest is None or result.bars_needed < widest.bars_needed:
            widest = result
        events += len(result)
        if progress is not None:
            progress(done, len(names), events)
    if widest is None:
        raise UsageError("; ".join(left_out) or "no condition is saved")
    horizons = widest.options.horizons
    place = (len(horizons) - 1) // 2
    return StudyRanking(
        studies=sorted(rows, key=lambda row: _rank(row.horizons[place])),
        ranked_by=horizons[place],
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


def _rank(figures: Figures) -> tuple[bool, float]:
    mean = figures.excess_market
    return mean is None, -(mean or 0.0)
