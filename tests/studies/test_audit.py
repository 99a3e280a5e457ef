"""The audit: real conditions agree on every past session, and what sees the future is found."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import SessionBars, Split
from marketsweep.errors import CoverageError
from marketsweep.quality.overrides import add, dismiss
from marketsweep.store.store import Store
from marketsweep.studies.study.prices import Companies, Prices
from tests.helpers.command import run

CONDITION = 'weekly(close > sma(5)) and rank(roc(63)) <= 500 and rs(20, "QQQ") > 1'


@pytest.mark.parametrize("condition", [CONDITION, "close > 100 and bars_since(nr7) < 3"])
def test_real_conditions_do_not_see_the_future(market: ms.Market, condition: str) -> None:
    found = market.audit(condition, sessions=3)
    assert found.agrees, str(found)
    assert len(found.sessions) == 3
    assert all(one.matches > 0 for one in found.sessions)
    last = market.scan(condition).as_of
    assert all(one.as_of < last for one in found.sessions)


def test_positions_that_ended_do_not_see_the_future(market: ms.Market) -> None:
    audit = market.audit("rsi(2) < 10", sessions=3, study=True)
    assert audit.agrees, str(audit)
    assert all((session.positions or 0) > 0 for session in audit.sessions[1:])
    assert "positions  equal on data that ends there" in str(audit)


def test_a_return_that_sees_the_future_is_found(
    market: ms.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that sells at the close of the session after the horizon."""
    honest = Companies.prices

    def shifted(self: Companies, first: int, last: int) -> Prices:
        prices = honest(self, first, last)
        return replace(prices, closes=np.vstack([prices.closes[1:], prices.closes[-1:]]))

    monkeypatch.setattr(Companies, "prices", shifted)
    audit = market.audit("rsi(2) < 9", sessions=2, study=True)
    assert not audit.agrees
    assert audit.sessions[-1].different_positions
    assert "with other positions" in str(audit)
    assert audit.to_dict()["sessions"][-1]["different_positions"]


DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 1, 29))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A and B, of which B splits in the end."""
    with Store.create(tmp_path) as store, store.writer() as writer:
        for number, day in enumerate(DAYS):
            halved = 2 if day == DAYS[-1] else 1
            values = np.array([[10.0 + number, (30.0 - number) / halved]] * 4 + [[1e6, 1e6]])
            writer.commit([SessionBars(day, ["A", "B"], values)], "test")
        writer.put_splits([Split("B", DAYS[-1], 1, 2)])
    return tmp_path


def test_splits_that_come_later_are_not_seen(data: Path) -> None:
    with ms.open(data) as market:
        found = market.audit("close > 20", sessions=100)
    assert found.agrees
    assert [one.as_of for one in found.sessions] == DAYS[:-1]
    assert [one.matches for one in found.sessions][:3] == [1, 1, 1]


def test_the_users_word_on_a_split_is_known_to_both_scans(data: Path) -> None:
    """A split that prices contradict, and that the user sets all the same."""
    with Store.open(data) as store:
        add(store, "A", DAYS[5], "split", "1-for-2")
        dismiss(store, "B", DAYS[-1], "split")
    with ms.open(data) as market:
        assert market.history("A")["close"][4] == pytest.approx(28.0)
        found = market.audit("close > 20", sessions=100)
    assert found.agrees, str(found)


def test_what_sees_the_future_is_found(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that adjusts for splits which come later: the fault that an audit is for."""
    from marketsweep.engine.panel.adjustments import Adjustments

    honest = Adjustments._positions

    def told(self: Adjustments, symbol: str, ex_date: dt.date) -> object:
        found = list(honest(self, symbol, ex_date))
        later = ex_date > self.history.dates[-1] and symbol in self.history.snapshot.index
        column = self.history.snapshot.index.get(symbol)
        return found or ([(self.places[column], len(self.history.dates))] if later else [])

    monkeypatch.setattr(Adjustments, "_positions", told)
    with ms.open(data) as market:
        found = market.audit("close > 0", sessions=3)
    assert not found.agrees
    assert {symbol for one in found.sessions for symbol in one.different} == {"B"}
    assert "IT USES FUTURE DATA" in str(found)


def test_without_a_past_there_is_nothing_to_audit(data: Path) -> None:
    with ms.open(data) as market, pytest.raises(CoverageError, match="needs 200 bars"):
        market.audit("close > sma(200)")


def test_the_command_line(data: Path) -> None:
    done = run("audit", "close > 20", "--sessions", "2", "--json", "--data", data)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["agrees"], len(facts["sessions"])) == (True, 2)
    assert "every session agrees" in run("audit", "close > 20", "--data", data).stdout
