"""What positions cost: the estimated spread, and delistings by their reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import UsageError
from marketsweep.studies.study.options import REASON_FACT
from marketsweep.studies.study.outcomes import REASONS
from tests.helpers.command import run
from tests.helpers.markets import EXAMPLE, example_bars

DELISTED = REASONS.index("delisted")


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


def spread_by_hand(bars: pl.DataFrame) -> dict[dt.date, float]:
    """The formula of Kyle and Obizhaeva (2016) for the bars of a symbol without splits."""
    closes, volumes = (bars[name].to_numpy().astype(float) for name in ("close", "volume"))
    returns = np.diff(closes) / closes[:-1]
    spreads = {}
    for i in range(20, len(closes)):
        volatility = returns[i - 20 : i].std()
        dollars = (closes[i - 19 : i + 1] * volumes[i - 19 : i + 1]).mean()
        activity = dollars * volatility / (40.0 * 1_000_000 * 0.02)
        half = 8.21e-4 * volatility / 0.02 * activity ** (-1 / 3)
        half_tick = (0.005 if closes[i] >= 1 else 0.00005) / closes[i]
        spreads[bars["date"][i]] = min(0.2, 2 * max(half, half_tick))
    return spreads


def test_the_spread_is_that_of_the_published_formula(opened: ms.Market) -> None:
    frame = opened.study("close > sma(20)", spread=True, costs=10, horizons=[5]).to_polars()
    actions = pl.read_parquet(EXAMPLE / "actions.parquet")
    split = set(actions.filter(pl.col("kind") != "dividend")["symbol"])
    bars = example_bars().sort("date")
    checked = low = 0
    for (symbol,), rows in bars.partition_by("symbol", as_dict=True).items():
        if symbol in split or len(rows) != 252 or checked >= 2_000:
            continue
        spreads = spread_by_hand(rows)
        events = frame.filter(pl.col("symbol") == symbol)
        for day, costs in events.select("signal_date", "costs").iter_rows():
            expected = 0.001 + spreads.get(day, 0.0)
            assert costs == pytest.approx(expected, rel=1e-9), (symbol, day)
            checked += 1
            low += expected - 0.001 > 0.02
    assert checked >= 2_000
    assert low  # not only the liquid ones


def test_the_costs_of_an_event_are_taken_from_its_return(opened: ms.Market) -> None:
    free, dear = (opened.study("golden_cross", spread=flag, positions=5) for flag in (False, True))
    for without, less in zip(free.holds, dear.holds, strict=True):
        expected = without.returns - dear.events.costs
        np.testing.assert_allclose(less.returns, expected, rtol=0, atol=1e-12)
    assert not free.events.costs.any()
    assert free.portfolio is not None
    assert dear.portfolio is not None
    assert dear.portfolio.gain < free.portfolio.gain


def test_events_without_a_spread_are_counted(opened: ms.Market) -> None:
    study = opened.study("rsi(2) < 10", spread=True, until="2016-01-20")
    count = int((study.events.costs == 0).sum())
    assert count > 100
    assert any(text.startswith(f"{count:,} events of a symbol") for text in study.warnings)


def test_the_command_says_what_a_position_costs(real: Path) -> None:
    done = run("study", "golden_cross", "--spread", "--costs", "10", "--data", real)
    assert "less 10 basis points of costs and the estimated spread" in done.stdout
    assert "a position costs 0." in done.stdout


# -- delistings


def test_a_delisting_returns_what_its_reason_says(real: Path, tmp_path: Path) -> None:
    folder = copytree(real, tmp_path / "copy")
    with ms.open(folder) as market:
        study = market.study("rsi_recovery")
        gone = {
            study.events.symbols[event]
            for hold in study.holds
            for event in np.flatnonzero(hold.outcomes.reason == DELISTED).tolist()
        }
    chosen = sorted(gone)
    reasons = dict(zip(chosen, ["merger", "bankruptcy", None] * len(chosen), strict=False))
    facts = tmp_path / "reasons.csv"
    pl.DataFrame({"symbol": chosen, REASON_FACT: reasons.values()}).write_csv(facts)
    sync = ("sync", "--provider", "files", "--symbols", facts, "--data", folder)
    assert run(*sync).returncode == 0
    table = {"merger": 0.02, "bankruptcy": -1.0, "other": -0.3}
    with ms.open(folder) as market:
        mild = market.study("rsi_recovery")
        by_reason = market.study("rsi_recovery", delisting_return=table)
    counts = dict.fromkeys(table, 0)
    for before, after in zip(mild.holds, by_reason.holds, strict=True):
        is_gone = before.outcomes.reason == DELISTED
        np.testing.assert_array_equal(before.returns[~is_gone], after.returns[~is_gone])
        for event in np.flatnonzero(is_gone).tolist():
            reason = reasons[mild.events.symbols[event]] or "other"
            expected = (1 + before.returns[event]) * (1 + table[reason]) - 1
            assert after.returns[event] == pytest.approx(expected, rel=0, abs=1e-12)
            counts[reason] += 1
    assert min(counts.values()) > 5
    done = run(
        *("study", "rsi_recovery", "--data", folder, "--format", "json"),
        *("--delisting-return", "merger=2%,bankruptcy=-100%,other=-30%"),
    )
    assert done.returncode == 0, done.stderr
    assert '"delisting_returns":{"merger":0.02,"bankruptcy":-1.0,"other":-0.3}' in (
        done.stdout.replace(": ", ":").replace(", ", ",").replace("\n", "").replace("  ", "")
    )


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ({"merger": 0.0}, "need the fact delisting_reason"),
        ({"merger": -3.0}, "a delisting return of -300%"),
        ({"merger": "0%"}, "such as -0.3, not '0%'"),
    ],
)
def test_a_table_of_returns_that_makes_no_sense_is_refused(
    opened: ms.Market, table: dict[str, float], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        opened.study("close > 5", delisting_return=table)
