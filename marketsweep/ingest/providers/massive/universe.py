"""Turn tickers as of several days into facts that say what changed."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from marketsweep.core.records import SHARES, FactKind, FactRow, FactValues, Listing

_TEXTS: Final = ("name", "type", "exchange", "figi")
_NUMBERS: Final = ("active", SHARES)


class Changes:
    """Collects values of some facts, in the order of their days, and keeps those that changed."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, list[FactRow]] = defaultdict(list)
        self._newest: dict[str, dict[str, float | str | None]] = {}

    def add_values(self, symbol: str, day: dt.date, values: dict[str, float | str | None]) -> None:
        """Add what is known of a symbol on a day, which is not before those added already."""
        before = self._newest.get(symbol, {})
        for name, value in values.items():
            if name not in before or before[name] != value:
                self._rows[name].append((symbol, day, value))
        self._newest[symbol] = before | values

    def facts(self) -> list[FactValues]:
        """Return the changes, by fact."""
        return [
            FactValues(name, _kind(name, rows), rows) for name, rows in sorted(self._rows.items())
        ]


class UniverseHistory(Changes):
    """Collects lists of tickers, in the order of their days."""

    def __init__(self) -> None:
        super().__init__()
        self._listed: set[str] = set()

    def add(self, day: dt.date, listings: Iterable[Listing]) -> None:
        """Add the tickers that were listed on a day, which is later than those added before."""
        listed: set[str] = set()
        for listing in listings:
            listed.add(listing.symbol)
            values = {name: getattr(listing, name) for name in _TEXTS}
            self.add_values(listing.symbol, day, values)
        self._rows["active"] += [(symbol, day, 1.0) for symbol in sorted(listed - self._listed)]
        self._rows["active"] += [(symbol, day, 0.0) for symbol in sorted(self._listed - listed)]
        self._listed = listed


def _kind(name: str, rows: Iterable[FactRow]) -> FactKind | None:
    if all(value is None for _, _, value in rows):
        return None
    return "number" if name in _NUMBERS else "text"
