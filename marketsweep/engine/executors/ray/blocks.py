"""Fields of panels in Ray's object store, cut into blocks of tiles.

A block is put once, with the newest rows that a plan needs of it, and kept by reference as long as
the array that it was cut from: the loader keeps panels until the data version changes, and with
them these go. A plan that needs more rows has the block put anew.
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

MOST: Final = 32
"""Tiles of a block: 1,024 symbols."""
_FEWEST: Final = 4
_FOR_EACH: Final = 2
"""Blocks for each worker at the least, so that they end at about the same time."""


def size_of(tiles: int, workers: int, symbols: int | None) -> int:
    """Tiles of a block where nothing is asked for, else those of so many symbols."""
    if symbols is not None:
        return -(-symbols // TILE)
    return min(MOST, max(_FEWEST, -(-tiles // (_FOR_EACH * workers))))


def edges(tiles: int, size: int) -> list[tuple[int, int]]:
    """The first tile of each block, and that of the next."""
    return list(pairwise([*range(0, tiles, size), tiles]))


@dataclass(slots=True)
class _Cut:
    size: int
    blocks: dict[int, tuple[int, ray.ObjectRef[Any]]] = field(default_factory=dict)
    """By first tile, with the number of rows."""


class Blocks:
    """What is in the object store of one connection."""

    def __init__(self) -> None:
        self._cut: dict[int, _Cut] = {}

    def reference(
        self,
        matrix: NDArray[np.float64],
        size: int,
        tiles: tuple[int, int],
        rows: int,
        done: Distribution,
    ) -> ray.ObjectRef[Any]:
        """A block of a field with at least its newest `rows`, put where it is not there yet."""
        kept = self._of(matrix, size)
        rows = min(rows, matrix.shape[1])
        held, reference = kept.blocks.get(tiles[0], (0, None))
        if reference is None or held < rows:
            # What is not contiguous would be copied by each task that reads it.
            block = np.ascontiguousarray(matrix[slice(*tiles), matrix.shape[1] - rows :])
            reference = _put(block)
            kept.blocks[tiles[0]] = rows, reference
            done.sent_bytes += block.nbytes
        return reference

    def _of(self, matrix: NDArray[np.float64], size: int) -> _Cut:
        kept = self._cut.get(id(matrix))
        if kept is None:
            # The number is another array's only after this one is gone.
            weakref.finalize(matrix, self._cut.pop, id(matrix), None).atexit = False
        elif kept.size == size:
            return kept
        found = self._cut[id(matrix)] = _Cut(size)
        return found

    def __len__(self) -> int:
        return sum(len(kept.blocks) for kept in self._cut.values())


def _put(block: NDArray[np.float64]) -> ray.ObjectRef[Any]:
    try:
        return ray.put(block)
    except (ObjectStoreFullError, OutOfDiskError) as error:
        raise ExecutorError(
            "Ray's object store is full, and so is the disk that it spills to: start the cluster "
            "with more --object-store-memory, or make room on the disk"
        ) from error
