# cython: embedsignature=True
"""Memory of panels and results: aligned to vectors, and used again when large."""

from cpython.buffer cimport PyBuffer_FillInfo

import math

import numpy as np


cdef extern from "runtime/memory.hpp" namespace "marketsweep":
    const size_t HUGE_PAGE
    size_t kept_bytes
    void* take_memory(size_t size)
    void give_memory_back(void* data, size_t size)


cdef class _Memory:
    cdef void* data
    cdef size_t size

    def __cinit__(self, size_t size):
        self.size = size
        self.data = take_memory(size)
        if not self.data:
            raise MemoryError(f"no {size:,} bytes of memory")

    def __dealloc__(self):
        if self.data:
            give_memory_back(self.data, self.size)

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.data, self.size, 0, flags)


def aligned(shape):
    """Return a new float64 array of a shape, not filled, that begins where a cache line begins.

    A vector of AVX-512 is as wide as a cache line, and takes twice as long to load from two. An
    array of 2 MB or more begins on a huge page, and may have the memory of one that was freed.
    """
    count = math.prod(shape)
    cdef size_t size = -(-8 * count // HUGE_PAGE) * HUGE_PAGE
    if 8 * count >= HUGE_PAGE:
        return np.frombuffer(_Memory(size), np.float64, count).reshape(shape)
    memory = np.empty(count + 7)
    start = -(memory.ctypes.data // 8) % 8
    return memory[start : start + count].reshape(shape)


def kept():
    """Return how many freed bytes are kept for the next arrays; at most 128 MiB."""
    return kept_bytes
