"""Positions in made prices: what comes after an exit changes nothing, and each reason is right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marketsweep.studies.study.events import PAUSE, after_cooldown, first_of_streaks
from marketsweep.studies.study.exits import Entries, find_exits
from marketsweep.studies.study.options import ENTRIES, Entry, Options
from marketsweep.studies.study.outcomes import (
    REASONS,
    Excursions,
    Outcomes,
    market_returns,
    outcomes,
)
from marketsweep.studies.study.prices import RECENT, Prices

SESSIONS, LANES = 30, 6
HOLDS = (2, 5, 9)


def made_prices(closes: NDArray[np.float64]) -> Prices:
    """Prices without adjustments, whose opens are a cent below their closes."""
    rows = np.where(np.isnan(closes), -1, np.arange(len(closes))[:, None])
    held = np.maximum.accumulate(rows, axis=0)
    factor = np.ones_like(closes)
    last_bar = np.array([row[row >= 0][-1] if (row >= 0).any() else -1 for row in rows.T])
    return Prices(
        first=0,
        opens=closes - 0.01,
        highs=closes + 1,
        lows=closes - 1,
        closes=closes,
        factor=factor,
        held=held,
        held_closes=np.take_along_axis(closes, np.maximum(held, 0), axis=0),
        last_bar=last_bar,
        is_gone=last_bar <= len(closes) - 1 - RECENT,
        delisting_returns=np.zeros(closes.shape[1]),
    )


def followed(
    prices: Prices, lane: int, row: int, hold: int, entry: Entry, stop: str | None = None
) -> Outcomes:
    lanes, rows = np.array([lane]), np.array([row])
    options = Options(horizons=(hold,), entry=entry, stop=stop)
    entries = Entries.of(prices, lanes, rows, options)
    exits = find_exits(prices, entries, options, None, None)
    (reached,) = Excursions(prices, options).of(lanes, rows, exits)
    return outcomes(prices, entries, hold, len(prices.closes) - 1, reached, exits)


@given(
    seed=st.integers(0, 2**32 - 1),
    horizons=st.sampled_from([(2,), (2, 4), (2, 3, 30), (3, 7, 8)]),
    entry=st.sampled_from(ENTRIES),
    stop=st.sampled_from([None, "30%"]),
    is_copied=st.booleans(),
)
def test_the_extremes_of_a_hold_are_those_of_its_bars(
    seed: int,
    horizons: tuple[int, ...],
    entry: Entry,
    stop: str | None,
    is_copied: bool,
) -> None:
    chance = np.random.default_rng(seed)
    closes = chance.uniform(5, 50, (SESSIONS, LANES))
    closes[chance.random(closes.shape) < 0.3] = np.nan
    prices = made_prices(closes)
    options = Options(horizons=horizons, entry=entry, stop=stop)
    rows, lanes = (grid.ravel() for grid in np.indices(closes.shape))
    exits = find_exits(prices, Entries.of(prices, lanes, rows, options), options, None, None)
    excursions = Excursions(prices, options)
    if is_copied:
        many = np.zeros(100_000, dtype=np.int64)
        entries = Entries.of(prices, many, many, options)
        excursions.of(many, many, find_exits(prices, entries, options, None, None))
    reached = excursions.of(lanes, rows, exits)
    first = 2 if entry == "next_close" else 1
    for horizon, (highest, lowest) in zip(horizons, reached, strict=True):
        for event, (row, lane) in enumerate(zip(rows.tolist(), lanes.tolist(), strict=True)):
            end = min(row + horizon, int(exits.last_whole_row[event]))
            of_hold = closes[row + first : end + 1, lane]
            known = of_hold[~np.isnan(of_hold)]
            expected = (
                (float(known.max()) + 1, float(known.min()) - 1) if len(known) else (np.nan, np.nan)
            )
            np.testing.assert_array_equal((highest[event], lowest[event]), expected)


@given(
    seed=st.integers(0, 2**32 - 1),
    row=st.integers(0, SESSIONS - 1),
    hold=st.sampled_from(HOLDS),
    entry=st.sampled_from(ENTRIES),
    stop=st.sampled_from([None, "30%"]),
)
def test_no_bar_after_the_exit_changes_a_return(
    seed: int, row: int, hold: int, entry: Entry, stop: str | None
) -> None:
    chance = np.random.default_rng(seed)
    closes = chance.uniform(5, 50, (SESSIONS, LANES))
    closes[chance.random(closes.shape) < 0.2] = np.nan
    closes[-1] = 10.0  # every company goes on, so that none is delisted
    other = closes.copy()
    other[row + hold + 1 : -1] = other[row + hold + 1 : -1][::-1]
    for lane in range(LANES):
        before = followed(made_prices(closes), lane, row, hold, entry, stop)
        after = followed(made_prices(other), lane, row, hold, entry, stop)
        np.testing.assert_array_equal(before.returns, after.returns)
        np.testing.assert_array_equal(before.best, after.best)
        np.testing.assert_array_equal(before.worst, after.worst)
        assert before.reason == after.reason


def test_each_reason_is_given_where_it_applies() -> None:
    closes = np.full((12, 5), 10.0) + np.arange(12.0)[:, None]
    closes[4:7, 1] = np.nan  # halted, and back again
    closes[5:, 2] = np.nan  # gone
    closes[2, 3] = np.nan  # no bar in the session of the entry
    prices = made_prices(closes)
    reasons = [
        REASONS[followed(prices, lane, 1, 5, "next_open").reason[0]] for lane in range(LANES - 1)
    ]
    assert reasons == ["horizon", "last close", "delisted", "no entry", "horizon"]
    assert REASONS[followed(prices, 0, 8, 5, "next_open").reason[0]] == "open"
    closes[-1, 4] = np.nan  # not traded in the newest session alone
    assert REASONS[followed(made_prices(closes), 4, 6, 5, "next_open").reason[0]] == "last close"
    halted = followed(prices, 1, 1, 5, "next_open")
    assert halted.exit_row[0] == 3
    assert halted.returns[0] == pytest.approx(13 / 11.99 - 1)
    assert halted.best[0] == pytest.approx(14 / 11.99 - 1)
    assert halted.worst[0] == pytest.approx(11 / 11.99 - 1)
    gone = followed(prices, 2, 1, 5, "close")
    assert (gone.entry_row[0], gone.exit_row[0]) == (1, 4)
    assert gone.returns[0] == pytest.approx(14 / 11 - 1)


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_market_is_the_mean_of_its_members(entry: Entry) -> None:
    chance = np.random.default_rng(7)
    closes = chance.uniform(5, 50, (SESSIONS, LANES))
    closes[chance.random(closes.shape) < 0.2] = np.nan
    prices, members = made_prices(closes), np.array([True, True, False, True, True, False])
    options = Options(horizons=(5,), entry=entry)
    groups = np.stack([members, members[::-1]], axis=1).astype(np.float64)
    means, others = market_returns(prices, np.arange(SESSIONS), 5, options, groups).T
    assert not np.array_equal(means, others, equal_nan=True)
    for row in range(SESSIONS):
        returns = [
            followed(prices, int(lane), row, 5, entry).returns[0]
            for lane in np.flatnonzero(members & ~np.isnan(closes[row]))
        ]
        known = [value for value in returns if not np.isnan(value)]
        if row + 5 < SESSIONS and known:
            assert means[row] == pytest.approx(np.mean(known), abs=1e-12)
        else:
            assert np.isnan(means[row])


@given(
    hits=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 25)), max_size=60),
    gaps=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 25)), max_size=40),
    since=st.integers(0, 10),
    cooldown=st.integers(0, 8),
)
def test_events_are_the_first_of_streaks_of_bars_with_pauses_between(
    hits: set[tuple[int, int]], gaps: set[tuple[int, int]], since: int, cooldown: int
) -> None:
    hits -= gaps  # a session without a bar has no hit
    has_bar = np.ones((26, 4), dtype=bool)
    for lane, session in gaps:
        has_bar[session, lane] = False
    ordered = sorted(hits, key=lambda hit: (hit[1], hit[0]))
    lanes = np.array([lane for lane, _ in ordered], dtype=np.int64)
    sessions = np.array([session for _, session in ordered], dtype=np.int64)
    chosen = np.flatnonzero(first_of_streaks(lanes, sessions, since, has_bar))
    expected = set()
    for lane, session in hits:
        bars = [s for s in range(max(0, session - PAUSE), session) if has_bar[s, lane]]
        if session >= since and not (bars and (lane, bars[-1]) in hits):
            expected.add((lane, session))
    assert {ordered[hit] for hit in chosen} == expected
    counted = after_cooldown(lanes[chosen], sessions[chosen], cooldown)
    for lane in range(4):
        of_lane = [ordered[hit][1] for hit in chosen if ordered[hit][0] == lane]
        spaced: list[int] = []
        for session in of_lane:
            if not spaced or session - spaced[-1] > cooldown:
                spaced.append(session)
        assert [s for n, s in (ordered[chosen[i]] for i in counted) if n == lane] == spaced
