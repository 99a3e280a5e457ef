"""Files as people have them, from the file to the stored bar."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import marketsweep as ms
from tests.helpers.command import run
from tests.ingest.files.test_file_layouts import (
    NEW_YORK,
    STOOQ,
    flat_file,
)
from tests.ingest.files.test_files import HEADER, ROW


def weekdays(first: dt.date, last: dt.date, *closed: dt.date) -> list[dt.date]:
    days = (first + dt.timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5 and day not in closed]


SPRING = weekdays(dt.date(2024, 5, 1), dt.date(2024, 6, 14), dt.date(2024, 5, 27))
"""32 sessions; the exchange was closed on Memorial Day."""


def closes_of(days: list[dt.date]) -> dict[dt.date, float]:
    return {day: 50.0 + place for place, day in enumerate(days)}


def synced(path: Path | str, data: Path) -> dict[str, Any]:
    done = run("sync", "--provider", "files", "--path", path, "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    receipt: dict[str, Any] = json.loads(done.stdout)
    return receipt


def stored(data: Path, symbol: str) -> dict[dt.date, float]:
    with ms.open(data) as market:
        bars = market.history(symbol)
    return dict(zip(bars["date"].to_list(), bars["close"].to_list(), strict=True))


def test_two_weeks_of_flat_files_are_stored(tmp_path: Path) -> None:
    days = weekdays(dt.date(2025, 3, 3), dt.date(2025, 3, 14))  # the clocks changed on the 9th
    folder = tmp_path / "day_aggs_v1"
    for day in days:
        flat_file(folder / f"{day}.csv.gz", day, ["AAPL", "BRK.B", "BACpL"])
    one = folder / "2025-03-10.csv.gz"
    for name, path, expected in (
        ("one", one, [dt.date(2025, 3, 10)]),
        ("folder", folder, days),
        ("pattern", folder / "*.csv.gz", days),
    ):
        receipt = synced(path, tmp_path / name)
        assert receipt["new"] == 3 * len(expected)
        assert receipt["set_aside"] == {}
        for symbol in ("AAPL", "BRK.B", "BACpL"):
            assert stored(tmp_path / name, symbol) == dict.fromkeys(expected, 10.75)


@pytest.mark.parametrize("word", ["null", "None", "NA", "-", "NaN", ""])
def test_a_row_without_prices_is_set_aside_alone(word: str, tmp_path: Path) -> None:
    closes = closes_of(SPRING)
    lines = ["symbol,Date,Open,High,Low,Close,Adj Close,Volume"]
    for place, (day, close) in enumerate(closes.items()):
        cells = [word] * 6 if place == 10 else [close, close + 1, close - 1, close, close / 2, 900]
        lines.append(",".join(map(str, ["SRCX", day, *cells])))
    (tmp_path / "yahoo.csv").write_text("\n".join(lines))
    receipt = synced(tmp_path / "yahoo.csv", tmp_path / "data")
    assert receipt["new"] == 31
    assert receipt["set_aside"] == {"incomplete": 1}
    del closes[SPRING[10]]
    assert stored(tmp_path / "data", "SRCX") == closes


def yfinance_files(folder: Path, closes: dict[dt.date, float]) -> list[Path]:
    multi = ["Price,Close,High,Low,Open,Volume", "Ticker" + ",MSFT" * 5, "Date,,,,,"]
    alone = ["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"]
    long = ["Date,Ticker,Open,High,Low,Close,Adj Close,Volume"]
    for day, close in closes.items():
        multi.append(f"{day},{close},{close + 1},{close - 1},{close},900")
        alone.append(f"{day} 00:00:00-04:00,{close},{close + 1},{close - 1},{close},900,0.0,0.0")
        long.append(f"{day},MSFT,{close},{close + 1},{close - 1},{close},{close / 2},900")
    files = {"multi.csv": multi, "MSFT.csv": alone, "long.csv": long}
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return [folder / name for name in files]


def test_three_shapes_of_yfinance_are_stored(tmp_path: Path) -> None:
    closes = closes_of(SPRING)
    for path in yfinance_files(tmp_path, closes):
        receipt = synced(path, tmp_path / path.stem)
        assert receipt["new"] == 32
        assert stored(tmp_path / path.stem, "MSFT") == closes


@pytest.mark.parametrize("name", ["aapl.us.txt", "aapl.us.csv", "renamed.csv"])
def test_a_file_of_stooq_is_stored(name: str, tmp_path: Path) -> None:
    closes = closes_of(SPRING)
    head = STOOQ.splitlines()[0]
    end = "\r\n"
    if name == "renamed.csv":
        head, end = re.sub("[<>]", "", head).replace("VOL,", "VOLUME,"), "\n"
    lines = [
        f"AAPL.US,D,{day:%Y%m%d},000000,{close},{close + 1},{close - 1},{close},900.5,0"
        for day, close in closes.items()
    ]
    (tmp_path / name).write_bytes(end.join([head, *lines, ""]).encode())
    assert synced(tmp_path / name, tmp_path / "data")["new"] == 32
    assert stored(tmp_path / "data", "AAPL") == closes


@pytest.mark.parametrize(
    "zone",
    [
        *("America/New_York", "UTC", "America/Chicago", "America/Los_Angeles", "Asia/Kolkata"),
        "Europe/Berlin",
    ],
)
@pytest.mark.parametrize("hour", [0, 20])
def test_times_with_a_zone_are_stored_under_their_session(
    zone: str, hour: int, tmp_path: Path
) -> None:
    days = weekdays(dt.date(2025, 2, 24), dt.date(2025, 3, 21))
    closes = closes_of(days)
    times = [dt.datetime.combine(day, dt.time(hour), NEW_YORK) for day in days]
    prices = {name: list(closes.values()) for name in ("open", "high", "low", "close")}
    table = pl.DataFrame({"symbol": ["AAPL"] * 20, "date": times, **prices, "volume": [9] * 20})
    shown = table.with_columns(pl.col("date").dt.convert_time_zone(zone))
    shown.write_parquet(tmp_path / "bars.parquet")
    text = pl.col("date").dt.to_string("%Y-%m-%d %H:%M:%S%:z")
    shown.with_columns(text).write_csv(tmp_path / "bars.csv")
    for name in ("bars.parquet", "bars.csv"):
        receipt = synced(tmp_path / name, tmp_path / f"{name}.data")
        assert receipt["set_aside"] == {}
        assert stored(tmp_path / f"{name}.data", "AAPL") == closes


def test_a_pipe_is_synced(tmp_path: Path) -> None:
    pipe = tmp_path / "bars"
    os.mkfifo(pipe)
    content = (HEADER + ROW).encode()
    writer = threading.Thread(target=pipe.write_bytes, args=(content,))
    writer.start()
    try:
        assert synced(pipe, tmp_path / "data")["new"] == 1
    finally:
        writer.join()
