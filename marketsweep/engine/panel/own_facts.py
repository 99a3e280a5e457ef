"""Look up stored facts beyond those of the language, as of a day.

A value counts from its first day on, until the next value of the same company. A value without a
first day counts on every earlier day. Values belong to the company that had the ticker on their
first day, or has it now, so that they survive a ticker change.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.records import FactKind, FactRow
from marketsweep.language.tree import Kind

Days = tuple[str, str | None, str | None, int]
"""A symbol, the first and last day of its listing (ISO; None: unknown, or still listed), and its
company's number."""

Company = int | str
"""The number of a company, or the ticker of a symbol without a listing."""

Steps = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Ascending days since 1970, and the value from each of them on."""


class FactHistory:
    """All values of one fact, by company and first day; `rows` are in any order."""

    def __init__(self, rows: Iterable[tuple[Company, dt.date, float | str | None]]) -> None:
        ordered = sorted(rows, key=lambda row: (isinstance(row[0], str), row[0], row[1]))
        counts = Counter(row[0] for row in ordered)
        ends = list(accumulate(counts.values()))
        self._spans = {
            company: (end - count, end)
            for (company, count), end in zip(counts.items(), ends, strict=True)
        }
        self._days = np.array([row[1] for row in ordered], dtype="datetime64[D]").astype(np.int64)
        self._values = [row[2] for row in ordered]

    def as_of(self, day: dt.date) -> Mapping[Company, float | str]:
        """Return the value that counts on a day, by company."""
        return {company: value for company, _, value in self.known_on(day)}

    def known_on(self, day: dt.date) -> Iterator[tuple[Company, dt.date, float | str]]:
        """Yield the value that counts on a day, and its first day, of each company."""
        if not self._spans:
            return
        number = np.datetime64(day, "D").astype(np.int64)
        places = np.where(self._days <= number, np.arange(len(self._days)), -1)
        starts = [start for start, _ in self._spans.values()]
        latest = np.maximum.reduceat(places, starts)
        firsts = self._days[latest].astype("datetime64[D]").tolist()
        for company, place, first in zip(self._spans, latest.tolist(), firsts, strict=True):
            if place >= 0 and (value := self._values[place]) is not None:
                yield company, first, value

    def steps(
        self, companies: Iterable[Company], number_of: Callable[[float | str | None], float]
    ) -> list[Steps]:
        """Return the days and values of each company, the values as numbers."""
        numbers_by_value = {value: number_of(value) for value in set(self._values)}
        numbers = np.array([numbers_by_value[value] for value in self._values], dtype=np.float64)
        result = []
        for company in companies:
            start, end = self._spans.get(company, (0, 0))
            result.append((self._days[start:end], numbers[start:end]))
        return result

    def days_of(self, company: Company) -> NDArray[np.int64]:
        """Return the first days of a company's values, ascending, since 1970."""
        return self._days[slice(*self._spans.get(company, (0, 0)))]

    def undated(self) -> list[Company]:
        """Return the companies whose values have no first day."""
        first = np.datetime64(dt.date.min, "D").astype(np.int64)
        return [
            company
            for company, (start, end) in self._spans.items()
            if end == start + 1 and self._days[start] == first
        ]

    def values_of(self, company: Company) -> Mapping[int, float | str | None]:
        """Return the values of a company by first day, ascending, in days since 1970."""
        start, end = self._spans.get(company, (0, 0))
        days = self._days[start:end].tolist()
        return dict(zip(days, self._values[start:end], strict=True))


_KIND_NAMES: Final[dict[Kind, FactKind]] = {
    Kind.NUMBER: "number",
    Kind.TEXT: "text",
    Kind.DATE: "date",
}


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
        self._histories: dict[str, FactHistory] = {}
        self._read_lives = lives

    def history(self, name: str) -> FactHistory:
        """Return all values of a fact."""
        if name not in self._histories:
            self._histories[name] = FactHistory(
                (self._owner(symbol, first), first or dt.date.min, value)
                for symbol, first, value in self._rows(name)
            )
        return self._histories[name]

    def latest(self) -> OwnFacts:
        """Return these facts with their newest values, as if those had always held."""

        def newest_rows(name: str) -> list[FactRow]:
            rows = sorted(self._rows(name), key=lambda row: row[1] or dt.date.min)
            newest = {symbol: value for symbol, _, value in rows}
            return [(symbol, None, value) for symbol, value in newest.items()]

        kinds = {name: (_KIND_NAMES[kind], False) for name, kind in self.kinds.items()}
        return OwnFacts(kinds, newest_rows, self._read_lives)

    def change_days(
        self, names: Collection[str], symbols: Sequence[str]
    ) -> dict[int, NDArray[np.int64]]:
        """Return the days on which any of some facts changes, by the place of the symbol.

        They are days since 1970, ascending, of all companies that have had the ticker.
        """
        histories = [self.history(name) for name in names]
        result = {}
        for place, symbol in enumerate(symbols):
            owners: set[Company] = {life[3] for life in self._lives.get(symbol, ())}
            companies = owners or {symbol}
            days = [history.days_of(company) for history in histories for company in companies]
            changes = np.unique(np.concatenate(days))
            if len(changes):
                result[place] = changes
        return result

    @cached_property
    def _lives(self) -> dict[str, list[Days]]:
        lives: defaultdict[str, list[Days]] = defaultdict(list)
        for life in self._read_lives():
            lives[life[0]].append(life)
        return dict(lives)

    def _owner(self, symbol: str, day: dt.date | None) -> Company:
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
