"""Count the symbols that the market of each of many sessions should hold.

`MarketDay` does so for one session.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import History
from marketsweep.engine.panel.vintages import owners
from marketsweep.store.session_notes import LISTED_ON
from marketsweep.universe.market_day import RECENT

_UNLISTED, _LISTED, _UNKNOWN = 0, 1, 2

_NEVER: Final = "0001-01-01"
_ALWAYS: Final = "9999-12-31"


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """The expected symbols of each session; the matrices are bool [sessions, symbols].

    `symbols` are those of the axis, then those that never traded.
    """

    symbols: list[str]
    expected: NDArray[np.bool_]
    fresh: NDArray[np.bool_]
    """The symbols with a bar in the session."""

    def counts(self, passes: NDArray[np.bool_] | None) -> Counts:
        """Return the counts by session, screened by `passes`: bool [sessions, symbols] or None."""
        screened, fresh = self.expected, self.fresh
        if passes is not None:
            screened, fresh = screened & passes, fresh & passes
        expected, screened_count, fresh_count = (
            matrix.sum(axis=1) for matrix in (self.expected, screened, fresh)
        )
        return Counts(
            expected, expected - screened_count, screened_count - fresh_count, fresh_count
        )


class Counts(NamedTuple):
    """Symbols by session, int64 [sessions]: expected = prescreened + stale + fresh."""

    expected: NDArray[np.int64]
    prescreened: NDArray[np.int64]
    stale: NDArray[np.int64]
    fresh: NDArray[np.int64]


def census(history: History, first: int) -> Census:
    """Return the symbols that are listed, or traded lately if no listing is known, from `first` on.

    `first` is the number of a session in the history.
    """
    index, listed = _listing_states(history, first)
    since = max(0, first - RECENT)
    columns = len(history.snapshot.symbols)
    stored = np.zeros((len(history.dates) - since, len(index)), dtype=bool)
    stored[:, :columns] = history.stored(np.arange(columns), since)
    fresh, traded_lately = stored[first - since :], _traded_lately(stored)[first - since :]
    for column, rows, traded in _traded_under_other_columns(history, first, since):
        traded_lately[rows, column] = traded
    unknown = (listed == _UNKNOWN) & traded_lately
    return Census(list(index), fresh | (listed == _LISTED) | unknown, fresh)


def _traded_lately(stored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether a session or the `RECENT` before it have a bar: bool, shape of `stored`."""
    bars = np.cumsum(np.vstack([np.zeros((1, stored.shape[1]), dtype=int), stored]), axis=0)
    begins = np.maximum(np.arange(len(stored)) - RECENT, 0)
    result: NDArray[np.bool_] = bars[1:] > bars[begins]
    return result


def _traded_under_other_columns(
    history: History, first: int, since: int
) -> Iterator[tuple[int, slice, NDArray[np.bool_]]]:
    """Yield the recent trading of tickers whose earlier bars are stored in other columns."""
    for column in history.moves:
        traded = _traded_lately(history.presence(np.array([column]))[since:])[first - since :, 0]
        yield column, slice(0, len(history.dates) - first), traded
    for column, tickers, begin, end in owners(history, first):
        presence = history.until(end, tickers).presence(np.array([column]))[since:]
        traded = _traded_lately(presence)[begin - since :, 0]
        yield column, slice(begin - first, end + 1 - first), traded


def _listing_states(history: History, first: int) -> tuple[dict[str, int], NDArray[np.int8]]:
    """Return the index of each symbol, and whether each is listed: int8 [sessions, symbols]."""
    snapshot = history.snapshot
    days = np.array(history.dates[first:], dtype="datetime64[D]")
    listed_on = snapshot.notes().get(LISTED_ON, _ALWAYS)
    undated = np.where(days >= np.datetime64(listed_on), _LISTED, _UNKNOWN)[:, None]
    index = dict(snapshot.index)
    indices, begins, ends = [], [], []
    for symbol, begin, end, _ in snapshot.lives():
        indices.append(index.setdefault(symbol, len(index)))
        begins.append(begin or _NEVER)
        ends.append(end or _ALWAYS)
    begun, ended = _parse_dates(begins), _parse_dates(ends)
    day = days[:, None]
    state = np.where(
        begun == np.datetime64(_NEVER), undated, np.where(begun <= day, _LISTED, _UNLISTED)
    )
    state[ended < day] = _UNLISTED
    states = np.full((len(days), len(index)), _UNKNOWN, dtype=np.int8)
    states[:, indices] = state
    lives_of: defaultdict[int, list[int]] = defaultdict(list)
    for life, symbol_index in enumerate(indices):
        lives_of[symbol_index].append(life)
    for symbol_index, lives in lives_of.items():
        if len(lives) > 1:
            # The company that has the ticker on the day counts, or else the last that had it.
            rank = np.where(begun[lives] <= day, 10_000_000, 0) + ended[lives].astype(np.int64)
            chosen = np.array(lives)[np.argmax(rank, axis=1)]
            states[:, symbol_index] = state[np.arange(len(days)), chosen]
    return index, states


def _parse_dates(texts: Sequence[str]) -> NDArray[np.datetime64]:
    return np.array(texts, dtype="datetime64[D]")
