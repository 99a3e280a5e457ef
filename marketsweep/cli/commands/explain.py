"""`marketsweep explain`: show why a symbol matches a condition, or how far it is from a match."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.cli.commands._completion import complete_condition, complete_symbol
from marketsweep.cli.commands._shared import (
    adjust_option,
    as_of_option,
    data_option,
    date_of,
    echo,
    json_option,
    write_json,
)

if TYPE_CHECKING:
    from marketsweep.engine.panel.adjustments import Adjust


@click.command()
@click.argument("symbol", shell_complete=complete_symbol)
@click.argument("condition", shell_complete=complete_condition)
@as_of_option
@adjust_option
@data_option
@json_option
def explain(
    symbol: str,
    condition: str,
    as_of: dt.datetime | None,
    adjust: Adjust,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show the value of each part of CONDITION for SYMBOL, and how far it is from passing.

    \b
    Examples:
      marketsweep explain AAPL 'rsi(14) < 30 and close > sma(200)'
      marketsweep explain NVDA minervini_trend_template --as-of 2016-09-30
      marketsweep explain BRK.B 'percentile(roc(63)) > 90%' --json

    A distance is how far the nearer side of a comparison would have to move, in percent.
    """
    from marketsweep.core.safe_text import study_command
    from marketsweep.market import data_folder, open_market

    with open_market(data_folder(data)) as market:
        explanation = market.explain(symbol, condition, as_of=date_of(as_of), adjust=adjust)
    for warning in explanation.warnings:
        echo(f"marketsweep: {warning}", err=True)
    if as_json:
        write_json(explanation.to_dict())
    else:
        echo(str(explanation))
        echo(f"what followed its signals: {study_command(condition)}", err=True)
