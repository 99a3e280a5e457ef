"""Told splits and dividends against bars of which the truth is known: which of them count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Dividend, SessionBars, Split
from marketsweep.store.companies.rulings import Verdict
from marketsweep.store.store import Store

DAYS = sessions_in_range(dt.date(2024, 1, 2), dt.date(2024, 7, 31))
PRICE = 20 * (1 + 0.004 * np.sin(np.arange(len(DAYS))))
"""What adjusted closes come to: a quiet share."""

AT = 60
Event = tuple[int, float, float]
"""The place of a session, and new shares for old ones."""


def raw_closes(real: Sequence[Event]) -> NDArray[np.float64]:
    """Closes as they were traded: times what every later split divides them by."""
    closes = PRICE.copy()
    for place, new, old in real:
        closes[:place] *= new / old
    return closes


def verdicts(
    folder: Path,
    real: Sequence[Event],
    told: Sequence[Event],
    *,
    untraded: range = range(0),
    dividends: Sequence[Dividend] = (),
) -> list[Verdict]:
    """What becomes of told actions of one symbol, in the order in which they are told."""
    closes = raw_closes(real)
    splits = [Split("A", DAYS[place], old, new) for place, new, old in told]
    with Store.create(folder) as store:
        with store.writer() as writer:
            for place, day in enumerate(DAYS):
                rows = [[400.0, 400.0, 400.0, 400.0, 1e6]]
                if place not in untraded:
                    rows.append([closes[place]] * 4 + [1e6 + place])
                values = np.ascontiguousarray(np.array(rows).T)
                writer.commit([SessionBars(day, ["SPY", "A"][: len(rows)], values)], "test")
            writer.put_splits(splits)
            writer.put_dividends(list(dividends))
        with store.snapshot() as snapshot:
            ruled: dict[Split | Dividend, Verdict] = {
                one.action: one.verdict
                for one in (*snapshot.rulings("split"), *snapshot.rulings("dividend"))
            }
    actions: list[Split | Dividend] = [*splits, *dividends]
    return [ruled.get(action, Verdict.APPLIED) for action in actions]


def is_right(folder: Path) -> bool:
    """Whether the adjusted closes of the symbol are those without splits."""
    with ms.open(folder) as opened:
        history = opened.history("A")
        places = [DAYS.index(day) for day in history["date"].to_list()]
        return bool(np.allclose(history["close"].to_numpy(), PRICE[places], rtol=1e-9))


APPLIED, MOVED, REPEATED = Verdict.APPLIED, Verdict.MOVED, Verdict.REPEATED
NOT_SHOWN, ALTERNATIVE = Verdict.CONTRADICTED, Verdict.ALTERNATIVE

CASES: dict[str, tuple[list[Event], list[Event], list[Verdict]]] = {
    "as told": ([(AT, 2, 1)], [(AT, 2, 1)], [APPLIED]),
    "one session late": ([(AT, 2, 1)], [(AT + 1, 2, 1)], [MOVED]),
    "ten sessions early": ([(AT, 2, 1)], [(AT - 10, 2, 1)], [MOVED]),
    "weeks early": ([(AT, 2, 1)], [(AT - 15, 2, 1)], [NOT_SHOWN]),
    "the wrong way round": ([(AT, 2, 1)], [(AT, 1, 2)], [NOT_SHOWN]),
    "bars that are adjusted already": ([], [(AT, 4, 1)], [NOT_SHOWN]),
    "told twice": ([(AT, 2, 1)], [(AT, 2, 1), (AT + 4, 2, 1)], [APPLIED, REPEATED]),
    "told twice, and never on its day": (
        [(AT, 2, 1)],
        [(AT - 2, 2, 1), (AT + 2, 2, 1)],
        [MOVED, NOT_SHOWN],
    ),
    "two splits, each told a session late": (
        [(AT, 2, 1), (AT + 10, 2, 1)],
        [(AT + 1, 2, 1), (AT + 11, 2, 1)],
        [MOVED, MOVED],
    ),
    "two splits, the second told a session late": (
        [(AT, 2, 1), (AT + 9, 2, 1)],
        [(AT, 2, 1), (AT + 10, 2, 1)],
        [APPLIED, MOVED],
    ),
    "two splits, the first told a session early": (
        [(AT, 3, 1), (AT + 9, 3, 1)],
        [(AT - 1, 3, 1), (AT + 9, 3, 1)],
        [MOVED, APPLIED],
    ),
    "two ratios": ([(AT, 3, 1)], [(AT, 2, 1), (AT, 3, 1)], [ALTERNATIVE, APPLIED]),
    "two ratios, and the price shows neither": (
        [],
        [(AT, 2, 1), (AT, 3, 1)],
        [NOT_SHOWN, NOT_SHOWN],
    ),
    "two ratios that are nearly equal": (
        [(AT, 2, 1)],
        [(AT, 2.003, 1), (AT, 2, 1)],
        [Verdict.TOLD_TWICE, APPLIED],
    ),
    "a ratio and its inverse": ([], [(AT, 2, 1), (AT, 1, 2)], [Verdict.CANCELLED] * 2),
}


@pytest.mark.parametrize("case", CASES)
def test_what_becomes_of_told_splits(case: str, tmp_path: Path) -> None:
    real, told, expected = CASES[case]
    assert verdicts(tmp_path, real, told) == expected
    assert is_right(tmp_path) == (case not in ("weeks early", "the wrong way round"))


@pytest.mark.parametrize(
    ("new", "old", "verdict"), [(6, 5, APPLIED), (9, 8, APPLIED), (13, 10, NOT_SHOWN)]
)
def test_a_split_smaller_than_5_for_4_counts_as_told(
    new: float, old: float, verdict: Verdict, tmp_path: Path
) -> None:
    """The price does not show it, and could not: 1.2 times lies within what prices move."""
    assert verdicts(tmp_path, [], [(AT, new, old)]) == [verdict]


def test_small_splits_told_twice_count_once_on_the_last_day(tmp_path: Path) -> None:
    told = [(AT, 6.0, 5.0), (AT + 5, 6.0, 5.0)]
    assert verdicts(tmp_path, [(AT + 5, 6, 5)], told) == [REPEATED, APPLIED]
    assert is_right(tmp_path)


@pytest.mark.parametrize(("sessions", "verdict"), [(19, NOT_SHOWN), (20, APPLIED), (30, APPLIED)])
def test_a_split_counts_as_told_where_nothing_was_traded_around_it(
    sessions: int, verdict: Verdict, tmp_path: Path
) -> None:
    """The price before the hole tells nothing of the day after it."""
    hole = range(AT - sessions, AT)
    assert verdicts(tmp_path, [], [(AT, 2, 1)], untraded=hole) == [verdict]


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.9, APPLIED), (1.0, Verdict.TOO_LARGE), (3.0, Verdict.TOO_LARGE)]
)
def test_a_dividend_of_the_price_or_more_does_not_count(
    share: float, verdict: Verdict, tmp_path: Path
) -> None:
    paid = Dividend("A", DAYS[AT], float(PRICE[AT - 1]) * share)
    assert verdicts(tmp_path, [], [], dividends=[paid]) == [verdict]
    with ms.open(tmp_path) as opened:
        closes = opened.history("A", adjust="total")["close"].to_list()
    factor = 1 - share if verdict is APPLIED else 1
    assert closes[:AT] == pytest.approx((PRICE[:AT] * factor).tolist())
    assert closes[AT:] == pytest.approx(PRICE[AT:].tolist())
