"""A study as one would write it without marketsweep: with vectorbt, and in polars.

Both begin with adjusted prices in memory, which a study reads, adjusts and judges itself. Neither
knows intervals, a market to compare with, ticker changes or delistings.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
import polars as pl

from marketsweep.market import Market
from marketsweep.price_history import read

CONDITION: Final = "sma(50) crosses above sma(200)"
"""The preset golden_cross."""
HORIZONS: Final = (1, 5, 20, 63)
_FAST, _SLOW = 50, 200


def adjusted_prices(market: Market) -> pl.DataFrame:
    """Opens and closes of every symbol, by symbol and date, as the condition sees them."""
    with market.view() as view:
        prices = read(view.snapshot, view.snapshot.symbols, None, None, "splits")
    return prices.select("symbol", "date", "open", "close").sort("symbol", "date")


def polars_study(prices: pl.DataFrame) -> Callable[[], pl.DataFrame]:
    """The mean return after each horizon, as one polars query."""
    close, before = pl.col("close"), pl.col("fast").shift(1) <= pl.col("slow").shift(1)
    query = (
        prices.lazy()
        .with_columns(
            close.rolling_mean(_FAST).over("symbol").alias("fast"),
            close.rolling_mean(_SLOW).over("symbol").alias("slow"),
            pl.col("open").shift(-1).over("symbol").alias("entry"),
            *(close.shift(-h).over("symbol").alias(f"exit_{h}") for h in HORIZONS),
        )
        .filter(((pl.col("fast") > pl.col("slow")) & before).over("symbol"))
        .select(
            *((pl.col(f"exit_{h}") / pl.col("entry") - 1).mean().alias(f"{h}") for h in HORIZONS)
        )
    )
    return query.collect


def vectorbt_study(prices: pl.DataFrame) -> Callable[[], list[float]] | None:
    """A study with `Portfolio.from_signals`, which buys at the close of the signal.

    None if vectorbt is not installed.
    """
    if importlib.util.find_spec("vectorbt") is None:
        return None
    import vectorbt as vbt

    closes = _wide(prices, "close")

    def study() -> list[float]:
        fast = vbt.MA.run(closes, _FAST).ma.to_numpy()
        slow = vbt.MA.run(closes, _SLOW).ma.to_numpy()
        crossed = np.zeros(fast.shape, dtype=bool)
        with np.errstate(invalid="ignore"):
            crossed[1:] = (fast > slow)[1:] & (fast <= slow)[:-1]
        entries = pd.DataFrame(crossed, closes.index, closes.columns)
        means = []
        for horizon in HORIZONS:
            exits = entries.shift(horizon, fill_value=False)
            portfolio = vbt.Portfolio.from_signals(closes, entries, exits, freq="1D")
            returns = portfolio.trades.closed.returns.values
            means.append(float(returns.mean()) if len(returns) else float("nan"))
        return means

    return study


def version_of(module: str) -> str:
    """The name of a peer with its version."""
    from importlib.metadata import version

    return f"{module} {version(module)}"


def _wide(prices: pl.DataFrame, name: str) -> pd.DataFrame:
    table = prices.pivot(on="symbol", index="date", values=name).sort("date")
    frame = table.drop("date").to_pandas()
    frame.index = pd.DatetimeIndex(table["date"].to_list())
    return frame
