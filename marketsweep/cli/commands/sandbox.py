"""`marketsweep sandbox`: serve a bar file as the provider would."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from marketsweep.cli.commands._shared import DAY, FILE, date_of


@click.command()
@click.option("--bars", required=True, type=FILE, metavar="FILE", help="Parquet, CSV or Arrow.")
@click.option("--actions", type=FILE, metavar="FILE", help="Splits and dividends.")
@click.option("--symbols", type=FILE, metavar="FILE", help="Reference data.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--latency", default=0.0, metavar="MS", help="Milliseconds that every call waits.")
@click.option("--calls-per-minute", type=click.IntRange(1), metavar="N", help="Refuse more: 429.")
@click.option("--api-key", default="sandbox", show_default=True, metavar="KEY", help="Accept this.")
@click.option("--now", type=DAY, help="Later sessions are not yet there.")
@click.option("--faults", default="", metavar="KIND,...", help="Go wrong: all, or 429,reset,...")
@click.option("--fault-share", default=0.05, show_default=True, type=click.FloatRange(0, 1))
@click.option("--seed", default=0, show_default=True, help="Of the faults.")
def sandbox(
    bars: Path,
    actions: Path | None,
    symbols: Path | None,
    port: int,
    latency: float,
    calls_per_minute: int | None,
    api_key: str,
    now: dt.datetime | None,
    faults: str,
    fault_share: float,
    seed: int,
) -> None:
    """Serve a bar file as Massive would, on this machine.

    \b
    Examples:
      marketsweep sandbox --bars examples/us-2016/bars.parquet --latency 80
      marketsweep sandbox --bars bars.csv --faults 429,500,reset --fault-share 0.2
    It prints its address on one line when it is ready, and stops at Ctrl-C.
    """
    from marketsweep.ingest.sandbox.faults import chosen_faults
    from marketsweep.ingest.sandbox.server import serve
    from marketsweep.ingest.sandbox.settings import Settings

    serve(
        Settings(
            bars=bars,
            actions=actions,
            symbols=symbols,
            port=port,
            latency_ms=latency,
            calls_per_minute=calls_per_minute,
            api_key=api_key,
            now=date_of(now),
            faults=chosen_faults(faults),
            fault_share=fault_share,
            seed=seed,
        )
    )
