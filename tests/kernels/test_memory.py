"""Memory of large arrays is aligned, and used again."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest

from marketsweep.kernels import memory

_MB = 1 << 20
_HUGE_PAGE = 2 * _MB
_MOST_KEPT = 128 * _MB


def _array(megabytes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return memory.aligned((megabytes * _MB // 8,))


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    """Leave nothing kept: an array of the largest size takes the place of all others."""
    gc.collect()
    del (whole := [_array(_MOST_KEPT // _MB)])[:]
    assert memory.kept() == _MOST_KEPT
    whole.append(_array(_MOST_KEPT // _MB))
    assert memory.kept() == 0
    yield
    del whole


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 7, 32), (0,), (4, 0), (200, 252, 32)])
def test_an_array_begins_where_a_cache_line_begins(shape: tuple[int, ...]) -> None:
    array = memory.aligned(shape)
    assert array.shape == shape
    assert array.dtype == np.float64
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.size == 0 or array.ctypes.data % 64 == 0
    if array.nbytes >= _HUGE_PAGE:
        assert array.ctypes.data % _HUGE_PAGE == 0


def test_freed_memory_of_the_same_size_is_used_again() -> None:
    first, second = _array(6), _array(6)
    addresses = {first.ctypes.data, second.ctypes.data}
    assert len(addresses) == 2
    del first, second
    assert memory.kept() == 12 * _MB
    third, fourth, fifth = _array(6), _array(6), _array(6)
    assert {third.ctypes.data, fourth.ctypes.data} == addresses
    assert fifth.ctypes.data not in addresses
    assert memory.kept() == 0


def test_a_view_keeps_its_memory() -> None:
    view = _array(6)[10:20]
    view[:] = 7.0
    gc.collect()
    assert memory.kept() == 0
    other = _array(6)
    other[:] = 1.0
    assert (view == 7.0).all()
    del view
    assert memory.kept() == 6 * _MB


def test_what_was_freed_first_makes_room() -> None:
    old = _array(64)
    address = old.ctypes.data
    del old
    young = [_array(32) for _ in range(3)]
    addresses = {array.ctypes.data for array in young}
    del young
    assert memory.kept() == 3 * 32 * _MB
    again = [_array(32) for _ in range(3)]
    assert {array.ctypes.data for array in again} == addresses
    assert address not in addresses


def test_more_than_the_most_is_not_kept() -> None:
    array = _array(_MOST_KEPT // _MB + 2)
    array[-1] = 1.0
    del array
    assert memory.kept() == 0


def test_memory_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(MemoryError):
        memory.aligned((1 << 50,))
