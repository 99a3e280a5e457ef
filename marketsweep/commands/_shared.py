"""What commands share: options, dates, JSON, progress."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import click

from marketsweep.errors import UsageError

DAY = click.DateTime(["%Y-%m-%d"])
FILE = click.Path(path_type=Path)

data_option = click.option(
    "--data",
    metavar="DIR",
    type=FILE,
    help="Data folder. Default: MARKETSWEEP_DATA, else the platform's user data folder.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="As JSON.")
where_option = click.option("--where", metavar="COND", help="Pre-screen on reference data.")
universe_option = click.option(
    "--universe", metavar="NAME", help="A named pre-screen: universe.toml, or built in."
)
unknown_option = click.option(
    "--unknown",
    type=click.Choice(["keep", "drop"]),
    metavar="keep|drop",
    help="Symbols of which the pre-screen lacks a fact. Default: drop.",
)
as_of_option = click.option(
    "--as-of", type=DAY, help="The market as it was that day. Default: the newest."
)


def date_of(given: dt.datetime | None) -> dt.date | None:
    """The day that an option was given as."""
    return given.date() if given else None


def write_json(facts: object) -> None:
    """Plain data as JSON on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


@contextlib.contextmanager
def progress_line(what: str) -> Iterator[Callable[[int, int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; on stderr either way."""
    from marketsweep.reports import ProgressLine

    line = ProgressLine(what, sys.stderr)
    try:
        yield line
    finally:
        line.close()


@contextlib.contextmanager
def output_file(path: Path | None) -> Iterator[IO[bytes]]:
    """A file to write an answer to; stdout for None. Raises UsageError where it cannot be."""
    if path is None:
        if sys.stdout is None:
            raise UsageError("there is no stdout to write to: add --output FILE")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
