"""A simulated market told in eight dialects: series are the truth, or the company is named."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from marketsweep.price_history import read
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from tests.helpers.simulation import DAYS, DIALECTS, Company, make_market, sessions_of


@pytest.fixture(scope="module")
def market() -> list[Company]:
    return make_market()


def test_the_market_has_what_it_is_for(market: list[Company]) -> None:
    names = [name for company in market for _, name in company.tickers]
    assert len(market) == 330
    assert sum(len(company.spin_offs) for company in market) == 30
    assert len(names) - len(set(names)) > 30  # tickers that are used again
    assert sum(len(company.tickers) > 1 for company in market) > 100
    assert sum(len(company.splits) for company in market) > 200
    assert sum(not company.is_listed for company in market) > 50


def wrong(path: Path, market: list[Company]) -> set[int]:
    """Companies whose adjusted bars are not the truth."""
    found = set()
    last_day = {one.number: None if one.is_listed else DAYS[one.last] for one in market}
    with Store.open(path) as store, store.snapshot() as snapshot:
        for day in {*last_day.values()}:
            companies = [company for company in market if last_day[company.number] == day]
            tickers = [company.tickers[-1][1] for company in companies]
            frame = read(snapshot, tickers, None, day, "splits")
            histories = frame.partition_by("symbol", as_dict=True)
            for company, ticker in zip(companies, tickers, strict=True):
                bars = histories.get((ticker,), frame.clear())
                days = [DAYS[place] for place in company.places]
                is_right = bars["date"].to_list() == days and np.allclose(
                    bars["close"], company.bars[3], rtol=1e-6
                )
                if not is_right:
                    found.add(company.number)
    return found


def named(snapshot: Snapshot, market: list[Company]) -> set[int]:
    """Companies that a ruling, or a doubt about a ticker, names."""
    tickers = {one.symbol for one in snapshot.rulings("split") if one.verdict.is_told}
    tickers |= {name for one in snapshot.doubts() for name in (one.symbol, one.other)}
    return {
        company.number
        for company in market
        if tickers.intersection(name for _, name in company.tickers)
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_series_are_the_truth_or_the_company_is_named(
    market: list[Company], dialect: str, tmp_path: Path
) -> None:
    told = DIALECTS[dialect](market, random.Random(dialect))
    with Store.create(tmp_path) as store, store.writer() as writer:
        writer.commit(sessions_of(market), "simulation")
        writer.put_splits(told.splits)
        writer.put_dividends(told.dividends)
        writer.put_listings(told.listings)
    false = wrong(tmp_path, market)
    if told.is_enough:
        assert false <= told.unsure, sorted(false - told.unsure)[:5]
    with Store.open(tmp_path) as store, store.snapshot() as snapshot:
        told_of = named(snapshot, market)
    assert false <= told_of, sorted(false - told_of)[:5]
    if dialect == "full":
        with ms.open(tmp_path) as opened:
            for company in market:
                if company.spin_offs:
                    bars = opened.history(company.tickers[-1][1], adjust="total")
                    np.testing.assert_allclose(bars["close"], company.total(), rtol=1e-6)
    if dialect == "splits_on_other_days":
        assert false == set()  # the prices show each of them
