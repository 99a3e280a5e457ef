"""The condition language: what it means, what it refuses, and where it points."""

from __future__ import annotations

import contextlib
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep import tree
from marketsweep.condition import (
    MAX_LENGTH,
    parse,
    parse_expression,
    split_expressions,
)
from marketsweep.demo import REFERENCE_SCAN
from marketsweep.errors import ConditionError
from marketsweep.fields import DERIVED, FIELDS
from marketsweep.indicators import INDICATORS
from marketsweep.tree import Node

EXAMPLES = [
    "rsi(14) < 30 and close > sma(200) and volume > 2 * sma(volume, 20)",
    "sma(50) crosses above sma(200) within 5 bars",
    "close > 0.95 * highest(high, 252) and dollar_volume > 20M",
    "macd(12, 26, 9).hist > 0 and close[1] < bbands(20, 2).lower[1]",
    'sector in ["Technology", "Energy"] and market_cap > 1B',
    REFERENCE_SCAN,
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_of_the_design_parse(text: str) -> None:
    node = parse(text)
    assert parse(str(node)) == node


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("RSI( 14 )<30", "rsi(14) < 30"),
        ("close>1.5M", "close > 1500000"),
        ("volume > 200k", "volume > 200000"),
        ("close > .5", "close > 0.5"),
        ("close > 1_000", "close > 1000"),
        ("close > 2e3", "close > 2000"),
        ("1 < close <= 3", "1 < close <= 3"),
        ("(1 < close) and (close <= 3)", "1 < close and close <= 3"),
        ("close - (open - 1) > 0", "close - (open - 1) > 0"),
        ("close - open - 1 > 0", "close - open - 1 > 0"),
        ("-(close - 1) < 0", "-(close - 1) < 0"),
        ("not (close > 1 and open > 1)", "not (close > 1 and open > 1)"),
        ("not close > 1 and open > 1", "not close > 1 and open > 1"),
        ("(close > 1 or open > 1) and low > 1", "(close > 1 or open > 1) and low > 1"),
        ("close > 1 or open > 1 and low > 1", "close > 1 or open > 1 and low > 1"),
        ("(close > open)[1]", "(close > open)[1]"),
        ("close > open within 1 bar", "close > open within 1 bar"),
        ("close = 5", "close == 5"),
        ("sector == 'Energy'", 'sector == "Energy"'),
        ("sma(close, 50) > 1", "sma(50) > 1"),
        ("macd() .macd > 1 # a comment", "macd(12, 26, 9) > 1"),
        ("ema(rsi(14), 9) > 50", "ema(rsi(14), 9) > 50"),
        ("max(close, open) > 1", "max(close, open) > 1"),
        ("close\n> 5\nand open > 5", "close > 5 and open > 5"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 0, "empty"),
        ("rsy(14) < 30", 0, "did you mean rsi"),
        ("clos > 5", 0, "did you mean close"),
        ("close > 5 and vlume > 3", 14, "did you mean volume"),
        ("rsi(0) < 30", 4, "from 2 to 100,000, not 0"),
        ("rsi(-1) < 30", 4, "not -1"),
        ("rsi(1e9) < 30", 4, "not 1e+09"),
        ("rsi(2.5) < 30", 4, "whole number"),
        ("rsi(14, 3) < 30", 0, "too many"),
        ("rsi(close, close, 3) < 30", 11, "must be a whole number"),
        ("rsi < 30", 0, "needs its parameters"),
        ("atr(close, 14) > 1", 4, "reads high, low, close by itself"),
        ("macd(26, 12, 9).hist > 0", 0, "must not be longer"),
        ("macd(12, 26, 9).histo > 0", 16, "has no output 'histo'"),
        ("rsi(14).k > 0", 8, "has one value"),
        ("bbands(20, 2) > close", 0, "add one of .upper"),
        ("close", 0, "a condition is true or false"),
        ("close > 5 and", 13, "the end of the condition"),
        ("close > 5 close", 10, "expected and, or"),
        ("(close > 5", 10, "expected ')'"),
        ("close > sma(20", 14, "expected ',' or ')'"),
        ("close & open", 6, "write and"),
        ("close > 5 && open > 5", 10, "write and"),
        ("close > 5%", 9, "plain number"),
        ("close > 1.2.3", 8, "cannot be read"),
        ("close > 1e400", 8, "larger than any number"),
        ("close[-1] > 5", 7, "whole number from 0"),
        ("close[2.5] > 5", 6, "whole number"),
        ("close > 5 within 0 bars", 17, "from 1 to"),
        ("close > 5 within 5", 18, "expected bars"),
        ("close within 5 bars", 0, "must be true or false"),
        ("sector > 5", 9, "compares text with a number"),
        ("sector > 'a'", 7, "no order"),
        ("sector in []", 0, "empty"),
        ("sector in [5]", 11, "text in quotes"),
        ("close in ['a']", 0, "must be text"),
        ("'abc", 0, "no closing quote"),
        ("close > 5 > (open > 3)", 13, "true or false"),
        ("close crosses sma(50)", 14, "above or below"),
        ("close + sector > 5", 8, "must be a number"),
        ("not close", 4, "must be true or false"),
        ("close > 5 and open", 14, "must be true or false"),
        ("__import__('os') > 1", 0, "unknown indicator or function"),
        ("a" * 300 + " > 1", 0, "unknown name"),
    ],
)
def test_errors_point(text: str, column: int, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column
    if text:
        assert set(str(caught.value).splitlines()[-1]) <= {"^", " "}


def test_limits() -> None:
    with pytest.raises(ConditionError, match="at most 4,096"):
        parse("(" * 5120)
    with pytest.raises(ConditionError, match="nested more than"):
        parse("(" * 3000)
    with pytest.raises(ConditionError, match="nested more than"):
        parse("not " * 1000 + "close > 1")
    with pytest.raises(ConditionError, match="more than 250 operators"):
        parse("1+" * 2000 + "1 > 0")
    assert parse(" and ".join(["close > 1"] * 120))


def test_lists_of_expressions() -> None:
    assert split_expressions("rsi(14), macd(12, 26, 9).hist ,close") == (
        "rsi(14)",
        "macd(12, 26, 9).hist",
        "close",
    )
    assert split_expressions("") == ()


def test_python_builds_the_same_trees() -> None:
    pairs = [
        (ms.close > ms.sma(200), "close > sma(200)"),
        (
            (ms.rsi(14) < 30) & (ms.volume > 2 * ms.sma(ms.volume, 20)),
            "rsi(14) < 30 and volume > 2 * sma(volume, 20)",
        ),
        (
            ms.sma(50).crosses_above(ms.sma(200)).within(5),
            "sma(50) crosses above sma(200) within 5 bars",
        ),
        (ms.rsi(14).between(40, 75), "40 < rsi(14) < 75"),
        (ms.macd(12, 26, 9).hist > 0, "macd(12, 26, 9).hist > 0"),
        (~(ms.close[1] < ms.bbands(20, 2).lower[1]), "not close[1] < bbands(20, 2).lower[1]"),
        (
            ms.sector.is_in(["Technology", "Energy"]) | (ms.market_cap > 1e9),
            'sector in ["Technology", "Energy"] or market_cap > 1B',
        ),
        (1 - ms.open_ / ms.close < -ms.low, "1 - open / close < -low"),
    ]
    for built, text in pairs:
        assert built.node == parse(text), text
    with pytest.raises(ConditionError, match="between"):
        _ = 40 < ms.rsi(14) < 75
    with pytest.raises(ConditionError, match="from 2 to"):
        ms.rsi(0)
    with pytest.raises(ConditionError, match=r"add one of \.upper"):
        _ = ms.bbands(20, 2).node


numbers = st.one_of(st.integers(0, 10**9).map(float), st.floats(0.001, 1e6, allow_nan=False)).map(
    tree.Number
)
sources = st.sampled_from([*FIELDS, *DERIVED]).map(tree.Field)


@st.composite
def calls(draw: st.DrawFn) -> Node:
    row = draw(st.sampled_from(list(INDICATORS.values())))
    periods = tuple(
        float(draw(st.integers(2, 30))) if p.whole else draw(st.floats(0.5, 4))
        for p in row.parameters
    )
    if row.name == "macd":
        periods = (min(periods[:2]), max(periods[:2]), periods[2])
    output = draw(st.sampled_from(row.outputs)) if row.outputs else ""
    return tree.Call(row.name, draw(sources) if row.series else None, periods, output)


series = st.recursive(
    st.one_of(numbers, sources, calls()),
    lambda inner: st.one_of(
        st.builds(tree.Binary, st.sampled_from("+-*/"), inner, inner),
        st.builds(tree.Negate, inner),
        st.builds(tree.Shift, inner, st.integers(0, 9)),
        st.builds(lambda a, b: tree.Function("min", (a, b)), inner, inner),
    ),
    max_leaves=6,
)
truths = st.recursive(
    st.one_of(
        st.builds(
            lambda a, b, o: tree.Compare((a, b), (o,)),
            series,
            series,
            st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        ),
        st.builds(tree.Cross, series, series, st.sampled_from(["above", "below"])),
        st.builds(
            lambda texts: tree.In(tree.Fact("sector"), tuple(map(tree.Text, texts))),
            st.lists(
                st.text(st.characters(codec="ascii", exclude_characters="\n\r"), max_size=8),
                min_size=1,
                max_size=3,
            ),
        ),
    ),
    lambda inner: st.one_of(
        st.builds(tree.Binary, st.sampled_from(["and", "or"]), inner, inner),
        st.builds(tree.Not, inner),
        st.builds(tree.Within, inner, st.integers(1, 9)),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(truths)
def test_parsing_the_canonical_text_gives_the_same_tree(node: Node) -> None:
    text = str(node)
    if len(text) <= MAX_LENGTH:
        assert parse(text) == node
        assert str(parse(text)) == text


def test_mutated_conditions_fail_cleanly_and_soon() -> None:
    """Ten thousand damaged conditions: a ConditionError or a tree; never anything else."""
    r = random.Random(7)
    alphabet = "abcxyz0123456789.,()[]<>=!+-*/ \"'#%&|_\n\\éKMB"
    for _ in range(10_000):
        text = list(r.choice(EXAMPLES))
        for _ in range(r.randint(1, 6)):
            at = r.randrange(len(text))
            text[at : at + r.randint(0, 3)] = r.choices(alphabet, k=r.randint(0, 3))
            text = text or ["("]
        source = "".join(text)
        started = time.process_time()
        with contextlib.suppress(ConditionError):
            parse_expression(source)
        assert time.process_time() - started < 0.5
