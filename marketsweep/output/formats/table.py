"""A table for people, as wide as the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import IO, Final

from marketsweep.scan.results import Hits

_WIDTH: Final = 200
"""Columns where there is no terminal to ask."""

_GAP: Final = "  "


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the matches as a table; the values that do not fit are named below it."""
    width = _WIDTH
    if file.isatty():
        from shutil import get_terminal_size  # it takes longer to import than to write a table

        width = get_terminal_size().columns
    lines = _lines(hits, width) if len(hits) else ["no match"]
    file.write(("\n".join(lines) + "\n").encode())


def _lines(hits: Hits, width: int) -> list[str]:
    names = list(hits.values)
    columns = [["symbol", *hits.symbols]]
    columns.append(["close", *map(_price, hits.close.tolist())])
    columns.append(["volume", *(f"{shares:,.0f}" for shares in hits.volume.tolist())])
    fixed = len(columns)
    if any(hits.suspicious):
        columns.append(["suspicious", *hits.suspicious])
        fixed += 1
    columns += [
        [name, *(value_cell(hits, name, row) for row in range(len(hits)))] for name in names
    ]
    widths = [max(map(len, column)) for column in columns]
    shown = len(columns)
    while shown > fixed and sum(widths[:shown]) + len(_GAP) * (shown - 1) > width:
        shown -= 1
    cells = [[column[row] for column in columns[:shown]] for row in range(len(hits) + 1)]
    rule = _GAP.join("-" * width for width in widths[:shown])
    lines = [_line(row, widths) for row in cells]
    left = names[shown - fixed :]
    note = [f"not shown for want of room: {', '.join(left)}"] if left else []
    young = ["~ too few bars to have settled"] if any(hits.unsettled) else []
    return [lines[0], rule, *lines[1:], *note, *young]


def value_cell(hits: Hits, name: str, rank: int) -> str:
    """Return a value of a match as people read it, "~" before one that has not settled."""
    mark = "~" if name in hits.unsettled[rank] else ""
    return mark + written_number(hits.values[name][rank].item())


def _line(cells: list[str], widths: list[int]) -> str:
    justify: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(cells) - 1)]
    padded = (put(cell, width) for put, cell, width in zip(justify, cells, widths, strict=False))
    return _GAP.join(padded).rstrip()


def _price(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"


def written_number(value: float) -> str:
    """A value as people read it: fewer decimals the larger it is, a dash for none."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"
