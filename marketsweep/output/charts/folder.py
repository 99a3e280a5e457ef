"""A folder of charts: a page for each of a scan's best matches, and the sheet of them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.errors import UsageError
from marketsweep.output.charts.drawing import Marks, draw
from marketsweep.output.charts.page import Chart, Links, write_page
from marketsweep.output.charts.sheet import sheet
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Hits

MOST: Final = 60
"""Matches that are drawn, a quarter of a megabyte each."""

_INDEX: Final = "index.html"

_RESERVED: Final = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d|index)(?=\.|$)")
"""What Windows will not have as a file, whatever its ending, and the sheet's own name."""


def make_folder(folder: Path) -> None:
    """The folder, made where it is not there. Raises UsageError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"cannot write charts to {folder}: it is not a folder") from None
    except OSError as error:
        raise UsageError(f"cannot write charts to {folder}: {error.strerror}") from error


def write_charts(
    hits: Hits,
    loader: Loader,
    folder: Path,
    adjust: Adjust,
    progress: Callable[[int], object],
    marks: Marks | None = None,
) -> Path:
    """Write the pages of the first matches, and the sheet last; the path of the sheet.

    `marks` are for `draw`.
    `loader` is the one that the hits came from; `progress` is told of each page. Pages of earlier
    scans stay unless a new one has their name. Raises UsageError where a file cannot be written.
    """
    make_folder(folder)
    symbols = hits.symbols[:MOST]
    shown = list(hits.shown.values())
    drawings = (
        draw(loader, hits.as_of, symbols, hits.tree, shown, marks=marks, adjust=adjust)
        if symbols
        else []
    )
    links = [page_name(symbol) for symbol in symbols]
    beside = ["", *links, ""]
    for place, drawing in enumerate(drawings):
        pages = Links(_INDEX, beside[place], beside[place + 2])
        write_page(folder / links[place], Chart(drawing, pages).html)
        progress(1)
    write_page(folder / _INDEX, sheet(hits, drawings, links))
    return folder / _INDEX


def page_name(symbol: str) -> str:
    """The name of a symbol's page: `KIM~pL.html` of KIMpL.

    Capitals, digits, `-` and inner dots stand for themselves, small letters follow a `~`, and of
    anything else the number stands between two: no two symbols share a name, on disks that do
    not tell capitals from small letters either, and none leads out of the folder.
    """
    plain = re.sub(r"[^A-Z0-9.-]|^\.", _written, symbol)
    return _RESERVED.sub(r"\1~", plain) + ".html"


def _written(found: re.Match[str]) -> str:
    letter = found[0]
    return f"~{letter}" if letter.isascii() and letter.islower() else f"~{ord(letter)}~"
