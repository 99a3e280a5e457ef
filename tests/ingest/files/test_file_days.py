"""Dates of files: every form that people have, and the session that a time is of."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsweep.core.calendar import sessions_in_range
from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_actions, read_bars
from marketsweep.ingest.files.bars import read_bars_with_readings
from marketsweep.ingest.files.columns import lenient_days
from marketsweep.ingest.files.days import days_of

NEW_YORK = ZoneInfo("America/New_York")
DAYS = [dt.date(2024, 5, 1), dt.date(2024, 5, 2), dt.date(2024, 5, 14)]
YEAR = sessions_in_range(dt.date(2024, 1, 2), dt.date(2024, 12, 31))
ZONES = sorted(
    {zone for zone in available_timezones() if zone.startswith(("A", "Europe/", "Pacific/"))}
    | {"America/New_York", "UTC"}
)


def column(texts: list[str | None]) -> pl.Series:
    return pl.Series("date", texts, dtype=pl.String)


@pytest.mark.parametrize(
    ("pattern", "form"),
    [
        ("%Y-%m-%d", "YYYY-MM-DD"),
        ("%Y-%m-%d 16:00:00", "YYYY-MM-DD with a time"),
        ("%Y-%m-%dT%H:%M:%S.%f", "YYYY-MM-DD with a time"),
        ("%Y%m%d", "YYYYMMDD"),
        ("%Y%m%d160000", "YYYYMMDD with a time"),
        ("%m/%d/%Y", "MM/DD/YYYY"),
        ("%d/%m/%Y", "DD/MM/YYYY"),
        ("%d.%m.%Y", "DD.MM.YYYY"),
        ("%m-%d-%Y", "MM/DD/YYYY"),
        ("%m/%d/%Y 16:00", "MM/DD/YYYY with a time"),
        ("%m/%d/%Y, 4:00:00 PM", "MM/DD/YYYY with a time"),
        ("%d.%m.%Y 00:00:00", "DD.MM.YYYY with a time"),
        ("%Y/%m/%d", "YYYY/MM/DD"),
        ("%Y/%m/%d 00:00", "YYYY/MM/DD with a time"),
        ("%Y.%m.%d", "YYYY.MM.DD"),
        ("%d-%b-%Y", "day-month name-year"),
        ("%d %b %Y", "day month name year"),
        ("%d %B %Y", "day month name year"),
        ("%Y-%b-%d", "year-month name-day"),
        ("%b %d, %Y", "month name day, year"),
        ("%b %d %Y", "month name day year"),
        ("%B %d, %Y", "month name day, year"),
        ("%m/%d/%y", "MM/DD/YY"),
        ("%d/%m/%y", "DD/MM/YY"),
        ("%m/%d/%y 16:00", "MM/DD/YY with a time"),
        ("%d.%m.%y", "DD.MM.YY"),
        ("%y-%m-%d", "YY/MM/DD"),
        ("%d-%b-%y", "day-month name-year of two digits"),
        ("%d %b %y", "day month name year of two digits"),
        ("%b %d, %y", "month name day, year of two digits"),
    ],
)
def test_forms_of_dates(pattern: str, form: str) -> None:
    found = days_of(column([day.strftime(pattern) for day in DAYS]))
    assert found.days.to_list() == DAYS
    assert found.form == form


def test_the_order_of_day_and_month_is_that_which_gives_sessions() -> None:
    # Read the other way, the second is a Saturday.
    days = [dt.date(2024, 5, 9), dt.date(2024, 5, 10)]
    assert days_of(column(["05/09/2024", "05/10/2024"])).days.to_list() == days
    with pytest.raises(
        UsageError, match="has no clear order of day and month: '02/05/2024' may be"
    ):
        days_of(column(["02/05/2024"]))  # 5 February and 2 May are sessions both


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("13/01/2024", dt.date(2024, 1, 13)),  # a Saturday: no other reading is a date
        ("01/13/2024", dt.date(2024, 1, 13)),
        ("1/4/2016 0:00", dt.date(2016, 1, 4)),  # 1 April 2016 was a session too: see below
        ("4.1.2016", dt.date(2016, 1, 4)),
        ("2024-5-1", dt.date(2024, 5, 1)),
        ("04-Jan-2016", dt.date(2016, 1, 4)),
        ("4-JAN-2016", dt.date(2016, 1, 4)),
        ("Jan 4, 2016", dt.date(2016, 1, 4)),
        ("20160104.0", dt.date(2016, 1, 4)),
        (" 2016-01-04 ", dt.date(2016, 1, 4)),
    ],
)
def test_single_dates(text: str, day: dt.date) -> None:
    texts: list[str | None] = [text]
    if text.startswith("1/4"):
        texts.append("1/13/2016 0:00")  # which tells the order
    assert days_of(column(texts)).days.to_list()[0] == day


@pytest.mark.parametrize("pattern", ["%m/%d/%y", "%d/%m/%y", "%y-%m-%d", "%d-%b-%y"])
def test_years_of_two_digits_are_those_of_1962_to_2061(pattern: str) -> None:
    days = sessions_in_range(dt.date(1962, 1, 2), dt.date(1962, 6, 29))
    days += sessions_in_range(dt.date(1968, 12, 2), dt.date(1971, 3, 31))
    days += sessions_in_range(dt.date(1999, 12, 1), dt.date(2000, 1, 31)) + YEAR
    assert days_of(column([day.strftime(pattern) for day in days])).days.to_list() == days


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("pattern", ["%m/%d/%y", "%d/%m/%y", "%y-%m-%d"])
def test_a_month_of_years_of_two_digits(pattern: str, month: int) -> None:
    first = dt.date(2016, month, 1)
    days = sessions_in_range(first, first + dt.timedelta(29))
    assert days_of(column([day.strftime(pattern) for day in days])).days.to_list() == days


def test_a_year_of_two_digits_that_may_be_a_day_is_refused() -> None:
    with pytest.raises(UsageError, match="may be 2024-01-05 or 2024-05-01; write dates like"):
        days_of(column(["5/1/24"]))
    says = "day and year: '05/01/24' may be 2005-01-24 or 2024-01-05 or 2024-05-01"
    with pytest.raises(UsageError, match=says):
        days_of(column(["05/01/24", "04/01/24"]))


@pytest.mark.parametrize("kind", [pl.String, pl.Int64, pl.Float64, pl.Categorical])
@pytest.mark.parametrize(("system", "first"), [("1900", 42373), ("1904", 40911)])
def test_serial_days_of_a_spreadsheet(kind: pl.DataType, system: str, first: int) -> None:
    """Excel shows 42373 for 2016-01-04, and its option of 1904 shows 40911."""
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))
    numbers = [first + (day - days[0]).days for day in days]
    text = pl.Series("date", list(map(str, numbers)))
    found = days_of(
        text.cast(kind)
        if kind in (pl.String, pl.Categorical)
        else pl.Series("date", numbers, dtype=kind)
    )
    assert found.days.to_list() == days
    assert found.form == f"serial days of a spreadsheet ({system})"
    assert not found.timed


def test_serial_days_with_a_time() -> None:
    found = days_of(pl.Series("date", [42373.0, 42374.6667, 42375.5]))
    assert found.timed
    assert found.days.to_list() == [dt.date(2016, 1, day) for day in (4, 5, 6)]


def test_one_row_tells_the_order_of_all() -> None:
    assert days_of(column(["04/01/2024", "05/01/2024", "13/05/2024"])).days.to_list() == [
        dt.date(2024, 1, 4),
        dt.date(2024, 1, 5),
        dt.date(2024, 5, 13),
    ]
    # Neither order fits both rows.
    with pytest.raises(UsageError, match=r"row 1: date is not a date .*'13/05/2024'"):
        days_of(column(["13/05/2024", "05/14/2024"]))


def test_the_order_is_said(tmp_path: Path) -> None:
    rows = "".join(f"A,{text},1,2,0.5,1.5,100\n" for text in ("03/05/2024", "14/05/2024"))
    (tmp_path / "bars.csv").write_text("symbol,date,open,high,low,close,volume\n" + rows)
    _, (reading,) = read_bars_with_readings(tmp_path / "bars.csv")
    assert reading.dates == "DD/MM/YYYY"


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("kind", ["text", "int", "float"])
def test_times_since_1970(unit: int, kind: str) -> None:
    instants = [dt.datetime.combine(day, dt.time(), NEW_YORK) for day in DAYS]
    numbers = [int(one.timestamp()) * unit for one in instants]
    series = {
        "text": pl.Series("date", [str(number) for number in numbers]),
        "int": pl.Series("date", numbers),
        "float": pl.Series("date", numbers, dtype=pl.Float64),
    }[kind]
    assert days_of(series).days.to_list() == DAYS


@pytest.mark.parametrize("sessions", [4, 5, 23, 100])
def test_evenings_of_new_york_shown_as_midnights_of_utc(sessions: int) -> None:
    """20:00 in summer: Saturdays among the days that are written, and no Mondays, show it."""
    first = YEAR.index(dt.date(2024, 4, 22))
    days = YEAR[first : first + sessions]
    written = [f"{day + dt.timedelta(1)}T00:00:00Z" for day in days]
    midnights = [f"{day}T00:00:00Z" for day in days]
    assert days_of(column(list(midnights))).days.to_list() == days
    if sessions == 4:  # Tuesday to Friday are sessions as well: nothing shows it
        assert days_of(column(list(written))).days.to_list() != days
    else:
        assert days_of(column(list(written))).days.to_list() == days


@pytest.mark.parametrize("unit", [10**3, 10**6, 10**9])
def test_times_in_two_units_are_refused(unit: int) -> None:
    numbers = [int(dt.datetime(2024, 5, day, tzinfo=NEW_YORK).timestamp()) for day in (1, 2, 3)]
    mixed = [numbers[0] * unit, numbers[1] * unit, numbers[2]]
    for series in (pl.Series("date", mixed), column([str(number) for number in mixed])):
        with pytest.raises(UsageError, match=f"row 3: date is not a date .*'{numbers[2]}'"):
            days_of(series)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_histories_from_before_1970(unit: int) -> None:
    days = [dt.date(1968, 6, 3) + dt.timedelta(days=7 * week) for week in range(200)]
    epoch = dt.date(1970, 1, 1)
    numbers = [(day - epoch).days * 86_400 * unit for day in days]
    assert days_of(pl.Series("date", numbers)).days.to_list() == days


@given(
    first=st.integers(0, len(YEAR) - 20),
    zone=st.sampled_from(ZONES),
    unit=st.sampled_from(["ms", "us", "ns"]),
    as_text=st.booleans(),
)
def test_midnight_in_new_york_is_one_instant_whatever_shows_it(
    first: int, zone: str, unit: str, as_text: bool
) -> None:
    days = YEAR[first : first + 20]
    midnights = [dt.datetime.combine(day, dt.time(), NEW_YORK) for day in days]
    shown = [one.astimezone(ZoneInfo(zone)) for one in midnights]
    if as_text:
        series = column([one.isoformat(sep=" ") for one in shown])
    else:
        series = pl.Series("date", shown).dt.cast_time_unit(unit)  # type: ignore[arg-type]
        series = series.dt.convert_time_zone(zone)
    assert days_of(series).days.to_list() == days


OWN = ["America/Chicago", "America/Los_Angeles", "Asia/Kolkata", "Asia/Tokyo", "Europe/Berlin"]


@given(first=st.integers(0, len(YEAR) - 20), zone=st.sampled_from(OWN))
def test_midnight_in_its_own_zone_is_the_day_that_is_written(first: int, zone: str) -> None:
    days = YEAR[first : first + 20]
    midnights = [dt.datetime.combine(day, dt.time(), ZoneInfo(zone)) for day in days]
    assert days_of(column([one.isoformat() for one in midnights])).days.to_list() == days
    assert days_of(pl.Series("date", midnights)).days.to_list() == days


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-03-03 00:00:00-05", dt.date(2025, 3, 3)),
        ("2025-03-03T05:00Z", dt.date(2025, 3, 3)),
        ("2025-03-03T04:59:59.999Z", dt.date(2025, 3, 2)),
        ("2025-03-03 05:30:00 UTC", dt.date(2025, 3, 3)),
        ("2025-03-03T10:30:00+0530", dt.date(2025, 3, 3)),
        ("2025-03-10T16:00:00-04:00", dt.date(2025, 3, 10)),
        ("2025-03-03 00:00:00 EST", dt.date(2025, 3, 3)),
        ("2025-03-10 23:59:59 EDT", dt.date(2025, 3, 10)),
        ("2025-03-11T03:59:59Z", dt.date(2025, 3, 10)),
        ("2025-03-11T04:00:00Z", dt.date(2025, 3, 11)),
        ("2025/03/11 03:59:59Z", dt.date(2025, 3, 10)),
        ("03/13/2025 03:59:59Z", dt.date(2025, 3, 12)),
        ("2025-03-10T20:00:00-0700", dt.date(2025, 3, 10)),
        ("2025-03-10T22:00:00-07", dt.date(2025, 3, 11)),
    ],
)
def test_ways_to_write_a_zone(text: str, day: dt.date) -> None:
    assert days_of(column([text])).days.to_list() == [day]


def test_columns_that_mix_zones() -> None:
    # One instant in three zones, and midnight in New York in the zone of each season.
    texts: list[str | None] = [
        "2025-03-07T05:00:00Z",
        "2025-03-07T06:00:00+01:00",
        "2025-03-07T00:00:00-05:00",
        "2025-03-10T00:00:00-04:00",
    ]
    days = [dt.date(2025, 3, 7)] * 3 + [dt.date(2025, 3, 10)]
    assert days_of(column(texts)).days.to_list() == days


def test_cells_without_a_zone_are_of_the_day_that_is_written() -> None:
    texts: list[str | None] = [
        "2025-03-07T05:00:00Z",
        "2025-03-10 00:00:00",
        "2025-03-11",
        None,
        "2025-03-13T03:00:00Z",
    ]
    days = [dt.date(2025, 3, 7), dt.date(2025, 3, 10), dt.date(2025, 3, 11), None]
    assert days_of(column(texts)).days.to_list() == [*days, dt.date(2025, 3, 12)]


def test_typed_times_without_a_zone_are_of_their_day() -> None:
    times = [dt.datetime(2025, 3, 7), dt.datetime(2025, 3, 10, 23, 59)]
    for unit in ("ms", "us", "ns"):
        series = pl.Series("date", times).dt.cast_time_unit(unit)
        assert days_of(series).days.to_list() == [dt.date(2025, 3, 7), dt.date(2025, 3, 10)]


def test_empty_cells_are_no_dates() -> None:
    assert days_of(column([None, "2024-05-01", "n/a"]), ("n/a",)).days.to_list() == [
        None,
        DAYS[0],
        None,
    ]
    assert days_of(column([None, None])).form == "empty"


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-05-01", "2024-02-30"],
        ["2024-05-01", "2024-05-01T25:61:00"],
        ["13/13/2024"],
        ["20240501", "20241301"],
        ["2024-05-01", "later"],
        ["12345"],
        ["1e300"],
        ["99999999999999999999999"],
        ["nan"],
        ["01/32/2024"],
        ["01/13/0000", "31/31/2024"],
        ["2024-05-01 junk"],
        ["2024-05-01T"],
        ["05/13/2024 junk"],
        ["2024-05-01 00:00:00+99:99"],
        ["2024-05-01 00:00:00 MARS"],
        ["2024-05-01 24:00:00"],
        ["2024-05-01 13:00 PM"],
        ["05/13/2024 10:60"],
        ["2024-05-01", "05/02/2024"],
        ["20240501", "2024-05-02"],
        ["20240501250000"],
        ["20240532000000"],
        ["05/01/024"],
        ["42373", "12345"],
        ["42373", "2016-01-04"],
    ],
)
def test_what_is_no_date_is_named(texts: list[str | None]) -> None:
    with pytest.raises(UsageError, match=r"row .: date is not a"):
        days_of(column(texts))


@pytest.mark.parametrize(
    "text",
    [
        *("0000-01-01", "0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"),
        *("01/13/0000", "01/13/0001", "12/31/9999", "31.12.9999"),
        *("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00", "0000-01-01T05:00:00Z"),
        "04-Jan-0016",
    ],
)
def test_years_that_cannot_be(text: str, tmp_path: Path) -> None:
    rows = f"symbol,date,open,high,low,close,volume\nA,{text},1,2,0.5,1.5,100\n"
    (tmp_path / "bars.csv").write_text(rows)
    says = f"row 1: date is not a date between 1900.*{re.escape(text)}"
    with pytest.raises(UsageError, match=says):
        read_bars(tmp_path / "bars.csv")


@pytest.mark.parametrize("number", [-(2**63) + 1, -(2**31), 0, 2**31 - 1, 2**63 - 1])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_typed_times_that_cannot_be(number: int, zone: str | None, unit: str) -> None:
    """Python has no date for some of them, and none may end in anything but a word."""
    per_day = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[unit]
    series = pl.Series("date", [number]).cast(pl.Datetime(unit, zone))  # type: ignore[arg-type]
    if abs(number) > 2**32:
        with pytest.raises(UsageError, match="row 1: date is not a date"):
            days_of(series)
    else:
        (day,) = days_of(series).days.to_list()
        assert abs((day - dt.date(1970, 1, 1)).days - number / per_day) <= 2


@pytest.mark.parametrize(
    ("number", "shown"),
    [(-719_162, "0001-01-01"), (2_932_896, "9999-12-31"), (2**31 - 1, "2147483647")],
)
def test_typed_dates_that_cannot_be(number: int, shown: str) -> None:
    series = pl.Series("date", [18_000, number], dtype=pl.Int32).cast(pl.Date)
    with pytest.raises(UsageError, match=f"row 2: date is not a date .*'{shown}'"):
        days_of(series)


def test_actions_of_days_that_cannot_be_are_set_aside(tmp_path: Path) -> None:
    days: list[str | None] = ["0000-01-01", "0001-01-01", "2024-05-01"]
    days += ["2200-01-01", "9999-12-31", "soon"]
    rows = "".join(f"A,{day},dividend,0.5\n" for day in days)
    (tmp_path / "actions.csv").write_text("symbol,ex_date,kind,cash\n" + rows)
    told = read_actions(tmp_path / "actions.csv")
    assert [(one.symbol, one.ex_date) for one in told.dividends] == [("A", dt.date(2024, 5, 1))]
    assert [one.reason for one in told.aside] == ["no day"] * 5
    assert lenient_days(column(days[:3])).days.to_list() == [None, None, dt.date(2024, 5, 1)]


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("date", [1e300]),
        pl.Series("date", [float("inf")]),
        pl.Series("date", [[1]]),
        pl.Series("date", [{"a": 1}]),
        pl.Series("date", [b"2024-05-01"]),
        pl.Series("date", [True]),
        pl.Series("date", [dt.time(1)]),
    ],
    ids=str,
)
def test_columns_that_hold_no_dates(series: pl.Series) -> None:
    with pytest.raises(UsageError, match="date"):
        days_of(series)


# -- in files


def weekdays(first: dt.date, last: dt.date) -> list[dt.date]:
    days = (first + dt.timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


SHOWN_IN = [
    *("America/New_York", "UTC", "America/Chicago", "America/Los_Angeles", "Asia/Kolkata"),
    *("Europe/Berlin", "Australia/Sydney", "Pacific/Kiritimati", "America/Bogota"),
]


@pytest.mark.parametrize("zone", SHOWN_IN)
@pytest.mark.parametrize("hour", [0, 9, 16, 20])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_four_weeks_across_summer_time(zone: str, hour: int, suffix: str, tmp_path: Path) -> None:
    """Twenty sessions without a holiday; the clocks of New York changed on 9 March 2025."""
    days = weekdays(dt.date(2025, 2, 24), dt.date(2025, 3, 21))
    assert len(days) == 20
    times = [dt.datetime.combine(day, dt.time(hour), NEW_YORK) for day in days]
    closes = [100.0 + place for place in range(20)]
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), closes)
    table = pl.DataFrame({"symbol": ["AAPL"] * 20, "date": times, **prices})
    path = tmp_path / f"bars.{suffix}"
    if suffix == "parquet":
        table.with_columns(pl.col("date").dt.convert_time_zone(zone)).write_parquet(path)
    else:
        texts = [time.astimezone(ZoneInfo(zone)).isoformat(sep=" ") for time in times]
        table.with_columns(pl.Series("date", texts)).write_csv(path)
    bars = read_bars(path)
    assert list(zip(bars["date"], bars["close"], strict=True)) == list(
        zip(days, closes, strict=True)
    )


def test_a_weekend_among_days_does_not_turn_them_into_months(tmp_path: Path) -> None:
    """4 to 6 March and a Saturday: of the other order all four would be sessions."""
    rows = "".join(
        f"A,{day},10,11,9,10,100\n" for day in ("03/04/2024", "03/05/2024", "03/06/2024")
    )
    path = tmp_path / "bars.csv"
    path.write_text(
        "symbol,date,open,high,low,close,volume\n" + rows + "A,03/09/2024,10,11,9,10,100\n"
    )
    with pytest.raises(UsageError, match="has no clear order of day and month"):
        read_bars(path)
    path.write_text(
        "symbol,date,open,high,low,close,volume\n" + rows + "A,03/13/2024,10,11,9,10,100\n"
    )
    assert read_bars(path)["date"].to_list()[0] == dt.date(2024, 3, 4)


@pytest.mark.parametrize("offset", [1, -1, 0])
@pytest.mark.parametrize(
    "form", ["text", "slashed", "dates", "naive times", "serial", "a file a day"]
)
def test_dates_that_are_a_day_off_are_corrected(form: str, offset: int, tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2024, 4, 1), dt.date(2024, 5, 31))
    written = [day + dt.timedelta(offset) for day in days]
    closes = [100.0 + i for i in range(len(days))]
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    table = pl.DataFrame({"symbol": "AAPL", "date": written, **prices, "volume": 1000.0})
    path = tmp_path / "bars"
    if form == "dates":
        path = path.with_suffix(".parquet")
        table.write_parquet(path)
    elif form == "naive times":
        path = path.with_suffix(".parquet")
        table.with_columns(pl.col("date").cast(pl.Datetime("ns"))).write_parquet(path)
    elif form == "a file a day":
        path.mkdir()
        for i, day in enumerate(written):
            table[i : i + 1].write_csv(path / f"bars-{day}.csv")
    else:
        forms = {"text": "%Y-%m-%d", "slashed": "%m/%d/%Y"}
        shown = (
            table["date"].dt.strftime(forms[form])
            if form in forms
            else (table["date"] - dt.date(1899, 12, 30)).dt.total_days()
        )
        path = path.with_suffix(".csv")
        table.with_columns(shown.alias("date")).write_csv(path)
    bars, readings = read_bars_with_readings(path)
    bars = bars.sort("date")
    assert bars["date"].to_list() == days
    assert bars["close"].to_list() == closes
    word = {1: "a day late", -1: "a day early", 0: "nothing"}[offset]
    assert all(any(word in note for note in reading.notes) for reading in readings) == bool(offset)


def test_days_of_every_week_are_not_moved(tmp_path: Path) -> None:
    """A file that repeats Friday's bar on weekends has rows to set aside, and no wrong dates."""
    days = [dt.date(2024, 4, 1) + dt.timedelta(i) for i in range(60)]
    table = pl.DataFrame({"symbol": "A", "date": days, "open": 1.0, "high": 1.0, "low": 1.0})
    table.with_columns(close=1.0, volume=1.0).write_csv(tmp_path / "bars.csv")
    bars, (reading,) = read_bars_with_readings(tmp_path / "bars.csv")
    assert bars["date"].to_list() == days
    assert not [note for note in reading.notes if "a day" in note]


ZONES = ["Europe/Berlin", "Europe/London", "Asia/Tokyo", "Asia/Kolkata", "Australia/Sydney"]


def midnights(days: list[dt.date], zone: str) -> list[dt.datetime]:
    """Return the midnights of days in a zone, in UTC."""
    midnight = dt.time(tzinfo=ZoneInfo(zone))
    return [dt.datetime.combine(day, midnight).astimezone(dt.UTC) for day in days]


def written_as(instants: list[dt.datetime], form: str) -> pl.Series:
    """Return instants as a column of a file."""
    if form == "instants":
        return pl.Series("date", instants, dtype=pl.Datetime("ns", "UTC"))
    if form == "times without a zone":
        return pl.Series("date", [one.replace(tzinfo=None) for one in instants])
    if form == "text":
        return pl.Series("date", [f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in instants])
    per_second = {"seconds": 1, "milliseconds": 1000}[form]
    return pl.Series("date", [int(one.timestamp()) * per_second for one in instants])


@pytest.mark.parametrize("zone", [*ZONES, "America/New_York", "America/Los_Angeles", "UTC"])
@pytest.mark.parametrize(
    "form", ["instants", "times without a zone", "text", "seconds", "milliseconds"]
)
@pytest.mark.parametrize(
    ("first", "last"), [("2016-01-04", "2016-12-30"), ("2016-03-07", "2016-03-18")]
)
def test_midnights_of_any_zone_are_the_days_that_they_stand_for(
    first: str, last: str, form: str, zone: str
) -> None:
    days = sessions_in_range(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    column = written_as(midnights(days, zone), form)
    found = days_of(column)
    assert found.days.to_list() == days
    is_winter_in_london = zone == "Europe/London" and days[-1] < dt.date(2016, 3, 27)
    if zone in ZONES and form != "times without a zone" and not is_winter_in_london:
        assert "midnights of another zone" in found.note
    assert lenient_days(column).days.to_list() == days


def test_a_few_midnights_of_summer_among_those_of_winter() -> None:
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 4, 1))
    found = days_of(written_as(midnights(days, "Europe/London"), "instants"))
    assert found.days.to_list() == days


@pytest.mark.parametrize("zone", ZONES)
def test_ex_dates_as_midnights_of_another_zone_are_told(zone: str, tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))[::9]
    column = written_as(midnights(days, zone), "instants").alias("ex_date")
    table = pl.DataFrame({"symbol": "A", "ex_date": column, "kind": "dividend", "cash": 0.5})
    table.write_parquet(tmp_path / "actions.parquet")
    told = read_actions(tmp_path / "actions.parquet")
    assert [one.ex_date for one in told.dividends] == days
    (note,) = told.notes
    assert "midnights of another zone" in note


@pytest.mark.parametrize("offset", [1, -1])
def test_ex_dates_that_are_a_day_off_are_corrected(offset: int, tmp_path: Path) -> None:
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))[::3]
    written = [day + dt.timedelta(offset) for day in days]
    table = pl.DataFrame({"symbol": "A", "ex_date": written, "kind": "dividend", "cash": 0.5})
    table.write_csv(tmp_path / "actions.csv")
    told = read_actions(tmp_path / "actions.csv")
    assert [one.ex_date for one in told.dividends] == days
    assert len(told.notes) == 1


def test_times_of_closes_after_midnight_in_utc_stay_the_day_in_new_york() -> None:
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))
    evening = dt.time(20, tzinfo=ZoneInfo("America/New_York"))
    closes = [dt.datetime.combine(day, evening) for day in days]
    found = days_of(written_as([one.astimezone(dt.UTC) for one in closes], "instants"))
    assert (found.days.to_list(), found.note) == (days, "")
