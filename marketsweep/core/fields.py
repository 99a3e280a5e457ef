"""The five fields of a bar, in the order in which every matrix keeps them, and those derived."""

from __future__ import annotations

from typing import Final

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)

FIELDS: Final = ("open", "high", "low", "close", "volume")
"""Order of the first axis of a segment and of `SessionBars.values`."""

PRICES: Final = ("open", "high", "low", "close")
"""Fields in dollars a share: a split multiplies them by its factor and divides the volume."""

DERIVED: Final = {
    "hl2": "(high + low) / 2",
    "hlc3": "(high + low + close) / 3",
    "ohlc4": "(open + high + low + close) / 4",
    "dollar_volume": "close * volume",
}
"""Names that stand for a formula over the fields, in the condition language."""
