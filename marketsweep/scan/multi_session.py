"""The panel of many past sessions, and how many symbols each of them should hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.facts import Reference, ReferenceByPlace
from marketsweep.engine.panel.panel import Panel, gathered, longest_first
from marketsweep.engine.panel.vintages import owners, stretches
from marketsweep.universe.daily_counts import Counts, census
from marketsweep.universe.market_day import MarketDay
from marketsweep.universe.screen import Screen


def stretched_panel(
    day: MarketDay,
    first: int,
    screen: Screen,
    adjust: Adjust,
    depth: int,
    watched: int,
    fields: Collection[str],
) -> Panel:
    """The panel of all stretches from session `first` up to a day, for answers at all of them.

    Of those whose facts pass `screen`, with `depth` bars before each answer, more where one of the
    `watched` newest of them stands still.
    """
    history, found = day.history, stretches(day.history, first, adjust)
    names = history.snapshot.symbols
    if not screen.lets_all_pass:
        symbols = [names[column] for column in found.tickers.tolist()]
        passes = day.facts.screened(symbols, screen, _as_of_ends(day, symbols, found.last)).passes
        found = found.taken(np.flatnonzero(passes))
    survey = history.survey_of(found.lanes, depth, watched, 0, first)
    order = longest_first(survey.bars)
    found, survey = found.taken(order), survey.taken(order)
    symbols = [names[column] for column in found.tickers.tolist()]
    reference = _as_of_ends(day, symbols, found.last)
    panel = gathered(history, found.lanes, symbols, survey, fields, reference)
    return replace(panel, spans=np.array([found.first, found.last, survey.bars]))


def counts_of(day: MarketDay, first: int, screen: Screen) -> Counts:
    """How many symbols each session from `first` up to a day should hold, and holds."""
    found = census(day.history, first)
    if screen.lets_all_pass:
        return found.counts(None)
    passes = np.empty_like(found.expected)
    passes[:] = day.facts.screened(found.symbols, screen).passes
    owned = owners(day.history, first)
    symbols = [found.symbols[column] for column, *_ in owned]
    reference = _as_of_ends(day, symbols, np.array([end for *_, end in owned], dtype=np.int64))
    of_owners = day.facts.screened(symbols, screen, reference).passes
    for (column, _, begin, end), passed in zip(owned, of_owners, strict=True):
        passes[begin - first : end + 1 - first, column] = passed
    return found.counts(passes)


def _as_of_ends(
    day: MarketDay, symbols: Sequence[str], ends: NDArray[np.int64]
) -> ReferenceByPlace:
    """Reference data of symbols, each as of the session at which its stretch ends."""
    history, snapshot = day.history, day.history.snapshot
    shared = {life.symbol for life in history.lives}
    lives = [life for life in snapshot.lives() if life[0] in shared]
    listings = cache(lambda: [one for one in snapshot.listings() if one.symbol in shared])
    as_of = cache(lambda end: Reference(lives, listings, history.dates[end]))
    last = len(history.dates) - 1
    apart = {
        place: as_of(end)
        for place, (symbol, end) in enumerate(zip(symbols, ends.tolist(), strict=True))
        if end < last and symbol in shared
    }
    return ReferenceByPlace(day.reference, apart)
