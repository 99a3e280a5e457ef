"""The contract of `providers.Provider`, held by every provider over the same little market."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pytest

from marketsweep.core.fields import FIELDS
from marketsweep.core.records import Dividend, Listing, SessionBars, Span, Split, SymbolBars, Window
from marketsweep.errors import CoverageError, UsageError
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.providers.http.client import HttpSettings
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from tests.helpers.answers import all_of, each
from tests.helpers.massive_server import KEY, Body, Market, serving

T = TypeVar("T")

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (dt.date(2024, 3, 4 + n) for n in range(5))
SATURDAY = dt.date(2024, 3, 9)
ODD_TICKERS = ["BRK.B", "INF", "KIMpL", "NAN", "TRUE"]


def row(ticker: str, price: float | None, volume: float = 1000.5) -> Body:
    """A bar in the protocol's form."""
    high = None if price is None else price + 1
    return {"T": ticker, "o": price, "h": high, "l": 1, "c": price, "v": volume, "t": 1, "n": 3}


MARKET = Market(
    bars={
        MONDAY: [row(ticker, 10.0 + n) for n, ticker in enumerate(ODD_TICKERS)],
        TUESDAY: [row("AAPL", 170.25), row("AAPL", 171.5), row("MSFT", None)],
        # Wednesday: a session of which the source has nothing.
        THURSDAY: [row("AAPL", 0.0001, 1.029145e06), row("BRK.A", 620_000.0, 0.25)],
        FRIDAY: [row("AAPL", 172.0)],
        SATURDAY: [row("AAPL", 1.0)],
    },
    splits=[
        {"ticker": "NVDA", "execution_date": "2024-06-10", "split_from": 1, "split_to": 10},
        {"ticker": "AAPL", "execution_date": "2020-08-31", "split_from": 1.0, "split_to": 4.0},
        {"ticker": "GE", "execution_date": "2021-08-02", "split_from": 8, "split_to": 1},
    ],
    dividends=[
        {"id": "a", "ticker": "MSFT", "ex_dividend_date": "2024-02-14", "cash_amount": 0.75},
        *(
            {
                "id": id_,
                "ticker": "AAPL",
                "ex_dividend_date": "2024-02-09",
                "cash_amount": 0.24,
                "distribution_type": kind,
            }
            for id_, kind in (("b", "recurring"), ("c", "special"))
        ),
    ],
    tickers=[
        {"ticker": "KIMpL", "name": "Kimco pref. L", "type": "PFD", "active": True},
        {"ticker": "AAPL", "type": "CS", "primary_exchange": "XNAS", "active": True},
        # Delisted on a Saturday: the last session was the Friday before.
        {"ticker": "GONE", "active": False, "delisted_utc": "2024-03-09T05:00:00Z"},
    ],
)

Make = Callable[[], Provider]


def massive(url: str) -> MassiveProvider:
    return MassiveProvider(KEY, url, settings=HttpSettings(pause_s=0.01))


def _write(path: Path, header: str, rows: list[list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(), *rows])
    return path


def write_market(folder: Path) -> FilesProvider:
    """The market as files, in the order in which no reader wants them."""
    bars = [
        [bar["T"], day, *(bar[name[0]] for name in FIELDS)]
        for day, rows in reversed(MARKET.bars.items())
        for bar in rows
    ]
    actions = [
        [row["ticker"], row["execution_date"], "split", row["split_from"], row["split_to"], ""]
        for row in MARKET.splits
    ] + [
        [row["ticker"], row["ex_dividend_date"], "dividend", "", "", row["cash_amount"]]
        for row in MARKET.dividends
    ]
    symbols = [
        [
            row["ticker"],
            row.get("name", ""),
            row.get("type", ""),
            {"XNAS": "NASDAQ"}.get(row.get("primary_exchange", ""), ""),
            "" if row["active"] else FRIDAY,
            "active" if row["active"] else "delisted",
        ]
        for row in MARKET.tickers
    ]
    return FilesProvider(
        _write(folder / "bars.csv", "symbol date open high low close volume", bars),
        _write(folder / "actions.csv", "symbol ex_date kind split_from split_to cash", actions),
        _write(folder / "symbols.csv", "symbol name type exchange last_listed status", symbols),
    )


@pytest.fixture(params=["massive", "files"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a provider over `MARKET`."""
    if request.param == "files":
        yield lambda: write_market(tmp_path)
    else:
        with serving(MARKET, page=2) as server:
            yield lambda: massive(server.url)


def use(make: Make, work: Callable[[Provider], Coroutine[Any, Any, T]]) -> T:
    """What `work` gives of a provider that is open while it runs."""

    async def within() -> T:
        async with make() as provider:
            return await work(provider)

    return asyncio.run(within())


def sessions(make: Make, days: list[dt.date]) -> list[SessionBars]:
    async def collect(provider: Provider) -> list[SessionBars]:
        return await all_of(provider.sessions(days))

    return use(make, collect)


def test_has_a_name_and_has_cost_nothing_yet(make: Make) -> None:
    provider = make()
    assert provider.name in ("massive", "files")
    assert (provider.usage.calls, provider.usage.bytes_received) == (0, 0)


def test_one_item_a_day_in_the_order_asked(make: Make) -> None:
    days = [FRIDAY, MONDAY, THURSDAY, TUESDAY, MONDAY]
    assert [bars.session for bars in sessions(make, days)] == days


def test_no_days_no_items(make: Make) -> None:
    assert sessions(make, []) == []


def test_values_are_the_source_s_own(make: Make) -> None:
    [bars] = sessions(make, [THURSDAY])
    assert bars.symbols == ["AAPL", "BRK.A"]
    assert bars.values.dtype == np.float64
    assert bars.values.flags.c_contiguous
    expected = [
        [0.0001, 620_000],
        [1.0001, 620_001],
        [1, 1],
        [0.0001, 620_000],
        [1.029145e06, 0.25],
    ]
    np.testing.assert_array_equal(bars.values, expected)


def test_tickers_that_look_like_something_else(make: Make) -> None:
    [bars] = sessions(make, [MONDAY])
    assert sorted(bars.symbols) == ODD_TICKERS
    closes = dict(zip(bars.symbols, bars.values[3], strict=True))
    assert [closes[ticker] for ticker in ODD_TICKERS] == [10, 11, 12, 13, 14]


def test_repeated_rows_and_holes_come_through(make: Make) -> None:
    [bars] = sessions(make, [TUESDAY])
    assert bars.symbols == ["AAPL", "AAPL", "MSFT"]
    np.testing.assert_array_equal(bars.values[3], [170.25, 171.5, np.nan])


@pytest.mark.parametrize("day", [WEDNESDAY, dt.date(2024, 3, 10)])
def test_a_day_without_bars_is_empty(make: Make, day: dt.date) -> None:
    [bars] = sessions(make, [day])
    assert (bars.session, bars.symbols, bars.values.shape) == (day, [], (5, 0))


def histories(make: Make, spans: list[Span]) -> list[SymbolBars]:
    async def collect(provider: Provider) -> list[SymbolBars]:
        return await all_of(provider.histories(spans))

    return use(make, collect)


def test_one_item_a_span_in_the_order_asked(make: Make) -> None:
    spans = [
        Span("BRK.A", MONDAY, FRIDAY),
        Span("NONE", MONDAY, FRIDAY),
        Span("AAPL", THURSDAY, FRIDAY),
        Span("KIMpL", MONDAY, MONDAY),
        Span("KIMPL", MONDAY, FRIDAY),
    ]
    found = histories(make, spans)
    assert [bars.span for bars in found] == spans
    days = [bars.days.tolist() for bars in found]
    assert days == [[THURSDAY], [], [THURSDAY, FRIDAY], [MONDAY], []]
    assert [bars.values[3].tolist() for bars in found] == [[620_000], [], [0.0001, 172], [12], []]
    assert all(bars.values.shape == (5, len(bars.days)) for bars in found)
    assert all(bars.values.dtype == np.float64 for bars in found)


def test_a_history_repeats_what_its_source_repeats(make: Make) -> None:
    apple, microsoft = histories(
        make, [Span("AAPL", MONDAY, FRIDAY), Span("MSFT", TUESDAY, TUESDAY)]
    )
    assert apple.days.tolist() == [TUESDAY, TUESDAY, THURSDAY, FRIDAY]
    np.testing.assert_array_equal(apple.values[:, 2], [0.0001, 1.0001, 1, 0.0001, 1.029145e06])
    np.testing.assert_array_equal(microsoft.values[:, 0], [np.nan, np.nan, 1, np.nan, 1000.5])


def test_actions_of_some_symbols(make: Make) -> None:
    async def work(provider: Provider) -> tuple[list[Split], list[Dividend]]:
        some = ["GE", "AAPL", "NONE"]
        return await provider.splits(None, some), await provider.dividends(None, some)

    splits, dividends = use(make, work)
    assert [split.symbol for split in splits] == ["AAPL", "GE"]
    assert [dividend.symbol for dividend in dividends] == ["AAPL", "AAPL"]


def test_available_ends_with_the_newest_day(make: Make) -> None:
    async def work(provider: Provider) -> Window:
        window = await provider.available()
        if window.days is not None:
            assert window == provider.expected(dt.datetime.now(dt.UTC))
            assert {window.first, window.last} <= window.days
        return window

    window = use(make, work)
    assert window.first in (None, MONDAY)
    assert window.last in (FRIDAY, SATURDAY)


@pytest.mark.parametrize(
    ("since", "tickers"),
    [
        (None, ["AAPL", "GE", "NVDA"]),
        (dt.date(2021, 8, 2), ["GE", "NVDA"]),
        (dt.date(2021, 8, 3), ["NVDA"]),
        (dt.date(2030, 1, 1), []),
    ],
)
def test_splits_on_or_after(make: Make, since: dt.date | None, tickers: list[str]) -> None:
    everything = {
        "AAPL": Split("AAPL", dt.date(2020, 8, 31), 1.0, 4.0),
        "GE": Split("GE", dt.date(2021, 8, 2), 8.0, 1.0),
        "NVDA": Split("NVDA", dt.date(2024, 6, 10), 1.0, 10.0),
    }

    async def work(provider: Provider) -> list[Split]:
        return await provider.splits(since)

    assert use(make, work) == [everything[ticker] for ticker in tickers]


def test_dividends_on_or_after(make: Make) -> None:
    async def work(provider: Provider) -> tuple[list[Dividend], list[Dividend]]:
        return await provider.dividends(None), await provider.dividends(dt.date(2024, 2, 10))

    everything, later = use(make, work)
    twice = Dividend("AAPL", dt.date(2024, 2, 9), 0.24)
    assert everything == [twice, twice, Dividend("MSFT", dt.date(2024, 2, 14), 0.75)]
    assert later == everything[2:]


def test_listings_know_who_is_gone(make: Make) -> None:
    async def work(provider: Provider) -> list[Listing]:
        return await provider.listings()

    assert use(make, work) == [
        Listing("AAPL", type="CS", exchange="NASDAQ"),
        Listing("GONE", last=FRIDAY),
        Listing("KIMpL", name="Kimco pref. L", type="PFD"),
    ]


def test_details_of_some_and_none_of_the_unknown(make: Make) -> None:
    async def work(provider: Provider) -> list[Listing]:
        return await all_of(provider.details(["KIMpL", "NONE", "AAPL"]))

    assert use(make, work) == [
        Listing("KIMpL", name="Kimco pref. L", type="PFD"),
        Listing("AAPL", type="CS", exchange="NASDAQ"),
    ]


def test_can_be_entered_again_in_another_loop(make: Make) -> None:
    provider = make()
    first, second = (sessions(lambda: provider, [MONDAY, FRIDAY]) for _ in range(2))
    assert [bars.symbols for bars in first] == [bars.symbols for bars in second]


def test_walking_away_in_the_middle_leaves_no_task(make: Make) -> None:
    async def work(provider: Provider) -> None:
        async for bars in each(provider.sessions([MONDAY, TUESDAY, THURSDAY, FRIDAY])):
            assert bars.session == MONDAY
            break

    async def within() -> None:
        async with make() as provider:
            await work(provider)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(within())


def test_closing_the_iterator_leaves_no_task(make: Make) -> None:
    async def work(provider: Provider) -> None:
        days = provider.sessions([MONDAY, TUESDAY, FRIDAY])
        async with aclosing(cast(Any, days)) as open_days:
            bars = await anext(cast(AsyncIterator[SessionBars], open_days))
            assert bars.session == MONDAY
        assert asyncio.all_tasks() == {asyncio.current_task()}

    use(make, work)


def test_files_keep_days_off_session_apart(tmp_path: Path) -> None:
    async def work() -> list[SessionBars]:
        async with write_market(tmp_path) as provider:
            assert provider.off_session(MONDAY, FRIDAY) == []
            window = await provider.available()
            assert (window.first, window.last) == (MONDAY, SATURDAY)
            assert window.days
            assert SATURDAY in window.days
            return provider.off_session(MONDAY, SATURDAY)

    [bars] = asyncio.run(work())
    assert (bars.session, bars.symbols, bars.values[3].tolist()) == (SATURDAY, ["AAPL"], [1.0])


def test_files_without_actions_and_symbols_know_none(tmp_path: Path) -> None:
    write_market(tmp_path)

    async def work() -> tuple[list[Split], list[Dividend], list[Listing]]:
        async with FilesProvider(tmp_path / "bars.csv") as provider:
            return (
                await provider.splits(None),
                await provider.dividends(None),
                await provider.listings(),
            )

    assert asyncio.run(work()) == ([], [], [])


@pytest.mark.parametrize(
    ("content", "kind"),
    [("symbol,date,open,high,low,close,volume\n", CoverageError), ("rubbish\n1\n", UsageError)],
)
def test_files_without_a_bar(tmp_path: Path, content: str, kind: type[Exception]) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(content)

    async def enter() -> None:
        async with FilesProvider(path):
            pass

    with pytest.raises(kind, match=r"bars\.csv"):
        asyncio.run(enter())
