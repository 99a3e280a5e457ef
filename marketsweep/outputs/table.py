"""A table for people, as wide as the terminal."""

from __future__ import annotations

import io
import math
import shutil
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketsweep.results import Hits


def write(hits: Hits, file: IO[bytes]) -> None:
    """Write the matches as a table; where the values do not fit, the last ones are named below."""
    width = shutil.get_terminal_size((120, 24)).columns if file.isatty() else 200
    text = io.StringIO()
    console = Console(file=text, width=width, color_system="auto" if file.isatty() else None)
    if len(hits):
        shown, left = _fitting(hits, width)
        console.print(_table(hits, shown))
        if left:
            console.print(Text(f"not shown for want of room: {', '.join(left)}", style="dim"))
    else:
        console.print("no match")
    file.write(text.getvalue().encode())


def _table(hits: Hits, shown: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("symbol", no_wrap=True)
    for name in ("close", "volume", *shown):
        table.add_column(Text(name), justify="right", no_wrap=True)
    for match in hits.matches:
        values = (match.values[name] for name in shown)
        cells = [_price(match.close), f"{match.volume:,.0f}", *map(_number, values)]
        # Text: a ticker or a name is never read as markup.
        table.add_row(Text(match.symbol), *cells)
    return table


def _fitting(hits: Hits, width: int) -> tuple[list[str], list[str]]:
    names = list(hits.values)
    room = width - 2 - max(len("symbol"), *map(len, hits.symbols))
    room -= 2 + max(len(_price(value)) for value in hits.close.tolist())
    room -= 2 + max(len("volume"), *(len(f"{value:,.0f}") for value in hits.volume.tolist()))
    shown: list[str] = []
    for name in names:
        room -= 2 + max(len(name), *(len(_number(value)) for value in hits.values[name].tolist()))
        if room < 0:
            break
        shown.append(name)
    return shown, names[len(shown) :]


def _price(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"
