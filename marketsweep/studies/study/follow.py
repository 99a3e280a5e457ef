"""Follow the positions of events through blocks of sessions, and the market beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import structs
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.studies.study.exits import (
    Entries,
    Exits,
    ExitSignals,
    exits_with,
    find_exits,
)
from marketsweep.studies.study.groupings import Grouping
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.outcomes import (
    Excursions,
    Extremes,
    Outcomes,
    market_returns,
    outcomes,
)
from marketsweep.studies.study.portfolio import Portfolio, choose_positions, equity_of
from marketsweep.studies.study.prices import Companies, Prices
from marketsweep.studies.study.result import Hold

_BLOCK: Final = 252
"""Sessions of events whose prices are read at once."""


class _Block(NamedTuple):
    """The prices from a session on, and the mean returns of groups of the market by horizon."""

    prices: Prices
    excursions: Excursions
    market: dict[int, NDArray[np.float64]]


class Follower:
    """Follows the positions of studies that have the same options, from session `first` on.

    Threads may share it. `members` are the lanes of the market, bool [lanes]; `sectors` has the
    sector of each lane.
    """

    def __init__(
        self,
        companies: Companies,
        options: Options,
        members: NDArray[np.bool_],
        sectors: Grouping,
        first: int,
    ) -> None:
        self._companies = companies
        self._options = options
        self._sectors = sectors.codes
        self._groups = np.zeros((len(members), 1 + len(sectors.labels)))
        """The market and its sectors: 1 for the lanes of a group, float64 [lanes, groups]."""
        self._groups[:, 0] = members
        of_sector = np.flatnonzero(members & (sectors.codes >= 0))
        self._groups[of_sector, 1 + sectors.codes[of_sector]] = 1
        self._first = first
        self._block: _Block | None = None

    def follow(
        self,
        lanes: NDArray[np.int64],
        sessions: NDArray[np.int64],
        costs: NDArray[np.float64],
        exit_signals: ExitSignals | None = None,
        atr: NDArray[np.float64] | None = None,
    ) -> list[Hold]:
        """Return what became of events, by horizon.

        `sessions` are the numbers of those of the signals, and ascend; `costs` are a share of the
        entry price, and `atr` is the average true range of each, float64 [events].
        """
        blocks: list[list[Hold]] = []
        end = int(sessions[-1]) if len(sessions) else self._first
        for first in range(self._first, end + 1, _BLOCK):
            inside = slice(*np.searchsorted(sessions, (first, first + _BLOCK)).tolist())
            if first < end and inside.start == inside.stop:
                continue
            block = self._block_from(first)
            prices = block.prices
            of, rows = lanes[inside], sessions[inside] - first
            entries = Entries.of(prices, of, rows, self._options)
            exits = find_exits(
                prices, entries, self._options, exit_signals, None if atr is None else atr[inside]
            )
            reached = block.excursions.of(of, rows, exits)
            blocks.append(
                [
                    self._hold(block, entries, costs[inside], horizon, highest_and_lowest, exits)
                    for horizon, highest_and_lowest in zip(
                        self._options.horizons, reached, strict=True
                    )
                ]
            )
        return [_joined(parts) for parts in zip(*blocks, strict=True)]

    def portfolio(
        self,
        lanes: NDArray[np.int64],
        sessions: NDArray[np.int64],
        costs: NDArray[np.float64],
        hold: Hold,
        most: int,
    ) -> Portfolio:
        """Return the portfolio of the events of a hold; `sessions` are those of the signals.

        Positions on suspicious bars are never taken: a single wrong price would be its result.
        """
        rows = hold.outcomes
        is_clean = np.ones(len(lanes), dtype=bool)
        is_clean[list(hold.suspicious)] = False
        chosen = choose_positions(rows.entry_row, np.where(is_clean, rows.exit_row, -1), most)
        paths = []
        for event in chosen:
            begin, end = int(rows.entry_row[event]), int(rows.exit_row[event])
            into = (int(sessions[event]) - self._first) // _BLOCK * _BLOCK
            prices = self._block_from(self._first + into).prices
            lane, at = int(lanes[event]), begin - prices.first
            paid = rows.entry_raw[event] * prices.factor[at, lane]
            path = prices.held_closes[at : end + 1 - prices.first, lane] / paid
            path[-1] = rows.exit[event] / rows.entry_adjusted[event]
            paths.append(path)
        entries = [int(rows.entry_row[event]) for event in chosen]
        last = max([self._first, *(int(rows.exit_row[event]) for event in chosen)])
        span = range(self._first, last + 1)
        return Portfolio(
            horizon=hold.horizon,
            positions=most,
            taken=len(chosen),
            first=self._first,
            equity=equity_of(entries, paths, costs[chosen].tolist(), most, span),
            benchmark=self._benchmark_over(span),
        )

    def _benchmark_over(self, span: range) -> NDArray[np.float64] | None:
        """Return the growth of the benchmark at the close of each session of a span."""
        if self._options.benchmark is None:
            return None
        lane = self._companies.lane_now(self._options.benchmark)
        growth = np.ones(len(span))
        for first in range(span.start, span.stop, _BLOCK):
            prices = self._block_from(first).prices
            closes = prices.held_closes[: min(_BLOCK, span.stop - first) + 1, lane]
            known = np.where(np.isnan(closes), closes[~np.isnan(closes)][:1], closes)
            begin = first - span.start
            # Each block begins with the value at the end of the one before.
            start = 1.0 if begin == 0 else growth[begin]
            part = start * known / known[0]
            growth[begin : begin + len(part)] = part[: len(growth) - begin]
        return growth

    def _block_from(self, first: int) -> _Block:
        """Return the block that begins with session `first`; the last one is kept."""
        block = self._block
        if block is None or block.prices.first != first:
            self._block = block = None  # two of them would be held
            last = first + _BLOCK - 1 + self._options.horizons[-1]
            prices = self._companies.prices(first, last)
            self._block = block = _Block(prices, Excursions(prices, self._options), {})
        return block

    def _hold(
        self,
        block: _Block,
        entries: Entries,
        costs: NDArray[np.float64],
        horizon: int,
        reached: Extremes,
        exits: Exits,
    ) -> Hold:
        """Return what became of the events of a block at a horizon."""
        prices, lanes, rows = block.prices, entries.lanes, entries.signal_rows
        options, newest = self._options, self._companies.newest - prices.first
        became = outcomes(prices, entries, horizon, newest, reached, exits)
        benchmark = None
        if options.benchmark is not None:
            same = np.full(len(rows), self._companies.lane_now(options.benchmark))
            bought = Entries.of(prices, same, rows, options)
            sold = exits_with(prices, same, exits)
            benchmark = outcomes(prices, bought, horizon, newest, reached, sold).returns
        market = self._market(block, rows, horizon, exits)
        # A symbol outside the market has nothing to be compared with.
        market[self._groups[lanes, 0] == 0] = np.nan
        sectors = self._sectors[lanes]
        of_sector = market[np.arange(len(lanes)), 1 + np.maximum(sectors, -1)]
        return Hold(
            horizon=horizon,
            outcomes=replace(
                became,
                entry_row=np.where(became.entry_row < 0, -1, became.entry_row + prices.first),
                exit_row=np.where(became.exit_row < 0, -1, became.exit_row + prices.first),
            ),
            returns=became.returns - costs,
            market=market[:, 0],
            sector=np.where(sectors < 0, np.nan, of_sector),
            benchmark=benchmark,
            suspicious={},
        )

    def _market(
        self, block: _Block, rows: NDArray[np.int64], horizon: int, exits: Exits
    ) -> NDArray[np.float64]:
        """Return the mean returns of market and sectors over each hold, [events, groups]."""
        is_early = exits.row <= rows + horizon
        if not is_early.any():
            return self._market_of_block(block, horizon)[rows]
        holds = np.where(is_early, exits.row - rows, horizon)
        kinds = 2 * holds + (is_early & exits.at_open)
        means = np.empty((len(rows), self._groups.shape[1]))
        for kind in np.unique(kinds).tolist():
            alike = kinds == kind
            days, places = np.unique(rows[alike], return_inverse=True)
            hold, is_open = divmod(kind, 2)
            of_days = market_returns(
                block.prices, days, hold, self._options, self._groups, at_open=bool(is_open)
            )
            means[alike] = of_days[places]
        return means

    def _market_of_block(self, block: _Block, horizon: int) -> NDArray[np.float64]:
        """Return the mean returns after each session of a block, [sessions, groups]."""
        if horizon not in block.market:
            days = np.arange(min(_BLOCK, len(block.prices.closes)))
            block.market[horizon] = market_returns(
                block.prices, days, horizon, self._options, self._groups
            )
        return block.market[horizon]


def _joined(parts: Sequence[Hold]) -> Hold:
    """Join what became of the events of several blocks."""
    if len(parts) == 1:
        return parts[0]
    benchmarks = [part.benchmark for part in parts if part.benchmark is not None]
    columns = zip(*(structs.astuple(part.outcomes) for part in parts), strict=True)
    return Hold(
        horizon=parts[0].horizon,
        outcomes=Outcomes(*map(np.concatenate, columns)),
        returns=np.concatenate([part.returns for part in parts]),
        market=np.concatenate([part.market for part in parts]),
        sector=np.concatenate([part.sector for part in parts]),
        benchmark=np.concatenate(benchmarks) if benchmarks else None,
        suspicious={},
    )
