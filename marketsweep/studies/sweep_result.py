"""What a sweep gives back: for how many symbols each variant of a condition held."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.options import Distribution
from marketsweep.scan.frames import Frame
from marketsweep.studies.signals_result import SessionReceipt

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class Sweep(Frame):
    """The counts of every variant, in the order of their values.

    `values` is float64 [variants, names]; `matches` and `evaluated` are int64 [variants, sessions]:
    for how many symbols a variant held, and for how many it is known. `sessions` says what each
    session covers: there `matches` are those of all variants together, and `evaluated` is by the
    variant that the most symbols have bars for.
    """

    condition: str
    names: list[str]
    values: NDArray[np.float64]
    sessions: list[SessionReceipt]
    matches: NDArray[np.int64]
    evaluated: NDArray[np.int64]
    by_session: bool
    """Whether sessions were asked for; else there is one, and the table does not name it."""
    executor: str
    data_version: int
    seconds: float
    bars_needed: int
    """Bars that the variant which needs the fewest needs of a symbol."""
    warnings: list[str] = field(default_factory=list)
    absent_facts: tuple[str, ...] = ()
    """Facts that it asks for and that are known of no symbol."""
    distribution: Distribution | None = None
    """What a cluster did; of the ray executor."""

    def __len__(self) -> int:
        return len(self.values)

    def to_polars(self) -> pl.DataFrame:
        """A polars frame: a column for each name, then matches and evaluated.

        A row for each variant; for each session of each variant where sessions were asked for.
        """
        import polars as pl  # 400 ms to import, and few callers need it

        count = len(self.sessions)
        columns = {
            name: np.repeat(_whole(self.values[:, place]), count)
            for place, name in enumerate(self.names)
        }
        days = [one.session for one in self.sessions]
        sessions = {"session": pl.Series(days * len(self), dtype=pl.Date)}
        return pl.DataFrame(
            {
                **columns,
                **(sessions if self.by_session else {}),
                "matches": self.matches.ravel(),
                "evaluated": self.evaluated.ravel(),
            }
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict a row of the table."""
        return self.to_polars().to_dicts()

    def to_dict(self) -> dict[str, Any]:
        """The whole answer as plain data: the JSON of `marketsweep sweep --format json`."""
        rows = self.to_dicts()
        for row in rows if self.by_session else ():
            row["session"] = f"{row['session']}"
        return {
            "condition": self.condition,
            "executor": self.executor,
            "sessions": [{**asdict(one), "session": f"{one.session}"} for one in self.sessions],
            "variants": rows,
            **({"ray": self.distribution.to_dict()} if self.distribution else {}),
            "data_version": self.data_version,
            "seconds": self.seconds,
            "warnings": self.warnings,
        }

    @property
    def receipt(self) -> str:
        """What is covered, in one sentence."""
        first, last = self.sessions[0].session, self.sessions[-1].session
        evaluated = sum(one.evaluated for one in self.sessions)
        asked = sum(one.expected for one in self.sessions)
        days = f"{len(self.sessions):,} sessions, {first} to {last}" if first < last else f"{first}"
        variants = f"{len(self):,} {'variant' if len(self) == 1 else 'variants'}"
        ray = f"; ray: {self.distribution}" if self.distribution and self.distribution.tasks else ""
        return f"{variants} as of {days}; {evaluated:,} of {asked:,} bars expected evaluated{ray}"

    def __repr__(self) -> str:
        return f"<Sweep: {self.receipt}>"


def _whole(column: NDArray[np.float64]) -> NDArray[np.float64] | NDArray[np.int64]:
    """Whole numbers as such."""
    return column.astype(np.int64) if np.array_equal(column, np.trunc(column)) else column
