"""What runs on a worker of a Ray cluster: the threads executor, over blocks of a panel."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import ray
from numpy.typing import NDArray

from marketsweep import __version__
from marketsweep.evaluate import joined
from marketsweep.executors import threads
from marketsweep.kernels.cpu import KERNELS, TILE
from marketsweep.panel import Panel
from marketsweep.plan import Plan
from marketsweep.reference import Reference
from marketsweep.tree import Node

Kind = Literal["run", "search", "tally"]
"""Which function of an executor is asked for."""

Field = NDArray[np.float64]


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

    `bars` is int64 [symbols], `facts` float64 [facts, symbols], `spans` int64 [3, symbols].
    """

    first_tile: int
    bars: NDArray[np.int64]
    facts: NDArray[np.float64]
    spans: NDArray[np.int64] | None


class Answer(NamedTuple):
    """What a task gives back: the node that it ran on, how long it took, and what it found."""

    node: str
    seconds: float
    found: Any


def work(order: Order, plan: Plan, outlines: list[Outline], *fields: Field) -> Answer:
    """Evaluate blocks, of each of which there is one array a name; arrays are not copied."""
    started = perf_counter()
    found = [
        _of_block(order, plan, outline, arrays)
        for outline, arrays in zip(outlines, _lots(fields, len(order.names)), strict=True)
    ]
    return Answer(_node(), perf_counter() - started, together(order.kind, found))


def together(kind: Kind, parts: list[Any]) -> Any:  # noqa: ANN401, it depends on the kind
    """The answers of blocks, in their order, as one."""
    if kind == "search":
        return joined(parts)
    if kind == "tally":
        return np.sum(parts, axis=0)
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
    found = getattr(threads, order.kind)(plan, _panel(order, outline, fields), **order.settings)
    if order.kind == "search":
        return found._replace(places=found.places + outline.first_tile * TILE)
    return found


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
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """Reference data, in so far as a plan asks for it."""

    facts: NDArray[np.float64]

    def columns(self, nodes: Sequence[Node], symbols: Sequence[str]) -> NDArray[np.float64]:
        return self.facts


def _node() -> str:
    return str(ray.get_runtime_context().get_node_id())
