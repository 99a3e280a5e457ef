"""Suspicious bars over HTTP, against the command line."""

from __future__ import annotations

import json

from tests.helpers.command import run
from tests.serve.conftest import Server
from tests.serve.test_api import problem


def test_suspicious_bars_are_those_of_the_command_line(server: Server) -> None:
    line = run("status", "--quality", "--json", "--data", server.data).stdout
    want = json.loads(line)
    got = server.get("quality", limit=20_000).json
    assert got["flags"] == want["flags"]
    assert got["rules"] == want["rules"]
    assert got["matched"] == len(want["flags"]) > 100
    assert "path" not in got


def test_suspicious_bars_by_rule_page_and_symbol(server: Server) -> None:
    slips = server.get("quality", rule="decimal slip", limit=5, offset=3).json
    every = server.get("quality", rule="decimal slip").json["flags"]
    assert slips["flags"] == every[3:8]
    assert slips["matched"] == len(every) > 8
    symbol = every[0]["symbol"]
    of_symbol = server.get("quality", symbol=symbol.lower()).json
    assert every[0] in of_symbol["flags"]
    assert {flag["symbol"] for flag in of_symbol["flags"]} == {symbol}
    problem(server.get("quality", symbol="NOSUCH"), 404, "unknown_symbol")
    wrong = problem(server.get("quality", rule="slip"), 422, "usage")
    assert "decimal slip" in wrong["detail"]
