"""Date columns of files: the session that each row is of, in New York.

A time with a zone, or since the epoch, is an instant: its day is that of New York. Where all times
of a column are midnight in their own zone they stand for days, and the day is the one that is
written, unless the other reading gives more sessions. Where only some are midnights, the reading
that gives more sessions holds.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import polars as pl

from marketsweep.core.calendar import FIRST_DAY, LAST_DAY, is_session
from marketsweep.errors import UsageError
from marketsweep.ingest.files.values import CellFault, kind_name, of_categories, refuse

_NEW_YORK: Final = "America/New_York"
_EXAMPLE: Final = "is not a date like 2016-01-04"
_MIDNIGHT: Final = dt.time()

_ISO: Final = r"^(\d{4}(?:-\d{1,2}-|/\d{1,2}/|\.\d{1,2}\.)\d{1,2})((?:[T ].*)?)$"
_SLASHED: Final = r"^(\d{1,2})([/.-])(\d{1,2})[/.-](\d{4}|\d{2})((?:[T ,].*)?)$"
_DIGITS: Final = r"^-?\d+(?:\.\d+)?$"

_CLOCK: Final = r"^(?:T|,? )(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?: ?([AaPp])\.?[Mm]\.?)?"
_ZONE: Final = r"(?: ?([Zz]|UTC|GMT|EST|EDT|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?))?$"
_SECOND: Final = 1_000_000
"""Microseconds."""

_NAMED: Final = (
    # First, since the form of four digits takes two as well.
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

_FARTHEST: Final = 106_000
"""Days before and after 1970 within which times in any unit can be converted."""

_MANY_TIMES: Final = 3
"""Times as long a time over which dates of the wrong order lie."""

_READABLE: Final = 3_000_000

_CENTURY_END: Final = 2061
"""The latest year that a year of two digits can be: sessions are known since 1962."""

_SERIALS: Final = (("1900", dt.date(1899, 12, 30)), ("1904", dt.date(1904, 1, 1)))
"""The two systems of dates of spreadsheets, and the day that each counts from."""

_SERIAL_RANGE: Final = (20_000, 80_000)
"""Serial days of spreadsheets between the years 1954 and 2119, in either system."""

_PER_DAY: Final = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}

_EPOCHS: Final = (
    (1e10, 1_000_000, "seconds"),
    (1e13, 1_000, "milliseconds"),
    (1e16, 1, "microseconds"),
    (1e19, 0.001, "nanoseconds"),
)
"""Below how much a time since 1970 is in a unit, and how many microseconds the unit has."""


class Days(NamedTuple):
    """A column of dates, and how it was read."""

    days: pl.Series
    """Date, null where the file has nothing."""
    form: str
    """In words."""
    timed: bool = False
    """Whether the column has times of the day."""


def days_of(column: pl.Series, missing: tuple[str, ...] = ()) -> Days:
    """Return the dates of a column.

    Texts in `missing` (in lower case) stand for no date. Raises UsageError, naming row and column,
    for a cell that is not a date, and where day and month cannot be told apart.
    """
    if isinstance(column.dtype, pl.Categorical):
        return _of_each(column, missing)
    return _of_column(column, missing)


def _of_each(column: pl.Series, missing: tuple[str, ...]) -> Days:
    """The dates of a column of which each text is read once."""
    texts = column.unique(maintain_order=True).drop_nulls()
    try:
        days = _of_column(texts.cast(pl.String), missing)
    except CellFault as error:
        rows = column.is_in(texts.gather(list(error.places))).arg_true().to_list()
        raise CellFault(rows, error.fault) from None
    return days._replace(days=of_categories(column, texts, days.days))


def _of_column(column: pl.Series, missing: tuple[str, ...]) -> Days:
    kind = column.dtype
    if kind == pl.Null:
        return Days(column.cast(pl.Date), "empty")
    if kind == pl.Date:
        _refuse_far(column, 1)
        return Days(column, "dates")
    if isinstance(kind, pl.Datetime):
        _refuse_far(column, _PER_DAY[kind.time_unit])
        return _of_times(column, kind.time_zone)
    if kind == pl.Enum:
        column = column.cast(pl.String)
    elif kind.is_integer() or kind.is_float():
        return _of_numbers(column, column.cast(pl.Float64, strict=False))
    elif kind != pl.String:
        raise UsageError(f"column {column.name} holds {kind_name(kind)} and not dates")
    text = column.str.strip_chars()
    return _of_texts(text.set(text.is_null() | text.str.to_lowercase().is_in(missing), None))


def _refuse_far(column: pl.Series, per_day: int) -> None:
    """Raise UsageError for a typed cell that Python has no date for."""
    number = column.to_physical()
    days = (number // per_day).abs()
    # Further off than that a cell has no text either.
    text = column.set(days > _READABLE, None).cast(pl.String).fill_null(number.cast(pl.String))
    refuse(text, (days > _FARTHEST).fill_null(value=False), column.name, _EXAMPLE)


def _of_texts(text: pl.Series) -> Days:
    there = text.drop_nulls()
    if not len(there):
        return Days(text.cast(pl.Date, strict=False), "empty")
    # The form of most cells is that of the column: a few others are its faults.
    share = {form: there.str.contains(form).mean() for form in (_ISO, _SLASHED, _DIGITS)}
    form = max(share, key=lambda name: share[name] or 0.0)
    if not share[form]:
        return _of_named(text, there)
    if form == _DIGITS:
        return _of_numbers(text, text.cast(pl.Float64, strict=False))
    return _of_iso(text) if form == _ISO else _of_slashed(text)


def _of_iso(text: pl.Series) -> Days:
    written = text.str.extract(_ISO, 1)
    days = written.str.replace_all(r"[/.]", "-").str.to_date("%Y-%m-%d", strict=False)
    mark = written.drop_nulls()[0][4]
    return _of_clock(text, days, text.str.extract(_ISO, 2), f"YYYY{mark}MM{mark}DD")


def _of_clock(text: pl.Series, days: pl.Series, rest: pl.Series, form: str) -> Days:
    """The days of cells whose date is followed by `rest`: nothing, or a time."""
    found = rest.str.extract_groups(_CLOCK + _ZONE).struct.unnest()
    hour, minute, second = (found[name].cast(pl.Int64) for name in "123")
    bare = (rest == "").fill_null(value=False)
    faulty = days.is_null() | ~(bare | hour.is_not_null())
    refuse(text, text.is_not_null() & faulty, text.name, _EXAMPLE)
    if not hour.is_not_null().any():
        return Days(days, form)
    afternoon = found["5"].str.to_lowercase() == "p"
    wrong = (hour > 23) | (minute > 59) | (second > 59)
    wrong |= found["5"].is_not_null() & ((hour < 1) | (hour > 12))
    refuse(text, wrong.fill_null(value=False), text.name, "is not a time")
    hour = (hour % 12 + 12 * afternoon.cast(pl.Int64)).fill_null(hour)
    parts = found["4"].str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    clock = (hour * 3600 + minute * 60 + second.fill_null(0)) * _SECOND + parts.fill_null(0)
    local = days.cast(pl.Int64) * _PER_DAY["us"] + clock.fill_null(0)
    times = local.cast(pl.Datetime("us"))
    zone = found["6"]
    if not zone.is_not_null().any():
        return Days(days, f"{form} with a time", timed=True)
    offset = zone.str.replace("EST", "-05").str.replace("EDT", "-04")
    signed = offset.str.extract_groups(r"^([+-])(\d{2}):?(\d{2})?$").struct.unnest()
    hours, minutes = (signed[name].cast(pl.Int64).fill_null(0) for name in "23")
    ahead = (hours * 60 + minutes) * 60 * _SECOND
    ahead = ahead.zip_with((signed["1"] != "-").fill_null(value=True), -ahead)
    instants = (local - ahead).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    # A cell without a zone is not an instant: its day is the one that is written.
    instants = instants.set(zone.is_null(), None)
    return _of_instants(text.name, days, times, instants, "times with a zone")


def _of_times(column: pl.Series, zone: str | None) -> Days:
    if zone is None:
        return Days(column.dt.date(), "times", timed=True)
    local = column.dt.replace_time_zone(None)
    name = f"times in {zone}"
    return _of_instants(column.name, local.dt.date(), local, column, name)


def _of_numbers(column: pl.Series, values: pl.Series) -> Days:
    there = column.is_not_null()
    refuse(column, there & ~values.is_finite().fill_null(value=False), column.name, _EXAMPLE)
    most = values.abs().max()
    if not isinstance(most, float):
        return Days(column.cast(pl.Date, strict=False), "empty")
    if 19_000_101 <= most <= 22_001_231:
        days = values.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        refuse(column, there & days.is_null(), column.name, _EXAMPLE)
        return Days(days, "YYYYMMDD")
    if 19_000_101_000_000 <= most <= 22_001_231_235_959:
        return _of_long_numbers(column, values)
    if _SERIAL_RANGE[0] <= most < _SERIAL_RANGE[1]:
        return _of_serials(column, values)
    scale = next((epoch for epoch in _EPOCHS if most < epoch[0]), None)
    if scale is None or most < 1e7:
        refuse(column, there, column.name, _EXAMPLE)
        return Days(column.cast(pl.Date, strict=False), "empty")
    limit, micros_each, unit = scale
    _refuse_other_units(column, values.abs(), limit / 1000)
    micros = (values * micros_each).round().cast(pl.Int64)
    instants = micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = instants.dt.replace_time_zone(None)
    form = f"{unit} since 1970"
    return _of_instants(column.name, local.dt.date(), local, instants, form)


def _of_serials(column: pl.Series, values: pl.Series) -> Days:
    """Return the days of a spreadsheet's serial numbers, as 42373 for 2016-01-04.

    The system of dates is the one that gives more sessions; 1900 where both give as many.
    """
    refuse(column, (values < _SERIAL_RANGE[0]).fill_null(value=False), column.name, _EXAMPLE)
    whole = values.floor().cast(pl.Int32)
    since = dt.date(1970, 1, 1)
    readings = {
        name: (whole + (start - since).days).cast(pl.Date).alias(column.name)
        for name, start in _SERIALS
    }
    best = max(readings, key=lambda name: _sessions(readings[name]))
    timed = bool((values != whole).any())
    return Days(readings[best], f"serial days of a spreadsheet ({best})", timed)


def _of_long_numbers(column: pl.Series, values: pl.Series) -> Days:
    """The days of numbers like 20160104093000."""
    digits = values.cast(pl.Int64).cast(pl.String)
    days = digits.str.slice(0, 8).str.to_date("%Y%m%d", strict=False)
    rest = digits.str.replace(r"^\d{8}(\d{2})(\d{2})(\d{2})$", " $1:$2:$3")
    shown = column.cast(pl.String)
    return _of_clock(shown, days, rest, "YYYYMMDD")


def _refuse_other_units(column: pl.Series, sizes: pl.Series, least: float) -> None:
    """Raise UsageError for times of months around 1970 in a column that has none near them.

    They are in a larger unit than the column: milliseconds among nanoseconds.
    """
    small = (sizes < least).fill_null(value=False)
    if not ((sizes >= least) & (sizes < 4 * least)).any():
        refuse(column, small, column.name, _EXAMPLE)


def _of_instants(
    name: str, written: pl.Series, local: pl.Series, instants: pl.Series, form: str
) -> Days:
    """The days of instants: as written where they are midnights of their zone.

    A row without an instant is of the day that is written.
    """
    there = local.filter(instants.is_not_null())
    midnights = (there.dt.time() == _MIDNIGHT).sum()
    ours = instants.dt.convert_time_zone(_NEW_YORK)
    in_new_york = ours.dt.date().fill_null(written)
    as_written = midnights > 0
    if midnights:
        # 20:00 in New York is midnight UTC in summer: Saturdays and no Mondays show it.
        gained = _sessions(written) - _sessions(in_new_york)
        as_written = gained >= 0 if midnights == len(there) else gained > 0
    if as_written:
        return Days(written.alias(name), f"{form}, midnight: the day as written", timed=True)
    return Days(in_new_york.alias(name), f"{form}: the day in New York", timed=True)


def _sessions(days: pl.Series) -> float:
    """How many of the days are sessions, weighted by rows."""
    counts = days.filter(days.is_between(FIRST_DAY, LAST_DAY)).value_counts()
    sessions = [is_session(day) for day in counts[days.name].to_list()]
    return float(counts.filter(pl.Series(sessions, dtype=pl.Boolean))["count"].sum())


def _of_slashed(text: pl.Series) -> Days:
    fields = text.str.extract_groups(_SLASHED).struct.unnest()
    there = text.is_not_null()
    refuse(text, there & fields["1"].is_null(), text.name, _EXAMPLE)
    readings = _readings(text.name, fields)
    possible = {form: days for form, days in readings.items() if not (there & days.is_null()).any()}
    if not possible:
        days = min(readings.values(), key=pl.Series.null_count)
        refuse(text, there & days.is_null(), text.name, _EXAMPLE)
    rest = fields["5"]
    with_points = next((form for form in possible if form.startswith("DD")), None)
    if (fields["2"] == ".").any() and with_points:
        # With points nobody writes the month first.
        return _of_clock(text, possible[with_points], rest, with_points.replace("/", "."))
    sessions = {form: _sessions(days) for form, days in possible.items()}
    best = max(sessions, key=lambda form: sessions[form])
    for other in possible.keys() - {best}:
        if possible[best].equals(possible[other]):
            continue
        # Bars of days lie close together. One weekend among them must not turn them into months.
        is_spread = _span(possible[best]) > _MANY_TIMES * _span(possible[other])
        if sessions[best] > sessions[other] and not is_spread:
            continue
        dates = sorted({str(days.drop_nulls()[0]) for days in possible.values()})
        raise UsageError(
            f"{text.name} does not tell day from {'year' if len(dates) > 2 else 'month'}: "
            f"{text.drop_nulls()[0]!r} may be {' or '.join(dates)}; write dates like 2016-01-04"
        )
    return _of_clock(text, possible[best], rest, best)


def _readings(name: str, fields: pl.DataFrame) -> dict[str, pl.Series]:
    """Return the dates of three numbers by the order of day, month and year."""
    first, second, third = (fields[field].cast(pl.Int32) for field in "134")
    if not (fields["4"].str.len_bytes() == 2).all():
        return {
            "MM/DD/YYYY": _date(name, third, first, second),
            "DD/MM/YYYY": _date(name, third, second, first),
        }
    year = _full_year(third)
    readings = {
        "MM/DD/YY": _date(name, year, first, second),
        "DD/MM/YY": _date(name, year, second, first),
    }
    if (fields["1"].str.len_bytes() == 2).all():
        readings["YY/MM/DD"] = _date(name, _full_year(first), second, third)
    return readings


def _full_year(year: pl.Series) -> pl.Series:
    """Return years of two digits as those of 1962 to 2061."""
    return year + 1900 + 100 * (year + 2000 <= _CENTURY_END).cast(pl.Int32)


def _span(days: pl.Series) -> int:
    """Return the days from the first date to the last."""
    known = days.drop_nulls().cast(pl.Int32).sort()
    return 1 + int(known[-1]) - int(known[0])


def _date(name: str, year: pl.Series, month: pl.Series, day: pl.Series) -> pl.Series:
    padded = (
        year.cast(pl.String).str.zfill(4)
        + "-"
        + month.cast(pl.String).str.zfill(2)
        + "-"
        + day.cast(pl.String).str.zfill(2)
    )
    return padded.str.to_date("%Y-%m-%d", strict=False).alias(name)


def _of_named(text: pl.Series, there: pl.Series) -> Days:
    for form, words in _NAMED:
        if not there.str.to_date(form, strict=False).null_count():
            return Days(_in_century(text.str.to_date(form, strict=False)), words)
    refuse(text, text.is_not_null(), text.name, _EXAMPLE)
    raise AssertionError


def _in_century(days: pl.Series) -> pl.Series:
    """Return days with years of two digits as those of 1962 to 2061."""
    late = (days.dt.year() > _CENTURY_END).fill_null(value=False)
    return days.zip_with(~late, days.dt.offset_by("-100y"))
