"""The HTTP API over a real connection, against the Python API and the command line."""

from __future__ import annotations

import gzip
import io
import json
import signal
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

import marketsweep as ms
from marketsweep.errors import UsageError
from marketsweep.serve.api.decoding import decode
from marketsweep.serve.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from marketsweep.serve.api.parameters import NoParameters
from marketsweep.serve.http.guard import MOST_BYTES
from tests.helpers.command import refused, run
from tests.serve.conftest import Answer, Server, running

CONDITION = "close > sma(200) and rsi(14) < 30"
READERS: dict[str, Callable[[io.BytesIO], pl.DataFrame]] = {
    "csv": pl.read_csv,
    "parquet": pl.read_parquet,
    "arrow": pl.read_ipc_stream,
}


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer has; every error is one."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["code"] == code
    problem: dict[str, Any] = answer.json
    return problem


def without_times(scan: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scan.items() if name != "timing"}


def test_the_json_of_a_scan_is_that_of_the_command_line(server: Server) -> None:
    line = run(
        "scan", CONDITION, "--format", "json", "--columns", "name,roc(1)", "--funnel",
        "--near", "3", "--min-coverage", "0", "--data", server.data,
    )  # fmt: skip
    want = without_times(json.loads(line.stdout))
    asked = {"columns": "name,roc(1)", "funnel": True, "near": 3}
    assert without_times(server.post("scan", condition=CONDITION, **asked).json) == want
    assert without_times(server.get("scan", q=CONDITION, **asked).json) == want
    assert want["matched"] == 9


def test_pages_together_are_the_whole_answer(server: Server) -> None:
    whole = server.get("scan", condition="nr7", limit=20_000).json
    pages = [server.get("scan", condition="nr7", limit=300, offset=300 * i).json for i in range(4)]
    assert [page["matched"] for page in pages] == [whole["matched"]] * 4
    assert [match for page in pages for match in page["matches"]] == whole["matches"]
    assert len(whole["matches"]) == whole["matched"] > 600
    assert server.get("scan", condition="nr7", offset=10**6).json["matches"] == []


@pytest.mark.parametrize("format", READERS)
def test_a_scan_in_other_formats(server: Server, format: str) -> None:
    got = server.get("scan", condition=CONDITION, columns="sector", format=format)
    frame = READERS[format](io.BytesIO(got.body))
    with ms.open(server.data) as market:
        hits = market.scan(CONDITION, columns="sector")
    assert frame["symbol"].to_list() == hits.symbols
    np.testing.assert_array_equal(frame["close"].to_numpy(), hits.close)
    assert got.headers["content-disposition"] == f'attachment; filename="scan.{format}"'


def test_bars_in_every_format(server: Server) -> None:
    with ms.open(server.data) as market:
        want = market.history("AAPL")
    got = pl.DataFrame(server.get("bars/AAPL").json).with_columns(pl.col("date").str.to_date())
    assert got.equals(want)
    arrow = server.get("bars/aapl", format="arrow").body
    assert pl.read_ipc_stream(io.BytesIO(arrow)).equals(want)
    parquet = server.get("bars/AAPL", format="parquet").body
    assert pl.read_parquet(io.BytesIO(parquet)).equals(want)


READING = [endpoint for endpoint in ENDPOINTS if endpoint.reads]


@pytest.mark.parametrize("endpoint", READING, ids=lambda endpoint: endpoint.path)
def test_the_example_of_each_endpoint_has_an_answer(server: Server, endpoint: Endpoint) -> None:
    path = endpoint.path.format(**endpoint.example).removeprefix("/")
    asked = endpoint.body_example
    got = server.get(path, **asked)
    assert got.status == 200, got.body
    assert got.json
    if endpoint.parameters is NoParameters:
        problem(server.post(path), 405, "method")
    else:
        assert server.post(path, **asked).status == 200
    problem(server.get(path, **asked, nonsense=1), 422, "usage")


def test_the_document_names_every_endpoint_and_its_parameters(server: Server) -> None:
    document = server.send("GET", "/openapi.json").json
    assert set(document["paths"]) == {PREFIX + endpoint.path for endpoint in ENDPOINTS}
    schema = document["components"]["schemas"]["ScanParameters"]
    assert schema["required"] == ["condition"]
    names = {p["name"] for p in document["paths"][f"{PREFIX}/scan"]["get"]["parameters"]}
    assert names == set(schema["properties"]) >= {"where", "as_of", "columns", "offset"}


def test_a_condition_that_is_wrong_has_its_place(server: Server) -> None:
    text = "close > 5 and rsii(14) < 30"
    got = problem(server.get("scan", q=text), 422, "condition")
    assert got["source"] == text
    assert text[got["column"] :][: got["width"]] == "rsii"
    assert "did you mean rsi?" in got["detail"]
    assert (got["suggestions"], got["parameter"]) == (["rsi"], "condition")
    foreign = problem(server.get("scan", q="close > SMA50"), 422, "condition")
    assert foreign["suggestions"] == ["sma(50)"]
    column = problem(server.get("scan", q="nr7", columns="close, rsj(3)"), 422, "condition")
    assert (column["source"], column["parameter"]) == ("rsj(3)", "columns")
    where = problem(server.get("scan", q="nr7", where="sectr == 3"), 422, "condition")
    assert where["parameter"] == "where"


def test_the_symbols_that_a_scan_excluded(server: Server) -> None:
    coverage = server.get("scan", q=CONDITION).json["coverage"]["excluded"]
    for reason in ("stale", "short_history"):
        got = server.get("excluded", condition=CONDITION, reason=reason).json
        names = [row["symbol"] for row in got["symbols"]]
        assert got["matched"] == len(set(names)) == coverage[reason] > 100
    with ms.open(server.data) as market:
        lengths = [len(market.history(name)) for name in names[:20]]
    assert max(lengths) < 200


@pytest.mark.parametrize(
    ("path", "asked", "status", "code", "says"),
    [
        ("scan", {}, 422, "usage", "condition is missing"),
        ("scan", {"q": "nr7", "limit": "many"}, 422, "usage", 'from 0 to 20,000, not "many"'),
        ("scan", {"q": "nr7", "as_of": "2016-02-30"}, 422, "usage", "a date such as 2016-12-30"),
        ("scan", {"q": "nr7", "funnel": "maybe"}, 422, "usage", "must be true or false"),
        ("scan", {"q": "nr7", "near": -1}, 422, "usage", "near must be a whole number from 0"),
        ("scan", {"q": "x" * 20_000}, 422, "usage", "a text of 0 to 16,384 characters"),
        ("bars/CAB", {"format": "xml"}, 422, "usage", "one of"),
        ("sparklines", {"symbols": "CAB", "as_of": "0001-01-01"}, 422, "usage", "0001-01-01"),
        ("changes", {"q": "nr7", "as_of": "0001-01-01"}, 422, "usage", "0001-01-01"),
        ("symbols/CAB", {"as_of": "0001-01-01"}, 422, "usage", "0001-01-01"),
        ("scan", {"q": "nr7", "as_of": "1999-01-04"}, 422, "usage", "1999-01-04"),
        ("scan", {"q": "nr7", "limt": 3}, 422, "usage", "did you mean limit"),
        ("scan", {"q": "nr7", "adjust": "some"}, 422, "usage", "adjust"),
        ("scan", {"q": "nr7", "universe": "none"}, 422, "usage", "none"),
        ("symbols/NOSUCH", {}, 404, "unknown_symbol", "NOSUCH"),
        ("bars/NOSUCH", {}, 404, "unknown_symbol", "NOSUCH"),
        ("chart", {"symbol": "NOSUCH"}, 404, "unknown_symbol", "NOSUCH"),
        ("explain", {"symbol": "NO", "condition": "nr7"}, 404, "unknown_symbol", "NO"),
        ("nothing", {}, 404, "not_found", "/api/v1/nothing"),
    ],
)
def test_a_wrong_request_is_refused_in_words(
    server: Server, path: str, asked: dict[str, str], status: int, code: str, says: str
) -> None:
    assert says in problem(server.get(path, **asked), status, code)["detail"]


def test_a_body_must_be_a_json_object(server: Server) -> None:
    path = f"{PREFIX}/scan"
    problem(server.send("POST", path, b"{}", content_type="text/plain"), 415, "content_type")
    for body in (b"", b"{", b"[1]", b'"nr7"', b"[" * 30_000):
        problem(server.send("POST", path, body, content_type="application/json"), 400, "json")
    typed = server.post("scan", condition="nr7", limit="3")
    assert "limit" in problem(typed, 422, "usage")["detail"]


def test_other_hosts_and_sites_are_refused(server: Server) -> None:
    problem(server.send("GET", "/openapi.json", Host="rebound.example"), 421, "host")
    problem(server.send("GET", "/", Host="rebound.example:80"), 421, "host")
    path = f"{PREFIX}/status"
    problem(server.send("GET", path, Origin="https://rebound.example"), 403, "origin")
    problem(server.send("GET", path, Origin="null"), 403, "origin")
    own = server.send("GET", path, Origin=server.url)
    assert own.status == 200
    assert "access-control-allow-origin" not in own.headers
    assert "'unsafe-inline'" not in own.headers["content-security-policy"]
    assert str(server.data) not in own.body.decode()


def test_what_a_browser_sends_for_a_page_of_another_site_is_refused(server: Server) -> None:
    path = f"{PREFIX}/study?condition=nr7"
    for site in ("cross-site", "same-site"):
        image = server.send("GET", path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")
        problem(image, 403, "origin")
        problem(
            server.send("GET", path, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate"), 403, "origin"
        )
    link = server.send("GET", "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    typed = server.send("GET", f"{PREFIX}/presets", Sec_Fetch_Site="none")
    own = server.send("GET", f"{PREFIX}/presets", Sec_Fetch_Site="same-origin")
    assert [link.status, typed.status, own.status] == [200, 200, 200]


def test_files_have_all_matches_unless_a_limit_is_given(server: Server) -> None:
    whole = server.get("scan", q="nr7")
    assert len(whole.json["matches"]) == 500 < whole.json["matched"]
    lines = server.get("scan", q="nr7", format="csv").body.splitlines()
    assert len(lines) == whole.json["matched"] + 1
    assert len(server.get("scan", q="nr7", format="csv", limit=3).body.splitlines()) == 4


def test_further_names_methods_and_limits(server: Server) -> None:
    for path in ("excluded", "changes"):
        more = {"reason": "stale"} if path == "excluded" else {}
        assert server.get(path, q="nr7", **more).status == 200
    problem(server.get("scan", q="nr7", condition="nr7"), 422, "usage")
    head = server.send("HEAD", f"{PREFIX}/scan?q=nr7")
    assert (head.status, head.body) == (200, b"")
    many = ",".join(f"close+{n}" for n in range(51))
    assert (
        "at most 50" in problem(server.get("scan", q="nr7", columns=many), 422, "usage")["detail"]
    )


def test_large_and_endless_bodies_are_refused(server: Server) -> None:
    large = server.post("scan", condition="x" * MOST_BYTES)
    problem(large, 413, "too_large")
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST {PREFIX}/scan HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n"
            "Content-Type: application/json\r\n\r\n".encode()
        )
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        for _ in range(5):
            connection.sendall(chunk)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_an_answer_that_the_client_has_is_not_sent_again(server: Server) -> None:
    path = f"{PREFIX}/scan?q=nr7&limit=3"
    first = server.send("GET", path)
    again = server.send("GET", path, If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for tags in (f'"x", {first.headers["etag"]}', f"W/{first.headers['etag']}", "*"):
        assert server.send("GET", path, If_None_Match=tags).status == 304
    other = server.send("GET", f"{path}&sort=close", If_None_Match=first.headers["etag"])
    assert other.status == 200
    assert other.headers["etag"] != first.headers["etag"]


def test_large_answers_are_compressed_if_the_client_can_read_it(server: Server) -> None:
    path = f"{PREFIX}/indicators"
    packed = server.send("GET", path, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == server.send("GET", path).body
    assert len(packed.body) * 4 < len(gzip.decompress(packed.body))


def test_work_ends_when_the_client_has_gone(server: Server) -> None:
    slow = " or ".join(f"median(close, {n})[1] > 9 within 100 bars" for n in range(20, 250))
    host, _, port = server.url.removeprefix("http://").partition(":")
    body = json.dumps({"condition": slow}).encode()
    head = (
        f"POST {PREFIX}/scan HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    for _ in range(8):  # twice as many as there are threads
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head + body)
    begun = time.monotonic()
    assert server.get("scan", q="close > 5", limit=1).status == 200
    waited = time.monotonic() - begun
    took = server.post("scan", condition=slow, limit=1)
    assert took.status in (200, 504)
    alone = time.monotonic() - begun - waited
    assert waited < 4 * alone, "the work of clients that had gone was done"


def test_sparklines_and_signals_equal_the_python_api(server: Server) -> None:
    with ms.open(server.data) as market:
        closes = market.history("AAPL", as_of="2016-06-30")["close"].to_list()[-20:]
        signals = market.signals("nr7", since="2016-12-01")
    got = server.get("sparklines", symbols="AAPL,NOSUCH", bars=20, as_of="2016-06-30").json
    assert got["symbols"] == ["AAPL", "NOSUCH"]
    np.testing.assert_allclose(got["closes"][0], closes, rtol=1e-12)
    assert got["closes"][1] == []
    counted = server.get("signals", condition="nr7", since="2016-12-01").json
    assert counted["hits"] == len(signals) == sum(day["matched"] for day in counted["sessions"])
    many = ",".join(f"A{n}" for n in range(201))
    problem(server.get("sparklines", symbols=many), 422, "usage")


def test_figures_for_prometheus(server: Server) -> None:
    def figures() -> dict[tuple[str, ...], float]:
        text = server.send("GET", "/metrics").body.decode()
        return {
            (sample.name, *dict(sorted(sample.labels.items())).values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    asked = ("marketsweep_requests_total", "GET", "/scan", "200")
    rejected = ("marketsweep_requests_total", "GET", "/scan", "422")
    before = figures()
    server.get("scan", q="nr7", limit=1)
    server.get("scan", q="nr7 and", limit=1)
    server.get("no/such/path")
    after = figures()
    assert after[asked] == before.get(asked, 0) + 1
    assert after[rejected] == before.get(rejected, 0) + 1
    assert after["marketsweep_sessions",] == 252
    assert after["marketsweep_request_seconds_count", "/scan"] >= 2
    assert not any("such" in label for key in after for label in key)


def test_symbols_are_found_by_ticker_and_name(server: Server) -> None:
    names = [row["symbol"] for row in server.get("symbols", q="AAPL").json["symbols"]]
    assert names[0] == "AAPL"
    assert "AAPL" in [row["symbol"] for row in server.get("symbols", q="apple inc").json["symbols"]]
    apple = server.get("symbols/aapl").json
    assert (apple["symbol"], apple["bars"]) == ("AAPL", 252)
    assert [event["kind"] for event in apple["events"]] == ["dividend"] * 4


def test_it_ends_cleanly_at_sigterm(real: Path) -> None:
    serving = running(real, end=signal.SIGTERM)
    assert next(serving).get("status").status == 200
    serving.close()


def test_it_ends_cleanly_while_a_client_listens(real: Path) -> None:
    serving = running(real)
    connection = HTTPConnection(next(serving).url.removeprefix("http://"), timeout=60)
    connection.request("GET", "/api/v1/sync")
    response = connection.getresponse()
    assert response.readline() == b"event: progress\n"
    serving.close()  # checks that nothing was logged
    assert b"event" not in response.read().replace(b"event: progress", b"", 1)
    connection.close()


def test_the_command_refuses_an_address_that_others_reach(server: Server) -> None:
    refused(2, "serve", "--host", "0.0.0.0", "--data", server.data, says="there is no token")
    port = server.url.rpartition(":")[2]
    refused(2, "serve", "--port", port, "--data", server.data, says=f"port {port} of 127.0.0.1")
    refused(2, "serve", "--data", server.data / "nowhere", says="nowhere")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_every_parameter_is_described_when_it_is_wrong(endpoint: Endpoint) -> None:
    for name in endpoint.parameters.__struct_fields__:
        with pytest.raises(UsageError, match=f"^{name} must be .+, not "):
            decode(endpoint.parameters, {**endpoint.example, name: {"a": [1]}}, texts=False)
