"""Who may do what: tokens and their scopes, hosts, proxies, other sites, TLS, and slow clients."""

from __future__ import annotations

import json
import selectors
import shutil
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Final, NamedTuple

import pytest
import trustme
from starlette.routing import Mount, Route

import marketsweep as ms
from marketsweep.serve.api.endpoints import ENDPOINTS, PREFIX
from marketsweep.serve.api.service import Service
from marketsweep.serve.http.access import SESSION
from marketsweep.serve.http.app import create_app
from marketsweep.serve.http.connection import HEAD_SECONDS
from marketsweep.serve.http.guard import BODY_SECONDS, MOST_BYTES
from marketsweep.serve.scopes import SCOPES, Scope
from tests.helpers.command import refused, run
from tests.serve.conftest import Answer, Server, running
from tests.serve.test_api import problem

HOST: Final = "scanner.example.org"
OPEN: Final = {
    "/", "/openapi.json", "/healthz", "/readyz", SESSION, "/page/vendor/lightweight-charts.js",
}  # fmt: skip
"""Paths that have no data."""


class Asked(NamedTuple):
    """A request of each route that needs a token."""

    method: str
    path: str
    scope: Scope


ROUTES: Final = [
    *(
        Asked(method, PREFIX + endpoint.path.replace("{", "").replace("}", ""), endpoint.scope)
        for endpoint in ENDPOINTS
        for method in endpoint.methods
    ),
    Asked("GET", f"{PREFIX}/sync", "read"),
    Asked("GET", "/metrics", "read"),
]


def token(data: Path, scope: Scope, *options: str) -> str:
    """A new token of a data folder, as the command prints it."""
    done = run("token", "create", "--scope", scope, "--data", data, "--json", *options)
    secret: str = json.loads(done.stdout)["token"]
    return secret


@pytest.fixture(scope="module")
def guarded(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for tokens; it reads those of its folder at each request."""
    data = tmp_path_factory.mktemp("guarded") / "data"
    shutil.copytree(real, data)
    token(data, "admin", "--name", "first")
    networks = "10.0.0.0/8,192.0.2.7"
    more = ("--name", HOST, "--cors", "https://app.example.org", "--proxy-headers", networks)
    yield from running(data, *more)


@pytest.fixture(scope="module")
def secrets(guarded: Server) -> dict[Scope, str]:
    return {
        scope: token(guarded.data, scope, "--name", f"of-{scope}", "--per-minute", "100000")
        for scope in SCOPES
    }


def ask(server: Server, asked: Asked, secret: str | None, **headers: str) -> Answer:
    if secret is not None:
        headers["Authorization"] = f"Bearer {secret}"
    body = b"{" if asked.method in ("POST", "PUT") else None  # it is not valid: nothing is done
    return server.send(asked.method, asked.path, body, Host=HOST, **headers)


def test_every_route_is_open_on_purpose_or_in_the_list(real: Path) -> None:
    with ms.open(real) as market:
        service = Service(market)
        app = create_app(service)
        service.close()
    routes = {route.path for route in app.routes if isinstance(route, Route)}
    mounted = {route.path for route in app.routes if isinstance(route, Mount)}
    assert mounted == {"/page"}
    needing = {route.path.replace("{", "").replace("}", "") for route in app.routes
               if isinstance(route, Route)} - OPEN  # fmt: skip
    assert needing == {asked.path for asked in ROUTES}
    assert routes >= OPEN


def test_what_changes_needs_admin_and_conditions_need_scan() -> None:
    for endpoint in ENDPOINTS:
        if not endpoint.reads:
            assert endpoint.scope == "admin", endpoint.path
        elif "condition" in endpoint.parameters.__struct_fields__:
            assert endpoint.scope == "scan", endpoint.path


@pytest.mark.parametrize("asked", ROUTES, ids=lambda asked: f"{asked.method} {asked.path}")
def test_a_route_is_refused_without_its_token(
    guarded: Server, secrets: dict[Scope, str], asked: Asked
) -> None:
    for secret in (None, "", "ms_wrong", secrets["read"][:-1], "\xe4"):
        answer = ask(guarded, asked, secret)
        problem(answer, 401, "token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for scope in SCOPES[: SCOPES.index(asked.scope)]:
        problem(ask(guarded, asked, secrets[scope]), 403, "scope")
    if asked.path != f"{PREFIX}/sync" or asked.method == "POST":  # its stream never ends
        for scope in SCOPES[SCOPES.index(asked.scope) :]:
            assert ask(guarded, asked, secrets[scope]).status not in (401, 403)


@pytest.mark.parametrize("asked", ROUTES, ids=lambda asked: f"{asked.method} {asked.path}")
def test_a_route_is_refused_on_a_wrong_host_and_with_a_large_body(
    guarded: Server, secrets: dict[Scope, str], asked: Asked
) -> None:
    key = {"Authorization": f"Bearer {secrets['admin']}"}
    wrong = guarded.send(asked.method, asked.path, None, Host="rebound.example", **key)
    problem(wrong, 421, "host")
    large = guarded.send(asked.method, asked.path, b" " * (MOST_BYTES + 1), Host=HOST, **key)
    problem(large, 413, "too_large")


def test_slow_bodies_of_all_routes_are_refused(guarded: Server, secrets: dict[Scope, str]) -> None:
    ends = dict.fromkeys(ROUTES, b"")
    selector = selectors.DefaultSelector()
    for asked in ROUTES:
        connection = connected(guarded)
        connection.sendall(
            f"{asked.method} {asked.path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20\r\n"
            f"Authorization: Bearer {secrets['admin']}\r\n\r\n{{".encode()
        )
        selector.register(connection, selectors.EVENT_READ, asked)
    until = time.monotonic() + BODY_SECONDS + 60
    while selector.get_map() and time.monotonic() < until:
        for key, _ in selector.select(1.0):
            assert isinstance(key.fileobj, socket.socket)
            part = key.fileobj.recv(10_000)
            ends[key.data] += part
            if not part or b"slow_body" in ends[key.data]:
                selector.unregister(key.fileobj)
                key.fileobj.close()
    assert {answer[:12] for answer in ends.values()} == {b"HTTP/1.1 400"}
    assert all(b"slow_body" in answer for answer in ends.values())


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
def test_a_client_that_does_not_end_its_head_is_closed(server: Server, sent: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(sent)
        connection.settimeout(HEAD_SECONDS + 60)
        assert connection.recv(100) == b""
    with connected(server) as connection:  # between two requests it may wait, but not in a head
        whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        for _ in range(2):
            connection.sendall(whole)
            answer = b""
            while b'"ok"' not in answer:
                answer += connection.recv(10_000)
        connection.sendall(whole[:20])
        connection.settimeout(HEAD_SECONDS + 60)
        assert connection.recv(100) == b""


def connected(server: Server) -> socket.socket:
    host, _, port = server.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_tokens_act_from_the_next_request_on(guarded: Server) -> None:
    asked = Asked("GET", f"{PREFIX}/presets", "read")
    secret = token(guarded.data, "read", "--name", "guest")
    assert ask(guarded, asked, secret).status == 200
    listed = run("token", "list", "--data", guarded.data, "--json").stdout
    assert {row["name"]: row["scope"] for row in json.loads(listed)}["guest"] == "read"
    run("token", "remove", "guest", "--data", guarded.data)
    problem(ask(guarded, asked, secret), 401, "token")
    other = token(guarded.data, "read", "--name", "guest")
    problem(ask(guarded, asked, secret), 401, "token")
    assert ask(guarded, asked, other).status == 200
    run("token", "remove", "guest", "--data", guarded.data)


def test_a_secret_is_stored_nowhere(guarded: Server, secrets: dict[Scope, str]) -> None:
    for file in (guarded.data / "tokens").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
    for file in guarded.data.rglob("*"):
        if file.is_file():
            assert not any(secret.encode() in file.read_bytes() for secret in secrets.values())
    assert (guarded.data / "tokens").stat().st_mode & 0o777 == 0o700


def test_a_token_has_a_rate_of_its_own(guarded: Server) -> None:
    asked = Asked("GET", f"{PREFIX}/presets", "read")
    slow = token(guarded.data, "read", "--name", "slow", "--per-minute", "2")
    assert ask(guarded, asked, slow).status == 200
    answer = ask(guarded, asked, slow)
    problem(answer, 429, "rate")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert ask(guarded, asked, token(guarded.data, "read", "--name", "other")).status == 200


def test_a_browser_signs_in_with_a_cookie(guarded: Server, secrets: dict[Scope, str]) -> None:
    def session(method: str, body: object = None, **headers: str) -> Answer:
        text = None if body is None else json.dumps(body).encode()
        return guarded.send(method, SESSION, text, Host=HOST, **headers)

    assert session("GET").json == {"needs_token": True, "name": None, "scope": None}
    problem(session("POST", {"token": "ms_wrong"}), 401, "token")
    problem(session("POST", ["x"]), 400, "json")
    cookie = session("POST", {"token": secrets["scan"]}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    sent = cookie.partition(";")[0]
    assert session("GET", Cookie=sent).json["scope"] == "scan"
    path = f"{PREFIX}/scan?q=nr7&limit=1"
    assert guarded.send("GET", path, Host=HOST, Cookie=sent).status == 200
    # A page of another site cannot use the cookie, and a listed one needs a token of its own.
    for site in ("https://evil.example", "https://app.example.org"):
        other = guarded.send("GET", path, Host=HOST, Origin=site, Sec_Fetch_Site="cross-site")
        assert other.status in (401, 403)
    assert "Max-Age=0" in session("DELETE").headers["set-cookie"]


def test_only_listed_sites_may_read_answers(guarded: Server, secrets: dict[Scope, str]) -> None:
    def preflight(origin: str) -> Answer:
        return guarded.send(
            "OPTIONS", f"{PREFIX}/scan", Host=HOST, Origin=origin, Sec_Fetch_Site="cross-site",
            Access_Control_Request_Method="POST", Access_Control_Request_Headers="authorization",
        )  # fmt: skip

    listed = preflight("https://app.example.org")
    assert listed.status == 200
    assert listed.headers["access-control-allow-origin"] == "https://app.example.org"
    problem(preflight("https://evil.example"), 403, "origin")
    key = {"Authorization": f"Bearer {secrets['scan']}", "Sec_Fetch_Site": "cross-site"}
    for bearer, status in ((key["Authorization"], 200), ("Bearer ms_wrong", 401)):
        headers = key | {"Authorization": bearer, "Origin": "https://app.example.org"}
        got = guarded.send("GET", f"{PREFIX}/scan?q=nr7&limit=1", None, Host=HOST, **headers)
        assert got.status == status
        assert got.headers["access-control-allow-origin"] == "https://app.example.org"
        assert "access-control-allow-credentials" not in got.headers


def test_probes_need_neither_token_nor_host(guarded: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert guarded.send("GET", path, Host="10.1.2.3:8600").status == 200
    assert guarded.send("GET", "/", Host="192.0.2.1").status == 200


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "x-forwarded-proto", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"],
)
def test_a_server_without_tokens_is_not_reached_through_a_proxy(
    server: Server, header: str
) -> None:
    forwarded = server.send("GET", f"{PREFIX}/status", None, **{header: "203.0.113.9"})
    assert "--proxy-headers" in problem(forwarded, 403, "proxy")["detail"]
    assert server.send("GET", "/healthz", None, **{header: "203.0.113.9"}).status == 200


def test_a_server_without_tokens_refuses_http_1_0(server: Server) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(f"GET {PREFIX}/status HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        assert b" 403 " in client.makefile("rb").readline()


def test_only_named_proxies_are_believed(
    guarded: Server, secrets: dict[Scope, str], real: Path
) -> None:
    def cookie(server: Server) -> str:
        body = json.dumps({"token": secrets["read"]}).encode()
        got = server.send("POST", SESSION, body, Host="127.0.0.1", X_Forwarded_Proto="https")
        return str(got.headers["set-cookie"])

    assert "Secure" not in cookie(guarded)
    near = running(guarded.data, "--proxy-headers", "127.0.0.1")
    assert "Secure" in cookie(next(near))
    near.close()


def test_tls(guarded: Server, secrets: dict[Scope, str], tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    serving = running(guarded.data, "--name", HOST, "--cert", str(chain), "--key", str(key))
    server = next(serving)
    assert server.url.startswith("https://127.0.0.1:")
    request = urllib.request.Request(
        f"{server.url}{PREFIX}/scan?q=nr7&limit=2",
        headers={"Authorization": f"Bearer {secrets['scan']}"},
    )
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        assert len(json.load(answer)["matches"]) == 2
    serving.close()
    common = ("serve", "--name", HOST, "--port", "0", "--data", str(guarded.data))
    refused(2, *common, "--cert", str(chain), says="belong together")
    refused(2, *common, "--cert", str(key), "--key", str(chain), says="cannot be used")


def test_a_token_of_the_environment(real: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(real, data)
    options = ("serve", "--host", "0.0.0.0", "--port", "0", "--data", str(data))
    refused(2, *options, says="there is no token")
    refused(2, *options, says="at least 32 characters", MARKETSWEEP_TOKEN="short")
    secret = "a-secret-that-is-long-enough-for-all"
    serving = running(data, "--host", "0.0.0.0", MARKETSWEEP_TOKEN=secret)
    server = next(serving)._replace(data=data)
    near = server._replace(url=server.url.replace("0.0.0.0", "127.0.0.1"))
    key = {"Authorization": f"Bearer {secret}"}
    assert near.send("GET", f"{PREFIX}/status", None, **key).status == 200
    stop = near.send("DELETE", f"{PREFIX}/sync", None, **key)
    assert stop.json["state"] == "idle"
    problem(near.get("status"), 401, "token")
    (data / "tokens").mkdir()
    (data / "tokens" / "broken.json").write_text("{")
    assert near.send("GET", f"{PREFIX}/status", None, **key).status == 200
    assert "broken" not in problem(near.get("status"), 401, "token")["detail"]
    serving.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--cors", "app.example.org"), "is not a site such as"),
        (("--cors", "https://app.example.org/page"), "is not a site such as"),
        (("--cors", "*"), "is not a site such as"),
        (("--proxy-headers", "*"), "is not an address or a network"),
        (("--proxy-headers", "10.0.0.1/8"), "has host bits set"),
        (("--name", "https://scanner.example.org"), "is not a host name"),
        (("--name", ""), "is not a host name"),
        (("--name", "scanner.example.org:8600"), "is not a host name"),
    ],
)
def test_options_that_cannot_be_meant(guarded: Server, options: tuple[str, ...], says: str) -> None:
    refused(2, "serve", *options, "--data", guarded.data, says=says)


def test_names_of_tokens(tmp_path: Path) -> None:
    for name in ("../x", "A b", "", "x" * 65):
        options = ("--scope", "read", "--name", name, "--data", tmp_path)
        refused(2, "token", "create", *options, says="valid name")
    assert "no tokens" in run("token", "list", "--data", tmp_path).stdout
    for _ in range(3):
        run("token", "create", "--scope", "read", "--data", tmp_path)
    names = run("token", "list", "--data", tmp_path).stdout.split("\n")
    assert [line.split()[0] for line in names if line] == ["read", "read-2", "read-3"]
    refused(2, "token", "remove", "admin", "--data", tmp_path, says="read, read-2, read-3")
    same = ("token", "create", "--scope", "scan", "--name", "read", "--data", tmp_path)
    refused(2, *same, says="there is a token read already")


def test_no_token_is_made_in_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    folder = tmp_path / "typo"
    refused(2, "token", "create", "--scope", "read", "--data", folder, says="there is no folder")
    assert not folder.exists()


def test_one_of_many_that_create_a_token_at_once_gets_the_name(tmp_path: Path) -> None:
    from marketsweep.errors import UsageError
    from marketsweep.serve.tokens import Tokens, create_token

    created: list[str] = []

    def create() -> None:
        try:
            created.append(create_token(tmp_path, "read", "shared")[1])
        except UsageError:
            return

    threads = [Thread(target=create) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 1
    assert Tokens(tmp_path, {}).find(created[0]) is not None
