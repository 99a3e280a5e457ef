"""Find the days on which a condition held that the bars of a chart cannot decide."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.language.tree import Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.query import Query, plan_query
from marketsweep.scan.scan import Scan
from marketsweep.studies.sessions import fits_one_pass
from marketsweep.studies.signals import signals


@dataclass(frozen=True, slots=True)
class MatchDays:
    """The days on which a condition held, by symbol; unknown before `since`."""

    since: dt.date
    days: Mapping[str, Collection[dt.date]]

    def held(self, symbol: str, days: Sequence[dt.date]) -> NDArray[np.float64]:
        """Return 1 where the condition held, 0 where not, NaN where unknown: float64 [days]."""
        held_days = self.days.get(symbol, ())
        return np.array([np.nan if day < self.since else float(day in held_days) for day in days])


def match_days(condition: Node, loader: Loader, as_of: dt.date, adjust: Adjust) -> MatchDays | None:
    """Return the days of the last year on which a condition that compares symbols held.

    Returns None if it would take a scan of each session.
    """
    scan = Scan(condition, adjust=adjust, own_names=loader.own_names())
    query = plan_query(Query(condition, own_names=scan.own_names))
    if not fits_one_pass(scan.screen, query.layout.nodes, query.plan, loader, loader.sessions):
        return None
    result = signals(scan, loader, until=as_of)
    days: defaultdict[str, set[dt.date]] = defaultdict(set)
    for symbol, day in zip(result.symbols, result.days.tolist(), strict=True):
        days[symbol].add(day)
    return MatchDays(result.sessions[0].session, days)
