"""The functions of thinkScript, with the names and defaults of its manual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from marketsweep.language.translate.values import Function

_AVERAGE: Final = "{averagetype}(price, length)"
_STUDY: Final = "price=close, length={length}, displace=0, ?showbreakoutsignals"
_LEVELS: Final = "?over_bought, ?over_sold"
_MACD: Final = (
    "fastlength=12, slowlength=26, macdlength=9, averagetype=exponential, ?showbreakoutsignals"
)
_ANY_MACD: Final = (
    "{averagetype}(close, fastlength) - {averagetype}(close, slowlength)",
    "{averagetype}({averagetype}(close, fastlength) - {averagetype}(close, slowlength), "
    "macdlength)",
)
_STOCHASTIC: Final = (
    "?over_bought, ?over_sold, kperiod=10, dperiod=10, priceh=high, pricel=low, pricec=close"
)
_OF_BARS: Final = "priceh=high, pricel=low, pricec=close, averagetype=sma"
_RAW_K: Final = (
    "100 * (pricec - lowest(pricel, kperiod)) / "
    "(highest(priceh, kperiod) - lowest(pricel, kperiod))"
)


def _average(average: str, length: int) -> tuple[Function, ...]:
    """Return the rows of an average of a price, as a study."""
    text = f"{average}(price, length)"
    return (Function(_STUDY.format(length=length), {"avg": text, average: text}),)


def _one(parameters: str, text: str) -> tuple[Function, ...]:
    return (Function(parameters, text),)


def _crossing(parameters: str, above: str, level: str, default: str) -> tuple[Function, ...]:
    """Return the rows of a study whose signal is a crossing of a level."""
    return tuple(
        Function(
            f"{parameters}, crossingtype={default}", {"signal": f"{above} crosses {way} {level}"}
        )
        for way in ("above", "below")
    )


FUNCTIONS: Final[Mapping[str, tuple[Function, ...]]] = {
    # averages
    "average": _one("data, length=12", "sma(data, length)"),
    "expaverage": _one("data, length=12", "ema(data, length)"),
    "wildersaverage": _one("data, length=12", "rma(data, length)"),
    "wma": _one("data, length=12", "wma(data, length)"),
    "simplemovingavg": (Function(_STUDY.format(length=9), {"sma": "sma(price, length)"}),),
    "movavgexponential": (Function(_STUDY.format(length=9), {"avgexp": "ema(price, length)"}),),
    "movavgweighted": (Function(_STUDY.format(length=9), {"wma": "wma(price, length)"}),),
    "hullmovingavg": (
        Function("price=close, length=20, displace=0", {"hma": "hma(price, length)"}),
    ),
    "movingaverage": _one("averagetype=simple, data, length=12", "{averagetype}(data, length)"),
    "volumeavg": (Function("length=50", {"vol": "volume", "volavg": "sma(volume, length)"}),),
    # extremes and sums
    "highest": _one("data, length=12", "highest(data, length)"),
    "lowest": _one("data, length=12", "lowest(data, length)"),
    "sum": _one("data, length=12", "sum(data, length)"),
    "stdev": _one("data, length=12", "stddev(data, length)"),
    "lindev": _one("data, length=12", "avgdev(data, length)"),
    "median": _one("data, length=12", "median(data, length)"),
    "linregression": _one("data, length=9", "linreg(data, length).value"),
    "inertia": _one("data, length=9", "linreg(data, length).value"),
    "linearregressionslope": _one("price=close, length=9", "linreg(price, length).slope"),
    "correlation": _one("data1, data2, length=12", "correl(data1, data2, length)"),
    "getvalue": _one("data, n, ?max", "data[n]"),
    # arithmetic
    "absvalue": _one("value", "abs(value)"),
    "max": _one("value1, value2", "max(value1, value2)"),
    "min": _one("value1, value2", "min(value1, value2)"),
    "sqrt": _one("value", "sqrt(value)"),
    "sqr": _one("value", "value ^ 2"),
    "power": _one("value, exponent", "value ^ exponent"),
    "log": _one("value", "ln(value)"),
    "lg": _one("value", "log10(value)"),
    "exp": _one("value", "exp(value)"),
    "floor": _one("value", "floor(value)"),
    "ceil": _one("value", "ceil(value)"),
    "sign": _one("value", "sign(value)"),
    # bars
    "truerange": _one("high=high, close=close, low=low", "trange()"),
    "pricechange": _one("price=close, length=1, displace=0", "price - price[length]"),
    "percentchg": _one("price=close, length=14", "roc(price, length)"),
    # studies
    "rsi": (
        Function(
            f"length=14, {_LEVELS}, price=close, averagetype=wilders, ?showbreakoutsignals",
            {"rsi": "rsi(price, length)"},
            only="averagetype=rma",
        ),
    ),
    "rsiwilder": (Function(f"length=14, {_LEVELS}, price=close", {"rsi": "rsi(price, length)"}),),
    "macd": (
        Function(
            _MACD,
            {
                "value": "macd(fastlength, slowlength, macdlength).macd",
                "avg": "macd(fastlength, slowlength, macdlength).signal",
                "diff": "macd(fastlength, slowlength, macdlength).hist",
            },
            only="averagetype=ema",
        ),
        Function(
            _MACD,
            {
                "value": _ANY_MACD[0],
                "avg": _ANY_MACD[1],
                "diff": f"{_ANY_MACD[0]} - {_ANY_MACD[1]}",
            },
        ),
    ),
    "macdhistogram": (
        Function(
            "fastlength=12, slowlength=26, macdlength=9, averagetype=exponential",
            {"diff": "macd(fastlength, slowlength, macdlength).hist"},
            only="averagetype=ema",
        ),
    ),
    "bollingerbands": (
        Function(
            "price=close, displace=0, length=20, num_dev_dn=-2, num_dev_up=2, averagetype=simple",
            {
                "midline": "bbands(price, length, 2).middle",
                "upperband": "bbands(price, length, 2).upper",
                "lowerband": "bbands(price, length, 2).lower",
            },
            only="num_dev_dn=-2, num_dev_up=2, averagetype=sma",
        ),
        Function(
            "price=close, displace=0, length=20, num_dev_dn=-2, num_dev_up=2, averagetype=simple",
            {
                "midline": "{averagetype}(price, length)",
                "upperband": "{averagetype}(price, length) + num_dev_up * stddev(price, length)",
                "lowerband": "{averagetype}(price, length) + num_dev_dn * stddev(price, length)",
            },
        ),
    ),
    "bollingerpercentb": (
        Function(
            "averagetype=simple, price=close, displace=0, length=20, num_dev_dn=-2, num_dev_up=2, "
            "?over_bought, ?over_sold",
            {"percentb": "100 * bbands(price, length, num_dev_up).percent_b"},
            only="averagetype=sma",
        ),
    ),
    "bollingerbandwidth": (
        Function(
            "averagetype=simple, price=close, displace=0, length=20, num_dev_dn=-2, num_dev_up=2, "
            "?bulgelength, ?squeezelength",
            {"bandwidth": "100 * 2 * num_dev_up * stddev(price, length) / sma(price, length)"},
            only="averagetype=sma",
        ),
    ),
    "keltnerchannels": (
        Function(
            "displace=0, factor=1.5, length=20, price=close, averagetype=simple, "
            "truerangeaveragetype=simple",
            {
                "avg": "{averagetype}(price, length)",
                "upper_band": "{averagetype}(price, length) + factor * "
                "{truerangeaveragetype}(trange(), length)",
                "lower_band": "{averagetype}(price, length) - factor * "
                "{truerangeaveragetype}(trange(), length)",
            },
        ),
    ),
    "donchianchannel": (
        Function(
            "length=20", {"upperband": "highest(high, length)", "lowerband": "lowest(low, length)"}
        ),
    ),
    "stochasticfast": (
        Function(
            f"{_STOCHASTIC}, averagetype=simple, ?showbreakoutsignals",
            {"fastk": "stochf(kperiod, dperiod, 0).k", "fastd": "stochf(kperiod, dperiod, 0).d"},
            only=_OF_BARS,
        ),
        Function(
            f"{_STOCHASTIC}, averagetype=simple, ?showbreakoutsignals",
            {"fastk": _RAW_K, "fastd": f"{{averagetype}}({_RAW_K}, dperiod)"},
        ),
    ),
    "stochasticslow": (
        Function(
            f"{_STOCHASTIC}, averagetype=simple, ?showbreakoutsignals",
            {"slowk": "stoch(kperiod, 3, dperiod).k", "slowd": "stoch(kperiod, 3, dperiod).d"},
            only=_OF_BARS,
        ),
        Function(
            f"{_STOCHASTIC}, averagetype=simple, ?showbreakoutsignals",
            {
                "slowk": f"{{averagetype}}({_RAW_K}, 3)",
                "slowd": f"{{averagetype}}({{averagetype}}({_RAW_K}, 3), dperiod)",
            },
        ),
    ),
    "stochasticfull": (
        Function(
            f"{_STOCHASTIC}, slowing_period=3, averagetype=simple, ?showbreakoutsignals",
            {
                "fullk": "stoch(kperiod, slowing_period, dperiod).k",
                "fulld": "stoch(kperiod, slowing_period, dperiod).d",
            },
            only=_OF_BARS,
        ),
        Function(
            f"{_STOCHASTIC}, slowing_period=3, averagetype=simple, ?showbreakoutsignals",
            {
                "fullk": f"{{averagetype}}({_RAW_K}, slowing_period)",
                "fulld": f"{{averagetype}}({{averagetype}}({_RAW_K}, slowing_period), dperiod)",
            },
        ),
    ),
    "atr": (
        Function("length=14, averagetype=wilders", {"atr": "atr(length)"}, only="averagetype=rma"),
        Function("length=14, averagetype=wilders", {"atr": "{averagetype}(trange(), length)"}),
    ),
    "adx": (
        Function("length=14, averagetype=wilders", {"adx": "adx(length)"}, only="averagetype=rma"),
    ),
    "dmi": (
        Function(
            "length=14, averagetype=wilders",
            {"di+": "plus_di(length)", "di-": "minus_di(length)", "adx": "adx(length)"},
            only="averagetype=rma",
        ),
    ),
    "diplus": (
        Function(
            "length=14, averagetype=wilders", {"di+": "plus_di(length)"}, only="averagetype=rma"
        ),
    ),
    "diminus": (
        Function(
            "length=14, averagetype=wilders", {"di-": "minus_di(length)"}, only="averagetype=rma"
        ),
    ),
    "dmi_oscillator": (
        Function(
            "length=10, averagetype=wilders",
            {"osc": "plus_di(length) - minus_di(length)"},
            only="averagetype=rma",
        ),
    ),
    "cci": (Function("length=14, ?over_sold, ?over_bought", {"cci": "cci(length)"}),),
    "williamspercentr": (
        Function(f"length=10, {_LEVELS}", {"%r": "willr(length)", "wr": "willr(length)"}),
    ),
    "moneyflowindex": (
        Function(
            "length=14, ?over_sold, ?over_bought, ?movingavglength",
            {"moneyflowindex": "mfi(length)"},
        ),
    ),
    "momentum": (Function("price=close, length=12", {"momentum": "mom(price, length)"}),),
    "rateofchange": (
        Function("length=14, ?colornormlength, price=close", {"roc": "roc(price, length)"}),
    ),
    "parabolicsar": (
        Function(
            "accelerationfactor=0.02, accelerationlimit=0.2",
            {"parsar": "sar(accelerationfactor, accelerationlimit)"},
        ),
    ),
    "ichimoku": (
        Function(
            "tenkan_period=9, kijun_period=26",
            {
                "tenkan": "midprice(tenkan_period)",
                "kijun": "midprice(kijun_period)",
                "span a": "((midprice(tenkan_period) + midprice(kijun_period)) / 2)[kijun_period]",
                "span b": "midprice(2 * kijun_period)[kijun_period]",
            },
        ),
    ),
    "onbalancevolume": (Function("", {"obv": "obv()"}),),
    "getmonth": (Function("", "month"),),
    "getyear": (Function("", "year"),),
    "trix": (Function("length=9, ?colornormlength, price=close", {"trix": "trix(price, length)"}),),
    "chaikinmoneyflow": (Function("length=21", {"cmf": "cmf(length)"}),),
    "historicalvolatility": (Function("length=20, ?basis", {"hv": "volatility(close, length)"}),),
}
"""The rows of each function, by its name in lower case."""

MISSING: Final[Mapping[str, str]] = {
    **dict.fromkeys(("fold", "while"), "a loop has no counterpart: use sum, count or highest"),
    **dict.fromkeys(
        ("compoundvalue", "rec"), "a condition has no state: use streak, count or bars_since"
    ),
    **dict.fromkeys(
        ("highestall", "lowestall", "totalsum"), "a condition reads a fixed number of bars"
    ),
    **dict.fromkeys(("vwap", "reference vwap"), "there are daily bars only"),
    **dict.fromkeys(
        ("imp_volatility", "impvolatility", "open_interest", "series"), "options are not stored"
    ),
    **dict.fromkeys(
        (
            *("hasearnings", "getestimatedearnings", "getactualearnings", "earningspershare"),
            *("earningspershareTTM".lower(), "salespershare", "returnonequity", "getdividend"),
        ),
        "earnings and accounts are not stored",
    ),
    **dict.fromkeys(
        (
            *("secondsfromtime", "secondstilltime", "gettime", "getday"),
            *("getdayofweek", "getweek", "getyyyymmdd", "regulartradingstart", "barnumber"),
            *("regulartradingend", "getlastday"),
        ),
        "a condition does not know the time of day, nor the numbers of bars",
    ),
    **dict.fromkeys(
        ("isascending", "isdescending"),
        "it averages slopes from the middles of bodies: use rising, falling or slope",
    ),
    **dict.fromkeys(("bid", "ask", "tick_count", "vwap_day"), "there are daily bars only"),
    **dict.fromkeys(("random", "double"), "it has no counterpart"),
}
"""Why other names cannot be translated, by the name in lower case."""
