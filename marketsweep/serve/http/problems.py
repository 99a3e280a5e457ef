"""Answer errors as problem details (RFC 9457): a code, a text, and the place in a condition."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.responses import Response

from marketsweep.errors import (
    Cancelled,
    ConditionError,
    CoverageError,
    ExecutorError,
    MarketsweepError,
    ProviderError,
    StoreError,
    TimedOut,
    UsageError,
)
from marketsweep.serve.api.problem import Problem

MEDIA_TYPE: Final = "application/problem+json"


TITLES: Final = {
    400: "The request is malformed",
    401: "A token is needed",
    403: "This is not allowed",
    404: "There is nothing here",
    405: "This method is not allowed",
    409: "This cannot be done now",
    413: "The request is too large",
    415: "The body is of a wrong type",
    421: "The request was sent to a wrong host",
    422: "The request cannot be carried out",
    429: "There are too many requests",
    499: "The client has closed the connection",
    500: "The server failed",
    502: "The source of prices failed",
    503: "The server cannot answer now",
    504: "The work took too long",
}
"""The titles of all statuses that are answered with a problem."""

# The first class that fits counts.
_STATUSES: Final[tuple[tuple[type[MarketsweepError], int, str], ...]] = (
    (ConditionError, 422, "condition"),
    (UsageError, 422, "usage"),
    (CoverageError, 422, "coverage"),
    (TimedOut, 504, "timeout"),
    (Cancelled, 499, "cancelled"),
    (ProviderError, 502, "provider"),
    (StoreError, 503, "store"),
    (ExecutorError, 500, "executor"),
    (MarketsweepError, 500, "error"),
)


def problem_response(
    error: Problem | MarketsweepError,
    texts: Mapping[str, object] | None = None,
    folder: Path | None = None,
) -> Response:
    """Return the answer to an error.

    `texts` are the parameters of the request: the answer names the one that has the error. The path
    of the data folder is replaced: nobody needs to know it over the network.
    """
    if isinstance(error, Problem):
        return _response(error.status, error.code, error.detail, {}, error.headers)
    status, code = next((s, code) for kind, s, code in _STATUSES if isinstance(error, kind))
    if not isinstance(error, ConditionError):
        return _response(status, code, _without_path(str(error), folder))
    place = {
        "source": error.source,
        "column": error.column,
        "width": error.width,
        "suggestions": [error.suggestion] if error.suggestion else [],
        "parameter": _parameter_with(error.source, texts or {}),
    }
    detail = _without_path(error.message, folder)
    return _response(status, code, detail, place if error.source else {})


def _without_path(text: str, folder: Path | None) -> str:
    if folder is None:
        return text
    for path in (str(folder), str(folder.resolve())):
        text = text.replace(f"{path}/", "").replace(path, "the data folder")
    return text


def _parameter_with(source: str, texts: Mapping[str, object]) -> str | None:
    """Return the name of the parameter that is a text, or has it in a list of expressions."""
    names = [name for name, text in texts.items() if text == source]
    names += [name for name, text in texts.items() if isinstance(text, str) and source in text]
    return names[0] if names else None


def _response(
    status: int,
    code: str,
    detail: str,
    more: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    body = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "code": code,
        "detail": detail,
        **(more or {}),
    }
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)
