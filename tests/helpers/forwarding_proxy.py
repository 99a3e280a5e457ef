"""A forwarding HTTP proxy on a loopback port, to which every name is one server.

Absolute addresses are forwarded, CONNECT opens a tunnel; with a user and password, whoever does
not show them gets a 407. `heads` is what it read of each request.
"""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


class Proxy:
    """The proxy; `url` is where it listens."""

    def __init__(self, target: str, credentials: str | None) -> None:
        self.url = ""
        self.heads: list[str] = []
        self._target = urlsplit(target)
        self._needed = credentials and base64.b64encode(credentials.encode()).decode()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.01)  # closed transports let go of their sockets a turn later

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            if self._needed and f"Proxy-Authorization: Basic {self._needed}\r\n" not in head:
                writer.write(_REFUSAL)
                await writer.drain()
            else:
                await self._pass_on(head, reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async def _pass_on(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, onward = await asyncio.open_connection(self._target.hostname, self._target.port)
        if head.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            method, address, rest = head.split(" ", 2)
            parts = urlsplit(address)
            # One request a connection, so that the end of the answer is the end of it.
            fields = rest.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
            onward.write(f"{method} {parts.path}?{parts.query} {fields}".encode())
        pumps = [asyncio.create_task(_pump(reader, onward))]
        pumps.append(asyncio.create_task(_pump(there, writer)))
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            onward.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()


@contextmanager
def proxy_to(target: str, credentials: str | None = None) -> Iterator[Proxy]:
    """A proxy in a thread of its own, while the block runs; `credentials` are "user:password"."""
    proxy, loop = Proxy(target, credentials), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(5)
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
