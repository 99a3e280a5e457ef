"""Pre-screens: reference data, floors, lists, the funnel; against polars over the files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError, CoverageError, UsageError
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.providers.massive.provider import MassiveProvider
from marketsweep.ingest.sandbox.launch import running
from marketsweep.ingest.sync import sync
from marketsweep.market import Market, open_market
from marketsweep.scan.receipt import require_coverage
from marketsweep.scan.results import Coverage
from marketsweep.store.store import Store
from tests.helpers import massive_server
from tests.helpers.command import run
from tests.helpers.markets import EXAMPLE, LAST, doubts_of, example_bars, store_of
from tests.helpers.massive_server import KEY, serving
from tests.helpers.two_months import FIRST, Files
from tests.ingest.test_by_symbol import SETTLED
from tests.ingest.test_by_symbol import bar as massive_bar
from tests.ingest.test_sync import SANDBOX_KEY
from tests.scan.test_scan import joined

Told = tuple[str, int, int, int, int]
"""A clause: text, removed, alone, unknown, left."""


@cache
def listed() -> pl.DataFrame:
    """Everyone who is listed on the last day, with the facts of 2026; null for unknown."""
    symbols = pl.read_parquet(EXAMPLE / "symbols.parquet").filter(
        pl.col("last_listed") == LAST,
        pl.col("status").is_in(["active", "never_priced", "listed_but_stale"]),
    )
    cap = pl.col("market_cap_2026")
    return symbols.select(
        "symbol",
        sector=pl.col("sector_2026"),
        cap=pl.when(cap > 0).then(cap),
    )


@cache
def traded(as_of: dt.date, sessions: int) -> pl.DataFrame:
    """Last close, and median of close times volume, over the last sessions."""
    bars = joined(as_of)
    days = bars["date"].unique().sort().tail(sessions).to_list()
    return (
        bars.filter(pl.col("date").is_in(days))
        .sort("date")
        .group_by("symbol")
        .agg(
            price=pl.col("close").last(),
            dollars=(pl.col("close") * pl.col("volume")).median(),
            newest=pl.col("date").last(),
        )
    )


def today() -> set[str]:
    """Symbols with a bar on the last day."""
    return set(traded(LAST, 20).filter(pl.col("newest") == LAST)["symbol"])


def told(coverage: Coverage) -> list[Told]:
    return [(one.text, one.removed, one.alone, one.unknown, one.left) for one in coverage.funnel]


def funnel(tests: dict[str, pl.Expr], frame: pl.DataFrame, *, keep: bool = False) -> list[Told]:
    """What each of several tests leaves out of a frame; null is unknown."""
    found, left = [], frame
    for text, test in tests.items():
        passes = test.fill_null(value=keep)
        remaining = left.filter(passes)
        alone = frame.height - frame.filter(passes).height
        unknown = frame.select(test.alias("held"))["held"].null_count()
        found.append((text, left.height - remaining.height, alone, unknown, remaining.height))
        left = remaining
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example market in a folder whose universe.toml tests may write."""
    path = tmp_path_factory.mktemp("universes")
    store_of(path, example_bars()).close()
    return path


@pytest.fixture
def own(data: Path) -> Iterator[Market]:
    (data / "universe.toml").unlink(missing_ok=True)
    with open_market(data) as opened:
        yield opened


def define(market: Market, text: str) -> None:
    (market.store.path / "universe.toml").write_text(text)


# The funnel

CLAUSES = {
    "market_cap > 1B": pl.col("cap") > 1e9,
    'sector == "Technology"': pl.col("sector") == "Technology",
    'not (symbol == "AAPL" or symbol == "MSFT")': ~pl.col("symbol").is_in(["AAPL", "MSFT"]),
}


@pytest.mark.parametrize("keep", [False, True])
def test_each_clause_is_counted_alone_and_after_the_others(market: Market, keep: bool) -> None:
    hits = market.scan("close > 0", where=" and ".join(CLAUSES), unknown="keep" if keep else "drop")
    assert told(hits.coverage) == funnel(CLAUSES, listed(), keep=keep)
    passed = listed().filter(*(test.fill_null(value=keep) for test in CLAUSES.values()))
    assert set(hits.symbols) == set(passed["symbol"]) & today()
    coverage = hits.coverage
    assert (coverage.expected, coverage.unknown_kept) == (listed().height, keep)
    assert coverage.excluded.prescreen == listed().height - passed.height
    certain = listed().filter(*(test.fill_null(value=True) for test in CLAUSES.values()))
    sure = listed().filter(*(test.fill_null(value=False) for test in CLAUSES.values()))
    assert coverage.unknown == certain.height - sure.height > 1000


def test_parentheses_and_chains_do_not_hide_a_clause(market: Market) -> None:
    where = '(market_cap > 1B and sector == "Energy") and (market_cap < 5B or sector == "x")'
    texts = [clause.text for clause in market.scan("close > 0", where=where).coverage.funnel]
    assert texts == [
        "market_cap > 1B",
        'sector == "Energy"',
        'market_cap < 5B or sector == "x"',
    ]


def test_without_a_prescreen_there_is_no_funnel(market: Market) -> None:
    hits = market.scan("close > 0")
    assert hits.coverage.funnel == []
    assert "prescreen" not in hits.to_dict()["coverage"]


def test_the_funnel_is_in_the_receipt(example_data: Path) -> None:
    where = " and ".join(CLAUSES)
    done = run("scan", "close > 0", "--where", where, "--data", example_data, "--format", "json")
    receipt = json.loads(done.stdout)["coverage"]["prescreen"]
    expected = [
        {"text": text, "alone": alone, "removed": removed, "unknown": unknown, "left": left}
        for text, removed, alone, unknown, left in funnel(CLAUSES, listed())
    ]
    assert receipt["clauses"] == expected
    assert receipt["unknown_kept"] is False
    lines = done.stderr.splitlines()
    for text, *counts in funnel(CLAUSES, listed()):
        (line,) = [line for line in lines if line.strip().startswith(text)]
        assert line.strip().removeprefix(text).split() == [f"{count:,}" for count in counts]
    kept = run(
        "scan", "close > 0", "--where", where, "--data", example_data, "--unknown", "keep",
        "--min-coverage", "0.5",
    )  # fmt: skip
    assert f"{receipt['unknown']:,} with unknown facts, which are kept" in kept.stderr


def test_unknown_is_kept_or_dropped(market: Market) -> None:
    with pytest.raises(UsageError, match='neither "keep" nor "drop"'):
        market.scan("close > 0", unknown="perhaps")  # type: ignore[arg-type]
    nobody = market.scan("close > 0", universe="common")
    assert not len(nobody)
    with pytest.raises(CoverageError, match="lack facts that it needs"):
        require_coverage(nobody, 0.95)
    everyone = market.scan("close > 0", universe="common", unknown="keep")
    assert everyone.symbols == market.scan("close > 0").symbols
    assert everyone.coverage.unknown == listed().height


# Floors


@pytest.mark.parametrize("as_of", [LAST, dt.date(2016, 6, 30), dt.date(2016, 1, 11)])
@pytest.mark.parametrize("sessions", [1, 20, 63])
def test_floors_of_price_and_dollar_volume(own: Market, as_of: dt.date, sessions: int) -> None:
    define(
        own, f'[mine]\nmin_price = 5\nmin_dollar_volume = "2.5M"\nsessions = {sessions}\n'
    )  # fmt: skip
    passing = traded(as_of, sessions).filter(pl.col("dollars") >= 2.5e6)["symbol"]
    dear = traded(as_of, 20).filter(pl.col("price") >= 5.0, pl.col("newest") == as_of)["symbol"]
    hits = own.scan("close > 0", universe="mine", as_of=as_of)
    assert set(hits.symbols) == set(passing) & set(dear)
    stored = joined(as_of)["date"].n_unique()
    assert [clause.text for clause in hits.coverage.funnel] == [
        "price >= 5",
        f"median dollar volume of {min(sessions, stored)} sessions >= 2,500,000",
    ]


def test_a_renamed_symbol_keeps_the_dollars_of_its_old_ticker(own: Market) -> None:
    symbols = pl.read_parquet(EXAMPLE / "symbols.parquet")
    late = symbols.filter(
        pl.col("renamed_from").is_not_null(),
        pl.col("first_listed").is_between(dt.date(2016, 12, 12), LAST),
    )["symbol"].to_list()
    dollars = dict(
        traded(LAST, 20).filter(pl.col("symbol").is_in(late))["symbol", "dollars"].rows()
    )
    own_bars = example_bars().filter(pl.col("symbol").is_in(late))["symbol"].value_counts()
    assert dollars
    assert max(own_bars["count"]) < 20  # so that the median needs bars of the old ticker
    for symbol, median in dollars.items():
        for least, passes in ((median * 0.999, True), (median * 1.001, False)):
            define(own, f'[one]\nwatchlist = "{symbol}"\nmin_dollar_volume = {least}\n')
            assert bool(own.scan("close > 0", universe="one").symbols) is passes, symbol


# Sources of reference data


@pytest.fixture
def url(files: Files) -> Iterator[str]:
    settings = replace(files.settings(now=SETTLED), symbols=None)
    with running(settings) as address:
        yield address


def test_a_screener_file_joins_what_a_provider_tells(
    files: Files, url: str, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data")
    massive = ("--since", f"{FIRST}", "--base-url", url, *data)
    assert run("sync", *massive, MASSIVE_API_KEY=SANDBOX_KEY).returncode == 0
    names = files.bars.filter(pl.col("date") == LAST)["symbol"].sort().to_list()
    header = "Symbol,Name,Last Sale,Market Cap,IPO Year,Sector\n"
    rows = [f"{name},x,$1.00,{2e9 if i % 2 else 5e8},2001,Energy" for i, name in enumerate(names)]
    (tmp_path / "nasdaq.csv").write_text(header + "\n".join(rows[:100]))
    done = run("sync", "--provider", "files", "--symbols", tmp_path / "nasdaq.csv", *data)
    assert done.returncode == 0, done.stderr
    assert "100 listings" in done.stdout
    # A later word of the provider, which tells no sector, takes none away.
    again = run("sync", *massive, MASSIVE_API_KEY=SANDBOX_KEY)
    assert again.returncode == 0, again.stderr
    with open_market(tmp_path / "data") as market:
        hits = market.scan("close > 0", where='market_cap > 1B and sector == "Energy"')
    assert set(hits.symbols) == set(names[1:100:2])
    told_of = run("sync", "--provider", "files", "--symbols", tmp_path / "nasdaq.csv", "--only",
                  "AAPL", *data)  # fmt: skip
    assert told_of.returncode == 0, told_of.stderr


def test_a_sic_code_of_the_details_tells_the_sector(tmp_path: Path) -> None:
    tickers: list[massive_server.Body] = [
        {"ticker": "NVDA", "active": True, "sic_code": "3674", "sic_description": "SEMIS"},
        {"ticker": "BABA", "active": True, "sic_code": "8888"},
        {"ticker": "NONE", "active": True},
    ]
    day = dt.date(2024, 3, 8)
    bars = {day: [massive_bar(str(row["ticker"]), 5) for row in tickers]}
    served = massive_server.Market(tickers=tickers, bars=bars)
    with serving(served) as server, Store.create(tmp_path) as store:
        provider = MassiveProvider(KEY, server.url)
        sync(store, provider, day, day, symbols=["NVDA", "BABA", "NONE"], details=True)
        with store.snapshot() as snapshot:
            sectors = {one.symbol: one.sector for one in snapshot.listings()}
    assert sectors == {"NVDA": "Technology", "BABA": None, "NONE": None}


def caps(files: Files, shares: dict[str, float], day: dt.date) -> dict[str, float]:
    """Shares of SETTLED times the close of a day: splits in between are taken back."""
    bars = files.bars.filter(pl.col("date") <= day).sort("date")
    closes = dict(bars.group_by("symbol").agg(pl.col("close").last()).iter_rows())
    actions = pl.read_parquet(files.folder / "actions.parquet").filter(kind="split")
    for symbol, ex_date, factor in actions["symbol", "ex_date", "factor"].iter_rows():
        if symbol in shares and day < ex_date <= SETTLED:
            shares = shares | {symbol: shares[symbol] * factor}
    return {symbol: n * closes[symbol] for symbol, n in shares.items() if symbol in closes}


def test_a_market_cap_is_shares_times_the_last_close(files: Files, tmp_path: Path) -> None:
    symbols = pl.read_parquet(files.folder / "symbols.parquet")
    split = pl.read_parquet(files.folder / "actions.parquet").filter(
        pl.col("kind") == "split", pl.col("ex_date").is_between(FIRST, LAST)
    )
    names = sorted(set(files.bars["symbol"]))[:20] + split["symbol"].unique().to_list()
    shares = {name: 1e6 * (1 + place) for place, name in enumerate(dict.fromkeys(names))}
    told = symbols.with_columns(shares=pl.col("symbol").replace_strict(shares, default=None))
    told.write_parquet(tmp_path / "symbols.parquet")
    settings = replace(files.settings(now=SETTLED), symbols=tmp_path / "symbols.parquet")
    with running(settings) as address, Store.create(tmp_path / "data") as store:
        sync(store, MassiveProvider(SANDBOX_KEY, address), FIRST)
        massive = MassiveProvider(SANDBOX_KEY, address)
        sync(store, massive, FIRST, symbols=list(shares), details=True)
        calls = sync(store, MassiveProvider(SANDBOX_KEY, address), FIRST).usage.calls
        assert calls < len(shares)  # the caps of the next day take no call a symbol
    moved = 0
    with open_market(tmp_path / "data") as market:
        for day in (files.days[2], files.days[20], LAST):
            expected = caps(files, shares, day)
            moved += expected != caps(files, shares, LAST)
            today = set(files.bars.filter(pl.col("date") == day)["symbol"])
            for least in (2e6, 2e7, 2e8):
                hits = market.scan("close > 0", where=f"market_cap > {least:.0f}", as_of=day)
                large = {name for name, cap in expected.items() if cap > least}
                assert set(hits.symbols) & shares.keys() == large & today
            shown = market.scan("close > 0", columns="market_cap", as_of=day)
            for name, cap in zip(shown.symbols, shown.values["market_cap"], strict=True):
                if name in shares:
                    assert cap == pytest.approx(expected[name])
    assert moved == 2


def test_shares_of_a_file_are_of_the_day_that_it_says(files: Files, tmp_path: Path) -> None:
    actions = pl.read_parquet(files.folder / "actions.parquet").filter(
        pl.col("kind") == "split", pl.col("ex_date").is_between(files.days[5], LAST)
    )
    symbol, ex_date, factor = actions["symbol", "ex_date", "factor"].row(0)
    own = files.bars.filter(pl.col("symbol") == symbol).sort("date")
    before: dt.date = own.filter(pl.col("date") < ex_date)["date"][-1]
    header = "symbol,shares,shares_on\n"
    (tmp_path / "before.csv").write_text(f"{header}{symbol},1000000,{before}\n")
    with Store.create(tmp_path / "data") as store:
        sync(store, files.provider())
        sync(store, FilesProvider(symbols=tmp_path / "before.csv"))
    with open_market(tmp_path / "data") as market:
        for day, shares in ((before, 1e6), (LAST, 1e6 / factor)):
            close = own.filter(pl.col("date") <= day)["close"][-1]
            hits = market.scan(f'symbol == "{symbol}"', columns="market_cap", as_of=day)
            assert hits.values["market_cap"].tolist() == pytest.approx([shares * close])


# Named universes


def test_a_universe_is_all_of_its_keys_and_what_the_scan_asks(own: Market) -> None:
    (own.store.path / "mine.txt").write_text("MSFT, AAPL  # both\nXOM\nNOPE\n")
    define(
        own,
        """
[mine]
where = 'market_cap > 1B'
watchlist = ["@mine.txt", "TSLA", "IBM,GE"]
exclude = "IBM"
unknown = "keep"
""",
    )
    hits = own.scan("close > 0", universe="mine", where='sector == "Technology"')
    chosen = listed().filter(pl.col("symbol").is_in(["MSFT", "AAPL", "XOM", "TSLA", "GE"]))
    kept = chosen.filter(
        (pl.col("cap") > 1e9).fill_null(value=True),
        (pl.col("sector") == "Technology").fill_null(value=True),
    )
    assert set(hits.symbols) == set(kept["symbol"])
    assert {"MSFT", "AAPL"} <= set(hits.symbols) < {"MSFT", "AAPL", "XOM", "TSLA", "GE"}
    assert [clause.text for clause in hits.coverage.funnel] == [
        "watchlist",
        "exclude",
        "market_cap > 1B",
        'sector == "Technology"',
    ]
    assert doubts_of(hits) == ["on the watchlist, but not in the market of 2016-12-30: NOPE"]


def test_a_built_in_universe_can_be_replaced(own: Market) -> None:
    liquid = traded(LAST, 20).filter(pl.col("price") >= 5, pl.col("dollars") >= 5e6)["symbol"]
    assert set(own.scan("close > 0", universe="liquid").symbols) == set(liquid) & today()
    define(own, "[liquid]\nwatchlist = ['AAPL']\n")
    assert own.scan("close > 0", universe="liquid").symbols == ["AAPL"]


FAULTY = {
    "[a]\nmin_prize = 5": r"\[a\] has an unknown key 'min_prize' \(did you mean min_price\?\)",
    "[a]\nmin_price = 'five'": r"\[a\] min_price: 'five' is not a number of dollars .* 20M",
    "[a]\nmin_price = true": "True is not a number of dollars",
    "[a]\nmin_price = -1": "-1 is not a number of dollars",
    "[a]\nmin_dollar_volume = nan": "nan is not a number of dollars",
    "[a]\nmin_dollar_volume = 'sma(5)'": "is not a number of dollars",
    "[a]\nsessions = 0": r"\[a\] sessions: 0 is not a whole number from 1 to 5,000",
    "[a]\nwhere = 'market_cap > '": r"\[a\] where: .*at column",
    "[a]\nwhere = 'market_cap'": "this is a number, but a condition must be true or false",
    "[a]\nwhere = 5": r"\[a\] where: 5 is not a text",
    "[a]\nwatchlist = []": r"\[a\] watchlist: the list of symbols is empty",
    "[a]\nwatchlist = [5]": "5 is not a text",
    "[a]\nexclude = 'A B'": "'A B' is not a ticker",
    "[a]\nexclude = '@gone.txt'": r"cannot be read|cannot read the list of symbols .*gone\.txt",
    "[a]\nunknown = 'maybe'": "neither \"keep\" nor \"drop\"",
    "a = 5": "a is outside a universe",
    "[a": "universe.toml is not TOML",
    "[tech]\nmin_price = 5": r"There are common, liquid, tech; to add it, write a table \[a\]",
}  # fmt: skip


@pytest.mark.parametrize("text", FAULTY)
def test_what_is_wrong_with_a_universe_is_said(own: Market, text: str) -> None:
    define(own, text)
    with pytest.raises(UsageError, match=FAULTY[text]):
        own.scan("close > 0", universe="a")


def test_a_faulty_universe_stops_no_other(own: Market) -> None:
    define(own, "[bad]\nwhere = 'market_cap > '\n[good]\nwatchlist = ['AAPL']\n")
    assert own.scan("close > 0", universe="good").symbols == ["AAPL"]
    assert own.scan("close > 0", universe="liquid").symbols
    with pytest.raises(UsageError, match=r"\[bad\] where"):
        own.scan("close > 0", universe="bad")
    shown = run("universe", "show", "--json", "--data", own.store.path)
    assert shown.returncode == 0
    assert json.loads(shown.stdout)["universes"].keys() == {"common", "liquid", "good"}
    assert json.loads(shown.stdout)["faulty"].keys() == {"bad"}
    assert "[bad] where" in shown.stderr


def test_toml_that_is_nested_deep_is_no_traceback(own: Market) -> None:
    define(own, f"a = {'[' * 5000}{']' * 5000}")
    with pytest.raises(UsageError, match="not TOML"):
        own.scan("close > 0", universe="liquid")


def test_a_universe_near_the_name_is_named(example_data: Path) -> None:
    done = run("scan", "close > 0", "--universe", "liqid", "--data", example_data)
    assert done.returncode == 2
    assert "no universe 'liqid' (did you mean liquid?)" in done.stderr


def test_an_expression_in_python_screens_as_well(market: Market) -> None:
    built = market.scan("close > 0", where=(ms.market_cap > 1e9) & (ms.sector == "Technology"))
    assert [clause.text for clause in built.coverage.funnel] == [
        "market_cap > 1000000000",
        'sector == "Technology"',
    ]
    text = market.scan("close > 0", where='market_cap > 1B and sector == "Technology"')
    assert built.symbols == text.symbols
    with pytest.raises(ConditionError, match="market_cap is a number, but a condition must"):
        market.scan("close > 0", where=ms.market_cap)


def test_a_series_is_no_reference_data(own: Market) -> None:
    define(own, "[a]\nwhere = 'market_cap > 1B and close > 5'\n")
    with pytest.raises(ConditionError, match="close changes from bar to bar"):
        own.scan("close > 0", universe="a")


def test_facts_that_are_known_of_nobody_are_no_silent_nothing(tmp_path: Path) -> None:
    store_of(
        tmp_path, example_bars().filter(pl.col("symbol").str.starts_with("AA")), reference=False
    ).close()
    with ms.open(tmp_path) as market:
        hits = market.scan('sector == "Technology"')
        assert (len(hits), hits.coverage.absent_facts) == (0, ("sector",))
        assert any("sector: unknown for all" in one for one in hits.warnings)
        some = market.scan('close > 5 or sector == "Technology"')
        assert len(some) > 0
        assert any("sector: unknown for all" in one for one in some.warnings)
        assert market.scan("close > 5").coverage.absent_facts == ()
    done = run("scan", "market_cap > 1e9", "--data", tmp_path)
    assert done.returncode == 3
    assert "no match, and market_cap: unknown for all" in done.stderr
    done = run("scan", "close > 5 or market_cap > 1e9", "--data", tmp_path)
    assert done.returncode == 3  # unknown for those below 5 dollars
    assert "--where 'market_cap > 0'" in done.stderr
    assert run("scan", "close > 0 or market_cap > 1e9", "--data", tmp_path).returncode == 0
