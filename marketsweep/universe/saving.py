"""Save and remove universes in `universe.toml`; the rest of the file stays as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from marketsweep.core.whole_files import whole_file
from marketsweep.errors import UsageError
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.universe.named import UNIVERSES, parse_screen, read_text
from marketsweep.universe.screen import Screen

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def save_universe(
    folder: Path, name: str, table: Mapping[str, object], own_names: OwnNames
) -> Screen:
    """Save a universe; an earlier one of that name is replaced. Return its screen.

    `table` has the keys of the file. Raises UsageError for an invalid name or value, and if the
    file is not TOML, and ConditionError.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid name for a universe: use letters a to z, digits, - and _"
        )
    file = folder / UNIVERSES
    screen = parse_screen(name, dict(table), file, own_names)
    document = _document(file)
    document[name] = dict(table)
    _write(file, document)
    return screen


def remove_universe(folder: Path, name: str) -> None:
    """Remove a universe of the file. Raises UsageError if there is none."""
    file = folder / UNIVERSES
    document = _document(file)
    if name not in document:
        raise UsageError(f"there is no universe {name!r} of your own")
    del document[name]
    _write(file, document)


def _document(file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(read_text(file))
    except TOMLKitError as error:
        raise UsageError(f"{file} is not TOML: {error}") from error


def _write(file: Path, document: tomlkit.TOMLDocument) -> None:
    with whole_file(file) as new:
        new.write(tomlkit.dumps(document).encode())
