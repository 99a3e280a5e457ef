"""Faults of networks and providers that the sandbox injects, drawn from a seed."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    "garbage": "a page of HTML instead of JSON",
    "error": "an error in the body of a 200",
    "null": "no results for a session that took place",
    "duplicates": "rows that come twice",
    "shuffled": "rows in no order",
    "foreign": "rows of another day among those of a session",
    "circle": "a next page that leads back to the first",
    "elsewhere": "a next page on another host",
    "early": "values of the newest session that the next answer corrects",
    "case": "tickers of the newest session in another case, until the next answer",
    "vanished": "the newest session, sent once and then not for a while",
    "echo": "the bars of the session before instead of the newest, until the next answer",
    "lost": "an error of the server for the newest session, whenever it is requested",
}
"""Every fault, with a description."""

NEWEST_FAULTS: Final = ("early", "case", "vanished", "echo", "lost")
"""Faults of the newest session, over several answers; all others concern single calls."""

_GROUPED: Final = "/v2/aggs/grouped/"
_VANISHED_ANSWERS: Final = 8
"""Number of answers without the session: two syncs with four requests each."""

_MONTH_MS: Final = 28 * 86_400_000
_MAX_DELAY_S: Final = 1.0
_HANG_S: Final = 86_400.0


def chosen_faults(text: str, faults: Mapping[str, str] = FAULTS) -> tuple[str, ...]:
    """Return the fault names in a text such as "429,reset" or "all". Raises `UsageError`."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if names == ("all",):
        return tuple(faults)
    for name in names:
        if name not in faults:
            raise UsageError(f"unknown fault {name!r}: choose all, or some of {', '.join(faults)}")
    return names


class FaultInjector:
    """Draws a fault for each call, once per request of a path.

    The same seed gives the same faults, in any order of the calls. `newest` is the session that a
    client requests again; its own faults are drawn once.
    """

    def __init__(self, faults: Sequence[str], share: float, seed: int, newest: dt.date) -> None:
        self._call_faults = [name for name in faults if name not in NEWEST_FAULTS]
        self._newest_faults = [name for name in faults if name in NEWEST_FAULTS]
        self._share = share
        self._seed = seed
        self._newest = f"{newest}"
        self._calls_by_path: Counter[str] = Counter()

    def draw(self, request: web.Request) -> Fault:
        """Return the fault of this call; usually none."""
        if not self._call_faults and not self._newest_faults:
            return _NO_FAULT
        path, address = request.path_qs, str(request.url)
        self._calls_by_path[path] += 1
        rng = random.Random(f"{self._seed} {path} {self._calls_by_path[path]}")
        name = self._session_fault(request.path, self._calls_by_path[path])
        if name is None:
            name = self._draw_name(self._call_faults, rng)
        return Fault(name, rng, address)

    def _session_fault(self, path: str, count: int) -> str | None:
        """Return a fault of the newest session: "" for a correct answer, None for no decision."""
        if not path.startswith(_GROUPED) or not path.endswith(self._newest):
            return None
        name = self._draw_name(self._newest_faults, random.Random(f"{self._seed} {path}"))
        if name == "lost":
            return name
        if name == "vanished" and count <= 1 + _VANISHED_ANSWERS:
            return "" if count == 1 else name
        return name if name and count == 1 else None

    def _draw_name(self, names: Sequence[str], rng: random.Random) -> str:
        return rng.choice(names) if names and rng.random() < self._share else ""


class Fault:
    """One fault of one call, or none."""

    def __init__(self, name: str, rng: random.Random, address: str) -> None:
        self.name = name
        self.rng = rng
        self.address = address

    async def apply_before(self) -> None:
        """Delay or refuse the call before it is processed. Raises `Refusal`."""
        match self.name:
            case "429":
                raise Refusal(429, "You've exceeded the maximum requests per minute.")
            case "500" | "lost":
                raise Refusal(500, "Something went wrong.")
            case "slow":
                await asyncio.sleep(self.rng.random() * _MAX_DELAY_S)
            case "hang":
                await asyncio.sleep(_HANG_S)

    def alter_body(self, body: Body, previous_session: Callable[[], Iterable[Row]]) -> Body:
        """Return the body to send; `previous_session` returns the bars of the session before."""
        if self.name == "echo" and isinstance(body, dict) and (rows := _rows(body)):
            return body | {"results": [row | {"t": rows[0]["t"]} for row in previous_session()]}
        if not isinstance(body, dict) or self.name not in _BODY_CHANGES:
            return body
        return body | _BODY_CHANGES[self.name](body, self)

    async def send(self, request: web.Request, response: web.Response) -> web.StreamResponse:
        """Return the answer to send."""
        body = response.body
        assert isinstance(body, bytes)
        if self.name == "garbage":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if self.name == "truncated":
            response.body = body[: len(body) // 2]
        if self.name == "reset":
            return await _break_off(request, response, body[: len(body) // 2])
        return response


_NO_FAULT: Final = Fault("", random.Random(0), "")


def _rows(body: Row) -> list[Row]:
    results = body.get("results") or []
    if isinstance(results, msgspec.Raw):
        rows: list[Row] = msgspec.json.decode(results)
        return rows
    return list(results) if isinstance(results, list) else []


def _error_body(_body: Row, _fault: Fault) -> Row:
    return {"status": "ERROR", "error": "An internal error occurred.", "results": None}


def _null_results(body: Row, _fault: Fault) -> Row:
    # Like a day without a session: the count is 0, too.
    count = {"resultsCount": 0} if "resultsCount" in body else {}
    return {"results": None, **count}


def _duplicate_rows(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    return {"results": rows + fault.rng.sample(rows, len(rows) // 2)}


def _shuffle_rows(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    return {"results": fault.rng.sample(rows, len(rows))}


def _add_foreign_rows(body: Row, fault: Fault) -> Row:
    rows = [row for row in _rows(body) if {"T", "t", "h"} <= row.keys()]
    if not rows:
        return {}  # only bars of a day have tickers and times
    sample = fault.rng.sample(rows, len(rows) // 3)
    return {"results": rows + [row | {"t": row["t"] - _MONTH_MS, "c": row["h"]} for row in sample]}


def _early_values(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    for row in fault.rng.sample(rows, len(rows) // 2):
        row["v"], row["c"] = row["v"] // 2, row["l"]
    return {"results": rows}


def _swap_case(body: Row, fault: Fault) -> Row:
    rows = _rows(body)
    for row in fault.rng.sample(rows, len(rows) // 2):
        row["T"] = row["T"].swapcase()
    return {"results": rows}


def _circular_next_page(body: Row, fault: Fault) -> Row:
    return _with_next_url(fault.address, body)


def _foreign_next_page(body: Row, _fault: Fault) -> Row:
    return _with_next_url("https://elsewhere.example/v3/reference/tickers", body)


def _with_next_url(address: str, body: Row) -> Row:
    return {"next_url": address} if "next_url" in body else {}


_BODY_CHANGES: Final[dict[str, Callable[[Row, Fault], Row]]] = {
    "error": _error_body,
    "null": _null_results,
    "duplicates": _duplicate_rows,
    "shuffled": _shuffle_rows,
    "foreign": _add_foreign_rows,
    "circle": _circular_next_page,
    "elsewhere": _foreign_next_page,
    "early": _early_values,
    "case": _swap_case,
    "vanished": _null_results,
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
