"""What one scan reads: one session of one state of the data, fixed when the scan begins."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from functools import partial

from msgspec import Struct

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.scan.loader import Loader
from marketsweep.scan.ranking import Marks, no_marks
from marketsweep.universe.market_day import Universe


class MarketView(Struct, frozen=True, eq=False):
    """One session with its universe and panel. It does not change while a scan runs."""

    as_of: dt.date
    version: int
    """The data version."""
    sessions: list[dt.date]
    """The stored sessions up to and including `as_of`."""
    newest: dt.date
    """The newest stored session."""
    asked: Collection[str] | None
    """The symbols that were fetched for the session, if they were fetched one by one."""
    universe: Universe
    panel: Panel
    reference: Reference
    adjust: Adjust
    loader: Loader

    @classmethod
    def of(
        cls, loader: Loader, as_of: dt.date, universe: Universe, panel: Panel, adjust: Adjust
    ) -> MarketView:
        """Return the view of a stored session."""
        day = loader.day(as_of)
        return cls(
            as_of=as_of,
            version=loader.version,
            sessions=loader.sessions_of(as_of),
            newest=loader.sessions[-1],
            asked=day.asked,
            universe=universe,
            panel=panel,
            reference=day.reference,
            adjust=adjust,
            loader=loader,
        )

    def marks(self, plan: Plan, *, wanted: bool = True) -> Marks:
        """Return the function that marks symbols with suspicious bars among those a plan reads.

        If marks are not wanted, the function marks no symbol.
        """
        return partial(self.loader.marks, self.as_of, plan.history) if wanted else no_marks

    def unadjusted(self, plan: Plan) -> int:
        """Return how many of the sessions that a plan reads may lack splits."""
        return self.loader.unadjusted(self.sessions[-plan.bars[0] :], self.adjust)

    def absent_facts(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the facts among `names` that no symbol of the panel has."""
        return self.loader.absent_facts(self.panel, names)

    def warnings(self, plan: Plan) -> Sequence[str]:
        """Return the warnings about the data that a plan reads."""
        return self.loader.warnings(self.panel, plan.history, self.adjust)
