"""The result of a study: its events, what became of each, and figures for each horizon."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from marketsweep.core.safe_text import counted
from marketsweep.scan.frames import Frame
from marketsweep.scan.results import KnownFact, facts_as_dict
from marketsweep.studies.intervals import interval
from marketsweep.studies.signals_result import SessionReceipt, total_bars
from marketsweep.studies.study.exits import EXIT, STOP, TARGET
from marketsweep.studies.study.groupings import Grouping
from marketsweep.studies.study.options import Grouped, Options
from marketsweep.studies.study.outcomes import (
    DELISTED,
    NO_ENTRY,
    REASONS,
    STILL_OPEN,
    SUSPECT,
    Outcomes,
)
from marketsweep.studies.study.portfolio import Portfolio

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.language.tree import Node

_QUARTILES: Final = (0.25, 0.75)


class Events(Struct, frozen=True, eq=False):
    """The events of a study: symbols, and numbers of their sessions."""

    symbols: list[str]
    sessions: NDArray[np.int64]
    groupings: dict[Grouped, Grouping]
    """How the events can be grouped."""
    costs: NDArray[np.float64]
    """What a position costs, as a share of the entry price, float64 [events]."""


class Hold(Struct, frozen=True, eq=False):
    """What became of the events at one horizon, all arrays [events]."""

    horizon: int
    outcomes: Outcomes
    """Rows of entries and exits are numbers of sessions."""
    returns: NDArray[np.float64]
    """After costs; NaN for events that are open or have no entry."""
    market: NDArray[np.float64]
    """The mean return of the market, bought with the event and held as long."""
    sector: NDArray[np.float64]
    """The mean return of the symbol's sector; NaN where the sector is unknown."""
    benchmark: NDArray[np.float64] | None
    suspicious: dict[int, str]
    """The quality rules that suspect bars of the signal or of the hold of an event, by its number:
    "decimal slip, hole"."""

    def lacks_benchmark(self) -> int:
        """Return how many events have a return, but none of the benchmark."""
        if self.benchmark is None:
            return 0
        return int((np.isnan(self.benchmark) & ~np.isnan(self.returns)).sum())


class Figures(Struct, frozen=True):
    """The figures of some events at a horizon; returns are shares, None where unknown."""

    sessions: int
    """Sessions from the signal to the exit."""
    events: int
    """Events that have a return."""
    open: int
    """Events whose horizon is not stored yet."""
    no_entry: int
    delisted: int
    exit: int
    """Positions that the exit condition ended."""
    stop: int
    target: int
    suspect: int
    """Positions that are left out because a quality rule suspects a bar of the hold."""
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    median: float | None
    hit_rate: float | None
    """The share of the returns above zero."""
    quartile_low: float | None
    quartile_high: float | None
    worst: float | None
    best: float | None
    sessions_held: float | None
    """The mean number of sessions from the signal to the exit."""
    adverse: float | None
    """The mean of the lowest prices of the holds, as returns."""
    favourable: float | None
    """The mean of the highest prices of the holds, as returns."""
    excess_market: float | None
    excess_market_low: float | None
    excess_market_high: float | None
    excess_sector: float | None
    excess_sector_low: float | None
    excess_sector_high: float | None
    excess_benchmark: float | None
    excess_benchmark_low: float | None
    excess_benchmark_high: float | None


@dataclass(frozen=True, eq=False)
class Study(Frame):
    """What followed the signals of a condition.

    `events` are those whose outcomes `holds` describe, one for each horizon. `dates` are the stored
    sessions, by their numbers.
    """

    condition: str
    tree: Node
    since: dt.date
    until: dt.date
    options: Options
    events: Events
    holds: list[Hold]
    dates: list[dt.date]
    first: int
    """Number of the session `since`."""
    sessions: list[SessionReceipt]
    warnings: list[str]
    executor: str
    data_version: int
    bars_needed: int
    absent_facts: tuple[str, ...]
    portfolio: Portfolio | None
    """A portfolio that takes the events as they come, at the middle horizon."""
    facts: dict[str, KnownFact]
    """How much is known of each fact that chooses the events."""
    trials: int | None
    """Conditions tried for these horizons in the data folder; None if it cannot be written."""
    seconds: float
    draw: Callable[[Study], str] | None = None
    """Returns the pictures for a notebook; None shows a table alone."""

    def __len__(self) -> int:
        return len(self.events.symbols)

    @cached_property
    def horizons(self) -> list[Figures]:
        """The figures of all events, by horizon."""
        return self.figures(np.ones(len(self), dtype=bool))

    @cached_property
    def years(self) -> dict[str, list[Figures]]:
        """The figures by the year of the signal."""
        return self.by("year")

    @cached_property
    def groups(self) -> dict[Grouped, dict[str, list[Figures]]]:
        """The figures of the groups that the options name."""
        return {name: self.by(name) for name in self.options.by}

    def cumulative_excess(self, hold: Hold) -> NDArray[np.float64]:
        """Return the excess over the market, added up over the sessions of the study.

        Each session invests 1 / horizon of the capital in its events, in equal parts, so that all
        of it is in use. After N. Jegadeesh and S. Titman, Returns to Buying Winners and Selling
        Losers, Journal of Finance 48(1), 1993.
        """
        excess = hold.returns - hold.market
        known = ~np.isnan(excess)
        rows, count = self.events.sessions[known] - self.first, len(self.sessions)
        sums = np.bincount(rows, excess[known], minlength=count)
        means = sums / np.maximum(1, np.bincount(rows, minlength=count))
        return np.cumsum(means) / hold.horizon

    def by(self, name: Grouped) -> dict[str, list[Figures]]:
        """Return the figures of the groups of events, by label and horizon."""
        chosen = self.events.groupings[name].chosen()
        return {label: self.figures(events) for label, events in chosen.items()}

    def figures(self, chosen: NDArray[np.bool_]) -> list[Figures]:
        """Return the figures of some events, bool [events], by horizon."""
        return [self._figures(hold, chosen) for hold in self.holds]

    def _figures(self, hold: Hold, chosen: NDArray[np.bool_]) -> Figures:
        outcomes = hold.outcomes
        done = chosen & ~np.isnan(hold.returns)
        returns = hold.returns[done]
        reasons = np.bincount(outcomes.reason[chosen], minlength=len(REASONS)).tolist()
        quartiles = np.quantile(returns, _QUARTILES).tolist() if len(returns) else (None, None)
        low, high = self._interval(hold, hold.returns, done)
        market = self._excess(hold, hold.market, chosen)
        sector = self._excess(hold, hold.sector, chosen)
        benchmark = self._excess(hold, hold.benchmark, chosen)
        return Figures(
            sessions=hold.horizon,
            events=len(returns),
            open=reasons[STILL_OPEN],
            no_entry=reasons[NO_ENTRY],
            delisted=reasons[DELISTED],
            exit=reasons[EXIT],
            stop=reasons[STOP],
            target=reasons[TARGET],
            suspect=reasons[SUSPECT],
            mean=_mean(returns),
            ci_low=low,
            ci_high=high,
            median=float(np.median(returns)) if len(returns) else None,
            hit_rate=_mean(returns > 0),
            quartile_low=quartiles[0],
            quartile_high=quartiles[1],
            worst=float(returns.min()) if len(returns) else None,
            best=float(returns.max()) if len(returns) else None,
            sessions_held=_mean((outcomes.exit_row - self.events.sessions)[done]),
            adverse=_mean(outcomes.worst[done]),
            favourable=_mean(outcomes.best[done]),
            excess_market=market[0],
            excess_market_low=market[1],
            excess_market_high=market[2],
            excess_sector=sector[0],
            excess_sector_low=sector[1],
            excess_sector_high=sector[2],
            excess_benchmark=benchmark[0],
            excess_benchmark_low=benchmark[1],
            excess_benchmark_high=benchmark[2],
        )

    def _excess(
        self, hold: Hold, other: NDArray[np.float64] | None, chosen: NDArray[np.bool_]
    ) -> tuple[float | None, float | None, float | None]:
        """Return the mean of what the events had beyond another return, and its interval."""
        if other is None:
            return None, None, None
        excess = hold.returns - other
        known = chosen & ~np.isnan(excess)
        return _mean(excess[known]), *self._interval(hold, excess, known)

    def _interval(
        self, hold: Hold, values: NDArray[np.float64], chosen: NDArray[np.bool_]
    ) -> tuple[float | None, float | None]:
        # Sessions that can have no such event would be empty blocks: those in which no symbol has
        # the bars that the condition needs, and those whose horizon is not stored.
        possible = [i for i, receipt in enumerate(self.sessions) if receipt.evaluated]
        begin = self.first + (possible[0] if possible else 0)
        end = min(self.first + len(self.sessions), len(self.dates) - hold.horizon)
        sessions = self.events.sessions[chosen] - begin
        low, high = interval(values[chosen], sessions, max(0, end - begin), hold.horizon)
        return (None, None) if np.isnan(low) else (low, high)

    def to_polars(self) -> pl.DataFrame:
        """Return a polars frame with a row for each event and horizon; null without a value."""
        import polars as pl  # 400 ms to import, and few callers need it

        days = np.array(self.dates, "datetime64[D]")
        frames = []
        for hold in self.holds:
            outcomes = hold.outcomes
            columns = {
                "symbol": pl.Series(self.events.symbols, dtype=pl.String),
                "signal_date": _days(days, self.events.sessions),
                "horizon": np.full(len(self), hold.horizon),
                "entry_date": _days(days, outcomes.entry_row),
                "entry": outcomes.entry_adjusted,
                "exit_date": _days(days, outcomes.exit_row),
                "exit": outcomes.exit,
                "return": hold.returns,
                "costs": self.events.costs,
                "reason": pl.Series([REASONS[i] for i in outcomes.reason], dtype=pl.String),
                "market_return": hold.market,
                "sector_return": hold.sector,
                "entry_raw": outcomes.entry_raw,
                "exit_raw": outcomes.exit_raw,
                "worst": outcomes.worst,
                "best": outcomes.best,
                "suspicious": [hold.suspicious.get(event, "") for event in range(len(self))],
            }
            if hold.benchmark is not None:
                columns["benchmark_return"] = hold.benchmark
            frames.append(pl.DataFrame(columns))
        return pl.concat(frames).sort("signal_date", "symbol", "horizon").fill_nan(None)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: the JSON of `marketsweep study --format json`."""
        return {
            "condition": self.condition,
            "since": f"{self.since}",
            "until": f"{self.until}",
            **self.options.to_dict(),
            "events": len(self),
            "symbols": len(set(self.events.symbols)),
            "sessions": len(set(self.events.sessions.tolist())),
            "horizons": [structs.asdict(figures) for figures in self.horizons],
            "years": {year: [structs.asdict(x) for x in rows] for year, rows in self.years.items()},
            "groups": {
                name: {label: [structs.asdict(x) for x in rows] for label, rows in groups.items()}
                for name, groups in self.groups.items()
            },
            "cumulative_excess": self._cumulative_excess(),
            "portfolio": None if self.portfolio is None else self._portfolio(self.portfolio),
            "coverage": self.coverage,
            "facts": facts_as_dict(self.facts),
            "trials": self.trials,
            "warnings": self.warnings,
            "executor": self.executor,
            "data_version": self.data_version,
            "seconds": self.seconds,
        }

    def _cumulative_excess(self) -> dict[str, Any]:
        hold = self.holds[self.options.middle]
        return {
            "horizon": hold.horizon,
            "sessions": [f"{receipt.session}" for receipt in self.sessions],
            "excess": self.cumulative_excess(hold).tolist(),
        }

    def _portfolio(self, portfolio: Portfolio) -> dict[str, Any]:
        days = self.dates[portfolio.first : portfolio.first + len(portfolio.equity)]
        benchmark = portfolio.benchmark
        return {
            "horizon": portfolio.horizon,
            "positions": portfolio.positions,
            "taken": portfolio.taken,
            "gain": portfolio.gain,
            "drawdown": portfolio.drawdown,
            "sessions": [f"{day}" for day in days],
            "equity": portfolio.equity.tolist(),
            "benchmark": None if benchmark is None else benchmark.tolist(),
        }

    @property
    def coverage(self) -> float:
        """The bars evaluated, as a share of the bars expected in the sessions."""
        evaluated, expected = total_bars(self.sessions)
        return evaluated / expected if expected else 0.0

    @property
    def receipt(self) -> str:
        """The coverage of the result, in one sentence."""
        evaluated, expected = total_bars(self.sessions)
        return (
            f"{counted(len(self), 'event')} in {counted(len(self.sessions), 'session')}, "
            f"{self.since} to "
            f"{self.until}; {evaluated:,} of {expected:,} bars expected in them evaluated"
        )

    def _repr_html_(self) -> str:
        if self.draw is not None:
            return self.draw(self)
        names = ("horizon", "events", "mean", "low", "high", "median", "over market")
        rows = [
            [
                f"{row.sessions}",
                f"{row.events:,}",
                *(
                    "-" if value is None else f"{value:+.2%}"
                    for value in (row.mean, row.ci_low, row.ci_high, row.median, row.excess_market)
                ),
            ]
            for row in self.horizons
        ]
        header = "".join(f"<th>{name}</th>" for name in names)
        lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><tr>{header}</tr>{lines}</table><p>{self.receipt}</p>"

    def __repr__(self) -> str:
        return f"<Study: {self.receipt}>"


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _days(days: NDArray[np.datetime64], sessions: NDArray[np.int64]) -> pl.Series:
    import polars as pl  # as above

    column = days[np.maximum(sessions, 0)]
    column[sessions < 0] = np.datetime64("NaT")
    return pl.Series(column).cast(pl.Date)
