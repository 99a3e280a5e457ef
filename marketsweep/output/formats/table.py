"""Write a table for people, as wide as the terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

import numpy as np
from click import style

from marketsweep.scan.results import Hits, Value

if TYPE_CHECKING:
    from marketsweep.scan.quotes import Quotes

_DEFAULT_WIDTH: Final = 200
"""The width in characters if the output is not a terminal."""

_GAP: Final = "  "
_NAME_WIDTH: Final = 24
"""The largest width of a name, in characters."""

_CHANGE: Final = "change"
_COLOURS: Final = {"+": "green", "-": "red"}
_NONZERO_DIGITS: Final = set("123456789")
"""Digits of a change that is not zero."""


def write(
    hits: Hits, file: IO[bytes], quotes: Quotes | None = None, most: int | None = None
) -> None:
    """Write the matches as a table; values that do not fit are named below the table.

    `quotes` adds names and changes. At most `most` matches are written, and the others counted.
    """
    width, paint = _DEFAULT_WIDTH, _unchanged
    if file.isatty():
        from shutil import get_terminal_size  # takes longer to import than a table takes to write

        width = get_terminal_size().columns
        paint = _add_colour if has_colour() else _unchanged
    rows = len(hits) if most is None else min(most, len(hits))
    lines = _table_lines(hits, rows, quotes, width, paint) if rows else ["no match"]
    if rows < len(hits):
        lines.append(
            f"{len(hits) - rows:,} more: --limit {len(hits)} shows them, "
            "--format csv, json or parquet writes them"
        )
    file.write(("\n".join(lines) + "\n").encode())


def has_colour() -> bool:
    """Return whether a terminal may show colours: see no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _table_lines(
    hits: Hits, rows: int, quotes: Quotes | None, width: int, paint: Callable[[str], str]
) -> list[str]:
    names = list(hits.values)
    columns = [["symbol", *hits.symbols[:rows]]]
    if quotes and any(quotes.names):
        columns.append(["name", *(short(name) for name in quotes.names[:rows])])
    texts = set(range(len(columns)))
    columns.append(["close", *map(_price, hits.close[:rows].tolist())])
    if quotes:
        columns.append([_CHANGE, *map(change_cell, quotes.changes[:rows].tolist())])
    columns.append(["volume", *(f"{shares:,.0f}" for shares in hits.volume[:rows].tolist())])
    fixed = len(columns)
    if any(hits.suspicious[:rows]):
        columns.append(["suspicious", *hits.suspicious[:rows]])
        fixed += 1
    texts |= {len(columns) + at for at, name in enumerate(names) if _is_text(hits, name)}
    columns += [[name, *(value_cell(hits, name, row) for row in range(rows))] for name in names]
    widths = [max(map(len, column)) for column in columns]
    shown = len(columns)
    while shown > fixed and sum(widths[:shown]) + len(_GAP) * (shown - 1) > width:
        shown -= 1
    padded = [
        [
            paint(cell) if column[0] == _CHANGE else cell
            for cell in _pad(column, widths[index], is_text=index in texts)
        ]
        for index, column in enumerate(columns[:shown])
    ]
    rule = _GAP.join("-" * size for size in widths[:shown])
    lines = [_GAP.join(row).rstrip() for row in zip(*padded, strict=True)]
    hidden = names[shown - fixed :]
    hidden_note = [f"not shown, the terminal is too narrow: {', '.join(hidden)}"] if hidden else []
    unsettled_note = ["~ too few bars to have settled"] if any(hits.unsettled[:rows]) else []
    return [lines[0], rule, *lines[1:], *hidden_note, *unsettled_note]


def short(name: str) -> str:
    """Return a name that fits a column."""
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3].rstrip()}..."


def change_cell(change: float) -> str:
    """Return a change in percent; a dash if there is none."""
    return f"{change:+,.2f}%" if math.isfinite(change) else "-"


def _unchanged(cell: str) -> str:
    return cell


def _add_colour(cell: str) -> str:
    """Return a change in the colour of its direction."""
    sign = cell.strip()[:1]
    return (
        style(cell, fg=_COLOURS[sign]) if sign in _COLOURS and set(cell) & _NONZERO_DIGITS else cell
    )


def value_cell(hits: Hits, name: str, rank: int) -> str:
    """Return a value of a match as text, with "~" before a value that has not settled."""
    mark = "~" if name in hits.unsettled[rank] else ""
    return mark + _written(hits.value(name, rank))


def _written(value: Value) -> str:
    """Return a value as text; a dash if it is unknown."""
    if isinstance(value, float):
        return written_number(value)
    return "-" if value is None else short(str(value))


def _is_text(hits: Hits, name: str) -> bool:
    return hits.values[name].dtype == np.object_


def _pad(column: list[str], width: int, *, is_text: bool) -> list[str]:
    return [cell.ljust(width) if is_text else cell.rjust(width) for cell in column]


def _price(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"


def written_number(value: float) -> str:
    """Return a number as text: fewer decimals the larger it is, a dash if not finite."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"
