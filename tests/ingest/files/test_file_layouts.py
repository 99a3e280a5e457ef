"""Files as people have them: flat files, yfinance, Stooq, NASDAQ's lists, and what is no table."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from marketsweep.core.fields import FIELDS
from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_bars, read_symbols
from marketsweep.ingest.files.bars import read_bars_with_readings
from tests.helpers.command import run
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
