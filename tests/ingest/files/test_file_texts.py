"""The cells of files as people have them: numbers, decimal commas, encodings and times."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import pytest

from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_bars
from marketsweep.ingest.files.bars import read_bars_with_readings
from tests.ingest.files.test_file_layouts import (
    of,
    rows_of,
)
from tests.ingest.files.test_files import HEADER, ROW


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
