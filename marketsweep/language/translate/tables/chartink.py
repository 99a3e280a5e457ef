"""The measures of ChartInk, with their parameters in its order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from marketsweep.language.translate.values import Function


def _one(parameters: str, text: str) -> tuple[Function, ...]:
    return (Function(parameters, text),)


_MACD: Final = "macd(min(a, b), max(a, b), signal)"
"""ChartInk writes the slow average first."""
_ICHIMOKU: Final = "fast=9, middle=26, slow=52"


def _band(line: str) -> tuple[Function, ...]:
    text = f"bbands(source, length, deviations).{line}"
    return (
        Function("length=20, deviations=2", text.replace("source", "close")),
        Function("source, length, deviations", text),
    )


def _fixed(name: str, count: int) -> tuple[Function, ...]:
    names = [f"value{i}" for i in range(count)]
    return (Function(", ".join(names), f"{name}({', '.join(names)})"),)


FUNCTIONS: Final[Mapping[str, tuple[Function, ...]]] = {
    **{name: _one("", name) for name in ("open", "high", "low", "close", "volume")},
    **{
        name: _one("source, length", f"{name}(source, length)")
        for name in ("sma", "ema", "wma", "mom", "roc", "hma", "tema", "dema", "linreg")
    },
    "% change": _one("", "roc(1)"),
    "obv": _one("", "obv()"),
    "max": _one("length, source", "highest(source, length)"),
    "min": _one("length, source", "lowest(source, length)"),
    "greatest": (*_fixed("max", 2), *_fixed("max", 3), *_fixed("max", 4)),
    "least": (*_fixed("min", 2), *_fixed("min", 3), *_fixed("min", 4)),
    "abs": _one("value", "abs(value)"),
    "square root": _one("value", "sqrt(value)"),
    "ceil": _one("value", "ceil(value)"),
    "floor": _one("value", "floor(value)"),
    "round": _one("value, digits=0", "round(value)"),
    "rsi": _one("length=14", "rsi(length)"),
    "macd line": _one("a=26, b=12, signal=9", f"{_MACD}.macd"),
    "macd signal": _one("a=26, b=12, signal=9", f"{_MACD}.signal"),
    "macd histogram": _one("a=26, b=12, signal=9", f"{_MACD}.hist"),
    **{
        name: _band(line)
        for line in ("upper", "middle", "lower")
        for name in (f"{line} bollinger band", f"bollinger band {line}")
    },
    "atr": _one("length=14", "atr(length)"),
    "avg true range": _one("length=14", "atr(length)"),
    "adx": _one("length=14", "adx(length)"),
    **dict.fromkeys(("adx di positive", "plus di"), _one("length=14", "plus_di(length)")),
    **dict.fromkeys(("adx di negative", "minus di"), _one("length=14", "minus_di(length)")),
    "cci": _one("length=20", "cci(length)"),
    "mfi": _one("length=14", "mfi(length)"),
    "williams % r": _one("length=14", "willr(length)"),
    "cmo": _one("length=14", "cmou(close, length)"),
    "aroon up": _one("length=14", "aroon(length).up"),
    "aroon down": _one("length=14", "aroon(length).down"),
    "slow stochastic % k": _one("length=14, slow=3", "stoch(length, slow, 3).k"),
    "slow stochastic % d": _one("length=14, slow=3", "stoch(length, slow, slow).d"),
    "stochastic % k": _one("length=14, slow=3", "stoch(length, slow, 3).k"),
    "stochastic % d": _one("length=14, slow=3, d=3", "stoch(length, slow, d).d"),
    "fast stochastic % k": _one("length=14, d=3", "stochf(length, d, 0).k"),
    "fast stochastic % d": _one("length=14, d=3", "stochf(length, d, 0).d"),
    "stochrsi": _one("length=14", "stochrsi(close, length, length, 1, 0).k"),
    "supertrend": _one("length=10, multiplier=3", "supertrend(length, multiplier).line"),
    "parabolic sar": (Function("start=0.02, ?step, maximum=0.2", "sar(start, maximum)"),),
    "ichimoku conversion line": _one(_ICHIMOKU, "ichimoku(fast, middle, slow).tenkan"),
    "ichimoku base line": _one(_ICHIMOKU, "ichimoku(fast, middle, slow).kijun"),
    "ichimoku span a": _one(_ICHIMOKU, "ichimoku(fast, middle, slow).span_a"),
    "ichimoku span b": _one(_ICHIMOKU, "ichimoku(fast, middle, slow).span_b"),
    "ichimoku cloud top": _one(_ICHIMOKU, "ichimoku(fast, middle, slow).top"),
    "ichimoku cloud bottom": _one(_ICHIMOKU, "ichimoku(fast, middle, slow).bottom"),
    "donchian channel upper": _one("length=20", "donchian(length).upper"),
    "donchian channel middle": _one("length=20", "donchian(length).middle"),
    "donchian channel lower": _one("length=20", "donchian(length).lower"),
    "pivot point": _one("", "pivots().p"),
    **{f"resistance {i}": _one("", f"pivots().r{i}") for i in (1, 2, 3)},
    **{f"support {i}": _one("", f"pivots().s{i}") for i in (1, 2, 3)},
}
"""The rows of each measure; `%` is a word of its own."""

_ACCOUNTS: Final = "figures of a company's accounts are not stored"

MISSING: Final[Mapping[str, str]] = {
    "market cap": "it is in crores of rupees there, and in dollars here: add market_cap > 1B",
    "vwap": "there are daily bars only",
    **dict.fromkeys(
        (
            *("earning per share", "eps", "net profit", "sales", "gross sales", "net sales"),
            *("book value", "debt equity ratio", "dividend", "operating profit", "pe ratio"),
            *("roce", "return on net worth", "equity", "face value", "networth", "reserves"),
            *("foreign institutional investors percentage", "price to book value", "ttm pe"),
            *("yearly pe ratio", "indian promoter and group percentage", "sales turnover"),
        ),
        _ACCOUNTS,
    ),
}
"""Why other measures cannot be translated."""
