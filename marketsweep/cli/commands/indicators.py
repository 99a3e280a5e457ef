"""`marketsweep indicators`: list what a condition can use."""

from __future__ import annotations

import click

from marketsweep.cli.commands._shared import echo, json_option, write_json


@click.command()
@click.argument("name", required=False)
@json_option
def indicators(name: str | None, as_json: bool) -> None:
    """List what a condition can use, or describe the indicator NAME.

    \b
    Examples:
      marketsweep indicators
      marketsweep indicators macd
    """
    from marketsweep.cli.reports.indicators import indicators_report
    from marketsweep.output.indicator_facts import indicators_facts

    if as_json:
        write_json(indicators_facts(name))
    else:
        echo(indicators_report(name))
