"""Companies and their tickers, worked out from whatever is told and from the bars themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Listing, LowVolume, SessionBars
from marketsweep.store.companies.ticker_changes import Rule
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

# FB becomes META on a day in June; until January META is the ticker of a fund, which becomes METV.

DAYS = sessions_in_range(dt.date(2021, 7, 1), dt.date(2022, 12, 30))
RENAMED = dt.date(2022, 6, 9)
FUND = dt.date(2022, 1, 31)
DAY = dt.timedelta(days=1)


def company(number: int) -> float:
    return 300.0 + number


def fund(number: int) -> float:
    return 15.0 + number / 100


def market(days: Sequence[dt.date] = DAYS, *, old_owner: bool = True) -> list[SessionBars]:
    """Every session's bars under the tickers of the day, and SPY beside them."""
    found = []
    for number, day in enumerate(days):
        rows = {"SPY": 400.0, ("FB" if day < RENAMED else "META"): company(number)}
        if old_owner:
            rows["META" if day < FUND else "METV"] = fund(number)
        values = np.array([[close, close + 1, close - 1, close, 1e6] for close in rows.values()])
        found.append(SessionBars(day, list(rows), np.ascontiguousarray(values.T)))
    return found


def stored(
    path: Path, listings: Iterable[Listing], sessions: Sequence[SessionBars] | None = None
) -> Path:
    with Store.create(path) as store, store.writer() as writer:
        writer.put_listings(listings)
        writer.commit(sessions or market(), "test")
    return path


def history(path: Path, symbol: str) -> list[float]:
    with ms.open(path) as opened:
        closes: list[float] = opened.history(symbol, adjust="none")["close"].to_list()
        return closes


def rule_of(path: Path, symbol: str) -> Rule | None:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return next(one.rule for one in snapshot.tenures() if one.symbol == symbol and one.before)


COMPANY = [company(number) for number in range(len(DAYS))]
THE_FUND = [fund(number) for number in range(len(DAYS))]

# Every way in which a source may tell the change from FB to META.
TOLD = {
    "renamed_from alone": [Listing("META", renamed_from="FB")],
    "renamed_to alone": [Listing("FB", renamed_to="META")],
    "both, no dates": [Listing("FB"), Listing("META", renamed_from="FB")],
    "first day of the new": [Listing("META", renamed_from="FB", first=RENAMED)],
    "last day of the old": [Listing("FB", last=RENAMED - DAY), Listing("META", renamed_from="FB")],
    "equal FIGIs, no dates": [Listing("FB", figi="F"), Listing("META", figi="F")],
    "equal FIGIs, last day": [
        Listing("FB", figi="F", last=RENAMED - DAY),
        Listing("META", figi="F"),
    ],
    "equal FIGIs, first day": [Listing("FB", figi="F"), Listing("META", figi="F", first=RENAMED)],
    "a last day years late": [
        Listing("FB", figi="F", last=dt.date(2024, 3, 1)),
        Listing("META", figi="F"),
    ],
}


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_a_rename_however_it_is_told(told: str, tmp_path: Path) -> None:
    path = stored(tmp_path, TOLD[told], market(old_owner=False))
    assert history(path, "META") == COMPANY


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_a_company_keeps_its_history_on_a_ticker_that_was_anothers(
    told: str, tmp_path: Path
) -> None:
    owner = [Listing("META", name="Fund", last=FUND - DAY, figi="E"), Listing("METV", figi="E")]
    path = stored(tmp_path, [*TOLD[told], *owner])
    assert history(path, "META") == COMPANY
    assert history(path, "METV") == THE_FUND


def test_renames_alone_separate_two_owners(tmp_path: Path) -> None:
    told = [Listing("META", renamed_from="FB"), Listing("METV", renamed_from="META")]
    path = stored(tmp_path, told)
    assert history(path, "META") == COMPANY
    assert history(path, "METV") == THE_FUND


@settings(max_examples=40, deadline=None)
@given(
    off=st.integers(-15, 15),
    of_fund=st.integers(-15, 15),
    chosen=st.sets(st.sampled_from(["fb last", "meta first", "fund last", "metv first"])),
    order=st.permutations(range(5)),
    bars_first=st.booleans(),
    twice=st.booleans(),
)
def test_days_that_are_off_or_missing_lose_no_bar(
    off: int, of_fund: int, chosen: set[str], order: list[int], bars_first: bool, twice: bool
) -> None:
    there = DAYS.index(RENAMED) + off
    fund_there = DAYS.index(FUND) + of_fund
    listings = [
        Listing("FB", figi="F", last=DAYS[there - 1] if "fb last" in chosen else None),
        Listing("META", figi="F", first=DAYS[there] if "meta first" in chosen else None),
        Listing("META", figi="E", last=DAYS[fund_there - 1] if "fund last" in chosen else None),
        Listing("METV", figi="E", first=DAYS[fund_there] if "metv first" in chosen else None),
        Listing("SPY", figi="S"),
    ]
    told = [listings[place] for place in order]
    with TemporaryDirectory() as folder, Store.create(Path(folder)) as store:
        with store.writer() as writer:
            if bars_first:
                writer.commit(market(), "test")
            writer.put_listings(told)
        with store.writer() as writer:
            writer.commit(market(), "test")
            if twice:
                writer.put_listings(reversed(told))
        assert history(Path(folder), "META") == COMPANY
        assert history(Path(folder), "METV") == THE_FUND


def test_what_is_worked_out_says_by_which_rule(tmp_path: Path) -> None:
    for number, (told, rule) in enumerate(
        {
            "both, no dates": Rule.BARS,
            "last day of the old": Rule.TOLD,
            "a last day years late": Rule.BARS,
        }.items()
    ):
        path = stored(tmp_path / f"{number}", TOLD[told], market(old_owner=False))
        assert rule_of(path, "META") is rule


def test_bars_that_come_later_decide_later(tmp_path: Path) -> None:
    """Told before either ticker has bars, session by session, in separate commits."""
    with Store.create(tmp_path) as store:
        for number, session in enumerate(market(old_owner=False)[200:260]):
            with store.writer() as writer:
                if number == 0:
                    writer.put_listings(TOLD["equal FIGIs, no dates"])
                writer.commit([session], "test")
        with store.snapshot() as snapshot:
            (now,) = [one for one in snapshot.tenures() if one.symbol == "META"]
    assert (now.first, now.before) == (RENAMED, "FB")
    assert history(tmp_path, "META") == COMPANY[200:260]


def test_incremental_work_equals_work_from_scratch(tmp_path: Path) -> None:
    listings = [*TOLD["equal FIGIs, no dates"], Listing("METV", renamed_from="META")]
    sessions = market()
    parts = [sessions[100:300], sessions[320:], sessions[:100], sessions[300:320]]
    with Store.create(tmp_path / "slow") as slow:
        for part in parts:
            with slow.writer() as writer:
                writer.commit(part, "test")
                writer.put_listings(listings)
        stored(tmp_path / "fast", listings, sessions)
        with Store.open(tmp_path / "fast") as fast:
            assert facts(slow.snapshot()) == facts(fast.snapshot())


def facts(snapshot: Snapshot) -> list[tuple[object, ...]]:
    """Tenures, without the numbers of companies."""
    tenures = [
        (one.symbol, one.first, one.last, one.rule, one.before) for one in snapshot.tenures()
    ]
    return sorted(tenures, key=str)


def test_tickers_that_share_a_figi_and_are_traded_side_by_side_stay_two(tmp_path: Path) -> None:
    sessions = [
        SessionBars(day, ["A", "B"], np.array([[10.0, 20.0 + n]] * 4 + [[1e6, 1e6]]))
        for n, day in enumerate(DAYS)
    ]
    path = stored(tmp_path, [Listing("A", figi="F"), Listing("B", figi="F")], sessions)
    assert history(path, "A") == [10.0] * len(DAYS)
    assert history(path, "B") == [20.0 + n for n in range(len(DAYS))]
    with Store.open(path) as store, store.snapshot() as snapshot:
        (doubt,) = snapshot.doubts()
    assert {doubt.symbol, doubt.other} == {"A", "B"}
    assert "traded in" in doubt.reason


@pytest.mark.parametrize("apart", [1.0, 3.0], ids=["a new share class", "a spin-off"])
def test_a_rename_from_a_ticker_that_goes_on(apart: float, tmp_path: Path) -> None:
    """GOOG became GOOGL, and a new class took GOOG; a spin-off is no rename of its parent."""
    split = DAYS.index(RENAMED)
    sessions = []
    for number, day in enumerate(DAYS):
        rows = {"OLD": 100.0 + number / 10}
        if number >= split:
            rows["NEW"] = (100.5 + number / 10) / apart
        values = np.array([[close] * 4 + [1e6] for close in rows.values()])
        sessions.append(SessionBars(day, list(rows), np.ascontiguousarray(values.T)))
    path = stored(tmp_path, [Listing("NEW", renamed_from="OLD")], sessions)
    whole = [100.0 + number / 10 for number in range(len(DAYS))]
    own = [(100.5 + number / 10) / apart for number in range(split, len(DAYS))]
    if apart == 1.0:
        assert history(path, "NEW") == whole[:split] + own
    else:
        assert history(path, "NEW") == own
        assert history(path, "OLD") == whole
        with Store.open(path) as store, store.snapshot() as snapshot:
            (doubt,) = snapshot.doubts()
        assert "another price" in doubt.reason


def test_a_rename_from_nobody_is_said_and_changes_nothing(tmp_path: Path) -> None:
    path = stored(tmp_path, [Listing("SPY", renamed_from="NOBODY")])
    assert history(path, "SPY") == [400.0] * len(DAYS)
    with Store.open(path) as store, store.snapshot() as snapshot:
        (doubt,) = snapshot.doubts()
    assert (doubt.symbol, doubt.other) == ("SPY", "NOBODY")


def test_a_ticker_with_several_owners_is_handed_over_in_a_gap(tmp_path: Path) -> None:
    """Told with a day that is some sessions off, or with none but FIGIs."""
    gap = range(200, 250)
    sessions = [
        SessionBars(day, ["T", "SPY"][number in gap :], np.full((5, 2), 10.0)[:, number in gap :])
        for number, day in enumerate(DAYS)
    ]
    for number, last in enumerate([DAYS[199], DAYS[190], DAYS[210], None]):
        path = tmp_path / f"{number}"
        stored(path, [Listing("T", figi="X", last=last), Listing("T", figi="Y")], sessions)
        assert len(history(path, "T")) == len(DAYS) - 250, last


def test_the_low_volume_list_follows_the_company(tmp_path: Path) -> None:
    owner = [Listing("META", name="Fund", last=FUND - DAY, figi="E"), Listing("METV", figi="E")]
    path = stored(tmp_path, [*TOLD["equal FIGIs, no dates"], *owner])
    with Store.open(path) as store, store.writer() as writer:
        line = LowVolume("META", False, True, FUND - 30 * DAY, None, 1.0, 20, 2.0)
        writer.put_low_volume([line, LowVolume("FB", True, True, FUND, None)])
    with Store.open(path) as store, store.snapshot() as snapshot:
        assert snapshot.low_volume_on(FUND - DAY) == {"META", "FB"}
        assert snapshot.low_volume_on(RENAMED - DAY) == {"METV", "FB"}
        assert snapshot.low_volume_on(DAYS[-1]) == {"METV", "META"}


def test_quality_and_suspects_go_by_company(tmp_path: Path) -> None:
    owner = [Listing("META", name="Fund", last=FUND - DAY, figi="E"), Listing("METV", figi="E")]
    path = stored(tmp_path, [*TOLD["equal FIGIs, no dates"], *owner])
    with ms.open(path) as opened:
        hits = opened.scan("sma(200) > 0", as_of="2022-07-15", exclude_suspect=True)
        assert set(hits.symbols) == {"META", "METV", "SPY"}
        assert hits.coverage.suspect_symbols == []


@pytest.mark.parametrize("as_of", [FUND - DAY, RENAMED - DAY, RENAMED, DAYS[-1]], ids=str)
def test_each_day_has_its_own_tickers(as_of: dt.date, tmp_path: Path) -> None:
    owner = [Listing("META", name="Fund", last=FUND - DAY, figi="E"), Listing("METV", figi="E")]
    path = stored(tmp_path, [*TOLD["equal FIGIs, no dates"], *owner, Listing("SPY", figi="S")])
    session = max(day for day in DAYS if day <= as_of)
    number = DAYS.index(session)
    right = {
        "FB" if session < RENAMED else "META": company(number),
        "META" if session < FUND else "METV": fund(number),
        "SPY": 400.0,
    }
    with ms.open(path) as opened:
        hits = opened.scan(f"close[{number}] > 0", as_of=session)
    assert dict(zip(hits.symbols, hits.close.tolist(), strict=True)) == right
