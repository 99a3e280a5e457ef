"""Make the page of a sweep with outcomes: heat maps of two parameters, and the walk-forward.

A good variant among bad neighbours is luck; a plateau of good ones, which stays out of the sample,
may be more.
"""

from __future__ import annotations

from html import escape
from typing import Final

import numpy as np

from marketsweep.output.charts.page import asset, head
from marketsweep.output.charts.tables import coloured_cell, html_table
from marketsweep.output.sweep_table import (
    WALK_FORWARD,
    Rows,
    best_rows,
    judgement,
    variant_text,
    walk_forward_rows,
)
from marketsweep.studies.sweep_outcomes import SweepOutcomes
from marketsweep.studies.sweep_result import Sweep

_MOST_TEXTS: Final = 16
"""Columns of a map whose cells show their number; those of larger ones show it on hover."""
_MOST_CELLS: Final = 10_000
_BEST: Final = 15
_QUANTILE: Final = 0.95
"""The quantile of the means that has the full colour."""


def sweep_page(result: Sweep) -> str:
    """Return the page, which needs no other file. The sweep must have outcomes."""
    outcomes = result.outcomes
    assert outcomes is not None
    title = escape(f"{outcomes.outcome} of {result.condition}")
    notes = "".join(f"<p>{escape(warning)}</p>\n" for warning in result.warnings)
    return (
        f"{head(title, asset('chart.css'), asset('study.css'))}<body>\n"
        f"<h1>{len(result):,} variants <span>{result.sessions[0].session} to "
        f"{result.sessions[-1].session}</span></h1>\n"
        f"<p><code>{escape(result.condition)}</code></p>\n"
        f"<p>{escape(outcomes.outcome)} after the first session of each streak; "
        f"{escape(result.receipt)}</p>\n"
        + "".join(f"<p>{escape(text)}</p>\n" for text in judgement(result, outcomes))
        + _maps(result, outcomes)
        + _walk_forward(result, outcomes)
        + f"<h2>Best variants</h2>\n{_table(best_rows(result, outcomes, _BEST))}"
        + (f"<h2>Notes</h2>\n{notes}" if notes else "")
        + "<footer>A good variant among bad neighbours is luck. See the guide on sweeps for what "
        "such figures cannot tell.</footer>\n</body></html>\n"
    )


def _maps(result: Sweep, outcomes: SweepOutcomes) -> str:
    """Return the mean outcomes in and out of sample over the first two parameters."""
    best = outcomes.best or 0
    names = result.names[:2]
    if not names:
        return ""
    # Of a third parameter, the maps have the value of the best variant.
    alike = (result.values[:, 2:] == result.values[best, 2:]).all(axis=1)
    places = np.flatnonzero(alike)
    x = np.unique(result.values[places, 0])
    y = np.unique(result.values[places, 1]) if len(names) > 1 else np.zeros(1)
    if len(x) * len(y) > _MOST_CELLS:
        return f"<p>The maps would have {len(x) * len(y):,} cells: sweep fewer values.</p>\n"
    spans = {"in sample": outcomes.in_sample, "out of sample": outcomes.out_of_sample}
    means = {name: outcomes.means(span) for name, span in spans.items()}
    known = np.abs(np.concatenate([column[places] for column in means.values()]))
    known = known[~np.isnan(known)]
    darkest = float(np.quantile(known, _QUANTILE)) if len(known) else 0.0
    rest = zip(result.names[2:], result.values[best, 2:].tolist(), strict=True)
    fixed = "".join(f", {name} = {value:g}" for name, value in rest)
    parts = []
    for name, span in spans.items():
        days = result.sessions[span]
        when = f"{days[0].session} to {days[-1].session}" if days else "no session"
        parts.append(
            f"<h2>Mean {escape(name)}: {when}{escape(fixed)}</h2>\n"
            + _map(result, means[name], x, y, best, darkest)
        )
    return "".join(parts)


def _map(
    result: Sweep,
    means: np.ndarray[tuple[int], np.dtype[np.float64]],
    x: np.ndarray[tuple[int], np.dtype[np.float64]],
    y: np.ndarray[tuple[int], np.dtype[np.float64]],
    best: int,
    darkest: float,
) -> str:
    """Return a table: the first parameter to the right, the second one downwards."""
    assert result.outcomes is not None
    place = {tuple(values): i for i, values in enumerate(result.values.tolist())}
    tail = result.values[best, 2:].tolist()
    corner = " / ".join(reversed(result.names[:2]))
    head_row = "".join(f"<th>{value:g}</th>" for value in x.tolist())
    lines = [f"<tr><th>{escape(corner)}</th>{head_row}</tr>"]
    for row in y.tolist():
        cells = []
        for column in x.tolist():
            key = (column, row, *tail) if len(result.names) > 1 else (column,)
            number = place.get(key)
            if number is None or np.isnan(means[number]):
                cells.append("<td></td>")
                continue
            mean = float(means[number])
            events = result.outcomes.figures[number].events
            title = f"{variant_text(result, number)}: {mean:+.2%}, {events:,} events"
            text = f"{mean:+.1%}" if len(x) <= _MOST_TEXTS else ""
            kind = "best" if number == best else ""
            cells.append(coloured_cell(mean, darkest, text, title, kind))
        label = f"{row:g}" if len(result.names) > 1 else ""
        lines.append(f"<tr><td>{label}</td>{''.join(cells)}</tr>")
    return f'<div class="wide"><table class="map">{"".join(lines)}</table></div>\n'


def _walk_forward(result: Sweep, outcomes: SweepOutcomes) -> str:
    if not outcomes.walk_forward:
        return ""
    return f"<h2>{WALK_FORWARD.capitalize()}</h2>\n{_table(walk_forward_rows(result, outcomes))}"


def _table(rows: Rows) -> str:
    header, *lines = rows
    return f'<div class="wide">{html_table(header, lines)}</div>\n'
