"""Write the OpenAPI document of the API from the types of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from marketsweep.serve.api.endpoints import PREFIX, Endpoint, Method
from marketsweep.serve.http.answers import JSON, MEDIA_TYPES
from marketsweep.serve.http.problems import MEDIA_TYPE, TITLES
from marketsweep.version import __version__

_SCHEMAS: Final = "#/components/schemas/{name}"

_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "source": {"type": "string", "description": "The text of a condition"},
        "column": {"type": "integer", "description": "Place of the error in it, from 0"},
        "width": {"type": "integer"},
        "suggestions": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Texts that may replace what stands there",
        },
        "parameter": {"type": ["string", "null"], "description": "The parameter with the error"},
    },
}


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document."""
    types = [endpoint.parameters for endpoint in endpoints]
    _, schemas = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(PREFIX + endpoint.path, {})
        for method in endpoint.methods:
            operations[method.lower()] = _operation(endpoint, method, schemas)
    paths[f"{PREFIX}/sync"]["get"] = _SYNC_EVENTS
    return {
        "openapi": "3.1.0",
        "info": {"title": "marketsweep", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],  # on its own machine a server needs no token
    }


def _operation(endpoint: Endpoint, method: Method, schemas: dict[str, Any]) -> dict[str, Any]:
    name = endpoint.parameters.__name__
    schema = schemas[name]
    has_body = method in ("POST", "PUT")
    operation = {
        "operationId": f"{method.lower()}{_title(endpoint)}",
        "summary": endpoint.doc,
        "description": f"Needs a token of scope {endpoint.scope}, where tokens are needed.",
        "parameters": [
            {
                "name": field,
                "in": "path" if field in endpoint.path_names else "query",
                "required": field in schema.get("required", ()),
                "schema": of_field,
                **({"example": endpoint.example[field]} if field in endpoint.example else {}),
            }
            for field, of_field in schema["properties"].items()
            if field in endpoint.path_names or not has_body
        ],
        "responses": _answers(endpoint),
    }
    if has_body:
        body = {"schema": _body_schema(endpoint, schema), "example": endpoint.body_example}
        operation["requestBody"] = {"required": True, "content": {JSON: body}}
    return operation


def _body_schema(endpoint: Endpoint, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body: the parameters that do not stand in the path."""
    in_path = endpoint.path_names
    if not in_path:
        return {"$ref": _SCHEMAS.format(name=endpoint.parameters.__name__)}
    return {
        **schema,
        "properties": {k: v for k, v in schema["properties"].items() if k not in in_path},
        "required": [name for name in schema.get("required", ()) if name not in in_path],
    }


_SYNC_EVENTS: Final = {
    "operationId": "getSync",
    "summary": "Follow the progress of the sync as server-sent events.",
    "responses": {
        "200": {
            "description": "One event at once, then one for each change",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
}


def _title(endpoint: Endpoint) -> str:
    return "".join(part.strip("{}").title() for part in endpoint.path.split("/"))


def _answers(endpoint: Endpoint) -> dict[str, Any]:
    formats = MEDIA_TYPES if endpoint.has_formats else {"json": JSON}
    problem = {MEDIA_TYPE: {"schema": {"$ref": _SCHEMAS.format(name="Problem")}}}
    return {
        "200": {
            "description": endpoint.doc,
            "content": {
                media: {"schema": {} if media == JSON else {"type": "string"}}
                for media in formats.values()
            },
        },
        "304": {"description": "The client has this answer already"},
        **{
            f"{status}": {"description": title, "content": problem}
            for status, title in TITLES.items()
        },
    }
