"""Studies: what followed the signals of a condition, against a program that shares no code."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import marketsweep as ms
from marketsweep.cli.main import main
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.errors import ConditionError, UsageError
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from marketsweep.studies.study.options import Entry
from marketsweep.studies.study.outcomes import REASONS
from marketsweep.studies.study.result import Study
from tests.golden import track_record
from tests.helpers.markets import EXAMPLE

PRESETS = (
    *("golden_cross", "death_cross", "back_above_200_day", "bullish_engulfing"),
    *("bearish_engulfing", "macd_bullish_cross", "rsi_recovery", "low_volatility_uptrend"),
    *("oversold_in_uptrend", "gap_and_go", "connors_rsi_2"),
)
"""Presets whose answer depends on no exact tie of adjusted prices."""

Key = tuple[str, int]
Returns = dict[Key, list[float | None]]


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


def returns_of(study: Study) -> Returns:
    """The returns by the symbol's last ticker and the day of the signal."""
    days = np.array(study.dates, "datetime64[D]").astype(int)
    successor = track_record.history().successor
    found: Returns = {}
    for i, symbol in enumerate(study.events.symbols):
        day = int(days[study.events.sessions[i]])
        returns = [float(hold.returns[i]) for hold in study.holds]
        found[successor.get((symbol, day), symbol), day] = [
            None if math.isnan(value) else value for value in returns
        ]
    return found


def same(ours: Returns, events: list[track_record.Event], unsure: set[str]) -> int:
    """Compares all events and returns; how many returns there are."""
    skipped = {*unsure, *track_record.DOUBTED}
    theirs = {(e.symbol, e.day): e.returns for e in events if e.symbol not in skipped}
    ours = {key: returns for key, returns in ours.items() if key[0] not in skipped}
    assert ours.keys() == theirs.keys()
    count = 0
    for key, returns in theirs.items():
        for a, b in zip(ours[key], returns, strict=True):
            assert (a is None) == (b is None), key
            if a is not None and b is not None:
                assert a == pytest.approx(b, abs=1e-9), key
                count += 1
    return count


@pytest.mark.parametrize("preset", PRESETS)
def test_events_and_returns_are_those_of_an_independent_program(
    opened: ms.Market, preset: str
) -> None:
    events, unsure = track_record.events(preset)
    assert len(unsure) < 10
    assert same(returns_of(opened.study(preset)), events, unsure) > 100


@pytest.mark.parametrize(
    ("entry", "adjust"), [("close", "total"), ("next_close", "splits"), ("next_open", "splits")]
)
def test_every_entry_and_adjustment_is_right(
    opened: ms.Market, entry: Entry, adjust: Adjust
) -> None:
    horizons = (1, 5, 20, 63)
    wanted = horizons[1:] if entry == "next_close" else horizons
    study = opened.study("rsi_recovery", entry=entry, adjust=adjust, horizons=wanted)
    events, unsure = track_record.events("rsi_recovery", entry, dividends=adjust == "total")
    if entry == "next_close":
        events = [
            track_record.Event(event.symbol, event.day, event.returns[1:]) for event in events
        ]
    assert same(returns_of(study), events, unsure) > 5_000


def test_the_market_of_2016_has_all_that_can_happen_to_a_position(opened: ms.Market) -> None:
    frame = opened.study("close > 0", since="2016-02-01", every=True).to_polars()
    assert set(frame["reason"]) == {*REASONS} - {"suspect", "exit", "stop", "target"}
    renamed = frame.filter(pl.col("symbol") == "AHS", pl.col("exit_date") > dt.date(2016, 10, 25))
    assert len(renamed), "AHS became AMN on 2016-10-26, and its positions went on"
    delisted = frame.filter(pl.col("reason") == "delisted")
    assert (delisted["exit_date"] < dt.date(2016, 12, 30)).all()
    assert delisted["return"].is_not_null().all()
    for reason in ("open", "no entry"):
        assert frame.filter(pl.col("reason") == reason)["return"].is_null().all()


def test_positions_on_suspicious_bars_are_named_or_left_out(opened: ms.Market) -> None:
    # Basic Energy Services gave 1 share for 570 after its bankruptcy, and no split is reported.
    all_of_them, clean = (
        opened.study("close crosses above sma(50)", exclude_suspect=flag) for flag in (False, True)
    )
    rows = all_of_them.to_polars().filter(pl.col("symbol") == "BAS")
    wrong = rows.filter(pl.col("return") > 10)
    assert wrong["suspicious"].str.contains("missing split").all()
    assert len(wrong)
    assert any("BAS" in w or "more" in w for w in all_of_them.warnings if "suspicious" in w)
    left = clean.to_polars().filter(pl.col("symbol") == "BAS", pl.col("reason") == "suspect")
    assert len(left)
    assert left["return"].is_null().all()
    assert clean.horizons[1].suspect > 0
    assert clean.horizons[1].best < 10 < all_of_them.horizons[1].best  # type: ignore[operator]


def test_a_row_can_be_checked_by_hand(opened: ms.Market) -> None:
    frame = opened.study("close crosses above sma(50)", benchmark="QQQ", costs=25).to_polars()
    done = frame.filter(pl.col("return").is_not_null())
    gross = done["exit"] / done["entry"] - 1
    assert (done["return"] - (gross - 0.0025)).abs().max() < 1e-12  # type: ignore[operator]
    assert (done["exit"] == done["exit_raw"]).all()
    whole = done.filter(pl.col("reason") == "horizon")
    assert (whole["worst"] <= whole["return"] + 0.0025 + 1e-12).all()
    assert (whole["best"] >= whole["return"] + 0.0025 - 1e-12).all()
    aapl = done.filter(pl.col("symbol") == "AAPL", pl.col("horizon") == 20)
    bars = pl.read_parquet(EXAMPLE / "actions.parquet").filter(
        pl.col("symbol") == "AAPL", pl.col("kind") == "dividend"
    )
    assert len(aapl)
    assert len(bars)
    for entry_date, entry, raw, exit_date in aapl.select(
        "entry_date", "entry", "entry_raw", "exit_date"
    ).iter_rows():
        paid = bars.filter(pl.col("ex_date") > entry_date, pl.col("ex_date") <= exit_date)
        assert (entry < raw) if len(paid) else (entry == raw)


def test_costs_lower_each_return_by_exactly_the_costs(opened: ms.Market) -> None:
    free, dear = (opened.study("rsi_recovery", costs=costs) for costs in (0, 40))
    for without, less in zip(free.holds, dear.holds, strict=True):
        known = ~np.isnan(without.returns)
        assert known.any()
        np.testing.assert_array_equal(known, ~np.isnan(less.returns))
        difference = without.returns[known] - less.returns[known]
        np.testing.assert_allclose(difference, 0.004, rtol=0, atol=1e-12)


def test_a_delisting_may_cost_more_than_the_last_close(opened: ms.Market) -> None:
    kind, strict = (opened.study("rsi_recovery", delisting_return=x) for x in (0.0, -0.3))
    ended = 0
    for mild, hard in zip(kind.holds, strict.holds, strict=True):
        delisted = mild.outcomes.reason == REASONS.index("delisted")
        np.testing.assert_array_equal(mild.returns[~delisted], hard.returns[~delisted])
        expected = (1 + mild.returns[delisted]) * 0.7 - 1
        np.testing.assert_allclose(hard.returns[delisted], expected, rtol=0, atol=1e-12)
        ended += int(delisted.sum())
    assert ended > 50


def test_two_halves_add_up_to_the_whole(opened: ms.Market) -> None:
    whole = returns_of(opened.study("stochastic_cross_up", since="2016-03-01"))
    first = returns_of(opened.study("stochastic_cross_up", since="2016-03-01", until="2016-07-29"))
    second = returns_of(opened.study("stochastic_cross_up", since="2016-08-01"))
    assert not first.keys() & second.keys()
    assert first | second == whole
    assert len(first) > 1_000
    assert len(second) > 1_000


def test_what_ended_before_a_day_is_the_same_without_the_data_after_it(
    opened: ms.Market, tmp_path: Path
) -> None:
    until = dt.date(2016, 8, 31)
    names = ("bars", "actions", "symbols")
    with Store.create(tmp_path / "cut") as store:
        sync(store, FilesProvider(*(EXAMPLE / f"{name}.parquet" for name in names)), until=until)
    with ms.open(tmp_path / "cut") as market:
        cut = market.study("rsi_recovery")
    whole = opened.study("rsi_recovery", until=until)
    days = np.array(whole.dates, "datetime64[D]")
    assert [*cut.events.symbols] == [*whole.events.symbols]
    ended = 0
    for before, after in zip(cut.holds, whole.holds, strict=True):
        rows = after.outcomes.exit_row
        is_ended = (rows >= 0) & (days[rows] <= np.datetime64(until))
        # A position over the cut has no return yet.
        is_closed = is_ended & ~np.isnan(before.returns)
        np.testing.assert_allclose(
            before.returns[is_closed], after.returns[is_closed], rtol=0, atol=1e-12
        )
        ended += int(is_closed.sum())
        last = np.array([cut.dates[int(row)] for row in cut.events.sessions], "datetime64[D]")
        closed = np.searchsorted(days, last) + before.horizon < len(cut.dates)
        assert (np.isnan(before.returns) | closed).all()
    assert ended > 3_000


def test_a_cooldown_lies_between_the_events_of_a_symbol(opened: ms.Market) -> None:
    free, spaced = (opened.study("stochastic_cross_up", cooldown=n) for n in (0, 30))
    last: dict[str, int] = {}
    for symbol, session in zip(spaced.events.symbols, spaced.events.sessions, strict=True):
        assert session - last.get(symbol, -1_000) > 30
        last[symbol] = session
    assert len(spaced) < len(free)
    firsts = {symbol: free.events.sessions[free.events.symbols.index(symbol)] for symbol in last}
    opening = {
        symbol: spaced.events.sessions[spaced.events.symbols.index(symbol)] for symbol in last
    }
    renamed = set(track_record.history().successor.values())
    # The cooldown of a company that changed its ticker may have begun under the earlier one.
    assert {name for name in firsts if firsts[name] != opening[name]} <= renamed


def test_every_session_counts_if_asked(opened: ms.Market) -> None:
    streaks, every = (opened.study("ema_stack", every=flag) for flag in (False, True))
    signals = opened.signals("ema_stack")
    assert len(every) == len(signals) > len(streaks) > 0
    pairs = set(zip(signals.symbols, signals.days.tolist(), strict=True))
    days = [every.dates[session] for session in streaks.events.sessions]
    before = [every.dates[session - 1] for session in streaks.events.sessions]
    for symbol, day, previous in zip(streaks.events.symbols, days, before, strict=True):
        assert (symbol, day) in pairs
        assert (symbol, previous) not in pairs


def test_a_hole_in_the_data_begins_no_streak(opened: ms.Market) -> None:
    # On 2016-09-01 the file lacks the bars of a fifth of the symbols.
    day, before = dt.date(2016, 9, 2), dt.date(2016, 8, 31)
    study = opened.study("close > sma(20)", since=day, until=day, horizons=(1,))
    assert len(study) > 100
    hits = opened.signals("close > sma(20)", since=before, until=day)
    held = {(symbol, d) for symbol, d in zip(hits.symbols, hits.days.tolist(), strict=True)}
    bars = opened.signals("close > 0", since=before, until=day)
    traded = {(symbol, d) for symbol, d in zip(bars.symbols, bars.days.tolist(), strict=True)}
    missing = 0
    for symbol in study.events.symbols:
        if (symbol, dt.date(2016, 9, 1)) not in traded:
            assert (symbol, before) not in held
            missing += 1
    assert missing > 10


def test_what_may_have_held_before_the_first_bar_is_no_event(opened: ms.Market) -> None:
    study = opened.study("rsi(14) < 30", horizons=(1,))
    days = [study.dates[session] for session in study.events.sessions]
    assert dt.date(2016, 1, 22) not in days
    assert max(days.count(day) for day in set(days)) < 1_500
    assert any("it may have held before" in warning for warning in study.warnings)
    # A company that was listed later has no older bars.
    listed = opened.study("close > 0", since="2016-03-01", horizons=(1,))
    assert 100 < len(listed) < 1_000
    assert not any("it may have held before" in warning for warning in listed.warnings)


def test_the_market_and_the_benchmark_are_held_over_the_same_sessions(opened: ms.Market) -> None:
    day = "2016-03-01"
    study = opened.study("close > 0", since=day, until=day, every=True, benchmark="QQQ")
    days = np.array(study.dates, "datetime64[D]").astype(int)
    number = int(days[study.first])
    successor = track_record.history().successor
    tickers = [(name, successor.get((name, number), name)) for name in study.events.symbols]
    names = sorted({name for pair in tickers for name in pair})
    with opened.view() as view:
        marks = view.marks(study.dates[-1], len(study.dates) - study.first, names)
    suspects = {name for name, mark in zip(names, marks, strict=True) if mark}
    clean = np.array([suspects.isdisjoint(pair) for pair in tickers])
    assert 0.9 * len(study) < clean.sum() < len(study)
    for hold in study.holds:
        # On the day on which everything is an event, the market is the mean of those that no rule
        # suspects.
        mean = np.nanmean(hold.returns[clean])
        assert mean == pytest.approx(hold.market[0], abs=1e-12)
        assert hold.benchmark is not None
        qqq = study.events.symbols.index("QQQ")
        assert hold.benchmark == pytest.approx(hold.returns[qqq], abs=1e-12)


def test_events_at_the_end_are_open_and_not_zero(opened: ms.Market) -> None:
    study = opened.study("close > 100", since="2016-12-30", every=True)
    assert len(study) > 50
    assert [figures.events for figures in study.horizons] == [0, 0, 0, 0]
    assert [figures.open for figures in study.horizons] == [len(study)] * 4
    assert study.horizons[0].mean is None
    assert any("63 stored sessions after it" in warning for warning in study.warnings)


def test_a_condition_that_never_holds_has_no_event(opened: ms.Market) -> None:
    study = opened.study("close < 0.0001")
    assert len(study) == 0
    assert study.horizons[0].mean is None
    assert study.to_polars().is_empty()
    assert study.to_dict()["events"] == 0


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"horizons": ()}, "needs a horizon"),
        ({"horizons": (0,)}, "horizon 0 is not"),
        ({"horizons": (5, 1)}, "the shortest first"),
        ({"horizons": (5, 5)}, "each horizon once"),
        ({"horizons": (3_000,)}, "horizon 3000 is not"),
        ({"entry": "next_close"}, "horizons from 2"),
        ({"entry": "open"}, "entry"),
        ({"costs": -1}, "costs of -1"),
        ({"costs": math.nan}, "costs of nan"),
        ({"cooldown": -1}, "cooldown"),
        ({"delisting_return": -30}, "delisting return of -3000%"),
        ({"adjust": "none"}, "adjust"),
        ({"benchmark": "SPYX"}, "no bars of 'SPYX'"),
        ({"since": "2016-12-01", "until": "2016-11-01"}, "comes after"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    opened: ms.Market, given: dict[str, object], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        opened.study("close > 5", **given)  # type: ignore[arg-type]


def test_a_condition_with_an_error_is_refused(opened: ms.Market) -> None:
    with pytest.raises(ConditionError):
        opened.study("close >")


# -- the command


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["study", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_shows_a_line_for_each_horizon(real: Path) -> None:
    code, out, err = command("golden_cross", "--benchmark", "QQQ", "--data", f"{real}")
    assert code == 0
    assert "golden_cross: 558 events of 553 symbols" in out
    header, *rows = (line.split("  ") for line in out.splitlines()[3:8])
    assert "over QQQ" in "".join(header)
    assert [row[-1] != "" and "".join(row).split()[0] for row in rows] == ["1", "5", "20", "63"]
    assert "558 open" in out
    assert "expected in them evaluated" in err


def test_json_has_the_figures_and_csv_has_the_positions(real: Path) -> None:
    code, out, _ = command(
        "rsi_recovery", "--horizons", "5,20", "--format", "json", "--data", f"{real}"
    )
    assert code == 0
    answer = json.loads(out)
    assert {"condition", "since", "until", "events", "horizons", "data_version"} <= answer.keys()
    assert [row["sessions"] for row in answer["horizons"]] == [5, 20]
    five = answer["horizons"][0]
    code, out, _ = command(
        "rsi_recovery", "--horizons", "5,20", "--format", "csv", "--data", f"{real}"
    )
    assert code == 0
    frame = pl.read_csv(out.encode())
    returns = frame.filter(pl.col("horizon") == 5)["return"].drop_nulls()
    assert len(returns) == five["events"]
    assert returns.mean() == pytest.approx(five["mean"], abs=1e-12)
    assert returns.median() == pytest.approx(five["median"], abs=1e-12)
    assert five["ci_low"] < five["mean"] < five["ci_high"]


def test_the_table_of_the_guide_is_that_of_the_program(real: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "studies.md").read_text()
    shown = guide.partition("```text\n")[2].partition("```")[0].splitlines()
    code, out, _ = command("close crosses above sma(50)", "--data", f"{real}")
    assert code == 0
    assert len(shown) == 8
    for line, whole in zip(shown, out.splitlines(), strict=False):
        assert whole.startswith(line)


def test_horizons_that_are_no_numbers_are_explained(real: Path) -> None:
    code, _, err = command("golden_cross", "--horizons", "1,x", "--data", f"{real}")
    assert code == 2
    assert "write 1,5,20" in err
