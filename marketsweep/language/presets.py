"""Conditions by name: the presets of the program, and the user's own.

Each is a text file NAME.scan: comments at the top describe it, then the condition follows. The
user's files are in the folder `conditions` of the data folder.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from marketsweep.core.suggest import names_near
from marketsweep.core.whole_files import read_small
from marketsweep.errors import StoreError, UsageError
from marketsweep.language.parsing.calls import is_unused_name
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import check_saved

PRESETS: Final = Path(__file__).parent / "preset_files"
FOLDER: Final = "conditions"
_SUFFIX: Final = ".scan"
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class SavedCondition(NamedTuple):
    """A saved condition: its name, its description, and its text."""

    name: str
    doc: str
    condition: str
    own: bool
    """Whether the user saved it; otherwise it is a preset."""


class SavedConditions(Struct, frozen=True):
    """The conditions of a data folder at one moment; a call with a name returns the text.

    Two objects are equal if names, times and sizes of their files are, so it can be part of a cache
    key.
    """

    folder: Path | None = None
    stamp: tuple[tuple[str, int, int], ...] = ()

    @classmethod
    def of(cls, data: Path) -> SavedConditions:
        """Return the conditions of a data folder as they are now. Raises UsageError."""
        folder = data / FOLDER
        files = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # a broken link, such as an editor's lock
                        files.append((entry.name, entry.stat()))
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except OSError as error:
            raise UsageError(f"{folder} cannot be read: {error.strerror}") from error
        return cls(folder, tuple(sorted((n, s.st_mtime_ns, s.st_size) for n, s in files)))

    def __call__(self, name: str) -> str | None:
        """Return the text saved under a name, or None. A preset comes before the user's own."""
        if not _NAME.fullmatch(name):
            return None
        return _read(PRESETS / f"{name}{_SUFFIX}") or (
            _read(self.folder / f"{name}{_SUFFIX}") if self.folder else None
        )

    def names(self) -> list[str]:
        """Return every name whose file can be read, presets first."""
        return [*presets(), *(name for name in self._own_names() if self._read_error(name) is None)]

    def faults(self) -> list[str]:
        """Return why own conditions cannot be read; one bad file does not affect others."""
        return [error for name in self._own_names() if (error := self._read_error(name))]

    def _own_names(self) -> list[str]:
        names = (Path(file).stem for file, *_ in self.stamp if file.endswith(_SUFFIX))
        known = set(presets())  # a file beside them with the name of one is never read
        return [name for name in names if _NAME.fullmatch(name) and name not in known]

    def _read_error(self, name: str) -> str | None:
        try:
            self(name)
        except UsageError as error:
            return str(error)
        return None

    def one(self, name: str) -> SavedCondition:
        """Return a condition by name. Raises UsageError, with similar names, if it is missing."""
        text = self(name)
        if text is None:
            near = names_near(name.lower(), self.names())
            hint = f"did you mean {' or '.join(near)}?" if near else "marketsweep presets list"
            raise UsageError(f"no condition is saved as {name!r}: {hint}")
        lines = text.splitlines()
        first = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
        doc = " ".join(line.lstrip("# ").rstrip() for line in lines[:first])
        own = not (PRESETS / f"{name}{_SUFFIX}").exists()
        return SavedCondition(name, doc, "\n".join(lines[first:]).strip(), own)

    def everyone(self) -> list[SavedCondition]:
        """Return all conditions, presets first."""
        return [self.one(name) for name in self.names()]


PRESETS_ALONE: Final = OwnNames(SavedConditions())
"""The names of the presets."""


def presets() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob(f"*{_SUFFIX}"))


def save(
    data: Path, name: str, condition: str, doc: str = "", own_names: OwnNames = PRESETS_ALONE
) -> SavedCondition:
    """Save a condition under a name; an earlier one of the user's with that name is replaced.

    `own_names` has the stored facts that the condition may use.

    Raises UsageError for an invalid name, ConditionError for an invalid condition.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid name for a condition: use letters a to z, digits and _, as "
            "in my_breakout"
        )
    if not is_unused_name(name) or name in presets():
        raise UsageError(f"{name} is already a word or a preset: choose another name")
    saved = SavedConditions.of(data)
    if own_names.kind_of(name) and saved(name) is None:
        raise UsageError(f"{name} is a stored fact: choose another name")
    known = replace(own_names, condition=lambda other: condition if other == name else saved(other))
    check_saved(name, condition, known)
    folder = data / FOLDER
    comment = "".join(f"# {line}\n" for line in doc.splitlines())
    temporary = folder / f"{name}.tmp"
    try:
        folder.mkdir(exist_ok=True)
        temporary.write_text(f"{comment}{condition.strip()}\n", encoding="utf-8")
        temporary.replace(folder / f"{name}{_SUFFIX}")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written to ({error.strerror})") from error
    return SavedConditions.of(data).one(name)


def remove(data: Path, name: str) -> None:
    """Delete a condition of the user's own. Raises UsageError if there is none."""
    if not SavedConditions.of(data).one(name).own:
        raise UsageError(f"{name} is a preset and cannot be removed")
    try:
        (data / FOLDER / f"{name}{_SUFFIX}").unlink()
    except OSError as error:
        raise StoreError(f"{data / FOLDER} cannot be written to ({error.strerror})") from error


def _read(path: Path) -> str | None:
    try:
        return read_small(path).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
