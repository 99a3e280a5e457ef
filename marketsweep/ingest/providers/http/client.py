"""HTTP client for all network providers: rate limit, retries, and faults in plain words.

The steps of one call:

1. `HttpClient.get` restricts the address to the provider's own origin (`_own_url`).
2. `Throttle` delays the call while the provider answers "too many calls".
3. `RateLimit` delays the call until the plan allows one more.
4. `_exchange` sends the call and receives the body, and counts the received bytes.
5. `_check_status` turns a status that is not a success into a refusal or a fault.
6. `_decode` decompresses and decodes the body, a large one in a thread.
7. `_should_retry` decides whether to retry after a fault, and when; stamina calls it.

A `Fault` may succeed on a retry. A `Refusal` is final.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final, Self, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
import stamina
from yarl import URL

from marketsweep.core.records import Usage
from marketsweep.core.safe_text import clean_line
from marketsweep.errors import CallFailed, ProviderRefused, ProviderUnreachable
from marketsweep.ingest.providers.http.answers import (
    Answer,
    TooLarge,
    decode_body,
    error_text,
    retry_after,
)
from marketsweep.ingest.providers.http.faults import (
    FEWER_CALLS,
    Complaint,
    Fault,
    HttpSettings,
    Refusal,
    Throttled,
    fault_of,
    status_text,
)
from marketsweep.ingest.providers.http.rate_limit import RateLimit, Stopwatch, Throttle

__all__ = ["Complaint", "HttpClient", "HttpSettings", "Refusal"]

T = TypeVar("T")
Item = TypeVar("Item")

# stamina logs a warning at each retry. Without a configured logger it must not go to stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())

_THREAD_BYTES: Final = 32_768
"""Compressed size from which a body is decoded in a thread; smaller ones are faster without."""

_MB: Final = 2**20
_MAX_EXPANSION: Final = 8
"""Maximum decompressed size of a body, as a multiple of the limit on its compressed size."""

_DECODERS_AT_ONCE: Final = 1
"""Number of bodies decoded at once: decoding holds the GIL, so more threads only slow the loop."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call with all its tries."""

    url: URL
    tries: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class _Connection:
    """Objects that exist between enter and exit, in one event loop."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    decoders: asyncio.Semaphore
    throttle: Throttle
    tasks: set[asyncio.Task[Any]]


class HttpClient:
    """Gets and decodes the answers of one provider, as fast as `rate` allows.

    `base_url` is the provider's origin, optionally with a path. `key` is sent as a bearer token to
    this origin only; `key_name` is the user's name for it. Use as an async context manager. Raises
    only `ProviderRefused` (`Refusal` if an answer refused the call) and `ProviderUnreachable`
    (`CallFailed` if the provider is reachable).
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str,
        key_name: str,
        usage: Usage,
        rate: RateLimit | None = None,
        concurrency: int = 24,
        settings: HttpSettings | None = None,
    ) -> None:
        self.settings = settings or HttpSettings()
        self._base = _parse_base_url(base_url)
        self._key = _parse_key(key, key_name)
        self._key_name = key_name
        self._usage = usage
        self._concurrency = concurrency
        # A rate limit without a window limits the number of concurrent calls.
        concurrency_limit = RateLimit(concurrency, 0.0)
        self._rate = rate or concurrency_limit
        self._stopwatch = Stopwatch(usage)
        self._retry = stamina.AsyncRetryingCaller(
            attempts=None,
            timeout=None,
            wait_initial=self.settings.pause_s,
            wait_max=self.settings.longest_pause_s,
            wait_jitter=self.settings.pause_s,
        )
        self._connection_or_none: _Connection | None = None

    @property
    def host(self) -> str:
        """Return the provider's host, as shown in errors."""
        return self._base.host_port_subcomponent or ""

    @property
    def _connection(self) -> _Connection:
        if self._connection_or_none is None:
            raise RuntimeError("the client is used outside its `async with`")
        return self._connection_or_none

    async def __aenter__(self) -> Self:
        settings = self.settings
        self._rate.rebind()
        self._connection_or_none = _Connection(
            session=aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=settings.total_s,
                    connect=settings.connect_s,
                    sock_read=settings.idle_s,
                ),
                headers={"Accept-Encoding": "gzip", "User-Agent": "marketsweep"},
                # The client counts received bytes, and treats a damaged body like other faults.
                auto_decompress=False,
                proxy=_find_proxy(self._base),
            ),
            slots=asyncio.Semaphore(self._concurrency),
            decoders=asyncio.Semaphore(_DECODERS_AT_ONCE),
            throttle=Throttle(settings.pause_s, settings.longest_pause_s, settings.throttled_s),
            tasks=set(),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        connection, self._connection_or_none = self._connection, None
        await _cancel(connection.tasks)
        await connection.session.close()

    async def get(
        self,
        address: str,
        decode: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
    ) -> T:
        """Return the decoded answer for a path ("/v1/...") or a full address.

        `decode` may raise `msgspec.DecodeError`, which counts as a fault, or `Complaint`.
        """
        throttle = self._connection.throttle
        call = _Call(self._own_url(address).update_query(params or {}))
        try:
            return await self._retry(partial(self._should_retry, call), self._try, call, decode)
        except Fault as fault:
            final = fault
        finally:
            throttle.leave(call)
        # Raised here, the error has no context from aiohttp, whose errors quote request headers.
        tries_text = "1 try" if call.tries == 1 else f"{call.tries} tries"
        error_class = CallFailed if final.is_of_one_call else ProviderUnreachable
        raise error_class(f"{self.host} {final}, after {tries_text}: {final.advice}")

    async def in_order(
        self,
        fetch: Callable[[Item], Coroutine[Any, Any, T]],
        items: Iterable[Item],
        ahead: int,
    ) -> AsyncGenerator[T, None]:
        """Yield `fetch` of each item, in order; at most `ahead` are running or not yet taken."""
        tasks: deque[asyncio.Task[T]] = deque()
        try:
            for item in items:
                tasks.append(self._start_task(fetch(item)))
                if len(tasks) >= ahead:
                    yield await tasks[0]
                    tasks.popleft()
            while tasks:
                yield await tasks[0]
                tasks.popleft()
        finally:
            await _cancel(tasks)

    def _start_task(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        # The client tracks all tasks, so that none outlives it if a consumer of `in_order`
        # stops without closing the generator.
        task = asyncio.create_task(coroutine)
        tasks = self._connection.tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def _own_url(self, address: str) -> URL:
        """Return the URL of an address. Raises ProviderRefused for an origin of another server."""
        if address.startswith("/") and not address.startswith("//"):
            return URL(f"{str(self._base).rstrip('/')}{address}")
        try:
            url = URL(address)
            is_own = url.user is None and url.origin() == self._base.origin()
        except ValueError:
            raise ProviderRefused(f"{self.host} redirected to an invalid address") from None
        if not is_own:
            raise ProviderRefused(
                f"{self.host} redirected to another address, "
                f"{url.scheme}://{url.host}:{url.port}: the redirect was not followed, and the "
                "key was not sent"
            )
        return url

    async def _try(self, call: _Call, decode: Callable[[bytes], T]) -> T:
        with self._stopwatch:
            is_allowed = await self._connection.throttle.wait(call)
        if not is_allowed:
            raise Throttled(f"answers {status_text(429)}", FEWER_CALLS, retry_after=math.inf)
        async with self._connection.slots:
            answer = await self._send_when_allowed(call)
        self._check_status(call, answer)
        try:
            return await self._decode(call.url, answer, decode)
        except Complaint as complaint:
            error = complaint
        if error.status >= 500:
            raise Fault(f"answers with an error{self._quote(str(error))}")
        raise self._refusal_for(call.url, error.status, str(error))

    async def _send_when_allowed(self, call: _Call) -> Answer:
        with self._stopwatch:
            await self._rate.enter()
        call.tries += 1
        self._usage.calls += 1
        try:
            return await self._exchange(call.url)
        finally:
            self._rate.leave()

    async def _exchange(self, url: URL) -> Answer:
        body = []
        # Not a header of the session: aiohttp sends those to a proxy, outside of the tunnel.
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            async with self._connection.session.get(
                url, headers=headers, allow_redirects=False
            ) as response:
                size = 0
                async for chunk in response.content.iter_any():
                    self._usage.bytes_received += len(chunk)
                    size += len(chunk)
                    if size > self.settings.body_mb * _MB:
                        raise self._too_large_error(url, self.settings.body_mb)
                    body.append(chunk)
                return Answer(response.status, response.headers, b"".join(body))
        except (aiohttp.ClientError, OSError) as error:
            raise fault_of(error, self.settings) from None

    def _check_status(self, call: _Call, answer: Answer) -> None:
        """Raise `Throttled`, `Fault` or `Refusal` if the status is not a success."""
        status = answer.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = retry_after(answer.headers)
            raise Throttled(
                f"answers {status_text(status)}"
                + ("" if wait is None else f", to wait {wait:.0f} s"),
                FEWER_CALLS,
                wait,
            )
        self._connection.throttle.answered(call)
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= 500:
            raise Fault(f"answers {status_text(status)}", retry_after=retry_after(answer.headers))
        if not 200 <= status < 300:
            raise self._refusal_for(call.url, status, error_text(answer))

    async def _decode(self, url: URL, answer: Answer, decode: Callable[[bytes], T]) -> T:
        max_mb = _MAX_EXPANSION * self.settings.body_mb
        try:
            if len(answer.body) < _THREAD_BYTES:
                return decode_body(answer, decode, max_mb * _MB)
            async with self._connection.decoders:
                return await asyncio.to_thread(decode_body, answer, decode, max_mb * _MB)
        except TooLarge:
            raise self._too_large_error(url, max_mb) from None

    def _too_large_error(self, url: URL, max_mb: int) -> CallFailed:
        return CallFailed(
            f"{self.host} answers {url.path} with more than {max_mb:,} MB: allow more with "
            "max_body_mb in [sync] of config.toml, or MARKETSWEEP_MAX_BODY_MB, if it is right"
        )

    def _refusal_for(self, url: URL, status: int, explanation: str) -> Refusal:
        if status == HTTPStatus.UNAUTHORIZED:
            text = f"the provider does not know this API key: check {self._key_name}"
        elif 300 <= status < 400:
            text = f"redirects {url.path}: check the address of the provider"
        else:
            text = f"refuses {url.path} ({status_text(status)}){self._quote(explanation)}"
        return Refusal(f"{self.host}: {text}", status)

    def _quote(self, text: str) -> str:
        # A provider may repeat the key, or send control codes of a terminal.
        safe_text = clean_line(text.replace(self._key, "***"))
        return f": {safe_text}" if safe_text else ""

    def _should_retry(self, call: _Call, error: Exception) -> bool | float:
        """Return whether to retry, or after how many seconds; True leaves the pause to stamina."""
        if not isinstance(error, Fault):
            return False
        if isinstance(error, Throttled):
            # The throttle does the waiting, so that the waiting time is counted.
            may_retry = self._connection.throttle.shut(call, error.retry_after)
            self._usage.retries += may_retry
            return 0.0 if may_retry else False
        call.faults += 1
        if call.faults >= self.settings.tries:
            return False
        if error.retry_after is not None and error.retry_after > self.settings.throttled_s:
            return False
        self._usage.retries += 1
        return True if error.retry_after is None else error.retry_after


def _parse_base_url(address: str) -> URL:
    try:
        url = URL(address.strip())
        is_usable = (
            url.scheme in ("http", "https") and url.host and not (url.user or url.query_string)
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ProviderRefused("the address of the provider must look like https://api.example.com")
    return url


def _parse_key(key: str, name: str) -> str:
    key = key.strip()
    if not key:
        raise ProviderRefused(f"the provider needs an API key: set {name}")
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ProviderRefused(f"an API key has no spaces and no letters beyond ASCII: check {name}")
    return key


def _find_proxy(base: URL) -> URL | None:
    """Return the proxy of the environment for the provider, or None; loopback has no proxy.

    aiohttp's `trust_env` would look for the proxy, and for ~/.netrc, in two threads at every call,
    and an entry in ~/.netrc would conflict with the key.
    """
    host = base.host or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxy = getproxies().get(base.scheme)
    if proxy is None:
        return None
    url = _parse_proxy(proxy if "://" in proxy else f"http://{proxy}")
    if url is None:
        # Not quoted, because it may contain a password.
        raise ProviderUnreachable(
            f"the environment names a proxy for {host} that is not an address: "
            "it must look like http://proxy.example:3128"
        )
    if url.scheme not in ("http", "https"):
        raise ProviderUnreachable(
            f"the environment names a {url.scheme} proxy for {host}: only http and https ones work"
        )
    return url


def _parse_proxy(text: str) -> URL | None:
    try:
        url = URL(text)
    except ValueError:
        return None
    return url if url.host else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks, and wait until they have ended."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
