"""A damaged data folder is made whole again: what is good stays, and the rest is named."""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import ActionOverride, Dividend, Listing, LowVolume, Split
from marketsweep.errors import StoreError, UsageError
from marketsweep.ingest.repair import repair
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from tests.helpers.command import run
from tests.helpers.massive_server import KEY, Market, MassiveServer, serving
from tests.store.test_store import bar, bars, segment_files

DAYS = sessions_in_range(dt.date(2016, 1, 25), dt.date(2016, 4, 15))
CATALOG = "catalog.sqlite"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with something in each of its parts."""
    path = tmp_path_factory.mktemp("whole")
    with Store.create(path) as store, store.writer() as writer:
        for number, day in enumerate(DAYS):
            rows = [("A", bar(10.0 + number)), ("B", bar(20.0 + number))]
            rows += [("C", bar(5.0))] if number > 20 else []
            writer.commit([bars(day, rows)], "massive")
        writer.commit([bars(DAYS[0], [("B", bar(20.5))])], "massive")
        writer.put_splits([Split("A", DAYS[5], 1, 2), Split("B", DAYS[2], 10, 1)])
        writer.put_dividends([Dividend("A", DAYS[7], 0.25)])
        writer.put_override(ActionOverride("B", DAYS[2], "split", None))
        writer.put_listings([Listing("A", name="Alpha"), Listing("B", name="Beta")])
        writer.put_low_volume([LowVolume("B", True, False, DAYS[0], None)])
        writer.note("listed", "2016-04-16T00:00:00+00:00")
        writer.log_sync(calls=3)
    return path


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def bars_of(snapshot: Snapshot) -> dict[tuple[dt.date, str], tuple[float, ...]]:
    found = {}
    for day in snapshot.sessions:
        values = snapshot.bars(day)
        assert values is not None
        for column in np.flatnonzero(~np.isnan(values[0])).tolist():
            found[day, snapshot.symbols[column]] = tuple(values[:, column].tolist())
    return found


def told(snapshot: Snapshot) -> list[object]:
    return [
        snapshot.reported_actions(),
        snapshot.listings(),
        snapshot.overrides(),
        snapshot.low_volume(),
        {key: text for key, text in snapshot.notes().items() if key != "lost in damage"},
        snapshot.rulings("split"),
    ]


def all_of(path: Path) -> list[object]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return [snapshot.sessions, snapshot.symbols, bars_of(snapshot), *told(snapshot)]


def spoil(file: Path, place: int = -40) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def february_of(path: Path) -> Path:
    (name,) = [name for name in segment_files(path) if name.startswith("2016-02.")]
    return path / "segments" / name


def files_of(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


def test_nothing_is_changed_where_nothing_is_damaged(data: Path) -> None:
    before = all_of(data)
    done = repair(data)
    assert (done.damages, done.is_missing, done.moved_to) == ([], False, None)
    assert (done.sessions, all_of(data)) == (len(DAYS), before)
    answer = run("repair", "--data", data)
    assert answer.returncode == 0
    assert f"no damage, {len(DAYS)} sessions" in answer.stdout


def test_there_must_be_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run marketsweep sync"):
        repair(tmp_path)
    assert run("repair", "--data", tmp_path / "none").returncode == 2


@pytest.mark.parametrize("how", ["spoilt", "missing", "short", "empty"])
def test_a_damaged_segment_costs_its_sessions_alone(data: Path, how: str) -> None:
    before = all_of(data)
    file = february_of(data)
    if how == "missing":
        file.unlink()
    elif how == "spoilt":
        spoil(file)
    else:
        file.write_bytes(file.read_bytes()[: 100 if how == "short" else 0])
    left = file.read_bytes() if file.exists() else None
    done = repair(data)
    february = [day for day in DAYS if day.month == 2]
    assert done.lost_days == february
    assert (done.rebuilt, done.lost_parts, done.lost_for_good) == (False, [], [])
    after = all_of(data)
    assert after[0] == [day for day in DAYS if day.month != 2]
    assert after[2] == {k: v for k, v in before[2].items() if k[0].month != 2}  # type: ignore[attr-defined]
    assert after[3:8] == before[3:8]  # rulings go by bars
    assert done.moved_to is not None
    if left is not None:  # moved, and not deleted
        assert (done.moved_to / file.name).read_bytes() == left
    assert repair(data).damages == []


def lose_catalog(data: Path) -> None:
    for file in data.glob(f"{CATALOG}*"):
        file.unlink()


def empty_catalog(data: Path) -> None:
    lose_catalog(data)
    (data / CATALOG).write_bytes(b"")


def scramble_catalog(data: Path) -> None:
    lose_catalog(data)
    (data / CATALOG).write_bytes(random.Random(1).randbytes(40_000))


@pytest.mark.parametrize("lose", [lose_catalog, empty_catalog, scramble_catalog])
def test_a_catalog_is_made_again_from_the_segments(
    data: Path, lose: Callable[[Path], None]
) -> None:
    before = all_of(data)
    lose(data)
    done = repair(data)
    assert done.rebuilt
    assert done.unknown_days
    assert done.lost_days == []
    assert {"splits", "dividends", "listings"} <= set(done.lost_parts)
    assert len(done.lost_for_good) == 2
    after = all_of(data)
    assert after[:3] == before[:3]
    assert after[3:7] == [[], [], [], []]
    with Store.open(data) as store, store.snapshot() as snapshot:
        assert all(row.counts["bars"] > 0 for row in snapshot.session_rows())
        assert "missing actions" in snapshot.notes()
    assert repair(data).damages == []


def without(data: Path, *names: str) -> None:
    """Take parts out of the catalog, as a damaged page does."""
    with sqlite3.connect(data / CATALOG) as catalog:
        for name in names:
            catalog.execute("DELETE FROM packs WHERE name LIKE ?", (name,))


@pytest.mark.parametrize("parts", [["axis"], ["days"], ["segments"], ["axis", "days", "segments"]])
def test_lists_are_made_again_and_all_else_is_kept(data: Path, parts: list[str]) -> None:
    before = all_of(data)
    without(data, *parts)
    done = repair(data)
    assert done.rebuilt
    assert not done.is_missing
    assert not done.unknown_days
    assert all_of(data) == before


def test_counts_and_what_is_worked_out_are_made_again(data: Path) -> None:
    before = all_of(data)
    with Store.open(data) as store, store.snapshot() as snapshot:
        counts = [row.counts for row in snapshot.session_rows()]
    without(data, "counts/%", "rulings/%", "stillness", "presence", "tenures")
    done = repair(data)
    assert not done.rebuilt
    assert not done.is_missing
    assert all_of(data) == before
    with Store.open(data) as store, store.snapshot() as snapshot:
        assert [row.counts for row in snapshot.session_rows()] == counts


def test_lost_actions_are_named_and_scans_say_so(data: Path) -> None:
    without(data, "splits/2016", "settled")
    done = repair(data)
    assert done.lost_parts == ["splits/2016"]
    assert done.lost_for_good == ["your word on splits and dividends"]
    hits = run("scan", "close > 1", "--data", data, "--format", "json", "--min-coverage", "0")
    assert "splits" in " ".join(json.loads(hits.stdout)["warnings"])
    again = run("repair", "--data", data)
    assert again.returncode == 3  # the splits are still missing


def test_a_root_that_is_lost(data: Path) -> None:
    before = all_of(data)
    with sqlite3.connect(data / CATALOG) as catalog:
        catalog.execute("UPDATE root SET checksum = checksum + 1")
    done = repair(data)
    assert not done.is_missing
    assert all_of(data) == before


def test_the_newer_of_two_segments_counts(data: Path) -> None:
    """What is superseded stays for ten minutes, and must not come back."""
    with Store.open(data) as store, store.writer() as writer:
        writer.commit([bars(DAYS[3], [("A", bar(99.0))])], "massive")
        writer.commit([bars(DAYS[-1], [("A", bar(98.0))])], "massive")
    before = all_of(data)
    assert len(list((data / "segments").iterdir())) > len(segment_files(data))
    lose_catalog(data)
    repair(data)
    assert all_of(data)[:3] == before[:3]


def test_a_catalog_of_a_later_marketsweep_is_left_alone(data: Path) -> None:
    with sqlite3.connect(data / CATALOG) as catalog:
        catalog.execute("PRAGMA user_version = 6")
        catalog.execute("DROP TABLE packs")
    before = files_of(data)
    with pytest.raises(StoreError, match="update marketsweep"):
        repair(data)
    assert {n: c for n, c in files_of(data).items() if "lock" not in n and "-" not in n} == {
        n: c for n, c in before.items() if "lock" not in n and "-" not in n
    }


@pytest.mark.parametrize("number", [1, 4, 7, 13])
def test_a_wrong_number_of_the_format(data: Path, number: int) -> None:
    before = all_of(data)
    with sqlite3.connect(data / CATALOG) as catalog:
        catalog.execute(f"PRAGMA user_version = {number}")
    done = repair(data)
    assert done.damages
    assert not done.is_missing
    assert all_of(data) == before


def test_damage_anywhere_loses_nothing_else(whole: Path, tmp_path: Path) -> None:
    """Three hundred damaged catalogs: all bars are kept, and what is lost of the rest is named."""
    chance = random.Random(1962)
    before = all_of(whole)
    names = ["told", "listings", "settled", "low volume"]
    size = (whole / CATALOG).stat().st_size
    for number in range(300):
        folder = Path(shutil.copytree(whole, tmp_path / f"{number}"))
        for left in folder.glob(f"{CATALOG}-*"):
            left.unlink()
        content = bytearray((folder / CATALOG).read_bytes())
        for _ in range(chance.choice([1, 1, 3, 10])):
            begin, length = chance.randrange(size), chance.choice([1, 1, 16, 600, 4096])
            part = content[begin : begin + length]
            content[begin : begin + length] = chance.randbytes(len(part))
        (folder / CATALOG).write_bytes(content)
        done = repair(folder)
        after = all_of(folder)
        assert after[:3] == before[:3], number
        lost = " ".join([*done.lost_parts, *done.lost_for_good])
        for name, old, new in zip(names, before[3:7], after[3:7], strict=True):
            said = {"told": "splits dividends", "settled": "word", "low volume": "low-volume"}
            words = said.get(name, name).split()
            assert new == old or any(word in lost for word in words), (number, name)
        assert repair(folder).damages == []
        shutil.rmtree(folder)


def test_a_kill_at_any_step_leaves_what_a_second_repair_mends(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = all_of(data)
    without(data, "axis")
    steps = 0
    while True:
        folder = Path(shutil.copytree(data, tmp_path / f"{steps}"))
        with monkeypatch.context() as patch:
            left = [steps]
            for name in ("replace", "unlink", "mkdir", "rmdir"):
                patch.setattr(Path, name, _dying(getattr(Path, name), left))
            try:
                repair(folder)
                ended = True
            except _Killed:
                ended = False
        assert repair(folder).is_missing is False or steps == 0
        assert all_of(folder)[:3] == before[:3]
        steps += 1
        if ended:
            break
    assert steps > 4


class _Killed(BaseException):
    pass


def _dying(function: Callable[..., object], left: list[int]) -> Callable[..., object]:
    def call(*arguments: object, **named: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise _Killed
        return function(*arguments, **named)

    return call


# -- what was lost is fetched


def row(symbol: str, close: float) -> dict[str, object]:
    return {"T": symbol, "o": close, "h": close, "l": close, "c": close, "v": 1000.0}


@pytest.fixture
def served() -> Market:
    market = Market(now="2016-04-18T20:00:00-04:00")
    for number, day in enumerate(DAYS):
        market.bars[day] = [row("A", 10.0 + number), row("B", 20.0 + number)]
    market.splits = [
        {"ticker": "A", "execution_date": str(DAYS[5]), "split_from": 1, "split_to": 2, "id": "1"}
    ]
    return market


def asked_days(server: MassiveServer) -> list[str]:
    return sorted(call.path.rpartition("/")[2] for call in server.asked("grouped"))


def test_exactly_what_is_damaged_is_fetched(served: Market, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(served) as server:
        given = ("--base-url", server.url, "--api-key", KEY, "--data", data)
        first = run("sync", "--since", str(DAYS[0]), "--until", str(DAYS[-1]), *given)
        assert first.returncode == 0, first.stderr
        before = all_of(data)
        spoil(february_of(data))
        server.calls.clear()
        answer = run("repair", "--json", *given)
        assert answer.returncode == 0, answer.stderr
        february = [str(day) for day in DAYS if day.month == 2]
        assert asked_days(server) == february
        told_ = json.loads(answer.stdout)
        assert told_["lost_sessions"] == told_["fetched_sessions"] == february
        assert all_of(data)[:3] == before[:3]
        without(data, "splits/%")
        server.calls.clear()
        answer = run("repair", *given)
        assert answer.returncode == 0, answer.stderr
        assert all_of(data)[3] == before[3]
        assert len(asked_days(server)) <= 1


def test_without_a_source_it_says_what_to_run(data: Path) -> None:
    spoil(february_of(data))
    answer = run("repair", "--data", data)
    february = [day for day in DAYS if day.month == 2]
    assert answer.returncode == 3
    assert "no API key" in answer.stderr
    assert f"marketsweep sync --since {february[0]} --until {february[-1]}" in answer.stderr
    assert f"lost: {len(february)} sessions" in answer.stdout
    assert run("status", "--data", data).returncode == 0


def test_a_repair_that_was_interrupted_is_finished_by_the_next_one(
    served: Market, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    with serving(served) as server:
        given = ("--base-url", server.url, "--api-key", KEY, "--data", data)
        first = run("sync", "--since", f"{DAYS[0]}", "--until", f"{DAYS[-1]}", *given)
        assert first.returncode == 0, first.stderr
        before = all_of(data)
        spoil(february_of(data))
        without(data, "splits/%")
        repair(data)  # and the process ends before it fetches
        february = [str(day) for day in DAYS if day.month == 2]
        answer = run("repair", "--data", data)
        assert answer.returncode == 3
        assert "an earlier repair was not finished" in answer.stdout
        assert f"lost: {len(february)} sessions" in answer.stdout
        answer = run("repair", "--json", *given)
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["fetched_sessions"] == february
        assert all_of(data)[:4] == before[:4]
        answer = run("repair", "--data", data)
        assert (answer.returncode, "nothing was changed" in answer.stdout) == (0, True)
