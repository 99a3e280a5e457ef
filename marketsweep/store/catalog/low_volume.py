"""The kept low-volume list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from marketsweep.core.records import LowVolume
from marketsweep.store.catalog.packs import Packs

_LIST: Final = "low volume"

_decode: Final = msgspec.msgpack.Decoder(list[LowVolume])


class LowVolumeList(Packs):
    """The low-volume list."""

    def low_volume(self) -> list[LowVolume]:
        """The kept low-volume list, by symbol; what was built before the user's word."""
        return self.decoded(_LIST, _decode) or []

    def replace_low_volume(self, lines: Iterable[LowVolume]) -> bool:
        """Make these the whole list; whether that changed anything."""
        whole: list[LowVolume] = sorted(set(lines), key=_place)
        return self.put_rows(_LIST, whole)


def _place(line: LowVolume) -> tuple[str, bool]:
    return line.symbol, line.manual
