"""The HTTP client of every provider on a network: pace, patience, and faults in plain words.

What one call goes through:

1. `HttpClient.get` pins the address to the provider's own origin (`_own`).
2. `Throttle` holds it back while the provider answers "too many calls".
3. `RateLimit` holds it back until the plan allows one more call.
4. `_exchange` sends it and takes the body, counting bytes as they come over the wire.
5. `_judge` turns a status that is not a success into a refusal or a fault.
6. `_unpack` gunzips and decodes, a big body in a thread.
7. `_again` says whether a fault is worth another try, and when: the hook that stamina asks.

A `Fault` is what another try may cure. A `Refusal` is final.
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
from marketsweep.core.safe_text import foreign
from marketsweep.errors import CallFailed, ProviderRefused, ProviderUnreachable
from marketsweep.ingest.providers.http.answers import (
    Answer,
    TooLarge,
    decoded,
    retry_after,
    sentence_of,
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

"""Characters of a provider's own sentence that are shown."""

T = TypeVar("T")
Item = TypeVar("Item")

# stamina warns at each retry. That stays available to whoever configures logging, but must not
# fall through to stderr where nobody did.
logging.getLogger("stamina").addHandler(logging.NullHandler())

_BIG: Final = 32_768
"""Compressed bytes from which a body is unpacked in a thread: below, the hop costs more."""

_MB: Final = 2**20
_UNPACKED: Final = 8
"""Times the limit of a body as it comes that it may have unpacked."""

_UNPACKING: Final = 1
"""Bodies unpacked at once: decoding holds the GIL, and more threads only fight the loop for it."""


@dataclass(slots=True, eq=False)
class _Call:
    """One call over all its tries."""

    url: URL
    tries: int = 0
    faults: int = 0


@dataclass(frozen=True, slots=True)
class _Live:
    """What lives between enter and exit, in one event loop."""

    session: aiohttp.ClientSession
    slots: asyncio.Semaphore
    unpacking: asyncio.Semaphore
    throttle: Throttle
    tasks: set[asyncio.Task[Any]]


class HttpClient:
    """Gets and decodes answers of one provider, as often as `rate` allows.

    `base_url` is its origin, perhaps with a path; `key` goes out as a bearer token and nowhere
    else, `key_name` is what the user calls it. Used as an async context manager. Raises
    `ProviderRefused` (a `Refusal` where an answer said so) and `ProviderUnreachable` (a
    `CallFailed` where the provider can be reached) only.
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
        self._base = _base(base_url)
        self._key = _key(key, key_name)
        self._key_name = key_name
        self._usage = usage
        self._concurrency = concurrency
        # Without a window, a rate limit is a limit on how many calls are under way.
        at_once = RateLimit(concurrency, 0.0)
        self._rate = rate or at_once
        self._held = Stopwatch(usage)
        self._retry = stamina.AsyncRetryingCaller(
            attempts=None,
            timeout=None,
            wait_initial=self.settings.pause_s,
            wait_max=self.settings.longest_pause_s,
            wait_jitter=self.settings.pause_s,
        )
        self._opened: _Live | None = None

    @property
    def host(self) -> str:
        """The provider's host, as errors name it."""
        return self._base.host_port_subcomponent or ""

    @property
    def _live(self) -> _Live:
        if self._opened is None:
            raise RuntimeError("the client is used outside its `async with`")
        return self._opened

    async def __aenter__(self) -> Self:
        settings = self.settings
        self._rate.rebind()
        self._opened = _Live(
            session=aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._concurrency, ttl_dns_cache=300),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=settings.total_s,
                    connect=settings.connect_s,
                    sock_read=settings.idle_s,
                ),
                headers={"Accept-Encoding": "gzip", "User-Agent": "marketsweep"},
                # The wire's bytes are counted, and a damaged body is a fault like any other.
                auto_decompress=False,
                proxy=_proxy(self._base),
            ),
            slots=asyncio.Semaphore(self._concurrency),
            unpacking=asyncio.Semaphore(_UNPACKING),
            throttle=Throttle(settings.pause_s, settings.longest_pause_s, settings.throttled_s),
            tasks=set(),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        live, self._opened = self._live, None
        await _cancel(live.tasks)
        await live.session.close()

    async def get(
        self,
        address: str,
        decode: Callable[[bytes], T],
        params: Mapping[str, str] | None = None,
    ) -> T:
        """What `decode` makes of the answer at a path ("/v1/..."), or at a full address.

        `decode` may raise `msgspec.DecodeError`, which counts as a fault, or `Complaint`.
        """
        throttle = self._live.throttle
        call = _Call(self._own(address).update_query(params or {}))
        try:
            return await self._retry(partial(self._again, call), self._try, call, decode)
        except Fault as fault:
            final = fault
        finally:
            throttle.leave(call)
        # Raised out here, an error carries nothing of aiohttp's, which quote request headers.
        times = "1 try" if call.tries == 1 else f"{call.tries} tries"
        error = CallFailed if final.is_of_one_call else ProviderUnreachable
        raise error(f"{self.host} {final}, after {times}: {final.advice}")

    async def in_order(
        self,
        fetch: Callable[[Item], Coroutine[Any, Any, T]],
        items: Iterable[Item],
        ahead: int,
    ) -> AsyncGenerator[T, None]:
        """`fetch` of each item, in order; at most `ahead` are under way or wait to be taken."""
        tasks: deque[asyncio.Task[T]] = deque()
        try:
            for item in items:
                tasks.append(self._start(fetch(item)))
                if len(tasks) >= ahead:
                    yield await tasks[0]
                    tasks.popleft()
            while tasks:
                yield await tasks[0]
                tasks.popleft()
        finally:
            await _cancel(tasks)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        # Known to the client as well, so that none outlives it where a consumer of `in_order`
        # walks away without closing the generator.
        task = asyncio.create_task(work)
        tasks = self._live.tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task

    def _own(self, address: str) -> URL:
        """The address, if it is the provider's own: the key goes nowhere else."""
        if address.startswith("/") and not address.startswith("//"):
            return URL(f"{str(self._base).rstrip('/')}{address}")
        try:
            url = URL(address)
            own = url.user is None and url.origin() == self._base.origin()
        except ValueError:
            raise ProviderRefused(
                f"{self.host} sent on to something that is not an address"
            ) from None
        if not own:
            raise ProviderRefused(
                f"{self.host} sent on to another address, {url.scheme}://{url.host}:{url.port}: "
                "it was not followed, and did not get the key"
            )
        return url

    async def _try(self, call: _Call, decode: Callable[[bytes], T]) -> T:
        with self._held:
            welcome = await self._live.throttle.wait(call)
        if not welcome:
            raise Throttled(f"answers {status_text(429)}", FEWER_CALLS, retry_after=math.inf)
        async with self._live.slots:
            answer = await self._paced(call)
        self._judge(call, answer)
        try:
            return await self._unpack(call.url, answer, decode)
        except Complaint as complaint:
            said = complaint
        if said.status >= 500:
            raise Fault(f"answers with an error{self._quote(str(said))}")
        raise self._refusal(call.url, said.status, str(said))

    async def _paced(self, call: _Call) -> Answer:
        with self._held:
            await self._rate.enter()
        call.tries += 1
        self._usage.calls += 1
        try:
            return await self._exchange(call.url)
        finally:
            self._rate.leave()

    async def _exchange(self, url: URL) -> Answer:
        body = []
        # Not among the session's headers: aiohttp shows those to a proxy, outside of the tunnel.
        headers = {"Authorization": f"Bearer {self._key}"}
        try:
            async with self._live.session.get(
                url, headers=headers, allow_redirects=False
            ) as response:
                size = 0
                async for chunk in response.content.iter_any():
                    self._usage.bytes_received += len(chunk)
                    size += len(chunk)
                    if size > self.settings.body_mb * _MB:
                        raise self._too_large(url, self.settings.body_mb)
                    body.append(chunk)
                return Answer(response.status, response.headers, b"".join(body))
        except (aiohttp.ClientError, OSError) as error:
            raise fault_of(error, self.settings) from None

    def _judge(self, call: _Call, answer: Answer) -> None:
        """Raises for a status that is not a success."""
        status = answer.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            wait = retry_after(answer.headers)
            raise Throttled(
                f"answers {status_text(status)}"
                + ("" if wait is None else f", to wait {wait:.0f} s"),
                FEWER_CALLS,
                wait,
            )
        self._live.throttle.answered(call)
        if status == HTTPStatus.REQUEST_TIMEOUT or status >= 500:
            raise Fault(f"answers {status_text(status)}", retry_after=retry_after(answer.headers))
        if not 200 <= status < 300:
            raise self._refusal(call.url, status, sentence_of(answer))

    async def _unpack(self, url: URL, answer: Answer, decode: Callable[[bytes], T]) -> T:
        most_mb = _UNPACKED * self.settings.body_mb
        try:
            if len(answer.body) < _BIG:
                return decoded(answer, decode, most_mb * _MB)
            async with self._live.unpacking:
                return await asyncio.to_thread(decoded, answer, decode, most_mb * _MB)
        except TooLarge:
            raise self._too_large(url, most_mb) from None

    def _too_large(self, url: URL, most_mb: int) -> CallFailed:
        return CallFailed(
            f"{self.host} answers {url.path} with more than {most_mb:,} MB: allow more with "
            "max_body_mb in [sync] of config.toml, or MARKETSWEEP_MAX_BODY_MB, if it is right"
        )

    def _refusal(self, url: URL, status: int, said: str) -> Refusal:
        if status == HTTPStatus.UNAUTHORIZED:
            text = f"the provider does not know this API key: check {self._key_name}"
        elif 300 <= status < 400:
            text = f"redirects {url.path}: check the address of the provider"
        else:
            text = f"refuses {url.path} ({status_text(status)}){self._quote(said)}"
        return Refusal(f"{self.host}: {text}", status)

    def _quote(self, said: str) -> str:
        # A provider may repeat the key, or send what a terminal would obey.
        plain = foreign(said.replace(self._key, "***"))
        return f": {plain}" if plain else ""

    def _again(self, call: _Call, error: Exception) -> bool | float:
        """Whether to try again, or in how many seconds; True leaves the pause to stamina."""
        if not isinstance(error, Fault):
            return False
        if isinstance(error, Throttled):
            # The throttle itself does the waiting, where it can be counted.
            again = self._live.throttle.shut(call, error.retry_after)
            self._usage.retries += again
            return 0.0 if again else False
        call.faults += 1
        if call.faults >= self.settings.tries:
            return False
        if error.retry_after is not None and error.retry_after > self.settings.throttled_s:
            return False
        self._usage.retries += 1
        return True if error.retry_after is None else error.retry_after


def _base(address: str) -> URL:
    try:
        url = URL(address.strip())
        usable = url.scheme in ("http", "https") and url.host and not (url.user or url.query_string)
    except ValueError:
        usable = False
    if not usable:
        raise ProviderRefused("the address of the provider must look like https://api.example.com")
    return url


def _key(key: str, name: str) -> str:
    key = key.strip()
    if not key:
        raise ProviderRefused(f"the provider needs an API key: set {name}")
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ProviderRefused(f"no API key has spaces or letters beyond ASCII: check {name}")
    return key


def _proxy(base: URL) -> URL | None:
    """The proxy that the environment names for the provider, or None; no way to this machine.

    aiohttp's `trust_env` would do, but looks for it, and for ~/.netrc, in two threads at every
    call, and an entry in ~/.netrc then clashes with the key.
    """
    host = base.host or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxy = getproxies().get(base.scheme)
    if proxy is None:
        return None
    url = _address(proxy if "://" in proxy else f"http://{proxy}")
    if url is None:
        # Not quoted: it may hold a password.
        raise ProviderUnreachable(
            f"the environment names a proxy for {host} that is not an address: "
            "it must look like http://proxy.example:3128"
        )
    if url.scheme not in ("http", "https"):
        raise ProviderUnreachable(
            f"the environment names a {url.scheme} proxy for {host}: only http and https ones work"
        )
    return url


def _address(text: str) -> URL | None:
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
    """End the tasks, and wait until they are over."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
