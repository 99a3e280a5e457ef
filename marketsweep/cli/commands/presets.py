"""`marketsweep presets`: list, run and edit named conditions, built in and the user's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.cli.commands._shared import (
    as_of_option,
    data_option,
    date_of,
    echo,
    json_option,
    where_option,
    write_json,
)
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.language.parsing.own_names import OwnNames
    from marketsweep.store.snapshot import Snapshot

_SHOWN = 5
"""The number of matches named after the count."""


@click.group()
def presets() -> None:
    """List, show, run and save named conditions.

    \b
    Examples:
      marketsweep presets list
      marketsweep presets show minervini_trend_template
      marketsweep presets run                  all of them, in one pass
      marketsweep scan golden_cross
      marketsweep scan 'nr7 and close > sma(200)'
      marketsweep presets save my_dip 'rsi(2) < 10 and uptrend'
    """


@presets.command("list")
@data_option
@json_option
def list_(data: Path | None, as_json: bool) -> None:
    """List the presets and your own conditions, with a description each.

    \b
    Examples:
      marketsweep presets list
      marketsweep presets list --json
    """
    from marketsweep.language.presets import SavedConditions
    from marketsweep.market import data_folder

    saved = SavedConditions.of(data_folder(data))
    rows = saved.everyone()
    for fault in saved.faults():
        echo(f"marketsweep: {fault}", err=True)
    if as_json:
        write_json([row._asdict() for row in rows])
        return
    width = max(len(row.name) for row in rows)
    for row in rows:
        echo(f"{row.name:<{width}}  {row.doc}{' (yours)' if row.own else ''}".rstrip())


@presets.command()
@click.argument("name")
@data_option
def show(name: str, data: Path | None) -> None:
    """Show a named condition and its description.

    \b
    Examples:
      marketsweep presets show darvas_box
    """
    from marketsweep.language.presets import SavedConditions
    from marketsweep.market import data_folder

    condition = SavedConditions.of(data_folder(data)).one(name.lower())
    echo(f"{condition.doc}\n\n{condition.condition}" if condition.doc else condition.condition)


@presets.command()
@click.argument("names", nargs=-1)
@where_option
@as_of_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="Write all matches as JSON.")
def run(
    names: tuple[str, ...],
    where: str | None,
    as_of: dt.datetime | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Scan for several named conditions, or all, in one pass.

    \b
    Examples:
      marketsweep presets run
      marketsweep presets run golden_cross nr7 inside_day --as-of 2016-12-30
      marketsweep presets run --where 'exchange == "NASDAQ"' --json
    """
    from marketsweep.cli.reports.text import receipt_report
    from marketsweep.language.presets import SavedConditions
    from marketsweep.market import data_folder, open_market
    from marketsweep.scan.receipt import MIN_COVERAGE, require_coverage

    folder = data_folder(data)
    saved = SavedConditions.of(folder)
    requested = [saved.one(name.lower()).name for name in names] or saved.names()
    for fault in [] if names else saved.faults():
        echo(f"marketsweep: {fault}", err=True)
    with open_market(folder) as market:
        with market.view() as view:
            usable = list(_usable(requested, view.own_names(), view.snapshot))
        if not usable:
            raise UsageError("none of these conditions can be evaluated on this data")
        answers = market.scan_together(usable, where=where, as_of=date_of(as_of))
    for warning in dict.fromkeys(warning for hits in answers for warning in hits.warnings):
        echo(f"marketsweep: {warning}", err=True)
    if as_json:
        write_json([hits.to_dict() for hits in answers])
    else:
        width = max(map(len, usable))
        for hits in answers:
            best = ", ".join(hits.symbols[:_SHOWN])
            echo(f"{hits.condition:<{width}}  {len(hits):>6,}  {best}".rstrip())
    widest = max(answers, key=lambda hits: hits.coverage.evaluated)
    echo(receipt_report(widest), err=True)
    require_coverage(widest, MIN_COVERAGE)


def _usable(names: Iterable[str], own_names: OwnNames, snapshot: Snapshot) -> Iterator[str]:
    """Yield the names of conditions that can be evaluated; report why the others cannot.

    A condition may use another condition that was removed, or a symbol without bars.
    """
    from marketsweep.language.tree import OtherSymbol
    from marketsweep.scan.query import parse_condition

    for name in names:
        try:
            for part in parse_condition(name, own_names).walk():
                if isinstance(part, OtherSymbol):
                    snapshot.ticker(part.symbol)
        except UsageError as error:
            echo(f"marketsweep: {name} is skipped: {error}", err=True)
        else:
            yield name


@presets.command()
@click.argument("name")
@click.argument("condition")
@click.option("--doc", default="", metavar="TEXT", help="Description, in one sentence.")
@data_option
def save(name: str, condition: str, doc: str, data: Path | None) -> None:
    """Save CONDITION as NAME; other conditions can use that name.

    \b
    Examples:
      marketsweep presets save my_dip 'rsi(2) < 10 and close > sma(200)' --doc 'A dip to buy.'
      marketsweep scan 'my_dip and volume > 1M'
    """
    from marketsweep.language.presets import save as save_condition
    from marketsweep.market import data_folder
    from marketsweep.scan.loader import own_names_of
    from marketsweep.store.store import Store
    from marketsweep.universe.prescreen import own_facts_of

    folder = data_folder(data)
    with Store.open(folder) as store, store.snapshot() as snapshot:
        own_names = own_names_of(folder, own_facts_of(snapshot))
    echo(f"saved as {save_condition(folder, name.lower(), condition, doc, own_names).name}")


@presets.command()
@click.argument("name")
@data_option
def remove(name: str, data: Path | None) -> None:
    """Delete one of your own conditions.

    \b
    Examples:
      marketsweep presets remove my_dip
    """
    from marketsweep.language.presets import remove as remove_condition
    from marketsweep.market import data_folder

    remove_condition(data_folder(data), name.lower())
    echo(f"{name.lower()} was deleted")
