"""Decode requests to the parameters of an endpoint, and say in words what is wrong with one."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from marketsweep.core.suggest import names_near
from marketsweep.errors import UsageError
from marketsweep.serve.api.parameters import Parameters

_SHOWN: Final = 60
"""The number of characters shown of a wrong name or value."""


def decode(kind: type[Parameters], sent: dict[str, Any], *, texts: bool) -> Any:  # noqa: ANN401
    """Return the parameters of a request; with `texts`, numbers and truths may be text.

    Raises UsageError for a missing, unknown or invalid one.
    """
    names = kind.__struct_fields__
    for name in sent.keys() - set(names):
        near = names_near(name, names)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
        raise UsageError(f"there is no parameter {name[:_SHOWN]!r}: {hint}")
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        if field.required and name not in sent:
            raise UsageError(f"{name} is missing")
    try:
        return msgspec.convert(sent, kind, strict=not texts)
    except msgspec.ValidationError as error:
        # The text ends with the place of the value: - at `$.limit`
        name = str(error).rpartition("$.")[2].rstrip("`")
        wanted = _description(msgspec.json.schema(fields[name].type))
        raise UsageError(f"{name} must be {wanted}, not {_shown(sent[name])}") from None


def _description(schema: dict[str, Any]) -> str:
    """Return what a value must be, from the JSON schema of its type."""
    (schema,) = (part for part in schema.get("anyOf", [schema]) if part != {"type": "null"})
    if "enum" in schema:
        return f"one of {', '.join(value for value in schema['enum'] if value)}"
    if schema.get("format") == "date":
        return "a date such as 2016-12-30"
    if schema["type"] == "string":
        least, most = schema.get("minLength", 0), schema["maxLength"]
        return f"a text of {least} to {most:,} characters"
    if schema["type"] == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']:,}"
    return "true or false"


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
