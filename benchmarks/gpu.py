"""A GPU against threads: docs/guide/gpu.md forecasts these figures. Skipped without one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from time import perf_counter
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from benchmarks.example import Example
from benchmarks.measure import Row, Samples, against, alternate, clocked
from benchmarks.sweeps import CONDITION, VALUES
from benchmarks.walks import walks
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.engine.executors import threads
from marketsweep.engine.executors.gpu import executor as gpu
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, make_plan
from marketsweep.errors import UsageError
from marketsweep.kernels.cpu import TILE
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.templates import Template, variants_of

_RUNS: Final = 7
_SESSIONS: Final = 252


def rows(_: Example) -> Iterator[Row]:
    """Single scans and sweeps, of one session and of a year."""
    started = perf_counter()
    try:
        gpu.card()
    except UsageError as error:
        print(f"no figures of a GPU: {error}", file=sys.stderr)
        return
    yield Row("gpu: CuPy and the card, once a process", Samples.of([perf_counter() - started]))
    yield from compared(walks())


def compared(panel: Panel) -> Iterator[Row]:
    """Each job by threads and by the GPU in turns, once both were found to agree."""
    template = Template(CONDITION)
    variants = [template.tree(values) for values in variants_of(template, VALUES)]
    year = _with_sessions(panel)
    for sessions in (1, _SESSIONS):
        plan = make_plan([parse_expression(REFERENCE_SCAN)], sessions)
        what = f"gpu: the reference scan, {sessions} rows"
        yield _row(what, partial(gpu.run, plan, panel), partial(threads.run, plan, panel))
    for sessions, of in ((1, panel), (_SESSIONS, year)):
        plan = make_plan(variants, sessions)
        what = f"gpu: {len(variants):,} variants, {sessions} sessions"
        yield _row(what, partial(gpu.tally, plan, of), partial(threads.tally, plan, of))


def _row(what: str, by_gpu: Callable[[], Any], by_threads: Callable[[], Any]) -> Row:
    np.testing.assert_array_equal(by_gpu(), by_threads())
    ours, theirs = alternate(_RUNS, clocked(by_gpu), clocked(by_threads))
    return against(what, ours, "threads", theirs)


def _with_sessions(panel: Panel) -> Panel:
    """Every row is of one session, of which the last year is looked at."""
    rows, symbols = panel.rows, len(panel.symbols)
    numbers = np.empty((panel.tiles, rows, TILE))
    numbers[:] = np.arange(float(rows))[:, None]
    return replace(
        panel,
        fields=panel.fields | {SESSION: numbers},
        dates=[panel.as_of] * rows,
        spans=np.array([[rows - _SESSIONS] * symbols, [rows - 1] * symbols, panel.bars]),
    )
