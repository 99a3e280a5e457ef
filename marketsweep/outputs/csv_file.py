"""Comma-separated values: a header, a row a match. NaN is an empty cell."""

from __future__ import annotations

import csv
import io
import math
from typing import IO

from marketsweep.results import Hits


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the matches; the receipt has no place in a CSV file."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["symbol", "close", "volume", *hits.values, "suspicious"])
    for match in hits.matches:
        numbers = [match.close, match.volume, *match.values.values()]
        cells = ("" if math.isnan(value) else repr(value) for value in numbers)
        rows.writerow([match.symbol, *cells, match.suspicious])
    text.detach()
