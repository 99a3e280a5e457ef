"""Apply a pre-screen to symbols, by reference data and by stored bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.core.funnel import Clause, Screened
from marketsweep.core.safe_text import join_first
from marketsweep.core.spellings import note_of, resolve_tickers
from marketsweep.engine.calendar_numbers import calendar_numbers
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors import serial
from marketsweep.engine.panel.adjustments import History
from marketsweep.engine.panel.company_actions import CompanyActions
from marketsweep.engine.panel.facts import Reference, ReferenceByPlace
from marketsweep.engine.panel.own_facts import OwnFacts
from marketsweep.engine.panel.panel import Panel, facts_panel
from marketsweep.engine.plan import Plan, make_plan
from marketsweep.errors import ConditionError
from marketsweep.language import tree
from marketsweep.language.tree import Node
from marketsweep.store.session_notes import LISTED_ON
from marketsweep.store.snapshot import Snapshot
from marketsweep.universe.liquidity import liquidity
from marketsweep.universe.screen import Screen

_PRICED_SESSIONS: Final = 20
"""The last close is searched in this many sessions."""

_SHOWN: Final = 3
"""How many symbols of a list are named as examples."""


def own_facts_of(snapshot: Snapshot) -> OwnFacts:
    """Return the stored facts of a snapshot that are not facts of the language."""
    return OwnFacts(snapshot.facts(), snapshot.fact_rows, snapshot.lives)


class Facts:
    """The facts by which symbols are screened on a day; `history` may have no session.

    `own` are the stored facts of the snapshot, if they are shared by several days.
    """

    def __init__(self, history: History, day: dt.date, own: OwnFacts | None = None) -> None:
        snapshot = history.snapshot
        self.history = history
        self.day = day
        self.reference = Reference(
            snapshot.lives(),
            snapshot.listings,
            day,
            snapshot.notes().get(LISTED_ON),
            self._closes,
            lambda: CompanyActions(snapshot, history.dates),
            snapshot.index,
            own or own_facts_of(snapshot),
        )

    def _closes(self) -> dict[str, float]:
        closes = liquidity(self.history, _PRICED_SESSIONS).close
        close_by_symbol = zip(self.history.snapshot.symbols, closes.tolist(), strict=True)
        return {symbol: close for symbol, close in close_by_symbol if close > 0.0}

    @cached_property
    def low_volume(self) -> frozenset[str]:
        """The symbols on the low-volume list on the day."""
        return self.history.snapshot.low_volume_on(self.day)

    def screened(
        self,
        symbols: Sequence[str],
        screen: Screen,
        reference: ReferenceByPlace | None = None,
    ) -> Screened:
        """Return which symbols pass a screen, and how many each clause excludes.

        `reference` replaces the reference data of the day. Raises ConditionError if a condition of
        the screen names a series. Symbols with unknown facts pass only if the screen keeps them.
        """
        is_out = np.zeros(len(symbols), dtype=bool)
        is_unknown = np.zeros(len(symbols), dtype=bool)
        fails_surely, funnel = is_out.copy(), []
        for text, truth in self._clauses(symbols, screen, reference or self.reference):
            unknown, fails = np.isnan(truth), truth == 0.0
            excluded = fails if screen.keep_unknown else fails | unknown
            removed = excluded & ~is_out
            is_out |= excluded
            fails_surely |= fails
            is_unknown |= unknown
            counts = map(np.count_nonzero, (excluded, removed, unknown, ~is_out))
            funnel.append(Clause(text, *map(int, counts)))
        return Screened(
            passes=~is_out,
            unknown=int(np.count_nonzero(is_unknown & ~fails_surely)),
            funnel=funnel,
            warnings=list(self._warnings(symbols, screen)),
            keeps_unknown=screen.keep_unknown,
        )

    def _on_the_day(self, node: Node) -> Node:
        """Return a condition with the calendar of the day in place of that of each bar."""
        if not isinstance(node, tree.Calendar):
            return tree.map_children(node, self._on_the_day)
        if node.name == "date":
            return tree.Day.of(self.day)
        return tree.Number(float(calendar_numbers((self.day,), node.name)[0]))

    def _clauses(
        self, symbols: Sequence[str], screen: Screen, reference: Reference | ReferenceByPlace
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Yield the clauses of a screen, with their truth for each symbol: 1, 0 or NaN."""
        if screen.watchlist is not None:
            yield "watchlist", _is_among(symbols, _resolve(screen.watchlist, symbols))
        if screen.exclude:
            yield "exclude", 1.0 - _is_among(symbols, _resolve(screen.exclude, symbols))
        if screen.skip_low_volume:
            yield "low-volume list", 1.0 - _is_among(symbols, self.low_volume)
        if screen.where:
            conditions = [self._on_the_day(condition.node) for condition in screen.where]
            _refuse_bars(conditions)
            plan = make_plan(conditions)
            others = (
                isinstance(node, tree.OtherSymbol)
                for condition in conditions
                for node in condition.walk()
            )
            if plan.loads or any(others):
                raise _series_error(conditions)
            panel = facts_panel(list(symbols), reference)
            truths = evaluate(plan, panel, serial.run, _no_other_symbol)
            for condition, truth in zip(screen.where, truths, strict=True):
                yield condition.text, truth[0]
        if screen.min_price is not None:
            close = liquidity(self.history, _PRICED_SESSIONS).close
            yield screen.price_floor, self._at_least(symbols, close, screen.min_price)
        if screen.min_dollar_volume is not None:
            volumes = liquidity(self.history, screen.sessions)
            is_above = self._at_least(symbols, volumes.dollars, screen.min_dollar_volume)
            yield screen.volume_floor(volumes.sessions), is_above

    def _warnings(self, symbols: Sequence[str], screen: Screen) -> Iterator[str]:
        present = frozenset(symbols)
        listed, respellings = resolve_tickers(sorted(screen.watchlist or ()), present)
        respellings |= resolve_tickers(sorted(screen.exclude), present)[1]
        if note := note_of(respellings):
            yield note
        absent = sorted(frozenset(listed).difference(present))
        if absent:
            examples = join_first(absent, _SHOWN)
            yield f"on the watchlist, but not in the market of {self.day}: {examples}"
        built = [line for line in self.history.snapshot.low_volume() if not line.manual]
        if screen.skip_low_volume and not any(line.holds_on(self.day) for line in built):
            yield (
                f"no built low-volume list is valid on {self.day}: marketsweep universe rebuild "
                "builds one from the newest session"
                + (f"; there is one from {built[0].since}" if built else "")
            )

    def _at_least(
        self, symbols: Sequence[str], values_by_column: NDArray[np.float64], floor: float
    ) -> NDArray[np.float64]:
        """Return whether each symbol's value reaches a floor: 1, 0, or NaN without a value."""
        index = self.history.snapshot.index
        columns = np.array([index.get(symbol, -1) for symbol in symbols], dtype=np.int64)
        values = np.append(values_by_column, np.nan)[columns]  # NaN for column -1
        return np.where(np.isnan(values), np.nan, (values >= floor).astype(float))


def prescreen_of(
    screen: Screen,
) -> Callable[[Snapshot, Sequence[str], dt.date], Screened] | None:
    """Return a screen in the form that a sync takes; None if all symbols pass."""
    if screen.is_empty:
        return None

    def screened(snapshot: Snapshot, symbols: Sequence[str], day: dt.date) -> Screened:
        facts = Facts(History(snapshot, day), day)
        # A sync always skips the low-volume list: the funnel shows it if it has symbols.
        skip = screen.skip_low_volume or bool(facts.low_volume)
        return facts.screened(symbols, replace(screen, skip_low_volume=skip))

    return screened


def _resolve(tickers: Iterable[str], symbols: Sequence[str]) -> frozenset[str]:
    """Return tickers of a list in the spelling of the store."""
    return frozenset(resolve_tickers(tickers, frozenset(symbols))[0])


def _is_among(symbols: Sequence[str], chosen: Collection[str]) -> NDArray[np.float64]:
    return np.array([float(symbol in chosen) for symbol in symbols])


def _no_other_symbol(symbol: str, plan: Plan) -> Panel:
    raise AssertionError(f"{symbol} in a condition on reference data, of {plan}")


_OF_BARS: Final = (
    *(tree.Shift, tree.Cross, tree.Within, tree.For, tree.Event, tree.FirstBar, tree.Happening),
    tree.Resampled,
)
"""Parts of a condition that look at several bars."""


def _refuse_bars(where: Iterable[Node]) -> None:
    """Raise ConditionError for a part that looks at several bars."""
    parts = chain.from_iterable(condition.walk() for condition in where)
    of_facts = (part for part in parts if isinstance(part, _OF_BARS) and not _reads_series(part))
    if (of_bars := next(of_facts, None)) is not None:
        raise ConditionError(
            f"where takes facts of the day of the scan, but {of_bars} looks at several bars: put "
            "it into the condition"
        )


def _reads_series(node: Node) -> bool:
    return any(isinstance(part, tree.Field | tree.Call) for part in node.walk())


def _series_error(where: Iterable[Node]) -> ConditionError:
    series = next(
        node
        for node in chain.from_iterable(condition.walk() for condition in where)
        if isinstance(node, tree.Call | tree.Frozen)
        or (isinstance(node, tree.Field) and node.name in (*FIELDS, *DERIVED))
    )
    return ConditionError(
        f"where takes reference data ({', '.join(tree.FACTS)}), but {series} changes from bar to "
        "bar: put it into the condition"
    )
