"""What a network and a provider can do to a client, one test a fault; no fault is imitated.

Whatever happens in a test here, `secretive` looks for the key in every log record afterwards, and
`failure` in the error and all that hangs on it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import logging
import random
import resource
import selectors
import socket
import time
import traceback
import zlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from email.utils import format_datetime
from typing import Any, TypeVar

import numpy as np
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Dividend, Listing, SessionBars, Split
from marketsweep.errors import ProviderError, ProviderRefused, ProviderUnreachable, UsageError
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.http.rate_limit import RateLimit
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from tests.helpers.answers import all_of, each
from tests.helpers.forwarding_proxy import proxy_to
from tests.helpers.massive_server import (
    KEY,
    Body,
    Handler,
    Market,
    MassiveServer,
    body,
    drip,
    drop,
    hang,
    raw,
    reset,
    says,
    serving,
    status,
)

T = TypeVar("T")

DAY = dt.date(2024, 3, 5)
# Waits short enough to test; patience enough that a machine at a standstill is no fault of its own.
QUICK = HttpSettings(
    connect_s=20.0,
    idle_s=20.0,
    total_s=40.0,
    tries=3,
    pause_s=0.01,
    longest_pause_s=0.05,
    throttled_s=0.6,
    window_s=0.3,
)
IMPATIENT = replace(QUICK, idle_s=0.8, total_s=1.2)
TOO_MANY = "You've exceeded the maximum requests per minute"


def bar(ticker: str, price: float) -> Body:
    return {"T": ticker, "o": price, "h": price, "l": price, "c": price, "v": 100}


@pytest.fixture(autouse=True)
def secretive(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy between us and the server; and afterwards no key in any log record."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.records:
        assert KEY not in record.getMessage()
        assert KEY not in repr(record.__dict__)


@pytest.fixture
def server() -> Iterator[MassiveServer]:
    with serving(Market(bars={DAY: [bar("AAPL", 170.0), bar("MSFT", 400.0)]})) as running:
        yield running


def use(
    url: str,
    work: Callable[[MassiveProvider], Coroutine[Any, Any, T]],
    settings: HttpSettings = QUICK,
    **options: int,
) -> tuple[T, MassiveProvider]:
    """What `work` gives of a provider of that server; the provider, for its usage."""

    async def within() -> tuple[T, MassiveProvider]:
        async with MassiveProvider(KEY, url, settings=settings, **options) as provider:
            return await work(provider), provider

    return asyncio.run(within())


async def one_day(provider: MassiveProvider) -> list[SessionBars]:
    return await all_of(provider.sessions([DAY]))


def failure(
    url: str,
    kind: type[ProviderError],
    work: Callable[[MassiveProvider], Coroutine[Any, Any, Any]] = one_day,
    settings: HttpSettings = QUICK,
) -> str:
    """The text of the error that `work` must end in, in a bounded time and without the key."""
    begun = time.monotonic()
    with pytest.raises(kind) as caught:
        use(url, work, settings)
    assert time.monotonic() - begun < 60
    error: BaseException | None = caught.value
    assert KEY not in "".join(traceback.format_exception(caught.value))
    while error is not None:
        assert KEY not in f"{error} {error!r} {error.args} {error.__dict__}"
        error = error.__cause__ or error.__context__
    return str(caught.value)


def recovers(
    server: MassiveServer, *faults: Handler, settings: HttpSettings = QUICK
) -> MassiveProvider:
    """The provider, after the faults are over and the day is fetched."""
    server.script("grouped", *faults)
    [bars], provider = use(server.url, one_day, settings)
    assert bars.symbols == ["AAPL", "MSFT"]
    assert provider.usage.calls == len(faults) + 1
    assert provider.usage.retries == len(faults)
    return provider


# The provider says no.


def test_unknown_key(server: MassiveServer) -> None:
    server.always("grouped", status(401, "Unknown API Key"))
    text = failure(server.url, ProviderRefused)
    assert "does not know this API key: check MASSIVE_API_KEY" in text
    assert len(server.calls) == 1


@pytest.mark.parametrize("code", [200, 403])
def test_not_entitled(server: MassiveServer, code: int) -> None:
    message = "Your plan doesn't include this data timeframe."
    server.always("grouped", says({"status": "NOT_AUTHORIZED", "message": message}, code))
    text = failure(server.url, ProviderRefused)
    assert message.rstrip(".") in text
    assert "--since" in text
    assert len(server.calls) == 1


def test_today_s_bars_come_only_once_the_day_is_over(server: MassiveServer) -> None:
    server.market.now = "2024-03-05T20:00:00-05:00"
    server.always("grouped", status(403, "Attempted to request today's data before end of day."))

    async def work(provider: MassiveProvider) -> tuple[dt.date, list[SessionBars]]:
        return (await provider.available()).last, await one_day(provider)

    (last, [bars]), _ = use(server.url, work)
    assert last == DAY
    assert (bars.session, bars.symbols, bars.values.shape[1]) == (DAY, [], 0)
    assert len(server.calls) == 2, "a refusal of today is final for now"


def test_bad_request_shows_the_provider_s_sentence(server: MassiveServer) -> None:
    server.always("grouped", status(400, "Could not parse the time parameter: 'from'."))
    assert "Could not parse the time parameter" in failure(server.url, ProviderRefused)


def test_not_found_without_a_body(server: MassiveServer) -> None:
    server.always("grouped", status(404))
    assert "404 Not Found" in failure(server.url, ProviderRefused)


def test_a_sentence_that_repeats_the_key_or_would_steer_a_terminal(server: MassiveServer) -> None:
    server.always("grouped", status(403, f"no {KEY}\x1b[2J\r\nfor you " + "x" * 1000))
    text = failure(server.url, ProviderRefused)
    assert "no *** [2J for you" in text
    assert len(text) < 600


@pytest.mark.parametrize("key", ["", "  ", "two words", "new\nline", "schlüssel"])
def test_what_cannot_be_a_key_is_not_sent(key: str) -> None:
    with pytest.raises(ProviderRefused, match="MASSIVE_API_KEY") as caught:
        MassiveProvider(key)
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("url", ["", "api.massive.com", "ftp://x", "http://u:p@x", "http://[x"])
def test_what_cannot_be_an_address(url: str) -> None:
    with pytest.raises(ProviderRefused, match="https://"):
        MassiveProvider(KEY, url)


def test_a_redirect_is_not_followed(server: MassiveServer) -> None:
    server.always("grouped", status(302, "", Location="/v1/marketstatus/now"))
    assert "redirects" in failure(server.url, ProviderRefused)
    assert not server.asked("marketstatus")


# Too many calls.


def test_429s_without_retry_after_then_data(server: MassiveServer) -> None:
    usage = recovers(server, status(429, TOO_MANY), status(429), status(429)).usage
    assert usage.waited_s > 0.01


@pytest.mark.parametrize("kind", ["seconds", "date"])
def test_retry_after_is_honoured(server: MassiveServer, kind: str) -> None:
    # An HTTP date has whole seconds: one that is 1.9 s away asks for at least 0.9.
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1.9)
    value = "1" if kind == "seconds" else format_datetime(later, usegmt=True)
    server.script("grouped", status(429, "", **{"Retry-After": value}))
    patient = HttpSettings(pause_s=0.01, throttled_s=5)
    _, provider = use(server.url, one_day, patient)
    first, second = server.asked("grouped")
    assert second.at - first.at > 0.7
    assert provider.usage.waited_s > 0.6


def test_retry_after_of_a_503_is_honoured(server: MassiveServer) -> None:
    server.script("grouped", status(503, "", **{"Retry-After": "1"}))
    use(server.url, one_day, HttpSettings(pause_s=0.01))
    first, second = server.asked("grouped")
    assert second.at - first.at > 0.9


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_of_an_hour_is_not_waited_for(server: MassiveServer, code: int) -> None:
    server.always("grouped", status(code, "", **{"Retry-After": "3600"}))
    assert f"answers {code}" in failure(server.url, ProviderUnreachable)


def test_a_throttled_window_that_ends(server: MassiveServer) -> None:
    """Twenty calls at once against a plan of five a window, and no limit of our own."""
    days = sessions_in_range(dt.date(2024, 3, 1), dt.date(2024, 3, 28))
    server.market.bars = {day: [bar("AAPL", 1.0)] for day in days}
    counted: list[float] = []

    async def window(request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        # The refused calls count as well, as a strict provider's would.
        counted.append(now)
        if sum(now - then < 0.3 for then in counted) > 5:
            return await status(429)(request)
        return await server.honest(request)

    server.always("grouped", window)

    async def work(provider: MassiveProvider) -> list[SessionBars]:
        return await all_of(provider.sessions(days))

    patient = HttpSettings(pause_s=0.05, longest_pause_s=0.1, throttled_s=30)
    found, provider = use(server.url, work, patient)
    assert [bars.session for bars in found] == days
    assert all(bars.symbols for bars in found)
    assert provider.usage.waited_s > 0


def test_a_throttle_that_never_ends(server: MassiveServer) -> None:
    server.always("grouped", status(429, TOO_MANY))
    days = sessions_in_range(dt.date(2024, 3, 1), dt.date(2024, 3, 28))

    async def work(provider: MassiveProvider) -> None:
        await anext(aiter(provider.sessions(days)))

    text = failure(server.url, ProviderUnreachable, work)
    assert "429 Too Many Requests" in text
    assert "than the plan includes" in text
    # Twenty at once, then one for all, and no last rush when that one gives up: each for itself
    # would be ten times as many.
    assert len(server.calls) < 4 * len(days)


def test_the_plan_s_own_limit_draws_no_429(server: MassiveServer) -> None:
    days = sessions_in_range(dt.date(2024, 3, 1), dt.date(2024, 3, 20))
    server.market.bars = {day: [bar("AAPL", 1.0)] for day in days}

    async def work(provider: MassiveProvider) -> int:
        return len(await all_of(provider.sessions(days)))

    use(server.url, work, calls_per_minute=5)
    times = sorted(call.at for call in server.calls)
    assert len(times) == len(days)
    assert all(late - early >= 0.3 for early, late in zip(times, times[5:], strict=False))


# It does not answer, or answers nonsense.


def test_500s_then_data(server: MassiveServer) -> None:
    recovers(server, status(500), status(502, "bad gateway"))


def test_500s_for_ever(server: MassiveServer) -> None:
    server.always("grouped", status(500, "boom"))
    text = failure(server.url, ProviderUnreachable)
    assert "500 Internal Server Error, after 3 tries: try again later" in text
    assert server.url.removeprefix("http://") in text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (hang, "stays silent for 0.8 s"),
        (drip, "does not finish an answer within 1.2 s"),
        (reset, "breaks off in the middle"),
        (raw(b'{"status": '), "sends invalid JSON"),
        (raw(b""), "sends invalid JSON"),
        (raw(b"\xff\xfe"), "sends invalid JSON"),
        (raw(b'{"status":"OK","results":' + b"[" * 100_000), "sends JSON of an unexpected"),
        (raw(b'{"status":"OK","results":[{"T":"A","o":1}'), "sends invalid JSON"),
        (raw(b'{"status":"OK","results":["A"]}'), "sends JSON of an unexpected form"),
        (raw(b"plain", **{"Content-Encoding": "gzip"}), "sends damaged gzip"),
        (raw(b"x", **{"Content-Encoding": "br"}), "encoding that was not requested"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:30]),
)
def test_a_fault_is_tried_again_and_then_named(
    server: MassiveServer, fault: Handler, words: str
) -> None:
    settings = IMPATIENT if fault in (hang, drip) else QUICK
    recovers(server, fault, settings=settings)
    server.calls.clear()
    server.always("grouped", fault)
    text = failure(server.url, ProviderUnreachable, settings=settings)
    assert words in text
    assert "after 3 tries" in text
    assert len(server.calls) == 3


def test_a_connection_that_is_dropped_before_the_first_byte(server: MassiveServer) -> None:
    # aiohttp repeats such a call once by itself, as one may after a connection that was kept.
    server.script("grouped", drop, drop)
    [[bars], provider] = use(server.url, one_day)
    assert bars.symbols == ["AAPL", "MSFT"]
    assert provider.usage.retries == 1
    server.always("grouped", drop)
    assert "breaks the connection off, after 3 tries" in failure(server.url, ProviderUnreachable)


@pytest.mark.parametrize("size", [10, 5_000], ids=["small", "unpacked in a thread"])
@pytest.mark.parametrize("damage", ["cut", "without its end", "flipped"])
def test_damaged_gzip(server: MassiveServer, size: int, damage: str) -> None:
    rows = [bar(f"T{n}", random.Random(n).random()) for n in range(size)]
    packed = gzip.compress(json.dumps({"status": "OK", "results": rows}).encode())
    broken = {
        "cut": packed[: len(packed) // 2],
        "without its end": packed[:-4],
        "flipped": packed[:40] + bytes([packed[40] ^ 0xFF]) + packed[41:],
    }[damage]
    server.script("grouped", *[raw(broken, **{"Content-Encoding": "gzip"})] * 3)
    # A flipped bit may leave gzip that is only wrong by its checksum, or JSON that is not.
    assert "sends" in failure(server.url, ProviderUnreachable)


def test_unknown_host() -> None:
    text = failure("http://no-such-host.invalid", ProviderUnreachable)
    assert "no-such-host.invalid is not known by that name (DNS), after 3 tries" in text
    assert "check the network" in text


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert "(Connection refused), after 3 tries: check the network" in failure(
        url, ProviderUnreachable
    )


def test_something_else_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "stays silent" in failure(url, ProviderUnreachable, settings=IMPATIENT)


def test_tls_spoken_to_a_plain_server(server: MassiveServer) -> None:
    text = failure(server.url.replace("http:", "https:"), ProviderUnreachable)
    assert "cannot prove who it is" in text


# A proxy between us and the provider.

PROVIDER = "http://prices.example"
RAW = "adjusted=false&include_otc=false"
PASSWORD = "pa55word-0f-the-proxy"


def test_a_proxy_is_taken_from_the_environment(
    server: MassiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(server.url) as proxy:
        for name in ("http_proxy", "HTTP_PROXY"):
            with monkeypatch.context() as patch:
                patch.setenv(name, proxy.url)
                [bars], _ = use(PROVIDER, one_day)
            assert bars.symbols == ["AAPL", "MSFT"]
        assert [head.split()[:2] for head in proxy.heads] == [
            ["GET", f"{PROVIDER}/v2/aggs/grouped/locale/us/market/stocks/{DAY}?{RAW}"]
        ] * 2


def test_a_proxy_that_wants_a_password_gets_it(
    server: MassiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(server.url, f"user:{PASSWORD}") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("://", f"://user:{PASSWORD}@"))
        [bars], _ = use(PROVIDER, one_day)
        assert bars.symbols == ["AAPL", "MSFT"]
        monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://user:wrong@"))
        text = failure(PROVIDER, ProviderRefused)
    assert "407 Proxy Authentication Required" in text
    assert "wrong" not in text


def test_a_proxy_of_https_is_a_tunnel_and_does_not_see_the_key(
    server: MassiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(server.url, f"user:{PASSWORD}") as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("://", f"://user:{PASSWORD}@"))
        # The server behind it speaks no TLS, so that nothing goes through the tunnel.
        text = failure("https://prices.example", ProviderUnreachable)
        assert {head.splitlines()[0] for head in proxy.heads} == {
            "CONNECT prices.example:443 HTTP/1.1"
        }
        assert KEY not in "".join(proxy.heads)
    assert "cannot prove who it is (TLS), after 3 tries" in text


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://user:{}@127.0.0.1:9", "is behind a proxy that does not answer, after 3 tries"),
        (
            "http://user:{}@127.0.0.1:99999",
            "names a proxy for prices.example that is not an address",
        ),
        ("http://user:{}@[broken", "must look like http://proxy.example:3128"),
        ("socks5://user:{}@127.0.0.1:9", "names a socks5 proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str, says: str
) -> None:
    monkeypatch.setenv("http_proxy", address.format(PASSWORD))
    text = failure(PROVIDER, ProviderUnreachable)
    assert says in text
    shown = text + "".join(record.getMessage() for record in caplog.records)
    assert PASSWORD not in shown


def test_no_proxy_stands_between_us_and_this_machine(
    server: MassiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost"):
        [bars], _ = use(server.url.replace("127.0.0.1", host), one_day)
        assert bars.symbols == ["AAPL", "MSFT"]
    monkeypatch.setenv("no_proxy", ".invalid")
    assert "not known by that name" in failure("http://prices.invalid", ProviderUnreachable)


# Answers that are fine and yet are not.


@pytest.mark.parametrize("empty", [{"results": None}, {"results": []}, {}])
def test_an_empty_session_is_asked_again(server: MassiveServer, empty: Body) -> None:
    server.script("grouped", *[says({"status": "OK", **empty})] * 2)
    [bars], _ = use(server.url, one_day)
    assert bars.symbols == ["AAPL", "MSFT"]
    assert len(server.calls) == 3


def test_a_session_that_stays_empty_is_believed(server: MassiveServer) -> None:
    server.always("grouped", says({"status": "OK", "results": None}))
    [bars], _ = use(server.url, one_day)
    assert (bars.symbols, bars.values.shape) == ([], (5, 0))
    assert len(server.calls) == 4


def test_a_closed_day_is_asked_once(server: MassiveServer) -> None:
    async def work(provider: MassiveProvider) -> list[SessionBars]:
        return await all_of(provider.sessions([dt.date(2024, 3, 9)]))

    use(server.url, work)
    assert len(server.calls) == 1


def test_rows_come_through_as_they_are(server: MassiveServer) -> None:
    nulls: Body = {"T": None, "o": None, "v": 1e3}
    rows = [bar("ZZ", 3.0), bar("AA", 1.0), bar("ZZ", 2.0), nulls]
    server.always("grouped", says({"status": "DELAYED", "results": rows, "new": [1]}))
    [[bars], _] = use(server.url, one_day)
    assert bars.symbols == ["ZZ", "AA", "ZZ", ""]
    np.testing.assert_array_equal(bars.values[3], [3.0, 1.0, 2.0, np.nan])
    np.testing.assert_array_equal(bars.values[4], [100, 100, 100, 1000])


@pytest.mark.parametrize(
    "reply",
    [
        b'{"status":"OK","results":[{"T":"A\\u0042","c":1.5,"o":null}]}',
        b'{"status":"OK", "results" : [{"T":"AB","c":1.5}]}',
        b'{"meta":{"results":[{"T":"X","c":9}]},"status":"OK","results":[{"T":"AB","c":1.5}]}',
        b'{"results":[{"T":"AB","c":1.5}],"said":"\\"results\\":[]","status":"OK"}',
        b'{"results":[{"T":"X","c":9}],"status":"OK","results":[{"T":"AB","c":1.5}]}',
    ],
    ids=["escaped", "spaced", "nested", "quoted", "repeated"],
)
def test_a_body_of_another_build_is_read_as_well(server: MassiveServer, reply: bytes) -> None:
    server.always("grouped", raw(reply))
    [bars], _ = use(server.url, one_day)
    assert bars.symbols == ["AB"]
    np.testing.assert_array_equal(bars.values[:, 0], [np.nan, np.nan, np.nan, 1.5, np.nan])


def test_an_error_behind_the_rows_is_an_error(server: MassiveServer) -> None:
    reply = b'{"results":[{"T":"AB","c":1.5}],"status":"NOT_AUTHORIZED","message":"not you"}'
    server.always("grouped", raw(reply))
    assert "not you" in failure(server.url, ProviderRefused)


def test_asks_for_raw_prices_and_counts_compressed_bytes(server: MassiveServer) -> None:
    rows = [bar(f"T{n}", 1.0) for n in range(5000)]
    server.market.bars[DAY] = rows
    [[bars], provider] = use(server.url, one_day)
    [call] = server.calls
    assert call.query == {"adjusted": "false", "include_otc": "false"}
    assert call.authorization == f"Bearer {KEY}"
    assert KEY not in f"{call.path} {call.query}"
    assert len(bars.symbols) == 5000
    sent = body({"status": "OK", "resultsCount": len(rows), "results": rows}).body
    assert isinstance(sent, bytes)
    assert abs(provider.usage.bytes_received - len(sent)) < 16


# Pages.


def tickers(*names: str) -> list[Body]:
    return [{"ticker": name, "active": True} for name in names]


async def listings(provider: MassiveProvider) -> list[Listing]:
    return await provider.listings()


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/v3/reference/tickers?cursor=1",
        "//evil.example/v3",
        "http://127.0.0.1:1/v3",
        "http://u:p@127.0.0.1/v3",
        "file:///etc/passwd",
        "v3/relative",
        "http://[broken",
    ],
)
def test_a_page_elsewhere_is_not_asked_for(server: MassiveServer, elsewhere: str) -> None:
    server.always("tickers", says({"results": tickers("A"), "next_url": elsewhere}))
    assert "redirected to" in failure(server.url, ProviderRefused, listings)
    assert len(server.calls) <= 2


def test_another_scheme_is_elsewhere(server: MassiveServer) -> None:
    own = server.url.replace("http:", "https:") + "/v3/reference/tickers?cursor=1"
    server.always("tickers", says({"results": tickers("A"), "next_url": own}))
    text = failure(server.url, ProviderRefused, listings)
    assert "the key was not sent" in text


def test_a_cursor_that_comes_again(server: MassiveServer) -> None:
    again = f"{server.url}/v3/reference/tickers?cursor=1"
    pages = iter(range(1000))

    async def page(request: web.Request) -> web.StreamResponse:
        return body({"results": tickers(f"T{next(pages)}"), "next_url": again})

    server.always("tickers", page)
    assert "in a circle" in failure(server.url, ProviderUnreachable, listings)
    assert len(server.calls) < 10


def test_a_page_that_comes_again_under_new_cursors(server: MassiveServer) -> None:
    cursors = iter(range(1000))

    async def page(request: web.Request) -> web.StreamResponse:
        more = f"{server.url}/v3/reference/tickers?cursor={next(cursors)}"
        return body({"results": tickers("A", "B"), "next_url": more})

    server.always("tickers", page)
    assert "in a circle" in failure(server.url, ProviderUnreachable, listings)
    assert len(server.calls) < 10


def test_a_repeated_ticker_is_one_listing(server: MassiveServer) -> None:
    old, new = "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"
    server.market.tickers = [
        {"ticker": "AA", "name": "new", "active": True, "last_updated_utc": new},
        {"ticker": "AA", "name": "old", "active": True, "last_updated_utc": old},
        {"ticker": "BB", "name": "listed", "active": True, "last_updated_utc": old},
        {"ticker": "BB", "name": "gone", "active": False, "last_updated_utc": new},
        {"ticker": "CC", "active": False, "last_updated_utc": "2024-01-01T05:00:00Z"},
        {"ticker": "DD"},
        {"ticker": None, "active": False},
    ]
    server.always("tickers", says({"results": server.market.tickers}))
    found, _ = use(server.url, listings)
    assert found == [
        Listing("AA", name="new"),
        Listing("BB", name="listed"),
        # Delisted on a day that is not said: not after its last change, a holiday.
        Listing("CC", last=dt.date(2023, 12, 29)),
        Listing("DD"),
    ]


def test_a_page_that_overlaps_does_not_double_actions(server: MassiveServer) -> None:
    cut: Body = {"ticker": "A", "execution_date": "2024-01-02", "split_from": 1, "split_to": 2}
    paid: Body = {"ticker": "A", "ex_dividend_date": "2024-01-02", "cash_amount": 1, "id": "1"}
    server.market.splits = [{**cut, "id": "1"}, {**cut, "id": "2"}, {**cut, "split_to": None}]
    clean_line = {**paid, "currency": "CAD", "id": "3"}
    server.market.dividends = [
        paid,
        paid,
        {**paid, "id": "2"},
        clean_line,
        {**paid, "id": "4"} | {"ex_dividend_date": "soon"},
    ]

    async def work(provider: MassiveProvider) -> tuple[list[Split], list[Dividend]]:
        return await provider.splits(None), await provider.dividends(None)

    (splits, dividends), _ = use(server.url, work)
    assert splits == [Split("A", dt.date(2024, 1, 2), 1, 2)]
    # Equal amounts with different ids, and of one kind, count once.
    assert dividends == [Dividend("A", dt.date(2024, 1, 2), 1)]


def test_a_text_in_a_row_costs_no_other_row(server: MassiveServer) -> None:
    cut: Body = {"ticker": "A", "execution_date": "2024-01-02", "split_from": 1, "split_to": 2}
    paid: Body = {"ticker": "A", "ex_dividend_date": "2024-01-02", "cash_amount": 1, "id": "1"}
    server.market.splits = [
        cut,
        {**cut, "ticker": "B", "split_from": "1", "split_to": "3"},
        {**cut, "ticker": "C", "split_to": "many"},
    ]
    server.market.dividends = [
        paid,
        {**paid, "ticker": "B", "cash_amount": "0.5", "id": "2"},
        {**paid, "ticker": "C", "cash_amount": "some", "id": "3"},
    ]

    async def work(provider: MassiveProvider) -> tuple[list[Split], list[Dividend], list[str]]:
        actions = await provider.splits(None), await provider.dividends(None)
        return *actions, [f"{one.symbol}: {one.reason}" for one in provider.actions_aside]

    (splits, dividends, aside), _ = use(server.url, work)
    day = dt.date(2024, 1, 2)
    assert splits == [Split("A", day, 1, 2), Split("B", day, 1, 3)]
    assert dividends == [Dividend("A", day, 1), Dividend("B", day, 0.5)]
    assert aside == ["C: no ratio above 0", "C: no amount above 0"]


BAD_ROWS = {
    "a number as a text": b'{"T":"AAA","o":"10.5","h":11,"l":10,"c":10.5,"v":"1000"}',
    "a text": b'{"T":"AAA","o":"many","h":11,"l":10,"c":10.5,"v":1000}',
    "null": b"null",
    "NaN": b'{"T":"AAA","o":10.5,"h":11,"l":10,"c":10.5,"v":NaN}',
    "lists and truths": b'{"T":7,"o":[1],"h":{"a":1},"l":true,"c":10.5,"v":1000}',
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_cell_of_bars_costs_no_other_row(server: MassiveServer, kind: str) -> None:
    row = b'{"T":"BBB","o":20,"h":21,"l":19,"c":20.5,"v":2000}'
    text = b'{"status":"OK","resultsCount":2,"results":[' + BAD_ROWS[kind] + b"," + row + b"]}"
    server.always("grouped", raw(text))
    (bars,), _ = use(server.url, one_day)
    assert bars.symbols[1] == "BBB"
    assert bars.values[:, 1].tolist() == [20, 21, 19, 20.5, 2000]
    if kind == "a number as a text":
        assert bars.values[:, 0].tolist() == [10.5, 11, 10, 10.5, 1000]
    else:
        assert np.isnan(bars.values[:, 0]).any()


def test_a_last_page_that_counts_no_rows(server: MassiveServer) -> None:
    server.always("tickers", says({"status": "OK", "count": 0}))
    assert use(server.url, listings)[0] == []


@pytest.mark.parametrize("code", [403, 404])
def test_older_endpoints_where_the_newer_are_refused(server: MassiveServer, code: int) -> None:
    server.market.splits = [
        {"ticker": "A", "execution_date": "2024-01-02", "split_from": 1, "split_to": 2}
    ]
    server.always("/stocks/v1/", status(code))

    async def work(provider: MassiveProvider) -> list[Split]:
        return await provider.splits(dt.date(2024, 1, 1))

    splits, _ = use(server.url, work)
    assert len(splits) == 1
    newer, older = server.calls
    assert newer.query == {"execution_date.gte": "2024-01-01", "limit": "5000"}
    assert older.query == {"execution_date.gte": "2024-01-01", "limit": "1000"}


def test_a_plan_without_reference_data(server: MassiveServer) -> None:
    for part in ("splits", "dividends", "tickers"):
        server.always(part, status(403, "You are not entitled to this data."))
    for work, what in (
        (lambda provider: provider.splits(None), "splits"),
        (lambda provider: provider.dividends(None), "dividends"),
        (listings, "the list of tickers"),
    ):
        text = failure(server.url, ProviderRefused, work)
        assert "You are not entitled to this data" in text
        assert f"a plan that includes {what} is needed" in text


# What can be had.


async def newest(provider: MassiveProvider) -> dt.date:
    return (await provider.available()).last


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2024-03-08T15:59:59-05:00", dt.date(2024, 3, 7)),
        ("2024-03-08T16:00:00-05:00", dt.date(2024, 3, 8)),
        ("2024-03-09T03:00:00Z", dt.date(2024, 3, 8)),
        ("2024-03-10T12:00:00", dt.date(2024, 3, 8)),
    ],
)
def test_the_provider_s_clock_counts(server: MassiveServer, now: str, last: dt.date) -> None:
    server.market.now = now
    assert use(server.url, newest)[0] == last


@pytest.mark.parametrize(
    "answer",
    [
        status(403, "no"),
        says({}),
        says({"serverTime": "soon"}),
        says({"serverTime": "1970-01-02T00:00:00Z"}),
    ],
)
def test_our_own_clock_where_there_is_none(server: MassiveServer, answer: Handler) -> None:
    server.always("marketstatus", answer)
    last, _ = use(server.url, newest)
    assert dt.timedelta(0) <= dt.datetime.now(dt.UTC).date() - last < dt.timedelta(days=6)


# Many at once.


def test_order_and_bounds_under_random_delays(server: MassiveServer) -> None:
    days = sessions_in_range(dt.date(2023, 1, 3), dt.date(2023, 6, 30))
    server.market.bars = {day: [bar("AAPL", float(n))] for n, day in enumerate(days)}
    delays = random.Random(7)

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(delays.random() * 0.02)
        return await server.honest(request)

    server.always("grouped", late)
    lead = 0

    async def work(provider: MassiveProvider) -> list[float]:
        nonlocal lead
        closes = []
        async for bars in each(provider.sessions(days)):
            closes.append(bars.values[3, 0])
            lead = max(lead, len(server.calls) - len(closes))
        return closes

    closes, _ = use(server.url, work, concurrency=4)
    assert closes == list(range(len(days)))
    assert server.most_under_way == 4
    assert lead <= 8


def test_the_days_before_a_fault_are_delivered(server: MassiveServer) -> None:
    days = sessions_in_range(dt.date(2024, 3, 1), dt.date(2024, 3, 15))
    server.market.bars = {day: [bar("AAPL", 1.0)] for day in days}
    server.always(str(days[5]), status(403, "not this one"))
    got = []

    async def work(provider: MassiveProvider) -> None:
        async for bars in each(provider.sessions(days)):
            got.append(bars.session)  # noqa: PERF401  what came before the error must be kept

    assert "not this one" in failure(server.url, ProviderRefused, work)
    assert got == days[:5]


def test_cancelling_is_prompt_and_leaves_nothing(server: MassiveServer) -> None:
    server.always("grouped", hang)
    slow = HttpSettings()
    days = sessions_in_range(dt.date(2024, 3, 1), dt.date(2024, 3, 28))

    async def fetch() -> None:
        async with MassiveProvider(KEY, server.url, settings=slow) as provider:
            async for _ in provider.sessions(days):
                pass

    async def within() -> float:
        task = asyncio.create_task(fetch())
        assert await asyncio.to_thread(server.busy_with, len(days))
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return time.monotonic() - begun

    assert asyncio.run(within()) < 20  # and not the 30 that the server takes
    assert server.left_alone()


def test_nothing_shows_the_key(server: MassiveServer) -> None:
    provider = MassiveProvider(KEY, server.url)
    assert KEY not in repr(provider)
    assert KEY not in str(provider.__dict__)


# The rate limit, on a clock that jumps.


class Jumping(selectors.SelectSelector):
    """Does not wait for a timer: moves the clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0.0
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which no time passes but that of timers."""

    def __init__(self) -> None:
        self._clock = Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def counted_by_the_provider(
    limit: RateLimit, calls: list[tuple[float, float, float]]
) -> list[float]:
    """When the provider counts each call: (asked after, there after, back after) in seconds."""
    loop = JumpingLoop()
    times = []

    async def call(after: float, there: float, back: float) -> None:
        await asyncio.sleep(after)
        await limit.enter()
        try:
            await asyncio.sleep(there)
            times.append(loop.time())
            await asyncio.sleep(back)
        finally:
            limit.leave()

    async def all_of_them() -> None:
        limit.rebind()
        await asyncio.gather(*(call(*each) for each in calls))

    try:
        loop.run_until_complete(all_of_them())
    finally:
        loop.close()
    return sorted(times)


seconds = st.floats(0, 5, allow_nan=False)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 6),
    st.floats(0.5, 60),
    st.lists(st.tuples(seconds, seconds, seconds), min_size=1, max_size=30),
)
def test_no_window_of_the_provider_holds_more_than_the_limit(
    calls: int, window_s: float, each: list[tuple[float, float, float]]
) -> None:
    times = counted_by_the_provider(RateLimit(calls, window_s), each)
    assert len(times) == len(each)
    pairs = zip(times, times[calls:], strict=False)
    assert all(late - early >= window_s - 1e-6 for early, late in pairs)
    # Nor is it slower than it must be: a place is idle at most while its call is on the way.
    rounds = -(-len(each) // calls)
    assert times[-1] <= 5 + rounds * (window_s + 10)


def test_a_burst_goes_at_once() -> None:
    assert counted_by_the_provider(RateLimit(5, 60), [(0, 0, 0)] * 7) == [0] * 5 + [60] * 2


def test_a_cancelled_wait_gives_its_place_back() -> None:
    loop = JumpingLoop()

    async def work() -> float:
        limit = RateLimit(1, 10)
        await limit.enter()
        limit.leave()
        waiting = asyncio.create_task(limit.enter())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await limit.enter()
        return loop.time()

    try:
        assert loop.run_until_complete(work()) == 10
    finally:
        loop.close()


@pytest.mark.parametrize("options", [{"calls_per_minute": 0}, {"concurrency": 0}])
def test_a_limit_of_nothing_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be from 1 to 100,000"):
        MassiveProvider(KEY, "http://127.0.0.1", **options)  # type: ignore[arg-type]


# -- answers without an end


async def endless(request: web.Request) -> web.StreamResponse:
    """Send zeros until the client hangs up."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b"0" * 2**16)
    except (ConnectionError, asyncio.CancelledError):
        return response


def bomb(megabytes: int) -> Handler:
    """An answer that is small as it comes, and unpacks to so many megabytes."""
    packer = zlib.compressobj(9, wbits=31)
    spaces = b" " * 2**20
    packed = b"".join([*(packer.compress(spaces) for _ in range(megabytes)), packer.flush()])

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    return answer


def test_an_answer_without_an_end_is_one_fault(server: MassiveServer) -> None:
    server.always("grouped", endless)
    text = failure(server.url, ProviderError)
    assert "with more than 8 MB" in text
    assert "max_body_mb in [sync]" in text


def test_an_answer_that_unpacks_to_much_more(server: MassiveServer) -> None:
    server.always("grouped", bomb(700))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    text = failure(server.url, ProviderError)
    assert "with more than 64 MB" in text
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 400


def test_an_answer_below_the_limit_that_is_raised(server: MassiveServer) -> None:
    padding = random.Random(1).randbytes(10 * 2**20).hex()  # packed it is 10 MB
    rows = {"status": "OK", "resultsCount": 1, "results": [bar("A", 1.0)], "note": padding}
    server.always("grouped", says(rows))
    assert "with more than" in failure(server.url, ProviderError)
    ((day,), _) = use(server.url, one_day, replace(QUICK, body_mb=16))
    assert day.symbols == ["A"]


def test_pages_without_an_end(server: MassiveServer) -> None:
    count = iter(range(10**6))

    async def page(request: web.Request) -> web.StreamResponse:
        place = next(count)
        more = f"{server.url}/v3/reference/tickers?cursor={place}"
        return body({"results": tickers(f"T{place}"), "next_url": more})

    server.always("tickers", page)
    text = failure(server.url, ProviderError, listings, replace(QUICK, pages=20))
    assert "sends pages of /v3/reference/tickers without end (20 rows so far)" in text
    assert "max_pages in [sync]" in text
    assert len(server.calls) <= 2 * 21  # of listed and of delisted tickers
