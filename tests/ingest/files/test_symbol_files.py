"""Reference data in the words of its sources: exchanges, types, market caps, names of columns."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from marketsweep.core.records import Listing
from marketsweep.errors import UsageError
from marketsweep.ingest.files import read_reference_data, read_symbols
from marketsweep.ingest.providers.listing_words import country_of, exchange_of, type_of


def of(tmp_path: Path, text: str) -> list[Listing]:
    (tmp_path / "symbols.csv").write_text(text)
    return read_symbols(tmp_path / "symbols.csv")


EXCHANGES = {
    "NASDAQ": ["NASDAQ", "nasdaq", "XNAS", "NMS", "NGM", "NCM", "NasdaqGS", "Nasdaq-GS", "Q"],
    "NYSE": ["NYSE", "XNYS", "NYQ", "New York Stock Exchange", "N"],
    "AMEX": ["AMEX", "XASE", "ASE", "NYSE American", "NYSEAMERICAN", "NYSE MKT", "A"],
    "ARCA": ["ARCA", "ARCX", "PCX", "NYSE Arca", "NYSEARCA", "P"],
    "BATS": ["BATS", "BTS", "Cboe BZX", "Z"],
    "IEX": ["IEX", "IEXG"],
    "OTC": ["OTC", "PNK", "OTCPK", "OTC Markets"],
    "XTSE": ["XTSE"],
    "Tokyo": ["Tokyo"],
}
TYPES = {
    "CS": ["CS", "cs", "Common Stock", "common stocks", "EQUITY", "Ordinary Shares"],
    "ADRC": ["ADRC", "ADR", "American Depositary Receipt", "DR"],
    "PFD": ["PFD", "Preferred Stock", "preferred"],
    "ETF": ["ETF", "etfs", "Exchange Traded Fund"],
    "FUND": ["FUND", "Closed-End Fund", "Mutual fund"],
    "WARRANT": ["WARRANT", "Warrants"],
    "REIT": ["REIT"],
    "OS": ["OS"],
}


def test_words_of_exchanges() -> None:
    assert {ours: [exchange_of(one) for one in some] for ours, some in EXCHANGES.items()} == {
        ours: [ours] * len(some) for ours, some in EXCHANGES.items()
    }


def test_words_of_types() -> None:
    assert {ours: [type_of(one) for one in some] for ours, some in TYPES.items()} == {
        ours: [ours] * len(some) for ours, some in TYPES.items()
    }


def test_words_of_countries() -> None:
    assert [country_of(one) for one in ("USA", "us", "U.S.", "Canada", "")] == [
        *["United States"] * 3,
        *("Canada", ""),
    ]


def test_a_file_of_yahoo_words(tmp_path: Path) -> None:
    text = (
        "Symbol,Name,Market Cap,Sector,Industry,Exchange,Country,quoteType\n"
        'A,"Alpha, Inc.",1.2B,Technology,N/A,NMS,USA,EQUITY\n'
        "B,Beta,350.5M,-,Oil,NYQ,Canada,ETF\n"
        'C,Gamma,"1,234,567,890",none,,PCX,,\n'
        "D,Delta,$2.5T,,,,,\n"
        "E,Echo,N/A,,,,,\n"
    )
    assert of(tmp_path, text) == [
        Listing(
            "A",
            *("Alpha, Inc.", "CS", "NASDAQ", "Technology"),
            country="United States",
            market_cap=1.2e9,
        ),
        Listing("B", "Beta", "ETF", "NYSE", industry="Oil", country="Canada", market_cap=350.5e6),
        Listing("C", "Gamma", exchange="ARCA", market_cap=1_234_567_890),
        Listing("D", "Delta", market_cap=2.5e12),
        Listing("E", "Echo"),
    ]


def test_the_names_that_massive_gives_to_columns(tmp_path: Path) -> None:
    text = (
        "ticker,name,primary_exchange,type,market_cap,active,list_date,delisted_utc,"
        "composite_figi,share_class_figi,sic_code,cik\n"
        "A,Alpha,XNAS,CS,1200000000,true,2001-01-05,,BBG1,BBG2,3571,320193\n"
        "B,Beta,ARCX,ADRC,,false,,2024-06-28T00:00:00Z,,,,\n"
    )
    alpha, beta = of(tmp_path, text)
    assert alpha == Listing(
        *("A", "Alpha", "CS", "NASDAQ", "Technology"),
        market_cap=1.2e9,
        first=dt.date(2001, 1, 5),
        figi="BBG2",
    )
    assert beta == Listing("B", "Beta", "ADRC", "ARCA", last=dt.date(2024, 6, 28))
    _, facts, (reading,) = read_reference_data(tmp_path / "symbols.csv")
    assert reading.layout == "Massive"
    assert reading.ignored == []
    assert {fact.name for fact in facts} == {"composite_figi", "cik"}


def test_alpha_vantages_list(tmp_path: Path) -> None:
    text = (
        "symbol,name,exchange,assetType,ipoDate,delistingDate,status\n"
        "A,Alpha,NYSE,Stock,1999-11-18,null,Active\n"
        "B,Beta,NYSE ARCA,ETF,2010-01-04,2024-06-28,Delisted\n"
    )
    assert of(tmp_path, text) == [
        Listing("A", "Alpha", "CS", "NYSE", first=dt.date(1999, 11, 18)),
        Listing(
            *("B", "Beta", "ETF", "ARCA"), first=dt.date(2010, 1, 4), last=dt.date(2024, 6, 28)
        ),
    ]


def test_finviz_tells_millions(tmp_path: Path) -> None:
    text = (
        "No.,Ticker,Company,Sector,Industry,Country,Market Cap,P/E,Price,Change,Volume\n"
        '1,A,Alpha Inc,Technology,Software,USA,1200.50,20.1,10.5,1.20%,"1,234,567"\n'
        '2,B,Beta Inc,Financial,Banks,USA,,,-,-0.5%,"1,234"\n'
    )
    alpha, beta = of(tmp_path, text)
    assert alpha.name == "Alpha Inc"
    assert alpha.market_cap == 1_200_500_000
    assert (beta.name, beta.market_cap) == ("Beta Inc", None)
    _, _, (reading,) = read_reference_data(tmp_path / "symbols.csv")
    assert "millions" in reading.layout


@pytest.mark.parametrize(("largest", "doubtful"), [(3e6, True), (3e12, False)])
def test_market_caps_that_look_like_millions_are_doubted(
    largest: float, doubtful: bool, tmp_path: Path
) -> None:
    caps = [largest / rank for rank in range(1, 101)]
    frame = pl.DataFrame({"symbol": [f"S{rank}" for rank in range(100)], "market_cap": caps})
    frame.write_parquet(tmp_path / "symbols.parquet")
    _, _, (reading,) = read_reference_data(tmp_path / "symbols.parquet")
    assert any("millions" in note for note in reading.notes) == doubtful


@pytest.mark.parametrize(
    ("cap", "says"),
    [("12Q", "12Q"), ("1,2B,", "1,2B,"), ("big", "big"), ("1.2.3B", "1.2.3B")],
)
def test_amounts_that_are_none(cap: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"row 1: market_cap is not a number: '{says}'"):
        of(tmp_path, f'symbol,market_cap\nA,"{cap}"\n')


@pytest.mark.parametrize("word", ["N/A", "null", "None", "nan", "-", "0", "?", "unknown", "\\N"])
def test_words_for_no_figi(word: str, tmp_path: Path) -> None:
    text = f"symbol,figi\nA,{word}\nB,bbg001sqcqc5\n"
    assert of(tmp_path, text) == [Listing("A"), Listing("B", figi="BBG001SQCQC5")]


def test_tickers_that_are_words_for_nothing(tmp_path: Path) -> None:
    assert [one.symbol for one in of(tmp_path, "symbol,name\nNAN,-\nNA,NULL\n-,x\n")] == [
        *("-", "NA", "NAN")
    ]
