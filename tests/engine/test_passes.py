"""Longer bars, other symbols, ranks and market aggregates, against polars, SciPy and TA-Lib."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import marketsweep as ms
from marketsweep.core.calendar import is_session, next_session
from marketsweep.engine.cross_section import aggregate_groups, rank_in_groups
from marketsweep.errors import ConditionError, UsageError
from marketsweep.ingest.files import read_symbols
from tests.helpers.markets import EXAMPLE, example_bars, store_of

WEDNESDAY = dt.date(2016, 9, 14)
FRIDAY = dt.date(2016, 9, 16)
BEFORE_GOOD_FRIDAY = dt.date(2016, 3, 24)
MONTH_END = dt.date(2016, 11, 30)
DAYS = [WEDNESDAY, FRIDAY, BEFORE_GOOD_FRIDAY, MONTH_END]


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """A tenth of the example market, with rarely traded symbols, and QQQ."""
    frame = example_bars()
    names = frame["symbol"].unique().sort().to_list()[::10]
    chosen = frame.filter(pl.col("symbol").is_in([*names, "QQQ"]))
    return chosen.filter(pl.col("date").map_elements(is_session, return_dtype=pl.Boolean)).sort(
        "symbol", "date"
    )


@pytest.fixture(scope="module")
def small(bars: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Market]:
    """A market of `bars` without renames, so that a ticker's bars are one series."""
    folder = tmp_path_factory.mktemp("small")
    with store_of(folder, bars, reference=False) as store, store.writer() as writer:
        listings = read_symbols(EXAMPLE / "symbols.parquet")
        names = set(bars["symbol"].unique())
        plain = [replace(listing, renamed_from=None, figi=None) for listing in listings]
        writer.put_listings(listing for listing in plain if listing.symbol in names)
    with ms.open(folder) as market:
        yield market


def values(market: ms.Market, expression: str, day: dt.date) -> dict[str, float]:
    """Return the value of an expression for every symbol that has one."""
    hits = market.scan("close > 0", as_of=day, columns=[expression], min_coverage=0)
    column = hits.values[expression].tolist()
    return {s: v for s, v in zip(hits.symbols, column, strict=True) if not np.isnan(v)}


def assert_same(got: dict[str, float], want: dict[str, float | None], least: int = 100) -> None:
    expected = {s: v for s, v in want.items() if v is not None and not np.isnan(v)}
    assert got.keys() == expected.keys()
    assert got == pytest.approx(expected, rel=1e-9)
    assert len(expected) >= least


def on(bars: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """Return the bars up to a day of the symbols that were traded on it."""
    traded = bars.filter(pl.col("date") == day)["symbol"]
    return bars.filter(pl.col("date") <= day, pl.col("symbol").is_in(traded.to_list()))


def last_values(frame: pl.DataFrame, value: pl.Expr) -> dict[str, float | None]:
    rows = frame.with_columns(value.over("symbol", order_by="date").alias("value"))
    last = rows.sort("date").group_by("symbol").last()
    return dict(zip(last["symbol"], last["value"], strict=True))


# Longer bars


def longer(frame: pl.DataFrame, every: str, day: dt.date) -> pl.DataFrame:
    """Return the weeks or months that are complete on a day."""
    period = pl.col("date").dt.truncate(every)
    after = pl.Series([next_session(day)]).dt.truncate(every)[0]
    return (
        frame.with_columns(period.alias("period"))
        .filter(pl.col("period") < after)
        .sort("date")
        .group_by("symbol", "period", maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
        )
        .rename({"period": "date"})
    )


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(("unit", "every"), [("weekly", "1w"), ("monthly", "1mo")])
def test_longer_bars(
    small: ms.Market, bars: pl.DataFrame, unit: str, every: str, day: dt.date
) -> None:
    periods = longer(on(bars, day), every, day)
    for field in ("open", "high", "low", "close", "volume"):
        want = last_values(periods, pl.col(field))
        assert_same(values(small, f"{unit}({field})", day), want)
    means = last_values(periods, pl.col("close").rolling_mean(2))
    assert_same(values(small, f"{unit}(sma(2))", day), means)
    truth = last_values(periods, (pl.col("close") > pl.col("close").shift(1)).cast(pl.Float64))
    hits = small.scan(f"{unit}(close > close[1])", as_of=day, min_coverage=0)
    assert set(hits.symbols) == {symbol for symbol, value in truth.items() if value == 1.0}


def test_a_weekly_rsi_is_talibs_of_weekly_closes(small: ms.Market, bars: pl.DataFrame) -> None:
    weeks = longer(on(bars, FRIDAY), "1w", FRIDAY).sort("symbol", "date")
    want = {
        str(symbol): float(talib.RSI(rows["close"].to_numpy(), 14)[-1])
        for (symbol,), rows in weeks.group_by("symbol", maintain_order=True)
    }
    assert_same(values(small, "weekly(rsi(14))", FRIDAY), dict(want))


@pytest.mark.parametrize("day", DAYS)
def test_the_running_week(small: ms.Market, bars: pl.DataFrame, day: dt.date) -> None:
    monday = pl.Series([day]).dt.truncate("1w")[0]
    week = on(bars, day).filter(pl.col("date") >= monday)
    high = last_values(week, pl.col("high").cum_max())
    assert_same(values(small, "weekly(high, running)", day), high)


def test_an_offset_of_a_week_goes_back_in_bars(small: ms.Market, bars: pl.DataFrame) -> None:
    """Three bars back from Wednesday was a Friday for most: then its own week was over."""
    frame = on(bars, WEDNESDAY)
    want: dict[str, float | None] = {}
    for (symbol,), rows in frame.group_by("symbol", maintain_order=True):
        if rows.height > 3:
            day = rows["date"][-4]
            weeks = longer(rows.filter(pl.col("date") <= day), "1w", day)
            want[str(symbol)] = weeks["close"][-1] if weeks.height else None
    assert_same(values(small, "weekly(close)[3]", WEDNESDAY), want)
    # The result does not depend on the rows that other expressions need.
    hits = small.scan(
        "close > 0 and weekly(close)[40] != -1",
        as_of=WEDNESDAY,
        columns=["weekly(close)[3]"],
        min_coverage=0,
    )
    got = dict(zip(hits.symbols, hits.values["weekly(close)[3]"].tolist(), strict=True))
    assert got == {symbol: want[symbol] for symbol in got}


# Other symbols


def test_another_symbol(small: ms.Market, bars: pl.DataFrame) -> None:
    qqq = bars.filter(pl.col("symbol") == "QQQ", pl.col("date") <= FRIDAY)
    close = qqq["close"].to_numpy()
    mean = float(np.mean(close[-50:]))
    symbols = on(bars, FRIDAY)["symbol"].unique()
    got = values(small, 'symbol("QQQ").sma(50)', FRIDAY)
    assert_same(got, dict.fromkeys(symbols, mean))
    growth = pl.col("close") / pl.col("close").shift(20)
    growths = last_values(on(bars, FRIDAY), growth)
    qqq_growth = close[-1] / close[-21]
    strength = {s: None if v is None else v / qqq_growth for s, v in growths.items()}
    assert_same(values(small, 'rs(20, "QQQ")', FRIDAY), strength)


def test_another_symbol_is_read_at_the_session_of_the_bar(
    small: ms.Market, bars: pl.DataFrame
) -> None:
    frame = on(bars, FRIDAY).sort("date")
    qqq = frame.filter(pl.col("symbol") == "QQQ").select("date", pl.col("close").alias("its"))
    joined = frame.join_asof(qqq, on="date")  # a session of September is missing of QQQ
    want = last_values(joined, pl.col("its").shift(5))
    assert_same(values(small, 'symbol("QQQ").close[5]', FRIDAY), want)
    assert len(set(want.values())) > 2  # some were not traded every day


def test_another_symbol_with_gaps_keeps_its_last_value(
    small: ms.Market, bars: pl.DataFrame
) -> None:
    counts = on(bars, FRIDAY).group_by("symbol").len().sort("len")
    rare = counts.filter(pl.col("len") > 60)["symbol"][0]
    other = bars.filter(pl.col("symbol") == rare).select("date", pl.col("close").alias("its"))
    frame = on(bars, FRIDAY).sort("date").join_asof(other.sort("date"), on="date")
    want = last_values(frame, pl.col("its").shift(7))
    assert_same(values(small, f'symbol("{rare}").close[7]', FRIDAY), want)


def test_another_symbol_may_have_a_shorter_history(small: ms.Market, bars: pl.DataFrame) -> None:
    frame = on(bars, FRIDAY)
    qqq = frame.filter(pl.col("symbol") == "QQQ")
    text = 'highest(close / symbol("QQQ").close, 150)'
    asof = frame.sort("date").join_asof(qqq.select("date", its="close"), on="date")
    ratio = (pl.col("close") / pl.col("its")).rolling_max(150)
    assert qqq.height < frame["date"].n_unique()
    assert_same(values(small, text, FRIDAY), last_values(asof, ratio))


def test_an_unknown_other_symbol_is_named(small: ms.Market) -> None:
    with pytest.raises(UsageError, match=r"no bars of 'QQQQ' are stored: did you mean QQQ"):
        small.scan('symbol("QQQQ").close > 1')


# All symbols of a session


def test_ranks_of_a_session(small: ms.Market, bars: pl.DataFrame) -> None:
    change = last_values(on(bars, FRIDAY), 100 * (pl.col("close") / pl.col("close").shift(20) - 1))
    frame = pl.DataFrame({"symbol": list(change), "x": list(change.values())}).drop_nulls()
    x = pl.col("x")
    ranked = frame.with_columns(
        x.rank("min", descending=True).cast(pl.Float64).alias("rank"),
        (x.rank("average") / x.len()).alias("percentile"),
        ((x - x.mean()) / x.std(ddof=0)).alias("zscore"),
    )
    for name in ("rank", "percentile", "zscore"):
        want = dict(zip(ranked["symbol"], ranked[name], strict=True))
        assert_same(values(small, f"{name}(roc(20))", FRIDAY), dict(want))


def test_ranks_by_sector(small: ms.Market, bars: pl.DataFrame) -> None:
    sectors = {
        listing.symbol: listing.sector for listing in read_symbols(EXAMPLE / "symbols.parquet")
    }
    change = last_values(on(bars, FRIDAY), pl.col("close") / pl.col("close").shift(20))
    rows = [(s, v, sectors.get(s)) for s, v in change.items() if v is not None and sectors.get(s)]
    frame = pl.DataFrame(rows, schema=["symbol", "x", "sector"], orient="row")
    ranked = frame.with_columns(
        pl.col("x").rank("min", descending=True).over("sector").cast(pl.Float64).alias("rank"),
        pl.col("x").median().over("sector").alias("median"),
    )
    want = dict(zip(ranked["symbol"], ranked["rank"], strict=True))
    assert_same(values(small, "rank(close / close[20]) by sector", FRIDAY), dict(want))
    got = values(small, "market(median(close / close[20])) by sector", FRIDAY)
    median = dict(zip(ranked["symbol"], ranked["median"], strict=True))
    assert {s: got[s] for s in median} == pytest.approx(median)


def test_breadth(small: ms.Market, bars: pl.DataFrame) -> None:
    frame = on(bars, FRIDAY)
    above = last_values(frame, (pl.col("close") > pl.col("close").rolling_mean(50)))
    known = [held for held in above.values() if held is not None]
    got = values(small, "market(pct(close > sma(50)))", FRIDAY)
    assert got == pytest.approx(dict.fromkeys(above, sum(known) / len(known)))
    counted = values(small, "market(count(close > sma(50)))", FRIDAY)
    assert set(counted.values()) == {float(sum(known))}


def test_a_rank_of_earlier_bars_is_of_their_session(small: ms.Market, bars: pl.DataFrame) -> None:
    """Whoever was not traded every day is compared with those of the day of its bar."""
    frame = bars.filter(pl.col("date") <= FRIDAY)
    there = on(bars, FRIDAY)["symbol"].unique()
    frame = frame.filter(pl.col("symbol").is_in(there.to_list()))
    ranked = frame.with_columns(
        pl.col("close").rank("min", descending=True).over("date").cast(pl.Float64).alias("rank"),
        pl.col("close").rank("dense", descending=True).over("symbol").alias("unused"),
    )
    # Of 3 bars asked for, sessions further back than 2 * 3 + 20 are not compared.
    known = frame["date"].unique().sort()[-(2 * 3 + 20)]
    rank = pl.when(pl.col("date") >= known).then(pl.col("rank")).shift(2)
    assert_same(values(small, "rank(close)[2]", FRIDAY), last_values(ranked, rank))


matrices = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 12)),
    elements=st.sampled_from([1.0, 2.0, 3.0, -4.0, np.nan]),
)


@settings(max_examples=200, deadline=None)
@given(matrices, st.integers(0, 2))
def test_ranks_equal_those_of_polars(x: np.ndarray, groups: int) -> None:
    keys = np.where(np.arange(x.size).reshape(x.shape) % 7 == 6, np.nan, x.size % 2 * 1.0)
    keys = keys + np.arange(x.shape[1]) % (groups + 1)
    frame = pl.DataFrame({"x": x.ravel(), "key": keys.ravel()}).fill_nan(None)
    frame = frame.with_columns(
        pl.when(pl.col("key").is_not_null()).then(pl.col("x")).alias("x")
    ).with_row_index()
    valid = frame.drop_nulls()
    x_ = pl.col("x")
    wanted = {
        "rank": x_.rank("min", descending=True).cast(pl.Float64),
        "percentile": x_.rank("average") / x_.len(),
        "zscore": (x_ - x_.mean()) / x_.std(ddof=0),
    }
    for name, expression in wanted.items():
        column = valid.select("index", expression.over("key").alias("want"))
        want = frame.join(column, on="index", how="left", maintain_order="left")["want"]
        expected = want.cast(pl.Float64).fill_null(np.nan).to_numpy()
        expected = np.where(np.isfinite(expected), expected, np.nan)
        got = rank_in_groups(name, x, keys).ravel()
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    means = valid.group_by("key").agg(
        pct=x_.mean(), count=x_.sum(), mean=x_.mean(), median=x_.median(), sum=x_.sum()
    )
    for name in ("pct", "count", "mean", "median", "sum"):
        of_key = dict(zip(means["key"], means[name], strict=True))
        expected = np.array([of_key.get(key, np.nan) for key in keys.ravel()])
        np.testing.assert_allclose(aggregate_groups(name, x, keys).ravel(), expected, rtol=1e-12)


# Together


def test_passes_within_passes(small: ms.Market) -> None:
    rsi = values(small, "weekly(rsi(14))", FRIDAY)
    order = sorted(rsi.values(), reverse=True)
    hits = small.scan("rank(weekly(rsi(14))) <= 5", as_of=FRIDAY, min_coverage=0)
    assert {rsi[symbol] for symbol in hits.symbols} == set(order[:5])
    of_qqq = small.scan('symbol("QQQ", weekly(rsi(14))) > 0', as_of=FRIDAY, min_coverage=0)
    (name,) = of_qqq.values
    assert set(of_qqq.values[name].tolist()) == {rsi["QQQ"]}


def test_executors_and_repetitions_agree(small: ms.Market) -> None:
    text = 'percentile(weekly(roc(4))) > 0.8 and rs(20, "QQQ") > 1 and rank(roc(5))[1] < 60'
    first = small.scan(text)
    assert len(first) > 0
    for executor in ("serial", "threads"):
        again = small.scan(text, executor=executor)
        assert again.symbols == first.symbols
        for name in first.values:
            np.testing.assert_array_equal(again.values[name], first.values[name])


def test_nothing_of_the_future_is_seen(small: ms.Market, bars: pl.DataFrame) -> None:
    for day, later in pairwise([BEFORE_GOOD_FRIDAY, WEDNESDAY]):
        text = "percentile(weekly(close) / monthly(close)) > 0.9"
        known = small.scan(text, as_of=day, min_coverage=0)
        assert known.as_of == day < later
        cut = bars.filter(pl.col("date") <= day)
        with store_of(small.store.path / f"cut-{day}", cut, reference=False) as store:
            pass
        with ms.open(store.path) as market:
            assert set(market.scan(text, min_coverage=0).symbols) == set(known.symbols)


def test_where_may_compare_facts_and_no_bars(small: ms.Market) -> None:
    hits = small.scan("close > 0", where="percentile(listing_age) > 0.5", min_coverage=0)
    assert 0 < hits.coverage.excluded.prescreen < 300
    for where in ("rank(close) < 5", 'symbol("QQQ").close > 5', "weekly(close) > 5"):
        with pytest.raises(ConditionError, match="changes from bar to bar"):
            small.scan("close > 0", where=where)


def test_no_texts_of_another_symbol(market: ms.Market) -> None:
    with pytest.raises(ConditionError, match="has bars only"):
        market.scan('symbol("AAPL").sector == "Technology"')
