"""What single symbols' bars cannot tell: longer bars, other symbols, and where a symbol stands.

A plan names what it needs of these as fields that are derived. Each is worked out here in a pass of
its own, in the order of the plan, before the pass over the symbols:

1. what is inside it is evaluated, by the same executor (`evaluate`, which so may go deeper);
2. `_framed` puts values of weeks or months at the daily bars, `_other` those of another symbol;
   `_compared` ranks the symbols of a session, or sums them up;
3. the panel keeps the field, for the next scan of the same bars.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.calendar import next_session
from marketsweep.core.fields import FIELDS
from marketsweep.engine.cost import check_cost
from marketsweep.engine.cross_section import aggregated, standing
from marketsweep.engine.executors.registry import Executor
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Derivation, Plan, make_plan
from marketsweep.engine.time_limit import check_time
from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.language import tree

Others = Callable[[str, Plan], Panel]
"""The panel of one other symbol, with the bars that a plan needs. Raises UsageError for none."""

Matrix = NDArray[np.float64]


def evaluate(
    plan: Plan, panel: Panel, run: Executor, others: Others, before: Executor | None = None
) -> list[Matrix]:
    """The results of a plan, float64 [rows, symbols] each, its passes included.

    These are evaluated by `before`, where that is another executor. Raises UsageError for what
    would take absurdly long.
    """
    check_cost(plan, panel)
    return run(plan, prepared(plan, panel, before or run, others))


def prepared(plan: Plan, panel: Panel, run: Executor, others: Others) -> Panel:
    """The panel with the fields that are derived for a plan."""
    fields = dict(panel.fields)
    for derived in plan.derived:
        key = derived.node, derived.rows
        if key not in panel.kept:
            check_time()
            panel.kept[key] = _derived(derived, panel, run, others)
        fields[derived.name] = panel.kept[key]
    return replace(panel, fields=fields) if plan.derived else panel


def _derived(derived: Derivation, panel: Panel, run: Executor, others: Others) -> Matrix:
    """The newest rows of what is derived, [tiles, rows, TILE]."""
    # Where few bars are stored, rows further back than the panel's hold nothing.
    inside = replace(derived.plan, result_rows=min(derived.plan.result_rows, panel.rows))
    derived = replace(derived, rows=min(derived.rows, panel.rows), plan=inside)
    match derived.node:
        case tree.Framed():
            return _framed(derived, derived.node, panel, run, others)
        case tree.Other():
            return _tiled(_other(derived, derived.node, panel, run, others))
    return _tiled(_compared(derived, panel, run, others))


def _tiled(rows: Matrix) -> Matrix:
    """[rows, symbols] as [tiles, rows, TILE]."""
    count, symbols = rows.shape
    tiles = max(1, -(-symbols // TILE))
    padded = np.full((count, tiles * TILE), np.nan)
    padded[:, :symbols] = rows
    return np.ascontiguousarray(padded.reshape(count, tiles, TILE).transpose(1, 0, 2))


# -- weeks and months


def _framed(
    derived: Derivation, node: tree.Framed, panel: Panel, run: Executor, others: Others
) -> Matrix:
    number, complete = _periods(tuple(panel.dates), node.unit)
    longer = _longer(panel, number, [name for name in derived.plan.loads if name != SESSION])
    (values,) = evaluate(derived.plan, longer, run, others)
    found = np.empty((panel.tiles, derived.rows, TILE))
    cpu.spread_periods(panel.fields[SESSION], number, complete, node.running, _tiled(values), found)
    return found


def _longer(panel: Panel, number: NDArray[np.int64], names: list[str]) -> Panel:
    """The panel of longer bars, `number` being the period of each session."""
    session = panel.fields[SESSION]
    oldest = int(np.nanmin(session)) if len(panel.symbols) else 0
    periods = 1 + int(number[-1] - number[oldest])
    counts = np.zeros(panel.tiles * TILE, dtype=np.int64)
    fields = {}
    for name in names:
        fields[name] = np.empty((panel.tiles, periods, TILE))
        how = FIELDS.index(name)
        cpu.merge_periods(session, panel.fields[name], how, number, fields[name], counts)
    bars = counts[: len(panel.symbols)]
    return replace(panel, rows=periods, fields=fields, bars=bars, dates=[], still=None, kept={})


@lru_cache(maxsize=8)
def _periods(dates: tuple[dt.date, ...], unit: str) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the period of each session, and whether it is the last session of its period."""
    # A session's period is over by the calendar, and not by what happens to be stored.
    after = np.array([next_session(day) for day in dates], dtype="datetime64[D]")
    number = _number(np.array(dates, dtype="datetime64[D]"), unit)
    return number, (_number(after, unit) != number).astype(np.uint8)


def _number(days: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    if unit == "monthly":
        return days.astype("datetime64[M]").astype(np.int64)
    return (days.astype(np.int64) + 3) // 7  # 1970-01-01 was a Thursday; weeks begin on Mondays


# -- another symbol


def _other(
    derived: Derivation, node: tree.Other, panel: Panel, run: Executor, others: Others
) -> Matrix:
    sessions = _sessions(panel, derived.rows)
    oldest = int(np.nanmin(sessions, initial=len(panel.dates) - 1))
    rows = max(derived.rows, len(panel.dates) - oldest)
    plan = make_plan([node.of], rows)
    other = others(node.symbol, plan)
    (values,) = evaluate(plan, other, run, others)
    known = _sessions(other, rows)[:, 0]
    series = values[len(values) - len(known) :, 0]  # it may have fewer bars than rows
    there = ~np.isnan(known)
    known, series = known[there], series[there]
    # The other's last bar at or before the session of ours.
    places = np.searchsorted(known, sessions, side="right") - 1
    found = np.where(places >= 0, series[places] if len(series) else np.nan, np.nan)
    found[np.isnan(sessions)] = np.nan
    return found


def _sessions(panel: Panel, rows: int) -> Matrix:
    """The session of each of the newest bars, [rows, symbols]; NaN where there is not a bar."""
    if SESSION in panel.fields:
        return panel.matrix(SESSION)[-rows:]
    # One row is of the session that the panel is of: nobody in it is stale.
    return np.full((1, len(panel.symbols)), float(len(panel.dates) - 1))


# -- all symbols of a session


def _compared(derived: Derivation, panel: Panel, run: Executor, others: Others) -> Matrix:
    (values,) = evaluate(derived.plan, panel, run, others)
    # Further back a session holds the bars of a few, of whoever was not traded every day.
    sessions = _sessions(panel, len(values))
    sessions = np.vstack(
        [np.full((len(values) - len(sessions), values.shape[1]), np.nan), sessions]
    )
    sessions[sessions < len(panel.dates) - len(values)] = np.nan
    if panel.spans is not None:
        first, last, _ = panel.spans
        sessions[(sessions < first) | (sessions > last)] = np.nan
    node = derived.node
    assert isinstance(node, tree.Standing | tree.Breadth)
    everyone = np.zeros(len(panel.symbols), dtype=np.int64)
    groups = panel.groups(node.by) if node.by else everyone
    keys = sessions * (1 + groups.max(initial=0)) + groups
    keys[:, groups < 0] = np.nan
    if isinstance(node, tree.Standing):
        found = standing(node.function, values, keys)
    else:
        found = aggregated(node.aggregate, values, keys)
    return found[-derived.rows :]
