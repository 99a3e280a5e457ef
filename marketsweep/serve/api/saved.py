"""What is saved under a name: conditions, with the number of their matches, and universes."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from msgspec import structs

from marketsweep.errors import MarketsweepError, UsageError
from marketsweep.language.presets import SavedConditions, remove, save
from marketsweep.serve.api.parameters import (
    CountsParameters,
    NameParameters,
    NoParameters,
    SaveParameters,
    UniverseParameters,
)
from marketsweep.serve.api.problem import Problem
from marketsweep.serve.api.service import Service
from marketsweep.universe import saving
from marketsweep.universe.named import UNIVERSES, read_text, read_universes


def presets(service: Service, parameters: NoParameters) -> list[dict[str, Any]]:
    """List the presets and the user's own conditions."""
    return [saved._asdict() for saved in SavedConditions.of(service.folder).everyone()]


def count_presets(service: Service, parameters: CountsParameters) -> dict[str, int | None]:
    """Count the matches of each preset and of each condition of your own; null for a faulty one."""
    names = SavedConditions.of(service.folder).names()
    try:
        return dict(zip(names, _counts(service, names, parameters), strict=True))
    except MarketsweepError:  # one of them cannot be evaluated: the others can
        return {name: _count(service, name, parameters) for name in names}


def _counts(service: Service, names: list[str], parameters: CountsParameters) -> list[int]:
    """Return the numbers of matches of some conditions, evaluated in one pass."""
    hits = service.market.scan_together(
        names, where=parameters.where, as_of=parameters.as_of, limit=1
    )
    return [result.matched for result in hits]


def _count(service: Service, name: str, parameters: CountsParameters) -> int | None:
    try:
        return _counts(service, [name], parameters)[0]
    except MarketsweepError:
        return None


def save_condition(service: Service, parameters: SaveParameters) -> dict[str, Any]:
    """Save a condition under a name; an earlier one of yours with that name is replaced."""
    with service.market.view() as view:
        own_names = view.own_names()
    name = parameters.name.lower()
    return save(service.folder, name, parameters.condition, parameters.doc, own_names)._asdict()


def remove_condition(service: Service, parameters: NameParameters) -> dict[str, Any]:
    """Delete a condition of your own, and list the others that use it."""
    name = parameters.name.lower()
    conditions = SavedConditions.of(service.folder)
    if conditions(name) is None:
        raise Problem(404, "unknown_condition", f"no condition is saved as {name!r}")
    users = [
        other.name
        for other in conditions.everyone()
        if other.name != name and re.search(rf"\b{name}\b", other.condition.lower())
    ]
    remove(service.folder, name)
    return {"name": name, "used_by": users}


def universes(service: Service, parameters: NoParameters) -> list[dict[str, Any]]:
    """List the named universes; a faulty one has its error, and one of your own its table."""
    with service.market.view() as view:
        named = read_universes(service.folder, view.own_names())
    own = tomllib.loads(read_text(service.folder / UNIVERSES))
    return [
        *(
            {"name": name, "parts": screen.parts, "fault": "", "own": own.get(name)}
            for name, screen in named.screens.items()
        ),
        *(
            {"name": name, "parts": [], "fault": fault, "own": own.get(name)}
            for name, fault in named.faulty.items()
        ),
    ]


def save_universe(service: Service, parameters: UniverseParameters) -> dict[str, Any]:
    """Save a universe under a name; an earlier one of yours with that name is replaced."""
    if "@" in (parameters.watchlist or ""):
        raise UsageError("watchlist: write tickers; files are named in universe.toml alone")
    table = structs.asdict(parameters)
    name = table.pop("name").lower()
    table = {key: value for key, value in table.items() if value not in (None, "")}
    with service.market.view() as view:
        screen = saving.save_universe(service.folder, name, table, view.own_names())
    return {"name": name, "parts": screen.parts, "fault": "", "own": table}


def remove_universe(service: Service, parameters: NameParameters) -> dict[str, Any]:
    """Delete a universe of your own."""
    try:
        saving.remove_universe(service.folder, parameters.name.lower())
    except UsageError as error:
        raise Problem(404, "unknown_universe", str(error)) from None
    return {"name": parameters.name.lower()}
