"""The axis: a session that follows another one finds the places that a dictionary has."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from marketsweep.kernels.places import Places, places_near
from marketsweep.store.ticker_axis import Axis

NAMES = [f"T{n}" for n in range(40)]
"""As objects: a provider's sessions share them."""

sessions = st.lists(st.lists(st.sampled_from(NAMES), max_size=30), max_size=6)
steps = st.lists(
    st.tuples(st.sets(st.integers(0, 39)), st.lists(st.sampled_from(NAMES), max_size=3)),
    max_size=6,
)


def another(text: str) -> str:
    """An equal text that is another object."""
    return f"{text}!"[:-1]


@given(st.lists(st.sampled_from(NAMES), unique=True), sessions)
def test_whoever_comes_finds_its_place(axis: list[str], sessions: list[list[str]]) -> None:
    places = {ticker: place for place, ticker in enumerate(axis)}
    one = Axis(axis)
    for tickers in sessions:
        expected = [places.get(ticker, -1) for ticker in tickers]
        assert one.follow(tickers).tolist() == expected
        assert one.find(tickers).tolist() == expected


@given(steps)
def test_the_axis_grows_and_is_cut_between_sessions(
    steps: list[tuple[set[int], list[str]]],
) -> None:
    one = Axis([])
    order: list[str] = []
    for left_out, extra in steps:
        tickers = [name for n, name in enumerate(NAMES) if n not in left_out] + extra
        assert one.follow(tickers).tolist() == [
            order.index(ticker) if ticker in order else -1 for ticker in tickers
        ]
        kept = len(order)
        order += one.append(set(tickers[::2]) - set(order))
        assert one.find(tickers).tolist() == [
            order.index(ticker) if ticker in order else -1 for ticker in tickers
        ]
        if len(order) % 3 == 0:
            one.cut(kept)
            del order[kept:]
        assert one.symbols == order


def test_a_callers_list_may_change_between_sessions() -> None:
    one, tickers = Axis(["A", "B", "C"]), ["A", "B", "C"]
    found = one.follow(tickers)
    found[:] = 7
    tickers.reverse()
    assert one.follow(tickers).tolist() == [2, 1, 0]


def test_equal_tickers_of_other_objects_are_found_too() -> None:
    one = Axis(NAMES)
    one.follow(NAMES)
    assert one.follow(list(map(another, NAMES))).tolist() == list(range(40))


def test_places_of_many_texts_of_all_kinds() -> None:
    """As a dictionary has them, through every growth and cut; half a character is nowhere."""
    chance, places, known = random.Random(4), Places([]), list[str]()
    assert places.find(["A"]).tolist() == [-1]
    for _ in range(200):
        new = {
            "".join(chance.choices("ABé.\u20ac\U0001f600", k=chance.randrange(6)))
            for _ in range(20)
        }
        new -= set(known)
        places.extend(sorted(new))
        known += sorted(new)
        if chance.random() < 0.2:
            length = chance.randrange(len(known) + 1)
            places.cut(length)
            del known[length:]
        asked = [another(one) for one in chance.sample(known, min(len(known), 30))]
        asked += ["AB\ud800", "\udfff", "", "A\x00", "none of these"]
        expected = [known.index(one) if one in known else -1 for one in asked]
        assert places.find(asked).tolist() == expected
    assert len(known) > 100


def test_only_what_is_at_hand_is_near() -> None:
    assert places_near(NAMES, NAMES).tolist() == list(range(40))
    assert places_near(NAMES[3:7] + NAMES[9:11], NAMES).tolist() == [3, 4, 5, 6, 9, 10]
    assert places_near(NAMES[9:11], NAMES).tolist() == [-1, -1]
    assert places_near([another(NAMES[0]), NAMES[1]], NAMES).tolist() == [-1, 1]
    assert places_near([], NAMES).tolist() == []
    assert places_near(NAMES[:2], []).tolist() == [-1, -1]
