"""Read tickers in the spellings of Yahoo, NASDAQ, NYSE, Stooq, TradingView and Reuters.

The store's spelling is that of Massive: `BRK.B` for a share class, `BACpL` for a preferred share,
`ACAH.WS` for a warrant, `ACAH.U` for a unit, `ACAH.RT` for a right. Others write them as `BRK-B`,
`BRK/B`, `BAC-PL`, `BAC/PL`, `BAC-P-L`, `BAC^L`, `BAC$L`, `BAC PR L`, `NYSE:BRK.B`; a cashtag is
`$AAPL`, and Reuters writes `AAPL.O` and `BAC_pL.N`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final

from marketsweep.core.safe_text import join_first

# Patterns are compiled when they are first used: that takes 2 ms, and most scans use none.
_EXCHANGE: Final = r"(?i)^[A-Z][A-Z0-9_ ]{1,13}: *(?=\S)"
_COUNTRY: Final = r"(?i)(?<=\w)(?:[. :]US| U[NWQA]|\.OQ?|\.N)$"
_CASHTAG: Final = r"(?i)^\$(?=[A-Z])"
_ROOT: Final = r"(?P<root>[A-Z]{1,6})"

_PREFERRED: Final = rf"(?i){_ROOT}(?:[-/ ._]P(?:R|FD)?[-/ .]?|[\^$_])(?P<series>[A-Z]?)"
_FOREIGN_MARK: Final = r"[-/^$+=_ ]|\.(?:PR|PFD)\.?[A-Z]$|\.p[A-Z]?$"
"""Marks that no ticker in the store's spelling has. `.PA` may be a market abroad."""
_PREFERRED_AS_STORED: Final = r"[A-Z]{1,6}\.?p[A-Z]?"
"""A ticker that must keep its lower-case p: in capitals it is another company's ticker."""
_CLASS: Final = rf"(?i){_ROOT}[-/ .](?P<series>[A-Z])"
_WARRANT: Final = (
    rf"(?i){_ROOT}(?:[-/ .]W(?:S|T|TS)?(?:[-/ .]?(?P<series>[A-Z]))?|\+(?P<more>[A-Z]?))"
)
_UNIT: Final = rf"(?i){_ROOT}(?:[-/ .]U(?:N|T)?|=)"
_RIGHT: Final = rf"(?i){_ROOT}[-/ .]R(?:T|I)?"
_PREFERRED_IN_CAPITALS: Final = r"(?P<root>[A-Z]{1,6})P(?P<series>[A-Z]?)"


def spellings(text: str) -> Iterator[str]:
    """Yield the possible meanings of a text in the store's spelling, the text itself first."""
    yield text
    plain = _strip_exchange(text)
    yield plain
    if not re.fullmatch(_PREFERRED_AS_STORED, plain):
        yield plain.upper()
    root = _root(plain)
    if match := re.fullmatch(_WARRANT, plain):
        series = match["series"] or match["more"] or ""
        dotted = f".{series.upper()}" if series else ""
        yield from (f"{root}.WS{dotted}", f"{root}.W{dotted}", f"{root}.WT{dotted}")
    if re.fullmatch(_UNIT, plain):
        yield from (f"{root}.U", f"{root}.UN")
    if re.fullmatch(_RIGHT, plain):
        yield from (f"{root}.RT", f"{root}.R", f"{root}r")
    if match := re.fullmatch(_PREFERRED, plain):
        yield f"{root}p{match['series'].upper()}"
    if match := re.fullmatch(_CLASS, plain):
        yield from (f"{root}.{match['series'].upper()}", f"{root}p{match['series'].upper()}")
    if match := re.fullmatch(_PREFERRED_IN_CAPITALS, plain.upper()):
        yield f"{match['root']}p{match['series']}"


def _strip_exchange(text: str) -> str:
    """Return a ticker without its exchange, its country and a leading dollar sign."""
    plain = text.strip()
    for pattern in (_CASHTAG, _COUNTRY, _EXCHANGE):
        plain = re.sub(pattern, "", plain)
    return plain


def _root(plain: str) -> str:
    match = re.match(r"[A-Z]*", plain.upper())
    return match[0] if match else ""


def find_known(text: str, known: Container[str]) -> str | None:
    """Return the known ticker that a text means, or None. The text itself is preferred."""
    return next((ticker for ticker in spellings(text) if ticker in known), None)


def to_store_spelling(text: str) -> str:
    """Return the store's spelling of a text in another spelling: BRK-B is BRK.B, aapl is AAPL.

    A text without a foreign mark stays as it is.
    """
    plain = _strip_exchange(text)
    plain = plain.upper() if plain.islower() else plain
    if not re.search(_FOREIGN_MARK, plain):
        return plain
    return next(
        (spelling for spelling in spellings(plain) if not re.search(_FOREIGN_MARK, spelling)), plain
    )


def respell(
    texts: Iterable[str], meaning: Callable[[str], str]
) -> tuple[list[str], dict[str, str]]:
    """Return the tickers that texts mean, each once, and a dict of the respelled texts."""
    tickers = {text: meaning(text) for text in texts}
    respelled = {text: ticker for text, ticker in tickers.items() if text != ticker}
    return list(dict.fromkeys(tickers.values())), respelled


def resolve_tickers(
    texts: Iterable[str], known: Container[str]
) -> tuple[list[str], dict[str, str]]:
    """Return the known tickers that texts mean, as `respell` does; an unknown text stays."""
    return respell(texts, lambda text: find_known(text, known) or text)


def note_of(read: Mapping[str, str], shown: int = 5) -> str:
    """Return the sentence that says how tickers were read; empty if none was respelled."""
    if not read:
        return ""
    pairs = [f"{text} as {ticker}" for text, ticker in read.items()]
    return f"tickers read: {join_first(pairs, shown, last=', and')}"


def from_yahoo(ticker: str) -> str:
    """Return the store's spelling of Yahoo's: BRK-B is BRK.B, BAC-PL is BACpL."""
    if match := re.fullmatch(rf"{_ROOT}-P(?P<series>[A-Z]?)", ticker):
        # A root of one letter with -P may also be a share class; Yahoo has no such class.
        return f"{match['root']}p{match['series']}"
    return _from_dashed(ticker)


def from_stooq(ticker: str) -> str:
    """Return the store's spelling of Stooq's: BRK-B.US is BRK.B, BAC_L.US is BACpL."""
    plain = re.sub(r"\.US$", "", ticker.upper())
    if match := re.fullmatch(rf"{_ROOT}_(?P<series>[A-Z]?)", plain):
        return f"{match['root']}p{match['series']}"
    return _from_dashed(plain)


def from_nasdaq(ticker: str) -> str:
    """Return the store's spelling of NASDAQ's files: BAC$L and ABR^D are preferred shares."""
    plain = re.sub(r"[$^](?=[A-Z]?$)", "p", ticker.strip())
    if match := re.fullmatch(rf"{_ROOT}[./]W(?:S)?(?P<series>\.?[A-Z]?)", plain):
        return f"{match['root']}.WS{'.' if match['series'] else ''}{match['series'].strip('.')}"
    return plain.replace("/", ".")


def _from_dashed(ticker: str) -> str:
    root, dash, suffix = ticker.partition("-")
    suffixes = {"WT": "WS", "UN": "U", "RI": "RT"}
    return f"{root}.{suffixes.get(suffix, suffix)}" if dash and suffix else ticker
