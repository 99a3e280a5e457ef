"""Functions of one bar, and TA-Lib's names for arithmetic."""

from __future__ import annotations

from typing import Final

from marketsweep.language.indicators.row import Indicator, formula, of_series


def _kernel(name: str, doc: str, inputs: tuple[str, ...] = ("close",)) -> Indicator:
    return Indicator(name, doc, inputs, (), lookback=lambda: 0, series=len(inputs))


def _of_two(name: str, doc: str, text: str) -> Indicator:
    return formula(name, doc, text, inputs=("high", "low"), series=2)


# e^x / 2 in two factors, because e^x may be too large where its half is not.
_HALF: Final = "(exp(x / 2) * (exp(x / 2) / 2))"
_FINITE: Final = "0 * exp(abs(x) - 0.6931471805599453)"
"""0, and unknown where e^x / 2 is infinite."""

FUNCTIONS_OF_BARS: Final = (
    _kernel("sqrt", "The square root; unknown below 0."),
    _kernel("exp", "e to the power of x."),
    _kernel("ln", "The natural logarithm; unknown at 0 and below.")._replace(aliases=("log",)),
    _kernel("sin", "The sine of an angle in radians."),
    _kernel("cos", "The cosine of an angle in radians."),
    _kernel("atan", "The arctangent, in radians."),
    _kernel("floor", "The largest whole number that is not above x."),
    _kernel("pow", "x to the power of y; also written x ^ y.", ("high", "low")),
    of_series("log10", "The decimal logarithm; unknown up to 0.", "ln(x) * 0.4342944819032518"),
    of_series("ceil", "The smallest whole number that is not below x.", "-floor(-x)"),
    of_series("round", "The nearest whole number; halves are rounded up.", "floor(x + 0.5)"),
    of_series("sign", "1 above 0, -1 below, and 0 at 0.", "if(x > 0, 1, if(x < 0, -1, 0))"),
    of_series("tan", "The tangent of an angle in radians.", "sin(x) / cos(x)"),
    of_series("asin", "The arcsine, in radians.", "2 * atan(x / (1 + sqrt(1 - x * x)))"),
    of_series(
        "acos",
        "The arccosine, in radians.",
        "1.5707963267948966 - 2 * atan(x / (1 + sqrt(1 - x * x)))",
    ),
    of_series("sinh", "The hyperbolic sine.", f"{_HALF} - 1 / (4 * {_HALF}) + {_FINITE}"),
    of_series("cosh", "The hyperbolic cosine.", f"{_HALF} + 1 / (4 * {_HALF}) + {_FINITE}"),
    of_series(
        "tanh",
        "The hyperbolic tangent.",
        "sign(x) * (1 - exp(-2 * abs(x))) / (1 + exp(-2 * abs(x)))",
    ),
    _of_two("add", "x + y.", "x + y"),
    _of_two("sub", "x - y.", "x - y"),
    _of_two("mult", "x * y.", "x * y"),
    _of_two("div", "x / y; unknown where y is 0.", "x / y"),
    formula("avgprice", "The mean of open, high, low and close.", "ohlc4", scale="same"),
    formula("medprice", "The middle between high and low.", "hl2", scale="same"),
    formula("typprice", "The mean of high, low and close.", "hlc3", scale="same"),
    formula(
        "wclprice",
        "The mean of high, low and twice the close.",
        "(high + low + 2 * close) / 4",
        scale="same",
    ),
)
