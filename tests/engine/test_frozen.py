"""Unchanged quotes: the values of indicators, and how a scan excludes such symbols."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
import talib

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.language.presets import presets
from tests.helpers.markets import example_bars, random_bars, series, store_of

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))
STILL_FOR = (15, 16, 30, 60, 130, 200)


def quotes() -> dict[str, np.ndarray]:
    """Return closes that stay unchanged at the end, after they rose, fell or moved randomly."""
    count = len(DAYS)
    up = np.linspace(5, 20, count)
    walks = random_bars(count, 4, seed=3, short=0)["close"]
    moves = {"UP": up, "DOWN": up[::-1], **{f"WALK{n}": walks[:, n] for n in range(4)}}
    closes_of = {"NEVER": np.full(count, 10.0)}
    for name, closes in moves.items():
        for length in STILL_FOR:
            closes_of[f"{name}.{length}"] = np.append(closes[:-length], [closes[-length]] * length)
    return closes_of


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> ms.Market:
    """A market of unchanged quotes and of others that move."""
    frames = [
        pl.DataFrame({"symbol": [name] * len(DAYS), "date": DAYS, **dict.fromkeys(FIELDS, closes)})
        for name, closes in quotes().items()
    ]
    moving = random_bars(len(DAYS), 30, seed=5, short=0)
    for i in range(30):
        name = "QQQ" if i == 0 else f"MOVES{i}"
        columns = {field: moving[field][:, i] for field in FIELDS}
        frames.append(pl.DataFrame({"symbol": [name] * len(DAYS), "date": DAYS, **columns}))
    folder = tmp_path_factory.mktemp("still")
    store_of(folder, pl.concat(frames), reference=False).close()
    return ms.open(folder)


def test_indicators_equal_talib_on_unchanged_quotes(still: ms.Market) -> None:
    names = [
        "rsi(14)",
        "stoch(14, 3, 3).k",
        "adx(14)",
        "atr(14)",
        "macd(12, 26, 9).hist",
        "roc(10)",
    ]
    hits = still.scan("frozen(15)", columns=[*names, "bbands(10, 2).upper"])
    assert set(hits.symbols) == set(quotes())
    frame = hits.to_polars()
    for name, x in quotes().items():
        expected = [
            talib.RSI(x, 14)[-1],
            talib.STOCH(x, x, x, 14, slowk_period=3, slowd_period=3)[0][-1],
            talib.ADX(x, x, x, 14)[-1],
            talib.ATR(x, x, x, 14)[-1],
            talib.MACD(x, 12, 26, 9)[2][-1],
            0.0,
        ]
        row = frame.row(by_predicate=pl.col("symbol") == name, named=True)
        assert [row[column] for column in names] == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert row["bbands(10, 2).upper"] == row["close"]
        if name == "NEVER":
            assert [row[column] for column in names] == [0.0] * len(names)


@pytest.mark.parametrize("bars", [1, 2, 14, 15, 16, 61, 252])
def test_frozen_is_one_price_in_all_bars(still: ms.Market, bars: int) -> None:
    unchanged = {name for name, x in quotes().items() if (x[-bars:] == x[-1]).all()}
    assert set(still.scan(f"frozen({bars})").symbols) == unchanged
    changed = set(still.scan("close > 0").symbols) - unchanged
    assert set(still.scan(f"not frozen({bars})").symbols) == changed
    assert still.scan(f"frozen({bars})").values == {}


@pytest.mark.parametrize("bars", [3, 15])
def test_frozen_on_the_real_market(market: ms.Market, bars: int) -> None:
    bars_of = example_bars().sort("symbol", "date").group_by("symbol", maintain_order=True)
    flat = bars_of.agg(
        pl.col("high").tail(bars).max() == pl.col("low").tail(bars).min(), pl.len().alias("bars")
    )
    expected = set(flat.filter(pl.col("high") & (pl.col("bars") >= bars))["symbol"])
    frozen = set(market.scan(f"frozen({bars})", adjust="none").symbols)
    assert frozen
    assert frozen <= expected  # symbols that are not traded any more are not scanned
    for symbol in frozen:
        assert np.ptp(series(symbol)["close"][-bars:]) == 0


@pytest.mark.parametrize("name", presets())
def test_no_preset_matches_unchanged_quotes(still: ms.Market, name: str) -> None:
    assert set(still.scan(name).symbols).isdisjoint(quotes())
