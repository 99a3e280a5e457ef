"""What one scan reads: one session of one state of the data, fixed when the scan begins."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from marketsweep.core.calendar import session_on_or_before
from marketsweep.engine.derived import Others
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.errors import CoverageError, UsageError
from marketsweep.scan.loader import Loader
from marketsweep.scan.ranking import Marks, no_marks
from marketsweep.store.snapshot import Snapshot
from marketsweep.universe.market_day import Universe
from marketsweep.universe.screen import Screen


class MarketView(Struct, frozen=True, eq=False):
    """One session and its universe. It does not change while a scan runs."""

    as_of: dt.date
    version: int
    """The data version."""
    sessions: list[dt.date]
    """The stored sessions up to and including `as_of`."""
    newest: dt.date
    """The newest stored session."""
    asked: Collection[str] | None
    """The symbols that were fetched for the session, if they were fetched one by one."""
    screen: Screen
    universe: Universe
    """The symbols that pass `screen`."""
    history: History
    reference: Reference
    adjust: Adjust
    loader: Loader

    @classmethod
    def of(cls, loader: Loader, as_of: dt.date, screen: Screen, adjust: Adjust) -> MarketView:
        """Return the view of a stored session."""
        day = loader.day(as_of)
        return cls(
            as_of=as_of,
            version=loader.version,
            sessions=loader.sessions_of(as_of),
            newest=loader.sessions[-1],
            asked=day.asked,
            screen=screen,
            universe=loader.universe(as_of, screen),
            history=day.history,
            reference=day.reference,
            adjust=adjust,
            loader=loader,
        )

    def panel(self, plan: Plan, *, exact: bool = False) -> Panel:
        """Return the panel of the universe, with at least the bars and fields that a plan reads.

        If `exact`, with just those: then the panel does not depend on earlier scans.
        """
        return self.loader.panel(self.as_of, self.screen, plan, self.adjust, exact=exact)

    def panel_of(self, columns: NDArray[np.int64], plan: Plan) -> Panel:
        """Return the panel of some columns of the axis, with just what a plan reads."""
        return self.loader.panel_of(self.as_of, columns, plan, self.adjust)

    @property
    def others(self) -> Others:
        """The function that loads another symbol that a condition names."""
        return self.loader.others(self.as_of, self.adjust)

    def marks(self, plan: Plan, *, wanted: bool = True) -> Marks:
        """Return the function that marks symbols with suspicious bars among those a plan reads.

        If marks are not wanted, the function marks no symbol.
        """
        return partial(self.loader.marks, self.as_of, plan.history) if wanted else no_marks

    def unadjusted(self, plan: Plan) -> int:
        """Return how many of the sessions that a plan reads may lack splits."""
        return self.loader.unadjusted(self.sessions[-plan.bars[0] :], self.adjust)

    def unknown_facts(
        self, panel: Panel, names: Collection[str]
    ) -> Mapping[str, NDArray[np.bool_]]:
        """Return for each fact which symbols of a panel lack it, bool [symbols]."""
        return self.loader.unknown_facts(panel, names)

    def warnings(self, panel: Panel, plan: Plan) -> Sequence[str]:
        """Return the warnings about the data that a plan reads of a panel."""
        return self.loader.warnings(panel, plan.history, self.adjust)


def resolve_session(snapshot: Snapshot, as_of: dt.date | None, option: str = "--as-of") -> dt.date:
    """Return the session of a scan: the newest complete one, or the session of the day `as_of`.

    `option` is the name of the option that gave the day. Raises CoverageError and UsageError.
    """
    stored, newest = snapshot.sessions, snapshot.newest
    if newest is None:
        raise CoverageError("no session is stored yet: run marketsweep sync")
    if as_of is None:
        return newest
    # The newest stored session is allowed even if the machine's clock is behind.
    if as_of > max(dt.date.today(), stored[-1]):
        raise UsageError(f"{option} {as_of} lies in the future")
    if as_of < stored[0]:
        raise UsageError(
            f"{option} {as_of} is before the first stored session, {stored[0]}: "
            "choose a later day, or run marketsweep sync with an earlier --since"
        )
    session = session_on_or_before(as_of)
    previous = stored[bisect_right(stored, session) - 1]
    if previous != session:
        raise CoverageError(
            f"the session of {session} is not stored (the last stored one before it is "
            f"{previous}): run marketsweep sync, or choose {option} {previous}"
        )
    return session
