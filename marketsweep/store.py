"""The data folder: append, read, verify.

    catalog.sqlite    what is stored, in transactions (`catalog`)
    segments/         one immutable `.npy` a month (`segments`)
    writer.lock       held by the one writer

A commit goes in this order, so that a kill at any moment loses nothing and tears nothing:

1. every session is judged: rows become bars or are set aside, new tickers join the axis
   (`intake.judge`);
2. every month is merged from its segment and the new bars (`intake.merge`), and written under
   a new name, durably (`segments.write_segment`);
3. the folder is synced: the new names would survive a power cut;
4. one transaction of the catalog points to the new segments (`Catalog.apply`). This is the commit.

What was superseded stays for a while, as a reader may be about to open it; the next writer
after that deletes it, with whatever a killed writer left behind (`segments.sweep`).

A reader sees one transaction's state (`Store.snapshot`) and waits for nobody.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from marketsweep import catalog as _catalog
from marketsweep import segments as _segments
from marketsweep.catalog import Catalog, Change, Revision, SegmentRow, SessionRow, SetAside
from marketsweep.errors import (
    MarketsweepError,
    StoreDamaged,
    StoreError,
    StoreLocked,
    UsageError,
)
from marketsweep.fields import FIELDS
from marketsweep.intake import Axis, Intake, Merged, judge, merge, quality
from marketsweep.segments import Disk, Segment, disk_errors, sweep, write_segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.records import Dividend, Listing, SessionBars, Split

__all__ = [
    "CommitReceipt",
    "Counts",
    "Revision",
    "Segment",
    "SetAside",
    "Snapshot",
    "Store",
    "Verification",
    "Writer",
]

_LOCK: Final = "writer.lock"
_GRACE: Final = dt.timedelta(minutes=10)
"""How long a superseded segment stays for the readers who know of it but have not opened it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What `marketsweep status` shows of a store."""

    version: int
    sessions: int
    first: dt.date | None
    last: dt.date | None
    symbols: int
    bars: int
    quality: dict[str, int]
    """Doubtful bars by kind: nonpositive, inverted, outside, absurd, no_volume, negative_volume."""
    set_aside: dict[str, int]
    """Rows kept out of the segments, by reason."""
    revisions: int
    splits: int
    dividends: int
    listings: int
    segments: int
    bytes: int
    """Of the segments and the catalog on disk."""
    last_sync: dict[str, object] | None
    notes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of the whole store found; no damages means that it holds."""

    segments: int
    bytes: int
    bars: int
    damages: list[str]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.damages


@dataclass(slots=True)
class CommitReceipt:
    """What became of the rows of a commit: new + revised + unchanged + set aside is all of them."""

    version: int
    """The store's version after it; the same as before where nothing changed."""
    sessions: int = 0
    """Sessions that brought at least one bar."""
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    kept: int = 0
    """Bars stored before and absent from this fetch: they stay."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows by reason, those that an earlier fetch had set aside already included."""


class Store:
    """A data folder. Made by `open` or `create`; a context manager that closes itself."""

    def __init__(self, path: Path, catalog: Catalog, disk: Disk) -> None:
        self.path = path
        self._catalog = catalog
        self._disk = disk

    @classmethod
    def open(cls, path: Path, disk: Disk | None = None) -> Self:
        """The store in a folder, for reading; writes nothing.

        Raises UsageError where there is none, StoreDamaged where its catalog is no good.
        """
        return cls(path, Catalog.open(path), disk or Disk())

    @classmethod
    def create(cls, path: Path, disk: Disk | None = None) -> Self:
        """The store in a folder, made where there is none. Raises StoreError where it cannot be."""
        try:
            return cls.open(path, disk)
        except UsageError:
            _make(path)
        return cls.open(path, disk)

    def close(self) -> None:
        """Let go of the catalog; snapshots live on."""
        self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def version(self) -> int:
        """The version now: cheap to ask, to learn whether a snapshot is the newest."""
        return self._catalog.version()

    def snapshot(self) -> Snapshot:
        """One consistent view of everything that is committed now."""
        return Snapshot(self.path)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """The right to write, for one at a time. Raises StoreLocked, naming who has it."""
        with ExitStack() as stack:
            stack.enter_context(_locked(self.path))
            catalog = Catalog.create(self.path)
            stack.callback(catalog.close)
            yield Writer(self.path, catalog, self._disk)

    def verify(self) -> Verification:
        """Read every byte and check it; damages come back in words, none is raised."""
        return _verify(self.path)


def _make(path: Path) -> None:
    with disk_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StoreError(f"{path} is in the way of a folder: it is a file, or in one") from None
    with _locked(path):
        with disk_errors(path):
            (path / _segments.FOLDER).mkdir(exist_ok=True)
        Catalog.create(path).close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with disk_errors(path):
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(path, handle)
        yield
    finally:
        # A child forked meanwhile shares the handle, and closing ours alone would not unlock it.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _lock(path: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 100, 0).decode(errors="replace").strip()
        raise StoreLocked(f"{path} is being written to by {holder or 'another process'}") from None
    now = dt.datetime.now(dt.UTC)
    with disk_errors(path):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} since {now:%Y-%m-%d %H:%M:%S} UTC\n".encode(), 0)


class Snapshot:
    """An immutable view of one version of the store.

    The big lists are read at once; the rest is read on demand, from the same transaction.
    Segments that a later commit replaces stay on disk for ten minutes: map what you need of an
    old snapshot within that time, and take a new one when `Store.version` has moved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._catalog = catalog = Catalog.open(path)
        # Whoever holds a snapshot need not know when it was last used.
        self._end = weakref.finalize(self, catalog.close)
        catalog.begin_read()
        self.version = catalog.version()
        self.sessions = catalog.dates()
        self.symbols = catalog.tickers()
        self._rows = catalog.segments()
        self.segments = _segments_of(path, self._rows)
        if sum(segment.count for segment in self.segments) != len(self.sessions):
            raise StoreDamaged(f"{path}: the catalog's sessions do not fit its segments")

    def close(self) -> None:
        """End the transaction; what is loaded or mapped stays good."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def index(self) -> dict[str, int]:
        """The column of each symbol."""
        return dict(zip(self.symbols, range(len(self.symbols)), strict=True))

    def splits(self) -> list[Split]:
        """Every split, by symbol and ex-date."""
        return self._catalog.splits()

    def dividends(self) -> list[Dividend]:
        """Every dividend, by symbol and ex-date."""
        return self._catalog.dividends()

    def lives(self) -> list[tuple[str, str | None, str | None]]:
        """Every listing's symbol, first and last day as ISO text; a fifth of the cost of all."""
        return self._catalog.lives()

    def listings(self) -> list[Listing]:
        """Every listing, by symbol."""
        return self._catalog.listings()

    def session_rows(self) -> list[SessionRow]:
        """Every session with its source, its bars and how many of them are doubtful."""
        return self._catalog.session_rows()

    def set_aside(self, reason: str | None = None, limit: int | None = None) -> list[SetAside]:
        """Rows kept out of the segments, by session and ticker."""
        return self._catalog.set_aside(reason, limit)

    def revisions(self, symbol: str | None = None, limit: int | None = None) -> list[Revision]:
        """Bars that a later fetch changed, by session, ticker and time."""
        return self._catalog.revisions(symbol, limit)

    def notes(self) -> dict[str, str]:
        """What was noted, by key."""
        return self._catalog.notes()

    def counts(self) -> Counts:
        """The store in figures."""
        catalog, doubts = self._catalog, self._catalog.quality()
        with disk_errors(self._path):
            own = (self._path / _catalog.FILE).stat().st_size
        return Counts(
            version=self.version,
            sessions=len(self.sessions),
            first=self.sessions[0] if self.sessions else None,
            last=self.sessions[-1] if self.sessions else None,
            symbols=len(self.symbols),
            bars=doubts.pop("bars"),
            quality=doubts,
            set_aside=catalog.set_aside_counts(),
            revisions=catalog.count("revisions"),
            splits=catalog.count("splits"),
            dividends=catalog.count("dividends"),
            listings=catalog.count("listings"),
            segments=len(self._rows),
            bytes=own + sum(row.bytes for row in self._rows),
            last_sync=catalog.last_sync(),
            notes=catalog.notes(),
        )

    def verify(self) -> Verification:
        """Read every byte of this version and check it; damages come back in words."""
        damages = self._catalog.damages()
        if len(self.index) != len(self.symbols):
            damages.append(f"{self._path}: a ticker stands twice on the axis")
        bars = [row.counts["bars"] for row in self._catalog.session_rows()]
        for segment in self.segments:
            try:
                segment.check()
                _check_bars(segment, bars[segment.first : segment.first + segment.count])
            except StoreError as error:
                damages.append(str(error))
        return Verification(
            len(self._rows), sum(row.bytes for row in self._rows), sum(bars), damages
        )


def _segments_of(path: Path, rows: Iterable[SegmentRow]) -> list[Segment]:
    found: list[Segment] = []
    folder, first = path / _segments.FOLDER, 0
    for row in rows:
        found.append(Segment(first, row.sessions, row.width, folder / row.file, row.checksum))
        first += row.sessions
    return found


def _check_bars(segment: Segment, expected: Sequence[int]) -> None:
    absent = np.isnan(segment.values)
    found = np.count_nonzero(~absent[0], axis=1).tolist()
    if found != list(expected):
        raise StoreDamaged(f"{segment.path} has {found} bars where the catalog has {expected}")
    if (absent != absent[0]).any() or np.isinf(segment.values).any():
        raise StoreDamaged(f"{segment.path} holds bars that are not complete")


class Writer:
    """The one writer of a store; made by `Store.writer`."""

    def __init__(self, path: Path, catalog: Catalog, disk: Disk) -> None:
        self._path = path
        self._folder = path / _segments.FOLDER
        self._catalog = catalog
        self._disk = disk
        self._axis = Axis(catalog.tickers())
        self._sweep()

    def _sweep(self) -> None:
        self._catalog.forget_retired(dt.datetime.now(dt.UTC) - _GRACE)
        with disk_errors(self._path):
            sweep(self._disk, self._folder, self._catalog.in_use())

    def commit(self, sessions: Sequence[SessionBars], source: str) -> CommitReceipt:
        """Store these sessions, all or none, durably.

        The result depends on the sessions and their order, not on how they are spread over
        commits; within a commit they are taken by ascending date. A bar that is stored already
        is replaced where it differs and kept where the fetch lacks it.
        Raises StoreFull where the disk is full, StoreDamaged where a segment that the bars
        belong to is; nothing is changed then.
        """
        length = len(self._axis)
        try:
            return self._commit(sorted(sessions, key=lambda bars: bars.session), source)
        except BaseException:
            self._axis.cut(length)
            raise

    def _commit(self, sessions: Sequence[SessionBars], source: str) -> CommitReceipt:
        receipt = CommitReceipt(self._catalog.version())
        draft = _Draft(receipt, source)
        intakes = [self._judge(bars, draft) for bars in sessions]
        with disk_errors(self._path):
            for month, group in groupby(intakes, key=lambda intake: f"{intake.session:%Y-%m}"):
                self._merge_month(month, [intake for intake in group if intake.columns.size], draft)
            if draft.segments:
                self._disk.sync_folder(self._folder)
        with self._catalog.transaction():
            if self._catalog.apply(draft.change()):
                receipt.version = self._catalog.bump()
        return receipt

    def _judge(self, bars: SessionBars, draft: _Draft) -> Intake:
        first = len(self._axis)
        intake = judge(bars, self._axis)
        draft.take_judged(intake, first)
        return intake

    def _merge_month(self, month: str, intakes: Sequence[Intake], draft: _Draft) -> None:
        if not intakes:
            return
        stored = self._catalog.dates(month)
        dates = sorted({*stored, *(intake.session for intake in intakes)})
        # As wide as its newest symbol, however long the axis is by now: the file is a function
        # of its bars alone.
        width = 1 + max(int(intake.columns.max()) for intake in intakes)
        values = self._room(month, stored, dates, width)
        changed: set[dt.date] = set()
        for intake in intakes:
            merged = merge(values[:, dates.index(intake.session)], intake)
            draft.take_merged(intake, merged, self._axis.symbols)
            if merged.changed:
                changed.add(intake.session)
        if not changed:
            return
        written = write_segment(self._disk, self._folder, month, values)
        draft.segments.append(
            SegmentRow(
                month, written.file, len(dates), values.shape[2], written.bytes, written.checksum
            )
        )
        draft.take_sessions(
            {day: quality(values[:, row]) for row, day in enumerate(dates) if day in changed}
        )

    def _room(
        self, month: str, stored: list[dt.date], dates: list[dt.date], width: int
    ) -> NDArray[np.float64]:
        """A month's bars as stored, with room for further sessions and symbols."""
        row = self._catalog.segment(month)
        if row is None:
            return np.full((len(FIELDS), len(dates), width), np.nan)
        segment = Segment(0, row.sessions, row.width, self._folder / row.file, row.checksum)
        # A damaged segment must not get a fresh checksum by being copied into a new one.
        segment.check()
        values = np.full((len(FIELDS), len(dates), max(width, row.width)), np.nan)
        values[:, [dates.index(day) for day in stored], : row.width] = segment.values
        return values

    def put_splits(self, splits: Iterable[Split], since: dt.date | None = None) -> None:
        """Make these the splits with an ex-date on or after `since` (None: all of them)."""
        with self._catalog.transaction():
            if self._catalog.replace_splits(splits, since):
                self._catalog.bump()

    def put_dividends(self, dividends: Iterable[Dividend], since: dt.date | None = None) -> None:
        """Make these the dividends with an ex-date on or after `since` (None: all of them)."""
        with self._catalog.transaction():
            if self._catalog.replace_dividends(dividends, since):
                self._catalog.bump()

    def put_listings(self, listings: Iterable[Listing]) -> None:
        """Put these in the place of the stored listings of their symbols; the others stay."""
        with self._catalog.transaction():
            if self._catalog.upsert_listings(listings):
                self._catalog.bump()

    def log_sync(self, **facts: object) -> None:
        """Write a line of the sync log, with the time."""
        self._catalog.add_sync(facts)

    def note(self, key: str, value: str) -> None:
        """Keep a text under a key, in the place of what was there."""
        self._catalog.put_note(key, value)


class _Draft:
    """What a commit has gathered so far: its receipt, and its change of the catalog."""

    def __init__(self, receipt: CommitReceipt, source: str) -> None:
        self.receipt = receipt
        self.at = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.segments: list[SegmentRow] = []
        self._source = source
        self._tickers: list[tuple[int, dt.date, list[str]]] = []
        self._sessions: list[SessionRow] = []
        self._revisions: list[Revision] = []
        self._set_aside: list[SetAside] = []

    def take_judged(self, intake: Intake, first: int) -> None:
        """Note a session's new tickers, `first` being their place, and its rows set aside."""
        if intake.new:
            self._tickers.append((first, intake.session, intake.new))
        self._set_aside += [SetAside(intake.session, *row) for row in intake.set_aside]
        counts = Counter(self.receipt.set_aside)
        counts.update(reason for _, reason, _ in intake.set_aside)
        self.receipt.set_aside = dict(counts)

    def take_merged(self, intake: Intake, merged: Merged, symbols: Sequence[str]) -> None:
        """Note what became of a session's bars."""
        self.receipt.sessions += 1
        self.receipt.new += merged.new
        self.receipt.revised += merged.revised.size
        self.receipt.unchanged += merged.unchanged
        self.receipt.kept += merged.kept
        for column, before, after in zip(
            merged.revised.tolist(), merged.before.T.tolist(), merged.after.T.tolist(), strict=True
        ):
            self._revisions.append(
                Revision(intake.session, symbols[column], self.at, tuple(before), tuple(after))
            )

    def take_sessions(self, counts: Mapping[dt.date, Mapping[str, int]]) -> None:
        """Note the counts of the sessions that changed."""
        self._sessions += [SessionRow(day, self._source, found) for day, found in counts.items()]

    def change(self) -> Change:
        """All of it, for the catalog."""
        return Change(
            self.at, self._tickers, self._sessions, self.segments, self._revisions, self._set_aside
        )


def _verify(path: Path) -> Verification:
    try:
        with Snapshot(path) as snapshot:
            return snapshot.verify()
    except MarketsweepError as error:
        return Verification(0, 0, 0, [str(error)])
