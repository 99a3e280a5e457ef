"""Splits, dividends and first days as conditions on bars, and the facts that follow from them."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.records import Dividend, Listing, Split
from marketsweep.errors import ConditionError
from marketsweep.language.parsing.parser import parse, parse_expression
from marketsweep.language.tree import Kind
from marketsweep.market import Market
from marketsweep.store.store import Store
from tests.helpers.command import run
from tests.helpers.markets import sessions_of, store_of
from tests.helpers.two_months import LAST, Files

Days = dict[str, list[dt.date]]


@pytest.fixture(scope="module")
def data(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("happenings") / "data"
    names = {"--path": "bars", "--actions": "actions", "--symbols": "symbols"}
    parts = [part for o, n in names.items() for part in (o, files.folder / f"{n}.parquet")]
    assert run("sync", "--provider", "files", "--data", path, *parts).returncode == 0
    return path


@pytest.fixture
def market(data: Path) -> Iterator[Market]:
    with ms.open(data) as opened:
        yield opened


@pytest.fixture(scope="module")
def actions(data: Path) -> dict[str, Days]:
    """The ex-dates of the actions that count, by kind and symbol."""
    days: dict[str, Days] = {"split": defaultdict(list), "dividend": defaultdict(list)}
    with Store.open(data) as store, store.snapshot() as snapshot:
        for split in snapshot.splits():
            days["split"][split.symbol].append(split.ex_date)
        for dividend in snapshot.dividends():
            days["dividend"][dividend.symbol].append(dividend.ex_date)
    return days


def happened(files: Files, days: Days) -> dict[tuple[str, dt.date], int]:
    """How many bars ago each bar's newest event was; bars before the first event are missing."""
    result = {}
    for (symbol,), bars in files.bars.sort("date").group_by("symbol", maintain_order=True):
        assert isinstance(symbol, str)
        dates = bars["date"].to_list()
        marked = {bisect_left(dates, day) for day in days[symbol] if day >= dates[0]}
        age = None
        for i, date in enumerate(dates):
            age = 0 if i in marked else None if age is None else age + 1
            if age is not None:
                result[symbol, date] = age
    return result


@pytest.mark.parametrize("kind", ["split", "dividend"])
def test_events_of_each_session(
    market: Market, files: Files, actions: dict[str, Days], kind: str
) -> None:
    ages = happened(files, actions[kind])
    signals = market.signals(kind, since=files.days[0])
    hits = set(zip(signals.symbols, signals.days.tolist(), strict=True))
    assert hits == {bar for bar, age in ages.items() if age == 0}
    assert len(hits) > {"split": 8, "dividend": 60}[kind]
    for day in (dt.date(2016, 11, 15), LAST):
        recent = market.scan(f"{kind} within 8 bars", as_of=day)
        want = {s for (s, on), age in ages.items() if on == day and age < 8}
        assert set(recent.symbols) == want
        assert set(market.scan(kind, as_of=day).symbols) == {s for s, on in hits if on == day}


def test_last_days(market: Market, files: Files, actions: dict[str, Days]) -> None:
    for day in (dt.date(2016, 11, 15), LAST):
        traded = files.bars.filter(pl.col("date") == day)["symbol"].to_list()
        hits = market.scan("close > 0", columns="date - last_dividend", as_of=day)
        got = dict(zip(hits.symbols, hits.values["date - last_dividend"], strict=True))
        for symbol in traded:
            before = [ex for ex in actions["dividend"][symbol] if ex <= day]
            if before:
                assert got[symbol] == (day - max(before)).days
            else:
                assert got[symbol] > 100_000
        earlier = market.scan("close > 0", columns="(date - last_dividend)[5]", as_of=day)
        moved = dict(zip(earlier.symbols, *earlier.values.values(), strict=True))
        for symbol in traded:
            bars = files.bars.filter(pl.col("symbol") == symbol, pl.col("date") <= day)
            on = bars["date"].sort()[-6] if len(bars) > 5 else None
            before = [ex for ex in actions["dividend"][symbol] if on and ex <= on]
            if on and before:
                assert moved[symbol] == (on - max(before)).days
        late = {s for s in traded if any(d <= day for d in actions["dividend"][s][-1:])}
        assert set(market.scan("last_dividend > 1970-01-01", as_of=day).symbols) >= late


def test_next_days_are_not_known_in_the_past(files: Files, tmp_path: Path) -> None:
    symbols = files.bars["symbol"].unique().sort()[:3].to_list()
    bars = files.bars.filter(pl.col("symbol").is_in(symbols))
    store = store_of(tmp_path, bars, reference=False)
    with store.writer() as writer:
        writer.put_dividends(
            [
                Dividend(symbols[0], dt.date(2016, 11, 10), 0.5),
                Dividend(symbols[0], dt.date(2017, 1, 6), 0.5),
                Dividend(symbols[1], dt.date(2017, 2, 10), 0.5),
            ]
        )
    store.close()
    with ms.open(tmp_path) as market:
        hits = market.scan("next_dividend - date <= 7")
        assert hits.symbols == [symbols[0]]
        assert hits.values["next_dividend - date"].tolist() == [7.0]
        assert hits.coverage.evaluated == 3
        assert set(market.scan("next_dividend <= 2017-02-10").symbols) == set(symbols[:2])
        past = market.scan("next_dividend - date <= 7", as_of="2016-11-03")
        assert past.symbols == []
        assert past.coverage.unknown_facts == {"next_dividend": 3}
        # Nothing is known of splits.
        assert market.scan("split").coverage.unknown_facts == {"splits": 3}
        assert "--actions FILE" in " ".join(market.scan("next_split > date").warnings)


def test_dividend_yields(files: Files, tmp_path: Path) -> None:
    with store_of(tmp_path, files.bars) as store, store.snapshot() as snapshot:
        splits, dividends = snapshot.splits(), snapshot.dividends()
    with ms.open(tmp_path) as market:
        check_dividend_yields(market, files, splits, dividends)


def check_dividend_yields(
    market: Market, files: Files, splits: list[Split], dividends: list[Dividend]
) -> None:
    for day in (dt.date(2016, 12, 29), LAST):
        paid: dict[str, float] = defaultdict(float)
        for symbol, ex_date, cash in dividends:
            if dt.timedelta(0) <= day - ex_date < dt.timedelta(days=365):
                later = [s for s in splits if s.symbol == symbol and ex_date < s.ex_date <= day]
                paid[symbol] += cash * float(np.prod([s.old / s.new for s in later]))
        closes = files.bars.filter(pl.col("date") == day)
        want = {s: 100 * paid[s] / c for s, c in closes.select("symbol", "close").iter_rows()}
        hits = market.scan("dividend_yield >= 0", as_of=day, columns="dividend_yield")
        got = dict(zip(hits.symbols, hits.values["dividend_yield"], strict=True))
        assert got.keys() == want.keys()
        np.testing.assert_allclose([got[s] for s in want], list(want.values()), rtol=1e-12)
        assert sum(value > 0 for value in got.values()) > 80
    assert set(market.scan("dividend_yield > 3").symbols) == {s for s in want if want[s] > 3}


def test_a_year_of_dividends_that_is_not_stored(files: Files, tmp_path: Path) -> None:
    bars = files.bars.filter(pl.col("symbol") == "A")
    store = store_of(tmp_path, bars, reference=False)
    with store.writer() as writer:
        writer.put_dividends([Dividend("A", dt.date(2016, 11, 10), 0.5)])
    store.close()
    with ms.open(tmp_path) as market:
        hits = market.scan("dividend_yield > 1")
        assert hits.coverage.unknown_facts == {"dividend_yield": hits.coverage.expected}
        assert "dividend_yield: unknown for all symbols" in " ".join(hits.warnings)


def test_events_follow_the_company(files: Files, tmp_path: Path) -> None:
    """A new owner of a ticker has not split, and a new ticker keeps the events of the old one."""
    first, second, third = files.bars["symbol"].unique().sort()[:3].to_list()
    change, eve = dt.date(2016, 12, 1), dt.date(2016, 11, 30)
    bars = files.bars.filter(pl.col("symbol").is_in([first, second, third]))
    early, late = bars.filter(pl.col("date") < change), bars.filter(pl.col("date") >= change)
    late = late.with_columns(pl.col("symbol").replace({first: "NEWT", second: first}))
    store = store_of(tmp_path, pl.concat([early, late]), reference=False)
    begun = dt.date(2010, 1, 4)
    with store.writer() as writer:
        writer.put_listings(
            [
                Listing(first, first=begun, last=eve, figi="F1"),
                Listing("NEWT", first=change, figi="F1", renamed_from=first),
                Listing(second, first=begun, last=eve, figi="F2"),
                Listing(first, first=change, figi="F3"),
                Listing(third, figi="F4"),
            ]
        )
        writer.put_dividends([Dividend(first, dt.date(2016, 11, 15), 0.1)])
        writer.put_splits([Split(third, dt.date(2016, 11, 15), 100, 101)])
    store.close()
    with ms.open(tmp_path) as market:
        signals = market.signals("dividend within 15 bars", since="2016-11-14")
        by_day = defaultdict(set)
        for symbol, day in zip(signals.symbols, signals.days.tolist(), strict=True):
            by_day[day].add(symbol)
        assert by_day[dt.date(2016, 11, 15)] == {first}
        assert by_day[eve] == {first}
        assert by_day[dt.date(2016, 12, 6)] == {"NEWT"}
        assert len(by_day) == 15
        for day in by_day:
            assert set(market.scan("dividend within 15 bars", as_of=day).symbols) == by_day[day]
        # The company is as old as its first listing; of one symbol nothing is known.
        young = market.scan("ipo within 40 bars")
        assert young.symbols == [first]
        assert young.coverage.unknown_facts == {"ipo_date": 1}
        assert set(market.scan("ipo_date == 2010-01-04").symbols) == {"NEWT"}
        assert market.scan("ipo", as_of=change).symbols == [first]


def test_an_incremental_scan_sees_a_new_dividend(files: Files, tmp_path: Path) -> None:
    old, new = files.bars.filter(pl.col("date") == LAST)["symbol"][:2]
    bars = files.bars.filter(pl.col("symbol").is_in([old, new]))
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit(sessions_of(bars), "test")
        writer.put_dividends([Dividend(old, dt.date(2016, 11, 10), 0.01)])
    with ms.open(tmp_path) as market:
        text = "dividend within 3 bars"
        assert market.scan(text, incremental=True).symbols == []
        with Store.open(tmp_path) as store, store.writer() as writer:
            writer.put_dividends([Dividend(new, LAST, 0.01)])
        assert market.scan(text, incremental=True).symbols == [new]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("next_dividend - date", Kind.NUMBER),
        ("date - 30", Kind.DATE),
        ("date + 2 * 15", Kind.DATE),
        ("(date - last_split) / 7", Kind.NUMBER),
        ("2016-12-30 - 2016-12-01", Kind.NUMBER),
        ("date - 7 - last_split", Kind.NUMBER),
    ],
)
def test_days_are_added_and_subtracted(text: str, kind: Kind) -> None:
    node = parse_expression(text)
    assert node.kind is kind
    assert parse_expression(str(node)) == node


def test_the_value_of_day_arithmetic(market: Market) -> None:
    columns = ["2016-12-30 - 2016-12-01", "date - 2016-12-25", "(date - 7) - 2016-12-01"]
    hits = market.scan("close > 0 and date - 10 < 2016-12-21", columns=columns, limit=1)
    assert [hits.values[column][0] for column in columns] == [29, 5, 22]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date + date > 2016-01-01", "the right side of + after a date must be a number"),
        ("3 + date > 2016-01-01", "the right side of + must be a number, but this is a date"),
        ("date * 2 > 3", "the left side of * must be a number, but this is a date"),
        ("date - 3 > 5", "> compares a date with a number"),
        ("split > 3", "this is true or false"),
        ("weekly(dividend)", "needs the day of each bar"),
    ],
)
def test_what_makes_no_sense(market: Market, text: str, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        market.scan(text)
    assert message in str(caught.value)


def test_words_that_a_text_may_use_as_names() -> None:
    node = parse("let split = close > open\nsplit and volume > 0")
    assert node == parse("close > open and volume > 0")
    texts = ["split", "split[1]", "dividend for 2 bars", "ipo within 60 bars and not dividend"]
    assert [str(parse(text)) for text in texts] == texts
    assert ms.split.within(10).node == parse("split within 10 bars")
