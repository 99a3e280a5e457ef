"""Finite values that cannot be: every answer comes, without a warning of another library."""

from __future__ import annotations

import contextlib
import datetime as dt
import warnings
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Dividend, SessionBars, Split
from marketsweep.errors import MarketsweepError
from marketsweep.quality.inspection import read_quality
from marketsweep.store.store import Store
from marketsweep.universe.low_volume import rebuild
from tests.helpers.command import run

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 6, 30))
ABSURD = np.array([1e308, -1e308, 1e-308, 0.0, -0.0, 5e-324, 1.0, 1e16, 1e-6, 1e300])
CONDITIONS = [
    "close > 1",
    "rsi(14) < 50 or macd(12, 26, 9).hist > 0 or adx(14) > 20",
    "bbands(20, 2).upper > close or stoch(14, 3, 3).k < 20 or atr(14) / close > 0.1",
    "rank(roc(20)) <= 10 or zscore(close) > 1 or percentile(volume) > 0.5",
    "weekly(sma(4)) > monthly(close) or rs(10, 'S1') > 1".replace("'", '"'),
    "median(dollar_volume, 20) > 0 and market(pct(close > sma(20))) > 0",
]


@pytest.fixture(scope="module")
def absurd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("absurd")
    r = np.random.default_rng(4)
    symbols = [f"S{number}" for number in range(40)]
    with Store.create(path) as store, store.writer() as writer:
        for day in DAYS:
            bars = r.choice(ABSURD, (5, len(symbols)))
            bars[:, :10] = r.uniform(1, 100, (5, 10))
            writer.commit([SessionBars(day, symbols, bars)], "test")
        places = range(40)
        writer.put_splits([Split(f"S{n}", DAYS[20 + n], 10.0 ** (n % 13 - 6), 1) for n in places])
        writer.put_dividends([Dividend(f"S{n}", DAYS[30 + n], 10.0 ** (n - 20)) for n in places])
    return path


@pytest.fixture(autouse=True)
def strict() -> None:
    warnings.simplefilter("error")


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("adjust", ["splits", "total", "none"])
def test_scans(absurd: Path, condition: str, adjust: str) -> None:
    with ms.open(absurd) as market:
        hits = market.scan(condition, adjust=adjust, sort="close")  # type: ignore[arg-type]
        assert hits.coverage.evaluated > 0
        market.scan(condition, incremental=True)
        market.signals(condition, since=DAYS[60], adjust=adjust)  # type: ignore[arg-type]
        market.explain("S12", condition)
        market.scan(condition, executor="serial")


def test_everything_else(absurd: Path, tmp_path: Path) -> None:
    with ms.open(absurd) as market:
        market.sweep("rsi({n}) < {t}", n=[5, 14], t=[20, 30])
        market.chart("S12", indicators=["rsi(14)", "bbands(20, 2)"]).save(tmp_path / "chart.html")
        market.audit("rsi(14) < 50", sessions=2)
        read_quality(market.store)
        rebuild(market.store, 1e6, 20)
    for command in (
        ["status"],
        ["status", "--quality"],
        ["actions", "list"],
        ["scan", "close > 1", "--universe", "liquid", "--charts", str(tmp_path / "charts")],
        ["scan", "close > 1", "--format", "csv"],
        ["scan", "close > 1", "--format", "json"],
    ):
        done = run(*command, "--data", absurd)
        assert done.returncode in (0, 3), done.stderr
        assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    "text", ["close * 1e308 * 1e308 > 0", "close / 0 > 1", "1e999 > close", "-close > 1e-400"]
)
def test_a_condition_of_absurd_numbers(absurd: Path, text: str) -> None:
    with ms.open(absurd) as market, contextlib.suppress(MarketsweepError):
        market.scan(text)


@pytest.mark.parametrize(
    "text",
    [
        "close / (volume - volume) > 5",
        "close / (volume - volume) < 5",
        "not (close / (volume - volume) > 5)",
        "volume / highest(volume - volume, 3) > 5",
        "(volume - volume) / (volume - volume) >= 0",
        "close / 0 > 5",
        "close > 1 and -close / (close - close) < 0",
    ],
)
def test_what_is_divided_by_zero_has_no_value(market: ms.Market, text: str) -> None:
    assert market.scan(text).symbols == []


def test_the_other_side_of_an_or_still_matches(market: ms.Market) -> None:
    hits = market.scan("close > 1 or 5 / (volume - volume) > 1")
    values = hits.to_polars()["5 / (volume - volume)"]
    assert len(values) > 0
    assert values.is_nan().all()
