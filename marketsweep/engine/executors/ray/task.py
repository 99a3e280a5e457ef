"""The work of a Ray worker: run the threads executor over blocks of a panel."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Literal, NamedTuple, cast

import numpy as np
import ray
from numpy.typing import NDArray

from marketsweep.engine.executors import threads
from marketsweep.engine.lowering import join_found
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.kernels.cpu import KERNELS, TILE
from marketsweep.language.tree import Node
from marketsweep.version import __version__

Kind = Literal["run", "matches", "search", "tally"]
"""Function of an executor that is requested; `matches` returns the matches of a run."""

Field = NDArray[np.float64]

_MAX_PLANS: Final = 16


class Order(NamedTuple):
    """What all tasks of an evaluation share; `names` are the names of the fields."""

    kind: Kind
    settings: dict[str, int]
    names: list[str]
    rows: int
    as_of: dt.date
    dates: list[dt.date]


class Outline(NamedTuple):
    """A block of a panel without its fields, which come from the object store.

    `bars` and `still` are int64 [symbols], `facts` is float64 [facts, symbols], and `spans` is
    int64 [3, symbols].
    """

    first_tile: int
    bars: NDArray[np.int64]
    facts: NDArray[np.float64]
    spans: NDArray[np.int64] | None
    still: NDArray[np.int64] | None


class Answer(NamedTuple):
    """The result of a task: the node that it ran on, its seconds, and the returned value."""

    node: str
    seconds: float
    value: Any


class Matches(NamedTuple):
    """Compact result of a run for the newest bars.

    `places[i]` are the positions of the symbols for which result i holds, int64 [matches].
    `columns[j]` are the values of result j: at the matches of its guard if it has one, else at all
    symbols.
    """

    places: dict[int, NDArray[np.int64]]
    columns: list[NDArray[np.float64]]


class Worker:
    """An actor: a process that keeps its imports, unlike the processes of plain Ray tasks."""

    def __init__(self) -> None:
        self._plans: dict[ray.ObjectRef[Any], Plan] = {}

    def versions(self) -> dict[str, str]:
        """Return the versions in this process."""
        return versions()

    def work(
        self,
        order: Order,
        plan: list[ray.ObjectRef[Any]],
        outlines: list[Outline],
        *fields: Field,
    ) -> Answer:
        """Evaluate blocks and return their joined results.

        `fields` has one array per block and name; Ray does not copy them. `plan` holds one
        reference: Ray does not resolve references inside a list.
        """
        started = perf_counter()
        parts = [
            _evaluate_block(order, self._read(*plan), outline, arrays)
            for outline, arrays in zip(outlines, _chunks(fields, len(order.names)), strict=True)
        ]
        return Answer(_node(), perf_counter() - started, join_parts(order.kind, parts))

    def _read(self, reference: ray.ObjectRef[Any]) -> Plan:
        """Return the plan of a reference. It is read once: a plan of many variants takes long."""
        if reference not in self._plans:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[reference] = ray.get(reference)
        return self._plans[reference]


def join_parts(kind: Kind, parts: list[Any]) -> Any:  # noqa: ANN401, depends on the kind
    """Join the results of blocks, in order."""
    if kind == "search":
        return join_found(parts)
    if kind == "tally":
        return np.sum(parts, axis=0)
    if kind == "matches":
        places, columns = zip(*parts, strict=True)
        return Matches(
            {guard: np.concatenate([block[guard] for block in places]) for guard in places[0]},
            [np.concatenate(block_columns) for block_columns in zip(*columns, strict=True)],
        )
    return [np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)]


def versions() -> dict[str, str]:
    """Return what must be equal on all nodes, by name, and the id of this node."""
    return {
        "marketsweep": __version__,
        "kernels": ", ".join(KERNELS),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "node": _node(),
    }


def _chunks(fields: Sequence[Field], size: int) -> Iterator[Sequence[Field]]:
    for first in range(0, len(fields), size):
        yield fields[first : first + size]


def _evaluate_block(order: Order, plan: Plan, outline: Outline, arrays: Sequence[Field]) -> Any:  # noqa: ANN401, as above
    fields = dict(zip(order.names, arrays, strict=True))
    function = "run" if order.kind == "matches" else order.kind
    result = getattr(threads, function)(plan, _make_panel(order, outline, fields), **order.settings)
    first = outline.first_tile * TILE
    if order.kind == "search":
        return result._replace(places=result.places + first)
    return _select_matches(result, plan, first) if order.kind == "matches" else result


def _select_matches(results: list[NDArray[np.float64]], plan: Plan, first: int) -> Matches:
    newest = [result[0] for result in results]
    guards = {guard for guard in plan.read_where if guard is not None}
    positions = {guard: np.flatnonzero(newest[guard] == 1.0) for guard in guards}
    columns = [
        column if guard is None else column[positions[guard]]
        for column, guard in zip(newest, plan.read_where, strict=True)
    ]
    return Matches({guard: lanes + first for guard, lanes in positions.items()}, columns)


def _make_panel(order: Order, outline: Outline, fields: dict[str, Field]) -> Panel:
    """Return a panel whose symbols have no names: a plan reads only their facts."""
    return Panel(
        as_of=order.as_of,
        symbols=[""] * len(outline.bars),
        rows=order.rows,
        fields=fields,
        bars=outline.bars,
        age=np.zeros_like(outline.bars),
        reference=cast(Reference, _GivenFacts(outline.facts)),
        dates=order.dates,
        spans=outline.spans,
        still=outline.still,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _GivenFacts:
    """The facts that a plan reads."""

    facts: NDArray[np.float64]

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        return self.facts


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())
