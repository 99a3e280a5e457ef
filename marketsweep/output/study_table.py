"""The table of a study's figures, as cells: a row for each horizon or group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from marketsweep.core.safe_text import counted
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.result import Figures, Study

_UNKNOWN: Final = "-"
_ENTRIES: Final = {
    "next_open": "the next open",
    "close": "the close of the signal",
    "next_close": "the next close",
}


def names(benchmark: str | None, *, sectors: bool = False) -> list[str]:
    """Return the names of the columns after the first; `sectors` adds the excess over these."""
    columns = ["events", "mean", "95 % interval", "median", "hit rate", "quartiles", "worst"]
    columns += ["best", "mean low", "mean high", "over market", "95 % interval"]
    columns += ["over sector", "95 % interval"] if sectors else []
    return columns + ([f"over {benchmark}", "95 % interval"] if benchmark else [])


def cells(row: Figures, benchmark: str | None, *, sectors: bool = False) -> list[str]:
    """Return the texts of the columns after the first."""
    texts = [
        f"{row.events:,}",
        percent(row.mean),
        _span(row.ci_low, row.ci_high),
        percent(row.median),
        _UNKNOWN if row.hit_rate is None else f"{row.hit_rate:.1%}",
        _span(row.quartile_low, row.quartile_high),
        percent(row.worst),
        percent(row.best),
        percent(row.adverse),
        percent(row.favourable),
        percent(row.excess_market),
        _span(row.excess_market_low, row.excess_market_high),
    ]
    if sectors:
        texts.append(percent(row.excess_sector))
        texts.append(_span(row.excess_sector_low, row.excess_sector_high))
    if benchmark:
        texts.append(percent(row.excess_benchmark))
        texts.append(_span(row.excess_benchmark_low, row.excess_benchmark_high))
    return texts


def has_sectors(rows: Iterable[Figures]) -> bool:
    """Return whether any row has an excess over the sectors."""
    return any(row.excess_sector is not None for row in rows)


def percent(value: float | None) -> str:
    """Return a share as a percentage with its sign."""
    return _UNKNOWN if value is None else f"{value:+.2%}"


def _span(low: float | None, high: float | None) -> str:
    return _UNKNOWN if low is None or high is None else f"{low:+.2%} to {high:+.2%}"


def terms_of(options: Options) -> Iterator[str]:
    """Yield how positions are opened and closed."""
    yield (
        f"bought at {_ENTRIES[options.entry]}, "
        + ("every session with a signal" if options.every else "the first session of a streak")
        + (f", {options.cooldown} sessions between events" if options.cooldown else "")
        + f"; returns {'with' if options.adjust == 'total' else 'without'} dividends, "
        + ("less " + " and ".join(costs) if (costs := list(_costs(options))) else "before costs")
    )
    if rules := " or ".join(_rules(options)):
        yield f"closed {rules}, and at the horizon at the latest"


def _costs(options: Options) -> Iterator[str]:
    if options.costs:
        yield f"{options.costs:g} basis points of costs"
    if options.spread:
        yield "the estimated spread at the signal"


def costs_text(study: Study) -> str:
    """Return what positions cost, in one sentence."""
    costs = study.events.costs
    return (
        f"a position costs {costs.mean():.2%} of its entry price on average, half of them less "
        f"than {np.median(costs):.2%}, at most {costs.max():.2%}"
    )


def _rules(options: Options) -> Iterator[str]:
    """Yield what closes a position before its horizon."""
    if options.exit is not None:
        yield f"where {options.exit}"
    if options.stop is not None:
        yield f"at a stop of {options.stop}"
    if options.target is not None:
        yield f"at a target of {options.target}"


def portfolio_text(study: Study) -> str:
    """Return what became of a portfolio, in one sentence."""
    portfolio = study.portfolio
    assert portfolio is not None
    text = (
        f"portfolio of at most {counted(portfolio.positions, 'position')}, horizon "
        f"{portfolio.horizon}: {percent(portfolio.gain)} over "
        f"{counted(len(portfolio.equity), 'session')}, greatest drawdown "
        f"{percent(portfolio.drawdown)}, {portfolio.taken:,} of {len(study):,} events taken"
    )
    if portfolio.benchmark is not None:
        gain = float(portfolio.benchmark[-1]) - 1.0
        text += f"; {study.options.benchmark} {percent(gain)}"
    return text
