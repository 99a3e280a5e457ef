"""Make the contact sheet: a scan's best matches side by side, as static SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from marketsweep.output.charts.drawing import Drawing
from marketsweep.output.charts.page import asset, change_of, head
from marketsweep.output.charts.panes import PRICE, VOLUME
from marketsweep.output.charts.paths import Scale, candles, polyline, vertical_lines
from marketsweep.output.formats.table import value_cell
from marketsweep.scan.results import Hits, Value

_SESSIONS: Final = 90
"""The number of sessions in a small chart, each `_STEP` units wide."""

_STEP: Final = 4
_WIDTH: Final = _SESSIONS * _STEP
_CANDLES_HEIGHT: Final = 130
_VOLUME_HEIGHT: Final = 26
_HEIGHT: Final = _CANDLES_HEIGHT + _VOLUME_HEIGHT + 4


def sheet(hits: Hits, drawings: Sequence[Drawing], links: Sequence[str]) -> str:
    """Return the page: a small chart of each of the first matches, with a link to the big one."""
    title = escape(f"{len(hits):,} matches as of {hits.as_of}: {hits.condition}")
    not_drawn = len(hits) - len(drawings)
    notes = [hits.receipt, *hits.warnings]
    if not drawings:
        notes.append("No match: there is nothing to draw.")
    elif not_drawn:
        notes.append(
            f"The first {len(drawings):,} are drawn, in rank order; {not_drawn:,} are not."
        )
    cards = [
        _card(hits, rank, drawing, link)
        for rank, (drawing, link) in enumerate(zip(drawings, links, strict=True))
    ]
    return (
        f"{head(title, asset('chart.css'), asset('sheet.css'))}<body>\n"
        f"<h1>{len(hits):,} {'match' if len(hits) == 1 else 'matches'} "
        f"<span>as of {hits.as_of:%a %Y-%m-%d}</span></h1>\n"
        f"<p><code>{escape(hits.condition)}</code></p>\n"
        + "".join(f"<p>{escape(note)}</p>\n" for note in notes)
        + (_tools(hits) if cards else "")
        + f"<main>\n{''.join(cards)}</main>\n"
        + f"<script>{asset('sheet.js')}</script>\n</body></html>\n"
    )


def _tools(hits: Hits) -> str:
    """Return the controls that sort and filter the cards."""
    values = {f"v{at}": name for at, name in enumerate(hits.values)}
    orders = {"rank": "rank", "symbol": "symbol", "change": "change", "close": "close"}
    orders |= {"volume": "volume"} | values
    options = "".join(
        f'<option value="{key}">{escape(name)}</option>' for key, name in orders.items()
    )
    return (
        '<form id="tools"><label>Sort by <select name="sort">'
        f'{options}</select></label><label><input type="checkbox" name="descending"> '
        'highest first</label><label>Filter <input type="search" name="filter" '
        'placeholder="ticker, name, sector"></label><output></output></form>\n'
    )


def _card(hits: Hits, rank: int, drawing: Drawing, link: str) -> str:
    change = drawing.change
    keys: dict[str, Value] = {
        "symbol": drawing.symbol,
        "rank": rank,
        "close": hits.close[rank].item(),
    }
    keys |= {"change": change, "volume": hits.volume[rank].item()}
    keys |= {f"v{at}": hits.value(name, rank) for at, name in enumerate(hits.values)}
    sort = "".join(f' data-{key}="{escape(str(value))}"' for key, value in keys.items())
    text = " ".join([drawing.symbol, drawing.name, *map(str, drawing.facts.values())])
    values = "".join(
        f"<dt>{escape(name)}</dt><dd>{value_cell(hits, name, rank)}</dd>" for name in hits.values
    )
    name = f'<div class="name">{escape(drawing.name)}</div>' if drawing.name else ""
    suspicious = hits.suspicious[rank]
    if suspicious:
        name += f'<div class="suspicious">suspicious: {escape(suspicious)}</div>'
    return (
        f'<a href="{escape(link)}"{sort} data-text="{escape(text.lower())}">'
        f'<div class="head"><b>{escape(drawing.symbol)}</b><span>{rank + 1}</span>'
        f"{change_of(drawing)}</div>{name}"
        f"{picture(drawing)}<dl>{values}</dl></a>\n"
    )


def picture(drawing: Drawing) -> str:
    """Return the newest sessions of a drawing as SVG: candles, lines, volume, and where it held."""
    days = {day: i for i, day in enumerate(sorted([*drawing.days, *drawing.holes])[-_SESSIONS:])}
    shown = [i for i, day in enumerate(drawing.days) if day in days]
    slots = [days[drawing.days[i]] for i in shown]
    x = (np.array(slots, dtype=np.float64) + 0.5 + _SESSIONS - len(days)) * _STEP
    bars = {name: values[shown] for name, values in drawing.bars.items()}
    lines = [line.values[shown] for line in drawing.panes[PRICE].lines]
    volumes = [bars["volume"], *(line.values[shown] for line in drawing.panes[VOLUME].lines)]

    y = Scale([bars["low"], bars["high"], *lines], top=2, bottom=_CANDLES_HEIGHT)
    v = Scale([np.zeros(1), *volumes], top=_CANDLES_HEIGHT + 4, bottom=_HEIGHT)
    held = np.zeros(len(shown)) if drawing.held is None else drawing.held[shown]
    paths = [("held", vertical_lines(x[held == 1.0], 0.0, _HEIGHT))]
    paths.append(("volume", vertical_lines(x, v(bars["volume"]), v(np.zeros(len(x))))))
    paths += candles(x, y, bars)
    paths += [(f"line c{i % 6}", polyline(x, y(line))) for i, line in enumerate(lines)]
    paths += [
        (f"line c{i % 6}", polyline(x, v(line)))
        for i, line in enumerate(volumes[1:], start=len(lines))
    ]
    elements = "".join(f'<path class="{name}" d="{path}"/>' for name, path in paths if path)
    label = escape(f"{drawing.symbol} from {min(days)} to {max(days)}")
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{elements}</svg>'
