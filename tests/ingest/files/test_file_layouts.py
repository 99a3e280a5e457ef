"""Files as people have them: flat files, yfinance, Stooq, NASDAQ's lists, and what is no table."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import math
import os
import re
import socket
import threading
import tracemalloc
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.fields import FIELDS
from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_bars, read_symbols
from marketsweep.ingest.files.bars import read_bars_with_readings
from tests.helpers.command import refused, run
from tests.ingest.files.test_files import HEADER, ROW

NEW_YORK = ZoneInfo("America/New_York")
MONDAY, TUESDAY = dt.date(2025, 3, 10), dt.date(2025, 3, 11)  # the clocks changed on the day before
Rows = list[tuple[str, dt.date, float, float, float, float, float]]


def rows_of(bars: pl.DataFrame) -> Rows:
    return list(bars.iter_rows())


def of(path: Path) -> Rows:
    return rows_of(read_bars(path))


def flat_file(path: Path, day: dt.date, symbols: Iterable[str]) -> None:
    midnight = dt.datetime.combine(day, dt.time(), NEW_YORK)
    lines = ["ticker,volume,open,close,high,low,window_start,transactions"]
    lines += [
        f"{symbol},1000,10.5,10.75,11,10,{int(midnight.timestamp()) * 10**9},17"
        for symbol in symbols
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    for day in (dt.date(2025, 3, 7), MONDAY, TUESDAY):
        flat_file(tmp_path / "2025" / "03" / f"{day}.csv.gz", day, ["A", "BRK.B", "NAN", "TRUE"])
    (tmp_path / "2025" / "notes.md").write_text("no table")
    return tmp_path


def test_flat_files_in_a_folder_with_subfolders(flat: Path) -> None:
    bars, readings = read_bars_with_readings(flat)
    days = [dt.date(2025, 3, 7), MONDAY, TUESDAY]
    symbols = ["A", "BRK.B", "NAN", "TRUE"]
    assert rows_of(bars.sort("symbol", "date")) == [
        (symbol, day, 10.5, 11, 10, 10.75, 1000) for symbol in symbols for day in days
    ]
    assert [one.layout for one in readings] == ["Massive flat file"] * 3
    assert readings[0].dates == "nanoseconds since 1970: the day in New York"
    assert readings[0].ignored == ["transactions"]


@pytest.mark.parametrize(
    "day",
    [
        *(dt.date(2025, 3, 7), dt.date(2025, 3, 10)),  # the clocks change between them
        *(dt.date(2024, 11, 1), dt.date(2024, 11, 4)),
        *(dt.date(2003, 9, 10), dt.date(1999, 12, 31)),
    ],
)
def test_flat_files_are_of_their_day_in_any_season(day: dt.date, tmp_path: Path) -> None:
    flat_file(tmp_path / "one.csv.gz", day, ["BACpL"])
    assert of(tmp_path / "one.csv.gz") == [("BACpL", day, 10.5, 11, 10, 10.75, 1000)]
    unpacked = tmp_path / "one.csv"
    unpacked.write_bytes(gzip.decompress((tmp_path / "one.csv.gz").read_bytes()))
    assert of(unpacked) == [("BACpL", day, 10.5, 11, 10, 10.75, 1000)]


def test_a_faulty_file_of_many_is_named(flat: Path) -> None:
    bad = flat / "2025" / "03" / "2025-03-10.csv.gz"
    bad.write_bytes(gzip.compress(gzip.decompress(bad.read_bytes()).replace(b"10.5", b"ten", 1)))
    says = f"^{re.escape(str(bad))}: row 1: open is not a number: 'ten'"
    with pytest.raises(UsageError, match=says):
        read_bars(flat)


def test_hidden_files_and_other_kinds_in_a_folder_are_not_read(flat: Path) -> None:
    for name in (".hidden.csv", "_SUCCESS.csv", "readme.md", "photo.png"):
        (flat / name).write_text("no table")
    assert len(of(flat)) == 12
    # A file that is named is read whatever its name.
    (flat / "bars.dat").write_text(HEADER + ROW)
    assert of(flat / "bars.dat") == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]


def test_a_note_beside_tables_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "2016.csv").write_text(HEADER + ROW)
    (tmp_path / "README.txt").write_text("Prices of 2016.\nThey are not adjusted.\n")
    bars, readings = read_bars_with_readings(tmp_path)
    assert bars.height == 1
    assert [note for one in readings for note in one.notes] == [
        "README.txt is a text, not a table: it is skipped"
    ]
    with pytest.raises(UsageError, match="missing column"):
        read_bars(tmp_path / "README.txt")
    (tmp_path / "2017.csv").write_text(HEADER.replace("open", "start"))
    with pytest.raises(UsageError, match=r"2017\.csv: missing column open"):
        read_bars(tmp_path)


@pytest.mark.parametrize(
    "above",
    ["Daily prices\n", "Report: daily prices\n\nin dollars\n", "\n# bars\n", "\ufeffBars\r\n\r\n"],
)
def test_words_above_a_table(above: str, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(above + HEADER + ROW)
    assert of(tmp_path / "bars.csv") == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]
    (reading,) = read_bars_with_readings(tmp_path / "bars.csv")[1]
    assert "above it" in reading.kind


def test_a_fault_below_words_is_named_by_its_row(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text("Daily prices\n\n" + HEADER + ROW + "B,2016-01-04,1,x\n")
    with pytest.raises(UsageError, match="row 2: high is not a number: 'x'"):
        read_bars(tmp_path / "bars.csv")
    (tmp_path / "bars.csv").write_text("Daily prices\n\n" + HEADER + ROW + "B,1,2,3,4,5,6,7,8\n")
    with pytest.raises(UsageError, match="line 5 has 9 cells"):
        read_bars(tmp_path / "bars.csv")


@pytest.mark.parametrize(
    ("below", "said"),
    [
        ("Total,,,,,,3500\n", "Total"),
        (",Total,,,,,3500\n", "Total"),
        (',"Downloaded from a site on 11/29/2026 at 05:00 am, New York time"\n', "Downloaded from"),
        (",Date downloaded 03/01/2024 4:02 PM ET\n", "Date downloaded"),
        (",41 rows\n", "41 rows"),
        (",41\n", "41"),
        (",© 2024 X\n", "© 2024"),
    ],
)
def test_words_below_a_table_are_left_out_and_said(below: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW + below)
    bars, (reading,) = read_bars_with_readings(tmp_path / "bars.csv")
    assert bars.height == 1
    (note,) = reading.notes
    assert said in note
    # With a price it is a row at fault, and with a date it is an incomplete one.
    (tmp_path / "bars.csv").write_text(HEADER + ROW + "Total,Total,1,,,,3500\n")
    with pytest.raises(UsageError, match="row 2: date is not a date"):
        read_bars(tmp_path / "bars.csv")


def test_a_row_without_a_ticker_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW + ROW.replace("A", "", 1))
    assert [row[0] for row in of(tmp_path / "bars.csv")] == ["", "A"]
    call = ["sync", "--provider", "files", "--path", str(tmp_path / "bars.csv"), "--dry-run"]
    answer = json.loads(run(*call, "--json").stdout)
    assert (answer["bars"], answer["set_aside"]) == (1, {"no ticker": 1})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "MSFT Historical Data (1).csv",
            '"Date","Price","Open","High","Low","Vol.","Change %"\n'
            '"06/14/2024","1,178.01","1,185.80","1,186.00","1,176.92","82.04M","-2.44%"\n',
        ),
        (
            "msft_daily-historical-data-11-29-2026.csv",
            "Time,Open,High,Low,Last,Change,%Chg,Volume\n"
            "06/14/2024,1185.8,1186,1176.92,1178.01,-3.2,-0.3%,82040000\n"
            '"Downloaded from Barchart.com as of 11-29-2026 05:00am CST"\n',
        ),
        (
            "MSFT.csv",
            "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke;Volumen\n"
            "14.06.2024;1.185,80;1.186,00;1.176,92;1.178,01;82.040.000;9.000.000.000\n",
        ),
        (
            "msft.csv",
            "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n"
            "2024-06-14;1185,80;1186,00;1176,92;1178,01;82040000\n",
        ),
    ],
    ids=["Investing.com", "Barchart", "German", "German, ISO"],
)
def test_files_of_other_sources(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    (row,) = of(tmp_path / name)
    values = (1185.8, 1186, 1176.92, 1178.01, 82_040_000)
    assert row == ("MSFT", dt.date(2024, 6, 14), *values)


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "bars [1].csv").write_text(HEADER + ROW)
    assert len(of(tmp_path / "bars [1].csv")) == 1


def test_flat_files_by_a_pattern(flat: Path) -> None:
    assert {row[1] for row in of(flat / "2025" / "03" / "2025-03-1*.csv.gz")} == {MONDAY, TUESDAY}
    with pytest.raises(UsageError, match="no file matches"):
        read_bars(flat / "2024-*.csv.gz")
    (flat / "empty").mkdir()
    with pytest.raises(UsageError, match="no table in this folder"):
        read_bars(flat / "empty")


ONE_TICKER = (
    "Price,Adj Close,Close,High,Low,Open,Volume\n"
    "Ticker,MSFT,MSFT,MSFT,MSFT,MSFT,MSFT\n"
    "Date,,,,,,\n"
    "2024-05-01,390.1,394.94,401.72,390.31,392.61,23562500\n"
    "2024-05-02,393.0,397.84,399.93,394.65,397.66,17709400\n"
)
MSFT: Rows = [
    ("MSFT", dt.date(2024, 5, 1), 392.61, 401.72, 390.31, 394.94, 23562500),
    ("MSFT", dt.date(2024, 5, 2), 397.66, 399.93, 394.65, 397.84, 17709400),
]


def test_yfinance_with_three_lines_of_header(tmp_path: Path) -> None:
    (tmp_path / "download.csv").write_text(ONE_TICKER)
    assert of(tmp_path / "download.csv") == MSFT


def test_yfinance_without_adjusted_closes_or_with_a_zone(tmp_path: Path) -> None:
    text = ONE_TICKER.replace("Adj Close,", "").replace("MSFT,MSFT,", "MSFT,", 1)
    text = text.replace("Date,,,,,,", "Date,,,,,").replace(",390.1,", ",").replace(",393.0,", ",")
    (tmp_path / "download.csv").write_text(text)
    assert of(tmp_path / "download.csv") == MSFT
    text = text.replace("-01,", "-01 00:00:00-04:00,").replace("-02,", "-02 00:00:00-04:00,")
    (tmp_path / "download.csv").write_text(text)
    assert of(tmp_path / "download.csv") == MSFT


@pytest.mark.parametrize(
    ("name", "ticker"),
    [
        ("MSFT.csv", "MSFT"),
        ("msft.csv", "MSFT"),
        ("BRK-B.csv", "BRK.B"),
        ("BRK.B.csv", "BRK.B"),
        ("BAC-PL.csv", "BACpL"),
        ("BACpL.csv", "BACpL"),
        ("AAPL.US.csv", "AAPL"),
        ("aapl.us.txt", "AAPL"),
        ("brk-b.us.txt", "BRK.B"),
        ("MSFT.csv.gz", "MSFT"),
        ("F.TXT", "F"),
    ],
)
def test_a_file_without_tickers_is_of_its_name(name: str, ticker: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Date,Open,High,Low,Close,Volume\n2016-01-04,1,2,0.5,1.5,100\n")
    bars, (reading,) = read_bars_with_readings(tmp_path / name)
    assert rows_of(bars) == [(ticker, dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]
    assert reading.notes == [f"the ticker {ticker} is from the name of the file"]


@pytest.mark.parametrize("name", ["prices.csv", "bars.txt", "data.csv", "2024.csv"])
def test_names_that_are_no_tickers(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Date,Open,High,Low,Close,Volume\n2016-01-04,1,2,0.5,1.5,100\n")
    with pytest.raises(UsageError, match="missing column symbol"):
        read_bars(tmp_path / name)


def test_yfinance_of_one_ticker_in_a_file_named_after_it(tmp_path: Path) -> None:
    text = (
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        "2024-05-01 00:00:00-04:00,392.61,401.72,390.31,394.94,23562500,0.0,0.0\n"
        "2024-05-02 00:00:00-04:00,397.66,399.93,394.65,397.84,17709400,0.0,0.0\n"
    )
    (tmp_path / "MSFT.csv").write_text(text)
    assert of(tmp_path / "MSFT.csv") == MSFT
    (_, (silent,)) = read_bars_with_readings(tmp_path / "MSFT.csv")
    assert not any("not used" in note for note in silent.notes)
    (tmp_path / "MSFT.csv").write_text(text.replace("17709400,0.0,0.0", "17709400,0.5,4.0"))
    (_, (reading,)) = read_bars_with_readings(tmp_path / "MSFT.csv")
    notes = [note for note in reading.notes if "not used" in note]
    assert [note.partition(" ")[0] for note in notes] == ["dividends", "splits"]
    assert "--actions" in notes[0]
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(UsageError, match=r"missing column symbol.*named after it: MSFT\.csv"):
        read_bars(tmp_path / "data.csv")


def test_yfinance_of_many_tickers(tmp_path: Path) -> None:
    text = (
        "Ticker,BRK-B,BRK-B,BRK-B,BRK-B,BRK-B,NEW,NEW,NEW,NEW,NEW\n"
        "Price,Open,High,Low,Close,Volume,Open,High,Low,Close,Volume\n"
        "Date,,,,,,,,,,\n"
        "2024-05-01,1,2,0.5,1.5,100,,,,,\n"
        "2024-05-02,1,2,0.5,1.5,100,7,8,6,7.5,50\n"
    )
    (tmp_path / "many.csv").write_text(text)
    first, second = dt.date(2024, 5, 1), dt.date(2024, 5, 2)
    assert of(tmp_path / "many.csv") == [
        ("BRK.B", first, 1, 2, 0.5, 1.5, 100),
        ("BRK.B", second, 1, 2, 0.5, 1.5, 100),
        ("NEW", second, 7, 8, 6, 7.5, 50),
    ]


def test_yfinance_as_parquet_of_pandas(tmp_path: Path) -> None:
    import pandas as pd

    names = ["Open", "High", "Low", "Close", "Volume"]
    columns = pd.MultiIndex.from_product([names, ["MSFT", "BAC-PL"]], names=["Price", "Ticker"])
    index = pd.DatetimeIndex(["2024-05-01", "2024-05-02"], name="Date")
    frame = pd.DataFrame([list(range(1, 11)), list(range(11, 21))], index, columns, dtype=float)
    frame.to_parquet(tmp_path / "many.parquet")
    first, second = dt.date(2024, 5, 1), dt.date(2024, 5, 2)
    assert of(tmp_path / "many.parquet") == [
        ("BACpL", first, 2, 4, 6, 8, 10),
        ("BACpL", second, 12, 14, 16, 18, 20),
        ("MSFT", first, 1, 3, 5, 7, 9),
        ("MSFT", second, 11, 13, 15, 17, 19),
    ]


PAIRS = {"Open": 1.0, "High": 2.0, "Low": 0.5, "Close": 1.5, "Volume": 100.0, "Adj Close": 0.7}


@pytest.mark.parametrize("field_first", [True, False])
@pytest.mark.parametrize(
    ("index", "index_first"),
    [
        ("Date", True),
        ("Date", False),
        ("('Date', '')", True),
        ("__index_level_0__", False),
    ],
)
def test_yfinance_as_parquet(
    index: str, field_first: bool, index_first: bool, tmp_path: Path
) -> None:
    """Names as pandas writes them, without pandas; `('Date', '')` is what `reset_index` makes."""
    days = {index: [dt.datetime(2024, 5, 1)]}
    pairs = [(name, ticker) for ticker in ("MSFT", "BRK-B") for name in PAIRS]
    cells = {
        repr((name, ticker) if field_first else (ticker, name)): [PAIRS[name] * len(ticker)]
        for name, ticker in pairs
    }
    table = pl.DataFrame(days | cells if index_first else cells | days)
    table.write_parquet(tmp_path / "many.parquet")
    assert of(tmp_path / "many.parquet") == [
        ("BRK.B", dt.date(2024, 5, 1), 5, 10, 2.5, 7.5, 500),
        ("MSFT", dt.date(2024, 5, 1), 4, 8, 2, 6, 400),
    ]


def test_errors_of_many_tickers_name_the_row_of_the_file(tmp_path: Path) -> None:
    text = (
        "Price,Open,High,Low,Close,Volume,Open,High,Low,Close,Volume\n"
        "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL,NEW,NEW,NEW,NEW,NEW\n"
        "Date,,,,,,,,,,\n"
        "2024-05-01,1,2,0.5,1.5,100,,,,,\n"
        "2024-05-02,1,2,0.5,1.5,100,7,8,six,7.5,50\n"
    )
    (tmp_path / "many.csv").write_text(text)
    with pytest.raises(UsageError, match=r"row 2: low is not a number: 'six' in symbol=NEW, date="):
        read_bars(tmp_path / "many.csv")
    (tmp_path / "many.csv").write_text(text.replace("six", "6").replace("05-02", "05-32"))
    with pytest.raises(UsageError, match=r"row 2: date is not a date .*: '2024-05-32'"):
        read_bars(tmp_path / "many.csv")
    (tmp_path / "many.csv").write_text(text.replace("Volume,Open", "Note,Open"))
    with pytest.raises(UsageError, match="missing column volume of AAPL"):
        read_bars(tmp_path / "many.csv")


STOOQ = (
    "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
    "{},{},20240501,000000,1,2,0.5,1.5,100.25,0\n"
)


def test_stooq(tmp_path: Path) -> None:
    for ticker in ("AAPL", "BRK-B", "BAC_L"):
        (tmp_path / f"{ticker.lower()}.us.txt").write_text(STOOQ.format(f"{ticker}.US", "D"))
    day = dt.date(2024, 5, 1)
    assert of(tmp_path) == [
        (name, day, 1, 2, 0.5, 1.5, 100.25) for name in ("AAPL", "BACpL", "BRK.B")
    ]
    (tmp_path / "aapl.us.txt").write_text(STOOQ.format("AAPL.US", "5"))
    with pytest.raises(UsageError, match=r"aapl\.us\.txt: the period is 5: daily bars are needed"):
        read_bars(tmp_path)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("AAPL.US", "AAPL"),
        ("BRK-B.US", "BRK.B"),
        ("BAC_L.US", "BACpL"),
        ("ACAH-WS.US", "ACAH.WS"),
        ("ACAH-U.US", "ACAH.U"),
        ("TRUE.US", "TRUE"),
        ("aapl.us", "AAPL"),
    ],
)
def test_tickers_of_stooq(theirs: str, ours: str, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(STOOQ.format(theirs, "D").replace("\n", "\r\n"))
    bars, (reading,) = read_bars_with_readings(tmp_path / "one.txt")
    assert bars["symbol"].to_list() == [ours]
    assert reading.layout == "Stooq"
    assert reading.notes == [f"tickers read: {theirs} as {ours}"]


def test_lists_of_traded_symbols(tmp_path: Path) -> None:
    head = (
        "Nasdaq Traded|Symbol|Security Name|Listing Exchange|Market Category|ETF|Round Lot Size|"
        "Test Issue|Financial Status|CQS Symbol|NASDAQ Symbol|NextShares\n"
    )
    end = "File Creation Time: 0502202421:32|||||||||||\n"
    lines = [
        "Y|A|Agilent Technologies, Inc. Common Stock|N| |N|100|N||A|A|N",
        "Y|BAC$L|Bank of America Preferred Stock|N| |N|100|N||BACpL|BAC-L|N",
        "Y|BRK.B|Berkshire Hathaway Inc. New Common Stock|N| |N|100|N||BRK.B|BRK.B|N",
        "Y|QQQ|Invesco QQQ Trust, Series 1|Q|G|Y|100|N|N||QQQ|N",
        "Y|ZVZZT|NASDAQ TEST STOCK|Q|G|N|100|Y|N||ZVZZT|N",
    ]
    (tmp_path / "nasdaqtraded.txt").write_text(head + "\n".join(lines) + "\n" + end)
    found = {
        one.symbol: (one.type, one.exchange) for one in read_symbols(tmp_path / "nasdaqtraded.txt")
    }
    assert found == {
        "A": ("CS", "NYSE"),
        "BACpL": ("PFD", "NYSE"),
        "BRK.B": ("CS", "NYSE"),
        "QQQ": ("ETF", "NASDAQ"),
    }
    other = (
        "ACT Symbol|Security Name|Exchange|CQS Symbol|ETF|Round Lot Size|Test Issue|NASDAQ Symbol\n"
        "SPY|SPDR S&P 500|P|SPY|Y|100|N|SPY\n"
        "ABR$D|Arbor Realty Trust Preferred Stock|N|ABRpD|N|100|N|ABR-D\n"
        "File Creation Time: 0502202421:32||||||\n"
    )
    (tmp_path / "otherlisted.txt").write_text(other)
    found = {
        one.symbol: (one.type, one.exchange) for one in read_symbols(tmp_path / "otherlisted.txt")
    }
    assert found == {"SPY": ("ETF", "ARCA"), "ABRpD": ("PFD", "NYSE")}


def test_the_list_of_nasdaq(tmp_path: Path) -> None:
    (tmp_path / "nasdaqlisted.txt").write_text(
        "Symbol|Security Name|Market Category|Test Issue|Financial Status|Round Lot Size|ETF|"
        "NextShares\n"
        "AAPL|Apple Inc. - Common Stock|Q|N|N|100|N|N\n"
        "ACAHW|Atlantic Coastal Acquisition Corp. - Warrant|G|N|N|100|N|N\n"
        "NVO|Novo Nordisk A/S American Depositary Shares|Q|N|N|100|N|N\n"
        "QQQ|Invesco QQQ Trust, Series 1|G|N|N|100|Y|N\n"
        "ZAZZT|Tick Pilot Test Stock Class A Common Stock|G|Y|N|100|N|N\n"
        "File Creation Time: 0502202421:32|||||||\n"
    )
    found = {
        one.symbol: (one.type, one.exchange) for one in read_symbols(tmp_path / "nasdaqlisted.txt")
    }
    assert found == {
        "AAPL": ("CS", "NASDAQ"),
        "ACAHW": ("WARRANT", "NASDAQ"),
        "NVO": ("ADRC", "NASDAQ"),
        "QQQ": ("ETF", "NASDAQ"),
    }


def test_history_of_nasdaqs_page(tmp_path: Path) -> None:
    (tmp_path / "MSFT.csv").write_text(
        "Date,Close/Last,Volume,Open,High,Low\n"
        "05/14/2024,$416.56,15109310,$412.02,$417.49,$411.55\n"
        "05/13/2024,$413.72,15440220,$418.01,$418.35,$410.82\n"
    )
    assert of(tmp_path / "MSFT.csv") == [
        ("MSFT", dt.date(2024, 5, 13), 418.01, 418.35, 410.82, 413.72, 15440220),
        ("MSFT", dt.date(2024, 5, 14), 412.02, 417.49, 411.55, 416.56, 15109310),
    ]


# -- text


@pytest.mark.parametrize(
    "marker", ["", "null", "NULL", "None", "NA", "N/A", "n/a", "-", "--", "nan", "NaN", "#N/A"]
)
def test_missing_prices_are_missing(marker: str, tmp_path: Path) -> None:
    text = HEADER + ROW + f"A,2016-01-05,{marker},{marker},{marker},{marker},{marker}\n"
    text += f"A,2016-01-06,1,2,0.5,1.5,{marker}\n"
    (tmp_path / "bars.csv").write_text(text)
    found = of(tmp_path / "bars.csv")
    assert [row[1].day for row in found] == [4, 5, 6]
    assert all(math.isnan(value) for value in found[1][2:])
    assert found[2][2:6] == (1, 2, 0.5, 1.5)
    assert math.isnan(found[2][6])


def test_what_stands_for_nothing_is_a_ticker_among_tickers(tmp_path: Path) -> None:
    names = ["NA", "NULL", "NONE", "NAN", "N"]
    text = HEADER + "".join(ROW.replace("A,", f"{name},", 1) for name in names)
    (tmp_path / "bars.csv").write_text(text)
    assert [row[0] for row in of(tmp_path / "bars.csv")] == sorted(names)


def test_a_word_that_is_not_known_is_no_price(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW + "A,2016-01-05,1,2,0.5,undefined,100\n")
    with pytest.raises(UsageError, match="row 2: close is not a number: 'undefined'"):
        read_bars(tmp_path / "bars.csv")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_delimiters_quotes_and_padding(delimiter: str, quote: str, tmp_path: Path) -> None:
    cells = [line.split(",") for line in (HEADER + ROW).splitlines()]
    lines = [delimiter.join(f"{quote}{cell}{quote}  " for cell in line) for line in cells]
    (tmp_path / "bars.csv").write_text("\r\n".join(lines) + "\r\n")
    assert of(tmp_path / "bars.csv") == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]


def test_a_decimal_comma_where_it_can_be_nothing_else(tmp_path: Path) -> None:
    head = "symbol;date;open;high;low;close;volume\n"
    text = head + "A;04.01.2016;1.234,5;1.300,25;1.200,75;1.250;10.000\n"
    (tmp_path / "bars.csv").write_text(text)
    bars, (reading,) = read_bars_with_readings(tmp_path / "bars.csv")
    assert rows_of(bars) == [("A", dt.date(2016, 1, 4), 1234.5, 1300.25, 1200.75, 1250, 10000)]
    assert reading.decimal == ","
    # 1,234 may be a thousand or one and a bit: it is neither.
    doubtful = head + "A;2016-01-04;1,234;1,300;1,200;1,250;10\n"
    (tmp_path / "doubtful.csv").write_text(doubtful)
    with pytest.raises(UsageError, match=r"row 1: open is not a number \(its comma .*'1,234'"):
        read_bars(tmp_path / "doubtful.csv")


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ("1,5;2,5;0,5;1,25;100", (1.5, 2.5, 0.5, 1.25, 100)),
        ("1,50;2,50;0,50;1,50;1.000.000", (1.5, 2.5, 0.5, 1.5, 1_000_000)),
        ("1234,500;1300,000;1200,250;1234,500;10", (1234.5, 1300, 1200.25, 1234.5, 10)),
        ("12345,5;12346,5;12344,5;12345,5;1", (12345.5, 12346.5, 12344.5, 12345.5, 1)),
        ("0,123;0,200;0,100;0,150;7", (0.123, 0.2, 0.1, 0.15, 7)),
        ("-1,5;2,5;0,5;1,5;100", (-1.5, 2.5, 0.5, 1.5, 100)),
        ("1.5;2.5;0.5;1.250;1000", (1.5, 2.5, 0.5, 1.25, 1000)),
        ("1,50;2,50;0,50;1,50;82,04M", (1.5, 2.5, 0.5, 1.5, 82_040_000)),
        # Commas part thousands where the dot is the decimal point, and always in volumes.
        ("1.5;2.5;0.5;1.5;1,000", (1.5, 2.5, 0.5, 1.5, 1000)),
        ("1.5;2.5;0.5;1.5;1,000,000", (1.5, 2.5, 0.5, 1.5, 1_000_000)),
        ("1,234.5;1,300.25;1,200;$1,250.00;10", (1234.5, 1300.25, 1200, 1250, 10)),
        ("12;13;11;12;1,000", (12, 13, 11, 12, 1000)),
        ("1.5;2.5;0.5;1.5;82.04M", (1.5, 2.5, 0.5, 1.5, 82_040_000)),
        ("1.5;2.5;0.5;1.5;900 k", (1.5, 2.5, 0.5, 1.5, 900_000)),
    ],
)
def test_decimal_commas(
    cells: str, values: tuple[float, float, float, float, float], tmp_path: Path
) -> None:
    (tmp_path / "bars.csv").write_text(HEADER.replace(",", ";") + f"A;2016-01-04;{cells}\n")
    assert of(tmp_path / "bars.csv") == [("A", dt.date(2016, 1, 4), *values)]


def test_dots_that_separate_thousands(tmp_path: Path) -> None:
    """Prices of 5,026 dollars were read as 5.026 if no volume reached a million."""
    rows = (
        "A;2016-01-04;4.998;5.037;4.987;5.026;351.549\nA;2016-01-05;5.026;5.040;5.000;5.001;900\n"
    )
    (tmp_path / "bars.csv").write_text(HEADER.replace(",", ";") + rows)
    assert of(tmp_path / "bars.csv") == [
        ("A", dt.date(2016, 1, 4), 4998, 5037, 4987, 5026, 351_549),
        ("A", dt.date(2016, 1, 5), 5026, 5040, 5000, 5001, 900),
    ]
    # Three decimals of prices beside whole volumes are decimals.
    plain = rows.replace("351.549", "351549")
    (tmp_path / "bars.csv").write_text(HEADER.replace(",", ";") + plain)
    assert of(tmp_path / "bars.csv")[0][2:] == (4.998, 5.037, 4.987, 5.026, 351_549)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("12,345;12,500;12,000;12,100;100", r"open is not a number \(its comma .*'12,345'"),
        ("1,5;2.5;0,5;1,5;100", "open is not a number: '1,5'"),
        ("1.5;2.5;0.5;1.5;1,00", "volume is not a number: '1,00'"),
        ("1.5M;2.5;0.5;1.5;10", "open is not a number: '1.5M'"),
        ("1.5;2.5;0.5;1.5;1,0000", "volume is not a number: '1,0000'"),
        ("1.5;2.5;0.5;1.5;1.5MM", "volume is not a number: '1.5MM'"),
    ],
)
def test_commas_that_may_be_anything(cells: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER.replace(",", ";") + f"A;2016-01-04;{cells}\n")
    with pytest.raises(UsageError, match=f"row 1: {says}"):
        read_bars(tmp_path / "bars.csv")


@pytest.mark.parametrize(
    "text",
    [
        (HEADER + ROW).replace("\n", "\r"),
        (HEADER + ROW).replace("\n", "\r\n"),
        (HEADER + ROW).rstrip(),
        "\n\n" + HEADER + "\n" + ROW + "\n",
        "sep=,\n" + HEADER + ROW,
        "sep=;\r\n" + (HEADER + ROW).replace(",", ";"),
        "sep=\t\n" + (HEADER + ROW).replace(",", "\t"),
        HEADER + " A ,\t2016-01-04, 1 ,2,0.5,1.5,\u00a0100 \n",
        HEADER.replace("date", "name,date")
        + 'A,"One, ""Two""; Three|Four",2016-01-04,1,2,0.5,1.5,100\n',
        HEADER.strip() + ",,\n" + ROW.strip() + ",,\n",
        HEADER + ROW + "Source: someone\n",
    ],
)
def test_texts_of_many_programs(text: str, tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_bytes(text.encode())
    assert of(tmp_path / "bars.csv") == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]


def test_a_line_that_is_too_long_is_named(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW + ROW.replace("100", "1,000"))
    with pytest.raises(UsageError, match=r"line 3 has 8 cells, but the first has 7: A,2016"):
        read_bars(tmp_path / "bars.csv")


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("utf-8", "text with commas"),
        ("utf-8-sig", "text with commas"),
        ("utf-16", "text with commas, UTF-16"),
        ("utf-16-le", "text with commas, UTF-16"),
        ("utf-16-be", "text with commas, UTF-16"),
        ("cp1252", "text with commas, Windows-1252"),
    ],
)
def test_encodings(encoding: str, kind: str, tmp_path: Path) -> None:
    text = HEADER.replace("volume", "volume,note") + ROW.strip() + ",Nestlé\n"
    (tmp_path / "bars.csv").write_bytes(text.encode(encoding))
    bars, (reading,) = read_bars_with_readings(tmp_path / "bars.csv")
    assert rows_of(bars) == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]
    assert reading.kind == kind
    assert reading.ignored == ["note"]


def test_adjusted_closes_are_never_prices(tmp_path: Path) -> None:
    lines = ["Date,Open,High,Low,Close,Adj Close,Volume"]
    lines += [f"2024-06-{day:02},1200,1210,1190,1200,120,1000" for day in (5, 6, 7)]
    lines += [f"2024-06-{day:02},120,121,119,120,120,10000" for day in (10, 11)]
    (tmp_path / "NVDA.csv").write_text("\n".join(lines))
    bars, (reading,) = read_bars_with_readings(tmp_path / "NVDA.csv")
    assert bars["close"].to_list() == [1200, 1200, 1200, 120, 120]
    (split,) = reading.implied
    assert (split.symbol, split.ex_date) == ("NVDA", dt.date(2024, 6, 10))
    assert split.old / split.new == pytest.approx(0.1)


def test_implied_splits_are_of_each_symbol_and_of_jumps_alone(tmp_path: Path) -> None:
    lines = ["Date,Ticker,Open,High,Low,Close,Adj Close,Volume"]
    for symbol, before, after, adjusted in (
        ("FWD", 100, 50, 50),  # 2-for-1
        ("REV", 1, 20, 20),  # 1-for-20
        ("PAYS", 100, 99, 98),  # a dividend of two dollars
        ("SLIP", 100, 100, 10),  # the adjusted close is at fault: the close does not jump
        ("NONE", 100, 50, 100),  # the price halves, and nothing is adjusted
    ):
        lines += [f"2024-06-0{day},{symbol},1,1,1,{before},{adjusted},1000" for day in (3, 4)]
        last = {"SLIP": 100, "NONE": 50}.get(symbol, after)
        lines.append(f"2024-06-05,{symbol},1,1,1,{after},{last},1000")
    (tmp_path / "long.csv").write_text("\n".join(lines))
    bars, (reading,) = read_bars_with_readings(tmp_path / "long.csv")
    assert bars.filter(symbol="FWD")["close"].to_list() == [100, 100, 50]
    found = {(one.symbol, one.ex_date): one.old / one.new for one in reading.implied}
    assert found == {
        ("FWD", dt.date(2024, 6, 5)): pytest.approx(0.5),
        ("REV", dt.date(2024, 6, 5)): pytest.approx(20),
    }
    assert reading.to_dict()["implied"] == [
        "FWD 2024-06-05 factor 0.5",
        "REV 2024-06-05 factor 20",
    ]


def test_an_adjusted_close_alone_is_no_close(tmp_path: Path) -> None:
    text = "Date,Open,High,Low,Adj Close,Volume\n2024-06-05,1,2,0.5,1.5,100\n"
    (tmp_path / "NVDA.csv").write_text(text)
    with pytest.raises(UsageError, match=r"missing column symbol, close; the file has .*adj_close"):
        read_bars(tmp_path / "NVDA.csv")


@pytest.mark.parametrize(
    "row",
    [
        "A,2024-05-13 09:{}:00,1,2,0.5,1.5,100",
        "A,2024-05-13T09:{}:00-04:00,1,2,0.5,1.5,100",
        "A,05/13/2024 09:{},1,2,0.5,1.5,100",
        "A,05/13/2024 9:{} AM,1,2,0.5,1.5,100",
        "A,13.05.2024 09:{},1,2,0.5,1.5,100",
        "A,2024/05/13 09:{},1,2,0.5,1.5,100",
        "A,2024051309{}00,1,2,0.5,1.5,100",
        "A,17156066{}0,1,2,0.5,1.5,100",
    ],
)
def test_minutes_in_any_form_of_time(row: str, tmp_path: Path) -> None:
    lines = [row.format(minute) for minute in range(30, 50)]
    (tmp_path / "bars.csv").write_text(HEADER + "\n".join(lines))
    with pytest.raises(UsageError, match=r"20 rows for 1 days of its symbols.*daily bars"):
        read_bars(tmp_path / "bars.csv")


def test_minutes_in_a_column_of_their_own(tmp_path: Path) -> None:
    head = HEADER.replace("date", "date,time")
    lines = [f"A,2024-05-13,09:{minute},1,2,0.5,1.5,100" for minute in range(30, 50)]
    (tmp_path / "bars.csv").write_text(head + "\n".join(lines))
    with pytest.raises(UsageError, match=r"20 rows for 1 days.*daily bars are needed"):
        read_bars(tmp_path / "bars.csv")
    daily = [f"A,2024-05-{day},16:00,1,2,0.5,1.5,100" for day in (13, 14)]
    (tmp_path / "bars.csv").write_text(head + "\n".join(daily))
    assert len(of(tmp_path / "bars.csv")) == 2


def test_bars_of_minutes_are_refused(tmp_path: Path) -> None:
    lines = [f"A,2016-01-04 09:{minute}:00,1,2,0.5,1.5,100" for minute in range(30, 60)]
    (tmp_path / "bars.csv").write_text(HEADER + "\n".join(lines))
    with pytest.raises(UsageError, match=r"30 rows for 1 days.*daily bars are needed"):
        read_bars(tmp_path / "bars.csv")


def test_an_error_names_file_row_column_and_text(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW + ROW.replace("1.5", "1.5x") + ROW)
    with pytest.raises(UsageError) as caught:
        read_bars(tmp_path / "bars.csv")
    assert f"{tmp_path}/bars.csv: row 2: close is not a number: '1.5x'" in str(caught.value)


# -- what is no table, or too much of one

OTHERS = {
    "book.xlsx": (b"PK\x03\x04\x14\x00", "Excel workbook"),
    "book.csv": (b"PK\x03\x04\x14\x00", "Excel workbook"),
    "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
    "page.csv": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "bars.json": (b'{"results": []}', "JSON"),
    "paper.pdf": (b"%PDF-1.7 ...", "a PDF"),
    "bars.csv.xz": (b"\xfd7zXZ\x00\x00", "packed with xz"),
    "bars.csv.zst": (b"(\xb5/\xfd\x04\x58", "packed with zstd"),
    "bars.db": (b"SQLite format 3\x00" + b"\0" * 80, "SQLite database"),
    "marked.csv": (b"\xef\xbb\xbf<!DOCTYPE html><html>", "web page"),
    "rows.xls": (b"<table><tr><td>1</td></tr></table>", "web page"),
    "wide.json": ('{"results": []}'.encode("utf-16"), "JSON"),
    "lines.csv": (b'{"a": 1}\n{"a": 2}\n', "JSON"),
    "list.csv": (b"[1, 2]", "JSON"),
    "bars.csv.bz2": (b"BZh91AY&SY", "packed with bzip2"),
    "old.feather": (b"FEA1....", "Feather file of version 1"),
    "book.csv.gz": (gzip.compress(b"PK\x03\x04\x14\x00"), "Excel workbook"),
    "twice.csv.gz": (gzip.compress(gzip.compress(b"symbol,date\n")), "damaged or not text"),
    "wide.csv": ("symbol,date\n".encode("utf-32"), "damaged or not text"),
    "bars.h5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "damaged or not text"),
    "bars.tar": (b"bars.csv" + b"\0" * 92 + b"0000644\0" + b"\0" * 400, "damaged or not text"),
    "image.png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20, "damaged or not text"),
    "stream.arrow": (b"\xff\xff\xff\xff" + b"\0" * 60, "its name says arrow"),
    "odd.csv": ("symbol\n".encode("utf-16") + b"\n", "not text"),
    "marks.csv": (b"\xff\xfe", "it is empty"),
    "nothing.csv.gz": (gzip.compress(b""), "it is empty"),
    "prose.csv": (b"Too many requests, try again later\n", "missing column symbol"),
    "open.csv": (b'a,b\n"x,1\n', "quotes are not paired; the first line .* is line 2"),
    "noise.csv": (bytes(range(32)) * 40, "damaged or not text"),
    "bars.parquet": (b"symbol,date", "its name says parquet"),
    "short.parquet": (b"PAR1 cut off", "cannot be read"),
    "cut.csv.gz": (gzip.compress(b"symbol" * 1000)[:-20], "cannot be read"),
    "empty.csv": (b"", "it is empty"),
    "blank.csv": (b" \r\n\r\n", "it is empty"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_table_is_said(name: str, tmp_path: Path) -> None:
    content, says = OTHERS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=says) as caught:
        read_bars(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "bars"
    os.mkfifo(pipe)
    content = gzip.compress((HEADER + ROW).encode())
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        assert of(pipe) == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]
    finally:
        writer.join()


def test_a_pipe_with_parquet_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    pl.DataFrame({"symbol": ["A"]}).write_parquet(tmp_path / "bars.parquet")
    pipe = tmp_path / "bars"
    os.mkfifo(pipe)
    content = (tmp_path / "bars.parquet").read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        with pytest.raises(UsageError, match="a pipe holds text only"):
            read_bars(pipe)
    finally:
        writer.join()


def test_what_is_neither_file_nor_pipe_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "door"))
        with pytest.raises(UsageError, match="neither a file nor a pipe"):
            read_bars(tmp_path / "door")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no such file"):
        read_bars(tmp_path / "gone.csv")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    line = b"A,2016-01-04,1,2,0.5,1.5,100\n" * 40_000
    parts = [packer.compress(HEADER.encode()), *(packer.compress(line) for _ in range(400))]
    (tmp_path / "bars.csv.gz").write_bytes(b"".join([*parts, packer.flush()]))
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match="unpacks to more than 50 times its size"):
            read_bars(tmp_path / "bars.csv.gz")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # 465 MB unpacked; 128 MB are read whatever the size, and a growing buffer is copied.
    assert most < 330 * 2**20


def test_a_bomb_below_the_limit_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress((HEADER + ROW * 80_000).encode()))
    with pytest.raises(UsageError, match=r"more than 1 MB unpacked.*MARKETSWEEP_MAX_FILE_MB"):
        read_bars(tmp_path / "bars.csv.gz", most_mb=1)
    assert read_bars(tmp_path / "bars.csv.gz", most_mb=3).height == 80_000


def constant_rows(rows: int) -> pl.DataFrame:
    names = ("open", "high", "low", "close", "volume")
    return pl.select(
        pl.repeat("A", rows).alias("symbol"),
        pl.repeat(MONDAY, rows).alias("date"),
        *(pl.repeat(1.0, rows).alias(name) for name in names),
    )


def test_a_bomb_of_parquet_is_not_unpacked(tmp_path: Path) -> None:
    constant_rows(3_000_000).write_parquet(tmp_path / "bars.parquet")
    assert (tmp_path / "bars.parquet").stat().st_size < 300_000
    with pytest.raises(UsageError, match="3,000,000 rows, more than 1,024 MB unpacked"):
        read_bars(tmp_path / "bars.parquet")


def test_parquet_beyond_the_limit_names_the_setting(tmp_path: Path) -> None:
    constant_rows(40_000).write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(UsageError, match=r"40,000 rows, more than 1 MB.*max_file_mb in \[sync\]"):
        read_bars(tmp_path / "bars.parquet", most_mb=1)


def test_many_files_together_have_a_limit(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(HEADER + ROW * 30_000)
    with pytest.raises(UsageError, match=r"more than 2 MB unpacked: give fewer files at a time"):
        read_bars(tmp_path, most_mb=2)
    assert read_bars(tmp_path / "0.csv", most_mb=2).height == 30_000


def test_files_beyond_the_limit_name_the_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW * 80_000)
    with pytest.raises(UsageError, match=r"more than 1 MB unpacked.*max_file_mb in \[sync\]"):
        read_bars(tmp_path / "bars.csv", most_mb=1)
    assert read_bars(tmp_path / "bars.csv", most_mb=3).height == 80_000


# -- from the file to the store


def weekdays(first: dt.date, last: dt.date, *closed: dt.date) -> list[dt.date]:
    days = (first + dt.timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in closed]


SPRING = weekdays(dt.date(2024, 5, 1), dt.date(2024, 6, 14), dt.date(2024, 5, 27))
"""32 sessions; the exchange was closed on Memorial Day."""


def closes_of(days: list[dt.date]) -> dict[dt.date, float]:
    return {day: 50.0 + place for place, day in enumerate(days)}


def synced(path: Path | str, data: Path) -> dict[str, Any]:
    done = run("sync", "--provider", "files", "--path", path, "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    receipt: dict[str, Any] = json.loads(done.stdout)
    return receipt


def stored(data: Path, symbol: str) -> dict[dt.date, float]:
    with ms.open(data) as market:
        bars = market.history(symbol)
    return dict(zip(bars["date"].to_list(), bars["close"].to_list(), strict=True))


def test_two_weeks_of_flat_files_are_stored(tmp_path: Path) -> None:
    days = weekdays(dt.date(2025, 3, 3), dt.date(2025, 3, 14))  # the clocks changed on the 9th
    folder = tmp_path / "day_aggs_v1"
    for day in days:
        flat_file(folder / f"{day}.csv.gz", day, ["AAPL", "BRK.B", "BACpL"])
    one = folder / "2025-03-10.csv.gz"
    for name, path, expected in (
        ("one", one, [dt.date(2025, 3, 10)]),
        ("folder", folder, days),
        ("pattern", folder / "*.csv.gz", days),
    ):
        receipt = synced(path, tmp_path / name)
        assert receipt["new"] == 3 * len(expected)
        assert receipt["set_aside"] == {}
        for symbol in ("AAPL", "BRK.B", "BACpL"):
            assert stored(tmp_path / name, symbol) == dict.fromkeys(expected, 10.75)


@pytest.mark.parametrize("word", ["null", "None", "NA", "-", "NaN", ""])
def test_a_row_without_prices_is_set_aside_alone(word: str, tmp_path: Path) -> None:
    closes = closes_of(SPRING)
    lines = ["symbol,Date,Open,High,Low,Close,Adj Close,Volume"]
    for place, (day, close) in enumerate(closes.items()):
        cells = [word] * 6 if place == 10 else [close, close + 1, close - 1, close, close / 2, 900]
        lines.append(",".join(map(str, ["SRCX", day, *cells])))
    (tmp_path / "yahoo.csv").write_text("\n".join(lines))
    receipt = synced(tmp_path / "yahoo.csv", tmp_path / "data")
    assert receipt["new"] == 31
    assert receipt["set_aside"] == {"incomplete": 1}
    del closes[SPRING[10]]
    assert stored(tmp_path / "data", "SRCX") == closes


def yfinance_files(folder: Path, closes: dict[dt.date, float]) -> list[Path]:
    multi = ["Price,Close,High,Low,Open,Volume", "Ticker" + ",MSFT" * 5, "Date,,,,,"]
    alone = ["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"]
    long = ["Date,Ticker,Open,High,Low,Close,Adj Close,Volume"]
    for day, close in closes.items():
        multi.append(f"{day},{close},{close + 1},{close - 1},{close},900")
        alone.append(f"{day} 00:00:00-04:00,{close},{close + 1},{close - 1},{close},900,0.0,0.0")
        long.append(f"{day},MSFT,{close},{close + 1},{close - 1},{close},{close / 2},900")
    files = {"multi.csv": multi, "MSFT.csv": alone, "long.csv": long}
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return [folder / name for name in files]


def test_three_shapes_of_yfinance_are_stored(tmp_path: Path) -> None:
    closes = closes_of(SPRING)
    for path in yfinance_files(tmp_path, closes):
        receipt = synced(path, tmp_path / path.stem)
        assert receipt["new"] == 32
        assert stored(tmp_path / path.stem, "MSFT") == closes


@pytest.mark.parametrize("name", ["aapl.us.txt", "aapl.us.csv", "renamed.csv"])
def test_a_file_of_stooq_is_stored(name: str, tmp_path: Path) -> None:
    closes = closes_of(SPRING)
    head = STOOQ.splitlines()[0]
    end = "\r\n"
    if name == "renamed.csv":
        head, end = re.sub("[<>]", "", head).replace("VOL,", "VOLUME,"), "\n"
    lines = [
        f"AAPL.US,D,{day:%Y%m%d},000000,{close},{close + 1},{close - 1},{close},900.5,0"
        for day, close in closes.items()
    ]
    (tmp_path / name).write_bytes(end.join([head, *lines, ""]).encode())
    assert synced(tmp_path / name, tmp_path / "data")["new"] == 32
    assert stored(tmp_path / "data", "AAPL") == closes


@pytest.mark.parametrize(
    "zone",
    [
        *("America/New_York", "UTC", "America/Chicago", "America/Los_Angeles", "Asia/Kolkata"),
        "Europe/Berlin",
    ],
)
@pytest.mark.parametrize("hour", [0, 20])
def test_times_with_a_zone_are_stored_under_their_session(
    zone: str, hour: int, tmp_path: Path
) -> None:
    days = weekdays(dt.date(2025, 2, 24), dt.date(2025, 3, 21))
    closes = closes_of(days)
    times = [dt.datetime.combine(day, dt.time(hour), NEW_YORK) for day in days]
    prices = {name: list(closes.values()) for name in ("open", "high", "low", "close")}
    table = pl.DataFrame({"symbol": ["AAPL"] * 20, "date": times, **prices, "volume": [9] * 20})
    shown = table.with_columns(pl.col("date").dt.convert_time_zone(zone))
    shown.write_parquet(tmp_path / "bars.parquet")
    text = pl.col("date").dt.to_string("%Y-%m-%d %H:%M:%S%:z")
    shown.with_columns(text).write_csv(tmp_path / "bars.csv")
    for name in ("bars.parquet", "bars.csv"):
        receipt = synced(tmp_path / name, tmp_path / f"{name}.data")
        assert receipt["set_aside"] == {}
        assert stored(tmp_path / f"{name}.data", "AAPL") == closes


def test_a_pipe_is_synced(tmp_path: Path) -> None:
    pipe = tmp_path / "bars"
    os.mkfifo(pipe)
    content = (HEADER + ROW).encode()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        assert synced(pipe, tmp_path / "data")["new"] == 1
    finally:
        writer.join()


def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW * 80_000)
    call: list[str | Path] = ["sync", "--provider", "files", "--path", tmp_path / "bars.csv"]
    call += ["--data", tmp_path / "data", "--dry-run"]
    refused(2, *call, says="more than 1 MB unpacked", MARKETSWEEP_MAX_FILE_MB="1")
    assert run(*call, MARKETSWEEP_MAX_FILE_MB="3").returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        *("daily_AAPL.csv", "daily_adjusted_AAPL.csv", "NASDAQ_AAPL, 1D.csv", "AAPL (1).csv"),
        *("BATS_AAPL, 1D_a12f0.csv", "HistoricalData_AAPL.csv", "AAPL - Copy.csv", "AAPL_data.csv"),
        *("aapl_us_d.csv", "AAPL_2016.csv", "AAPL_2016-2024.csv", "aapl (1).csv"),
    ],
)
def test_names_of_files_that_begin_or_end_with_a_ticker(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Date,Open,High,Low,Close*,Volume\n2016-01-04,1,2,0.5,1.5,100\n")
    assert [row[0] for row in of(tmp_path / name)] == ["AAPL"]


@pytest.mark.parametrize(
    "head",
    [
        "<TICKER>,<PER>,<DTYYYYMMDD>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "code,ex,date,hour,open,high,low,close,volume",
        "Name,x,ts_event,y,open,high,low,Latest,volume",
    ],
)
def test_more_names_of_columns(head: str, tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text(f"{head}\nAAPL,D,20160104,000000,1,2,0.5,1.5,100\n")
    assert of(tmp_path / "all.csv") == [("AAPL", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]


def test_names_of_companies_are_no_tickers(tmp_path: Path) -> None:
    text = "Name,date,open,high,low,close,volume\nApple Inc,20160104,1,2,0.5,1.5,100\n"
    (tmp_path / "all.csv").write_text(text)
    with pytest.raises(UsageError, match="missing column symbol"):
        read_bars(tmp_path / "all.csv")


def test_a_file_without_a_header_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "AAPL.txt").write_text("AAPL,20160104,1,2,0.5,1.5,100\n")
    with pytest.raises(UsageError, match="Its first line has no names"):
        read_bars(tmp_path / "AAPL.txt")


def test_an_empty_file_beside_tables_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "2016.csv").write_text(HEADER + ROW)
    (tmp_path / "2017.csv").write_text("")
    bars, readings = read_bars_with_readings(tmp_path)
    assert bars.height == 1
    assert [note for one in readings for note in one.notes] == ["2017.csv is empty: it is skipped"]


def test_prices_that_are_adjusted_beside_closes_as_traded(tmp_path: Path) -> None:
    """Sharadar's prices before a 4-for-1 split: a quarter, with four times the shares."""
    rows = [
        "A,2024-05-01,25,27,24,26,400,26,104",
        "A,2024-05-02,26,28,25,27,400,27,108",
        "A,2024-05-03,27,28,26,27,300,27,27",
    ]
    head = "ticker,date,open,high,low,close,volume,closeadj,closeunadj\n"
    path = tmp_path / "SEP.csv"
    path.write_text(head + "\n".join(rows))
    bars, (reading,) = read_bars_with_readings(path)
    assert bars.select(FIELDS).rows() == [
        (100.0, 108.0, 96.0, 104.0, 100.0),
        (104.0, 112.0, 100.0, 108.0, 100.0),
        (27.0, 28.0, 26.0, 27.0, 300.0),
    ]
    assert "prices are those before the adjustment, by closeunadj" in reading.notes


@pytest.mark.parametrize("currency", ["EUR", "GBX"])
def test_prices_in_another_currency_are_refused(currency: str, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    head = "symbol,date,open,high,low,close,volume,currency\n"
    path.write_text(f"{head}A,2024-05-01,1,2,1,2,9,USD\nA,2024-05-02,1,2,1,2,9,{currency}\n")
    with pytest.raises(UsageError, match=f"1 rows have prices in {currency}, but dollars"):
        read_bars_with_readings(path)
    path.write_text(f"{head}A,2024-05-01,1,2,1,2,9,USD\nA,2024-05-02,1,2,1,2,9,\n")
    assert read_bars_with_readings(path)[0].height == 2


@pytest.mark.parametrize(("factor", "said"), [(1, False), (4, True)])
def test_prices_that_are_adjusted_already_are_said(factor: int, said: bool, tmp_path: Path) -> None:
    """FMP's file: volumes before a split are multiplied by its ratio, and prices divided by it."""
    path = tmp_path / "A.csv"
    head = "date,open,high,low,close,adjClose,volume,unadjustedVolume\n"
    path.write_text(f"{head}2024-05-01,25,27,24,26,26,{100 * factor},100\n")
    _, (reading,) = read_bars_with_readings(path)
    assert any("already adjusted for splits" in note for note in reading.notes) is said
