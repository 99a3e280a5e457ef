"""Lists of symbols as users write them: `AAPL,BRK.B`, or a file with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from marketsweep.core.spellings import note_of, read_as, usual
from marketsweep.core.whole_files import read_small
from marketsweep.errors import UsageError

_LONGEST_TICKER: Final = 32

_LONGEST_LIST: Final = 16_000_000
"""Bytes of a list, a hundred times those of all tickers."""


def is_ticker(text: str) -> bool:
    """Whether a text can be a ticker at all."""
    # The axis is stored as lines, so a ticker that could hold a line end must never pass.
    return 0 < len(text) <= _LONGEST_TICKER and text.isprintable() and not set(text) & {" ", ","}


def read_list(text: str, told: Callable[[str], object] = lambda note: None) -> list[str]:
    """Return the symbols of `A,B,...` or of `@FILE`, each once, in order.

    A file has them on lines of their own or between commas; what follows a `#` is a comment.
    TradingView's lists are read as they come, with headings such as `###Longs` and exchanges such
    as `NYSE:`. `told` is called with a sentence where tickers are read otherwise than written.
    Raises UsageError for a file that cannot be read, and for an invalid ticker.
    """
    if not text.startswith("@"):
        return _respelled([part.strip() for part in text.split(",")], told)
    path = Path(text[1:]).expanduser()
    try:
        lines = _decoded(read_small(path, _LONGEST_LIST)).splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the list of symbols {path}: {error}") from error
    parts = (part.strip().strip("\"'") for line in lines for part in _parts(line))
    return _respelled([part for part in parts if part], told)


def _respelled(parts: Sequence[str], told: Callable[[str], object]) -> list[str]:
    """The tickers in the usual spelling; `told` is what was read otherwise than written."""
    symbols, read = read_as(parts, usual)
    if note := note_of(read):
        told(note)
    return checked(symbols)


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if b"\0" in content[:2]:  # UTF-16 without its mark: a letter has a zero beside it
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
    return content.decode("utf-8-sig")


def _parts(line: str) -> Iterator[str]:
    """The symbols of a line, without headings and comments."""
    if "###" in line:
        # TradingView: a heading stands among the symbols.
        yield from (part for part in line.split(",") if not part.lstrip().startswith("###"))
    else:
        yield from re.split(r"[,;\t]", line.partition("#")[0])


def checked(symbols: Iterable[str]) -> list[str]:
    """Return the symbols, each once. Raises UsageError for an invalid ticker or none."""
    once: dict[str, None] = {}
    for symbol in symbols:
        if not isinstance(symbol, str) or not is_ticker(symbol):
            raise UsageError(f"{symbol!r} is not a ticker: write, for example, AAPL or BRK.B")
        once[symbol] = None
    if not once:
        raise UsageError("the list of symbols is empty")
    return list(once)
