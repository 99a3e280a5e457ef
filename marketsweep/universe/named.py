"""Named universes: `universe.toml` in the data folder, and those that come with the program.

    [large-tech]
    where = 'sector == "Technology" and market_cap > 10B'
    min_price = 5                   # dollars, the last close
    min_dollar_volume = "20M"       # a session: the median of the last `sessions`
    sessions = 20
    watchlist = ["AAPL", "@my.txt"] # nobody else; files stand beside universe.toml
    exclude = "TSLA,@never.txt"
    skip_low_volume = true          # leave the kept low-volume list out
    unknown = "drop"                # or "keep": those of whom it cannot be told

Every key may be left out. A table of the name of a built-in universe takes its place. The file is
read strictly: a key that nothing uses is an error.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple

from marketsweep.core.suggest import names_near
from marketsweep.core.tickers import checked, read_list
from marketsweep.core.whole_files import read_small
from marketsweep.errors import UsageError
from marketsweep.language.builder import Expression, node_of
from marketsweep.language.parser import parse_expression
from marketsweep.language.presets import Saved
from marketsweep.language.tree import Number
from marketsweep.universe.screen import EVERYBODY, Screen, conditions_of

UNIVERSES: Final = "universe.toml"

_BUILT_IN: Final = """
[common]
where = 'type == "CS"'

[liquid]
min_price = 5
min_dollar_volume = "5M"
"""

_MOST_SESSIONS: Final = 5_000


class Universes(NamedTuple):
    """The universes of a data folder and those built in, by name."""

    screens: dict[str, Screen]
    faulty: dict[str, str]
    """What is wrong with those that cannot be used."""


def read_universes(folder: Path) -> Universes:
    """Return all universes; a faulty one does not stop the others.

    Raises UsageError for a file that cannot be read or is not TOML.
    """
    file = folder / UNIVERSES
    found = Universes({}, {})
    for name, table in _tables(file).items():
        try:
            found.screens[name] = _screen(name, table, file)
        except UsageError as error:
            found.faulty[name] = str(error)
    return found


def read_universe(folder: Path, name: str) -> Screen:
    """One of them. Raises UsageError for a faulty one, and, with names near it, for an unknown."""
    file = folder / UNIVERSES
    found = _tables(file)
    if name not in found:
        raise UsageError(
            f"there is no universe {name!r}{_near(name, found)}. There are "
            f"{', '.join(sorted(found))}; a table [{name}] in {file} would be another"
        )
    return _screen(name, found[name], file)


def screen_of(
    folder: Path,
    universe: str | None = None,
    where: str | Expression | None = None,
    unknown: str | None = None,
) -> Screen:
    """A named universe of a data folder, further conditions, and who of unknown facts passes.

    Raises UsageError, and ConditionError for an invalid condition.
    """
    screen = EVERYBODY if universe is None else read_universe(folder, universe)
    if where is not None:
        screen = screen.also(conditions_of(node_of(where), Saved.of(folder)))
    if unknown is None:
        return screen
    if unknown not in ("keep", "drop"):
        raise UsageError(f'unknown {unknown!r} is neither "keep" nor "drop"')
    return replace(screen, keep_unknown=unknown == "keep")


def dollars(given: object) -> float:
    """A number of dollars above 0, as 5, 2e6 or the text 20M. Raises UsageError."""
    value: object = given
    if isinstance(given, str):
        try:
            node = parse_expression(given)
        except UsageError:
            node = None
        value = node.value if isinstance(node, Number) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < inf:
        raise UsageError(f"{given!r} is not a number of dollars above 0: write 5, 2e6 or 20M")
    return float(value)


def _text(file: Path) -> str:
    try:
        return read_small(file).decode()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: save it as that, or remove it") from error


def _tables(file: Path) -> dict[str, object]:
    """The tables of a file and the built-in ones, whose place they take."""
    try:
        return tomllib.loads(_BUILT_IN) | tomllib.loads(_text(file))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{file} is not TOML: {error}") from error


def _screen(name: str, table: object, file: Path) -> Screen:
    if not isinstance(table, dict):
        raise UsageError(f"{file}: {name} stands in no universe: put it below a line as [liquid]")
    found = {}
    for key, value in table.items():
        if key not in _KEYS:
            raise UsageError(
                f"{file}: [{name}] has an unknown key {key!r}{_near(key, _KEYS)}. There are "
                f"{', '.join(_KEYS)}"
            )
        field, read = _KEYS[key]
        try:
            found[field] = read(value, file.parent)
        except UsageError as error:
            raise UsageError(f"{file}: [{name}] {key}: {error}") from error
    return Screen(**found)


def _where(value: object, folder: Path) -> Any:  # noqa: ANN401, whatever the field of a Screen is
    if not isinstance(value, str):
        raise UsageError(f"{value!r} is not a text: write a condition in quotes")
    return conditions_of(value)


def _dollars(value: object, folder: Path) -> float:
    return dollars(value)


def _sessions(value: object, folder: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_SESSIONS:
        raise UsageError(f"{value!r} is not a whole number from 1 to {_MOST_SESSIONS:,}")
    return value


def _symbols(value: object, folder: Path) -> frozenset[str]:
    parts = value if isinstance(value, list) else [value]
    found: list[str] = []
    for part in parts:
        if not isinstance(part, str):
            raise UsageError(f'{part!r} is not a text: write "AAPL", "A,B" or "@FILE"')
        # One text may hold both: tickers have no comma, and begin with no @.
        for one in part.split(","):
            name = one.strip()
            at = name.startswith("@")
            found += read_list(f"@{_beside(folder, name[1:])}") if at else checked([name])
    return frozenset(found)


def _watchlist(value: object, folder: Path) -> frozenset[str]:
    return frozenset(checked(_symbols(value, folder)))  # an empty one lets nobody pass


def _beside(folder: Path, name: str) -> Path:
    return folder / Path(name).expanduser()


def _yes_or_no(value: object, folder: Path) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{value!r} is neither true nor false")
    return value


def _keep_or_drop(value: object, folder: Path) -> bool:
    if value not in ("keep", "drop"):
        raise UsageError(f'{value!r} is neither "keep" nor "drop"')
    return value == "keep"


_KEYS: Final[Mapping[str, tuple[str, Callable[[Any, Path], Any]]]] = {
    "where": ("where", _where),
    "min_price": ("min_price", _dollars),
    "min_dollar_volume": ("min_dollar_volume", _dollars),
    "sessions": ("sessions", _sessions),
    "watchlist": ("watchlist", _watchlist),
    "exclude": ("exclude", _symbols),
    "skip_low_volume": ("skip_low_volume", _yes_or_no),
    "unknown": ("keep_unknown", _keep_or_drop),
}
"""Every key of a universe, with the field of a Screen that it sets, and who reads it."""


def _near(name: str, names: Iterable[str]) -> str:
    near = names_near(name, names, 1)
    return f" (did you mean {near[0]}?)" if near else ""
