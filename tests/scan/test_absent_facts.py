"""Facts that are known of no symbol: an answer that rests on them is not an empty answer."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import CoverageError
from tests.helpers.command import run
from tests.helpers.markets import example_bars, store_of


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of some symbols, and nothing else."""
    path = tmp_path_factory.mktemp("bare")
    bars = example_bars().filter(pl.col("symbol").is_in(["AAPL", "MSFT", "SPY", "QQQ"]))
    store_of(path, bars, reference=False).close()
    return path


@pytest.mark.parametrize(
    "call",
    [
        ["scan", 'sector == "Technology"'],
        ["scan", "rank(close) by sector <= 2"],
        ["scan", "market(pct(close > 0)) by sector > 0.1"],
        ["scan", "close > 0", "--top", "2", "--by", "sector"],
        ["signals", "market_cap > 5", "--since", "2016-12-20"],
        ["sweep", "market_cap > {n}", "--vary", "n=1,2"],
    ],
    ids=str,
)
def test_nothing_found_for_want_of_a_fact(call: list[str], bare: Path) -> None:
    done = run(*call, "--data", bare)
    assert done.returncode == 3
    assert "unknown for all symbols" in done.stderr
    assert "--symbols FILE" in done.stderr


def test_an_order_by_an_unknown_fact_is_said(bare: Path) -> None:
    done = run("scan", "close > 0", "--sort", "market_cap", "--limit", "2", "--data", bare)
    assert done.returncode == 0
    assert "market_cap: unknown for all symbols" in done.stderr


def test_python_sees_it_as_well(bare: Path) -> None:
    with ms.open(bare) as market:
        assert market.scan('sector == "Technology"').coverage.absent_facts == ("sector",)
        assert market.signals("market_cap > 5").absent_facts == ("market_cap",)
        with pytest.raises(CoverageError, match="unknown for all symbols"):
            market.scan('sector == "Technology"', min_coverage=0.5)


def test_a_span_without_a_session_has_no_bars(bare: Path) -> None:
    with ms.open(bare) as market:
        assert len(market.price_history_batch(["AAPL"], "2016-01-09", "2016-01-10")) == 0
