"""Several sort keys and the best of each group, against polars."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_symbols
from marketsweep.scan.ranking import order_within
from tests.helpers.markets import EXAMPLE

CONDITION = "close > 20"
COLUMNS = ["roc(20)", "listing_age"]


def frame_of(market: ms.Market) -> pl.DataFrame:
    hits = market.scan(CONDITION, columns=COLUMNS)
    sectors = {one.symbol: one.sector for one in read_symbols(EXAMPLE / "symbols.parquet")}
    frame = hits.to_polars().with_columns(
        pl.Series("sector", [sectors.get(symbol) for symbol in hits.symbols], dtype=pl.String)
    )
    return frame.with_columns(pl.col(COLUMNS).fill_nan(None))


@pytest.mark.parametrize("descending", [True, False])
def test_the_second_key_counts_where_the_first_is_equal(
    market: ms.Market, descending: bool
) -> None:
    frame = frame_of(market)
    keys = [pl.col("listing_age"), pl.col("roc(20)"), pl.col("symbol")]
    directions = [descending, descending, False]
    want = frame.sort(keys, descending=directions, nulls_last=True)["symbol"].to_list()
    hits = market.scan(CONDITION, sort="listing_age, roc(20)", descending=descending)
    assert hits.symbols == want
    assert len(frame["listing_age"].unique()) < frame.height / 2  # there is much that is equal


def test_the_best_of_each_sector(market: ms.Market) -> None:
    ranked = frame_of(market).sort("roc(20)", descending=True, nulls_last=True)
    best = ranked.filter(pl.col("sector").is_not_null(), pl.int_range(pl.len()).over("sector") < 3)
    hits = market.scan(CONDITION, sort="roc(20)", top=3, by="sector")
    assert hits.symbols == best["symbol"].to_list()
    assert len(hits) == 3 * best["sector"].n_unique()
    assert (
        market.scan(CONDITION, sort="roc(20)", top=3, by="sector", limit=4).symbols
        == (hits.symbols[:4])
    )


def test_a_composite_score_is_an_expression(market: ms.Market) -> None:
    score = "60% * percentile(roc(20)) + 40% * percentile(dollar_volume)"
    hits = market.scan(CONDITION, sort=score, columns=[score], limit=20)
    values = hits.values[score].tolist()
    assert values == sorted(values, reverse=True)
    assert 0.9 < values[0] <= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"top": 3}, "needs by, the fact"),
        ({"top": 3, "by": "symbol"}, "one of name, type, exchange"),
        ({"top": 0, "by": "sector"}, "not a whole number"),
    ],
)
def test_groups_that_cannot_be(market: ms.Market, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        market.scan(CONDITION, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("decimals", [2, 12])
@pytest.mark.parametrize("descending", [True, False])
def test_many_matches_are_in_the_order_of_one_sort_by_all_keys(
    decimals: int, descending: bool
) -> None:
    chance = np.random.default_rng(5)
    groups, names = chance.integers(0, 50, 20_000), chance.integers(0, 3_000, 20_000)
    key = np.round(chance.standard_normal(20_000), decimals)
    key[chance.random(20_000) < 0.01] = np.nan
    order = order_within(groups, [key], names, descending=descending)
    expected = np.lexsort((names, -key if descending else key, groups))
    for column in (groups, key, names):
        np.testing.assert_array_equal(column[order], column[expected])
