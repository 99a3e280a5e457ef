"""What goes wrong on purpose: the faults of networks and providers, drawn from a seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from marketsweep.errors import UsageError
from marketsweep.sandbox.protocol import Body, Refusal, Row

FAULTS: Final = {
    "429": "too many calls, whatever the limit",
    "500": "an error of the server",
    "slow": "an answer that is up to a second late",
    "hang": "no answer at all",
    "reset": "a connection that breaks off in the middle of the body",
    "truncated": "gzip or JSON that ends too early",
    "garbage": "a page of HTML in the place of JSON",
    "error": "an error in the body of a 200",
    "null": "no results for a session that took place",
    "duplicates": "rows that come twice",
    "shuffled": "rows in no order",
    "circle": "a next page that leads back to the first",
    "elsewhere": "a next page on another host",
}
"""Every fault, and what it is."""

_LATE_S: Final = 1.0
_FOREVER_S: Final = 86_400.0


def chosen_faults(text: str) -> tuple[str, ...]:
    """The faults of a list "429,reset", or of "all"; raises `UsageError` for another."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if names == ("all",):
        return tuple(FAULTS)
    for name in names:
        if name not in FAULTS:
            raise UsageError(f"unknown fault {name!r}: choose all, or of {', '.join(FAULTS)}")
    return names


class Mischief:
    """Which call gets which fault: a draw for each time that a path is asked for.

    So the same seed gives the same faults, in whichever order calls come in.
    """

    def __init__(self, faults: Sequence[str], share: float, seed: int) -> None:
        self._faults = faults
        self._share = share
        self._seed = seed
        self._asked: Counter[str] = Counter()

    def draw(self, request: web.Request) -> Fault:
        """The fault of this call; mostly none."""
        path = request.path_qs
        self._asked[path] += 1
        chance = random.Random(f"{self._seed} {path} {self._asked[path]}")
        befallen = bool(self._faults) and chance.random() < self._share
        return Fault(chance.choice(self._faults) if befallen else "", chance, str(request.url))


class Fault:
    """One fault of one call, or none."""

    def __init__(self, name: str, chance: random.Random, address: str) -> None:
        self.name = name
        self._chance = chance
        self._address = address

    async def before(self) -> None:
        """What happens before the call is worked on; may raise `Refusal`."""
        match self.name:
            case "429":
                raise Refusal(429, "You've exceeded the maximum requests per minute.")
            case "500":
                raise Refusal(500, "Something went wrong.")
            case "slow":
                await asyncio.sleep(self._chance.random() * _LATE_S)
            case "hang":
                await asyncio.sleep(_FOREVER_S)

    def told(self, body: Body) -> Body:
        """The body as it is told."""
        if not isinstance(body, dict):
            return body
        if self.name == "circle" and _more(body):
            return body | {"next_url": self._address}
        if self.name in _TOLD:
            return body | _TOLD[self.name](body, self._chance)
        return body

    async def send(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """The answer as it goes over the wire."""
        body = response.body
        assert isinstance(body, bytes)
        if self.name == "garbage":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if self.name == "truncated":
            response.body = body[: len(body) // 2]
        if self.name == "reset":
            return await _break_off(request, response, body[: len(body) // 2])
        return response


def _rows(body: Row) -> list[Row]:
    results = body.get("results") or []
    if isinstance(results, msgspec.Raw):
        rows: list[Row] = msgspec.json.decode(results)
        return rows
    return list(results) if isinstance(results, list) else []


def _error(_body: Row, _chance: random.Random) -> Row:
    return {"status": "ERROR", "error": "An internal error occurred.", "results": None}


def _null(_body: Row, _chance: random.Random) -> Row:
    return {"results": None}


def _duplicates(body: Row, chance: random.Random) -> Row:
    rows = _rows(body)
    return {"results": rows + chance.sample(rows, len(rows) // 2)}


def _shuffled(body: Row, chance: random.Random) -> Row:
    rows = _rows(body)
    return {"results": chance.sample(rows, len(rows))}


def _elsewhere(body: Row, _chance: random.Random) -> Row:
    return {"next_url": "https://elsewhere.example/v3/reference/tickers"} if _more(body) else {}


def _more(body: Row) -> bool:
    return "next_url" in body


_TOLD: Final[dict[str, Callable[[Row, random.Random], Row]]] = {
    "error": _error,
    "null": _null,
    "duplicates": _duplicates,
    "shuffled": _shuffled,
    "elsewhere": _elsewhere,
}


async def _break_off(
    request: web.Request, response: web.Response, part: bytes
) -> web.StreamResponse:
    stream = web.StreamResponse(headers=response.headers)
    stream.content_length = 2 * len(part) + 1
    await stream.prepare(request)
    await stream.write(part)
    if request.transport is not None:
        request.transport.abort()
    return stream
