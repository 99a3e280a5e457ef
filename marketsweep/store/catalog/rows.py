"""The records in the catalog's tables, and how records become rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from marketsweep.core.records import Listing
from marketsweep.store.known_sessions import SymbolRequest
from marketsweep.store.segments.files import Segment
from marketsweep.store.segments.reading import Segments


class SegmentRow(NamedTuple):
    """One segment file in the catalog; `checksum` is the CRC-32 of the whole file."""

    period: str
    """The month in it, or the part of one (`segments.period_of`)."""
    file: str
    sessions: int
    width: int
    bytes: int
    checksum: int


def segments_of(folder: Path, rows: Iterable[SegmentRow]) -> Segments:
    """Return the segments of a folder from their rows, starting at the first session."""
    parts: list[Segment] = []
    for row in rows:
        parts.append(segment_of(parts[-1].end if parts else 0, folder, row))
    return Segments(parts)


def segment_of(first: int, folder: Path, row: SegmentRow) -> Segment:
    """Return the segment of a row; `first` is the place of its first session in the store."""
    return Segment(
        first, row.sessions, row.width, folder, row.file, bytes=row.bytes, checksum=row.checksum
    )


QUALITY: Final = (
    "bars",
    "nonpositive",  # a price at or below zero
    "inverted",  # the high is below the low
    "outside",  # the open or the close is not between low and high
    "absurd",  # a price of ten million dollars or more
    "no_volume",
    "negative_volume",
)
"""What is counted of a session's bars."""


class SessionRow(NamedTuple):
    """One stored session, its `QUALITY` counts, and the last source that changed a bar of it."""

    date: dt.date
    source: str
    counts: Mapping[str, int]


class SetAside(NamedTuple):
    """A row that is not in the segments; `values` as `fields.FIELDS`, NaN for missing values."""

    session: dt.date
    symbol: str
    reason: str
    values: tuple[float, ...]


class Revision(NamedTuple):
    """A stored bar that a later fetch changed at `at` (UTC); values as `fields.FIELDS`."""

    session: dt.date
    symbol: str
    at: dt.datetime
    old: tuple[float, ...]
    new: tuple[float, ...]


class Change(NamedTuple):
    """Everything that one commit changes in the catalog."""

    at: dt.datetime
    tickers: Sequence[str]
    """New tickers of the axis, in its order."""
    sessions: Sequence[SessionRow]
    segments: Sequence[SegmentRow]
    superseded: Sequence[str]
    """Periods whose segments are replaced."""
    revisions: Sequence[Revision]
    set_aside: Sequence[SetAside]
    days: Sequence[dt.date]
    """Sessions with fetched bars, new or not."""
    asked: SymbolRequest | None
    """The request if the sessions are partial; None if they are whole."""


values_of: Final[Callable[[Listing], tuple[object, ...]]] = attrgetter(
    *(field.name for field in fields(Listing))
)
"""Return the fields of a listing, in their order."""


def text_of(moment: dt.datetime) -> str:
    """Return a UTC time as text."""
    return moment.isoformat(timespec="seconds")  # all UTC: as text they sort by time
