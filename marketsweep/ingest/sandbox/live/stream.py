"""The WebSocket of the sandbox, /stocks, with the status messages and `AM` events of Massive."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from marketsweep.ingest.sandbox.live.replay import Replay, encoded

FAULTS: Final = {
    "cut": "a connection that breaks off",
    "silence": "a connection that says nothing any more and stays open",
    "twice": "messages that come twice",
    "shuffled": "messages of one minute in any order, some of them in the next minute",
}
"""Every fault of a stream, with a description."""

_SLOW_S: Final = 5.0
"""Seconds after which a reader that does not read is cut off."""
_FAULTY_MINUTES: Final = 40
"""A connection is cut or falls silent within so many minutes."""


class Stream:
    """Answers the connections to /stocks. A key has one connection: a second ends the first."""

    def __init__(
        self, replay: Replay, api_key: str, faults: Iterable[str] = (), seed: int = 0
    ) -> None:
        self._replay = replay
        self._key = api_key
        self._faults = frozenset(faults)
        self._random = random.Random(seed)
        self._current: web.WebSocketResponse | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Talk with one client until it leaves."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await _say(socket, "connected", "Connected Successfully")
        sender: asyncio.Task[None] | None = None
        subscribed: set[str] = set()
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                action, parameters = _decoded(message.data)
                if action == "auth":
                    if not await self._authenticate(socket, parameters):
                        break
                elif self._current is not socket:
                    await _say(socket, "error", "You must authenticate first")
                elif action in ("subscribe", "unsubscribe"):
                    await self._subscribe(socket, action, parameters, subscribed)
                    if subscribed and sender is None:
                        sender = asyncio.create_task(self._send(socket, subscribed))
                else:
                    await _say(socket, "error", f"unknown action {action!r}")
        finally:
            if sender is not None:
                sender.cancel()
                with suppress(asyncio.CancelledError):
                    await sender
            if self._current is socket:
                self._current = None
        return socket

    async def _authenticate(self, socket: web.WebSocketResponse, key: str) -> bool:
        if key != self._key:
            await _say(socket, "auth_failed", "authentication failed")
            return False
        previous, self._current = self._current, socket
        if previous is not None:
            await _say(previous, "max_connections", "Maximum number of connections exceeded.")
            await previous.close(code=WSCloseCode.POLICY_VIOLATION)
        await _say(socket, "auth_success", "authenticated")
        return True

    async def _subscribe(
        self, socket: web.WebSocketResponse, action: str, parameters: str, subscribed: set[str]
    ) -> None:
        for name in filter(None, (part.strip() for part in parameters.split(","))):
            channel, _, symbol = name.partition(".")
            if channel != "AM" or not symbol:
                await _say(socket, "error", f"the sandbox has only AM.*, not {name}")
            elif action == "subscribe":
                subscribed.add(symbol)
                await _say(socket, "success", f"subscribed to: {name}")
            else:
                subscribed.discard(symbol)
                await _say(socket, "success", f"unsubscribed to: {name}")

    async def _send(self, socket: web.WebSocketResponse, subscribed: set[str]) -> None:
        """Send each minute as soon as it is over, from the current one on."""
        replay = self._replay
        replay.start()
        ends_after = self._random.randrange(2, _FAULTY_MINUTES)
        kept_back: list[list[dict[str, Any]]] = []
        for sent, minute in enumerate(range(replay.passed, len(replay.minutes.starts))):
            await asyncio.sleep(max(0.0, replay.seconds_until(minute)))
            if sent >= ends_after and "silence" in self._faults:
                return
            if sent >= ends_after and "cut" in self._faults and socket._req is not None:
                if socket._req.transport is not None:
                    socket._req.transport.abort()
                return
            messages = [*kept_back, *replay.messages(minute)]
            kept_back = []
            if "twice" in self._faults:
                messages = [message for message in messages for _ in range(2)]
            if "shuffled" in self._faults and minute + 1 < len(replay.minutes.starts):
                self._random.shuffle(messages)
                kept_back, messages = messages[:1], messages[1:]
            for message in messages:
                chosen = [e for e in message if "*" in subscribed or e["sym"] in subscribed]
                if not chosen:
                    continue
                try:
                    async with asyncio.timeout(_SLOW_S):
                        await socket.send_str(encoded(chosen))
                except (TimeoutError, ConnectionError):
                    await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, drain=False)
                    return


def _decoded(text: str) -> tuple[str, str]:
    try:
        message = msgspec.json.decode(text)
        return str(message["action"]), str(message.get("params", ""))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", ""


async def _say(socket: web.WebSocketResponse, status: str, message: str) -> None:
    with suppress(ConnectionError):
        await socket.send_str(encoded([{"ev": "status", "status": status, "message": message}]))
