"""Write a folder of charts: a page for each of a scan's best matches, and the sheet of them all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.errors import UsageError
from marketsweep.language.tree import Kind
from marketsweep.output.charts.drawing import draw
from marketsweep.output.charts.page import Chart, Links, write_page
from marketsweep.output.charts.sheet import sheet
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Hits

MAX_CHARTS: Final = 60
"""The largest number of matches drawn; a page has a quarter of a megabyte."""

_INDEX: Final = "index.html"

_RESERVED: Final = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d|index)(?=\.|$)")
"""Names that Windows does not allow for files, with any ending, and the sheet's own name."""


def make_folder(folder: Path) -> None:
    """Create a folder if it does not exist. Raises UsageError if that fails."""
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
) -> Path:
    """Write the pages of the first matches, then the sheet; return the path of the sheet.

    `loader` is the loader that the hits came from, and `progress` is called for each page. Pages of
    earlier scans stay unless a new page has the same name. Raises UsageError if a file cannot be
    written.
    """
    make_folder(folder)
    symbols = hits.symbols[:MAX_CHARTS]
    indicators = [node for node in hits.shown.values() if node.kind is Kind.NUMBER]
    drawings = (
        draw(loader, hits.as_of, symbols, hits.tree, indicators, adjust=adjust) if symbols else []
    )
    links = [page_name(symbol) for symbol in symbols]
    neighbours = ["", *links, ""]
    for index, drawing in enumerate(drawings):
        pages = Links(_INDEX, neighbours[index], neighbours[index + 2])
        write_page(folder / links[index], Chart(drawing, pages).html)
        progress(1)
    write_page(folder / _INDEX, sheet(hits, drawings, links))
    return folder / _INDEX


def page_name(symbol: str) -> str:
    """Return the file name of a symbol's page: `KIM~pL.html` for KIMpL.

    Capitals, digits, `-` and inner dots are unchanged, a small letter follows a `~`, and any other
    character is its number between two `~`. So no two symbols share a name, even on disks that
    ignore case, and no name leads out of the folder.
    """
    plain = re.sub(r"[^A-Z0-9.-]|^\.", _escape_character, symbol)
    return _RESERVED.sub(r"\1~", plain) + ".html"


def _escape_character(match: re.Match[str]) -> str:
    letter = match[0]
    return f"~{letter}" if letter.isascii() and letter.islower() else f"~{ord(letter)}~"
