"""Check every request before it is worked on, and send headers that keep a browser safe.

A page of another site can make a browser send requests to this machine. It cannot choose the
`Host` header, which is why only known names are answered (DNS rebinding); and it cannot read an
answer, because no header allows it, except to the sites that the user has listed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from marketsweep.serve.api.problem import Problem
from marketsweep.serve.http.problems import problem_response
from marketsweep.serve.reach import Reach

MOST_BYTES: Final = 64 * 1024
"""The largest body of a request: a condition of the greatest length needs a fourth of it."""

BODY_SECONDS: Final = 10.0
"""Seconds in which a body must arrive."""

FOR_ANY_HOST: Final = ("/healthz", "/readyz")
"""Paths without data: a probe of a container sends whatever host it likes."""

_FORWARDED: Final = {
    *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-host"),
    *("true-client-ip", "cf-connecting-ip", "cf-ray", "fastly-client-ip", "fly-client-ip"),
    *("x-original-for", "x-original-url", "x-scheme", "x-proxyuser-ip", "front-end-https"),
    *("cf-visitor", "cdn-loop", "x-envoy-external-address", "x-arr-log-id", "ngrok-trace-id"),
    *("x-azure-clientip", "x-appengine-user-ip", "client-ip", "tailscale-user-login"),
}
"""Headers by which a proxy says that it passes on a request of someone else."""

_log: Final = logging.getLogger(__name__)
_FAULT: Final = Problem(500, "fault", "the server failed: its log has the reason")
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = {
    "Cache-Control": "private, no-cache",  # a browser asks whether a file has changed
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware: refuses unknown hosts, foreign origins, and large or slow bodies."""

    def __init__(self, app: ASGIApp, reach: Reach) -> None:
        self._app = app
        self._reach = reach

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        is_answered = False

        async def send_safely(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(Headers(scope=scope), scope["path"], scope["http_version"])
            body = await _read_body(receive, Headers(scope=scope))
        except Problem as problem:
            response = problem_response(problem)
            response.headers["Connection"] = "close"  # a body that was not read may have no end
            await response(scope, receive, send_safely)
            return
        try:
            await self._app(scope, _replay(body, receive), send_safely)
        except Exception:
            _log.exception("a request failed: %s %r", scope["method"], scope["path"])
            if is_answered:
                raise
            await problem_response(_FAULT)(scope, receive, send_safely)

    def _check(self, headers: Headers, path: str, version: str) -> None:
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if path not in FOR_ANY_HOST and not self._reach.answers_for(name.lower()):
            detail = f"this server does not answer for the host {host[:100]!r}"
            hint = "" if self._reach.is_private else ": start it with --name and that host"
            raise Problem(421, "host", detail + hint)
        # A proxy that adds no header may still speak HTTP/1.0, as nginx did by default until 2025.
        # No browser does.
        is_forwarded = version == "1.0" or any(
            name in _FORWARDED or name.startswith("x-forwarded") for name in headers
        )
        if self._reach.is_private and is_forwarded and path not in FOR_ANY_HOST:
            raise Problem(
                403,
                "proxy",
                "a proxy has forwarded this request, and this server needs no token: start it with "
                "--proxy-headers and the address of the proxy, and with --name",
            )
        origin = headers.get("origin")
        if origin in self._reach.origins:
            return
        # A browser says whose page made it send the request. Links to the page are allowed.
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
        if site not in ("none", "same-origin") and (path != "/" or mode != "navigate"):
            raise Problem(403, "origin", "requests from other sites are refused")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Problem(403, "origin", "requests from other sites are refused")


async def _read_body(receive: Receive, headers: Headers) -> bytes:
    """Return the whole body. Raises Problem if it is too large or too slow."""
    length = headers.get("content-length", "0")
    too_large = Problem(413, "too_large", f"a request may have {MOST_BYTES:,} bytes")
    if not length.isdecimal() or int(length) > MOST_BYTES:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "incomplete", "the connection was closed within the body")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > MOST_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Problem(
            400, "slow_body", f"the body did not arrive within {BODY_SECONDS:g} seconds"
        ) from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that begins with a body that was read already."""
    is_sent = False

    async def replayed() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
