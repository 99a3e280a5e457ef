"""Files that people ask for, written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from marketsweep.errors import StoreFull, UsageError

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write, which takes the place of an older one only once it is whole.

    Devices and pipes are written directly. Raises UsageError where the file cannot be written,
    and StoreFull where the disk is full; the older file stays then.
    """
    try:
        target = path.resolve() if path.is_symlink() else path
        if target.exists() and not target.is_file():
            with target.open("wb") as file:
                yield file
            return
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
