"""What a scan gives back: matches as columns, with the receipt of what they cover."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import behind_today
from marketsweep.core.funnel import Clause
from marketsweep.engine.clauses import ClauseCount, NearMiss
from marketsweep.engine.executors.options import Distribution
from marketsweep.scan.frames import Frame, mark_columns

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.language.tree import Node


class Excluded(NamedTuple):
    """How many symbols were left out, by reason."""

    prescreen: int = 0
    stale: int = 0
    short_history: int = 0
    suspect: int = 0
    """Suspicious bars among those looked at; left out only where that is asked for."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a scan covered: expected = evaluated + everyone excluded."""

    expected: int
    evaluated: int
    excluded: Excluded
    bars_needed: int = 0
    """Bars that the condition needs of a symbol."""
    unknown: int = 0
    """Symbols that lack a fact of the pre-screen and that no other part excludes."""
    unknown_kept: bool = False
    """Whether they passed, as was asked for; else they were left out."""
    funnel: list[Clause] = field(default_factory=list)
    """What each part of the pre-screen left out, in the order in which they were asked."""
    stale_symbols: list[str] = field(default_factory=list)
    suspect_symbols: list[str] = field(default_factory=list)
    sessions: int = 0
    """Sessions that the bars needed of a symbol span, up to the as-of session."""
    sessions_missing: int = 0
    """How many of those are not stored, so that indicators run over a gap."""
    sessions_unadjusted: int = 0
    """How many of those may lack splits, since the source did not give them."""
    settled_bars: int = 0
    """Bars at which the recursions of the condition and the shown values settle; 0 without any."""
    unsettled: int = 0
    """How many of the evaluated have fewer."""
    unsettled_answers: int = 0
    absent_facts: tuple[str, ...] = ()
    """Facts of the condition that are known of no symbol looked at."""
    """Evaluated symbols whose answer may change over a longer history."""

    @property
    def share(self) -> float:
        """The part of what was asked for that has an answer that longer histories do not change."""
        asked = self._asked
        return self.answered - self.unsettled_answers / asked if asked else 1.0

    @property
    def answered(self) -> float:
        """The part of what was asked for that has an answer.

        Symbols that the pre-screen left out, or that were to be left out as suspicious, were not
        asked for; those with a short history were looked at, and have none yet to give.
        """
        return 1.0 - self.excluded.stale / self._asked if self._asked else 1.0

    @property
    def _asked(self) -> int:
        return self.expected - self.excluded.prescreen - self.excluded.suspect


class Reuse(NamedTuple):
    """What an incremental scan did: evaluated + reused are all symbols that it looked at."""

    fetched: int
    """Symbols whose data has changed since their result was kept, or that have none."""
    evaluated: int
    reused: int = 0
    audited: int = 0
    """Symbols whose kept results were evaluated again and compared."""

    def __str__(self) -> str:
        return (
            f"{self.fetched:,} with new data, {self.evaluated:,} evaluated, {self.reused:,} "
            f"reused, {self.audited:,} audited"
        )


class Timing(NamedTuple):
    """Seconds: load (catalog, universe, panel), evaluate (the kernels), total (ranking too)."""

    load: float
    evaluate: float
    total: float


class Match(NamedTuple):
    """One symbol that matched; `values` are the condition's parts and the columns asked for."""

    symbol: str
    close: float
    volume: float
    values: dict[str, float]
    suspicious: str = ""
    """What is suspicious of the bars that the match rests on, by the names of the rules."""
    unsettled: tuple[str, ...] = ()
    """The names of the values that may be others over a longer history."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits(Frame):
    """The matches of a scan, in rank order, and its coverage receipt.

    `close`, `volume` and each of `values` are float64 [matches].
    """

    condition: str
    as_of: dt.date
    executor: str
    symbols: list[str]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    values: dict[str, NDArray[np.float64]]
    coverage: Coverage
    data_version: int
    timing: Timing
    tree: Node
    """The condition, its names resolved."""
    shown: dict[str, Node]
    """What each of the values is."""
    matched: int
    """How many matched; `limit` and `top` may show fewer."""
    suspicious: list[str] = field(default_factory=list)
    """For each match, the rules that suspect bars it rests on: "decimal slip, hole", or ""."""
    unsettled: list[tuple[str, ...]] = field(default_factory=list)
    """For each match, the names of the values that may change over a longer history."""
    warnings: list[str] = field(default_factory=list)
    funnel: list[ClauseCount] = field(default_factory=list)
    """Whom each clause lets through, in order; where that was asked for."""
    near: list[NearMiss] = field(default_factory=list)
    """Symbols that fail exactly one clause by the smallest margin, if asked for."""
    sessions_behind: int = 0
    """Sessions that have closed since the newest stored one; 0 where an as-of day was given."""
    reuse: Reuse | None = None
    """What was evaluated and what was not; of an incremental scan."""
    distribution: Distribution | None = None
    """What a cluster did, and what was lost on the way; of the ray executor."""

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def counted(self) -> str:
        """How many there are, in words."""
        shown = f"{len(self):,} of " if len(self) < self.matched else ""
        return f"{shown}{self.matched:,} match{'es' if self.matched != 1 else ''}"

    @property
    def matches(self) -> list[Match]:
        """The matches one by one."""
        closes, volumes = self.close.tolist(), self.volume.tolist()
        values = {name: column.tolist() for name, column in self.values.items()}
        return [
            Match(
                symbol,
                closes[i],
                volumes[i],
                {name: v[i] for name, v in values.items()},
                self.suspicious[i],
                self.unsettled[i],
            )
            for i, symbol in enumerate(self.symbols)
        ]

    def to_dicts(self) -> list[dict[str, Any]]:
        """One flat dict a match."""
        return [
            {
                "symbol": m.symbol,
                "close": m.close,
                "volume": m.volume,
                **m.values,
                "suspicious": m.suspicious,
                "unsettled": "; ".join(m.unsettled),
            }
            for m in self.matches
        ]

    def to_dict(self) -> dict[str, Any]:
        """The whole answer as plain data: the JSON of `marketsweep scan --format json`."""
        coverage = self.coverage
        excluded = coverage.excluded._asdict()
        if not coverage.excluded.suspect:
            del excluded["suspect"]  # said only where it was asked for, and some were found
        receipt: dict[str, Any] = {
            "expected": coverage.expected,
            "evaluated": coverage.evaluated,
            "excluded": excluded,
            "share": coverage.share,
        }
        if coverage.settled_bars:
            receipt["unsettled"] = {
                "bars": coverage.settled_bars,
                "symbols": coverage.unsettled,
                "answers": coverage.unsettled_answers,
            }
        if coverage.funnel:
            receipt["prescreen"] = {
                "unknown": coverage.unknown,
                "unknown_kept": coverage.unknown_kept,
                "clauses": [asdict(clause) for clause in coverage.funnel],
            }
        return {
            "condition": self.condition,
            "as_of": self.as_of.isoformat(),
            "executor": self.executor,
            "matches": [match._asdict() for match in self.matches],
            "coverage": receipt,
            "matched": self.matched,
            "sessions_behind": self.sessions_behind,
            "warnings": list(self.warnings),
            **({"funnel": [one._asdict() for one in self.funnel]} if self.funnel else {}),
            **({"near": [one._asdict() for one in self.near]} if self.near else {}),
            **({"reuse": self.reuse._asdict()} if self.reuse else {}),
            **({"ray": self.distribution.to_dict()} if self.distribution else {}),
            "data_version": self.data_version,
            "timing": self.timing._asdict(),
        }

    def to_polars(self) -> pl.DataFrame:
        """A polars frame: symbol, close, volume, the values, what is suspicious and not settled."""
        import polars as pl  # 400 ms to import, and few callers need it

        taken = {"symbol", "close", "volume"}
        columns = {name: column for name, column in self.values.items() if name not in taken}
        return pl.DataFrame(
            {
                "symbol": pl.Series(self.symbols, dtype=pl.String),
                "close": self.close,
                "volume": self.volume,
                **columns,
                **mark_columns(self.suspicious, self.unsettled),
            }
        )

    @property
    def receipt(self) -> str:
        """The coverage receipt in one sentence."""
        coverage, left = self.coverage, self.coverage.excluded
        return (
            f"{self.counted} as of {self.as_of}; {coverage.evaluated:,} of "
            f"{coverage.expected:,} symbols evaluated; {left.prescreen:,} filtered out, "
            f"{left.stale:,} stale, {left.short_history:,} with fewer than "
            f"{coverage.bars_needed} bars"
            + (f", {left.suspect:,} suspicious" if left.suspect else "")
            + (f"; {coverage.unsettled:,} not settled" if coverage.unsettled else "")
            + (f"; {behind_today(self.sessions_behind)}" if self.sessions_behind else "")
            + (f"; incremental: {self.reuse}" if self.reuse else "")
            + (f"; ray: {self.distribution}" if self.distribution else "")
        )

    def __repr__(self) -> str:
        return f"<Hits: {self.receipt}>"
