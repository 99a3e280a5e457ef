"""The sandbox over real HTTP: driven by the official client, compared with the bar file."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import gzip
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from massive import RESTClient
from urllib3.exceptions import MaxRetryError

from marketsweep.errors import MarketsweepError, UsageError
from marketsweep.ingest.files import read_bars
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sandbox.settings import Settings

EXAMPLE = Path(__file__).parent.parent.parent.parent / "examples" / "us-2016"
TICKERS = ["AA", "AAPL", "AXPW", "DCTH", "E", "FRO", "INF", "KO", "NAN", "ON", "PRN", "TRUE"]
NEW_YORK = ZoneInfo("America/New_York")
GROUPED = "/v2/aggs/grouped/locale/us/market/stocks"
KEY = {"Authorization": "Bearer sandbox"}


@dataclass(frozen=True)
class Reply:
    code: int
    headers: Message
    content: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever the body holds
        return json.loads(self.content)


def get(url: str, headers: dict[str, str] = KEY) -> Reply:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Reply(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Reply(refusal.code, refusal.headers, refusal.read())


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    """A slice of the real market, with a lower-case twin, a repeated bar and a missing price."""
    market = read_bars(EXAMPLE / "bars.parquet").filter(pl.col("symbol").is_in(TICKERS))
    twin = market.filter(symbol="KO").with_columns(
        pl.lit("KOpA").alias("symbol"), pl.col("close") + 1
    )
    again = market.filter(symbol="ON", date=dt.date(2016, 3, 1)).with_columns(pl.col("close") * 2)
    missing = market.filter(symbol="E", date=dt.date(2016, 3, 1)).with_columns(
        pl.lit("HOLE").alias("symbol"), pl.lit(math.nan).alias("open")
    )
    return pl.concat([market, twin, again, missing])


@pytest.fixture(scope="module")
def settings(bars: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("market")
    bars.write_parquet(folder / "bars.parquet")
    for name in ("actions", "symbols"):
        table = pl.read_parquet(EXAMPLE / f"{name}.parquet")
        # A delisted and a renamed ticker as well, so that both states are there.
        kept = pl.col("symbol").is_in([*TICKERS, "TWC", "ARNC"])
        table.filter(kept).write_parquet(folder / f"{name}.parquet")
    return Settings(
        bars=folder / "bars.parquet",
        actions=folder / "actions.parquet",
        symbols=folder / "symbols.parquet",
    )


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    with running(settings) as base:
        yield base


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[RESTClient]:
    made = RESTClient(api_key="sandbox", base=url)
    yield made
    made.client.clear()


def of_day(bars: pl.DataFrame, day: dt.date) -> list[tuple[Any, ...]]:
    columns = ("symbol", "open", "high", "low", "close", "volume")
    rows = bars.filter(pl.col("date") == day).drop_nans()
    return rows.sort("symbol", maintain_order=True).select(columns).rows()


def milliseconds(day: dt.date, hour: int) -> int:
    return int(dt.datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK).timestamp()) * 1000


@pytest.mark.parametrize("day", [dt.date(2016, 3, 11), dt.date(2016, 3, 14), dt.date(2016, 11, 7)])
def test_a_grouped_day_is_the_day_of_the_file(
    client: RESTClient, bars: pl.DataFrame, day: dt.date
) -> None:
    # 13 March and 6 November 2016 changed the clocks.
    rows = client.get_grouped_daily_aggs(day.isoformat(), adjusted=False)
    told = [(r.ticker, r.open, r.high, r.low, r.close, r.volume) for r in rows]
    assert told == of_day(bars, day)
    assert {row.timestamp for row in rows} == {milliseconds(day, 16)}
    utc = dt.datetime.fromtimestamp(rows[0].timestamp / 1000, dt.UTC)
    assert utc.hour == (20 if day == dt.date(2016, 3, 14) else 21)


def test_awkward_and_case_sensitive_tickers_are_apart(client: RESTClient) -> None:
    rows = client.get_grouped_daily_aggs("2016-06-01", adjusted=False)
    assert {"NAN", "TRUE", "ON", "E", "INF", "KO", "KOpA"} <= {row.ticker for row in rows}
    upper, lower = (
        client.get_aggs(t, 1, "day", "2016-06-01", "2016-06-01") for t in ("KO", "KOpA")
    )
    assert lower[0].close == upper[0].close + 1
    assert client.get_aggs("KOPA", 1, "day", "2016-06-01", "2016-06-01") == []


def test_repeated_bars_stay_and_missing_prices_are_left_out(url: str) -> None:
    body = get(f"{url}{GROUPED}/2016-03-01?adjusted=false").json()
    tickers = [row["T"] for row in body["results"]]
    assert tickers.count("ON") == 2
    assert "HOLE" not in tickers
    assert body["resultsCount"] == body["queryCount"] == len(tickers)


@pytest.mark.parametrize("day", ["2016-07-04", "2016-01-03", "2015-06-01", "2017-01-03"])
def test_a_day_without_bars_is_an_answer(url: str, client: RESTClient, day: str) -> None:
    reply = get(f"{url}{GROUPED}/{day}?adjusted=false")
    assert reply.code == 200
    assert reply.json()["status"] == "OK"
    assert reply.json()["resultsCount"] == 0
    assert client.get_grouped_daily_aggs(day) == []


def test_bars_of_a_ticker_across_pages(client: RESTClient, bars: pl.DataFrame) -> None:
    told = list(
        client.list_aggs("NAN", 1, "day", "2016-02-01", "2016-11-30", adjusted=False, limit=17)
    )
    days = pl.col("date").is_between(dt.date(2016, 2, 1), dt.date(2016, 11, 30))
    expected = bars.filter(days & (pl.col("symbol") == "NAN")).sort("date")
    assert len(told) == expected.height > 200
    assert [row.close for row in told] == expected["close"].to_list()
    assert [row.volume for row in told] == expected["volume"].to_list()
    assert [row.timestamp for row in told] == [milliseconds(day, 0) for day in expected["date"]]
    newest_first = list(
        client.list_aggs(
            "NAN", 1, "day", "2016-02-01", "2016-11-30", adjusted=False, limit=90, sort="desc"
        )
    )
    assert newest_first == told[::-1]


def test_times_bound_a_range_as_dates_do(client: RESTClient) -> None:
    start, end = milliseconds(dt.date(2016, 3, 10), 0), milliseconds(dt.date(2016, 3, 15), 0)
    by_date = client.get_aggs("KO", 1, "day", "2016-03-10", "2016-03-15")
    assert client.get_aggs("KO", 1, "day", start, end) == by_date
    assert len(by_date) == 4
    assert client.get_aggs("KO", 1, "day", start + 1, end - 1) == by_date[1:-1]
    everything = client.get_aggs("KO", 1, "day", "0001-01-01", "9999-12-31")
    assert everything == client.get_aggs("KO", 1, "day", "2016-01-01", "2016-12-31")


def test_splits_adjust_prices_and_volumes_before_them(
    client: RESTClient, bars: pl.DataFrame
) -> None:
    # Alcoa's 1:3 of 6 October is the only split of AA in the file.
    told = client.get_aggs("AA", 1, "day", "2016-10-03", "2016-10-07")
    raw = (
        bars.filter(pl.col("symbol") == "AA")
        .sort("date")
        .filter(pl.col("date").is_between(dt.date(2016, 10, 3), dt.date(2016, 10, 7)))
    )
    factors = [3.0 if day < dt.date(2016, 10, 6) else 1.0 for day in raw["date"]]
    for row, source, factor in zip(told, raw.iter_rows(named=True), factors, strict=True):
        assert row.close == pytest.approx(source["close"] * factor, rel=1e-12)
        assert row.high == pytest.approx(source["high"] * factor, rel=1e-12)
        assert row.volume == pytest.approx(source["volume"] / factor, rel=1e-12)
    grouped = {row.ticker: row for row in client.get_grouped_daily_aggs("2016-10-05")}
    assert grouped["AA"].close == told[2].close
    assert grouped["KO"].close == raw_close(bars, "KO", dt.date(2016, 10, 5))


def raw_close(bars: pl.DataFrame, ticker: str, day: dt.date) -> float:
    close = bars.filter(symbol=ticker, date=day)["close"][0]
    assert isinstance(close, float)
    return close


def test_tickers_across_pages(client: RESTClient, settings: Settings) -> None:
    told = list(client.list_tickers(market="stocks", active=True, limit=4))
    assert settings.symbols
    source = pl.read_parquet(settings.symbols)
    listed = source.filter(pl.col("last_listed") == dt.date(2016, 12, 30))
    assert [row.ticker for row in told] == sorted(listed["symbol"])
    named = {row.ticker: row for row in told}
    assert named["NAN"].primary_exchange == "XNYS"
    assert named["ON"].name == "ON Semiconductor Corporation"
    assert all(row.active and row.delisted_utc is None for row in told)
    ended = list(client.list_tickers(active=False, limit=1000))
    assert {"TWC"} <= {row.ticker for row in ended}
    assert not {row.ticker for row in ended} & set(named)
    assert all(row.delisted_utc for row in ended)


def test_tickers_are_filtered(client: RESTClient) -> None:
    def tickers(**query: object) -> list[str]:
        return [row.ticker for row in client.list_tickers(**query)]

    assert tickers(ticker="TRUE") == ["TRUE"]
    assert tickers(ticker_gte="ON", ticker_lt="TRUE") == ["ON", "PRN"]
    assert tickers(exchange="XNAS") == ["AAPL", "DCTH", "ON"]
    assert tickers(type="WARRANT") == []
    assert tickers(market="crypto") == []
    assert "PRN" not in tickers(date="2016-06-01")
    assert "TWC" in tickers(date="2016-02-01")
    assert tickers(order="desc", limit=3)[:3] == ["TRUE", "PRN", "ON"]


def test_details_of_a_ticker(url: str, client: RESTClient) -> None:
    details = client.get_ticker_details("PRN")
    assert (details.ticker, details.list_date, details.active) == ("PRN", "2016-12-08", True)
    assert client.get_ticker_details("AAPL").market_cap > 1e12
    assert get(f"{url}/v3/reference/tickers/PRN?date=2016-06-01").code == 404
    reply = get(f"{url}/v3/reference/tickers/NOPE")
    assert reply.code == 404
    assert reply.json()["message"] == "Ticker not found."


@pytest.mark.parametrize("method", ["list_splits", "list_stocks_splits"])
def test_splits_in_both_generations(client: RESTClient, settings: Settings, method: str) -> None:
    told = list(getattr(client, method)(execution_date_gte="2016-02-02", limit=2))
    assert settings.actions
    source = pl.read_parquet(settings.actions).filter(
        (pl.col("kind") == "split") & (pl.col("ex_date") >= dt.date(2016, 2, 2))
    )
    expected = {(row["symbol"], row["ex_date"].isoformat()) for row in source.to_dicts()}
    assert {(row.ticker, row.execution_date) for row in told} == expected
    assert len(told) == len(expected) > 4
    assert [row.execution_date for row in told] == sorted(
        (row.execution_date for row in told), reverse=True
    )
    alcoa = next(row for row in told if row.ticker == "AA")
    assert (alcoa.split_from, alcoa.split_to) == (3, 1)
    before = list(getattr(client, method)(execution_date_lt="2016-02-03", ticker="FRO"))
    assert [row.execution_date for row in before] == ["2016-02-02"]


def test_splits_say_what_they_do_to_old_prices(client: RESTClient) -> None:
    twice = list(client.list_stocks_splits(ticker="FRO"))
    assert [row.historical_adjustment_factor for row in twice] == [5.0, 25.0]
    assert {row.adjustment_type for row in twice} == {"reverse_split"}
    assert len({row.id for row in twice}) == 2
    forward = list(client.list_stocks_splits(adjustment_type="forward_split"))
    assert all(row.split_to > row.split_from for row in forward)


@pytest.mark.parametrize("method", ["list_dividends", "list_stocks_dividends"])
def test_dividends_in_both_generations(client: RESTClient, settings: Settings, method: str) -> None:
    told = list(getattr(client, method)(ticker="KO", ex_dividend_date_lte="2016-11-29", limit=1))
    assert settings.actions
    source = pl.read_parquet(settings.actions).filter(
        (pl.col("symbol") == "KO") & (pl.col("kind") == "dividend")
    )
    expected = [
        (row["ex_date"].isoformat(), row["cash"])
        for row in source.sort("ex_date", descending=True).to_dicts()
        if row["ex_date"] <= dt.date(2016, 11, 29)
    ]
    assert [(row.ex_dividend_date, row.cash_amount) for row in told] == expected
    assert len(expected) > 2


def test_the_snapshot_is_the_last_two_days(client: RESTClient, bars: pl.DataFrame) -> None:
    told = {row.ticker: row for row in client.get_snapshot_all("stocks")}
    assert set(told) == {row[0] for row in of_day(bars, dt.date(2016, 12, 30))} | {
        row[0] for row in of_day(bars, dt.date(2016, 12, 29))
    }
    new, old = (raw_close(bars, "KO", dt.date(2016, 12, day)) for day in (30, 29))
    assert (told["KO"].day.close, told["KO"].prev_day.close) == (new, old)
    assert told["KO"].todays_change == pytest.approx(new - old)
    assert told["KO"].todays_change_percent == pytest.approx(100 * (new / old - 1))
    assert told["KO"].updated == milliseconds(dt.date(2016, 12, 30), 16) * 1_000_000
    some = client.get_snapshot_all("stocks", tickers=["TRUE", "NOPE"])
    assert [row.ticker for row in some] == ["TRUE"]
    many = client.get_snapshot_all("stocks", tickers=["KO", *[f"NOPE{n}" for n in range(3000)]])
    assert [row.ticker for row in many] == ["KO"]


def test_the_market_status_stands_at_the_last_close(client: RESTClient) -> None:
    status = client.get_market_status()
    assert status.server_time == "2016-12-30T16:00:00-05:00"
    assert (status.market, status.after_hours, status.early_hours) == (
        "extended-hours",
        True,
        False,
    )
    holidays = client.get_market_holidays()
    assert (holidays[0].date, holidays[0].name, holidays[0].status) == (
        "2017-01-02",
        "New Years Day",
        "closed",
    )
    short = next(row for row in holidays if row.status == "early-close")
    assert (short.date, short.close) == ("2017-07-03", "2017-07-03T17:00:00.000Z")
    assert "Special closure" not in {row.name for row in holidays}


@pytest.mark.parametrize(
    ("path", "headers", "code", "body"),
    [
        (
            f"{GROUPED}/2016-06-01",
            {},
            400,
            {"status": "ERROR", "error": "API Key was not provided"},
        ),
        (f"{GROUPED}/2016-06-01?apiKey=", {}, 400, {"status": "ERROR"}),
        (f"{GROUPED}/2016-06-01?apiKey=x", {}, 401, {"error": "Unknown API Key"}),
        (f"{GROUPED}/2016-06-01", {"Authorization": "Bearer x"}, 401, {"status": "ERROR"}),
        (f"{GROUPED}/2016-06-01", {"Authorization": "Basic sandbox"}, 400, {}),
        (f"{GROUPED}/2016-06-01?apiKey=sandbox", {}, 200, {"status": "OK"}),
        (f"{GROUPED}/June", KEY, 400, {"status": "ERROR"}),
        (f"{GROUPED}/2016-06-01?adjusted=perhaps", KEY, 400, {}),
        ("/v2/nothing", KEY, 404, {"status": "NOT_FOUND"}),
        ("/v2/aggs/ticker/KO/range/1/minute/2016-01-01/2016-02-01", KEY, 400, {}),
        ("/v2/aggs/ticker/KO/range/5/day/2016-01-01/2016-02-01", KEY, 400, {}),
        ("/v2/aggs/ticker/KO/range/1/day/2016-02-01/2016-01-01", KEY, 400, {}),
        (
            "/v2/aggs/ticker/KO/range/1/day/soon/2016-01-01",
            KEY,
            400,
            {
                "error": "Could not parse the time parameter: 'from'."
                " Use YYYY-MM-DD or Unix MS Timestamps"
            },
        ),
        ("/v2/aggs/ticker/KO/range/1/day/--5/2016-01-01", KEY, 400, {}),
        ("/v2/aggs/ticker/KO/range/1/day/2016-01-01/2016-02-01?limit=50001", KEY, 400, {}),
        ("/v3/reference/tickers?limit=1001", KEY, 400, {}),
        ("/v3/reference/tickers?limit=0", KEY, 400, {}),
        ("/v3/reference/tickers?date=June", KEY, 400, {}),
        ("/v3/reference/tickers?cursor=%7B", KEY, 400, {}),
        ("/stocks/v1/splits?sort=cash", KEY, 400, {}),
        ("/stocks/v1/splits?execution_date.gte=soon", KEY, 400, {}),
    ],
)
def test_refusals(
    url: str, path: str, headers: dict[str, str], code: int, body: dict[str, str]
) -> None:
    reply = get(url + path, headers)
    assert reply.code == code
    assert reply.json() == reply.json() | body
    assert reply.json()["request_id"] == reply.headers["X-Request-Id"]
    assert reply.headers.get_content_type() == "application/json"


def test_bodies_are_gzipped_for_those_who_accept_it(url: str) -> None:
    path = f"{url}/stocks/v1/dividends"
    plain, packed = get(path), get(path, {**KEY, "Accept-Encoding": "gzip, deflate"})
    assert plain.headers["Content-Encoding"] is None
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 3
    unpacked = json.loads(gzip.decompress(packed.content))
    assert unpacked["results"] == plain.json()["results"]


def test_pages_are_linked_without_the_key(url: str) -> None:
    reply = get(f"{url}/v3/reference/tickers?limit=5&apiKey=sandbox", {})
    following = reply.json()["next_url"]
    assert following.startswith(f"{url}/v3/reference/tickers?cursor=")
    assert reply.headers["Link"] == f'<{following}>; rel="next"'
    assert get(following, {}).code == 400
    assert len(get(f"{following}&apiKey=sandbox", {}).json()["results"]) == 5


def test_knowing_nothing_later_than_now(settings: Settings) -> None:
    now = dt.date(2016, 10, 5)
    with running(replace(settings, now=now, api_key="other")) as url:
        key = {"Authorization": "Bearer other"}
        assert get(f"{url}{GROUPED}/2016-10-05").code == 401
        assert get(f"{url}{GROUPED}/2016-10-05", key).json()["resultsCount"] > 5
        assert get(f"{url}{GROUPED}/2016-10-06", key).json()["resultsCount"] == 0
        status = get(f"{url}/v1/marketstatus/now", key).json()
        assert status["serverTime"] == "2016-10-05T16:00:00-04:00"
        splits = get(f"{url}/stocks/v1/splits?ticker=AA", key).json()
        assert splits["results"] == [], "the split of the next day is not known yet"
        span = "/v2/aggs/ticker/AA/range/1/day/2016-10-03/2016-12-30"
        adjusted, raw = (
            get(f"{url}{span}?adjusted={flag}", key).json() for flag in ("true", "false")
        )
        assert adjusted["results"] == raw["results"]
        assert len(raw["results"]) == 3
        tickers = get(f"{url}/v3/reference/tickers?limit=1000", key).json()["results"]
        assert "PRN" not in {row["ticker"] for row in tickers}


def test_a_moment_before_every_bar_knows_none(settings: Settings) -> None:
    with running(replace(settings, now=dt.date(2015, 6, 1))) as url:
        assert get(f"{url}{GROUPED}/2016-06-01").json()["resultsCount"] == 0
        span = "/v2/aggs/ticker/KO/range/1/day/2015-01-01/2016-12-30"
        assert get(url + span).json()["resultsCount"] == 0
        snapshot = get(f"{url}/v2/snapshot/locale/us/markets/stocks/tickers").json()
        assert snapshot["tickers"] == []


def test_today_is_refused_before_the_close(settings: Settings) -> None:
    noon = replace(settings, now=dt.date(2016, 10, 5), clock=dt.time(12))
    with running(noon) as url:
        reply = get(f"{url}{GROUPED}/2016-10-05")
        assert reply.code == 403
        assert reply.json()["status"] == "NOT_AUTHORIZED"
        assert reply.json()["message"].startswith("Attempted to request today's data before end")
        assert get(f"{url}{GROUPED}/2016-10-04").json()["resultsCount"] > 5
        assert get(f"{url}{GROUPED}/2016-10-06").json()["resultsCount"] == 0
        assert get(f"{url}/v1/marketstatus/now").json()["market"] == "open"
        path = "/v2/snapshot/locale/us/markets/stocks/tickers?tickers=KO"
        row = get(f"{url}{path}").json()["tickers"][0]
        assert row["day"]["c"] == row["todaysChange"] == 0
        assert row["prevDay"]["c"] > 0


def test_calls_a_minute_and_latency(settings: Settings) -> None:
    with running(replace(settings, calls_per_minute=8, latency_ms=2000)) as url:
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(get, [f"{url}{GROUPED}/2016-06-01"] * 8))
        took = time.monotonic() - started
        assert {reply.code for reply in replies} == {200}
        assert 2 <= took < 8 * 2, "calls wait beside each other"
        client = RESTClient(api_key="sandbox", base=url, retries=0)
        with pytest.raises(MaxRetryError, match="too many 429 error responses"):
            client.get_grouped_daily_aggs("2016-06-01")
        client.client.clear()
        reply = get(f"{url}{GROUPED}/2016-06-01")
        assert reply.code == 429
        assert reply.json()["error"].startswith("You've exceeded the maximum requests per minute")


def test_bars_alone_are_enough(settings: Settings) -> None:
    with running(Settings(bars=settings.bars)) as url:
        tickers = get(f"{url}/v3/reference/tickers?limit=1000").json()["results"]
        assert [row["ticker"] for row in tickers] == sorted([*TICKERS, "KOpA"])
        assert get(f"{url}/stocks/v1/splits").json()["results"] == []


def test_a_sandbox_that_cannot_start_says_why(settings: Settings, tmp_path: Path) -> None:
    with (
        pytest.raises(MarketsweepError, match=r"ended: .*none\.parquet: no such file"),
        running(Settings(bars=tmp_path / "none.parquet")),
    ):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(MarketsweepError, match=f"port {port} cannot be used .*choose another"),
            running(replace(settings, port=port)),
        ):
            pass
    with (
        pytest.raises(MarketsweepError, match=r"not ready within 0\.01 s"),
        running(settings, 0.01),
    ):
        pass


def test_bars_without_a_complete_one_are_refused(bars: pl.DataFrame, tmp_path: Path) -> None:
    bars.filter(symbol="HOLE").write_parquet(tmp_path / "bars.parquet")
    with (
        pytest.raises(MarketsweepError, match="no bar is complete"),
        running(Settings(bars=tmp_path / "bars.parquet")),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_well(settings: Settings, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "marketsweep.ingest.sandbox", settings.to_json()]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline().startswith("http://127.0.0.1:")
        os.kill(child.pid, number)
        assert child.wait(60) == 0
        assert child.stdout.read() == ""
        assert child.stderr.read() == "skipped 1 bars with missing values\n"


def test_settings_travel_as_json(settings: Settings) -> None:
    full = replace(settings, now=dt.date(2016, 5, 2), clock=dt.time(9, 30), latency_ms=80)
    assert Settings.from_json(full.to_json()) == full
    with pytest.raises(UsageError, match="not the settings of a sandbox"):
        Settings.from_json("bars")
