"""Compute derived fields: longer bars, other symbols, cross-sections, and the calendar.

A plan lists the derived fields that it reads. Each is computed in a pass of its own, in the plan's
order, before the pass over the symbols:

1. The same executor evaluates the expression inside the field (`evaluate`; the expression may
   contain derived fields itself).
2. `_resample` places the values of longer bars on the daily bars, `_read_other_symbol` those of
   another symbol; `_compare_symbols` ranks or aggregates the symbols of a session, `_read_calendar`
   reads the date of each bar, `_read_latest_days` the days of splits and dividends, and
   `_read_facts` the facts that were known on each day.
3. The panel caches the field for the next scan of the same bars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.fields import FIELDS
from marketsweep.engine.calendar_numbers import calendar_numbers, periods_of
from marketsweep.engine.cost import check_cost
from marketsweep.engine.cross_section import aggregate_groups, rank_in_groups
from marketsweep.engine.executors.registry import Executor
from marketsweep.engine.panel.facts import NEVER
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Derivation, Plan, make_plan
from marketsweep.engine.time_limit import check_time
from marketsweep.kernels import cpu, memory
from marketsweep.kernels.cpu import TILE
from marketsweep.language import tree

Others = Callable[[str, Plan], Panel]
"""Returns the panel of one other symbol with the bars that a plan needs, or raises UsageError."""

Matrix = NDArray[np.float64]


def evaluate(
    plan: Plan, panel: Panel, run: Executor, others: Others, before: Executor | None = None
) -> list[Matrix]:
    """Return the results of a plan, float64 [rows, symbols] each, its derived fields included.

    `before` is the executor for the derived fields, if it is not `run`. Raises UsageError for a
    plan that would take far too long.
    """
    check_cost(plan, panel)
    return run(plan, with_derived_fields(plan, panel, before or run, others))


def with_derived_fields(plan: Plan, panel: Panel, run: Executor, others: Others) -> Panel:
    """Return the panel with the derived fields that a plan reads."""
    fields = dict(panel.fields)
    for derived in plan.derived:
        key = derived.node, derived.rows
        if key not in panel.derived_cache:
            check_time()
            panel.derived_cache[key] = _compute_field(derived, panel, run, others)
        fields[derived.name] = panel.derived_cache[key]
    return replace(panel, fields=fields) if plan.derived else panel


def _compute_field(derived: Derivation, panel: Panel, run: Executor, others: Others) -> Matrix:
    """Return the newest rows of a derived field, float64 [tiles, rows, TILE]."""
    # If few bars are stored, rows further back than the panel's are empty.
    inside = replace(derived.plan, result_rows=min(derived.plan.result_rows, panel.rows))
    derived = replace(derived, rows=min(derived.rows, panel.rows), plan=inside)
    match derived.node:
        case tree.Resampled():
            return _resample(derived, derived.node, panel, run, others)
        case tree.Calendar(name=name):
            return _to_tiles(_read_calendar(derived.rows, name, panel))
        case tree.LatestDay(name=name):
            return _to_tiles(_read_latest_days(derived.rows, name, panel))
        case tree.FactSeries(of=of):
            return _to_tiles(_read_facts(derived.rows, of, panel))
        case tree.OtherSymbol():
            return _to_tiles(_read_other_symbol(derived, derived.node, panel, run, others))
    return _to_tiles(_compare_symbols(derived, panel, run, others))


def _to_tiles(rows: Matrix) -> Matrix:
    """Convert [rows, symbols] to [tiles, rows, TILE]."""
    count, symbols = rows.shape
    tiles = max(1, -(-symbols // TILE))
    padded = np.full((count, tiles * TILE), np.nan)
    padded[:, :symbols] = rows
    return np.ascontiguousarray(padded.reshape(count, tiles, TILE).transpose(1, 0, 2))


# -- weeks and months


def _resample(
    derived: Derivation, node: tree.Resampled, panel: Panel, run: Executor, others: Others
) -> Matrix:
    periods, is_last = periods_of(tuple(panel.dates), node.unit)
    longer = _merge_bars(panel, periods, [name for name in derived.plan.loads if name != SESSION])
    (values,) = evaluate(derived.plan, longer, run, others)
    result = memory.aligned((panel.tiles, derived.rows, TILE))
    cpu.spread_periods(
        panel.fields[SESSION], periods, is_last, node.running, _to_tiles(values), result
    )
    return result


def _merge_bars(panel: Panel, period_of: NDArray[np.int64], names: list[str]) -> Panel:
    """Return the panel of longer bars; `period_of` is the period number of each session."""
    session = panel.fields[SESSION]
    oldest = int(np.nanmin(session)) if len(panel.symbols) else 0
    rows = 1 + int(period_of[-1] - period_of[oldest])
    counts = np.zeros(panel.tiles * TILE, dtype=np.int64)
    fields = {}
    for name in names:
        fields[name] = memory.aligned((panel.tiles, rows, TILE))
        field_number = FIELDS.index(name)
        cpu.merge_periods(
            session, panel.fields[name], field_number, period_of, fields[name], counts
        )
    bars = counts[: len(panel.symbols)]
    return replace(
        panel, rows=rows, fields=fields, bars=bars, dates=[], still=None, derived_cache={}
    )


# -- the calendar


def _read_calendar(rows: int, name: str, panel: Panel) -> Matrix:
    """Return what the calendar says of each bar's session, [rows, symbols]."""
    sessions = _session_numbers(panel, rows)
    of_sessions = calendar_numbers(tuple(panel.dates), name)
    is_known = ~np.isnan(sessions)
    result = np.full(sessions.shape, np.nan)
    result[is_known] = of_sessions[sessions[is_known].astype(np.int64)]
    return result


def _read_latest_days(rows: int, name: str, panel: Panel) -> Matrix:
    """Return the latest day at or before each bar on which something happened, [rows, symbols].

    It is a number of days since 1970, `NEVER` if nothing has happened yet, and NaN if that is not
    known.
    """
    days = panel.reference.days_of(panel.symbols, name)
    steps = [_NOTHING if of_symbol is None else (of_symbol, of_symbol) for of_symbol in days]
    before = [np.nan if of_symbol is None else NEVER for of_symbol in days]
    return _on_each_bar(rows, steps, before, panel)


def _read_facts(rows: int, node: tree.Node, panel: Panel) -> Matrix:
    """Return the value of a node about facts on the day of each bar, [rows, symbols]."""
    steps = panel.reference.steps_of(panel.symbols, node)
    return _on_each_bar(rows, steps, [np.nan] * len(steps), panel)


_NOTHING: Final = np.zeros(0, dtype=np.int64), np.zeros(0)
"""No days, and no values."""


def _on_each_bar(
    rows: int,
    steps: Iterable[tuple[NDArray[np.int64], NDArray[np.int64] | NDArray[np.float64]]],
    before: Iterable[float],
    panel: Panel,
) -> Matrix:
    """Return values that change on certain days, by bar, [rows, symbols].

    `steps` are the days and the values of each symbol, `before` is its value until the first day.
    """
    days = _read_calendar(rows, "date", panel)
    result = np.empty(days.shape)
    for index, ((first_days, values), first) in enumerate(zip(steps, before, strict=True)):
        places = np.searchsorted(first_days, days[:, index], side="right")
        result[:, index] = np.append(first, values)[places]
    result[np.isnan(days)] = np.nan
    return result


# -- another symbol


def _read_other_symbol(
    derived: Derivation, node: tree.OtherSymbol, panel: Panel, run: Executor, others: Others
) -> Matrix:
    sessions = _session_numbers(panel, derived.rows)
    oldest_session = int(np.nanmin(sessions, initial=len(panel.dates) - 1))
    rows = max(derived.rows, len(panel.dates) - oldest_session)
    plan = make_plan([node.of], rows)
    other_panel = others(node.symbol, plan)
    (values,) = evaluate(plan, other_panel, run, others)
    other_sessions = _session_numbers(other_panel, rows)[:, 0]
    # The other symbol may have fewer bars than rows.
    other_values = values[len(values) - len(other_sessions) :, 0]
    is_known = ~np.isnan(other_sessions)
    other_sessions, other_values = other_sessions[is_known], other_values[is_known]
    # Take the other symbol's last bar at or before each session of this symbol.
    positions = np.searchsorted(other_sessions, sessions, side="right") - 1
    result = np.where(
        positions >= 0, other_values[positions] if len(other_values) else np.nan, np.nan
    )
    result[np.isnan(sessions)] = np.nan
    return result


def _session_numbers(panel: Panel, rows: int) -> Matrix:
    """Return each newest bar's session number, [rows, symbols]; NaN if a bar is missing."""
    if SESSION in panel.fields:
        return panel.matrix(SESSION)[-rows:]
    # A panel without the session field has one row, for its own session: no symbol is stale.
    return np.full((1, len(panel.symbols)), float(len(panel.dates) - 1))


# -- all symbols of a session


def _compare_symbols(derived: Derivation, panel: Panel, run: Executor, others: Others) -> Matrix:
    (values,) = evaluate(derived.plan, panel, run, others)
    # Sessions further back are incomplete: only symbols that miss sessions reach them.
    sessions = _session_numbers(panel, len(values))
    sessions = np.vstack(
        [np.full((len(values) - len(sessions), values.shape[1]), np.nan), sessions]
    )
    sessions[sessions < len(panel.dates) - len(values)] = np.nan
    if panel.spans is not None:
        first, last, _ = panel.spans
        sessions[(sessions < first) | (sessions > last)] = np.nan
    node = derived.node
    assert isinstance(node, tree.Rank | tree.MarketAggregate)
    one_group = np.zeros(len(panel.symbols), dtype=np.int64)
    groups = panel.groups(node.by) if node.by else one_group
    keys = sessions * (1 + groups.max(initial=0)) + groups
    keys[:, groups < 0] = np.nan
    if isinstance(node, tree.Rank):
        result = rank_in_groups(node.function, values, keys)
    else:
        result = aggregate_groups(node.aggregate, values, keys)
    return result[-derived.rows :]
