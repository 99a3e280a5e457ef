"""Funnel, near misses and explanations, against the matches of each clause and plain arithmetic."""

from __future__ import annotations

import json
import shlex
from html import escape
from pathlib import Path

import numpy as np
import pytest
import talib

import marketsweep as ms
from marketsweep.engine.clauses import distance
from marketsweep.errors import UsageError
from marketsweep.language.parsing.parser import parse
from tests.helpers.command import run

CLAUSES = ["close > 5", "rsi(14) < 40", "close > sma(200)", 'exchange == "NASDAQ"']
CONDITION = " and ".join(CLAUSES)


def test_the_funnel_counts_each_clause_and_all_before(market: ms.Market) -> None:
    hits = market.scan(CONDITION, funnel=True, limit=2)
    alone = [set(market.scan(clause).symbols) for clause in CLAUSES]
    together = [set.intersection(*alone[: at + 1]) for at in range(len(alone))]
    assert [(one.clause, one.alone, one.together) for one in hits.funnel] == [
        (clause, len(a), len(t)) for clause, a, t in zip(CLAUSES, alone, together, strict=True)
    ]
    assert market.scan(CONDITION).funnel == []


def test_near_misses_fail_one_clause_by_the_least(market: ms.Market) -> None:
    hits = market.scan(CONDITION, near=1000)
    columns = ["close", "rsi(14)", "sma(200)"]
    everyone = market.scan("close > -1", columns=columns)
    types = set(market.scan('exchange == "NASDAQ"').symbols)
    wanted = {}
    rows = zip(everyone.symbols, *(everyone.values[name].tolist() for name in columns), strict=True)
    for symbol, close, rsi, mean in rows:
        if np.isnan([close, rsi, mean]).any() or symbol not in types:
            continue
        away = {
            "close > 5": 0.0 if close > 5 else max((5 - close) / 5, 1e-12),
            "rsi(14) < 40": 0.0 if rsi < 40 else max((rsi - 40) / rsi, 1e-12),
            "close > sma(200)": 0.0 if close > mean else max((mean - close) / mean, 1e-12),
        }
        failed = {clause: gap for clause, gap in away.items() if gap > 0}
        if len(failed) == 1:
            wanted[symbol] = failed.popitem()
    found = {one.symbol: (one.clause, pytest.approx(one.distance)) for one in hits.near}
    nearest = sorted(wanted, key=lambda symbol: (wanted[symbol][1], symbol))[:1000]
    assert [one.symbol for one in hits.near] == nearest
    assert {symbol: wanted[symbol] for symbol in found} == found


def test_clauses_and_near_misses_that_have_not_settled_are_marked(market: ms.Market) -> None:
    """A year of bars settles rsi(14), in 125 bars, and not ema(250); sma(50) has no memory."""
    condition = "close > ema(250) and rsi(14) < 40 and close > sma(50)"
    hits = market.scan(condition, funnel=True, near=400)
    counts = {one.clause: one.unsettled for one in hits.funnel}
    compared = market.scan("close > ema(250) or close <= ema(250)").matched
    assert counts["close > ema(250)"] == compared > 3000
    assert counts["close > sma(50)"] == 0
    # A symbol with fewer bars than rsi(14) takes to settle lacks those of ema(250) as well.
    young = {one.symbol for one in hits.near if one.unsettled}
    assert young == {one.symbol for one in hits.near if one.clause == "close > ema(250)"}
    assert young
    assert len(young) < len(hits.near)
    settled = market.scan(condition, funnel=True, near=400, min_history="settled")
    assert not any(one.clause == "close > ema(250)" for one in settled.near)


def test_near_misses_on_suspicious_bars_are_marked(market: ms.Market) -> None:
    near = {one.symbol for one in market.scan("close > 1e9", near=9999).near if one.suspicious}
    left_out = market.scan("close > 1e9", exclude_suspect=True).coverage.suspect_symbols
    assert near == set(left_out)
    assert near


def test_values_that_have_not_settled_are_marked(market: ms.Market) -> None:
    found = market.explain("AAPL", "rsi(14) > 1 and close > ema(250) and ema(250) > 0")
    # rsi(14) settles in 125 bars; ema(250) takes over 1,100, and the year has 252.
    marked = [part.text for part in found.parts if part.unsettled]
    assert marked == ["all of", "close > ema(250)", "ema(250)", "ema(250) > 0", "ema(250)"]
    lines = str(found).splitlines()
    value = next(part.value for part in found.parts if part.text == "ema(250)")
    assert any(line.split() == ["ema(250)", f"~{value:,.6g}"] for line in lines)
    assert lines[-1].startswith("~ too few bars to have settled")
    sure = market.explain("AAPL", "rsi(14) > 1")
    assert not any(part.unsettled for part in sure.parts)
    assert "~" not in str(sure)


def test_an_explanation_has_each_part_and_its_value(market: ms.Market) -> None:
    found = market.explain("AAPL", "rsi(14) < 30 and (close > sma(50) or not volume > 1K)")
    close = market.history("AAPL")["close"].to_numpy()
    rsi, mean = talib.RSI(close, 14)[-1], talib.SMA(close, 50)[-1]
    parts = {part.text: part for part in found.parts}
    assert found.holds is False
    assert [(part.depth, part.text) for part in found.parts] == [
        (0, "all of"),
        (1, "rsi(14) < 30"),
        (2, "rsi(14)"),
        (1, "any of"),
        (2, "close > sma(50)"),
        (3, "close"),
        (3, "sma(50)"),
        (2, "not volume > 1K"),
        (3, "volume > 1K"),
        (4, "volume"),
    ]
    assert parts["rsi(14)"].value == pytest.approx(rsi, rel=1e-9)
    assert parts["sma(50)"].value == pytest.approx(mean)
    assert parts["rsi(14) < 30"].distance == pytest.approx((rsi - 30) / rsi)
    assert parts["all of"].distance == parts["rsi(14) < 30"].distance
    assert parts["any of"].value is True
    assert parts["not volume > 1K"].distance is None
    assert "57.6" in str(found)


def test_an_explanation_agrees_with_the_scan(market: ms.Market) -> None:
    for condition in ("minervini_trend_template", CONDITION, "weekly(close) > close within 3 bars"):
        matches = set(market.scan(condition).symbols)
        for symbol in ("AAPL", "NVDA", "BRKS", "HOPE", "X"):
            assert (market.explain(symbol, condition).holds is True) == (symbol in matches)


def test_parts_of_a_saved_condition_are_named_by_themselves(market: ms.Market) -> None:
    """Its places are those of another text."""
    hits = market.scan("golden_cross and close > 5")
    assert list(hits.values) == ["sma(50)", "sma(200)"]
    texts = [part.text for part in market.explain("AAPL", "uptrend").parts]
    assert "sma(50) > sma(200)" in texts


@pytest.mark.parametrize(
    ("text", "a", "b", "away"),
    [
        ("open > close", 9.0, 10.0, 0.1),
        ("open > close", 10.0, 9.0, 0.0),
        ("open > close", 10.0, 10.0, 1e-12),
        ("open >= close", 10.0, 10.0, 0.0),
        ("open == close", 10.0, 8.0, 0.2),
        ("open != close", 10.0, 10.0, 1e-12),
        ("open < close", -5.0, -10.0, 0.5),
        ("open > close and open > 20", 9.0, 10.0, 0.55),
        ("open > close or open > 20", 9.0, 10.0, 0.1),
        ("5 < open < close", 12.0, 10.0, 1 / 6),
        ("open crosses above close", 9.0, 10.0, 0.1),
        ("open crosses above close", 11.0, 10.0, np.nan),
        ("not open > close", 11.0, 10.0, np.nan),
        ("open > close", np.nan, 10.0, np.nan),
    ],
)
def test_distances(text: str, a: float, b: float, away: float) -> None:
    node = parse(text)
    truths = {"open > close": a > b, "open > 20": a > 20, "5 < open < close": 5 < a < b}
    values = {}
    for part in node.walk():
        known = {"open": a, "close": b, "5": 5.0, "20": 20.0}
        holds = {**truths, "open >= close": a >= b}.get(str(part), False)
        truth = np.nan if np.isnan(a) else float((holds and a != b) or str(part) == "open >= close")
        values[part] = np.array([known.get(str(part), truth)])
    np.testing.assert_allclose(distance(node, values), [away], rtol=1e-9)


def test_a_symbol_that_cannot_be_explained(market: ms.Market) -> None:
    with pytest.raises(UsageError, match="did you mean"):
        market.explain("APPL", "close > 5")
    with pytest.raises(UsageError, match=r"BBCN has no bar in the session of 2016-12-30; its last"):
        market.explain("BBCN", "close > 5")
    assert market.explain("BBCN", "close > 5", as_of="2016-06-30").holds is True
    # Too few bars for the one part: the other decides.
    assert market.explain("AAPL", "sma(300) > 5 or close > 5").holds is True
    assert market.explain("AAPL", "sma(300) > 5").holds is None


def test_the_command_line(example_data: Path) -> None:
    done = run("explain", "AAPL", "close > 1 and rsi(14) < 30", "--data", example_data, "--json")
    facts = json.loads(done.stdout)
    assert (facts["symbol"], facts["holds"], len(facts["parts"])) == ("AAPL", False, 5)
    shown = run("scan", CONDITION, "--funnel", "--near", "3", "--data", example_data)
    assert "so far" in shown.stdout
    assert shown.stdout.count("% away") == 3
    written = run(
        "scan", CONDITION, "--funnel", "--near", "3", "--data", example_data, "--format", "json"
    )
    answer = json.loads(written.stdout)
    assert [one["clause"] for one in answer["funnel"]] == CLAUSES
    assert len(answer["near"]) == 3
    refused = run("scan", CONDITION, "--near", "3", "--data", example_data, "--format", "csv")
    assert refused.returncode == 2
    assert "--near does not work with csv" in refused.stderr


def test_the_command_that_shows_what_followed_is_named(real: Path) -> None:
    condition = "close > 5 and symbol != 'X'"
    done = run("explain", "AAPL", condition, "--data", real)
    told = done.stderr.strip().partition("what followed its signals: ")[2]
    assert shlex.split(told) == ["marketsweep", "study", condition]
    assert "what followed" not in run("explain", "AAPL", condition, "--json", "--data", real).stderr
    with ms.open(real) as market:
        page = market.chart("AAPL", condition='close > 5 and symbol != "X"').html
    command = """marketsweep study 'close > 5 and symbol != "X"'"""
    assert f"What followed: <code>{escape(command)}</code>" in page
