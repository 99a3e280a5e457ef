"""`marketsweep demo`: run the whole flow on the example market."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from marketsweep.cli.commands._shared import FILE, echo, progress_line, write_json, write_table
from marketsweep.cli.commands.watch import Printer, say_json


@click.command()
@click.option("--market", type=FILE, metavar="DIR", help="Folder with another example market.")
@click.option(
    "--data",
    type=FILE,
    metavar="DIR",
    help="Folder for the market; an earlier demo in it is replaced. Default: demo-market, or "
    "demo-live.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the seconds of each stage as JSON.")
@click.option(
    "--live", is_flag=True, help="Replay the last session, and watch three presets meanwhile."
)
@click.option(
    "--speed",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    metavar="TIMES",
    help="With --live: how many times as fast the session passes.",
)
def demo(market: Path | None, data: Path | None, as_json: bool, live: bool, speed: float) -> None:
    """Scan the whole US market of 2016, from an empty disk to ranked matches.

    A local server with a delay of 80 ms replaces the provider. Every ticker is fetched over HTTP
    into a new data folder, which you can scan afterwards.

    \b
    Examples:
      marketsweep demo
      marketsweep demo --live            # a session in six and a half minutes
    """
    from marketsweep.cli.demo import remove_earlier_demo, run_demo, run_live_demo

    def say(line: str) -> None:
        echo(line, err=True)

    data = data or Path("demo-live" if live else "demo-market")
    remove_earlier_demo(data)
    if live:
        tell = say_json if as_json else Printer(several=True)
        with progress_line("fetching") as progress:
            run_live_demo(market, data, speed, progress, say, tell)
        return
    with progress_line("fetching") as progress:
        result = run_demo(market, data, progress, say)
    if as_json:
        write_json(result.to_dict())
        return
    from marketsweep.cli.reports.text import demo_report, receipt_report
    from marketsweep.market import open_market

    with open_market(data) as opened:
        write_table(result.hits, opened, sys.stdout.buffer, "splits")
    echo(receipt_report(result.hits))
    echo(demo_report(result, data))
