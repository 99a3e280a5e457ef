"""Groups of symbols by buckets of a number."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError
from marketsweep.language.parsing.parser import parse, parse_expression

CAPS = "bucket(market_cap, 300M, 2B, 10B)"


def test_ranks_and_aggregates_within_buckets(real: Path) -> None:
    texts = [f"rank(close) by {CAPS}", f"market(mean(close)) by {CAPS}", "market_cap"]
    with ms.open(real) as market:
        hits = market.scan("close > 0", columns=texts)
    ranks, means, caps = (hits.values[text] for text in texts)
    known = ~np.isnan(caps)
    assert 1_000 < known.sum() < len(caps)
    assert np.isnan(ranks[~known]).all()
    assert np.isnan(means[~known]).all()
    edges = [-np.inf, 300e6, 2e9, 10e9, np.inf]
    sizes = []
    for low, high in itertools.pairwise(edges):
        group = known & (caps >= low) & (caps < high)
        sizes.append(int(group.sum()))
        closes = hits.close[group]
        want = [1 + int((closes > close).sum()) for close in closes.tolist()]
        np.testing.assert_array_equal(ranks[group], want)
        np.testing.assert_allclose(means[group], closes.mean(), rtol=1e-12)
    assert min(sizes) > 100


def test_unknown_numbers_are_counted(real: Path) -> None:
    with ms.open(real) as market:
        coverage = market.scan(f"rank(close) by {CAPS} <= 3").coverage
        signals = market.signals(f"rank(close) by {CAPS} <= 3", since="2016-12-29")
        last = {
            name
            for name, day in zip(signals.symbols, signals.days, strict=True)
            if day == signals.days.max()
        }
        assert last == set(market.scan(f"rank(close) by {CAPS} <= 3").symbols)
    assert coverage.unknown_facts["market_cap"] == coverage.excluded.unknown_facts > 1_000


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("rank(close) by bucket(sector, 5) < 3", 22, "expected a number to group by (market_cap"),
        ("rank(close) by bucket(market_cap) < 3", 15, "needs its edges in ascending order"),
        ("rank(close) by bucket(market_cap, 5, 3) < 3", 15, "needs its edges in ascending order"),
        ("rank(close) by bucket(market_cap, close) < 3", 34, "the edge of a bucket must be a"),
        ("rank(close) by size < 3", 15, "or bucket(...)"),
    ],
)
def test_bad_buckets(text: str, column: int, message: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.column == column


def test_canonical_text_and_python() -> None:
    node = parse_expression(f"rank(roc(63)) by {CAPS}")
    assert parse_expression(str(node)) == node
    assert ms.rank(ms.roc(63)).by(CAPS).node == node
    # A name of one's own may be bucket.
    assert parse("let bucket = 5; close > bucket")
