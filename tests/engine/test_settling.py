"""Values that may differ over a longer history; TA-Lib over all of it gives the right ones."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import talib

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.engine.settling import recursions, require_settled
from marketsweep.errors import CoverageError, UsageError
from marketsweep.language.indicators.row import SETTLED
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.language.parsing.parser import parse
from marketsweep.output.formats import csv_file, table
from marketsweep.scan.receipt import require_coverage
from tests.helpers.command import refused, run
from tests.helpers.markets import random_bars, store_of

SYMBOLS, LENGTH = 60, 1000
DAYS = sessions_in_range(dt.date(2012, 1, 3), dt.date(2016, 12, 30))[-LENGTH:]
BARS = random_bars(rows=LENGTH, symbols=SYMBOLS, seed=38, short=0)
NAMES = [f"S{place:02}" for place in range(SYMBOLS)]

OVER_ALL = {
    "rsi(14)": lambda b: talib.RSI(b["close"], 14),
    "ema(20)": lambda b: talib.EMA(b["close"], 20),
    "atr(14)": lambda b: talib.ATR(b["high"], b["low"], b["close"], 14),
    "adx(14)": lambda b: talib.ADX(b["high"], b["low"], b["close"], 14),
    "macd(12, 26, 9).hist": lambda b: talib.MACD(b["close"], 12, 26, 9)[2],
    "adx(7)": lambda b: talib.ADX(b["high"], b["low"], b["close"], 7),
}
"""Indicators, each computed by TA-Lib over one symbol's bars."""


@cache
def over_all(name: str) -> np.ndarray:
    """Return an indicator's newest value for each symbol, over all of its history."""
    return np.array(
        [OVER_ALL[name]({field: BARS[field][:, n] for field in FIELDS})[-1] for n in range(SYMBOLS)]
    )


def market_of(folder: Path, *, newest: int, young: dict[str, int] | None = None) -> ms.Market:
    """Create a store of the newest bars of all symbols; `young` symbols have fewer."""
    frames = []
    for i, name in enumerate(NAMES):
        bars = (young or {}).get(name, newest)
        columns = {field: BARS[field][-bars:, i] for field in FIELDS}
        frames.append(pl.DataFrame({"symbol": [name] * bars, "date": DAYS[-bars:], **columns}))
    store_of(folder, pl.concat(frames), reference=False).close()
    return ms.open(folder)


MarketOf = Callable[[int], ms.Market]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketOf]:
    """Return a function that opens the market of the newest bars; each is stored once."""
    folder, opened = tmp_path_factory.mktemp("newest"), dict[int, ms.Market]()

    def of(newest: int) -> ms.Market:
        if newest not in opened:
            opened[newest] = market_of(folder / str(newest), newest=newest)
        return opened[newest]

    yield of
    for market in opened.values():
        market.close()


@pytest.mark.parametrize("newest", [50, 60, 120, 200, 400, LENGTH])
def test_unmarked_values_equal_those_over_all_history(stored: MarketOf, newest: int) -> None:
    hits = stored(newest).scan("close > 0", columns=list(OVER_ALL))
    assert len(hits) == SYMBOLS
    for match in hits.matches:
        for name in OVER_ALL:
            expected = over_all(name)[NAMES.index(match.symbol)]
            error = abs(match.values[name] - expected)
            if name not in match.unsettled:
                scale = 100.0 if name.startswith(("rsi", "adx")) else match.close
                assert error <= 20 * SETTLED * scale
    marked = {name for match in hits.matches for name in match.unsettled}
    unsettled = {n for n in OVER_ALL if newest < settled_bars(n)}
    assert marked == unsettled
    assert hits.coverage.unsettled == (SYMBOLS if unsettled else 0)
    assert hits.coverage.share == 1.0  # the condition has no recursion
    warned = [warning for warning in hits.warnings if "to settle" in warning]
    assert len(warned) == bool(unsettled)


def settled_bars(name: str) -> int:
    (bars,) = recursions(parse(f"{name} > 0")).values()
    return bars


def test_settling_bars_of_recursions() -> None:
    """After n bars the weight of the start is (1 - alpha) ** n."""
    decay = np.log(1e-4)
    wilder, exponential = np.log(1 - 1 / 14), np.log(1 - 2 / 21)
    assert settled_bars("rsi(14)") == 1 + 15 + int(np.ceil(decay / wilder))
    assert settled_bars("ema(20)") == 1 + 20 + int(np.ceil(decay / exponential))
    assert settled_bars("adx(14)") > settled_bars("rsi(14)") + 14
    assert recursions(parse("close > sma(200) and highest(high, 50) > low")) == {}
    assert {name for name, row in INDICATORS.items() if row.recursion or row.memory} == {
        *("ema", "rsi", "macd", "atr", "adx", "dx", "smooth", "wilder_sum", "adaptive"),
        *("ha_open", "sum_oscillator", "sar", "sarext", "ratchet"),
        *("dominant_cycle", "ht_trendline", "cycle_mode", "mama"),
    }
    # A formula settles as the recursions in it do.
    assert settled_bars("rma(14)") == settled_bars("smooth(14, 1 / 14)")
    assert settled_bars("supertrend().line") > 400


@pytest.mark.parametrize(
    "condition",
    [
        "rsi(14) < 45",
        "adx(14) > 25 and rsi(14) < 45",
        "close > ema(20) or rsi(14) > 60",
        "not (rsi(14) > 50)",
        "rsi(14) crosses above 50 within 10 bars",
        "count(rsi(14) < 50, 10) > 4",
        "ema(rsi(14), 9) > rsi(14)",
        "percentile(rsi(14)) > 70",
        "weekly(ema(8)) < close",
        'symbol("S01").rsi(14) < rsi(14)',
        "market(pct(rsi(14) > 50)) > 40 and close > 0",
    ],
)
@pytest.mark.parametrize("newest", [60, 90, 130])
def test_answers_that_more_history_changes_are_counted(
    stored: MarketOf, condition: str, newest: int
) -> None:
    short = stored(newest).scan(condition)
    settled_hits = stored(newest).scan(condition, min_history="settled")
    expected = set(stored(LENGTH).scan(condition, min_history="settled").symbols)
    changed = expected ^ set(short.symbols)
    assert len(changed) <= short.coverage.unsettled_answers
    assert short.coverage.share == pytest.approx(1 - short.coverage.unsettled_answers / SYMBOLS)
    assert set(settled_hits.symbols) <= expected
    assert settled_hits.coverage.share == 1.0
    assert settled_hits.coverage.unsettled_answers == 0


def test_answers_that_no_recursion_decides_are_settled(tmp_path: Path) -> None:
    with market_of(tmp_path, newest=60) as market:
        for condition in ("close > 0 or rsi(14) > 50", "close < 0 and rsi(14) > 50"):
            coverage = market.scan(condition).coverage
            assert (coverage.unsettled, coverage.unsettled_answers) == (SYMBOLS, 0)
            assert coverage.share == 1.0


def test_some_young_symbols(tmp_path: Path) -> None:
    young = {"S03": 30, "S07": 100, "S09": 140, "S11": 141}
    with market_of(tmp_path, newest=300, young=young) as market:
        hits = market.scan("rsi(14) > 0", limit=None)
        settled_hits = market.scan("rsi(14) > 0", min_history="settled")
        process = run("scan", "rsi(14) > 0", "--format", "json", "--data", tmp_path)
        json_ = json.loads(process.stdout)
    few = {name for name, bars in young.items() if bars < settled_bars("rsi(14)")}
    assert {match.symbol for match in hits.matches if match.unsettled} == few
    assert few == {"S03", "S07", "S09"}
    assert set(hits.symbols) - set(settled_hits.symbols) == few
    assert settled_hits.coverage.excluded.short_history == len(few)
    assert settled_hits.coverage.bars_needed == settled_bars("rsi(14)")
    assert {m["symbol"] for m in json_["matches"] if m["unsettled"] == ["rsi(14)"]} == few
    assert json_["coverage"]["unsettled"] == {
        "bars": settled_bars("rsi(14)"), "symbols": len(few), "answers": len(few),
    }  # fmt: skip
    assert json_["coverage"]["share"] == 1 - len(few) / SYMBOLS
    text = io.BytesIO()
    table.write(hits, text)
    lines = text.getvalue().decode().splitlines()
    assert {line.split()[0] for line in lines[2:-1] if "~" in line} == few
    text = io.BytesIO()
    csv_file.write(hits, text)
    rows = pl.read_csv(text.getvalue())
    assert set(rows.filter(pl.col("unsettled") == "rsi(14)")["symbol"]) == few


def test_a_store_in_which_nothing_settles(tmp_path: Path) -> None:
    with market_of(tmp_path, newest=60) as market:
        hits = market.scan("ema(50) < close", min_history="settled")
        require_coverage(market.scan("ema(50) < close"), 0.95)
        assert not len(hits)
        with pytest.raises(CoverageError, match=r"no symbol has the \d+ bars .* earlier --since"):
            require_coverage(hits, 0.95)
        shown = market.scan("close > 0", columns="ema(50)", min_history="settled")
        assert len(shown) == SYMBOLS
        assert np.isnan(shown.values["ema(50)"]).all()
        with pytest.raises(UsageError, match="choose settled or valid"):
            market.scan("close > 0", min_history="all")  # type: ignore[arg-type]
    bad = ("scan", "close > 0", "--min-history", "all", "--data", tmp_path)
    refused(2, *bad, says="choose settled or valid")


def test_settled_conditions_change_no_value(market: ms.Market) -> None:
    """On the real market, each value is equal in both modes, or unknown in one."""
    condition = "rsi(14) < 60 and macd(12, 26, 9).hist > 0 and ema(rsi(5), 3) > 1"
    valid = market.scan(condition)
    settled_hits = market.scan(condition, min_history="settled")
    assert 0 < len(settled_hits) < len(valid)
    positions = [valid.symbols.index(symbol) for symbol in settled_hits.symbols]
    for name, column in settled_hits.values.items():
        assert (column == valid.values[name][positions]).all()
    unmarked = {match.symbol for match in valid.matches if not match.unsettled}
    assert unmarked == set(settled_hits.symbols)


def test_the_text_of_a_settled_condition() -> None:
    node = parse("rsi(14) < 30 and close > 5")
    assert str(require_settled(node)) == "rsi(14) + 0 * close[140] < 30 and close > 5"


def test_the_bars_that_the_docs_say() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "guide" / "language.md").read_text()
    rows = re.findall(
        r"^\| (`[^|]+`) \| ([\d,]+) \|$", text.partition("not settled\n")[2], re.MULTILINE
    )
    assert len(rows) == 8
    for names, bars in rows:
        for name in re.findall("`([^`]+)`", names):
            output = {"macd": ".hist", "mama": ".mama"}.get(name.partition("(")[0], "")
            call = name if "(" in name else f"{name}()"
            assert settled_bars(call + output) == int(bars.replace(",", "")), name
