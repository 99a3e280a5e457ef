"""Write `docs/reference/api.md` from the endpoints and their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from marketsweep.serve.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from marketsweep.serve.http.answers import MEDIA_TYPES
from marketsweep.serve.http.openapi import openapi
from marketsweep.serve.http.problems import TITLES

API: Final = Path(__file__).parent / "reference" / "api.md"

_OPENING: Final = """\
# The HTTP API

Written by `python -m docs.generate` from the program; do not edit. `marketsweep serve` answers it;
[serve.md](../guide/serve.md) says how. `/openapi.json` of a running server describes it for
programs. `/healthz` answers while the server runs, `/readyz` once there is a session to scan, and
`/metrics` has figures for Prometheus.

A GET has its parameters in the query, a POST as a JSON object with the same names. The names and
meanings are those of the [command line](cli.md). An answer has an `ETag` that changes with the
data and the request: with `If-None-Match`, the server answers 304 and computes nothing. Answers
are compressed with gzip for clients that accept it.

Where other machines can reach the server, a request needs a token, `Authorization: Bearer TOKEN`,
of the scope that stands with each endpoint or of a higher one: `read`, `scan`, `admin`.
"""

_ERRORS: Final = """\
## Errors

Every error is `application/problem+json` (RFC 9457) with `status`, `title`, a `code` for programs
and a `detail` for people. An error in a condition has the code `condition` and also `source` (the
text), `column` (from 0) and `width` (the place), `suggestions` (texts that may replace what stands
there) and `parameter` (the parameter that has the text).
"""


def api_page() -> str:
    """The whole of docs/reference/api.md."""
    schemas = openapi(ENDPOINTS)["components"]["schemas"]
    parts = [_OPENING]
    for endpoint in ENDPOINTS:
        parts += _section(endpoint, schemas[endpoint.parameters.__name__])
    parts += [_ERRORS, "| status | title |", "|---|---|"]
    parts += [f"| {status} | {title} |" for status, title in TITLES.items()]
    return "\n".join([*parts, ""])


def _section(endpoint: Endpoint, schema: dict[str, Any]) -> Iterator[str]:
    yield f"## {', '.join(endpoint.methods)} {PREFIX}{endpoint.path}\n"
    yield f"{endpoint.doc} Scope `{endpoint.scope}`.\n"
    yield f"```\n{endpoint.methods[0]} {PREFIX}{_example(endpoint)}\n```\n"
    if endpoint.has_formats:
        yield "`format` is one of:\n"
        yield from (f"- `{name}`: `{media}`" for name, media in MEDIA_TYPES.items())
        yield ""
    if schema["properties"]:
        yield "| parameter | type | default | |\n|---|---|---|---|"
        required = schema.get("required", ())
        properties = schema["properties"].items()
        for name, field in sorted(properties, key=lambda item: item[0] not in required):
            default = "required" if name in required else _default(field.get("default"))
            yield f"| `{name}` | {_type(field)} | {default} | {_description(field)} |"
        yield ""


def _example(endpoint: Endpoint) -> str:
    path, asked = endpoint.path.format(**endpoint.example), endpoint.body_example
    if not asked:
        return path
    if endpoint.reads:
        return f"{path}?{urlencode(asked).replace('True', 'true')}"
    return f"{path}\n\n{json.dumps(asked)}"


def _default(value: object) -> str:
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(field: dict[str, Any]) -> str:
    kinds = [part for part in field.get("anyOf", [field]) if part.get("type") != "null"]
    return " or ".join(map(_plain_type, kinds))


def _plain_type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"] if value is not None)
    if field.get("format") == "date":
        return "date"
    low, high = field.get("minimum"), field.get("maximum")
    limits = "" if low is None and high is None else f" {low or 0:,} to {high:,}"
    return {"integer": "whole number", "boolean": "`true`, `false`", "string": "text"}[
        field["type"]
    ] + limits


def _description(field: dict[str, Any]) -> str:
    parts = [field, *field.get("anyOf", [])]
    return next((part["description"] for part in parts if "description" in part), "")
