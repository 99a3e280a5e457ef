"""The one writer of a data folder. A commit goes in this order, so that a kill at any moment
loses nothing and tears nothing:

1. every session is judged: rows become bars or are set aside, new tickers join the axis
   (`intake.judge`);
2. every month is merged from its segment and the new bars (`intake.merge`), and written under
   a new name, durably (`segments.write_segment`);
3. the folder is synced: the new names would survive a power cut;
4. one transaction of the catalog points to the new segments (`Catalog.apply`). This is the commit.

What was superseded stays for a while, as a reader may be about to open it; the next writer
after that deletes it, with whatever a killed writer left behind (`segments.sweep`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from marketsweep.catalog import Catalog, Change, Revision, SegmentRow, SessionRow, SetAside
from marketsweep.fields import FIELDS
from marketsweep.intake import Axis, Intake, Merged, judge, merge, quality
from marketsweep.segments import FOLDER, Disk, Segment, disk_errors, sweep, write_segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.records import Dividend, Listing, SessionBars, Settled, Split

_GRACE: Final = dt.timedelta(minutes=10)
"""How long a superseded segment stays for the readers who know of it but have not opened it."""


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


class Writer:
    """The one writer of a store; made by `Store.writer`."""

    def __init__(self, path: Path, catalog: Catalog, disk: Disk) -> None:
        self._path = path
        self._folder = path / FOLDER
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
        values = np.empty((len(FIELDS), len(dates), max(width, row.width)))
        values[:, :, row.width :] = np.nan
        # Row by row: what is stored is copied once, and only what is new is filled.
        rows = {day: place for place, day in enumerate(stored)}
        for place, day in enumerate(dates):
            held = rows.get(day)
            values[:, place, : row.width] = np.nan if held is None else segment.values[:, held]
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

    def add_splits(self, splits: Iterable[Split]) -> None:
        """Put these beside the stored splits, in the place of any of the same symbol and day."""
        with self._catalog.transaction():
            if self._catalog.merge_splits(splits):
                self._catalog.bump()

    def add_dividends(self, dividends: Iterable[Dividend]) -> None:
        """Put these beside the stored ones, in the place of those of the same symbol and day."""
        with self._catalog.transaction():
            if self._catalog.merge_dividends(dividends):
                self._catalog.bump()

    def settle(self, one: Settled) -> None:
        """Keep the user's word on a symbol's splits or dividends of a day; no sync undoes it."""
        with self._catalog.transaction():
            if self._catalog.settle(one):
                self._catalog.bump()

    def unsettle(self, symbol: str, ex_date: dt.date, kind: str) -> bool:
        """Forget the user's word, so that the provider's holds again; whether there was one."""
        with self._catalog.transaction():
            found = self._catalog.unsettle(symbol, ex_date, kind)
            if found:
                self._catalog.bump()
        return found

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
