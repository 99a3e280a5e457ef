"""`marketsweep watch`: scan the running session again and again, and tell what changed."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from marketsweep.cli.commands._completion import complete_condition
from marketsweep.cli.commands._shared import (
    Scanning,
    adjust_option,
    data_option,
    echo,
    universe_option,
    unknown_option,
    where_option,
    write_json_line,
)
from marketsweep.cli.commands._sources import massive_source
from marketsweep.errors import UsageError

if TYPE_CHECKING:
    from marketsweep.core.settings import Config
    from marketsweep.engine.panel.adjustments import Adjust
    from marketsweep.live.sources import Update
    from marketsweep.live.watch import Event, Receipt

SECONDS = click.FloatRange(0, 86_400, min_open=True)


@click.command(cls=Scanning)
@click.argument("conditions", nargs=-1, required=True, shell_complete=complete_condition)
@click.option(
    "--source",
    default="snapshot",
    show_default=True,
    type=click.Choice(["snapshot", "minutes"]),
    metavar="snapshot|minutes",
    help="Ask for the whole market again and again, or listen to the stream of minutes.",
)
@click.option(
    "--every",
    default=5.0,
    show_default=True,
    type=SECONDS,
    metavar="SECONDS",
    help="With --source snapshot: time between two snapshots.",
)
@click.option("--delayed", is_flag=True, help="With --source minutes: the stream of 15 min ago.")
@where_option
@universe_option
@unknown_option
@click.option("--sort", metavar="EXPR", help="Rank by this value, for --limit.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Watch who is among the N best matches."
)
@click.option(
    "--confirm",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Report a change after N scans in a row.",
)
@click.option(
    "--cooldown",
    default=0.0,
    type=click.FloatRange(0, 1440),
    metavar="MINUTES",
    help="After a symbol entered, do not report it again for this time.",
)
@click.option(
    "--max-lag",
    type=SECONDS,
    metavar="SECONDS",
    help="Exit with code 3 if no news of the market comes for this time.",
)
@adjust_option
@click.option("--json", "as_json", is_flag=True, help="Write a line of JSON for each change.")
@click.option("--base-url", metavar="URL", help="Another server that speaks Massive's protocol.")
@data_option
def watch(
    conditions: tuple[str, ...],
    source: Literal["snapshot", "minutes"],
    every: float,
    delayed: bool,
    where: str | None,
    universe: str | None,
    unknown: Literal["keep", "drop"] | None,
    sort: str | None,
    limit: int | None,
    confirm: int,
    cooldown: float,
    max_lag: float | None,
    adjust: Adjust,
    as_json: bool,
    base_url: str | None,
    data: Path | None,
) -> None:
    """Scan the running session again and again, and print what enters CONDITIONS and leaves them.

    \b
    Examples:
      marketsweep watch 'rsi(14) < 30 and close > sma(200)'
      marketsweep watch new_52_week_high golden_cross --source minutes
      marketsweep watch uptrend --where 'exchange == "NASDAQ"' --confirm 2 --cooldown 30
      marketsweep watch nr7 --every 15 --json | jq 'select(.event == "entered")'

    The bars of today are laid over the stored ones, in memory: sync first, so that the sessions
    before are stored. The watch ends soon after the close, and at Ctrl-C. It needs
    MASSIVE_API_KEY, and a plan with the snapshot of today or with the stream.
    """
    import asyncio

    from marketsweep.core.settings import read_config
    from marketsweep.live.watch import Options
    from marketsweep.live.watch import watch as run
    from marketsweep.market import data_folder, open_market
    from marketsweep.scan.scan import Scan
    from marketsweep.universe.named import screen_of

    if len(set(conditions)) < len(conditions):
        raise UsageError("a condition was given twice")
    folder = data_folder(data)
    options = Options(confirm, dt.timedelta(minutes=cooldown), max_lag)
    with open_market(folder) as market:
        with market.view() as view:
            own_names = view.own_names()
        screen = screen_of(folder, universe, unknown=unknown, own_names=own_names)
        scans = [
            Scan(
                condition=condition,
                where=where,
                sort=sort,
                limit=limit,
                adjust=adjust,
                own_names=own_names,
                screen=screen,
            )
            for condition in conditions
        ]
        updates = _updates(source, every, base_url, read_config(folder), delayed=delayed)
        say = say_json if as_json else Printer(several=len(conditions) > 1)
        asyncio.run(run(market, scans, updates, options, say))


async def _updates(
    source: str, every: float, base_url: str | None, config: Config, *, delayed: bool
) -> AsyncGenerator[Update, None]:
    from marketsweep.ingest.providers.massive.stream import SILENCE_S, stream_url
    from marketsweep.live.sources import snapshots, streamed

    hint = "replay a session with marketsweep sandbox --replay"
    provider = massive_source(base_url, None, config.calls_per_minute, None, config, hint)
    url = stream_url(base_url, delayed=delayed)
    async with provider:
        key = os.environ["MASSIVE_API_KEY"]
        updates = (
            snapshots(provider, every)
            if source == "snapshot"
            else streamed(provider, url, key, SILENCE_S)
        )
        async with aclosing(updates):
            async for update in updates:
                yield update


def say_json(news: Event | Receipt) -> None:
    """Print news as a line of JSON."""
    write_json_line(news.to_dict())


class Printer:
    """Prints changes to stdout, and receipts to stderr when something else than a count changed."""

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self._last: Receipt | None = None

    def __call__(self, news: Event | Receipt) -> None:
        """Print an event, or a receipt that says something new."""
        from marketsweep.cli.reports.watch import event_line, receipt_lines
        from marketsweep.live.watch import Event

        if isinstance(news, Event):
            echo(event_line(news, several=self._several))
            return
        last, self._last = self._last, news
        if last is None:
            for name, symbols in news.matched.items():
                echo(f"{name}: {', '.join(symbols) or 'no match'}")
        if last is None or (news.phase, news.connections) != (last.phase, last.connections):
            for line in receipt_lines(news):
                echo(line, err=True)
        if last is None:
            for warning in news.warnings:
                echo(f"marketsweep: {warning}", err=True)
