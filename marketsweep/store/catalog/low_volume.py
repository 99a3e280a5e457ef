"""The stored low-volume list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from marketsweep.core.records import LowVolume
from marketsweep.store.catalog.packs import Packs

_PACK: Final = "low volume"

_decode: Final = msgspec.msgpack.Decoder(list[LowVolume])


class LowVolumeList(Packs):
    """The low-volume list."""

    def low_volume(self) -> list[LowVolume]:
        """Return the list by symbol; built lines come before the user's."""
        return self.decoded(_PACK, _decode) or []

    def replace_low_volume(self, lines: Iterable[LowVolume]) -> bool:
        """Replace the whole list, and return whether that changed anything."""
        rows: list[LowVolume] = sorted(set(lines), key=_sort_key)
        return self.put_rows(_PACK, rows)


def _sort_key(line: LowVolume) -> tuple[str, bool]:
    return line.symbol, line.manual
