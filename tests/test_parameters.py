"""No public parameter is without effect: each one changes an answer, or makes the call fail."""

from __future__ import annotations

import datetime as dt
import inspect
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.records import FactRow, FactValues, LowVolume
from marketsweep.errors import MarketsweepError
from marketsweep.output.charts.page import Chart
from marketsweep.store.store import Store

SCAN = {"condition": "rsi(14) < 40", "limit": 8}
PAST = "2016-06-30"

CHANGES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "scan": (
        SCAN,
        {
            "condition": "rsi(14) > 60",
            "where": 'exchange == "NASDAQ"',
            "universe": "liquid",
            "unknown": ({"where": 'exchange == "NASDAQ"', "limit": None}, "keep"),
            "facts": ({"condition": "score > 5", "as_of": PAST}, "latest"),
            "skip_low_volume": ({"limit": None}, True),
            "as_of": PAST,
            "sort": "close",
            "descending": ({"sort": "close"}, False),
            "limit": 3,
            "top": ({"limit": None, "by": "sector", "sort": "close"}, 1),
            "by": ({"limit": None, "top": 1, "sort": "close"}, "sector"),
            "columns": "sma(20)",
            "executor": "serial",
            "threads": 0,
            "adjust": ({"condition": "close > 20 * lowest(low, 240)"}, "none"),
            "min_coverage": 1.0,
            "exclude_suspect": ({"limit": None}, True),
            "min_history": ({"limit": None}, "settled"),
            "funnel": True,
            "near": 3,
            "strict": ({"condition": "rsi(14) < 40%"}, True),
            "incremental": True,
            "timeout": 1e-9,
        },
    ),
    "scan_together": (
        {"conditions": ["rsi(14) < 40", "close > 100"], "limit": 8},
        {
            "conditions": ["rsi(14) < 40", "close > 200"],
            "where": 'exchange == "NASDAQ"',
            "as_of": PAST,
            "sort": "close",
            "limit": 3,
            "adjust": ({"conditions": ["close > 20 * lowest(low, 240)"]}, "none"),
        },
    ),
    "signals": (
        {"condition": "rsi(14) < 20", "since": "2016-11-01", "limit": 20},
        {
            "condition": "rsi(14) < 10",
            "since": "2016-12-20",
            "until": "2016-11-10",
            "where": 'exchange == "NASDAQ"',
            "universe": "liquid",
            "unknown": ({"where": 'exchange == "NASDAQ"', "limit": None}, "keep"),
            "facts": ({"condition": "score > 5"}, "latest"),
            "sort": "close",
            "descending": ({"sort": "close"}, False),
            "limit": 3,
            "columns": "sma(20)",
            "executor": "serial",
            "threads": 0,
            "adjust": ({"condition": "close > 20 * lowest(low, 200)", "limit": None}, "none"),
            "exclude_suspect": ({"limit": None, "since": "2016-12-28"}, True),
            "strict": ({"condition": "rsi(14) < 40%"}, True),
            "progress": print,
        },
    ),
    "study": (
        {"condition": "rsi(14) < 20", "since": "2016-11-01", "horizons": [1, 5]},
        {
            "condition": "rsi(14) < 10",
            "since": "2016-12-20",
            "until": "2016-11-10",
            "horizons": [2],
            "entry": "close",
            "exit": "rsi(14) > 30",
            "max_hold": ({"horizons": None}, 3),
            "stop": "2%",
            "target": "1atr",
            "regime": ({"by": ["regime"], "benchmark": "MSFT"}, "close > 5"),
            "positions": 5,
            "by": ["price"],
            "benchmark": "MSFT",
            "costs": 10.0,
            "spread": True,
            "every": True,
            "cooldown": 20,
            "delisting_return": ({"since": "2016-06-01", "horizons": [63]}, -0.3),
            "where": 'exchange == "NASDAQ"',
            "universe": "liquid",
            "unknown": ({"where": 'exchange == "NASDAQ"'}, "keep"),
            "facts": ({"condition": "score > 5", "every": True}, "latest"),
            "executor": "serial",
            "threads": 0,
            "adjust": ({"since": "2016-06-01", "horizons": [63]}, "splits"),
            "exclude_suspect": ({"since": "2016-12-28"}, True),
            "strict": ({"condition": "rsi(14) < 40%"}, True),
            "progress": print,
        },
    ),
    "sweep": (
        {"condition": "rsi({n}) < 20", "n": [7, 14]},
        {
            "condition": "rsi({n}) < 10",
            "as_of": PAST,
            "since": "2016-12-01",
            "until": ({"since": "2016-06-01"}, PAST),
            "where": 'exchange == "NASDAQ"',
            "universe": "liquid",
            "unknown": ({"where": 'exchange == "NASDAQ"'}, "keep"),
            "facts": ({"condition": "score > {n}", "n": [5], "as_of": PAST}, "latest"),
            "executor": "serial",
            "threads": 0,
            "adjust": ({"condition": "close > {n} * lowest(low, 240)", "n": [20]}, "none"),
            "strict": ({"condition": "rsi({n}) < 40%"}, True),
            "progress": ({"since": "2016-12-01"}, print),
            "outcome": ({"since": "2016-11-01"}, "return(5)"),
            "values": {"n": [7, 21]},
        },
    ),
    "explain": (
        {"symbol": "AAPL", "condition": "close > sma(200)"},
        {
            "symbol": "MSFT",
            "condition": "close > sma(100)",
            "as_of": PAST,
            "adjust": ({"symbol": "DCTH"}, "none"),
        },
    ),
    "history": (
        {"symbol": "DCTH"},
        {"symbol": "AAPL", "as_of": PAST, "adjust": "none"},
    ),
    "price_history_batch": (
        {"symbols": ["DCTH", "AAPL"], "since": "2016-02-01", "until": "2016-12-30"},
        {"symbols": ["AAPL"], "since": PAST, "until": PAST, "adjust": "none"},
    ),
    "chart": (
        {"symbol": "DCTH"},
        {
            "symbol": "AAPL",
            "indicators": "sma(20)",
            "condition": "close > sma(20)",
            "as_of": PAST,
            "bars": 20,
            "adjust": "none",
        },
    ),
    "audit": (
        {"condition": "close > 1", "sessions": 2},
        {
            "condition": "close > 100",
            "where": 'exchange == "NASDAQ"',
            "sessions": 3,
            "study": True,
            "progress": print,
        },
    ),
}
TIMES = {"timing", "seconds", "trials"}
"""What a later call counts or measures in another way."""
_USUAL: dict[str, object] = {}
"""What the usual arguments give, by method and arguments."""

WITHOUT = {"refresh", "close", "view", "study_presets"}
"""Methods that take nothing, or the arguments of another one."""


@pytest.fixture(scope="module")
def changed(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Market]:
    """The example market with a low-volume list and a dated fact."""
    path = tmp_path_factory.mktemp("parameters") / "data"
    shutil.copytree(real, path)
    with Store.open(path) as store, store.writer() as writer:
        writer.put_low_volume([LowVolume("M", True, True, dt.date(2016, 1, 4), None)])
        scores: list[FactRow] = [
            ("AAPL", dt.date(2016, 1, 4), 9.0),
            ("AAPL", dt.date(2016, 12, 29), 1.0),
        ]
        writer.put_facts([FactValues("score", "number", scores)])
    with ms.open(path) as opened:
        yield opened


def cases() -> list[tuple[str, str]]:
    return [(method, name) for method, (_, changes) in CHANGES.items() for name in changes]


@pytest.mark.parametrize(("method", "name"), cases(), ids=str)
def test_each_parameter_changes_the_outcome(method: str, name: str, changed: ms.Market) -> None:
    base, changes = CHANGES[method]
    more, value = changes[name] if isinstance(changes[name], tuple) else ({}, changes[name])
    usual = dict(base) | more
    call = getattr(changed, method)
    other = usual | (value if name == "values" else {name: value})
    kept = f"{method} {usual}"
    if kept not in _USUAL:
        _USUAL[kept] = outcome(call, usual)
        # Nothing but the parameter makes the difference.
        assert outcome(call, usual) == _USUAL[kept]
    assert outcome(call, other) != _USUAL[kept]


def test_every_parameter_of_the_market_is_among_them() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(ms.Market, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == set(CHANGES) | WITHOUT
    for method, (_, changes) in CHANGES.items():
        known = set(inspect.signature(getattr(ms.Market, method)).parameters) - {"self"}
        assert set(changes) == known, method


def outcome(call: Callable[..., Any], arguments: Mapping[str, Any]) -> object:
    """What a call gives, in comparable form: without times, and errors as texts."""
    told: list[tuple[Any, ...]] = []
    given = dict(arguments)
    if given.get("progress") is print:
        given["progress"] = lambda *done: told.append(done)
    try:
        answer = call(**given)
    except MarketsweepError as error:
        return type(error).__name__, str(error)
    return plain(answer), len(told) > 0


def plain(answer: object) -> object:
    if isinstance(answer, list):
        return [plain(one) for one in answer]
    if isinstance(answer, pl.DataFrame):
        return answer.write_csv()
    if isinstance(answer, ms.Histories):
        return answer.frame.write_csv()
    if isinstance(answer, Chart):
        return answer.html
    assert hasattr(answer, "to_dict")
    return {name: value for name, value in answer.to_dict().items() if name not in TIMES}
