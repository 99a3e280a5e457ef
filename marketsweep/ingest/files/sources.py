"""The files behind a path: one file, all files of a folder, or those that match a pattern."""

from __future__ import annotations

import glob
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import polars as pl

from marketsweep.errors import UsageError

_SUFFIXES: Final = (".parquet", ".arrow", ".feather", ".ipc", ".csv", ".txt", ".tsv", ".psv", ".gz")


def files_of(path: Path) -> list[Path]:
    """Return the files that a path stands for, by name. Raises UsageError where there is none.

    A folder stands for its tables and those of its subfolders, a name with `*`, `?` or `[` for all
    that match.
    """
    text = str(path)
    try:
        if path.is_dir():
            below = (one for one in path.rglob("*") if one.is_file())
            found = sorted(one for one in below if _is_table(one))
            if not found:
                kinds = ", ".join(_SUFFIXES)
                raise UsageError(f"{path}: no table in this folder; tables end in {kinds}")
            return found
        if path.exists() or not glob.has_magic(text):
            return [_readable(path)]
        found = sorted(one for one in _matching(path) if one.is_file())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    if not found:
        raise UsageError(f"{path}: no file matches")
    return found


def _matching(path: Path) -> Iterator[Path]:
    """The paths that a pattern matches."""
    first = next(place for place, part in enumerate(path.parts) if glob.has_magic(part))
    yield from Path(*path.parts[:first]).glob(str(Path(*path.parts[first:])))


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(_SUFFIXES) and not name.startswith((".", "_"))


def _readable(path: Path) -> Path:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        raise UsageError(f"{path}: neither a file nor a pipe")
    return path


def stem_of(path: Path) -> str:
    """Return the name of a file without the suffixes of tables."""
    name = path.name
    while name.lower().endswith(_SUFFIXES):
        name = name.rpartition(".")[0]
    return name


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file before what is wrong with it."""
    try:
        yield
    except UsageError as error:
        said = str(error)
        if said.startswith(f"{path}: "):
            raise
        raise UsageError(f"{path}: {said}") from error
    except (pl.exceptions.PolarsError, UnicodeError) as error:
        # Text columns of a spoilt Parquet file may hold bytes that are not text.
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read, it is damaged: {reason}") from error
