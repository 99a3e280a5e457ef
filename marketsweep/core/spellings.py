"""Tickers in the spellings of Yahoo, NASDAQ, NYSE, Stooq, TradingView and Reuters.

The store's spelling is that of Massive: `BRK.B` for a share class, `BACpL` for a preferred share,
`ACAH.WS` for a warrant, `ACAH.U` for a unit, `ACAH.RT` for a right. Others write the same
`BRK-B`, `BRK/B`, `BAC-PL`, `BAC/PL`, `BAC-P-L`, `BAC^L`, `BAC$L`, `BAC PR L`, `NYSE:BRK.B`; a
cashtag is `$AAPL`, and Reuters writes `AAPL.O` and `BAC_pL.N`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Final

from marketsweep.core.safe_text import some_of

_EXCHANGE: Final = re.compile(r"^[A-Z][A-Z0-9_ ]{1,13}: *(?=\S)", re.IGNORECASE)
_COUNTRY: Final = re.compile(r"(?<=\w)(?:[. :]US| U[NWQA]|\.OQ?|\.N)$", re.IGNORECASE)
_CASHTAG: Final = re.compile(r"^\$(?=[A-Z])", re.IGNORECASE)
_ROOT: Final = r"(?P<root>[A-Z]{1,6})"

_PREFERRED: Final = re.compile(
    rf"{_ROOT}(?:[-/ ._]P(?:R|FD)?[-/ .]?|[\^$_])(?P<series>[A-Z]?)", re.IGNORECASE
)
_OTHER: Final = re.compile(r"[-/^$+=_ ]|\.(?:PR|PFD)\.?[A-Z]$|\.p[A-Z]?$")
"""What no ticker in the store's spelling has. `.PA` may be a market abroad."""
_PREFERRED_AS_STORED: Final = re.compile(r"[A-Z]{1,6}\.?p[A-Z]?")
"""In capitals it would be another company's ticker."""
_CLASS: Final = re.compile(rf"{_ROOT}[-/ .](?P<series>[A-Z])", re.IGNORECASE)
_WARRANT: Final = re.compile(
    rf"{_ROOT}(?:[-/ .]W(?:S|T|TS)?(?:[-/ .]?(?P<series>[A-Z]))?|\+(?P<more>[A-Z]?))",
    re.IGNORECASE,
)
_UNIT: Final = re.compile(rf"{_ROOT}(?:[-/ .]U(?:N|T)?|=)", re.IGNORECASE)
_RIGHT: Final = re.compile(rf"{_ROOT}[-/ .]R(?:T|I)?", re.IGNORECASE)
_LOWER: Final = re.compile(r"(?P<root>[A-Z]{1,6})P(?P<series>[A-Z]?)")


def spellings(text: str) -> Iterator[str]:
    """Yield what a text may mean in the store's spelling, the text itself first."""
    yield text
    plain = _plain(text)
    yield plain
    if not _PREFERRED_AS_STORED.fullmatch(plain):
        yield plain.upper()
    root = _root(plain)
    if found := _WARRANT.fullmatch(plain):
        series = found["series"] or found["more"] or ""
        dotted = f".{series.upper()}" if series else ""
        yield from (f"{root}.WS{dotted}", f"{root}.W{dotted}", f"{root}.WT{dotted}")
    if _UNIT.fullmatch(plain):
        yield from (f"{root}.U", f"{root}.UN")
    if _RIGHT.fullmatch(plain):
        yield from (f"{root}.RT", f"{root}.R", f"{root}r")
    if found := _PREFERRED.fullmatch(plain):
        yield f"{root}p{found['series'].upper()}"
    if found := _CLASS.fullmatch(plain):
        yield from (f"{root}.{found['series'].upper()}", f"{root}p{found['series'].upper()}")
    if found := _LOWER.fullmatch(plain.upper()):
        yield f"{found['root']}p{found['series']}"


def _plain(text: str) -> str:
    """Return a ticker without its exchange, its country and a dollar sign before it."""
    return _EXCHANGE.sub("", _COUNTRY.sub("", _CASHTAG.sub("", text.strip())))


def _root(plain: str) -> str:
    found = re.match(r"[A-Z]*", plain.upper())
    return found[0] if found else ""


def known_as(text: str, known: Container[str]) -> str | None:
    """Return the known ticker that a text means, or None. The text itself is preferred."""
    return next((one for one in spellings(text) if one in known), None)


def usual(text: str) -> str:
    """Return the store's spelling of a text that shows another: BRK-B is BRK.B, aapl is AAPL.

    A text without such a mark stays as it is.
    """
    plain = _plain(text)
    plain = plain.upper() if plain.islower() else plain
    if not _OTHER.search(plain):
        return plain
    return next((one for one in spellings(plain) if not _OTHER.search(one)), plain)


def read_as(
    texts: Iterable[str], meaning: Callable[[str], str]
) -> tuple[list[str], dict[str, str]]:
    """Return what texts mean, each once, and those that are read otherwise than written."""
    ours = {text: meaning(text) for text in texts}
    read = {text: ticker for text, ticker in ours.items() if text != ticker}
    return list(dict.fromkeys(ours.values())), read


def resolved(texts: Iterable[str], known: Container[str]) -> tuple[list[str], dict[str, str]]:
    """Return the known tickers that texts mean, as `read_as` does; an unknown text stays."""
    return read_as(texts, lambda text: known_as(text, known) or text)


def note_of(read: Mapping[str, str], shown: int = 5) -> str:
    """Return the sentence that says how tickers were read; empty for none."""
    if not read:
        return ""
    told = [f"{text} as {ticker}" for text, ticker in read.items()]
    return f"tickers read: {some_of(told, shown, last=', and')}"


def from_yahoo(ticker: str) -> str:
    """Return the store's spelling of Yahoo's: BRK-B is BRK.B, BAC-PL is BACpL."""
    if found := re.fullmatch(rf"{_ROOT}-P(?P<series>[A-Z]?)", ticker):
        # With one letter alone, -P may be a class as well; Yahoo has none of it.
        return f"{found['root']}p{found['series']}"
    return _from_dashed(ticker)


def from_stooq(ticker: str) -> str:
    """Return the store's spelling of Stooq's: BRK-B.US is BRK.B, BAC_L.US is BACpL."""
    plain = re.sub(r"\.US$", "", ticker.upper())
    if found := re.fullmatch(rf"{_ROOT}_(?P<series>[A-Z]?)", plain):
        return f"{found['root']}p{found['series']}"
    return _from_dashed(plain)


def from_nasdaq(ticker: str) -> str:
    """Return the store's spelling of NASDAQ's files: BAC$L and ABR^D are preferred shares."""
    plain = re.sub(r"[$^](?=[A-Z]?$)", "p", ticker.strip())
    if found := re.fullmatch(rf"{_ROOT}[./]W(?:S)?(?P<series>\.?[A-Z]?)", plain):
        return f"{found['root']}.WS{'.' if found['series'] else ''}{found['series'].strip('.')}"
    return plain.replace("/", ".")


def _from_dashed(ticker: str) -> str:
    root, dash, rest = ticker.partition("-")
    words = {"WT": "WS", "UN": "U", "RI": "RT"}
    return f"{root}.{words.get(rest, rest)}" if dash and rest else ticker
