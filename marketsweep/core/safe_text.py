"""Text as people may see it, without what a terminal, a browser or a spreadsheet would obey."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MOST: Final = 200
"""Characters of a text from elsewhere that are shown."""

_OBEYED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and line end, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"  # what turns text round, or is unseen
    "\ud800-\udfff]"  # halves of characters
)
_BLANKS: Final = re.compile(r"\s+")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def safe(text: str) -> str:
    """Return a text of several lines without control characters."""
    return _OBEYED.sub("", text)


def foreign(text: str, most: int = _MOST) -> str:
    """Return a text from a provider or a file as one line of at most so many characters."""
    line = _BLANKS.sub(" ", _OBEYED.sub(" ", text[: 8 * most])).strip()
    return line if len(line) <= most else f"{line[: most - 3]}..."


def some_of(texts: Sequence[str], shown: int, *, between: str = ", ", last: str = " and") -> str:
    """Return the first of some texts, and how many more there are: "A, B and 3 more"."""
    more = f"{last} {len(texts) - shown:,} more" if len(texts) > shown else ""
    return between.join(texts[:shown]) + more


def csv_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: one like `=A1` gets a quote before."""
    return f"'{text}" if text.startswith(_FORMULA) else text
