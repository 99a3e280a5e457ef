"""Files of bars, actions and symbols: every format, nasty tickers, every refusal, the example."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import math
import re
import runpy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.core.records import Dividend, Listing, Split
from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_actions, read_bars, read_symbols
from marketsweep.ingest.files.bars import read_bars_with_readings
from marketsweep.ingest.files.packed import is_packed, pack

EXAMPLE = Path(__file__).parent.parent.parent.parent / "examples" / "us-2016"
EXAMPLE_SHA256 = "267f09a5660c702e225bc3b49d13ac0359e6f60949f996fc6c18da0d1207686d"
NASTY = ["NAN", "TRUE", "ON", "INF", "E", "NULL", "None", "1E5", "007", "BRK.B", "KIMpL"]
HEADER = "symbol,date,open,high,low,close,volume\n"
ROW = "A,2016-01-04,1,2,0.5,1.5,100\n"


@pytest.fixture(scope="module")
def example() -> pl.DataFrame:
    return read_bars(EXAMPLE / "bars.parquet")


@pytest.fixture(scope="module")
def slice_of_year(example: pl.DataFrame) -> pl.DataFrame:
    return example.filter(
        pl.col("symbol").is_in(["AAPL", "BRK.B", "NAN", "TRUE", "ON", "FRO", "E"])
    )


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def bars_of(*rows: tuple[str, str, float, float, float, float, float]) -> pl.DataFrame:
    table = pl.DataFrame(list(rows), schema=["symbol", "date", *FIELDS], orient="row")
    return table.with_columns(
        pl.col("date").str.to_date("%Y-%m-%d"), pl.col(FIELDS).cast(pl.Float64)
    )


WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "bars.parquet": lambda table, path: table.write_parquet(path),
    "bars.arrow": lambda table, path: table.write_ipc(path),
    "bars.feather": lambda table, path: table.write_ipc(path, compression="zstd"),
    "bars.ipc": lambda table, path: table.write_ipc(path),
    "bars.csv": lambda table, path: table.write_csv(path),
    "bars.CSV.GZ": lambda table, path: path.write_bytes(gzip.compress(table.write_csv().encode())),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_bars(
    name: str, slice_of_year: pl.DataFrame, tmp_path: Path
) -> None:
    shuffled = slice_of_year.sample(fraction=1.0, shuffle=True, seed=3)
    WRITERS[name](shuffled, tmp_path / name)
    assert_frame_equal(read_bars(tmp_path / name), slice_of_year, check_exact=True)


def test_nasty_tickers_of_a_csv_stay_text(tmp_path: Path) -> None:
    text = HEADER + "".join(ROW.replace("A,", f"{symbol},", 1) for symbol in NASTY)
    bars = read_bars(write_text(tmp_path / "bars.csv", text))
    assert bars["symbol"].to_list() == sorted(NASTY)
    assert bars["close"].to_list() == [1.5] * len(NASTY)


def test_columns_are_found_in_any_case_order_and_company(tmp_path: Path) -> None:
    text = " Volume,CLOSE,low,High,Open,note,Date,Ticker\r\n100,1.5,0.5,2,1,x,2016-01-04,A\r\n\r\n"
    bars = read_bars(write_text(tmp_path / "bars.csv", "\ufeff" + text))
    assert_frame_equal(bars, bars_of(("A", "2016-01-04", 1, 2, 0.5, 1.5, 100)))


def test_faulty_bars_come_through_untouched(tmp_path: Path) -> None:
    text = HEADER + "B,2016-01-04,,NaN,-1,0,\nA,2016-07-04,1,1,1,1,0\nA,2016-07-04,2,2,2,2,0\n"
    expected = bars_of(
        ("A", "2016-07-04", 1, 1, 1, 1, 0),
        ("A", "2016-07-04", 2, 2, 2, 2, 0),
        ("B", "2016-01-04", math.nan, math.nan, -1, 0, math.nan),
    )
    assert_frame_equal(read_bars(write_text(tmp_path / "bars.csv", text)), expected)


@pytest.mark.parametrize(
    "dates",
    [
        pl.Series(["2016-01-04", "2016-07-05"]),
        pl.Series(["2016-01-04 00:00:00", "2016-07-05T04:00:00Z"]),
        pl.Series([dt.datetime(2016, 1, 4), dt.datetime(2016, 7, 5, 16)]),
        pl.Series([dt.datetime(2016, 1, 4, 5), dt.datetime(2016, 7, 5, 4)]).dt.replace_time_zone(
            "UTC"
        ),
        pl.Series([dt.datetime(2016, 1, 4), dt.datetime(2016, 7, 5)]).dt.replace_time_zone(
            "America/New_York"
        ),
    ],
    ids=["iso", "iso time", "time", "utc", "new york"],
)
def test_dates_may_be_text_or_times(dates: pl.Series, tmp_path: Path) -> None:
    table = bars_of(*[("A", "2016-01-01", 1, 1, 1, 1, 1)] * 2).with_columns(dates.alias("date"))
    table.write_parquet(tmp_path / "bars.parquet")
    read = read_bars(tmp_path / "bars.parquet")["date"].to_list()
    assert read == [dt.date(2016, 1, 4), dt.date(2016, 7, 5)]


def test_categories_and_whole_numbers_are_taken(tmp_path: Path) -> None:
    table = bars_of(("A", "2016-01-04", 1, 1, 1, 1, 1)).with_columns(
        pl.col("symbol").cast(pl.Categorical), pl.col(FIELDS).cast(pl.Int32)
    )
    table.write_parquet(tmp_path / "bars.parquet")
    assert_frame_equal(
        read_bars(tmp_path / "bars.parquet"), bars_of(("A", "2016-01-04", 1, 1, 1, 1, 1))
    )


REFUSED = {
    "missing column": ("symbol,date,open\nA,2016-01-04,1\n", "missing column high, low, close, "),
    "says what is there": ("symbol,date,open\n", "the file has symbol, date, open"),
    "number": (HEADER + ROW + "B,2016-01-04,1,2,1,x7,1\n", "row 2: close is not a number: .*x7"),
    "thousands": (
        HEADER + 'A,2016-01-04,1,2,1,1,"1,000,00"\n',
        "volume is not a number: '1,000,00' in symbol=A",
    ),
    "date": (HEADER + "A,2016-02-30,1,2,1,1,1\n", "row 1: date is not a date .*2016-02-30"),
    "day first": (HEADER + "A,04/01/2016,1,2,1,1,1\n", "date has no clear order of day and month"),
    "no date": (HEADER + "A,,1,2,1,1,1\n", "date is not a date"),
    "ragged": (HEADER + "A,2016-01-04,1,2,1,1,1,1,1\n", "cannot be read"),
    "empty": ("", "cannot be read"),
    "twice": ("symbol,Date,date\nA,2016-01-04,1\n", "more than one column is called date"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_bars_are_refused(case: str, tmp_path: Path) -> None:
    text, message = REFUSED[case]
    path = write_text(tmp_path / "bars.csv", text)
    with pytest.raises(UsageError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_bars(path)


def test_missing_and_unknown_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_bars(tmp_path / "bars.parquet")
    with pytest.raises(UsageError, match="no table in this folder"):
        read_bars(tmp_path)
    with pytest.raises(UsageError, match=r"no file matches"):
        read_bars(tmp_path / "*.csv")


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "bars.csv"])
def test_damaged_files_are_refused(name: str, slice_of_year: pl.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / name
    WRITERS[name](slice_of_year, path)
    whole = path.read_bytes()
    for left in (0, 3, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:left])
        with pytest.raises(UsageError, match="cannot be read"):
            read_bars(path)


def test_packing_gives_the_same_bars_back(slice_of_year: pl.DataFrame, tmp_path: Path) -> None:
    packed = pack(slice_of_year)
    assert is_packed(packed.columns)
    assert not is_packed(slice_of_year.columns)
    packed.write_parquet(tmp_path / "any-name.parquet")
    assert_frame_equal(read_bars(tmp_path / "any-name.parquet"), slice_of_year, check_exact=True)


def test_packing_rounds_to_ten_thousandths_and_keeps_extremes(tmp_path: Path) -> None:
    given = bars_of(
        ("A", "2016-01-04", 0.00004, -3.25, 203_000.12345, 0, 7),
        ("A", "2016-01-05", 4e11, 4e11, -4e11, 4e11, 2.0**51),
    )
    pack(given).write_parquet(tmp_path / "bars.parquet")
    expected = given.with_columns(pl.col(PRICES).round(4))
    assert_frame_equal(read_bars(tmp_path / "bars.parquet"), expected, check_exact=True)


def test_packing_of_no_bars(tmp_path: Path) -> None:
    pack(bars_of(("A", "2016-01-04", 1, 1, 1, 1, 1)).clear()).write_parquet(
        tmp_path / "bars.parquet"
    )
    assert read_bars(tmp_path / "bars.parquet").height == 0


@pytest.mark.parametrize(
    ("open_", "volume", "message"),
    [
        (math.nan, 1.0, r"open is not a number of a usual size \(A, 2016-01-04\)"),
        (math.inf, 1.0, "open is not a number"),
        (1.0, math.nan, "volume is not a number"),
        (1.0, 1.5, "volume is not whole shares"),
        (1e12, 1.0, "open is not a number of a usual size"),
    ],
)
def test_what_packing_would_lose_is_refused(open_: float, volume: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pack(bars_of(("A", "2016-01-04", open_, 1, 1, 1, volume)))


def test_the_script_packs_a_folder(
    slice_of_year: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    slice_of_year.write_parquet(source / "bars.parquet")
    for name in ("actions.parquet", "symbols.parquet"):
        (source / name).write_bytes((EXAMPLE / name).read_bytes())
    # Of three corrected bars, one kept its prices and its volume.
    late = slice_of_year.head(3)
    early = late.with_columns(pl.col("volume") + pl.Series([100.0, 0.0, 300.0]))
    told = [early.select("symbol", "date")]
    for when, bars in (("early", early), ("late", late)):
        told.append(bars.select(pl.col(FIELDS).name.suffix(f"_{when}")))
    pl.concat(told, how="horizontal").write_parquet(source / "revisions.parquet")
    monkeypatch.setattr("sys.argv", ["pack.py", str(source), str(target)])
    runpy.run_path(str(EXAMPLE / "pack.py"), run_name="__main__")
    assert is_packed(pl.read_parquet(target / "bars.parquet").columns)
    assert_frame_equal(read_bars(target / "bars.parquet"), slice_of_year, check_exact=True)
    assert len(read_symbols(target / "symbols.parquet")) == 6_796
    assert_frame_equal(read_bars(target / "early.parquet"), early[[0, 2]], check_exact=True)


def test_the_example_is_the_source_year_bit_for_bit(example: pl.DataFrame) -> None:
    # Computed from the source tables, without this project's code.
    assert example.height == 1_517_236
    assert example["symbol"].n_unique() == 6_596
    assert example["date"].n_unique() == 261
    digest = hashlib.sha256("\n".join(example["symbol"]).encode())
    digest.update(example["date"].cast(pl.Int32).to_numpy().astype("<i4").tobytes())
    for name in FIELDS:
        digest.update(example[name].to_numpy().astype("<f8").tobytes())
    assert digest.hexdigest() == EXAMPLE_SHA256


def test_the_example_stays_small() -> None:
    assert sum(path.stat().st_size for path in EXAMPLE.iterdir() if path.is_file()) < 10_000_000


def test_a_known_day_of_the_example(example: pl.DataFrame) -> None:
    row = example.row(
        by_predicate=(pl.col("symbol") == "A") & (pl.col("date") == dt.date(2016, 1, 4))
    )
    assert row == ("A", dt.date(2016, 1, 4), 41.06, 41.19, 40.34, 40.69, 3_287_300.0)
    assert example["high"].max() == 203_000.0
    assert (example["volume"] == 0).sum() == 41_209


def test_actions_of_the_example() -> None:
    splits, dividends, *_ = read_actions(EXAMPLE / "actions.parquet")
    assert (len(splits), len(dividends)) == (182, 14_829)
    assert splits[0] == Split("AA", dt.date(2016, 10, 6), 3, 1)
    assert Split("FCAU", dt.date(2016, 1, 4), 1, 1.5218) in splits
    assert Split("JCI", dt.date(2016, 9, 6), 200, 191) in splits
    assert dividends[0] == Dividend("A", dt.date(2016, 4, 1), 0.115)
    assert splits == sorted(splits)
    assert dividends == sorted(dividends)
    assert not {"PMV"} & {split.symbol for split in splits}
    told = (
        pl.read_parquet(EXAMPLE / "actions.parquet").filter(kind="split").sort("symbol", "ex_date")
    )
    factors = [split.factor for split in splits]
    assert np.allclose(factors, told["factor"].to_numpy(), rtol=2e-5)


def test_ratios_of_splits(tmp_path: Path) -> None:
    text = (
        "ticker,ex_date,kind,factor,ratio_text,cash\n"
        "NAN,2016-03-01,split,30,1:30,\n"
        "NAN,2016-02-01,Split,0.5,2:1,\n"
        "B,2016-02-01,split,0.5,3:1,\n"
        "C,2016-02-01,split,0.25,,\n"
        "D,2016-02-01,split,0.25,four for one,\n"
        "E,2016-02-01,suspect,0.25,4:1,\n"
        "E,2016-02-02,dividend,,,0.5\n"
        "E,2016-02-03,dividend,,,0\n"
        "E,2016-02-04,dividend,,,\n"
    )
    splits, dividends, aside, _ = read_actions(write_text(tmp_path / "actions.csv", text))
    assert splits == [
        Split("B", dt.date(2016, 2, 1), 0.5, 1),
        Split("C", dt.date(2016, 2, 1), 0.25, 1),
        Split("D", dt.date(2016, 2, 1), 0.25, 1),
        Split("NAN", dt.date(2016, 2, 1), 1, 2),
        Split("NAN", dt.date(2016, 3, 1), 30, 1),
    ]
    assert dividends == [Dividend("E", dt.date(2016, 2, 2), 0.5)]
    assert [(one.symbol, one.ex_date, one.reason) for one in aside] == [
        ("E", dt.date(2016, 2, 1), "an unknown kind"),
        ("E", dt.date(2016, 2, 3), "no amount above 0"),
        ("E", dt.date(2016, 2, 4), "no amount above 0"),
    ]


def test_dividends_in_another_currency_are_set_aside(tmp_path: Path) -> None:
    text = (
        "symbol,ex_date,kind,cash,currency\n"
        "A,2016-02-01,dividend,0.5,USD\nB,2016-02-01,dividend,2.00,EUR\n"
        "C,2016-02-01,dividend,0.25,\nD,2016-02-01,dividend,0.75 USD,usd\n"
    )
    splits, dividends, aside, _ = read_actions(write_text(tmp_path / "actions.csv", text))
    assert splits == []
    assert [(one.symbol, one.cash) for one in dividends] == [("A", 0.5), ("C", 0.25), ("D", 0.75)]
    assert [(one.symbol, one.reason) for one in aside] == [
        ("B", "another currency than the dollar")
    ]
    assert "2.00" in aside[0].told
    assert "EUR" in aside[0].told


def test_actions_with_the_names_that_massive_gives(tmp_path: Path) -> None:
    splits = write_text(
        tmp_path / "splits.csv",
        "ticker,execution_date,split_from,split_to\nA,2016-02-01,1,4\n",
    )
    assert read_actions(splits).splits == [Split("A", dt.date(2016, 2, 1), 1, 4)]
    dividends = write_text(
        tmp_path / "dividends.csv",
        "ticker,ex_dividend_date,cash_amount,currency\nA,2016-02-01,0.5,USD\n",
    )
    assert read_actions(dividends).dividends == [Dividend("A", dt.date(2016, 2, 1), 0.5)]
    ratios = write_text(
        tmp_path / "ratios.csv",
        "symbol,date,kind,ratio\nA,2016-02-01,split,4:1\nB,2016-02-01,split,0:1\n",
    )
    found = read_actions(ratios)
    assert found.splits == [Split("A", dt.date(2016, 2, 1), 1, 4)]
    assert [(one.symbol, one.reason) for one in found.aside] == [("B", "no ratio above 0")]


def test_a_day_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    text = "symbol,ex_date,kind,cash\nA,2016-02-01,dividend,1\nB,the first,dividend,1\n"
    (aside,) = read_actions(write_text(tmp_path / "actions.csv", text)).aside
    assert (aside.symbol, aside.reason) == ("B", "no day")
    assert "the first" in aside.told


def test_a_decimal_comma_beside_decimal_points_of_another_column(tmp_path: Path) -> None:
    text = (
        "symbol;ex_date;kind;split_from;split_to;cash\n"
        "A;2016-03-02;split;1.0;2.0;\nA;2016-02-02;dividend;;;2,0\nB;2016-02-02;dividend;;;0,275\n"
    )
    splits, dividends, aside, _ = read_actions(write_text(tmp_path / "actions.csv", text))
    assert [(one.old, one.new) for one in splits] == [(1, 2)]
    assert [one.cash for one in dividends] == [2.0, 0.275]
    assert aside == []


def test_dividends_alone_need_no_columns_of_splits(tmp_path: Path) -> None:
    text = "symbol,ex_date,kind,cash\nA,2016-02-01,dividend,0.5\n"
    found = read_actions(write_text(tmp_path / "actions.csv", text))
    assert found == ([], [Dividend("A", dt.date(2016, 2, 1), 0.5)], [], [])


def test_splits_as_from_and_to(tmp_path: Path) -> None:
    text = "symbol,ex_date,kind,split_from,split_to\nA,2016-02-01,split,1,4\n"
    splits, *_ = read_actions(write_text(tmp_path / "actions.csv", text))
    assert splits == [Split("A", dt.date(2016, 2, 1), 1, 4)]


@pytest.mark.parametrize(
    "kind", ["Split", "reverse split", "REVERSE_SPLIT", "forward-split", "Stock Dividend"]
)
def test_kinds_of_splits_in_other_words(kind: str, tmp_path: Path) -> None:
    text = f"symbol,ex_date,kind,split_from,split_to\nA,2016-02-01,{kind},100,105\n"
    told = read_actions(write_text(tmp_path / "actions.csv", text))
    assert told == ([Split("A", dt.date(2016, 2, 1), 100, 105)], [], [], [])


VENDORS = {
    "FMP": "date,label,symbol,numerator,denominator\n2024-06-10,June 10 24,NVDA,10,1\n",
    "EODHD": "Date,Stock Splits,code\n2024-06-10,10.000000/1.000000,NVDA.US\n",
    "Nasdaq": "symbol,ratio,payableDate,executionDate\nNVDA,10 : 1,06/07/2024,06/10/2024\n",
    "Sharadar": "date,action,ticker,name,value\n2024-06-10,split,NVDA,NVIDIA,10.0\n",
    "Yahoo": "Date,Symbol,Stock Splits\n2024-06-10,NVDA,10:1\n",
    "Finnhub": "symbol,date,fromFactor,toFactor\nNVDA,2024-06-10,1,10\n",
    "Alpha Vantage": "effective_date,split_factor,symbol\n2024-06-10,10.0000,NVDA\n",
    "Twelve Data": "symbol,date,description,ratio,from_factor,to_factor\n"
    "NVDA,2024-06-10,10-for-1 split,0.1,10,1\n",
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_files_of_splits_alone_as_vendors_write_them(vendor: str, tmp_path: Path) -> None:
    told = read_actions(write_text(tmp_path / "splits.csv", VENDORS[vendor]))
    (split,) = told.splits
    assert (split.symbol, split.ex_date, split.new / split.old) == (
        "NVDA",
        dt.date(2024, 6, 10),
        10.0,
    )
    assert (told.dividends, told.aside) == ([], [])


def test_a_close_that_is_adjusted_and_other_prices_that_are_not(tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 2, 26))
    header = "symbol,date,open,high,low,close,volume\n"
    wrong = "".join(f"A,{day},100,101,99,25,1000\n" for day in days)
    right = "".join(f"B,{day},100,101,99,100.5,1000\nC,{day},10,11,9,10,1\n" for day in days)
    path = write_text(tmp_path / "bars.csv", header + wrong)
    bars, (reading,) = read_bars_with_readings(write_text(path, header + wrong + right))
    assert bars.height == 3 * len(days)
    assert [note for note in reading.notes if "in 38 rows of A: it may be adjusted" in note]
    # Single faults of a source are stored and marked, and not worth a note.
    few = right + "".join(f"D,{day},100,101,99,25,1000\n" for day in days[:4])
    assert read_bars_with_readings(write_text(path, header + few))[1][0].notes == []


@pytest.mark.parametrize("ratio", ["0.05", "5%", "1.05", "105:100", " 5.0 %"])
def test_the_rate_of_a_stock_dividend(ratio: str, tmp_path: Path) -> None:
    text = f"symbol,ex_date,kind,ratio\nA,2016-02-01,stock dividend,{ratio}\n"
    (split,) = read_actions(write_text(tmp_path / "actions.csv", text)).splits
    assert split.new / split.old == pytest.approx(1.05)


def test_a_file_with_one_column_for_ratios_and_amounts(tmp_path: Path) -> None:
    rows = "2024-06-10,split,NVDA,10.0\n2024-05-10,dividend,MPC,0.825\n2024-05-11,listed,MPC,100\n"
    told = read_actions(write_text(tmp_path / "a.csv", "date,action,ticker,value\n" + rows))
    assert told.splits == [Split("NVDA", dt.date(2024, 6, 10), 1.0, 10.0)]
    assert told.dividends == [Dividend("MPC", dt.date(2024, 5, 10), 0.825)]
    assert [one.reason for one in told.aside] == ["an unknown kind"]


@pytest.mark.parametrize("what", ["weeks", "months", "quarters", "years"])
def test_bars_of_longer_periods_are_refused(what: str, tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2010, 1, 4), dt.date(2019, 12, 31))
    # The last session of each period, and the newest bar on the day of the download.
    some = {
        "weeks": [a for a, b in pairwise(days) if a.isocalendar()[1] != b.isocalendar()[1]],
        "months": [a for a, b in pairwise(days) if a.month != b.month],
        "quarters": [a for a, b in pairwise(days) if a.month != b.month and a.month % 3 == 0],
        "years": [a for a, b in pairwise(days) if a.year != b.year],
    }[what]
    path = tmp_path / "bars.csv"
    rows = "".join(f"A,{day},10,11,9,10,100\n" for day in [*some, some[-1] + dt.timedelta(1)])
    write_text(path, "symbol,date,open,high,low,close,volume\n" + rows)
    with pytest.raises(UsageError, match=f"bars of {what}, but daily bars are needed"):
        read_bars(path)
    # Bars of a share that is rarely traded are not weekly bars.
    rare = "".join(f"A,{day},10,11,9,10,100\n" for day in sorted([*days[::5], *days[::7]]))
    assert read_bars(write_text(path, "symbol,date,open,high,low,close,volume\n" + rare)).height


@pytest.mark.parametrize(
    "kind", ["Cash Dividend", "special", "return of capital", "Spin-Off", "capital_gain", "merger"]
)
def test_kinds_of_dividends_in_other_words(kind: str, tmp_path: Path) -> None:
    text = f"symbol,ex_date,kind,cash\nA,2016-02-01,{kind},0.5\n"
    told = read_actions(write_text(tmp_path / "actions.csv", text))
    if kind in ("special", "merger"):
        assert [one.reason for one in told.aside] == ["an unknown kind"]
    else:
        assert told.dividends == [Dividend("A", dt.date(2016, 2, 1), 0.5)]


def test_equal_dividends_count_once_unless_they_are_of_two_kinds(tmp_path: Path) -> None:
    text = (
        "symbol,ex_date,kind,cash,id,distribution_type\n"
        "A,2016-02-01,dividend,0.5,1,recurring\n"
        "A,2016-02-01,dividend,0.5,1,recurring\n"  # the same row again
        "A,2016-02-01,dividend,0.5,2,recurring\n"  # told with another id
        "A,2016-02-01,dividend,0.5,3,special\n"
        "B,2016-02-01,dividend,0.5,,\n"
        "B,2016-02-01,dividend,0.5,,\n"  # without ids they are two payments
    )
    told = read_actions(write_text(tmp_path / "actions.csv", text))
    assert [one.symbol for one in told.dividends] == ["A", "A", "B", "B"]
    assert [one.reason for one in told.aside] == ["told before with another id"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symbol,kind\nA,split\n", "missing column ex_date; the file has symbol, kind"),
        (
            "symbol,ex_date,kind,cash\nA,2016-01-04,Split,\n",
            "missing column split_from, split_to or factor",
        ),
    ],
)
def test_unusable_actions_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_actions(write_text(tmp_path / "actions.csv", text))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("A,soon,split,1", "no day"),
        ("A,2016-01-04,,1", "an unknown kind"),
        (",2016-01-04,split,2", "no ticker"),
        ("A,2016-01-04,split,0", "no ratio above 0"),
        ("A,2016-01-04,split,", "no ratio above 0"),
        ("A,2016-01-04,split,nan", "no ratio above 0"),
        ("A,2016-01-04,split,many", "no ratio above 0"),
    ],
)
def test_a_row_of_actions_that_cannot_be_used_is_set_aside(
    row: str, reason: str, tmp_path: Path
) -> None:
    text = f"symbol,ex_date,kind,factor\n{row}\nB,2016-01-04,split,0.5\n"
    told = read_actions(write_text(tmp_path / "actions.csv", text))
    assert [split.symbol for split in told.splits] == ["B"]
    assert [one.reason for one in told.aside] == [reason]


def test_symbols_of_the_example() -> None:
    listings = read_symbols(EXAMPLE / "symbols.parquet")
    named = {listing.symbol: listing for listing in listings}
    assert len(listings) == len(named) == 6_796
    assert sum(listing.last is None for listing in listings) == 6_147
    assert named["ON"] == Listing(
        "ON",
        name="ON Semiconductor Corporation",
        exchange="NASDAQ",
        sector="Technology",
        industry="Semiconductors",
        country=named["ON"].country,
        market_cap=named["ON"].market_cap,
        first=dt.date(2016, 1, 4),
    )
    assert named["TRUE"].sector is None
    assert named["ZTR"].market_cap is None, "a market cap of 0 is an unknown one"
    source = pl.read_parquet(EXAMPLE / "symbols.parquet")
    ended = source.filter(pl.col("status").is_in(["delisted", "renamed"]))
    assert all(named[symbol].last == last for symbol, last in ended["symbol", "last_listed"].rows())


def test_symbols_of_a_plain_csv(tmp_path: Path) -> None:
    text = "Ticker,Sector,sector_2026,Market_Cap,type\nTRUE,Technology,Old,1e9,CS\nNAN,,,,\n"
    assert read_symbols(write_text(tmp_path / "symbols.csv", text)) == [
        Listing("NAN"),
        Listing("TRUE", sector="Technology", market_cap=1e9, type="CS"),
    ]
    bare = write_text(tmp_path / "bare.csv", "symbol\nINF\n")
    assert read_symbols(bare) == [Listing("INF")]


SCREENER = """\
Symbol,Name,Last Sale,Net Change,% Change,Market Cap,Country,IPO Year,Volume,Sector,Industry
AAPL,Apple Inc.,$227.52,-0.27,-0.12%,3459215000000.00,United States,1980,9,Technology,Computers
BRK/B,Berkshire Hathaway Inc.,$460.10,1.02,0.222%,,United States,,3200000,,
ABR^D,Arbor 6.375% Series D,$18.05,0.05,0.278%,0.00,United States,,9000,Real Estate,REITs
 KEN ,Kenon,$27.10,0.10,0.37%,"$1,430,000,000",Singapore,2015,9,Utilities,Electric: Central
TRUE,TrueCar Inc.,$3.10,0.10,3.33%,NA,United States,2014,9000,Technology,EDP Services
"""


def test_the_screener_of_nasdaq_is_read_as_it_comes(tmp_path: Path) -> None:
    expected = [
        Listing(
            "AAPL",
            name="Apple Inc.",
            sector="Technology",
            industry="Computers",
            country="United States",
            market_cap=3_459_215_000_000.0,
        ),
        Listing(
            "ABRpD",
            name="Arbor 6.375% Series D",
            sector="Real Estate",
            industry="REITs",
            country="United States",
        ),
        Listing("BRK.B", name="Berkshire Hathaway Inc.", country="United States"),
        Listing(
            "KEN",
            name="Kenon",
            sector="Utilities",
            industry="Electric: Central",
            country="Singapore",
            market_cap=1.43e9,
        ),
        Listing(
            "TRUE",
            name="TrueCar Inc.",
            sector="Technology",
            industry="EDP Services",
            country="United States",
        ),
    ]
    assert read_symbols(write_text(tmp_path / "nasdaq.csv", SCREENER)) == expected
    header, _, rows = SCREENER.partition("\n")
    plain = header.lower().replace(" ", "").replace("marketcap", "marketCap")
    assert read_symbols(write_text(tmp_path / "api.csv", f"{plain}\n{rows}")) == expected


def test_a_sic_code_tells_the_sector_where_nothing_else_does(tmp_path: Path) -> None:
    text = "symbol,sector,sic_code\nA,,2834\nB,Mine,2834\nC,,\nD,,8888\n"
    sectors = [one.sector for one in read_symbols(write_text(tmp_path / "sic.csv", text))]
    assert sectors == ["Health Care", "Mine", None, None]


def test_a_listing_ends_where_the_file_says_so(tmp_path: Path) -> None:
    cut = "symbol,status,last_listed\nA,active,2016-12-30\nB,delisted,2016-12-30\nC,x,2016-05-02\n"
    listings = read_symbols(write_text(tmp_path / "cut.csv", cut))
    assert [listing.last for listing in listings] == [
        None,
        dt.date(2016, 12, 30),
        dt.date(2016, 5, 2),
    ]
    left_empty = "symbol,last_listed\nA,\nB,2016-12-30\n"
    listings = read_symbols(write_text(tmp_path / "empty.csv", left_empty))
    assert [listing.last for listing in listings] == [None, dt.date(2016, 12, 30)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nA\n", "missing column symbol; the file has name"),
        ("symbol,market_cap\nA,12Q\n", "market_cap is not a number: '12Q' in symbol=A"),
        ("symbol,first_listed\nA,1999\n", "first_listed is not a date"),
    ],
)
def test_unusable_symbols_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_symbols(write_text(tmp_path / "symbols.csv", text))


@pytest.mark.parametrize(
    "text", ["4-for-1", "4 for 1", "4:1", "4 : 1", "4/1", "4.000000/1.000000", "4.0", "4"]
)
def test_ratios_in_words(text: str, tmp_path: Path) -> None:
    path = write_text(
        tmp_path / "actions.csv", f"symbol,ex_date,kind,ratio\nA,2016-02-01,split,{text}\n"
    )
    assert read_actions(path).splits == [Split("A", dt.date(2016, 2, 1), 1, 4)]


@pytest.mark.parametrize(
    ("kind", "is_split"),
    [("Reverse Stock Split", True), ("Forward", True), ("reverse", True), ("Cash", False)],
)
def test_more_words_for_kinds(kind: str, is_split: bool, tmp_path: Path) -> None:
    text = f"symbol,ex_date,kind,ratio,cash\nA,2016-02-01,{kind},1:4,0.5\n"
    found = read_actions(write_text(tmp_path / "actions.csv", text))
    assert (len(found.splits), len(found.dividends)) == (int(is_split), int(not is_split))


def test_dividends_and_splits_in_columns_of_their_own(tmp_path: Path) -> None:
    text = "Date,Dividends,Stock Splits\n2016-02-01,0.5,0.0\n2016-06-01,0.0,4.0\n2016-07-01,0,0\n"
    found = read_actions(write_text(tmp_path / "MSFT.csv", text))
    assert found.dividends == [Dividend("MSFT", dt.date(2016, 2, 1), 0.5)]
    assert found.splits == [Split("MSFT", dt.date(2016, 6, 1), 1, 4)]
    assert found.aside == []


def test_a_decimal_comma_in_actions(tmp_path: Path) -> None:
    text = "symbol;ex_date;kind;cash\nA;2016-02-01;dividend;0,25\n"
    found = read_actions(write_text(tmp_path / "actions.csv", text))
    assert found.dividends == [Dividend("A", dt.date(2016, 2, 1), 0.25)]


def test_days_of_actions_that_may_be_either_are_refused(tmp_path: Path) -> None:
    text = "symbol,ex_date,kind,cash\nA,06/09/2016,dividend,0.25\n"
    with pytest.raises(UsageError, match="has no clear order of day and month"):
        read_actions(write_text(tmp_path / "actions.csv", text))
