"""Running totals: the same answer wherever the history begins, or an error that says why not."""

from __future__ import annotations

import numpy as np
import pytest
import talib

import marketsweep as ms
from marketsweep.engine.levels import FOLLOWS, KEPT, LOST, has_own_level, require_level
from marketsweep.errors import ConditionError
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import parse_expression
from tests.helpers.markets import Bars, random_bars
from tests.language.test_talib import Stock, evaluated, inputs_of, market, stocks_of

SUMS = ("AD", "CUMSUM", "OBV", "PVT", "WAD")
PRODUCTS = ("NVI", "PVI")
TOTALS = {name.lower() for name in (*SUMS, *PRODUCTS)}


def assert_moves_as_talib(function: str, bars: Bars, stocks: list[Stock]) -> None:
    """Compare the changes over 1 and 20 bars, which depend on no start, with those of TA-Lib."""
    name, sign = function.lower(), "/" if function in PRODUCTS else "-"
    texts = [f"{name}() {sign} {name}()[{k}]" for k in (1, 20)]
    # The first change of each needs a bar before it.
    first = 1 if function in ("AD", "CUMSUM") else 2
    for k, got in zip((1, 20), evaluated(texts, bars), strict=True):
        for stock in stocks:
            total = getattr(talib, function)(*(stock.bars[field] for field in inputs_of(function)))
            own = got[stock.present, stock.column]
            known = slice(k + first - 1, None)
            want = total[k:] / total[:-k] if sign == "/" else total[k:] - total[:-k]
            want = want[first - 1 :]
            size = 1.0 if sign == "/" else max(1.0, float(np.abs(total).max()))
            assert np.isnan(own[: known.start]).all()
            np.testing.assert_allclose(own[known], want, rtol=1e-9, atol=1e-12 * size)


@pytest.mark.parametrize("function", [*SUMS, *PRODUCTS])
def test_changes_equal_those_of_talib(function: str) -> None:
    bars = random_bars(rows=300, symbols=33, seed=1)
    assert_moves_as_talib(function, bars, stocks_of(bars))
    assert_moves_as_talib(function, market()[0], market()[1][::25])


def test_every_total_is_compared_with_talib() -> None:
    assert {name for name, row in INDICATORS.items() if row.total} == TOTALS


@pytest.mark.parametrize(
    "text",
    [
        "obv() > sma(obv(), 20)",
        "obv() crosses above ema(obv(), 21)",
        "obv() > highest(obv(), 50)[1]",
        "obv() == highest(obv(), 50) and close < highest(close, 50)",
        "rising(obv(), 5)",
        "obv() is rising",
        "linearreg_slope(obv(), 20) > 1M",
        "rsi(obv(), 14) > 70",
        "macd(obv(), 12, 26, 9).hist > 0",
        "stdev(obv(), 20) > 1M",
        "correl(close, obv(), 20) < 0",
        "obv() - obv()[10] > 5M",
        "(obv() + obv()[1]) / 2 > obv()[2]",
        "2 * obv() - obv() > sma(obv(), 5)",
        "weekly(obv()) > weekly(obv())[5]",
        "bars_since_highest(ad(), 50) < 3",
        "value_when(close > open, ad()) < ad()",
        "max(ad(), ad()[1]) > ad()[2]",
        "if(close > open, pvt(), pvt()[1]) > pvt()[2]",
        "rank(obv() - obv()[20]) < 10",
        "nvi() > ema(nvi(), 50)",
        "nvi() / nvi()[20] > 1.05",
        "roc(nvi(), 20) > 5",
        "percentile(wad() - sma(wad(), 20)) > 90",
        "100 * (pvi() - sma(pvi(), 50)) / sma(pvi(), 50) > 3",
        "cumulative(close - open) > sma(cumulative(close - open), 10)",
    ],
)
def test_answers_do_not_depend_on_the_start(text: str) -> None:
    """The last answers are the same over three lengths of history."""
    node = parse_expression(text)
    require_level(node)
    bars = random_bars(rows=900, symbols=48, seed=5, short=0)
    # The volume is in whole shares, so that its sums are exact.
    bars["volume"] = np.round(bars["volume"])
    if any(word in text for word in ("rank", "percentile", "weekly")):
        return  # these need a panel with sessions
    whole, *shorter = (
        evaluated([text], {name: matrix[-rows:] for name, matrix in bars.items()})[0][-100:]
        for rows in (900, 700, 500)
    )
    for other in shorter:
        np.testing.assert_array_equal(whole, other)


@pytest.mark.parametrize(
    "text",
    [
        "obv() > 1M",
        "obv()",
        "obv() * close > ad()",
        "obv() > ad()",
        "obv() > obv(open)",
        "obv() / obv()[1] > 1.1",
        "weekly(obv()) > obv()",
        "weekly(obv()) > weekly(sma(obv(), 5))",
        'symbol("QQQ").obv() > symbol("QQQ", sma(obv(), 5))',
        'symbol("QQQ").obv() > obv()',
        "rank(obv())",
        "market(mean(obv())) > 0",
        "roc(obv(), 5) > 1",
        "sqrt(obv()) > 1",
        "abs(obv()) > sma(obv(), 5)",
        "nvi() > 1000",
        "nvi() - nvi()[1] > 0.5",
        "nvi() > pvi()",
        "if(obv() > 0, 1, 0) == 1",
        "if(close > open, obv(), 0) > obv()[1]",
        "count(obv() > 0, 5) > 2",
        "sum_since(close > open, obv()) > 1",
    ],
)
def test_what_depends_on_the_start_is_refused(text: str) -> None:
    node = parse_expression(text)
    assert not has_own_level(node)
    with pytest.raises(ConditionError, match=r"running total.*compare it with its own past"):
        require_level(node)


def _kernel_calls() -> dict[str, tuple[bool | None, bool | None]]:
    """Return a call of each kernel of one series, and what it keeps of a start."""
    scales = {"same": (KEPT, KEPT), "difference": (LOST, KEPT)}
    calls = {}
    for name, row in INDICATORS.items():
        if row.series != 1 or not row.kernel_outputs or row.total or row.memory:
            continue
        for output in row.outputs or ("",):
            if output in row.formulas:
                continue
            key = f"{name}.{output}" if output else name
            known = FOLLOWS.get(key, scales.get(row.scale, (None, None)))
            if known != (None, None):
                calls[f"{name}({{x}}){f'.{output}' if output else ''}"] = known
    return calls


@pytest.mark.parametrize(("call", "known"), _kernel_calls().items())
def test_what_kernels_keep_of_a_start(call: str, known: tuple[bool | None, bool | None]) -> None:
    """A constant that is added to the series, or multiplies it, is in the value or is not."""
    bars = random_bars(rows=200, symbols=16, seed=8, short=0)
    value, moved, scaled = evaluated(
        [call.format(x=text) for text in ("close", "(close + 1000)", "(close * 3)")], bars
    )
    for got, keeps, with_constant in (
        (moved, known[0], value + 1000),
        (scaled, known[1], value * 3),
    ):
        if keeps is not None:
            want = with_constant if keeps else value
            np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-7)


def test_scans_of_totals_on_the_example_market(market: ms.Market) -> None:
    """The level of a total is neither shown nor sorted by, and near misses have no distance."""
    hits = market.scan("obv() > sma(obv(), 20) and close > 500", near=3)
    assert len(hits) > 1
    assert set(hits.matches[0].values) == set()
    with pytest.raises(ConditionError, match="running total"):
        market.scan("close > 500", sort="obv()")
    with pytest.raises(ConditionError, match="running total"):
        market.scan("close > 500", columns=["ad()"])
    with pytest.raises(ConditionError, match="running total"):
        market.scan("close > 500", where="obv() > 1M")
    with pytest.raises(ConditionError, match="running total"):
        market.sweep("obv() > {n}", n=[1, 2])
    signals = market.signals("obv() > sma(obv(), 20) and close > 500", since="2016-12-01")
    is_newest = signals.days == signals.days.max()
    newest = {name for name, is_last in zip(signals.symbols, is_newest, strict=True) if is_last}
    assert newest == set(hits.symbols)
    assert market.explain("AAPL", "obv() > sma(obv(), 20)").holds in (True, False)
