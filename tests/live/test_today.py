"""Minutes and snapshots fold to the bars of a day, in any order and more than once."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.records import MinuteBar, Quote
from marketsweep.ingest.sandbox.live.minutes import make_minutes
from marketsweep.live.today import Today
from tests.helpers.markets import LAST
from tests.helpers.two_months import Files
from tests.ingest.sandbox.test_replay import daily


def events(files: Files) -> list[MinuteBar]:
    """The minutes of a day of the small market."""
    minutes = make_minutes(LAST, *daily(files.bars, LAST))
    made = []
    for place, symbol in enumerate(minutes.symbols):
        bars = minutes.bars[:, :, place]
        for minute in np.flatnonzero(~np.isnan(bars[3])).tolist():
            start = int(minutes.starts[minute])
            open_, high, low, close, volume = bars[:, minute].tolist()
            made.append(
                MinuteBar(symbol, start, start + 60_000, open_, high, low, close, None, volume)
            )
    return made


def folded(today: Today) -> dict[str, list[float]]:
    bars = today.bars()
    return dict(zip(bars.symbols, bars.values.T.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_minutes_in_any_order_fold_to_the_daily_bars(files: Files, seed: int) -> None:
    shuffled = events(files)
    random.Random(seed).shuffle(shuffled)
    today = Today(LAST)
    today.take_minutes(shuffled)
    today.take_minutes(shuffled[: len(shuffled) // 2])  # they come again
    symbols, values = daily(files.bars, LAST)
    assert folded(today) == dict(zip(symbols, values.T.tolist(), strict=True))


def test_minutes_cut_at_any_time_fold_as_polars_folds_them(files: Files) -> None:
    made = sorted(events(files), key=lambda bar: bar.start_ms)
    for share in (0.01, 0.3, 0.77):
        part = made[: int(share * len(made))]
        today = Today(LAST)
        today.take_minutes(part)
        frame = pl.DataFrame(part, schema=MinuteBar._fields, orient="row", infer_schema_length=None)
        want = frame.group_by("symbol").agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("day_volume").max(),
        )
        assert folded(today) == {symbol: [*values] for symbol, *values in want.rows()}


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=6))
def test_duplicates_and_order_change_nothing(order: list[int], again: list[int]) -> None:
    start = int(dt.datetime(2016, 12, 30, 9, 30, tzinfo=NEW_YORK).timestamp() * 1000)
    prices = [(5, 7, 4, 6), (6, 9, 5, 8), (8, 8, 2, 3), (3, 4, 3, 4), (4, 6, 4, 5), (5, 5, 5, 5)]
    made = []
    for i, (open_, high, low, close) in enumerate(prices):
        begins, ends = start + 60_000 * i, start + 60_000 * (i + 1)
        made.append(MinuteBar("A", begins, ends, open_, high, low, close, None, 10.0 * i))
    today = Today(LAST)
    today.take_minutes([made[i] for i in order])
    today.take_minutes([made[i] for i in again])
    assert folded(today) == {"A": [5.0, 9.0, 2.0, 5.0, 50.0]}
    assert today.newest_ms == start + 6 * 60_000


def minute(
    hour: int, at: int, price: float, volume: float, day_open: float | None = None
) -> MinuteBar:
    start = int(dt.datetime(2016, 12, 30, hour, at, tzinfo=NEW_YORK).timestamp() * 1000)
    return MinuteBar("A", start, start + 60_000, price, price, price, price, day_open, volume)


def test_trades_before_the_open_and_after_the_close_set_no_price() -> None:
    today = Today(LAST)
    today.take_minutes([minute(8, 0, 99.0, 100.0), minute(16, 0, 1.0, 900.0)])
    assert len(today) == 0
    today.take_minutes([minute(9, 30, 10.0, 350.0), minute(15, 59, 11.0, 800.0)])
    assert folded(today) == {"A": [10.0, 11.0, 10.0, 11.0, 800.0]}


def test_the_official_open_counts() -> None:
    today = Today(LAST)
    today.take_minutes([minute(9, 30, 10.0, 350.0, day_open=9.5)])
    assert folded(today)["A"][0] == 9.5


def test_a_snapshot_brings_what_was_missed_and_never_goes_back() -> None:
    today = Today(LAST)
    today.take_minutes([minute(9, 30, 10.0, 100.0)])
    noon = int(dt.datetime(2016, 12, 30, 12, tzinfo=NEW_YORK).timestamp() * 1000)
    today.take_snapshot([Quote("A", (10.0, 15.0, 8.0, 9.0, 500.0), None, noon)])
    assert folded(today) == {"A": [10.0, 15.0, 8.0, 9.0, 500.0]}
    today.take_minutes([minute(11, 0, 14.0, 400.0)])  # late: its close is older
    assert folded(today) == {"A": [10.0, 15.0, 8.0, 9.0, 500.0]}
    today.take_minutes([minute(12, 30, 16.0, 600.0)])
    today.take_snapshot([Quote("A", (10.0, 15.0, 8.0, 9.0, 500.0), None, noon)])  # an old one
    assert folded(today) == {"A": [10.0, 16.0, 8.0, 16.0, 600.0]}
    today.take_snapshot([Quote("B", None, (1.0, 1.0, 1.0, 1.0, 1.0), noon)])  # no trade today
    assert len(today) == 1


def test_more_symbols_than_there_is_room_for() -> None:
    today = Today(LAST)
    quotes = [Quote(f"S{i}", (1.0, 2.0, 0.5, 1.5, float(i)), None, i) for i in range(20_000)]
    today.take_snapshot(quotes)
    assert len(today) == 20_000
    bars = today.bars()
    assert bars.values[4].tolist() == [float(i) for i in range(20_000)]
