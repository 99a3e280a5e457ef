"""What clients without good intentions send: the server stays small, and answers the others."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError, TimedOut, UsageError
from marketsweep.serve.http.connection import READ_SECONDS
from marketsweep.serve.http.work import MOST_LONG, THREADS
from marketsweep.serve.tokens import Tokens, create_token
from tests.serve.conftest import Server, running
from tests.serve.test_api import problem

SECRET = "0123456789abcdef0123456789abcdef"


def connected(server: Server) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=120)


def test_methods_of_ones_own_make_no_labels(server: Server) -> None:
    for number in range(50):
        assert server.send(f"M{number}", "/api/v1/status").status == 405
    shown = server.send("GET", "/metrics").body.decode()
    assert 'method="other"' in shown
    assert set(re.findall('method="([^"]+)"', shown)) <= {
        *("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "other"),
    }


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: evil\r\nContent-Length: 1000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n",
    ],
)
def test_a_refusal_before_the_body_ends_the_connection(server: Server, head: bytes) -> None:
    with connected(server) as client:
        client.sendall(head + b"x")
        answer = b"".join(iter(lambda: client.recv(65536), b""))  # until the server closes
    assert b"connection: close" in answer.lower()


def flood(client: socket.socket, request: bytes) -> None:
    for _ in range(1_000_000):
        client.sendall(request * 100)


def test_a_client_that_never_reads_is_cut_off(server: Server) -> None:
    with connected(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /page/vendor/lightweight-charts.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.settimeout(READ_SECONDS + 90)
        with pytest.raises(OSError, match=r"reset|pipe"):
            flood(client, request)


def test_long_requests_leave_threads_for_short_ones(server: Server) -> None:
    assert MOST_LONG < THREADS
    facts = " and ".join(f'symbol != "A{number}"' for number in range(400))
    body = json.dumps({"condition": "nr7", "since": "2016-01-04", "where": facts}).encode()
    head = (
        "POST /api/v1/signals HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(server)) for _ in range(2 * THREADS)]
        for client in clients:
            client.sendall(head.encode() + body)
        assert server.get("status").status == 200
        answered = [client for client in clients if _has_answer(client)]
        assert len(answered) < THREADS, "the long requests were too short to be waited for"


def _has_answer(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def test_conditions_on_facts_end_at_their_time_limit(real: Path) -> None:
    facts = " and ".join(f'symbol != "A{number}"' for number in range(700))
    with ms.open(real) as market, pytest.raises(TimedOut):
        market.scan("close > 1", where=facts, timeout=0.5)


def test_a_nested_sign_in_is_bad_json(server: Server) -> None:
    body = b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b',"token":"a"}'
    problem(server.send("POST", "/session", body), 400, "json")


@pytest.mark.parametrize("count", [65, 3000])
def test_many_brackets_are_refused_in_words(server: Server, count: int) -> None:
    text = "close" + "[1]" * count + " > 1"
    problem(server.post("scan", condition=text), 422, "condition")
    with ms.open(server.data) as market, pytest.raises(ConditionError, match="more than 64"):
        market.scan(text)


def test_a_head_of_the_stream_ends(server: Server) -> None:
    assert server.send("HEAD", "/api/v1/sync").body == b""


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A folder with a token, one that is damaged, and one that nobody can read."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "damaged.json").write_text("{")
    (tmp_path / "tokens" / "folder.json").mkdir()
    return tmp_path


def test_a_token_that_cannot_be_read_locks_nobody_out(locked: Path) -> None:
    _, secret = create_token(locked, "read", "good")
    tokens = Tokens(locked, {"MARKETSWEEP_TOKEN": SECRET})
    assert tokens.find(secret) is not None
    assert tokens.find(SECRET) is not None
    assert tokens.find("{") is None


@pytest.mark.parametrize("secret", ["short", "pässwörd" * 8])
def test_a_secret_that_no_header_can_have_is_refused(tmp_path: Path, secret: str) -> None:
    with pytest.raises(UsageError, match="ASCII"):
        Tokens(tmp_path, {"MARKETSWEEP_TOKEN": secret})
    with pytest.raises(UsageError, match="environment"):
        create_token(tmp_path, "read", "environment")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_token_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 1235)
    create_token(tmp_path, "read", "mine")
    for path in (tmp_path / "tokens", tmp_path / "tokens" / "mine.json"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_a_token_may_be_asked_for_on_this_machine_too(real: Path) -> None:
    for server in running(real, MARKETSWEEP_TOKEN=SECRET):
        problem(server.get("status"), 401, "token")
        allowed = server.send("GET", "/api/v1/status", Authorization=f"Bearer {SECRET}")
        assert allowed.status == 200


def test_a_fault_of_the_program_has_the_headers_of_all_answers() -> None:
    from starlette.testclient import TestClient

    from marketsweep.serve.http.guard import Guard
    from marketsweep.serve.reach import Reach

    async def broken(scope: object, receive: object, send: object) -> None:
        raise ZeroDivisionError

    answer = TestClient(Guard(broken, Reach()), base_url="http://localhost").get("/")
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" in answer.headers
    assert "ZeroDivisionError" not in answer.text
