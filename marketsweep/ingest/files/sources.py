"""Find the files of a path: one file, all tables of a folder, or those that match a pattern."""

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
    """Return the files of a path, sorted by name. Raises UsageError if there is none.

    A folder stands for all tables in it and its subfolders; a name with `*`, `?` or `[` stands for
    all files that match.
    """
    text = str(path)
    try:
        if path.is_dir():
            files = (file for file in path.rglob("*") if file.is_file())
            matches = sorted(file for file in files if _is_table(file))
            if not matches:
                kinds = ", ".join(_SUFFIXES)
                raise UsageError(f"{path}: no table in this folder; tables end in {kinds}")
            return matches
        if path.exists() or not glob.has_magic(text):
            return [_require_readable(path)]
        matches = sorted(file for file in _matching_paths(path) if file.is_file())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    if not matches:
        raise UsageError(f"{path}: no file matches")
    return matches


def _matching_paths(path: Path) -> Iterator[Path]:
    """Yield the paths that match a pattern."""
    first = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
    yield from Path(*path.parts[:first]).glob(str(Path(*path.parts[first:])))


def _is_table(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(_SUFFIXES) and not name.startswith((".", "_"))


def _require_readable(path: Path) -> Path:
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
def with_file_name(path: Path) -> Iterator[None]:
    """Put the name of a file before the message of a UsageError or read error."""
    try:
        yield
    except UsageError as error:
        message = str(error)
        if message.startswith(f"{path}: "):
            raise
        raise UsageError(f"{path}: {message}") from error
    except (pl.exceptions.PolarsError, UnicodeError) as error:
        # Text columns of a damaged Parquet file may hold bytes that are not text.
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: cannot be read, it is damaged: {reason}") from error
