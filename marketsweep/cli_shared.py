"""What the modules of the command line share: options, dates, JSON."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(path_type=Path)

data_option = click.option(
    "--data",
    metavar="DIR",
    type=FILE,
    help="Data folder. Default: MARKETSWEEP_DATA, else the platform's user data folder.",
)


def date_of(given: dt.datetime | None) -> dt.date | None:
    """The day that an option was given as."""
    return given.date() if given else None


def write_json(facts: object) -> None:
    """Plain data as JSON on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())
