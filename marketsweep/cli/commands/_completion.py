"""What a shell completes: symbols, named conditions and universes of the data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click

from marketsweep.errors import MarketsweepError

_MOST = 200


def complete_symbol(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the stored symbols that begin with a text."""

    def symbols(folder: Path) -> Iterable[str]:
        from marketsweep.store.store import Store

        with Store.open(folder) as store, store.snapshot() as snapshot:
            return snapshot.symbols

    return _beginning(ctx, symbols, incomplete.upper())


def complete_condition(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named conditions that begin with a text."""

    def conditions(folder: Path) -> Iterable[str]:
        from marketsweep.language.presets import Saved

        return Saved.of(folder).names()

    return _beginning(ctx, conditions, incomplete.lower())


def complete_universe(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named universes that begin with a text."""

    def universes(folder: Path) -> Iterable[str]:
        from marketsweep.universe.named import read_universes

        return read_universes(folder).screens

    return _beginning(ctx, universes, incomplete.lower())


def _beginning(ctx: click.Context, names: Callable[[Path], Iterable[str]], start: str) -> list[str]:
    """Return the names of the data folder that begin with a text; none without a folder."""
    from marketsweep.market import data_folder

    given = ctx.params.get("data")
    try:
        found = names(data_folder(given if isinstance(given, Path) else None))
    except MarketsweepError:
        return []
    return sorted(name for name in found if name.startswith(start))[:_MOST]
