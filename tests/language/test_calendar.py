"""What the calendar says of bars, sums since a day, and longer bars, against polars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.errors import ConditionError, CoverageError
from marketsweep.language.parsing.parser import parse, parse_expression
from tests.helpers.markets import random_bars, store_of

FIRST, LAST = dt.date(2014, 11, 3), dt.date(2016, 8, 17)
DAYS = sessions_in_range(FIRST, LAST)
ALL_DAYS = sessions_in_range(dt.date(2014, 1, 1), LAST)
SYMBOLS = [f"S{number:02}" for number in range(12)]
MISSING = 3
"""A symbol that has no bar on some first sessions of months and of the year."""
YOUNG = 5
"""A symbol that is listed within the last year."""


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    bars = random_bars(len(DAYS), len(SYMBOLS), seed=6, short=0)
    frames = []
    for number, symbol in enumerate(SYMBOLS):
        columns = {name: matrix[:, number] for name, matrix in bars.items()}
        frames.append(pl.DataFrame({"symbol": symbol, "date": DAYS, **columns}))
    everything = pl.concat(frames).with_columns(pl.col("volume").round())
    missing = (pl.col("symbol") == SYMBOLS[MISSING]) & (
        pl.col("date").is_in([dt.date(2015, 1, 2), dt.date(2016, 1, 4), dt.date(2016, 8, 1)])
    )
    unborn = (pl.col("symbol") == SYMBOLS[YOUNG]) & (pl.col("date") < dt.date(2016, 3, 9))
    return everything.filter(~missing, ~unborn)


@pytest.fixture(scope="module")
def market(frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> ms.Market:
    folder = tmp_path_factory.mktemp("calendar")
    store_of(folder, frame, reference=False).close()
    return ms.open(folder)


def values(market: ms.Market, text: str, day: dt.date) -> dict[str, float]:
    hits = market.scan("close > 0", columns=[text], as_of=day, min_coverage=0)
    return {match.symbol: match.values[text] for match in hits.matches}


SOME_DAYS = [
    *(dt.date(2014, 12, 31), dt.date(2015, 1, 2), dt.date(2015, 1, 5), dt.date(2016, 1, 4)),
    *(dt.date(2016, 2, 1), dt.date(2016, 5, 31), dt.date(2016, 8, 1), dt.date(2016, 8, 17)),
]


@pytest.mark.parametrize("day", SOME_DAYS)
def test_parts_of_the_date(market: ms.Market, day: dt.date) -> None:
    wants = {
        "year": day.year,
        "quarter": 1 + (day.month - 1) // 3,
        "month": day.month,
        "week": day.isocalendar().week,
        "day_of_month": day.day,
        "day_of_week": day.isoweekday(),
    }
    for name, want in wants.items():
        assert set(values(market, name, day).values()) == {float(want)}
    assert market.scan(f"date == {day} and date >= {day}", as_of=day).symbols
    assert not market.scan(f"date < {day} or date > {day}", as_of=day).symbols


def period(unit: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda date: date.dt.truncate({"week": "1w", "month": "1mo", "year": "1y"}[unit])


def since_first_bar(frame: pl.DataFrame, unit: str, day: dt.date) -> pl.DataFrame:
    """Return the bars of each symbol in the period of a day; none where its start is unknown."""
    of = period(unit)
    start = of(pl.lit(day))
    # A symbol whose first stored bar lies within the period may have had others before it.
    first_session = pl.col("date").min().over("symbol")
    starts = pl.Series(ALL_DAYS).to_frame("s").filter(of(pl.col("s")) == start)["s"].min()
    is_known = (first_session < start) | (first_session == starts)
    is_known &= (pl.col("date") == day).any().over("symbol")  # others are stale
    return frame.filter(pl.col("date") <= day, of(pl.col("date")) == start, is_known)


@pytest.mark.parametrize("unit", ["week", "month", "year"])
@pytest.mark.parametrize("day", SOME_DAYS)
def test_sums_since_the_first_bar_of_a_unit(
    market: ms.Market, frame: pl.DataFrame, unit: str, day: dt.date
) -> None:
    bars = since_first_bar(frame, unit, day).group_by("symbol")
    wants = dict(bars.agg(pl.col("volume").sum()).iter_rows())
    got = values(market, f"cumulative(volume, {unit})", day)
    assert {name: value for name, value in got.items() if not np.isnan(value)} == wants

    middle = pl.mean_horizontal("high", "low", "close")
    flows = bars.agg((middle * pl.col("volume")).sum() / pl.col("volume").sum())
    got = values(market, f"anchored_vwap({unit})", day)
    for name, want in flows.iter_rows():
        assert got[name] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("day", SOME_DAYS)
def test_the_first_bar_of_a_unit(market: ms.Market, frame: pl.DataFrame, day: dt.date) -> None:
    for unit in ("week", "month", "year"):
        days = since_first_bar(frame, unit, day).group_by("symbol").agg(pl.col("date").min())
        wants = {name for name, first in days.iter_rows() if first == day}
        hits = market.scan(f"first_bar({unit})", as_of=day, min_coverage=0)
        assert set(hits.symbols) == wants
    # Without the bar of the first session, the next one is the first.
    if day == dt.date(2016, 8, 1):
        later = market.scan("first_bar(month)", as_of="2016-08-02", min_coverage=0)
        assert later.symbols == [SYMBOLS[MISSING]]


@pytest.mark.parametrize("start", ["2015-01-01", "2015-01-02", "2016-01-02", "2016-08-17"])
def test_sums_since_a_date(market: ms.Market, frame: pl.DataFrame, start: str) -> None:
    first = dt.date.fromisoformat(start)
    known = frame.filter(pl.col("date").min().over("symbol") <= first)
    wants = dict(
        known.filter(pl.col("date") >= first).group_by("symbol").agg(pl.col("volume").sum())
        .iter_rows()
    )  # fmt: skip
    got = values(market, f"cumulative(volume, {start})", LAST)
    assert {name: value for name, value in got.items() if not np.isnan(value)} == wants


@pytest.mark.parametrize("day", ["2015-01-02", "2015-07-04", "2016-01-04", "2016-08-17"])
def test_the_value_on_a_date(market: ms.Market, frame: pl.DataFrame, day: str) -> None:
    """It is that of the last bar up to the date."""
    date = dt.date.fromisoformat(day)
    bars = frame.filter(pl.col("date") <= date).sort("date").group_by("symbol")
    wants = dict(bars.agg(pl.col("close").last()).iter_rows())
    got = values(market, f"on({day}, close)", LAST)
    assert {name: value for name, value in got.items() if not np.isnan(value)} == wants
    high = market.scan(f"on({day}, close >= 0.9 * highest(high, 20))", as_of=LAST)
    assert set(high.symbols) == set(
        market.scan("close >= 0.9 * highest(high, 20)", as_of=date, min_coverage=0).symbols
        if date in DAYS
        else market.scan("close >= 0.9 * highest(high, 20)", as_of="2015-07-02").symbols
    ) | ({SYMBOLS[MISSING]} & set(high.symbols))


def test_a_date_to_come_has_no_value(market: ms.Market) -> None:
    assert (
        market.scan("on(2016-08-17, close) > 0", as_of="2016-08-16", min_coverage=0).symbols == []
    )
    assert len(market.scan("on(2016-08-17, close) > 0", as_of="2016-08-17")) == len(SYMBOLS)


def test_the_change_since_the_year_began(market: ms.Market, frame: pl.DataFrame) -> None:
    for day in SOME_DAYS[2:]:
        year = dt.date(day.year, 1, 1)
        before = frame.filter(pl.col("date") < year).sort("date")
        last = dict(before.group_by("symbol").agg(pl.col("close").last()).iter_rows())
        now = dict(frame.filter(pl.col("date") == day).select("symbol", "close").iter_rows())
        got = {
            name: value
            for name, value in values(market, "ytd()", day).items()
            if not np.isnan(value)
        }
        assert set(got) == set(last) & set(now)
        for name, value in got.items():
            assert value == pytest.approx(100 * (now[name] / last[name] - 1), rel=1e-9, abs=1e-9)


def test_longer_bars(market: ms.Market, frame: pl.DataFrame) -> None:
    """Bars of n sessions begin at sessions counted from 1962; quarters and years at the first."""
    sessions = sessions_in_range(dt.date(1962, 1, 1), LAST)
    numbers = {day: number for number, day in enumerate(sessions)}
    of_day: dict[str, Callable[[dt.date], int]] = {
        "bars(3, {x})": lambda day: numbers[day] // 3,
        "bars(10, {x})": lambda day: numbers[day] // 10,
        "quarterly({x})": lambda day: 4 * day.year + (day.month - 1) // 3,
        "yearly({x})": lambda day: day.year,
    }
    for text, number in of_day.items():
        periods = frame.with_columns(period=pl.Series(map(number, frame["date"])))
        for day in (dt.date(2015, 12, 31), dt.date(2016, 3, 30), LAST):
            following = sessions_in_range(day + dt.timedelta(days=1), day + dt.timedelta(days=9))[0]
            numbers.setdefault(following, len(sessions))
            newest = number(day) if number(following) != number(day) else number(day) - 1
            bars = periods.filter(pl.col("date") <= day, pl.col("period") <= newest)
            last = pl.col("period") == pl.col("period").max().over("symbol")
            whole = bars.filter(last).sort("date").group_by("symbol")
            for x, want in (
                ("close", pl.col("close").last()),
                ("high", pl.col("high").max()),
                ("volume", pl.col("volume").sum()),
            ):
                wants = dict(whole.agg(want).iter_rows())
                got = values(market, text.format(x=x), day)
                got = {name: value for name, value in got.items() if not np.isnan(value)}
                assert set(got) <= set(wants)
                assert len(got) >= 10
                assert got == {name: wants[name] for name in got}


def test_signals_and_scans_agree(market: ms.Market) -> None:
    condition = "first_bar(month) within 2 bars and close > anchored_vwap(month) and month >= 2"
    signals = market.signals(condition, since="2016-05-25")
    assert len(signals.symbols) > 5
    for day in sessions_in_range(dt.date(2016, 5, 25), LAST):
        is_day = signals.days == np.datetime64(day)
        of_day = {name for name, held in zip(signals.symbols, is_day, strict=True) if held}
        assert of_day == set(market.scan(condition, as_of=day, min_coverage=0).symbols), day


def test_python_and_text_build_the_same_tree() -> None:
    day = dt.date(2016, 8, 22)
    for built, text in (
        (ms.date >= day, "date >= 2016-08-22"),
        (ms.on(day, ms.close) > 5, "on(2016-08-22, close) > 5"),
        (ms.cumulative(ms.volume, "year") > 5, "cumulative(volume, year) > 5"),
        (ms.cumulative(ms.volume, day) > 5, "cumulative(volume, 2016-08-22) > 5"),
        (ms.first_bar("month"), "first_bar(month)"),
        (ms.bars(3, ms.rsi(8)) < 30, "bars(3, rsi(8)) < 30"),
        (ms.yearly(ms.high) < ms.close, "yearly(high) < close"),
        (ms.ytd() > 0, "ytd() > 0"),
    ):
        assert built.node == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        *("date >= 2016-08-22", "first_bar(year) within 3 bars", "first_bar(2016-08-22)"),
        *("bars(3, rsi(8))", "bars(3, close, running)", "quarterly(close)", "yearly(high)"),
        *("cumulative(volume, month)", "cumulative(volume, 2016-08-22)", "month == 3"),
        *("anchored_vwap(close > open)", "on(2016-08-22, close)", "obv() > sma(obv(), 20)"),
    ],
)
def test_canonical_text_gives_the_same_tree(text: str) -> None:
    node = parse_expression(text)
    assert parse_expression(str(node)) == node


def test_longer_bars_have_no_day(market: ms.Market) -> None:
    for condition in ("weekly(ytd()) > 0", "bars(3, ytd(sma(5))) > 0", "monthly(ytd() > 0)"):
        with pytest.raises(ConditionError, match=r"move ytd.* outside"):
            market.scan(condition)


def test_other_symbols_and_ranks_know_the_calendar(market: ms.Market, frame: pl.DataFrame) -> None:
    volumes = since_first_bar(frame, "month", LAST).group_by("symbol").agg(pl.col("volume").sum())
    want = dict(volumes.iter_rows())
    got = values(market, 'symbol("S01", cumulative(volume, month))', LAST)
    assert set(got.values()) == {want["S01"]}
    ranks = values(market, "rank(cumulative(volume, month))", LAST)
    order = sorted(want, key=lambda name: -want[name])
    assert {name: rank for name, rank in ranks.items() if not np.isnan(rank)} == {
        name: float(place) for place, name in enumerate(order, 1)
    }


def test_names_of_the_calendar_may_be_given_a_meaning(market: ms.Market) -> None:
    """A saved text that names something `month` stays valid."""
    hits = market.scan("let month = 21; close > close[month]", as_of=LAST)
    assert hits.symbols == market.scan("close > close[21]", as_of=LAST).symbols


def test_days_before_the_stored_history(market: ms.Market) -> None:
    """A start that is not stored leaves no result, and not merely no match."""
    for condition in ("cumulative(volume, 2010-01-04) > 0", "on(2012-05-01, close) > 5"):
        hits = market.scan(condition)
        assert hits.symbols == []
        assert hits.coverage.starts_unknown
        with pytest.raises(CoverageError, match="needs bars before the first stored session"):
            market.scan(condition, min_coverage=0.5)
    assert not market.scan("ytd() > 1e6").coverage.starts_unknown
    assert not market.scan("bars_since(close > 1e9) < 5").coverage.starts_unknown
    with pytest.raises(ConditionError, match="at most"):
        parse("bars(61, close) > 1")
