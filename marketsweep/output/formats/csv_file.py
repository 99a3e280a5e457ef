"""Write comma-separated values: a header, and a row per match. NaN is an empty cell."""

from __future__ import annotations

import csv
import io
import math
from typing import IO

from marketsweep.core.safe_text import csv_cell
from marketsweep.scan.results import Hits, Value


def write(hits: Hits, file: IO[bytes], *, csv_safe: bool = True) -> None:
    """Write the matches; a CSV file has no place for the receipt.

    With `csv_safe` a spreadsheet does not read a ticker as a formula.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["symbol", "close", "volume", *hits.values, "suspicious", "unsettled"])
    for match in hits.matches:
        values = [match.close, match.volume, *match.values.values()]
        symbol, *cells = (_cell(value, safe=csv_safe) for value in (match.symbol, *values))
        rows.writerow([symbol, *cells, match.suspicious, "; ".join(match.unsettled)])
    text.detach()


def _cell(value: Value, *, safe: bool) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, str):
        return csv_cell(value) if safe else value
    return "" if value is None else value.isoformat()
