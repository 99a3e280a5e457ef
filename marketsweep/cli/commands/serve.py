"""`marketsweep serve`: the web page and the HTTP API over a data folder."""

from __future__ import annotations

from pathlib import Path

import click

from marketsweep.cli.commands._shared import data_option, echo
from marketsweep.cli.commands._sources import massive_source
from marketsweep.errors import UsageError


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on."
)
@click.option(
    "--port",
    default=8600,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port; 0 for any free one.",
)
@click.option(
    "--base-url", metavar="URL", help="For a sync: another server that speaks Massive's protocol."
)
@data_option
def serve(host: str, port: int, base_url: str | None, data: Path | None) -> None:
    """Serve the web page and the HTTP API of the data folder on this machine.

    \b
    Examples:
      marketsweep serve                         # open http://127.0.0.1:8600
      marketsweep serve --port 0 --data DIR
      curl 'http://127.0.0.1:8600/api/v1/scan?q=nr7&limit=3'

    It prints its address on one line when it is ready, and stops at Ctrl-C. What a sync in
    another terminal stores is seen soon after; with MASSIVE_API_KEY set, the page can start one.
    /openapi.json describes the API.
    """
    from marketsweep.market import data_folder, open_market

    try:
        from marketsweep.serve.server import serve as run
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serve needs a package that is not installed ({error.name}): pip install "
            "'marketsweep[serve]'"
        ) from None
    with open_market(data_folder(data)) as market:
        config = market.config
        run(
            market,
            host,
            port,
            lambda address: echo(f"marketsweep serves {address}"),
            lambda: massive_source(
                base_url,
                None,
                config.calls_per_minute,
                config.concurrency,
                config,
                "run the sync in a terminal",
            ),
        )
