"""Ticker changes of a company: under which earlier ticker its older bars are stored."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from marketsweep.core.records import ListingPeriod

_DAY: Final = dt.timedelta(days=1)


class Move(Struct, frozen=True):
    """Before `day` the bars of an instrument are stored under the ticker `before`.

    If `before` is None, there are none: older bars under the ticker belong to another instrument.
    """

    day: dt.date
    before: str | None


def moves_of(lives: Iterable[ListingPeriod], as_of: dt.date) -> dict[str, list[Move]]:
    """Return, by ticker, the moves of the company that has the ticker on `as_of` or had it last.

    Moves are newest first. `lives` are the lives of instruments with several tickers, and of
    tickers with several instruments.
    """
    by_ticker: defaultdict[str, list[ListingPeriod]] = defaultdict(list)
    by_instrument: defaultdict[int, list[ListingPeriod]] = defaultdict(list)
    for life in lives:
        if life.first is None or life.first <= as_of:
            by_ticker[life.symbol].append(life)
            by_instrument[life.instrument].append(life)
    moves_by_symbol = {}
    for symbol, symbol_lives in by_ticker.items():
        life = max(symbol_lives, key=_last_day)
        moves = list(_moves_back(life, by_instrument[life.instrument], by_ticker))
        # A company has a ticker only after the previous owner, or its own old ticker, has ended.
        if moves and moves[0].day <= as_of:
            moves_by_symbol[symbol] = moves
    return moves_by_symbol


def _moves_back(
    life: ListingPeriod,
    company_lives: Sequence[ListingPeriod],
    by_ticker: Mapping[str, Sequence[ListingPeriod]],
) -> Iterator[Move]:
    for earlier in sorted(company_lives, key=_last_day, reverse=True):
        if earlier.last is None or life.first is None or _last_day(earlier) >= _last_day(life):
            continue
        # If both tickers are reported for some days, the new one counts from its first day.
        next_day = earlier.last + _DAY
        day = min(next_day, life.first) if life.first > earlier.last else life.first
        yield Move(day, earlier.symbol)
        life = earlier
    others = [other for other in by_ticker[life.symbol] if other.instrument != life.instrument]
    last_days = [
        other.last for other in others if other.last and _last_day(other) < _last_day(life)
    ]
    if last_days:
        yield Move(max(last_days) + _DAY, None)


def _last_day(life: ListingPeriod) -> dt.date:
    return life.last or dt.date.max
