"""Read lists of symbols as users write them: `AAPL,BRK.B`, or a file with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from marketsweep.core.spellings import note_of, respell, to_store_spelling
from marketsweep.core.whole_files import read_small
from marketsweep.errors import UsageError

_MAX_TICKER_LENGTH: Final = 32

_MAX_LIST_BYTES: Final = 16_000_000
"""The largest size of a list: a hundred times that of all tickers."""


_SYMBOL_COLUMNS: Final = ("symbol", "ticker", "symbols", "tickers")
"""Names of the column of symbols in a table, in lower case."""


def is_ticker(text: str) -> bool:
    """Return whether a text can be a ticker."""
    # The axis is stored as lines of text, so a ticker with a line end must never pass.
    return 0 < len(text) <= _MAX_TICKER_LENGTH and text.isprintable() and not set(text) & {" ", ","}


def read_list(text: str, report: Callable[[str], object] = lambda note: None) -> list[str]:
    """Return the symbols of `A,B,...` or of `@FILE`, each once, in order.

    In a file, symbols are separated by line ends, commas, semicolons or tabs; a `#` begins a
    comment. Of a table with a column `Symbol` or `Ticker`, only that column is read. Lists of
    TradingView may have headings such as `###Longs` and exchanges such as `NYSE:`. `report` is
    called with a sentence if tickers were respelled. Raises UsageError if a file cannot be read,
    and for an invalid ticker.
    """
    if not text.startswith("@"):
        return _respell([part.strip() for part in text.split(",")], report)
    path = Path(text[1:]).expanduser()
    try:
        text = _decode(read_small(path, _MAX_LIST_BYTES))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the list of symbols {path}: {error}") from error
    # A JSON list of texts reads as a line of tickers once its brackets are gone.
    lines = text.strip().removeprefix("[").removesuffix("]").splitlines()
    column = _column_of_table(lines)
    cells = (part for line in lines for part in _split_line(line)) if column is None else column
    parts = [part.strip().strip("\"'") for part in cells]
    return _respell([part for part in parts if part], report)


def _respell(parts: Sequence[str], report: Callable[[str], object]) -> list[str]:
    """Return the tickers in the store's spelling; call `report` if some were respelled."""
    symbols, respelled = respell(parts, to_store_spelling)
    if note := note_of(respelled):
        report(note)
    return check_tickers(symbols)


def _column_of_table(lines: Sequence[str]) -> list[str] | None:
    """Return the column of symbols of a table with a header; None if the file has no header."""
    import csv  # few commands read a list from a file

    header = next((i for i, line in enumerate(lines) if line.strip()), None)
    if header is None:
        return None
    delimiter = max(",;\t", key=lines[header].count)
    try:
        rows = list(csv.reader(lines[header:], delimiter=delimiter))
    except csv.Error:
        return None
    names = [name.strip().lower() for name in rows[0]]
    column = next((names.index(name) for name in _SYMBOL_COLUMNS if name in names), None)
    if column is None:
        return None
    # A footer such as "Downloaded from ..." has fewer cells.
    return [row[column] for row in rows[1:] if len(row) > column and len(row) * 2 > len(names)]


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if b"\0" in content[:2]:  # UTF-16 without a byte order mark: an ASCII letter has a zero byte
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
    return content.decode("utf-8-sig")


def _split_line(line: str) -> Iterator[str]:
    """Yield the symbols of a line, without headings and comments."""
    if "###" in line:
        # TradingView: a heading is an item among the symbols.
        yield from (part for part in line.split(",") if not part.lstrip().startswith("###"))
    else:
        yield from re.split(r"[,;\t]", line.partition("#")[0])


def check_tickers(symbols: Iterable[str]) -> list[str]:
    """Return the symbols, each once. Raises UsageError for an invalid ticker or an empty list."""
    unique: dict[str, None] = {}
    for symbol in symbols:
        if not isinstance(symbol, str) or not is_ticker(symbol):
            raise UsageError(f"{symbol!r} is not a ticker: write, for example, AAPL or BRK.B")
        unique[symbol] = None
    if not unique:
        raise UsageError("the list of symbols is empty")
    return list(unique)
