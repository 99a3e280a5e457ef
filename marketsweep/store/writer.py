"""The writer of a data folder. A kill at any moment loses and damages nothing.

A commit runs in this order:

1. every session is judged: rows become bars or are set aside, new tickers join the axis
   (`validation.judge`);
2. every period, a month or a week of the newest one, is merged from the stored and the new bars
   (`validation.merge`), and written under a new name, durably (`segments.write_segment`);
3. the folder is synced: the new names would survive a power cut;
4. one transaction of the catalog points to the new segments (`Catalog.apply`). This is the commit.

Superseded files stay for a while, as a reader may be about to open them; a later writer deletes
them, and whatever a killed writer left behind (`segments.sweep`).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.fields import CLOSE, FIELDS
from marketsweep.core.whole_files import Disk, disk_errors
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.rows import (
    Change,
    Revision,
    SegmentRow,
    SessionRow,
    SetAside,
    segment_of,
)
from marketsweep.store.companies.resolution import resolve
from marketsweep.store.segments.files import (
    FOLDER,
    Segment,
    files_in,
    period_of,
    sweep,
    write_segment,
)
from marketsweep.store.segments.labels import Label
from marketsweep.store.ticker_axis import Axis
from marketsweep.store.validation import (
    ECHO,
    Intake,
    Merged,
    drop_echoes,
    judge,
    judge_dividends,
    judge_splits,
    merge,
    quality,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.core.records import (
        ActionAside,
        ActionOverride,
        Dividend,
        FactValues,
        Listing,
        LowVolume,
        SessionBars,
        Split,
    )
    from marketsweep.store.known_sessions import SymbolRequest

_GRACE_PERIOD: Final = dt.timedelta(minutes=10)
"""How long a superseded segment stays for readers that know it but have not opened it."""


class FactChanges(NamedTuple):
    """Names of the facts that a change of facts reported."""

    stored: list[str]
    refused: list[str]
    """Stored as another kind, and not changed."""
    undated: list[str]
    """Got values without a first day beside stored ones with a day."""


@dataclass(slots=True)
class CommitReceipt:
    """What happened to a commit's rows: new + revised + unchanged + set aside is all of them."""

    version: int
    """The store's version after the commit; unchanged if nothing changed."""
    sessions: int = 0
    """Sessions that brought at least one bar."""
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    kept: int = 0
    """Stored bars that are absent from this fetch: they stay."""
    revisions: list[Revision] = field(default_factory=list, compare=False)
    """The revised bars, old and new."""
    contradicted: list[Revision] = field(default_factory=list, compare=False)
    """Bars of rows that a later row of the same session contradicts, and the bars that count."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows set aside by reason, including rows that an earlier fetch had set aside already."""


class Writer:
    """The only writer of a store; made by `Store.writer`."""

    def __init__(self, path: Path, catalog: Catalog, disk: Disk) -> None:
        self._path = path
        self._folder = path / FOLDER
        self._catalog = catalog
        self._disk = disk
        self._axis = Axis(catalog.tickers())
        self._needs_resolving = False
        """Whether companies and actions may be out of date."""
        self._sweep()

    def _sweep(self) -> None:
        since = dt.datetime.now(dt.UTC) - _GRACE_PERIOD
        with disk_errors(self._path):
            if self._catalog.in_use(since).issuperset(files_in(self._folder)):
                return
            self._catalog.forget_retired(since)
            sweep(self._disk, self._folder, self._catalog.in_use(since))

    def commit(
        self,
        sessions: Sequence[SessionBars],
        source: str,
        today: dt.date | None = None,
        asked: SymbolRequest | None = None,
    ) -> CommitReceipt:
        """Store all of the sessions or none, durably; `asked` is None if they are whole sessions.

        Sessions after `today` (None: by our clock, in New York) are set aside.

        The result depends on the sessions and their order, not on how they are split into commits;
        within a commit they are taken by ascending date. A stored bar is replaced if it differs,
        and kept if the fetch lacks it. Raises StoreFull if the disk is full, and StoreDamaged if a
        segment to be merged is damaged; then nothing is changed.
        """
        length = len(self._axis)
        try:
            ordered = sorted(sessions, key=lambda bars: bars.session)
            draft = _Draft(self._catalog.version(), source, asked)
            return self._commit(ordered, draft, today or dt.datetime.now(NEW_YORK).date())
        except BaseException:
            self._axis.cut(length)
            raise

    def _commit(
        self, sessions: Sequence[SessionBars], draft: _Draft, today: dt.date
    ) -> CommitReceipt:
        intakes = [self._judge(bars, draft, today) for bars in sessions]
        with disk_errors(self._path):
            self._merge_all([intake for intake in intakes if intake.columns.size], draft)
            if draft.segments:
                self._disk.sync_folder(self._folder)
        change = draft.change()
        with self._catalog.transaction():
            if self._catalog.apply(change):
                draft.receipt.version = self._catalog.bump()
            if change.sessions:
                days = [row.date for row in change.sessions]
                self._catalog.put_changed_days([*self._catalog.changed_days(), *days])
                self._needs_resolving = True
        return draft.receipt

    def resolve(self) -> None:
        """Work out companies and actions if their inputs have changed (`resolution`)."""
        if self._needs_resolving or self._catalog.changed_days():
            with self._catalog.transaction():
                if resolve(self._catalog, self._path):
                    self._catalog.bump()
            self._needs_resolving = False

    def _judge(self, bars: SessionBars, draft: _Draft, today: dt.date) -> Intake:
        intake = judge(bars, self._axis, today)
        draft.add_judged(intake)
        return intake

    def _merge_all(self, intakes: Sequence[Intake], draft: _Draft) -> None:
        if not intakes:
            return
        before = self._catalog.newest() or intakes[-1].session
        newest = max(before, intakes[-1].session)
        # The month of the newest stored session may be over now.
        months = {f"{day:%Y-%m}" for day in (before, *(intake.session for intake in intakes))}
        for month in sorted(months):
            stored = self._stored(month)
            stored_days = {day for days, _ in stored.values() for day in days}
            own_intakes = [intake for intake in intakes if f"{intake.session:%Y-%m}" == month]
            dates = sorted({*stored_days, *(intake.session for intake in own_intakes)})
            grouped = groupby(dates, key=lambda day: period_of(day, newest))
            periods = {period: list(days) for period, days in grouped}
            for period, days in periods.items():
                new = [intake for intake in own_intakes if intake.session in days]
                if new or period not in stored:
                    self._merge_period(period, days, new, stored, draft)
            draft.superseded += [period for period in stored if period not in periods]

    def _stored(self, month: str) -> dict[str, tuple[list[dt.date], Segment]]:
        """Return the sessions and the segment of each stored period of a month."""
        periods: dict[str, tuple[list[dt.date], Segment]] = {}
        dates = self._catalog.dates(month)
        for row in self._catalog.segments(month):
            days, dates = dates[: row.sessions], dates[row.sessions :]
            periods[row.period] = days, segment_of(0, self._folder, row)
        return periods

    def _merge_period(
        self,
        period: str,
        dates: list[dt.date],
        intakes: Sequence[Intake],
        stored: Mapping[str, tuple[list[dt.date], Segment]],
        draft: _Draft,
    ) -> None:
        # As wide as its newest symbol, however long the axis is: the file depends on its bars
        # alone.
        width = max((1 + int(intake.columns.max()) for intake in intakes), default=0)
        values = _stored_values(dates, width, stored.values())
        changed: set[dt.date] = set()
        frozen = self._catalog.frozen() if draft.whole else []
        for intake in intakes:
            row = values[:, dates.index(intake.session)]
            if intake.session in frozen and self._drop_echoes(row, intake, draft):
                changed.add(intake.session)
            merged = merge(row, intake)
            draft.add_merged(intake, merged, self._axis.symbols)
            if merged.changed:
                changed.add(intake.session)
        if not changed and period in stored:
            return
        if period not in stored or frozen:
            values = _trim_columns(values)
        size = len(dates), values.shape[2]
        label = Label(dates, self._axis.symbols[: size[1]])
        written = write_segment(self._disk, self._folder, period, values, label)
        draft.segments.append(
            SegmentRow(period, written.file, *size, written.bytes, written.checksum)
        )
        draft.superseded.append(period)
        draft.add_sessions(
            {day: quality(values[:, row]) for row, day in enumerate(dates) if day in changed}
        )

    def _drop_echoes(self, row: NDArray[np.float64], intake: Intake, draft: _Draft) -> bool:
        """Set aside bars that repeat the session before and that the new fetch lacks."""
        bars = row.copy()
        columns = drop_echoes(row, self._bars_before(intake.session), intake)
        for column in columns.tolist():
            values = tuple(bars[:, column].tolist())
            draft.add_set_aside(intake.session, self._axis.symbols[column], ECHO, values)
        return bool(columns.size)

    def _bars_before(self, session: dt.date) -> NDArray[np.float64]:
        """Return the stored bars [5, symbols] of the session before the given one."""
        earlier = [day for day in self._catalog.dates() if day < session]
        for days, segment in self._stored(f"{earlier[-1]:%Y-%m}").values() if earlier else ():
            if earlier[-1] in days:
                segment.check()
                return segment.values[:, days.index(earlier[-1])]
        return np.empty((len(FIELDS), 0))

    def put_splits(
        self,
        splits: Iterable[Split],
        since: dt.date | None = None,
        symbols: Collection[str] | None = None,
    ) -> list[ActionAside]:
        """Replace the splits on or after `since` (None: all days) of `symbols` (None: all).

        Return the splits that are invalid; they are not stored.
        """
        good, aside = judge_splits(splits)
        self._change(self._catalog.replace_splits, good, since, symbols)
        return aside

    def put_dividends(
        self,
        dividends: Iterable[Dividend],
        since: dt.date | None = None,
        symbols: Collection[str] | None = None,
    ) -> list[ActionAside]:
        """Replace the dividends on or after `since` (None: all days) of `symbols` (None: all).

        Return the dividends that are invalid; they are not stored.
        """
        good, aside = judge_dividends(dividends)
        self._change(self._catalog.replace_dividends, good, since, symbols)
        return aside

    def add_splits(self, splits: Iterable[Split]) -> list[ActionAside]:
        """Add splits, replacing stored ones of the same symbol and day.

        Return the splits that are invalid; they are not stored.
        """
        good, aside = judge_splits(splits)
        self._change(self._catalog.merge_splits, good)
        return aside

    def add_dividends(self, dividends: Iterable[Dividend]) -> list[ActionAside]:
        """Add dividends, replacing stored ones of the same symbol and day.

        Return the dividends that are invalid; they are not stored.
        """
        good, aside = judge_dividends(dividends)
        self._change(self._catalog.merge_dividends, good)
        return aside

    def put_actions_aside(
        self,
        rows: Iterable[ActionAside],
        since: dt.date | None = None,
        symbols: Collection[str] | None = None,
    ) -> None:
        """Replace the unusable actions on or after `since` of `symbols` (None: all)."""
        self._change(self._catalog.replace_aside, rows, since, symbols)

    def add_actions_aside(self, rows: Iterable[ActionAside]) -> None:
        """Add unusable actions to the stored ones."""
        self._change(self._catalog.merge_aside, rows)

    def reported_actions(self) -> list[Split | Dividend]:
        """Return the stored splits and dividends without those that the user has overridden."""
        overridden = {
            (override.kind, override.symbol, override.ex_date)
            for override in self._catalog.settled()
        }
        splits = [
            split for split in self._catalog.splits() if ("split", *split[:2]) not in overridden
        ]
        dividends = self._catalog.dividends()
        return [
            *splits,
            *(dividend for dividend in dividends if ("dividend", *dividend[:2]) not in overridden),
        ]

    def put_override(self, override: ActionOverride) -> None:
        """Store the user's override for a symbol's actions of a day; no sync undoes it."""
        self._change(self._catalog.settle, override, at_once=True)

    def remove_override(self, symbol: str, ex_date: dt.date, kind: str) -> bool:
        """Remove an override, and return whether it existed; then the provider's action counts."""
        return self._change(self._catalog.unsettle, symbol, ex_date, kind, at_once=True)

    def put_low_volume(self, lines: Iterable[LowVolume]) -> None:
        """Replace the whole low-volume list."""
        self._change(self._catalog.replace_low_volume, lines)

    def put_listings(self, listings: Iterable[Listing]) -> None:
        """Replace the stored listings of the symbols given; the others stay."""
        self._change(self._catalog.upsert_listings, listings)

    def put_facts(self, facts: Iterable[FactValues]) -> FactChanges:
        """Add values of further facts to the stored ones; a value of the same day is replaced."""
        kinds = self._catalog.facts()
        reported = [
            fact if fact.kind else fact._replace(kind=kinds[fact.name][0])
            for fact in facts
            if fact.kind or fact.name in kinds
        ]
        refused = [fact.name for fact in reported if kinds.get(fact.name, fact[1:])[0] != fact.kind]
        undated = [
            fact.name
            for fact in reported
            if kinds.get(fact.name, (fact.kind, False))[1]
            and any(first is None and value is not None for _, first, value in fact.rows)
        ]
        accepted = [fact for fact in reported if fact.name not in refused]
        self._change(self._catalog.upsert_facts, accepted)
        return FactChanges([fact.name for fact in accepted], refused, undated)

    def unknown_symbols(self, symbols: Iterable[str]) -> list[str]:
        """Return the symbols that have neither bars nor a listing, sorted."""
        listed = {listing.symbol for listing in self._catalog.listings()}
        return sorted({*symbols} - listed - {*self._catalog.tickers()})

    def remove_fact(self, name: str) -> None:
        """Remove a further fact with all of its values."""
        self._change(self._catalog.remove_fact, name)

    def _change(
        self, change: Callable[..., bool], *arguments: object, at_once: bool = False
    ) -> bool:
        """Run one transaction of the catalog, and raise the version if it changes anything.

        Companies and actions are worked out when the writer closes, or immediately with `at_once`.
        """
        with self._catalog.transaction():
            changed = change(*arguments)
            if changed:
                self._catalog.bump()
                if at_once:
                    resolve(self._catalog, self._path)
                else:
                    self._needs_resolving = True
        return changed

    def log_sync(self, **facts: object) -> None:
        """Write a line of the sync log, with the time."""
        self._catalog.add_sync(facts)

    def note(self, key: str, value: str) -> None:
        """Store a text under a key, replacing an earlier one."""
        self._catalog.put_note(key, value)


def _stored_values(
    dates: Sequence[dt.date], width: int, stored: Iterable[tuple[list[dt.date], Segment]]
) -> NDArray[np.float64]:
    """Return the stored bars of sessions, with room for new sessions and symbols."""
    places = {day: place for place, day in enumerate(dates)}
    needed = [(days, segment) for days, segment in stored if not places.keys().isdisjoint(days)]
    widest = max((segment.width for _, segment in needed), default=0)
    values = np.empty((len(FIELDS), len(dates), max(width, widest)))
    missing = set(dates)
    for days, segment in needed:
        # A damaged segment must not get a new checksum by being copied into a new one.
        segment.check()
        for row, day in enumerate(days):
            if day in places:
                values[:, places[day], : segment.width] = segment.values[:, row]
                values[:, places[day], segment.width :] = np.nan
                missing.remove(day)
    for day in missing:
        values[:, places[day]] = np.nan
    return values


def _trim_columns(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values without the symbols after the last one that has a bar."""
    present = ~np.isnan(values[CLOSE]).all(axis=0)
    return values[:, :, : 1 + int(np.flatnonzero(present)[-1])]


class _Draft:
    """What a commit has collected so far: its receipt and its change to the catalog."""

    def __init__(self, version: int, source: str, request: SymbolRequest | None) -> None:
        self.receipt = CommitReceipt(version)
        self.at = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.segments: list[SegmentRow] = []
        self.superseded: list[str] = []
        self._source = source
        self._asked = request
        self.whole = request is None
        """Whether its sessions cover the whole market."""
        self._days: list[dt.date] = []
        self._tickers: list[str] = []
        self._sessions: list[SessionRow] = []
        self._revisions: list[Revision] = []
        self._rows_set_aside: list[SetAside] = []

    def add_judged(self, intake: Intake) -> None:
        """Add a session's new tickers and its rows set aside."""
        self._tickers += intake.new
        self._rows_set_aside += [SetAside(intake.session, *row) for row in intake.set_aside]
        counts = Counter(self.receipt.set_aside)
        counts.update(reason for _, reason, _ in intake.set_aside)
        self.receipt.set_aside = dict(counts)
        self.receipt.contradicted += [
            Revision(intake.session, symbol, self.at, old, new)
            for symbol, old, new in intake.contradicted
        ]

    def add_set_aside(
        self, session: dt.date, symbol: str, reason: str, values: tuple[float, ...]
    ) -> None:
        """Add a stored bar that is set aside."""
        self._rows_set_aside.append(SetAside(session, symbol, reason, values))
        self.receipt.set_aside[reason] = 1 + self.receipt.set_aside.get(reason, 0)

    def add_merged(self, intake: Intake, merged: Merged, symbols: Sequence[str]) -> None:
        """Add the result of merging a session's bars."""
        self.receipt.sessions += 1
        self._days.append(intake.session)
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

    def add_sessions(self, counts: Mapping[dt.date, Mapping[str, int]]) -> None:
        """Add the counts of the sessions that changed."""
        self._sessions += [
            SessionRow(day, self._source, quality_counts) for day, quality_counts in counts.items()
        ]

    def change(self) -> Change:
        """Return the whole change for the catalog."""
        self.receipt.revisions = self._revisions
        return Change(
            self.at,
            self._tickers,
            self._sessions,
            self.segments,
            self.superseded,
            self._revisions,
            self._rows_set_aside,
            self._days,
            self._asked,
        )
