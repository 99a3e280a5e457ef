"""What can go wrong with a call: the errors of a client, their words, and how patient it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp

from marketsweep.errors import ProviderError, ProviderRefused

_NETWORK: Final = "check the network, and the address of the provider"
_PROXY: Final = "check HTTPS_PROXY and HTTP_PROXY"
FEWER_CALLS: Final = "ask for no more calls a minute than the plan includes"
_LATER: Final = "try again later"

_FAULTS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "is not known by that name (DNS)", _NETWORK),
    (aiohttp.ClientProxyConnectionError, "is behind a proxy that does not answer", _PROXY),
    (aiohttp.ClientHttpProxyError, "is behind a proxy that refuses to connect", _PROXY),
    (aiohttp.ClientSSLError, "cannot prove who it is (TLS)", _NETWORK),
    (aiohttp.ClientConnectorError, "cannot be connected to ({reason})", _NETWORK),
    (
        aiohttp.ConnectionTimeoutError,
        "cannot be connected to within {settings.connect_s:g} s",
        _NETWORK,
    ),
    (aiohttp.SocketTimeoutError, "stays silent for {settings.idle_s:g} s", _LATER),
    (TimeoutError, "does not finish an answer within {settings.total_s:g} s", _LATER),
    (aiohttp.ClientPayloadError, "breaks off in the middle of an answer", _LATER),
    (aiohttp.ClientConnectionError, "breaks the connection off", _LATER),
    (aiohttp.ClientError, "does not speak proper HTTP ({reason})", _NETWORK),
    (OSError, "breaks the connection off ({reason})", _LATER),
)
"""What a foreign error means, the first that fits, and what to do about it."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How patient the client is."""

    connect_s: float = 10.0
    """Seconds to look a host up and connect to it."""
    idle_s: float = 30.0
    """Seconds without one byte after which an answer is given up."""
    total_s: float = 120.0
    """Seconds after which an answer is given up even though bytes still drip in."""
    tries: int = 6
    """Times that a call is tried before a fault is final."""
    pause_s: float = 0.5
    """Seconds before the second try, doubling from try to try; up to as much jitter on top."""
    longest_pause_s: float = 10.0
    """Seconds that no pause exceeds, unless the provider asks for more."""
    throttled_s: float = 180.0
    """Seconds of nothing but "too many calls" before that is final: three of a plan's windows."""
    window_s: float = 60.0
    """Seconds of the window in which a plan counts calls."""
    body_mb: int = 8
    """Megabytes of an answer as it comes; unpacked it may have eight times as many."""
    pages: int = 1000
    """Pages of one list."""


class Refusal(ProviderRefused):
    """The provider said no; `status` is the HTTP status that it said so with, or meant."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Complaint(ProviderError):
    """Raised by a decoder whose body says no although the HTTP status is a success."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Fault(ProviderError):
    """A try that failed as another may not; the text goes on after the name of the host."""

    def __init__(self, what: str, advice: str = _LATER, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.advice = advice
        self.retry_after = retry_after

    @property
    def is_of_one_call(self) -> bool:
        """Whether another call may succeed."""
        return self.advice == _LATER


class Throttled(Fault):
    """The provider counts too many calls."""


def fault_of(error: aiohttp.ClientError | OSError, settings: HttpSettings) -> Fault:
    """In plain words, what went wrong between us and the provider."""
    errno = error.errno if isinstance(error, OSError) else None
    reason = os.strerror(errno) if errno else type(error).__name__
    what, advice = next(words for kind, *words in _FAULTS if isinstance(error, kind))
    return Fault(what.format(reason=reason, settings=settings), advice)


def status_text(status: int) -> str:
    """A status with the name that HTTP gives it, where it has one."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
