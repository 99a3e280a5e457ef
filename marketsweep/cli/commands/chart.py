"""`marketsweep chart`: draw one symbol as a page for a browser."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from marketsweep.cli.commands._completion import complete_symbol
from marketsweep.cli.commands._shared import (
    FILE,
    adjust_option,
    as_of_option,
    data_option,
    date_of,
    echo,
    refuse_store_file,
)

if TYPE_CHECKING:
    from marketsweep.engine.panel.adjustments import Adjust


@click.command()
@click.argument("symbol", shell_complete=complete_symbol)
@click.argument("indicators", nargs=-1)
@click.option("--condition", metavar="COND", help="Mark the bars on which this condition is true.")
@click.option(
    "--bars",
    default=252,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Number of bars to draw.",
)
@as_of_option
@adjust_option
@click.option("--output", type=FILE, metavar="FILE", help="Page to write. Default: SYMBOL.html.")
@data_option
def chart(
    symbol: str,
    indicators: tuple[str, ...],
    condition: str | None,
    bars: int,
    as_of: dt.datetime | None,
    adjust: Adjust,
    output: Path | None,
    data: Path | None,
) -> None:
    """Draw SYMBOL with INDICATORS as a page for a browser.

    \b
    Examples:
      marketsweep chart AAPL
      marketsweep chart AAPL 'sma(50)' 'bbands(20, 2)' 'rsi(14)' 'macd(12, 26, 9)'
      marketsweep chart MSFT --condition 'close crosses above sma(50)' --bars 500
      marketsweep chart BRK.B --as-of 2016-06-30 --output brk.html

    The page has candles, volume, splits, dividends and suspicious bars. It needs no network.
    """
    from marketsweep.market import data_folder, open_market
    from marketsweep.output.charts.folder import page_name

    with open_market(data_folder(data)) as market:
        page = market.chart(
            symbol, list(indicators), condition, as_of=date_of(as_of), bars=bars, adjust=adjust
        )
    for warning in page.drawing.warnings:
        echo(f"marketsweep: {warning}", err=True)
    path = output or Path(page_name(page.drawing.symbol))
    refuse_store_file(path)
    page.save(path)
    echo(f"{path}: {page.drawing.symbol}, {len(page.drawing.days):,} bars; open it in a browser")
