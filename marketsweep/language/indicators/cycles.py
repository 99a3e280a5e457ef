"""Cycles: Ehlers' dominant cycle of a series, and what follows from it."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import (
    Indicator,
    Parameter,
    Recursion,
    Units,
    of_series,
    outputs_of,
)

_RADIANS: Final = "57.29577951308232"
_LIMIT: Final = Parameter("fastlimit", 0.5, 0.01, 0.99)

# The averages of the cycle have a weight of 0.2, but the period sets the gain of the next bar, so
# that the start is forgotten more slowly. Measured on 766 histories of 1,255 bars, joined from the
# example market: a start 250 bars before changes the newest value by more than 1e-4 in 0.5% of
# them, a start 400, 450 or 533 bars before by more than 1e-9 in 0.7%, 0.3% and none. The trendline
# and the mode, which read the period in whole bars, were equal from 250 bars on, MAMA from 400. The
# weight 0.06 in two stages gives 218 and 533 bars.
_WEIGHT: Final = 0.06


def _recursion_of_mama(fastlimit: float, slowlimit: float) -> Recursion:
    """Return how MAMA forgets its start; FAMA has half the weight of MAMA.

    The phase falls by at most 180 degrees between two bars of the weight `fastlimit`, and by
    `fastlimit / slowlimit` or more on a bar of the weight `slowlimit`.
    """
    bars = 180 * slowlimit / fastlimit
    mean = (bars * slowlimit + fastlimit) / (bars + 1)
    return Recursion(33, min(mean / 2, fastlimit / 2, _WEIGHT), stages=2)


CYCLES: Final = (
    Indicator(
        "dominant_cycle",
        "Ehlers' dominant cycle: its period in bars, and the pair of which it is the turn, a part "
        "in phase and a part a quarter of a cycle behind.",
        ("close",),
        (),
        lookback=lambda: 32,
        outputs=("period", "inphase", "quadrature"),
        series=1,
        recursion=lambda: Recursion(33, _WEIGHT, stages=2),
    ),
    Indicator(
        "cycle_mode",
        "The phase of the dominant cycle in degrees, the trendline without the cycle, and 1 in a "
        "trend or 0 in a cycle.",
        ("close",),
        (),
        lookback=lambda: 63,
        outputs=("phase", "trendline", "mode"),
        series=1,
        recursion=lambda: Recursion(64, _WEIGHT, stages=2),
        formulas={"trendline": "ht_trendline(x)"},
    ),
    of_series(
        "ht_dcperiod",
        "The period of the dominant cycle in bars, 6 to 50.",
        "dominant_cycle(x).period",
    ),
    outputs_of(
        "ht_phasor",
        "The dominant cycle as a pair: the part in phase, and the part a quarter of a cycle "
        "behind.",
        {
            "inphase": "dominant_cycle(x).inphase",
            "quadrature": "dominant_cycle(x).quadrature",
        },
        series=1,
        scale="difference",
    ),
    of_series(
        "ht_dcphase",
        "The phase of the dominant cycle in degrees, -45 to 315. While a quote stands still, it is "
        "90 degrees and those of one bar (TA-Lib's is that of rounding errors).",
        "cycle_mode(x).phase",
    ),
    outputs_of(
        "ht_sine",
        "The sine of the phase of the dominant cycle, and of the phase 45 degrees later: they "
        "cross at the turns of a cycle.",
        {
            "sine": f"sin(cycle_mode(x).phase / {_RADIANS})",
            "leadsine": f"sin((cycle_mode(x).phase + 45) / {_RADIANS})",
        },
        series=1,
    ),
    Indicator(
        "ht_trendline",
        "The mean of as many bars as the dominant cycle has: what remains without the cycle.",
        ("close",),
        (),
        lookback=lambda: 63,
        series=1,
        recursion=lambda: Recursion(64, _WEIGHT, stages=2),
        scale="same",
    ),
    of_series(
        "ht_trendmode",
        "1 in a trend; 0 in a cycle, where the price is near the trendline and the phase moves on "
        "or has just turned.",
        "cycle_mode(x).mode",
    ),
    Indicator(
        "mama",
        "Ehlers' MESA adaptive moving average, whose weights follow the phase of the dominant "
        "cycle, and an average of it that follows more slowly. Both begin at 0, as in TA-Lib.",
        ("close",),
        (_LIMIT, _LIMIT._replace(name="slowlimit", default=0.05)),
        lookback=lambda *_: 32,
        outputs=("mama", "fama"),
        series=1,
        recursion=_recursion_of_mama,
        scale="same",
    ),
)

CYCLES_UNITS: Final[Units] = {
    "count": "ht_dcperiod",
    "ratio": "ht_sine",
}
"""The rows whose values have a unit of their own."""
