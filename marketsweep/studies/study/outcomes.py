"""What became of positions that were opened at signals: entry, exit, return and excursions."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.studies.study.exits import Entries, Exits, first_session_held
from marketsweep.studies.study.options import Options
from marketsweep.studies.study.prices import Prices

REASONS: Final = (
    *("exit", "stop", "target"),
    *("horizon", "last close", "delisted", "open", "no entry", "suspect"),
)
"""How a position ends.

- exit, stop, target: before its horizon; see `exits`.
- horizon: at the close of the last session of the hold.
- last close: the symbol has no bar in that session: the last close before it.
- delisted: the symbol has no bar from that session on, nor lately: its last close.
- open: the session of the horizon is not stored yet. That holds for positions with an earlier exit,
  too: without those that go on, the mean of a study with a stop would be too low.
- no entry: the symbol has no bar in the session of the entry, or no price above zero.
- suspect: a quality rule suspects a bar of the hold, and such positions are left out.
"""
_LEAST_OF_SECTOR: Final = 2
"""Members with a return that a sector needs."""
_CHUNK: Final = 2048
"""Positions whose prices are looked at together: those of a hold of 63 sessions fit the cache."""
_WORTH_A_COPY: Final = 60_000
"""Positions after which a copy of the prices has cost less than reading them without it."""
HORIZON, LAST_CLOSE, DELISTED, STILL_OPEN, NO_ENTRY, SUSPECT = range(3, len(REASONS))


class Extremes(NamedTuple):
    """The highest and the lowest adjusted price of positions, float64 [events]."""

    highest: NDArray[np.float64]
    lowest: NDArray[np.float64]


class Outcomes(Struct, frozen=True, eq=False):
    """The positions of events over one hold, all arrays [events].

    Rows count from the first session of the prices; -1 where a position has no entry or exit.
    Returns are shares of the entry price, before costs; NaN where a position has none.
    """

    reason: NDArray[np.int8]
    entry_row: NDArray[np.int64]
    exit_row: NDArray[np.int64]
    entry_raw: NDArray[np.float64]
    exit_raw: NDArray[np.float64]
    entry_adjusted: NDArray[np.float64]
    """The entry price in shares (and with dividends) of the exit."""
    exit: NDArray[np.float64]
    """The exit price: that which was traded, less what a delisting costs."""
    returns: NDArray[np.float64]
    best: NDArray[np.float64]
    """The highest price of the hold, as a return."""
    worst: NDArray[np.float64]
    """The lowest price of the hold, as a return."""


def outcomes(
    prices: Prices,
    entries: Entries,
    hold: int,
    newest: int,
    reached: Extremes,
    exits: Exits,
) -> Outcomes:
    """Return what became of positions at the close `hold` sessions after their signals.

    `newest` is the row of the newest stored session, which may lie beyond those of the prices;
    `reached` has the extremes of the same positions and horizon; `exits` may come before it.
    """
    last, width = len(prices.factor) - 1, prices.factor.shape[1]
    lanes, exit_rows = entries.lanes, entries.signal_rows + hold
    is_closed = exit_rows <= min(newest, last)
    held_rows = prices.held.take(np.minimum(exit_rows, last) * width + lanes)
    reason = np.where(held_rows < exit_rows, LAST_CLOSE, HORIZON).astype(np.int8)
    reason[prices.is_gone[lanes] & (prices.last_bar[lanes] < exit_rows)] = DELISTED
    is_early = exits.row <= exit_rows
    reason[is_early], held_rows[is_early] = exits.reason[is_early], exits.row[is_early]
    reason[~is_closed] = STILL_OPEN
    reason[~entries.is_open & entries.is_stored] = NO_ENTRY
    is_done = entries.is_open & is_closed
    ends = np.where(is_done, held_rows, 0) * width + lanes
    factors = prices.factor.take(ends)
    exit_raw = np.where(is_done, prices.closes.take(ends), np.nan)
    is_sold = is_done & is_early
    exit_raw[is_sold] = exits.price[is_sold] / factors[is_sold]
    exit_price = exit_raw * (1 + prices.delisting_returns[lanes] * (reason == DELISTED))
    entry_adjusted = np.where(is_done, entries.price * (entries.factor / factors), np.nan)
    growth = exit_price / entry_adjusted
    # The exit is a price of the hold, and the only one if no bar comes after the entry.
    paid = entries.paid
    return Outcomes(
        reason=reason,
        entry_row=np.where(entries.is_open, entries.row, -1),
        exit_row=np.where(is_done, held_rows, -1),
        entry_raw=entries.price,
        exit_raw=exit_raw,
        entry_adjusted=entry_adjusted,
        exit=exit_price,
        returns=growth - 1.0,
        best=np.where(is_done, np.fmax(reached.highest / paid, growth) - 1.0, np.nan),
        worst=np.where(is_done, np.fmin(reached.lowest / paid, growth) - 1.0, np.nan),
    )


class Excursions:
    """The highest and lowest prices of positions, for studies that have the same options.

    Positions are many and short. With the prices of a lane side by side, those of a hold are read
    in a tenth of the time; the copy is made once enough positions were asked for.
    """

    def __init__(self, prices: Prices, options: Options) -> None:
        self._prices = prices
        self._horizons = options.horizons
        self._session = first_session_held(options)
        self._length = max(0, options.horizons[-1] + 1 - self._session)
        self._asked = 0
        self._by_lane: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def of(self, lanes: NDArray[np.int64], rows: NDArray[np.int64], exits: Exits) -> list[Extremes]:
        """Return the extremes of positions over each horizon; NaN without a bar.

        Those of a hold that is not stored whole are of its stored sessions. Of the session in which
        a position ends before its close, the exit alone counts.
        """
        held = [max(0, horizon + 1 - self._session) for horizon in self._horizons]
        highest = np.full((len(held), len(lanes)), np.nan)
        lowest = highest.copy()
        parts = [0, *(length for length in held[:-1] if length)]
        known = slice(len(held) - len(parts), None)
        begins, final = rows + self._session, exits.last_whole_row
        self._asked += len(lanes)
        for start in range(0, len(lanes) if self._length else 0, _CHUNK):
            chunk = slice(start, start + _CHUNK)
            windows = self._windows(lanes[chunk], begins[chunk])
            ended = begins[chunk, None] + np.arange(self._length) > final[chunk, None]
            starts = np.arange(len(ended))[:, None] * self._length + parts
            for prices, result, extreme in zip(
                windows, (highest, lowest), (np.fmax, np.fmin), strict=True
            ):
                prices[ended] = np.nan
                of_parts = extreme.reduceat(prices.ravel(), starts.ravel()).reshape(starts.shape)
                result[known, chunk] = extreme.accumulate(of_parts, axis=1).T
        return [Extremes(*pair) for pair in zip(highest, lowest, strict=True)]

    def _windows(
        self, lanes: NDArray[np.int64], begins: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the highs and lows of the holds that begin in some rows, [positions, sessions]."""
        highs, lows = self._prices.highs, self._prices.lows
        if self._by_lane is None and self._asked < _WORTH_A_COPY:
            rows = begins[:, None] + np.arange(self._length)
            inside = np.minimum(rows, len(highs) - 1)
            beyond = rows >= len(highs)
            of = lanes[:, None]
            return (
                np.where(beyond, np.nan, highs[inside, of]),
                np.where(beyond, np.nan, lows[inside, of]),
            )
        if self._by_lane is None:
            self._by_lane = self._side_by_side(highs), self._side_by_side(lows)
        highs, lows = self._by_lane
        return highs[lanes, begins], lows[lanes, begins]

    def _side_by_side(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the prices of each lane from each row on, [lanes, rows, sessions]; a view."""
        sessions, lanes = prices.shape
        padded = np.full((lanes, sessions + self._length + self._session), np.nan)
        padded[:, :sessions] = prices.T
        return np.lib.stride_tricks.sliding_window_view(padded, self._length, axis=1)


def market_returns(
    prices: Prices,
    rows: NDArray[np.int64],
    hold: int,
    options: Options,
    members: NDArray[np.float64],
    *,
    at_open: bool = False,
) -> NDArray[np.float64]:
    """Return the mean return of groups of lanes in each of `rows`, bought as the events are.

    They are sold `hold` sessions later, at the open if `at_open`. `members` is float64 [lanes,
    groups], 1 for the members of a group and 0 for others; all members with a bar have the same
    weight. Returns float64 [rows, groups]: the first group is the market, the others are its
    sectors. NaN for a row whose hold is not stored whole, and for a sector with one member.
    """
    returns = forward_returns(prices, rows, hold, options, at_open=at_open)
    is_known = ~np.isnan(returns)
    counts = is_known.astype(np.float64) @ members
    totals: NDArray[np.float64] = np.where(is_known, returns, 0.0) @ members
    means = np.full(totals.shape, np.nan)
    # A symbol alone in its sector would be compared with itself.
    is_enough = counts >= np.where(np.arange(members.shape[1]) == 0, 1, _LEAST_OF_SECTOR)
    np.divide(totals, counts, where=is_enough, out=means)
    return means


def forward_returns(
    prices: Prices,
    rows: NDArray[np.int64],
    hold: int,
    options: Options,
    *,
    at_open: bool = False,
) -> NDArray[np.float64]:
    """Return what each lane with a bar in each of `rows` gained over a hold, [rows, lanes].

    NaN without a bar, without a price of the entry, and where the hold is not stored whole.
    """
    result = np.full((len(rows), prices.closes.shape[1]), np.nan)
    is_stored = rows + hold < len(prices.factor)
    if not is_stored.any():
        return result
    signal, sold, entry = (
        _consecutive(rows[is_stored] + later) for later in (0, hold, int(options.entry != "close"))
    )
    paid = prices.opens if options.entry == "next_open" else prices.closes
    bought = paid[entry] * prices.factor[entry]
    exits = prices.held_closes[sold]
    if at_open:
        exits = np.where(prices.opens[sold] > 0, prices.opens[sold] * prices.factor[sold], exits)
    if prices.delisting_returns.any():
        is_delisted = prices.is_gone & (prices.last_bar < (rows[is_stored] + hold)[:, None])
        exits = exits * (1 + prices.delisting_returns * is_delisted)
    is_bought = ~np.isnan(prices.closes[signal]) & (bought > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        result[is_stored] = np.where(is_bought, exits / bought - 1.0, np.nan)
    return result


def _consecutive(rows: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Return ascending rows as a slice if there is none between them: it needs no copy."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows
