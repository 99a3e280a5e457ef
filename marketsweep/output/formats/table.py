"""A table for people, as wide as the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

from click import style

from marketsweep.scan.results import Hits

if TYPE_CHECKING:
    from marketsweep.scan.quotes import Quotes

_WIDTH: Final = 200
"""Columns where there is no terminal to ask."""

_GAP: Final = "  "
_NAME: Final = 24
"""Characters of a name."""

_CHANGE: Final = "change"
_COLOURS: Final = {"+": "green", "-": "red"}
_MOVED: Final = set("123456789")
"""Digits of a change that is not zero."""


def write(
    hits: Hits, file: IO[bytes], quotes: Quotes | None = None, most: int | None = None
) -> None:
    """Write the matches as a table; the values that do not fit are named below it.

    `quotes` adds names and changes. At most `most` matches are written, and the rest counted.
    """
    width, paint = _WIDTH, _plain
    if file.isatty():
        from shutil import get_terminal_size  # it takes longer to import than to write a table

        width = get_terminal_size().columns
        paint = _coloured if has_colour() else _plain
    rows = len(hits) if most is None else min(most, len(hits))
    lines = _lines(hits, rows, quotes, width, paint) if rows else ["no match"]
    if rows < len(hits):
        lines.append(
            f"{len(hits) - rows:,} more: --limit {len(hits)} shows them, "
            "--format csv, json or parquet writes them"
        )
    file.write(("\n".join(lines) + "\n").encode())


def has_colour() -> bool:
    """Return whether a terminal may show colours: see no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _lines(
    hits: Hits, rows: int, quotes: Quotes | None, width: int, paint: Callable[[str], str]
) -> list[str]:
    names = list(hits.values)
    columns = [["symbol", *hits.symbols[:rows]]]
    if quotes and any(quotes.names):
        columns.append(["name", *(short(name) for name in quotes.names[:rows])])
    texts = len(columns)
    columns.append(["close", *map(_price, hits.close[:rows].tolist())])
    if quotes:
        columns.append([_CHANGE, *map(change_cell, quotes.changes[:rows].tolist())])
    columns.append(["volume", *(f"{shares:,.0f}" for shares in hits.volume[:rows].tolist())])
    fixed = len(columns)
    if any(hits.suspicious[:rows]):
        columns.append(["suspicious", *hits.suspicious[:rows]])
        fixed += 1
    columns += [[name, *(value_cell(hits, name, row) for row in range(rows))] for name in names]
    widths = [max(map(len, column)) for column in columns]
    shown = len(columns)
    while shown > fixed and sum(widths[:shown]) + len(_GAP) * (shown - 1) > width:
        shown -= 1
    padded = [
        [
            paint(cell) if column[0] == _CHANGE else cell
            for cell in _padded(column, widths[place], is_text=place < texts)
        ]
        for place, column in enumerate(columns[:shown])
    ]
    rule = _GAP.join("-" * size for size in widths[:shown])
    lines = [_GAP.join(row).rstrip() for row in zip(*padded, strict=True)]
    hidden = names[shown - fixed :]
    note = [f"not shown for want of room: {', '.join(hidden)}"] if hidden else []
    young = ["~ too few bars to have settled"] if any(hits.unsettled[:rows]) else []
    return [lines[0], rule, *lines[1:], *note, *young]


def short(name: str) -> str:
    """Return a name that fits a column."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 3].rstrip()}..."


def change_cell(change: float) -> str:
    """Return a change in percent; a dash for none."""
    return f"{change:+,.2f}%" if math.isfinite(change) else "-"


def _plain(cell: str) -> str:
    return cell


def _coloured(cell: str) -> str:
    """Return a change in the colour of its direction."""
    sign = cell.strip()[:1]
    return style(cell, fg=_COLOURS[sign]) if sign in _COLOURS and set(cell) & _MOVED else cell


def value_cell(hits: Hits, name: str, rank: int) -> str:
    """Return a value of a match as people read it, "~" before one that has not settled."""
    mark = "~" if name in hits.unsettled[rank] else ""
    return mark + written_number(hits.values[name][rank].item())


def _padded(column: list[str], width: int, *, is_text: bool) -> list[str]:
    return [cell.ljust(width) if is_text else cell.rjust(width) for cell in column]


def _price(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"


def written_number(value: float) -> str:
    """A value as people read it: fewer decimals the larger it is, a dash for none."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"
