"""Write comma-separated values: a header, and a row per match. NaN is an empty cell."""

from __future__ import annotations

import csv
import io
import math
from typing import IO

from marketsweep.core.safe_text import csv_cell
from marketsweep.scan.results import Hits


def write(hits: Hits, file: IO[bytes], *, csv_safe: bool = True) -> None:
    """Write the matches; a CSV file has no place for the receipt.

    With `csv_safe` a spreadsheet does not read a ticker as a formula.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["symbol", "close", "volume", *hits.values, "suspicious", "unsettled"])
    for match in hits.matches:
        numbers = [match.close, match.volume, *match.values.values()]
        cells = ("" if math.isnan(value) else repr(value) for value in numbers)
        symbol = csv_cell(match.symbol) if csv_safe else match.symbol
        rows.writerow([symbol, *cells, match.suspicious, "; ".join(match.unsettled)])
    text.detach()
