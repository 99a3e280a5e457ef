"""The data folder: append, read, verify.

    catalog.sqlite    what is stored, in transactions (`catalog`)
    segments/         immutable `.npy` files of a month each, or a week of the newest (`segments`)
    writer.lock       held by the current writer (`writer`)

A reader sees the state of one transaction (`Store.snapshot`) and never waits.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from marketsweep.core.whole_files import Disk, disk_errors
from marketsweep.errors import MarketsweepError, StoreDamaged, StoreError, StoreLocked, UsageError
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.sqlite import FILE, Outdated
from marketsweep.store.segments.files import FOLDER, SUFFIX, files_in
from marketsweep.store.snapshot import Snapshot, Verification

if TYPE_CHECKING:
    from marketsweep.store.writer import Writer

_LOCK: Final = "writer.lock"
_LOCK_BYTES: Final = 100
"""Bytes of the lock file: which process holds it, and since when."""

_HOLDER_TRIES: Final = 50


class Store:
    """A data folder, made by `open` or `create`; a context manager that closes itself."""

    def __init__(self, path: Path, catalog: Catalog, disk: Disk) -> None:
        self.path = path
        self._catalog = catalog
        self._disk = disk

    @classmethod
    def open(cls, path: Path, disk: Disk | None = None) -> Self:
        """Open the store in a folder for reading; writes nothing.

        Raises UsageError if there is none, StoreDamaged if its catalog is missing or damaged.
        """
        try:
            return cls(path, Catalog.open(path), disk or Disk())
        except UsageError:
            if Catalog.is_absent(path):
                _check_no_segments(path)
            raise

    @classmethod
    def create(cls, path: Path, disk: Disk | None = None) -> Self:
        """Open the store in a folder; make it if there is none, and upgrade an old one.

        Raises StoreError if that fails.
        """
        try:
            return cls.open(path, disk)
        except (UsageError, Outdated):
            _make(path)
        return cls.open(path, disk)

    def close(self) -> None:
        """Close the catalog; snapshots stay open."""
        self._catalog.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def version(self) -> int:
        """Return the current version; this is a cheap test of whether a snapshot is the newest."""
        return self._catalog.version()

    def state(self) -> tuple[int, bool]:
        """Return the version, and whether companies and actions are worked out for it.

        Answers, or at least their warnings, may differ if either does.
        """
        return self._catalog.version_and_whether_resolved()

    def snapshot(self) -> Snapshot:
        """Return a consistent view of everything that is committed now."""
        return Snapshot(self.path)

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Hold the right to write, one writer at a time. Raises StoreLocked, naming the holder."""
        from marketsweep.store.writer import Writer  # readers do not need it

        with ExitStack() as stack:
            stack.enter_context(locked(self.path))
            catalog = Catalog.create(self.path)
            stack.callback(catalog.close)
            writer = Writer(self.path, catalog, self._disk)
            try:
                yield writer
            except Exception:
                # Work out what was committed before the error, which is raised in any case.
                with suppress(MarketsweepError):
                    writer.resolve()
                raise
            writer.resolve()
            catalog.empty_log()

    def verify(self) -> Verification:
        """Read and check every byte; damages are returned as text, none is raised."""
        return _verify(self.path)


def store_of(path: Path) -> Path | None:
    """Return the data folder that a file is part of, or None for any other file."""
    full_path = path.expanduser().resolve()
    for folder in (full_path.parent, full_path.parent.parent):
        name = full_path.relative_to(folder).parts[0]
        if (name.startswith(FILE) or name in (_LOCK, FOLDER)) and (folder / FILE).exists():
            return folder
    return None


def _make(path: Path) -> None:
    with disk_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise StoreError(f"{path} cannot be a folder: it is a file, or inside one") from None
    with locked(path):
        with disk_errors(path):
            (path / FOLDER).mkdir(exist_ok=True)
        if Catalog.is_absent(path):
            _check_no_segments(path)
        Catalog.create(path).close()


def _check_no_segments(path: Path) -> None:
    """Raise StoreDamaged if a folder without a catalog has segments: they must not be lost."""
    folder = path / FOLDER
    if not folder.is_dir():
        return
    with disk_errors(path):
        files = sorted(name for name in files_in(folder) if name.endswith(SUFFIX))
    if files:
        raise StoreDamaged(
            f"{path / FILE} is missing or empty, but {len(files):,} segments of bars are still "
            f"there ({files[0]} to {files[-1]}): run marketsweep repair --data {path}, which "
            "rebuilds the catalog from them; nothing was deleted"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the right to write. Raises StoreLocked, naming the holder."""
    with disk_errors(path):
        handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(path, handle)
        yield
    finally:
        # A child process forked meanwhile shares the handle; closing ours alone would not unlock
        # it.
        fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def _acquire(path: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreLocked(f"{path} is being written to by {_holder(handle)}") from None
    now = dt.datetime.now(dt.UTC)
    line = f"process {os.getpid()} since {now:%Y-%m-%d %H:%M:%S} UTC"
    with disk_errors(path):
        # All lines have one length: truncating a file costs more than writing it.
        os.pwrite(handle, line.ljust(_LOCK_BYTES - 1).encode() + b"\n", 0)


def _holder(handle: int) -> str:
    """Return who holds the lock; wait a little if the holder has not yet written its name."""
    for _ in range(_HOLDER_TRIES):
        if holder := os.pread(handle, _LOCK_BYTES, 0).decode(errors="replace").strip():
            return holder
        time.sleep(0.01)
    return "another process"


def _verify(path: Path) -> Verification:
    try:
        with Snapshot(path) as snapshot:
            return snapshot.verify()
    except MarketsweepError as error:
        return Verification(0, 0, 0, [str(error)])
