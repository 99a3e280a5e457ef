"""`marketsweep status`: show what is stored, and what is doubtful or damaged."""

from __future__ import annotations

from pathlib import Path

import click

from marketsweep.cli.commands._shared import (
    data_option,
    echo,
    json_option,
    progress_line,
    write_json,
)
from marketsweep.errors import StoreError, UsageError


@click.command()
@data_option
@click.option("--verify/--no-verify", default=True, help="Check every byte against its checksum.")
@click.option("--quality", is_flag=True, help="List suspicious bars, with the evidence.")
@click.option("--symbol", help="With --quality: of this symbol only.")
@json_option
def status(
    data: Path | None, verify: bool, quality: bool, symbol: str | None, as_json: bool
) -> None:
    """Show what is stored: sessions, symbols, gaps, faults of the data, damage.

    \b
    Examples:
      marketsweep status
      marketsweep status --json --no-verify
      marketsweep status --quality                  suspicious bars by rule, the newest of each
      marketsweep status --quality --symbol NEE
    """
    from marketsweep.cli.reports.text import status_report
    from marketsweep.market import data_folder
    from marketsweep.store.status import read_status
    from marketsweep.store.store import Store

    if quality:
        _show_quality(data_folder(data), symbol, as_json)
        return
    if symbol is not None:
        raise UsageError("--symbol goes with --quality")
    with Store.open(data_folder(data)) as store:
        result = read_status(store, verify=verify)
    if as_json:
        write_json(result.to_dict())
    else:
        echo(status_report(result))
    if result.damages:
        raise StoreError(
            f"{len(result.damages)} damages: run marketsweep repair, which keeps what is good"
        )


def _show_quality(folder: Path, symbol: str | None, as_json: bool) -> None:
    from marketsweep.cli.reports.quality import quality_report
    from marketsweep.quality.inspection import read_quality
    from marketsweep.store.store import Store

    with Store.open(folder) as store, progress_line("judging symbols") as progress:
        result = read_quality(store, symbol, progress)
    if as_json:
        write_json(result.to_dict())
    else:
        echo(quality_report(result))
