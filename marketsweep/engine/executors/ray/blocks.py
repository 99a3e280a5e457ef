"""Store fields of panels in Ray's object store, cut into blocks of tiles.

A block is put once, with the newest rows that a plan needs of it. Its reference is kept as long as
the array that it was cut from: the loader keeps panels until the data version changes, and the
blocks go with them. If a plan needs more rows, the block is put again.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError

from marketsweep.engine.executors.options import Distribution
from marketsweep.errors import ExecutorError
from marketsweep.kernels.cpu import TILE

MAX_TILES: Final = 32
"""Most tiles of a block: 1,024 symbols."""
_MIN_TILES: Final = 4
_BLOCKS_PER_WORKER: Final = 2
"""Fewest blocks per worker, so that the workers end at about the same time."""


def size_of(tiles: int, workers: int, symbols: int | None) -> int:
    """Return the tiles of a block: those of `symbols` if given, else by the number of workers."""
    if symbols is not None:
        return -(-symbols // TILE)
    return min(MAX_TILES, max(_MIN_TILES, -(-tiles // (_BLOCKS_PER_WORKER * workers))))


def edges(tiles: int, size: int) -> list[tuple[int, int]]:
    """Return the first tile of each block, and that of the next block."""
    return list(pairwise([*range(0, tiles, size), tiles]))


@dataclass(slots=True)
class _CutField:
    size: int
    blocks: dict[int, tuple[int, ray.ObjectRef[Any]]] = field(default_factory=dict)
    """Number of rows and reference, by first tile."""


class Blocks:
    """The blocks in the object store of one connection."""

    def __init__(self) -> None:
        self._cuts: dict[int, _CutField] = {}

    def reference(
        self,
        matrix: NDArray[np.float64],
        size: int,
        tiles: tuple[int, int],
        rows: int,
        done: Distribution,
    ) -> ray.ObjectRef[Any]:
        """Return a block of a field with at least its newest `rows`; put it if it is missing."""
        cut = self._cut_of(matrix, size)
        rows = min(rows, matrix.shape[1])
        stored_rows, reference = cut.blocks.get(tiles[0], (0, None))
        if reference is None or stored_rows < rows:
            # Each task that reads a non-contiguous array would copy it.
            block = np.ascontiguousarray(matrix[slice(*tiles), matrix.shape[1] - rows :])
            reference = _put(block)
            cut.blocks[tiles[0]] = rows, reference
            done.sent_bytes += block.nbytes
        return reference

    def _cut_of(self, matrix: NDArray[np.float64], size: int) -> _CutField:
        cut = self._cuts.get(id(matrix))
        if cut is None:
            # The id is not reused before this array is freed.
            weakref.finalize(matrix, self._cuts.pop, id(matrix), None).atexit = False
        elif cut.size == size:
            return cut
        new_cut = self._cuts[id(matrix)] = _CutField(size)
        return new_cut

    def __len__(self) -> int:
        return sum(len(cut.blocks) for cut in self._cuts.values())


def _put(block: NDArray[np.float64]) -> ray.ObjectRef[Any]:
    try:
        return ray.put(block)
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise ExecutorError(
            "Ray's object store is full, and so is the disk that it spills to: start the cluster "
            "with more --object-store-memory, or make room on the disk"
        ) from error
