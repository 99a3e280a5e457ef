"""Write the OpenAPI document of the API from the types of its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from marketsweep.serve.api.endpoints import PREFIX, Endpoint
from marketsweep.serve.api.parameters import NoParameters
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
    return {
        "openapi": "3.1.0",
        "info": {"title": "marketsweep", "version": __version__},
        "paths": {PREFIX + endpoint.path: _path(endpoint, schemas) for endpoint in endpoints},
        "components": {"schemas": {**schemas, "Problem": _PROBLEM}},
    }


def _path(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    name = endpoint.parameters.__name__
    schema = schemas[name]
    answers = _answers(endpoint)
    parameters = [
        {
            "name": field,
            "in": "path" if field in endpoint.path_names else "query",
            "required": field in schema.get("required", ()),
            "schema": of_field,
            **({"example": endpoint.example[field]} if field in endpoint.example else {}),
        }
        for field, of_field in schema["properties"].items()
    ]
    get = {
        "operationId": f"get{_title(endpoint)}",
        "summary": endpoint.doc,
        "parameters": parameters,
        "responses": answers,
    }
    if endpoint.parameters is NoParameters:
        return {"get": get}
    body = {
        "schema": {"$ref": _SCHEMAS.format(name=name)},
        "example": endpoint.example,
    }
    post = {
        "operationId": f"post{_title(endpoint)}",
        "summary": endpoint.doc,
        "parameters": [p for p in parameters if p["in"] == "path"],
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": answers,
    }
    return {"get": get, "post": post}


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
