"""Functions of other tools, by the text that means the same.

In a text, `{0}` stands for the first argument. `{0:p}` adds parentheses if it needs them, and
`{0:abs}` drops a minus. Of several texts, the first that parses is shown.
"""

from __future__ import annotations

from typing import Final

from marketsweep.language.foreign.names import AD, OBV, PVT

CALLS: Final[dict[str | tuple[str, ...], str]] = {
    ("close[{0}]", "close"): "close",
    ("open[{0}]", "open"): "open",
    ("high[{0}]", "high"): "high",
    ("low[{0}]", "low"): "low",
    ("volume[{0}]", "volume"): "volume",
    "sma({0}, {1})": "average avg mean simplemovingavg simplemovingaverage movavg movingavg smavg "
    "ts_mean rolling_mean simple sma_of",
    "ema({0}, {1})": "expaverage xavg xaverage exponentialavg movavgexponential ewma expavg "
    "expmovingaverage exponential",
    "wma({0}, {1})": "weightedaverage movavgweighted wtdavg",
    "rma({0}, {1})": "wildersaverage wilders wilder smma wwma modma",
    "hma({0}, {1})": "hullmovingavg hull",
    "{0:p}[{1:abs}]": "ref shift lag prev delay offset getvalue history previous ago",
    "{0} crosses above {1}": "cross crossover crossabove crosses_above cross_above crossup "
    "cross_up crossesabove xup crosses crossed_above crossedabove",
    "{0} crosses below {1}": "crossunder crossbelow crosses_below cross_below crossdown "
    "cross_down crossesbelow xdown crossed_below crossedbelow",
    "highest({0}, {1})": "hhv hh ts_max rolling_max highestvalue maxlist highest_high "
    "highesthigh maxh",
    "lowest({0}, {1})": "llv ll ts_min rolling_min lowestvalue lowest_low lowestlow minl",
    "if({0}, {1}, {2})": "iff iif cond where ternary ifelse",
    ("value_when({0}, {1}, {2})", "value_when({0}, {1})", "value_when({1}, {2})"): "valuewhen",
    "bars_since_highest({0}, {1})": "argmax ts_argmax idxmax highestbars hhvbars",
    "bars_since_lowest({0}, {1})": "argmin ts_argmin idxmin lowestbars llvbars",
    ("swing_high({0}, {1})", "swing_high(3, 3)"): "pivothigh pivot_high swinghigh",
    ("swing_low({0}, {1})", "swing_low(3, 3)"): "pivotlow pivot_low swinglow",
    "bars_since({0})": "barssince sincetrue since bars_ago barsago",
    ("stddev({0}, {1})", "stddev({0}, 20)"): "std stdevp standarddeviation rolling_std ts_std sd",
    "var({0}, {1})": "variance varp",
    "correl({0}, {1}, {2})": "correlation corr correlate",
    "{0}": "nz fixnan noz iferror toint float int value number_of series",
    "abs({0})": "absvalue fabs absolute",
    "{0:p} ^ {1:p}": "power powr",
    "{0:p} ^ 2": "sqr square",
    "sqrt({0})": "squareroot root",
    ("{0:p} - {0:p}[{1}]", "{0:p} - {0:p}[1]"): "change diff delta netchg",
    (
        "roc({0}, {1})",
        "roc({0})",
        "roc({0}, 1)",
        "roc(1)",
    ): "pctchange pct_change percentchange pctchg rateofchange percentchg pct_chg",
    "sum({0}, {1})": "summation ts_sum rolling_sum total sumif",
    "count({0}, {1})": "counttrue countif numtrue counttimes",
    "streak({0})": "consecutive countstreak inarow times_in_row barscount consecutivebars",
    "{0:p} within {1} bars": "alert recent happened sometime anytime",
    "{0:p} for {1} bars": "always hold",
    "rising({0}, {1})": "ascending increasing uptrending isascending",
    "falling({0}, {1})": "descending decreasing downtrending isdescending",
    "linreg({0}, {1}).value": "linearregression lsma linearreg_value",
    "linreg({0}, {1}).slope": "linregslope linearregslope linearregressionslope lrslope",
    "bbands({0}, {1}, {2}).upper": "bbandtop bbtop bbupper bb_upper bollingerbandtop",
    "bbands({0}, {1}, {2}).lower": "bbandbot bbbot bblower bb_lower bbandbottom",
    ("bbands({0}, {1}, {2}).middle", "bbands({0}, {1}).middle", "bbands(20, 2).middle"): "bb "
    "bollinger bollingerbands bollinger_bands",
    ("stoch({0}, {1}, {2}).k", "stoch({0}, 3, 3).k", "stoch(14, 3, 3).k"): "stochastic stochk "
    "stoch_k slowk stochasticslow stochslow stochasticfull stochasticslowk stoc",
    ("stoch({0}, {1}, {2}).d", "stoch({0}, 3, 3).d", "stoch(14, 3, 3).d"): "stochd stoch_d slowd "
    "stochasticslowd",
    ("macd({0}, {1}, {2}).hist", "macd(12, 26, 9).hist"): "macd_hist macdhistogram macdhist "
    "macd_histogram macddiff",
    ("macd({0}, {1}, {2}).signal", "macd(12, 26, 9).signal"): "macd_signal macdsignal",
    ("macd({0}, {1}, {2}).macd", "macd(12, 26, 9).macd"): "macd_line macdline",
    ("plus_di({0})", "plus_di(14)"): "pdi plusdi diplus di_plus dmiplus",
    ("minus_di({0})", "minus_di(14)"): "mdi minusdi diminus di_minus dmiminus",
    (
        "100 * (highest(high, {0}) / lowest(low, {0}) - 1)",
        "100 * (highest(high, 15) / lowest(low, 15) - 1)",
    ): "range",
    ("aroon({0}).up", "aroon(14).up"): "aroonup aroon_up",
    ("aroon({0}).down", "aroon(14).down"): "aroondown aroon_down",
    ("quantile({0}, {1}, {2} / 100)", "quantile(close, 100, 0.9)"): "percentile_nearest_rank",
    ("adx({0})", "adx(14)"): "dmi directionalmovement",
    ("willr({0})", "willr(14)"): "wpr williamsr williamspercentr percentr willpctr wr",
    ("mfi({0})", "mfi(14)"): "moneyflowindex moneyflow",
    ("cmf({0})", "cmf(20)"): "chaikinmoneyflow cmflow",
    ("atr({0})", "atr(14)"): "averagetruerange avgtruerange truerangeavg",
    ("rsi({0}, {1})", "rsi({0})", "rsi(14)"): "rsiwilder rsi_wilder relativestrengthindex",
    "trange()": "truerange tr true_range",
    ("rvol({0})", "rvol(20)"): "relvol rel_vol relativevolume relative_vol",
    ("sma(volume, {0})", "sma(volume, 20)"): "avgvol avg_vol avgvolume avg_volume averagevolume "
    "average_volume volavg volumeavg vol_avg vma volma volume_sma volsma",
    ("sma(dollar_volume, {0})", "sma(dollar_volume, 20)"): "adv avgdollarvolume",
    ("keltner({0}, {1}).upper", "keltner(20, 2, 10).upper"): "keltnerchannel keltnerchannels "
    "kc_upper keltnerchannelsupper",
    ("donchian({0}).upper", "donchian(20).upper"): "donchianchannel donchianchannels",
    ("sar({0}, {1})", "sar(0.02, 0.2)"): "parabolicsar parabolic_sar parabolic psar sar",
    ("ha().close", "ha().close"): "heikinashi",
    "typprice()": "typical typicalprice",
    "medprice()": "medianprice mp",
    "floor({0})": "intpart truncate trunc",
    "ceil({0})": "ceiling",
    "ln({0})": "logn loge",
    "max({0}, {1})": "greatest larger maxof",
    "min({0}, {1})": "least smaller minof",
    "percentile({0})": "percentileofscore pctrank cs_rank",
    "{0:p} between {1} and {2}": "isbetween inrange",
    OBV: "obv onbalancevolume on_balance_volume",
    AD: "adl ad accdist accumdist",
    PVT: "pvt pricevolumetrend vpt",
    ("anchored_vwap({0})", "anchored_vwap(month)"): "vwap avwap",
}
"""Names of functions, separated by spaces, by the text that means the same."""

NAMESPACES: Final = (
    "ta",
    "math",
    "np",
    "numpy",
    "talib",
    "pd",
    "tulipy",
    "df",
    "data",
    "self",
    "bar",
)
"""Prefixes with a point that other tools put before names: `ta.sma(close, 50)`."""

METHODS: Final[dict[str, tuple[str, ...]]] = {
    "shift": ("{0:p}[{1:abs}]",),
    "diff": ("{0:p} - {0:p}[{1}]", "{0:p} - {0:p}[1]"),
    "pct_change": ("roc({0}, {1})", "roc({0}, 1)"),
    "abs": ("abs({0})",),
    "rolling.mean": ("sma({0}, {1})",),
    "rolling.max": ("highest({0}, {1})",),
    "rolling.min": ("lowest({0}, {1})",),
    "rolling.std": ("stddev({0}, {1})",),
    "rolling.sum": ("sum({0}, {1})",),
    "rolling.median": ("median({0}, {1})",),
    "ewm.mean": ("ema({0}, {1})",),
}
"""Methods of a series in pandas; `{0}` is the series and `{1}` the first argument."""
