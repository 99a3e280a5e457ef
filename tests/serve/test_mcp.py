"""The tools of assistants, called by the official client over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

import marketsweep as ms
from marketsweep.language.parsing.parser import parse
from marketsweep.language.presets import PRESETS_ALONE
from marketsweep.serve.assistants.grammar import EXAMPLES
from marketsweep.serve.http.guard import MOST_BYTES
from tests.helpers.command import COMMAND, refused, run
from tests.serve.conftest import Server

CONDITION = "close > sma(200) and rsi(14) < 30"
TOOLS = {"scan", "explain", "study", "history", "symbol", "language_help", "status"}


def over_stdio(data: Path, talk: Callable[[Client], Awaitable[None]]) -> None:
    """Let an official client talk with `marketsweep mcp`."""

    async def conversation() -> None:
        command = StdioServerParameters(
            command=str(COMMAND), args=["mcp", "--data", str(data)], env=dict(os.environ)
        )
        async with Client(command) as client:
            await talk(client)

    asyncio.run(asyncio.wait_for(conversation(), 120))


async def result_of(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert answer.structured_content is not None
    return dict(answer.structured_content)


async def error_of(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    text = "".join(getattr(part, "text", "") for part in answer.content)
    error: dict[str, Any] = json.loads(text[text.index("{") :])
    return error


def test_each_tool_answers_and_names_the_command_that_does_the_same(real: Path) -> None:
    async def talk(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == TOOLS
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        scanned = await result_of(client, "scan", condition=CONDITION, columns="name", limit=5)
        with ms.open(real) as market:
            hits = market.scan(CONDITION, limit=5)
        assert [match["symbol"] for match in scanned["matches"]] == hits.symbols
        assert scanned["matched"] == 9
        assert scanned["data_version"] == hits.data_version

        name, *line = shlex.split(scanned["command"])
        again = run(*line, "--format", "json", "--data", real)
        assert name == "marketsweep"
        assert json.loads(again.stdout)["matches"] == scanned["matches"]

        explained = await result_of(client, "explain", symbol="cab", condition=CONDITION)
        assert (explained["symbol"], explained["holds"]) == ("CAB", True)
        assert run(*shlex.split(explained["command"])[1:], "--data", real).returncode == 0

        studied = await result_of(client, "study", condition="golden_cross")
        assert studied["events"] > 10
        assert "horizons" in studied

        bars = (await result_of(client, "history", symbol="AAPL", bars=3))["bars"]
        assert bars["date"] == ["2016-12-28", "2016-12-29", "2016-12-30"]
        apple = await result_of(client, "symbol", symbol="aapl")
        assert apple["name"] == "Apple Inc."
        status = await result_of(client, "status")
        assert (status["sessions"], status["last"]) == (252, "2016-12-30")

    over_stdio(real, talk)


def test_a_model_can_mend_a_wrong_condition(real: Path) -> None:
    async def talk(client: Client) -> None:
        text = "close > SMA50"
        error = await error_of(client, "scan", condition=text)
        column = error["column"]
        mended = text[:column] + error["suggestion"] + text[column + error["width"] :]
        assert mended == "close > sma(50)"
        assert (await result_of(client, "scan", condition=mended))["matched"] > 1000
        unknown = await error_of(client, "explain", symbol="NOSUCH", condition="nr7")
        assert "NOSUCH" in unknown["error"]
        late = await error_of(client, "scan", condition="nr7", as_of="2031-01-02")
        assert "2031-01-02" in late["error"]

    over_stdio(real, talk)


def test_help_names_every_indicator_and_describes_one(real: Path) -> None:
    async def talk(client: Client) -> None:
        whole = await result_of(client, "language_help")
        signatures = [text for family in whole["indicators"].values() for text in family]
        assert len(signatures) > 250
        assert "golden_cross" in whole["presets"]
        rsi = await result_of(client, "language_help", name="RSI")
        assert rsi["indicator"]["signature"] == "rsi(close, 14)"
        assert "did you mean rsi" in (await error_of(client, "language_help", name="rsii"))["error"]

    over_stdio(real, talk)


@pytest.mark.parametrize("condition", EXAMPLES.values())
def test_the_examples_of_the_help_are_conditions(condition: str) -> None:
    parse(condition, PRESETS_ALONE)


def test_an_assistant_that_leaves_at_once_is_no_fault(real: Path) -> None:
    for _ in range(4):
        done = subprocess.run(
            [COMMAND, "mcp", "--data", real],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
        assert b"Traceback" not in done.stderr
    refused(2, "mcp", "--port", "8820", "--data", real, says="--port needs --http")


def test_the_tools_over_http(real: Path) -> None:
    with subprocess.Popen(
        [COMMAND, "mcp", "--http", "--port", "0", "--data", real], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]

        async def conversation() -> None:
            async with Client(address) as client:
                assert (await result_of(client, "scan", condition=CONDITION))["matched"] == 9

        try:
            asyncio.run(asyncio.wait_for(conversation(), 120))
            plain = Server(address.removesuffix("/mcp"), real)
            for header in ("Origin", "Via", "Sec-Fetch-Site"):
                answer = plain.send("POST", "/mcp", b"{}", **{header: "https://example.org"})
                assert answer.status == 403, header
            assert plain.send("POST", "/mcp", b"{}", Host="example.org").status == 421
            assert plain.send("POST", "/mcp", b" " * (MOST_BYTES + 1)).status == 413
        finally:
            server.send_signal(signal.SIGINT)
    assert server.returncode == 0
