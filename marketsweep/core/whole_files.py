"""Write files completely or not at all, and translate the errors of the disk."""

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

_DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WRITE_REFUSED: Final = {*_DISK_FULL, errno.EIO}
_NO_PERMISSION: Final = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write, which replaces an older file only once it is complete.

    Devices and pipes are written directly. Raises UsageError if the file cannot be written, and
    StoreFull if the disk is full; then the older file stays.
    """
    try:
        if _is_special(path):
            with path.open("wb") as file:
                yield file
            return
        target = path.resolve() if path.is_symlink() else path
        temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                yield file
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        if error.errno in _DISK_FULL:
            raise StoreFull(
                f"cannot write {path}: {error.strerror}; an older file stays as it was"
            ) from error
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _is_special(path: Path) -> bool:
    """Return whether a path is a device, a pipe or a folder; /dev/stdout may be any of these."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


def read_small(path: Path, most: int = 1_000_000) -> bytes:
    """Return the bytes of a file that a user writes by hand.

    Raises UsageError if the file has more than `most` bytes, as a device has, and OSError.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise UsageError(f"{path} has more than {most / 1e6:g} MB: is it the right file?")
    return content


class Disk:
    """The file operations that a commit consists of."""

    def write(self, file: io.FileIO, data: memoryview) -> None:
        """Write all bytes; the system may take them in parts."""
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
        """Rename a file in one step."""
        old.replace(new)

    def sync_folder(self, folder: Path) -> None:
        """Wait until the names in a folder would survive a power cut."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def unlink(self, path: Path) -> None:
        """Delete a file; a process that has the file mapped keeps its bytes."""
        path.unlink(missing_ok=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raise errors of the system as StoreError or StoreFull, with the folder's name."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _WRITE_REFUSED:
            raise StoreFull(
                f"{folder}: the disk refused the write ({reason}); nothing committed was lost"
            ) from error
        if error.errno in _NO_PERMISSION:
            raise StoreError(
                f"{folder} cannot be written to ({reason}): change its permissions, "
                "or name another folder with --data"
            ) from error
        raise StoreError(f"{folder} cannot be used ({reason})") from error
