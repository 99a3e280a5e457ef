"""What every endpoint shares: reading a call's parameters, refusing it, paging and filtering."""

from __future__ import annotations

import base64
import datetime as dt
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from marketsweep.core.calendar import NEW_YORK
from marketsweep.ingest.sandbox.market import Market

Row = dict[str, Any]
Body = dict[str, Any] | list[Row]

_FLAGS: Final = {"true": True, "false": False}
_COMPARED: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    # What is wanted, to whether a value is that.
    "": lambda wanted: partial(operator.eq, wanted),
    "gt": lambda wanted: partial(operator.lt, wanted),
    "gte": lambda wanted: partial(operator.le, wanted),
    "lt": lambda wanted: partial(operator.gt, wanted),
    "lte": lambda wanted: partial(operator.ge, wanted),
    "any_of": lambda wanted: frozenset(wanted.split(",")).__contains__,
}


class Refusal(Exception):
    """An answer other than 200, with the protocol's status and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def body(self) -> Row:
        """The answer's JSON, without its request id."""
        if self.code == 403:
            return {"status": "NOT_AUTHORIZED", "message": self.text}
        if self.code == 404:
            return {"status": "NOT_FOUND", "message": self.text}
        return {"status": "ERROR", "error": self.text}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: the URL without its query, the parts of its path, and its parameters."""

    url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    offset: int = 0
    """How many rows the pages before this one held."""

    def flag(self, name: str, default: bool) -> bool:
        """A parameter that is true or false; raises `Refusal`."""
        text = self.query.get(name, str(default).lower()).lower()
        if text not in _FLAGS:
            raise Refusal(400, f"The parameter '{name}' must be true or false.")
        return _FLAGS[text]

    def date(self, name: str) -> dt.date | None:
        """A parameter that is a date, None where it is absent; raises `Refusal`."""
        text = self.query.get(name)
        return parse_date(name, text) if text else None

    def limit(self, default: int, maximum: int) -> int:
        """How many rows a page holds; raises `Refusal`."""
        text = self.query.get("limit", str(default))
        if not text.isdecimal() or not 1 <= int(text) <= maximum:
            raise Refusal(400, f"The parameter 'limit' must be a number from 1 to {maximum}.")
        return int(text)


Endpoint = Callable[[Market, Call], Body]
Routes = Sequence[tuple[str, Endpoint]]


def parse_date(name: str, text: str) -> dt.date:
    """A date as YYYY-MM-DD; raises `Refusal`."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise Refusal(
            400, f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD"
        ) from None


def parse_time(name: str, text: str, *, end_of_day: bool) -> int:
    """Milliseconds since 1970 of a date (its start or end in New York) or of milliseconds."""
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    try:
        day = parse_date(name, text)
    except Refusal as refusal:
        raise Refusal(400, f"{refusal.text} or Unix MS Timestamps") from None
    # A range left open by a year 1 or 9999 stays within what timestamps can say.
    day = min(max(day, dt.date(1900, 1, 1)), dt.date(2200, 1, 1))
    midnight = dt.datetime.combine(day, dt.time(), NEW_YORK)
    if not end_of_day:
        return int(midnight.timestamp()) * 1000
    return int((midnight + dt.timedelta(days=1)).timestamp()) * 1000 - 1


def continued(call: Call) -> Call:
    """The call with the parameters and the offset that its cursor stands for; raises `Refusal`."""
    cursor = call.query.get("cursor")
    if cursor is None:
        return call
    try:
        query = dict(parse_qsl(base64.b64decode(cursor, b"-_", validate=True).decode()))
        return replace(call, query=query, offset=int(query.pop("offset")))
    except (KeyError, ValueError):
        raise Refusal(400, "The parameter 'cursor' is not one that this server gave.") from None


def page(call: Call, total: int, limit: int) -> tuple[slice, Row]:
    """The rows that a call gets of `total`, and what its body says of the next page."""
    # The cursor carries every parameter but the key, as the real one does.
    start, end = call.offset, call.offset + limit
    if end >= total:
        return slice(start, total), {}
    query = {name: value for name, value in call.query.items() if name != "apiKey"}
    cursor = base64.urlsafe_b64encode(urlencode({**query, "offset": end}).encode()).decode()
    return slice(start, end), {"next_url": f"{call.url}?{urlencode({'cursor': cursor})}"}


def matching(call: Call, rows: Sequence[Row], filters: Mapping[str, str]) -> list[Row]:
    """Rows that pass the call's filters, such as `execution_date.gte`.

    `filters` gives the field of a row that a filter looks at. Raises `Refusal`.
    """
    kept = list(rows)
    for name, wanted in call.query.items():
        plain, _, comparison = name.partition(".")
        if plain in filters and comparison in _COMPARED:
            if plain.endswith("_date"):
                parse_date(name, wanted)
            field, holds = filters[plain], _COMPARED[comparison](wanted)
            kept = [row for row in kept if row[field] is not None and holds(row[field])]
    return kept


def ordered(call: Call, rows: Sequence[Row], fields: Sequence[str], *, order: str) -> list[Row]:
    """Rows as `sort` ("field" or "field.desc") and `order` say; by the first field if they do not.

    Raises `Refusal`.
    """
    field, _, direction = call.query.get("sort", fields[0]).partition(".")
    direction = direction or call.query.get("order", order)
    if field not in fields or direction not in ("asc", "desc"):
        raise Refusal(400, f"The parameter 'sort' must be one of {', '.join(fields)}.")
    return sorted(rows, key=operator.itemgetter(field), reverse=direction == "desc")


def listed(call: Call, rows: Sequence[Row], limit: int) -> Body:
    """One page of rows as the body of a reference endpoint."""
    part, following = page(call, len(rows), limit)
    return {"status": "OK", "results": [without_unknown(row) for row in rows[part]], **following}


def without_unknown(row: Row) -> Row:
    """The row without its empty fields: the protocol leaves out what it does not know."""
    return {name: value for name, value in row.items() if value is not None}
