"""Make the page of a study: figures, intervals, distributions, months, and single positions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.core.safe_text import counted
from marketsweep.output.charts.page import asset, head
from marketsweep.output.charts.paths import Scale, polyline, vertical_lines
from marketsweep.output.charts.tables import coloured_cell, html_table
from marketsweep.output.study_table import (
    cells,
    costs_text,
    has_sectors,
    names,
    percent,
    portfolio_text,
    terms_of,
)
from marketsweep.studies.study.result import Figures, Hold, Study

_WIDTH: Final = 600
_HEIGHT: Final = 190
_SMALL_WIDTH: Final = 300
_SMALL_HEIGHT: Final = 120
_BINS: Final = 40
"""Bars of a distribution, half of them for gains; the outer ones hold all returns beyond."""
_TAIL: Final = 0.02
"""The share of the returns at each end that the outer bars hold."""
_POSITIONS: Final = 10
"""The best and the worst positions that are listed."""
_DARKEST: Final = 0.06
"""The mean excess of a month that has the full colour."""
_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


def study_page(study: Study) -> str:
    """Return the page, which needs no other file."""
    known = [hold for hold in study.holds if np.isfinite(hold.returns).any()]
    notes = "".join(f"<p>{escape(warning)}</p>\n" for warning in study.warnings)
    title = escape(f"What followed {study.condition}")
    return (
        f"{head(title, asset('chart.css'), asset('study.css'))}<body>\n"
        f"<h1>{counted(len(study), 'event')} <span>{study.since} to {study.until}</span></h1>\n"
        f"<p><code>{escape(study.condition)}</code></p>\n"
        + "".join(f"<p>{escape(line)}</p>\n" for line in terms_of(study.options))
        + (f"<p>{costs_text(study)}</p>\n" if study.options.spread and len(study) else "")
        + f"<p>{escape(study.receipt)}</p>\n"
        + _table(study)
        + (_pictures(study, known) if known else "<p>No event has a return yet.</p>\n")
        + (f"<h2>Notes</h2>\n{notes}" if notes else "")
        + "<footer>Past returns say little about those to come: see the guide on studies for what "
        "such figures cannot tell.</footer>\n</body></html>\n"
    )


def _pictures(study: Study, known: Sequence[Hold]) -> str:
    middle = known[min(len(known) - 1, study.options.middle)]
    return (
        '<div class="grid halves"><div><h3>Mean return and its 95 % interval, by horizon'
        '<span class="key mean"></span>return<span class="key over"></span>over the market</h3>'
        f"{_intervals(study)}</div><div><h3>Events by session</h3>"
        f"{_events_by_session(study)}</div></div>\n"
        + (_portfolio(study) if study.portfolio is not None else "")
        + _cumulative(study, middle)
        + "<h2>Distribution of the returns</h2>\n"
        f'<div class="grid">{"".join(map(_distribution, known))}</div>\n'
        f"<h2>Mean over the market by month of the signal, horizon {middle.horizon}</h2>\n"
        + _months(study, middle)
        + _positions(study, middle)
    )


def _portfolio(study: Study) -> str:
    """Draw the equity of the portfolio, and the benchmark beside it."""
    portfolio = study.portfolio
    assert portfolio is not None
    curves = {"mean": portfolio.equity - 1.0}
    if portfolio.benchmark is not None:
        curves["over"] = portfolio.benchmark - 1.0
    days = study.dates[portfolio.first : portfolio.first + len(portfolio.equity)]
    key = '<span class="key mean"></span>portfolio'
    if portfolio.benchmark is not None:
        key += f'<span class="key over"></span>{escape(study.options.benchmark or "")}'
    return (
        f"<h2>Portfolio {key}</h2>\n<p>{escape(portfolio_text(study))}</p>\n"
        + '<div class="grid"><div>'
        + _curves("equity of the portfolio", curves, days)
        + "</div></div>\n"
    )


def _cumulative(study: Study, hold: Hold) -> str:
    """Draw the excess over the market, added up session by session."""
    days = [receipt.session for receipt in study.sessions]
    return (
        f"<h2>Excess over the market, added up, horizon {hold.horizon}</h2>\n"
        f"<p>Each session invests 1/{hold.horizon} of the capital in its events, in equal parts, "
        f"for {counted(hold.horizon, 'session')}.</p>\n"
        + '<div class="grid"><div>'
        + _curves("cumulative excess", {"over": study.cumulative_excess(hold)}, days)
        + "</div></div>\n"
    )


def _curves(label: str, curves: Mapping[str, NDArray[np.float64]], days: Sequence[dt.date]) -> str:
    """Draw gains by session; the names of the curves are those of their colours."""
    y = Scale([*curves.values(), np.zeros(1)], 16, _HEIGHT - 24)
    x = np.linspace(0, _WIDTH, len(days))
    lines = [
        f'<path class="curve {name}" d="{polyline(x, y(curve))}"/>'
        for name, curve in curves.items()
    ]
    labels = [
        f'<text x="2" y="{_HEIGHT - 6}">{days[0]}</text>',
        f'<text x="{_WIDTH - 2}" y="{_HEIGHT - 6}" text-anchor="end">{days[-1]}</text>',
    ]
    return _svg(label, [_axis(y, y.bottom - 4), *lines, *labels])


def _table(study: Study) -> str:
    parts = [("horizon", "", {f"{row.sessions}": row for row in study.horizons})]
    place = study.options.middle
    for name, groups in study.groups.items():
        title = f"<h2>By {name}, horizon {study.holds[place].horizon}</h2>\n"
        parts.append((name, title, {label: rows[place] for label, rows in groups.items()}))
    return "".join(title + _rows_table(study, name, rows) for name, title, rows in parts)


def _rows_table(study: Study, first: str, figures: dict[str, Figures]) -> str:
    benchmark, sectors = study.options.benchmark, has_sectors(figures.values())
    rows = [(label, *cells(row, benchmark, sectors=sectors)) for label, row in figures.items()]
    table = html_table((first, *names(benchmark, sectors=sectors)), rows)
    return f'<div class="wide">{table}</div>\n'


def _intervals(study: Study) -> str:
    """Draw mean and interval of each horizon, of the return and of the excess over the market."""
    rows = [row for row in study.horizons if row.mean is not None]
    series = {
        "": [(row.mean, row.ci_low, row.ci_high) for row in rows],
        "excess ": [
            (row.excess_market, row.excess_market_low, row.excess_market_high) for row in rows
        ],
    }
    values = [np.array(series[name], dtype=np.float64).ravel() for name in series]
    y = Scale([*values, np.zeros(1)], top=16, bottom=_HEIGHT - 26)
    step = _WIDTH / (len(rows) + 1)
    elements = [_axis(y)]
    for shift, (name, triples) in enumerate(series.items()):
        for place, (mean, low, high) in enumerate(triples):
            if mean is None:
                continue
            x = np.array([step * (place + 1) - 7 + 14 * shift])
            if low is not None and high is not None:
                ends = y(np.array([high, low]))
                path = vertical_lines(x, float(ends[0]), float(ends[1]))
                elements.append(f'<path class="{name}interval" d="{path}"/>')
            at = float(y(np.array([mean]))[0])
            elements.append(f'<path class="{name}dot" d="M{x[0]:g} {at:.1f}h0.01"/>')
    labels = [
        f'<text x="{step * (place + 1):g}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{row.sessions}</text>"
        for place, row in enumerate(rows)
    ]
    return _svg("mean returns and their intervals", [*elements, *labels])


def _distribution(hold: Hold) -> str:
    returns = hold.returns[np.isfinite(hold.returns)]
    reach = max(float(np.abs(np.quantile(returns, (_TAIL, 1 - _TAIL))).max()), 1e-4)
    edges = np.linspace(-reach, reach, _BINS + 1)
    counts = np.histogram(np.clip(returns, -reach, reach), edges)[0].astype(np.float64)
    x = (np.arange(_BINS) + 0.5) * _SMALL_WIDTH / _BINS
    y = Scale([counts, np.zeros(1)], top=6, bottom=_SMALL_HEIGHT - 22)
    width = 0.8 * _SMALL_WIDTH / _BINS
    middle = (edges[1:] + edges[:-1]) / 2
    elements = [
        f'<path class="{name}" stroke-width="{width:.1f}" '
        f'd="{vertical_lines(x[chosen], y(counts[chosen]), y.bottom)}"/>'
        for name, chosen in (("gains", middle > 0), ("losses", middle < 0))
    ]
    elements.append(f'<path class="zero" d="M{_SMALL_WIDTH / 2} 0V{y.bottom:g}"/>')
    elements += [
        f'<text x="{at}" y="{_SMALL_HEIGHT - 6}" text-anchor="{anchor}">{text}</text>'
        for at, anchor, text in (
            (2, "start", f"{-reach:+.0%} or less"),
            (_SMALL_WIDTH / 2, "middle", "0"),
            (_SMALL_WIDTH - 2, "end", f"{reach:+.0%} or more"),
        )
    ]
    sessions = counted(hold.horizon, "session")
    title = f"{sessions}: {counted(len(returns), 'return')}"
    return f"<div><h3>{title}</h3>{_svg(title, elements, _SMALL_WIDTH, _SMALL_HEIGHT)}</div>"


def _events_by_session(study: Study) -> str:
    count = len(study.sessions)
    events = np.bincount(study.events.sessions - study.first, minlength=count).astype(np.float64)
    x = (np.arange(count) + 0.5) * _WIDTH / count
    y = Scale([events, np.zeros(1)], top=16, bottom=_HEIGHT - 22)
    width = max(0.5, 0.8 * _WIDTH / count)
    most = int(events.argmax())
    elements = [
        f'<path class="events" stroke-width="{width:.2f}" '
        f'd="{vertical_lines(x[events > 0], y(events[events > 0]), y.bottom)}"/>',
        f'<path class="axis" d="M0 {y.bottom:g}H{_WIDTH}"/>',
        f'<text x="2" y="{_HEIGHT - 6}">{study.since}</text>',
        f'<text x="{_WIDTH - 2}" y="{_HEIGHT - 6}" text-anchor="end">{study.until}</text>',
        f'<text x="{min(max(x[most], 60), _WIDTH - 60):g}" y="11" text-anchor="middle">'
        f"{int(events[most]):,} on {study.sessions[most].session}</text>",
    ]
    return _svg("events by session", elements)


def _months(study: Study, hold: Hold) -> str:
    """Return a table of years and months: mean excess over the market, coloured by its size."""
    excess = hold.returns - hold.market
    days = [study.dates[session] for session in study.events.sessions.tolist()]
    months = np.array([12 * day.year + day.month - 1 for day in days], dtype=np.int64)
    rows = []
    for year in range(study.since.year, study.until.year + 1):
        year_cells = [_month(excess[(months == 12 * year + month)]) for month in range(12)]
        rows.append(f"<tr><td>{year}</td>{''.join(year_cells)}</tr>\n")
    header = "".join(f"<th>{name}</th>" for name in ("", *_MONTHS.split()))
    lines = f"<tr>{header}</tr>\n{''.join(rows)}"
    return f'<div class="wide"><table class="months">{lines}</table></div>\n'


def _month(excess: NDArray[np.float64]) -> str:
    known = excess[np.isfinite(excess)]
    if not len(known):
        return "<td></td>"
    mean = float(known.mean())
    return coloured_cell(mean, _DARKEST, f"{mean:+.1%}", counted(len(known), "event"))


def _positions(study: Study, hold: Hold) -> str:
    order = np.argsort(hold.returns, kind="stable")
    order = order[np.isfinite(hold.returns[order])]
    return (
        '<div class="pair">'
        + _list(study, hold, f"Best, horizon {hold.horizon}", order[::-1][:_POSITIONS])
        + _list(study, hold, f"Worst, horizon {hold.horizon}", order[:_POSITIONS])
        + "</div>\n"
    )


def _list(study: Study, hold: Hold, title: str, events: NDArray[np.intp]) -> str:
    columns = ("symbol", "suspicious", "signal", "entry", "exit", "return")
    rows = [_position(study, hold, event) for event in events.tolist()]
    return f'<div class="wide"><h2>{title}</h2>{html_table(columns, rows)}</div>\n'


def _position(study: Study, hold: Hold, event: int) -> tuple[str, ...]:
    outcomes = hold.outcomes
    return (
        study.events.symbols[event],
        hold.suspicious.get(event, ""),
        f"{study.dates[int(study.events.sessions[event])]}",
        f"{outcomes.entry_adjusted[event]:,.2f}",
        f"{outcomes.exit_raw[event]:,.2f} on {study.dates[int(outcomes.exit_row[event])]}",
        percent(float(hold.returns[event])),
    )


def _axis(y: Scale, below: float = _HEIGHT - 14) -> str:
    """Draw the line of zero, with the highest value above and the lowest one at a height."""
    zero = float(y(np.zeros(1))[0])
    return (
        f'<path class="zero" d="M0 {zero:.1f}H{_WIDTH}"/>'
        f'<text x="2" y="11">{y.high:+.1%}</text>'
        f'<text x="2" y="{below:g}">{y.low:+.1%}</text>'
    )


def _svg(label: str, elements: Sequence[str], width: int = _WIDTH, height: int = _HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(elements)}</svg>"
    )
