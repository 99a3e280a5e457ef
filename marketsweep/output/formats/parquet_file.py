"""Parquet, for polars, pandas, DuckDB and the like."""

from __future__ import annotations

import io
from typing import IO

from marketsweep.scan.results import Hits


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the matches."""
    whole = io.BytesIO()  # what goes wrong with a pipe, polars would say in words of its own
    hits.to_polars().write_parquet(whole)
    file.write(whole.getvalue())
