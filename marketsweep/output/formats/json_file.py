"""Write one JSON object: condition, matches, coverage, data version, timing. NaN is null."""

from __future__ import annotations

from typing import IO

import msgspec

from marketsweep.scan.results import Hits


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the whole result."""
    file.write(msgspec.json.format(msgspec.json.encode(hits.to_dict()), indent=2) + b"\n")
