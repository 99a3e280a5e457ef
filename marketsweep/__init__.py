"""marketsweep scans the whole US stock market for technical conditions.

    import marketsweep as ms

    market = ms.open()
    hits = market.scan("rsi(14) < 30 and close > sma(200)")
    hits = market.scan((ms.rsi(14) < 30) & (ms.close > ms.sma(200)), limit=20)
    hits.to_polars()
    market.price_history_batch(["AAPL", "BRK.B"], "2024-01-01")["AAPL"]

Names of the condition language (`ms.close`, `ms.sma`, `ms.sector`) are attributes of this module;
the field `open` is `ms.open_`, and the function `if` is `ms.if_`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketsweep.errors import (
    ConditionError,
    CoverageError,
    DataWarning,
    ExecutorError,
    MarketsweepError,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    TimedOut,
    UsageError,
)
from marketsweep.version import __version__ as __version__

if TYPE_CHECKING:
    from marketsweep.engine.executors.options import Ray
    from marketsweep.ingest.providers.files import FilesProvider
    from marketsweep.ingest.providers.massive.provider import MassiveProvider
    from marketsweep.language.builder import breadth, fact
    from marketsweep.market import Market
    from marketsweep.market import open_market as open  # noqa: A004, `ms.open` is the name
    from marketsweep.price_history import Histories
    from marketsweep.scan.incremental.run import Incremental
    from marketsweep.scan.results import Coverage, Hits, Match

__all__ = [
    "ConditionError",
    "Coverage",
    "CoverageError",
    "DataWarning",
    "ExecutorError",
    "FilesProvider",
    "Histories",
    "Hits",
    "Incremental",
    "Market",
    "MarketsweepError",
    "MassiveProvider",
    "Match",
    "ProviderError",
    "ProviderRefused",
    "ProviderUnreachable",
    "Ray",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "TimedOut",
    "UsageError",
    "breadth",
    "fact",
    "open",
]

# Imported at first use, so that the command line answers --help without importing numpy.
_LAZY = {
    "breadth": ("marketsweep.language.builder", "breadth"),
    "Coverage": ("marketsweep.scan.results", "Coverage"),
    "FilesProvider": ("marketsweep.ingest.providers.files", "FilesProvider"),
    "fact": ("marketsweep.language.builder", "fact"),
    "Histories": ("marketsweep.price_history", "Histories"),
    "Hits": ("marketsweep.scan.results", "Hits"),
    "Incremental": ("marketsweep.scan.incremental.run", "Incremental"),
    "Market": ("marketsweep.market", "Market"),
    "MassiveProvider": ("marketsweep.ingest.providers.massive.provider", "MassiveProvider"),
    "Match": ("marketsweep.scan.results", "Match"),
    "Ray": ("marketsweep.engine.executors.options", "Ray"),
    "open": ("marketsweep.market", "open_market"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401, a module's attributes are of any type
    from importlib import import_module

    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(import_module(module), attribute)
    # `open` opens a data folder, and `if` is a word of Python.
    word = name.removesuffix("_") if name in ("open_", "if_") else name
    # Python calls this for every submodule before its import, so it must be fast. The submodule
    # `market` hides the word `market` of the language, which is `breadth` here.
    words = import_module("marketsweep.language.vocabulary").WORDS - {"market"}
    if word.startswith("_") or word not in words:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("marketsweep.language.builder").builder(word)
