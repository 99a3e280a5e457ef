"""What a scan of many sessions gives back: the hits of each, with a receipt of what it covers."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from marketsweep.distribution import Distribution
from marketsweep.results import Timing

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from marketsweep.tree import Node


@dataclass(frozen=True, slots=True)
class SessionReceipt:
    """What one session covers: expected = evaluated + all that were left out."""

    session: dt.date
    matches: int
    expected: int
    evaluated: int
    prescreen: int = 0
    stale: int = 0
    short_history: int = 0
    suspect: int = 0

    @property
    def share(self) -> float:
        """The part of what was asked for that has an answer; see `Coverage.share`."""
        asked = self.expected - self.prescreen - self.suspect
        return 1.0 - self.stale / asked if asked else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The hits of every session, by session and rank.

    `days` is datetime64[D] [hits], `close`, `volume` and each of `values` are float64 [hits].
    """

    condition: str
    days: NDArray[np.datetime64]
    symbols: list[str]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]
    sessions: list[SessionReceipt]
    executor: str
    data_version: int
    timing: Timing
    tree: Node
    bars_needed: int
    """Bars that the condition needs of a symbol."""
    warnings: list[str] = field(default_factory=list)
    distribution: Distribution | None = None
    """What a cluster did; of the ray executor."""

    def __len__(self) -> int:
        return len(self.symbols)

    def to_polars(self) -> pl.DataFrame:
        """A polars frame: date, symbol, close, volume and the values."""
        import polars as pl  # 400 ms to import, and few callers need it

        taken = {"date", "symbol", "close", "volume"}
        return pl.DataFrame(
            {
                "date": pl.Series(self.days).cast(pl.Date),
                "symbol": pl.Series(self.symbols, dtype=pl.String),
                "close": self.close,
                "volume": self.volume,
                **{name: column for name, column in self.values.items() if name not in taken},
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame; needs `marketsweep[pandas]`."""
        return self.to_polars().to_pandas()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The hits as an Arrow C stream, for any library that reads one."""
        return self.to_polars().__arrow_c_stream__(requested_schema)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat dict a hit."""
        columns = {"close": self.close, "volume": self.volume, **self.values}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [
            {"date": day, "symbol": symbol, **dict(zip(columns, row, strict=True))}
            for day, symbol, row in zip(self.days.tolist(), self.symbols, rows, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The whole answer as plain data: the JSON of `marketsweep signals --format json`."""
        return {
            "condition": self.condition,
            "sessions": [{**asdict(one), "session": f"{one.session}"} for one in self.sessions],
            "hits": [{**hit, "date": f"{hit['date']}"} for hit in self.to_dicts()],
            **({"ray": self.distribution.to_dict()} if self.distribution else {}),
            "executor": self.executor,
            "data_version": self.data_version,
            "timing": self.timing._asdict(),
        }

    def _repr_html_(self) -> str:
        return f"{self.to_polars()._repr_html_()}<p>{self.receipt}</p>"

    @property
    def receipt(self) -> str:
        """What is covered, in one sentence."""
        evaluated = sum(one.evaluated for one in self.sessions)
        asked = sum(one.expected for one in self.sessions)
        return (
            f"{len(self):,} hits in {len(self.sessions):,} sessions, "
            f"{self.sessions[0].session} to {self.sessions[-1].session}; "
            f"{evaluated:,} of {asked:,} bars expected in them evaluated"
            + (f"; ray: {self.distribution}" if self.distribution else "")
        )

    def __repr__(self) -> str:
        return f"<Signals: {self.receipt}>"
