"""Daily bars packed to half of their Parquet size, exact to a ten-thousandth of a dollar.

A packed table has one row per bar, sorted by symbol and date, and stores five series of integers,
with prices in ten-thousandths of a dollar:

    gap     open - close of the row before, 0 for the first row
    move    close - open
    above   high - max(open, close)
    below   min(open, close) - low
    shares  volume

Nearly every price is in whole cents and nearly every volume in round lots, so each integer is
stored as hundreds and a rest (-50 to 49) that is nearly always 0. zstd works on bytes, so the
hundreds, with their sign moved to bit 0, are three columns: bits 0-7, bits 8-15 and bits 16-47.
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
# Smaller integers are exact as float64; their differences fit in the 48 bits of the planes.
_LIMIT: Final = 2**52
_SERIES: Final = ("gap", "move", "above", "below", "shares")
_PLANES: Final = {"bits0": pl.UInt8, "bits8": pl.UInt8, "bits16": pl.UInt32}
_REST: Final = "rest"
_COLUMNS: Final = frozenset(f"{name}_{part}" for name in _SERIES for part in (*_PLANES, _REST))


def is_packed(columns: Iterable[str]) -> bool:
    """Return whether a table with these columns is packed."""
    return _COLUMNS.issubset(columns)


def pack(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the packed table of bars, given as `files.read_bars` returns them.

    Prices are rounded to ten-thousandths. Raises `UsageError` for values that a packed table cannot
    hold: NaN, infinity, a price above 450 billion dollars, a fraction of a share.
    """
    opens, high, low, close = (_integers(bars, name, TICKS_PER_DOLLAR) for name in PRICES)
    shares = _integers(bars, "volume", 1)
    _require_all(bars, bars["volume"].to_numpy() == shares, "volume is not whole shares")
    previous_close = np.zeros_like(close)
    previous_close[1:] = close[:-1]
    series = {
        "gap": opens - previous_close,
        "move": close - opens,
        "above": high - np.maximum(opens, close),
        "below": np.minimum(opens, close) - low,
        "shares": shares,
    }
    packed = [part for name, values in series.items() for part in _split_into_planes(name, values)]
    return bars.select("symbol", "date").with_columns(packed)


def unpack(packed: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of a packed table: symbol, date and the five fields as Float64."""
    gap, move, above, below, shares = (_join_planes(packed, name) for name in _SERIES)
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
    # The comparison is false for NaN, too.
    _require_all(bars, np.abs(values) < _LIMIT, f"{name} is not a number of a usual size")
    rounded: Integers = np.rint(values).astype(np.int64)
    return rounded


def _require_all(bars: pl.DataFrame, is_valid: NDArray[np.bool_], complaint: str) -> None:
    if not is_valid.all():
        symbol, date, *_ = bars.row(int(np.argmin(is_valid)))
        raise UsageError(f"bars cannot be packed: {complaint} ({symbol}, {date})")


def _split_into_planes(name: str, values: Integers) -> list[pl.Series]:
    hundreds = (values + 50) // 100
    unsigned = (hundreds << 1) ^ (hundreds >> 63)
    parts = (unsigned & 0xFF, (unsigned >> 8) & 0xFF, unsigned >> 16)
    planes = zip(_PLANES.items(), parts, strict=True)
    return [
        *(pl.Series(f"{name}_{plane}", part).cast(kind) for (plane, kind), part in planes),
        pl.Series(f"{name}_{_REST}", values - 100 * hundreds).cast(pl.Int8),
    ]


def _join_planes(packed: pl.DataFrame, name: str) -> Integers:
    low, middle, high = (_as_int64(packed[f"{name}_{plane}"]) for plane in _PLANES)
    unsigned = low | middle << 8 | high << 16
    hundreds = (unsigned >> 1) ^ -(unsigned & 1)
    return hundreds * 100 + _as_int64(packed[f"{name}_{_REST}"])


def _as_int64(part: pl.Series) -> Integers:
    return part.to_numpy().astype(np.int64)
