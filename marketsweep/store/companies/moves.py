"""Where the earlier bars of a company stand: the tickers that it had before."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from marketsweep.core.records import Life

_DAY: Final = dt.timedelta(days=1)


class Move(Struct, frozen=True):
    """Before `day` the bars of an instrument stand under the ticker `before`.

    None for none: what stands there under its own ticker is of another instrument.
    """

    day: dt.date
    before: str | None


def moves_of(lives: Iterable[Life], as_of: dt.date) -> dict[str, list[Move]]:
    """Return, by ticker, the moves of the company that has it on a day or had it last.

    Newest first. `lives` are those of instruments that had several tickers, and of tickers that
    several had.
    """
    of_ticker: defaultdict[str, list[Life]] = defaultdict(list)
    of_instrument: defaultdict[int, list[Life]] = defaultdict(list)
    for life in lives:
        if life.first is None or life.first <= as_of:
            of_ticker[life.symbol].append(life)
            of_instrument[life.instrument].append(life)
    found = {}
    for symbol, owners in of_ticker.items():
        life = max(owners, key=_end)
        moves = list(_moves(life, of_instrument[life.instrument], of_ticker))
        # Nobody has a ticker before whoever had it, or what it was, has given it up.
        if moves and moves[0].day <= as_of:
            found[symbol] = moves
    return found


def _moves(
    life: Life, tickers: Sequence[Life], of_ticker: Mapping[str, Sequence[Life]]
) -> Iterator[Move]:
    for earlier in sorted(tickers, key=_end, reverse=True):
        if earlier.last is None or life.first is None or _end(earlier) >= _end(life):
            continue
        # Told of both tickers for some days, the new one counts from its first on.
        after = earlier.last + _DAY
        day = min(after, life.first) if life.first > earlier.last else life.first
        yield Move(day, earlier.symbol)
        life = earlier
    others = [one for one in of_ticker[life.symbol] if one.instrument != life.instrument]
    before = [one.last for one in others if one.last and _end(one) < _end(life)]
    if before:
        yield Move(max(before) + _DAY, None)


def _end(life: Life) -> dt.date:
    return life.last or dt.date.max
