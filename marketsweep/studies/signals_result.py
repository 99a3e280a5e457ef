"""The result of a scan of many sessions: the hits of each, with a receipt of the coverage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.options import Distribution
from marketsweep.scan.frames import Frame, frame_values, mark_columns
from marketsweep.scan.results import KnownFact, Timing, facts_as_dict, plain

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.language.tree import Node


@dataclass(frozen=True, slots=True)
class SessionReceipt:
    """The coverage of one session: expected = evaluated + all excluded."""

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
        """The share of the requested symbols that have a result; see `Coverage.share`."""
        requested = self.expected - self.prescreen - self.suspect
        return 1.0 - self.stale / requested if requested else 1.0


def total_bars(sessions: Sequence[SessionReceipt]) -> tuple[int, int]:
    """Return the numbers of bars evaluated and expected in some sessions."""
    return (
        sum(receipt.evaluated for receipt in sessions),
        sum(receipt.expected for receipt in sessions),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Signals(Frame):
    """The hits of every session, by session and rank.

    `days` is datetime64[D] [hits]; `close`, `volume` and each of `values` are float64 [hits];
    columns of texts and dates are those of `Hits`.
    """

    condition: str
    days: NDArray[np.datetime64]
    symbols: list[str]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    values: dict[str, NDArray[Any]]
    suspicious: list[str]
    """For each hit, the rules that suspect bars it depends on: "decimal slip, hole", or "".

    The rules use all bars up to the newest session: a rule may see today what no scan of the hit's
    session could see.
    """
    unsettled: list[tuple[str, ...]]
    """For each hit, the names of the values that may change over a longer history."""
    sessions: list[SessionReceipt]
    executor: str
    data_version: int
    timing: Timing
    tree: Node
    bars_needed: int
    """Bars of a symbol that the condition needs."""
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, KnownFact] = field(default_factory=dict)
    """How much the store knows of each fact of the condition and the pre-screen."""
    absent_facts: tuple[str, ...] = ()
    """Facts of the condition that no symbol has."""
    distribution: Distribution | None = None
    """What the workers of a cluster did; None without the ray executor."""

    def __len__(self) -> int:
        return len(self.symbols)

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame: date, symbol, close, volume, values, suspicious and unsettled."""
        import polars as pl  # 400 ms to import, and few callers need it

        reserved = {"date", "symbol", "close", "volume"}
        columns = {name: column for name, column in self.values.items() if name not in reserved}
        return pl.DataFrame(
            {
                "date": pl.Series(self.days).cast(pl.Date),
                "symbol": pl.Series(self.symbols, dtype=pl.String),
                "close": self.close,
                "volume": self.volume,
                **frame_values(columns),
                **mark_columns(self.suspicious, self.unsettled),
            }
        )

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one flat dict per hit."""
        columns = {
            "date": self.days.tolist(),
            "symbol": self.symbols,
            "close": self.close.tolist(),
            "volume": self.volume.tolist(),
            **{name: column.tolist() for name, column in self.values.items()},
            "suspicious": self.suspicious,
            "unsettled": map("; ".join, self.unsettled),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: the JSON of `marketsweep signals --format json`."""
        return {
            "condition": self.condition,
            "sessions": [
                {**asdict(receipt), "session": f"{receipt.session}"} for receipt in self.sessions
            ],
            "hits": [
                {name: plain(value) for name, value in hit.items()} | {"unsettled": names}
                for hit, names in zip(self.to_dicts(), self.unsettled, strict=True)
            ],
            "facts": facts_as_dict(self.facts),
            "warnings": self.warnings,
            **({"ray": self.distribution.to_dict()} if self.distribution else {}),
            "executor": self.executor,
            "data_version": self.data_version,
            "timing": self.timing._asdict(),
        }

    @property
    def receipt(self) -> str:
        """The coverage of the result, in one sentence."""
        evaluated, expected = total_bars(self.sessions)
        return (
            f"{len(self):,} hits in {len(self.sessions):,} sessions, "
            f"{self.sessions[0].session} to {self.sessions[-1].session}; "
            f"{evaluated:,} of {expected:,} bars expected in them evaluated"
            + (f"; ray: {self.distribution}" if self.distribution else "")
        )

    def __repr__(self) -> str:
        return f"<Signals: {self.receipt}>"
