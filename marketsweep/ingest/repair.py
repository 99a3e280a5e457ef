"""Makes a damaged data folder whole again: what is good is kept, and the rest is named.

1. The good parts of the catalog and the good segments are found (`salvage`).
2. Where the lists of sessions, tickers and segments are good, the sessions of damaged segments are
   taken out. Where they are not, they are made again from the labels of the segments (`_lists`).
3. A new catalog is written beside the old one: these lists, the good parts that were told, the
   journals. What is worked out from them is worked out again (`_write`).
4. The old catalog and the damaged segments are moved to a folder of their own, and the new catalog
   takes the old one's name (`_take_the_place`). Nothing is deleted.

What was lost and can be fetched is fetched by a sync, which sees that it is not stored.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from marketsweep.core.calendar import next_session, sessions_between
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
from marketsweep.store.store import Store, locked
from marketsweep.store.validation import quality

_WORK: Final = "repair.tmp"
"""The folder in which the new catalog is made."""

_STEPS: Final = 5
"""Commands that are named where many would bring back what is missing."""

_LEFT_BEHIND: Final = ("-wal", "-shm")

_OF_THE_USER: Final = {
    "settled": "your word on splits and dividends",
    "low volume": "the low-volume list",
}
"""Parts that no sync brings back."""

_CORE: Final = ("axis", "days", "segments", "counts/", "lives")
"""Parts that are made again from others or from the segments."""

_TOLD: Final = ("splits/", "dividends/", "listings", "settled", "low volume", "notes")
"""Parts that there usually are."""

_NOTES: Final = {"splits": ACTIONS, "dividends": ACTIONS, "listings": LISTED}
"""For a part that a sync fetches, the key of the note that says that it is there."""


@dataclass
class Repaired:
    """What a repair found and did."""

    path: Path
    damages: list[str] = field(default_factory=list)
    """What was damaged, in words."""
    rebuilt: bool = False
    """Whether the lists of sessions and tickers were made again from the segments."""
    sessions: int = 0
    segments: int = 0
    """How many segments are stored now."""
    lost_days: list[dt.date] = field(default_factory=list)
    """Sessions whose bars are gone."""
    unknown_days: bool = False
    """Whether no list says which sessions there were: `lost_days` are those in between then."""
    lost_parts: list[str] = field(default_factory=list)
    """Parts of the catalog that a sync brings back."""
    lost_for_good: list[str] = field(default_factory=list)
    """Parts that only the user knows, in words."""
    moved_to: Path | None = None
    """Where the damaged files are."""
    moved: list[str] = field(default_factory=list)

    fetched: list[dt.date] = field(default_factory=list)
    """Lost sessions that a sync has brought back."""

    @property
    def missing(self) -> list[dt.date]:
        """Lost sessions that are still missing."""
        back = frozenset(self.fetched)
        return [day for day in self.lost_days if day not in back]

    @property
    def is_missing(self) -> bool:
        """Whether anything that was lost is still missing."""
        return bool(self.missing or self.lost_parts or self.lost_for_good)

    @property
    def next_step(self) -> str:
        """What brings back what is missing."""
        steps = [
            f"marketsweep sync --since {first} --until {last}" for first, last in runs(self.missing)
        ]
        if not steps and self.lost_parts:
            steps = ["marketsweep sync"]
        steps += [f"give {what} again" for what in self.lost_for_good]
        return "; ".join(steps[:_STEPS])

    def take_fetched(self, sessions: Collection[dt.date], notes: Collection[str]) -> None:
        """Note what a sync has brought back: the stored sessions, and the keys of notes."""
        stored = frozenset(sessions)
        self.fetched = [day for day in self.lost_days if day in stored]
        self.lost_parts = [
            part for part in self.lost_parts if _NOTES.get(_kind(part)) not in {None, *notes}
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
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
    """Return first and last of each run of sessions without a session between them."""
    found: list[tuple[dt.date, dt.date]] = []
    for day in days:
        if found and next_session(found[-1][1]) == day:
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found


class _Lists(NamedTuple):
    """What is stored: tickers, segments with their sessions, and what is known of the sessions."""

    axis: list[str]
    segments: list[tuple[SegmentRow, Sequence[dt.date]]]
    known: dict[dt.date, SessionRow]


def repair(path: Path, progress: Callable[[str], None] = lambda _: None) -> Repaired:
    """Make a data folder whole again; see above. It may stand still for the length of a check.

    Raises UsageError if there is no data, StoreLocked while another process writes, StoreFull if
    there is no room for a new catalog, and StoreError. The folder is unchanged in these cases.
    """
    progress("checking every byte")
    done = Repaired(path)
    done.damages = _damages(path)
    if not done.damages:
        with Store.open(path) as store, store.snapshot() as snapshot:
            done.sessions, done.segments = len(snapshot.sessions), len(snapshot.segments.parts)
        return done
    with locked(path), disk_errors(path):
        work = path / _WORK
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            progress("saving what is good")
            bad = _write(path, work, done)
            _take_the_place(path, work, bad, done)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    progress("checking what was made")
    with Store.open(path) as store:
        left = store.verify().damages
    if left:
        raise StoreDamaged(f"{path} could not be repaired: {left[0]}")
    return done


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


def _write(path: Path, work: Path, done: Repaired) -> list[str]:
    """Make the new catalog in the folder `work`; the names of segment files that are damaged."""
    saved = salvage(path, Catalog.JOURNALS)
    if saved.format > FORMAT and (saved.lost or not saved.version):
        raise StoreError(
            f"{path / FILE} has format {saved.format}, and this marketsweep writes {FORMAT}: "
            "update marketsweep, which may read it as it is"
        )
    told = {n: data for n, data in saved.packs.items() if not n.startswith(WORKED_OUT)}
    catalog = Catalog.create(work)
    try:
        catalog.restore(saved.version, told, saved.journals)
        lists, bad = _lists(catalog, path, done)
        sessions = [row for one in lists.segments for row in _sessions_of(path, *one, lists.known)]
        with catalog.transaction():
            catalog.rebuild(lists.axis, [row for row, _ in lists.segments], sessions)
            catalog.put_changed_days(row.date for row in sessions)
            catalog.bump()
        _name_losses(catalog, saved, [row.date for row in sessions], done)
        with catalog.transaction():
            resolve(catalog, path)
        done.sessions, done.segments = len(sessions), len(lists.segments)
        catalog.empty_log()
    finally:
        catalog.close()
    return bad


def _lists(catalog: Catalog, path: Path, done: Repaired) -> tuple[_Lists, list[str]]:
    """What is stored, by the catalog where its lists are good, by the segments' labels else."""
    known = {row.date: row for row in _known(catalog)}
    with suppress(StoreDamaged, ValueError):
        return _listed(catalog, path, known, done)
    done.rebuilt = True
    found, others = find_segments(path / FOLDER)
    chosen, left = choose(found)
    labels = max((one.tickers for one in chosen), key=len, default=())
    axis = _axis(catalog, labels)
    held = {day for one in chosen for day in one.days}
    there_were = set(known)
    with suppress(StoreDamaged, ValueError):
        there_were.update(catalog.dates())
    done.unknown_days = not there_were
    if held and not there_were:
        there_were.update(sessions_between(min(held), max(held)))
    done.lost_days = sorted(there_were - held)
    return _Lists(axis, [(one.row, one.days) for one in chosen], known), [*others, *left]


def _listed(
    catalog: Catalog, path: Path, known: dict[dt.date, SessionRow], done: Repaired
) -> tuple[_Lists, list[str]]:
    """The lists of the catalog without damaged segments. Raises StoreDamaged if they do not fit."""
    days, axis, rows = catalog.dates(), catalog.tickers(), catalog.segments()
    widest = max((row.width for row in rows), default=0)
    if not rows or sum(row.sessions for row in rows) != len(days) or widest > len(axis):
        raise StoreDamaged("the lists do not fit each other")
    good: list[tuple[SegmentRow, Sequence[dt.date]]] = []
    bad: list[str] = []
    for row in rows:
        mine, days = days[: row.sessions], days[row.sessions :]
        try:
            _segment(path, row).check()
            good.append((row, mine))
        except StoreDamaged:
            bad.append(row.file)
            done.lost_days += mine
    return _Lists(axis, good, known), bad


def _known(catalog: Catalog) -> Iterable[SessionRow]:
    """What the catalog says of sessions, as far as it can be read."""
    with suppress(MarketsweepError, ValueError):
        yield from catalog.session_rows()


def _axis(catalog: Catalog, labels: Sequence[str]) -> list[str]:
    """The tickers of the segments' labels; of the catalog where it has the same and more."""
    kept: list[str] = []
    with suppress(StoreDamaged):
        kept = catalog.tickers()
    return kept if kept[: len(labels)] == list(labels) else list(labels)


def _segment(path: Path, row: SegmentRow) -> Segment:
    return segment_of(0, path / FOLDER, row)


def _sessions_of(
    path: Path, row: SegmentRow, days: Sequence[dt.date], known: dict[dt.date, SessionRow]
) -> Iterable[SessionRow]:
    if all(day in known for day in days):
        return [known[day] for day in days]
    values = _segment(path, row).values
    return [
        known.get(day) or SessionRow(day, "repair", quality(values[:, place]))
        for place, day in enumerate(days)
    ]


def _name_losses(catalog: Catalog, saved: Salvage, days: Sequence[dt.date], done: Repaired) -> None:
    """Note which told parts are lost, and let the next sync fetch them again."""
    lost = [name for name in saved.lost if not name.startswith(WORKED_OUT)]
    parts = [name for name in lost if not name.startswith(_CORE)]
    if not saved.complete:
        parts += [name for name in _TOLD if not any(n.startswith(name) for n in saved.packs)]
    done.lost_for_good = [_OF_THE_USER[name] for name in parts if name in _OF_THE_USER]
    done.lost_parts = [name.rstrip("/") for name in parts if name not in _OF_THE_USER]
    stale = {_NOTES.get(_kind(part)) for part in done.lost_parts}
    notes = {key: text for key, text in catalog.notes().items() if key not in stale}
    catalog.put_notes(notes)
    kinds = {KINDS[_kind(part)] for part in done.lost_parts if _kind(part) in KINDS}
    if kinds and days:
        missing = of_notes(notes)
        reason = "they were lost when the catalog was damaged"
        new = {kind: MissingActions(kind, days[0], days[-1], reason) for kind in kinds}
        catalog.put_note(NOTE, as_note((missing | new).values()))


def _kind(part: str) -> str:
    """The kind of a part: "splits" of "splits/2016"."""
    return part.partition("/")[0]


def _take_the_place(path: Path, work: Path, bad: Sequence[str], done: Repaired) -> None:
    """Move what is damaged aside, and the new catalog to its place."""
    aside = _new_folder(path / f"damaged-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}")
    done.moved_to, disk = aside, Disk()
    for name in bad:
        with suppress(FileNotFoundError):  # missing is a damage, too
            (path / FOLDER / name).replace(aside / name)
            done.moved.append(name)
    old = path / FILE
    for file in (old, *(old.with_name(FILE + end) for end in _LEFT_BEHIND)):
        if file.exists():
            shutil.copy2(file, aside / file.name)
            done.moved.append(file.name)
    disk.sync_folder(aside)
    # A log of the old catalog must never be read into the new one.
    for end in _LEFT_BEHIND:
        old.with_name(FILE + end).unlink(missing_ok=True)
    disk.rename(work / FILE, old)
    disk.sync_folder(path)
    if not done.moved:
        aside.rmdir()
        done.moved_to = None


def _new_folder(path: Path) -> Path:
    """Make a folder of that name, or of that name with a number where there is one."""
    number = 1
    while True:
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
