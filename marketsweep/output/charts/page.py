"""Make a self-contained page of one symbol, interactive with TradingView's Lightweight Charts."""

from __future__ import annotations

import math
import os
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from marketsweep.core.safe_text import study_command
from marketsweep.core.whole_files import whole_file
from marketsweep.output.charts.drawing import Drawing
from marketsweep.output.formats.table import written_number

_PANE_HEIGHT: Final = 120
_CANDLES_HEIGHT: Final = 380
_AXIS_HEIGHT: Final = 30
"""Heights in pixels."""

_ADJUSTMENT_TEXTS: Final = {
    "splits": "prices adjusted for splits",
    "total": "prices adjusted for splits and dividends",
    "none": "prices not adjusted",
}

_SCRIPT_ESCAPES: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}
"""Escapes, so that no text in the data can end the script element."""

# The page contains everything, so it may not load anything.
_POLICY: Final = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"


class Links(NamedTuple):
    """Links from a page: the sheet, and the pages of the previous and next match; "" for none."""

    sheet: str = ""
    before: str = ""
    after: str = ""


class Chart:
    """A chart of one symbol, as a page for a browser; Jupyter shows it by itself."""

    def __init__(self, drawing: Drawing, links: Links | None = None) -> None:
        self.drawing = drawing
        self._links = links or Links()

    @property
    def html(self) -> str:
        """The whole page, which needs no network."""
        drawing = self.drawing
        title = escape(f"{drawing.symbol} {drawing.days[-1]}")
        name = f" <span>{escape(drawing.name)}</span>" if drawing.name else ""
        facts = f"<p>{escape(facts_in_words(drawing))}</p>\n" if drawing.facts else ""
        condition = _condition(drawing.condition) if drawing.condition else ""
        data = msgspec.json.encode(chart_data(drawing)).decode().translate(_SCRIPT_ESCAPES)
        return (
            f"{head(title, asset('chart.css'))}<body>\n"
            f"{_navigation(self._links)}<h1>{escape(drawing.symbol)}{name}"
            f"{change_of(drawing)}</h1>{condition}\n{facts}"
            f"<p>{escape(summary_of(drawing))}</p>\n"
            + "".join(f'<p class="warning">{escape(text)}</p>\n' for text in drawing.warnings)
            + '<div id="tools"></div>\n'
            f'<div id="chart" style="height:{self._height}px"></div>\n'
            f"<footer>{asset('lightweight-charts.NOTICE.html')}</footer>\n"
            f'<script type="application/json" id="data">{data}</script>\n'
            f"<script>{asset('lightweight-charts.js')}</script>\n"
            f"<script>{asset('chart.js')}</script>\n</body></html>\n"
        )

    @property
    def _height(self) -> int:
        return _CANDLES_HEIGHT + _PANE_HEIGHT * (len(self.drawing.panes) - 1) + _AXIS_HEIGHT

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file. Raises UsageError if that fails, StoreFull on a full disk."""
        write_page(Path(path).expanduser(), self.html)

    def _repr_html_(self) -> str:
        return framed(self.html, self._height + 170)

    def __repr__(self) -> str:
        return f"<Chart: {self.drawing.symbol}, {summary_of(self.drawing)}>"


def framed(html: str, height: int) -> str:
    """Return a page in an iframe, so that several pages in a notebook do not conflict."""
    return (
        f'<iframe srcdoc="{escape(html)}" sandbox="allow-scripts allow-popups" '
        f'style="width:100%;height:{height}px;border:0"></iframe>'
    )


def _condition(condition: str) -> str:
    """Return the condition, and the command that shows what followed its signals."""
    return (
        f"<p><code>{escape(condition)}</code></p>\n"
        f"<p>What followed: <code>{escape(study_command(condition))}</code></p>"
    )


def _navigation(links: Links) -> str:
    """Return links to the neighbouring pages, each with its key."""
    shown = [
        (links.before, "before", "previous match", "ArrowLeft", "\u2190 previous"),
        (links.sheet, "sheet", "all matches", "Escape", "all matches"),
        (links.after, "after", "next match", "ArrowRight", "next \u2192"),
    ]
    parts = [
        f'<a href="{escape(href)}" data-key="{key}" title="{title} ({key})" class="{name}">'
        f"{text}</a>"
        for href, name, title, key, text in shown
        if href
    ]
    return f"<nav>{''.join(parts)}</nav>\n" if parts else ""


def change_of(drawing: Drawing) -> str:
    """Return the last close and its change as HTML, in the colour of the direction."""
    close, change = float(drawing.bars["close"][-1]), drawing.change
    text = f" <em>{written_number(close)}</em>" if math.isfinite(close) else ""
    if change is None or not math.isfinite(change):
        return text
    colour = "gain" if change >= 0 else "loss"
    return f'{text} <em class="{colour}">{change:+.2f}%</em>'


def facts_in_words(drawing: Drawing) -> str:
    """Return exchange, sector, industry and market cap in one line."""
    facts = dict(drawing.facts)
    cap = facts.pop("market_cap", None)
    words = [str(fact) for fact in facts.values()]
    if isinstance(cap, float | int):
        words.append(f"market cap {short_dollars(float(cap))}")
    return " · ".join(words)


def short_dollars(dollars: float) -> str:
    """Return dollars in few characters: $1.2B."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if dollars >= size:
            return f"${dollars / size:.3g}{letter}"
    return f"${dollars:,.0f}"


def write_page(path: Path, html: str) -> None:
    """Write a page. Raises UsageError if that fails, and StoreFull on a full disk."""
    with whole_file(path) as file:
        file.write(html.encode())


def summary_of(drawing: Drawing) -> str:
    """Return the number of bars, the adjustment and the gaps of a drawing, in one line."""
    bars, last = len(drawing.days), drawing.days[-1]
    parts = [f"{bars:,} bars from {drawing.days[0]} to {last}", _ADJUSTMENT_TEXTS[drawing.adjust]]
    if last != drawing.as_of:
        parts.append(f"no later bar up to {drawing.as_of}")
    if drawing.holes:
        s = "" if len(drawing.holes) == 1 else "s"
        parts.append(f"{len(drawing.holes):,} session{s} between them without a bar")
    if drawing.held is not None:
        parts.append(f"the condition is true on {int((drawing.held == 1.0).sum()):,}")
    return "; ".join(parts)


def chart_data(drawing: Drawing) -> dict[str, Any]:
    """Return the data of a page, for JSON; NaN becomes null."""
    return {
        "symbol": drawing.symbol,
        "days": drawing.days,
        "holes": drawing.holes,
        **{name: values.tolist() for name, values in drawing.bars.items()},
        "held": None if drawing.held is None else drawing.held.tolist(),
        "events": [event._asdict() for event in drawing.events],
        "panes": [
            {
                "lines": [
                    {
                        "label": line.label,
                        "values": line.values.tolist(),
                        "shape": line.shape,
                        "band": line.band,
                    }
                    for line in pane.lines
                ],
                "levels": pane.levels,
                "guides": pane.guides,
            }
            for pane in drawing.panes
        ],
    }


def head(title: str, *styles: str) -> str:
    """Return the head of a page; `title` is HTML, and `styles` are CSS."""
    style = "\n".join(styles)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<style>{style}</style></head>"
    )


@lru_cache
def asset(name: str) -> str:
    """Return the text of a file in the folder `assets`."""
    folder = files("marketsweep.output.charts") / "assets"
    return folder.joinpath(name).read_text(encoding="utf-8").strip()
