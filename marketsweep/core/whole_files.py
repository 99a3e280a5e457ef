"""Files: the operations of a commit, the disk's errors, and files that are whole or not there."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from marketsweep.errors import StoreError, StoreFull, UsageError

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED: Final = {*_NO_ROOM, errno.EIO}
_NO_RIGHT: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write, which takes the place of an older one only once it is whole.

    Devices and pipes are written directly. Raises UsageError where the file cannot be written,
    and StoreFull where the disk is full; the older file stays then.
    """
    try:
        if _is_special(path):
            with path.open("wb") as file:
                yield file
            return
        target = path.resolve() if path.is_symlink() else path
        unfinished = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
        try:
            with unfinished.open("wb") as file:
                yield file
            unfinished.replace(target)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        if error.errno in _NO_ROOM:
            raise StoreFull(
                f"cannot write {path}: {error.strerror}; an older file stays as it was"
            ) from error
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _is_special(path: Path) -> bool:
    """Whether a path leads to a device, a pipe or a folder; /dev/stdout may be any of them."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def read_small(path: Path, most: int = 1_000_000) -> bytes:
    """Return the bytes of a file that a user writes by hand.

    Raises UsageError if it has more than `most` bytes, as a device has, and OSError.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UsageError(f"{path} has more than {most / 1e6:g} MB: is it the right file?")
    return content


class Disk:
    """The file operations that a commit consists of."""

    def write(self, file: io.FileIO, data: memoryview) -> None:
        """Hand all of the bytes to the system, which may take them in parts."""
        while data:
            data = data[file.write(data) :]

    def sync(self, file: io.FileIO) -> None:
        """Wait until the file's bytes would survive a power cut."""
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)
        else:
            os.fsync(file.fileno())

    def rename(self, old: Path, new: Path) -> None:
        """Give the file its name, in one step."""
        old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the folder's names would survive a power cut."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def unlink(self, path: Path) -> None:
        """Take the name away; who has the file mapped keeps its bytes."""
        path.unlink(missing_ok=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raise the system's errors as ours, naming the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _REFUSED:
            raise StoreFull(
                f"{folder}: the disk refused the write ({reason}); nothing committed was lost"
            ) from error
        if error.errno in _NO_RIGHT:
            raise StoreError(
                f"{folder} cannot be written to ({reason}): change its permissions, "
                "or name another folder with --data"
            ) from error
        raise StoreError(f"{folder} cannot be used ({reason})") from error
