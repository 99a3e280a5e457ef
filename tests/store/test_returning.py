"""A company that gives up its ticker for some weeks and takes it again, however it is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Listing, SessionBars, Split
from marketsweep.store.companies.ticker_changes import Rule
from marketsweep.store.store import Store

DAYS = sessions_in_range(dt.date(2024, 1, 2), dt.date(2024, 12, 31))
AWAY, BACK = dt.date(2024, 6, 10), dt.date(2024, 7, 10)
DAY = dt.timedelta(days=1)
CLOSES = [2 + number / 1000 for number in range(len(DAYS))]

Tickers = Callable[[dt.date], str]


def ticker(day: dt.date) -> str:
    """XYZ, but for twenty sessions of summer."""
    return "XYZD" if AWAY <= day < BACK else "XYZ"


def market(days: Sequence[dt.date] = DAYS, tickers: Tickers = ticker) -> list[SessionBars]:
    """The bars of one company under its tickers, and SPY beside it."""
    found = []
    for number, day in enumerate(DAYS):
        if day in days:
            rows = {"SPY": 400.0, tickers(day): CLOSES[number]}
            values = np.array(
                [[close, close + 1, close - 1, close, 1e6] for close in rows.values()]
            )
            found.append(SessionBars(day, list(rows), np.ascontiguousarray(values.T)))
    return found


def stored(path: Path, listings: Iterable[Listing], bars: Sequence[SessionBars]) -> Path:
    with Store.create(path) as store, store.writer() as writer:
        writer.put_listings(listings)
        writer.commit(bars, "test")
    return path


def closes(path: Path, symbol: str, adjust: ms.Adjust = "none") -> list[float]:
    with ms.open(path) as opened:
        found: list[float] = opened.history(symbol, adjust=adjust)["close"].to_list()
        return found


# Every way in which a source may tell that XYZ was XYZD from June to July.
TOLD = {
    "equal FIGIs": [Listing("XYZ", figi="F"), Listing("XYZD", figi="F")],
    "equal FIGIs, every day": [
        Listing("XYZ", figi="F", last=AWAY - DAY),
        Listing("XYZD", figi="F", first=AWAY, last=BACK - DAY),
        Listing("XYZ", figi="F", first=BACK),
    ],
    "equal FIGIs, first days": [
        Listing("XYZ", figi="F", first=dt.date(2010, 1, 4)),
        Listing("XYZD", figi="F", first=AWAY),
    ],
    "equal FIGIs, the day of the return": [
        Listing("XYZ", figi="F", first=BACK),
        Listing("XYZD", figi="F", first=AWAY, last=BACK - DAY),
    ],
    "equal FIGIs, three rows without days": [
        Listing("XYZ", figi="F", name="Xyz"),
        Listing("XYZD", figi="F"),
        Listing("XYZ", figi="F", name="Xyz Inc"),
    ],
    "both renames with days": [
        Listing("XYZD", renamed_from="XYZ", first=AWAY, last=BACK - DAY),
        Listing("XYZ", renamed_from="XYZD", first=BACK),
    ],
    "both renames": [
        Listing("XYZD", renamed_from="XYZ"),
        Listing("XYZ", renamed_from="XYZD"),
    ],
    "both renames and the old ticker": [
        Listing("XYZ"),
        Listing("XYZD", renamed_from="XYZ"),
        Listing("XYZ", renamed_from="XYZD"),
    ],
    "renamed_to": [Listing("XYZ", renamed_to="XYZD"), Listing("XYZD", renamed_to="XYZ")],
    "renamed_to with days": [
        Listing("XYZ", renamed_to="XYZD", last=AWAY - DAY),
        Listing("XYZD", renamed_to="XYZ", last=BACK - DAY),
    ],
    "the first rename alone": [Listing("XYZD", renamed_from="XYZ")],
    "the first rename and the ticker": [Listing("XYZ"), Listing("XYZD", renamed_from="XYZ")],
    "the second rename alone": [Listing("XYZ", renamed_from="XYZD")],
    "the second rename with its day": [Listing("XYZ", renamed_from="XYZD", first=BACK)],
}


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_a_ticker_that_returns_however_it_is_told(told: str, tmp_path: Path) -> None:
    path = stored(tmp_path, TOLD[told], market())
    assert closes(path, "XYZ") == CLOSES
    with Store.open(path) as store, store.snapshot() as snapshot:
        tenures = snapshot.tenures()
        assert snapshot.doubts() == []
    times = sorted((one.first or dt.date.min, one.symbol) for one in tenures)
    assert [symbol for _, symbol in times] == ["XYZ", "XYZD", "XYZ"]
    assert [day for day, _ in times[1:]] == [AWAY, BACK]


@pytest.mark.parametrize("told", TOLD, ids=str)
def test_a_ticker_that_returns_told_as_time_goes_by(told: str, tmp_path: Path) -> None:
    ends = [AWAY, AWAY + 10 * DAY, BACK, BACK + 10 * DAY, DAYS[-1] + DAY]
    with Store.create(tmp_path) as store, store.writer() as writer:
        begin = DAYS[0]
        for end in ends:
            writer.put_listings(_known(TOLD[told], end))
            writer.commit(market([day for day in DAYS if begin <= day < end]), "test")
            begin = end
    assert closes(tmp_path, "XYZ") == CLOSES


def _known(told: Iterable[Listing], by: dt.date) -> Iterable[Listing]:
    """What a source can tell before a day."""
    for one in told:
        away, back = by > AWAY, by > BACK
        if (one.symbol == "XYZD" and not away) or (one.renamed_from == "XYZD" and not back):
            continue
        if one.first is None or one.first < by:
            last = one.last if one.last and one.last < by else None
            is_left = back if one.symbol == "XYZD" else away
            yield replace(one, last=last, renamed_to=one.renamed_to if is_left else None)


def test_what_the_bars_show_is_said(tmp_path: Path) -> None:
    path = stored(tmp_path, TOLD["equal FIGIs"], market())
    with Store.open(path) as store, store.snapshot() as snapshot:
        rules = [one.rule for one in snapshot.tenures() if one.before]
    assert rules == [Rule.BARS, Rule.BARS]


@pytest.mark.parametrize("under", ["XYZ", "XYZD"])
def test_the_split_behind_it_is_applied_once(under: str, tmp_path: Path) -> None:
    bars = market()
    for one in bars:
        if one.session < AWAY:
            one.values[:4, 1] /= 10
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.put_listings(TOLD["equal FIGIs"])
        writer.put_splits([Split(under, AWAY, 10, 1)])
        writer.commit(bars, "test")
    assert closes(tmp_path, "XYZ", "splits") == pytest.approx(CLOSES)


def test_two_times_away(tmp_path: Path) -> None:
    def tickers(day: dt.date) -> str:
        return "XYZD" if day.month in (3, 9) else "XYZ"

    path = stored(tmp_path, TOLD["equal FIGIs"], market(tickers=tickers))
    assert closes(path, "XYZ") == CLOSES
    assert len(closes(path, "XYZD")) == next(n for n, day in enumerate(DAYS) if day.month == 10)


def test_another_company_that_takes_the_ticker_over_has_its_own_bars(tmp_path: Path) -> None:
    """Shares of a bankrupt company are cancelled, and new ones get the ticker the day after."""
    told = [
        Listing("XYZ", figi="F", last=AWAY - DAY),
        Listing("XYZD", figi="F", last=BACK - DAY),
        Listing("XYZ", figi="G", first=BACK),
    ]
    path = stored(tmp_path, told, market())
    back, away = DAYS.index(BACK), DAYS.index(AWAY)
    assert closes(path, "XYZ") == CLOSES[back:]
    assert closes(path, "XYZD") == CLOSES[:back]
    assert away < back


def test_a_ticker_that_has_ended_for_good_is_not_taken_again(tmp_path: Path) -> None:
    told = [
        Listing("XYZ", figi="F", last=AWAY - DAY),
        Listing("XYZD", figi="F", last=BACK - DAY),
    ]
    path = stored(tmp_path, told, market())
    assert closes(path, "XYZD") == CLOSES[: DAYS.index(BACK)]
