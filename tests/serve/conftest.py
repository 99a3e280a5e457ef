"""A running server over the example market, in a process of its own, and a client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
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
        body = json.dumps(parameters).encode()
        return self.send("POST", f"/api/v1/{path}", body, content_type="application/json")


@pytest.fixture(scope="session")
def server(real: Path) -> Iterator[Server]:
    """The server of the example market with its splits, dividends and listings; read only."""
    yield from running(real)


def running(data: Path) -> Iterator[Server]:
    """Run a server over a data folder; it must end cleanly at SIGINT."""
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", "0", "--data", data],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("MARKETSWEEP")},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("marketsweep serves http://"):
        process.kill()
        raise AssertionError(f"{line}{process.communicate()[1]}")
    try:
        yield Server(line.split()[-1], data)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "Traceback" not in errors
