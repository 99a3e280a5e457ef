"""Run the application on an address of this machine."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import uvicorn
from starlette.types import ASGIApp

from marketsweep.errors import UsageError
from marketsweep.serve.api.service import Service
from marketsweep.serve.http.app import create_app
from marketsweep.serve.http.connection import Connection
from marketsweep.serve.reach import Reach, bracketed

MOST_CONNECTIONS: Final = 4000
"""Connections at a time; requests of further ones get the status 503."""


class Certificate(NamedTuple):
    """The files of a certificate: its chain, and its private key."""

    chain: Path
    key: Path


def serve(
    service: Service,
    reach: Reach,
    port: int,
    ready: Callable[[str], None],
    certificate: Certificate | None = None,
) -> None:
    """Answer requests until a signal ends the process; `ready` is called with the address.

    Raises UsageError for a port that is in use, for a certificate that cannot be used, and if
    requests need a token and there is none.
    """
    more: dict[str, Any] = {"proxy_headers": bool(reach.proxies)}
    if reach.proxies:
        more["forwarded_allow_ips"] = list(reach.proxies)
    if certificate is not None:
        _check_certificate(certificate)
        more |= {"ssl_certfile": certificate.chain, "ssl_keyfile": certificate.key}
    stopping = service.sync.end_streams
    serve_app(create_app(service, reach), reach.host, port, ready, stopping, **more)


def serve_app(
    app: ASGIApp,
    host: str,
    port: int,
    ready: Callable[[str], None],
    stopping: Callable[[], None] = lambda: None,
    **more: Any,  # noqa: ANN401, the keywords of uvicorn.Config
) -> None:
    """Run an application as `serve` does; `stopping` is called when a signal ends it."""
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=MOST_CONNECTIONS,
        lifespan="on",
        **{"proxy_headers": False} | more,
    )
    scheme = "https" if config.is_ssl else "http"
    ready(f"{scheme}://{bracketed(host)}:{listener.getsockname()[1]}")
    # uvicorn ends the requests, and then sends the signal again to the handler from before. Without
    # this one, SIGTERM would end the process before the data folder is closed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        _Server(config, stopping).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that ends its endless streams before it waits for the end of all requests."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, and then all else."""
        self._stopping()
        await super().shutdown(sockets)


def _check_certificate(certificate: Certificate) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*certificate)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"--cert {certificate.chain} and --key {certificate.key} cannot be used: "
            f"{error.strerror or error}"
        ) from None


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
