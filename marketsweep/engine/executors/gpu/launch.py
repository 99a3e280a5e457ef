"""Run a plan over a panel on a card.

1. The tiles are cut into blocks, so that scratch rows and results fit the card's room (`blocks`).
2. Each block has a `Work`, the table of addresses that the kernels read (kernels/gpu/card.hpp).
3. The plan's launches run in order; then the requested results are copied back.

`Card` is the interface to a device. `executor` implements it with CuPy; tests implement it on the
CPU, with the same kernel source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.gpu.launch_plan import MOST_JOBS, launches_of
from marketsweep.engine.lowering import (
    SearchResult,
    Tallies,
    join_found,
    needed_bars,
    pad_spans,
    tile_depths,
)
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Plan
from marketsweep.engine.time_limit import check_time
from marketsweep.kernels.cpu import TILE
from marketsweep.kernels.gpu import source as cuda

_ROWS_PER_BLOCK = 4
"""Most rows of a thread block; it has 32 symbols per row."""


class Memory(Protocol):
    """Bytes on the card, freed with the last reference."""

    @property
    def address(self) -> int:
        """Address of the first byte."""


class Card(Protocol):
    """A device with its own memory that runs the kernels of `cuda.source`."""

    def room(self) -> int:
        """Return the bytes that one evaluation may use, beside cached fields."""

    def empty(self, size: int) -> Memory:
        """Return uninitialised memory of `size` bytes."""

    def upload(self, array: NDArray[Any]) -> Memory:
        """Return a copy of an array on the card."""

    def keep(self, fields: list[NDArray[np.float64]]) -> list[Memory | None]:
        """Return cached copies that live as long as the fields; None for one that does not fit."""

    def download(self, memory: Memory, to: NDArray[Any]) -> None:
        """Wait for everything launched so far, and copy the memory to an array."""

    def prepare(self, fused: dict[str, str]) -> None:
        """Compile the generated kernels; `fused` maps their names to expressions."""

    def launch(
        self, kernel: str, grid: tuple[int, int, int], rows: int, work: int, number: int
    ) -> None:
        """Run a kernel on a grid of blocks of TILE x `rows` threads, after earlier launches.

        `work` is the address of a Work, `number` the kernel's second argument.
        """


def run(card: Card, plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Return the results of the plan, float64 [rows, symbols] each."""
    shape = (len(plan.results), plan.result_rows)
    results = np.empty((*shape, panel.tiles * TILE))
    evaluation = _Evaluation(card, plan, panel)
    for block in evaluation.blocks(shape[0] * shape[1]):
        part = np.empty((*shape, block.tiles * TILE))
        block.put("out", card.empty(part.nbytes))
        block.send()
        block.evaluate()
        block.launch_for_results("card_results", plan.result_rows)
        card.download(block.memory["out"], part)
        results[:, :, block.lanes] = part
    return [result[:, : len(panel.symbols)] for result in results]


def search(card: Card, plan: Plan, panel: Panel) -> SearchResult:
    """Return where the first result holds, in a panel with sessions and spans."""
    assert panel.spans is not None
    evaluation = _Evaluation(card, plan, panel, panel.fields[SESSION])
    spans = pad_spans(panel, panel.spans)
    return join_found([_search_block(block, spans) for block in evaluation.blocks(0)])


def _search_block(block: _Block, spans: NDArray[np.int64]) -> SearchResult:
    card, plan, sessions = block.shared.card, block.shared.plan, len(block.shared.panel.dates)
    counts = np.zeros(sessions + 1, dtype=np.int64)  # the last element counts the hits
    block.put("counts", card.upload(counts))
    block.put("hits", block.memory["counts"], 8 * sessions)
    block.put_sessions(spans)
    block.send()
    block.evaluate()
    block.launch("card_search", plan.result_rows, 1, number=0)
    card.download(block.memory["counts"], counts)
    hits = int(counts[-1])
    arrays: dict[str, NDArray[Any]] = {
        "places": np.empty(hits, np.int64),
        "sessions": np.empty(hits, np.int64),
        "values": np.empty((hits, len(plan.results) - 1)),
    }
    if hits:
        block.put("hits", card.upload(np.zeros(1, np.int64)))
        block.work["room"], block.work["columns"] = hits, len(plan.results)
        for name, array in arrays.items():
            block.put(name, card.empty(array.nbytes))
        block.send()
        block.launch("card_search", plan.result_rows, 1, number=1)
        for name, array in arrays.items():
            card.download(block.memory[name], array)
    return SearchResult(arrays["places"], arrays["sessions"], arrays["values"], counts[:-1])


def tally(card: Card, plan: Plan, panel: Panel, first: int = 0) -> Tallies:
    """Count the symbols for which each result holds and is known; see `lowering.begin_tally`."""
    if panel.spans is not None:
        session, spans, sessions = panel.fields[SESSION], panel.spans, len(panel.dates)
    else:
        session, first, sessions = np.zeros((panel.tiles, 1, TILE)), 0, 1
        spans = np.array([0 * panel.bars, 0 * panel.bars, panel.bars])
    counts = np.zeros((len(plan.results), sessions - first, 2), dtype=np.int64)
    evaluation, spans = _Evaluation(card, plan, panel, session), pad_spans(panel, spans)
    device_counts = card.upload(counts)
    for block in evaluation.blocks(0):
        block.put("counts", device_counts)
        block.work["first_session"], block.work["counted"] = first, sessions - first
        block.put_sessions(spans)
        block.send()
        block.evaluate()
        block.launch_for_results("card_tally", -(-plan.result_rows // TILE))
    card.download(device_counts, counts)
    return counts


class _Evaluation:
    """What all blocks of one plan and panel share."""

    def __init__(
        self, card: Card, plan: Plan, panel: Panel, sessions: NDArray[np.float64] | None = None
    ) -> None:
        """Prepare the evaluation; `sessions` has the session number of each bar, if needed."""
        self.card, self.plan, self.panel = card, plan, panel
        self.launches = launches_of(plan)
        card.prepare(self.launches.fused)
        self.fields = [panel.fields[name] for name in plan.fields]
        self.fields += [] if sessions is None else [sessions]
        self.cached = card.keep(self.fields)
        self.facts = panel.facts(plan.facts).reshape(len(plan.facts), panel.tiles, TILE)
        self.depths = tile_depths(plan, panel)
        self.tables = {
            "operands": card.upload(self.launches.operands),
            "jobs": card.upload(self.launches.jobs),
            "constants": card.upload(self.launches.constants),
            "field_rows": card.upload(np.array([f.shape[1] for f in self.fields], np.int64)),
            "needed": card.upload(needed_bars(plan)),
        }

    def blocks(self, result_rows: int) -> Iterator[_Block]:
        """Yield parts of the panel that fit the card's room, each ready for the plan's launches."""
        rows = self.launches.scratch_rows + result_rows
        rows += sum(
            field.shape[1]
            for field, copy in zip(self.fields, self.cached, strict=True)
            if copy is None
        )
        step = max(1, self.card.room() // (8 * TILE * max(1, rows)))
        for first in range(0, self.panel.tiles, step):
            yield _Block(self, first, min(first + step, self.panel.tiles))


class _Block:
    """Neighbouring tiles on the card, and the `Work` that their kernels read."""

    def __init__(self, shared: _Evaluation, first: int, last: int) -> None:
        self.shared, self.first, self.tiles = shared, first, last - first
        self.lanes = slice(first * TILE, last * TILE)
        self.work = np.zeros((), cuda.WORK)
        self.memory: dict[str, Memory] = {}
        for name, memory in shared.tables.items():
            self.put(name, memory)
        upload, fields = shared.card.upload, [self.field(i) for i in range(len(shared.fields))]
        # Kernels have only addresses: this keeps the memory alive.
        self.fields = [memory for memory, _ in fields]
        self.put("fields", upload(np.array([m.address + begin for m, begin in fields], np.int64)))
        self.put("depths", upload(shared.depths[first:last]))
        self.put("facts", upload(np.ascontiguousarray(shared.facts[:, first:last])))
        self.put("scratch", shared.card.empty(shared.launches.scratch_rows * self.tiles * TILE * 8))
        self.work["tiles"], self.work["rows"] = self.tiles, shared.depths.max()
        self.work["scratch_rows"], self.work["results"] = (
            shared.launches.scratch_rows,
            shared.launches.results,
        )
        self.work["result_rows"] = shared.plan.result_rows

    def field(self, number: int) -> tuple[Memory, int]:
        """Return the memory with the block's part of a field, and the part's offset in bytes."""
        field, copy = self.shared.fields[number], self.shared.cached[number]
        if copy is None:
            return self.shared.card.upload(field[self.first : self.first + self.tiles]), 0
        return copy, self.first * field.shape[1] * TILE * 8

    def put(self, name: str, memory: Memory, begin: int = 0) -> None:
        """Set an address of the `Work`, and keep its memory alive."""
        self.memory[name], self.work[name] = memory, memory.address + begin

    def put_sessions(self, spans: NDArray[np.int64]) -> None:
        """Set which bars count; the evaluation's last field has the session number of each bar."""
        number = len(self.shared.fields) - 1
        self.put("session", *self.field(number))
        self.put("spans", self.shared.card.upload(np.ascontiguousarray(spans[:, self.lanes])))
        self.work["session_rows"] = self.shared.fields[number].shape[1]
        self.work["first_place"] = self.lanes.start

    def send(self) -> None:
        """Upload the `Work` for the launches that follow."""
        self.memory["work"] = self.shared.card.upload(self.work)

    def evaluate(self) -> None:
        """Launch all kernels of the plan."""
        for launch in self.shared.launches.launches:
            check_time()
            self.launch(launch.kernel, launch.rows, launch.jobs, launch.first)

    def launch_for_results(self, kernel: str, rows: int) -> None:
        """Launch a kernel for all results."""
        results = len(self.shared.plan.results)
        for first in range(0, results, MOST_JOBS):
            self.launch(kernel, rows, min(MOST_JOBS, results - first), first)

    def launch(self, kernel: str, rows: int, jobs: int, number: int = 0) -> None:
        """Launch a kernel over the block's tiles."""
        block_rows = min(rows, _ROWS_PER_BLOCK)
        grid = (self.tiles, -(-rows // block_rows), jobs)
        self.shared.card.launch(kernel, grid, block_rows, self.memory["work"].address, number)
