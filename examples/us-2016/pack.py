"""Writes the example market from the source tables: packed bars, actions and symbols."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from marketsweep.fields import PRICES
from marketsweep.market_files import read_bars
from marketsweep.packed_bars import pack

_TABLES = ("bars.parquet", "actions.parquet", "symbols.parquet")
_LEVEL = 22


def main() -> None:
    """Packs the tables of one folder into another and proves that nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Tables: {', '.join(_TABLES)}.")
    parser.add_argument("source", type=Path, help="folder with the three tables")
    parser.add_argument("target", type=Path, nargs="?", default=Path(__file__).parent)
    given = parser.parse_args()
    pack_folder(given.source, given.target)
    for name in _TABLES:
        sys.stdout.write(f"{(given.target / name).stat().st_size:>9,} {name}\n")


def pack_folder(source: Path, target: Path) -> None:
    """Writes the three tables to `target`; raises AssertionError where a bar would change."""
    bars, *others = (source / name for name in _TABLES)
    given = read_bars(bars)
    packed = target / bars.name
    pack(given).write_parquet(packed, compression="zstd", compression_level=_LEVEL)
    assert_frame_equal(
        read_bars(packed), given.with_columns(pl.col(PRICES).round(4)), check_exact=True
    )
    for table in others:
        shutil.copyfile(table, target / table.name)


if __name__ == "__main__":
    main()
