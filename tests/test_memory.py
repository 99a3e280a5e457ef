"""What is too large is refused in little memory: the peak of a process of its own."""

from __future__ import annotations

import datetime as dt
import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from aiohttp import web

from marketsweep.core.calendar import sessions_in_range
from tests.helpers.command import COMMAND
from tests.helpers.massive_server import KEY, Market, serving

MOST_MB = 600
DAY = dt.date(2024, 3, 7)
ROWS = b"".join(
    b"S%04d,2016-05-%02d,1.25,2.5,0.75,1.5,100000\n" % (n % 9000, 2 + n % 5) for n in range(200_000)
)


WATCH = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""A small process between: Linux counts what a process was forked from to its own peak."""


def peak_mb(*line: str | Path) -> tuple[int, str, float]:
    """The exit code, the errors and the peak of the memory of a command."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, COMMAND, *map(str, line)],
        capture_output=True,
        text=True,
        check=True,
    )
    code, peak = map(int, done.stdout.split())
    return code, done.stderr, peak / 1024


def packed_many_times(path: Path) -> None:
    """Some 1.3 GB of good rows."""
    block = gzip.compress(ROWS, 6)
    with path.open("wb") as file:
        file.write(gzip.compress(b"symbol,date,open,high,low,close,volume\n"))
        for _ in range(160):
            file.write(block)


def packed_zeros(path: Path) -> None:
    """Seven gigabytes in seven megabytes."""
    path.write_bytes(gzip.compress(b"0" * 10_000_000) * 700)


def plain_and_large(path: Path) -> None:
    """Two gigabytes with a hole, which take no room on the disk."""
    with path.open("wb") as file:
        file.write(b"symbol,date,open,high,low,close,volume\n")
        file.truncate(2 << 30)


def long_columns(path: Path) -> None:
    day = dt.date(2016, 1, 4)
    names = ("open", "high", "low", "close", "volume")
    pl.select(
        pl.repeat("A", 5_000_000).alias("symbol"),
        pl.repeat(day, 5_000_000).alias("date"),
        *(pl.repeat(1.0, 5_000_000).alias(name) for name in names),
    ).write_parquet(path)


@pytest.mark.parametrize("make", [packed_many_times, packed_zeros, plain_and_large, long_columns])
def test_files(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / ("bars.parquet" if make is long_columns else "bars.csv")
    make(path)
    code, errors, mb = peak_mb(
        "sync", "--provider", "files", "--path", path, "--data", tmp_path / "data"
    )
    assert code == 2
    assert "unpack" in errors
    assert mb < MOST_MB


def test_a_good_file_is_read_in_slices(tmp_path: Path) -> None:
    """A hundred megabytes of text; read as a whole they took eight times as much."""
    days = pl.DataFrame({"date": sessions_in_range(dt.date(2014, 1, 2), dt.date(2015, 12, 31))})
    symbols = pl.DataFrame({"symbol": [f"S{number}" for number in range(4000)]})
    price = (pl.int_range(pl.len()) * 7919 % 90_000) / 100 + 1
    names = ("open", "high", "low", "close")
    days.join(symbols, how="cross").with_columns(
        *(price.alias(name) for name in names), volume=pl.int_range(pl.len()) % 9_999_991
    ).select("symbol", "date", *names, "volume").write_csv(tmp_path / "bars.csv")
    assert (tmp_path / "bars.csv").stat().st_size > 90 << 20
    call = ("sync", "--provider", "files", "--path", tmp_path / "bars.csv", "--dry-run")
    code, errors, mb = peak_mb(*call, "--data", tmp_path / "data")
    assert (code, errors) == (0, "")
    assert mb < MOST_MB


async def endless(request: web.Request, chunk: bytes, **headers: str) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "application/json", **headers})
    await answer.prepare(request)
    try:
        for _ in range(10_000):
            await answer.write(chunk)
    except ConnectionError:
        pass  # the client has had enough
    return answer


async def plain(request: web.Request) -> web.StreamResponse:
    return await endless(request, b" " * 1_000_000)


async def packed(request: web.Request) -> web.StreamResponse:
    return await endless(request, gzip.compress(b" " * 100_000_000), **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("body", [plain, packed])
@pytest.mark.parametrize("part", ["grouped", "splits", "tickers"])
def test_answers(body: Callable[..., object], part: str, tmp_path: Path) -> None:
    market = Market()
    market.bars[DAY] = [{"T": "A", "o": 1.0, "h": 2.0, "l": 0.5, "c": 1.5, "v": 100.0}]
    with serving(market) as server:
        server.always(part, body)  # type: ignore[arg-type]
        day = ("--since", str(DAY), "--until", str(DAY))
        at = ("--base-url", server.url, "--api-key", KEY, "--data", tmp_path / "data")
        code, errors, mb = peak_mb("sync", *day, *at)
    assert code in (0, 3, 4)
    assert "MB" in errors
    assert mb < MOST_MB
