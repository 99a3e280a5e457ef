"""An answer as it comes over the wire, and what can be read in it."""

from __future__ import annotations

import datetime as dt
import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar, cast

import msgspec

from marketsweep.providers._faults import Fault

try:
    from isal import igzip, igzip_lib
except ImportError:  # no wheel of it for this machine: the same answers, at half the speed
    _gunzip: Callable[[bytes], bytes] = gzip.decompress
    _GZIP_ERRORS: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error)
else:
    _gunzip = igzip.decompress
    # Its stub types the error class as an instance.
    _GZIP_ERRORS = (EOFError, OSError, cast(type[Exception], igzip_lib.error))

T = TypeVar("T")

_LONGEST_REASON: Final = 300
"""Characters of a decoder's own words that are shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, its body as compressed as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


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
        words = msgspec.json.decode(_plain(answer), type=_Words)
    except (msgspec.MsgspecError, RecursionError, Fault):
        return ""
    return words.error or words.message or ""


def decoded(answer: Answer, decode: Callable[[bytes], T]) -> T:
    """What `decode` makes of the body; raises `Fault` for what is no gzip, or no JSON."""
    try:
        return decode(_plain(answer))
    except (msgspec.MsgspecError, RecursionError) as error:
        # Its text says where in the body the fault is, and quotes nothing of it.
        raise Fault(f"sends no valid JSON ({str(error)[:_LONGEST_REASON]})") from None


def _plain(answer: Answer) -> bytes:
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return answer.body
    if encoding not in ("gzip", "x-gzip"):
        raise Fault("answers in an encoding that was not asked for")
    try:
        return _gunzip(answer.body)
    except _GZIP_ERRORS:
        raise Fault("sends damaged gzip") from None
