"""Further columns of symbols files become facts: numbers, texts and dates, with their faults."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from marketsweep.core.records import FactValues
from marketsweep.ingest.files import read_reference_data
from marketsweep.ingest.files.reference.facts import fact_name
from tests.helpers.markets import EXAMPLE

EPOCH = dt.date(1970, 1, 1)


def facts_of(tmp_path: Path, text: str) -> tuple[dict[str, FactValues], list[str]]:
    (tmp_path / "facts.csv").write_text(text)
    _, facts, (reading,) = read_reference_data(tmp_path / "facts.csv")
    return {fact.name: fact for fact in facts}, reading.notes


def column(
    tmp_path: Path, *cells: str, name: str = "x"
) -> tuple[str | None, list[object], list[str]]:
    rows = "".join(f'S{i},"{cell}"\n' for i, cell in enumerate(cells))
    facts, notes = facts_of(tmp_path, f"symbol,{name}\n{rows}")
    (fact,) = facts.values()
    return fact.kind, [value for _, _, value in fact.rows], notes


NUMBERS = {
    "12.5": 12.5,
    "-3": -3.0,
    "1.25%": 1.25,
    "82.04M": 82.04e6,
    "1.2B": 1.2e9,
    "$15.20": 15.2,
    "1,234,567": 1234567.0,
    "1e3": 1000.0,
    "N/A": None,
    "-": None,
    "": None,
}


def test_numbers(tmp_path: Path) -> None:
    kind, values, notes = column(tmp_path, *NUMBERS)
    assert (kind, values, notes) == ("number", list(NUMBERS.values()), [])


def test_decimal_commas(tmp_path: Path) -> None:
    assert column(tmp_path, "12,5", "1.234,75", "0,3")[:2] == ("number", [12.5, 1234.75, 0.3])


def test_the_decimal_comma_of_one_column_holds_for_all(tmp_path: Path) -> None:
    facts, _ = facts_of(tmp_path, "symbol;ca;cb\nAAPL;12,5;1,234\nKO;3,25;5\n")
    assert [row[2] for row in facts["cb"].rows] == [1.234, 5.0]


@pytest.mark.parametrize(
    "cells", [("2017-01-31", "2016-02-29"), ("20170131", "20160229"), ("01/31/2017", "02/29/2016")]
)
def test_dates(tmp_path: Path, cells: tuple[str, str]) -> None:
    days = [dt.date(2017, 1, 31), dt.date(2016, 2, 29)]
    kind, values, _ = column(tmp_path, *cells, "n/a")
    assert kind == "date"
    assert values == [*((day - EPOCH).days for day in days), None]


def test_identifiers_stay_texts(tmp_path: Path) -> None:
    assert column(tmp_path, "0000320193", "0000789019")[:2] == (
        "text",
        ["0000320193", "0000789019"],
    )


def test_few_faults_are_named_and_many_make_a_text(tmp_path: Path) -> None:
    numbers = [str(i) for i in range(39)]
    kind, values, (note,) = column(tmp_path, *numbers, "loss", name="pe")
    assert kind == "number"
    assert values == [*map(float, numbers), None]
    assert "column pe: 1 of 40 cells are not numbers, such as 'loss'" in note
    assert column(tmp_path, *numbers[:9], "loss")[0] == "text"
    days = [f"2016-{month:02}-15" for month in range(1, 13)] * 2
    kind, values, (note,) = column(tmp_path, *days, "TBA")
    assert (kind, values[-1]) == ("date", None)
    assert "1 of 25 cells are not dates, such as 'TBA'" in note


def test_names(tmp_path: Path) -> None:
    names = {
        "p/e": "pe",
        "forward_p/e": "forward_pe",
        "shares_float": "float",
        "float_short": "short_percent_of_float",
        "short_ratio": "days_to_cover",
        "next_earnings": "earnings_date",
        "eps_next_y": "eps_next_y",
        "my fact!": "my_fact",
        "52_week_high": None,
        "%": "pct",
        "größe": "gr_e",
        "close": None,
        "volume": None,
        "last_sale": None,
        "no.": "no",
        "price": None,
    }
    assert {theirs: fact_name(theirs) for theirs in names} == names


def test_rows_with_their_first_day(tmp_path: Path) -> None:
    text = (
        "symbol,sector,status,pe,valid_from\nA,Old,active,10,2016-01-04\n"
        "A,New,active,12,2016-06-01\nA,New,active,,2016-09-01\nB,Sole,active,7,\n"
    )
    (tmp_path / "facts.csv").write_text(text)
    listings, (fact, sector), (reading,) = read_reference_data(tmp_path / "facts.csv")
    assert [(listing.symbol, listing.sector) for listing in listings] == [
        ("A", "New"),
        ("B", "Sole"),
    ]
    assert (sector.name, sector.kind) == ("sector", "text")
    assert [value for symbol, _, value in sector.rows if symbol == "A"][1:] == ["New", "New"]
    assert fact.rows == [
        ("A", dt.date(2016, 1, 4), 10.0),
        ("A", dt.date(2016, 6, 1), 12.0),
        ("A", dt.date(2016, 9, 1), None),
        ("B", None, 7.0),
    ]
    assert reading.ignored == []


def test_rows_of_facts_say_nothing_of_who_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("symbol,pe\nA,10\nB,7\n")
    assert read_reference_data(path).listings == []
    path.write_text("symbol,sector,pe,shares,valid_from\nA,Tech,10,5,2016-01-04\n")
    listings, facts, (reading,) = read_reference_data(path)
    assert listings == []
    assert {fact.name: fact.rows for fact in facts} == {
        "pe": [("A", dt.date(2016, 1, 4), 10.0)],
        "sector": [("A", dt.date(2016, 1, 4), "Tech")],
    }
    assert "shares is not used: a file with valid_from needs the column status" in reading.notes[0]
    assert reading.ignored == ["shares"]
    for text in ("symbol,fe\nA,\nB,N/A\n", "symbol,Price\nA,5\n"):
        path.write_text(text)
        listings, _, (reading,) = read_reference_data(path)
        assert listings == []
        assert "nothing is used" in reading.notes[0]
    path.write_text("symbol\nA\n")
    assert [listing.symbol for listing in read_reference_data(path).listings] == ["A"]


def test_finviz_counts_in_millions(tmp_path: Path) -> None:
    text = (
        "No.,Ticker,Company,Market Cap,P/E,Shares Outstanding,Shares Float,Price\n"
        "1,A,Alpha,1500.5,12.1,300.25,290.5,5\n"
    )
    (tmp_path / "facts.csv").write_text(text)
    (listing,), facts, (reading,) = read_reference_data(tmp_path / "facts.csv")
    assert (listing.market_cap, listing.shares) == (1500.5e6, 300.25e6)
    assert {fact.name: fact.rows[0][2] for fact in facts} == {"pe": 12.1, "float": 290.5e6}
    assert reading.ignored == ["no.", "price"]


def test_typed_columns(tmp_path: Path) -> None:
    day = dt.date(2016, 5, 2)
    table = pl.DataFrame(
        {
            "symbol": ["A", "B"],
            "n": [1, None],
            "x": [float("nan"), float("inf")],
            "y": [0.5, float("nan")],
            "member": [True, False],
            "day": [day, None],
            "at": [dt.datetime(2016, 5, 2, 16, tzinfo=dt.UTC), None],
            "tags": [["a"], ["b"]],
            "theme": pl.Series(["ai", None], dtype=pl.Categorical),
        }
    )
    table.write_parquet(tmp_path / "facts.parquet")
    _, facts, (reading,) = read_reference_data(tmp_path / "facts.parquet")
    number = float((day - EPOCH).days)
    assert {fact.name: (fact.kind, [row[2] for row in fact.rows]) for fact in facts} == {
        "n": ("number", [1.0, None]),
        "y": ("number", [0.5, None]),
        "member": ("number", [1.0, 0.0]),
        "day": ("date", [number, None]),
        "at": ("date", [number, None]),
        "theme": ("text", ["ai", None]),
        "x": (None, [None, None]),
    }
    assert reading.ignored == ["x", "tags"]
    assert any("column tags is not used: it holds List(String)" in note for note in reading.notes)


def test_the_example_markets_further_columns() -> None:
    _, facts, (reading,) = read_reference_data(EXAMPLE / "symbols.parquet")
    kinds = {fact.name: fact.kind for fact in facts}
    assert kinds == {
        "first_bar": "date",
        "last_bar": "date",
        "n_bars": "number",
        "median_dollar_volume": "number",
    }
    table = pl.read_parquet(EXAMPLE / "symbols.parquet")
    bars = next(fact for fact in facts if fact.name == "n_bars")
    assert [row[2] for row in bars.rows] == table["n_bars"].cast(pl.Float64).to_list()
    assert reading.ignored == []


def test_truths_are_numbers_in_texts_as_in_tables(tmp_path: Path) -> None:
    assert column(tmp_path, "True", "false", "", "TRUE")[:2] == ("number", [1.0, 0.0, None, 1.0])
    pl.DataFrame({"symbol": ["A", "B"], "x": [True, False]}).write_parquet(tmp_path / "f.parquet")
    _, (fact,), _ = read_reference_data(tmp_path / "f.parquet")
    assert (fact.kind, [value for _, _, value in fact.rows]) == ("number", [1.0, 0.0])


@pytest.mark.parametrize("name", ["index", "No", "row"])
def test_a_column_that_numbers_the_rows_is_no_fact(tmp_path: Path, name: str) -> None:
    facts, _ = facts_of(tmp_path, f"symbol,{name}\nA,0\nB,1\n")
    assert not facts
    facts, _ = facts_of(tmp_path, f"symbol,{name}\nA,true\nB,false\n")
    assert [fact.kind for fact in facts.values()] == ["number"]
    facts, _ = facts_of(tmp_path, f"symbol,{name}\nA,S&P 500\nB,S&P 600\n")
    assert [fact.kind for fact in facts.values()] == ["text"]
