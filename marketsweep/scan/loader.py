"""What scans read of one state of a store, kept between them while the data stays the same.

`Views` hands out the view of the newest state. A scan holds one from its beginning to its end, so
that a commit meanwhile changes nothing under it. Several threads may use one view.
"""

from __future__ import annotations

import datetime as dt
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.derived import Others
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.engine.panel.panel import Panel, build_panel
from marketsweep.engine.plan import SESSION, Plan
from marketsweep.errors import UsageError
from marketsweep.quality.warnings import DataWarnings
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.universe.market_day import MarketDay, Universe
from marketsweep.universe.screen import Screen

if TYPE_CHECKING:
    from marketsweep.quality.suspects import Suspects
    from marketsweep.universe.daily_counts import Counts

_DAYS_KEPT: Final = 4
_PANELS_KEPT: Final = 2
"""A panel of the whole market is some 100 MB."""


class _Key(NamedTuple):
    as_of: dt.date
    screen: Screen
    adjust: Adjust
    exact: _Needs | None
    """Where the panel must have just that, and no more."""


class _Needs(NamedTuple):
    """What is loaded of each symbol; see `Plan`."""

    fields: frozenset[str]
    history: int
    watched: int

    @classmethod
    def of(cls, plan: Plan, fields: Collection[str] = ()) -> _Needs:
        """Return what a plan needs, and perhaps further fields."""
        return cls(frozenset({*plan.loads, *fields}), plan.history, plan.watched)

    def joined(self, other: _Needs) -> _Needs:
        """What does for both."""
        history, watched = max(self.history, other.history), max(self.watched, other.watched)
        return _Needs(self.fields | other.fields, history, watched)


class _Loaded(NamedTuple):
    needs: _Needs
    panel: Panel


class _Stretched(NamedTuple):
    key: tuple[dt.date, int, Screen, Adjust]
    needs: _Needs
    panel: Panel


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _locked(method: _Method) -> _Method:
    """Let one thread at a time into a method of a `Loader`: what it builds is built once."""

    @wraps(method)
    def alone(self: Loader, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        with self.lock:
            return method(self, *arguments, **named)

    return cast("_Method", alone)


class Views:
    """The view of a store's newest state, made again when the store has moved on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._current = Loader(store.snapshot(), store.path)
        self._users: Counter[Loader] = Counter()
        self._is_closed = False

    @contextmanager
    def newest(self) -> Iterator[Loader]:
        """Hold the view of the newest state; its snapshot is closed once nobody holds it.

        Raises StoreError, and UsageError after `close`.
        """
        view = self._taken()
        try:
            yield view
        finally:
            self._give_back(view)

    def _taken(self) -> Loader:
        with self._lock:
            if self._is_closed:
                raise UsageError("this market is closed: open it again with marketsweep.open()")
            if self._store.state() != self._current.snapshot.state:
                before = self._current
                self._current = Loader(self._store.snapshot(), self._store.path)
                if not self._users[before]:
                    before.snapshot.close()
            self._users[self._current] += 1
            return self._current

    def _give_back(self, view: Loader) -> None:
        with self._lock:
            self._users[view] -= 1
            if self._users[view]:
                return
            del self._users[view]
            if self._is_closed or view is not self._current:
                view.snapshot.close()

    def close(self) -> None:
        """Close the snapshot, as soon as nobody holds its view."""
        with self._lock:
            self._is_closed = True
            if not self._users[self._current]:
                self._current.snapshot.close()


class Loader:
    """Days, universes and panels of a snapshot, each built once; threads may share it."""

    def __init__(self, snapshot: Snapshot, folder: Path) -> None:
        self.folder = folder
        """The data folder."""
        self.lock = threading.RLock()
        self._snapshot = snapshot
        self._days: dict[dt.date, MarketDay] = {}
        self._universes: dict[tuple[dt.date, Screen], Universe] = {}
        self._panels: dict[_Key, _Loaded] = {}
        self._suspects: dict[tuple[dt.date, int | None], Suspects] = {}
        self._counts: dict[tuple[dt.date, int, Screen], Counts] = {}
        self._stretched: _Stretched | None = None
        self._warnings: DataWarnings | None = None
        self._names: tuple[Panel, frozenset[str]] | None = None
        """The symbols of the last panel that was asked for warnings."""
        self._absent: tuple[Panel, dict[str, bool]] | None = None
        """Which facts are known of no symbol of the last panel that was asked for."""

    @property
    def version(self) -> int:
        """The data version."""
        return self._snapshot.version

    @property
    def sessions(self) -> list[dt.date]:
        """The stored sessions, ascending."""
        return self._snapshot.sessions

    def sessions_of(self, as_of: dt.date) -> list[dt.date]:
        """The stored sessions up to and with a stored one: the whole ones, if it is whole."""
        whole, stored = self._snapshot.whole, self.sessions
        sessions = whole if as_of in whole else stored
        return sessions[: bisect_right(sessions, as_of)]

    @property
    def snapshot(self) -> Snapshot:
        """The view of the store that everything here was read from."""
        return self._snapshot

    @_locked
    def day(self, as_of: dt.date) -> MarketDay:
        """The market of a stored session."""
        if as_of not in self._days:
            _make_room(self._days, _DAYS_KEPT)
            self._days[as_of] = MarketDay(History(self._snapshot, as_of))
        return self._days[as_of]

    @_locked
    def universe(self, as_of: dt.date, screen: Screen) -> Universe:
        """The universe of a stored session that passes `screen`."""
        key = (as_of, screen)
        if key not in self._universes:
            _make_room(self._universes, _DAYS_KEPT)
            self._universes[key] = self.day(as_of).screened(screen)
        return self._universes[key]

    @_locked
    def marks(self, as_of: dt.date, bars: int, symbols: Sequence[str]) -> list[str]:
        """What is suspicious of the newest `bars` of symbols up to a session, as `Suspects`."""
        return self._suspects_of(as_of, bars).marks(symbols, bars) if symbols else []

    @_locked
    def marks_of_hits(
        self,
        symbols: Sequence[str],
        days: NDArray[np.datetime64],
        first: dt.date,
        last: dt.date,
        bars: int,
    ) -> list[str]:
        """What is suspicious of the `bars` of symbols up to sessions between `first` and `last`."""
        if not symbols:
            return []
        dates = self.day(last).history.dates
        places = np.searchsorted(np.array(dates, "datetime64[D]"), days)
        judged = len(dates) - bisect_left(dates, first) + bars
        return self._suspects_of(last, judged).marks_of_hits(symbols, places, bars)

    def _suspects_of(self, as_of: dt.date, bars: int) -> Suspects:
        from marketsweep.quality.suspects import (  # scans without a match need it not
            Suspects,
            reach_of,
        )

        key = as_of, reach_of(bars)
        if key not in self._suspects:
            _make_room(self._suspects, _DAYS_KEPT)
            self._suspects[key] = Suspects(self.day(as_of).history, key[1])
        return self._suspects[key]

    @_locked
    def unadjusted(self, looked_at: Sequence[dt.date], adjust: Adjust) -> int:
        """How many of the sessions looked at may lack splits that are not known."""
        return self._doubts.unadjusted(looked_at, adjust)

    @property
    def _doubts(self) -> DataWarnings:
        if self._warnings is None:
            self._warnings = DataWarnings(self._snapshot)
        return self._warnings

    @_locked
    def warnings_of_all(self, as_of: dt.date, bars: int, adjust: Adjust) -> list[str]:
        """What is doubtful in the last bars of every symbol up to a session."""
        index = self._snapshot.index
        return list(self._doubts.of_scan(self.day(as_of).history, lambda: index, bars, adjust))

    @_locked
    def warnings(self, panel: Panel, bars: int, adjust: Adjust) -> list[str]:
        """What is doubtful in the data of a scan that looks at so many bars of a panel."""

        def symbols() -> frozenset[str]:
            if self._names is None or self._names[0] is not panel:
                self._names = panel, frozenset(panel.symbols)
            return self._names[1]

        history = self.day(panel.as_of).history
        return list(self._doubts.of_scan(history, symbols, bars, adjust))

    @_locked
    def absent_facts(self, panel: Panel, names: Collection[str]) -> tuple[str, ...]:
        """Return the facts among `names` that are known of no symbol of a panel."""
        if self._absent is None or self._absent[0] is not panel:
            self._absent = panel, {}
        absent = self._absent[1]
        for name in names - absent.keys():
            told = panel.reference.told(panel.symbols, name)
            absent[name] = bool(told) and all(value is None for value in told)
        return tuple(sorted(name for name in names if absent[name]))

    @_locked
    def absent_on(self, as_of: dt.date, names: Collection[str]) -> tuple[str, ...]:
        """Return the facts among `names` that are known of no stored symbol on a day."""
        reference, symbols = self.day(as_of).reference, self.snapshot.symbols
        told = {name: reference.told(symbols, name) for name in names}
        return tuple(sorted(name for name in names if all(one is None for one in told[name])))

    @_locked
    def panel(
        self, as_of: dt.date, screen: Screen, plan: Plan, adjust: Adjust, *, exact: bool = False
    ) -> Panel:
        """The panel of a universe, with at least the fields and the history of `plan`.

        With `exact` just those: then it does not depend on what was asked for before.
        """
        needs = _Needs.of(plan)
        key = _Key(as_of, screen, adjust, needs if exact else None)
        if kept := self._panels.get(key):
            needs = needs.joined(kept.needs)
            if needs == kept.needs:
                return kept.panel
        _make_room(self._panels, _PANELS_KEPT)
        panel = self._build(as_of, self.universe(as_of, screen).columns, needs, adjust)
        self._panels[key] = _Loaded(needs, panel)
        return panel

    @_locked
    def panel_of(
        self, as_of: dt.date, columns: NDArray[np.int64], plan: Plan, adjust: Adjust
    ) -> Panel:
        """The panel of some columns of the axis, with the history of `plan`; it is not kept."""
        return self._build(as_of, columns, _Needs.of(plan), adjust)

    @_locked
    def stretched(
        self,
        as_of: dt.date,
        first: int,
        screen: Screen,
        adjust: Adjust,
        plan: Plan,
        fields: Collection[str],
    ) -> Panel:
        """The panel of all stretches from session `first` to `as_of`, for answers at all of them.

        Of those whose facts pass `screen`, with at least these fields, and before each answer the
        history of `plan`.
        """
        key, needs = (as_of, first, screen, adjust), _Needs.of(plan, fields)
        kept = self._stretched
        if kept and kept.key == key:
            needs = needs.joined(kept.needs)
            if needs == kept.needs:
                return kept.panel
        from marketsweep.scan.multi_session import stretched_panel  # few scans ask for it

        self._stretched = None  # its memory is needed
        fields, history, watched = needs
        panel = stretched_panel(self.day(as_of), first, screen, adjust, history, watched, fields)
        self._stretched = _Stretched(key, needs, panel)
        return panel

    @_locked
    def counts(self, as_of: dt.date, first: int, screen: Screen) -> Counts:
        """How many symbols each session from `first` to `as_of` should hold, and holds."""
        from marketsweep.scan.multi_session import counts_of  # as above

        key = as_of, first, screen
        if key not in self._counts:
            _make_room(self._counts, _DAYS_KEPT)
            self._counts[key] = counts_of(self.day(as_of), first, screen)
        return self._counts[key]

    def others(self, as_of: dt.date, adjust: Adjust) -> Others:
        """How passes over a stored session find another symbol, whatever the universe is."""

        def one(symbol: str, plan: Plan) -> Panel:
            columns = np.array([self._snapshot.column_of(symbol)])
            return self._build(as_of, columns, _Needs.of(plan, [SESSION]), adjust)

        return one

    @_locked
    def _build(
        self,
        as_of: dt.date,
        columns: NDArray[np.int64],
        needs: _Needs,
        adjust: Adjust,
    ) -> Panel:
        day = self.day(as_of)
        survey = day.history.survey(columns, needs.history, needs.watched)
        return build_panel(day.history, columns, survey, needs.fields, adjust, day.reference)


def _make_room(kept: dict[Any, Any], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]
