"""The table of indicators, which the language, the docs, the command line and the tests read."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.averages import AVERAGES
from marketsweep.language.indicators.extremes import EXTREMES
from marketsweep.language.indicators.momentum import MOMENTUM
from marketsweep.language.indicators.trend import TREND
from marketsweep.language.indicators.volatility import VOLATILITY

INDICATORS: Final = {
    row.name: row for row in (*AVERAGES, *MOMENTUM, *TREND, *VOLATILITY, *EXTREMES)
}
"""Every indicator by name."""
