"""`--executor gpu` and `auto`: the errors without a card, and equal bits with one."""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ref

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.cli.demo import REFERENCE_SCAN
from marketsweep.engine.executors import auto, serial
from marketsweep.engine.executors.gpu import executor as gpu
from marketsweep.engine.executors.gpu.launch import Memory
from marketsweep.errors import ExecutorError, UsageError
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.presets import SavedConditions, presets
from marketsweep.scan.scan import Scan, run_together
from marketsweep.store.store import Store
from tests.engine.executors.test_card import (
    ARITHMETIC,
    assert_same_bits,
    calls,
    planned,
    with_sessions,
)
from tests.helpers.command import refused
from tests.helpers.kernel_cases import bits
from tests.helpers.markets import LAST, example_bars, panel_of, random_bars, sessions_of, store_of
from tests.helpers.processor_card import FencedMemory, ProcessorCard
from tests.test_public_names import imported_by


def missing_card_reason() -> str:
    """Return why there is no card to test on; "" if there is one."""
    try:
        gpu.card()
    except UsageError as error:
        return str(error)
    return ""


@pytest.fixture
def a_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Forget the card before and after the test, so that it is looked up again."""
    gpu.card.cache_clear()
    yield monkeypatch
    gpu.card.cache_clear()


# -- without a card


def test_without_cupy_it_says_what_to_install(
    a_machine: pytest.MonkeyPatch, example_data: Path
) -> None:
    a_machine.setitem(sys.modules, "cupy", None)
    for says in ("needs CuPy", "pip install 'marketsweep[gpu]', or use --executor threads"):
        refused(2, "scan", "close > 5", "--executor", "gpu", "--data", example_data, says=says)


@pytest.mark.skipif(not find_spec("cupy"), reason="CuPy is not installed")
@pytest.mark.skipif(Path("/proc/driver/nvidia").exists(), reason="there is an NVIDIA driver")
def test_without_a_driver_it_says_so(a_machine: pytest.MonkeyPatch, market: ms.Market) -> None:
    with pytest.raises(UsageError, match="finds no NVIDIA driver: install it, or use --executor"):
        market.scan("close > 5", executor="gpu")


class CudaError(RuntimeError):
    """Stands for CuPy's errors."""


def no_device() -> int:
    raise CudaError("cudaErrorNoDevice: no CUDA-capable device is detected")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (11080, r"the NVIDIA driver is too old \(CUDA 11.8, CuPy needs 12.9\): update it"),
        (12020, "finds no GPU .cudaErrorNoDevice: no CUDA-capable device is detected.: use --exec"),
    ],
)
def test_a_machine_without_a_usable_card(
    a_machine: pytest.MonkeyPatch, driver: int, said: str
) -> None:
    """Simulate what CuPy reports on such machines."""
    runtime = SimpleNamespace(
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 12090,
        getDeviceCount=no_device,
        CUDARuntimeError=CudaError,
    )
    a_machine.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))
    with pytest.raises(UsageError, match=said):
        gpu.card()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Out of memory allocating 1,024 bytes"), "too little free memory for this"),
        (CudaError("cudaErrorLaunchFailure"), "the GPU failed .cudaErrorLaunchFailure.: use --ex"),
        (RuntimeError('Failure finding "libnvrtc.so.12"'), "finds no NVRTC.*pip install"),
    ],
)
def test_a_failed_card_frees_all_memory(
    processor_card: ProcessorCard, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    class Failing(ProcessorCard):
        def download(self, memory: Memory, to: Any) -> None:  # noqa: ANN401
            raise error

    card = Failing(processor_card.folder)
    monkeypatch.setattr(gpu, "card", lambda: card)
    plan, panel = planned(["close > sma(20)"], 1), panel_of(random_bars(90, 70, seed=8))
    with pytest.raises(ExecutorError, match=said):
        gpu.run(plan, panel)
    gc.collect()
    assert not card.memory
    assert not card.lock.locked()


def test_fields_stay_from_scan_to_scan_until_the_data_changes(
    processor_card: ProcessorCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = ProcessorCard(processor_card.folder)
    monkeypatch.setattr(gpu, "card", lambda: card)

    def kept_after(condition: str) -> set[ref[FencedMemory]]:
        market.scan(condition, executor="gpu")
        gc.collect()
        return set(map(ref, card.memory))

    bars = example_bars().filter(pl.col("symbol") < "B")
    store_of(tmp_path, bars).close()
    with ms.open(tmp_path) as market:
        first = kept_after("close > sma(20)")
        assert len(first) == 2  # close, and volume for the ranking
        assert kept_after("roc(9) < 0 and close > sma(10)") == first
        days = bars.filter(pl.col("date") == LAST).with_columns(pl.col("close") * 2)
        with Store.open(tmp_path) as store, store.writer() as writer:
            writer.commit(sessions_of(days), "test")
        second = kept_after("close > sma(20)")
        assert len(second) == 2
        assert not any(reference() for reference in first)


def test_nothing_of_it_is_imported_unasked(example_data: Path) -> None:
    imported = imported_by("scan", "close > 5", "--data", str(example_data), "--limit", "1")
    assert "marketsweep.engine.executors.threads" in imported
    gpu_modules = {f"marketsweep.engine.executors.gpu.{name}" for name in ("executor", "launches")}
    assert not imported & {"cupy", *gpu_modules}


def test_the_receipt_names_the_gpu(processor_as_gpu: ProcessorCard, market: ms.Market) -> None:
    assert market.scan("close > 5", executor="gpu").executor == "gpu"
    assert market.sweep("close > {x}", x=(5, 6), executor="gpu").executor == "gpu"


# -- auto


@pytest.fixture
def nothing_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "measured", defaultdict(list))
    monkeypatch.setattr(auto, "failed", set())


@pytest.mark.usefixtures("nothing_measured", "processor_as_gpu")
def test_auto_measures_and_says_what_it_picked(
    market: ms.Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picked() -> str:
        return market.scan(REFERENCE_SCAN, executor="auto").executor

    assert [picked() for _ in range(3)] == ["auto: threads"] * 3  # too little work for a GPU
    monkeypatch.setattr(auto, "WORTH", 1e-6)
    assert [picked() for _ in range(3)] == ["auto: gpu", "auto: gpu", "auto: threads"]
    for key, seconds in auto.measured.items():
        if key[0] == "gpu":
            seconds.append(1e-15)
    assert picked() == "auto: gpu"
    assert market.scan("close > 0", executor="auto").executor == "auto: threads"  # another size
    swept = [market.sweep("close > {x}", x=(5, 6), executor="auto").executor for _ in range(2)]
    assert swept == ["auto: threads", "auto: gpu"]


@pytest.mark.usefixtures("nothing_measured")
def test_auto_stays_with_threads_where_the_gpu_fails(
    a_machine: pytest.MonkeyPatch, market: ms.Market
) -> None:
    a_machine.setitem(sys.modules, "cupy", None)
    a_machine.setattr(auto, "WORTH", 0.0)
    answers = [market.scan("close > sma(20)", executor="auto") for _ in range(3)]
    assert {answer.executor for answer in answers} == {"auto: threads"}
    assert answers[2].symbols == market.scan("close > sma(20)").symbols
    assert len(auto.failed) == 1


# -- with a card


@pytest.fixture
def card() -> Iterator[gpu.CudaCard]:
    """The machine's card, with garbage in its memory."""
    if reason := missing_card_reason():
        pytest.skip(reason)
    card = gpu.card()
    card.free_memory()
    garbage = card.upload(np.full(1 << 26, 7.2e286))  # 512 MB that the pool hands out next
    del garbage
    yield card
    card.free_memory()


@pytest.mark.gpu
@pytest.mark.parametrize("rows", [1, 60, 400])
def test_every_indicator_on_the_card(card: gpu.CudaCard, rows: int) -> None:
    """Bits are equal: no kernel uses more than + - * / and square roots."""
    assert_same_bits(card, planned(calls(), rows), panel_of(random_bars(300, 70, seed=5)))
    assert_same_bits(card, planned(ARITHMETIC, rows), panel_of(random_bars(300, 70, seed=6)))


@pytest.mark.gpu
def test_every_preset_on_the_card(card: gpu.CudaCard, market: ms.Market) -> None:
    names, own_names = presets(), OwnNames(SavedConditions.of(market.store.path))
    with market.view() as view:
        got, want = (
            run_together([Scan(name, executor=which, own_names=own_names) for name in names], view)
            for which in ("gpu", "serial")
        )
    for name, left, right in zip(names, got, want, strict=True):
        assert left.symbols == right.symbols, name
        np.testing.assert_array_equal(bits(left.close), bits(right.close))


@pytest.mark.gpu
def test_searches_and_tallies_on_the_card(card: gpu.CudaCard) -> None:
    panel = with_sessions(panel_of(random_bars(90, 1000, seed=3)))
    plan = planned(["close > sma(20)", "rsi(5)"], 60)
    np.testing.assert_array_equal(gpu.tally(plan, panel, 3), serial.tally(plan, panel, 3))
    got, want = gpu.search(plan, panel), serial.search(plan, panel)
    np.testing.assert_array_equal(got.evaluated, want.evaluated)
    got_order, want_order = (np.lexsort((result.sessions, result.places)) for result in (got, want))
    np.testing.assert_array_equal(got.places[got_order], want.places[want_order])
    np.testing.assert_array_equal(bits(got.values[got_order]), bits(want.values[want_order]))


@pytest.mark.gpu
def test_blocks_on_the_card(card: gpu.CudaCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "room", lambda: 500_000)
    assert_same_bits(card, planned([REFERENCE_SCAN], 9), panel_of(random_bars(500, 330, seed=7)))


@pytest.mark.gpu
def test_the_card_gets_its_memory_back(card: gpu.CudaCard) -> None:
    plan, panel = planned([REFERENCE_SCAN], 1), panel_of(random_bars(500, 330, seed=7))
    sizes = []
    for _ in range(3):
        assert_same_bits(card, plan, panel)
        gc.collect()
        sizes.append(card._pool.used_bytes())  # the pool allocates multiples of 512 bytes
    fields = sum(panel.fields[name].nbytes for name in plan.fields)
    assert sizes == sizes[:1] * 3
    assert fields <= sizes[0] <= fields + 512 * len(plan.fields)
    del panel
    gc.collect()
    assert card._pool.used_bytes() == 0


@pytest.mark.gpu
def test_too_large_a_plan_is_one_sentence(card: gpu.CudaCard) -> None:
    with pytest.raises(MemoryError):
        card.empty(1 << 50)
    with pytest.raises(ExecutorError, match="too little free memory"):
        gpu._call_on_card(lambda device, *_: device.empty(1 << 50), planned(["close > 1"], 1), None)  # type: ignore[arg-type]
