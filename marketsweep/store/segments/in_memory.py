"""Bars of sessions that are in memory alone, in place of a segment file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BarsInMemory(Struct, frozen=True):
    """Sessions from `first` on of a snapshot's list; `values` are float64 [5, sessions, symbols].

    It has the properties of a `Segment`.
    """

    first: int
    values: NDArray[np.float64]

    @property
    def path(self) -> Path:
        """A name for messages."""
        return Path("bars in memory")

    @property
    def count(self) -> int:
        """The number of sessions."""
        return int(self.values.shape[1])

    @property
    def width(self) -> int:
        """The number of symbols."""
        return int(self.values.shape[2])

    @property
    def end(self) -> int:
        """The place of the first session after these."""
        return self.first + self.count

    @property
    def is_checked(self) -> bool:
        """Whether the bars have been compared with a checksum: they need none."""
        return True

    @property
    def unchecked(self) -> NDArray[np.float64]:
        """The bars."""
        return self.values

    def check(self) -> None:
        """Do nothing: no file can differ."""
