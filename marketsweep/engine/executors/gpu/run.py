"""A plan over a panel on a card: what is laid where, and what is launched in which order.

1. The tiles are cut into blocks, so that scratch and results fit the card's room (`blocks`).
2. What kernels are told is one `Work` of addresses (kernels/gpu/card.hpp), a block each (`_Block`).
3. The plan's launches run in their order; then what is asked for comes back.

A `Card` is what it takes of a device. CuPy's is in `gpu`; tests have one that runs the same source
on a processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.gpu.launches import MOST_JOBS, launches_of
from marketsweep.engine.lowering import Found, Tallies, depths, joined, needed_bars, padded
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Plan
from marketsweep.engine.time_limit import check_time
from marketsweep.kernels.cpu import TILE
from marketsweep.kernels.gpu import source as cuda

_ROWS_A_BLOCK = 4
"""Threads of a block are 32 symbols by as many rows as this."""


class Memory(Protocol):
    """Bytes on the card, let go of with the last reference."""

    @property
    def address(self) -> int:
        """Where they begin."""


class Card(Protocol):
    """A device with memory of its own that runs what `cuda` writes."""

    def room(self) -> int:
        """Bytes that one evaluation may take, beside fields that are kept."""

    def empty(self, size: int) -> Memory:
        """Memory of some bytes, with anything in it."""

    def upload(self, array: NDArray[Any]) -> Memory:
        """A copy of an array."""

    def keep(self, fields: list[NDArray[np.float64]]) -> list[Memory | None]:
        """Copies that stay as long as the fields do; None where there is no room for one."""

    def download(self, memory: Memory, to: NDArray[Any]) -> None:
        """Fills an array, once all that was launched is done."""

    def prepare(self, fused: dict[str, str]) -> None:
        """Makes the generated kernels ready, expressions by name."""

    def launch(
        self, kernel: str, grid: tuple[int, int, int], rows: int, work: int, number: int
    ) -> None:
        """Runs a kernel on a grid of blocks of TILE x `rows` threads, after what came before.

        `work` is the address of a Work, `number` the kernel's second argument.
        """


def run(card: Card, plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """The plan's results, float64 [rows, symbols] each."""
    shape = (len(plan.results), plan.result_rows)
    whole = np.empty((*shape, panel.tiles * TILE))
    evaluation = _Evaluation(card, plan, panel)
    for block in evaluation.blocks(shape[0] * shape[1]):
        part = np.empty((*shape, block.tiles * TILE))
        block.put("out", card.empty(part.nbytes))
        block.send()
        block.evaluate()
        block.of_results("card_results", plan.result_rows)
        card.download(block.memory["out"], part)
        whole[:, :, block.lanes] = part
    return [one[:, : len(panel.symbols)] for one in whole]


def search(card: Card, plan: Plan, panel: Panel) -> Found:
    """Where the first result holds, of a panel with sessions and spans."""
    assert panel.spans is not None
    evaluation = _Evaluation(card, plan, panel, panel.fields[SESSION])
    spans = padded(panel, panel.spans)
    return joined([_found(block, spans) for block in evaluation.blocks(0)])


def _found(block: _Block, spans: NDArray[np.int64]) -> Found:
    card, plan, sessions = block.of.card, block.of.plan, len(block.of.panel.dates)
    counts = np.zeros(sessions + 1, dtype=np.int64)  # the last: of hits
    block.put("counts", card.upload(counts))
    block.put("hits", block.memory["counts"], 8 * sessions)
    block.put_sessions(spans)
    block.send()
    block.evaluate()
    block.launch("card_search", plan.result_rows, 1, number=0)
    card.download(block.memory["counts"], counts)
    hits = int(counts[-1])
    kept: dict[str, NDArray[Any]] = {
        "places": np.empty(hits, np.int64),
        "sessions": np.empty(hits, np.int64),
        "values": np.empty((hits, len(plan.results) - 1)),
    }
    if hits:
        block.put("hits", card.upload(np.zeros(1, np.int64)))
        block.work["room"], block.work["columns"] = hits, len(plan.results)
        for name, array in kept.items():
            block.put(name, card.empty(array.nbytes))
        block.send()
        block.launch("card_search", plan.result_rows, 1, number=1)
        for name, array in kept.items():
            card.download(block.memory[name], array)
    return Found(kept["places"], kept["sessions"], kept["values"], counts[:-1])


def tally(card: Card, plan: Plan, panel: Panel, first: int = 0) -> Tallies:
    """Count the symbols for which each result holds and is known, as `lowering.begin_tally`."""
    if panel.spans is not None:
        session, spans, sessions = panel.fields[SESSION], panel.spans, len(panel.dates)
    else:
        session, first, sessions = np.zeros((panel.tiles, 1, TILE)), 0, 1
        spans = np.array([0 * panel.bars, 0 * panel.bars, panel.bars])
    counts = np.zeros((len(plan.results), sessions - first, 2), dtype=np.int64)
    evaluation, spans = _Evaluation(card, plan, panel, session), padded(panel, spans)
    counted = card.upload(counts)
    for block in evaluation.blocks(0):
        block.put("counts", counted)
        block.work["first_session"], block.work["counted"] = first, sessions - first
        block.put_sessions(spans)
        block.send()
        block.evaluate()
        block.of_results("card_tally", -(-plan.result_rows // TILE))
    card.download(counted, counts)
    return counts


class _Evaluation:
    """What is the same for all blocks of one plan and panel."""

    def __init__(
        self, card: Card, plan: Plan, panel: Panel, sessions: NDArray[np.float64] | None = None
    ) -> None:
        """`sessions`, of each bar the number, is a field that the plan itself does not read."""
        self.card, self.plan, self.panel = card, plan, panel
        self.launches = launches_of(plan)
        card.prepare(self.launches.fused)
        self.fields = [panel.fields[name] for name in plan.fields]
        self.fields += [] if sessions is None else [sessions]
        self.kept = card.keep(self.fields)
        self.facts = panel.facts(plan.facts).reshape(len(plan.facts), panel.tiles, TILE)
        self.depths = depths(plan, panel)
        self.tables = {
            "operands": card.upload(self.launches.operands),
            "jobs": card.upload(self.launches.jobs),
            "constants": card.upload(self.launches.constants),
            "field_rows": card.upload(np.array([f.shape[1] for f in self.fields], np.int64)),
            "needed": card.upload(needed_bars(plan)),
        }

    def blocks(self, result_rows: int) -> Iterator[_Block]:
        """Parts of the panel that fit the card's room, each ready for the plan's launches."""
        rows = self.launches.scratch_rows + result_rows
        rows += sum(
            field.shape[1]
            for field, kept in zip(self.fields, self.kept, strict=True)
            if kept is None
        )
        step = max(1, self.card.room() // (8 * TILE * max(1, rows)))
        for first in range(0, self.panel.tiles, step):
            yield _Block(self, first, min(first + step, self.panel.tiles))


class _Block:
    """Some neighbouring tiles on the card, and what kernels are told of them."""

    def __init__(self, of: _Evaluation, first: int, last: int) -> None:
        self.of, self.first, self.tiles = of, first, last - first
        self.lanes = slice(first * TILE, last * TILE)
        self.work = np.zeros((), cuda.WORK)
        self.memory: dict[str, Memory] = {}
        for name, memory in of.tables.items():
            self.put(name, memory)
        upload, fields = of.card.upload, [self.field(i) for i in range(len(of.fields))]
        self.fields = [memory for memory, _ in fields]  # of which kernels have addresses alone
        self.put("fields", upload(np.array([m.address + begin for m, begin in fields], np.int64)))
        self.put("depths", upload(of.depths[first:last]))
        self.put("facts", upload(np.ascontiguousarray(of.facts[:, first:last])))
        self.put("scratch", of.card.empty(of.launches.scratch_rows * self.tiles * TILE * 8))
        self.work["tiles"], self.work["rows"] = self.tiles, of.depths.max()
        self.work["scratch_rows"], self.work["results"] = (
            of.launches.scratch_rows,
            of.launches.results,
        )
        self.work["result_rows"] = of.plan.result_rows

    def field(self, number: int) -> tuple[Memory, int]:
        """The block's part of a field: the memory, and how many bytes into it that begins."""
        field, kept = self.of.fields[number], self.of.kept[number]
        if kept is None:
            return self.of.card.upload(field[self.first : self.first + self.tiles]), 0
        return kept, self.first * field.shape[1] * TILE * 8

    def put(self, name: str, memory: Memory, begin: int = 0) -> None:
        """Tells of memory, and keeps it."""
        self.memory[name], self.work[name] = memory, memory.address + begin

    def put_sessions(self, spans: NDArray[np.int64]) -> None:
        """Tells which bars count: the evaluation's last field says of which session each is."""
        number = len(self.of.fields) - 1
        self.put("session", *self.field(number))
        self.put("spans", self.of.card.upload(np.ascontiguousarray(spans[:, self.lanes])))
        self.work["session_rows"] = self.of.fields[number].shape[1]
        self.work["first_place"] = self.lanes.start

    def send(self) -> None:
        """What launches from here on are told."""
        self.memory["work"] = self.of.card.upload(self.work)

    def evaluate(self) -> None:
        """All launches of the plan."""
        for launch in self.of.launches.launches:
            check_time()
            self.launch(launch.kernel, launch.rows, launch.jobs, launch.first)

    def of_results(self, kernel: str, rows: int) -> None:
        """Launches of all results."""
        results = len(self.of.plan.results)
        for first in range(0, results, MOST_JOBS):
            self.launch(kernel, rows, min(MOST_JOBS, results - first), first)

    def launch(self, kernel: str, rows: int, jobs: int, number: int = 0) -> None:
        """One launch over the block's tiles."""
        side_by_side = min(rows, _ROWS_A_BLOCK)
        grid = (self.tiles, -(-rows // side_by_side), jobs)
        self.of.card.launch(kernel, grid, side_by_side, self.memory["work"].address, number)
