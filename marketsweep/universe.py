"""Who is expected on a day, and who of them passes the pre-screen, before any bar is gathered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep import tree
from marketsweep.errors import ConditionError
from marketsweep.executors import serial
from marketsweep.fields import DERIVED, FIELDS
from marketsweep.liquidity import liquidity
from marketsweep.panel import Panel, facts_panel
from marketsweep.passes import evaluate
from marketsweep.past import History
from marketsweep.plan import Plan, make_plan
from marketsweep.reference import LISTED_ON, Reference
from marketsweep.screen import Clause, Screen
from marketsweep.tree import Node

RECENT: Final = 20
"""A symbol of which no reference data tells counts as listed for this many sessions after a bar."""


_SHOWN: Final = 3
"""Symbols of a list that are named as examples."""


class MarketDay:
    """The symbols that a day's market should hold, and how old the newest bar of each is."""

    def __init__(self, history: History) -> None:
        self.history = history
        snapshot = history.snapshot
        self.reference = Reference(
            snapshot.lives(),
            snapshot.listings,
            history.dates[-1],
            snapshot.notes().get(LISTED_ON),
            self._closes,
            snapshot.splits,
        )
        self.day = history.dates[-1]
        self.asked = snapshot.asked_on(history.dates[-1])
        """The symbols that alone are known of the day; None where all are."""
        columns = np.arange(len(snapshot.symbols))
        _, self.age = history.survey(columns, depth=1, sessions=RECENT + 1)

    def _closes(self) -> dict[str, float]:
        closes = liquidity(self.history, RECENT).close
        known = zip(self.history.snapshot.symbols, closes.tolist(), strict=True)
        return {symbol: close for symbol, close in known if close > 0.0}

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
        """Those who pass a pre-screen.

        Raises ConditionError where a condition of it names a series. Of whom it cannot be told
        does not pass, unless the screen says so.
        """
        if screen.lets_all_pass:
            return self.everyone
        out = np.zeros(len(self.expected), dtype=bool)
        doubtful = np.zeros(len(self.expected), dtype=bool)
        certain, funnel = out.copy(), []
        for text, truth in self._clauses(screen):
            unknown, fails = np.isnan(truth), truth == 0.0
            leaves = fails if screen.keep_unknown else fails | unknown
            removed = leaves & ~out
            out |= leaves
            certain |= fails
            doubtful |= unknown
            counts = map(np.count_nonzero, (leaves, removed, unknown, ~out))
            funnel.append(Clause(text, *map(int, counts)))
        kept = [s for s, is_out in zip(self.expected, out.tolist(), strict=True) if not is_out]
        return replace(
            self._universe(kept),
            prescreened=int(np.count_nonzero(out)),
            unknown=int(np.count_nonzero(doubtful & ~certain)),
            unknown_kept=screen.keep_unknown,
            funnel=funnel,
            warnings=list(self._warnings(screen)),
        )

    def _clauses(self, screen: Screen) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """The parts of a screen, with their truth for each expected symbol: 1, 0 or NaN."""
        if screen.watchlist is not None:
            yield "watchlist", self._among(screen.watchlist)
        if screen.exclude:
            yield "exclude", 1.0 - self._among(screen.exclude)
        if screen.skip_low_volume:
            yield "low-volume list", 1.0 - self._among(self._low_volume)
        if screen.where:
            conditions = [condition.node for condition in screen.where]
            plan = make_plan(conditions)
            others = (isinstance(node, tree.Other) for one in conditions for node in one.walk())
            if plan.loads or any(others):
                raise _names_a_series(conditions)
            panel = facts_panel(self.expected, self.reference)
            truths = evaluate(plan, panel, serial.run, _nobody)
            for condition, truth in zip(screen.where, truths, strict=True):
                yield condition.text, truth[0]
        if screen.min_price is not None:
            close = liquidity(self.history, RECENT).close
            yield screen.price_floor, self._at_least(close, screen.min_price)
        if screen.min_dollar_volume is not None:
            traded = liquidity(self.history, screen.sessions)
            held = self._at_least(traded.dollars, screen.min_dollar_volume)
            yield screen.volume_floor(traded.sessions), held

    @cached_property
    def _low_volume(self) -> frozenset[str]:
        return self.history.snapshot.low_volume_on(self.day)

    def _among(self, symbols: Collection[str]) -> NDArray[np.float64]:
        return np.array([float(symbol in symbols) for symbol in self.expected])

    def _at_least(self, of_columns: NDArray[np.float64], least: float) -> NDArray[np.float64]:
        """Whether each symbol's value reaches a floor; unknown where it has none."""
        index = self.history.snapshot.index
        columns = np.array([index.get(symbol, -1) for symbol in self.expected], dtype=np.int64)
        values = np.where(columns >= 0, of_columns[columns], np.nan)
        return np.where(np.isnan(values), np.nan, (values >= least).astype(float))

    def _warnings(self, screen: Screen) -> Iterator[str]:
        absent = sorted((screen.watchlist or frozenset()).difference(self.expected))
        if absent:
            more = f" and {len(absent) - _SHOWN:,} more" if len(absent) > _SHOWN else ""
            named = ", ".join(absent[:_SHOWN])
            yield f"not in the market of {self.day}, though on the watchlist: {named}{more}"
        built = [line for line in self.history.snapshot.low_volume() if not line.manual]
        if screen.skip_low_volume and not any(line.holds_on(self.day) for line in built):
            yield (
                f"no low-volume list was built that holds on {self.day}: marketsweep universe "
                "rebuild builds one of the newest session"
                + (f"; there is one of {built[0].since}" if built else "")
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


@dataclass(frozen=True, slots=True, eq=False)
class Universe:
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


def _nobody(symbol: str, plan: Plan) -> Panel:
    raise AssertionError(f"{symbol} in a condition on reference data, of {plan}")


def _names_a_series(where: Iterable[Node]) -> ConditionError:
    series = next(
        node
        for node in chain.from_iterable(one.walk() for one in where)
        if isinstance(node, tree.Call)
        or (isinstance(node, tree.Field) and node.name in (*FIELDS, *DERIVED))
    )
    return ConditionError(
        f"where takes reference data ({', '.join(tree.FACTS)}), and {series} changes from bar to "
        "bar: put it into the condition itself"
    )
