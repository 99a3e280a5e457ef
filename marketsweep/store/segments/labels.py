"""The label at the end of a segment file: its sessions and its tickers.

The catalog has both as well. The label is read only if the catalog is lost or damaged, so that
`marketsweep repair` can rebuild it. NumPy reads a `.npy` file to the end of its array, and ignores
the label.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

_MAGIC: Final = b"mswlabel"
_FOOTER: Final = len(_MAGIC) + 8
"""Bytes of the footer: the length of the label, and the magic."""


class Label(NamedTuple):
    """The sessions of a segment, ascending, and the tickers of its columns."""

    days: Sequence[dt.date]
    tickers: Sequence[str]

    def pack(self) -> bytes:
        """Return the label as the last bytes of a segment file."""
        days = " ".join(map(dt.date.isoformat, self.days))
        body = msgspec.msgpack.encode((days, "\n".join(self.tickers)))
        return body + len(body).to_bytes(8, "little") + _MAGIC


_decode: Final = msgspec.msgpack.Decoder(tuple[str, str]).decode


def label_of(data: bytes | memoryview) -> Label | None:
    """Return the label at the end of a segment file's bytes, or None if there is none."""
    footer = bytes(data[-_FOOTER:])
    if len(footer) < _FOOTER or footer[8:] != _MAGIC:
        return None
    length = int.from_bytes(footer[:8], "little")
    if length > len(data) - _FOOTER:
        return None
    try:
        days, tickers = _decode(data[-_FOOTER - length : -_FOOTER])
        return Label([dt.date.fromisoformat(day) for day in days.split()], tickers.split("\n"))
    except (msgspec.MsgspecError, ValueError):
        return None
