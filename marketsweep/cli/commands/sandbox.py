"""`marketsweep sandbox`: serve a file of bars as the provider would."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from marketsweep.cli.commands._shared import DAY, FILE, SHARE, date_of


@click.command()
@click.option(
    "--bars",
    required=True,
    type=FILE,
    metavar="FILE",
    help="Bars to serve, as Parquet, CSV or Arrow.",
)
@click.option("--actions", type=FILE, metavar="FILE", help="Splits and dividends to serve.")
@click.option("--symbols", type=FILE, metavar="FILE", help="Reference data to serve.")
@click.option(
    "--facts", type=FILE, metavar="FILE", help="Facts to serve: symbol, known_on, name, value."
)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port; 0 for any free one.")
@click.option("--latency", default=0.0, metavar="MS", help="Delay of each answer, in milliseconds.")
@click.option(
    "--calls-per-minute", type=click.IntRange(1), metavar="N", help="Answer further calls with 429."
)
@click.option(
    "--api-key", default="sandbox", show_default=True, metavar="KEY", help="API key to accept."
)
@click.option("--now", type=DAY, help="Day that the server uses as today.")
@click.option("--replay", type=DAY, help="Session to replay, minute by minute from its open.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    metavar="TIMES",
    help="With --replay: how many times as fast the session passes.",
)
@click.option(
    "--stream-faults", default="", metavar="KIND,...", help="With --replay: cut, silence, ..."
)
@click.option(
    "--faults", default="", metavar="KIND,...", help="Faults to inject: all, or 429,reset,..."
)
@click.option("--fault-share", default=0.05, show_default=True, type=SHARE)
@click.option("--seed", default=0, show_default=True, help="Seed of the random faults.")
def sandbox(
    bars: Path,
    actions: Path | None,
    symbols: Path | None,
    facts: Path | None,
    port: int,
    latency: float,
    calls_per_minute: int | None,
    api_key: str,
    now: dt.datetime | None,
    replay: dt.datetime | None,
    speed: float,
    stream_faults: str,
    faults: str,
    fault_share: float,
    seed: int,
) -> None:
    """Serve files of bars on this machine with Massive's protocol.

    \b
    Examples:
      marketsweep sandbox --bars examples/us-2016/bars.parquet --latency 80
      marketsweep sandbox --bars bars.csv --faults 429,500,reset --fault-share 0.2
      marketsweep sandbox --bars examples/us-2016/bars.parquet --replay 2016-12-30 --speed 60
    A replayed session begins with its first visitor: a snapshot, or a WebSocket at /stocks.
    It prints its address on one line when it is ready, and stops at Ctrl-C.
    """
    from marketsweep.ingest.sandbox.faults import chosen_faults
    from marketsweep.ingest.sandbox.live.stream import FAULTS as STREAM_FAULTS
    from marketsweep.ingest.sandbox.server import serve
    from marketsweep.ingest.sandbox.settings import Settings

    serve(
        Settings(
            bars=bars,
            actions=actions,
            symbols=symbols,
            facts=facts,
            port=port,
            latency_ms=latency,
            calls_per_minute=calls_per_minute,
            api_key=api_key,
            now=date_of(now),
            replay=date_of(replay),
            speed=speed,
            stream_faults=chosen_faults(stream_faults, STREAM_FAULTS),
            faults=chosen_faults(faults),
            fault_share=fault_share,
            seed=seed,
        )
    )
