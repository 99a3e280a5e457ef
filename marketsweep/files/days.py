"""Date columns of files: the session that each row is of, in New York.

A time with a zone, or since the epoch, is an instant: its day is that of New York. Where all times
of a column are midnight in their own zone they stand for days, and the day is the one that is
written. Where only some are, the reading that gives more sessions holds.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import polars as pl

from marketsweep.errors import UsageError
from marketsweep.files.values import kind_name, refuse
from marketsweep.sessions import is_session

_NEW_YORK: Final = "America/New_York"
_EXAMPLE: Final = "is not a date like 2016-01-04"
_MIDNIGHT: Final = dt.time()

_ISO: Final = r"^\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?$"
_CLOCK: Final = r"[T ](\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)"
_ZONE: Final = _CLOCK + r" ?([Zz]|[+-]\d{2}(?::?\d{2})?|UTC|GMT)$"
_SLASHED: Final = r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}(?:[T ,].*)?$"
_DIGITS: Final = r"^-?\d+(?:\.\d+)?$"

_NAMED: Final = (
    ("%d-%b-%Y", "day-month name-year"),
    ("%d %b %Y", "day month name year"),
    ("%b %d, %Y", "month name day, year"),
    ("%b %d %Y", "month name day year"),
    ("%B %d, %Y", "month name day, year"),
    ("%d %B %Y", "day month name year"),
    ("%Y-%b-%d", "year-month name-day"),
)

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
    times: pl.Series | None = None
    """The instants or clock times, where the column has any."""


def days_of(column: pl.Series, missing: tuple[str, ...] = ()) -> Days:
    """Return the dates of a column.

    Texts in `missing` (in lower case) stand for no date. Raises UsageError, naming row and column,
    for a cell that is not a date, and where day and month cannot be told apart.
    """
    kind = column.dtype
    if kind == pl.Null:
        return Days(column.cast(pl.Date), "empty")
    if kind == pl.Date:
        return Days(column, "dates")
    if isinstance(kind, pl.Datetime):
        return _of_times(column, kind.time_zone)
    if isinstance(kind, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
    elif kind.is_integer() or kind.is_float():
        return _of_numbers(column, column.cast(pl.Float64, strict=False))
    elif kind != pl.String:
        raise UsageError(f"column {column.name} holds {kind_name(kind)} and not dates")
    text = column.set(column.is_null() | column.str.to_lowercase().is_in(missing), None)
    return _of_texts(text)


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
    there = text.is_not_null()
    days = text.str.extract(r"^(\d{4}-\d{1,2}-\d{1,2})(?:[T ]|$)").str.to_date(
        "%Y-%m-%d", strict=False
    )
    refuse(text, there & days.is_null(), text.name, _EXAMPLE)
    clock = text.str.extract(_CLOCK)
    if not clock.is_not_null().any():
        return Days(days, "YYYY-MM-DD")
    full = clock.str.replace(r"^(\d{1,2}:\d{2})$", "$1:00")
    times = (days.cast(pl.String) + "T" + full.fill_null("00:00:00")).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False
    )
    refuse(text, there & times.is_null(), text.name, "is not a time")
    zone = text.str.extract(_ZONE, 2)
    if not zone.is_not_null().any():
        return Days(days, "YYYY-MM-DD with a time", times)
    parts = zone.str.extract_groups(r"^([+-])(\d{2}):?(\d{2})?$").struct.unnest()
    hours, minutes = (parts[name].cast(pl.Int64).fill_null(0) for name in ("2", "3"))
    west = (parts["1"] == "-").fill_null(value=False)
    offset = (hours * 60 + minutes) * 60_000_000
    offset = offset.zip_with(~west, -offset)
    instants = (times.cast(pl.Int64) - offset).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return _of_instants(text.name, days, times, instants, "times with a zone")


def _of_times(column: pl.Series, zone: str | None) -> Days:
    if zone is None:
        return Days(column.dt.date(), "times", column)
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
    scale = next(((scale, unit) for limit, scale, unit in _EPOCHS if most < limit), None)
    if scale is None or most < 1e7:
        refuse(column, there, column.name, _EXAMPLE)
        return Days(column.cast(pl.Date, strict=False), "empty")
    micros = (values * scale[0]).round().cast(pl.Int64)
    instants = micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = instants.dt.replace_time_zone(None)
    form = f"{scale[1]} since 1970"
    return _of_instants(column.name, local.dt.date(), local, instants, form)


def _of_instants(
    name: str, written: pl.Series, local: pl.Series, instants: pl.Series, form: str
) -> Days:
    """The days of instants: as written where they are midnights of their zone."""
    there = local.drop_nulls()
    midnights = (there.dt.time() == _MIDNIGHT).sum()
    ours = instants.dt.convert_time_zone(_NEW_YORK)
    in_new_york = ours.dt.date()
    if midnights == len(there):
        as_written = True
    elif midnights == 0:
        as_written = False
    else:
        as_written = _sessions(written) > _sessions(in_new_york)
    if as_written:
        return Days(written.alias(name), f"{form}, midnight: the day as written", local)
    return Days(in_new_york.alias(name), f"{form}: the day in New York", ours)


def _sessions(days: pl.Series) -> float:
    """How many of the days are sessions, weighted by rows."""
    counts = days.drop_nulls().value_counts()
    sessions = [is_session(day) for day in counts[days.name].to_list()]
    return float(counts.filter(pl.Series(sessions, dtype=pl.Boolean))["count"].sum())


def _of_slashed(text: pl.Series) -> Days:
    parts = text.str.extract_groups(r"^(?<a>\d{1,2})(?<s>[/.-])(?<b>\d{1,2})[/.-](?<y>\d{4})")
    fields = parts.struct.unnest()
    there = text.is_not_null()
    refuse(text, there & fields["a"].is_null(), text.name, _EXAMPLE)
    first, second, year = (fields[name].cast(pl.Int32) for name in "aby")
    readings = {
        "MM/DD/YYYY": _date(text.name, year, first, second),
        "DD/MM/YYYY": _date(text.name, year, second, first),
    }
    possible = {form: days for form, days in readings.items() if not (there & days.is_null()).any()}
    if not possible:
        days = min(readings.values(), key=pl.Series.null_count)
        refuse(text, there & days.is_null(), text.name, _EXAMPLE)
    if (fields["s"] == ".").any() and "DD/MM/YYYY" in possible:
        # With points nobody writes the month first.
        return Days(possible["DD/MM/YYYY"], "DD.MM.YYYY")
    sessions = {form: _sessions(days) for form, days in possible.items()}
    best = max(sessions, key=lambda form: sessions[form])
    same = [days for form, days in possible.items() if sessions[form] == sessions[best]]
    if len(same) == 2 and not same[0].equals(same[1]):
        one, other = (days.drop_nulls()[0] for days in same)
        raise UsageError(
            f"{text.name} does not tell day from month: {text.drop_nulls()[0]!r} may be {one} or "
            f"{other}; write dates like 2016-01-04"
        )
    return Days(possible[best], best)


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
            return Days(text.str.to_date(form, strict=False), words)
    slashes = text.str.to_date("%Y/%m/%d", strict=False)
    if slashes.is_not_null().any():
        refuse(text, text.is_not_null() & slashes.is_null(), text.name, _EXAMPLE)
        return Days(slashes, "YYYY/MM/DD")
    refuse(text, text.is_not_null(), text.name, _EXAMPLE)
    raise AssertionError
