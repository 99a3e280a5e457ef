"""`marketsweep facts`: list the stored facts of symbols, show those of one symbol, remove one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from marketsweep.cli.commands._shared import (
    as_of_option,
    data_option,
    date_of,
    echo,
    json_option,
    write_json,
)


@click.group()
def facts() -> None:
    """List the facts of symbols that you stored, and remove one.

    \b
    Examples:
      marketsweep sync --provider files --symbols fundamentals.csv
      marketsweep facts list
      marketsweep scan 'pe < 15 and close > sma(200)' --where 'float < 100M'

    Each column of a symbols file that marketsweep does not know becomes a fact by its name: a
    number, a text or a date. A column valid_from has the day from which the values of a row count.
    """


@facts.command("list")
@data_option
@json_option
def list_(data: Path | None, as_json: bool) -> None:
    """List the stored facts, with their kinds, numbers of symbols, and days.

    \b
    Examples:
      marketsweep facts list
      marketsweep facts list --json
    """
    from marketsweep.cli.reports.facts import facts_report
    from marketsweep.language.presets import SavedConditions
    from marketsweep.market import data_folder
    from marketsweep.store.store import Store
    from marketsweep.universe.stored_facts import stored_facts

    folder = data_folder(data)
    with Store.open(folder) as store, store.snapshot() as snapshot:
        rows = stored_facts(snapshot, SavedConditions.of(folder))
    if as_json:
        write_json([row.to_dict() for row in rows])
    else:
        echo(facts_report(rows))


@facts.command()
@click.argument("symbol")
@as_of_option
@data_option
@json_option
def show(symbol: str, as_of: dt.datetime | None, data: Path | None, as_json: bool) -> None:
    """Show all facts of SYMBOL, those of its listing and those that you stored.

    \b
    Examples:
      marketsweep facts show AAPL
      marketsweep facts show AAPL --as-of 2016-06-30 --json
    """
    from marketsweep.cli.reports.facts import symbol_report
    from marketsweep.market import open_market
    from marketsweep.scan.market_view import resolve_session
    from marketsweep.universe.stored_facts import facts_of

    with open_market(data) as market, market.view() as view:
        day = resolve_session(view.snapshot, date_of(as_of))
        values = facts_of(view.day(day).reference, view.snapshot.ticker(symbol))
    if as_json:
        write_json(values)
    else:
        echo(symbol_report(values))


@facts.command()
@click.argument("name")
@data_option
def remove(name: str, data: Path | None) -> None:
    """Remove the stored fact NAME of all symbols.

    \b
    Examples:
      marketsweep facts remove pe
    """
    from marketsweep.core.suggest import names_near
    from marketsweep.errors import UsageError
    from marketsweep.market import data_folder
    from marketsweep.store.store import Store

    with Store.open(data_folder(data)) as store:
        with store.snapshot() as snapshot:
            names = list(snapshot.facts())
        if name not in names:
            near = names_near(name, names)
            hint = f"did you mean {near[0]}?" if near else "marketsweep facts list shows all"
            raise UsageError(f"no fact {name!r} is stored: {hint}")
        with store.writer() as writer:
            writer.remove_fact(name)
    echo(f"{name} is removed")
