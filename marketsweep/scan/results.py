"""The result of a scan: matches as columns, with the receipt of the coverage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.calendar import behind_today
from marketsweep.core.funnel import Clause
from marketsweep.engine.clauses import ClauseCount, NearMiss
from marketsweep.engine.executors.options import Distribution
from marketsweep.scan.frames import Frame, frame_values, mark_columns

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.language.tree import Node


class Excluded(NamedTuple):
    """How many symbols were excluded, by reason."""

    prescreen: int = 0
    stale: int = 0
    short_history: int = 0
    suspect: int = 0
    """Symbols with suspicious bars; excluded only if requested."""
    unknown_facts: int = 0
    """Symbols without a result, because a fact that the condition needs is unknown."""


class KnownFact(NamedTuple):
    """How many symbols have a fact."""

    dated: int
    """Symbols whose value is that of the day."""
    latest: int
    """Symbols with one value for all days: the newest that was stored."""
    none: int


def facts_as_dict(facts: Mapping[str, KnownFact]) -> dict[str, dict[str, int]]:
    """Return what is known of facts as plain data."""
    return {name: known._asdict() for name, known in facts.items()}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a scan covered: expected = evaluated + all excluded."""

    expected: int
    evaluated: int
    excluded: Excluded
    bars_needed: int = 0
    """Bars of a symbol that the condition needs."""
    unknown: int = 0
    """Symbols that lack a fact of the pre-screen and fail no other clause of it."""
    unknown_kept: bool = False
    """Whether the unknown symbols passed the pre-screen, as requested."""
    funnel: list[Clause] = field(default_factory=list)
    """What each clause of the pre-screen excluded, in the order of evaluation."""
    stale_symbols: list[str] = field(default_factory=list)
    suspect_symbols: list[str] = field(default_factory=list)
    find_short: Callable[[], list[str]] = field(default=list, compare=False, repr=False)
    """Returns the symbols with a short history."""
    sessions: int = 0
    """Sessions that the bars needed span, up to the as-of session."""
    sessions_missing: int = 0
    """How many of these sessions are not stored, so that indicators run over a gap."""
    sessions_unadjusted: int = 0
    """How many of these sessions may lack splits, because the source did not report them."""
    settled_bars: int = 0
    """Bars after which the recursions of the condition and the values settle; 0 without any."""
    unsettled: int = 0
    """How many of the evaluated symbols have fewer bars than `settled_bars`."""
    unsettled_answers: int = 0
    """How many of the evaluated symbols have a result that may change over a longer history."""
    absent_facts: tuple[str, ...] = ()
    """Facts of the condition that no symbol of the panel has."""
    unknown_facts: dict[str, int] = field(default_factory=dict)
    """For each fact, the symbols that lack it and for this reason have no result."""
    facts: dict[str, KnownFact] = field(default_factory=dict)
    """How much the store knows of each fact of the condition and the pre-screen."""
    starts_unknown: bool = False
    """Whether no evaluated symbol has a result, because no start of a sum or a year is stored."""

    @property
    def share(self) -> float:
        """The share of the requested symbols with a result that longer histories do not change."""
        requested = self._requested
        return self.answered - self.unsettled_answers / requested if requested else 1.0

    @property
    def answered(self) -> float:
        """The share of the requested symbols that have a result.

        Symbols that the pre-screen or the suspicion of bars excluded were not requested. Symbols
        with a short history count as covered: they were evaluated and have no value yet.
        """
        unanswered = self.excluded.stale + self.excluded.unknown_facts
        return 1.0 - unanswered / self._requested if self._requested else 1.0

    @property
    def unknown_facts_text(self) -> str:
        """How many symbols lack each fact, as text."""
        return counts_of_facts(self.unknown_facts)

    @property
    def _requested(self) -> int:
        return self.expected - self.excluded.prescreen - self.excluded.suspect


def plain(value: Value) -> float | str | None:
    """Return a value as plain data: a date is a text."""
    return value.isoformat() if isinstance(value, dt.date) else value


def counts_of_facts(counts: Mapping[str, int]) -> str:
    """Return how many symbols lack each fact, as text."""
    return ", ".join(f"{name} for {count:,}" for name, count in counts.items())


class Reuse(NamedTuple):
    """What an incremental scan did: evaluated + reused are all symbols of the scan."""

    fetched: int
    """Symbols without a cached result, or whose data has changed since it was cached."""
    evaluated: int
    reused: int = 0
    audited: int = 0
    """Symbols whose cached results were evaluated again and compared."""

    def __str__(self) -> str:
        return (
            f"{self.fetched:,} with new data, {self.evaluated:,} evaluated, {self.reused:,} "
            f"reused, {self.audited:,} audited"
        )


class Timing(NamedTuple):
    """Seconds: load (catalog, universe, panel), evaluate (the kernels), total (with ranking)."""

    load: float
    evaluate: float
    total: float


Value = float | str | dt.date | None
"""A value of a match: a number, or a text or date that may be unknown (None)."""


class Match(NamedTuple):
    """A symbol that matched; `values` are the condition's numbers and the requested columns."""

    symbol: str
    close: float
    volume: float
    values: dict[str, Any]
    suspicious: str = ""
    """Names of the rules that suspect bars which the match depends on."""
    unsettled: tuple[str, ...] = ()
    """Names of the values that may change over a longer history."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits(Frame):
    """The matches of a scan, in rank order, and its coverage receipt.

    `close`, `volume` and each of `values` are float64 [matches]. A requested column of dates is
    datetime64, NaT where unknown; one of texts has str, or None where unknown.
    """

    condition: str
    as_of: dt.date
    executor: str
    symbols: list[str]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    values: dict[str, NDArray[Any]]
    coverage: Coverage
    data_version: int
    timing: Timing
    tree: Node
    """The condition, with its names resolved."""
    shown: dict[str, Node]
    """The node of each of the values."""
    matched: int
    """How many symbols matched; `limit` and `top` may show fewer."""
    suspicious: list[str] = field(default_factory=list)
    """For each match, the rules that suspect bars it depends on: "decimal slip, hole", or ""."""
    unsettled: list[tuple[str, ...]] = field(default_factory=list)
    """For each match, the names of the values that may change over a longer history."""
    warnings: list[str] = field(default_factory=list)
    funnel: list[ClauseCount] = field(default_factory=list)
    """How many symbols pass each clause, in order; if requested."""
    near: list[NearMiss] = field(default_factory=list)
    """Symbols that fail exactly one clause by the smallest margin, if requested."""
    sessions_behind: int = 0
    """Sessions closed since the newest stored one; 0 if an as-of day was given."""
    reuse: Reuse | None = None
    """What an incremental scan evaluated and reused; None for other scans."""
    distribution: Distribution | None = None
    """What the workers of a cluster did and lost; None without the ray executor."""

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def counted(self) -> str:
        """The number of matches, in words."""
        shown = f"{len(self):,} of " if len(self) < self.matched else ""
        return f"{shown}{self.matched:,} match{'es' if self.matched != 1 else ''}"

    def value(self, name: str, rank: int) -> Value:
        """Return a value of a match."""
        value: Value = self.values[name][rank : rank + 1].tolist()[0]
        return value

    def page(self, first: int, count: int) -> Hits:
        """Return the hits with the matches from rank `first` (from 0) on, at most `count`."""
        part = slice(first, first + count)
        return replace(
            self,
            symbols=self.symbols[part],
            close=self.close[part],
            volume=self.volume[part],
            values={name: column[part] for name, column in self.values.items()},
            suspicious=self.suspicious[part],
            unsettled=self.unsettled[part],
        )

    @property
    def matches(self) -> list[Match]:
        """The matches as records."""
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
        """Return one flat dict per match."""
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
        """Return the result as plain data: the JSON of `marketsweep scan --format json`."""
        coverage = self.coverage
        excluded = coverage.excluded._asdict()
        if not coverage.excluded.suspect:
            del excluded["suspect"]  # reported only if requested and not 0
        if not coverage.excluded.unknown_facts:
            del excluded["unknown_facts"]
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
        if coverage.unknown_facts:
            receipt["unknown_facts"] = dict(coverage.unknown_facts)
        if coverage.facts:
            receipt["facts"] = facts_as_dict(coverage.facts)
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
            "matches": [
                match._asdict() | {"values": {name: plain(v) for name, v in match.values.items()}}
                for match in self.matches
            ],
            "coverage": receipt,
            "matched": self.matched,
            "columns": list(self.values),
            "sessions_behind": self.sessions_behind,
            "warnings": list(self.warnings),
            **({"funnel": [record._asdict() for record in self.funnel]} if self.funnel else {}),
            **({"near": [record._asdict() for record in self.near]} if self.near else {}),
            **({"reuse": self.reuse._asdict()} if self.reuse else {}),
            **({"ray": self.distribution.to_dict()} if self.distribution else {}),
            "data_version": self.data_version,
            "timing": self.timing._asdict(),
        }

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame: symbol, close, volume, values, suspicious and unsettled."""
        import polars as pl  # 400 ms to import, and few callers need it

        reserved = {"symbol", "close", "volume"}
        columns = {name: column for name, column in self.values.items() if name not in reserved}
        return pl.DataFrame(
            {
                "symbol": pl.Series(self.symbols, dtype=pl.String),
                "close": self.close,
                "volume": self.volume,
                **frame_values(columns),
                **mark_columns(self.suspicious, self.unsettled),
            }
        )

    @property
    def receipt(self) -> str:
        """The coverage receipt in one sentence."""
        coverage, excluded = self.coverage, self.coverage.excluded
        return (
            f"{self.counted} as of {self.as_of}; {coverage.evaluated:,} of "
            f"{coverage.expected:,} symbols evaluated; {excluded.prescreen:,} filtered out, "
            f"{excluded.stale:,} stale, {excluded.short_history:,} with fewer than "
            f"{coverage.bars_needed} bars"
            + (f", {excluded.suspect:,} suspicious" if excluded.suspect else "")
            + (f"; {coverage.unsettled:,} not settled" if coverage.unsettled else "")
            + (f"; {behind_today(self.sessions_behind)}" if self.sessions_behind else "")
            + (f"; incremental: {self.reuse}" if self.reuse else "")
            + (f"; ray: {self.distribution}" if self.distribution else "")
        )

    def __repr__(self) -> str:
        return f"<Hits: {self.receipt}>"
