"""Who is expected on a day, and who of them passes the pre-screen, before any bar is gathered."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.funnel import Clause
from marketsweep.engine.panel.adjustments import History
from marketsweep.universe.prescreen import Facts
from marketsweep.universe.screen import Screen

RECENT: Final = 20
"""A symbol of which no reference data tells counts as listed for this many sessions after a bar."""


class MarketDay:
    """The symbols that a day's market should hold, and how old the newest bar of each is."""

    def __init__(self, history: History) -> None:
        self.history = history
        snapshot = history.snapshot
        self.day = history.dates[-1]
        self.facts = Facts(history, self.day)
        self.reference = self.facts.reference
        self.asked = snapshot.asked_on(history.dates[-1])
        """The symbols that alone are known of the day; None where all are."""
        columns = np.arange(len(snapshot.symbols))
        self.age = history.survey(columns, depth=1, sessions=RECENT + 1).age

    @cached_property
    def expected(self) -> list[str]:
        """Symbols that are listed on the day, or traded lately where nobody tells."""
        snapshot, age = self.history.snapshot, self.age.tolist()
        traded = [
            symbol
            for symbol, sessions in zip(snapshot.symbols, age, strict=True)
            if self._is_expected(symbol, sessions)
        ]
        never = (symbol for symbol in self.reference.lives if symbol not in snapshot.index)
        everyone = traded + [symbol for symbol in never if self.reference.is_listed(symbol)]
        if self.asked is None:
            return everyone
        return [symbol for symbol in everyone if symbol in self.asked]

    def _is_expected(self, symbol: str, age: int) -> bool:
        listed = self.reference.is_listed(symbol)
        if listed is None:
            # Of one that never was traded, the age is the number of all sessions.
            return age <= RECENT and age < len(self.history.dates)
        return age == 0 or listed

    @cached_property
    def everyone(self) -> Universe:
        """All who are expected: the universe without a pre-screen."""
        return self._universe(self.expected)

    def screened(self, screen: Screen) -> Universe:
        """Return the symbols that pass a pre-screen.

        Raises ConditionError where a condition of it names a series. Of whom it cannot be told
        does not pass, unless the screen says so.
        """
        if screen.lets_all_pass:
            return self.everyone
        found = self.facts.screened(self.expected, screen)
        kept = [s for s, passes in zip(self.expected, found.passes.tolist(), strict=True) if passes]
        return replace(
            self._universe(kept),
            prescreened=len(self.expected) - len(kept),
            unknown=found.unknown,
            unknown_kept=screen.keep_unknown,
            funnel=found.funnel,
            warnings=found.warnings,
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
    """What a scan is to look at. `columns` are the places on the axis of those with a bar."""

    expected: int
    stale: list[str]
    """Expected, not left out, and without a bar in the as-of session."""
    columns: NDArray[np.int64]
    prescreened: int = 0
    """How many the pre-screen left out."""
    unknown: int = 0
    """For how many it could not be told, and nothing else left them out."""
    unknown_kept: bool = False
    funnel: list[Clause] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
