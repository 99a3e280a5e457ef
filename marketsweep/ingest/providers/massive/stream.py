"""The stream of Massive: minute bars over one WebSocket, over disconnects and silence.

The provider allows one connection for a key, and cuts off the older of two. It sends a minute a few
seconds after its end, for symbols that were traded in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from time import monotonic
from typing import Final, NamedTuple

import aiohttp
import msgspec

from marketsweep.core.records import MinuteBar
from marketsweep.errors import ProviderRefused, UsageError

REAL_TIME: Final = "wss://socket.massive.com/stocks"
DELAYED: Final = "wss://delayed.massive.com/stocks"

SILENCE_S: Final = 90.0
"""Seconds without a message after which a connection counts as lost: a minute brings some."""

_PING_S: Final = 15.0
_OPEN_S: Final = 30.0
_MOST_BYTES: Final = 16 * 1024 * 1024
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


class Connected(NamedTuple):
    """The stream is connected, for the first time or again: what came meanwhile is lost."""

    lost_s: float
    """Seconds since the connection before was known to work; 0 for the first one."""
    reason: str
    """Why the connection before ended."""


class _Event(msgspec.Struct, gc=False):
    ev: str
    status: str = ""
    message: str = ""
    sym: str = ""
    s: int = 0
    e: int = 0
    o: float = 0.0
    h: float = 0.0
    l: float = 0.0  # noqa: E741  the provider's name
    c: float = 0.0
    op: float | None = None
    av: float | None = None


class _Lost(Exception):
    """The connection is lost."""


_decode: Final = msgspec.json.Decoder(list[_Event]).decode


def stream_url(base_url: str | None, *, delayed: bool) -> str:
    """Return the address of the stream. Raises UsageError for an address without http(s)."""
    if base_url is None:
        return DELAYED if delayed else REAL_TIME
    scheme, separator, rest = base_url.rstrip("/").partition("://")
    if not separator or scheme not in ("http", "https"):
        raise UsageError(f"--base-url {base_url} is not an address such as http://127.0.0.1:8000")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/stocks"


async def minutes(
    url: str, key: str, silence_s: float = SILENCE_S
) -> AsyncGenerator[Connected | list[MinuteBar], None]:
    """Yield `Connected` after each connection, and then the minutes as they arrive.

    Connects again after a disconnect, and after `silence_s` seconds without a message, for ever.
    Raises ProviderRefused for a wrong key, a plan without this feed, and if another program uses
    the one connection of the key.
    """
    heard, reason, is_first = monotonic(), "", True
    pauses = _Pauses()
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with asyncio.timeout(_OPEN_S):
                    socket = await _connected(session, url, key)
                async with socket:
                    yield Connected(0.0 if is_first else monotonic() - heard, reason)
                    heard, is_first = monotonic(), False
                    while True:
                        events = await _next(socket, silence_s)
                        heard = monotonic()
                        pauses.reset()
                        if bars := [_bar(e) for e in events if e.ev == "AM" and e.av is not None]:
                            yield bars
            except (_Lost, aiohttp.ClientError, TimeoutError, ConnectionError, OSError) as error:
                reason = str(error) or type(error).__name__
            await asyncio.sleep(pauses.next())


class _Pauses:
    """Pauses between connections: longer each time, until a message has arrived."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._tries = 0

    def next(self) -> float:
        pause = _FIRST_PAUSE_S * 2.0 ** min(self._tries, 10)
        self._tries += 1
        return min(_LONGEST_PAUSE_S, pause)


async def _connected(
    session: aiohttp.ClientSession, url: str, key: str
) -> aiohttp.ClientWebSocketResponse:
    """Connect, authenticate and subscribe."""
    socket = await session.ws_connect(url, heartbeat=_PING_S, max_msg_size=_MOST_BYTES)
    try:
        await socket.send_json({"action": "auth", "params": key})
        await _wait_for(socket, "auth_success")
        await socket.send_json({"action": "subscribe", "params": "AM.*"})
        await _wait_for(socket, "success")
    except BaseException:
        await socket.close()
        raise
    return socket


async def _wait_for(socket: aiohttp.ClientWebSocketResponse, status: str) -> None:
    while status not in {event.status for event in await _next(socket, _OPEN_S)}:
        pass


async def _next(socket: aiohttp.ClientWebSocketResponse, silence_s: float) -> Sequence[_Event]:
    """Return the events of the next message. Raises _Lost and ProviderRefused."""
    try:
        async with asyncio.timeout(silence_s):
            message = await socket.receive()
    except TimeoutError:
        raise _Lost(f"no message for {silence_s:g} s") from None
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise _Lost(f"the connection was closed (code {socket.close_code})")
    try:
        events = _decode(message.data)
    except msgspec.DecodeError as error:
        raise _Lost(f"a message is not of the protocol: {error}") from None
    for event in events:
        if event.ev == "status":
            _check_status(event)
    return events


def _check_status(event: _Event) -> None:
    if event.status == "auth_failed":
        raise ProviderRefused(
            "the stream refused the key (MASSIVE_API_KEY), or the plan has no stream: try "
            "--delayed, or --source snapshot"
        )
    if event.status == "max_connections":
        raise ProviderRefused(
            "another program took over the one stream that a key may have: stop it, or use "
            "--source snapshot"
        )
    if event.status == "error":
        raise ProviderRefused(
            f"the stream refused the subscription ({event.message[:200]}): try --delayed, or "
            "--source snapshot"
        )


def _bar(event: _Event) -> MinuteBar:
    return MinuteBar(
        event.sym,
        event.s,
        event.e,
        event.o,
        event.h,
        event.l,
        event.c,
        event.op,
        event.av or 0.0,
    )
