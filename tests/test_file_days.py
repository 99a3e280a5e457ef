"""Dates of files: every form that people have, and the session that a time is of."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsweep.errors import UsageError
from marketsweep.files import read_bars
from marketsweep.files.days import days_of
from marketsweep.sessions import sessions_between

NEW_YORK = ZoneInfo("America/New_York")
DAYS = [dt.date(2024, 5, 1), dt.date(2024, 5, 2), dt.date(2024, 5, 14)]
YEAR = sessions_between(dt.date(2024, 1, 2), dt.date(2024, 12, 31))
ZONES = ["America/Chicago", "America/Los_Angeles", "Asia/Kolkata", "Europe/Berlin", "UTC"]


def column(texts: list[str | None]) -> pl.Series:
    return pl.Series("date", texts, dtype=pl.String)


@pytest.mark.parametrize(
    ("pattern", "form"),
    [
        ("%Y-%m-%d", "YYYY-MM-DD"),
        ("%Y-%m-%d 16:00:00", "YYYY-MM-DD with a time"),
        ("%Y%m%d", "YYYYMMDD"),
        ("%m/%d/%Y", "MM/DD/YYYY"),
        ("%d/%m/%Y", "DD/MM/YYYY"),
        ("%d.%m.%Y", "DD.MM.YYYY"),
        ("%Y/%m/%d", "YYYY/MM/DD"),
        ("%d-%b-%Y", "day-month name-year"),
        ("%b %d, %Y", "month name day, year"),
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
    with pytest.raises(UsageError, match="does not tell day from month: '02/05/2024' may be"):
        days_of(column(["02/05/2024"]))  # 5 February and 2 May are sessions both


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


@given(first=st.integers(0, len(YEAR) - 20), zone=st.sampled_from(ZONES))
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
    ],
)
def test_ways_to_write_a_zone(text: str, day: dt.date) -> None:
    assert days_of(column([text])).days.to_list() == [day]


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
    ],
)
def test_what_is_no_date_is_named(texts: list[str | None]) -> None:
    with pytest.raises(UsageError, match=r"row .: date is not a"):
        days_of(column(texts))


@pytest.mark.parametrize("text", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
def test_years_that_cannot_be(text: str, tmp_path: Path) -> None:
    rows = f"symbol,date,open,high,low,close,volume\nA,{text},1,2,0.5,1.5,100\n"
    (tmp_path / "bars.csv").write_text(rows)
    with pytest.raises(UsageError, match=f"row 1: date is not a date between 1900.*{text}"):
        read_bars(tmp_path / "bars.csv")


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
