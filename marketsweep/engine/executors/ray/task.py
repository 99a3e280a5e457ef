"""What a worker of a Ray cluster does: the threads executor, over blocks of a panel."""

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

from marketsweep import __version__
from marketsweep.engine.executors import threads
from marketsweep.engine.lowering import joined
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.kernels.cpu import KERNELS, TILE
from marketsweep.language.tree import Node

Kind = Literal["run", "matches", "search", "tally"]
"""Which function of an executor is asked for; matches are those of a run."""

Field = NDArray[np.float64]

_PLANS_KEPT: Final = 16


class Order(NamedTuple):
    """What all tasks of an evaluation have in common; `names` are those of the fields."""

    kind: Kind
    settings: dict[str, int]
    names: list[str]
    rows: int
    as_of: dt.date
    dates: list[dt.date]


class Outline(NamedTuple):
    """A block of a panel but for its fields, which come out of the object store.

    `bars` and `still` are int64 [symbols], `facts` is float64 [facts, symbols], `spans` int64
    [3, symbols].
    """

    first_tile: int
    bars: NDArray[np.int64]
    facts: NDArray[np.float64]
    spans: NDArray[np.int64] | None
    still: NDArray[np.int64] | None


class Answer(NamedTuple):
    """What a task gives back: the node that it ran on, how long it took, and what it found."""

    node: str
    seconds: float
    found: Any


class Matches(NamedTuple):
    """Compact result of a run for the newest bars.

    By the number of a result the places of the symbols for which it holds, int64 [matches]; and of
    each result the values there where that one is asked about, else of all symbols.
    """

    places: dict[int, NDArray[np.int64]]
    columns: list[NDArray[np.float64]]


class Worker:
    """An actor: a process that stays, with what it has imported; Ray ends idle ones of tasks."""

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
        """Evaluate blocks, of each of which there is one array a name; arrays are not copied.

        `plan` holds one reference: what is in a list, Ray leaves as it is.
        """
        started = perf_counter()
        found = [
            _of_block(order, self._read(*plan), outline, arrays)
            for outline, arrays in zip(outlines, _lots(fields, len(order.names)), strict=True)
        ]
        return Answer(_node(), perf_counter() - started, together(order.kind, found))

    def _read(self, reference: ray.ObjectRef[Any]) -> Plan:
        """A plan, read once: one of a thousand variants takes a while."""
        if reference not in self._plans:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            self._plans[reference] = ray.get(reference)
        return self._plans[reference]


def together(kind: Kind, parts: list[Any]) -> Any:  # noqa: ANN401, it depends on the kind
    """The answers of blocks, in their order, as one."""
    if kind == "search":
        return joined(parts)
    if kind == "tally":
        return np.sum(parts, axis=0)
    if kind == "matches":
        places, columns = zip(*parts, strict=True)
        return Matches(
            {guard: np.concatenate([one[guard] for one in places]) for guard in places[0]},
            [np.concatenate(several) for several in zip(*columns, strict=True)],
        )
    return [np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)]


def versions() -> dict[str, str]:
    """What must be the same everywhere, by name; `node` is where this is."""
    return {
        "marketsweep": __version__,
        "kernels": ", ".join(KERNELS),
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "node": _node(),
    }


def _lots(fields: Sequence[Field], size: int) -> Iterator[Sequence[Field]]:
    for first in range(0, len(fields), size):
        yield fields[first : first + size]


def _of_block(order: Order, plan: Plan, outline: Outline, arrays: Sequence[Field]) -> Any:  # noqa: ANN401, as above
    fields = dict(zip(order.names, arrays, strict=True))
    how = "run" if order.kind == "matches" else order.kind
    found = getattr(threads, how)(plan, _panel(order, outline, fields), **order.settings)
    first = outline.first_tile * TILE
    if order.kind == "search":
        return found._replace(places=found.places + first)
    return _read_of(found, plan, first) if order.kind == "matches" else found


def _read_of(results: list[NDArray[np.float64]], plan: Plan, first: int) -> Matches:
    newest = [result[0] for result in results]
    guards = {guard for guard in plan.read_where if guard is not None}
    held = {guard: np.flatnonzero(newest[guard] == 1.0) for guard in guards}
    columns = [
        column if guard is None else column[held[guard]]
        for column, guard in zip(newest, plan.read_where, strict=True)
    ]
    return Matches({guard: places + first for guard, places in held.items()}, columns)


def _panel(order: Order, outline: Outline, fields: dict[str, Field]) -> Panel:
    """A panel of symbols without names: a plan asks for what is told of them alone."""
    return Panel(
        as_of=order.as_of,
        symbols=[""] * len(outline.bars),
        rows=order.rows,
        fields=fields,
        bars=outline.bars,
        age=np.zeros_like(outline.bars),
        reference=cast(Reference, _Told(outline.facts)),
        dates=order.dates,
        spans=outline.spans,
        still=outline.still,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """Reference data, in so far as a plan asks for it."""

    facts: NDArray[np.float64]

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        return self.facts


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())
