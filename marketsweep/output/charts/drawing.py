"""Compute the bars and values of charts, with the plan and the kernels of a scan."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.fields import FIELDS
from marketsweep.core.safe_text import clean_line
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.adjustments import Adjust, check_adjust
from marketsweep.engine.panel.panel import build_panel
from marketsweep.engine.plan import make_plan
from marketsweep.errors import ConditionError, UsageError
from marketsweep.language import tree
from marketsweep.language.indicators.table import find_indicator
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.tree import Kind, Node
from marketsweep.output.charts.match_days import match_days
from marketsweep.output.charts.panes import (
    Pane,
    Shape,
    bands_of,
    guides_of,
    has_past_values,
    panes_of,
    shapes_of,
)
from marketsweep.scan.bar_events import BarEvent, find_events
from marketsweep.scan.loader import Loader

BARS: Final = 252
"""The default number of bars of a chart: a year."""


_FACTS: Final = ("exchange", "sector", "industry", "market_cap")


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One expression over the bars of a chart, float64 [bars]; NaN before its first value."""

    label: str
    values: NDArray[np.float64]
    shape: Shape = "line"
    band: int | None = None
    """The number of the band in its pane of which the line is an edge."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPane:
    """The lines of one pane, the constants that they are compared with, and guide levels."""

    lines: list[Line]
    levels: list[float]
    guides: list[float]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """The data of a chart of one symbol: its newest bars up to a session, oldest first.

    `bars[name]` is float64 [bars], adjusted. `held` is 1 where the condition holds, 0 where it does
    not, NaN where that is unknown; None without a condition, or if the days are not known. The
    first two `panes` are those of the candles and of the volume. `holes` are the stored sessions
    between the first and the last bar that have no bar.
    """

    symbol: str
    name: str
    as_of: dt.date
    adjust: Adjust
    condition: str
    days: list[dt.date]
    holes: list[dt.date]
    bars: dict[str, NDArray[np.float64]]
    held: NDArray[np.float64] | None
    panes: list[DrawnPane]
    facts: dict[str, str | float]
    """Exchange, sector, industry and market cap, if known."""
    events: list[BarEvent]
    """Splits, dividends and suspicious bars between the first bar and the last."""
    warnings: list[str]
    """What is doubtful in the data that the chart shows."""

    @property
    def change(self) -> float | None:
        """Percent from the previous close to the last close; None for a single bar."""
        closes = self.bars["close"]
        return 100.0 * float(closes[-1] / closes[-2] - 1.0) if len(closes) > 1 else None


def draw(
    loader: Loader,
    as_of: dt.date,
    symbols: Sequence[str],
    condition: Node | None,
    indicators: Sequence[Node] = (),
    *,
    adjust: Adjust = "splits",
    bars: int = BARS,
) -> list[Drawing]:
    """Return the drawings of symbols, in their order, up to a stored session.

    Raises UsageError for a symbol without bars, with similar names, and for invalid arguments.
    """
    if not isinstance(bars, int) or bars < 1:
        raise UsageError(f"bars {bars!r} is not a whole number of at least 1")
    check_adjust(adjust)
    day, snapshot = loader.day(as_of), loader.snapshot
    columns = np.array([snapshot.column_of(symbol) for symbol in symbols], dtype=np.int64)
    presence = day.history.presence(columns)
    counts = presence.sum(axis=0)
    for symbol, count in zip(symbols, counts.tolist(), strict=True):
        if not count:
            raise UsageError(f"no bars of {symbol!r} are stored up to {as_of}")

    panes = panes_of(condition, indicators)
    nodes: list[Node] = [tree.Field(name) for name in FIELDS]
    evaluated = condition if condition and has_past_values(condition) else None
    matches = match_days(condition, loader, as_of, adjust) if condition and not evaluated else None
    nodes += [evaluated] if evaluated else []
    for pane in panes:
        nodes += [*pane.lines, *pane.levels]
    plan = make_plan(nodes, rows=min(bars, int(counts.max(initial=1))))
    survey = day.history.survey(columns, plan.history, plan.watched)
    panel = build_panel(day.history, columns, survey, plan.loads, adjust, day.reference)
    results = evaluate(plan, panel, executor("serial"), loader.others(as_of, adjust))

    events = find_events(day.history, symbols)
    column_of = {symbol: index for index, symbol in enumerate(panel.symbols)}
    drawings = []
    for symbol, present in zip(symbols, presence.T, strict=True):
        sessions = np.flatnonzero(present)[-plan.result_rows :]
        days = [day.history.dates[session] for session in sessions.tolist()]
        values = iter([column[-len(sessions) :, column_of[symbol]] for column in results])
        first, last = int(sessions[0]), int(sessions[-1])
        drawings.append(
            Drawing(
                symbol=symbol,
                name=clean_line(str(day.reference.fact(symbol, "name") or "")),
                as_of=as_of,
                adjust=adjust,
                condition=str(condition or ""),
                days=days,
                holes=[day.history.dates[i] for i in range(first, last) if not present[i]],
                bars={name: next(values) for name in FIELDS},
                held=next(values) if evaluated else matches.held(symbol, days) if matches else None,
                panes=[_draw_pane(pane, values) for pane in panes],
                facts={
                    name: clean_line(fact) if isinstance(fact, str) else fact
                    for name in _FACTS
                    if (fact := day.reference.fact(symbol, name)) is not None
                },
                events=[event for event in events[symbol] if days[0] <= event.day <= days[-1]],
                warnings=loader.warnings_of_symbols(as_of, [symbol], len(days), adjust),
            )
        )
    return drawings


def _draw_pane(pane: Pane, values: Iterator[NDArray[np.float64]]) -> DrawnPane:
    shapes, bands = shapes_of(pane.lines), bands_of(pane.lines)
    lines = [
        Line(str(node), next(values), shape, band)
        for node, shape, band in zip(pane.lines, shapes, bands, strict=True)
    ]
    levels = [float(next(values)[-1]) for _ in pane.levels]
    return DrawnPane(
        lines, levels, [guide for guide in guides_of(pane.lines) if guide not in levels]
    )


def indicator_lines(expression: str | Node, own_names: OwnNames) -> list[Node]:
    """Return the lines of an indicator or other number; all outputs if it has several.

    Raises ConditionError unless it is a number.
    """
    if isinstance(expression, str):
        call_start = re.match(r"\s*(\w+)\s*\(", expression)
        row = find_indicator(call_start[1].lower()) if call_start else None
        if row and row.outputs and expression.rstrip().endswith(")"):
            call = _parse_call(f"{expression}.{row.outputs[0]}", own_names)
            if call:
                drawn = (output for output in row.outputs if output not in row.measures)
                return [replace(call, output=output) for output in drawn]
        node = parse_expression(expression, own_names)
    else:
        node = expression
    if node.kind is not Kind.NUMBER:
        raise ConditionError(f"{node} is {node.kind.value}, but only numbers can be drawn")
    return [node]


def _parse_call(text: str, own_names: OwnNames) -> tree.Call | None:
    try:
        node = parse_expression(text, own_names)
    except ConditionError:
        return None
    return node if isinstance(node, tree.Call) else None
