"""Studies against alphalens: mean returns by horizon, and by quintiles of a factor."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import polars as pl
import pytest

import marketsweep as ms
from tests.helpers.markets import EXAMPLE, example_bars, store_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the libraries that it imports
    import alphalens

HORIZONS = (1, 5, 20)
SYMBOLS = 300


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """Symbols that were traded on each session, without a split: their closes need no factor."""
    split = pl.read_parquet(EXAMPLE / "actions.parquet").filter(pl.col("kind") != "dividend")
    sessions = example_bars().group_by("date").len().filter(pl.col("len") > 3_000)["date"]
    rows = example_bars().filter(
        pl.col("date").is_in(sessions.implode()),
        ~pl.col("symbol").is_in(split["symbol"].unique().implode()),
    )
    whole = rows.group_by("symbol").len().filter(pl.col("len") == len(sessions))["symbol"]
    return rows.filter(pl.col("symbol").is_in(whole.sort()[::11][:SYMBOLS].implode()))


@pytest.fixture(scope="module")
def closes(bars: pl.DataFrame) -> pd.DataFrame:
    table = bars.pivot(on="symbol", index="date", values="close").sort("date")
    frame = table.drop("date").to_pandas()
    frame.index = pd.DatetimeIndex(table["date"].to_list())
    return frame


@pytest.fixture(scope="module")
def market(bars: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Market]:
    path = tmp_path_factory.mktemp("alphalens") / "data"
    store_of(path, bars, reference=False).close()
    with ms.open(path) as opened:
        yield opened


def factor_data(factor: pd.DataFrame, closes: pd.DataFrame, quantiles: int) -> pd.DataFrame:
    stacked = factor.stack().dropna()
    stacked.index.names = ["date", "asset"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        returns = alphalens.utils.compute_forward_returns(stacked, closes, periods=HORIZONS)
        # An event without a return at one horizon counts at the others.
        data: pd.DataFrame = alphalens.utils.get_clean_factor(
            stacked, returns.fillna(0.0), quantiles=quantiles, max_loss=1.0
        )
    data[returns.columns] = returns.reindex(data.index)
    return data


def test_mean_returns_by_horizon(market: ms.Market, closes: pd.DataFrame) -> None:
    study = market.study(
        "close > highest(close, 10)[1]",
        every=True,
        entry="close",
        horizons=HORIZONS,
        adjust="splits",
        since=str(closes.index[25].date()),
    )
    factor = closes.where(closes > closes.rolling(10).max().shift(1))[25:]
    data = factor_data(factor, closes, quantiles=1)
    assert len(data) == len(study) > 3_000
    for row, name in zip(study.horizons, ("1D", "5D", "20D"), strict=True):
        known = data[name].dropna()
        assert row.events == len(known)
        assert row.mean == pytest.approx(known.mean(), rel=1e-9)


def test_mean_returns_of_quintiles(market: ms.Market, closes: pd.DataFrame) -> None:
    factor = (closes / closes.shift(20) - 1)[25:]
    data = factor_data(factor, closes, quantiles=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        means, _ = alphalens.performance.mean_return_by_quantile(data, demeaned=False)
    for quintile in range(1, 6):
        study = market.study(
            f"{(quintile - 1) / 5} < percentile(roc(20)) <= {quintile / 5}",
            every=True,
            entry="close",
            horizons=HORIZONS,
            adjust="splits",
            since=str(closes.index[25].date()),
        )
        ours = [row.mean or 0.0 for row in study.horizons]
        np.testing.assert_allclose(ours, means.loc[quintile].to_numpy(), rtol=0, atol=2e-5)
        counts = (data["factor_quantile"] == quintile).sum()
        assert abs(len(study) - counts) < 0.002 * counts  # ties of the factor
