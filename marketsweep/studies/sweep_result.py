"""The result of a sweep: how many symbols match each variant of a condition."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from marketsweep.engine.executors.options import Distribution
from marketsweep.scan.frames import Frame
from marketsweep.scan.results import KnownFact, facts_as_dict
from marketsweep.studies.signals_result import SessionReceipt, total_bars
from marketsweep.studies.sweep_outcomes import SweepOutcomes

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class Sweep(Frame):
    """The counts of every variant, in the order of the values.

    `values` is float64 [variants, names]. `matches` and `evaluated` are int64 [variants, sessions]:
    the symbols that match a variant, and those whose result is known. In `sessions`, the receipts,
    `matches` counts all variants together, and `evaluated` is that of the variant with the most
    symbols.
    """

    condition: str
    names: list[str]
    values: NDArray[np.float64]
    sessions: list[SessionReceipt]
    matches: NDArray[np.int64]
    evaluated: NDArray[np.int64]
    by_session: bool
    """Whether sessions were requested; if not, there is one, and the table does not name it."""
    executor: str
    data_version: int
    seconds: float
    bars_needed: int
    """Bars of a symbol that the variant with the smallest need needs."""
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, KnownFact] = field(default_factory=dict)
    """How much the store knows of each fact of the condition and the pre-screen."""
    absent_facts: tuple[str, ...] = ()
    """Facts of the condition that no symbol has."""
    distribution: Distribution | None = None
    """What the workers of a cluster did; None without the ray executor."""
    outcomes: SweepOutcomes | None = None
    """What followed the matches; with them, a match is the first bar of a streak."""

    def __len__(self) -> int:
        return len(self.values)

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame: a column for each name, then matches and evaluated.

        There is a row for each variant; if sessions were requested, for each session of each
        variant. With outcomes there is a row for each variant, with their figures.
        """
        import polars as pl  # 400 ms to import, and few callers need it

        if self.outcomes is not None:
            names = {
                name: _as_integers(self.values[:, index]) for index, name in enumerate(self.names)
            }
            figures = pl.DataFrame([structs.asdict(row) for row in self.outcomes.figures])
            return pl.DataFrame(names).hstack(figures)

        count = len(self.sessions)
        columns = {
            name: np.repeat(_as_integers(self.values[:, index]), count)
            for index, name in enumerate(self.names)
        }
        days = [receipt.session for receipt in self.sessions]
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
        """Return one dict per row of the table."""
        return self.to_polars().to_dicts()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: the JSON of `marketsweep sweep --format json`."""
        rows = self.to_dicts()
        for row in rows if self.by_session and self.outcomes is None else ():
            row["session"] = f"{row['session']}"
        return {
            "condition": self.condition,
            "executor": self.executor,
            "sessions": [
                {**asdict(receipt), "session": f"{receipt.session}"} for receipt in self.sessions
            ],
            "variants": rows,
            **({} if self.outcomes is None else self._outcomes_as_dict(self.outcomes)),
            **({"ray": self.distribution.to_dict()} if self.distribution else {}),
            "data_version": self.data_version,
            "seconds": self.seconds,
            "facts": facts_as_dict(self.facts),
            "warnings": self.warnings,
        }

    def variant(self, number: int | None) -> dict[str, float] | None:
        """Return the values of a variant by name."""
        if number is None:
            return None
        return dict(zip(self.names, self.values[number].tolist(), strict=True))

    def _outcomes_as_dict(self, outcomes: SweepOutcomes) -> dict[str, Any]:
        days = [f"{receipt.session}" for receipt in self.sessions]
        return {
            "outcome": outcomes.outcome,
            "best": self.variant(outcomes.best),
            "trials": outcomes.trials,
            "deflated_sharpe": outcomes.deflated,
            "walk_forward": [
                {
                    **structs.asdict(fold),
                    "train": [days[row] for row in fold.train],
                    "test": [days[row] for row in fold.test],
                    "variant": self.variant(fold.variant),
                }
                for fold in outcomes.walk_forward
            ],
        }

    @property
    def receipt(self) -> str:
        """The coverage of the result, in one sentence."""
        first, last = self.sessions[0].session, self.sessions[-1].session
        evaluated, expected = total_bars(self.sessions)
        days = f"{len(self.sessions):,} sessions, {first} to {last}" if first < last else f"{first}"
        variants = f"{len(self):,} {'variant' if len(self) == 1 else 'variants'}"
        ray = f"; ray: {self.distribution}" if self.distribution and self.distribution.tasks else ""
        return (
            f"{variants} as of {days}; {evaluated:,} of {expected:,} bars expected evaluated{ray}"
        )

    def __repr__(self) -> str:
        return f"<Sweep: {self.receipt}>"


def _as_integers(column: NDArray[np.float64]) -> NDArray[np.float64] | NDArray[np.int64]:
    """Return a column of whole numbers as int64, and other columns unchanged."""
    return column.astype(np.int64) if np.array_equal(column, np.trunc(column)) else column
