"""What entered a scan and what left it, from one scan of a running session to the next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Literal, NamedTuple

Kind = Literal["entered", "left"]


class Change(NamedTuple):
    """A symbol that entered the matches or left them."""

    kind: Kind
    symbol: str


class Changes:
    """The matches of one condition, as they were last reported.

    A symbol is reported after it has matched, or not, in `confirm` scans in a row. For `cooldown`
    after it was reported as entered, it is not reported again: neither as left nor as entered.
    """

    def __init__(self, confirm: int = 1, cooldown: dt.timedelta = dt.timedelta(0)) -> None:
        self._confirm = confirm
        self._cooldown = cooldown
        self.matches: set[str] = set()
        """The symbols that are reported as matching."""
        self._streaks: dict[str, int] = {}
        """Scans in a row in which a symbol was not as it is reported."""
        self._entered: dict[str, dt.datetime] = {}
        self._is_first = True

    def take(self, symbols: Collection[str], now: dt.datetime) -> list[Change]:
        """Return what changed by a scan with these matches; nothing at the first one."""
        matching = set(symbols)
        if self._is_first:
            self._is_first = False
            self.matches = matching
            return []
        different = matching ^ self.matches
        self._streaks = {symbol: self._streaks.get(symbol, 0) + 1 for symbol in different}
        changes = []
        for symbol in sorted(different):
            if self._streaks[symbol] < self._confirm or self._is_quiet(symbol, now):
                continue
            del self._streaks[symbol]
            if symbol in matching:
                self.matches.add(symbol)
                self._entered[symbol] = now
                changes.append(Change("entered", symbol))
            else:
                self.matches.discard(symbol)
                changes.append(Change("left", symbol))
        return changes

    def _is_quiet(self, symbol: str, now: dt.datetime) -> bool:
        entered = self._entered.get(symbol)
        return entered is not None and now - entered < self._cooldown
