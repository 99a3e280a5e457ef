"""Find the symbols expected on a day, and which of them pass the pre-screen."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.funnel import Clause
from marketsweep.engine.panel.adjustments import History
from marketsweep.engine.panel.own_facts import OwnFacts
from marketsweep.universe.prescreen import Facts
from marketsweep.universe.screen import Screen

RECENT: Final = 20
"""A symbol without reference data counts as listed for this many sessions after its last bar."""


class MarketDay:
    """The symbols that a day's market should hold, and the age of the newest bar of each."""

    def __init__(self, history: History, own: OwnFacts | None = None) -> None:
        self.history = history
        snapshot = history.snapshot
        self.day = history.dates[-1]
        self.facts = Facts(history, self.day, own)
        self.reference = self.facts.reference
        self.asked = snapshot.requested_on(history.dates[-1])
        """The symbols that were fetched for the day, if not all were; else None."""
        columns = np.arange(len(snapshot.symbols))
        self.age = history.survey(columns, depth=1, sessions=RECENT + 1).age

    @cached_property
    def expected(self) -> list[str]:
        """Symbols that are listed on the day, or traded lately if no listing is known."""
        snapshot, age = self.history.snapshot, self.age.tolist()
        traded = [
            symbol
            for symbol, sessions in zip(snapshot.symbols, age, strict=True)
            if self._is_expected(symbol, sessions)
        ]
        never_traded = (symbol for symbol in self.reference.lives if symbol not in snapshot.index)
        everyone = traded + [symbol for symbol in never_traded if self.reference.is_listed(symbol)]
        if self.asked is None:
            return everyone
        return [symbol for symbol in everyone if symbol in self.asked]

    def _is_expected(self, symbol: str, age: int) -> bool:
        listed = self.reference.is_listed(symbol)
        if listed is None:
            # The age of a symbol that never traded is the number of all sessions.
            return age <= RECENT and age < len(self.history.dates)
        return age == 0 or listed

    @cached_property
    def everyone(self) -> Universe:
        """The universe without a pre-screen: all expected symbols."""
        return self._universe(self.expected)

    def screened(self, screen: Screen) -> Universe:
        """Return the symbols that pass a pre-screen.

        Raises ConditionError if a condition of the screen names a series. Symbols with unknown
        facts pass only if the screen keeps them.
        """
        if screen.is_empty:
            return self.everyone
        screening = self.facts.screened(self.expected, screen)
        passing = [
            symbol
            for symbol, passes in zip(self.expected, screening.passes.tolist(), strict=True)
            if passes
        ]
        return replace(
            self._universe(passing),
            prescreened=len(self.expected) - len(passing),
            unknown=screening.unknown,
            unknown_kept=screen.keep_unknown,
            funnel=screening.funnel,
            warnings=screening.warnings,
        )

    def _universe(self, symbols: list[str]) -> Universe:
        index = self.history.snapshot.index
        columns = np.array([index.get(symbol, -1) for symbol in symbols], dtype=np.int64)
        fresh = np.zeros(len(columns), dtype=bool)
        fresh[columns >= 0] = self.age[columns[columns >= 0]] == 0
        stale = [
            symbol for symbol, is_fresh in zip(symbols, fresh.tolist(), strict=True) if not is_fresh
        ]
        return Universe(len(self.expected), stale, columns[fresh])


class Universe(Struct, frozen=True, eq=False):
    """The symbols of a scan. `columns` are the axis columns of those with a bar."""

    expected: int
    stale: list[str]
    """Expected symbols that pass the pre-screen and have no bar in the as-of session."""
    columns: NDArray[np.int64]
    prescreened: int = 0
    """How many symbols the pre-screen excluded."""
    unknown: int = 0
    """How many symbols lack a fact of the pre-screen and fail no other clause of it."""
    unknown_kept: bool = False
    funnel: list[Clause] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
