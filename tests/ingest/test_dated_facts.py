"""Facts by row, from files and from a provider: dated by the day on which each value was known."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from massive import RESTClient

import marketsweep as ms
from marketsweep.core.records import FactRow, FactValues
from marketsweep.core.spellings import to_store_spelling
from marketsweep.errors import UsageError
from marketsweep.ingest.estimate import forecast
from marketsweep.ingest.files import read_fact_rows, read_symbols
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.providers.massive.facts import ENDPOINTS, GROUPS, to_facts
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.quality.overrides import add
from marketsweep.store.store import Store
from tests.helpers.command import run
from tests.helpers.markets import EXAMPLE, example_bars
from tests.helpers.two_months import Files

ROWS = """symbol,known_on,name,value
AAPL,2016-10-26,revenue,215.6B
AAPL,2016-10-26,net_income,45.7B
AAPL,2016-10-26,equity,128.2B
AAPL,2016-10-26,debt,87B
AAPL,2016-12-01,net_income,46B
AAPL,2016-12-01,equity,129B
AAPL,2016-11-03,float,5.3B
AAPL,2016-12-09,float,5.2B
AAPL,2016-11-28,short_interest,53M
AAPL,2016-11-28,days_to_cover,1.5
AAPL,2016-12-12,short_interest,60M
KO,2016-10-28,net_income,-5M
KO,2016-10-28,equity,25B
KO,2016-11-28,short_interest,30M
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Two months of four symbols of the example market."""
    folder = tmp_path_factory.mktemp("four")
    symbols = ["AAPL", "KO", "MSFT", "QQQ"]
    days = pl.col("date").is_between(dt.date(2016, 11, 1), dt.date(2016, 12, 30))
    bars = example_bars().filter(days, pl.col("symbol").is_in(symbols)).sort("date", "symbol")
    bars.write_parquet(folder / "bars.parquet")
    for name in ("actions", "symbols"):
        table = pl.read_parquet(EXAMPLE / f"{name}.parquet")
        table.filter(pl.col("symbol").is_in(symbols)).write_parquet(folder / f"{name}.parquet")
    return Files(folder, bars)


@pytest.fixture(scope="module")
def facts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("facts") / "facts.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture(scope="module")
def sandbox(files: Files, facts_file: Path) -> Iterator[str]:
    with running(replace(files.settings(), facts=facts_file)) as url:
        yield url


@pytest.fixture(scope="module")
def fetched(sandbox: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fetched") / "data"
    with Store.create(path) as store:
        since = dt.date(2016, 11, 1)
        provider = MassiveProvider("sandbox", sandbox)
        receipt = sync(store, provider, since, facts=("float", "short_interest", "financials"))
        assert "net_income" in receipt.facts
    return path


def source_of(files: Files, facts: Path) -> FilesProvider:
    """The files of the market, with a file of facts."""
    bars, actions, symbols = (
        files.folder / f"{name}.parquet" for name in ("bars", "actions", "symbols")
    )
    return FilesProvider(bars, actions, symbols, facts)


def error_of(*arguments: str | Path) -> str:
    """What a refused command line says."""
    done = run(*arguments)
    assert done.returncode == 2
    return done.stderr


def stored(path: Path, name: str) -> list[FactRow]:
    with Store.open(path) as store, store.snapshot() as snapshot:
        return sorted(snapshot.fact_rows(name))


def told(name: str) -> list[FactRow]:
    """The rows of a fact in the file, by pandas-like plain parsing."""
    rows = [line.split(",") for line in ROWS.splitlines()[1:]]
    units = {"B": 1e9, "M": 1e6}
    return sorted(
        (symbol, dt.date.fromisoformat(day), float(text.rstrip("BM")) * units.get(text[-1], 1.0))
        for symbol, day, fact, text in rows
        if fact == name
    )


def same_rows(rows: list[FactRow], others: list[FactRow]) -> bool:
    """Whether rows are equal but for the last digits of their values."""
    return [row[:2] for row in rows] == [row[:2] for row in others] and [
        row[2] for row in rows
    ] == pytest.approx([row[2] for row in others])


# -- files


def test_a_file_of_rows_has_any_number_of_facts(facts_file: Path) -> None:
    facts = {fact.name: fact for fact in read_fact_rows(facts_file).facts}
    assert set(facts) == {
        *("revenue", "net_income", "equity", "debt", "float", "short_interest", "days_to_cover"),
    }
    for name, fact in facts.items():
        assert fact.kind == "number"
        assert same_rows(sorted(fact.rows), told(name))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_texts_dates_and_other_names_are_facts_too(tmp_path: Path, suffix: str) -> None:
    table = pl.DataFrame(
        {
            "Ticker": ["AAPL", "KO", "AAPL", "KO"],
            "Known On": ["2016-11-01"] * 4,
            "Name": ["Theme", "theme", "P/E", "Next earnings"],
            "Value": ["phones", "drinks", "12.5", "2017-02-09"],
        }
    )
    path = tmp_path / f"facts.{suffix}"
    table.write_csv(path) if suffix == "csv" else table.write_parquet(path)
    facts = {fact.name: fact.kind for fact in read_fact_rows(path).facts}
    assert facts == {"theme": "text", "pe": "number", "earnings_date": "date"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("symbol,name,value\nAAPL,pe,12\n", "needs a column known_on"),
        ("symbol,known_on,name\nAAPL,2016-11-01,pe\n", "value"),
        ("symbol,known_on,name,value\nAAPL,,pe,12\n", "known_on"),
        ("symbol,known_on,name,value\nAAPL,soon,pe,12\n", "known_on"),
    ],
)
def test_a_file_that_lacks_something_is_refused(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=error):
        read_fact_rows(path)


def test_names_that_cannot_be_facts_are_told(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("symbol,known_on,name,value\nAAPL,2016-11-01,close,12\nAAPL,2016-11-01,pe,3\n")
    rows = read_fact_rows(path)
    assert [fact.name for fact in rows.facts] == ["pe"]
    assert rows.readings[0].ignored == ["close"]
    assert "not used: close; it cannot be a fact" in rows.readings[0].notes[0]


def test_columns_of_symbols_files_and_tickers_of_other_spellings(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    names = ("symbol", "known_on", "market_cap", "shares", "")
    path.write_text(
        "symbol,known_on,name,value\n"
        + "".join(f"AAPL,2016-11-01,{name},3\n" for name in names)
        + "brk-b,2016-11-01,pe,3\nAAPL,2016-11-01,margin,12.5\nKO,2016-11-01,margin,13\n"
        "MSFT,2016-11-01,margin,high\n"
    )
    rows = read_fact_rows(path)
    assert {fact.name: (fact.kind, fact.rows[0][0]) for fact in rows.facts} == {
        "pe": ("number", to_store_spelling("brk-b")),
        "margin": ("text", "AAPL"),
    }
    notes = " ".join(rows.readings[0].notes)
    assert "market_cap, shares, (empty)" in notes
    assert "1 of 3 cells are not numbers, such as 'high': the column is a text" in notes


def test_an_empty_value_ends_the_one_before(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(
        "symbol,known_on,name,value\nAAPL,2016-11-01,pe,12\nAAPL,2016-12-01,pe,\n"
        "KO,2016-11-01,pe,20\n"
    )
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, source_of(files, path))
    with ms.open(data) as market:
        assert market.scan("pe > 0", as_of="2016-11-30").symbols == ["AAPL", "KO"]
        assert market.scan("pe > 0", as_of="2016-12-01").symbols == ["KO"]


def test_the_command_reads_a_file_of_facts(files: Files, facts_file: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    source = ("sync", "--provider", "files", "--path", files.folder / "bars.parquet")
    run(*source, "--facts", facts_file, "--data", data)
    assert stored(data, "net_income") == told("net_income")
    shown = run("facts", "show", "AAPL", "--as-of", "2016-11-30", "--data", data).stdout
    assert "45,700,000,000" in shown


# -- the provider


def test_facts_of_the_provider_are_those_of_the_file(fetched: Path) -> None:
    for name in ("revenue", "net_income", "equity", "debt", "short_interest", "days_to_cover"):
        rows = [row for row in stored(fetched, name) if row[2] is not None]
        # A report repeats what it does not change.
        news = [
            row
            for before, row in pairwise([("", None, None), *rows])
            if (before[0], before[2]) != (row[0], row[2])
        ]
        assert same_rows(news, told(name)), name
    # The service reports the newest float only.
    assert stored(fetched, "float") == [("AAPL", dt.date(2016, 12, 9), 5.2e9)]


def test_ratios_become_the_amounts_behind_them(sandbox: str, tmp_path: Path) -> None:
    with Store.create(tmp_path / "data") as store:
        sync(store, MassiveProvider("sandbox", sandbox), dt.date(2016, 12, 1), facts=["ratios"])
    for name, newest in (("net_income", 46e9), ("equity", 129e9), ("debt", 87e9)):
        (row,) = [row for row in stored(tmp_path / "data", name) if row[0] == "AAPL"]
        assert row[2] == pytest.approx(newest)
        assert row[1] == dt.date(2016, 12, 1)


def test_the_official_client_reads_the_same(sandbox: str) -> None:
    client = RESTClient(api_key="sandbox", base=sandbox)
    (row,) = client.list_stocks_floats(ticker="AAPL")
    assert (row.free_float, row.effective_date) == (5.2e9, "2016-12-09")
    shorts = list(client.list_short_interest(ticker="AAPL"))
    assert [row.short_interest for row in shorts] == [53e6, 60e6]
    incomes = list(client.list_financials_income_statements(timeframe="trailing_twelve_months"))
    assert {row.tickers[0] for row in incomes} == {"AAPL", "KO"}
    sheets = list(client.list_financials_balance_sheets())
    assert 129e9 in [row.total_equity for row in sheets]


# FINRA's schedule of 2025: settlement dates and publication dates.
SCHEDULE = {
    "2025-01-15": "2025-01-27",
    "2025-01-31": "2025-02-11",
    "2025-02-14": "2025-02-26",
}


@pytest.mark.parametrize(("settled", "published"), SCHEDULE.items())
def test_short_interest_counts_from_the_session_after_its_publication(
    settled: str, published: str
) -> None:
    body = {
        "status": "OK",
        "results": [{"ticker": "AAPL", "settlement_date": settled, "short_interest": 5}],
    }
    (endpoint,) = ENDPOINTS["short_interest"]
    rows = endpoint.decode(json.dumps(body).encode()).results
    facts = {fact.name: fact.rows for fact in to_facts("short_interest", [rows or []])}
    ((_, known, value),) = facts["short_interest"]
    assert value == 5
    assert known is not None
    day = dt.date.fromisoformat(published)
    assert known == day + dt.timedelta(days=1)


def statements(*rows: dict[str, Any]) -> dict[str, list[FactRow]]:
    incomes, balances = ENDPOINTS["financials"]
    body = json.dumps({"status": "OK", "results": rows}).encode()
    pages = [incomes.decode(body).results or [], balances.decode(b'{"results": []}').results or []]
    return {fact.name: fact.rows for fact in to_facts("financials", pages)}


def quarter(filed: str, ended: str, year: int, number: int, **values: float) -> dict[str, Any]:
    of_row = {"filing_date": filed, "period_end": ended, "fiscal_year": year}
    return {"tickers": ["X"], **of_row, "fiscal_quarter": number, **values}


def test_growth_is_that_over_the_same_quarter_a_year_before() -> None:
    facts = statements(
        quarter("2015-11-02", "2015-09-30", 2015, 3, revenue=100, diluted_earnings_per_share=-1),
        quarter("2016-02-20", "2015-12-31", 2015, 4, revenue=110, diluted_earnings_per_share=2),
        quarter("2016-11-01", "2016-09-30", 2016, 3, revenue=150, diluted_earnings_per_share=3),
        quarter("2017-02-21", "2016-12-31", 2016, 4, revenue=121, diluted_earnings_per_share=3),
    )
    growth = {day: value for _, day, value in facts["revenue_growth"]}
    assert growth == pytest.approx({dt.date(2016, 11, 1): 50, dt.date(2017, 2, 21): 10})
    of_earnings = {day: value for _, day, value in facts["eps_growth"]}
    assert of_earnings[dt.date(2016, 11, 1)] is None, "growth from a loss is not known"
    assert of_earnings[dt.date(2017, 2, 21)] == pytest.approx(50)


def test_a_correction_of_an_earlier_period_replaces_no_later_one() -> None:
    facts = statements(
        quarter("2016-05-02", "2016-03-31", 2016, 1, revenue=100),
        quarter("2016-08-02", "2016-06-30", 2016, 2, revenue=120),
        quarter("2016-08-20", "2016-03-31", 2016, 1, revenue=99),
        quarter("2016-08-22", "2016-06-30", 2016, 2, revenue=121),
    )
    assert [value for _, _, value in facts["revenue"]] == [100, 120, 121]


def test_rows_without_a_day_or_a_ticker_are_left_out() -> None:
    facts = statements(
        quarter("", "2016-03-31", 2016, 1, revenue=100),
        quarter("2016-05-02", "soon", 2016, 1, revenue=100),
        {"filing_date": "2016-05-02", "period_end": "2016-03-31", "revenue": 5},
    )
    assert facts == {}


def test_a_plan_counts_the_calls_of_facts(sandbox: str, tmp_path: Path) -> None:
    plan = forecast(
        tmp_path / "none", MassiveProvider("sandbox", sandbox), facts=["float", "short_interest"]
    )
    # 6,000 floats at 5,000 a call; 480,000 rows of short interest a year at 50,000 a call.
    assert plan.calls["float"] == 2
    assert 19 <= plan.calls["short_interest"] <= 23
    text = run(
        *("sync", "--plan", "--base-url", sandbox, "--api-key", "sandbox", "--facts"),
        *(",".join(GROUPS), "--data", tmp_path / "none"),
    ).stdout
    assert "pages of floats" in text
    assert "pages of statements" in text


def test_an_unknown_group_is_refused_with_the_names_of_the_others(
    sandbox: str, tmp_path: Path
) -> None:
    error = error_of(
        *("sync", "--base-url", sandbox, "--api-key", "sandbox", "--facts", "floats"),
        *("--data", tmp_path / "data"),
    )
    assert "float, short_interest, ratios, financials" in error


# -- facts that are formulas


@pytest.fixture(scope="module")
def market(fetched: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Market]:
    shares = tmp_path_factory.mktemp("shares") / "symbols.csv"
    shares.write_text(
        "symbol,name,shares,shares_on\nAAPL,Apple,5.3B,2016-10-20\nKO,Coke,4B,2016-10-20\n"
    )
    with Store.open(fetched) as store:
        sync(store, FilesProvider(symbols=shares))
    with ms.open(fetched) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("pe", "2016-11-30", lambda close: 5.3e9 * close / 45.7e9),
        ("pe", "2016-12-01", lambda close: 5.3e9 * close / 46e9),
        ("ps", "2016-12-01", lambda close: 5.3e9 * close / 215.6e9),
        ("pb", "2016-12-01", lambda close: 5.3e9 * close / 129e9),
        ("roe", "2016-11-30", lambda _: 100 * 45.7 / 128.2),
        ("net_margin", "2016-12-30", lambda _: 100 * 46 / 215.6),
        ("debt_to_equity", "2016-12-30", lambda _: 87 / 129),
        ("short_percent_of_float", "2016-12-30", lambda _: 100 * 60e6 / 5.2e9),
    ],
)
def test_a_ratio_follows_what_was_known_and_the_price_of_the_day(
    market: ms.Market,
    name: str,
    day: str,
    expected: Any,  # noqa: ANN401
) -> None:
    hits = market.scan(f'symbol == "AAPL" and {name} > 0', as_of=day, columns=name)
    assert hits.symbols == ["AAPL"]
    assert hits.values[name][0] == pytest.approx(expected(hits.close[0]), rel=1e-12)


def test_nothing_is_known_before_its_day(market: ms.Market) -> None:
    condition = 'symbol == "AAPL" and short_interest > 0'
    assert market.scan(condition, as_of="2016-11-25").symbols == []
    assert market.scan(condition, as_of="2016-11-28").symbols == ["AAPL"]


def test_a_loss_has_no_price_earnings_ratio(market: ms.Market) -> None:
    hits = market.scan('symbol in ["KO", "AAPL"] and pe < 1000', as_of="2016-12-01")
    assert hits.symbols == ["AAPL"]
    assert market.scan("net_income < 0", as_of="2016-12-01").symbols == ["KO"]


def test_a_stored_ratio_comes_before_the_formula(fetched: Path, tmp_path: Path) -> None:
    data = shutil.copytree(fetched, tmp_path / "data")
    path = tmp_path / "pe.csv"
    path.write_text("symbol,known_on,name,value\nAAPL,2016-11-01,pe,7\n")
    with Store.open(data) as store:
        sync(store, FilesProvider(facts=path))
    with ms.open(data) as opened:
        assert opened.scan("pe == 7", as_of="2016-12-01").symbols == ["AAPL"]


def test_a_formula_without_its_facts_says_what_is_missing(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("symbol,known_on,name,value\nAAPL,2016-11-01,equity,7\n")
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, source_of(files, path))
    error = error_of("scan", "debt_to_equity < 1", "--data", data)
    assert "debt is not stored" in error
    assert "sync --facts" in error
    error = error_of("scan", "pe < 15", "--data", data)
    assert "sync --facts" in error


# -- listings of earlier days


def test_a_sector_is_that_of_the_day(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text(
        "symbol,known_on,name,value\n"
        "AAPL,2016-11-01,sector,Hardware\nAAPL,2016-12-01,sector,Software\n"
        "MSFT,2016-11-01,sector,Software\nKO,2016-11-15,exchange,nyse arca\n"
    )
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, source_of(files, path))
    with ms.open(data) as market:
        for day, symbols in (("2016-11-30", ["MSFT"]), ("2016-12-01", ["AAPL", "MSFT"])):
            assert sorted(market.scan('sector == "Software"', as_of=day).symbols) == symbols
            found = market.scan("close > 0", where='sector == "Software"', as_of=day)
            assert sorted(found.symbols) == symbols
        assert market.scan('exchange == "ARCA"', as_of="2016-11-15").symbols == ["KO"]
        # Before its first day, the listing of today counts.
        listed = pl.read_parquet(files.folder / "symbols.parquet")
        assert "KO" in listed["symbol"]
        assert market.scan('exchange == "ARCA"', as_of="2016-11-14").symbols == []
        # Signals see each session with its own facts, in conditions, universes and groups.
        for options in (
            {"condition": 'sector == "Software"'},
            {"condition": "close > 0", "where": 'sector == "Software"'},
            {"condition": 'rank(close) by sector == 1 and sector == "Software"'},
        ):
            hits = market.signals(since="2016-11-28", until="2016-12-02", **options)  # type: ignore[arg-type]
            seen = set(zip(hits.symbols, hits.days.tolist(), strict=True))
            for session in {receipt.session for receipt in hits.sessions}:
                scan = market.scan(as_of=session, **options)  # type: ignore[arg-type]
                assert {symbol for symbol, at in seen if at == session} == set(scan.symbols)


def test_a_symbols_file_with_days_has_sectors_of_these_days(files: Files, tmp_path: Path) -> None:
    symbols = tmp_path / "symbols.csv"
    symbols.write_text(
        "symbol,sector,status,valid_from\nAAPL,Hardware,active,2016-11-01\n"
        "AAPL,Software,active,2016-12-01\n"
    )
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, FilesProvider(files.folder / "bars.parquet", symbols=symbols))
    with ms.open(data) as market:
        assert market.scan('sector == "Hardware"', as_of="2016-11-30").symbols == ["AAPL"]
        assert market.scan('sector == "Hardware"', as_of="2016-12-30").symbols == []
        assert market.scan('sector == "Software"', as_of="2016-12-30").symbols == ["AAPL"]
    text = run("facts", "list", "--data", data).stdout
    assert "sector  text" in text
    assert "not usable" not in text


def test_the_universe_of_earlier_days_is_kept_as_changes(files: Files, tmp_path: Path) -> None:
    facts = tmp_path / "facts.csv"
    facts.write_text(
        "symbol,known_on,name,value\nKO,2016-01-01,type,CS\nKO,2016-12-01,type,ADRC\n"
        "MSFT,2016-12-15,name,Micro Soft\n"
    )
    symbols = tmp_path / "symbols.csv"
    symbols.write_text(
        "symbol,name,type,first_listed,last_listed,status\nAAPL,Apple,CS,,2016-12-09,delisted\n"
        "KO,Coke,CS,,,active\nMSFT,Microsoft,CS,2016-11-21,,active\nQQQ,Trust,ETF,,,active\n"
    )
    settings = replace(files.settings(), facts=facts, symbols=symbols)
    data = tmp_path / "data"
    source = ("--api-key", "sandbox", "--since", "2016-11-01", "--data", data)
    weekly = ("--universe-history", "weekly")
    with running(settings) as url:
        plan = run("sync", "--plan", "--base-url", url, *weekly, *source).stdout
        assert "pages of earlier tickers" in plan
        run("sync", "--base-url", url, *weekly, "--until", "2016-12-16", *source)
        first = {name: stored(data, name) for name in ("type", "active", "name")}
        run("sync", "--base-url", url, *weekly, *source)
        assert stored(data, "type") == first["type"], "nothing changed in the last weeks"
    day = dt.date
    assert [row for row in first["type"] if row[0] == "KO"] == [
        ("KO", day(2016, 11, 1), "CS"),
        ("KO", day(2016, 12, 2), "ADRC"),
    ]
    assert [row for row in first["active"] if row[0] in ("AAPL", "MSFT")] == [
        ("AAPL", day(2016, 11, 1), 1.0),
        ("AAPL", day(2016, 12, 16), 0.0),
        ("MSFT", day(2016, 11, 25), 1.0),
    ]
    assert [row[1:] for row in first["name"] if row[0] == "MSFT"] == [
        (day(2016, 11, 25), "Microsoft"),
        (day(2016, 12, 16), "Micro Soft"),
    ]
    with ms.open(data) as market:
        for as_of, symbols_of_type in (("2016-12-01", ["KO"]), ("2016-12-02", [])):
            found = market.scan("close > 0", where='type == "CS" and symbol == "KO"', as_of=as_of)
            assert found.symbols == symbols_of_type
        hits = market.signals('type == "CS" and symbol == "KO"', since="2016-11-28")
        assert max(hits.days.tolist()) == day(2016, 12, 1)


def test_details_of_earlier_days_are_kept_as_changes(files: Files, tmp_path: Path) -> None:
    facts = tmp_path / "facts.csv"
    facts.write_text(
        "symbol,known_on,name,value\n"
        "AAPL,2016-01-01,shares_outstanding,5000000\nAAPL,2016-12-01,shares_outstanding,4000000\n"
        "AAPL,2016-01-01,sic_code,3571\nKO,2016-01-01,sic_code,2086\nKO,2016-12-15,sic_code,6022\n"
    )
    symbols = tmp_path / "symbols.csv"
    symbols.write_text(
        "symbol,name,shares,shares_on,first_listed,status\nAAPL,Apple,3000000,2016-12-30,,active\n"
        "KO,Coke,100,2016-12-30,,active\nMSFT,Microsoft,,,2016-11-21,active\n"
    )
    settings = replace(files.settings(), facts=facts, symbols=symbols)
    data = tmp_path / "data"
    source = ("--api-key", "sandbox", "--since", "2016-11-01", "--data", data)
    monthly = ("--only", "AAPL,KO,MSFT,NONE", "--details-history", "monthly")
    with running(settings) as url:
        run("sync", "--base-url", url, *source)
        until = ("--until", "2016-12-30")
        plan = run("sync", "--plan", "--base-url", url, *monthly, *until, *source).stdout
        assert "12 for details" in plan, plan  # four symbols, on three days
        done = run("sync", "--base-url", url, *monthly, *source)
        assert done.returncode == 0, done.stderr
        missing = run("sync", "--base-url", url, *monthly[2:], *source)
        assert "name the symbols with --only" in missing.stderr
    day = dt.date
    assert stored(data, "shares_outstanding") == [
        ("AAPL", day(2016, 11, 1), 5_000_000.0),
        ("AAPL", day(2016, 12, 30), 4_000_000.0),
        ("KO", day(2016, 11, 1), 100.0),
        ("MSFT", day(2016, 11, 30), None),
    ]
    assert [row for row in stored(data, "sector") if row[0] == "KO"] == [
        ("KO", day(2016, 11, 1), "Consumer Staples"),
        ("KO", day(2016, 12, 30), "Finance"),
    ]
    assert [row[2] for row in stored(data, "sic_code") if row[0] == "KO"] == ["2086", "6022"]
    closes = {
        (symbol, date): close
        for symbol, date, close in files.bars.select("symbol", "date", "close").iter_rows()
    }
    with ms.open(data) as market:
        for as_of, shares in ((day(2016, 11, 30), 5_000_000), (day(2016, 12, 30), 4_000_000)):
            hits = market.scan('symbol == "AAPL"', as_of=as_of, columns="market_cap")
            expected = shares * closes["AAPL", as_of]
            assert hits.values["market_cap"].tolist() == [pytest.approx(expected)]
        sectors = market.signals('sector == "Consumer Staples"', since="2016-11-28")
        assert set(sectors.symbols) == {"KO"}
        assert max(sectors.days.tolist()) == day(2016, 12, 29)


def test_shares_of_an_earlier_day_are_adjusted_for_later_splits(
    files: Files, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    facts = tmp_path / "facts.csv"
    facts.write_text("symbol,known_on,name,value\nKO,2016-11-15,shares_outstanding,1000\n")
    with Store.create(data) as store:
        sync(store, FilesProvider(files.folder / "bars.parquet"))
        sync(store, FilesProvider(facts=facts))
        add(store, "KO", dt.date(2016, 12, 1), "split", "2-for-1")
    with ms.open(data) as market:
        for as_of, shares in (("2016-11-14", None), ("2016-11-30", 1000), ("2016-12-30", 2000)):
            hits = market.scan('symbol == "KO"', as_of=as_of, columns="shares_outstanding")
            values = hits.values["shares_outstanding"].tolist()
            assert values == ([shares] if shares else [pytest.approx(float("nan"), nan_ok=True)])


def test_values_of_a_symbols_file_end_with_their_last_day(files: Files, tmp_path: Path) -> None:
    symbols = tmp_path / "symbols.csv"
    symbols.write_text(
        "symbol,index,float,valid_from,valid_to\n"
        "KO,Dow,3.9B,2016-11-01,2016-11-30\nKO,S&P,4.1B,2016-12-09,9999-12-31\n"
        "AAPL,Dow,5B,2016-11-01,2016-12-30\nAAPL,Nasdaq,5.1B,2016-12-01,\n"
        "MSFT,Dow,7B,2016-11-01,2016-12-15\n"
    )
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, FilesProvider(files.folder / "bars.parquet"))
        sync(store, FilesProvider(symbols=symbols))
    expected = {
        "2016-11-30": {"KO": "Dow", "AAPL": "Dow", "MSFT": "Dow"},
        "2016-12-01": {"AAPL": "Nasdaq", "MSFT": "Dow"},
        "2016-12-15": {"KO": "S&P", "AAPL": "Nasdaq", "MSFT": "Dow"},
        "2016-12-16": {"KO": "S&P", "AAPL": "Nasdaq"},
    }
    with ms.open(data) as market:
        for day, values in expected.items():
            hits = market.scan("float > 1B", as_of=day, columns="index")
            assert dict(zip(hits.symbols, hits.values["index"], strict=True)) == values, day
    symbols.write_text("symbol,float,valid_from,valid_to\nKO,3B,2016-11-02,2016-11-01\n")
    with pytest.raises(UsageError, match="KO is valid to 2016-11-01, before"):
        read_symbols(symbols)


def test_shares_follow_a_company_to_its_next_ticker(real: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(real, tmp_path / "copy")
    rows: list[FactRow] = [("AHS", dt.date(2016, 6, 1), 1_000.0)]
    with Store.open(folder) as store, store.writer() as writer:
        writer.put_facts([FactValues("shares_outstanding", "number", rows)])
    with ms.open(folder) as market:
        for day, ticker in (("2016-07-01", "AHS"), ("2016-12-30", "AMN")):
            hits = market.scan('symbol in ["AHS", "AMN"]', as_of=day, columns="shares_outstanding")
            shares = dict(
                zip(hits.symbols, hits.values["shares_outstanding"].tolist(), strict=True)
            )
            assert shares == {ticker: 1_000.0}


def test_the_sandbox_serves_the_days_of_a_symbols_file(files: Files, tmp_path: Path) -> None:
    symbols = tmp_path / "symbols.csv"
    symbols.write_text(
        "symbol,name,type,status,valid_from\nKO,Coke,CS,active,2016-01-01\n"
        "KO,Coca-Cola,CS,active,2016-12-01\n"
    )
    with running(replace(files.settings(), symbols=symbols)) as url:
        client = RESTClient("sandbox", base=url)
        for day, name in (("2016-11-30", "Coke"), ("2016-12-01", "Coca-Cola")):
            assert [row.name for row in client.list_tickers("KO", date=day)] == [name]
