"""Read the named universes: `universe.toml` in the data folder, and those built into the program.

    [large-tech]
    where = 'sector == "Technology" and market_cap > 10B'
    min_price = 5                   # dollars, the last close
    min_dollar_volume = "20M"       # a session: the median of the last `sessions`
    sessions = 20
    watchlist = ["AAPL", "@my.txt"] # only these; files are beside universe.toml
    exclude = "TSLA,@never.txt"
    skip_low_volume = true          # exclude the symbols of the low-volume list
    unknown = "drop"                # or "keep": symbols with unknown facts

Every key is optional. A table with the name of a built-in universe replaces it. An unknown key is
an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from marketsweep.core.suggest import names_near
from marketsweep.core.tickers import check_tickers, read_list
from marketsweep.core.whole_files import read_small
from marketsweep.errors import UsageError
from marketsweep.language.builder import Expression, node_of
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.language.presets import PRESETS_ALONE
from marketsweep.language.tree import Number
from marketsweep.universe.screen import NO_SCREEN, Condition, Screen, conditions_of

UNIVERSES: Final = "universe.toml"

_BUILT_IN: Final = """
[common]
where = 'type == "CS"'

[liquid]
min_price = 5
min_dollar_volume = "5M"
"""

_MAX_SESSIONS: Final = 5_000


class Universes(NamedTuple):
    """The universes of a data folder and the built-in ones, by name."""

    screens: dict[str, Screen]
    faulty: dict[str, str]
    """The error messages of the universes that are invalid."""


def read_universes(folder: Path, own_names: OwnNames = PRESETS_ALONE) -> Universes:
    """Return all universes; an invalid universe does not stop the others.

    Raises UsageError if the file cannot be read or is not TOML.
    """
    file = folder / UNIVERSES
    universes = Universes({}, {})
    for name, table in _read_tables(file).items():
        try:
            universes.screens[name] = parse_screen(name, table, file, own_names)
        except UsageError as error:
            universes.faulty[name] = str(error)
    return universes


def read_universe(folder: Path, name: str, own_names: OwnNames) -> Screen:
    """Return the universe `name`. Raises UsageError if it is invalid or unknown."""
    file = folder / UNIVERSES
    tables = _read_tables(file)
    if name not in tables:
        raise UsageError(
            f"there is no universe {name!r}{_suggestion(name, tables)}. There are "
            f"{', '.join(sorted(tables))}; to add it, write a table [{name}] in {file}"
        )
    return parse_screen(name, tables[name], file, own_names)


def screen_of(
    folder: Path,
    universe: str | None = None,
    where: str | Expression | None = None,
    unknown: str | None = None,
    own_names: OwnNames = PRESETS_ALONE,
) -> Screen:
    """Return a named universe of a data folder with further conditions.

    `unknown` is "keep" or "drop": whether symbols with unknown facts pass. `own_names` are those of
    the folder, which conditions may use. Raises UsageError, and
    ConditionError for an invalid condition.
    """
    screen = NO_SCREEN if universe is None else read_universe(folder, universe, own_names)
    if where is not None:
        screen = screen.also(conditions_of(node_of(where), own_names))
    if unknown is None:
        return screen
    if unknown not in ("keep", "drop"):
        raise UsageError(f'unknown {unknown!r} is neither "keep" nor "drop"')
    return replace(screen, keep_unknown=unknown == "keep")


def dollars(source: object) -> float:
    """Return an amount of dollars above 0, given as 5, 2e6 or the text 20M. Raises UsageError."""
    value: object = source
    if isinstance(source, str):
        try:
            node = parse_expression(source)
        except UsageError:
            node = None
        value = node.value if isinstance(node, Number) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise UsageError(f"{source!r} is not a number of dollars above 0: write 5, 2e6 or 20M")
    return float(value)


def read_text(file: Path) -> str:
    """Return the text of the file, empty if there is none. Raises UsageError."""
    try:
        return read_small(file).decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: save it as that, or remove it") from error


def _read_tables(file: Path) -> dict[str, object]:
    """Return the tables of a file and the built-in ones; those of the file take precedence."""
    try:
        return tomllib.loads(_BUILT_IN) | tomllib.loads(read_text(file))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from error


def parse_screen(name: str, table: object, file: Path, own_names: OwnNames) -> Screen:
    """Return the screen of a table of the file. Raises UsageError if it is invalid."""
    if not isinstance(table, dict):
        raise UsageError(
            f"{file}: {name} is outside a universe: put it below a line such as [liquid]"
        )
    fields: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageError(
                f"{file}: [{name}] has an unknown key {key!r}{_suggestion(key, _KEYS)}. There are "
                f"{', '.join(_KEYS)}"
            )
        field, read = _KEYS[key]
        try:
            fields[field] = read(value, _Context(file.parent, own_names))
        except UsageError as error:
            raise UsageError(f"{file}: [{name}] {key}: {error}") from error
    return Screen(**fields)


class _Context(NamedTuple):
    """The data folder, and the names that it adds to the language."""

    folder: Path
    own_names: OwnNames


def _parse_where(value: object, context: _Context) -> tuple[Condition, ...]:
    if not isinstance(value, str):
        raise UsageError(f"{value!r} is not a text: write a condition in quotes")
    return conditions_of(value, context.own_names)


def _parse_dollars(value: object, context: _Context) -> float:
    return dollars(value)


def _parse_sessions(value: object, context: _Context) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_SESSIONS:
        raise UsageError(f"{value!r} is not a whole number from 1 to {_MAX_SESSIONS:,}")
    return value


def _parse_symbols(value: object, context: _Context) -> frozenset[str]:
    parts = value if isinstance(value, list) else [value]
    tickers: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            raise UsageError(f'{part!r} is not a text: write "AAPL", "A,B" or "@FILE"')
        # One text may hold tickers and files: tickers have no comma, and do not begin with @.
        for item in part.split(","):
            name = item.strip()
            is_file = name.startswith("@")
            tickers += (
                read_list(f"@{_resolve_path(context.folder, name[1:])}")
                if is_file
                else check_tickers([name])
            )
    return frozenset(tickers)


def _parse_watchlist(value: object, context: _Context) -> frozenset[str]:
    return frozenset(check_tickers(_parse_symbols(value, context)))  # if empty, no symbol passes


def _resolve_path(folder: Path, name: str) -> Path:
    return folder / Path(name).expanduser()


def _parse_bool(value: object, context: _Context) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is neither true nor false")
    return value


def _parse_keep(value: object, context: _Context) -> bool:
    if value not in ("keep", "drop"):
        raise UsageError(f'{value!r} is neither "keep" nor "drop"')
    return value == "keep"


_KEYS: Final[Mapping[str, tuple[str, Callable[[Any, _Context], Any]]]] = {
    "where": ("where", _parse_where),
    "min_price": ("min_price", _parse_dollars),
    "min_dollar_volume": ("min_dollar_volume", _parse_dollars),
    "sessions": ("sessions", _parse_sessions),
    "watchlist": ("watchlist", _parse_watchlist),
    "exclude": ("exclude", _parse_symbols),
    "skip_low_volume": ("skip_low_volume", _parse_bool),
    "unknown": ("keep_unknown", _parse_keep),
}
"""Every key of a universe, with the Screen field that it sets and the function that reads it."""


def _suggestion(name: str, names: Iterable[str]) -> str:
    closest = names_near(name, names, 1)
    return f" (did you mean {closest[0]}?)" if closest else ""
