"""The endpoints of the API: path, parameters, work and time limit of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from marketsweep.serve.api import resources
from marketsweep.serve.api.parameters import (
    BarsParameters,
    ChartParameters,
    ExcludedParameters,
    ExplainParameters,
    NoParameters,
    Parameters,
    ScanParameters,
    SignalsParameters,
    SparklinesParameters,
    StudyParameters,
    SymbolParameters,
    SymbolsParameters,
)
from marketsweep.serve.api.service import Service

PREFIX: Final = "/api/v1"

_QUICK_S: Final = 20.0
_LONG_S: Final = 120.0


class Endpoint(NamedTuple):
    """One endpoint. A GET has its parameters in the query, a POST as a JSON object."""

    path: str
    parameters: type[Parameters]
    work: Callable[[Service, Any], Any]
    example: dict[str, Any]
    """Parameters of a request that has an answer on the example market."""
    seconds: float = _QUICK_S
    """The time limit."""
    has_formats: bool = False
    """Whether it also answers with CSV, Parquet or an Arrow stream."""

    @property
    def doc(self) -> str:
        """What the endpoint does, in one sentence."""
        return (self.work.__doc__ or "").partition("\n")[0]

    @property
    def path_names(self) -> list[str]:
        """The parameters that stand in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


_EXAMPLE: Final = "close > sma(200) and rsi(14) < 30"

ENDPOINTS: Final = (
    Endpoint(
        "/scan",
        ScanParameters,
        resources.scan,
        {"condition": _EXAMPLE, "columns": "name,roc(1)", "limit": 20, "funnel": True},
        has_formats=True,
    ),
    Endpoint(
        "/excluded",
        ExcludedParameters,
        resources.excluded,
        {"condition": _EXAMPLE, "reason": "stale", "limit": 10},
    ),
    Endpoint(
        "/explain", ExplainParameters, resources.explain, {"symbol": "CAB", "condition": _EXAMPLE}
    ),
    Endpoint(
        "/chart",
        ChartParameters,
        resources.chart,
        {"symbol": "CAB", "condition": _EXAMPLE, "bars": 60},
    ),
    Endpoint(
        "/sparklines", SparklinesParameters, resources.sparklines, {"symbols": "CAB,WOR", "bars": 5}
    ),
    Endpoint(
        "/signals",
        SignalsParameters,
        resources.signals,
        {"condition": "golden_cross", "since": "2016-12-01"},
        _LONG_S,
    ),
    Endpoint("/study", StudyParameters, resources.study, {"condition": "golden_cross"}, _LONG_S),
    Endpoint("/symbols", SymbolsParameters, resources.symbols, {"q": "AAP", "limit": 5}),
    Endpoint("/symbols/{symbol}", SymbolParameters, resources.symbol, {"symbol": "AAPL"}),
    Endpoint(
        "/bars/{symbol}", BarsParameters, resources.bars, {"symbol": "AAPL"}, has_formats=True
    ),
    Endpoint("/indicators", NoParameters, resources.indicators, {}),
    Endpoint("/presets", NoParameters, resources.presets, {}),
    Endpoint("/universes", NoParameters, resources.universes, {}),
    Endpoint("/vocabulary", NoParameters, resources.vocabulary, {}),
    Endpoint("/status", NoParameters, resources.status, {}),
)
