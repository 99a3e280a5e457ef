"""Fields of panels that stay on a card between scans."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.gpu.run import Memory


class KeptFields:
    """Copies of fields, up to `room` bytes; those go first whose use lies back furthest.

    A field is known by its identity: panels are not written to once they are built, and another
    version of the data is another panel. Its copy is let go of with it.
    """

    def __init__(self, room: int, upload: Callable[[NDArray[np.float64]], Memory]) -> None:
        self._room, self._upload = room, upload
        self._kept: OrderedDict[int, tuple[int, Memory]] = OrderedDict()

    def keep(self, fields: list[NDArray[np.float64]]) -> list[Memory | None]:
        """The copies of some fields; None for those that do not fit beside the ones before them."""
        wanted = self._fitting(fields)
        self._make_room(wanted)
        for key, field in wanted.items():
            if key not in self._kept:
                self._kept[key] = field.nbytes, self._upload(field)
                finalize(field, self._kept.pop, key, None)
            self._kept.move_to_end(key)
        return [self._kept[id(field)][1] if id(field) in wanted else None for field in fields]

    def clear(self) -> None:
        """Lets go of all."""
        self._kept.clear()

    def _fitting(self, fields: list[NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
        found: dict[int, NDArray[np.float64]] = {}
        size = 0
        for field in fields:
            if id(field) not in found and size + field.nbytes <= self._room:
                found[id(field)] = field
                size += field.nbytes
        return found

    def _make_room(self, wanted: dict[int, NDArray[np.float64]]) -> None:
        # Copied first: a field that goes meanwhile takes its entry with it.
        others = [(key, one[0]) for key, one in self._kept.copy().items() if key not in wanted]
        excess = sum(field.nbytes for field in wanted.values()) - self._room
        excess += sum(size for _, size in others)
        for key, size in others:
            if excess <= 0:
                return
            self._kept.pop(key, None)
            excess -= size
