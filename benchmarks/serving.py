"""The server: its start, single requests, many clients while a sync commits, and its memory."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final, NamedTuple

import aiohttp

from benchmarks.example import SESSIONS, Example, settings
from benchmarks.measure import COUNT, Row, Samples, alternate, clocked, within
from benchmarks.process import MARKETSWEEP
from marketsweep.cli.demo import FIRST, REFERENCE_SCAN
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.language.presets import presets
from marketsweep.market import open_market
from marketsweep.store.store import Store

_RUNS: Final = 15
_STARTS: Final = 5
_START_LIMIT_S: Final = 1.5
_OVER_LIMIT_S: Final = 0.015
_PREVIEW_LIMIT_S: Final = 0.100
_CLIENTS: Final = 50
_EACH: Final = 20
_PAUSE_S: Final = 1.0
"""Seconds between two requests of a client: somebody who types."""
_P99_LIMIT_S: Final = 0.250
_STORED: Final = 200
"""Sessions that are stored before the sync of the others."""
_REQUESTS: Final = 10_000
_GROWTH_LIMIT_MB: Final = 20.0
_LISTENERS: Final = 1_000
_LOADING_S: Final = 4.0
"""Seconds after a start in which the server loads what most scans need."""


class Server(NamedTuple):
    """A server in a process of its own."""

    url: str
    process: subprocess.Popen[str]

    @property
    def memory_mb(self) -> float:
        """What the process holds of its own, without mapped files."""
        return self.memory("RssAnon")

    def memory(self, kind: str) -> float:
        """One figure of the process that Linux keeps, such as VmHWM, in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(f"{kind}:")[1].split()[0]) / 1e3


class Client:
    """One connection that is kept open."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(server.url.removeprefix("http://"))

    def scan(self, condition: str, **more: object) -> Any:  # noqa: ANN401
        """Return the answer to a scan."""
        body = json.dumps({"condition": condition, **more})
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/api/v1/scan", body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return json.loads(content)


def rows(example: Example) -> Iterator[Row]:
    """The server."""
    starts = Samples.of(_start(example.store) for _ in range(_STARTS))
    yield within("serve: start to the first answer of a scan", starts, _START_LIMIT_S)
    with served(example.store) as server:
        let_load(server)
        yield from _single(server, example.store)
        yield from _memory(server)
        yield from asyncio.run(_listeners(server))
    yield from _while_a_sync_commits(example)


@contextmanager
def served(store: Path, *options: str) -> Iterator[Server]:
    command = [MARKETSWEEP, "serve", "--port", "0", "--data", str(store), *options]
    environment = os.environ | {"MASSIVE_API_KEY": "sandbox"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().split()[-1], process)
        finally:
            process.send_signal(signal.SIGINT)


def _start(store: Path) -> float:
    started = perf_counter()
    with served(store) as server:
        urllib.request.urlopen(f"{server.url}/api/v1/scan?q=nr7&limit=30").read()
        return perf_counter() - started


def let_load(server: Server) -> None:
    """Let the server load a year of bars and judge them, as it does after its start."""
    Client(server).scan("close > sma(200)")
    sleep(_LOADING_S)


def _single(server: Server, store: Path) -> Iterator[Row]:
    client, numbers = Client(server), count(1)
    with open_market(store) as market:

        def different(scan: Any) -> None:  # noqa: ANN401, no condition is one that was kept
            assert scan(f"{REFERENCE_SCAN} and close > {next(numbers)}e-9")

        inside, over = alternate(
            _RUNS,
            clocked(partial(different, market.scan)),
            clocked(partial(different, client.scan)),
        )
    beyond = Samples.of(b - a for a, b in zip(inside.values, over.values, strict=True))
    what = f"serve: a request of the reference scan, beyond the {inside} in process"
    yield within(what, beyond, _OVER_LIMIT_S)

    def preview(name: str) -> float:
        started = perf_counter()
        client.scan(f"{name} and close > {next(numbers)}e-9", limit=50, columns="name,roc(1)")
        return perf_counter() - started

    times = {name: alternate(3, partial(preview, name))[0] for name in presets()}
    slowest = max(times, key=lambda name: times[name].median)
    what = f"serve: previews of the {len(times)} presets, the slowest ({slowest})"
    yield within(what, times[slowest], _PREVIEW_LIMIT_S)


def _memory(server: Server) -> Iterator[Row]:
    client = Client(server)
    names = presets()
    for name in names:
        client.scan(name, limit=5)
    before = server.memory_mb
    for number in range(_REQUESTS):
        client.scan(f"{names[number % 20]}", limit=5, offset=number % 7)
    what = f"serve: memory after {_REQUESTS:,} requests, beyond the {before:,.0f} MB before"
    yield within(what, Samples((max(server.memory_mb - before, 0.1),), "MB"), _GROWTH_LIMIT_MB)


async def _listeners(server: Server) -> list[Row]:
    """Scans while many clients listen to the events of a sync that does not run."""
    before = server.memory_mb
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        streams = [await session.get(f"{server.url}/api/v1/sync") for _ in range(_LISTENERS)]
        heard = [await stream.content.readline() for stream in streams]
        assert set(heard) == {b"event: progress\n"}
        each_kb = (server.memory_mb - before) * 1e3 / _LISTENERS
        times = []
        for number in range(_RUNS):
            started = perf_counter()
            condition = f"{REFERENCE_SCAN} and close > {number + 1}e-7"
            async with session.post(
                f"{server.url}/api/v1/scan", json={"condition": condition}
            ) as answer:
                assert answer.status == 200
                await answer.read()
            times.append(perf_counter() - started)
        for stream in streams:
            stream.close()
    return [
        Row(f"serve: a scan while {_LISTENERS:,} clients listen to events", Samples.of(times)),
        Row("serve: memory of each of these clients", Samples((each_kb,), "kB")),
    ]


def _while_a_sync_commits(example: Example) -> Iterator[Row]:
    store = example.folder / "served"
    given = settings(latency_ms=20)
    files = FilesProvider(given.bars, given.actions, given.symbols)
    with Store.create(store) as opened:
        sync(opened, files, FIRST, SESSIONS[_STORED - 1])
    try:
        with running(given) as provider, served(store, "--base-url", provider) as server:
            let_load(server)
            times, versions = asyncio.run(_crowd(server))
    finally:
        shutil.rmtree(store)
    ordered = sorted(times)
    p99 = Samples((ordered[int(0.99 * len(ordered))],))
    what = (
        f"serve: {_CLIENTS} clients, one scan a second each, while a sync commits: "
        f"the 99th percentile of {len(times):,} requests"
    )
    yield within(what, p99, _P99_LIMIT_S)
    yield Row("serve: the median of these", Samples((ordered[len(ordered) // 2],)))
    yield Row("serve: data versions that these saw", Samples((float(versions),), COUNT))


async def _crowd(server: Server) -> tuple[list[float], int]:
    """Return the times of all requests, and the number of states of the data that they saw."""
    names, versions = presets(), set()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def client(number: int) -> list[float]:
            times = []
            await asyncio.sleep(number * _PAUSE_S / _CLIENTS)
            for turn in range(_EACH):
                condition = f"{names[(number + turn) % len(names)]} and close > {number + 1}e-8"
                started = perf_counter()
                async with session.post(
                    f"{server.url}/api/v1/scan", json={"condition": condition, "limit": 50}
                ) as answer:
                    content = await answer.json()
                    assert answer.status == 200, content
                times.append(perf_counter() - started)
                versions.add(content["data_version"])
                await asyncio.sleep(max(0.0, _PAUSE_S - times[-1]))
            return times

        crowd = asyncio.gather(*map(client, range(_CLIENTS)))
        await asyncio.sleep(2 * _PAUSE_S)
        async with session.post(f"{server.url}/api/v1/sync", json={"since": f"{FIRST}"}) as answer:
            assert answer.status == 200, await answer.text()
        return [seconds for times in await crowd for seconds in times], len(versions)
