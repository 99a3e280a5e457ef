"""What a shell completes: symbols, named conditions and universes of the data folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from marketsweep.errors import MarketsweepError

_MOST = 200


def complete_symbol(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the stored symbols that begin with a text."""
    from marketsweep.market import data_folder
    from marketsweep.store.store import Store

    try:
        with Store.open(data_folder(_data(ctx))) as store, store.snapshot() as snapshot:
            return _beginning(snapshot.symbols, incomplete.upper())
    except MarketsweepError:
        return []


def complete_condition(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named conditions that begin with a text."""
    from marketsweep.language.presets import Saved
    from marketsweep.market import data_folder

    try:
        return _beginning(Saved.of(data_folder(_data(ctx))).names(), incomplete.lower())
    except MarketsweepError:
        return []


def complete_universe(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the named universes that begin with a text."""
    from marketsweep.market import data_folder
    from marketsweep.universe.named import read_universes

    try:
        return _beginning(read_universes(data_folder(_data(ctx))).screens, incomplete.lower())
    except MarketsweepError:
        return []


def _data(ctx: click.Context) -> Path | None:
    given = ctx.params.get("data")
    return given if isinstance(given, Path) else None


def _beginning(names: Iterable[str], start: str) -> list[str]:
    return sorted(name for name in names if name.startswith(start))[:_MOST]
