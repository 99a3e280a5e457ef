"""Conditions by name: the presets that come with marketsweep, and a user's own.

Each is a text file, `NAME.scan`: comments at the top say what it is, then comes the condition. A
user's own lie in the folder `conditions` of the data folder.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct

from marketsweep.core.suggest import names_near
from marketsweep.core.whole_files import read_small
from marketsweep.errors import StoreError, UsageError
from marketsweep.language.calls import is_free
from marketsweep.language.parser import parse

PRESETS: Final = Path(__file__).parent / "preset_files"
FOLDER: Final = "conditions"
_SUFFIX: Final = ".scan"
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class SavedCondition(NamedTuple):
    """One of them: what it is, in a sentence, and its text."""

    name: str
    doc: str
    condition: str
    own: bool
    """Whether the user saved it; else it is a preset."""


class Saved(Struct, frozen=True):
    """Conditions of a data folder at one moment; called with a name, it returns the text.

    It compares by what is in it, so that it may stand in the key of a cache.
    """

    folder: Path | None = None
    stamp: tuple[tuple[str, int, int], ...] = ()

    @classmethod
    def of(cls, data: Path) -> Saved:
        """Return the conditions of a data folder as they are now."""
        folder = data / FOLDER
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):  # a link to nowhere, as editors make for their locks
                        found.append((entry.name, entry.stat()))
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except OSError as error:
            raise UsageError(f"{folder} cannot be read: {error.strerror}") from error
        return cls(folder, tuple(sorted((n, s.st_mtime_ns, s.st_size) for n, s in found)))

    def __call__(self, name: str) -> str | None:
        """The text that is saved under a name; None where none is. Presets go first."""
        if not _NAME.fullmatch(name):
            return None
        return _read(PRESETS / f"{name}{_SUFFIX}") or (
            _read(self.folder / f"{name}{_SUFFIX}") if self.folder else None
        )

    def names(self) -> list[str]:
        """Every name whose file can be read, presets first."""
        return [*presets(), *(name for name in self._own() if self._fault(name) is None)]

    def faults(self) -> list[str]:
        """Why own conditions cannot be read, in words; a faulty one does not stop the others."""
        return [fault for name in self._own() if (fault := self._fault(name))]

    def _own(self) -> list[str]:
        own = (Path(file).stem for file, *_ in self.stamp if file.endswith(_SUFFIX))
        return [name for name in own if _NAME.fullmatch(name)]

    def _fault(self, name: str) -> str | None:
        try:
            self(name)
        except UsageError as error:
            return str(error)
        return None

    def one(self, name: str) -> SavedCondition:
        """The one of that name. Raises UsageError, with names near it, where there is none."""
        text = self(name)
        if text is None:
            near = names_near(name.lower(), self.names())
            hint = f"did you mean {' or '.join(near)}?" if near else "marketsweep presets list"
            raise UsageError(f"no condition is saved as {name!r}: {hint}")
        lines = text.splitlines()
        top = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
        doc = " ".join(line.lstrip("# ").rstrip() for line in lines[:top])
        own = not (PRESETS / f"{name}{_SUFFIX}").exists()
        return SavedCondition(name, doc, "\n".join(lines[top:]).strip(), own)

    def everyone(self) -> list[SavedCondition]:
        """All of them, presets first."""
        return [self.one(name) for name in self.names()]


def presets() -> list[str]:
    """The names of the presets, in order."""
    return sorted(path.stem for path in PRESETS.glob(f"*{_SUFFIX}"))


def save(data: Path, name: str, condition: str, doc: str = "") -> SavedCondition:
    """Keep a condition under a name, in the place of an earlier one of the user's.

    Raises UsageError for a name that cannot be, ConditionError for what is not a condition.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a condition: use letters a to z, digits and _, "
            "as in my_breakout"
        )
    if not is_free(name) or name in presets():
        raise UsageError(f"{name} has a meaning of its own: choose another name")
    saved = Saved.of(data)
    parse(condition, lambda other: condition if other == name else saved(other))
    folder = data / FOLDER
    comment = "".join(f"# {line}\n" for line in doc.splitlines())
    unfinished = folder / f"{name}.tmp"
    try:
        folder.mkdir(exist_ok=True)
        unfinished.write_text(f"{comment}{condition.strip()}\n")
        unfinished.replace(folder / f"{name}{_SUFFIX}")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written to ({error.strerror})") from error
    return Saved.of(data).one(name)


def remove(data: Path, name: str) -> None:
    """Forget a condition of the user's own. Raises UsageError where there is none."""
    if not Saved.of(data).one(name).own:
        raise UsageError(f"{name} is a preset, and stays")
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
