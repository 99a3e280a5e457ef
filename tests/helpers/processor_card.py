"""A card that is a processor: the source that a GPU gets, by g++, a thread a turn of a loop.

Memory is poisoned before use and fenced, so that what is read but never written, or written beyond
its end, is found out. A launch may go through its threads in either order: where the answer depends
on it, one thread reads what another one writes.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.gpu.field_cache import FieldCache
from marketsweep.engine.executors.gpu.launch import Memory
from marketsweep.kernels.cpu import TILE
from marketsweep.kernels.gpu import source as cuda

COMPILER = shutil.which("g++") or shutil.which("clang++")

_SHIM = """\
#include <cstdint>
#define __global__
struct Dimensions { unsigned x, y, z; };
static Dimensions blockIdx, threadIdx, blockDim;
using Count = unsigned long long;
[[maybe_unused]] static Count atomicAdd(Count* at, Count more) {
  const Count before = *at;
  *at += more;
  return before;
}
extern "C" int64_t launch(void (*kernel)(const void*, int64_t), int64_t x, int64_t y, int64_t z,
                          int64_t lanes, int64_t rows, int backwards, const void* work,
                          int64_t number) {
  blockDim = {unsigned(lanes), unsigned(rows), 1};
  const int64_t all = x * y * z * lanes * rows;
  for (int64_t turn = 0; turn < all; turn++) {
    int64_t at = backwards ? all - 1 - turn : turn;
    threadIdx.x = unsigned(at % lanes), at /= lanes;
    threadIdx.y = unsigned(at % rows), at /= rows;
    blockIdx.x = unsigned(at % x), at /= x;
    blockIdx.y = unsigned(at % y), blockIdx.z = unsigned(at / y);
    kernel(work, number);
  }
  return all;
}
"""
_FENCE = 4096


class FencedMemory:
    """Some bytes between two fences."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.whole = np.full(size + 2 * _FENCE, 0x7B, np.uint8)  # as doubles: 7.2e286

    @property
    def address(self) -> int:
        return int(self.whole.ctypes.data) + _FENCE

    @property
    def inside(self) -> NDArray[np.uint8]:
        return self.whole[_FENCE : _FENCE + self.size]

    def __del__(self) -> None:
        assert self.intact()

    def intact(self) -> bool:
        return bool((self.whole[:_FENCE] == 0x7B).all() and (self.whole[-_FENCE:] == 0x7B).all())


class ProcessorCard:
    """See `marketsweep.executors._on_card.Card`."""

    def __init__(self, folder: Path, room: int = 1 << 40, to_keep: int = 1 << 40) -> None:
        self.folder, self.size, self.lock = folder, room, Lock()
        self.kept = FieldCache(to_keep, self.upload)
        self.backwards = False
        self.launches: list[tuple[str, tuple[int, int, int], int]] = []
        self.memory: WeakSet[FencedMemory] = WeakSet()
        self.library: dict[str, ctypes.CDLL] = {}
        whole = self._compiled(cuda.source())
        for name in (*cuda.drivers(), *cuda.OF_RESULTS):
            self.library[f"card_{name}"] = whole

    def _compiled(self, source: str) -> ctypes.CDLL:
        assert COMPILER
        name = self.folder / hashlib.sha256(source.encode()).hexdigest()[:16]
        if not name.with_suffix(".so").exists():
            name.with_suffix(".cpp").write_text(_SHIM + source)
            exact = ["-O1", "-std=c++20", "-ffp-contract=off", "-fno-math-errno"]
            files = [str(name.with_suffix(".cpp")), "-o", str(name.with_suffix(".so"))]
            subprocess.run([COMPILER, *exact, "-shared", "-fPIC", *files], check=True)
        return ctypes.CDLL(str(name.with_suffix(".so")))

    def room(self) -> int:
        return self.size

    def empty(self, size: int) -> FencedMemory:
        memory = FencedMemory(size)
        self.memory.add(memory)
        return memory

    def upload(self, array: NDArray[Any]) -> FencedMemory:
        assert array.flags.c_contiguous
        memory = self.empty(array.nbytes)
        memory.inside[:] = np.frombuffer(array.tobytes(), np.uint8)
        return memory

    def keep(self, fields: list[NDArray[np.float64]]) -> list[Memory | None]:
        return self.kept.keep(fields)

    def free_memory(self) -> None:
        self.kept.clear()

    def download(self, memory: Memory, to: NDArray[Any]) -> None:
        assert isinstance(memory, FencedMemory)
        assert all(one.intact() for one in self.memory)
        assert memory.size == to.nbytes
        to.reshape(-1).view(np.uint8)[:] = memory.inside

    def prepare(self, fused: dict[str, str]) -> None:
        missing = {name: text for name, text in fused.items() if name not in self.library}
        if missing:
            library = self._compiled(cuda.fused_source(missing.items()))
            self.library |= dict.fromkeys(missing, library)

    def launch(
        self, kernel: str, grid: tuple[int, int, int], rows: int, work: int, number: int
    ) -> None:
        library = self.library[kernel]
        function = ctypes.cast(getattr(library, kernel), ctypes.c_void_p)
        sizes = (*grid, TILE, rows)
        library.launch(
            function,
            *map(ctypes.c_int64, sizes),
            ctypes.c_int(self.backwards),
            ctypes.c_void_p(work),
            ctypes.c_int64(number),
        )
        self.launches.append((kernel, grid, rows))
