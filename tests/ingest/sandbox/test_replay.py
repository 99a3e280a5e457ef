"""A replayed session: its minutes fold to the daily bars, and the official client receives them."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from aiohttp import ClientSession, WSMsgType
from massive import WebSocketClient
from massive.exceptions import AuthError

from marketsweep.core.fields import FIELDS
from marketsweep.errors import MarketsweepError, UsageError
from marketsweep.ingest.sandbox.faults import chosen_faults
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.live.minutes import make_minutes
from marketsweep.ingest.sandbox.live.stream import FAULTS
from marketsweep.ingest.sandbox.settings import Settings
from tests.helpers.markets import example_bars
from tests.helpers.two_months import LAST, Files
from tests.ingest.sandbox.test_sandbox import get

HALF_DAY = dt.date(2016, 11, 25)
SPEED = 3000.0
"""A session passes in 8 seconds."""


def daily(bars: pl.DataFrame, day: dt.date) -> tuple[list[str], np.ndarray[Any, Any]]:
    rows = bars.filter(pl.col("date") == day, pl.all_horizontal(pl.col(FIELDS).is_finite()))
    return rows["symbol"].to_list(), rows.select(FIELDS).to_numpy().T


@pytest.mark.parametrize("day", [LAST, HALF_DAY, dt.date(2016, 1, 4)])
def test_the_minutes_of_the_whole_market_fold_to_its_daily_bars(day: dt.date) -> None:
    symbols, values = daily(example_bars(), day)
    minutes = make_minutes(day, symbols, values)
    assert len(minutes.starts) == (210 if day == HALF_DAY else 390)
    bars = minutes.bars
    traded = ~np.isnan(bars[3])
    assert (np.isnan(bars) == ~traded).all()
    for column in range(0, len(symbols), 97):  # folded here as the provider describes it
        rows = bars[:, traded[:, column], column]
        folded = [rows[0, 0], rows[1].max(), rows[2].min(), rows[3, -1], rows[4, -1]]
        assert folded == values[:, column].tolist(), symbols[column]
    assert (np.diff(np.nan_to_num(bars[4]).cumsum(axis=0), axis=0) >= 0).all()
    assert np.nanmedian(traded.sum(axis=0)) > 20
    again = make_minutes(day, symbols[::-1], values[:, ::-1])
    assert np.array_equal(again.bars[:, :, ::-1], bars, equal_nan=True)
    assert np.array_equal(minutes.day_so_far(len(minutes.starts)), values)


def test_bars_that_contradict_themselves_fold_back_too() -> None:
    values = np.array(
        [[5.0, 4.0, 6.0, 5.0, 100.0], [0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.5, 1.5, 0.25]]
    ).T
    minutes = make_minutes(LAST, ["INVERTED", "ZERO", "FRACTION"], values)
    assert np.array_equal(minutes.day_so_far(390), values)


def replayed(files: Files, day: dt.date = LAST, speed: float = SPEED) -> Settings:
    return replace(files.settings(), replay=day, speed=speed)


def client_of(url: str, key: str = "sandbox", *names: str) -> WebSocketClient:
    address = url.removeprefix("http://")
    return WebSocketClient(key, address, "stocks", subscriptions=[*names], secure=False)


async def received(client: WebSocketClient, is_done: Callable[[list[Any]], bool]) -> list[Any]:
    """Return what a client receives until it has all, in the order of arrival."""
    events: list[Any] = []
    done = asyncio.Event()

    async def take(messages: list[Any]) -> None:
        events.extend(messages)
        if is_done(events):
            done.set()

    connection = asyncio.create_task(client.connect(take))
    waiting = asyncio.create_task(done.wait())
    await asyncio.wait({connection, waiting}, return_when="FIRST_COMPLETED", timeout=120)
    waiting.cancel()
    await asyncio.wait({waiting})
    await client.close()
    await connection  # raises what the client raised
    return events


def test_the_official_client_receives_every_minute(files: Files) -> None:
    symbols, values = daily(files.bars, LAST)
    volume = dict(zip(symbols, values[4].tolist(), strict=True))

    def is_done(events: list[Any]) -> bool:
        newest = {event.symbol: event.accumulated_volume for event in events}
        return newest == volume

    with running(replayed(files)) as url:
        events = asyncio.run(received(client_of(url, "sandbox", "AM.*"), is_done))
    assert is_done(events)
    by_symbol: dict[str, list[Any]] = {}
    for event in events:
        by_symbol.setdefault(event.symbol, []).append(event)
    for column, symbol in enumerate(symbols):
        minutes = by_symbol[symbol]
        assert [e.start_timestamp for e in minutes] == sorted({e.start_timestamp for e in minutes})
        folded = [
            *(minutes[0].open, max(e.high for e in minutes), min(e.low for e in minutes)),
            *(minutes[-1].close, sum(e.volume for e in minutes)),
        ]
        assert folded == pytest.approx(values[:, column].tolist(), rel=1e-12)
        assert folded[:4] == values[:4, column].tolist()
        assert {e.official_open_price for e in minutes} == {values[0, column]}
        assert all(e.end_timestamp - e.start_timestamp == 60_000 for e in minutes)


def test_some_symbols_alone(files: Files) -> None:
    symbols, values = daily(files.bars, LAST)
    busy = [symbols[place] for place in np.argsort(-values[4])[:2]]
    with running(replayed(files)) as url:
        names = [f"AM.{busy[0]}", f"AM.{busy[1]}", "T.*"]
        events = asyncio.run(
            received(client_of(url, "sandbox", *names), lambda events: len(events) > 20)
        )
    assert {event.symbol for event in events} == {*busy}


def test_a_wrong_key_is_refused(files: Files) -> None:
    with running(replayed(files)) as url, pytest.raises(AuthError, match="failed"):
        asyncio.run(received(client_of(url, "wrong", "AM.*"), bool))


def test_a_second_connection_ends_the_first(files: Files) -> None:
    async def both(url: str) -> tuple[list[str], WSMsgType]:
        async with ClientSession() as session:
            first, second = [await session.ws_connect(f"{url}/stocks") for _ in range(2)]
            for socket in (first, second):
                await socket.send_json({"action": "auth", "params": "sandbox"})
                await asyncio.sleep(0.2)
            statuses = []
            async for message in first:
                statuses += [event["status"] for event in message.json()]
            return statuses, (await second.receive()).type

    with running(replayed(files, speed=1.0)) as url:
        statuses, kind = asyncio.run(asyncio.wait_for(both(url), 60))
    assert statuses == ["connected", "auth_success", "max_connections"]
    assert kind is WSMsgType.TEXT


def test_the_snapshot_grows_with_the_session(files: Files) -> None:
    symbols, values = daily(files.bars, LAST)
    with running(replayed(files, speed=2000.0)) as url:
        counts = []
        volumes: dict[str, float] = {}
        deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=120)
        expected = {s: v for s, v in zip(symbols, values[4].tolist(), strict=True) if v}
        while volumes != expected:
            assert dt.datetime.now(dt.UTC) < deadline
            rows = get(f"{url}/v2/snapshot/locale/us/markets/stocks/tickers").json()["tickers"]
            days = {row["ticker"]: row["day"] for row in rows}
            volumes = {symbol: day["v"] for symbol, day in days.items() if day["v"]}
            counts.append(len(volumes))
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]
    for column, symbol in enumerate(symbols):
        if symbol in expected:
            assert [days[symbol][name] for name in "ohlc"] == values[:4, column].tolist()


def test_a_day_without_bars_is_not_replayed(files: Files) -> None:
    sunday = replayed(files, dt.date(2016, 12, 25))
    with pytest.raises(MarketsweepError, match="no bar on 2016-12-25"), running(sunday):
        pass


def test_names_of_stream_faults() -> None:
    assert chosen_faults("cut, twice", FAULTS) == ("cut", "twice")
    with pytest.raises(UsageError, match="silence"):
        chosen_faults("429", FAULTS)
