"""Read and write the settings of a data folder: `config.toml` in it. The folder is the whole state.

    [sync]
    concurrency = 16        # simultaneous calls
    calls_per_minute = 5    # the rate limit of your plan
    max_file_mb = 1024      # largest file, in megabytes, unpacked
    max_body_mb = 8         # largest response, in megabytes, as sent
    max_pages = 1000        # largest number of pages of one list

    [scan]
    threads = 4             # threads that evaluate

    [ray]                   # for the ray executor
    workers = 8
    threads = 4             # threads of each worker
    block = 1024            # symbols per block in the object store

A missing key has its default. An environment variable overrides the file, and an option of a call
overrides both. An unknown key is an error.
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

MAX_VALUES: Final = {
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
"""Every key, with its largest value; the smallest is 1."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a data folder; None if not set."""

    concurrency: int | None = None
    """Simultaneous calls of a sync."""
    calls_per_minute: int | None = None
    max_file_mb: int | None = None
    max_body_mb: int | None = None
    max_pages: int | None = None
    threads: int | None = None
    """Threads that evaluate a scan."""
    ray_workers: int | None = None
    ray_threads: int | None = None
    """Threads of each worker."""
    ray_block: int | None = None
    """Symbols per block in the object store."""


DEFAULTS: Final = Config()


def read_config(folder: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Return the settings of a folder, which may not exist. Raises UsageError if invalid."""
    values = _read(folder / CONFIG)
    values |= _from_environment(os.environ if environment is None else environment)
    return Config(*(values.get(key) for key in MAX_VALUES))


def variable(key: Key) -> str:
    """Return the environment variable that overrides a key of the file."""
    table, name = key
    return f"MARKETSWEEP_{'RAY_' if table == 'ray' else ''}{name.upper()}"


def write_config(folder: Path, settings: Mapping[Key, int]) -> Path:
    """Set these keys in the folder's file, keep the rest of the file, and return its path.

    The file is replaced completely or not at all. Raises UsageError if it is invalid, and
    StoreError if it cannot be written.
    """
    import tomlkit  # used only here; 60 ms to import

    file = (folder / CONFIG).resolve()  # a symbolic link stays a link
    _read(file)  # raises instead of overwriting an invalid file
    document = tomlkit.parse(_read_text(file) or "")
    for (table, name), value in settings.items():
        document.setdefault(table, tomlkit.table())[name] = value
    disk, temporary = Disk(), file.with_name(f"{file.name}.{os.getpid()}.tmp")
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb", buffering=0) as new:
                disk.write(new, memoryview(tomlkit.dumps(document).encode()))
                disk.sync(new)
            disk.rename(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
        disk.sync_folder(file.parent)
    return file


def _read_text(file: Path) -> str | None:
    try:
        return read_small(file).decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: save it as that, or remove it") from error


def _read(file: Path) -> dict[Key, int]:
    text = _read_text(file)
    if text is None:
        return {}
    import tomllib  # with msgspec 20 ms to import, saved if there is no file

    import msgspec

    try:
        config = msgspec.convert(tomllib.loads(text), _schema())
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: {_rephrase(str(error))}; there are {_key_list()}") from None
    values = {key: getattr(getattr(config, key[0]), key[1], None) for key in MAX_VALUES}
    return {key: value for key, value in values.items() if value is not None}


def _schema() -> type[msgspec.Struct]:
    """Return a type of the whole file, made from the table of keys."""
    from typing import Annotated

    import msgspec

    tables: dict[str, list[tuple[str, Any, Any]]] = {}
    for (table, name), largest in MAX_VALUES.items():
        bounded_int = Annotated[int, msgspec.Meta(ge=1, le=largest)]
        tables.setdefault(table, []).append((name, bounded_int | None, None))
    fields = []
    for table, names in tables.items():
        struct = msgspec.defstruct(table, names, forbid_unknown_fields=True)
        fields.append((table, struct | None, None))
    return msgspec.defstruct("config", fields, forbid_unknown_fields=True)


_REPLACEMENTS: Final = {
    "Object contains unknown field": "unknown key",
    " | null": "",
    "object": "a table",
    "Expected int": "expected a whole number",
    "Expected": "expected",
}


def _rephrase(message: str) -> str:
    """Return a message of msgspec in the style of this program.

    msgspec says "Expected `int`, got `str` - at `$.sync.concurrency`".
    """
    text, _, location = message.replace("`", "").partition(" - at $")
    for original, replacement in _REPLACEMENTS.items():
        text = text.replace(original, replacement)
    table, _, name = location.strip(".").partition(".")
    return text + (f" in [{table}]" if table else "") + (f" {name}" if name else "")


def _key_list() -> str:
    return ", ".join(
        f"[{table}] {name} (1 to {largest:,})" for (table, name), largest in MAX_VALUES.items()
    )


def _from_environment(environment: Mapping[str, str]) -> dict[Key, int]:
    values = {}
    for key, largest in MAX_VALUES.items():
        text = environment.get(variable(key), "").strip()
        if text:
            if not text.isdecimal() or not 1 <= int(text) <= largest:
                raise UsageError(f"{variable(key)} must be a whole number from 1 to {largest:,}")
            values[key] = int(text)
    return values
