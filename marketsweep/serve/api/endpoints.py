"""The endpoints of the API: path, parameters, work and time limit of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from marketsweep.serve.api import quality, resources, saved, sessions
from marketsweep.serve.api.parameters import (
    BarsParameters,
    ChangesParameters,
    ChartParameters,
    CountsParameters,
    ExcludedParameters,
    ExplainParameters,
    HistoryParameters,
    NameParameters,
    NoParameters,
    Parameters,
    QualityParameters,
    SavedHistoryParameters,
    SaveParameters,
    ScanParameters,
    SignalsParameters,
    SparklinesParameters,
    StudyParameters,
    SweepParameters,
    SymbolParameters,
    SymbolsParameters,
    SyncParameters,
    UniverseParameters,
)
from marketsweep.serve.api.service import Service
from marketsweep.serve.scopes import Scope

PREFIX: Final = "/api/v1"

_QUICK_S: Final = 20.0
_LONG_S: Final = 120.0


Method = Literal["GET", "POST", "PUT", "DELETE"]


class Endpoint(NamedTuple):
    """One endpoint. GET and DELETE have parameters in the query, POST and PUT as a JSON object."""

    path: str
    parameters: type[Parameters]
    work: Callable[[Service, Any], Any]
    example: dict[str, Any]
    """Parameters of a request that has an answer on the example market."""
    seconds: float = _QUICK_S
    """The time limit."""
    has_formats: bool = False
    """Whether it also answers with CSV, Parquet or an Arrow stream."""
    methods: tuple[Method, ...] = ("GET", "POST")
    scope: Scope = "read"
    """What a token must allow."""

    @property
    def doc(self) -> str:
        """What the endpoint does, in one sentence."""
        return (self.work.__doc__ or "").partition("\n")[0]

    @property
    def body_example(self) -> dict[str, Any]:
        """The parameters of the example that do not stand in the path."""
        return {k: v for k, v in self.example.items() if k not in self.path_names}

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, so that an answer can be used again."""
        return "GET" in self.methods

    @property
    def path_names(self) -> list[str]:
        """The parameters that stand in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


_GET: Final[tuple[Method, ...]] = ("GET",)
_EXAMPLE: Final = "close > sma(200) and rsi(14) < 30"

ENDPOINTS: Final = (
    Endpoint(
        "/scan",
        ScanParameters,
        resources.scan,
        {"condition": _EXAMPLE, "columns": "name,roc(1)", "limit": 20, "funnel": True},
        has_formats=True,
        scope="scan",
    ),
    Endpoint(
        "/excluded",
        ExcludedParameters,
        resources.excluded,
        {"condition": _EXAMPLE, "reason": "stale", "limit": 10},
        scope="scan",
    ),
    Endpoint(
        "/explain",
        ExplainParameters,
        resources.explain,
        {"symbol": "CAB", "condition": _EXAMPLE},
        scope="scan",
    ),
    Endpoint(
        "/chart",
        ChartParameters,
        resources.chart,
        {"symbol": "CAB", "condition": _EXAMPLE, "bars": 60},
        scope="scan",
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
        scope="scan",
    ),
    Endpoint(
        "/history",
        HistoryParameters,
        sessions.history,
        {"condition": "golden_cross", "sessions": 5},
        _LONG_S,
        scope="scan",
    ),
    Endpoint(
        "/study",
        StudyParameters,
        resources.study,
        {"condition": "golden_cross"},
        _LONG_S,
        scope="scan",
    ),
    Endpoint(
        "/sweep",
        SweepParameters,
        sessions.sweep,
        {"condition": "rsi({n}) < {t}", "vary": "n=5..14;t=20,30"},
        _LONG_S,
        has_formats=True,
        scope="scan",
    ),
    Endpoint("/symbols", SymbolsParameters, resources.symbols, {"q": "AAP", "limit": 5}),
    Endpoint("/symbols/{symbol}", SymbolParameters, resources.symbol, {"symbol": "AAPL"}),
    Endpoint(
        "/bars/{symbol}", BarsParameters, resources.bars, {"symbol": "AAPL"}, has_formats=True
    ),
    Endpoint(
        "/changes",
        ChangesParameters,
        resources.changes,
        {"condition": "nr7", "as_of": "2016-12-30"},
        scope="scan",
    ),
    Endpoint("/indicators", NoParameters, resources.indicators, {}, methods=_GET),
    Endpoint("/presets", NoParameters, saved.presets, {}, methods=_GET),
    Endpoint("/presets/counts", CountsParameters, saved.count_presets, {}, scope="scan"),
    Endpoint(
        "/presets/{name}",
        SaveParameters,
        saved.save_condition,
        {"name": "my_dip", "condition": "rsi(2) < 10 and close > sma(200)", "doc": "A dip."},
        methods=("PUT",),
        scope="admin",
    ),
    Endpoint(
        "/presets/{name}",
        NameParameters,
        saved.remove_condition,
        {"name": "my_dip"},
        methods=("DELETE",),
        scope="admin",
    ),
    Endpoint(
        "/presets/{name}/history",
        SavedHistoryParameters,
        sessions.saved_history,
        {"name": "nr7", "sessions": 5},
        _LONG_S,
        scope="scan",
    ),
    Endpoint("/universes", NoParameters, saved.universes, {}, methods=_GET),
    Endpoint(
        "/universes/{name}",
        UniverseParameters,
        saved.save_universe,
        {"name": "my_large", "where": 'exchange == "NASDAQ"', "min_dollar_volume": "20M"},
        methods=("PUT",),
        scope="admin",
    ),
    Endpoint(
        "/universes/{name}",
        NameParameters,
        saved.remove_universe,
        {"name": "my_large"},
        methods=("DELETE",),
        scope="admin",
    ),
    Endpoint("/vocabulary", NoParameters, resources.vocabulary, {}, methods=_GET),
    Endpoint(
        "/quality",
        QualityParameters,
        quality.quality,
        {"rule": "decimal slip", "limit": 5},
        _LONG_S,
    ),
    Endpoint("/status", NoParameters, resources.status, {}, methods=_GET),
    Endpoint("/sync", SyncParameters, resources.start_sync, {}, methods=("POST",), scope="admin"),
    Endpoint("/sync", NoParameters, resources.stop_sync, {}, methods=("DELETE",), scope="admin"),
)
