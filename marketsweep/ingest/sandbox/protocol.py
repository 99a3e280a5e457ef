"""Shared parts of all endpoints: read parameters, refuse calls, page and filter rows."""

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
_COMPARISONS: Final[dict[str, Callable[[str], Callable[[str], bool]]]] = {
    # From the parameter's value to a test of a row's value.
    "": lambda operand: partial(operator.eq, operand),
    "gt": lambda operand: partial(operator.lt, operand),
    "gte": lambda operand: partial(operator.le, operand),
    "lt": lambda operand: partial(operator.gt, operand),
    "lte": lambda operand: partial(operator.ge, operand),
    "any_of": lambda operand: frozenset(operand.split(",")).__contains__,
}


class Refusal(Exception):
    """An answer other than 200, with the protocol's status and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def body(self) -> Row:
        """Return the JSON of the answer, without its request id."""
        if self.code == 403:
            return {"status": "NOT_AUTHORIZED", "message": self.text}
        if self.code == 404:
            return {"status": "NOT_FOUND", "message": self.text}
        return {"status": "ERROR", "error": self.text}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its URL without the query, the parts of its path, and its parameters."""

    url: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    offset: int = 0
    """Number of rows on the pages before this one."""

    def flag(self, name: str, default: bool) -> bool:
        """Return a parameter that is true or false. Raises `Refusal`."""
        text = self.query.get(name, str(default).lower()).lower()
        if text not in _FLAGS:
            raise Refusal(400, f"The parameter '{name}' must be true or false.")
        return _FLAGS[text]

    def date(self, name: str) -> dt.date | None:
        """Return a parameter that is a date, None if it is absent. Raises `Refusal`."""
        text = self.query.get(name)
        return parse_date(name, text) if text else None

    def limit(self, default: int, maximum: int) -> int:
        """Return the number of rows per page. Raises `Refusal`."""
        text = self.query.get("limit", str(default))
        if not text.isdecimal() or not 1 <= int(text) <= maximum:
            raise Refusal(400, f"The parameter 'limit' must be a number from 1 to {maximum}.")
        return int(text)


Endpoint = Callable[[Market, Call], Body]
Routes = Sequence[tuple[str, Endpoint]]


def parse_date(name: str, text: str) -> dt.date:
    """Return a date from YYYY-MM-DD. Raises `Refusal`."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise Refusal(
            400, f"Could not parse the time parameter: '{name}'. Use YYYY-MM-DD"
        ) from None


def parse_time(name: str, text: str, *, end_of_day: bool) -> int:
    """Return milliseconds since 1970 from a date (its start or end in New York) or milliseconds."""
    if re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    try:
        day = parse_date(name, text)
    except Refusal as refusal:
        raise Refusal(400, f"{refusal.text} or Unix MS Timestamps") from None
    # Clip dates such as year 1 or 9999 to years that timestamps can represent.
    day = min(max(day, dt.date(1900, 1, 1)), dt.date(2200, 1, 1))
    midnight = dt.datetime.combine(day, dt.time(), NEW_YORK)
    if not end_of_day:
        return int(midnight.timestamp()) * 1000
    return int((midnight + dt.timedelta(days=1)).timestamp()) * 1000 - 1


def resume_cursor(call: Call) -> Call:
    """Return the call with the parameters and the offset of its cursor. Raises `Refusal`."""
    cursor = call.query.get("cursor")
    if cursor is None:
        return call
    try:
        query = dict(parse_qsl(base64.b64decode(cursor, b"-_", validate=True).decode()))
        return replace(call, query=query, offset=int(query.pop("offset")))
    except (KeyError, ValueError):
        raise Refusal(400, "The parameter 'cursor' is not one that this server gave.") from None


def page_slice(call: Call, total: int, limit: int) -> tuple[slice, Row]:
    """Return the rows on a call's page, of `total`, and the body's field for the next page."""
    # The cursor contains every parameter except the key, like Massive's.
    start, end = call.offset, call.offset + limit
    if end >= total:
        return slice(start, total), {}
    query = {name: value for name, value in call.query.items() if name != "apiKey"}
    cursor = base64.urlsafe_b64encode(urlencode({**query, "offset": end}).encode()).decode()
    return slice(start, end), {"next_url": f"{call.url}?{urlencode({'cursor': cursor})}"}


def filter_rows(call: Call, rows: Sequence[Row], filters: Mapping[str, str]) -> list[Row]:
    """Return the rows that pass the call's filters, such as `execution_date.gte`.

    `filters` maps a parameter to the field that it filters. Raises `Refusal`.
    """
    selected = list(rows)
    for name, operand in call.query.items():
        parameter, _, comparison = name.partition(".")
        if parameter in filters and comparison in _COMPARISONS:
            if parameter.endswith("_date"):
                parse_date(name, operand)
            field, is_match = filters[parameter], _COMPARISONS[comparison](operand)
            selected = [row for row in selected if row[field] is not None and is_match(row[field])]
    return selected


def sort_rows(call: Call, rows: Sequence[Row], fields: Sequence[str], *, order: str) -> list[Row]:
    """Return the rows sorted by `sort` ("field" or "field.desc") and `order` of the call.

    The default is the first of `fields`, in `order`. Raises `Refusal`.
    """
    field, _, direction = call.query.get("sort", fields[0]).partition(".")
    direction = direction or call.query.get("order", order)
    if field not in fields or direction not in ("asc", "desc"):
        raise Refusal(400, f"The parameter 'sort' must be one of {', '.join(fields)}.")
    return sorted(rows, key=operator.itemgetter(field), reverse=direction == "desc")


def list_body(call: Call, rows: Sequence[Row], limit: int) -> Body:
    """Return one page of rows as the body of a reference endpoint."""
    part, link = page_slice(call, len(rows), limit)
    return {"status": "OK", "results": [without_missing(row) for row in rows[part]], **link}


def without_missing(row: Row) -> Row:
    """Return the row without empty fields: the protocol leaves unknown fields out."""
    return {name: value for name, value in row.items() if value is not None}
