"""The reference scan as one would write it without marketsweep.

`talib_loop` calls TA-Lib symbol by symbol. `polars_query` is one polars query, for those of the
conditions that its expressions can say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import unwrap
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from marketsweep.engine.panel.panel import Panel

# Beside pandas or polars, TA-Lib looks for their series among the arguments of every call, which
# takes longer than many an indicator: the peer goes without.
ADX: Final = unwrap(talib.ADX)
ATR: Final = unwrap(talib.ATR)
BBANDS: Final = unwrap(talib.BBANDS)
MACD: Final = unwrap(talib.MACD)
MAX: Final = unwrap(talib.MAX)
ROC: Final = unwrap(talib.ROC)
RSI: Final = unwrap(talib.RSI)
SMA: Final = unwrap(talib.SMA)
STOCH: Final = unwrap(talib.STOCH)

BARS_NEEDED: Final = 252
"""Bars that the longest window of the reference scan takes."""


class Bars(NamedTuple):
    """One symbol's history, contiguous, as TA-Lib wants it."""

    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]


def bars_by_symbol(panel: Panel) -> dict[str, Bars]:
    """The bars of a panel, symbol by symbol."""
    fields = [np.ascontiguousarray(panel.matrix(name).T) for name in Bars._fields]
    return {
        symbol: Bars(*(field[place, panel.rows - count :].copy() for field in fields))
        for place, (symbol, count) in enumerate(
            zip(panel.symbols, panel.bars.tolist(), strict=True)
        )
    }


_CONDITIONS: Final[tuple[Callable[[Bars], bool], ...]] = (
    lambda bars: bars.close[-1] > 5,
    lambda bars: SMA(bars.volume, 20)[-1] > 200_000,
    lambda bars: bars.close[-1] > SMA(bars.close, 50)[-1] > SMA(bars.close, 200)[-1],
    lambda bars: 40 < RSI(bars.close, 14)[-1] < 75,
    lambda bars: MACD(bars.close, 12, 26, 9)[2][-1] > 0,
    lambda bars: ATR(bars.high, bars.low, bars.close, 14)[-1] / bars.close[-1] < 0.05,
    lambda bars: bars.close[-1] > 0.9 * MAX(bars.high, 252)[-1],
    lambda bars: bars.close[-1] < BBANDS(bars.close, 20, 2.0, 2.0)[0][-1],
    lambda bars: ADX(bars.high, bars.low, bars.close, 14)[-1] > 15,
    lambda bars: STOCH(bars.high, bars.low, bars.close, 14, 3, 0, 3, 0)[0][-1] > 20,
    lambda bars: ROC(bars.close, 63)[-1] > 5,
)
"""The twelve conditions; the third line is two of them, which share an average."""


def talib_loop(market: Mapping[str, Bars]) -> list[str]:
    """The symbols for which all conditions hold; every indicator is computed, as we do."""
    return [symbol for symbol, bars in market.items() if _enough(bars) and _all_hold(bars)]


def talib_loop_that_stops(market: Mapping[str, Bars]) -> list[str]:
    """The same, done with a symbol at the first condition that fails."""
    return [
        symbol
        for symbol, bars in market.items()
        if _enough(bars) and all(holds(bars) for holds in _CONDITIONS)
    ]


def _enough(bars: Bars) -> bool:
    return len(bars.close) >= BARS_NEEDED


def _all_hold(bars: Bars) -> bool:
    held = [holds(bars) for holds in _CONDITIONS]
    return all(held)


POLARS_PART: Final = (
    "close > 5 and sma(volume, 20) > 200K and close > sma(50) and sma(50) > sma(200) "
    "and close > 0.9 * highest(high, 252) and close < bbands(20, 2).upper and roc(63) > 5"
)
"""The conditions of the reference scan that are plain windows."""


def polars_frame(market: Mapping[str, Bars]) -> pl.DataFrame:
    """The market as one long table, sorted by symbol and age."""
    counts = [len(bars.close) for bars in market.values()]
    columns = {
        name: np.concatenate([getattr(bars, name) for bars in market.values()])
        for name in Bars._fields
    }
    symbols = pl.Series(np.repeat(np.array(list(market)), counts), dtype=pl.Categorical)
    return pl.DataFrame({"symbol": symbols, **columns})


def polars_query(frame: pl.DataFrame) -> list[str]:
    """The symbols for which `POLARS_PART` holds; only each window's last place is computed."""
    close, high, volume = pl.col("close"), pl.col("high"), pl.col("volume")
    last, average = close.last(), close.tail(50).mean()
    band = close.tail(20).mean() + 2 * close.tail(20).std(ddof=0)
    holds = (
        (pl.len() >= BARS_NEEDED)
        & (last > 5)
        & (volume.tail(20).mean() > 200_000)
        & (last > average)
        & (average > close.tail(200).mean())
        & (last > 0.9 * high.tail(252).max())
        & (last < band)
        & (100 * (last / close.slice(-64, 1).first() - 1) > 5)
    )
    grouped = frame.group_by("symbol", maintain_order=True).agg(holds.alias("holds"))
    return grouped.filter("holds")["symbol"].cast(pl.String).to_list()
