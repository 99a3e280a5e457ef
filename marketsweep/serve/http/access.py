"""Decide whether a request may do what it asks for: its token, the scope of it, and its rate.

A program sends its token as `Authorization: Bearer TOKEN`. A browser sends it once to `/session`,
and then as a cookie that scripts cannot read and that other sites cannot make it send.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from marketsweep.serve.api.problem import Problem
from marketsweep.serve.http.answers import JSON, json_bytes
from marketsweep.serve.scopes import Scope
from marketsweep.serve.tokens import Token, Tokens

SESSION: Final = "/session"

_COOKIE: Final = "marketsweep_token"
_COOKIE_S: Final = 30 * 86_400
_BURST_S: Final = 10.0
"""Seconds whose requests may come at once."""

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="marketsweep"'}


class Access:
    """What requests may do. Without tokens every request may do everything."""

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens
        self._rates: dict[str, Rate] = {}

    def require(self, request: Request, scope: Scope) -> None:
        """Raise Problem if a request has no token, one of too small a scope, or comes too fast."""
        if self._tokens is None:
            return
        token = self._token_of(_secret_of(request))
        rate = self._rates.setdefault(token.sha256, Rate(token.per_minute))
        if wait := rate.take():
            raise Problem(
                429,
                "rate",
                f"the token {token.name} may make {token.per_minute:,} requests a minute",
                {"Retry-After": str(wait)},
            )
        if not token.allows(scope):
            raise Problem(
                403, "scope", f"this needs a token of scope {scope}; {token.name} has {token.scope}"
            )

    def routes(self) -> list[Route]:
        """Return the routes by which a browser signs in and out."""
        return [
            Route(SESSION, self._session, methods=["GET"]),
            Route(SESSION, self._sign_in, methods=["POST"]),
            Route(SESSION, self._sign_out, methods=["DELETE"]),
        ]

    async def _session(self, request: Request) -> Response:
        """Say whether a token is needed, and which one the browser has."""
        token = self._tokens and self._tokens.find(_secret_of(request) or "")
        facts = {
            "needs_token": self._tokens is not None,
            "name": token.name if token else None,
            "scope": token.scope if token else None if self._tokens else "admin",
        }
        return Response(json_bytes(facts), media_type=JSON, headers={"Cache-Control": "no-store"})

    async def _sign_in(self, request: Request) -> Response:
        try:
            sent = msgspec.json.decode(await request.body(), type=_SignIn)
        except (msgspec.DecodeError, RecursionError):
            raise Problem(400, "json", 'the body must be {"token": "..."}') from None
        self._token_of(sent.token)
        response = Response(status_code=204)
        response.set_cookie(
            _COOKIE,
            sent.token,
            max_age=_COOKIE_S,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def _sign_out(self, request: Request) -> Response:
        response = Response(status_code=204)
        response.delete_cookie(_COOKIE, httponly=True, samesite="strict")
        return response

    def _token_of(self, secret: str | None) -> Token:
        token = self._tokens.find(secret) if self._tokens is not None and secret else None
        if token is None:
            detail = "this token is not known" if secret else "this needs a token"
            raise Problem(401, "token", f"{detail}: marketsweep token create makes one", _CHALLENGE)
        return token


class Rate:
    """Requests that may be made: a bucket that fills with time."""

    def __init__(self, per_minute: int) -> None:
        self._per_s = per_minute / 60
        self._most = max(1.0, self._per_s * _BURST_S)
        self._level = self._most
        self._seen = monotonic()

    def take(self) -> int:
        """Count a request; return 0, or the seconds until the next one is allowed."""
        now = monotonic()
        self._level = min(self._most, self._level + (now - self._seen) * self._per_s)
        self._seen = now
        if self._level >= 1:
            self._level -= 1
            return 0
        return int((1 - self._level) / self._per_s) + 1


class _SignIn(msgspec.Struct):
    token: str


def _secret_of(request: Request) -> str | None:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return secret.strip()
    return request.cookies.get(_COOKIE)
