"""`marketsweep tune` against real servers, and what it chooses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from marketsweep.cli.tune import CONNECTIONS, Curve, measure_fetch, thread_counts
from marketsweep.core.settings import Config, read_config
from marketsweep.errors import ProviderUnreachable
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.command import COMMAND, refused, run
from tests.helpers.massive_server import KEY, Market, MassiveServer, serving, status, until
from tests.helpers.two_months import FIRST, Files
from tests.ingest.test_sync import environment


@pytest.mark.parametrize(
    ("rates", "choice"),
    [
        ({1: 10.0, 2: 19.0, 4: 20.0, 8: 20.0}, 2),  # 19 is 95% of 20
        ({1: 10.0, 2: 18.9, 4: 20.0, 8: 20.0}, 4),
        ({1: 10.0, 2: 20.0, 4: 5.0}, 2),
        ({1: 10.0, 2: 10.1, 4: 10.2, 50: 10.3}, 1),  # flat: more gain nothing
        ({50: 1.0}, 50),
    ],
)
def test_the_smallest_near_the_best_is_chosen(rates: dict[int, float], choice: int) -> None:
    assert Curve("threads", "scans a second", rates).choice == choice


@pytest.mark.parametrize(
    ("processors", "expected"),
    [
        (1, [1, 2, 20, 24, 32, 40, 50]),
        (2, [1, 2, 3, 4, 20, 24, 32, 40, 50]),
        (8, [*range(1, 17), 20, 24, 32, 40, 50]),
        (12, [1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 50]),
        (64, [1, 2, 4, 8, 16, 20, 24, 32, 40, 50, 64, 128]),
    ],
)
def test_threads_that_are_tried(processors: int, expected: list[int]) -> None:
    assert thread_counts(processors) == expected


def everywhere(
    server: MassiveServer, wait_s: float = 0.0, together: Callable[[], int] = lambda: 0
) -> None:
    """One bar in every session, told after some seconds, once so many were asked at a time."""
    row = {"T": "A", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}

    async def answer(request: web.Request) -> web.StreamResponse:
        await until(lambda: server.most_under_way >= together())
        await asyncio.sleep(wait_s)
        return web.json_response({"status": "OK", "results": [row]})

    server.always("grouped", answer)


def measured(server: MassiveServer, say: Callable[[str], None] = lambda said: None) -> Curve:
    patience = HttpSettings(pause_s=0.01, longest_pause_s=0.02, throttled_s=1)

    def provider(connections: int) -> MassiveProvider:
        return MassiveProvider(KEY, server.url, concurrency=connections, settings=patience)

    return asyncio.run(measure_fetch(provider, say))


def test_more_connections_fetch_more_and_never_more_than_said(tmp_path: Path) -> None:
    said: list[str] = []
    most: list[int] = []

    def say(line: str) -> None:
        said.append(line)
        most.append(server.most_under_way)
        server.most_under_way = 0

    with serving(Market()) as server:
        # A slow machine takes a while to send them all: so the first wait for the last.
        everywhere(server, 0.05, lambda: CONNECTIONS[len(said) - 2])
        curve = measured(server, say)
        most.append(server.most_under_way)
        assert said[0] == f"fetch: {len(server.calls):,} calls at most; fetched data is not stored"
    assert tuple(curve.rates) == CONNECTIONS
    assert most[2:] == list(CONNECTIONS)
    # A call takes at least 50 ms, so that n connections bring at most 20 n a second.
    assert all(rate <= 20 * connections for connections, rate in curve.rates.items())
    assert curve.rates[8] > 4 * curve.rates[1]


def test_it_stops_where_the_provider_counts_too_many_calls() -> None:
    with serving(Market()) as server:
        everywhere(server)
        honest = server._always["grouped"]

        async def strict(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.005)
            return await (status(429) if server.under_way > 8 else honest)(request)

        server.always("grouped", strict)
        assert tuple(measured(server).rates) == (1, 2, 4, 8)


def test_no_bars_are_nothing_to_measure() -> None:
    with (
        serving(Market()) as server,
        pytest.raises(ProviderUnreachable, match="nothing to measure"),
    ):
        measured(server)


@pytest.fixture(scope="module")
def data(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tuned")
    with Store.create(path) as store:
        sync(store, files.provider(), FIRST)
    return path


def contents_of(data: Path) -> dict[str, bytes]:
    kept = (path for path in data.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm")
    return {f"{path}": path.read_bytes() for path in kept}


def test_the_whole_command_keeps_what_it_found(files: Files, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    (folder / "config.toml").write_text("# mine\n[sync]\nconcurrency = 99\n")
    before = contents_of(folder)
    with running(files.settings()) as url:
        address = ["--base-url", url, "--api-key", "sandbox"]
        done = run("tune", *address, "--data", folder, "--json")
        shown = run("tune", *address, "--data", folder)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert tuple(map(int, facts["fetch"]["rates"])) == CONNECTIONS
    assert {"1", "2", "20", "50"} <= set(facts["scan"]["rates"])
    assert "calls at most; fetched data is not stored" in done.stderr
    assert shown.returncode == 0, shown.stderr
    config = read_config(folder, {})
    for key, value in (("concurrency", config.concurrency), ("threads", config.threads)):
        assert f"{key} = {value}" in shown.stdout
    assert shown.stdout.count("  best\n") == 2
    text = (folder / "config.toml").read_text()
    assert text.startswith("# mine\n[sync]\n")
    after = contents_of(folder)
    after[f"{folder}/config.toml"] = before[f"{folder}/config.toml"]
    assert after == before, "the store is only read"


def test_a_limit_on_calls_decides(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    with serving(Market()) as server:
        done = run(
            *("tune", "--base-url", server.url, "--calls-per-minute", "5", "--data", folder),
            MASSIVE_API_KEY=KEY,
        )
        assert server.calls == []
    assert done.returncode == 0, done.stderr
    assert "the limit of 5 calls a minute decides: 0.083 sessions a second" in done.stdout
    assert read_config(folder, {}).concurrency is None
    assert read_config(folder, {}).threads


def test_without_a_key_the_sandbox_is_offered(tmp_path: Path) -> None:
    refused(2, "tune", "--data", tmp_path / "none", says="--sandbox")
    refused(2, "tune", "--provider", "tape", "--data", tmp_path, says="choose massive or files")
    assert not (tmp_path / "none").exists()


def test_an_interruption_leaves_the_file_as_it_was(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    (folder / "config.toml").write_text("[scan]\nthreads = 9\n")
    before = contents_of(folder)
    with serving(Market()) as server:
        everywhere(server, 0.2)
        process = subprocess.Popen(
            [COMMAND, "tune", "--base-url", server.url, "--data", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment() | {"MASSIVE_API_KEY": KEY},
        )
        patience = time.monotonic() + 120
        while len(server.calls) < 12:
            assert time.monotonic() < patience
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert contents_of(folder) == before
    assert read_config(folder, {}) == Config(threads=9)
