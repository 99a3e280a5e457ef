"""What a data folder is set to: `config.toml` in it, so that one folder is the whole state.

    [sync]
    concurrency = 16        # calls under way at once
    calls_per_minute = 5    # the plan's limit
    max_file_mb = 1024      # megabytes of a file, unpacked
    max_body_mb = 8         # megabytes of an answer, as it comes
    max_pages = 1000        # pages of one list

    [scan]
    threads = 4             # that evaluate

    [ray]                   # of the ray executor
    workers = 8
    threads = 4             # of each
    block = 1024            # symbols that lie together in the object store

A key that is left out has its default. An environment variable goes before the file, and what a
call asks for before both. The file is read strictly: a key that nothing uses is an error.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from marketsweep.core.whole_files import Disk, disk_errors, read_small
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

CONFIG: Final = "config.toml"

CONCURRENCY: Final = "sync", "concurrency"
CALLS_PER_MINUTE: Final = "sync", "calls_per_minute"
MAX_FILE_MB: Final = "sync", "max_file_mb"
MAX_BODY_MB: Final = "sync", "max_body_mb"
MAX_PAGES: Final = "sync", "max_pages"
THREADS: Final = "scan", "threads"
RAY_WORKERS: Final = "ray", "workers"
RAY_THREADS: Final = "ray", "threads"
RAY_BLOCK: Final = "ray", "block"

_MOST: Final = {
    CONCURRENCY: 100,
    CALLS_PER_MINUTE: 100_000,
    MAX_FILE_MB: 1_000_000,
    MAX_BODY_MB: 10_000,
    MAX_PAGES: 1_000_000,
    THREADS: 256,
    RAY_WORKERS: 10_000,
    RAY_THREADS: 256,
    RAY_BLOCK: 100_000,
}
"""Every key that there is, with its greatest value; the least is 1."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a data folder; None where nothing is set."""

    concurrency: int | None = None
    """Calls under way at once in a sync."""
    calls_per_minute: int | None = None
    max_file_mb: int | None = None
    max_body_mb: int | None = None
    max_pages: int | None = None
    threads: int | None = None
    """That evaluate a scan."""
    ray_workers: int | None = None
    ray_threads: int | None = None
    """Threads of each worker."""
    ray_block: int | None = None
    """Symbols of a block in the object store."""


DEFAULTS: Final = Config()


def read_config(folder: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The settings of a folder, which need not exist. Raises UsageError, naming file and key."""
    found = _read(folder / CONFIG)
    found |= _from_environment(os.environ if environment is None else environment)
    return Config(*(found.get(key) for key in _MOST))


def variable(key: Key) -> str:
    """The environment variable that goes before a key of the file."""
    table, name = key
    return f"MARKETSWEEP_{'RAY_' if table == 'ray' else ''}{name.upper()}"


def write_config(folder: Path, settings: Mapping[Key, int]) -> Path:
    """Set these keys in the folder's file, leaving the rest of it as it is; the file.

    It is replaced whole, or not at all. Raises StoreError where it cannot be.
    """
    import tomlkit  # its only use; 60 ms

    file = (folder / CONFIG).resolve()  # a link stays one
    _read(file)  # what could not be read is not to be written over
    document = tomlkit.parse(_text(file) or "")
    for (table, name), value in settings.items():
        document.setdefault(table, tomlkit.table())[name] = value
    disk, unfinished = Disk(), file.with_name(f"{file.name}.tmp")
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb", buffering=0) as new:
            disk.write(new, memoryview(tomlkit.dumps(document).encode()))
            disk.sync(new)
        disk.rename(unfinished, file)
        disk.sync_folder(file.parent)
    return file


def _text(file: Path) -> str | None:
    try:
        return read_small(file).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: save it as that, or remove it") from error


def _read(file: Path) -> dict[Key, int]:
    text = _text(file)
    if text is None:
        return {}
    import tomllib  # with msgspec 20 ms, which a folder without the file does not pay

    import msgspec

    try:
        given = msgspec.convert(tomllib.loads(text), _schema())
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: {_plain(str(error))}; there are {_keys()}") from None
    found = {key: getattr(getattr(given, key[0]), key[1], None) for key in _MOST}
    return {key: value for key, value in found.items() if value is not None}


def _schema() -> type[msgspec.Struct]:
    """A type of the whole file, made from the table of keys."""
    from typing import Annotated

    import msgspec

    tables: dict[str, list[tuple[str, Any, Any]]] = {}
    for (table, name), most in _MOST.items():
        whole = Annotated[int, msgspec.Meta(ge=1, le=most)]
        tables.setdefault(table, []).append((name, whole | None, None))
    fields = []
    for table, names in tables.items():
        struct = msgspec.defstruct(table, names, forbid_unknown_fields=True)
        fields.append((table, struct | None, None))
    return msgspec.defstruct("config", fields, forbid_unknown_fields=True)


_WORDS: Final = {
    "Object contains unknown field": "unknown key",
    " | null": "",
    "object": "a table",
    "Expected int": "expected a whole number",
    "Expected": "expected",
}


def _plain(said: str) -> str:
    """msgspec's words in ours: it says "Expected `int`, got `str` - at `$.sync.concurrency`"."""
    what, _, place = said.replace("`", "").partition(" - at $")
    for theirs, ours in _WORDS.items():
        what = what.replace(theirs, ours)
    table, _, name = place.strip(".").partition(".")
    return what + (f" in [{table}]" if table else "") + (f" {name}" if name else "")


def _keys() -> str:
    return ", ".join(f"[{table}] {name} (1 to {most:,})" for (table, name), most in _MOST.items())


def _from_environment(environment: Mapping[str, str]) -> dict[Key, int]:
    found = {}
    for key, most in _MOST.items():
        text = environment.get(variable(key), "").strip()
        if text:
            if not text.isdecimal() or not 1 <= int(text) <= most:
                raise UsageError(f"{variable(key)} must be a whole number from 1 to {most:,}")
            found[key] = int(text)
    return found
