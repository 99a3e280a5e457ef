"""An answer as it comes over the wire, and what can be read in it."""

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
except ImportError:  # no wheel of it for this machine: the same answers, at half the speed
    _decompressor: Callable[[int], Any] = zlib.decompressobj
    _error: type[Exception] = zlib.error
else:
    _decompressor = isal_zlib.decompressobj
    # Its stub types the error class as an instance.
    _error = cast(type[Exception], isal_zlib.error)

T = TypeVar("T")

_GZIP: Final = 31
"""zlib's number for gzip with its checksum."""

_LONGEST_SENTENCE: Final = 2**20
"""Bytes of a body in which the sentence of an error is looked for."""

_LONGEST_REASON: Final = 300
"""Characters of a decoder's own words that are shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, its body as compressed as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class TooLarge(Exception):
    """A body is larger than what is read."""


class _Words(msgspec.Struct):
    """Where providers put the sentence that explains an error."""

    error: str | None = None
    message: str | None = None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait: its header has a number, or a date."""
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


def sentence_of(answer: Answer) -> str:
    """What the provider says about an error; empty where it says nothing that can be read."""
    try:
        words = msgspec.json.decode(_plain(answer, _LONGEST_SENTENCE), type=_Words)
    except (msgspec.MsgspecError, RecursionError, Fault, TooLarge):
        return ""
    return words.error or words.message or ""


def decoded(answer: Answer, decode: Callable[[bytes], T], most: int) -> T:
    """What `decode` makes of the body; raises `Fault` for what is not gzip, or not JSON.

    Raises `TooLarge` for a body of more than `most` bytes, unpacked.
    """
    try:
        return decode(_plain(answer, most))
    except (msgspec.MsgspecError, RecursionError) as error:
        # Its text says where in the body the fault is, and quotes nothing of it.
        raise Fault(f"sends no valid JSON ({str(error)[:_LONGEST_REASON]})") from None


def _plain(answer: Answer, most: int) -> bytes:
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return answer.body
    if encoding not in ("gzip", "x-gzip"):
        raise Fault("answers in an encoding that was not asked for")
    parts, rest, left = [], answer.body, most
    while rest:
        # A member after the other; each stops at what is left of the limit.
        member = _decompressor(_GZIP)
        try:
            parts.append(member.decompress(rest, left + 1))
        except (_error, EOFError, OSError):
            raise Fault("sends damaged gzip") from None
        left -= len(parts[-1])
        if left < 0:
            raise TooLarge
        if not member.eof:
            raise Fault("sends damaged gzip")
        rest = member.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)
