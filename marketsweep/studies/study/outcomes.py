"""What became of positions that were opened at signals: entry, exit, return and excursions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.studies.study.exits import Exits, first_session_held
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
    lanes: NDArray[np.int64],
    rows: NDArray[np.int64],
    hold: int,
    options: Options,
    newest: int,
    reached: Extremes,
    exits: Exits,
) -> Outcomes:
    """Return what became of the signals of `lanes` in `rows` at the close `hold` sessions later.

    `newest` is the row of the newest stored session, which may lie beyond those of the prices;
    `reached` has the extremes of the same positions and horizon; `exits` may come before it.
    """
    last = len(prices.factor) - 1
    bought = prices.opens if options.entry == "next_open" else prices.closes
    entry_rows, exit_rows = rows + (options.entry != "close"), rows + hold
    is_stored = entry_rows <= last
    at = np.where(is_stored, entry_rows, 0)
    entry_raw = np.where(is_stored, bought[at, lanes], np.nan)
    has_entry = entry_raw > 0
    is_closed = exit_rows <= min(newest, last)
    held_rows = prices.held[np.minimum(exit_rows, last), lanes]
    reason = np.full(len(lanes), HORIZON, np.int8)
    reason[held_rows < exit_rows] = LAST_CLOSE
    reason[prices.is_gone[lanes] & (prices.last_bar[lanes] < exit_rows)] = DELISTED
    is_early = exits.row <= exit_rows
    reason[is_early], held_rows[is_early] = exits.reason[is_early], exits.row[is_early]
    reason[~is_closed] = STILL_OPEN
    reason[~has_entry & is_stored] = NO_ENTRY
    is_done = has_entry & is_closed
    ends = np.where(is_done, held_rows, 0)
    closes = np.where(is_done, prices.closes[ends, lanes], np.nan)
    exit_raw = np.where(is_done & is_early, exits.price / prices.factor[ends, lanes], closes)
    exit_price = exit_raw * (1 + options.delisting_return * (reason == DELISTED))
    ratio = prices.factor[at, lanes] / prices.factor[ends, lanes]
    entry_adjusted = np.where(is_done, entry_raw * ratio, np.nan)
    paid = np.where(is_done, entry_raw * prices.factor[at, lanes], np.nan)
    return Outcomes(
        reason=reason,
        entry_row=np.where(has_entry, entry_rows, -1),
        exit_row=np.where(is_done, held_rows, -1),
        entry_raw=entry_raw,
        exit_raw=exit_raw,
        entry_adjusted=entry_adjusted,
        exit=exit_price,
        returns=exit_price / entry_adjusted - 1.0,
        # The exit is a price of the hold, and the only one if no bar comes after the entry.
        best=np.fmax(reached.highest / paid, exit_price / entry_adjusted) - 1.0,
        worst=np.fmin(reached.lowest / paid, exit_price / entry_adjusted) - 1.0,
    )


def extremes(
    prices: Prices,
    lanes: NDArray[np.int64],
    rows: NDArray[np.int64],
    options: Options,
    exits: Exits,
) -> Iterator[Extremes]:
    """Yield the extremes of positions over each horizon; NaN without a bar.

    Those of a hold that is not stored whole are of its stored sessions. Of the session in which a
    position ends before its close, the exit alone counts.
    """
    last = len(prices.factor) - 1
    highs, lows = prices.highs, prices.lows
    highest, lowest = np.full(len(lanes), np.nan), np.full(len(lanes), np.nan)
    session = first_session_held(options)
    final = np.minimum(exits.last_whole_row, last)
    is_held = final >= rows + session
    held = True if is_held.all() else is_held
    for hold in options.horizons:
        for later in range(session, hold + 1):
            # The last session is looked at again where a position has ended: nothing changes.
            at = np.minimum(rows + later, final)
            np.fmax(highest, highs[at, lanes], out=highest, where=held)
            np.fmin(lowest, lows[at, lanes], out=lowest, where=held)
        session = max(session, hold + 1)
        yield Extremes(highest.copy(), lowest.copy())


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
    if options.delisting_return:
        is_delisted = prices.is_gone & (prices.last_bar < (rows[is_stored] + hold)[:, None])
        exits = exits * (1 + options.delisting_return * is_delisted)
    is_bought = ~np.isnan(prices.closes[signal]) & (bought > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        result[is_stored] = np.where(is_bought, exits / bought - 1.0, np.nan)
    return result


def _consecutive(rows: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Return ascending rows as a slice if there is none between them: it needs no copy."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows
