"""The table of indicators, which the language, the docs, the command line and the tests read."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.averages import AVERAGES
from marketsweep.language.indicators.candles.long_patterns import LONG_PATTERNS
from marketsweep.language.indicators.candles.short_patterns import SHORT_PATTERNS
from marketsweep.language.indicators.cycles import CYCLES, CYCLES_UNITS
from marketsweep.language.indicators.extremes import EXTREMES
from marketsweep.language.indicators.functions import FUNCTIONS_OF_BARS
from marketsweep.language.indicators.momentum.composites import COMPOSITES, COMPOSITES_UNITS
from marketsweep.language.indicators.momentum.oscillators import OSCILLATORS, OSCILLATORS_UNITS
from marketsweep.language.indicators.row import Indicator, with_units
from marketsweep.language.indicators.statistics import STATISTICS, STATISTICS_UNITS
from marketsweep.language.indicators.trend import TREND, TREND_UNITS
from marketsweep.language.indicators.volatility import VOLATILITY, VOLATILITY_UNITS
from marketsweep.language.indicators.volume import VOLUME, VOLUME_UNITS

FAMILIES: Final[dict[str, tuple[Indicator, ...]]] = {
    "Averages": AVERAGES,
    "Momentum": (
        *with_units(OSCILLATORS, OSCILLATORS_UNITS),
        *with_units(COMPOSITES, COMPOSITES_UNITS),
    ),
    "Trend": with_units(TREND, TREND_UNITS),
    "Cycles": with_units(CYCLES, CYCLES_UNITS),
    "Volatility": with_units(VOLATILITY, VOLATILITY_UNITS),
    "Volume": with_units(VOLUME, VOLUME_UNITS),
    "Extremes": EXTREMES,
    "Statistics": with_units(STATISTICS, STATISTICS_UNITS),
    "Candlestick patterns": (*SHORT_PATTERNS, *LONG_PATTERNS),
    "Functions": FUNCTIONS_OF_BARS,
}
"""The rows of each family."""

INDICATORS: Final = {row.name: row for rows in FAMILIES.values() for row in rows}
"""Every indicator by name."""

ALIASES: Final = {alias: row.name for row in INDICATORS.values() for alias in row.aliases}
"""The name of an indicator by each of its other names."""


def find_indicator(name: str) -> Indicator | None:
    """Return the row of an indicator by any of its names, in lower case; None for another name."""
    return INDICATORS.get(ALIASES.get(name, name))
