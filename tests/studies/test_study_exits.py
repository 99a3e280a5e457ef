"""Positions that a condition, a stop or a target ends, against a program that shares no code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError, UsageError
from marketsweep.studies.study.options import Entry
from tests.golden import track_record
from tests.golden.track_record import Rules
from tests.studies.test_study import command, returns_of, same


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


@pytest.mark.parametrize(
    ("entry", "options", "rules"),
    [
        ("next_open", {"stop": "8%"}, Rules(stop=0.08)),
        ("close", {"target": "5%"}, Rules(target=0.05)),
        ("next_open", {"stop": "2atr", "target": "3 ATR"}, Rules(2, 3, in_atrs=True)),
        ("next_open", {"exit": "close < sma(50)"}, Rules(below_mean=True)),
        ("close", {"exit": "close < sma(50)"}, Rules(below_mean=True)),
        (
            "next_close",
            {"exit": "close < sma(50)", "stop": "10%", "target": "20%"},
            Rules(0.1, 0.2, below_mean=True),
        ),
        (
            "next_open",
            {"exit": "close < sma(50)", "stop": "4%", "target": "9%"},
            Rules(0.04, 0.09, below_mean=True),
        ),
    ],
)
def test_exits_are_those_of_an_independent_program(
    opened: ms.Market, entry: Entry, options: dict[str, Any], rules: Rules
) -> None:
    horizons = (1, 5, 20, 63)
    wanted = horizons[1:] if entry == "next_close" else horizons
    study = opened.study("rsi_recovery", entry=entry, horizons=wanted, **options)
    events, unsure = track_record.events("rsi_recovery", entry, rules=rules)
    if entry == "next_close":
        events = [track_record.Event(e.symbol, e.day, e.returns[1:]) for e in events]
    assert same(returns_of(study), events, unsure) > 5_000
    early = study.horizons[-1].exit + study.horizons[-1].stop + study.horizons[-1].target
    assert early > 1_000


def test_a_stop_loses_what_it_says_unless_the_open_lies_below(opened: ms.Market) -> None:
    frame = opened.study("rsi_recovery", stop="8%", target="12%", max_hold=20).to_polars()
    stops = frame.filter(pl.col("reason") == "stop")["return"].drop_nulls().to_numpy()
    targets = frame.filter(pl.col("reason") == "target")["return"].drop_nulls().to_numpy()
    assert (stops < -0.08 + 1e-12).all()
    assert (np.abs(stops + 0.08) < 1e-12).mean() > 0.5
    assert (targets > 0.12 - 1e-12).all()
    held = frame.filter(pl.col("reason") == "horizon")
    assert held["worst"].min() > -0.08 - 1e-12  # type: ignore[operator]
    assert held["best"].max() < 0.12 + 1e-12  # type: ignore[operator]
    assert set(frame["horizon"]) == {20}


def test_the_hold_of_an_early_exit_is_that_of_its_market_and_benchmark(opened: ms.Market) -> None:
    frame = opened.study(
        "rsi_recovery", exit="close < sma(20)", benchmark="QQQ", horizons=(20,)
    ).to_polars()
    early = frame.filter(pl.col("reason") == "exit", pl.col("return").is_not_null())
    assert len(early) > 500
    with opened.view() as view:
        history = view.day(view.sessions[-1]).history
        qqq = history.snapshot.index["QQQ"]
        opens, closes = history.snapshot.segments.read(
            (0, 3), range(len(history.dates)), np.array([qqq])
        )[:, :, 0]
    row = {day: i for i, day in enumerate(history.dates)}
    # QQQ paid in March, June, September and December: between, prices tell its return.
    months = {4, 5, 7, 8, 10, 11}
    checked = 0
    for entry, end, value in early.select(
        "entry_date", "exit_date", "benchmark_return"
    ).iter_rows():
        assert (value is None) == np.isnan(opens[row[entry]])
        if value is None:
            continue
        if entry.month == end.month and entry.month in months and not np.isnan(closes[row[end]]):
            expected = opens[row[end]] / opens[row[entry]] - 1
            assert value == pytest.approx(expected, abs=1e-12)
            checked += 1
    assert checked > 100


def test_no_exit_is_known_before_its_horizon_is_stored(opened: ms.Market) -> None:
    # Those that a stop has ended already would be the losers of the last weeks.
    study = opened.study("rsi_recovery", stop="3%", horizons=(20,))
    session = study.events.sessions + 20
    is_open = session >= len(study.dates)
    assert is_open.sum() > 10
    assert np.isnan(study.holds[0].returns[is_open]).all()
    assert study.horizons[0].open == int(is_open.sum())


def test_an_exit_condition_that_never_holds_is_told(opened: ms.Market) -> None:
    plain = opened.study("golden_cross", horizons=(5,))
    never = opened.study("golden_cross", exit="close < 0.0001", horizons=(5,))
    np.testing.assert_array_equal(plain.holds[0].returns, never.holds[0].returns)
    assert any("close < 0.0001 holds for no symbol" in text for text in never.warnings)


def test_a_universe_chooses_the_signals_and_not_the_exits(opened: ms.Market) -> None:
    rules = {"exit": "close < 19", "horizons": (63,)}
    every = opened.study("close crosses above 20", **rules).to_polars()  # type: ignore[arg-type]
    part = opened.study(
        "close crosses above 20",
        where='sector == "Health Care"',
        **rules,  # type: ignore[arg-type]
    ).to_polars()
    both = every.join(part, on=["symbol", "signal_date"], how="inner", suffix="_of_part")
    assert len(both) == len(part) < len(every)
    assert (both["reason"] == both["reason_of_part"]).all()
    assert (both["reason"] == "exit").sum() > 20


def test_a_benchmark_without_a_bar_is_told(opened: ms.Market) -> None:
    # The file has no bar of QQQ on 2016-09-08.
    study = opened.study("rsi_recovery", since="2016-09-07", until="2016-09-07", benchmark="QQQ")
    assert len(study) >= 5
    assert study.horizons[0].excess_benchmark is None
    assert any("QQQ has no price in the session of the entry" in text for text in study.warnings)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"stop": "8"}, "write 8% or 2atr"),
        ({"stop": "-8%"}, "write 8% or 2atr"),
        ({"stop": "0%"}, "makes no sense"),
        ({"stop": "100%"}, "less than 100%"),
        ({"target": "0atr"}, "makes no sense"),
        ({"target": "many"}, "write 8% or 2atr"),
        ({"max_hold": 5, "horizons": (1, 5)}, "not both"),
        ({"max_hold": 0}, "horizon 0 is not"),
    ],
)
def test_rules_that_make_no_sense_are_refused(
    opened: ms.Market, given: dict[str, Any], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        opened.study("close > 5", **given)


def test_an_exit_condition_with_an_error_is_refused(opened: ms.Market) -> None:
    with pytest.raises(ConditionError):
        opened.study("close > 5", exit="close >")
    with pytest.raises(ConditionError):
        opened.study("close > 5", exit="sma(20)")


def test_the_command_takes_rules(real: Path) -> None:
    arguments = ("rsi_recovery", "--exit", "close < sma(50)", "--max-hold", "40", "--stop", "2atr")
    code, out, _ = command(*arguments, "--target", "20%", "--data", f"{real}")
    assert code == 0
    assert "closed where close < sma(50)" in out
    assert "a stop of 2atr" in out
    assert "held on average" in out
    code, out, _ = command(*arguments, "--format", "json", "--data", f"{real}")
    answer = json.loads(out)
    assert (answer["exit"], answer["stop"]) == ("close < sma(50)", "2atr")
    (row,) = answer["horizons"]
    assert row["sessions"] == 40
    assert 0 < row["sessions_held"] < 40
    assert row["exit"] > 0 < row["stop"]


def test_horizons_and_a_longest_hold_exclude_each_other(real: Path) -> None:
    code, _, err = command(
        "rsi_recovery", "--max-hold", "40", "--horizons", "5", "--data", f"{real}"
    )
    assert code == 2
    assert "not both" in err
