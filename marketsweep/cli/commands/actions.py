"""`marketsweep actions`: list splits and dividends, and override one of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.cli.commands._shared import DAY, data_option, echo, json_option, write_json

if TYPE_CHECKING:
    from marketsweep.store.companies.rulings import Kind
    from marketsweep.store.store import Store

_KIND = click.Choice(["split", "dividend"])


def _action_arguments(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        data_option,
        click.argument("kind", metavar="[split|dividend]", type=_KIND, default="split"),
        click.argument("ex_date", metavar="EX-DATE", type=DAY),
        click.argument("symbol"),
    ):
        command = option(command)
    return command


@click.group()
def actions() -> None:
    """Show splits and dividends, and correct them.

    \b
    Examples:
      marketsweep actions list DRYS
      marketsweep actions add DRYS 2016-11-01 split 1-for-15
      marketsweep actions dismiss ITUS 2016-10-18

    Your entry replaces the provider's for the same symbol and day. It survives every sync, and
    changes adjusted prices at once.
    """


@actions.command("list")
@click.argument("symbol", required=False)
@data_option
@json_option
def list_(symbol: str | None, data: Path | None, as_json: bool) -> None:
    """Show the splits and dividends in use, their sources, and those that you dismissed.

    \b
    Examples:
      marketsweep actions list AAPL
      marketsweep actions list --json
    """
    from marketsweep.cli.reports.quality import actions_report
    from marketsweep.market import data_folder
    from marketsweep.quality.overrides import entries
    from marketsweep.store.store import Store

    with Store.open(data_folder(data)) as store, store.snapshot() as snapshot:
        records = entries(snapshot, symbol)
    if as_json:
        write_json([entry.to_dict() for entry in records])
    else:
        echo(actions_report(records))


@actions.command()
@click.argument("symbol")
@click.argument("ex_date", metavar="EX-DATE", type=DAY)
@click.argument("kind", metavar="split|dividend", type=_KIND)
@click.argument("value")
@data_option
def add(symbol: str, ex_date: dt.datetime, kind: Kind, value: str, data: Path | None) -> None:
    """Add a split or dividend that the provider lacks, or replace its own.

    \b
    Examples:
      marketsweep actions add DRYS 2016-11-01 split 1-for-15     a reverse split
      marketsweep actions add UA 2016-04-08 split 2-for-1        two new shares for an old one
      marketsweep actions add KO 2016-06-13 dividend 0.35        dollars a share
    """
    from marketsweep.quality.overrides import add as add_action

    _write(data, lambda store: add_action(store, symbol, ex_date.date(), kind, value))


@actions.command()
@_action_arguments
def dismiss(symbol: str, ex_date: dt.datetime, kind: Kind, data: Path | None) -> None:
    """Dismiss a split or dividend that did not take place.

    \b
    Examples:
      marketsweep actions dismiss ITUS 2016-10-18
      marketsweep actions dismiss KO 2016-06-13 dividend
    """
    from marketsweep.quality.overrides import dismiss as dismiss_action

    _write(data, lambda store: dismiss_action(store, symbol, ex_date.date(), kind))


@actions.command()
@_action_arguments
def remove(symbol: str, ex_date: dt.datetime, kind: Kind, data: Path | None) -> None:
    """Remove your correction, so that the provider's data counts again.

    \b
    Examples:
      marketsweep actions remove DRYS 2016-11-01
      marketsweep actions remove KO 2016-06-13 dividend
    """
    from marketsweep.quality.overrides import remove as remove_action

    _write(data, lambda store: remove_action(store, symbol, ex_date.date(), kind))


def _write(data: Path | None, change: Callable[[Store], str]) -> None:
    from marketsweep.market import data_folder
    from marketsweep.store.store import Store

    with Store.open(data_folder(data)) as store:
        message = change(store)
        echo(f"{message}; data version {store.version()}")
