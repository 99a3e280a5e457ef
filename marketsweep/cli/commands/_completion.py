"""Complete symbols, named conditions and universes of the data folder in a shell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from marketsweep.errors import MarketsweepError

_MAX_NAMES = 200


def complete_symbol(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the stored symbols with a prefix."""

    def symbols(folder: Path) -> Iterable[str]:
        from marketsweep.store.store import Store

        with Store.open(folder) as store, store.snapshot() as snapshot:
            return snapshot.symbols

    return _names_with_prefix(ctx, symbols, incomplete.upper())


def complete_condition(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named conditions with a prefix."""

    def conditions(folder: Path) -> Iterable[str]:
        from marketsweep.language.presets import SavedConditions

        return SavedConditions.of(folder).names()

    return _names_with_prefix(ctx, conditions, incomplete.lower())


def complete_universe(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named universes with a prefix."""

    def universes(folder: Path) -> Iterable[str]:
        from marketsweep.universe.named import read_universes

        universes = read_universes(folder)
        return [*universes.screens, *universes.faulty]

    return _names_with_prefix(ctx, universes, incomplete.lower())


def _names_with_prefix(
    ctx: click.Context, names: Callable[[Path], Iterable[str]], prefix: str
) -> list[str]:
    """Return the names of the data folder with a prefix; none without a folder."""
    from marketsweep.market import data_folder

    data = ctx.params.get("data")
    try:
        all_names = names(data_folder(data if isinstance(data, Path) else None))
    except MarketsweepError:
        return []
    return sorted(name for name in all_names if name.startswith(prefix))[:_MAX_NAMES]
