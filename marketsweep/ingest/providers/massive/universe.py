"""Turn lists of tickers as of several days into facts that say what changed."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from marketsweep.core.records import FactKind, FactRow, FactValues, Listing

_TEXTS: Final = ("name", "type", "exchange", "figi")


class UniverseHistory:
    """Collects lists of tickers, in the order of their days."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, list[FactRow]] = defaultdict(list)
        self._newest: dict[str, tuple[str | None, ...]] = {}
        self._listed: set[str] = set()

    def add(self, day: dt.date, listings: Iterable[Listing]) -> None:
        """Add the tickers that were listed on a day, which is later than those added before."""
        listed: set[str] = set()
        for listing in listings:
            symbol = listing.symbol
            listed.add(symbol)
            values = tuple(getattr(listing, name) for name in _TEXTS)
            before = self._newest.get(symbol)
            for place, name in enumerate(_TEXTS):
                if before is None or before[place] != values[place]:
                    self._rows[name].append((symbol, day, values[place]))
            self._newest[symbol] = values
        self._rows["active"] += [(symbol, day, 1.0) for symbol in sorted(listed - self._listed)]
        self._rows["active"] += [(symbol, day, 0.0) for symbol in sorted(self._listed - listed)]
        self._listed = listed

    def facts(self) -> list[FactValues]:
        """Return the changes, by fact."""
        return [
            FactValues(name, _kind(name, rows), rows) for name, rows in sorted(self._rows.items())
        ]


def _kind(name: str, rows: Iterable[FactRow]) -> FactKind | None:
    if all(value is None for _, _, value in rows):
        return None
    return "number" if name == "active" else "text"
