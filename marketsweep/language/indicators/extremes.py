"""The highest and lowest of the last bars."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import window

EXTREMES: Final = (
    window("highest", "The highest of the last n bars.", "high"),
    window("lowest", "The lowest of the last n bars.", "low"),
)
