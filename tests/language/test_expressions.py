"""Conditions built in Python: they give the parser's trees and the parser's errors."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError
from marketsweep.language.builder import Expression, node_of
from marketsweep.language.parsing.parser import parse, parse_expression
from tests.language.test_condition import EXAMPLES

NAN = float("nan")


def test_a_thousand_clauses(market: ms.Market) -> None:
    """More clauses than a text may have give the same answers as the clauses one by one."""
    days = range(2, 252)
    wide = [ms.close > level * ms.sma(n) for n in days for level in (0.5, 1.001, 0.7, 0.6)]
    assert len(wide) == 1000
    every = market.scan(reduce(operator.and_, wide))
    either = market.scan(reduce(operator.or_, wide), min_coverage=0)
    # For each window the highest level decides `and`, and the lowest decides `or`.
    tight = market.scan(reduce(operator.and_, [ms.close > 1.001 * ms.sma(n) for n in days]))
    loose = market.scan(ms.any(*[ms.close > 0.5 * ms.sma(n) for n in days]), min_coverage=0)
    assert sorted(every.symbols) == sorted(tight.symbols)
    assert sorted(either.symbols) == sorted(loose.symbols)
    assert 0 < len(every.symbols) < len(either.symbols)


def test_all_and_any_take_a_thousand_clauses() -> None:
    clauses = [ms.close > ms.sma(2 + n % 200) for n in range(1000)]
    assert node_of(ms.all(*clauses)) == node_of(reduce(operator.and_, clauses))
    assert node_of(ms.any(*clauses)) == node_of(reduce(operator.or_, clauses))


@pytest.mark.parametrize("text", EXAMPLES)
def test_a_tree_inside_others_equals_its_text(text: str) -> None:
    node = Expression(parse(text))
    assert ((node & (ms.close > 1)) | ~node).node == parse(
        f"any(all({node}, close > 1), not ({node}))"
    )


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (lambda: ms.close + 1 > -2, "close + 1 > -2"),
        (lambda: np.float64(2.5) * ms.close < np.int64(7), "2.5 * close < 7"),
        (lambda: ms.sma(ms.high + ms.low, 20) > 1, "sma(high + low, 20) > 1"),
        (lambda: ms.max(ms.close, ms.open_) > 1, "max(close, open) > 1"),
        (lambda: ms.macd(12, 26, 9).hist[1] > 0, "macd(12, 26, 9).hist[1] > 0"),
        (lambda: ms.macd().macdsignal > 0, "macd(12, 26, 9).signal > 0"),
        (lambda: ms.psar(0.02, 0.2) < ms.low, "sar(0.02, 0.2) < low"),
        (lambda: ms.if_(ms.close > ms.open_, ms.volume, 0) > 5, "if(close > open, volume, 0) > 5"),
        (lambda: ms.close**2 > 2**ms.close, "close ^ 2 > 2 ^ close"),
        (lambda: ms.engulfing() & (ms.close > 5), "engulfing() and close > 5"),
        (lambda: ms.symbol("QQQ").williams_r(14) < -80, 'symbol("QQQ").willr(14) < -80'),
        (lambda: ms.weekly(ms.close > ms.sma(10)), "weekly(close > sma(10))"),
        (lambda: ms.sector == "a{b}_0", 'sector == "a{b}_0"'),
        (lambda: ms.name.contains("{} _0 \0"), 'name contains "{} _0 \0"'),
        (lambda: ms.sector.is_in(["_0", "{}"]), 'sector in ["_0", "{}"]'),
        (lambda: ms.symbol("_0").close > 1, 'symbol("_0").close > 1'),
        (
            lambda: (ms.close > 1) & ((ms.low > 1) & (ms.high > 1)),
            "all(close > 1, low > 1, high > 1)",
        ),
    ],
)
def test_direct_trees(built: Callable[[], Expression], text: str) -> None:
    assert built().node == parse(text)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: ms.close & (ms.close > 1), "the left side of and must be true or false"),
        (lambda: (ms.close > 1) + 1, r"the left side of \+ must be a number"),
        (lambda: (ms.close > 1) > 1, "compares numbers, but this is true or false"),
        (lambda: ms.sector > "A", "texts have no order"),
        (lambda: ms.sector == 1, "compares text with a number"),
        (lambda: ~ms.close, "the part after not must be true or false"),
        (lambda: -(ms.close > 1), "the part after - must be a number"),
        (lambda: ms.close > NAN, "unknown name 'nan'"),
        (lambda: ms.close > True, "'True' has no meaning here"),
        (lambda: ms.close > None, "unknown name 'None'"),
        (lambda: ms.close.within(5), "before within must be true or false"),
        (lambda: ms.close[-1], "bars back"),
        (lambda: ms.close.crosses_above(ms.close > 1), "each side of crosses must be a number"),
        (lambda: ms.sma(ms.close > 1, 20), "the input of sma must be a number"),
        (lambda: ms.sma(0), "from 1 to|from 2 to"),
        (lambda: ms.any(ms.close, ms.close > 1), "the argument of any must be true or false"),
        (lambda: ms.close.contains("x"), "must be a text"),
        (lambda: ms.symbol.is_in("B1"), "takes a list"),
        (lambda: ms.symbol.is_in(5), "takes a list"),
        (lambda: ms.symbol.is_in(None), "takes a list"),
        (lambda: ms.sector[1] == "x", "the same at every bar"),
    ],
)
def test_wrong_kinds_raise_the_parsers_error(build: Callable[[], Any], says: str) -> None:
    with pytest.raises(ConditionError, match=says):
        build()


def test_an_error_shows_the_parts() -> None:
    with pytest.raises(ConditionError) as caught:
        _ = (ms.close > 1) + 1
    assert "close > 1" in str(caught.value)
    assert "_0" not in str(caught.value)


def test_very_large_trees_are_refused() -> None:
    deep = ms.close
    for _ in range(400):
        deep = deep + 1
    with pytest.raises(ConditionError, match="nested more than 300 deep"):
        node_of(deep > 1)
    wide = ms.close > 1
    for _ in range(40):
        wide = (wide & (ms.low > 1)) | (wide & (ms.low > 2))
    with pytest.raises(ConditionError, match="more than 100,000 parts"):
        node_of(wide)


def test_the_text_of_an_expression_is_its_tree() -> None:
    built = ms.rank(ms.roc(63)).by("sector") <= 2
    assert parse_expression(str(built)) == built.node
