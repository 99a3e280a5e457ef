"""Daily bars of a file: nothing is dropped or repaired, since judging them is the store's work."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl

from marketsweep.fields import FIELDS
from marketsweep.files.packed import is_packed, unpack
from marketsweep.files.tables import dates, numbers, read_table, require, texts


def read_bars(path: Path) -> pl.DataFrame:
    """Daily bars of a file, sorted by symbol and date; rows that tie keep their order.

    Columns: symbol (String), date (Date), open, high, low, close in dollars and volume in shares
    (Float64, NaN where the file has nothing). Raises `UsageError`.
    """
    table = read_table(path)
    if is_packed(table.columns):
        return unpack(table)
    table = require(path, table, ("symbol", "date", *FIELDS))
    table = texts(path, table, ("symbol",))
    table = numbers(path, dates(path, table, ("date",)), FIELDS)
    bars = table.select("symbol", "date", *(pl.col(name).fill_null(math.nan) for name in FIELDS))
    return bars.sort("symbol", "date", maintain_order=True)
