"""Read date columns of files: the session of each row, in New York.

A time with a zone, or since the epoch, is an instant; its day is the day in New York. If all times
of a column are midnight in their own zone, they stand for days: the written day is used unless the
New York day gives more sessions. If only some are midnight, the interpretation with more sessions
is used. If the days are not sessions, the times are midnights of another zone (`_at_sessions`).
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import polars as pl

from marketsweep.core.calendar import FIRST_DAY, LAST_DAY, is_session
from marketsweep.errors import UsageError
from marketsweep.ingest.files.values import CellFault, kind_name, map_categories, refuse

_NEW_YORK: Final = "America/New_York"
_BAD_DATE: Final = "is not a date like 2016-01-04"
_MIDNIGHT: Final = dt.time()

_ISO: Final = r"^(\d{4}(?:-\d{1,2}-|/\d{1,2}/|\.\d{1,2}\.)\d{1,2})((?:[T ].*)?)$"
_SLASHED: Final = r"^(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4}|\d{2})((?:[T ,].*)?)$"
_DIGITS: Final = r"^-?\d+(?:\.\d+)?$"

_CLOCK: Final = r"^(?:T|,? )(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?([AaPp])\.?[Mm]\.?)?"
_ZONE: Final = r"(?: ?([Zz]|UTC|GMT|EST|EDT|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?))?$"
_SECOND_US: Final = 1_000_000
"""Microseconds of a second."""

_MONTH_NAME_FORMS: Final = (
    # Two digits first, because the form with four digits also accepts two.
    ("%d-%b-%y", "day-month name-year of two digits"),
    ("%d %b %y", "day month name year of two digits"),
    ("%b %d, %y", "month name day, year of two digits"),
    ("%d-%b-%Y", "day-month name-year"),
    ("%d %b %Y", "day month name year"),
    ("%b %d, %Y", "month name day, year"),
    ("%b %d %Y", "month name day year"),
    ("%B %d, %Y", "month name day, year"),
    ("%d %B %Y", "day month name year"),
    ("%Y-%b-%d", "year-month name-day"),
)

_MAX_DAYS_FROM_1970: Final = 106_000
"""Days before and after 1970 within which times in any unit can be converted."""

_MAX_SPREAD: Final = 3
"""Ratio of the time ranges of two interpretations from which the longer one has the wrong order."""

_MAX_TEXT_DAYS: Final = 3_000_000

_LAST_TWO_DIGIT_YEAR: Final = 2061
"""The latest year of a two-digit year: the calendar of sessions starts in 1962."""

_MIN_DATES: Final = 5
"""The minimum number of different dates to tell whether they are a day off: a week."""

_SHIFTED_SHARE: Final = 0.95
"""The minimum share of dates that are sessions, for a reading of them to be the right one."""

_SERIAL_SYSTEMS: Final = (("1900", dt.date(1899, 12, 30)), ("1904", dt.date(1904, 1, 1)))
"""The two date systems of spreadsheets, and the day from which each counts."""

_SERIAL_RANGE: Final = (20_000, 80_000)
"""Range of serial days of spreadsheets: the years 1954 to 2119, in either system."""

_ZONE_HOURS: Final = tuple(hour for size in range(1, 15) for hour in (size, -size))
"""Hours between two zones, the smallest first."""

_UNITS_PER_DAY: Final = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}

_EPOCHS: Final = (
    (1e10, 1_000_000, "seconds"),
    (1e13, 1_000, "milliseconds"),
    (1e16, 1, "microseconds"),
    (1e19, 0.001, "nanoseconds"),
)
"""Upper limit of a time since 1970 in a unit, microseconds per unit, and name of the unit."""


class Days(NamedTuple):
    """A column of dates, and how it was read."""

    days: pl.Series
    """Dates, null for a missing date."""
    form: str
    """Description of the form of the dates."""
    timed: bool = False
    """Whether the column has times of the day."""
    from_instants: bool = False
    """Whether the days are those of instants, and not the written days alone."""
    note: str = ""
    """A sentence for the user if the days are not those that the times show."""


def days_of(column: pl.Series, missing: tuple[str, ...] = ()) -> Days:
    """Return the dates of a column.

    Texts in `missing` (in lower case) stand for no date. Raises UsageError, naming row and column,
    for a cell that is not a date, and for a column whose day and month are ambiguous.
    """
    if isinstance(column.dtype, pl.Categorical):
        return _parse_categories(column, missing)
    return _parse_column(column, missing)


def _parse_categories(column: pl.Series, missing: tuple[str, ...]) -> Days:
    """Return the dates of a categorical column; each text is parsed once."""
    texts = column.unique(maintain_order=True).drop_nulls()
    try:
        days = _parse_column(texts.cast(pl.String), missing)
    except CellFault as error:
        rows = column.is_in(texts.gather(list(error.rows))).arg_true().to_list()
        raise CellFault(rows, error.fault) from None
    return days._replace(days=map_categories(column, texts, days.days))


def _parse_column(column: pl.Series, missing: tuple[str, ...]) -> Days:
    kind = column.dtype
    if kind == pl.Null:
        return Days(column.cast(pl.Date), "empty")
    if kind == pl.Date:
        _refuse_far_days(column, 1)
        return Days(column, "dates")
    if isinstance(kind, pl.Datetime):
        _refuse_far_days(column, _UNITS_PER_DAY[kind.time_unit])
        return _parse_datetimes(column, kind.time_zone)
    if kind == pl.Enum:
        column = column.cast(pl.String)
    elif kind.is_integer() or kind.is_float():
        return _parse_numbers(column, column.cast(pl.Float64, strict=False))
    elif kind != pl.String:
        raise UsageError(f"column {column.name} holds {kind_name(kind)} and not dates")
    text = column.str.strip_chars()
    return _parse_texts(text.set(text.is_null() | text.str.to_lowercase().is_in(missing), None))


def _refuse_far_days(column: pl.Series, per_day: int) -> None:
    """Raise UsageError for a typed cell whose date Python cannot represent."""
    number = column.to_physical()
    days = (number // per_day).abs()
    # Beyond that limit polars cannot write the cell as text either.
    text = column.set(days > _MAX_TEXT_DAYS, None).cast(pl.String).fill_null(number.cast(pl.String))
    refuse(text, (days > _MAX_DAYS_FROM_1970).fill_null(value=False), column.name, _BAD_DATE)


def _parse_texts(text: pl.Series) -> Days:
    texts = text.drop_nulls()
    if not len(texts):
        return Days(text.cast(pl.Date, strict=False), "empty")
    # The form of most cells is the form of the column; cells of another form are faults.
    shares = {form: texts.str.contains(form).mean() for form in (_ISO, _SLASHED, _DIGITS)}
    form = max(shares, key=lambda name: shares[name] or 0.0)
    if not shares[form]:
        return _parse_month_names(text, texts)
    if form == _DIGITS:
        return _parse_numbers(text, text.cast(pl.Float64, strict=False))
    return _parse_iso(text) if form == _ISO else _parse_slashed(text)


def _parse_iso(text: pl.Series) -> Days:
    written = text.str.extract(_ISO, 1)
    days = written.str.replace_all(r"[/.]", "-").str.to_date("%Y-%m-%d", strict=False)
    separator = written.drop_nulls()[0][4]
    return _parse_clock(text, days, text.str.extract(_ISO, 2), f"YYYY{separator}MM{separator}DD")


def _parse_clock(text: pl.Series, days: pl.Series, clock_text: pl.Series, form: str) -> Days:
    """Return the days of cells whose date is followed by `clock_text`: nothing, or a time."""
    groups = clock_text.str.extract_groups(_CLOCK + _ZONE).struct.unnest()
    hour, minute, second = (groups[name].cast(pl.Int64) for name in "123")
    has_no_time = (clock_text == "").fill_null(value=False)
    is_faulty = days.is_null() | ~(has_no_time | hour.is_not_null())
    refuse(text, text.is_not_null() & is_faulty, text.name, _BAD_DATE)
    if not hour.is_not_null().any():
        return Days(days, form)
    is_afternoon = groups["5"].str.to_lowercase() == "p"
    is_wrong = (hour > 23) | (minute > 59) | (second > 59)
    is_wrong |= groups["5"].is_not_null() & ((hour < 1) | (hour > 12))
    refuse(text, is_wrong.fill_null(value=False), text.name, "is not a time")
    hour = (hour % 12 + 12 * is_afternoon.cast(pl.Int64)).fill_null(hour)
    micros = groups["4"].str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    clock = (hour * 3600 + minute * 60 + second.fill_null(0)) * _SECOND_US + micros.fill_null(0)
    local = days.cast(pl.Int64) * _UNITS_PER_DAY["us"] + clock.fill_null(0)
    times = local.cast(pl.Datetime("us"))
    zone = groups["6"]
    if not zone.is_not_null().any():
        return _at_sessions(Days(days, f"{form} with a time", timed=True), times)
    offset = zone.str.replace("EST", "-05").str.replace("EDT", "-04")
    signed = offset.str.extract_groups(r"^([+-])(\d{2}):?(\d{2})?$").struct.unnest()
    hours, minutes = (signed[name].cast(pl.Int64).fill_null(0) for name in "23")
    utc_offset = (hours * 60 + minutes) * 60 * _SECOND_US
    utc_offset = utc_offset.zip_with((signed["1"] != "-").fill_null(value=True), -utc_offset)
    instants = (local - utc_offset).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    # A cell without a zone is not an instant: its day is the written day.
    instants = instants.set(zone.is_null(), None)
    return _days_of_instants(text.name, days, times, instants, "times with a zone")


def _parse_datetimes(column: pl.Series, zone: str | None) -> Days:
    if zone is None:
        return _at_sessions(Days(column.dt.date(), "times", timed=True), column)
    local = column.dt.replace_time_zone(None)
    name = f"times in {zone}"
    return _days_of_instants(column.name, local.dt.date(), local, column, name)


def _parse_numbers(column: pl.Series, values: pl.Series) -> Days:
    is_present = column.is_not_null()
    refuse(column, is_present & ~values.is_finite().fill_null(value=False), column.name, _BAD_DATE)
    largest = values.abs().max()
    if not isinstance(largest, float):
        return Days(column.cast(pl.Date, strict=False), "empty")
    if 19_000_101 <= largest <= 22_001_231:
        days = values.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        refuse(column, is_present & days.is_null(), column.name, _BAD_DATE)
        return Days(days, "YYYYMMDD")
    if 19_000_101_000_000 <= largest <= 22_001_231_235_959:
        return _parse_digits(column, values)
    if _SERIAL_RANGE[0] <= largest < _SERIAL_RANGE[1]:
        return _parse_serials(column, values)
    scale = next((epoch for epoch in _EPOCHS if largest < epoch[0]), None)
    if scale is None or largest < 1e7:
        refuse(column, is_present, column.name, _BAD_DATE)
        return Days(column.cast(pl.Date, strict=False), "empty")
    limit, micros_each, unit = scale
    _refuse_other_units(column, values.abs(), limit / 1000)
    micros = (values * micros_each).round().cast(pl.Int64)
    instants = micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = instants.dt.replace_time_zone(None)
    form = f"{unit} since 1970"
    return _days_of_instants(column.name, local.dt.date(), local, instants, form)


def _parse_serials(column: pl.Series, values: pl.Series) -> Days:
    """Return the days of a spreadsheet's serial numbers, such as 42373 for 2016-01-04.

    The date system is the one that gives more sessions, if need be a day off, or 1900 if both give
    equally many.
    """
    refuse(column, (values < _SERIAL_RANGE[0]).fill_null(value=False), column.name, _BAD_DATE)
    whole_days = values.floor().cast(pl.Int32)
    epoch = dt.date(1970, 1, 1)
    readings = {
        name: (whole_days + (day_zero - epoch).days).cast(pl.Date).alias(column.name)
        for name, day_zero in _SERIAL_SYSTEMS
    }
    best = max(readings, key=lambda name: _count_best_sessions(readings[name]))
    timed = bool((values != whole_days).any())
    return Days(readings[best], f"serial days of a spreadsheet ({best})", timed)


def _parse_digits(column: pl.Series, values: pl.Series) -> Days:
    """Return the days of numbers like 20160104093000."""
    digits = values.cast(pl.Int64).cast(pl.String)
    days = digits.str.slice(0, 8).str.to_date("%Y%m%d", strict=False)
    clock_text = digits.str.replace(r"^\d{8}(\d{2})(\d{2})(\d{2})$", " $1:$2:$3")
    shown = column.cast(pl.String)
    return _parse_clock(shown, days, clock_text, "YYYYMMDD")


def _refuse_other_units(column: pl.Series, sizes: pl.Series, smallest: float) -> None:
    """Raise UsageError for times close to 1970 in a column that otherwise has none near them.

    Such times are in a larger unit than the column, such as milliseconds among nanoseconds.
    """
    is_too_small = (sizes < smallest).fill_null(value=False)
    if not ((sizes >= smallest) & (sizes < 4 * smallest)).any():
        refuse(column, is_too_small, column.name, _BAD_DATE)


def _days_of_instants(
    name: str, written: pl.Series, local: pl.Series, instants: pl.Series, form: str
) -> Days:
    """Return the days of instants: the written days if they are midnights of their zone.

    A row without an instant gets the written day.
    """
    known_local = local.filter(instants.is_not_null())
    midnights = (known_local.dt.time() == _MIDNIGHT).sum()
    new_york = instants.dt.convert_time_zone(_NEW_YORK)
    in_new_york = new_york.dt.date().fill_null(written)
    as_written = midnights > 0
    if midnights:
        # 20:00 in New York is midnight UTC in summer: the written days then include Saturdays.
        extra_sessions = _count_sessions(written) - _count_sessions(in_new_york)
        as_written = extra_sessions >= 0 if midnights == len(known_local) else extra_sessions > 0
    if as_written:
        form = f"{form}, midnight: the day as written"
        days = Days(written.alias(name), form, timed=True, from_instants=True)
    else:
        form = f"{form}: the day in New York"
        days = Days(in_new_york.alias(name), form, timed=True, from_instants=True)
    return _at_sessions(days, instants.dt.convert_time_zone("UTC").dt.replace_time_zone(None))


def _at_sessions(days: Days, times: pl.Series) -> Days:
    """Return the days with each time moved by the hours that make the days sessions, if need be.

    Midnights of a zone that were converted to another one lie some hours off the day that they
    stand for: midnight in Berlin is 22:00 or 23:00 UTC, on the day before. The times are without a
    zone; a row without a time keeps its day. All midnight is a case for `day_offset`.
    """
    distinct = times.drop_nulls().unique()
    dates = days.days.unique().drop_nulls()
    sessions = _count_sessions(dates)
    if len(dates) < _MIN_DATES or sessions == len(dates):
        return days
    # A few days that are not sessions may be errors, unless all times fit another zone.
    needed = _SHIFTED_SHARE if sessions < _SHIFTED_SHARE * len(dates) else 1.0
    if (distinct.dt.time() == _MIDNIGHT).all():
        return days
    for hours in _ZONE_HOURS:
        moved = distinct.dt.offset_by(f"{hours}h").dt.date().unique()
        if _count_sessions(moved) >= needed * len(moved):
            direction = "later" if hours > 0 else "earlier"
            note = (
                f"times are midnights of another zone: each is read as the day {abs(hours)} "
                f"hour{'s' * (abs(hours) > 1)} {direction}"
            )
            in_sessions = times.dt.offset_by(f"{hours}h").dt.date().fill_null(days.days)
            return days._replace(days=in_sessions.alias(days.days.name), note=note)
    return days


def is_short(days: pl.Series) -> bool:
    """Return whether there are too few dates to tell whether they are a day off."""
    return days.drop_nulls().n_unique() < _MIN_DATES


def day_offset(days: pl.Series) -> int | None:
    """Return by how many days written dates differ from their sessions: 1, -1 or 0.

    Some programs write the date of 20:00 in New York in UTC, which is the next day. Then there are
    bars on Saturdays and none on Mondays, and the day before each date is a session. Returns None
    for fewer than a week of dates.
    """
    dates = days.unique().drop_nulls()
    if len(dates) < _MIN_DATES:
        return None
    needed = _SHIFTED_SHARE * len(dates)
    if _count_sessions(dates) >= needed:
        return 0
    for offset in (1, -1):
        if _count_sessions(dates.dt.offset_by(f"{-offset}d")) >= needed:
            return offset
    return 0


def offset_note(offset: int) -> str:
    """Return the sentence that tells the user that dates were moved by `day_offset`."""
    late, neighbour = ("late", "before") if offset > 0 else ("early", "after")
    return f"dates are a day {late}, some on weekends: each is read as the day {neighbour}"


def _count_best_sessions(days: pl.Series) -> float:
    """Return how many of the days are sessions, as they are or all a day earlier or later."""
    return max(_count_sessions(days.dt.offset_by(f"{offset}d")) for offset in (0, 1, -1))


def _count_sessions(days: pl.Series) -> float:
    """Return how many of the days are sessions, weighted by rows."""
    counts = days.filter(days.is_between(FIRST_DAY, LAST_DAY)).value_counts()
    sessions = [is_session(day) for day in counts[days.name].to_list()]
    return float(counts.filter(pl.Series(sessions, dtype=pl.Boolean))["count"].sum())


def _parse_slashed(text: pl.Series) -> Days:
    fields = text.str.extract_groups(_SLASHED).struct.unnest()
    is_present = text.is_not_null()
    refuse(text, is_present & fields["1"].is_null(), text.name, _BAD_DATE)
    by_form = _possible_dates(text.name, fields)
    possible = {
        form: days for form, days in by_form.items() if not (is_present & days.is_null()).any()
    }
    if not possible:
        days = min(by_form.values(), key=pl.Series.null_count)
        refuse(text, is_present & days.is_null(), text.name, _BAD_DATE)
    clock_text = fields["5"]
    dotted_form = next((form for form in possible if form.startswith("DD")), None)
    if (fields["2"] == ".").any() and dotted_form:
        # Dates with dots never have the month first.
        return _parse_clock(text, possible[dotted_form], clock_text, dotted_form.replace("/", "."))
    sessions = {form: _count_sessions(days) for form, days in possible.items()}
    best = max(sessions, key=lambda form: sessions[form])
    for other in possible.keys() - {best}:
        if possible[best].equals(possible[other]):
            continue
        # Daily bars are close together. One weekend among them must not turn them into months.
        is_spread = _day_range(possible[best]) > _MAX_SPREAD * _day_range(possible[other])
        if sessions[best] > sessions[other] and not is_spread:
            continue
        dates = sorted({str(days.drop_nulls()[0]) for days in possible.values()})
        raise UsageError(
            f"{text.name} has no clear order of day and {'year' if len(dates) > 2 else 'month'}: "
            f"{text.drop_nulls()[0]!r} may be {' or '.join(dates)}; write dates like 2016-01-04"
        )
    return _parse_clock(text, possible[best], clock_text, best)


def _possible_dates(name: str, fields: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the dates for each possible order of day, month and year of three numbers."""
    first, second, third = (fields[field].cast(pl.Int32) for field in "134")
    if not (fields["4"].str.len_bytes() == 2).all():
        return {
            "MM/DD/YYYY": _to_date(name, third, first, second),
            "DD/MM/YYYY": _to_date(name, third, second, first),
        }
    year = _full_year(third)
    readings = {
        "MM/DD/YY": _to_date(name, year, first, second),
        "DD/MM/YY": _to_date(name, year, second, first),
    }
    if (fields["1"].str.len_bytes() == 2).all():
        readings["YY/MM/DD"] = _to_date(name, _full_year(first), second, third)
    return readings


def _full_year(year: pl.Series) -> pl.Series:
    """Return two-digit years as years of 1962 to 2061."""
    return year + 1900 + 100 * (year + 2000 <= _LAST_TWO_DIGIT_YEAR).cast(pl.Int32)


def _day_range(days: pl.Series) -> int:
    """Return the number of days from the first date to the last, both included."""
    day_numbers = days.drop_nulls().cast(pl.Int32).sort()
    return 1 + int(day_numbers[-1]) - int(day_numbers[0])


def _to_date(name: str, year: pl.Series, month: pl.Series, day: pl.Series) -> pl.Series:
    padded = (
        year.cast(pl.String).str.zfill(4)
        + "-"
        + month.cast(pl.String).str.zfill(2)
        + "-"
        + day.cast(pl.String).str.zfill(2)
    )
    return padded.str.to_date("%Y-%m-%d", strict=False).alias(name)


def _parse_month_names(text: pl.Series, texts: pl.Series) -> Days:
    for form, description in _MONTH_NAME_FORMS:
        if not texts.str.to_date(form, strict=False).null_count():
            return Days(_in_century(text.str.to_date(form, strict=False)), description)
    refuse(text, text.is_not_null(), text.name, _BAD_DATE)
    raise AssertionError


def _in_century(days: pl.Series) -> pl.Series:
    """Return days with two-digit years as days of 1962 to 2061."""
    is_late = (days.dt.year() > _LAST_TWO_DIGIT_YEAR).fill_null(value=False)
    return days.zip_with(~is_late, days.dt.offset_by("-100y"))
