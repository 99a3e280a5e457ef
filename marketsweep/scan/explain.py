"""Why a symbol matches a condition or does not: each part's value, and how far it is away."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from marketsweep.engine.clauses import Column, distance, parts_of
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.registry import executor
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.plan import make_plan
from marketsweep.engine.settling import differs, recursions, settled
from marketsweep.errors import UsageError
from marketsweep.language import tree
from marketsweep.language.presets import Saved
from marketsweep.language.tree import Kind, Node
from marketsweep.scan.loader import Loader
from marketsweep.scan.query import condition_tree
from marketsweep.scan.scan import resolve_session
from marketsweep.universe.screen import EVERYBODY, written


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a condition, `depth` levels down: a number, or true, false or unknown (None)."""

    depth: int
    text: str
    value: float | bool | None
    distance: float | None
    """Distance of a false part from being true; None if it is unknown."""
    unsettled: bool = False
    """Whether bars before the stored ones may change the value."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a condition finds in one symbol's bars."""

    symbol: str
    as_of: dt.date
    condition: str
    holds: bool | None
    """None: unknown, as where it has too few bars."""
    parts: list[Part]
    suspicious: str = ""
    """What is suspicious of the bars that it rests on, by the names of the rules."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"as_of": self.as_of.isoformat()}

    def __str__(self) -> str:
        word = {True: "matches", False: "does not match", None: "is unknown to"}[self.holds]
        lines = [f"{self.symbol} as of {self.as_of}: {word} {' '.join(self.condition.split())}"]
        width = max(2 * part.depth + len(part.text) for part in self.parts)
        for part in self.parts:
            text = f"{'  ' * part.depth}{part.text}"
            lines.append(f"  {_mark(part)} {text:<{width}}  {_value(part)}".rstrip())
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
    saved: Saved,
) -> Explanation:
    """Each part of a condition for one symbol, on the session that a scan would stand on.

    Raises ConditionError, CoverageError as a scan does, and UsageError where the symbol is not
    among those that a scan of that session looks at.
    """
    node = condition_tree(condition, saved)
    session = resolve_session(loader.snapshot, as_of)
    nodes = list(dict.fromkeys(parts_of(node)))
    late = {one: settled(one) for one in nodes if recursions(one)}
    asked = list(dict.fromkeys((*nodes, *late.values())))
    plan = make_plan(asked)
    # Of everybody: where a symbol stands among all is a part like others.
    symbol = loader.snapshot.ticker(symbol)
    panel = loader.panel(session, EVERYBODY, plan, adjust)
    if symbol not in panel.symbols:
        raise UsageError(_absent(loader, symbol, session))
    place = panel.symbols.index(symbol)
    columns = evaluate(plan, panel, executor("threads"), loader.others(session, adjust))
    values = {one: column[0, [place]] for one, column in zip(asked, columns, strict=True)}
    young = {one for one, other in late.items() if differs(values[one], values[other])[0]}
    source = condition if isinstance(condition, str) else None
    parts = list(_parts(node, values, young, source, 0))
    holds = parts[0].value
    assert not isinstance(holds, float)
    (suspicious,) = loader.marks(session, plan.history, [symbol])
    return Explanation(symbol, session, source or str(node), holds, parts, suspicious)


def _absent(loader: Loader, symbol: str, session: dt.date) -> str:
    snapshot = loader.snapshot
    column = snapshot.column_of(symbol)  # raises for one of which nothing is stored
    history = loader.day(session).history
    last = history.last_close(len(history.dates) - 1, column)
    when = f"its last bar is of {last[0]}: add --as-of {last[0]}" if last else "its bars are later"
    return f"{symbol} has no bar in the session of {session}; {when}"


def _parts(
    node: Node,
    values: Mapping[Node, Column],
    young: Container[Node],
    source: str | None,
    depth: int,
) -> Iterator[Part]:
    value = float(values[node][0])
    text = written(node, source)
    if isinstance(node, tree.Join):
        text = "all of" if node.operator == "and" else "any of"
    if node.kind is not Kind.TRUTH:
        if not isinstance(node, tree.Number):
            yield Part(depth, text, None if math.isnan(value) else value, None, node in young)
        return
    truth = None if math.isnan(value) else value == 1.0
    away = float(distance(node, values)[0]) if truth is False else math.nan
    yield Part(depth, text, truth, None if math.isnan(away) else away, node in young)
    for child in node.children():
        if child in values:
            yield from _parts(child, values, young, source, depth + 1)


def _mark(part: Part) -> str:
    if isinstance(part.value, float):
        return "    "
    return {True: "pass", False: "FAIL", None: "  ? "}[part.value]


def _value(part: Part) -> str:
    mark = "~" if part.unsettled else ""
    if isinstance(part.value, float):
        return f"{mark}{part.value:,.6g}"
    return mark if part.distance is None else f"{mark}{part.distance:.2%} away"
