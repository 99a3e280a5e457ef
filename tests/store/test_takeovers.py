"""Tickers that change hands: each company keeps its own bars, however little is told of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Listing, SessionBars
from marketsweep.store.store import Store

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2017, 6, 30))
CHANGE = DAYS[200]
BEFORE = DAYS[199]
LATER = DAYS[260]
PAUSE = DAYS[230]

Piece = tuple[str, int, int]
"""A ticker, and the places of the sessions in which a company has it."""


class Company:
    """A company with its price, and the tickers that it has one after the other."""

    def __init__(self, price: float, *pieces: Piece) -> None:
        self.pieces = pieces
        self.closes = price * (1 + 0.001 * np.sin(np.arange(len(DAYS))))

    def history(self) -> list[float]:
        first, last = self.pieces[0][1], self.pieces[-1][2]
        places = [n for _, first, last in self.pieces for n in range(first, last)]
        return [float(self.closes[n]) for n in range(first, last) if n in set(places)]


def market(companies: Sequence[Company], days: Sequence[dt.date]) -> list[SessionBars]:
    found = []
    for number, day in enumerate(DAYS):
        if day in days:
            rows = {"SPY": 400.0} | {
                ticker: float(company.closes[number])
                for company in companies
                for ticker, first, last in company.pieces
                if first <= number < last
            }
            values = np.array([[one, one + 1, one - 1, one, 1e6] for one in rows.values()])
            found.append(SessionBars(day, list(rows), np.ascontiguousarray(values.T)))
    return found


END = len(DAYS)
Told = Sequence[tuple[dt.date, Sequence[Listing]]]
"""What a source tells up to a day, list by list."""

ARCONIC = Company(25, ("AA", 0, 200), ("ARNC", 200, END))
ALCOA = Company(60, ("AA", 200, END))
FACEBOOK = Company(300, ("FB", 0, 200), ("META", 200, END))
FUND = Company(15, ("FB", 260, END))
TYCO = Company(44, ("TYC", 0, 200), ("JCI", 200, END))
JOHNSON = Company(41, ("JCI", 0, 200))
ONE = Company(44, ("AAA", 0, 200), ("BBB", 200, END))
TWO = Company(90, ("BBB", 0, 200), ("AAA", 200, END))
PARENT = Company(30, ("PAR", 0, END))
SPUN = Company(9, ("SPN", 200, END))
TARGET = Company(23, ("TGT", 0, 200))
BUYER = Company(91, ("BUY", 0, END))
TAKER = Company(300, ("OLD", 0, 200), ("NEW", 200, END))
LEAVER = Company(15, ("NEW", 0, 150), ("FNDX", 150, END))
CHAIN = Company(50, ("AAA", 0, 90), ("BBB", 90, 180), ("CCC", 180, 270), ("DDD", 270, END))

LAST = DAYS[-1]
CASES: dict[str, tuple[Told, dict[str, Company]]] = {
    "two lists, a FIGI moves and another takes its ticker": (
        [
            (BEFORE, [Listing("AA", figi="F1")]),
            (LAST, [Listing("ARNC", figi="F1"), Listing("AA", figi="F2")]),
        ],
        {"ARNC": ARCONIC, "AA": ALCOA},
    ),
    "the same with days": (
        [
            (BEFORE, [Listing("AA", figi="F1")]),
            (
                LAST,
                [
                    Listing("ARNC", figi="F1", first=CHANGE),
                    Listing("AA", figi="F2", first=CHANGE),
                ],
            ),
        ],
        {"ARNC": ARCONIC, "AA": ALCOA},
    ),
    "the old row has its first day alone": (
        [
            (
                LAST,
                [
                    Listing("AA", figi="F1", first=dt.date(1962, 1, 2)),
                    Listing("ARNC", figi="F1"),
                    Listing("AA", figi="F2", first=CHANGE),
                ],
            )
        ],
        {"ARNC": ARCONIC, "AA": ALCOA},
    ),
    **{
        f"told {early} sessions early": (
            [
                (
                    LAST,
                    [
                        Listing("AA", figi="F1", last=DAYS[199 - early]),
                        Listing("ARNC", figi="F1", first=DAYS[200 - early]),
                        Listing("AA", figi="F2", first=DAYS[200 - early]),
                    ],
                )
            ],
            {"ARNC": ARCONIC, "AA": ALCOA},
        )
        for early in (1, 5, 15)
    },
    "a ticker is used again after a pause": (
        [
            (DAYS[150], [Listing("FB", figi="F1")]),
            (LAST, [Listing("META", figi="F1"), Listing("FB", figi="F7")]),
        ],
        {"META": FACEBOOK, "FB": FUND},
    ),
    "the same in three lists": (
        [
            (DAYS[150], [Listing("FB", figi="F1")]),
            (PAUSE, [Listing("META", figi="F1")]),
            (LAST, [Listing("META", figi="F1"), Listing("FB", figi="F7")]),
        ],
        {"META": FACEBOOK, "FB": FUND},
    ),
    "nothing is told of who took the ticker": (
        [(LAST, [Listing("META", renamed_from="FB")])],
        {"META": FACEBOOK, "FB": FUND},
    ),
    "the later owner is listed after the newest bar": (
        [
            (
                DAYS[250],
                [
                    Listing("FB", name="Fund", first=dt.date(2023, 6, 30)),
                    Listing("META", renamed_from="FB"),
                ],
            )
        ],
        {"META": FACEBOOK},
    ),
    "two tickers are swapped": (
        [
            (BEFORE, [Listing("AAA", figi="F1"), Listing("BBB", figi="F2")]),
            (
                LAST,
                [
                    Listing("BBB", figi="F1", first=CHANGE),
                    Listing("AAA", figi="F2", first=CHANGE),
                ],
            ),
        ],
        {"BBB": ONE, "AAA": TWO},
    ),
    "a company moves to a ticker whose owner ends, by word": (
        [(LAST, [Listing("JCI", renamed_from="TYC", first=CHANGE)])],
        {"JCI": TYCO},
    ),
    "the same with everything told": (
        [
            (
                LAST,
                [
                    Listing("TYC", renamed_to="JCI", last=BEFORE),
                    Listing("JCI", name="JCI plc"),
                    Listing("JCI", name="JCI Inc", last=BEFORE),
                ],
            )
        ],
        {"JCI": TYCO},
    ),
    "the same by FIGIs of two lists": (
        [
            (DAYS[190], [Listing("TYC", figi="F1"), Listing("JCI", figi="F2")]),
            (LAST, [Listing("JCI", figi="F1")]),
        ],
        {"JCI": TYCO},
    ),
    "a spin-off that is told as a rename": (
        [(LAST, [Listing("PAR"), Listing("SPN", renamed_from="PAR", first=CHANGE)])],
        {"PAR": PARENT, "SPN": SPUN},
    ),
    "the same without the parent": (
        [(LAST, [Listing("SPN", renamed_from="PAR", first=CHANGE)])],
        {"PAR": PARENT, "SPN": SPUN},
    ),
    "the same told of the parent": (
        [(LAST, [Listing("PAR", renamed_to="SPN")])],
        {"PAR": PARENT, "SPN": SPUN},
    ),
    "the same told of the parent with a day": (
        [(LAST, [Listing("PAR", renamed_to="SPN", last=BEFORE), Listing("SPN", first=CHANGE)])],
        {"PAR": PARENT, "SPN": SPUN},
    ),
    "a merger that is told as a rename": (
        [(LAST, [Listing("TGT", renamed_to="BUY", last=BEFORE), Listing("BUY")])],
        {"BUY": BUYER},
    ),
    "a fund leaves a ticker, and later a company takes it": (
        [(LAST, [Listing("OLD", renamed_to="NEW"), Listing("NEW", renamed_to="FNDX")])],
        {"NEW": TAKER, "FNDX": LEAVER},
    ),
    "every old ticker is renamed to the newest": (
        [(LAST, [Listing(one, renamed_to="DDD") for one in ("AAA", "BBB", "CCC")])],
        {"DDD": CHAIN},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_company_keeps_its_own_bars(case: str, tmp_path: Path) -> None:
    told, right = CASES[case]
    companies = [*right.values(), *([JOHNSON] if TYCO in right.values() else [])]
    companies += [TARGET] if BUYER in right.values() else []
    since = DAYS[0]
    with Store.create(tmp_path) as store, store.writer() as writer:
        for until, listings in told:
            writer.put_listings([*listings, Listing("SPY", figi="S")])
            days = [day for day in DAYS if since <= day <= until]
            writer.commit(market(companies, days), "test")
            since = until + dt.timedelta(days=1)
    newest = told[-1][0]
    with ms.open(tmp_path) as opened:
        for symbol, company in right.items():
            history = opened.history(symbol, adjust="none")["close"].to_list()
            wanted = company.history()
            missing = sum(newest < day for day in DAYS)
            assert history == wanted[: len(wanted) - missing], symbol


Row = tuple[str, str, dt.date | None, dt.date | None]
"""A ticker, the company that has it, and its first and last day."""

TELLINGS: dict[str, tuple[dict[str, Company], list[Row]]] = {
    "a company moves, and a new one takes its ticker": (
        {"ARNC": ARCONIC, "AA": ALCOA},
        [("AA", "F1", None, BEFORE), ("ARNC", "F1", CHANGE, None), ("AA", "F2", CHANGE, None)],
    ),
    "two tickers are swapped": (
        {"BBB": ONE, "AAA": TWO},
        [
            ("AAA", "F1", None, BEFORE),
            ("BBB", "F1", CHANGE, None),
            ("BBB", "F2", None, BEFORE),
            ("AAA", "F2", CHANGE, None),
        ],
    ),
    "a ticker is used again": (
        {"META": FACEBOOK, "FB": FUND},
        [("FB", "F1", None, BEFORE), ("META", "F1", CHANGE, None), ("FB", "F7", LATER, None)],
    ),
}


def telling(rows: Sequence[Row], told: set[tuple[int, int]], words: str, off: int) -> list[Listing]:
    """Return listings that tell some of the days, `off` sessions late, and companies by `words`."""

    def day(row: int, field: int) -> dt.date | None:
        day = rows[row][field]
        if (row, field) not in told or not isinstance(day, dt.date):
            return None
        return DAYS[DAYS.index(day) + off]

    found = []
    for number, (ticker, company, *_) in enumerate(rows):
        listing = Listing(ticker, first=day(number, 2), last=day(number, 3))
        before = [row[0] for row in rows[:number] if row[1] == company]
        after = [row[0] for row in rows[number + 1 :] if row[1] == company]
        if words == "FIGIs":
            found.append(replace(listing, figi=company))
        elif words == "renamed from":
            old = before[-1] if before else None
            found.append(replace(listing, name=company, renamed_from=old))
        else:
            found.append(replace(listing, name=company, renamed_to=after[0] if after else None))
    return found


@pytest.mark.parametrize("off", [0, 6])
@pytest.mark.parametrize("words", ["FIGIs", "renamed from", "renamed to"])
@pytest.mark.parametrize("case", TELLINGS)
def test_a_history_is_right_or_its_ticker_is_named(
    case: str, words: str, off: int, tmp_path: Path
) -> None:
    """With too few of the days a history cannot be right: then its ticker is named."""
    right, rows = TELLINGS[case]
    days = [(n, field) for n, row in enumerate(rows) for field in (2, 3) if row[field]]
    sessions = market([*right.values()], DAYS)
    for number, flags in enumerate(product((False, True), repeat=len(days))):
        told = {day for day, is_told in zip(days, flags, strict=True) if is_told}
        if off and not told:
            continue
        folder = tmp_path / str(number)
        with Store.create(folder) as store:
            with store.writer() as writer:
                writer.put_listings(telling(rows, told, words, off))
                writer.commit(sessions, "test")
            named = {doubt.symbol for doubt in store.snapshot().doubts()}
        with ms.open(folder) as opened:
            for symbol, company in right.items():
                history = opened.history(symbol, adjust="none")["close"].to_list()
                assert history == company.history() or symbol in named, (told, symbol)


def test_a_figi_of_many_tickers_is_of_none(tmp_path: Path) -> None:
    companies = [Company(10 + n, (f"S{n}", n * 30, n * 30 + 30)) for n in range(12)]
    told = [Listing(f"S{n}", figi="000000000000") for n in range(12)]
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.put_listings(told)
        writer.commit(market(companies, DAYS), "test")
    with ms.open(tmp_path) as opened:
        for n, company in enumerate(companies):
            assert opened.history(f"S{n}", adjust="none")["close"].to_list() == company.history()
