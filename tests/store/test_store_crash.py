"""The store when the disk fills up, when the process is killed, and when the power goes.

The disk of these tests is the real one with a fault at one operation. Its power cut also takes
back what no sync had made durable: bytes become nothing, new names disappear.
"""

from __future__ import annotations

import datetime as dt
import errno
import io
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import SessionBars
from marketsweep.core.whole_files import Disk
from marketsweep.errors import StoreError, StoreFull
from marketsweep.store.store import Store
from tests.store.test_store import (
    Market,
    Model,
    assert_equals,
    assert_same_files,
    bar,
    bars,
    query,
    segment_files,
)

MONDAY, TUESDAY, FEBRUARY = dt.date(2016, 1, 4), dt.date(2016, 1, 5), dt.date(2016, 2, 1)
MARCH = dt.date(2016, 3, 1)

# New months, a late session with new tickers, a revision that is taken back, a third month.
COMMITS = [
    [(MONDAY, [("A", bar(1.0)), ("C", bar(3.0))]), (FEBRUARY, [("A", bar(1.5))])],
    [(TUESDAY, [("B", bar(2.0)), ("A", bar(1.1))]), (FEBRUARY, [("A", bar(1.6))])],
    [(MARCH, [("D", bar(4.0)), ("D", bar(4.1)), ("", bar(1.0))])],
    [(FEBRUARY, [("A", bar(1.5))]), (MARCH, [("D", bar(4.2))])],
]


class FaultyDisk(Disk):
    """The real disk, with `fault` called before operation number `at`; it logs them all."""

    def __init__(self, at: int = -1, fault: Callable[[FaultyDisk], None] | None = None) -> None:
        self.log: list[str] = []
        self.watch: Callable[[], object] = lambda: None
        self.watched: list[object] = []
        self._at = at
        self._fault = fault
        self._unsynced: list[Path] = []
        self._unnamed: list[tuple[Path, Path]] = []

    def write(self, file: io.FileIO, data: memoryview) -> None:
        path = Path(os.fsdecode(file.name))
        self._unsynced.append(path)
        if len(self.log) == self._at and self._fault is not None:
            file.write(data[: len(data) // 2])  # a fault leaves the write half done
        self._step("write", path)
        super().write(file, data)

    def sync(self, file: io.FileIO) -> None:
        path = Path(os.fsdecode(file.name))
        self._step("sync", path)
        super().sync(file)
        self._unsynced = [other for other in self._unsynced if other != path]

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename", new)
        super().rename(old, new)
        self._unnamed.append((old, new))
        self._unsynced = [new if path == old else path for path in self._unsynced]

    def sync_folder(self, folder: Path) -> None:
        self._step("sync_folder", folder)
        super().sync_folder(folder)
        self._unnamed.clear()

    def unlink(self, path: Path) -> None:
        self._step("unlink", path)
        super().unlink(path)

    def _step(self, name: str, path: Path) -> None:
        if len(self.log) == self._at and self._fault is not None:
            fault, self._fault = self._fault, None
            fault(self)
        self.log.append(f"{name} {path.name.split('.')[0]}")
        self.watched.append(self.watch())

    def cut_power(self) -> None:
        """Lose what is not durable, and die."""
        for path in self._unsynced:
            if path.exists():
                os.truncate(path, 0)
        for old, new in reversed(self._unnamed):
            new.rename(old)
        kill(self)


def kill(_: FaultyDisk) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], None]) -> int:
    """Run it in a forked process; minus the signal that ended it, or its exit status."""
    with warnings.catch_warnings():
        # The child uses no thread and no lock of ours; Python 3.12 warns of any it could.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        run_and_exit(work)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_and_exit(work: Callable[[], None]) -> None:
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # the fork must never return into pytest
        traceback.print_exc(file=sys.__stderr__)
    finally:
        os._exit(status)


def write_all(path: Path, disk: Disk, acknowledge: Callable[[int], None]) -> None:
    """Every commit, by two writers; in between, the grace of superseded files runs out."""
    with Store.open(path, disk) as store:
        for number, days in enumerate(COMMITS):
            if number == 2:
                query(path, "UPDATE retired SET at = '2016-01-01T00:00:00+00:00'")
            with store.writer() as writer:
                writer.commit([bars(day, rows) for day, rows in days], "test")
            acknowledge(number + 1)


def model_after(commits: int) -> Model:
    model = Model()
    for days in COMMITS[:commits]:
        model.commit(days)
    return model


@pytest.fixture(scope="module")
def faultless(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FaultyDisk]:
    """The store of all commits without a fault, and its log."""
    path, disk = tmp_path_factory.mktemp("faultless"), FaultyDisk()
    Store.create(path).close()
    write_all(path, disk, lambda number: None)
    return path, disk


def test_a_commit_is_visible_only_after_everything_is_durable(tmp_path: Path) -> None:
    disk = FaultyDisk()
    with Store.create(tmp_path, disk) as store, store.writer() as writer:
        disk.watch = store.version
        writer.commit([bars(day, rows) for day, rows in COMMITS[0]], "test")
        assert disk.log == [
            *(*("write 2016-01",) * 3, "sync 2016-01", "rename 2016-01"),
            *(*("write 2016-02",) * 3, "sync 2016-02", "rename 2016-02"),
            "sync_folder segments",
        ]
        assert disk.watched == [0] * 11
        assert store.version() == 1


@pytest.mark.parametrize("fault", [kill, FaultyDisk.cut_power])
def test_a_death_at_any_operation_loses_nothing_committed(
    fault: Callable[[FaultyDisk], None], faultless: tuple[Path, FaultyDisk], tmp_path: Path
) -> None:
    whole, complete = faultless
    assert {entry.split()[0] for entry in complete.log} == {
        *("write", "sync", "rename", "sync_folder", "unlink"),
    }
    for at in range(len(complete.log) + 1):
        path, acknowledged = tmp_path / f"{at}", tmp_path / f"{at}.acknowledged"
        Store.create(path).close()
        work = partial(write_all_and_die, path, FaultyDisk(at, fault), fault, acknowledged)
        assert in_child(work) == -signal.SIGKILL
        assert_recovers(path, last_number(acknowledged), whole)


def write_all_and_die(
    path: Path, disk: FaultyDisk, fault: Callable[[FaultyDisk], None], acknowledged: Path
) -> None:
    write_all(path, disk, partial(append_number, acknowledged))
    fault(disk)


def append_number(path: Path, number: int) -> None:
    with path.open("ab", buffering=0) as file:
        file.write(f"{number:7}\n".encode())


def last_number(path: Path) -> int:
    """The last that was written whole; 0 if none was."""
    written = path.read_bytes() if path.exists() else b""
    return int(written[: len(written) // 8 * 8][-8:] or b"0")


def assert_recovers(path: Path, acknowledged: int, whole: Path) -> None:
    """Nothing is lost or torn, and the commits that are missing make the store complete."""
    with Store.open(path) as store:
        assert store.verify().damages == []
        with store.snapshot() as snapshot:
            # The commit under way may have been durable before it could say so.
            done = acknowledged + (snapshot.version > acknowledged)
            assert snapshot.version == done
            assert_equals(snapshot, model_after(done))
        with store.writer() as writer:
            for days in COMMITS[acknowledged:]:
                writer.commit([bars(day, rows) for day, rows in days], "test")
        with store.writer():
            pass
        assert store.verify().damages == []
        assert store.version() == len(COMMITS)
    assert_same_files(path, whole)
    retired = [str(file) for (file,) in query(path, "SELECT file FROM retired")]
    known = sorted({*segment_files(path), *retired})
    assert sorted(file.name for file in (path / "segments").iterdir()) == known


def market_at(number: int) -> list[SessionBars]:
    """Commit number n of the races below: two months of 20 symbols, all of them at n."""
    symbols = [f"S{place:02}" for place in range(20)]
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 2, 5))
    return [SessionBars(day, symbols, np.full((5, 20), float(number))) for day in days]


def test_kills_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(20160104)
    committed = 0

    def work() -> None:
        with Store.create(tmp_path / "data") as store:
            number = store.version()
            with store.writer() as writer:
                while True:
                    number += 1
                    writer.commit(market_at(number), "test")
                    append_number(tmp_path / "acknowledged", number)

    for _ in range(40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            run_and_exit(work)
        # Some children are killed at once, others after a commit or two, however long they take.
        reached = committed + chance.randrange(3)
        while last_number(tmp_path / "acknowledged") < reached:
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
            time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.1))
        os.kill(pid, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        with Store.create(tmp_path / "data") as store, store.snapshot() as snapshot:
            assert store.verify().damages == []
            # A child adds one at most to what it, or an earlier one, had time to acknowledge.
            assert snapshot.version >= max(committed, last_number(tmp_path / "acknowledged"))
            committed = snapshot.version
            values = {value for segment in snapshot.segments.parts for value in segment.values.flat}
            assert values == ({float(committed)} if committed else set())
    assert committed > 10


# A disk that refuses


def refuse(code: int) -> Callable[[FaultyDisk], None]:
    def fault(_: FaultyDisk) -> None:
        raise OSError(code, os.strerror(code))

    return fault


@pytest.mark.parametrize(
    ("code", "error"),
    [(errno.ENOSPC, StoreFull), (errno.EIO, StoreFull), (errno.EACCES, StoreError)],
)
def test_a_refused_operation_changes_nothing_and_the_writer_goes_on(
    code: int, error: type[StoreError], tmp_path: Path
) -> None:
    first, second = ([bars(day, rows) for day, rows in days] for days in COMMITS[:2])
    for at in range(11):  # the operations of the second commit, as of the first: see above
        path = tmp_path / str(at)
        disk = FaultyDisk(11 + at, refuse(code))
        with Store.create(path, disk) as store, store.writer() as writer:
            writer.commit(first, "test")
            with pytest.raises(error, match=str(path)):
                writer.commit(second, "test")
            with store.snapshot() as snapshot:
                assert_equals(snapshot, model_after(1))
            assert store.verify().ok
            assert list((path / "segments").glob("*.tmp")) == []
            writer.commit(second, "test")
            with store.snapshot() as snapshot:
                assert_equals(snapshot, model_after(2))
            assert store.verify().ok


def limit_files_to(size: int) -> None:
    """From here on the system refuses to make any file longer."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_the_system_refuses_a_segment(tmp_path: Path) -> None:
    Store.create(tmp_path).close()

    def work() -> None:
        with Store.open(tmp_path) as store, store.writer() as writer:
            writer.commit([bars(MONDAY, [("A", bar(1.0))])], "test")
            writer.resolve()  # so that nothing is left to write in the end
            limit_files_to(10_000)
            with pytest.raises(StoreFull, match="nothing committed was lost"):
                writer.commit(market_at(1), "test")

    assert in_child(work) == 0
    assert_holds(tmp_path, {MONDAY: {"A": bar(1.0)}})


def test_the_system_refuses_the_catalog(tmp_path: Path) -> None:
    Store.create(tmp_path).close()
    # Small in the segment, large in the catalog.
    many = [("B", bar(float(close))) for close in range(10_000)]

    def work() -> None:
        with Store.open(tmp_path) as store, store.writer() as writer:
            writer.commit([bars(MONDAY, [("A", bar(1.0))])], "test")
            writer.resolve()
            limit_files_to(200_000)
            for _ in range(2):
                with pytest.raises(StoreFull, match="catalog"):
                    writer.commit([bars(TUESDAY, many)], "test")

    assert in_child(work) == 0
    assert_holds(tmp_path, {MONDAY: {"A": bar(1.0)}})


def assert_holds(path: Path, market: Market) -> None:
    model = Model()
    model.commit([(day, list(rows.items())) for day, rows in market.items()])
    with Store.open(path) as store:
        assert store.verify().damages == []
        with store.snapshot() as snapshot:
            assert_equals(snapshot, model)
        with store.writer() as writer:
            assert writer.commit(market_at(1), "test").new == 24 * 20
