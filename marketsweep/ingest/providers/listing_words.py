"""Normalize the names of exchanges, security types and countries of different sources.

Exchanges are `NASDAQ`, `NYSE`, `AMEX`, `ARCA`, `BATS`, `IEX` and `OTC`. Types are those of
Massive's list of tickers: `CS` for a common stock, `ADRC` for a depositary receipt, `PFD`, `ETF`,
`ETN`, `FUND`, `WARRANT`, `RIGHT`, `UNIT`, `BOND`. An unknown word is not changed.
"""

from __future__ import annotations

import re
from typing import Final

DATED_TEXTS: Final = ("name", "type", "exchange", "sector", "industry", "country")
"""The texts of a listing that may have values of earlier days, too."""

_EXCHANGES: Final = {
    "NASDAQ": (
        # Market identifier codes (ISO 10383), the codes of Yahoo, and names.
        *("xnas", "xngs", "xnms", "xncm", "nms", "ngm", "ncm", "nas", "nasd", "q"),
        *("nasdaqgs", "nasdaqgm", "nasdaqcm", "nasdaq gs", "nasdaq gm", "nasdaq cm"),
        *("nasdaq global select", "nasdaq global market", "nasdaq global select market"),
        *("nasdaq capital market", "nasdaq stock market"),
    ),
    "NYSE": ("xnys", "nyq", "nys", "new york stock exchange", "n"),
    "AMEX": ("xase", "ase", "nyse american", "nyseamerican", "nyse mkt", "nyse amex", "a"),
    "ARCA": ("arcx", "pcx", "nyse arca", "nysearca", "p"),
    "BATS": ("xbats", "bts", "bzx", "cboe", "cboe bzx", "cboe us", "z"),
    "IEX": ("iexg", "v"),
    "OTC": ("ootc", "xotc", "pnk", "otcpk", "otc markets", "otcmkts", "pink", "pink sheets"),
}
_TYPES: Final = {
    "CS": ("common stock", "common", "stock", "equity", "eqs", "ordinary share", "share"),
    "ADRC": ("adr", "ads", "dr", "depositary receipt", "american depositary receipt"),
    "PFD": ("preferred", "preferred stock", "preferred share", "pref", "preference share"),
    "ETF": ("exchange traded fund",),
    "ETN": ("exchange traded note",),
    "FUND": ("closed end fund", "cef", "mutual fund", "mutualfund"),
    "WARRANT": ("wts",),
    "RIGHT": (),
    "UNIT": (),
    "BOND": ("note", "debenture"),
}
"""Words in lower case without a final s."""


_UNITED_STATES: Final = ("us", "usa", "u.s.", "u.s.a.", "united states of america")


def _by_alias(words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {alias: name for name, aliases in words.items() for alias in (name.lower(), *aliases)}


_EXCHANGE_OF: Final = _by_alias(_EXCHANGES)
_TYPE_OF: Final = _by_alias(_TYPES)


def exchange_of(text: str) -> str:
    """Return the usual name of an exchange: XNAS and NasdaqGS are NASDAQ."""
    return _EXCHANGE_OF.get(_normalize(text), text)


def type_of(text: str) -> str:
    """Return the usual word for a security type: "Common Stock" is CS."""
    word = _normalize(text)
    return _TYPE_OF.get(word) or _TYPE_OF.get(word.removesuffix("s"), text)


def country_of(text: str) -> str:
    """Return the usual name of a country: USA is United States."""
    return "United States" if _normalize(text) in _UNITED_STATES else text


def _normalize(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip().lower()


def text_of(fact: str, text: str | None) -> str | None:
    """Return the text of a fact in our words; None if it is empty."""
    if not text:
        return None
    normalize = {"type": type_of, "exchange": exchange_of, "country": country_of}.get(fact)
    return (normalize(text) if normalize else text) or None
