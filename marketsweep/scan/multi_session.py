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
from marketsweep.engine.panel.vintages import find_vintages, owners, pieces_of_tenures
from marketsweep.language import tree
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
    facts: Collection[str],
) -> Panel:
    """Return the panel of all vintages from session number `first` up to a day.

    It has the symbols whose facts pass `screen`, with `depth` bars before each session, and more
    where the quote is unchanged over one of the `watched` newest of them. A vintage ends where any
    of `facts` changes.
    """
    history, names = day.history, day.history.snapshot.symbols
    breaks = fact_breaks(day, first, facts)
    changed = {names[column] for column in breaks}
    vintages = find_vintages(history, first, adjust, breaks)
    if not screen.is_empty:
        symbols = [names[column] for column in vintages.tickers.tolist()]
        passes = day.facts.screened(
            symbols, screen, _reference_as_of_ends(day, symbols, vintages.last, changed)
        ).passes
        vintages = vintages.taken(np.flatnonzero(passes))
    survey = history.survey_of(vintages.lanes, depth, watched, 0, first)
    order = longest_first(survey.bars)
    vintages, survey = vintages.taken(order), survey.taken(order)
    symbols = [names[column] for column in vintages.tickers.tolist()]
    reference = _reference_as_of_ends(day, symbols, vintages.last, changed)
    panel = gather_panel(history, vintages.lanes, symbols, survey, fields, reference)
    return replace(panel, spans=np.array([vintages.first, vintages.last, survey.bars]))


def fact_breaks(day: MarketDay, first: int, facts: Collection[str]) -> dict[int, list[int]]:
    """Return the sessions after number `first` at which any of some facts changes, by column."""
    if not facts:
        return {}
    dates = np.array(day.history.dates, "datetime64[D]").astype(np.int64)
    changes = day.reference.own.change_days(facts, day.history.snapshot.symbols)
    result = {}
    for column, days in changes.items():
        sessions = np.unique(np.searchsorted(dates, days))
        inside = sessions[(sessions > first) & (sessions < len(dates))]
        if len(inside):
            result[column] = inside.tolist()
    return result


def count_sessions(day: MarketDay, first: int, screen: Screen) -> Counts:
    """Return how many symbols are expected and present, by session from number `first` on."""
    census_result = census(day.history, first)
    if screen.is_empty:
        return census_result.counts(None)
    passes = np.empty_like(census_result.expected)
    passes[:] = day.facts.screened(census_result.symbols, screen).passes
    facts = tree.facts_of([condition.node for condition in screen.where])
    breaks = fact_breaks(day, first, facts & day.reference.own.dated)
    last = len(day.history.dates) - 1
    pieces = pieces_of_tenures(owners(day.history, first), breaks, first, last)
    symbols = [census_result.symbols[column] for column, *_ in pieces]
    changed = {census_result.symbols[column] for column in breaks}
    ends = np.array([end for *_, end in pieces], dtype=np.int64)
    reference = _reference_as_of_ends(day, symbols, ends, changed)
    piece_passes = day.facts.screened(symbols, screen, reference).passes
    for (column, begin, end), passed in zip(pieces, piece_passes, strict=True):
        passes[begin - first : end + 1 - first, column] = passed
    return census_result.counts(passes)


def _reference_as_of_ends(
    day: MarketDay, symbols: Sequence[str], ends: NDArray[np.int64], changed: Collection[str]
) -> ReferenceByPlace:
    """Return the reference data of symbols, each as of the last session of its vintage.

    `changed` are the symbols whose facts change between vintages.
    """
    history, snapshot = day.history, day.history.snapshot
    shared = {life.symbol for life in history.lives}.union(changed)
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
