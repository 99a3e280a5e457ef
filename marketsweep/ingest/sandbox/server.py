"""The sandbox over HTTP: latency, key, rate limit, then the endpoint; JSON, gzipped if accepted."""

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
from marketsweep.ingest.sandbox import bars, reference, status
from marketsweep.ingest.sandbox.faults import Mischief
from marketsweep.ingest.sandbox.market import Market
from marketsweep.ingest.sandbox.protocol import Body, Call, Endpoint, Refusal, continued
from marketsweep.ingest.sandbox.settings import Settings

try:
    from isal.isal_zlib import compress
except ImportError:  # it has no build for some machines; zlib takes five times as long
    from zlib import compress

_HOST: Final = "127.0.0.1"
_ROUTES: Final = (*bars.ROUTES, *reference.ROUTES, *status.ROUTES)
_LONGEST_LINE_BYTES: Final = 256 * 1024
"""Room for a few thousand tickers in one URL."""
_MINUTE_S: Final = 60.0
_SMALL_BYTES: Final = 1_000
"""Not worth compressing."""


def serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM; prints its base URL as one line once it is ready.

    Raises `UsageError` for files that cannot be read and for a port that is taken.
    """
    market = Market(settings)
    if market.left_out:
        sys.stderr.write(f"left out {market.left_out} bars with missing values\n")
    asyncio.run(_serve(market, settings))


def application(market: Market, settings: Settings) -> web.Application:
    """The sandbox as an aiohttp application."""
    desk = _Desk(market, settings)
    app = web.Application()
    for path, endpoint in _ROUTES:
        app.router.add_get(path, desk.handler(endpoint))
    app.router.add_route("*", "/{path:.*}", desk.handler(_not_there))
    return app


async def _serve(market: Market, settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = application(market, settings)
    # A call whose client is gone is over: one that hangs would hold up the end.
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
        reason = f"port {port} cannot be had ({error})"
        raise UsageError(f"{reason}: choose another, or 0 for any free one") from error


class _Desk:
    """Answers every request: waits, admits or refuses it, and wraps what the endpoint says."""

    def __init__(self, market: Market, settings: Settings) -> None:
        self._market = market
        self._settings = settings
        newest = last_closed_session(market.moment)
        self._mischief = Mischief(settings.faults, settings.fault_share, settings.seed, newest)
        self._admitted: deque[float] = deque()
        """When each call of the last minute came in, where calls are limited."""

    def handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The endpoint as aiohttp calls it."""

        async def handle(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(self._settings.latency_ms / 1000)
            fault = self._mischief.draw(request)
            try:
                self._admit(request)
                await fault.before()
                body = endpoint(self._market, _call(request))
                body = fault.told(body, self._market.session_before_last)
            except Refusal as refusal:
                return _response(request, refusal.code, refusal.body())
            return await fault.send(request, _response(request, 200, body))

        return handle

    def _admit(self, request: web.Request) -> None:
        """Raises `Refusal` for a wrong key, or a call too many within any 60 seconds."""
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        key = request.query.get("apiKey") or (bearer if scheme.lower() == "bearer" else "")
        if not key:
            raise Refusal(400, "API Key was not provided")
        if key != self._settings.api_key:
            raise Refusal(401, "Unknown API Key")
        if self._settings.calls_per_minute is not None:
            self._count(self._settings.calls_per_minute)

    def _count(self, most: int) -> None:
        now = time.monotonic()
        while self._admitted and self._admitted[0] <= now - _MINUTE_S:
            self._admitted.popleft()
        if len(self._admitted) >= most:
            raise Refusal(
                429,
                "You've exceeded the maximum requests per minute, please wait or upgrade your"
                " subscription to continue.",
            )
        self._admitted.append(now)


def _not_there(_market: Market, _call: Call) -> Body:
    raise Refusal(404, "The requested resource was not found.")


def _call(request: web.Request) -> Call:
    url = str(request.url.with_query(None))
    return continued(Call(url, request.match_info, request.query))


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
    # A day of the market takes 1.5 ms, so it stays on the event loop: a thread gained nothing.
    compressed: bytes = compress(payload, 1, wbits=31)
    return compressed
