"""The GPU's inputs, run on a processor: these tests need no GPU.

The kernel source, the launches, their grids and their tables are those of `--executor gpu`.
`processor_card` runs them.
"""

from __future__ import annotations

import gc
from typing import cast

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.engine.executors import serial
from marketsweep.engine.executors.gpu import launch as device_run
from marketsweep.engine.executors.gpu import launch_plan
from marketsweep.engine.executors.gpu.field_cache import FieldCache
from marketsweep.engine.executors.gpu.launch_plan import launches_of
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, Derivation, Plan, make_plan
from marketsweep.kernels.gpu import source as cuda
from marketsweep.language import tree
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.presets import SavedConditions, presets
from marketsweep.scan.scan import Scan, run_together
from tests.helpers.kernel_cases import CASES, EVENT_OF, awkward, bits
from tests.helpers.markets import panel_of, random_bars
from tests.helpers.processor_card import FencedMemory, ProcessorCard


def calls() -> list[str]:
    """Return calls of every indicator and event function, each output, as in `kernel_cases`."""
    texts = []
    for case in CASES:
        parameters = ", ".join(f"{value:g}" for value in case.parameters)
        row = INDICATORS.get(case.kernel)
        if row and row.kernel_outputs:
            series = [*row.inputs[: row.series], *([parameters] if parameters else [])]
            call = f"{case.kernel}({', '.join(series)})"
            shown = [out for out in row.kernel_outputs if not out.startswith("settled")]
            texts += [f"{call}.{out}" if out else call for out in shown]
        elif (event := EVENT_OF.get(case.kernel, case.kernel)) in EVENTS:
            operands = ("close > sma(close, 10)", "volume")[: case.inputs]
            texts.append(f"{event}({', '.join(operands)}, {parameters})")
    return texts


# Steps that are fused, and steps that must not be: read twice, or of another bar.
ARITHMETIC = [
    "close > 5 and not (open < high) or abs(close - open) / close >= 0.01",
    "-min(high, low[3]) * max(2, volume) + close == open",
    "(close + open)[2] <= (close + open) and high != low",
    "(close > open)[1] and close > open",
    "close > open for 5 bars",
    "sma(50) crosses above sma(20) within 7 bars",
    "sma((high + low) / 2, 5) > ema(close * close, 3)",
    "1 < 2",
    "ema(max(close - open, 0) / max(close - open, 0) * close, 3) > rsi(low / high, 9)",  # holes
    "count(close > open, 4) > 0",
]


def planned(conditions: list[str], rows: int) -> Plan:
    return make_plan([*map(parse_expression, conditions)], rows)


def assert_same_bits(card: device_run.Card, plan: Plan, panel: Panel) -> None:
    for got, want in zip(device_run.run(card, plan, panel), serial.run(plan, panel), strict=True):
        np.testing.assert_array_equal(bits(got), bits(want))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("rows", [1, 60, 400])
def test_every_indicator_equals_the_processor(
    processor_card: ProcessorCard, rows: int, backwards: bool
) -> None:
    processor_card.backwards = backwards
    assert_same_bits(processor_card, planned(calls(), rows), panel_of(random_bars(300, 70, seed=5)))
    used = {kernel.removeprefix("card_") for kernel, *_ in processor_card.launches}
    assert set(cuda.drivers()) <= used


@pytest.mark.parametrize("rows", [1, 90])
def test_awkward_bars_equal_the_processor(processor_card: ProcessorCard, rows: int) -> None:
    (high, low, close), _ = awkward(90, 3, seed=9)
    panel = panel_of(random_bars(90, 96, seed=9))
    fields = {"open": low, "high": high, "low": low, "close": close, "volume": high}
    plan = planned([*calls(), *ARITHMETIC], rows)
    # Derived fields alone may have holes, which is what these are taken for.
    fields_as_derived = [
        Derivation(cast(tree.Derived, tree.Field(name)), rows, plan, session=False)
        for name in plan.fields
    ]
    plan = replace(plan, derived=tuple(fields_as_derived))
    assert_same_bits(processor_card, plan, replace(panel, fields=fields))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("rows", [1, 40])
def test_arithmetic_equals_the_processor(
    processor_card: ProcessorCard, rows: int, backwards: bool
) -> None:
    processor_card.backwards = backwards
    panel = panel_of(random_bars(120, 40, seed=6))
    for condition in ARITHMETIC:
        assert_same_bits(processor_card, planned([condition], rows), panel)
    assert_same_bits(processor_card, planned(ARITHMETIC, rows), panel)


@pytest.mark.parametrize("room", [20_000, 1 << 40])
def test_facts_equal_the_processor(
    processor_as_gpu: ProcessorCard, market: ms.Market, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor_as_gpu, "size", room)
    condition = "market_cap > 1B and close > sma(20) or name matches 'A*' and rsi(2)[3] < 9"
    columns = ["market_cap * close", "atr(14)"]
    got, want = (
        market.scan(condition, executor=name, columns=columns) for name in ("gpu", "serial")
    )
    assert len(want) > 20
    assert got.symbols == want.symbols
    assert got.coverage == want.coverage
    for name, column in want.values.items():
        np.testing.assert_array_equal(bits(got.values[name]), bits(column))


def test_every_preset_equals_the_processor(
    processor_as_gpu: ProcessorCard, market: ms.Market
) -> None:
    """The presets use longer bars, other symbols and ranks."""
    names, own_names = presets(), OwnNames(SavedConditions.of(market.store.path))
    with market.view() as view:
        got, want = (
            run_together([Scan(name, executor=which, own_names=own_names) for name in names], view)
            for which in ("gpu", "serial")
        )
    for name, left, right in zip(names, got, want, strict=True):
        assert left.symbols == right.symbols, name
        np.testing.assert_array_equal(bits(left.close), bits(right.close))
    assert processor_as_gpu.launches


# -- launches


def test_neighbouring_steps_become_one_kernel() -> None:
    tables = launches_of(planned(["close > 5 and volume * close > 20M and open < high"], 1))
    assert [launch.jobs for launch in tables.launches] == [1]
    assert list(tables.fused.values()) == [
        "and_of(and_of(greater_of(x(0), x(1)), greater_of(multiply_of(x(2), x(0)), x(3))), "
        "less_of(x(4), x(5)))"
    ]


def test_a_sweep_has_as_few_launches_as_one_variant() -> None:
    def launched(variants: int) -> list[str]:
        texts = [f"close > sma({n}) and rsi({n}) < {n}" for n in range(2, 2 + variants)]
        return [launch.kernel for launch in launches_of(planned(texts, 5)).launches]

    assert launched(300) == launched(1)
    assert len(launched(1)) == 3


def test_jobs_of_one_level_read_nothing_of_each_other() -> None:
    plan = planned([*calls(), *ARITHMETIC], 30)
    tables = launches_of(plan)
    written: dict[int, int] = {}  # number of the last launch that wrote each scratch row
    for number, launch in enumerate(tables.launches):
        for job in tables.jobs[launch.first : launch.first + launch.jobs]:
            for out in job["out"][job["out"] >= 0].tolist():
                rows = range(out, out + int(job["rows"]))
                assert all(written.get(row) != number for row in rows)
                written |= dict.fromkeys(rows, number)
    assert max(written) + 1 == tables.scratch_rows


def test_more_jobs_than_a_grid_takes_are_more_launches(
    processor_card: ProcessorCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (launch_plan, device_run):
        monkeypatch.setattr(module, "MOST_JOBS", 3)
    card, plan = ProcessorCard(processor_card.folder), planned([*calls(), *ARITHMETIC], 2)
    launches_of.cache_clear()
    assert_same_bits(card, plan, panel_of(random_bars(300, 70, seed=5)))
    launches_of.cache_clear()
    assert max(grid[2] for _, grid, _ in card.launches) == 3


# -- memory


def test_blocks_of_tiles_give_the_same_as_all_at_once(processor_card: ProcessorCard) -> None:
    panel, plan = panel_of(random_bars(200, 330, seed=7)), planned([REFERENCE_SCAN], 9)
    tiles = set()
    for room, to_keep in ((1, 1), (500_000, 1), (500_000, 1 << 40), (1 << 40, 1 << 40)):
        card = ProcessorCard(processor_card.folder, room, to_keep)
        assert_same_bits(card, plan, panel)
        tiles |= {grid[0] for _, grid, _ in card.launches}
    assert len(tiles) > 2
    assert max(tiles) == panel.tiles
    assert min(tiles) == 1


def test_fields_are_copied_once_and_go_with_their_panel(processor_card: ProcessorCard) -> None:
    card = ProcessorCard(processor_card.folder)
    plan, panel = planned(["close > sma(20)", "open > 1"], 3), panel_of(random_bars(90, 70, seed=8))
    assert_same_bits(card, plan, panel)
    gc.collect()
    cached = set(card.memory)
    assert sum(memory.size for memory in cached) == 2 * panel.fields["close"].nbytes
    assert_same_bits(card, plan, replace(panel, fields=dict(panel.fields)))
    gc.collect()
    assert set(card.memory) == cached
    del panel, cached
    gc.collect()
    assert not card.memory


def test_cached_fields_stay_within_their_room() -> None:
    uploaded: list[float] = []

    def upload(field: NDArray[np.float64]) -> FencedMemory:
        uploaded.append(float(field[0]))
        return FencedMemory(field.nbytes)

    fields = [np.full(10, float(i)) for i in range(5)]
    cache = FieldCache(240, upload)
    first = cache.keep(fields[:3])
    assert cache.keep(fields[:3]) == first
    assert cache.keep(fields[:1]) == first[:1]
    assert cache.keep([fields[2], fields[3]])[0] is first[2]  # field 1 is the least recently used
    assert cache.keep(fields[:1]) == first[:1]
    assert uploaded == [0, 1, 2, 3]
    assert cache.keep(fields)[3:] == [None, None]
    assert cache.keep([np.zeros(31)]) == [None]


# -- searches and tallies


def with_sessions(panel: Panel) -> Panel:
    """Add session numbers, and evaluate each symbol in some sessions."""
    numbers = np.where(
        np.isnan(panel.fields["close"]), np.nan, np.arange(float(panel.rows))[:, None]
    )
    first = np.arange(len(panel.symbols)) % 70
    return replace(
        panel,
        fields=panel.fields | {SESSION: numbers},
        dates=[panel.as_of] * panel.rows,
        spans=np.array([first, first + 15, panel.bars]),
    )


@pytest.mark.parametrize("room", [1, 1 << 40])
@pytest.mark.parametrize("condition", ["close > sma(20)", "1 < 2", "close < 0"])
def test_a_search_equals_the_processor(
    processor_card: ProcessorCard, condition: str, room: int
) -> None:
    card = ProcessorCard(processor_card.folder, room)
    panel = with_sessions(panel_of(random_bars(90, 100, seed=3)))
    for columns in ([], ["close", "rsi(5)"]):
        plan = planned([condition, *columns], 60)
        got, want = device_run.search(card, plan, panel), serial.search(plan, panel)
        np.testing.assert_array_equal(got.evaluated, want.evaluated)
        assert len(got.places) == len(want.places) == len(got.values)
        got_order, want_order = (
            np.lexsort((result.sessions, result.places)) for result in (got, want)
        )
        np.testing.assert_array_equal(got.places[got_order], want.places[want_order])
        np.testing.assert_array_equal(got.sessions[got_order], want.sessions[want_order])
        np.testing.assert_array_equal(bits(got.values[got_order]), bits(want.values[want_order]))
    assert want.evaluated.sum() > 300


@pytest.mark.parametrize("room", [1, 1 << 40])
def test_a_tally_equals_the_processor(processor_card: ProcessorCard, room: int) -> None:
    card = ProcessorCard(processor_card.folder, room)
    bars = panel_of(random_bars(90, 100, seed=3))
    either = "close > 40 or rsi(80) > 50"  # one side may be known without the other
    texts = ["close > sma(20)", "1 < 2", "close < 0", "rsi(80) > 50", either, "close > sma(20)"]
    for panel, rows, first in (
        (bars, 1, 0),
        (with_sessions(bars), 60, 0),
        (some_spans(with_sessions(bars), 33), 57, 33),
    ):
        plan = planned(texts, rows)
        got, want = device_run.tally(card, plan, panel, first), serial.tally(plan, panel, first)
        np.testing.assert_array_equal(got, want)
        assert want.sum() > 200


def some_spans(panel: Panel, first: int) -> Panel:
    """Return the panel with no span before a session."""
    assert panel.spans is not None
    begin, end, bars = panel.spans
    return replace(panel, spans=np.array([np.maximum(begin, first), end, bars]))
