"""`marketsweep demo`: run the whole flow on the example market."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from marketsweep.cli.commands._shared import FILE, echo, progress_line, write_json, write_table


@click.command()
@click.option("--market", type=FILE, metavar="DIR", help="Folder with another example market.")
@click.option(
    "--data",
    type=FILE,
    default="demo-market",
    show_default=True,
    metavar="DIR",
    help="Folder for the market; an earlier demo in it is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the seconds of each stage as JSON.")
def demo(market: Path | None, data: Path, as_json: bool) -> None:
    """Scan the whole US market of 2016, from an empty disk to ranked matches.

    A local server with a delay of 80 ms replaces the provider. Every ticker is fetched over HTTP
    into a new data folder, which you can scan afterwards.
    """
    from marketsweep.cli.demo import remove_earlier_demo, run_demo

    remove_earlier_demo(data)
    with progress_line("fetching") as progress:
        result = run_demo(market, data, progress, lambda line: echo(line, err=True))
    if as_json:
        write_json(result.to_dict())
        return
    from marketsweep.cli.reports.text import demo_report, receipt_report
    from marketsweep.market import open_market

    with open_market(data) as opened:
        write_table(result.hits, opened, sys.stdout.buffer, "splits")
    echo(receipt_report(result.hits))
    echo(demo_report(result, data))
