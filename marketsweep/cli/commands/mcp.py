"""`marketsweep mcp`: tools for assistants over the data folder."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from marketsweep.cli.commands._shared import data_option, echo
from marketsweep.errors import UsageError


@click.command()
@click.option("--http", is_flag=True, help="Serve over HTTP on this machine; default: stdio.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="With --http: port; 0 for any free one. Default: 8601.",
)
@data_option
def mcp(http: bool, port: int | None, data: Path | None) -> None:
    """Serve tools for assistants (Model Context Protocol) over the data folder.

    \b
    Examples:
      marketsweep mcp                    # an assistant starts this and talks over stdio
      marketsweep mcp --http             # http://127.0.0.1:8601/mcp

    The tools scan, explain, study, read bars and facts, and describe the condition language. They
    change no data. Each result has the command that gives the same.
    """
    from marketsweep.market import data_folder, open_market

    if port is not None and not http:
        raise UsageError("--port needs --http")
    try:
        from marketsweep.serve.api.service import Service
        from marketsweep.serve.assistants.tools import create_server
        from marketsweep.serve.http.guard import Guard
        from marketsweep.serve.reach import Reach
        from marketsweep.serve.server import serve_app
    except ModuleNotFoundError as error:
        raise UsageError(
            f"mcp needs a package that is not installed ({error.name}): pip install "
            "'marketsweep[mcp]'"
        ) from None
    with open_market(data_folder(data)) as market, closing(Service(market)) as service:
        server = create_server(service)
        if http:
            serve_app(
                Guard(server.streamable_http_app(), Reach()),
                "127.0.0.1",
                8601 if port is None else port,
                lambda address: echo(f"marketsweep serves {address}/mcp"),
            )
        else:
            server.run("stdio")
