"""Find where positions end before their horizon: by an exit condition, a stop or a target.

An exit condition is known after a close, as a signal is: it sells as `entry` buys, at the next
open, at that close or at the next close. A stop and a target are orders in the market: they are
filled in the session whose prices reach them, at their level or at an open beyond it. If a session
reaches both, the stop counts, because daily bars do not tell which one came first.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.studies.study.options import Options, parse_distance
from marketsweep.studies.study.prices import Prices

NEVER: Final = int(np.iinfo(np.int64).max)
"""The row of an exit that does not come."""
_TIE: Final = 1e-9
"""A price as near to a level as this share of it reaches it: 3.00 and 5 % reach 3.15."""
EXIT, STOP, TARGET = range(3)
"""What ends a position before its horizon; also the first of `outcomes.REASONS`."""


class Entries(Struct, frozen=True, eq=False):
    """Positions that are opened after signals, all arrays [events]."""

    lanes: NDArray[np.int64]
    signal_rows: NDArray[np.int64]
    row: NDArray[np.int64]
    """The session of the entry."""
    is_stored: NDArray[np.bool_]
    """Whether the prices have that session."""
    price: NDArray[np.float64]
    """The price that is paid, as it was traded; NaN without one."""
    factor: NDArray[np.float64]
    """What makes it comparable over the sessions."""

    @classmethod
    def of(
        cls,
        prices: Prices,
        lanes: NDArray[np.int64],
        signal_rows: NDArray[np.int64],
        options: Options,
    ) -> Entries:
        """Return the positions that are opened after signals."""
        bought = prices.opens if options.entry == "next_open" else prices.closes
        row = signal_rows + (options.entry != "close")
        is_stored = row < len(bought)
        places = np.where(is_stored, row, 0) * bought.shape[1] + lanes
        price = np.where(is_stored, bought.take(places), np.nan)
        return cls(lanes, signal_rows, row, is_stored, price, prices.factor.take(places))

    @property
    def is_open(self) -> NDArray[np.bool_]:
        """Whether the position has an entry: a price above zero."""
        return self.price > 0

    @property
    def paid(self) -> NDArray[np.float64]:
        """The adjusted price of the entry."""
        return self.price * self.factor


class Exits(Struct, frozen=True, eq=False):
    """The first exit of each position before a horizon, all arrays [events]."""

    row: NDArray[np.int64]
    """The session of the exit; `NEVER` without one."""
    price: NDArray[np.float64]
    """The adjusted price of the exit; NaN without one."""
    reason: NDArray[np.int8]
    at_open: NDArray[np.bool_]
    """Whether it is the open of that session."""
    at_close: NDArray[np.bool_]
    """Whether it is the close, so that the session is held to its end."""

    @property
    def last_whole_row(self) -> NDArray[np.int64]:
        """The last session that is held to its close."""
        return self.row - ~self.at_close


class ExitSignals(Struct, frozen=True, eq=False):
    """The sessions in which an exit condition holds, by lane and session."""

    keys: NDArray[np.int64]
    """lane * stride + session, ascending."""
    stride: int

    @classmethod
    def of(cls, lanes: NDArray[np.int64], sessions: NDArray[np.int64], stride: int) -> ExitSignals:
        """Return the hits of a condition, in any order; sessions are smaller than `stride`."""
        return cls(np.unique(lanes * stride + sessions), stride)

    def next_after(
        self, lanes: NDArray[np.int64], sessions: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the first hit of each lane from a session on; `NEVER` without one."""
        places = np.searchsorted(self.keys, lanes * self.stride + sessions)
        keys = np.append(self.keys, -self.stride)[places]
        is_hit = keys // self.stride == lanes
        return np.where(is_hit, keys % self.stride, NEVER)


def first_session_held(options: Options) -> int:
    """Return the first session after the signal's whose prices come after the entry."""
    return 2 if options.entry == "next_close" else 1


def find_exits(
    prices: Prices,
    entries: Entries,
    options: Options,
    signals: ExitSignals | None,
    atr: NDArray[np.float64] | None,
) -> Exits:
    """Return the first exits of positions.

    `signals` has sessions by their number in the store; `atr` is that of each signal, in dollars of
    its session.
    """
    by_level = _by_level(prices, entries, options, atr)
    if signals is None:
        return by_level
    by_signal = _by_signal(prices, entries, options, signals)
    # What is known at the open of a session comes before what happens in it.
    is_first = (by_signal.row < by_level.row) | (
        (by_signal.row == by_level.row) & by_signal.at_open
    )
    return Exits(
        *(
            np.where(is_first, getattr(by_signal, name), getattr(by_level, name))
            for name in Exits.__struct_fields__
        )
    )


def exits_with(prices: Prices, lanes: NDArray[np.int64], exits: Exits) -> Exits:
    """Return the exits of other symbols in the same sessions, at their open or close."""
    is_exit = exits.row < len(prices.closes)
    at = np.where(is_exit, exits.row, 0)
    opens = prices.opens[at, lanes] * prices.factor[at, lanes]
    price = np.where(exits.at_open & (opens > 0), opens, prices.held_closes[at, lanes])
    return replace(exits, price=np.where(is_exit, price, np.nan))


def _by_signal(prices: Prices, entries: Entries, options: Options, signals: ExitSignals) -> Exits:
    lanes, first = entries.lanes, entries.signal_rows + first_session_held(options)
    known = signals.next_after(lanes, first + prices.first)
    last = len(prices.closes) - 1
    decided = np.where(known == NEVER, last + 1, known - prices.first)
    if options.entry != "close":
        decided = _next_bars(prices, lanes, decided + 1)
    is_exit = decided <= last
    at = np.where(is_exit, decided, 0)
    opens = prices.opens[at, lanes] if options.entry == "next_open" else np.full(len(at), np.nan)
    at_open = is_exit & (opens > 0)
    traded = np.where(at_open, opens, prices.closes[at, lanes])
    return Exits(
        row=np.where(is_exit, decided, NEVER),
        price=np.where(is_exit, traded * prices.factor[at, lanes], np.nan),
        reason=np.full(len(at), EXIT, np.int8),
        at_open=at_open,
        at_close=is_exit & ~at_open,
    )


def _next_bars(
    prices: Prices, lanes: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the row of the first bar of each lane from a row on; one beyond the last without."""
    beyond = len(prices.closes)
    is_bar = ~np.isnan(prices.closes)
    next_bar = np.where(is_bar, np.arange(beyond)[:, None], beyond)
    next_bar = np.minimum.accumulate(next_bar[::-1], axis=0)[::-1]
    inside = np.minimum(rows, beyond - 1)
    return np.where(rows < beyond, next_bar[inside, lanes], beyond)


def _by_level(
    prices: Prices, entries: Entries, options: Options, atr: NDArray[np.float64] | None
) -> Exits:
    lanes, rows = entries.lanes, entries.signal_rows
    count, last = len(lanes), len(prices.closes) - 1
    exits = Exits(
        row=np.full(count, NEVER),
        price=np.full(count, np.nan),
        reason=np.full(count, STOP, np.int8),
        at_open=np.zeros(count, dtype=bool),
        at_close=np.zeros(count, dtype=bool),
    )
    if options.stop is None and options.target is None:
        return exits
    paid = entries.paid
    unit = None if atr is None else atr * prices.factor[rows, lanes]
    stops = _level(paid, unit, options.stop, -1)
    targets = _level(paid, unit, options.target, 1)
    waiting = np.flatnonzero(~np.isnan(paid))
    for later in range(first_session_held(options), options.horizons[-1] + 1):
        waiting = waiting[rows[waiting] + later <= last]
        at, of = rows[waiting] + later, lanes[waiting]
        opens = prices.opens[at, of] * prices.factor[at, of]
        highs, lows = prices.highs[at, of], prices.lows[at, of]
        stop, target = stops[waiting], targets[waiting]
        stop_reached, target_reached = stop * (1 + _TIE), target * (1 - _TIE)
        is_gap_down = (opens > 0) & (opens <= stop_reached)
        is_gap = is_gap_down | (opens >= target_reached)
        is_stop = is_gap_down | ((lows > 0) & (lows <= stop_reached) & ~is_gap)
        is_filled = is_gap | is_stop | (highs >= target_reached)
        price = np.where(is_gap, opens, np.where(is_stop, stop, target))
        filled = waiting[is_filled]
        exits.row[filled] = at[is_filled]
        exits.price[filled] = price[is_filled]
        exits.reason[filled] = np.where(is_stop, STOP, TARGET)[is_filled]
        exits.at_open[filled] = is_gap[is_filled]
        waiting = waiting[~is_filled]
    return exits


def _level(
    paid: NDArray[np.float64], atr: NDArray[np.float64] | None, distance: str | None, sign: int
) -> NDArray[np.float64]:
    """Return the prices of orders at a distance from the entry; NaN where there is none."""
    if distance is None:
        return np.full(len(paid), np.nan)
    size, of_atr = parse_distance(distance)
    if not of_atr:
        return paid * (1 + sign * size)
    assert atr is not None, "a study in ATRs has them as a column of its signals"
    return paid + sign * size * atr
