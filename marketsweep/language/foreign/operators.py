"""Operators, marks and numbered names of other tools, by what to write instead."""

from __future__ import annotations

from typing import Final

OPERATORS: Final = {
    ">": "is greater than, is more than, is above, is over, greater than, more than, "
    "larger than, bigger than, higher than, above, over, gt, is higher than, exceeds, "
    "is bigger than, is larger than",
    "<": "is less than, is below, is under, less than, lower than, smaller than, below, under, "
    "lt, is lower than, is smaller than, fewer than",
    ">=": "= >, is greater than or equal to, greater than or equal to, at least, is at least, "
    "greater or equal, gte, ge, is greater than or equals, no less than",
    "<=": "= <, is less than or equal to, less than or equal to, at most, is at most, "
    "less or equal, lte, le, no more than",
    "==": "= =, == =, is equal to, equals, equal to, equal, is, eq, is equal",
    "!=": "< >, is not equal to, is not, not equal to, not equal, != =, ne, neq, does not equal",
    "crosses above": "crosses over, crossed above, crossed over, cross above, cross over, "
    "crosses up, crosses upward, crossing above, crossing up, is crossing above, "
    "has crossed above, breaks above, crosses_above, broke above, crosses upwards, crossover, "
    "crosses through",
    "crosses below": "crosses under, crossed below, crossed under, cross below, cross under, "
    "crosses down, crossing below, crossing down, is crossing below, has crossed below, "
    "breaks below, crosses_below, broke below, crosses downwards, crossunder",
    "and": "& &, &, but, plus also, and also",
    "or": "| |, |, or else",
    "^": "* *",
    "*": "times, multiplied by, x",
    "/": "divided by",
    "> {share} *": "is within # of, within # of, is near # of",
    "> 0.95 *": "near, is near, close to, is close to",
    "contains": "like, includes, is like, ilike",
    "[{weeks}]": "# week ago, # weeks ago",
    "[{months}]": "# month ago, # months ago",
    "[{n}]": "# day ago, # days ago, # bar ago, # bars ago, # bars back, # days back, "
    "# candle ago, # candles ago, from # bars ago",
    "within {n} bars": "within # days, within # sessions, within # candles, "
    "within last # bars, within the last # bars, in last # bars, in last # days, "
    "in the last # bars, in the last # days, in # bars, in # days, within last # days, "
    "within the last # days, last # bars, last # days, during # bars",
    "for {n} bars": "for # days, for # sessions, for # candles, for the last # days, "
    "for the last # bars, for last # bars, in a row, # days in a row, # bars in a row, "
    "# times in a row, for # consecutive bars, for # consecutive days",
}
"""Words between operands, separated by commas, by the operator that means the same."""

MARKS: Final[dict[str, str]] = {
    "&&": "write and",
    "&": "write and",
    "||": "write or",
    "|": "write or",
    "!": "write not, or !=",
    ":=": "write let name = ..., one name a line",
    "?": "write if(condition, x, y)",
    ":": "write if(condition, x, y)",
    "≥": "write >=",
    "≤": "write <=",
    "≠": "write !=",
    "×": "write *",
    "÷": "write /",
    "“": 'write straight quotes: "',
    "”": 'write straight quotes: "',
    "‘": "write straight quotes: '",
    "’": "write straight quotes: '",
    "–": "write -",
    "−": "write -",
    "$": "write the number without a sign of a currency, as in close > 5",
    "@": 'write a price of another symbol as symbol("SPY").close',
    "{": "a name in braces, as in {n}, stands for the values of a sweep",
    "%": "a percent sign belongs right after its number, as in 5%",
}
"""Characters that no token begins with, and what to write instead; the longest is looked up
first."""

PATTERNS: Final[tuple[tuple[str, str], ...]] = (
    (r"(?:avg|ave|average|ma|avgc|mac|smac|dma)_?(\d+)", "sma({n})"),
    (r"(\d+)_?(?:d|day|days|p)?_?(?:sma|ma|dma|avg)", "sma({n})"),
    (r"(\d+)_?(?:d|day|days|p)?_?ema", "ema({n})"),
    (r"(?:xavg|xavgc|expma|emac)_?(\d+)", "ema({n})"),
    (
        r"(?:avgv|vma|vol|volume|volma|avgvol|volsma|sma_vol|sma_volume|volavg|adv)_?(\d+)",
        "sma(volume, {n})",
    ),
    (
        r"(?:maxh|hh|hhv|high|highest|max|hi|highesthigh|highest_high)_?(\d+)_?(?:d|day|days)?",
        "highest(high, {n})",
    ),
    (
        r"(?:minl|ll|llv|low|lowest|min|lo|lowestlow|lowest_low)_?(\d+)_?(?:d|day|days)?",
        "lowest(low, {n})",
    ),
    (r"(\d+)_?(?:d|day|days)_?high", "highest(high, {n})"),
    (r"(\d+)_?(?:d|day|days)_?low", "lowest(low, {n})"),
    (r"(?:maxc)_?(\d+)", "highest(close, {n})"),
    (r"(?:minc)_?(\d+)", "lowest(close, {n})"),
    (r"(\d+)x", "{n} * sma(volume, 20)"),
    (r"c(\d+)", "close[{n}]"),
    (r"v(\d+)", "volume[{n}]"),
    (r"h(\d+)", "high[{n}]"),
    (r"l(\d+)", "low[{n}]"),
    (r"o(\d+)", "open[{n}]"),
    (r"(?:close|prev|prevclose|close_prev)_?(\d+)", "close[{n}]"),
    (r"(?:change|chg|perf|ret|return|pct)_?(\d+)_?(?:d|day|days)?", "roc({n})"),
    (r"(?:bbtop|bbu|bb_upper|bbupper)_?(\d+)", "bbands({n}, 2).upper"),
    (r"(?:bbbot|bbl|bb_lower|bblower)_?(\d+)", "bbands({n}, 2).lower"),
    (r"(?:stoc|stochk|stoch)_?(\d+)", "stoch({n}, 3, 3).k"),
    (r"(?:relvol|rel_vol|rvol)_?(\d+)", "rvol({n})"),
    (r"(?:std|stdev|stddev)_?(\d+)", "stddev(close, {n})"),
    (r"(?:wilder|wilders)_?(\d+)", "rma({n})"),
)
"""Names with a number in them. Indicators of the table, as in `rsi14`, need no row."""
