"""Repair a damaged data folder: keep what is undamaged, and report what was lost.

1. `salvage` finds the undamaged parts of the catalog and the undamaged segments.
2. If the lists of sessions, tickers and segments are undamaged, the sessions of damaged segments
   are removed from them. Otherwise the lists are rebuilt from the labels of the segments
   (`_store_lists`).
3. A new catalog is written beside the old one, from these lists, the undamaged reported parts
   and the journals. Derived parts are computed again (`_write_catalog`).
4. The old catalog and the damaged segments are moved to a folder of their own, and the new
   catalog replaces the old one (`_replace_catalog`). Nothing is deleted.

The next sync fetches what was lost and can be fetched, because it is not stored.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from marketsweep.core.calendar import next_session, sessions_in_range
from marketsweep.core.whole_files import Disk, disk_errors
from marketsweep.errors import MarketsweepError, StoreDamaged, StoreError
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.resolved import WORKED_OUT
from marketsweep.store.catalog.rows import SegmentRow, SessionRow, segment_of
from marketsweep.store.catalog.sqlite import FILE, FORMAT, Outdated
from marketsweep.store.companies.resolution import resolve
from marketsweep.store.missing_actions import KINDS, NOTE, MissingActions, as_note, of_notes
from marketsweep.store.salvage import Salvage, choose, find_segments, salvage
from marketsweep.store.segments.files import FOLDER, Segment
from marketsweep.store.session_notes import ACTIONS, LISTED
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store, locked
from marketsweep.store.validation import quality

_LOST: Final = "lost in damage"
"""Note: the sessions and parts that were lost, until a later repair finds them stored again."""

_WORK_FOLDER: Final = "repair.tmp"
"""Name of the folder in which the new catalog is written."""

_SHOWN_COMMANDS: Final = 5
"""Maximum number of commands shown, even if more are needed to bring back what is missing."""

_LOG_SUFFIXES: Final = ("-wal", "-shm")

_USER_PARTS: Final = {
    "settled": "your word on splits and dividends",
    "low volume": "the low-volume list",
}
"""Parts that no sync can bring back."""

_REBUILT_PARTS: Final = ("axis", "days", "segments", "counts/", "lives")
"""Parts that are rebuilt from other parts or from the segments."""

_USUAL_PARTS: Final = ("splits/", "dividends/", "listings", "settled", "low volume", "notes")
"""Reported parts that a catalog usually has."""

_NOTE_KEYS: Final = {"splits": ACTIONS, "dividends": ACTIONS, "listings": LISTED}
"""Key of the note that says that a part is stored, for each part that a sync fetches."""


@dataclass
class Repaired:
    """What a repair found and did."""

    path: Path
    damages: list[str] = field(default_factory=list)
    """Descriptions of the damage."""
    rebuilt: bool = False
    """Whether the lists of sessions and tickers were rebuilt from the segments."""
    sessions: int = 0
    segments: int = 0
    """Number of segments that are stored now."""
    lost_days: list[dt.date] = field(default_factory=list)
    """Sessions whose bars are lost."""
    unknown_days: bool = False
    """Whether no list of sessions survived; `lost_days` then has the gaps between stored ones."""
    lost_parts: list[str] = field(default_factory=list)
    """Parts of the catalog that a sync brings back."""
    lost_for_good: list[str] = field(default_factory=list)
    """Descriptions of parts that only the user can give again."""
    moved_to: Path | None = None
    """Folder with the damaged files."""
    moved: list[str] = field(default_factory=list)

    fetched: list[dt.date] = field(default_factory=list)
    """Lost sessions that a sync brought back."""

    @property
    def missing(self) -> list[dt.date]:
        """Return the lost sessions that are still missing."""
        fetched = frozenset(self.fetched)
        return [day for day in self.lost_days if day not in fetched]

    @property
    def is_missing(self) -> bool:
        """Return whether anything that was lost is still missing."""
        return bool(self.missing or self.lost_parts or self.lost_for_good)

    @property
    def next_step(self) -> str:
        """Return the steps that bring back what is missing, joined by "; "."""
        steps = [
            f"marketsweep sync --since {first} --until {last}" for first, last in runs(self.missing)
        ]
        if not steps and self.lost_parts:
            steps = ["marketsweep sync"]
        steps += [f"give {part} again" for part in self.lost_for_good]
        return "; ".join(steps[:_SHOWN_COMMANDS])

    def take_fetched(self, sessions: Collection[dt.date], notes: Collection[str]) -> None:
        """Record what a sync brought back: stored `sessions`, and the keys of stored `notes`."""
        stored = frozenset(sessions)
        self.fetched = [day for day in self.lost_days if day in stored]
        self.lost_parts = [
            part for part in self.lost_parts if _NOTE_KEYS.get(_kind(part)) not in {None, *notes}
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        return {
            "path": str(self.path),
            "damages": self.damages,
            "rebuilt": self.rebuilt,
            "sessions": self.sessions,
            "segments": self.segments,
            "lost_sessions": [day.isoformat() for day in self.lost_days],
            "fetched_sessions": [day.isoformat() for day in self.fetched],
            "more_sessions_may_be_lost": self.unknown_days,
            "lost_parts": self.lost_parts,
            "lost_for_good": self.lost_for_good,
            "moved_to": None if self.moved_to is None else str(self.moved_to),
            "moved": self.moved,
        }


def runs(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Return the first and last session of each run of consecutive sessions; `days` ascend."""
    ranges: list[tuple[dt.date, dt.date]] = []
    for day in days:
        if ranges and next_session(ranges[-1][1]) == day:
            ranges[-1] = ranges[-1][0], day
        else:
            ranges.append((day, day))
    return ranges


class _Lists(NamedTuple):
    """The tickers, the segments with their sessions, and the known rows of sessions."""

    axis: list[str]
    segments: list[tuple[SegmentRow, Sequence[dt.date]]]
    session_rows: dict[dt.date, SessionRow]


def repair(path: Path, progress: Callable[[str], None] = lambda _: None) -> Repaired:
    """Repair a data folder, as the text of this module explains. May take as long as a full check.

    `progress` is called with the name of each step. Raises UsageError if there is no data,
    StoreLocked while another process writes, StoreFull if there is no room for a new catalog, and
    StoreError. The folder is unchanged in these cases.
    """
    progress("checking every byte")
    report = Repaired(path)
    report.damages = _damages(path)
    if not report.damages:
        with Store.open(path) as store, store.snapshot() as snapshot:
            report.sessions, report.segments = len(snapshot.sessions), len(snapshot.segments.parts)
            _take_earlier_losses(report, snapshot)
        return report
    with locked(path), disk_errors(path):
        work = path / _WORK_FOLDER
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            progress("saving what is good")
            bad = _write_catalog(path, work, report)
            _replace_catalog(path, work, bad, report)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    progress("checking what was made")
    with Store.open(path) as store:
        damages = store.verify().damages
    if damages:
        raise StoreDamaged(f"{path} could not be repaired: {damages[0]}")
    return report


def _take_earlier_losses(report: Repaired, snapshot: Snapshot) -> None:
    """Add what an earlier repair lost and nothing has brought back, as after an interruption."""
    notes = snapshot.notes()
    lost = msgspec.json.decode(notes.get(_LOST, '{"days": [], "parts": []}'))
    stored = frozenset(snapshot.sessions)
    days = map(dt.date.fromisoformat, lost["days"])
    report.lost_days = [day for day in days if day not in stored]
    report.lost_parts = lost["parts"]
    report.take_fetched(stored, notes)


def _damages(path: Path) -> list[str]:
    try:
        with Store.open(path) as store:
            return store.verify().damages
    except StoreDamaged as error:
        return [str(error)]
    except Outdated:
        if not salvage(path, ()).version:
            raise
        return [f"{path / FILE} is damaged: the number of its format is wrong"]


def _write_catalog(path: Path, work: Path, report: Repaired) -> list[str]:
    """Write the new catalog to the folder `work`; return the names of damaged segment files."""
    saved = salvage(path, Catalog.JOURNALS)
    if saved.format > FORMAT and (saved.lost or not saved.version):
        raise StoreError(
            f"{path / FILE} has format {saved.format}, but this marketsweep writes {FORMAT}: "
            "update marketsweep, which may read it unchanged"
        )
    parts = {n: data for n, data in saved.packs.items() if not n.startswith(WORKED_OUT)}
    catalog = Catalog.create(work)
    try:
        catalog.restore(saved.version, parts, saved.journals)
        lists, bad = _store_lists(catalog, path, report)
        sessions = [
            row
            for segment in lists.segments
            for row in _rows_of_segment(path, *segment, lists.session_rows)
        ]
        with catalog.transaction():
            catalog.rebuild(lists.axis, [row for row, _ in lists.segments], sessions)
            catalog.put_changed_days(row.date for row in sessions)
            catalog.bump()
        _record_losses(catalog, saved, [row.date for row in sessions], report)
        with catalog.transaction():
            resolve(catalog, path)
        report.sessions, report.segments = len(sessions), len(lists.segments)
        catalog.empty_log()
    finally:
        catalog.close()
    return bad


def _store_lists(catalog: Catalog, path: Path, report: Repaired) -> tuple[_Lists, list[str]]:
    """Return the lists of the store, and the names of damaged segment files.

    The lists come from the catalog if its lists are undamaged, otherwise from the segments' labels.
    """
    known_rows = {row.date: row for row in _session_rows_of(catalog)}
    with suppress(StoreDamaged, ValueError):
        return _lists_of_catalog(catalog, path, known_rows, report)
    report.rebuilt = True
    candidates, unreadable = find_segments(path / FOLDER)
    chosen, unused = choose(candidates)
    labels = max((segment.tickers for segment in chosen), key=len, default=())
    axis = _choose_tickers(catalog, labels)
    stored_days = {day for segment in chosen for day in segment.days}
    all_days = set(known_rows)
    with suppress(StoreDamaged, ValueError):
        all_days.update(catalog.dates())
    report.unknown_days = not all_days
    if stored_days and not all_days:
        all_days.update(sessions_in_range(min(stored_days), max(stored_days)))
    report.lost_days = sorted(all_days - stored_days)
    return _Lists(axis, [(segment.row, segment.days) for segment in chosen], known_rows), [
        *unreadable,
        *unused,
    ]


def _lists_of_catalog(
    catalog: Catalog, path: Path, known_rows: dict[dt.date, SessionRow], report: Repaired
) -> tuple[_Lists, list[str]]:
    """Return the catalog's lists without damaged segments, and the files of these.

    Raises StoreDamaged if the lists contradict each other.
    """
    days, axis, rows = catalog.dates(), catalog.tickers(), catalog.segments()
    widest = max((row.width for row in rows), default=0)
    if not rows or sum(row.sessions for row in rows) != len(days) or widest > len(axis):
        raise StoreDamaged("the lists do not match each other")
    good: list[tuple[SegmentRow, Sequence[dt.date]]] = []
    bad: list[str] = []
    for row in rows:
        segment_days, days = days[: row.sessions], days[row.sessions :]
        try:
            _segment(path, row).check()
            good.append((row, segment_days))
        except StoreDamaged:
            bad.append(row.file)
            report.lost_days += segment_days
    return _Lists(axis, good, known_rows), bad


def _session_rows_of(catalog: Catalog) -> Iterable[SessionRow]:
    """Yield the catalog's rows of sessions, as far as they can be read."""
    with suppress(MarketsweepError, ValueError):
        yield from catalog.session_rows()


def _choose_tickers(catalog: Catalog, labels: Sequence[str]) -> list[str]:
    """Return the tickers of the catalog if they begin with `labels`, else `labels`."""
    stored: list[str] = []
    with suppress(StoreDamaged):
        stored = catalog.tickers()
    return stored if stored[: len(labels)] == list(labels) else list(labels)


def _segment(path: Path, row: SegmentRow) -> Segment:
    return segment_of(0, path / FOLDER, row)


def _rows_of_segment(
    path: Path, row: SegmentRow, days: Sequence[dt.date], known_rows: dict[dt.date, SessionRow]
) -> Iterable[SessionRow]:
    """Return a row for each session of a segment; a session without a known row gets a new one."""
    if all(day in known_rows for day in days):
        return [known_rows[day] for day in days]
    values = _segment(path, row).values
    return [
        known_rows.get(day) or SessionRow(day, "repair", quality(values[:, i]))
        for i, day in enumerate(days)
    ]


def _record_losses(
    catalog: Catalog, saved: Salvage, days: Sequence[dt.date], report: Repaired
) -> None:
    """Record which reported parts are lost, and remove notes so that the next sync fetches them."""
    lost = [name for name in saved.lost if not name.startswith(WORKED_OUT)]
    parts = [name for name in lost if not name.startswith(_REBUILT_PARTS)]
    if not saved.complete:
        parts += [name for name in _USUAL_PARTS if not any(n.startswith(name) for n in saved.packs)]
    report.lost_for_good = [_USER_PARTS[name] for name in parts if name in _USER_PARTS]
    report.lost_parts = [name.rstrip("/") for name in parts if name not in _USER_PARTS]
    stale_keys = {_NOTE_KEYS.get(_kind(part)) for part in report.lost_parts}
    notes = {key: text for key, text in catalog.notes().items() if key not in stale_keys}
    catalog.put_notes(notes)
    kinds = {KINDS[_kind(part)] for part in report.lost_parts if _kind(part) in KINDS}
    if kinds and days:
        missing = of_notes(notes)
        reason = "they were lost when the catalog was damaged"
        lost_actions = {kind: MissingActions(kind, days[0], days[-1], reason) for kind in kinds}
        catalog.put_note(NOTE, as_note((missing | lost_actions).values()))
    if report.lost_days or report.lost_parts:
        days_lost = [day.isoformat() for day in report.lost_days]
        lost_note = {"days": days_lost, "parts": report.lost_parts}
        catalog.put_note(_LOST, msgspec.json.encode(lost_note).decode())


def _kind(part: str) -> str:
    """Return the kind of a part: "splits" for "splits/2016"."""
    return part.partition("/")[0]


def _replace_catalog(path: Path, work: Path, bad: Sequence[str], report: Repaired) -> None:
    """Move damaged files to a folder of their own, and put the new catalog in place."""
    folder = _new_folder(path / f"damaged-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}")
    report.moved_to, disk = folder, Disk()
    for name in bad:
        with suppress(FileNotFoundError):  # a missing file is a damage, too
            (path / FOLDER / name).replace(folder / name)
            report.moved.append(name)
    old = path / FILE
    for file in (old, *(old.with_name(FILE + suffix) for suffix in _LOG_SUFFIXES)):
        if file.exists():
            shutil.copy2(file, folder / file.name)
            report.moved.append(file.name)
    disk.sync_folder(folder)
    # SQLite must never read a log of the old catalog into the new one.
    for suffix in _LOG_SUFFIXES:
        old.with_name(FILE + suffix).unlink(missing_ok=True)
    disk.rename(work / FILE, old)
    disk.sync_folder(path)
    if not report.moved:
        folder.rmdir()
        report.moved_to = None


def _new_folder(path: Path) -> Path:
    """Create and return the folder; append a number to its name if the folder exists."""
    number = 1
    while True:
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
