"""Evaluate on one NVIDIA GPU through CuPy. A panel's fields stay on the card between scans.

`run` decides what is launched. This module manages the card: its memory, its kernels, and the
errors when it is missing or fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache, partial
from threading import Lock
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.gpu import launch as device_run
from marketsweep.engine.executors.gpu.field_cache import FieldCache
from marketsweep.engine.executors.gpu.launch import Card, Memory
from marketsweep.engine.lowering import SearchResult, Tallies
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import OUTCOME, Plan
from marketsweep.errors import ExecutorError, UsageError
from marketsweep.kernels.cpu import TILE
from marketsweep.kernels.gpu import source as cuda

SHARE: Final = 0.4
"""Share of the card's free memory for cached fields, and the same share for one evaluation."""

_INSTALL: Final = "pip install 'marketsweep[gpu]'"
_OTHERWISE: Final = "use --executor threads on this machine"
_Answer = TypeVar("_Answer")


def run(plan: Plan, panel: Panel) -> list[NDArray[np.float64]]:
    """Return the results of the plan, float64 [rows, symbols] each.

    Raises UsageError if there is no usable card, ExecutorError if the card fails.
    """
    return _call_on_card(device_run.run, plan, panel)


def search(plan: Plan, panel: Panel) -> SearchResult:
    """Return where the first result holds. Raises as `run` does."""
    return _call_on_card(device_run.search, plan, panel)


def tally(plan: Plan, panel: Panel, first: int = 0) -> Tallies:
    """Count where each result holds, from session number `first` on.

    Raises as `run` does, and UsageError for a panel with outcomes.
    """
    if OUTCOME in panel.fields:
        raise UsageError(f"--executor gpu adds up no outcomes: {_OTHERWISE}")
    return _call_on_card(partial(device_run.tally, first=first), plan, panel)


def _call_on_card(
    function: Callable[[Card, Plan, Panel], _Answer], plan: Plan, panel: Panel
) -> _Answer:
    device = card()
    with device.lock:
        try:
            return function(device, plan, panel)
        except (MemoryError, RuntimeError) as error:  # CuPy's errors are subclasses
            # The traceback's frames hold memory of the card.
            failure = error.with_traceback(None)
        with suppress(RuntimeError):  # a failed card may refuse every later call
            device.free_memory()
        raise ExecutorError(_error_text(failure)) from failure


def _error_text(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"the GPU has too little free memory for this plan: {_OTHERWISE}, or free some of it"
    if "libnvrtc" in str(error):
        return f"CuPy finds no NVRTC, which compiles for the GPU: {_INSTALL}, or {_OTHERWISE}"
    return f"the GPU failed ({error}): {_OTHERWISE}"


@cache
def card() -> CudaCard:
    """Return the first visible card. Raises UsageError if there is no card, driver or CuPy."""
    try:
        import cupy
    except ImportError as error:
        raise UsageError(
            f"--executor gpu needs CuPy ({error}): {_INSTALL}, or {_OTHERWISE}"
        ) from error
    runtime = cupy.cuda.runtime
    has, needs = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if not has:
        raise UsageError(f"--executor gpu finds no NVIDIA driver: install it, or {_OTHERWISE}")
    if has // 1000 < needs // 1000:
        raise UsageError(
            f"the NVIDIA driver is too old (CUDA {_version(has)}, CuPy needs {_version(needs)}): "
            f"update it, install the CuPy of its version, or {_OTHERWISE}"
        )
    try:
        runtime.getDeviceCount()
        return CudaCard(cupy)
    except runtime.CUDARuntimeError as error:
        raise UsageError(f"--executor gpu finds no GPU ({error}): {_OTHERWISE}") from error


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


class CudaMemory:
    """Bytes of CuPy's memory pool, freed with the last reference."""

    def __init__(self, pointer: Any) -> None:  # noqa: ANN401, a cupy.cuda.MemoryPointer
        self._pointer = pointer
        self.address = int(pointer.ptr)


class CudaCard:
    """A CUDA device; see `run.Card`. All work is on one stream, by the thread that holds `lock`."""

    def __init__(self, cupy: Any) -> None:  # noqa: ANN401, the module
        self.lock = Lock()
        self._cupy, self._runtime = cupy, cupy.cuda.runtime
        self._pool = cupy.cuda.MemoryPool()
        self._functions: dict[str, Any] = {}
        self._cache = FieldCache(self.room(), self.upload)

    def room(self) -> int:
        """Return the bytes that one evaluation may use: a share of what is free now."""
        return int(SHARE * (self._runtime.memGetInfo()[0] + self._pool.free_bytes()))

    def empty(self, size: int) -> CudaMemory:
        """Return `size` bytes of the pool, at least one."""
        return CudaMemory(self._pool.malloc(max(1, size)))

    def upload(self, array: NDArray[Any]) -> CudaMemory:
        """Return a copy of an array on the card."""
        memory, array = self.empty(array.nbytes), np.ascontiguousarray(array)
        direction = self._runtime.memcpyHostToDevice
        self._runtime.memcpy(memory.address, array.ctypes.data, array.nbytes, direction)
        return memory

    def download(self, memory: Memory, to: NDArray[Any]) -> None:
        """Wait for everything launched so far, and copy the memory to an array."""
        direction = self._runtime.memcpyDeviceToHost
        self._runtime.memcpy(to.ctypes.data, memory.address, to.nbytes, direction)

    def keep(self, fields: list[NDArray[np.float64]]) -> list[Memory | None]:
        """Return the cached copies of fields; see `FieldCache`."""
        return self._cache.keep(fields)

    def free_memory(self) -> None:
        """Free all memory that no evaluation uses; cached fields are copied again later."""
        self._cache.clear()
        self._pool.free_all_blocks()

    def prepare(self, fused: dict[str, str]) -> None:
        """Compile the kernels that are not compiled yet; CuPy caches them on disk."""
        missing = {name: text for name, text in fused.items() if name not in self._functions}
        if "card_results" not in self._functions:
            names = [f"card_{name}" for name in (*cuda.drivers(), *cuda.OF_RESULTS)]
            self._compile(cuda.source(), names)
        if missing:
            self._compile(cuda.fused_source(missing.items()), missing)

    def _compile(self, source: str, names: Iterable[str]) -> None:
        module = self._cupy.RawModule(code=source, options=cuda.OPTIONS, backend="nvrtc")
        try:
            module.compile()
        except self._cupy.cuda.compiler.CompileException as error:
            raise RuntimeError(f"NVRTC: {str(error).splitlines()[0]}") from error
        for name in names:
            self._functions[name] = module.get_function(name)

    def launch(
        self, kernel: str, grid: tuple[int, int, int], rows: int, work: int, number: int
    ) -> None:
        """Run a kernel after everything launched before it."""
        with self._cupy.cuda.Stream.null:
            self._functions[kernel](grid, (TILE, rows, 1), (np.uint64(work), np.int64(number)))
