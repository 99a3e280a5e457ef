"""An HTTP answer as received, and functions that read it."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, cast

import msgspec

from marketsweep.ingest.providers.http.faults import Fault

try:
    from isal import isal_zlib
except ImportError:  # no wheel for this machine: zlib does the same at half the speed
    _decompressor: Callable[[int], Any] = zlib.decompressobj
    _error: type[Exception] = zlib.error
else:
    _decompressor = isal_zlib.decompressobj
    # Its stub types the error class as an instance.
    _error = cast(type[Exception], isal_zlib.error)

T = TypeVar("T")

_GZIP_WBITS: Final = 31
"""zlib's `wbits` for gzip with its checksum."""

_MAX_ERROR_BYTES: Final = 2**20
"""Maximum size of a body that is searched for the text of an error."""

_MAX_REASON_CHARACTERS: Final = 300
"""Maximum number of characters shown of a decoder's error message."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; the body is still compressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class TooLarge(Exception):
    """Raised if a body is larger than the limit."""


class _ErrorBody(msgspec.Struct):
    """The fields in which providers explain an error."""

    error: str | None = None
    message: str | None = None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the provider asks to wait, given as a number or a date; else None."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())


def error_text(answer: Answer) -> str:
    """Return the provider's explanation of an error; empty if none can be read."""
    try:
        body = msgspec.json.decode(_decompress(answer, _MAX_ERROR_BYTES), type=_ErrorBody)
    except (msgspec.MsgspecError, RecursionError, Fault, TooLarge):
        return ""
    return body.error or body.message or ""


def decode_body(answer: Answer, decode: Callable[[bytes], T], max_bytes: int) -> T:
    """Return the decompressed body as decoded by `decode`.

    Raises `Fault` if the body is not valid gzip or JSON, and `TooLarge` if it has more than
    `max_bytes` bytes, decompressed.
    """
    try:
        return decode(_decompress(answer, max_bytes))
    except msgspec.ValidationError as error:
        # The message of msgspec gives the position of the fault, and quotes nothing of the body.
        raise Fault(
            f"sends JSON of an unexpected form ({str(error)[:_MAX_REASON_CHARACTERS]})"
        ) from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Fault(f"sends invalid JSON ({str(error)[:_MAX_REASON_CHARACTERS]})") from None


def _decompress(answer: Answer, max_bytes: int) -> bytes:
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return answer.body
    if encoding not in ("gzip", "x-gzip"):
        raise Fault("answers in an encoding that was not requested")
    parts, remaining, bytes_left = [], answer.body, max_bytes
    while remaining:
        # One gzip member after the other; each may use what is left of the limit.
        member = _decompressor(_GZIP_WBITS)
        try:
            parts.append(member.decompress(remaining, bytes_left + 1))
        except (_error, EOFError, OSError):
            raise Fault("sends damaged gzip") from None
        bytes_left -= len(parts[-1])
        if bytes_left < 0:
            raise TooLarge
        if not member.eof:
            raise Fault("sends damaged gzip")
        remaining = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)
