"""Write hits in a format: one module per format, each with a function `write(hits, file)`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import IO, Final

from marketsweep.errors import UsageError
from marketsweep.scan.results import Hits

FORMATS: Final = {
    "table": "table",
    "json": "json_file",
    "csv": "csv_file",
    "parquet": "parquet_file",
    "arrow": "arrow_stream",
}
"""The module of each format; the first is the default."""

Writer = Callable[[Hits, IO[bytes]], None]


def writer(format: str, *, csv_safe: bool = True) -> Writer:
    """Return the function that writes a format. Raises UsageError for an unknown format.

    With `csv_safe` a spreadsheet does not read tickers in CSV as formulas.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}: choose one of {', '.join(FORMATS)}")
    write = import_module(f"{__name__}.{FORMATS[format]}").write
    configured: Writer = partial(write, csv_safe=csv_safe) if format == "csv" else write
    return configured
