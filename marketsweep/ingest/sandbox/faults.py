"""What goes wrong on purpose: the faults of networks and providers, drawn from a seed."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from aiohttp import web

from marketsweep.errors import UsageError
from marketsweep.ingest.sandbox.protocol import Body, Refusal, Row

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
    "foreign": "rows of another day among those of a session",
    "circle": "a next page that leads back to the first",
    "elsewhere": "a next page on another host",
    "early": "values of the newest session that the next answer corrects",
    "case": "tickers of the newest session in another case, until the next answer",
    "vanished": "the newest session, told once and then not for a while",
    "echo": "the bars of the session before for those of the newest, until the next answer",
    "lost": "an error of the server for the newest session, whenever it is asked for",
}
"""Every fault, and what it is."""

OF_NEWEST: Final = ("early", "case", "vanished", "echo", "lost")
"""Faults of the newest session, over several answers; the others befall single calls."""

_GROUPED: Final = "/v2/aggs/grouped/"
_GONE_FOR: Final = 8
"""Answers that the session has vanished from: two syncs that each ask four times."""

_MONTH_MS: Final = 28 * 86_400_000
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

    So the same seed gives the same faults, in whichever order calls come in. The session `newest`
    is the one that a client asks for again; its own faults are drawn once.
    """

    def __init__(self, faults: Sequence[str], share: float, seed: int, newest: dt.date) -> None:
        self._of_calls = [name for name in faults if name not in OF_NEWEST]
        self._of_newest = [name for name in faults if name in OF_NEWEST]
        self._share = share
        self._seed = seed
        self._newest = f"{newest}"
        self._asked: Counter[str] = Counter()

    def draw(self, request: web.Request) -> Fault:
        """The fault of this call; mostly none."""
        if not self._of_calls and not self._of_newest:
            return _NONE
        path, address = request.path_qs, str(request.url)
        self._asked[path] += 1
        chance = random.Random(f"{self._seed} {path} {self._asked[path]}")
        name = self._session_fault(request.path, self._asked[path])
        if name is None:
            name = self._drawn(self._of_calls, chance)
        return Fault(name, chance, address)

    def _session_fault(self, path: str, times: int) -> str | None:
        """The fault of the newest session; "" where it must be honest, None for anything else."""
        if not path.startswith(_GROUPED) or not path.endswith(self._newest):
            return None
        name = self._drawn(self._of_newest, random.Random(f"{self._seed} {path}"))
        if name == "lost":
            return name
        if name == "vanished" and times <= 1 + _GONE_FOR:
            return "" if times == 1 else name
        return name if name and times == 1 else None

    def _drawn(self, names: Sequence[str], chance: random.Random) -> str:
        return chance.choice(names) if names and chance.random() < self._share else ""


class Fault:
    """One fault of one call, or none."""

    def __init__(self, name: str, chance: random.Random, address: str) -> None:
        self.name = name
        self.chance = chance
        self.address = address

    async def before(self) -> None:
        """What happens before the call is worked on; may raise `Refusal`."""
        match self.name:
            case "429":
                raise Refusal(429, "You've exceeded the maximum requests per minute.")
            case "500" | "lost":
                raise Refusal(500, "Something went wrong.")
            case "slow":
                await asyncio.sleep(self.chance.random() * _LATE_S)
            case "hang":
                await asyncio.sleep(_FOREVER_S)

    def told(self, body: Body, earlier: Callable[[], Iterable[Row]]) -> Body:
        """The body as it is told; `earlier` has the bars of the session before."""
        if self.name == "echo" and isinstance(body, dict) and (rows := _rows(body)):
            return body | {"results": [row | {"t": rows[0]["t"]} for row in earlier()]}
        if not isinstance(body, dict) or self.name not in _TOLD:
            return body
        return body | _TOLD[self.name](body, self)

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


_NONE: Final = Fault("", random.Random(0), "")


def _rows(body: Row) -> list[Row]:
    results = body.get("results") or []
    if isinstance(results, msgspec.Raw):
        rows: list[Row] = msgspec.json.decode(results)
        return rows
    return list(results) if isinstance(results, list) else []


def _error(_body: Row, _fault: Fault) -> Row:
    return {"status": "ERROR", "error": "An internal error occurred.", "results": None}


def _null(body: Row, _fault: Fault) -> Row:
    # As of a day without a session: nothing is counted either.
    counted = {"resultsCount": 0} if "resultsCount" in body else {}
    return {"results": None, **counted}


def _duplicates(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    return {"results": rows + fault.chance.sample(rows, len(rows) // 2)}


def _shuffled(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    return {"results": fault.chance.sample(rows, len(rows))}


def _foreign(body: Row, fault: Fault) -> Row:
    rows = [row for row in _rows(body) if {"T", "t", "h"} <= row.keys()]
    if not rows:
        return {}  # bars of a day have tickers and times, and nothing else has
    others = fault.chance.sample(rows, len(rows) // 3)
    return {"results": rows + [row | {"t": row["t"] - _MONTH_MS, "c": row["h"]} for row in others]}


def _early(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    for row in fault.chance.sample(rows, len(rows) // 2):
        row["v"], row["c"] = row["v"] // 2, row["l"]
    return {"results": rows}


def _case(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    for row in fault.chance.sample(rows, len(rows) // 2):
        row["T"] = row["T"].swapcase()
    return {"results": rows}


def _circle(body: Row, fault: Fault) -> Row:
    return _leading_to(fault.address, body)


def _elsewhere(body: Row, _fault: Fault) -> Row:
    return _leading_to("https://elsewhere.example/v3/reference/tickers", body)


def _leading_to(address: str, body: Row) -> Row:
    return {"next_url": address} if "next_url" in body else {}


_TOLD: Final[dict[str, Callable[[Row, Fault], Row]]] = {
    "error": _error,
    "null": _null,
    "duplicates": _duplicates,
    "shuffled": _shuffled,
    "foreign": _foreign,
    "circle": _circle,
    "elsewhere": _elsewhere,
    "early": _early,
    "case": _case,
    "vanished": _null,
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
