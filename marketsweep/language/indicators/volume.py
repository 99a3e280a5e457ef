"""Volume: how much was traded, and on which side."""

from __future__ import annotations

from typing import Final, Literal

from marketsweep.language.indicators.row import (
    HLC,
    Indicator,
    Parameter,
    Recursion,
    Units,
    ema_weight,
    formula,
    outputs_of,
    period,
    ratio,
)

_HLCV: Final = (*HLC, "volume")
_CLV: Final = ratio("(close - low) - (high - close)", "high - low")
_TRUE_CLV: Final = ratio(
    "2 * close - min(low, close[1]) - max(high, close[1])",
    "max(high, close[1]) - min(low, close[1])",
)
_FLOW: Final = "hlc3 * volume"
# A difference in the last digits is not a move.
_UP_FLOW: Final = f"sum(if(hlc3 - hlc3[1] > 1e-12 * hlc3, {_FLOW}, 0), n)"
_ALL_FLOW: Final = f"sum(if(abs(hlc3 - hlc3[1]) > 1e-12 * hlc3, {_FLOW}, 0), n)"


def _total(
    name: str,
    doc: str,
    text: str,
    inputs: tuple[str, ...],
    *,
    series: int = 0,
    total: Literal["sum", "product"] = "sum",
) -> Indicator:
    """Return the row of a running total, which has no level of its own (see `levels`)."""
    return formula(name, doc, text, inputs=inputs, series=series)._replace(total=total)


_KLINGER: Final = "ema({v}, fast) - ema({v}, slow)".replace(
    "{v}", "if(hlc3 > hlc3[1], volume, if(hlc3 < hlc3[1], -volume, 0))"
)

VOLUME: Final = (
    Indicator(
        "cumsum",
        "The running sum of a series.",
        ("close",),
        (),
        lookback=lambda: 0,
        series=1,
        total="sum",
    ),
    _total(
        "obv",
        "Granville's on-balance volume: volume is added on rising days and taken on falling days.",
        "cumsum(volume * sign(x - x[1]))",
        ("close", "volume"),
        series=1,
    ),
    _total(
        "ad",
        "Chaikin's accumulation/distribution line: volume by the place of the close in its range.",
        f"cumsum({_CLV} * volume)",
        _HLCV,
    ),
    _total(
        "pvt",
        "The price volume trend: the sum of the volume times the relative change.",
        "cumsum(volume * (close - close[1]) / close[1])",
        ("close", "volume"),
    ),
    _total(
        "wad",
        "Williams' accumulation/distribution: the sum of the ways from the true low or high.",
        "cumsum(if(close > close[1], close - min(low, close[1]), "
        "if(close < close[1], close - max(high, close[1]), 0)))",
        HLC,
    ),
    _total(
        "nvi",
        "Fosback's negative volume index: the changes on days with less volume than before.",
        "1000 * exp(cumsum(if(volume < volume[1], ln(close / close[1]), 0)))",
        ("close", "volume"),
        total="product",
    ),
    _total(
        "pvi",
        "The positive volume index: the changes on days with more volume than before.",
        "1000 * exp(cumsum(if(volume > volume[1], ln(close / close[1]), 0)))",
        ("close", "volume"),
        total="product",
    ),
    formula(
        "mfi",
        "Quong and Soudack's money flow index: the share of the money on rising bars, 0 to 100.",
        f"if({_ALL_FLOW} < 1, 0, 100 * {_UP_FLOW} / {_ALL_FLOW})",
        period(14, 2),
        inputs=_HLCV,
    ),
    formula(
        "cmf",
        "Chaikin's money flow: the place of the close in each bar's range, weighted by volume.",
        ratio(f"sum({_CLV} * volume, n)", "sum(volume, n)"),
        period(20, 1),
        inputs=_HLCV,
    ),
    formula(
        "ad_score",
        "Accumulation and distribution over a quarter of 63 bars: Chaikin's money flow. "
        "percentile(ad_score()) ranks symbols as a rating from E to A does; the formula of IBD's "
        "rating is not published.",
        "cmf(n)",
        period(63, 1),
        inputs=_HLCV,
    ),
    formula(
        "efi",
        "Elder's force index: an EMA of the change times the volume.",
        "ema((close - close[1]) * volume, n)",
        period(13, 1),
        inputs=("close", "volume"),
        aliases=("force_index",),
    ),
    formula(
        "marketfi",
        "Williams' market facilitation index: the range by share traded.",
        ratio("high - low", "volume"),
        inputs=("high", "low", "volume"),
    ),
    formula(
        "rvol",
        "Relative volume: the volume over the mean of the n bars before.",
        "volume / sma(volume, n)[1]",
        period(20, 1),
        inputs=("volume",),
        aliases=("relative_volume",),
    ),
    Indicator(
        "sum_oscillator",
        "A fast less a slow exponential average of the running sum of a series.",
        ("volume",),
        (Parameter("fast", 3, 2), Parameter("slow", 10, 2)),
        lookback=lambda fast, slow: max(fast, slow) - 1,
        series=1,
        recursion=lambda fast, slow: Recursion(
            max(fast, slow), min(ema_weight(fast), ema_weight(slow))
        ),
    ),
    formula(
        "adosc",
        "Chaikin's oscillator: a fast less a slow average of the accumulation/distribution line.",
        f"sum_oscillator({_CLV} * volume, fast, slow)",
        (Parameter("fast", 3, 2), Parameter("slow", 10, 2)),
        inputs=_HLCV,
    ),
    formula(
        "emv",
        "Arms' ease of movement: the way of the middle by volume and range, averaged over n bars.",
        "sma((hl2 - hl2[1]) / (volume / 100000000 / (high - low)), n)",
        period(14, 1),
        inputs=("high", "low", "volume"),
    ),
    outputs_of(
        "klinger",
        "Klinger's oscillator: a fast less a slow average of the volume, signed by the change of "
        "the typical price, and the average of that difference.",
        {"klinger": _KLINGER, "signal": "ema(klinger(fast, slow), signal)"},
        (Parameter("fast", 34, 1), Parameter("slow", 55, 1), Parameter("signal", 13, 1)),
        inputs=_HLCV,
    ),
    formula(
        "up_down_volume",
        "The volume of rising days over that of falling days, of n bars.",
        ratio("sum(if(close > close[1], volume, 0), n)", "sum(if(close < close[1], volume, 0), n)"),
        period(50, 1),
        inputs=("close", "volume"),
    ),
    formula(
        "twiggs",
        "Twiggs' money flow: the place of the close in the true range, weighted by volume.",
        ratio(f"rma({_TRUE_CLV} * volume, n)", "rma(volume + 0 * close[1], n)"),
        period(21, 1),
        inputs=_HLCV,
    ),
)

VOLUME_UNITS: Final[Units] = {
    "percent": "mfi",
    "ratio": "cmf ad_score twiggs rvol up_down_volume",
}
"""The rows whose values have a unit of their own."""
