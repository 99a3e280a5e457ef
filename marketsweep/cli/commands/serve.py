"""`marketsweep serve`: the web page and the HTTP API over a data folder."""

from __future__ import annotations

from contextlib import closing
from functools import partial
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
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="Host name by which others reach the server; can be given several times.",
)
@click.option("--cert", type=click.Path(path_type=Path), help="TLS: file of the certificate chain.")
@click.option("--key", type=click.Path(path_type=Path), help="TLS: file of its private key.")
@click.option(
    "--proxy-headers",
    "proxies",
    metavar="ADDRESS,...",
    help="Proxies before the server: their addresses or networks, such as 10.0.0.0/8.",
)
@click.option(
    "--cors",
    "origins",
    multiple=True,
    metavar="SITE",
    help="Site whose pages may use the API, such as https://app.example.org.",
)
@click.option("--sync", "syncs", is_flag=True, help="Also sync, now and after each close.")
@click.option(
    "--base-url", metavar="URL", help="For a sync: another server that speaks Massive's protocol."
)
@data_option
def serve(
    host: str,
    port: int,
    names: tuple[str, ...],
    cert: Path | None,
    key: Path | None,
    proxies: str | None,
    origins: tuple[str, ...],
    syncs: bool,
    base_url: str | None,
    data: Path | None,
) -> None:
    """Serve the web page and the HTTP API of the data folder.

    \b
    Examples:
      marketsweep serve                         # open http://127.0.0.1:8600
      marketsweep serve --port 0 --data DIR
      curl 'http://127.0.0.1:8600/api/v1/scan?q=nr7&limit=3'
      marketsweep serve --sync                  # and sync after each close
      marketsweep token create --scope scan
      marketsweep serve --host 0.0.0.0 --name scanner.example.org --cert chain.pem --key key.pem

    It prints its address on one line when it is ready, and stops at Ctrl-C. What a sync in
    another terminal stores is seen soon after; with MASSIVE_API_KEY set, the page can start one.
    /openapi.json describes the API. On this machine requests need no token. If other machines
    can reach the server, each request needs one: see marketsweep token.
    """
    from marketsweep.core.settings import read_config
    from marketsweep.market import data_folder, open_market
    from marketsweep.store.store import Store

    try:
        from marketsweep.serve.api.service import Service
        from marketsweep.serve.reach import Reach
        from marketsweep.serve.server import Certificate
        from marketsweep.serve.server import serve as run
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serve needs a package that is not installed ({error.name}): pip install "
            "'marketsweep[serve]'"
        ) from None
    if (cert is None) != (key is None):
        raise UsageError("--cert and --key belong together: give both")
    certificate = Certificate(cert, key) if cert and key else None
    networks = [part.strip() for part in proxies.split(",")] if proxies else []
    reach = Reach.of(host, names, origins, networks)
    folder = data_folder(data)
    config = read_config(folder)
    hint = "sync in a terminal that has the key; then start marketsweep serve there again"
    limits = config.calls_per_minute, config.concurrency
    provider = partial(massive_source, base_url, None, *limits, config, hint)
    if syncs:
        provider()  # raises without a key, before a folder is created
        Store.create(folder).close()

    def ready(address: str) -> None:
        echo(f"marketsweep serves {address}")
        if not (reach.is_private or certificate or reach.proxies):
            echo(
                "marketsweep: requests and tokens are not encrypted: use --cert and --key, or a "
                "proxy with TLS and --proxy-headers",
                err=True,
            )

    with open_market(folder) as market, closing(Service(market, provider)) as service:
        if syncs:
            service.sync.watch(lambda line: echo(f"marketsweep: {line}", err=True))
        run(service, reach, port, ready, certificate)
