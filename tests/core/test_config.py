"""`config.toml` of a data folder: read strictly, written gently, and really used."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.settings import (
    CALLS_PER_MINUTE,
    CONCURRENCY,
    THREADS,
    Config,
    read_config,
    write_config,
)
from marketsweep.errors import StoreError, UsageError
from marketsweep.ingest.providers.massive import provider as massive
from marketsweep.market import open_market
from tests.helpers.command import refused, run
from tests.helpers.massive_server import KEY, Market, MassiveServer, serving, until
from tests.ingest.test_sync import asked_days

WHOLE = """\
# what the plan allows
[sync]   # of Massive
concurrency=3  # measured
calls_per_minute = 300

[scan]
"""


def test_nothing_set_is_nothing_set(tmp_path: Path) -> None:
    assert read_config(tmp_path / "none", {}) == Config()
    (tmp_path / "config.toml").write_text("")
    assert read_config(tmp_path, {}) == Config()


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(WHOLE + "threads = 2\n")
    assert read_config(tmp_path, {}) == Config(3, 300, threads=2)
    around = {"MARKETSWEEP_CONCURRENCY": "5", "MARKETSWEEP_THREADS": " 7 ", "MARKETSWEEP_X": "1"}
    assert read_config(tmp_path, around) == Config(5, 300, threads=7)
    assert read_config(tmp_path, {"MARKETSWEEP_CALLS_PER_MINUTE": ""}).calls_per_minute == 300
    for wrong in ("0", "-1", "many", "1.5", "257"):
        with pytest.raises(UsageError, match="MARKETSWEEP_THREADS must be a whole number from 1"):
            read_config(tmp_path, {"MARKETSWEEP_THREADS": wrong})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sync]\nconcurency = 3", "unknown key concurency in [sync]"),
        ("[sink]\nconcurrency = 3", "unknown key sink"),
        ("[scan]\nthreads = 'two'", "expected a whole number, got str in [scan] threads"),
        ("[scan]\nthreads = 2.0", "expected a whole number, got float in [scan] threads"),
        ("[scan]\nthreads = true", "expected a whole number, got bool in [scan] threads"),
        ("[scan]\nthreads = 0", "expected a whole number >= 1 in [scan] threads"),
        ("[sync]\nconcurrency = 101", "expected a whole number <= 100 in [sync] concurrency"),
        ("sync = 3", "expected a table, got int in [sync]"),
        ("[scan\n", "is not TOML: Expected ']'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    for attempt in (read_config, lambda folder: write_config(folder, {THREADS: 2})):
        with pytest.raises(UsageError) as caught:
            attempt(tmp_path)
        assert str(caught.value).startswith(str(file))
        assert says in str(caught.value)
        if "not TOML" not in says:
            assert "there are [sync] concurrency (1 to 100)" in str(caught.value)
    assert file.read_text() == text


def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(UsageError, match=r"config\.toml is not UTF-8"):
        read_config(tmp_path, {})


def test_what_the_user_wrote_stays(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(WHOLE)
    assert write_config(tmp_path, {CONCURRENCY: 16, THREADS: 4}) == file.resolve()
    assert file.read_text() == WHOLE.replace("concurrency=3", "concurrency=16") + "threads = 4\n"
    assert read_config(tmp_path, {}) == Config(16, 300, threads=4)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_link_stays_one_and_a_folder_is_made(tmp_path: Path) -> None:
    shared = tmp_path / "shared.toml"
    shared.write_text("# shared\n")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "config.toml").symlink_to(shared)
    write_config(folder, {THREADS: 3})
    assert (folder / "config.toml").is_symlink()
    assert shared.read_text() == "# shared\n\n[scan]\nthreads = 3\n"
    write_config(tmp_path / "deep" / "new", {CALLS_PER_MINUTE: 5})
    assert read_config(tmp_path / "deep" / "new", {}) == Config(None, 5)


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match=str(tmp_path)):
        write_config(tmp_path / "data", {THREADS: 3})


def test_commands_refuse_a_wrong_file(example_data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[sync]\nspeed = 9\n")
    (tmp_path / "catalog.sqlite").symlink_to(example_data / "catalog.sqlite")
    for command in (["sync"], ["scan", "close > 5"], ["tune"]):
        refused(2, *command, "--data", tmp_path, says=f"{tmp_path}/config.toml: unknown key speed")


# Really used


async def answered_late(
    server: MassiveServer, at_once: int, request: web.Request
) -> web.StreamResponse:
    # A slow machine takes a while to send them all; one too many has a little longer to come.
    await until(lambda: server.most_under_way >= at_once)
    await asyncio.sleep(0.03)
    return await server.honest(request)


@pytest.mark.parametrize(
    ("file", "around", "options", "at_once"),
    [
        ("", {}, [], massive.CONCURRENCY),
        ("[sync]\nconcurrency = 3\n", {}, [], 3),
        ("[sync]\nconcurrency = 3\n", {"MARKETSWEEP_CONCURRENCY": "5"}, [], 5),
        (
            "[sync]\nconcurrency = 3\n",
            {"MARKETSWEEP_CONCURRENCY": "5"},
            ["--concurrency", "7"],
            7,
        ),
    ],
    ids=["default", "file", "environment", "option"],
)
def test_a_sync_has_that_many_calls_under_way(
    tmp_path: Path, file: str, around: dict[str, str], options: list[str], at_once: int
) -> None:
    (tmp_path / "config.toml").write_text(file)
    row = {"T": "A", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}
    first, last = dt.date(2023, 11, 1), dt.date(2024, 3, 8)
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    with serving(Market(bars={day: [row] for day in days})) as server:
        server.always("grouped", lambda request: answered_late(server, at_once, request))
        done = run(
            *["sync", "--base-url", server.url, "--since", f"{first}", "--data", f"{tmp_path}"],
            *options,
            MASSIVE_API_KEY=KEY,
            **around,
        )
        assert done.returncode == 0, done.stderr
        assert len(asked_days(server)) == len(sessions_in_range(first, last))
        assert server.most_under_way == at_once


def test_the_plan_s_limit_may_stand_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[sync]\ncalls_per_minute = 5\n")
    days = ["--since", "2026-01-02", "--until", "2026-02-02"]
    done = run("sync", "--plan", *days, "--data", tmp_path, MASSIVE_API_KEY=KEY)
    assert "at 5 calls a minute" in done.stdout
    more = [*days, "--calls-per-minute", "9"]
    done = run("sync", "--plan", *more, "--data", tmp_path, MASSIVE_API_KEY=KEY)
    assert "at 9 calls a minute" in done.stdout


def helpers() -> int:
    return sum(thread.name.startswith("marketsweep_") for thread in threading.enumerate())


def test_a_scan_has_that_many_threads(
    example_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path in example_data.iterdir():
        (data / path.name).symlink_to(path)
    (data / "config.toml").write_text("[scan]\nthreads = 4\n")
    condition = "sma(close, 100) > 5 and adx(14) > 20"
    with open_market(data) as market:
        few = market.scan(condition, threads=1)
        assert grown_to(3, lambda: market.scan(condition))
        assert grown_to(6, lambda: market.scan(condition, threads=7))
        assert market.scan(condition).symbols == few.symbols
    monkeypatch.setenv("MARKETSWEEP_THREADS", "3")
    with open_market(data) as market:
        assert grown_to(2, lambda: market.scan(condition))
    with open_market(data) as market, pytest.raises(UsageError, match="threads 0 is not a whole"):
        market.scan(condition, threads=0)


def grown_to(expected: int, scan: Callable[[], object]) -> bool:
    """Whether scans come to have that many helpers; those of another number end a moment later."""
    for _ in range(50):
        scan()
        if helpers() == expected:
            return True
    return False


def test_limits_are_raised_by_name(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[sync]\nmax_file_mb = 9000\nmax_body_mb = 32\n")
    config = read_config(tmp_path, {"MARKETSWEEP_MAX_PAGES": "5000"})
    assert (config.max_file_mb, config.max_body_mb, config.max_pages) == (9000, 32, 5000)
    settings = massive.http_settings(config)
    assert (settings.body_mb, settings.pages) == (32, 5000)
