"""A running server over the example market, in a process of its own, and a client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from tests.helpers.command import COMMAND


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401, what JSON may hold
        return json.loads(self.body)


class Server(NamedTuple):
    """The address and the data folder of a running server."""

    url: str
    data: Path

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Return the answer to a request; names of headers have _ in place of -."""
        connection = HTTPConnection(self.url.removeprefix("http://"), timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **parameters: object) -> Answer:
        """Return the answer of an endpoint to a GET."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return self.send("GET", f"/api/v1/{path}{query}")

    def post(self, path: str, **parameters: object) -> Answer:
        """Return the answer of an endpoint to a POST."""
        return self.send_json("POST", path, **parameters)

    def send_json(self, method: str, path: str, **parameters: object) -> Answer:
        body = json.dumps(parameters).encode()
        return self.send(method, f"/api/v1/{path}", body, content_type="application/json")


@pytest.fixture(scope="module")
def own_server(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a copy of the example market, which may be changed."""
    data = tmp_path_factory.mktemp("own") / "data"
    shutil.copytree(real, data)
    yield from running(data)


@pytest.fixture(scope="session")
def server(real: Path) -> Iterator[Server]:
    """The server of the example market with its splits, dividends and listings; read only."""
    yield from running(real)


def running(
    data: Path, *options: str, end: signal.Signals = signal.SIGINT, **environment: str
) -> Generator[Server]:
    """Run a server over a data folder; it must end cleanly at a signal."""
    own = ("MARKETSWEEP", "MASSIVE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0", "--data", data, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=inherited | environment,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("marketsweep serves http"):
        process.kill()
        raise AssertionError(f"{line}{process.communicate()[1]}")
    try:
        yield Server(line.split()[-1], data)
    finally:
        process.send_signal(end)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
        assert "ERROR" not in errors
