"""Lists of symbols as users write them: `AAPL,BRK.B`, or a file with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from marketsweep.errors import UsageError
from marketsweep.intake import is_ticker


def read_list(text: str) -> list[str]:
    """The symbols of `A,B,...` or of `@FILE`, each once, in order.

    A file has them on lines of their own or between commas; what follows a `#` is a comment.
    Raises UsageError for a file that cannot be read, and for what is no ticker.
    """
    if not text.startswith("@"):
        return checked(part.strip() for part in text.split(","))
    path = Path(text[1:]).expanduser()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the list of symbols {path}: {error}") from error
    parts = (part.strip() for line in lines for part in line.partition("#")[0].split(","))
    return checked(part for part in parts if part)


def checked(symbols: Iterable[str]) -> list[str]:
    """The symbols, each once. Raises UsageError for what is no ticker, and for none at all."""
    once = list(dict.fromkeys(symbols))
    for symbol in once:
        if not isinstance(symbol, str) or not is_ticker(symbol):
            raise UsageError(f"{symbol!r} is no ticker: write, for example, AAPL or BRK.B")
    if not once:
        raise UsageError("the list of symbols is empty")
    return once
