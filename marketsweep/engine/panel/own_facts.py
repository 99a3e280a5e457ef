"""Look up stored facts beyond those of the language, as of a day.

A value counts from its first day on, until the next value of the same company. A value without a
first day counts on every earlier day. Values belong to the company that had the ticker on their
first day, or has it now, so that they survive a ticker change.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

from marketsweep.core.records import FactKind, FactRow
from marketsweep.language.tree import Kind

Days = tuple[str, str | None, str | None, int]
"""A symbol, the first and last day of its listing (ISO; None: unknown, or still listed), and its
company's number."""

_Company = int | str
"""The number of a company, or the ticker of a symbol without a listing."""


class OwnFacts:
    """The facts of a store that are not facts of the language.

    `kinds` are the kind of each fact, and whether it has values with a first day. `rows` returns
    the values of a fact; `lives` are all listings.
    """

    def __init__(
        self,
        kinds: Mapping[str, tuple[FactKind, bool]],
        rows: Callable[[str], Sequence[FactRow]],
        lives: Callable[[], Sequence[Days]],
    ) -> None:
        self.kinds = {name: Kind[kind.upper()] for name, (kind, _) in kinds.items()}
        self.dated = frozenset(name for name, (_, is_dated) in kinds.items() if is_dated)
        """The facts whose values change from day to day."""
        self._rows = rows
        self._read_lives = lives

    def values_as_of(self, name: str, day: dt.date) -> Mapping[_Company, float | str]:
        """Return the values of a fact by company, as of a day."""
        latest: dict[_Company, tuple[dt.date, float | str | None]] = {}
        for symbol, first, value in self._rows(name):
            known_from = first or dt.date.min
            if known_from <= day:
                company = self._owner(symbol, first)
                if company not in latest or latest[company][0] <= known_from:
                    latest[company] = known_from, value
        return {company: value for company, (_, value) in latest.items() if value is not None}

    @cached_property
    def _lives(self) -> dict[str, list[Days]]:
        lives: defaultdict[str, list[Days]] = defaultdict(list)
        for life in self._read_lives():
            lives[life[0]].append(life)
        return dict(lives)

    def _owner(self, symbol: str, day: dt.date | None) -> _Company:
        """Return the company that had a ticker on a day, or else the one that had it last."""
        lives = self._lives.get(symbol)
        if not lives:
            return symbol
        if len(lives) > 1 and day is not None:
            text = day.isoformat()
            for _, first, last, company in lives:
                if (first is None or first <= text) and (last is None or text <= last):
                    return company
        return max(lives, key=lambda life: (life[2] or "9999", life[1] or ""))[3]


NO_OWN_FACTS: Final = OwnFacts({}, lambda name: (), lambda: ())
