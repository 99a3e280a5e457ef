"""How many symbols the market of each of many days should hold, as `MarketDay` has it of one."""

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

_OUT, _LISTED, _UNKNOWN = 0, 1, 2

_NEVER: Final = "0001-01-01"
_ALWAYS: Final = "9999-12-31"


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """Who should be in the market of each session; bool [sessions, symbols] each.

    `symbols` are those of the axis, then those that were never traded.
    """

    symbols: list[str]
    expected: NDArray[np.bool_]
    fresh: NDArray[np.bool_]
    """Who has a bar."""

    def counts(self, passes: NDArray[np.bool_] | None) -> Counts:
        """How many, of those that pass a pre-screen in the session; None for everybody."""
        due, fresh = self.expected, self.fresh
        if passes is not None:
            due, fresh = due & passes, fresh & passes
        everyone, asked, traded = (one.sum(axis=1) for one in (self.expected, due, fresh))
        return Counts(everyone, everyone - asked, asked - traded, traded)


class Counts(NamedTuple):
    """Symbols of each session, int64 [sessions]: expected = prescreened + stale + fresh."""

    expected: NDArray[np.int64]
    prescreened: NDArray[np.int64]
    stale: NDArray[np.int64]
    fresh: NDArray[np.int64]


def census(history: History, first: int) -> Census:
    """Symbols that are listed, or traded lately where nobody tells, by session from `first` on."""
    index, listed = _listed(history, first)
    since = max(0, first - RECENT)
    columns = len(history.snapshot.symbols)
    stored = np.zeros((len(history.dates) - since, len(index)), dtype=bool)
    stored[:, :columns] = history.stored(np.arange(columns), since)
    fresh, lately = stored[first - since :], _lately(stored)[first - since :]
    for column, rows, traded in _of_others(history, first, since):
        lately[rows, column] = traded
    unknown = (listed == _UNKNOWN) & lately
    return Census(list(index), fresh | (listed == _LISTED) | unknown, fresh)


def _lately(stored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether there is a bar in a session or the `RECENT` before it; in the shape of `stored`."""
    bars = np.cumsum(np.vstack([np.zeros((1, stored.shape[1]), dtype=int), stored]), axis=0)
    begins = np.maximum(np.arange(len(stored)) - RECENT, 0)
    found: NDArray[np.bool_] = bars[1:] > bars[begins]
    return found


def _of_others(
    history: History, first: int, since: int
) -> Iterator[tuple[int, slice, NDArray[np.bool_]]]:
    """Where earlier bars of a ticker stand elsewhere, whether those were traded lately."""
    for column in history.moves:
        traded = _lately(history.presence(np.array([column]))[since:])[first - since :, 0]
        yield column, slice(0, len(history.dates) - first), traded
    for column, tickers, begin, end in owners(history, first):
        known = history.until(end, tickers).presence(np.array([column]))[since:]
        traded = _lately(known)[begin - since :, 0]
        yield column, slice(begin - first, end + 1 - first), traded


def _listed(history: History, first: int) -> tuple[dict[str, int], NDArray[np.int8]]:
    """The place of each symbol, and of each session and symbol: listed, out or unknown."""
    snapshot = history.snapshot
    days = np.array(history.dates[first:], dtype="datetime64[D]")
    told = snapshot.notes().get(LISTED_ON, _ALWAYS)
    undated = np.where(days >= np.datetime64(told), _LISTED, _UNKNOWN)[:, None]
    index = dict(snapshot.index)
    places, begins, ends = [], [], []
    for symbol, begin, end, _ in snapshot.lives():
        places.append(index.setdefault(symbol, len(index)))
        begins.append(begin or _NEVER)
        ends.append(end or _ALWAYS)
    begun, ended = _dates(begins), _dates(ends)
    day = days[:, None]
    state = np.where(begun == np.datetime64(_NEVER), undated, np.where(begun <= day, _LISTED, _OUT))
    state[ended < day] = _OUT
    found = np.full((len(days), len(index)), _UNKNOWN, dtype=np.int8)
    found[:, places] = state
    of_symbol: defaultdict[int, list[int]] = defaultdict(list)
    for life, place in enumerate(places):
        of_symbol[place].append(life)
    for place, lives in of_symbol.items():
        if len(lives) > 1:
            # Whoever has the ticker on the day, or had it last.
            rank = np.where(begun[lives] <= day, 10_000_000, 0) + ended[lives].astype(np.int64)
            chosen = np.array(lives)[np.argmax(rank, axis=1)]
            found[:, place] = state[np.arange(len(days)), chosen]
    return index, found


def _dates(texts: Sequence[str]) -> NDArray[np.datetime64]:
    return np.array(texts, dtype="datetime64[D]")
