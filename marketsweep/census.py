"""How many symbols the market of each of many days should hold, as `MarketDay` has it of one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketsweep.past import History
from marketsweep.reference import LISTED_ON
from marketsweep.stretches import handed_on
from marketsweep.universe import RECENT

_OUT, _LISTED, _UNKNOWN = 0, 1, 2

_NEVER: Final = "0001-01-01"
_ALWAYS: Final = "9999-12-31"


class Census(NamedTuple):
    """Of each session, [sessions]: how many symbols are expected in it, and have a bar."""

    expected: NDArray[np.int64]
    fresh: NDArray[np.int64]


def census(history: History, first: int) -> Census:
    """Symbols that are listed, or traded lately where nobody tells, by session from `first` on."""
    symbols = history.snapshot.symbols
    since = max(0, first - RECENT)
    stored = history.stored(np.arange(len(symbols)), since)
    fresh, lately = stored[first - since :], _lately(stored)[first - since :]
    for column, rows, traded in _of_others(history, first, since):
        lately[rows, column] = traded
    listed = _listed(history, first)
    there = listed[:, : len(symbols)]
    held = fresh | (there == _LISTED) | ((there == _UNKNOWN) & lately)
    never_traded = listed[:, len(symbols) :] == _LISTED
    return Census(held.sum(axis=1) + never_traded.sum(axis=1), fresh.sum(axis=1))


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
    learnt, beyond = handed_on(history, first, "none"), len(history.dates)
    for column in history.moves.keys() - learnt.keys():
        traded = _lately(history.presence(np.array([column]))[since:])[first - since :, 0]
        yield column, slice(0, beyond - first), traded
    for column, (tickers, breaks) in learnt.items():
        for begin, end in pairwise([first, *breaks, beyond]):
            known = history.until(end - 1, tickers).presence(np.array([column]))[since:]
            traded = _lately(known)[begin - since :, 0]
            yield column, slice(begin - first, end - first), traded


def _listed(history: History, first: int) -> NDArray[np.int8]:
    """Of each session and symbol, those that were never traded last: listed, out or unknown."""
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
    return found


def _dates(texts: Sequence[str]) -> NDArray[np.datetime64]:
    return np.array(texts, dtype="datetime64[D]")
