"""Tickers as Yahoo, NASDAQ, NYSE, Stooq and TradingView write them."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import SessionBars
from marketsweep.core.spellings import (
    find_known,
    from_nasdaq,
    from_stooq,
    from_yahoo,
    note_of,
    resolve_tickers,
    to_store_spelling,
)
from marketsweep.core.tickers import read_list
from marketsweep.errors import UsageError
from marketsweep.store.store import Store
from tests.helpers.command import run
from tests.helpers.markets import example_bars

KNOWN = {"BRK.B", "BACpL", "ACAH.WS", "ACAH.U", "ACAH.RT", "AAPL", "GOOGL", "F", "FpB", "BRK.A"}
DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 3, 31))


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        *((text, "BRK.B") for text in ("BRK.B", "BRK-B", "BRK/B", "BRK B", "brk.b", "brk-b")),
        *((text, "BRK.B") for text in ("NYSE:BRK.B", "nyse:brk.b", "BRK/B US", "BRK.B.US")),
        *((text, "BRK.B") for text in ("NYSE: BRK.B", "NYSE ARCA:BRK-B", "BRK/B UN", "brk-b.us")),
        *((text, "BACpL") for text in ("BACpL", "BAC-PL", "BAC/PL", "BAC-P-L", "BAC^L", "BAC$L")),
        *(
            (text, "BACpL")
            for text in ("BAC.PR.L", "BAC.PL", "BAC-L", "bac/pl", "BACPL", "BAC PRL")
        ),
        *((text, "BACpL") for text in ("BAC PR L", "BAC.PRL", "BAC_L", "NYSE:BAC/PL", "bac-pl")),
        *((text, "ACAH.WS") for text in ("ACAH.WS", "ACAH/WS", "ACAH-WT", "ACAH+", "ACAH.W")),
        *((text, "ACAH.U") for text in ("ACAH.U", "ACAH-UN", "ACAH=", "ACAH/U")),
        *((text, "ACAH.RT") for text in ("ACAH.RT", "ACAH-RI", "ACAH/RT")),
        *((text, "AAPL") for text in ("AAPL", "aapl", "NASDAQ:AAPL", "AAPL US", " AAPL ")),
        *((text, "AAPL") for text in ("$AAPL", "AAPL.O", "AAPL.OQ", "aapl.n")),
        *((text, "BACpL") for text in ("BAC_pL", "BAC_pL.N", "BAC.pL")),
        ("F-PB", "FpB"),
        ("BRK-A", "BRK.A"),
        ("BRKB", None),
        ("BRK-C", None),
        ("BRK--B", None),
        ("BRK.B:US", "BRK.B"),
        ("NYSE:", None),
        ("US", None),
        ("NOPE", None),
        ("BRK", None),
        ("", None),
        ("::", None),
    ],
)
def test_spellings_of_a_known_ticker(text: str, ticker: str | None) -> None:
    assert find_known(text, KNOWN) == ticker


def test_the_text_itself_comes_first() -> None:
    # A store may have tickers in other spellings: each is itself there.
    texts = ["BRK.B", "BRK-B", "BRK/B", "brk.b", "BACpL", "BACPL", "BAC-PL", "BAC.L", "AAPL.US"]
    assert [find_known(text, frozenset(texts)) for text in texts] == texts


def test_no_ticker_of_another_company_is_meant() -> None:
    # In capitals MSpA would be MSPA, and without its ending REI.UN would be REI.
    assert find_known("MSpA", {"MSPA"}) is None
    assert find_known("REI.UN", {"REI"}) is None
    assert to_store_spelling("REI.UN") == "REI.UN"


UNUSUAL = [
    *("BRK.A", "BRK.B", "BF.A", "BF.B", "LGF.A", "MOG.B", "HEI.A", "CRD.B", "BACpL", "PSApH"),
    *("FpB", "CTAp", "ABRpD", "WFCpL", "ACAH.WS", "ACAH.U", "ACAH.RT", "GS.WS.A", "REI.UN"),
    *("A", "F", "P", "U", "W", "WS", "US", "UN", "PR", "PRT", "SPR", "UNP", "RTX", "WTS", "NYSE"),
    *("NAN", "TRUE", "INF", "NULL", "ON", "E", "1E5", "007"),
]


@pytest.mark.parametrize("ticker", UNUSUAL)
def test_unusual_tickers_mean_themselves(ticker: str) -> None:
    assert find_known(ticker, frozenset(UNUSUAL)) == ticker
    assert to_store_spelling(ticker) == ticker
    assert find_known(ticker, frozenset(UNUSUAL) - {ticker}) is None


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        *((text, "BRK.B") for text in ("BRK-B", "BRK/B", "BRK B", "brk.b", "NYSE:BRK.B")),
        *((text, "BACpL") for text in ("BAC-PL", "BAC/PL", "BAC-P-L", "BAC^L", "BAC$L")),
        *((text, "BACpL") for text in ("BAC PR L", "BAC_L", "NYSE:BAC/PL")),
        *((text, "BACpL") for text in ("BAC.PRL", "BAC.PR.L", "BAC.PFD.L", "BAC.pL", "BAC_pL")),
        *((text, "AAPL") for text in ("$AAPL", "$aapl", "AAPL.O", "AAPL.OQ", "AAPL.N")),
        *((text, text) for text in ("AIR.PA", "CEZ.PR", "BAC.PL", "X.P")),
        ("BAC_pL.N", "BACpL"),
        *((text, "ACAH.WS") for text in ("ACAH/WS", "ACAH-WT", "ACAH+", "ACAH-WS")),
        *((text, "ACAH.U") for text in ("ACAH-UN", "ACAH=", "ACAH/U")),
        *((text, "AAPL") for text in ("AAPL US", "aapl", " AAPL ", "NASDAQ:AAPL", "aapl.us")),
        ("GS+A", "GS.WS.A"),
        ("AAPL:US", "AAPL"),
        ("BRK/B:US", "BRK.B"),
        ("NYSE ARCA:SPY", "SPY"),
        ("ES1!", "ES1!"),
        ("", ""),
    ],
)
def test_the_usual_spelling(text: str, ticker: str) -> None:
    assert to_store_spelling(text) == ticker


def test_lists_of_tickers_are_resolved_each_once() -> None:
    texts = ["BRK-B", "AAPL", "BRK.B", "nope", "aapl", "BAC-PL"]
    assert resolve_tickers(texts, KNOWN) == (
        ["BRK.B", "AAPL", "nope", "BACpL"],
        {"BRK-B": "BRK.B", "aapl": "AAPL", "BAC-PL": "BACpL"},
    )


def test_the_note_on_how_tickers_were_read() -> None:
    assert note_of({}) == ""
    assert note_of({"BRK-B": "BRK.B"}) == "tickers read: BRK-B as BRK.B"
    many = {letter: letter.upper() for letter in "abcdefg"}
    assert note_of(many) == "tickers read: a as A, b as B, c as C, d as D, e as E, and 2 more"


def test_real_tickers_mean_themselves() -> None:
    tickers = example_bars()["symbol"].unique().to_list()
    known = frozenset(tickers)
    assert len(known) > 6000
    assert [one for one in tickers if find_known(one, known) != one] == []
    assert [one for one in tickers if to_store_spelling(one) != one] == []


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
        (b"###Longs\nNASDAQ:AAPL\nNYSE:BRK.B\n###Shorts\nNYSE:BF.B\n", ["AAPL", "BRK.B", "BF.B"]),
        (b"NASDAQ:AAPL,NYSE:BRK.B,###A # B,NYSE:F,", ["AAPL", "BRK.B", "F"]),
        (b"NASDAQ:AAPL,NASDAQ:AAPL,aapl", ["AAPL"]),
        ("\ufeffAAPL\r\nBRK-B\r\n".encode(), ["AAPL", "BRK.B"]),
        (b"\xfe\xff" + "AAPL\r\nBRK-B\r\n".encode("utf-16-be"), ["AAPL", "BRK.B"]),
        (b"AAPL\rMSFT\r", ["AAPL", "MSFT"]),
        (b"AAPL, MSFT,  GOOG", ["AAPL", "MSFT", "GOOG"]),
        (b"BRK B\nBAC PR L\nAAPL US\n", ["BRK.B", "BACpL", "AAPL"]),
        (b"# mine\n\nTRUE\nNAN\n", ["TRUE", "NAN"]),
        (b'No.,Symbol,Company\n1,F,"Ford, Inc."\n2,brk-b,Berkshire\n', ["F", "BRK.B"]),
        (b"Symbol\nAAPL\nMSFT\n", ["AAPL", "MSFT"]),
        (b'Ticker;Last Price\nAAPL;1,2\n\n"Downloaded from X"\n', ["AAPL"]),
        (b'["AAPL", "BRK.B"]', ["AAPL", "BRK.B"]),
    ],
)
def test_watchlists_of_other_programs(content: bytes, symbols: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    assert read_list(f"@{tmp_path}/list.txt") == symbols


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the list of symbols is empty"),
        (b"# nothing\n###Longs\n", "the list of symbols is empty"),
        (b"AAPL MSFT\n", "'AAPL MSFT' is not a ticker"),
        (b"AAPL\x00\n", "is not a ticker"),
        (b"AAPL\xe9\n", "cannot read the list of symbols"),
        (b"\xff\xfeA", "cannot read the list of symbols"),
    ],
)
def test_lists_that_cannot_be_read(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(UsageError, match=says):
        read_list(f"@{tmp_path}/list.txt")


def test_lists_on_the_command_line() -> None:
    assert read_list("aapl, BRK-B,NYSE:F") == ["AAPL", "BRK.B", "F"]
    with pytest.raises(UsageError, match="'' is not a ticker"):
        read_list("AAPL,")
    with pytest.raises(UsageError, match="cannot read the list of symbols"):
        read_list("@/nowhere/at/all.txt")


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
        'symbol == "brk.b" and not symbol == "aapl"',
        'symbol != "aapl" and symbol != "BAC-PL" and symbol == "BRK B"',
        '"BRK-B" == symbol',
        'not symbol in ["AAPL US", "BAC^L"] and symbol == "BRK-B"',
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


def test_warnings_say_how_each_ticker_was_read(market: ms.Market) -> None:
    hits = market.scan('symbol in ["BRK/B", "NYSE:AAPL", "BACpL"] and symbol("BAC-PL").close > 1')
    assert sorted(hits.symbols) == ["AAPL", "BACpL", "BRK.B"]
    notes = [one for one in hits.warnings if "tickers read" in one]
    assert notes == ["tickers read: BRK/B as BRK.B, NYSE:AAPL as AAPL, BAC-PL as BACpL"]


def test_a_pre_screen_in_another_spelling(market: ms.Market) -> None:
    hits = market.scan("close > 1", where='symbol == "BAC/PL"')
    assert hits.symbols == ["BACpL"]
    assert "tickers read: BAC/PL as BACpL" in hits.warnings


def test_tickers_that_are_not_known_are_named(market: ms.Market) -> None:
    hits = market.scan('symbol in ["BRK-Z", "BRK-B"]')
    assert hits.symbols == ["BRK.B"]
    assert "unknown ticker in a condition: BRK-Z" in hits.warnings


@pytest.mark.parametrize("content", [b"###Mine,NYSE:BRK.B,NYSE:BAC/PL", b"BRK-B\r\nbac-pl\r\n"])
def test_a_universe_of_a_list(content: bytes, data: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(content)
    shutil.copytree(data, tmp_path / "data")
    universe = f'[mine]\nwatchlist = ["@{tmp_path}/list.txt"]\n'
    (tmp_path / "data" / "universe.toml").write_text(universe)
    call = ["scan", "close > 1", "--universe", "mine", "--format", "json"]
    done = run(*call, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    found = [match["symbol"] for match in json.loads(done.stdout)["matches"]]
    assert sorted(found) == ["BACpL", "BRK.B"]


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
    assert market.history("BRK-B").equals(market.history("BRK.B"))
    assert market.chart("NYSE:BRK.B").drawing.symbol == "BRK.B"


def test_actions_in_another_spelling(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    folder = ["--data", str(tmp_path / "data")]
    done = run("actions", "add", "BRK-B", "2016-02-01", "split", "2-for-1", *folder)
    assert done.returncode == 0, done.stderr
    done = run("actions", "list", "brk/b", "--json", *folder)
    assert done.returncode == 0, done.stderr
    assert "BRK.B" in done.stdout
    assert "2016-02-01" in done.stdout
    done = run("universe", "exclude", "BAC-PL", *folder)
    assert done.returncode == 0, done.stderr
    assert "BACpL: on the low-volume list" in done.stdout


HEADER = "symbol,date,open,high,low,close,volume\n"


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    rows = [
        f"{symbol},2024-05-0{day},10,11,9,10.5,1000"
        for symbol in ("AAPL", "BRK.B", "BACpL", "F")
        for day in (1, 2, 3)
    ]
    (tmp_path / "bars.csv").write_text(HEADER + "\n".join(rows))
    return tmp_path / "bars.csv"


@pytest.mark.parametrize("only", ["AAPL,BRK-B,BAC-PL", "aapl,brk.b,BAC^L", "@list.txt"])
def test_a_sync_of_some_in_another_spelling(only: str, bars: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbf###Mine,NASDAQ:AAPL,NYSE:BRK.B,NYSE:BAC/PL")
    only = only.replace("@", f"@{tmp_path}/")
    done = run(
        *("sync", "--provider", "files", "--path", bars, "--only", only),
        *("--data", tmp_path / "data", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["symbols_fetched"] == 3
    with ms.open(tmp_path / "data") as market:
        found = market.scan("close > 1", as_of="2024-05-03").symbols
    assert sorted(found) == ["AAPL", "BACpL", "BRK.B"]


def test_a_plan_in_another_spelling(tmp_path: Path) -> None:
    call = ["sync", "--only", "AAPL,BRK-B,brk.b", "--plan", "--json", "--api-key", "x"]
    done = run(*call, "--data", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["symbols"] == 2


def test_a_market_of_files_with_tickers_in_the_usual_spelling(tmp_path: Path) -> None:
    """Bars in the store's spelling, asked for in those of Yahoo, NYSE and TradingView."""
    symbols = ["AAPL", "BRK.B", "BF.B", "BACpL", "ACAH.WS", "ACAH.U", "GOOG", "TRUE", "NAN", "A"]
    days = [dt.date(2024, 5, 1) + dt.timedelta(days=number) for number in range(45)]
    sessions = [day for day in days if day.weekday() < 5 and day != dt.date(2024, 5, 27)]
    rows = [f"{symbol},{day},10,11,9,10.5,1000" for symbol in symbols for day in sessions]
    (tmp_path / "bars.csv").write_text(HEADER + "\n".join(rows))
    data = tmp_path / "data"
    done = run("sync", "--provider", "files", "--path", tmp_path / "bars.csv", "--data", data)
    assert done.returncode == 0, done.stderr
    for text, ticker in (
        *((text, "BRK.B") for text in ("BRK.B", "BRK-B", "BRK/B", "brk.b", "NYSE:BRK.B")),
        *((text, "BACpL") for text in ("BAC-L", "BAC.PRL", "BACPL")),
        *((" AAPL", "AAPL"), ("ACAH+", "ACAH.WS"), ("ACAH=", "ACAH.U"), ("true", "TRUE")),
    ):
        done = run("explain", text, "close > 0", "--data", data, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["symbol"] == ticker
    for condition, matches in (
        ('symbol == "BRK-B"', ["BRK.B"]),
        ('symbol == "aapl"', ["AAPL"]),
        ('symbol in ["BRK.B", "BF-B"]', ["BF.B", "BRK.B"]),
        ('symbol("BRK-B").close > 0', sorted(symbols)),
        ('rs(5, "brk.b") > 0', sorted(symbols)),
    ):
        done = run("scan", condition, "--data", data, "--format", "json")
        assert done.returncode == 0, done.stderr
        found = [match["symbol"] for match in json.loads(done.stdout)["matches"]]
        assert sorted(found) == matches
    lists = {
        b"###Longs,NASDAQ:AAPL,NYSE:BRK.B,NYSE:BF.B,NASDAQ:GOOG\n": "AAPL BF.B BRK.B GOOG",
        b"AAPL\nBRK-B\nBF-B\nBAC-PL\n": "AAPL BACpL BF.B BRK.B",
        b"aapl\nbrk.b\n": "AAPL BRK.B",
        b"\xef\xbb\xbfAAPL\r\nBRK.B\r\n\r\n": "AAPL BRK.B",
    }
    for content, listed in lists.items():
        (tmp_path / "list.txt").write_bytes(content)
        (data / "universe.toml").write_text(f'[w]\nwatchlist = ["@{tmp_path}/list.txt"]\n')
        done = run("scan", "close > 0", "--universe", "w", "--data", data, "--format", "json")
        assert done.returncode == 0, done.stderr
        found = [match["symbol"] for match in json.loads(done.stdout)["matches"]]
        assert sorted(found) == listed.split()


def test_a_list_says_how_it_was_read(data: Path) -> None:
    call = ["scan", "close > 1", "--incremental", "--always", "BRK-B,AAPL", "--data", str(data)]
    done = run(*call)
    assert done.returncode == 0, done.stderr
    assert "tickers read: BRK-B as BRK.B" in done.stderr
    assert "AAPL as" not in done.stderr


def test_files_are_stored_in_one_spelling(tmp_path: Path) -> None:
    (tmp_path / "bars.csv").write_text(
        "symbol,date,open,high,low,close,volume\nBRK-B,2016-01-04,1,2,0.5,1.5,100\n"
        "BRK-B,2016-01-05,1,2,0.5,1.5,100\n"
    )
    (tmp_path / "actions.csv").write_text(
        "symbol,ex_date,kind,factor\nBRK/B,2016-01-05,split,0.5\n"
    )
    (tmp_path / "symbols.csv").write_text("symbol,exchange\nNYSE:BRK.B,NYSE\n")
    paths = [
        part
        for name in ("path", "actions", "symbols")
        for part in (f"--{name}", tmp_path / f"{name.replace('path', 'bars')}.csv")
    ]
    done = run("sync", "--provider", "files", *paths, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "BRK-B as BRK.B" in done.stdout + done.stderr
    with ms.open(tmp_path / "data") as market:
        assert market.scan('exchange == "NYSE"').symbols == ["BRK.B"]
        assert [one.symbol for one in market.store.snapshot().splits()] == ["BRK.B"]
