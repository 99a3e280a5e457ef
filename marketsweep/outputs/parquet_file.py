"""Parquet, for polars, pandas, DuckDB and the like."""

from __future__ import annotations

from typing import IO

from marketsweep.results import Hits


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the matches."""
    hits.to_polars().write_parquet(file)
