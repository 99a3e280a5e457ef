"""`marketsweep presets`: conditions by name, those that come along and a user's own."""

from __future__ import annotations

from pathlib import Path

import click

from marketsweep.commands._shared import data_option, write_json


@click.group()
def presets() -> None:
    """Conditions by name, to scan for or to use in others.

    \b
    Examples:
      marketsweep presets list
      marketsweep presets show minervini_trend_template
      marketsweep scan golden_cross
      marketsweep scan 'nr7 and close > sma(200)'
      marketsweep presets save my_dip 'rsi(2) < 10 and uptrend'
    """


@presets.command("list")
@data_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(data: Path | None, as_json: bool) -> None:
    """Every preset, and every condition of your own, with what it is.

    \b
    Examples:
      marketsweep presets list
      marketsweep presets list --json
    """
    from dataclasses import asdict

    from marketsweep.market import data_folder
    from marketsweep.saved import Saved

    found = Saved.of(data_folder(data)).everyone()
    if as_json:
        write_json([asdict(one) for one in found])
        return
    width = max(len(one.name) for one in found)
    for one in found:
        click.echo(f"{one.name:<{width}}  {one.doc}{' (yours)' if one.own else ''}".rstrip())


@presets.command()
@click.argument("name")
@data_option
def show(name: str, data: Path | None) -> None:
    """The condition of one, with what it is.

    \b
    Examples:
      marketsweep presets show darvas_box
    """
    from marketsweep.market import data_folder
    from marketsweep.saved import Saved

    one = Saved.of(data_folder(data)).one(name.lower())
    click.echo(f"{one.doc}\n\n{one.condition}" if one.doc else one.condition)


@presets.command()
@click.argument("name")
@click.argument("condition")
@click.option("--doc", default="", metavar="TEXT", help="What it is, in a sentence.")
@data_option
def save(name: str, condition: str, doc: str, data: Path | None) -> None:
    """Keep CONDITION under NAME; other conditions can use it by that name.

    \b
    Examples:
      marketsweep presets save my_dip 'rsi(2) < 10 and close > sma(200)' --doc 'A dip to buy.'
      marketsweep scan 'my_dip and volume > 1M'
    """
    from marketsweep.market import data_folder
    from marketsweep.saved import save as save_condition
    from marketsweep.store import Store

    folder = data_folder(data)
    Store.open(folder).close()  # says where there is no data folder yet
    click.echo(f"saved as {save_condition(folder, name.lower(), condition, doc).name}")


@presets.command()
@click.argument("name")
@data_option
def remove(name: str, data: Path | None) -> None:
    """Forget a condition of your own.

    \b
    Examples:
      marketsweep presets remove my_dip
    """
    from marketsweep.market import data_folder
    from marketsweep.saved import remove as remove_condition

    remove_condition(data_folder(data), name.lower())
    click.echo(f"{name.lower()} is forgotten")
