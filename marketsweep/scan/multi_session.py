"""Build the panel of many past sessions, and count the symbols that each session should hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.company_actions import CompanyActions
from marketsweep.engine.panel.facts import Reference, ReferenceByPlace
from marketsweep.engine.panel.panel import Panel, gather_panel, longest_first
from marketsweep.engine.panel.vintages import find_vintages, owners
from marketsweep.universe.daily_counts import Counts, census
from marketsweep.universe.market_day import MarketDay
from marketsweep.universe.screen import Screen


def build_multi_session_panel(
    day: MarketDay,
    first: int,
    screen: Screen,
    adjust: Adjust,
    depth: int,
    watched: int,
    fields: Collection[str],
) -> Panel:
    """Return the panel of all vintages from session number `first` up to a day.

    It has the symbols whose facts pass `screen`, with `depth` bars before each session, and more
    where the quote is unchanged over one of the `watched` newest of them.
    """
    history, vintages = day.history, find_vintages(day.history, first, adjust)
    names = history.snapshot.symbols
    if not screen.is_empty:
        symbols = [names[column] for column in vintages.tickers.tolist()]
        passes = day.facts.screened(
            symbols, screen, _reference_as_of_ends(day, symbols, vintages.last)
        ).passes
        vintages = vintages.taken(np.flatnonzero(passes))
    survey = history.survey_of(vintages.lanes, depth, watched, 0, first)
    order = longest_first(survey.bars)
    vintages, survey = vintages.taken(order), survey.taken(order)
    symbols = [names[column] for column in vintages.tickers.tolist()]
    reference = _reference_as_of_ends(day, symbols, vintages.last)
    panel = gather_panel(history, vintages.lanes, symbols, survey, fields, reference)
    return replace(panel, spans=np.array([vintages.first, vintages.last, survey.bars]))


def count_sessions(day: MarketDay, first: int, screen: Screen) -> Counts:
    """Return how many symbols are expected and present, by session from number `first` on."""
    census_result = census(day.history, first)
    if screen.is_empty:
        return census_result.counts(None)
    passes = np.empty_like(census_result.expected)
    passes[:] = day.facts.screened(census_result.symbols, screen).passes
    tenures = owners(day.history, first)
    symbols = [census_result.symbols[column] for column, *_ in tenures]
    reference = _reference_as_of_ends(
        day, symbols, np.array([end for *_, end in tenures], dtype=np.int64)
    )
    tenure_passes = day.facts.screened(symbols, screen, reference).passes
    for (column, _, begin, end), passed in zip(tenures, tenure_passes, strict=True):
        passes[begin - first : end + 1 - first, column] = passed
    return census_result.counts(passes)


def _reference_as_of_ends(
    day: MarketDay, symbols: Sequence[str], ends: NDArray[np.int64]
) -> ReferenceByPlace:
    """Return the reference data of symbols, each as of the last session of its vintage."""
    history, snapshot = day.history, day.history.snapshot
    shared = {life.symbol for life in history.lives}
    lives = [life for life in snapshot.lives() if life[0] in shared]
    listings = cache(
        lambda: [listing for listing in snapshot.listings() if listing.symbol in shared]
    )
    own = day.reference.own

    @cache
    def as_of(end: int) -> Reference:
        def actions() -> CompanyActions:
            return CompanyActions(snapshot, history.dates[: end + 1])

        return Reference(lives, listings, history.dates[end], actions=actions, own=own)

    last = len(history.dates) - 1
    references = {
        index: as_of(end)
        for index, (symbol, end) in enumerate(zip(symbols, ends.tolist(), strict=True))
        if end < last and symbol in shared
    }
    return ReferenceByPlace(day.reference, references)
