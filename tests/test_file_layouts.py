"""Files as people have them: flat files, yfinance, Stooq, NASDAQ's lists, and what is no table."""

from __future__ import annotations

import datetime as dt
import gzip
import math
import os
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from marketsweep.errors import UsageError
from marketsweep.files import read_bars, read_symbols
from marketsweep.files.bars import understood_bars
from tests.test_files import HEADER, ROW

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
    bars, readings = understood_bars(flat)
    days = [dt.date(2025, 3, 7), MONDAY, TUESDAY]
    symbols = ["A", "BRK.B", "NAN", "TRUE"]
    assert rows_of(bars) == [
        (symbol, day, 10.5, 11, 10, 10.75, 1000) for symbol in symbols for day in days
    ]
    assert [one.layout for one in readings] == ["Massive flat file"] * 3
    assert readings[0].dates == "nanoseconds since 1970: the day in New York"
    assert readings[0].ignored == ["transactions"]


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


def test_yfinance_of_one_ticker_in_a_file_named_after_it(tmp_path: Path) -> None:
    text = (
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
        "2024-05-01 00:00:00-04:00,392.61,401.72,390.31,394.94,23562500,0.0,0.0\n"
        "2024-05-02 00:00:00-04:00,397.66,399.93,394.65,397.84,17709400,0.0,0.0\n"
    )
    (tmp_path / "MSFT.csv").write_text(text)
    assert of(tmp_path / "MSFT.csv") == MSFT
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


# -- text


@pytest.mark.parametrize("marker", ["", "null", "None", "NA", "N/A", "-", "nan", "#N/A"])
def test_missing_prices_are_missing(marker: str, tmp_path: Path) -> None:
    text = HEADER + ROW + f"A,2016-01-05,{marker},{marker},{marker},{marker},{marker}\n"
    text += f"A,2016-01-06,1,2,0.5,1.5,{marker}\n"
    (tmp_path / "bars.csv").write_text(text)
    found = of(tmp_path / "bars.csv")
    assert [row[1].day for row in found] == [4, 5, 6]
    assert all(math.isnan(value) for value in found[1][2:])
    assert found[2][2:6] == (1, 2, 0.5, 1.5)
    assert math.isnan(found[2][6])


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
    bars, (reading,) = understood_bars(tmp_path / "bars.csv")
    assert rows_of(bars) == [("A", dt.date(2016, 1, 4), 1234.5, 1300.25, 1200.75, 1250, 10000)]
    assert reading.decimal == ","
    # 1,234 may be a thousand or one and a bit: it is neither.
    doubtful = head + "A;2016-01-04;1,234;1,300;1,200;1,250;10\n"
    (tmp_path / "doubtful.csv").write_text(doubtful)
    with pytest.raises(UsageError, match="row 1: open is not a number: '1,234'"):
        read_bars(tmp_path / "doubtful.csv")


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
    bars, (reading,) = understood_bars(tmp_path / "bars.csv")
    assert rows_of(bars) == [("A", dt.date(2016, 1, 4), 1, 2, 0.5, 1.5, 100)]
    assert reading.kind == kind
    assert reading.ignored == ["note"]


def test_adjusted_closes_are_never_prices(tmp_path: Path) -> None:
    lines = ["Date,Open,High,Low,Close,Adj Close,Volume"]
    lines += [f"2024-06-{day:02},1200,1210,1190,1200,120,1000" for day in (5, 6, 7)]
    lines += [f"2024-06-{day:02},120,121,119,120,120,10000" for day in (10, 11)]
    (tmp_path / "NVDA.csv").write_text("\n".join(lines))
    bars, (reading,) = understood_bars(tmp_path / "NVDA.csv")
    assert bars["close"].to_list() == [1200, 1200, 1200, 120, 120]
    (split,) = reading.implied
    assert (split.symbol, split.ex_date) == ("NVDA", dt.date(2024, 6, 10))
    assert split.old / split.new == pytest.approx(0.1)


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


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    line = b"A,2016-01-04,1,2,0.5,1.5,100\n" * 40_000
    parts = [packer.compress(HEADER.encode()), *(packer.compress(line) for _ in range(400))]
    (tmp_path / "bars.csv.gz").write_bytes(b"".join([*parts, packer.flush()]))
    with pytest.raises(UsageError, match="unpacks to more than 50 times its size"):
        read_bars(tmp_path / "bars.csv.gz")


def test_files_beyond_the_limit_name_the_setting(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(HEADER + ROW * 80_000)
    with pytest.raises(UsageError, match=r"more than 1 MB unpacked.*max_file_mb in \[sync\]"):
        read_bars(tmp_path / "bars.csv", most_mb=1)
    assert read_bars(tmp_path / "bars.csv", most_mb=3).height == 80_000
