"""The filter codes of Finviz, each with the condition that means the same.

A pattern has named parts: `o` (over) and `u` (under) in front of a number, ranges as `5to10`. In a
text, `{n}` stands for the number. Finviz's averages of volume are those of three months, and its
week, month, quarter, half year and year have 5, 21, 63, 126 and 252 bars here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXCHANGES: Final = {"nasd": "NASDAQ", "nyse": "NYSE", "amex": "NYSE American"}

SECTORS: Final[Mapping[str, tuple[str, ...]]] = {
    "basicmaterials": ("Basic Materials",),
    "communicationservices": ("Communication Services", "Telecommunications"),
    "consumercyclical": ("Consumer Cyclical", "Consumer Discretionary"),
    "consumerdefensive": ("Consumer Defensive", "Consumer Staples"),
    "energy": ("Energy",),
    "financial": ("Financial", "Finance"),
    "healthcare": ("Healthcare", "Health Care"),
    "industrials": ("Industrials",),
    "realestate": ("Real Estate",),
    "technology": ("Technology",),
    "utilities": ("Utilities",),
}
"""The names of each sector: Finviz's own, and those of other sources."""

COUNTRIES: Final = {
    "usa": "United States",
    "argentina": "Argentina",
    "australia": "Australia",
    "belgium": "Belgium",
    "bermuda": "Bermuda",
    "brazil": "Brazil",
    "canada": "Canada",
    "chile": "Chile",
    "china": "China",
    "denmark": "Denmark",
    "finland": "Finland",
    "france": "France",
    "germany": "Germany",
    "greece": "Greece",
    "hongkong": "Hong Kong",
    "india": "India",
    "indonesia": "Indonesia",
    "ireland": "Ireland",
    "israel": "Israel",
    "italy": "Italy",
    "japan": "Japan",
    "luxembourg": "Luxembourg",
    "malaysia": "Malaysia",
    "mexico": "Mexico",
    "netherlands": "Netherlands",
    "norway": "Norway",
    "peru": "Peru",
    "singapore": "Singapore",
    "southafrica": "South Africa",
    "southkorea": "South Korea",
    "spain": "Spain",
    "sweden": "Sweden",
    "switzerland": "Switzerland",
    "taiwan": "Taiwan",
    "unitedkingdom": "United Kingdom",
}

CAPS: Final = {
    "mega": "market_cap >= 200B",
    "large": "10B <= market_cap < 200B",
    "mid": "2B <= market_cap < 10B",
    "small": "300M <= market_cap < 2B",
    "micro": "50M <= market_cap < 300M",
    "nano": "market_cap < 50M",
    "largeover": "market_cap >= 10B",
    "midover": "market_cap >= 2B",
    "smallover": "market_cap >= 300M",
    "microover": "market_cap >= 50M",
    "largeunder": "market_cap < 200B",
    "midunder": "market_cap < 10B",
    "smallunder": "market_cap < 2B",
    "microunder": "market_cap < 300M",
}

LISTED: Final = {
    "today": "listing_age <= 1",
    "yesterday": "listing_age <= 2",
    "prevweek": "listing_age <= 7",
    "prevmonth": "listing_age <= 31",
    "prevquarter": "listing_age <= 92",
    "prevyear": "listing_age <= 365",
    "prev2yrs": "listing_age <= 731",
    "prev3yrs": "listing_age <= 1096",
    "prev5yrs": "listing_age <= 1827",
    "more1": "listing_age > 365",
    "more5": "listing_age > 1827",
    "more10": "listing_age > 3653",
    "more15": "listing_age > 5479",
    "more20": "listing_age > 7305",
    "more25": "listing_age > 9131",
}

VOLUME: Final = "sma(volume, 63)"

NUMBERS: Final = {
    "sh_price": ("close", 1.0),
    "sh_avgvol": (VOLUME, 1e3),
    "sh_curvol": ("volume", 1e3),
    "sh_relvol": (f"volume / {VOLUME}", 1.0),
    "ta_averagetruerange": ("atr(14)", 1.0),
    "ta_beta": ('beta(symbol("SPY").close, close, 252)', 1.0),
    "sh_outstanding": ("shares_outstanding", 1e6),
}
"""Filters that compare one number: its expression, and the unit of the code's number."""

DIVIDENDS: Final = {
    "none": "dividend_yield == 0",
    "pos": "dividend_yield > 0",
    "high": "dividend_yield > 5",
    "veryhigh": "dividend_yield > 10",
    **{f"o{percent}": f"dividend_yield > {percent}" for percent in range(1, 11)},
}
"""Filters of the dividend yield."""

BARS: Final = {"d": 1, "1w": 5, "4w": 21, "13w": 63, "26w": 126, "52w": 252}
"""The bars of each span of the filter of performance."""

CANDLES: Final = {
    "h": "cdlhammer() > 0",
    "ih": "cdlinvertedhammer() > 0",
    "stw": "cdlspinningtop() > 0",
    "stb": "cdlspinningtop() < 0",
    "d": "cdldoji() != 0",
    "dd": "cdldragonflydoji() != 0",
    "gd": "cdlgravestonedoji() != 0",
    "mw": "cdlmarubozu() > 0",
    "mb": "cdlmarubozu() < 0",
}

SIGNALS: Final = {
    "ta_newhigh": "high >= highest(high, 252)",
    "ta_newlow": "low <= lowest(low, 252)",
    "ta_overbought": "rsi(14) > 70",
    "ta_oversold": "rsi(14) < 30",
}
"""Finviz's signals (`s=` in an address) that daily bars can say."""

TYPES: Final = {
    "stocksonly": 'not type in ["ETF", "ETN", "ETV", "FUND"]',
    "exchangetradedfund": 'type == "ETF"',
}

MISSING: Final = {
    "fa_": "figures of a company's accounts are not stored",
    "earningsdate_": "dates of earnings are not stored",
    "an_recom_": "analysts' opinions are not stored",
    "targetprice_": "analysts' opinions are not stored",
    "sh_short_": "short interest is not stored",
    "sh_float_": "the float is not stored",
    "sh_insider": "who owns the shares is not stored",
    "sh_inst": "who owns the shares is not stored",
    "sh_opt_": "options are not stored",
    "idx_": "the members of an index are not stored: use a list with --universe",
    "news_": "news are not stored",
    "etf_": "figures of funds are not stored",
    "subtheme_": "themes are not stored",
    "theme_": "themes are not stored",
    "ta_pattern_": "chart patterns are not computed",
    "ta_alltime_": "a condition does not know the first bar",
    "ta_candlestick_": "Finviz does not publish its definition",
    "ah_": "there are daily bars only",
    "it_": "who owns the shares is not stored",
    "n_": "news are not stored",
}
"""Why the codes with a prefix cannot be translated."""
