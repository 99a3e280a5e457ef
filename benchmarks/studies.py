"""Studies of the example market: how long they take, and how often their intervals hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.example import Example
from benchmarks.measure import COUNT, Row, Samples, against, alternate, clocked, within
from benchmarks.study_peers import (
    CONDITION,
    adjusted_prices,
    polars_study,
    vectorbt_study,
    version_of,
)
from marketsweep.language.presets import presets
from marketsweep.market import Market, open_market
from marketsweep.studies.intervals import interval
from tests.helpers.clustered_returns import simulated

_CONDITIONS: Final = ("golden_cross", "close crosses above sma(50)", "nr7")
_RUNS: Final = 5
_LIMIT_S: Final = 0.5
_PRESETS_LIMIT_S: Final = 6.0
_SIMULATIONS: Final = 500


def rows(example: Example) -> Iterator[Row]:
    """One condition, all presets, and the coverage of the intervals."""
    with open_market(example.store) as market:
        yield from (_study(market, condition) for condition in _CONDITIONS)
        yield from _peers(market)
        yield _presets(market)
    for sessions, hold in ((252, 1), (252, 5), (252, 20), (756, 1), (756, 5), (756, 20)):
        yield _coverage(sessions, hold)


def _study(market: Market, condition: str) -> Row:
    events = len(market.study(condition))
    (times,) = alternate(_RUNS, clocked(lambda: market.study(condition).horizons))
    what = f"`market.study`: `{condition}`, 252 sessions, four horizons, {events:,} events"
    return within(what, times, _LIMIT_S)


def _peers(market: Market) -> Iterator[Row]:
    """One condition beside vectorbt and a polars program, which begin with adjusted prices."""
    prices = adjusted_prices(market)
    ours = clocked(lambda: market.study(CONDITION).horizons)
    what = f"`market.study`: `{CONDITION}`"
    mine, its = alternate(_RUNS, ours, clocked(polars_study(prices)))
    yield against(what, mine, version_of("polars"), its)
    with_vectorbt = vectorbt_study(prices)
    if with_vectorbt is not None:
        with_vectorbt()  # numba compiles in the first run
        mine, its = alternate(_RUNS, ours, clocked(with_vectorbt))
        what = f"{what}, beside four runs of `Portfolio.from_signals`"
        yield against(what, mine, version_of("vectorbt"), its, 1 / 20)


def _presets(market: Market) -> Row:
    (times,) = alternate(3, clocked(market.study_presets))
    return within(f"`market.study_presets`, {len(presets())} presets", times, _PRESETS_LIMIT_S)


def _coverage(sessions: int, hold: int) -> Row:
    holds = 0
    for seed in range(_SIMULATIONS):
        low, high = interval(*simulated(seed, sessions, hold), sessions, hold)
        holds += low <= 0 <= high
    what = f"intervals of 95 % that hold the mean, {sessions} sessions, holds of {hold}, in 100"
    return Row(what, Samples.of([100 * holds / _SIMULATIONS], COUNT))
