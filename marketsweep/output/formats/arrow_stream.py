"""Write an Arrow stream, which polars, pandas, DuckDB and R read while it arrives."""

from __future__ import annotations

import io
from typing import IO

from marketsweep.scan.results import Hits


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the matches."""
    buffer = io.BytesIO()  # a buffer, as polars reports errors of a pipe in its own way
    hits.to_polars().write_ipc_stream(buffer)
    file.write(buffer.getvalue())
