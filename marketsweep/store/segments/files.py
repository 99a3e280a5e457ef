"""Segment files: a month of bars or a part of one, written whole, checked, mapped into memory.

A segment is a plain `.npy`, float64 [5 fields, sessions, symbols], C order, with a label at its end
(`labels`). It is never changed: a period with a new bar gets a new file. Its name holds the period
and the CRC-32 of its bytes, so that equal bars always have the same file name.

`whole_files.Disk` has every operation that durability depends on, in one place and in order; the
tests cut the power at each of them.
"""

from __future__ import annotations

import datetime as dt
import io
import mmap
import os
from collections.abc import Collection
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from msgspec import Struct

from marketsweep.core.fields import FIELDS
from marketsweep.errors import StoreDamaged, StoreError
from marketsweep.store.segments.labels import Label

try:
    from isal.isal_zlib import crc32  # eight times as fast, with the same result
except ImportError:
    from zlib import crc32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.core.whole_files import Disk

FOLDER: Final = "segments"
SUFFIX: Final = ".npy"
_UNFINISHED: Final = ".tmp"


class Written(NamedTuple):
    """A finished segment file: its name, its length and its CRC-32."""

    file: str
    bytes: int
    checksum: int


def period_of(session: dt.date, newest: dt.date) -> str:
    """Return the period of a session's segment: its month, or a week of the newest month.

    It depends only on which sessions are stored. Appending a session therefore rewrites a week and
    not a month; the weeks are joined when the month is over.
    """
    month = f"{session:%Y-%m}"
    if month != f"{newest:%Y-%m}":
        return month
    return f"{month}.{1 + (session.day - 1) // 7}"


def write_segment(
    disk: Disk, folder: Path, period: str, values: NDArray[np.float64], label: Label
) -> Written:
    """Write a period's bars, float64 [5, sessions, symbols], and return the name and checksum.

    The name is durable only after `Disk.sync_folder`, which serves many segments at once.
    """
    header, label_bytes = _header(values.shape), label.pack()
    body = np.ascontiguousarray(values).data.cast("B")
    checksum = crc32(label_bytes, crc32(body, crc32(header)))
    unfinished = folder / f"{period}{_UNFINISHED}"
    name = f"{period}.{checksum:08x}{SUFFIX}"
    try:
        with unfinished.open("wb", buffering=0) as file:
            disk.write(file, memoryview(header))
            disk.write(file, body)
            disk.write(file, memoryview(label_bytes))
            disk.sync(file)
        disk.rename(unfinished, folder / name)
    except OSError:
        with suppress(OSError):  # report the first error
            disk.unlink(unfinished)
        raise
    return Written(name, len(header) + len(body) + len(label_bytes), checksum)


def files_in(folder: Path) -> set[str]:
    """Return the names of a folder's files; this takes a sixth of the time of paths."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}


def sweep(disk: Disk, folder: Path, keep: Collection[str]) -> int:
    """Delete every file that is not in `keep`, and return the number of deleted files."""
    unused = sorted(files_in(folder).difference(keep))
    for name in unused:
        disk.unlink(folder / name)
    return len(unused)


class Segment(Struct, frozen=True, dict=True):
    """A period of a snapshot: sessions `first` to `first + count` of its list, `width` symbols.

    The axis may be longer than `width`: later symbols have no bar here.
    """

    first: int
    count: int
    width: int
    folder: Path
    file: str
    bytes: int
    checksum: int
    """Length and CRC-32 of the whole file, as the catalog has them."""

    @property
    def path(self) -> Path:
        """The path of the file; computed on demand, as most segments of a snapshot are not read."""
        return self.folder / self.file

    @property
    def end(self) -> int:
        """The place of the first session after this segment."""
        return self.first + self.count

    @property
    def is_checked(self) -> bool:
        """Whether the bars have been compared with their checksum."""
        return "values" in self.__dict__

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The bars, float64 [5, count, width], read-only, memory-mapped; NaN without a bar.

        The first access reads the whole file. Raises StoreDamaged if a byte differs from what was
        written, or if the file is not as the catalog says.
        """
        self.check()
        return self.unchecked

    @cached_property
    def unchecked(self) -> NDArray[np.float64]:
        """The bars before their checksum is compared; use them only for their addresses.

        Raises StoreDamaged if the file's length or header is not as the catalog says.
        """
        header, data = _header(self._shape), self._data
        if data[: len(header)] != header:
            raise StoreDamaged(f"{self.path} has a header that does not match the catalog")
        cells = len(FIELDS) * self.count * self.width
        return np.frombuffer(data, np.float64, cells, len(header)).reshape(self._shape)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return len(FIELDS), self.count, self.width

    @cached_property
    def _data(self) -> mmap.mmap:
        expected = self.bytes
        if expected < len(_header(self._shape)) + 8 * len(FIELDS) * self.count * self.width:
            raise StoreDamaged(f"{self.path} is shorter than the catalog says")
        try:
            with self.path.open("rb", buffering=0) as file:
                actual = os.fstat(file.fileno()).st_size
                if actual == expected:
                    return mmap.mmap(file.fileno(), expected, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise StoreDamaged(
                f"{self.path} is missing: it was removed, or replaced while this snapshot was in "
                "use"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read ({error.strerror})") from error
        raise StoreDamaged(f"{self.path} has {actual:,} bytes instead of {expected:,}")

    def check(self) -> None:
        """Read the whole file. Raises StoreDamaged if a byte differs from what was written."""
        _ = self.unchecked  # checks the header
        actual = crc32(memoryview(self._data))
        if actual != self.checksum:
            raise StoreDamaged(
                f"{self.path} has checksum {actual:08x} instead of {self.checksum:08x}"
            )


@lru_cache(maxsize=1024)
def _header(shape: tuple[int, ...]) -> bytes:
    """Return the header that NumPy writes before such an array, padded to lines of 64 bytes."""
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()
