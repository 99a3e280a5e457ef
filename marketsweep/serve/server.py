"""Run the application on a port of this machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from marketsweep.errors import UsageError
from marketsweep.ingest.providers.base import Provider
from marketsweep.market import Market
from marketsweep.serve.http.app import create_app
from marketsweep.serve.http.guard import LOOPBACK


def serve(
    market: Market,
    host: str,
    port: int,
    ready: Callable[[str], None],
    provider: Callable[[], Provider],
) -> None:
    """Answer requests until a signal ends the process; `ready` is called with the address.

    `provider` returns the source of prices for a sync that a client starts.

    Raises UsageError for an address that is not of this machine, or a port that is in use.
    """
    if bracketed(host) not in LOOPBACK:
        raise UsageError(
            f"--host {host} can be reached from other machines, and requests need no token: use "
            "127.0.0.1, and reach it by an SSH tunnel or a proxy with a password"
        )
    serve_app(create_app(market, provider), host, port, ready)


def serve_app(app: ASGIApp, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Run an application as `serve` does."""
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        lifespan="on",
    )
    ready(f"http://{bracketed(host)}:{listener.getsockname()[1]}")
    with suppress(KeyboardInterrupt):  # uvicorn has ended the requests, and raises it again
        uvicorn.Server(config).run(sockets=[listener])


def bracketed(host: str) -> str:
    """Return a host as it is written in an address."""
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small packets at once; without, each answer of several
    # packets takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} of {host} cannot be used ({error.strerror}): choose another --port, or "
            "--port 0 for any free one"
        ) from None
    listener.listen(128)
    return listener
