"""The five fields of a bar, in the order of every matrix, and the fields derived from them."""

from __future__ import annotations

from typing import Final

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)

FIELDS: Final = ("open", "high", "low", "close", "volume")
"""The order of the first axis of a segment and of `SessionBars.values`."""

PRICES: Final = ("open", "high", "low", "close")
"""Fields in dollars per share: a split multiplies them by its factor and divides the volume."""

DERIVED: Final = {
    "hl2": "(high + low) / 2",
    "hlc3": "(high + low + close) / 3",
    "ohlc4": "(open + high + low + close) / 4",
    "dollar_volume": "close * volume",
}
"""Names of formulas over the fields, in the condition language."""
