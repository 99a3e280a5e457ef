"""Renames join, reuse does not: who has a ticker, and where the bars of an instrument stand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Dividend, Listing, ListingPeriod, SessionBars, Split
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings
from marketsweep.ingest.sync import sync
from marketsweep.store.companies.earlier_tickers import Move, moves_of
from marketsweep.store.companies.joined_listings import identify_listings
from marketsweep.store.store import Store
from tests.helpers.markets import EXAMPLE, example_bars

JANUARY, JUNE, JULY, AUGUST = (dt.date(2016, month, 1) for month in (1, 6, 7, 8))


def told(*listings: Listing, stored: Sequence[Listing] = ()) -> list[Listing]:
    """What is stored after a source has spoken, by number."""
    found = identify_listings(stored, listings)
    return sorted(found, key=lambda one: (one.instrument, one.symbol, one.first or dt.date.min))


def numbers(listings: Sequence[Listing]) -> list[tuple[str, int | None]]:
    return [(one.symbol, one.instrument) for one in listings]


def test_numbers_are_given_once_and_stay() -> None:
    first = told(Listing("B", first=JANUARY), Listing("A", first=JANUARY))
    assert numbers(first) == [("A", 1), ("B", 2)]
    later = told(Listing("AA"), Listing("B"), Listing("A", last=JUNE), stored=first)
    assert numbers(later) == [("A", 1), ("B", 2), ("AA", 3)]
    # What is not told again is kept.
    assert (later[0].first, later[0].last) == (JANUARY, JUNE)
    assert told(*later, stored=later) == later


def test_a_rename_by_figi_and_by_word() -> None:
    stored = told(Listing("FB", figi="F1"), Listing("OLD"), Listing("OTHER"))
    found = told(
        Listing("FB", last=JUNE, figi="F1"),
        Listing("META", figi="F1"),
        Listing("OLD", last=JUNE),
        Listing("NEW", first=JULY, renamed_from="OLD"),
        stored=stored,
    )
    number = dict(numbers(found))
    assert number["META"] == number["FB"]
    assert number["NEW"] == number["OLD"]
    assert len(set(number.values())) == 3


def test_a_rename_and_its_past_told_at_once() -> None:
    found = told(
        Listing("A", first=JULY, last=JULY, renamed_from="C"),
        Listing("B", first=AUGUST, renamed_from="A"),
        Listing("C", first=JANUARY, last=JUNE),
    )
    assert {one.instrument for one in found} == {1}


def test_a_ticker_that_is_used_again_is_of_another() -> None:
    stored = told(Listing("META", figi="OLD"))
    both = [Listing("META", last=JUNE, figi="OLD"), Listing("META", figi="NEW")]
    found = told(*both, stored=stored)
    # When the second began, nobody tells: its bars will.
    assert [(one.instrument, one.first, one.last) for one in found] == [
        (1, None, JUNE),
        (2, None, None),
    ]
    assert told(*both, stored=found) == found
    assert told(both[1], stored=found) == found
    # Without a FIGI, times tell.
    plain = told(Listing("T", first=JANUARY, last=JUNE), Listing("T", first=AUGUST))
    assert numbers(plain) == [("T", 1), ("T", 2)]
    assert told(Listing("T", first=AUGUST, last=AUGUST), stored=plain)[1].last == AUGUST


def test_a_figi_that_is_corrected_is_no_new_owner() -> None:
    stored = told(Listing("A", first=JANUARY, figi="WRONG"))
    found = told(Listing("A", figi="RIGHT"), stored=stored)
    assert [(one.instrument, one.figi, one.first) for one in found] == [(1, "RIGHT", JANUARY)]


def test_one_ticker_cannot_become_two() -> None:
    found = told(
        Listing("A", first=JANUARY, last=JUNE),
        Listing("B", first=JULY, renamed_from="A"),
        Listing("C", first=JULY, renamed_from="A"),
        Listing("D", first=JANUARY, renamed_from="A"),  # at the same time: no rename
    )
    number = dict(numbers(found))
    assert number["B"] == number["A"]
    assert len({number["A"], number["C"], number["D"]}) == 3


def test_two_become_one_when_a_source_says_so_later() -> None:
    stored = told(Listing("META"), Listing("FB", last=JUNE), Listing("OLD"), Listing("NEW"))
    assert len({one.instrument for one in stored}) == 4
    by_figi = told(Listing("META", figi="F"), Listing("FB", last=JUNE, figi="F"), stored=stored)
    number = dict(numbers(by_figi))
    first = next(one for one in stored if one.symbol in ("FB", "META"))
    assert number["META"] == number["FB"] == first.instrument
    # Both are listed still: then they are not one, until one of them has ended.
    both = told(Listing("NEW", first=JULY, renamed_from="OLD"), stored=by_figi)
    assert len({one.instrument for one in both}) == 3
    ended = told(Listing("OLD", last=JUNE), Listing("NEW"), stored=both)
    assert len({one.instrument for one in ended}) == 2
    assert told(*ended, stored=ended) == ended


def test_numbers_of_another_store_mean_nothing() -> None:
    first = told(
        Listing("OLD", first=JANUARY, last=JUNE), Listing("NEW", first=JULY, renamed_from="OLD")
    )
    assert {one.instrument for one in first} == {1}
    assert numbers(told(*first)) == numbers(first)


def test_a_chain_is_joined_whatever_comes_first() -> None:
    chain = [
        Listing("A", first=JANUARY, last=JUNE),
        Listing("B", first=JULY, last=JULY, renamed_from="A"),
        Listing("C", first=AUGUST, renamed_from="B"),
    ]
    for order in permutations(chain):
        stored: list[Listing] = []
        for one in order:
            stored = told(one, stored=stored)
        # B and C are told once more, as every sync does.
        assert {one.instrument for one in told(*chain, stored=stored)} == {1}, order
    silent = told(*(replace(one, renamed_from=None) for one in chain))
    assert [one.instrument for one in silent] == [1, 2, 3]
    assert {one.instrument for one in told(*chain, stored=silent)} == {1}


def test_an_instrument_comes_back_to_a_ticker() -> None:
    there = told(Listing("A", last=JUNE, figi="F"), Listing("B", first=JULY, figi="F"))
    back = told(Listing("A", figi="F"), Listing("B", last=JULY, figi="F"), stored=there)
    assert [(one.symbol, one.instrument, one.first, one.last) for one in back] == [
        ("A", 1, None, JUNE),
        ("A", 1, JULY + dt.timedelta(days=1), None),
        ("B", 1, JULY, JULY),
    ]
    assert told(Listing("A", figi="F"), stored=back) == back
    lives = [ListingPeriod(one.symbol, one.first, one.last, 1) for one in back]
    day = dt.timedelta(days=1)
    assert moves_of(lives, AUGUST)["A"] == [Move(JULY + day, "B"), Move(JUNE + day, "A")]
    assert "A" not in moves_of(lives, JUNE)
    # The same where the return is told before the end of the other ticker.
    early = told(Listing("A", figi="F"), stored=there)
    assert [one.instrument for one in early] == [1, 1, 2]
    assert told(Listing("A", figi="F"), Listing("B", last=JULY, figi="F"), stored=early) == back


dates = st.none() | st.dates(JANUARY, AUGUST)
listings = st.builds(
    Listing,
    st.sampled_from("ABC"),
    first=dates,
    last=dates,
    figi=st.none() | st.sampled_from(["X", "Y"]),
    renamed_from=st.none() | st.sampled_from("ABC"),
).filter(lambda one: one.first is None or one.last is None or one.first <= one.last)


@given(st.lists(listings, max_size=6, unique_by=lambda one: (one.symbol, one.figi)))
def test_told_twice_is_told_once(some: list[Listing]) -> None:
    first = identify_listings([], some)
    assert len(first) == len(some)
    assert len({(one.symbol, one.instrument) for one in first}) <= len(some)
    again = identify_listings(first, first)
    assert {(one.symbol, one.instrument) for one in again} == {
        (one.symbol, one.instrument) for one in first
    }


def test_moves_go_back_through_every_ticker() -> None:
    lives = [
        ListingPeriod("C", JANUARY, JUNE, 1),
        ListingPeriod("A", JULY, JULY, 1),
        ListingPeriod("B", AUGUST, None, 1),
        ListingPeriod("A", AUGUST, None, 2),
        ListingPeriod("C", None, dt.date(2015, 6, 30), 3),
    ]
    day = dt.timedelta(days=1)
    before = Move(dt.date(2015, 7, 1), None)
    assert moves_of(lives, AUGUST) == {
        "C": [before],
        "A": [Move(JULY + day, None)],
        "B": [Move(JULY + day, "A"), Move(JUNE + day, "C"), before],
    }
    assert moves_of(lives, JULY) == {"C": [before], "A": [Move(JUNE + day, "C"), before]}
    assert moves_of(lives, dt.date(2015, 1, 1)) == {}


# A store of two instruments: T until January's end was the first's, then the second's, which
# was S before.

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 3, 31))
GIVEN_UP = dt.date(2016, 1, 29)
RENAMED = dt.date(2016, 2, 26)
OWNERS = [
    Listing("T", first=DAYS[0], last=GIVEN_UP),
    Listing("S", first=DAYS[0], last=RENAMED),
    Listing("T", first=dt.date(2016, 2, 29), renamed_from="S"),
]


def bar(close: float) -> list[float]:
    return [close, close + 1, close - 1, close, 1000.0]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """T at 100, 101, ..., S at 10, 11, ... and, where it is called T, on from there."""
    sessions = []
    for number, day in enumerate(DAYS):
        rows = {}
        if day <= GIVEN_UP:
            rows["T"] = bar(100.0 + number)
        rows["S" if day <= RENAMED else "T"] = bar(10.0 + number)
        values = np.array(list(rows.values())).T
        sessions.append(SessionBars(day, list(rows), np.ascontiguousarray(values)))
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit(sessions, "test")
        writer.put_listings(OWNERS)
    return tmp_path


def closes(
    data: Path, symbol: str, as_of: dt.date | None = None, adjust: Adjust = "none"
) -> list[float]:
    with ms.open(data) as market:
        return market.history(symbol, as_of=as_of, adjust=adjust)["close"].to_list()


def test_a_look_up_takes_a_ticker_and_a_day(data: Path) -> None:
    second = [10.0 + number for number in range(len(DAYS))]
    assert closes(data, "T") == second
    first = [100.0 + number for number, day in enumerate(DAYS) if day <= GIVEN_UP]
    assert closes(data, "T", GIVEN_UP) == first
    assert closes(data, "T", RENAMED) == first  # whoever had it last
    assert closes(data, "S", GIVEN_UP) == second[: len(first)]
    assert closes(data, "S") == [10.0 + n for n, day in enumerate(DAYS) if day <= RENAMED]


def test_indicators_run_through_a_rename_and_not_into_another_instrument(data: Path) -> None:
    with ms.open(data) as market:
        hits = market.scan("sma(close, 50) > 0", as_of=DAYS[-1])
        assert hits.symbols == ["T"]
        expected = np.mean([10.0 + n for n in range(len(DAYS))][-50:])
        assert hits.values["sma(close, 50)"][0] == pytest.approx(expected, rel=1e-12)
        both = market.scan("sma(close, 5) > 0", as_of=GIVEN_UP)
        assert both.symbols == ["T", "S"]
        assert market.scan("close > 0", as_of=RENAMED).symbols == ["S"]


def test_a_ticker_that_was_anothers_has_a_short_history(data: Path) -> None:
    fresh = data / "fresh"
    with Store.open(data) as old, Store.create(fresh) as store, store.writer() as writer:
        with old.snapshot() as snapshot:
            for day in DAYS:
                bars = snapshot.bars(day)
                assert bars is not None
                there = np.flatnonzero(~np.isnan(bars[3]))
                names = [snapshot.symbols[place] for place in there]
                writer.commit([SessionBars(day, names, bars[:, there].copy())], "test")
        writer.put_listings([*OWNERS[:2], replace(OWNERS[2], renamed_from=None)])
    march = [10.0 + n for n, day in enumerate(DAYS) if day > RENAMED]
    assert closes(fresh, "T") == march
    with ms.open(fresh) as market:
        hits = market.scan("sma(close, 30) > 0")
        assert (len(hits), hits.coverage.excluded.short_history) == (0, 1)
    # Told late who it was before, it has its whole history.
    with Store.open(fresh) as store, store.writer() as writer:
        version = store.version()
        writer.put_listings(OWNERS)
        assert store.version() == version + 1
        writer.put_listings(OWNERS)
        assert store.version() == version + 1
        with store.snapshot() as snapshot:
            assert numbers(snapshot.listings()) == [("S", 2), ("T", 1), ("T", 2)]
    assert closes(fresh, "T") == closes(data, "T")


@pytest.mark.parametrize("tickers", [["S"], ["T"], ["S", "T"]])
def test_a_split_on_the_day_of_a_rename_counts_once(tmp_path: Path, tickers: list[str]) -> None:
    monday, january = dt.date(2016, 2, 29), dt.date(2016, 1, 20)
    sessions = []
    for number, day in enumerate(DAYS):
        rows = {}
        if day <= GIVEN_UP:  # one for ten in January: of the one who had the ticker before
            rows["T"] = bar((100.0 + number) * (10 if day >= january else 1))
        halved = 2 if day >= monday else 1
        rows["S" if day <= RENAMED else "T"] = bar((10.0 + number) / halved)
        values = np.ascontiguousarray(np.array(list(rows.values())).T)
        sessions.append(SessionBars(day, list(rows), values))
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit(sessions, "test")
        writer.put_listings(OWNERS)
        writer.put_splits(
            [Split(ticker, monday, 1, 2) for ticker in tickers] + [Split("T", january, 10, 1)]
        )
    halves = [(10.0 + number) / 2 for number in range(len(DAYS))]
    assert closes(tmp_path, "T", adjust="splits") == halves
    before = closes(tmp_path, "T", GIVEN_UP, "splits")
    assert before == [10 * (100.0 + number) for number in range(len(before))]


def test_a_dividend_of_the_first_day_is_measured_at_the_old_ticker(data: Path) -> None:
    monday = dt.date(2016, 2, 29)
    with Store.open(data) as store, store.writer() as writer:
        writer.put_dividends([Dividend("T", monday, 2.0)])
    friday = 10.0 + DAYS.index(RENAMED)
    found = closes(data, "T", adjust="total")
    assert found[DAYS.index(RENAMED)] == pytest.approx(friday - 2.0)
    assert found[0] == pytest.approx(10.0 * (1 - 2.0 / friday))
    assert found[-1] == 10.0 + len(DAYS) - 1


# The real market


def test_a_real_rename_has_its_whole_history(market: ms.Market) -> None:
    bars = example_bars().filter(
        pl.col("date").is_in(sessions_in_range(DAYS[0], dt.date(2016, 12, 30)))
    )
    old = bars.filter(pl.col("symbol") == "BBCN", pl.col("date") <= dt.date(2016, 7, 29))
    new = bars.filter(pl.col("symbol") == "HOPE", pl.col("date") > dt.date(2016, 7, 29))
    found = market.history("HOPE", adjust="none")
    assert found.equals(pl.concat([old, new]).drop("symbol").select(found.columns))
    assert found.height == 252


def test_what_comes_over_http_has_the_same_past(example_data: Path, tmp_path: Path) -> None:
    bars, actions, symbols = (EXAMPLE / f"{n}.parquet" for n in ("bars", "actions", "symbols"))
    settings = Settings(bars=bars, actions=actions, symbols=symbols)
    last = dt.date(2016, 12, 30)
    with running(settings) as url, Store.create(tmp_path) as store:
        sync(store, MassiveProvider("sandbox", url), dt.date(2016, 12, 29), last)
        with store.snapshot() as snapshot, Store.open(example_data) as other:
            # No first day is told here, so only who became whom can be compared.
            became = chains(moves_of(snapshot.shared_lives(), last))
            with other.snapshot() as whole:
                assert became == chains(moves_of(whole.shared_lives(), last))
                assert History(whole, last).moves
    assert became["HOPE"] == ["BBCN"]
    assert became["FNCX"] == ["DDAY", "VGGL"]


def chains(moves: dict[str, list[Move]]) -> dict[str, list[str | None]]:
    return {symbol: [move.before for move in some] for symbol, some in moves.items()}
