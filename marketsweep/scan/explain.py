"""Explain why a symbol matches a condition or not: the value of each part and its distance."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from marketsweep.engine.clauses import Column, distance, parts_of
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.facts import days_of
from marketsweep.engine.plan import make_plan
from marketsweep.engine.settling import differs, recursions, require_settled
from marketsweep.errors import UsageError
from marketsweep.language import tree
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.tree import Kind, Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.query import parse_condition
from marketsweep.scan.results import plain
from marketsweep.universe.screen import NO_SCREEN, written


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition, `depth` levels down: its value, or None if that is unknown."""

    depth: int
    text: str
    value: float | bool | str | dt.date | None
    distance: float | None
    """Distance of a false part from being true; None if it is unknown."""
    unsettled: bool = False
    """Whether bars before the first stored one may change the value."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The values of a condition's parts for one symbol."""

    symbol: str
    as_of: dt.date
    condition: str
    holds: bool | None
    """None if unknown, for example where the symbol has too few bars."""
    parts: list[Part]
    suspicious: str = ""
    """Names of the rules that suspect bars which the values depend on."""
    warnings: list[str] = field(default_factory=list)
    """What is doubtful in the data that the values depend on."""

    def to_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        parts = [asdict(part) | {"value": plain(part.value)} for part in self.parts]
        return asdict(self) | {"as_of": self.as_of.isoformat(), "parts": parts}

    def __str__(self) -> str:
        verb = {True: "matches", False: "does not match", None: "has no known result for"}[
            self.holds
        ]
        lines = [f"{self.symbol} as of {self.as_of}: {verb} {' '.join(self.condition.split())}"]
        width = max(2 * part.depth + len(part.text) for part in self.parts)
        for part in self.parts:
            text = f"{'  ' * part.depth}{part.text}"
            lines.append(f"  {_verdict_text(part)} {text:<{width}}  {_value_text(part)}".rstrip())
        if any(part.unsettled for part in self.parts):
            lines.append("~ too few bars to have settled: earlier ones may change it")
        if self.suspicious:
            lines.append(
                f"suspicious bars: {self.suspicious}; see marketsweep status --quality --symbol "
                f"{self.symbol}"
            )
        return "\n".join(lines)


def explain(
    loader: Loader,
    symbol: str,
    condition: str | Node,
    as_of: dt.date | None,
    adjust: Adjust,
    own_names: OwnNames,
    *,
    is_judged: bool = True,
) -> Explanation:
    """Return the value of each part of a condition for one symbol, as of the session of a scan.

    Unless `is_judged`, the bars are not judged: nothing is suspicious, and there is no warning.

    Raises ConditionError and CoverageError as a scan does, and UsageError if the symbol is not
    among the symbols of that session.
    """
    root = parse_condition(condition, own_names)
    session = resolve_session(loader.snapshot, as_of)
    nodes = list(dict.fromkeys(parts_of(root)))
    settled_nodes = {node: require_settled(node) for node in nodes if recursions(node)}
    outputs = list(dict.fromkeys((*nodes, *settled_nodes.values())))
    plan = make_plan(outputs)
    symbol = loader.snapshot.ticker(symbol)
    column = loader.snapshot.index[symbol]
    if column not in loader.universe(session, NO_SCREEN).columns:
        raise UsageError(_no_bar_message(loader, symbol, session))
    if plan.is_of_single_symbols:
        panel = loader.panel_of(session, np.array([column]), plan, adjust)
    else:  # the rank of the symbol among all symbols may be a part
        panel = loader.panel(session, NO_SCREEN, plan, adjust)
    index = panel.symbols.index(symbol)
    columns = evaluate(plan, panel, executor("threads"), loader.others(session, adjust))
    values = {node: column[0, [index]] for node, column in zip(outputs, columns, strict=True)}
    texts: dict[Node, str | float | None] = {
        node: panel.reference.values_of([symbol], node.name)[0]
        for node in root.walk()
        if isinstance(node, tree.Fact) and node.kind is Kind.TEXT
    }
    unsettled = {
        node
        for node, settled_node in settled_nodes.items()
        if differs(values[node], values[settled_node])[0]
    }
    source = condition if isinstance(condition, str) else None
    parts = list(_explain_parts(root, values, texts, unsettled, source, 0))
    holds = parts[0].value
    assert holds is None or isinstance(holds, bool)
    explanation = Explanation(symbol, session, source or str(root), holds, parts)
    if not is_judged:
        return explanation
    (suspicious,) = loader.marks(session, plan.history, [symbol])
    warnings = loader.warnings_of_symbols(session, [symbol], plan.bars[0], adjust)
    return replace(explanation, suspicious=suspicious, warnings=warnings)


def _no_bar_message(loader: Loader, symbol: str, session: dt.date) -> str:
    snapshot = loader.snapshot
    column = snapshot.column_of(symbol)  # raises if nothing is stored of the symbol
    history = loader.day(session).history
    last = history.last_close(len(history.dates) - 1, column)
    hint = f"its last bar is on {last[0]}: add --as-of {last[0]}" if last else "its bars are later"
    return f"{symbol} has no bar in the session of {session}; {hint}"


def _explain_parts(
    node: Node,
    values: Mapping[Node, Column],
    texts: Mapping[Node, str | float | None],
    unsettled: Container[Node],
    source: str | None,
    depth: int,
) -> Iterator[Part]:
    text = written(node, source)
    if node in texts:
        yield Part(depth, text, texts[node], None)
        return
    value = float(values[node][0])
    if isinstance(node, tree.Join):
        text = "all of" if node.operator == "and" else "any of"
    if node.kind is not Kind.TRUTH:
        if not isinstance(node, tree.Number | tree.Day):
            number = None if math.isnan(value) else value
            known = days_of(values[node]).tolist()[0] if node.kind is Kind.DATE else number
            yield Part(depth, text, known, None, node in unsettled)
        return
    truth = None if math.isnan(value) else value == 1.0
    margin = float(distance(node, values)[0]) if truth is False else math.nan
    yield Part(depth, text, truth, None if math.isnan(margin) else margin, node in unsettled)
    for child in node.children():
        if child in values or child in texts:
            yield from _explain_parts(child, values, texts, unsettled, source, depth + 1)


def _verdict_text(part: Part) -> str:
    if part.value is None or isinstance(part.value, bool):
        return {True: "pass", False: "FAIL", None: "  ? "}[part.value]
    return "    "


def _value_text(part: Part) -> str:
    prefix = "~" if part.unsettled else ""
    if isinstance(part.value, float):
        return f"{prefix}{part.value:,.6g}"
    if isinstance(part.value, str | dt.date):
        return str(part.value)
    return prefix if part.distance is None else f"{prefix}{part.distance:.2%} away"
