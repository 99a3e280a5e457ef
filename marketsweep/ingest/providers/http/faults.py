"""Errors of HTTP calls: their classes, their texts, and the settings of timeouts and retries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from marketsweep.errors import ProviderError, ProviderRefused

_CHECK_NETWORK: Final = "check the network, and the address of the provider"
_CHECK_PROXY: Final = "check HTTPS_PROXY and HTTP_PROXY"
FEWER_CALLS: Final = "make no more calls a minute than the plan includes"
_TRY_LATER: Final = "try again later"

_ERROR_TEXTS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "is not known by that name (DNS)", _CHECK_NETWORK),
    (aiohttp.ClientProxyConnectionError, "is behind a proxy that does not answer", _CHECK_PROXY),
    (aiohttp.ClientHttpProxyError, "is behind a proxy that refuses to connect", _CHECK_PROXY),
    (aiohttp.ClientSSLError, "cannot prove who it is (TLS)", _CHECK_NETWORK),
    (aiohttp.ClientConnectorError, "cannot be connected to ({reason})", _CHECK_NETWORK),
    (
        aiohttp.ConnectionTimeoutError,
        "cannot be connected to within {settings.connect_s:g} s",
        _CHECK_NETWORK,
    ),
    (aiohttp.SocketTimeoutError, "stays silent for {settings.idle_s:g} s", _TRY_LATER),
    (TimeoutError, "does not finish an answer within {settings.total_s:g} s", _TRY_LATER),
    (aiohttp.ClientPayloadError, "breaks off in the middle of an answer", _TRY_LATER),
    (aiohttp.ClientConnectionError, "breaks the connection off", _TRY_LATER),
    (aiohttp.ClientError, "does not speak proper HTTP ({reason})", _CHECK_NETWORK),
    (OSError, "breaks the connection off ({reason})", _TRY_LATER),
)
"""Text and advice for each class of library errors; the first class that matches is used."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Timeouts, retries and limits of the client."""

    connect_s: float = 10.0
    """Seconds to resolve a host and connect to it."""
    idle_s: float = 30.0
    """Seconds without a received byte after which a call fails."""
    total_s: float = 120.0
    """Seconds after which a call fails even if bytes still arrive."""
    tries: int = 6
    """Number of tries of a call before a fault is final."""
    pause_s: float = 0.5
    """Seconds before the second try, doubled for each further try, plus up to as much jitter."""
    longest_pause_s: float = 10.0
    """Maximum seconds of a pause, unless the provider asks for more."""
    throttled_s: float = 180.0
    """Seconds of only "too many calls" answers before the error is final: three rate windows."""
    window_s: float = 60.0
    """Seconds of the window in which a plan counts calls."""
    body_mb: int = 8
    """Maximum megabytes of a body as received; decompressed it may be eight times as large."""
    pages: int = 1000
    """Maximum number of pages of one list."""


class Refusal(ProviderRefused):
    """The provider refused a call; `status` is the HTTP status it sent or meant."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Complaint(ProviderError):
    """Raised by a decoder if the body reports an error although the HTTP status is a success."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Fault(ProviderError):
    """A failed try that may succeed if repeated; the text continues after the name of the host."""

    def __init__(
        self, text: str, advice: str = _TRY_LATER, retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.advice = advice
        self.retry_after = retry_after

    @property
    def is_of_one_call(self) -> bool:
        """Return whether another call may succeed."""
        return self.advice == _TRY_LATER


class Throttled(Fault):
    """The provider answered "too many calls"."""


def fault_of(error: aiohttp.ClientError | OSError, settings: HttpSettings) -> Fault:
    """Return the fault that describes a library error in plain words."""
    errno = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(errno) if errno else type(error).__name__
    text, advice = next(words for kind, *words in _ERROR_TEXTS if isinstance(error, kind))
    return Fault(text.format(reason=reason, settings=settings), advice)


def status_text(status: int) -> str:
    """Return a status with its HTTP name, if it has one."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
