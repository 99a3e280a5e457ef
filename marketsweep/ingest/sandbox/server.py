"""The HTTP server of the sandbox: latency, key, rate limit, endpoint, gzipped JSON."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from marketsweep.core.calendar import last_closed_session
from marketsweep.errors import UsageError
from marketsweep.ingest.sandbox import bars, facts, reference, status
from marketsweep.ingest.sandbox.faults import FaultInjector
from marketsweep.ingest.sandbox.live.stream import Stream
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import Body, Call, Endpoint, Refusal, resume_cursor
from marketsweep.ingest.sandbox.settings import Settings

try:
    from isal.isal_zlib import compress
except ImportError:  # some machines have no isal; zlib takes five times as long
    from zlib import compress

_HOST: Final = "127.0.0.1"
_ROUTES: Final = (*bars.ROUTES, *reference.ROUTES, *facts.ROUTES, *status.ROUTES)
_LONGEST_LINE_BYTES: Final = 256 * 1024
"""Allows a few thousand tickers in one URL."""
_SECONDS_PER_MINUTE: Final = 60.0
_SMALL_BYTES: Final = 1_000
"""Size up to which bodies are not compressed."""


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; print the base URL as one line when ready.

    Raises `UsageError` if a file cannot be read or the port is in use.
    """
    market = Market(settings)
    if market.incomplete:
        sys.stderr.write(f"skipped {market.incomplete} bars with missing values\n")
    asyncio.run(_serve(market, settings))


def application(market: Market, settings: Settings) -> web.Application:
    """Return the sandbox as an aiohttp application."""
    handlers = _RequestHandler(market, settings)
    app = web.Application()
    for path, endpoint in _ROUTES:
        app.router.add_get(path, handlers.handler(endpoint))
    if market.replay is not None:
        stream = Stream(market.replay, settings.api_key, settings.stream_faults, settings.seed)
        app.router.add_get("/stocks", stream.handle)
    app.router.add_route("*", "/{path:.*}", handlers.handler(_not_found))
    return app


async def _serve(market: Market, settings: Settings) -> None:
    stop = asyncio.Event()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    app = application(market, settings)
    # Cancel a call whose client is gone: a call that hangs would delay the stop.
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, max_line_size=_LONGEST_LINE_BYTES
    )
    await runner.setup()
    try:
        await _listen(runner, settings.port)
        host, port = runner.addresses[0][:2]
        sys.stdout.write(f"http://{host}:{port}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, _HOST, port, shutdown_timeout=0).start()
    except (OSError, OverflowError) as error:
        reason = f"port {port} cannot be used ({error})"
        raise UsageError(f"{reason}: choose another, or 0 for any free one") from error


class _RequestHandler:
    """Answers requests: waits, accepts or refuses a call, and wraps the body of its endpoint."""

    def __init__(self, market: Market, settings: Settings) -> None:
        self._market = market
        self._settings = settings
        newest = last_closed_session(market.moment)
        self._faults = FaultInjector(settings.faults, settings.fault_share, settings.seed, newest)
        self._admitted: deque[float] = deque()
        """Time of each call in the last minute, if calls are limited."""

    def handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the endpoint as an aiohttp handler."""

        async def handle(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(self._settings.latency_ms / 1000)
            fault = self._faults.draw(request)
            try:
                self._admit(request)
                await fault.apply_before()
                body = endpoint(self._market, _call_of(request))
                body = fault.alter_body(body, self._market.session_before_last)
            except Refusal as refusal:
                return _response(request, refusal.code, refusal.body())
            return await fault.send(request, _response(request, 200, body))

        return handle

    def _admit(self, request: web.Request) -> None:
        """Raise `Refusal` for a wrong key, or for too many calls within 60 seconds."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        key = request.query.get("apiKey") or (bearer if scheme.lower() == "bearer" else "")
        if not key:
            raise Refusal(400, "API Key was not provided")
        if key != self._settings.api_key:
            raise Refusal(401, "Unknown API Key")
        if self._settings.calls_per_minute is not None:
            self._limit_rate(self._settings.calls_per_minute)

    def _limit_rate(self, max_calls: int) -> None:
        now = time.monotonic()
        while self._admitted and self._admitted[0] <= now - _SECONDS_PER_MINUTE:
            self._admitted.popleft()
        if len(self._admitted) >= max_calls:
            raise Refusal(
                429,
                "You've exceeded the maximum requests per minute, please wait or upgrade your"
                " subscription to continue.",
            )
        self._admitted.append(now)


def _not_found(_market: Market, _call_of: Call) -> Body:
    raise Refusal(404, "The requested resource was not found.")


def _call_of(request: web.Request) -> Call:
    url = str(request.url.with_query(None))
    return resume_cursor(Call(url, request.match_info, request.query))


def _response(request: web.Request, code: int, body: Body) -> web.Response:
    request_id = uuid.uuid4().hex
    headers = {"X-Request-Id": request_id, "Vary": "Accept-Encoding"}
    if isinstance(body, dict):
        body = body | {"request_id": request_id}
        if "next_url" in body:
            headers["Link"] = f'<{body["next_url"]}>; rel="next"'
    payload = msgspec.json.encode(body)
    if "gzip" in request.headers.get("Accept-Encoding", "") and len(payload) > _SMALL_BYTES:
        payload = _compress(payload)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=payload, status=code, headers=headers, content_type="application/json")


def _compress(payload: bytes) -> bytes:
    # A day of the market takes 1.5 ms, so a thread would gain nothing.
    compressed: bytes = compress(payload, 1, wbits=31)
    return compressed
