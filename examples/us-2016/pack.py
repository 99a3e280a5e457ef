"""Writes the example market from the source tables: packed bars, actions, symbols, corrections."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from marketsweep.core.fields import FIELDS, PRICES
from marketsweep.ingest.files import read_bars
from marketsweep.ingest.files.packed import pack

_TABLES = ("bars.parquet", "actions.parquet", "symbols.parquet")
_REVISIONS, _EARLY = "revisions.parquet", "early.parquet"
_LEVEL = 22


def main() -> None:
    """Packs the tables of one folder into another and proves that nothing was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=f"Tables: {', '.join([*_TABLES, _REVISIONS])}."
    )
    parser.add_argument("source", type=Path, help="folder with the tables")
    parser.add_argument("target", type=Path, nargs="?", default=Path(__file__).parent)
    given = parser.parse_args()
    pack_folder(given.source, given.target)
    for name in (*_TABLES, _EARLY):
        sys.stdout.write(f"{(given.target / name).stat().st_size:>9,} {name}\n")


def pack_folder(source: Path, target: Path) -> None:
    """Writes the tables to `target`; raises AssertionError where a bar would change."""
    bars, *others = (source / name for name in _TABLES)
    given = read_bars(bars)
    write_packed(given.with_columns(pl.col(PRICES).round(4)), target / bars.name)
    for table in others:
        shutil.copyfile(table, target / table.name)
    write_packed(early(pl.read_parquet(source / _REVISIONS)), target / _EARLY)


def write_packed(bars: pl.DataFrame, path: Path) -> None:
    """Writes bars, and proves that they can be read again."""
    pack(bars).write_parquet(path, compression="zstd", compression_level=_LEVEL)
    assert_frame_equal(read_bars(path), bars, check_exact=True)


def early(revisions: pl.DataFrame) -> pl.DataFrame:
    """Bars as they were told on their own day, where the day after told others."""
    told = [_rounded(revisions, when) for when in ("early", "late")]
    differs = pl.any_horizontal(told[0][name] != told[1][name] for name in FIELDS)
    return told[0].filter(differs).sort("symbol", "date")


def _rounded(revisions: pl.DataFrame, when: str) -> pl.DataFrame:
    fields = [pl.col(f"{name}_{when}").cast(pl.Float64).round(4).alias(name) for name in FIELDS]
    return revisions.select("symbol", "date", *fields)


if __name__ == "__main__":
    main()
