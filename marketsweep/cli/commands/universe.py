"""`marketsweep universe`: show named universes, and edit the low-volume list."""

from __future__ import annotations

from pathlib import Path

import click

from marketsweep.cli.commands._shared import (
    data_option,
    echo,
    json_option,
    read_symbols,
    write_json,
)

_expires_option = click.option(
    "--expires", metavar="30d|DATE", help="End of your entry. Default: never."
)


@click.group()
def universe() -> None:
    """Show named universes, and build and edit the low-volume list.

    \b
    Examples:
      marketsweep universe rebuild
      marketsweep universe show
      marketsweep scan 'rsi(14) < 30' --skip-low-volume

    Scans skip the symbols of the list with --skip-low-volume, or in a universe with
    skip_low_volume = true. sync --by-symbol also skips them, which saves one call per symbol. Your
    own entries override the built ones.
    """


@universe.command()
@data_option
@json_option
def show(data: Path | None, as_json: bool) -> None:
    """List the named universes, and the symbols of the low-volume list with their reasons.

    \b
    Examples:
      marketsweep universe show
      marketsweep universe show --json
    """
    from marketsweep.cli.reports.universe import low_volume_report, universes_report
    from marketsweep.market import data_folder
    from marketsweep.scan.loader import own_names_of
    from marketsweep.store.store import Store
    from marketsweep.universe.low_volume import to_dict
    from marketsweep.universe.named import read_universes
    from marketsweep.universe.prescreen import own_facts_of

    folder = data_folder(data)
    with Store.open(folder) as store, store.snapshot() as snapshot:
        own_names = own_names_of(folder, own_facts_of(snapshot))
        universes = read_universes(folder, own_names)
        lines, day = snapshot.low_volume(), snapshot.newest
    for error in universes.faulty.values():
        echo(f"marketsweep: {error}", err=True)
    if as_json:
        write_json(
            {
                "universes": {name: screen.parts for name, screen in universes.screens.items()},
                "faulty": universes.faulty,
                "session": day and str(day),
                "low_volume": [to_dict(line, day) for line in lines],
            }
        )
    else:
        echo(f"{universes_report(universes.screens)}\n{low_volume_report(lines, day)}")


@universe.command()
@click.option(
    "--min-dollar-volume",
    default="1M",
    show_default=True,
    metavar="DOLLARS",
    help="Median dollar volume of a session below which a symbol is on the list.",
)
@click.option("--sessions", default=20, show_default=True, type=click.IntRange(1, 5_000))
@click.option(
    "--expires",
    default="30d",
    show_default=True,
    metavar="30d|DATE",
    help="End of the new entries, counted from the session.",
)
@data_option
@json_option
def rebuild(
    min_dollar_volume: str, sessions: int, expires: str, data: Path | None, as_json: bool
) -> None:
    """Build the low-volume list from the newest session; your own entries stay.

    \b
    Examples:
      marketsweep universe rebuild
      marketsweep universe rebuild --min-dollar-volume 500K --sessions 63 --expires 90d
    """
    from marketsweep.cli.reports.universe import rebuilt_report
    from marketsweep.market import data_folder
    from marketsweep.store.store import Store
    from marketsweep.universe.low_volume import rebuild as rebuild_list
    from marketsweep.universe.named import dollars

    floor = dollars(min_dollar_volume)
    with Store.open(data_folder(data)) as store:
        rebuilt = rebuild_list(store, floor, sessions, expires)
    if as_json:
        write_json(rebuilt.to_dict())
    else:
        echo(rebuilt_report(rebuilt))


@universe.command()
@click.argument("symbols", metavar="A,B|@FILE...", nargs=-1, required=True)
@_expires_option
@data_option
def exclude(symbols: tuple[str, ...], expires: str | None, data: Path | None) -> None:
    """Put symbols on the low-volume list.

    \b
    Examples:
      marketsweep universe exclude TVIX UVXY
      marketsweep universe exclude @never.txt --expires 90d
    """
    _set_override(symbols, expires, data, out=True)


@universe.command()
@click.argument("symbols", metavar="A,B|@FILE...", nargs=-1, required=True)
@_expires_option
@data_option
def include(symbols: tuple[str, ...], expires: str | None, data: Path | None) -> None:
    """Keep symbols off the low-volume list, also after a rebuild.

    \b
    Examples:
      marketsweep universe include BRK.A
      marketsweep universe include @watchlist.txt --expires 2027-01-31
    """
    _set_override(symbols, expires, data, out=False)


def _set_override(
    symbols: tuple[str, ...], expires: str | None, data: Path | None, *, out: bool
) -> None:
    from marketsweep.market import data_folder
    from marketsweep.store.store import Store
    from marketsweep.universe.low_volume import set_override

    chosen = list(dict.fromkeys(symbol for text in symbols for symbol in read_symbols(text)))
    with Store.open(data_folder(data)) as store:
        message = set_override(store, chosen, expires, out=out)
        echo(f"{message}; data version {store.version()}")
