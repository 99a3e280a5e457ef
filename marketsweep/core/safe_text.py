"""Make text safe to show: without codes that a terminal, browser or spreadsheet executes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_MAX_LENGTH: Final = 200
"""The number of characters shown of a foreign text."""

_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 except tab and line feed, DEL, C1
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"  # text direction marks, invisible ones
    "\ud800-\udfff]"  # surrogates
)
_WHITESPACE: Final = re.compile(r"\s+")
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def clean_text(text: str) -> str:
    """Return a text of one or more lines without control characters."""
    return _UNSAFE.sub("", text)


def clean_line(text: str, most: int = _MAX_LENGTH) -> str:
    """Return a text from a provider or a file as one line of at most `most` characters."""
    line = _WHITESPACE.sub(" ", _UNSAFE.sub(" ", text[: 8 * most])).strip()
    return line if len(line) <= most else f"{line[: most - 3]}..."


def join_first(texts: Sequence[str], shown: int, *, between: str = ", ", last: str = " and") -> str:
    """Return the first `shown` texts, and how many more there are: "A, B and 3 more"."""
    rest = f"{last} {len(texts) - shown:,} more" if len(texts) > shown else ""
    return between.join(texts[:shown]) + rest


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 task", "1,200 tasks"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def csv_cell(text: str) -> str:
    """Return a text that no spreadsheet reads as a formula: `=A1` gets a quote in front."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def study_command(condition: str) -> str:
    """Return the command that shows what followed a condition, for a POSIX shell."""
    from shlex import quote  # few commands need it

    return f"marketsweep study {quote(clean_line(condition, len(condition)))}"
