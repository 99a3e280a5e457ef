"""A portfolio of a study, against plain bookkeeping of each position."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.errors import UsageError
from marketsweep.studies.study.portfolio import choose_positions, equity_of
from tests.studies.test_study import command


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


@given(
    holds=st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 6)), max_size=40),
    most=st.integers(1, 5),
)
def test_no_more_positions_are_held_than_there_are_places(
    holds: list[tuple[int, int]], most: int
) -> None:
    entries = np.array([begin for begin, _ in holds], dtype=np.int64)
    exits = np.array([begin + more if more >= 0 else -1 for begin, more in holds], dtype=np.int64)
    chosen = choose_positions(entries, exits, most)
    assert all(exits[event] >= 0 for event in chosen)
    for session in range(30):
        held = [e for e in chosen if entries[e] <= session <= exits[e]]
        assert len(held) <= most
        # An event is left out only if no place was free when it came.
        for event in np.flatnonzero(entries == session):
            if exits[event] >= 0 and event not in chosen:
                assert len(held) == most
    assert list(entries[chosen]) == sorted(entries[chosen])


def test_equity_is_cash_and_positions() -> None:
    # Half of 1 doubles over three sessions; from session 2 on, half of the equity loses a tenth.
    paths = [np.array([1.0, 1.5, 2.0]), np.array([0.9])]
    equity = equity_of([0, 2], paths, costs=[0.0] * 2, most=2, sessions=range(4))
    assert equity[:2] == pytest.approx([1.0, 1.25])
    part = min(0.5, 1.25 / 2)
    assert equity[2] == pytest.approx(0.5 - part + 0.5 * 2 + part * 0.9)
    assert equity[3] == equity[2]
    dear = equity_of([0], [np.array([1.0])], costs=[0.01], most=4, sessions=range(1))
    assert dear[0] == pytest.approx(1 - 0.25 * 0.01)


def test_one_position_at_a_time_multiplies_its_returns(opened: ms.Market) -> None:
    study = opened.study("rsi_recovery", horizons=[5], positions=1, costs=10)
    portfolio = study.portfolio
    assert portfolio is not None
    (hold,) = study.holds
    expected, free, taken = 1.0, -1, 0
    # Of the events of one session, the one with the greatest dollar volume comes first.
    for event in range(len(study)):
        entry, end = int(hold.outcomes.entry_row[event]), int(hold.outcomes.exit_row[event])
        if end >= 0 and event not in hold.suspicious and entry > free:
            expected, free, taken = expected * (1 + float(hold.returns[event])), end, taken + 1
    assert portfolio.taken == taken > 20
    assert portfolio.gain == pytest.approx(expected - 1, abs=1e-9)
    assert -1 < portfolio.drawdown < 0


def test_the_benchmark_is_bought_and_held(opened: ms.Market) -> None:
    study = opened.study(
        "rsi_recovery", horizons=[5], positions=5, benchmark="QQQ", adjust="splits"
    )
    portfolio = study.portfolio
    assert portfolio is not None
    assert portfolio.benchmark is not None
    closes = opened.history("QQQ", adjust="splits")
    first, last = study.dates[0], study.dates[len(portfolio.equity) - 1]
    begin = closes.filter(pl.col("date") == first)["close"][0]
    end = closes.filter(pl.col("date") <= last)["close"][-1]
    assert portfolio.benchmark[-1] == pytest.approx(end / begin)


def test_a_wrong_price_is_not_the_result(opened: ms.Market) -> None:
    study = opened.study("rsi_recovery", horizons=[5], positions=20)
    assert study.horizons[0].best > 20  # type: ignore[operator]
    assert study.portfolio is not None
    assert study.portfolio.gain < 0.5


def test_places_are_a_number(opened: ms.Market) -> None:
    with pytest.raises(UsageError, match="positions"):
        opened.study("rsi_recovery", positions=0)
    with pytest.raises(UsageError, match="positions"):
        opened.study("rsi_recovery", positions=5_000)


def test_the_command_and_the_page_show_it(real: Path, tmp_path: Path) -> None:
    page = tmp_path / "study.html"
    arguments = ("rsi_recovery", "--horizons", "5", "--positions", "20", "--benchmark", "QQQ")
    code, out, _ = command(*arguments, "--html", f"{page}", "--data", f"{real}")
    assert code == 0
    assert "portfolio of at most 20 positions, horizon 5" in out
    assert 'aria-label="equity of the portfolio"' in page.read_text()
    code, out, _ = command(*arguments, "--format", "json", "--data", f"{real}")
    portfolio = json.loads(out)["portfolio"]
    assert len(portfolio["sessions"]) == len(portfolio["equity"]) == len(portfolio["benchmark"])
    assert portfolio["equity"][-1] == pytest.approx(1 + portfolio["gain"])


def test_a_study_without_events_has_a_flat_portfolio(opened: ms.Market) -> None:
    study = opened.study("close < 0.0001", positions=3)
    assert study.portfolio is not None
    assert study.portfolio.equity.tolist() == [1.0]
