"""Cache what scans read of one state of a store, as long as the data stays the same.

`Views` hands out the view of the newest state. A scan holds one view from its beginning to its
end, so that a commit meanwhile changes nothing in the scan. Threads may share a view.
"""

from __future__ import annotations

import datetime as dt
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Container, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.fields import FIELDS
from marketsweep.engine.derived import Others
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.engine.panel.facts import DATED
from marketsweep.engine.panel.own_facts import OwnFacts
from marketsweep.engine.panel.panel import Panel, build_panel
from marketsweep.engine.plan import SESSION, Plan
from marketsweep.errors import UsageError
from marketsweep.language.parsing.calls import can_be_fact
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.presets import SavedConditions
from marketsweep.language.vocabulary import PAST_EVENTS
from marketsweep.quality.warnings import DataWarnings, missing_sessions
from marketsweep.scan.results import KnownFact
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.universe.market_day import MarketDay, Universe
from marketsweep.universe.prescreen import own_facts_of
from marketsweep.universe.screen import NO_SCREEN, Screen

if TYPE_CHECKING:
    from marketsweep.core.records import SessionBars
    from marketsweep.quality.suspicious_matches import Suspects
    from marketsweep.universe.daily_counts import Counts

_MAX_DAYS: Final = 4
_MAX_FACTS: Final = 64
_JUDGED_AT_ONCE: Final = 250
_PAUSE_S: Final = 0.002
_MAX_PANELS: Final = 2
"""A panel of the whole market has about 100 MB."""


class _PanelKey(NamedTuple):
    as_of: dt.date
    screen: Screen
    adjust: Adjust
    exact: _Needs | None
    """If not None, the panel has exactly these fields and bars, and no more."""


class _Needs(NamedTuple):
    """The fields and numbers of bars to load for each symbol; see `Plan`."""

    fields: frozenset[str]
    history: int
    watched: int

    @classmethod
    def of(cls, plan: Plan, fields: Collection[str] = ()) -> _Needs:
        """Return the needs of a plan, and of further fields."""
        return cls(frozenset({*plan.loads, *fields}), plan.history, plan.watched)

    def merge(self, other: _Needs) -> _Needs:
        """Return the needs of a panel that serves both."""
        history, watched = max(self.history, other.history), max(self.watched, other.watched)
        return _Needs(self.fields | other.fields, history, watched)


_USUAL_NEEDS: Final = _Needs(frozenset(FIELDS), 252, 1)


class _CachedPanel(NamedTuple):
    needs: _Needs
    panel: Panel


class _CachedSessionsPanel(NamedTuple):
    key: tuple[dt.date, int, Screen, Adjust, frozenset[str]]
    needs: _Needs
    panel: Panel


_Method = TypeVar("_Method", bound=Callable[..., Any])
_Kept = TypeVar("_Kept")


def _locked(method: _Method) -> _Method:
    """Let one thread at a time into a method of a `Loader`, so that nothing is built twice."""

    @wraps(method)
    def locked_method(self: Loader, *arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
        with self.lock:
            return method(self, *arguments, **keywords)

    return cast("_Method", locked_method)


def own_names_of(folder: Path, own: OwnFacts) -> OwnNames:
    """Return the names of a data folder with these stored facts. Raises UsageError."""
    kinds = tuple((name, kind) for name, kind in own.kinds.items() if can_be_fact(name))
    return OwnNames(SavedConditions.of(folder), kinds, own.dated)


def own_names_at(folder: Path) -> OwnNames:
    """Return the names of a data folder that may not have a store yet. Raises UsageError."""
    if Catalog.is_absent(folder):
        return OwnNames(SavedConditions.of(folder))
    with Store.open(folder) as store, store.snapshot() as snapshot:
        return own_names_of(folder, own_facts_of(snapshot))


class Views:
    """The view of a store's newest state; it is replaced once the store has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._current = Loader(store.snapshot(), store.path)
        self._users: Counter[Loader] = Counter()
        self._is_closed = False
        self._refreshing = threading.Lock()
        self._is_refreshed = False
        """Whether only `refresh` replaces the view."""

    @contextmanager
    def newest(self) -> Iterator[Loader]:
        """Hold the view of the newest state; its snapshot is closed after the last user is done.

        Raises StoreError, and UsageError after `close`.
        """
        view = self._acquire()
        try:
            yield view
        finally:
            self._release(view)

    def _acquire(self) -> Loader:
        with self._lock:
            if self._is_closed:
                raise UsageError("this market is closed: open it again with marketsweep.open()")
            if not self._is_refreshed and self._is_outdated(self._current):
                self._replace(Loader(self._store.snapshot(), self._store.path))
            self._users[self._current] += 1
            return self._current

    def _replace(self, view: Loader) -> None:
        previous, self._current = self._current, view
        if not self._users[previous]:
            previous.snapshot.close()

    def refresh(self, is_urgent: Callable[[], bool]) -> bool:
        """Load the newest state, and hand it out from now on; return whether it is another one.

        From the first call on, no other call loads a newer state: nobody waits for it, and each
        gets the state that was loaded last. Raises StoreError.

        A new state has its bars loaded. If it is not urgent then, they are judged, too, before it
        is handed out: the first scans of many callers would wait for each other's judgements.
        """
        with self._refreshing:
            with self.newest() as current:
                is_first, self._is_refreshed = not self._is_refreshed, True
                if is_first:
                    current.load()
                is_newer = self._is_outdated(current)
                if is_newer:
                    self._hand_out(current, is_urgent)
            if is_first or is_newer:
                with self.newest() as current:
                    current.judge(lambda: self._is_outdated(current))
        return is_newer

    def _is_outdated(self, view: Loader) -> bool:
        return self._store.state() != view.snapshot.state

    def _hand_out(self, current: Loader, is_urgent: Callable[[], bool]) -> None:
        """Load the newest state, and hand it out in place of the current one."""
        view = Loader(self._store.snapshot(), self._store.path)
        try:
            view.load(current)
            if not is_urgent():
                view.judge(lambda: False)
        except BaseException:
            view.snapshot.close()
            raise
        with self._lock:
            if self._is_closed:
                view.snapshot.close()
            else:
                self._replace(view)

    def _release(self, view: Loader) -> None:
        with self._lock:
            self._users[view] -= 1
            if self._users[view]:
                return
            del self._users[view]
            if self._is_closed or view is not self._current:
                view.snapshot.close()

    def close(self) -> None:
        """Close the snapshot as soon as no scan uses its view."""
        with self._lock:
            self._is_closed = True
            if not self._users[self._current]:
                self._current.snapshot.close()


FactsOf = Literal["dated", "latest"]
"""Whether stored facts have the values of each day, or their newest values on all days."""


class Loader:
    """Days, universes and panels of a snapshot, each built once. Threads may share a loader."""

    def __init__(self, snapshot: Snapshot, folder: Path, own_facts: OwnFacts | None = None) -> None:
        self.folder = folder
        """The data folder."""
        self._own_facts = own_facts_of(snapshot) if own_facts is None else own_facts
        self.lock = threading.RLock()
        self._snapshot = snapshot
        self._days: dict[dt.date, MarketDay] = {}
        self._universes: dict[tuple[dt.date, Screen], Universe] = {}
        self._panels: dict[_PanelKey, _CachedPanel] = {}
        self._suspects: dict[tuple[dt.date, int | None], Suspects] = {}
        self._counts: dict[tuple[dt.date, int, Screen], Counts] = {}
        self._known: dict[tuple[dt.date, str], KnownFact] = {}
        self._sessions_panel: _CachedSessionsPanel | None = None
        self._expected: _Needs | None = None
        """What the next panels of many sessions have, besides what is asked for."""
        self._remembered: tuple[Hashable, object] | None = None
        self._warnings: DataWarnings | None = None
        self._panel_symbols: tuple[Panel, frozenset[str]] | None = None
        """The panel of the last call of `warnings`, and its symbols."""
        self._panel_unknown_facts: tuple[Panel, dict[str, NDArray[np.bool_]]] | None = None
        """The panel of the last call of `unknown_facts`, and which symbols lack each fact."""

    def with_session(self, bars: SessionBars) -> Loader:
        """Return a loader of the same data and one more session, which is not stored.

        Raises UsageError for a session before the newest stored one.
        """
        return Loader(self._snapshot.with_session(bars), self.folder, self._own_facts)

    @property
    def version(self) -> int:
        """The data version."""
        return self._snapshot.version

    @property
    def sessions(self) -> list[dt.date]:
        """The stored sessions, ascending."""
        return self._snapshot.sessions

    def sessions_of(self, as_of: dt.date) -> list[dt.date]:
        """Return the stored sessions up to and including `as_of`.

        If `as_of` is complete, only complete sessions are returned.
        """
        complete, stored = self._snapshot.whole, self.sessions
        sessions = complete if as_of in complete else stored
        return sessions[: bisect_right(sessions, as_of)]

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot of the store that all data is read from."""
        return self._snapshot

    @_locked
    def day(self, as_of: dt.date) -> MarketDay:
        """Return the market of a stored session."""
        if as_of not in self._days:
            _make_room(self._days, _MAX_DAYS)
            self._days[as_of] = MarketDay(History(self._snapshot, as_of), self._own_facts)
        return self._days[as_of]

    @_locked
    def universe(self, as_of: dt.date, screen: Screen) -> Universe:
        """Return the universe of a stored session that passes `screen`."""
        key = (as_of, screen)
        if key not in self._universes:
            _make_room(self._universes, _MAX_DAYS)
            self._universes[key] = self.day(as_of).screened(screen)
        return self._universes[key]

    @_locked
    def marks(self, as_of: dt.date, bars: int, symbols: Sequence[str]) -> list[str]:
        """Return the names of the rules that suspect the newest `bars` of each symbol, or ""."""
        return self._get_suspects(as_of, bars).marks(symbols, bars) if symbols else []

    @_locked
    def marks_of_hits(
        self,
        symbols: Sequence[str],
        days: NDArray[np.datetime64],
        first: dt.date,
        last: dt.date,
        bars: int | NDArray[np.int64],
    ) -> list[str]:
        """Return the names of the rules that suspect the last `bars` up to each hit, or "".

        Hit i is `symbols[i]` on `days[i]`, a session between `first` and `last`.
        """
        if not symbols:
            return []
        dates = self.day(last).history.dates
        indices = np.searchsorted(np.array(dates, "datetime64[D]"), days)
        inspected_bars = len(dates) - bisect_left(dates, first) + int(np.max(bars))
        of_hits = np.broadcast_to(bars, len(symbols))
        return self._get_suspects(last, inspected_bars).marks_of_hits(symbols, indices, of_hits)

    def _get_suspects(self, as_of: dt.date, bars: int) -> Suspects:
        from marketsweep.quality.suspicious_matches import bars_to_judge  # as below

        return self._suspects_within(as_of, bars_to_judge(bars, len(self.day(as_of).history.dates)))

    def _suspects_within(self, as_of: dt.date, reach: int | None) -> Suspects:
        from marketsweep.quality.suspicious_matches import (  # not needed by scans without a match
            Suspects,
        )

        key = as_of, reach
        if key not in self._suspects:
            _make_room(self._suspects, _MAX_DAYS)
            self._suspects[key] = Suspects(self.day(as_of).history, reach)
        return self._suspects[key]

    @_locked
    def unadjusted(self, scanned_sessions: Sequence[dt.date], adjust: Adjust) -> int:
        """Return how many of the scanned sessions may lack splits that are not reported."""
        return self._data_warnings.unadjusted(scanned_sessions, adjust)

    def count_fact_changes(self, as_of: dt.date, first: int, facts: Collection[str]) -> int:
        """Return how often facts of any symbols change after session number `first`."""
        from marketsweep.scan.multi_session import fact_breaks  # as above

        return sum(map(len, fact_breaks(self.day(as_of), first, facts).values()))

    @property
    def _data_warnings(self) -> DataWarnings:
        if self._warnings is None:
            self._warnings = DataWarnings(self._snapshot)
        return self._warnings

    @_locked
    def warnings_of_symbols(
        self, as_of: dt.date, symbols: Container[str], bars: int, adjust: Adjust
    ) -> list[str]:
        """Return the warnings about the last bars of some symbols up to a session."""
        history = self.day(as_of).history
        sessions = self.sessions_of(as_of)[-bars:]
        return [
            *missing_sessions(sessions),
            *self._data_warnings.of_scan(history, lambda: symbols, bars, adjust),
        ]

    @_locked
    def market_warnings(self, as_of: dt.date, bars: int, adjust: Adjust) -> list[str]:
        """Return the warnings about the last `bars` of all symbols up to a session."""
        index = self._snapshot.index
        return list(
            self._data_warnings.of_scan(self.day(as_of).history, lambda: index, bars, adjust)
        )

    @_locked
    def warnings(self, panel: Panel, bars: int, adjust: Adjust) -> list[str]:
        """Return the warnings about the last `bars` of a panel's symbols."""

        def symbols() -> frozenset[str]:
            if self._panel_symbols is None or self._panel_symbols[0] is not panel:
                self._panel_symbols = panel, frozenset(panel.symbols)
            return self._panel_symbols[1]

        history = self.day(panel.as_of).history
        return list(self._data_warnings.of_scan(history, symbols, bars, adjust))

    def own_names(self) -> OwnNames:
        """Return the names that the data folder adds to the language. Raises UsageError."""
        return own_names_of(self.folder, self._own_facts)

    @cached_property
    def dated_facts(self) -> frozenset[str]:
        """The facts that change from day to day."""
        return DATED.union(PAST_EVENTS, self._own_facts.dated)

    @property
    def stored_dated_facts(self) -> frozenset[str]:
        """The stored facts that have values of several days."""
        return self._own_facts.dated

    @cached_property
    def of_latest_facts(self) -> Loader:
        """A loader of the same data, whose stored facts have their newest values on each day."""
        return Loader(self._snapshot, self.folder, self._own_facts.latest())

    @_locked
    def unknown_facts(
        self, panel: Panel, names: Collection[str]
    ) -> Mapping[str, NDArray[np.bool_]]:
        """Return for each fact which symbols of a panel lack it, bool [symbols]."""
        if self._panel_unknown_facts is None or self._panel_unknown_facts[0] is not panel:
            self._panel_unknown_facts = panel, {}
        unknown = self._panel_unknown_facts[1]
        for name in names - unknown.keys():
            values = panel.reference.values_of(panel.symbols, name)
            unknown[name] = np.array([value is None for value in values], dtype=bool)
        return {name: unknown[name] for name in sorted(names)}

    @_locked
    def unknown_facts_as_of(self, as_of: dt.date, names: Collection[str]) -> dict[str, int]:
        """Return for each fact how many stored symbols lack it on a day."""
        return {name: known.none for name, known in self.facts_known(as_of, names).items()}

    @_locked
    def remember(self, key: Hashable, make: Callable[[], _Kept]) -> _Kept:
        """Return what `make` returned for this key, if it was the last one, or call it."""
        if self._remembered is None or self._remembered[0] != key:
            self._remembered = None  # frees the memory before more is used
            self._remembered = key, make()
        return cast("_Kept", self._remembered[1])

    @_locked
    def facts_known(self, as_of: dt.date, names: Collection[str]) -> dict[str, KnownFact]:
        """Return how many stored symbols have each fact on a day, and whether it has dates."""
        return {name: self._fact_known(as_of, name) for name in sorted(names)}

    def _fact_known(self, as_of: dt.date, name: str) -> KnownFact:
        key = as_of, name
        if key not in self._known:
            _make_room(self._known, _MAX_FACTS)
            symbols = self.snapshot.symbols
            values = self.day(as_of).reference.values_of(symbols, name)
            none = sum(value is None for value in values)
            undated = 0 if name in self.dated_facts else len(symbols) - none
            if name in self._own_facts.dated:
                undated = len(self._own_facts.history(name).undated())
            self._known[key] = KnownFact(len(symbols) - none - undated, undated, none)
        return self._known[key]

    @_locked
    def panel(
        self, as_of: dt.date, screen: Screen, plan: Plan, adjust: Adjust, *, exact: bool = False
    ) -> Panel:
        """Return the panel of a universe, with at least the fields and bars that `plan` needs.

        With `exact` the panel has no more than these, so that it does not depend on earlier calls.
        """
        needs = _Needs.of(plan)
        return self._panel(_PanelKey(as_of, screen, adjust, needs if exact else None), needs)

    def _panel(self, key: _PanelKey, needs: _Needs) -> Panel:
        if cached := self._panels.get(key):
            needs = needs.merge(cached.needs)
            if needs == cached.needs:
                return cached.panel
        _make_room(self._panels, _MAX_PANELS)
        columns = self.universe(key.as_of, key.screen).columns
        panel = self._build_panel(key.as_of, columns, needs, key.adjust)
        self._panels[key] = _CachedPanel(needs, panel)
        return panel

    def load(self, previous: Loader | None = None) -> None:
        """Load for the newest session what most scans need: a year of bars.

        With `previous`, of an earlier state, also load what that has for its newest session.
        """
        newest = self._snapshot.newest
        if newest is None:
            return
        panels = {_PanelKey(newest, NO_SCREEN, "splits", None): _USUAL_NEEDS}
        if previous is not None:
            with previous.lock:
                known = list(previous._panels.items())
            panels |= {
                key._replace(as_of=newest): cached.needs
                for key, cached in known
                if key.as_of == previous._snapshot.newest and key.exact is None
            }
        for key, needs in panels.items():
            with self.lock:
                self._panel(key, needs)

    def judge(self, is_enough: Callable[[], bool]) -> None:
        """Judge the year of bars of all symbols, until the end or until it is enough."""
        newest, symbols = self._snapshot.newest, self._snapshot.symbols
        if newest is None:
            return
        for start in range(0, len(symbols), _JUDGED_AT_ONCE):
            sleep(_PAUSE_S)  # a scan that waits for the lock gets it
            if is_enough():
                return
            with self.lock:
                suspects = self._get_suspects(newest, _USUAL_NEEDS.history)
                suspects.judge(symbols[start : start + _JUDGED_AT_ONCE])

    @_locked
    def panel_of(
        self, as_of: dt.date, columns: NDArray[np.int64], plan: Plan, adjust: Adjust
    ) -> Panel:
        """Return the panel of some columns of the axis, with the bars of `plan`; not cached."""
        return self._build_panel(as_of, columns, _Needs.of(plan), adjust)

    @_locked
    def multi_session_panel(
        self,
        as_of: dt.date,
        first: int,
        screen: Screen,
        adjust: Adjust,
        plan: Plan,
        fields: Collection[str],
        facts: frozenset[str],
    ) -> Panel:
        """Return the panel of all vintages from session number `first` to `as_of`.

        It has the symbols whose facts pass `screen`, at least these `fields`, and before each of
        the sessions the bars that `plan` needs. Results can be computed as of each session. A
        vintage ends where any of `facts` changes.
        """
        key, needs = (as_of, first, screen, adjust, facts), _Needs.of(plan, fields)
        if self._expected is not None:
            needs = needs.merge(self._expected)
        cached = self._sessions_panel
        if cached and cached.key == key:
            needs = needs.merge(cached.needs)
            if needs == cached.needs:
                return cached.panel
        from marketsweep.scan.multi_session import build_multi_session_panel  # few scans need it

        self._sessions_panel = None  # frees the memory before the new panel is built
        fields, history, watched = needs
        panel = build_multi_session_panel(
            self.day(as_of), first, screen, adjust, history, watched, fields, facts
        )
        self._sessions_panel = _CachedSessionsPanel(key, needs, panel)
        return panel

    @contextmanager
    def expecting(self, plan: Plan) -> Iterator[None]:
        """Build the panels of many sessions so that they also serve `plan`, until the end."""
        self._expected = _Needs.of(plan, [SESSION])
        try:
            yield
        finally:
            self._expected = None

    @_locked
    def counts(self, as_of: dt.date, first: int, screen: Screen) -> Counts:
        """Return how many symbols are expected and present, by session from `first` to `as_of`."""
        from marketsweep.scan.multi_session import count_sessions  # as above

        key = as_of, first, screen
        if key not in self._counts:
            _make_room(self._counts, _MAX_DAYS)
            self._counts[key] = count_sessions(self.day(as_of), first, screen)
        return self._counts[key]

    def others(self, as_of: dt.date, adjust: Adjust) -> Others:
        """Return the function with which derived passes load the panel of any stored symbol."""

        def load_panel(symbol: str, plan: Plan) -> Panel:
            columns = np.array([self._snapshot.column_of(symbol)])
            return self._build_panel(as_of, columns, _Needs.of(plan, [SESSION]), adjust)

        return load_panel

    @_locked
    def _build_panel(
        self,
        as_of: dt.date,
        columns: NDArray[np.int64],
        needs: _Needs,
        adjust: Adjust,
    ) -> Panel:
        day = self.day(as_of)
        survey = day.history.survey(columns, needs.history, needs.watched)
        return build_panel(day.history, columns, survey, needs.fields, adjust, day.reference)


def _make_room(cache: dict[Any, Any], capacity: int) -> None:
    while len(cache) >= capacity:
        del cache[next(iter(cache))]
