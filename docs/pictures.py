"""The pictures of the indicators: over made bars, and of each pattern on real candles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from marketsweep.core.fields import FIELDS
from marketsweep.ingest.files import read_bars
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.output.charts.indicator_picture import (
    Bars,
    curves_of,
    have_values,
    made_bars,
    pattern_picture,
    picture_of,
)

FOLDER: Final = Path(__file__).parent / "reference" / "pictures"
_BARS: Final = Path(__file__).parent.parent / "examples" / "us-2016" / "bars.parquet"
_YEAR: Final = 252
_CANDLES: Final = 30
_AFTER: Final = 4
"""Candles of the picture of a pattern, and how many of them follow it."""


def pictures() -> dict[str, str]:
    """The SVG of each indicator that has a value on the bars, by its name."""
    made = made_bars()
    result = {}
    for name, row in INDICATORS.items():
        curves = [] if row.is_pattern else curves_of(row, made)
        if have_values(curves):
            result[name] = picture_of(curves, made)
    return result | _patterns()


def write_pictures() -> None:
    """Write the pictures that differ from the files, and remove those of no indicator."""
    FOLDER.mkdir(exist_ok=True)
    svgs = pictures()
    for file in FOLDER.iterdir():
        if file.stem not in svgs:
            file.unlink()
    for name, svg in svgs.items():
        (FOLDER / f"{name}.svg").write_text(svg)


def _patterns() -> dict[str, str]:
    """The pictures of the patterns: of the most traded symbol that had each in 2016."""
    wanted = {name: row for name, row in INDICATORS.items() if row.is_pattern}
    result: dict[str, str] = {}
    for bars in _real_bars():
        for name, row in list(wanted.items()):
            first = curves_of(row, bars)[0]
            places = np.flatnonzero(np.nan_to_num(first.values[_CANDLES:-_AFTER])) + _CANDLES
            if len(places):
                end = int(places[-1]) + 1 + _AFTER
                shown = slice(end - _CANDLES, end)
                found = np.arange(end - _CANDLES, end) == places[-1]
                cut = {field: values[shown] for field, values in bars.items()}
                result[name] = pattern_picture(cut, found)
                del wanted[name]
        if not wanted:
            break
    return result


def _real_bars() -> Iterator[Bars]:
    """Yield the bars of the symbols of the example market, the most traded first."""
    bars = read_bars(_BARS).sort("symbol", "date")
    traded = (
        bars.group_by("symbol")
        .agg((pl.col("close") * pl.col("volume")).sum().alias("dollars"), pl.len())
        .filter(pl.col("len") == _YEAR)
        .sort("dollars", "symbol", descending=[True, False])
    )
    by_symbol = bars.partition_by("symbol", as_dict=True)
    for symbol in traded["symbol"].to_list():
        frame = by_symbol[symbol,]
        yield {field: frame[field].cast(pl.Float64).to_numpy() for field in FIELDS}
