"""A small market behind Massive's protocol on a loopback port, with faults made to order.

It answers from a thread of its own, so that a test's event loop holds the client alone. A test
scripts faults by a part of the path: `server.script("grouped", status(500), status(500))` spoils
the next two calls of that kind, `server.always("grouped", hang)` all of them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from marketsweep.core.calendar import NEW_YORK

KEY = "kEy-0f-the-tests"

Body: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Market:
    """What the server knows; rows are as the protocol has them."""

    now: str = "2024-03-08T20:00:00-05:00"
    bars: dict[dt.date, list[Body]] = field(default_factory=dict)
    splits: list[Body] = field(default_factory=list)
    dividends: list[Body] = field(default_factory=list)
    tickers: list[Body] = field(default_factory=list)
    snapshot: list[Body] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """One call as it came in."""

    path: str
    query: dict[str, str]
    authorization: str
    at: float


class MassiveServer:
    """The server; `calls` is the record of what was asked."""

    def __init__(self, market: Market, page: int = 1000) -> None:
        self.market = market
        self.page = page
        self.calls: list[Seen] = []
        self.url = ""
        self.under_way = 0
        self.most_under_way = 0
        self._scripts: dict[str, deque[Handler]] = {}
        self._always: dict[str, Handler] = {}
        self._web: web.Server | None = None

    def script(self, part: str, *handlers: Handler) -> None:
        """Answer the next calls whose path has `part` in it like this, one after the other."""
        self._scripts[part] = deque(handlers)

    def always(self, part: str, handler: Handler) -> None:
        """Answer every call whose path has `part` in it like this."""
        self._always[part] = handler

    def asked(self, part: str) -> list[Seen]:
        """The calls whose path has `part` in it."""
        return [call for call in self.calls if part in call.path]

    def busy_with(self, calls: int) -> bool:
        """Whether that many calls come to be under way within a minute."""
        return _comes_true(lambda: self.under_way == calls)

    def left_alone(self) -> bool:
        """Whether every connection comes to be closed within a minute."""
        return _comes_true(lambda: self._web is not None and not self._web.connections)

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._web = runner.server
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._handler(request)(request)
        finally:
            self.under_way -= 1

    def _handler(self, request: web.Request) -> Handler:
        path = request.path
        auth = request.headers.get("Authorization", "")
        self.calls.append(Seen(path, dict(request.query), auth, time.monotonic()))
        if auth != f"Bearer {KEY}":
            return status(401, "Unknown API Key")
        for part, handlers in self._scripts.items():
            if part in path and handlers:
                return handlers.popleft()
        for part, handler in self._always.items():
            if part in path:
                return handler
        return self.honest

    async def honest(self, request: web.Request) -> web.StreamResponse:
        """The right answer."""
        path, market = request.path, self.market
        if path.startswith("/v2/aggs/grouped/"):
            rows = market.bars.get(dt.date.fromisoformat(path.rsplit("/", 1)[1]), [])
            return body({"status": "OK", "resultsCount": len(rows), "results": rows})
        if path.startswith("/v2/aggs/ticker/"):
            return self._page_of(request, self._history(path))
        if path.startswith("/v2/snapshot/"):
            return body({"status": "OK", "tickers": market.snapshot})
        if path == "/v1/marketstatus/now":
            return body({"market": "closed", "serverTime": market.now})
        if path.startswith("/v3/reference/tickers/"):
            return self._details(path.rsplit("/", 1)[1])
        rows = self._reference(path, request.query.get("active", ""))
        return self._page_of(request, rows)

    def _details(self, ticker: str) -> web.Response:
        for row in self.market.tickers:
            if row["ticker"] == ticker:
                return body({"status": "OK", "results": row})
        return body({"status": "NOT_FOUND", "message": "Ticker not found."}, 404)

    def _history(self, path: str) -> list[Body]:
        ticker, first, last = (path.split("/")[place] for place in (4, 8, 9))
        return [
            {**row, "t": int(dt.datetime.combine(day, dt.time(), NEW_YORK).timestamp()) * 1000}
            for day, rows in sorted(self.market.bars.items())
            for row in rows
            if row["T"] == ticker and first <= f"{day}" <= last
        ]

    def _reference(self, path: str, active: str) -> list[Body]:
        kind = path.rsplit("/", 1)[1]
        if kind == "tickers":
            return [row for row in self.market.tickers if row["active"] == (active == "true")]
        return self.market.splits if kind == "splits" else self.market.dividends

    def _page_of(self, request: web.Request, rows: list[Body]) -> web.StreamResponse:
        start = int(request.query.get("cursor", "0"))
        part = rows[start : start + self.page]
        reply: Body = {"status": "OK", "resultsCount": len(part), "results": part}
        if start + self.page < len(rows):
            active = request.query.get("active")
            more = f"&active={active}" if active else ""
            reply["next_url"] = f"{self.url}{request.path}?cursor={start + self.page}{more}"
        return body(reply)


def _comes_true(condition: Callable[[], bool]) -> bool:
    patience = time.monotonic() + 60  # what comes true does so in milliseconds
    while not condition() and time.monotonic() < patience:
        time.sleep(0.005)
    return condition()


@contextmanager
def serving(market: Market, page: int = 1000) -> Iterator[MassiveServer]:
    """A server that runs while the block does."""
    server = MassiveServer(market, page)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def body(content: Body, code: int = 200, **headers: str) -> web.Response:
    """A JSON body, gzipped."""
    packed = gzip.compress(json.dumps(content).encode(), 1)
    return web.Response(
        status=code,
        body=packed,
        headers={"Content-Encoding": "gzip", **headers},
        content_type="application/json",
    )


def says(content: Body, code: int = 200, **headers: str) -> Handler:
    """Answers with that body."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return body(content, code, **headers)

    return handler


def status(code: int, message: str = "", **headers: str) -> Handler:
    """Answers with that status and error sentence; without one, with an empty body."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if not message:
            return web.Response(status=code, headers=headers)
        kind = "NOT_AUTHORIZED" if code == 403 else "ERROR"
        return body({"status": kind, "request_id": "1", "message": message}, code, **headers)

    return handler


def raw(content: bytes, **headers: str) -> Handler:
    """Answers 200 with exactly these bytes."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=content, headers=headers)

    return handler


async def until(condition: Callable[[], bool]) -> None:
    """Hold an answer back until that is true, or a minute has passed."""
    patience = time.monotonic() + 60
    while not condition() and time.monotonic() < patience:  # noqa: ASYNC110, any condition
        await asyncio.sleep(0.005)


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.sleep(30)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    """Sends a byte now and then, so that no idle time-out fires, and never ends."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b" ")
        await asyncio.sleep(0.03)
    return response


async def reset(request: web.Request) -> web.StreamResponse:
    """Breaks the connection off in the middle of a body."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status":')
    assert request.transport is not None
    request.transport.abort()
    return response


async def drop(request: web.Request) -> web.StreamResponse:
    """Breaks the connection off before the first byte."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
