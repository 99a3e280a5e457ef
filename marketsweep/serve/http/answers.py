"""Write results as JSON, CSV, Parquet or an Arrow stream."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from marketsweep.output.formats import writer
from marketsweep.scan.results import Hits
from marketsweep.serve.api.parameters import Format
from marketsweep.serve.api.resources import plain_frame
from marketsweep.studies.sweep_result import Sweep

if TYPE_CHECKING:
    import polars as pl

JSON: Final = "application/json"

MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": JSON,
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


SMALLEST_GZIP: Final = 1_000
"""Bytes of an answer from which on it is compressed."""

GZIP_LEVEL: Final = 5


def json_bytes(value: object) -> bytes:
    """Return JSON; a number that is not known is null."""
    return msgspec.json.encode(value)


def answer(result: Any, format: Format, name: str, tag: str | None) -> Response:  # noqa: ANN401
    """Return a result in a format, with its entity tag; files get a name for the download."""
    headers = {"ETag": tag} if tag else {}
    if format != "json":
        headers["Content-Disposition"] = f'attachment; filename="{name}.{format}"'
    return Response(_encoded(result, format), 200, headers, MEDIA_TYPES[format])


def has_tag(wanted: str, tag: str) -> bool:
    """Return whether an If-None-Match has a tag: in a list, weak, or as `*`."""
    tags = {part.strip().removeprefix("W/") for part in wanted.split(",")}
    return tag in tags or "*" in tags


def compressed(response: Response, accepted: str) -> Response:
    """Return a response in gzip if the client accepts it; call it on the thread of the work.

    The middleware does it for files, but on the event loop, where others would wait.
    """
    response.headers["Vary"] = "Accept-Encoding"
    body = bytes(response.body)
    if "gzip" in accepted.lower() and len(body) >= SMALLEST_GZIP:
        response.body = gzip.compress(body, GZIP_LEVEL, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def _encoded(result: Any, format: Format) -> bytes:  # noqa: ANN401
    if isinstance(result, Sweep):
        is_json = format == "json"
        return json_bytes(result.to_dict()) if is_json else _encode(result.to_polars(), format)
    if isinstance(result, Hits):
        if format == "json":
            return json_bytes(result.to_dict())
        file = io.BytesIO()
        writer(format)(result, file)
        return file.getvalue()
    if format == "json":
        is_plain = isinstance(result, dict | list)
        return json_bytes(result if is_plain else plain_frame(result))
    return _encode(result, format)


def _encode(frame: pl.DataFrame, format: Format) -> bytes:
    file = io.BytesIO()
    if format == "csv":
        frame.write_csv(file)
    elif format == "parquet":
        frame.write_parquet(file)
    else:
        frame.write_ipc_stream(file)
    return file.getvalue()
