"""Daily bars packed to half of their Parquet size, exact to a ten-thousandth of a dollar.

A packed table has one row a bar, sorted by symbol and date, and stands for five series of
integers, prices in ten-thousandths of a dollar:

    gap     open - close of the row before, 0 for the first row
    move    close - open
    above   high - max(open, close)
    below   min(open, close) - low
    shares  volume

Nearly every price is in whole cents and nearly every volume in round lots, so each integer is
kept as hundreds and a rest (-50 to 49) that is nearly always 0. zstd works on bytes, so the
hundreds, with their sign moved to bit 0, are three columns: bits 0-7, bits 8-15 and those above.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.errors import UsageError

Integers = NDArray[np.int64]

TICKS_PER_DOLLAR: Final = 10_000
# Integers below it are exact as float64, and their differences fit in the 48 bits of the planes.
_LIMIT: Final = 2**52
_SERIES: Final = ("gap", "move", "above", "below", "shares")
_PLANES: Final = {"bits0": pl.UInt8, "bits8": pl.UInt8, "bits16": pl.UInt32}
_REST: Final = "rest"
_COLUMNS: Final = frozenset(f"{name}_{part}" for name in _SERIES for part in (*_PLANES, _REST))


def is_packed(columns: Iterable[str]) -> bool:
    """Whether a table with these columns is packed."""
    return _COLUMNS.issubset(columns)


def pack(bars: pl.DataFrame) -> pl.DataFrame:
    """The packed table of bars as `files.read_bars` gives them.

    Prices are rounded to ten-thousandths. Raises `UsageError` for what no packed table can
    hold: NaN, infinity, a price above 450 billion dollars, a fraction of a share.
    """
    opens, high, low, close = (_integers(bars, name, TICKS_PER_DOLLAR) for name in PRICES)
    shares = _integers(bars, "volume", 1)
    _require(bars, bars["volume"].to_numpy() == shares, "volume is not whole shares")
    before = np.zeros_like(close)
    before[1:] = close[:-1]
    series = {
        "gap": opens - before,
        "move": close - opens,
        "above": high - np.maximum(opens, close),
        "below": np.minimum(opens, close) - low,
        "shares": shares,
    }
    packed = [part for name, values in series.items() for part in _split(name, values)]
    return bars.select("symbol", "date").with_columns(packed)


def unpack(packed: pl.DataFrame) -> pl.DataFrame:
    """The bars of a packed table: symbol, date and the five fields as Float64."""
    gap, move, above, below, shares = (_join(packed, name) for name in _SERIES)
    close = np.cumsum(gap + move)
    opens = close - move
    high = np.maximum(opens, close) + above
    low = np.minimum(opens, close) - below
    # Dividing an integer by 10,000 gives the float nearest to the decimal price.
    prices = [ticks / TICKS_PER_DOLLAR for ticks in (opens, high, low, close)]
    columns = zip(FIELDS, [*prices, shares.astype(np.float64)], strict=True)
    return packed.select("symbol", "date").with_columns(
        [pl.Series(name, values) for name, values in columns]
    )


def _integers(bars: pl.DataFrame, name: str, per_unit: int) -> Integers:
    values = bars[name].to_numpy() * per_unit
    # False for NaN too.
    _require(bars, np.abs(values) < _LIMIT, f"{name} is not a number of a usual size")
    whole: Integers = np.rint(values).astype(np.int64)
    return whole


def _require(bars: pl.DataFrame, holds: NDArray[np.bool_], complaint: str) -> None:
    if not holds.all():
        symbol, date, *_ = bars.row(int(np.argmin(holds)))
        raise UsageError(f"bars cannot be packed: {complaint} ({symbol}, {date})")


def _split(name: str, values: Integers) -> list[pl.Series]:
    hundreds = (values + 50) // 100
    unsigned = (hundreds << 1) ^ (hundreds >> 63)
    parts = (unsigned & 0xFF, (unsigned >> 8) & 0xFF, unsigned >> 16)
    planes = zip(_PLANES.items(), parts, strict=True)
    return [
        *(pl.Series(f"{name}_{plane}", part).cast(kind) for (plane, kind), part in planes),
        pl.Series(f"{name}_{_REST}", values - 100 * hundreds).cast(pl.Int8),
    ]


def _join(packed: pl.DataFrame, name: str) -> Integers:
    low, middle, high = (_wide(packed[f"{name}_{plane}"]) for plane in _PLANES)
    unsigned = low | middle << 8 | high << 16
    hundreds = (unsigned >> 1) ^ -(unsigned & 1)
    return hundreds * 100 + _wide(packed[f"{name}_{_REST}"])


def _wide(part: pl.Series) -> Integers:
    return part.to_numpy().astype(np.int64)
