"""Facts that are known of no symbol: an answer that rests on them is not an empty answer."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import marketsweep as ms
from marketsweep.core.records import Listing
from marketsweep.errors import CoverageError
from marketsweep.store.store import Store
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


SECTORS = {"AAPL": "Technology", "MSFT": "Technology", "JPM": "Financials", "QQQ": None}


@pytest.fixture(scope="module")
def partly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of four symbols; the sector of one is unknown."""
    path = tmp_path_factory.mktemp("partly")
    bars = example_bars().filter(pl.col("symbol").is_in(list(SECTORS)))
    store_of(path, bars, reference=False).close()
    with Store.open(path) as store, store.writer() as writer:
        writer.put_listings([Listing(name, sector=sector) for name, sector in SECTORS.items()])
    return path


@pytest.mark.parametrize(
    ("condition", "matches", "unknown"),
    [
        ('sector == "technology"', {"AAPL", "MSFT"}, 1),
        ('sector != "Technology"', {"JPM"}, 1),
        ('not sector in ["Financials"]', {"AAPL", "MSFT"}, 1),
        ("rank(close) by sector == 1", {"AAPL", "JPM"}, 1),
        ("market(count(close > 0)) by sector > 1", {"AAPL", "MSFT"}, 1),
        # The answer is known without the fact.
        ('sector == "Technology" or close > 0', set(SECTORS), 0),
        ('sector == "Technology" and close < 100', {"MSFT"}, 0),
    ],
)
def test_unknown_facts_of_some_symbols_are_counted(
    partly: Path, condition: str, matches: set[str], unknown: int
) -> None:
    with ms.open(partly) as market:
        hits = market.scan(condition)
    assert set(hits.symbols) == matches
    coverage = hits.coverage
    assert coverage.evaluated == 4 - unknown
    assert coverage.excluded.unknown_facts == unknown
    assert coverage.unknown_facts == ({"sector": 1} if unknown else {})
    assert coverage.share == 1 - unknown / 4
    excluded = coverage.excluded
    assert coverage.expected == coverage.evaluated + sum(excluded)
    assert hits.to_dict()["coverage"].get("unknown_facts", {}) == coverage.unknown_facts


def test_signals_and_sweeps_name_the_unknown_facts(partly: Path) -> None:
    said = "unknown facts: sector for 1 of the stored symbols"
    with ms.open(partly) as market:
        assert said in market.signals('sector == "Technology"', since="2016-12-28").warnings
        assert said in market.sweep('sector == "Technology" and close > {n}', n=[1, 2]).warnings
        assert said not in market.signals("close > 5", since="2016-12-28").warnings


def test_too_many_unknown_facts_are_an_error(partly: Path) -> None:
    done = run("scan", 'sector == "Technology"', "--data", partly)
    assert done.returncode == 3
    assert "1 with unknown facts (sector for 1)" in done.stderr
    assert "only 75.0% of the requested symbols have a result" in done.stderr
    assert "--where 'sector != \"\"'" in done.stderr
    for further in (["--where", 'sector != ""'], ["--min-coverage", "0.7"]):
        done = run("scan", 'sector == "Technology"', *further, "--data", partly)
        assert done.returncode == 0, done.stderr
        assert "AAPL" in done.stdout


def test_a_value_is_found_by_its_initials(real: Path) -> None:
    with ms.open(real) as market:
        warnings = market.scan('country == "US"', min_coverage=0).warnings
    assert 'no symbol has the country "US": did you mean United States?' in warnings


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Tech", 'no symbol has the sector "Tech": did you mean Technology?'),
        ("Financial", 'no symbol has the sector "Financial": did you mean Financials?'),
        ("Tecnology", 'no symbol has the sector "Tecnology": did you mean Technology?'),
        ("Energy", 'no symbol has the sector "Energy": there are Technology, Financials'),
    ],
)
def test_a_value_that_no_symbol_has_is_said(partly: Path, text: str, note: str) -> None:
    with ms.open(partly) as market:
        for condition in (f'sector == "{text}"', f'not sector in ["technology", "{text}"]'):
            assert market.scan(condition, min_coverage=0.5).warnings.count(note) == 1
        hits = market.scan("close > 0", where=f'sector != "{text}"')
        assert note in hits.warnings
        assert not any("no symbol" in w for w in market.scan('sector == "TECHNOLOGY"').warnings)


def test_a_span_without_a_session_has_no_bars(bare: Path) -> None:
    with ms.open(bare) as market:
        assert len(market.price_history_batch(["AAPL"], "2016-01-09", "2016-01-10")) == 0
