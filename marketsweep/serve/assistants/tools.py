"""The tools: each returns plain data with the command that gives the same on the command line.

A wrong condition comes back as an error with its place and a suggestion, so that a model can mend
it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final, ParamSpec

import msgspec
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from marketsweep.engine.time_limit import time_limit
from marketsweep.errors import ConditionError, MarketsweepError
from marketsweep.output.indicator_facts import indicators_facts
from marketsweep.serve.api import resources, saved
from marketsweep.serve.api.decoding import decode
from marketsweep.serve.api.parameters import (
    BarsParameters,
    ExplainParameters,
    NoParameters,
    ScanParameters,
    StudyParameters,
    SymbolParameters,
)
from marketsweep.serve.api.problem import Problem
from marketsweep.serve.api.service import Service
from marketsweep.serve.assistants.grammar import help_text
from marketsweep.version import __version__

_P = ParamSpec("_P")

_INSTRUCTIONS: Final = (
    "marketsweep scans the daily bars of the whole US stock market for technical conditions. "
    "Call language_help before you write a condition. An error in a condition has its column and "
    "often a suggestion: correct the text and call again. Report the session (as_of), the number "
    "of matches and the coverage with every result."
)

_SECONDS: Final = 120.0
"""Time limit of a tool."""

_READS: Final = ToolAnnotations(read_only_hint=True, open_world_hint=False)
"""An assistant may call the tools without asking: they change no data and reach no other system."""

Condition = Annotated[str, Field(description="A condition of marketsweep: see language_help")]
Session = Annotated[str | None, Field(description="A stored session, 2016-12-30; newest if null")]
Symbol = Annotated[str, Field(description="A ticker, such as AAPL or BRK.B")]
Where = Annotated[
    str | None, Field(description='Condition on facts: exchange == "NASDAQ", market_cap > 1B')
]
Bars = Annotated[int, Field(description="The newest bars to return", ge=1, le=2_000)]
Matches = Annotated[int, Field(description="Matches to return, the best first", ge=1, le=500)]


def _answering(
    tool: Callable[_P, dict[str, Any]], catch_up: Callable[[], None]
) -> Callable[_P, dict[str, Any]]:
    """Call a tool on the newest data, and turn its errors into errors that a model reads."""

    @wraps(tool)
    def answered(*arguments: _P.args, **keywords: _P.kwargs) -> dict[str, Any]:
        try:
            with time_limit(_SECONDS):
                catch_up()
                result = tool(*arguments, **keywords)
        except ConditionError as error:
            place = {
                "error": error.message,
                "condition": error.source,
                "column": error.column,
                "width": error.width,
                "suggestion": error.suggestion,
            }
            raise ToolError(msgspec.json.encode(place).decode()) from None
        except (MarketsweepError, Problem) as error:
            raise ToolError(msgspec.json.encode({"error": str(error)}).decode()) from None
        plain: dict[str, Any] = msgspec.to_builtins(result)
        return plain

    return answered


class Tools:
    """The tools over one market."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def scan(
        self,
        condition: Condition,
        as_of: Session = None,
        where: Where = None,
        universe: str | None = None,
        sort: Annotated[str | None, Field(description="Expression to rank by: roc(63)")] = None,
        columns: Annotated[str, Field(description="Further values: 'name,sector,rsi(14)'")] = "",
        limit: Matches = 20,
    ) -> dict[str, Any]:
        """Find the symbols for which a condition holds, ranked, with the coverage receipt."""
        asked = {
            "condition": condition,
            "as_of": as_of,
            "where": where,
            "universe": universe,
            "sort": sort,
            "columns": columns,
            "limit": limit,
            "funnel": True,
            "near": 3,
        }
        hits = resources.scan(self.service, decode(ScanParameters, asked, texts=False))
        return {**hits.to_dict(), "command": _command("scan", [condition], asked)}

    def explain(
        self, symbol: Symbol, condition: Condition, as_of: Session = None
    ) -> dict[str, Any]:
        """Explain why a symbol matches a condition, or how far each part is from passing."""
        asked = {"symbol": symbol, "condition": condition, "as_of": as_of}
        parameters = decode(ExplainParameters, asked, texts=False)
        return {
            **resources.explain(self.service, parameters),
            "data_version": self._version(),
            "command": _command("explain", [symbol, condition], asked),
        }

    def study(
        self, condition: Condition, where: Where = None, benchmark: str | None = None
    ) -> dict[str, Any]:
        """Return what followed the past signals of a condition: returns by horizon, with intervals.

        The figures are of stored sessions, before costs. Past returns do not promise later ones.
        """
        asked = {"condition": condition, "where": where, "benchmark": benchmark}
        result = resources.study(self.service, decode(StudyParameters, asked, texts=False))
        long = ("cumulative_excess", "years")  # curves, of no use in a conversation
        short = {name: value for name, value in result.items() if name not in long}
        return {**short, "command": _command("study", [condition], asked)}

    def history(self, symbol: Symbol, bars: Bars = 60, as_of: Session = None) -> dict[str, Any]:
        """Return the newest daily bars of a symbol, adjusted for splits, oldest first."""
        asked = {"symbol": symbol, "as_of": as_of}
        frame = resources.bars(self.service, decode(BarsParameters, asked, texts=False))
        return {
            "symbol": symbol.upper(),
            "bars": resources.plain_frame(frame.tail(bars)),
            "data_version": self._version(),
            "command": _command("chart", [symbol], {"as_of": as_of}),
        }

    def symbol(self, symbol: Symbol, as_of: Session = None) -> dict[str, Any]:
        """Return the facts of a symbol, its splits and dividends, and its suspicious bars."""
        asked = {"symbol": symbol, "as_of": as_of}
        return {
            **resources.symbol(self.service, decode(SymbolParameters, asked, texts=False)),
            "data_version": self._version(),
            "command": _command("facts", ["show", symbol], {"as_of": as_of}),
        }

    def language_help(
        self,
        name: Annotated[str | None, Field(description="An indicator; null for the whole")] = None,
    ) -> dict[str, Any]:
        """Describe the condition language, or one indicator with its parameters and outputs."""
        if name is not None:
            (indicator,) = indicators_facts(name)
            command = _command("indicators", [name], {})
            return {"indicator": indicator, "data_version": self._version(), "command": command}
        families: dict[str, list[str]] = {}
        for row in indicators_facts(None):
            families.setdefault(row["family"], []).append(row["signature"])
        presets = [row["name"] for row in saved.presets(self.service, NoParameters())]
        return {
            "language": help_text(),
            "indicators": families,
            "presets": presets,
            "data_version": self._version(),
            "command": _command("indicators", [], {}),
        }

    def status(self) -> dict[str, Any]:
        """Return what is stored: sessions, symbols, age, gaps and faults of the data."""
        result = resources.status(self.service, NoParameters())
        short = {name: value for name, value in result.items() if name not in ("days", "actions")}
        return {**short, "command": _command("status", [], {})}

    def _version(self) -> int:
        with self.service.market.view() as view:
            return view.version


def create_server(service: Service) -> MCPServer:
    """Return the server of the tools over a service."""
    server = MCPServer(
        "marketsweep", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    tools = Tools(service)
    for tool in (
        *(tools.scan, tools.explain, tools.study, tools.history, tools.symbol),
        *(tools.language_help, tools.status),
    ):
        server.add_tool(_answering(tool, tools.service.catch_up), annotations=_READS)
    return server


_OPTIONS: Final = ("as_of", "where", "universe", "sort", "columns", "limit", "benchmark")


def _command(name: str, arguments: list[str], asked: dict[str, Any]) -> str:
    """Return the command line that gives the same result."""
    parts = ["marketsweep", name, *arguments]
    for option in _OPTIONS:
        if asked.get(option) not in (None, ""):
            parts += [f"--{option.replace('_', '-')}", str(asked[option])]
    return shlex.join(parts)
