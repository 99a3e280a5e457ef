"""Groups of events: every event is in one of them, and each has the figures of its own rows."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError, UsageError
from marketsweep.ingest.providers.files import FilesProvider
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from marketsweep.studies.study.groupings import by_market_cap, by_price, by_text, by_truth
from marketsweep.studies.study.options import Grouped
from marketsweep.studies.study.result import Study
from tests.golden.market import FILES
from tests.studies.test_study import command

ALL: tuple[Grouped, ...] = ("year", "price", "size", "sector", "regime")
RISING = "market(pct(close > sma(20))) > 50%"


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


@pytest.fixture(scope="module")
def study(opened: ms.Market) -> Study:
    return opened.study("rsi_recovery", horizons=[5], by=ALL, regime=RISING)


def test_each_event_is_in_one_group(study: Study) -> None:
    for name in ALL:
        groups = study.events.groupings[name].chosen()
        assert sum(int(chosen.sum()) for chosen in groups.values()) == len(study)
        assert (
            sum(rows[0].events for rows in study.groups[name].values()) == study.horizons[0].events
        )


def test_a_group_has_the_figures_of_its_rows(study: Study) -> None:
    frame = study.to_polars()
    closes = study.events.groupings["price"].chosen()
    sizes = {"below $1": (0, 1), "$5 to $20": (5, 20), "$100 and more": (100, 1e9)}
    order = {
        (symbol, study.dates[int(session)]): i
        for i, (symbol, session) in enumerate(
            zip(study.events.symbols, study.events.sessions, strict=True)
        )
    }
    keys = frame.select("symbol", "signal_date").rows()
    for label, (low, high) in sizes.items():
        chosen = closes[label]
        rows = frame.filter(pl.Series([bool(chosen[order[key]]) for key in keys]))
        figures = study.groups["price"][label][0]
        assert figures.mean == pytest.approx(rows["return"].mean())
        assert figures.events == rows["return"].count()
        assert low < high


def test_sectors_are_those_of_the_file_and_their_means_those_of_their_members(
    opened: ms.Market,
) -> None:
    day = "2016-06-01"
    everything = opened.study("close > 0", since=day, until=day, every=True, horizons=[5])
    table = pl.read_parquet(FILES / "symbols.parquet").select("symbol", "sector_2026")
    sectors = dict(table.drop_nulls().rows())
    known = everything.to_polars().drop_nulls(["market_return", "sector_return"])
    by_sector = known.group_by("sector_return").agg(
        pl.col("return").mean(), pl.len(), pl.col("symbol").first()
    )
    # On a day on which everything is an event, a sector's mean is that of its events.
    for mean, expected, count, symbol in by_sector.rows():
        if count > 20:
            assert mean == pytest.approx(expected, abs=2e-3), sectors.get(symbol)
    assert len(by_sector) >= 8
    labels = everything.events.groupings["sector"].labels
    assert set(labels) <= set(sectors.values())
    figures = everything.horizons[0]
    assert figures.excess_sector == pytest.approx(
        (known["return"] - known["sector_return"]).mean(), abs=1e-12
    )


def test_a_regime_is_that_of_the_session_of_the_signal(opened: ms.Market, study: Study) -> None:
    label, *_ = study.groups["regime"]
    assert label == RISING
    hits = opened.signals(f'{RISING} and symbol == "AAPL"', since="2016-01-04")
    days = {day.astype(dt.date) for day in hits.days}
    chosen = study.events.groupings["regime"].chosen()
    for session in study.events.sessions[chosen[label]].tolist():
        assert study.dates[session] in days
    for session in study.events.sessions[chosen[f"not {label}"]].tolist():
        assert study.dates[session] not in days


def test_sizes_are_shares_of_today_at_the_price_of_the_signal(real: Path, tmp_path: Path) -> None:
    folder = copytree(real, tmp_path / "copy")
    splits = pl.read_parquet(FILES / "actions.parquet").filter(
        pl.col("kind") == "split", pl.col("ex_date") > dt.date(2016, 5, 1)
    )
    shares = tmp_path / "symbols.csv"
    names = ["AAPL", *splits["symbol"].unique().sort().to_list()]
    rows = "".join(f"{name},100M,2016-12-30\n" for name in names)
    shares.write_text(f"symbol,shares,shares_on\n{rows}")
    with Store.open(folder) as store:
        sync(store, FilesProvider(symbols=shares))
    with ms.open(folder) as market:
        study = market.study(
            "close > 0", since="2016-03-01", until="2016-03-01", every=True, by=["size"]
        )
        groups = study.events.groupings["size"]
        codes = dict(zip(study.events.symbols, groups.codes.tolist(), strict=True))
        edges = [0, 300e6, 2e9, 10e9, 200e9, np.inf]
        checked = 0
        for name in names:
            if codes.get(name, -1) < 0:
                continue
            # The close of that day as of today, in today's shares.
            closes = market.history(name).filter(pl.col("date") == dt.date(2016, 3, 1))["close"]
            cap = 100e6 * closes[0]
            assert edges[codes[name]] <= cap * (1 + 1e-9), name
            assert cap * (1 - 1e-9) < edges[codes[name] + 1], name
            checked += 1
    assert checked > 10


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.5, 1.0, 19.99, 20.0, 5_000.0], ["below $1", "$1 to $5", "$5 to $20", "$20 to $100"]),
    ],
)
def test_prices_are_in_the_group_that_begins_at_them(
    values: list[float], labels: list[str]
) -> None:
    groups = by_price(np.array(values)).chosen()
    assert list(groups) == [*labels, "$100 and more"]
    assert all(chosen.sum() == 1 for chosen in groups.values())


def test_what_is_unknown_is_a_group_of_its_own() -> None:
    assert list(by_market_cap(np.array([np.nan, 3e8])).chosen()) == ["small, to $2B", "unknown"]
    assert list(by_text(["b", None, "a"]).chosen()) == ["a", "b", "unknown"]
    assert list(by_truth(np.array([1, 0, np.nan]), "up").chosen()) == ["up", "not up", "unknown"]


def test_the_default_regime_is_the_benchmark_above_its_average(opened: ms.Market) -> None:
    study = opened.study("rsi_recovery", horizons=[5], by=["regime"], benchmark="QQQ")
    assert 'symbol("QQQ", close > sma(200))' in study.groups["regime"]
    with pytest.raises(UsageError, match="give a regime or a benchmark"):
        opened.study("rsi_recovery", by=["regime"])
    with pytest.raises(UsageError, match="by 'month' is not one of"):
        opened.study("rsi_recovery", by=["month"])  # type: ignore[list-item]
    with pytest.raises(ConditionError, match="at column 8"):
        opened.study("rsi_recovery", regime="close >")
    for regime in ("close > 5", "atr(14) > 1", 'sector == "Energy"', "rank(roc(5)) < 3"):
        with pytest.raises(UsageError, match="depends on the symbol of the event"):
            opened.study("rsi_recovery", regime=regime)


def test_the_command_shows_the_groups(real: Path, tmp_path: Path) -> None:
    page = tmp_path / "study.html"
    code, out, _ = command(
        *("rsi_recovery", "--horizons", "5", "--by", "price", "--by", "sector"),
        *("--regime", RISING, "--html", f"{page}"),
        *("--data", f"{real}"),
    )
    assert code == 0
    assert "horizon 5, by close of the signal" in out
    assert "$5 to $20" in out
    assert f"not {RISING}" in out
    assert "over sector" in out
    assert "By sector, horizon 5" in page.read_text()
    code, out, _ = command(
        *("rsi_recovery", "--horizons", "5", "--by", "price", "--format", "json"),
        *("--data", f"{real}"),
    )
    groups = json.loads(out)["groups"]
    assert list(groups) == ["price"]
    assert groups["price"]["$5 to $20"][0]["events"] > 100
