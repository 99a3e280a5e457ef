"""What changes over HTTP: saved conditions, and the data by a sync with its progress."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import marketsweep as ms
from marketsweep.ingest.sandbox.launch import running as sandbox
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.command import process, refused
from tests.helpers.two_months import FIRST, LAST, Files
from tests.serve.conftest import Answer, Server, running
from tests.serve.test_api import problem


def save(server: Server, name: str, condition: str, doc: str = "") -> Answer:
    return server.send_json("PUT", f"presets/{name}", condition=condition, doc=doc)


def test_conditions_are_saved_used_and_removed(own_server: Server) -> None:
    text = "rsi(2) < 10 and close > sma(200)"
    saved = save(own_server, "my_dip", text, "A dip to buy.").json
    assert saved == {"name": "my_dip", "doc": "A dip to buy.", "condition": text, "own": True}
    assert saved in own_server.get("presets").json
    with ms.open(own_server.data) as market:
        want = market.scan(text).symbols
    matches = own_server.get("scan", q="my_dip", limit=1000).json["matches"]
    assert [match["symbol"] for match in matches] == want
    assert own_server.send("DELETE", "/api/v1/presets/my_dip").json == {
        "name": "my_dip",
        "used_by": [],
    }
    assert "my_dip" not in [row["name"] for row in own_server.get("presets").json]


def test_a_deleted_condition_names_those_that_use_it(own_server: Server) -> None:
    save(own_server, "inner_one", "close > 5")
    save(own_server, "outer_one", "inner_one and volume > 1M")
    gone = own_server.send("DELETE", "/api/v1/presets/inner_one").json
    assert gone == {"name": "inner_one", "used_by": ["outer_one"]}
    counts = own_server.get("presets/counts").json
    assert counts["outer_one"] is None
    assert counts["nr7"] > 0
    own_server.send("DELETE", "/api/v1/presets/outer_one")


def test_presets_are_counted_as_scans_count_them(own_server: Server) -> None:
    save(own_server, "cheap_one", "close < 2")
    day, where = "2016-11-30", 'exchange == "NASDAQ"'
    counts = own_server.get("presets/counts", as_of=day, where=where).json
    with ms.open(own_server.data) as market:
        for name in ("nr7", "golden_cross", "minervini_trend_template", "cheap_one"):
            assert counts[name] == market.scan(name, as_of=day, where=where).matched
    assert set(counts) == {row["name"] for row in own_server.get("presets").json}
    own_server.send("DELETE", "/api/v1/presets/cheap_one")


def test_what_cannot_be_saved_is_refused(own_server: Server) -> None:
    assert "preset" in problem(save(own_server, "nr7", "close > 5"), 422, "usage")["detail"]
    wrong = problem(save(own_server, "my_one", "rsii(14) < 5"), 422, "condition")
    assert wrong["suggestions"] == ["rsi"]
    problem(save(own_server, "My-One", "close > 5"), 422, "usage")
    problem(own_server.send("DELETE", "/api/v1/presets/nr7"), 422, "usage")
    problem(own_server.send("DELETE", "/api/v1/presets/nothing"), 404, "unknown_condition")


def test_a_damaged_file_of_the_user_is_named_without_its_path(own_server: Server) -> None:
    universes = own_server.data / "universe.toml"
    universes.write_text("[broken\n")
    answer = own_server.get("scan", q="nr7", universe="broken")
    assert "universe.toml is not TOML" in problem(answer, 422, "usage")["detail"]
    assert str(own_server.data).encode() not in answer.body
    universes.unlink()
    folder = own_server.data / "conditions"
    folder.mkdir(exist_ok=True)
    (folder / "binary_one.scan").write_bytes(b"\xff\xfe")
    answer = own_server.get("scan", q="binary_one")
    assert "binary_one.scan cannot be read" in problem(answer, 422, "usage")["detail"]
    assert str(own_server.data).encode() not in answer.body
    (folder / "binary_one.scan").unlink()


def test_what_entered_a_scan_and_left_it(own_server: Server) -> None:
    got = own_server.get("changes", condition="nr7", as_of="2016-12-30").json
    with ms.open(own_server.data) as market:
        now = set(market.scan("nr7", as_of="2016-12-30").symbols)
        before = set(market.scan("nr7", as_of="2016-12-29").symbols)
    assert got["before"] == "2016-12-29"
    assert {row["symbol"] for row in got["entered"]} == now - before
    assert {row["symbol"] for row in got["left"]} == before - now
    assert got["stayed"] == len(now & before) > 100
    first = own_server.get("changes", condition="nr7", as_of="2016-01-04")
    problem(first, 422, "usage")


def events_of(server: Server) -> Generator[dict[str, Any]]:
    """The progress of the sync, as long as it is read."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
    try:
        connection.request("GET", "/api/v1/sync")
        response = connection.getresponse()
        assert response.headers["content-type"].startswith("text/event-stream")
        while line := response.readline():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))
    finally:
        connection.close()


def ended(server: Server) -> dict[str, Any]:
    """The progress of a sync that runs, at its end."""
    running = ("running", "stopping")
    return next(event for event in events_of(server) if event["state"] not in running)


def test_a_sync_is_started_followed_and_seen_by_the_next_request(
    files: Files, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    day = files.days[30]
    with Store.create(data) as store:
        sync(store, files.provider(), FIRST, day)
    with sandbox(files.settings()) as url:
        for server in running(data, "--base-url", url, MASSIVE_API_KEY="sandbox"):
            assert server.get("status").json["last"] == f"{day}"
            tag = server.get("scan", q="close > 0").headers["etag"]
            progress = events_of(server)
            assert next(progress)["state"] == "idle"
            assert server.post("sync", since=f"{FIRST}").json["state"] == "running"
            states = []
            for event in progress:
                states.append(event)
                if event["state"] != "running":
                    break
            progress.close()
            assert states[-1]["state"] == "done", states[-1]
            assert states[-1]["receipt"]["new"] > 1000
            assert [event["done"] for event in states] == sorted(e["done"] for e in states)
            assert server.get("status").json["last"] == f"{LAST}"
            again = server.get("scan", q="close > 0")
            assert again.json["as_of"] == f"{LAST}"
            assert again.headers["etag"] != tag


def test_a_sync_of_another_process_is_seen_by_the_next_request(
    own_server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "one.csv"
    for number in range(3):
        before = own_server.get("scan", q="close > sma(200)", limit=1).json["data_version"]
        line = f"CAB,2016-12-30,58.5,59,58,58.{60 + number},{700_000 + number}"
        file.write_text(f"symbol,date,open,high,low,close,volume\n{line}\n")
        options = ("--provider", "files", "--path", str(file), "--again", "--since", "2016-12-30")
        done = process("sync", *options, "--data", str(own_server.data))
        assert done.returncode == 0, done.stderr
        after = own_server.get("scan", q="close > sma(200)", limit=1).json["data_version"]
        assert after > before


def test_one_sync_runs_at_a_time_and_can_be_stopped(files: Files, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, files.provider(), files.days[-1])
    with sandbox(files.settings(latency_ms=300)) as url:
        for server in running(data, "--base-url", url, MASSIVE_API_KEY="sandbox"):
            server.post("sync", since=f"{FIRST}")
            problem(server.post("sync"), 409, "running")
            assert server.send("DELETE", "/api/v1/sync").json["state"] == "stopping"
            last = ended(server)
            assert last["state"] == "stopped"
            assert server.get("scan", q="close > 0").status == 200


def test_a_sync_that_waits_for_its_turn_stops_at_once(files: Files, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, files.provider(), files.days[-1])
    with sandbox(files.settings(calls=1)) as url:
        for server in running(data, "--base-url", url, MASSIVE_API_KEY="sandbox"):
            server.post("sync", since=f"{FIRST}")
            time.sleep(2.0)  # by now it waits for the next minute
            begun = time.monotonic()
            server.send("DELETE", "/api/v1/sync")
            assert ended(server)["state"] == "stopped"
            assert time.monotonic() - begun < 30


def test_a_server_can_sync_by_itself(files: Files, tmp_path: Path) -> None:
    data = tmp_path / "new"
    with sandbox(files.settings()) as url:
        for server in running(data, "--sync", "--base-url", url, MASSIVE_API_KEY="sandbox"):
            until = time.monotonic() + 120
            while server.get("status").json["sessions"] < len(files.days):
                assert time.monotonic() < until, server.get("status").json
                time.sleep(0.2)
            assert ended(server)["state"] == "done"
            assert server.get("scan", q="close > 0").json["as_of"] == f"{LAST}"
            assert server.post("sync", since=f"{LAST}").status == 200
    refused(2, "serve", "--sync", "--data", data, says="MASSIVE_API_KEY")


def test_a_sync_that_fails_says_why(files: Files, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, files.provider(), files.days[-1])
    with sandbox(files.settings()) as url:
        for server in running(data, "--base-url", url, MASSIVE_API_KEY="wrong"):
            server.post("sync")
            last = ended(server)
            assert last["state"] == "failed"
            assert "key" in last["error"]
            assert "wrong" not in last["error"]


def test_a_server_without_a_key_refuses_a_sync(own_server: Server) -> None:
    assert "MASSIVE_API_KEY" in problem(own_server.post("sync"), 422, "usage")["detail"]
