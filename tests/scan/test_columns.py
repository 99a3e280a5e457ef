"""Columns of texts and dates beside the matches, against the files that they come from."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError
from marketsweep.market import Market
from tests.helpers.command import run
from tests.helpers.markets import EXAMPLE

CONDITION = "close > 100"
COLUMNS = "sector, last_dividend, roc(5), next_dividend"
CHANGED = dt.date(2016, 12, 21)


@pytest.fixture
def stored(real: Path) -> Iterator[Market]:
    with ms.open(real) as opened:
        yield opened


@pytest.fixture(scope="module")
def themes(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The market with a text of two symbols that changes on a day."""
    folder = tmp_path_factory.mktemp("themes")
    shutil.copytree(real, folder / "data")
    rows = [("AAPL", "2016-01-04", "phones"), ("AAPL", CHANGED, "services")]
    lines = "".join(f"{symbol},{day},{theme}\n" for symbol, day, theme in rows)
    (folder / "themes.csv").write_text(f"symbol,valid_from,theme\n{lines}GOOG,2016-01-04,search\n")
    sync = ("sync", "--provider", "files", "--data", folder / "data")
    assert run(*sync, "--symbols", folder / "themes.csv").returncode == 0
    return folder / "data"


def test_texts_are_those_of_the_symbols_file(stored: Market) -> None:
    hits = stored.scan(CONDITION, columns=COLUMNS)
    listed = pl.read_parquet(EXAMPLE / "symbols.parquet")
    sectors = dict(zip(listed["symbol"], listed["sector_2026"], strict=True))
    assert hits.values["sector"].tolist() == [sectors.get(symbol) for symbol in hits.symbols]
    assert len(set(hits.values["sector"])) > 8


def test_dates_are_those_of_the_actions_file(stored: Market) -> None:
    as_of = dt.date(2016, 9, 30)
    hits = stored.scan(CONDITION, columns=COLUMNS, as_of=as_of)
    paid = (
        pl.read_parquet(EXAMPLE / "actions.parquet")
        .filter(pl.col("kind") == "dividend", pl.col("ex_date") <= as_of)
        .group_by("symbol")
        .agg(pl.col("ex_date").max())
    )
    last = dict(zip(paid["symbol"], paid["ex_date"], strict=True))
    shown = dict(zip(hits.symbols, hits.values["last_dividend"].tolist(), strict=True))
    assert shown == {symbol: last.get(symbol) for symbol in hits.symbols}
    assert sum(day is not None for day in shown.values()) > 100
    assert set(hits.values["next_dividend"].tolist()) == {None}  # not known in a past session


def test_every_form_holds_them(stored: Market) -> None:
    hits = stored.scan(CONDITION, columns=COLUMNS, limit=40)
    rows = hits.to_dicts()
    assert hits.to_polars().to_dicts() == rows
    assert hits.to_polars().schema["sector"] == pl.String
    assert hits.to_polars().schema["last_dividend"] == pl.Date
    wanted = {"sector", "last_dividend", "roc(5)"}
    plain = json.loads(json.dumps(hits.to_dict()))["matches"]
    for row, match in zip(rows, plain, strict=True):
        day = row["last_dividend"]
        assert match["values"]["last_dividend"] == (day and day.isoformat())
        assert match["values"]["sector"] == row["sector"]
        assert wanted <= set(match["values"])
    none = stored.scan("close < 0", columns=COLUMNS).to_polars()
    assert none.schema == hits.to_polars().schema


def test_the_command_writes_them(real: Path) -> None:
    scan = ("scan", CONDITION, "--data", real, "--columns", COLUMNS, "--limit", "40")
    table = run(*scan).stdout.splitlines()
    at = table[0].index("sector")
    shown = {line[at:].split("  ")[0] for line in table[2:]}
    assert {"Technology", "Finance"} <= shown  # begins where the name of the column does
    cells = list(csv.DictReader(io.StringIO(run(*scan, "--format", "csv").stdout)))
    with ms.open(real) as market:
        rows = market.scan(CONDITION, columns=COLUMNS, limit=40).to_dicts()
    for cell, row in zip(cells, rows, strict=True):
        assert cell["sector"] == (row["sector"] or "")
        assert cell["last_dividend"] == str(row["last_dividend"] or "")
    signals = ("signals", CONDITION, "--data", real, "--since", "2016-12-29", "--format", "csv")
    cells = list(csv.DictReader(io.StringIO(run(*signals, "--columns", COLUMNS).stdout)))
    sectors = {cell["symbol"]: cell["sector"] for cell in cells if cell["date"] == "2016-12-30"}
    assert sectors.items() >= {(row["symbol"], row["sector"] or "") for row in rows}


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 8) if isinstance(value, float) else value for name, value in row.items()
    }


@pytest.mark.parametrize("columns", ["sector, last_dividend", "theme", "theme, last_split, rsi(3)"])
def test_signals_show_what_a_scan_of_each_session_shows(themes: Path, columns: str) -> None:
    condition = 'symbol in ["AAPL", "GOOG", "XOM"] and close > 1'
    with ms.open(themes) as market:
        shown = market.signals(condition, since="2016-12-19", columns=columns).to_dicts()
        days = sorted({row["date"] for row in shown})
        assert days[0] == dt.date(2016, 12, 19)
        for day in days:
            scanned = market.scan(condition, as_of=day, columns=columns).to_dicts()
            # A recursion forgets its start but for the last digits.
            of_day = [rounded(row) for row in shown if row["date"] == day]
            assert [rounded(row | {"date": day}) for row in scanned] == of_day
    themes_of_apple = {row["date"]: row.get("theme") for row in shown if row["symbol"] == "AAPL"}
    if "theme" in columns:
        for day, theme in themes_of_apple.items():
            assert theme == ("services" if day >= CHANGED else "phones")


def test_a_text_can_be_built_in_python(stored: Market) -> None:
    by_node = stored.scan(CONDITION, columns=[ms.sector, ms.industry], limit=5)
    by_text = stored.scan(CONDITION, columns="sector, industry", limit=5)
    assert by_node.to_dicts() == by_text.to_dicts()


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("sector == 'Technology'", "write number"),
        ("'abc'", "the same for all symbols"),
        ("obv()", "begin"),
    ],
)
def test_other_columns_are_refused(stored: Market, column: str, message: str) -> None:
    with pytest.raises(ConditionError, match=message):
        stored.scan(CONDITION, columns=[column])
    with pytest.raises(ConditionError, match="sorted by numbers"):
        stored.scan(CONDITION, sort="sector")


def test_explain_shows_texts_and_dates(stored: Market) -> None:
    condition = 'sector == "Finance" and last_dividend < 2016-11-01 and name contains "apple"'
    explanation = stored.explain("AAPL", condition)
    values = {part.text: part.value for part in explanation.parts}
    assert values["sector"] == "Technology"
    assert values["last_dividend"] == dt.date(2016, 11, 3)
    assert values["name"] == "Apple Inc."
    lines = [line.split() for line in str(explanation).splitlines()]
    assert ["sector", "Technology"] in lines
    assert ["last_dividend", "2016-11-03"] in lines
    json.dumps(explanation.to_dict())
