"""Scans of the real market against a TA-Lib program written independently of the package."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.core.calendar import last_closed_session, sessions_in_range
from marketsweep.core.records import SessionBars
from marketsweep.errors import ConditionError, CoverageError, UsageError
from marketsweep.ingest.files import read_actions
from marketsweep.market import Market, open_market
from marketsweep.scan.receipt import require_coverage
from marketsweep.store.store import Store
from tests.helpers.command import run
from tests.helpers.executors import IN_PROCESS
from tests.helpers.markets import (
    EXAMPLE,
    LAST,
    Bars,
    doubts_of,
    example_bars,
    sessions_of,
    store_of,
)

Array = NDArray[np.float64]


def renamed(as_of: dt.date) -> list[tuple[str, str, dt.date]]:
    """Tickers before and after each rename of the symbols file, and the last day of the old one."""
    symbols = pl.read_parquet(EXAMPLE / "symbols.parquet")
    after = symbols.select("symbol", "first_listed")
    pairs = symbols.join(after, left_on="renamed_to", right_on="symbol", suffix="_new")
    # Some are listed a day late: the new ticker's bars follow those of the old one at once.
    pairs = pairs.filter(pl.col("last_listed") < as_of)
    return pairs.select("symbol", "renamed_to", "last_listed").sort("last_listed").rows()


@cache
def joined(as_of: dt.date) -> pl.DataFrame:
    """Bars up to a day; those before a rename are under the new ticker as well."""
    frame = example_bars().filter(pl.col("date") <= as_of)
    frame = frame.filter(pl.col("date").is_in(sessions_in_range(dt.date(2016, 1, 1), as_of)))
    for old, new, last in renamed(as_of):
        before = frame.filter(pl.col("symbol") == old, pl.col("date") <= last)
        own = (pl.col("symbol") != new) | (pl.col("date") > last)
        frame = pl.concat([frame.filter(own), before.with_columns(symbol=pl.lit(new))])
    return frame.sort("symbol", "date")


@cache
def adjusted(as_of: dt.date) -> dict[str, Bars]:
    """Bars by symbol, split-adjusted as of a day; only symbols with a bar on that very day."""
    frame = joined(as_of)
    splits, *_ = read_actions(EXAMPLE / "actions.parquet")
    told: dict[str, list[tuple[dt.date, float]]] = {}
    for split in splits:
        if split.ex_date <= as_of:
            told.setdefault(split.symbol, []).append((split.ex_date, split.old / split.new))
    for old, new, _ in renamed(as_of):
        told[new] = sorted({*told.get(old, []), *told.get(new, [])})
    found: dict[str, Bars] = {}
    for (symbol,), rows in frame.group_by("symbol", maintain_order=True):
        if rows["date"][-1] != as_of:
            continue
        factor = np.ones(len(rows))
        for ex_date, ratio in told.get(str(symbol), []):
            factor[(rows["date"] < ex_date).to_numpy()] *= ratio
        bars = {name: rows[name].to_numpy() * factor for name in ("open", "high", "low", "close")}
        bars["volume"] = rows["volume"].to_numpy() / factor
        found[str(symbol)] = bars
    return found


def matching(as_of: dt.date, test: Callable[[Array, Array, Array, Array], bool]) -> set[str]:
    found = set()
    for symbol, bars in adjusted(as_of).items():
        if test(bars["high"], bars["low"], bars["close"], bars["volume"]):
            found.add(symbol)
    return found


def reference(h: Array, lo: Array, c: Array, v: Array) -> bool:
    if len(c) < 252:
        return False
    line, signal, _ = talib.MACD(c, 12, 26, 9)
    k, _ = talib.STOCH(h, lo, c, fastk_period=14, slowk_period=3, slowd_period=3)
    rsi = talib.RSI(c, 14)[-1]
    return bool(
        c[-1] > 5
        and talib.SMA(v, 20)[-1] > 200_000
        and c[-1] > talib.SMA(c, 50)[-1]
        and talib.SMA(c, 50)[-1] > talib.SMA(c, 200)[-1]
        and 40 < rsi < 75
        and line[-1] > signal[-1]
        and talib.ATR(h, lo, c, 14)[-1] / c[-1] < 0.05
        and c[-1] > 0.9 * talib.MAX(h, 252)[-1]
        and c[-1] < talib.BBANDS(c, 20, 2, 2)[0][-1]
        and talib.ADX(h, lo, c, 14)[-1] > 15
        and k[-1] > 20
        and talib.ROC(c, 63)[-1] > 5
    )


def oversold(h: Array, lo: Array, c: Array, v: Array) -> bool:
    return len(c) >= 50 and talib.RSI(c, 14)[-1] < 30 and c[-1] > talib.SMA(c, 50)[-1] * 0.8


def crossing(h: Array, lo: Array, c: Array, v: Array) -> bool:
    fast, slow = talib.EMA(c, 10), talib.SMA(c, 30)
    held = (fast[1:] > slow[1:]) & (fast[:-1] <= slow[:-1])
    return len(c) >= 34 and bool(held[-3:].any())


CASES = [
    (REFERENCE_SCAN, reference),
    ("rsi(14) < 30 and close > sma(50) * 0.8", oversold),
    ("ema(10) crosses above sma(30) within 3 bars", crossing),
]
DAYS = [LAST, dt.date(2016, 6, 24), dt.date(2016, 9, 8), dt.date(2016, 3, 24)]


@pytest.mark.parametrize("as_of", DAYS, ids=str)
@pytest.mark.parametrize(("condition", "test"), CASES, ids=["reference", "oversold", "crossing"])
def test_matches_equal_those_of_talib(
    market: Market,
    condition: str,
    test: Callable[[Array, Array, Array, Array], bool],
    as_of: dt.date,
) -> None:
    hits = market.scan(condition, as_of=as_of)
    assert set(hits.symbols) == matching(as_of, test)
    assert len(set(hits.symbols)) == len(hits)


def test_the_reference_scan_finds_something(market: Market) -> None:
    assert len(matching(LAST, reference)) == 38
    hits = market.scan(REFERENCE_SCAN)
    bars = adjusted(LAST)
    for match in hits.matches:
        c = bars[match.symbol]["close"]
        assert match.close == c[-1]
        assert match.volume == bars[match.symbol]["volume"][-1]
        assert match.values["rsi(14)"] == pytest.approx(talib.RSI(c, 14)[-1], rel=1e-12)
        assert match.values["roc(63)"] == pytest.approx(talib.ROC(c, 63)[-1], rel=1e-9)


@pytest.mark.parametrize("as_of", DAYS, ids=str)
def test_the_receipt_adds_up(market: Market, as_of: dt.date) -> None:
    hits = market.scan("close > sma(50)", as_of=as_of, where="market_cap > 1B")
    coverage, left = hits.coverage, hits.coverage.excluded
    assert coverage.expected == (
        coverage.evaluated + left.prescreen + left.stale + left.short_history
    )
    everyone = market.scan("close > sma(50)", as_of=as_of).coverage
    lengths = [len(bars["close"]) for bars in adjusted(as_of).values()]
    assert everyone.evaluated == sum(length >= 50 for length in lengths)
    assert everyone.excluded.short_history == sum(length < 50 for length in lengths)
    assert everyone.expected == coverage.expected


def test_expected_are_those_listed_that_day(market: Market) -> None:
    symbols = pl.read_parquet(EXAMPLE / "symbols.parquet")
    day = dt.date(2016, 7, 15)
    listed = symbols.filter((pl.col("first_listed") <= day) & (pl.col("last_listed") >= day))
    traded = set(adjusted(day))
    assert market.scan("close > 0", as_of=day).coverage.expected == len(
        set(listed["symbol"]) | traded
    )


@pytest.mark.usefixtures("processor_as_gpu")
@pytest.mark.parametrize("condition", [REFERENCE_SCAN, "close > sma(20) or rsi(200) > 50"])
def test_executors_agree_to_the_bit(market: Market, condition: str) -> None:
    answers = [market.scan(condition, executor=name) for name in IN_PROCESS]
    first = answers[0]
    for other in answers[1:]:
        assert other.symbols == first.symbols
        assert other.coverage == first.coverage
        for name, column in first.values.items():
            np.testing.assert_array_equal(column.view(np.int64), other.values[name].view(np.int64))


def test_as_of_the_past_sees_nothing_later(market: Market) -> None:
    """A split of 2016-10-06 (one new share for three of AA) is unknown the day before it."""
    before = market.scan("close > 0 and symbol == 'AA'", as_of="2016-10-05", columns=["sma(20)"])
    raw = example_bars().filter(
        (pl.col("symbol") == "AA") & (pl.col("date") <= dt.date(2016, 10, 5))
    )
    assert before.values["sma(20)"][0] == pytest.approx(raw["close"].tail(20).mean(), rel=1e-12)
    after = market.scan("symbol == 'AA' and close > 0", as_of="2016-10-06", columns=["sma(20)"])
    expected = (raw["close"].tail(19).sum() * 3 + after.close[0]) / 20
    assert after.values["sma(20)"][0] == pytest.approx(expected, rel=1e-12)


def test_total_adjustment_multiplies_dividends(market: Market) -> None:
    """A paid 0.115 on 2016-04-01: bars before it lose that share of the close before."""
    hits = market.scan(
        "symbol == 'A' and close > 0", as_of="2016-04-01", columns=["close[1]"], adjust="total"
    )
    raw = example_bars().filter(
        (pl.col("symbol") == "A") & (pl.col("date") == dt.date(2016, 3, 31))
    )
    close = raw["close"][0]
    assert hits.values["close[1]"][0] == pytest.approx(close * (1 - 0.115 / close), rel=1e-12)
    none = market.scan(
        "symbol == 'A' and close > 0", as_of="2016-04-01", columns=["close[1]"], adjust="none"
    )
    assert none.values["close[1]"][0] == close


def test_history_equals_the_file(market: Market) -> None:
    for symbol in ("AAPL", "AA", "NAN", "TRUE"):
        frame = market.history(symbol)
        bars = adjusted(LAST).get(symbol)
        assert bars is not None
        for name, values in bars.items():
            np.testing.assert_allclose(frame[name].to_numpy(), values, rtol=1e-13)
    with pytest.raises(UsageError, match=r"no bars of 'AAPLE' are stored: did you mean .*AAPL"):
        market.history("AAPLE")


def test_sorting_and_limiting(market: Market) -> None:
    hits = market.scan("rsi(14) > 60", sort="rsi(14)", limit=10)
    values = hits.values["rsi(14)"]
    assert len(hits) == 10
    assert (np.diff(values) <= 0).all()
    low = market.scan("rsi(14) > 60", sort="rsi(14)", descending=False, limit=10)
    assert (np.diff(low.values["rsi(14)"]) >= 0).all()
    every = market.scan("rsi(14) > 60")
    assert max(every.values["rsi(14)"]) == values[0]
    assert min(every.values["rsi(14)"]) == low.values["rsi(14)"][0]
    # By default the most traded first: by the median of twenty sessions.
    days = sessions_in_range(dt.date(2016, 1, 4), LAST)
    bars = example_bars().filter(pl.col("date").is_in(days)).sort("symbol", "date")
    dollars = (pl.col("close") * pl.col("volume")).tail(20).median().over("symbol")
    whole = bars.filter(pl.len().over("symbol") >= 20)  # those with fewer bars come after
    traded = dict(whole.select("symbol", dollars).unique().iter_rows())
    marked = [bool(mark) for mark in every.suspicious]
    assert marked == sorted(marked)
    clean = every.symbols[: marked.count(False)]
    of_clean = [traded[symbol] for symbol in clean if symbol in traded]
    assert len(of_clean) > 1000
    assert of_clean == sorted(of_clean, reverse=True)


def test_prescreen(market: Market) -> None:
    symbols = pl.read_parquet(EXAMPLE / "symbols.parquet")
    wanted = symbols.filter(
        (pl.col("sector_2026") == "Technology") & (pl.col("market_cap_2026") > 1e9)
    )["symbol"]
    hits = market.scan("close > 0", where='sector == "technology" and market_cap > 1B')
    assert set(hits.symbols) == set(wanted) & set(adjusted(LAST))
    unknown = symbols.filter(
        pl.col("last_listed") == LAST,
        pl.col("status").is_in(["active", "never_priced", "listed_but_stale"]),
    )
    without = unknown.filter(pl.col("market_cap_2026").is_null() | (pl.col("market_cap_2026") == 0))
    assert market.scan("close > 0", where="market_cap > 0").coverage.unknown == len(without)
    with pytest.raises(ConditionError, match="put it into the condition"):
        market.scan("close > 0", where="close > 5")


def test_missing_facts_are_unknown_not_false(market: Market) -> None:
    known = set(market.scan("market_cap > 1 or market_cap <= 1").symbols)
    negated = set(market.scan("not (market_cap > 1)").symbols)
    assert not negated & (set(adjusted(LAST)) - known)


@pytest.mark.parametrize(
    "columns",
    ["roc(63), bbands(close, 20, 2).upper", [ms.roc(63), "bbands(close, 20, 2).upper"]],
    ids=["text", "list"],
)
def test_columns_are_a_text_or_a_list(market: Market, columns: str | list[Any]) -> None:
    hits = market.scan("close > 100", columns=columns, limit=2)
    assert list(hits.values)[-2:] == ["roc(63)", "bbands(close, 20, 2).upper"]


def test_one_expression_is_one_column(market: Market) -> None:
    assert "roc(63)" in market.scan("close > 100", columns=ms.roc(63), limit=2).values


def test_constants_are_no_values(market: Market) -> None:
    hits = market.scan("close > 2 * 300 and -volume < -1 and rsi(14) > 5", limit=1)
    assert list(hits.values) == ["-volume", "rsi(14)"]


@pytest.mark.parametrize(
    "options",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 2.5},
        {"where": 5},
        {"sort": 3},
        {"columns": 5},
        {"columns": [5]},
        {"as_of": 20161230},
        {"min_coverage": float("nan")},
        {"min_coverage": 1.5},
        {"executor": "abacus"},
        {"adjust": "never"},
    ],
    ids=str,
)
def test_what_no_scan_takes_is_named(market: Market, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(options.values())))):
        market.scan("close > 5", **options)


def test_a_condition_is_a_text_or_an_expression(market: Market) -> None:
    with pytest.raises(ConditionError, match="5 is not an expression"):
        market.scan(5)  # type: ignore[arg-type]
    assert market.scan("close > 5", as_of=dt.datetime(2016, 6, 24, 18, 30)).as_of == DAYS[1]


def test_errors_point_into_sort_and_where(market: Market) -> None:
    for options in ({"sort": "close > 5"}, {"where": "sma(5)"}, {"columns": ["close > 5"]}):
        with pytest.raises(ConditionError, match=r"at column 1\n"):
            market.scan("close > 5", **options)


def test_a_gap_in_the_sessions_is_said(tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2016, 3, 1), dt.date(2016, 6, 20))
    held = [day for day in days if not dt.date(2016, 3, 11) <= day <= dt.date(2016, 6, 10)]
    bars = example_bars().filter(pl.col("date").is_in(held), pl.col("symbol") < "C")
    with open_market(store_of(tmp_path, bars, reference=False).path) as market:
        hits = market.scan("close > sma(10)")
        missing = len(days) - len(held)
        told = sessions_in_range(held[-10], held[-1])
        assert hits.coverage.sessions == len(told)
        assert hits.coverage.sessions_missing == missing
        assert hits.warnings
        assert f"{missing} of the {len(told)} sessions up to 2016-06-20" in doubts_of(hits)[0]
        with pytest.raises(CoverageError, match="ignore the gap"):
            require_coverage(hits, 0.95)
        near = market.scan("close > sma(5)")
        assert not any("not stored" in warning for warning in near.warnings)
        require_coverage(near, 0.9)


def test_a_prescreen_that_nobody_passes(market: Market) -> None:
    nobody = market.scan("close > 5", where='symbol == "NOPE"')
    assert (len(nobody), nobody.coverage.share) == (0, 1.0)
    require_coverage(nobody, 0.95)
    unknown = market.scan("close > 5", where='type == "CS"')  # of which the market says nothing
    with pytest.raises(CoverageError, match="lack facts that it needs"):
        require_coverage(unknown, 0.95)


def test_days_that_cannot_be(market: Market) -> None:
    with pytest.raises(UsageError, match="future"):
        market.scan("close > 5", as_of=dt.date.today() + dt.timedelta(days=3))
    with pytest.raises(UsageError, match="before the first stored session, 2016-01-04"):
        market.scan("close > 5", as_of="2015-12-31")
    for read in (
        lambda: market.scan("close > 5", as_of="soon"),
        lambda: market.history("KO", as_of="soon"),
    ):
        with pytest.raises(UsageError, match="write, for example, 2016-12-30"):
            read()
    with pytest.raises(CoverageError, match="run marketsweep sync"):
        market.scan("close > 5", as_of="2017-01-03")
    assert market.scan("close > 5", as_of="2016-12-25").as_of == dt.date(2016, 12, 23)


def test_too_little_coverage_is_an_error(market: Market) -> None:
    hits = market.scan("close > sma(260)")
    with pytest.raises(CoverageError, match="260 bars"):
        require_coverage(hits, 0.95)
    thin = market.scan("close > 5", as_of="2016-09-01")  # a day that half a crawl is missing from
    assert thin.coverage.share < 0.9
    with pytest.raises(CoverageError, match="stale"):
        require_coverage(thin, 0.95)
    require_coverage(thin, 0.5)


def test_one_known_branch_of_or_is_an_answer(market: Market) -> None:
    hits = market.scan("close > sma(252) or close > 5", as_of="2016-03-24")
    assert set(hits.symbols) == {
        s for s, bars in adjusted(dt.date(2016, 3, 24)).items() if bars["close"][-1] > 5
    }


def test_a_new_commit_is_seen(tmp_path: Path) -> None:
    days = example_bars().filter(pl.col("date") >= dt.date(2016, 12, 1))
    early, late = days.filter(pl.col("date") < LAST), days.filter(pl.col("date") == LAST)
    with store_of(tmp_path, early, reference=False) as store, open_market(tmp_path) as opened:
        first = opened.scan("close > 5")
        with store.writer() as writer:
            writer.commit(sessions_of(late), "test")
        second = opened.scan("close > 5")
    assert (first.as_of, second.as_of) == (dt.date(2016, 12, 29), LAST)
    assert second.data_version > first.data_version


def test_facts_of_today_are_said_to_be_so(market: ms.Market) -> None:
    today = market.scan("close > 5", where='sector == "Energy"', exclude_suspect=True)
    assert doubts_of(today) == []
    past = market.scan(
        'close > 5 and exchange == "NYSE"',
        where='sector == "Energy"',
        as_of="2016-06-30",
        exclude_suspect=True,
    )
    (warning,) = past.warnings
    assert re.match(
        r"exchange of \d,\d{3}, sector of \d,\d{3} symbols: the newest reported values, not those "
        "as of 2016-06-30; ",
        warning,
    )
    plain = market.scan(
        'symbol != "AAPL"', where="listing_age > 10", as_of="2016-06-30", exclude_suspect=True
    )
    assert plain.warnings == []


# -- how old the answer is


def recent(path: Path, behind: int) -> Path:
    """A store whose newest session is so many sessions behind the last closed one."""
    last = last_closed_session(dt.datetime.now(dt.UTC))
    days = sessions_in_range(last - dt.timedelta(days=60), last)[: -behind or None]
    with Store.create(path) as store, store.writer() as writer:
        for day in days:
            writer.commit([SessionBars(day, ["A"], np.full((5, 1), 10.0))], "test")
    return path


def test_a_scan_says_how_many_sessions_it_is_behind(tmp_path: Path) -> None:
    with open_market(recent(tmp_path / "late", 3)) as market:
        hits = market.scan("close > 1")
        assert hits.sessions_behind == 3
        assert hits.to_dict()["sessions_behind"] == 3
        assert "3 sessions behind today: run marketsweep sync" in hits.warnings[0]
        assert "3 sessions behind today" in hits.receipt
        with market.view() as view:
            day = view.sessions[-5]
        past = market.scan("close > 1", as_of=day)
        assert past.sessions_behind == 0
        assert past.warnings == []
    with open_market(recent(tmp_path / "now", 0)) as market:
        hits = market.scan("close > 1")
        assert (hits.sessions_behind, hits.warnings) == (0, [])


def test_max_lag_fails_a_scan_of_old_data(tmp_path: Path) -> None:
    data = recent(tmp_path, 3)
    call: list[str | Path] = ["scan", "close > 1", "--data", data, "--max-lag"]
    assert run(*call, "3").returncode == 0
    done = run(*call, "2")
    assert done.returncode == 3
    assert "3 sessions behind today; at most 2 are allowed: run marketsweep sync" in done.stderr
    assert "A" in done.stdout  # what was found is written all the same


def test_min_coverage_raises_where_an_answer_covers_less(market: ms.Market) -> None:
    """In the session of 2016-09-01 four fifths of the symbols have a bar."""
    hits = market.scan("close > 5", as_of="2016-09-01")
    assert 0.7 < hits.coverage.share < 0.9
    same = market.scan("close > 5", as_of="2016-09-01", min_coverage=0.7)
    assert same.symbols == hits.symbols
    with pytest.raises(CoverageError, match=r"only 8\d.\d% of the requested symbols have a bar"):
        market.scan("close > 5", as_of="2016-09-01", min_coverage=0.95)
