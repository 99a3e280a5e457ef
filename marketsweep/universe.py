"""Who is expected on a day, and who of them passes the pre-screen, before any bar is gathered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep import tree
from marketsweep.agenda import LISTED_ON
from marketsweep.errors import ConditionError
from marketsweep.executors import serial
from marketsweep.fields import DERIVED, FIELDS
from marketsweep.panel import Panel, facts_panel
from marketsweep.passes import evaluate
from marketsweep.past import History
from marketsweep.plan import Plan, make_plan
from marketsweep.reference import Reference
from marketsweep.tree import Node

RECENT: Final = 20
"""A symbol of which no reference data tells counts as listed for this many sessions after a bar."""


class MarketDay:
    """The symbols that a day's market should hold, and how old the newest bar of each is."""

    def __init__(self, history: History) -> None:
        self.history = history
        snapshot = history.snapshot
        self.reference = Reference(
            snapshot.lives(), snapshot.listings, history.dates[-1], snapshot.notes().get(LISTED_ON)
        )
        self.asked = snapshot.asked_on(history.dates[-1])
        """The symbols that alone are known of the day; None where all are."""
        columns = np.arange(len(snapshot.symbols))
        _, self.age = history.survey(columns, depth=1, sessions=RECENT + 1)

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
        return age == 0 or (age <= RECENT if listed is None else listed)

    @cached_property
    def everyone(self) -> Universe:
        """All who are expected: the universe without a pre-screen."""
        return self._universe(self.expected, 0, 0)

    def screened(self, where: Node | None) -> Universe:
        """Those for whom `where`, a condition on reference data, holds.

        Raises ConditionError where it names a series. What cannot be known does not pass.
        """
        if where is None:
            return self.everyone
        plan = make_plan([where])
        if plan.loads or any(isinstance(node, tree.Other) for node in where.walk()):
            raise _names_a_series(where)
        (held,) = evaluate(plan, facts_panel(self.expected, self.reference), serial.run, _nobody)
        truths = held[0].tolist()
        kept = [s for s, truth in zip(self.expected, truths, strict=True) if truth == 1.0]
        unknown = int(np.count_nonzero(np.isnan(held)))
        return self._universe(kept, len(truths) - len(kept), unknown)

    def _universe(self, symbols: list[str], prescreened: int, unknown: int) -> Universe:
        index = self.history.snapshot.index
        columns = np.array([index.get(symbol, -1) for symbol in symbols], dtype=np.int64)
        fresh = np.zeros(len(columns), dtype=bool)
        fresh[columns >= 0] = self.age[columns[columns >= 0]] == 0
        stale = [
            symbol for symbol, is_fresh in zip(symbols, fresh.tolist(), strict=True) if not is_fresh
        ]
        return Universe(len(self.expected), prescreened, unknown, stale, columns[fresh])


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
    """What a scan is to look at. `columns` are the places on the axis of those with a bar."""

    expected: int
    prescreened: int
    """How many `where` left out, the unknown included."""
    unknown: int
    """For how many of those it could not be told."""
    stale: list[str]
    """Expected, not left out, and without a bar in the as-of session."""
    columns: NDArray[np.int64]


def _nobody(symbol: str, plan: Plan) -> Panel:
    raise AssertionError(f"{symbol} in a condition on reference data, of {plan}")


def _names_a_series(where: Node) -> ConditionError:
    series = next(
        node
        for node in where.walk()
        if isinstance(node, tree.Call)
        or (isinstance(node, tree.Field) and node.name in (*FIELDS, *DERIVED))
    )
    return ConditionError(
        f"where takes reference data ({', '.join(tree.FACTS)}), and {series} changes from bar to "
        "bar: put it into the condition itself"
    )
