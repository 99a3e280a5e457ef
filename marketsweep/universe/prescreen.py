"""Who of some symbols passes a pre-screen: by reference data, and by the bars that are stored."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.core.funnel import Clause, Screened
from marketsweep.core.records import Split
from marketsweep.core.safe_text import some_of
from marketsweep.core.spellings import note_of, resolved
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors import serial
from marketsweep.engine.panel.adjustments import History
from marketsweep.engine.panel.facts import Reference, ReferenceByPlace
from marketsweep.engine.panel.panel import Panel, facts_panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.store.companies.companies import Companies
from marketsweep.store.session_notes import LISTED_ON
from marketsweep.store.snapshot import Snapshot
from marketsweep.universe.liquidity import liquidity
from marketsweep.universe.screen import Screen

RECENT: Final = 20
"""Sessions in which the last close is looked for."""

_SHOWN: Final = 3
"""Symbols of a list that are named as examples."""


class Facts:
    """What is known on a day that symbols are screened by; `history` may hold no session."""

    def __init__(self, history: History, day: dt.date) -> None:
        snapshot = history.snapshot
        self.history = history
        self.day = day
        self.reference = Reference(
            snapshot.lives(),
            snapshot.listings,
            day,
            snapshot.notes().get(LISTED_ON),
            self._closes,
            self._splits,
            snapshot.index,
        )

    def _splits(self) -> list[Split]:
        """The splits that count, each under the newest ticker of its company."""
        snapshot = self.history.snapshot
        companies = Companies(snapshot.tenures(), self.history.dates, snapshot.symbols)
        return [
            split._replace(symbol=companies.latest(split.symbol, companies.place(split.ex_date)))
            for split in snapshot.splits()
        ]

    def _closes(self) -> dict[str, float]:
        closes = liquidity(self.history, RECENT).close
        known = zip(self.history.snapshot.symbols, closes.tolist(), strict=True)
        return {symbol: close for symbol, close in known if close > 0.0}

    @cached_property
    def low_volume(self) -> frozenset[str]:
        """The symbols that the kept low-volume list leaves out on the day."""
        return self.history.snapshot.low_volume_on(self.day)

    def screened(
        self,
        symbols: Sequence[str],
        screen: Screen,
        reference: ReferenceByPlace | None = None,
    ) -> Screened:
        """Who of the symbols passes, asked part by part; `reference` where it is not the day's.

        Raises ConditionError where a condition of the screen names a series. Of whom it cannot
        be told does not pass, unless the screen says so.
        """
        out = np.zeros(len(symbols), dtype=bool)
        doubtful = np.zeros(len(symbols), dtype=bool)
        certain, funnel = out.copy(), []
        for text, truth in self._clauses(symbols, screen, reference or self.reference):
            unknown, fails = np.isnan(truth), truth == 0.0
            leaves = fails if screen.keep_unknown else fails | unknown
            removed = leaves & ~out
            out |= leaves
            certain |= fails
            doubtful |= unknown
            counts = map(np.count_nonzero, (leaves, removed, unknown, ~out))
            funnel.append(Clause(text, *map(int, counts)))
        return Screened(
            passes=~out,
            unknown=int(np.count_nonzero(doubtful & ~certain)),
            funnel=funnel,
            warnings=list(self._warnings(symbols, screen)),
            keeps_unknown=screen.keep_unknown,
        )

    def _clauses(
        self, symbols: Sequence[str], screen: Screen, reference: Reference | ReferenceByPlace
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """The parts of a screen, with their truth for each symbol: 1, 0 or NaN."""
        if screen.watchlist is not None:
            yield "watchlist", _among(symbols, _resolved(screen.watchlist, symbols))
        if screen.exclude:
            yield "exclude", 1.0 - _among(symbols, _resolved(screen.exclude, symbols))
        if screen.skip_low_volume:
            yield "low-volume list", 1.0 - _among(symbols, self.low_volume)
        if screen.where:
            conditions = [condition.node for condition in screen.where]
            plan = make_plan(conditions)
            others = (isinstance(node, tree.Other) for one in conditions for node in one.walk())
            if plan.loads or any(others):
                raise _names_a_series(conditions)
            panel = facts_panel(list(symbols), reference)
            truths = evaluate(plan, panel, serial.run, _nobody)
            for condition, truth in zip(screen.where, truths, strict=True):
                yield condition.text, truth[0]
        if screen.min_price is not None:
            close = liquidity(self.history, RECENT).close
            yield screen.price_floor, self._at_least(symbols, close, screen.min_price)
        if screen.min_dollar_volume is not None:
            traded = liquidity(self.history, screen.sessions)
            held = self._at_least(symbols, traded.dollars, screen.min_dollar_volume)
            yield screen.volume_floor(traded.sessions), held

    def _warnings(self, symbols: Sequence[str], screen: Screen) -> Iterator[str]:
        known = frozenset(symbols)
        listed, read = resolved(sorted(screen.watchlist or ()), known)
        read |= resolved(sorted(screen.exclude), known)[1]
        if note := note_of(read):
            yield note
        absent = sorted(frozenset(listed).difference(known))
        if absent:
            named = some_of(absent, _SHOWN)
            yield f"not in the market of {self.day}, though on the watchlist: {named}"
        built = [line for line in self.history.snapshot.low_volume() if not line.manual]
        if screen.skip_low_volume and not any(line.holds_on(self.day) for line in built):
            yield (
                f"no low-volume list was built that holds on {self.day}: marketsweep universe "
                "rebuild builds one of the newest session"
                + (f"; there is one of {built[0].since}" if built else "")
            )

    def _at_least(
        self, symbols: Sequence[str], of_columns: NDArray[np.float64], least: float
    ) -> NDArray[np.float64]:
        """Whether each symbol's value reaches a floor; unknown where it has none."""
        index = self.history.snapshot.index
        columns = np.array([index.get(symbol, -1) for symbol in symbols], dtype=np.int64)
        values = np.append(of_columns, np.nan)[columns]  # the last is of those without a column
        return np.where(np.isnan(values), np.nan, (values >= least).astype(float))


def prescreen_of(
    screen: Screen,
) -> Callable[[Snapshot, Sequence[str], dt.date], Screened] | None:
    """A screen as a sync takes it; None where everybody passes."""
    if screen.lets_all_pass:
        return None

    def screened(snapshot: Snapshot, symbols: Sequence[str], day: dt.date) -> Screened:
        facts = Facts(History(snapshot, day), day)
        # The low-volume list is left out in any case: the funnel shows it where there is one.
        skip = screen.skip_low_volume or bool(facts.low_volume)
        return facts.screened(symbols, replace(screen, skip_low_volume=skip))

    return screened


def _resolved(tickers: Iterable[str], symbols: Sequence[str]) -> frozenset[str]:
    """Tickers of a list in the spelling of the store."""
    return frozenset(resolved(tickers, frozenset(symbols))[0])


def _among(symbols: Sequence[str], those: Collection[str]) -> NDArray[np.float64]:
    return np.array([float(symbol in those) for symbol in symbols])


def _nobody(symbol: str, plan: Plan) -> Panel:
    raise AssertionError(f"{symbol} in a condition on reference data, of {plan}")


def _names_a_series(where: Iterable[Node]) -> ConditionError:
    series = next(
        node
        for node in chain.from_iterable(one.walk() for one in where)
        if isinstance(node, tree.Call | tree.Frozen)
        or (isinstance(node, tree.Field) and node.name in (*FIELDS, *DERIVED))
    )
    return ConditionError(
        f"where takes reference data ({', '.join(tree.FACTS)}), and {series} changes from bar to "
        "bar: put it into the condition itself"
    )
