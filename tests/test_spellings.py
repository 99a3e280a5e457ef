"""Tickers as Yahoo, NASDAQ, NYSE, Stooq and TradingView write them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.records import SessionBars
from marketsweep.sessions import sessions_between
from marketsweep.spellings import from_nasdaq, from_stooq, from_yahoo, known_as, usual
from marketsweep.store import Store
from marketsweep.watchlist import read_list
from tests.command import run
from tests.markets import example_bars

KNOWN = {"BRK.B", "BACpL", "ACAH.WS", "ACAH.U", "ACAH.RT", "AAPL", "GOOGL", "F", "FpB", "BRK.A"}
DAYS = sessions_between(dt.date(2016, 1, 4), dt.date(2016, 3, 31))


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        *((text, "BRK.B") for text in ("BRK.B", "BRK-B", "BRK/B", "BRK B", "brk.b", "brk-b")),
        *((text, "BRK.B") for text in ("NYSE:BRK.B", "nyse:brk.b", "BRK/B US", "BRK.B.US")),
        *((text, "BACpL") for text in ("BACpL", "BAC-PL", "BAC/PL", "BAC-P-L", "BAC^L", "BAC$L")),
        *((text, "BACpL") for text in ("BAC PR L", "BAC.PRL", "BAC_L", "NYSE:BAC/PL", "bac-pl")),
        *((text, "ACAH.WS") for text in ("ACAH.WS", "ACAH/WS", "ACAH-WT", "ACAH+", "ACAH.W")),
        *((text, "ACAH.U") for text in ("ACAH.U", "ACAH-UN", "ACAH=", "ACAH/U")),
        *((text, "ACAH.RT") for text in ("ACAH.RT", "ACAH-RI", "ACAH/RT")),
        *((text, "AAPL") for text in ("AAPL", "aapl", "NASDAQ:AAPL", "AAPL US", " AAPL ")),
        ("F-PB", "FpB"),
        ("NOPE", None),
        ("BRK", None),
        ("", None),
        ("::", None),
    ],
)
def test_spellings_of_a_known_ticker(text: str, ticker: str | None) -> None:
    assert known_as(text, KNOWN) == ticker


def test_real_tickers_mean_themselves() -> None:
    tickers = example_bars()["symbol"].unique().to_list()
    known = frozenset(tickers)
    assert len(known) > 6000
    assert [one for one in tickers if known_as(one, known) != one] == []
    assert [one for one in tickers if usual(one) != one] == []


@pytest.mark.parametrize(
    ("spelling", "text", "ticker"),
    [
        (from_yahoo, "BRK-B", "BRK.B"),
        (from_yahoo, "BAC-PL", "BACpL"),
        (from_yahoo, "ACAH-WT", "ACAH.WS"),
        (from_yahoo, "AAPL", "AAPL"),
        (from_stooq, "AAPL.US", "AAPL"),
        (from_stooq, "brk-b.us", "BRK.B"),
        (from_stooq, "BAC_L.US", "BACpL"),
        (from_nasdaq, "BAC$L", "BACpL"),
        (from_nasdaq, "ABR^D", "ABRpD"),
        (from_nasdaq, "BRK/B", "BRK.B"),
        (from_nasdaq, "ACAH.W", "ACAH.WS"),
    ],
)
def test_spellings_of_sources(spelling: object, text: str, ticker: str) -> None:
    assert callable(spelling)
    assert spelling(text) == ticker


@pytest.mark.parametrize(
    ("content", "symbols"),
    [
        (b"###Longs,NYSE:BRK.B,NASDAQ:AAPL,###Preferred,NYSE:BAC/PL", ["BRK.B", "AAPL", "BACpL"]),
        (b"AAPL\r\nBRK-B\r\n\r\n", ["AAPL", "BRK.B"]),
        (b"\xef\xbb\xbfAAPL\nMSFT  # a comment\n", ["AAPL", "MSFT"]),
        ("aapl\nbrk.b\n".encode("utf-16"), ["AAPL", "BRK.B"]),
        (b'"AAPL","MSFT"\n', ["AAPL", "MSFT"]),
        (b"AAPL;MSFT\tF\n", ["AAPL", "MSFT", "F"]),
    ],
)
def test_watchlists_of_other_programs(content: bytes, symbols: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    assert read_list(f"@{tmp_path}/list.txt") == symbols


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spellings")
    symbols = ["AAPL", "BACpL", "BRK.B"]
    with Store.create(path) as store, store.writer() as writer:
        for row, day in enumerate(DAYS):
            prices = np.array([[100.0 + row % 7, 25.0 + row % 3, 140.0 + row % 5]] * 4)
            bars = np.vstack([prices, np.full(3, 1e6)])
            writer.commit([SessionBars(day, symbols, bars)], "test")
    return path


@pytest.fixture
def market(data: Path) -> Iterator[ms.Market]:
    with ms.open(data) as opened:
        yield opened


@pytest.mark.parametrize(
    "condition",
    [
        'symbol == "BRK-B"',
        'symbol in ["BRK/B", "XYZ"]',
        'symbol == "NYSE:BRK.B" and close > 1',
    ],
)
def test_conditions_in_another_spelling(condition: str, market: ms.Market) -> None:
    hits = market.scan(condition)
    assert hits.symbols == ["BRK.B"]
    assert any("as BRK.B" in warning for warning in hits.warnings)


def test_other_symbols_in_another_spelling(market: ms.Market) -> None:
    same = market.scan('symbol("BRK.B").close > 130 and rs(5, "BRK.B") > 0')
    for text in ("BRK-B", "brk/b", "NYSE:BRK.B"):
        hits = market.scan(f'symbol("{text}").close > 130 and rs(5, "{text}") > 0')
        assert hits.symbols == same.symbols
        assert hits.symbols


def test_the_stores_own_spelling_needs_no_word(market: ms.Market) -> None:
    assert not any("tickers read" in one for one in market.scan('symbol == "BRK.B"').warnings)


def test_commands_in_another_spelling(data: Path, market: ms.Market) -> None:
    done = run("explain", "BAC-PL", "close > 1", "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["symbol"] == "BACpL"
    assert market.explain("brk-b", "close > 1").symbol == "BRK.B"
    frame = market.price_history_batch(["BRK-B"], DAYS[0], DAYS[-1]).frame
    assert frame["symbol"].unique().to_list() == ["BRK.B"]
    missing = run("explain", "BRK-Z", "close > 1", "--data", data)
    assert missing.returncode == 2
    assert "did you mean BRK.B" in missing.stderr
