"""Cache fields of panels on the card between scans."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.executors.gpu.launch import Memory


class FieldCache:
    """Copies of fields on the card, up to `room` bytes; the least recently used are dropped first.

    A field is identified by its array: a panel does not change once it is built, and another data
    version has another panel. When the array is freed, its copy is freed too.
    """

    def __init__(self, room: int, upload: Callable[[NDArray[np.float64]], Memory]) -> None:
        self._room, self._upload = room, upload
        self._copies: OrderedDict[int, tuple[int, Memory]] = OrderedDict()

    def keep(self, fields: list[NDArray[np.float64]]) -> list[Memory | None]:
        """Return the copies of some fields; None for one that does not fit beside those before."""
        fitting = self._select_fitting(fields)
        self._make_room(fitting)
        for key, field in fitting.items():
            if key not in self._copies:
                self._copies[key] = field.nbytes, self._upload(field)
                finalize(field, self._copies.pop, key, None)
            self._copies.move_to_end(key)
        return [self._copies[id(field)][1] if id(field) in fitting else None for field in fields]

    def clear(self) -> None:
        """Drop all copies."""
        self._copies.clear()

    def _select_fitting(self, fields: list[NDArray[np.float64]]) -> dict[int, NDArray[np.float64]]:
        fitting: dict[int, NDArray[np.float64]] = {}
        size = 0
        for field in fields:
            if id(field) not in fitting and size + field.nbytes <= self._room:
                fitting[id(field)] = field
                size += field.nbytes
        return fitting

    def _make_room(self, fitting: dict[int, NDArray[np.float64]]) -> None:
        # Iterate over a copy: a field that is freed meanwhile removes its entry.
        unused = [
            (key, entry[0]) for key, entry in self._copies.copy().items() if key not in fitting
        ]
        excess = sum(field.nbytes for field in fitting.values()) - self._room
        excess += sum(size for _, size in unused)
        for key, size in unused:
            if excess <= 0:
                return
            self._copies.pop(key, None)
            excess -= size
