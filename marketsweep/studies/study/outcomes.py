"""What became of positions that were opened at signals: entry, exit, return and excursions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.studies.study.options import Entry, Options
from marketsweep.studies.study.prices import Prices

REASONS: Final = ("horizon", "last close", "delisted", "open", "no entry", "suspect")
"""How a position ends.

- horizon: at the close of the last session of the hold.
- last close: the symbol has no bar in that session: the last close before it.
- delisted: the symbol has no bar from that session on, nor lately: its last close.
- open: that session is not stored yet.
- no entry: the symbol has no bar in the session of the entry, or no price above zero.
- suspect: a quality rule suspects a bar of the hold, and such positions are left out.
"""
HORIZON, LAST_CLOSE, DELISTED, STILL_OPEN, NO_ENTRY, SUSPECT = range(len(REASONS))


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
) -> Outcomes:
    """Return what became of the signals of `lanes` in `rows` at the close `hold` sessions later.

    `newest` is the row of the newest stored session, which may lie beyond those of the prices;
    `reached` has the extremes of the same positions and horizon.
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
    reason[~is_closed] = STILL_OPEN
    reason[~has_entry & is_stored] = NO_ENTRY
    is_done = has_entry & is_closed
    ends = np.where(is_done, held_rows, 0)
    exit_raw = np.where(is_done, prices.closes[ends, lanes], np.nan)
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
    holds: Sequence[int],
    entry: Entry,
) -> Iterator[Extremes]:
    """Yield the extremes of positions over each of `holds`, which ascend; NaN without a bar.

    Those of a hold that is not stored whole are of its stored sessions.
    """
    last = len(prices.factor) - 1
    highs, lows = prices.highs * prices.factor, prices.lows * prices.factor
    highest, lowest = np.full(len(lanes), np.nan), np.full(len(lanes), np.nan)
    # A position that is opened at a close sees the sessions after it.
    session = 2 if entry == "next_close" else 1
    for hold in holds:
        for later in range(session, hold + 1):
            at = np.minimum(rows + later, last)
            np.fmax(highest, highs[at, lanes], out=highest)
            np.fmin(lowest, lows[at, lanes], out=lowest)
        session = max(session, hold + 1)
        yield Extremes(highest.copy(), lowest.copy())


def market_returns(
    prices: Prices, rows: range, hold: int, options: Options, members: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the mean return of all members with a bar in each of `rows`, bought as the events are.

    `members` is bool [lanes]. The market is weighted equally. NaN for a row whose hold is not
    stored whole.
    """
    last = len(prices.factor) - 1
    count = min(rows.stop, last + 1 - hold) - rows.start
    means = np.full(len(rows), np.nan)
    if count <= 0:
        return means
    signal = slice(rows.start, rows.start + count)
    wait = int(options.entry != "close")
    later = slice(signal.start + wait, signal.stop + wait)
    entries = prices.opens if options.entry == "next_open" else prices.closes
    bought = entries[later] * prices.factor[later]
    is_bought = ~np.isnan(prices.closes[signal]) & (bought > 0) & members
    exits = prices.held_closes[signal.start + hold : signal.stop + hold]
    if options.delisting_return:
        ends = np.arange(signal.start, signal.stop)[:, None] + hold
        is_delisted = prices.is_gone & (prices.last_bar < ends)
        exits = exits * (1 + options.delisting_return * is_delisted)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.where(is_bought, exits / bought - 1.0, 0.0)
        means[:count] = returns.sum(axis=1) / is_bought.sum(axis=1)
    return means
