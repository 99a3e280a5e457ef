"""Conditions that are valid and hardly mean what their author wants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import marketsweep as ms
from marketsweep.engine.traps import find_traps
from marketsweep.engine.units import (
    ANY,
    COUNT,
    DOLLARS,
    PERCENT,
    PRICE,
    RATIO,
    SHARES,
    Unit,
    unit_of,
)
from marketsweep.errors import ConditionError
from marketsweep.language.indicators.table import FAMILIES
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import parse, parse_expression
from marketsweep.language.presets import SavedConditions
from marketsweep.language.tree import Kind
from tests.helpers.command import run

CORPUS = Path(__file__).parent.parent / "language" / "corpus" / "scans.jsonl"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("close", PRICE),
        ("hlc3", PRICE),
        ("volume", SHARES),
        ("dollar_volume", DOLLARS),
        ("market_cap", DOLLARS),
        ("market_cap / close", SHARES),
        ("close / open - 1", RATIO),
        ("100 * (close / open - 1)", PERCENT),
        ("bbands().width", PERCENT),
        ("bbands().percent_b", RATIO),
        ("2 * close + 1", PRICE),
        ("sma(volume, 20)", SHARES),
        ("sma(20)[5]", PRICE),
        ("atr(14)", PRICE),
        ("macd().hist", PRICE),
        ("bbands().upper", PRICE),
        ("rsi(14)", PERCENT),
        ("rsi(volume, 14)", PERCENT),
        ("roc(21)", PERCENT),
        ("sma(rsi(14), 5)", PERCENT),
        ("adx(14).plus_di", PERCENT),
        ("correl(close, open, 5)", RATIO),
        ("bars_since(close > open)", COUNT),
        ("streak(close > open)", COUNT),
        ("bars_since_highest(high, 20)", COUNT),
        ("value_when(close > open, volume)", SHARES),
        ("highest_since(close > open, high)", PRICE),
        ("weekly(volume)", SHARES),
        ('symbol("QQQ").close', PRICE),
        ("if(close > open, volume, 0)", SHARES),
        ("max(open, close)", PRICE),
        ("abs(close - open)", PRICE),
        ("market(mean(close))", PRICE),
        ("keltner(20, 2).upper", PRICE),
        ("supertrend().line", PRICE),
        ("adr(20)", PRICE),
        ("-5", ANY),
        ("2 * 3", ANY),
        ("close * close", Unit(price=2)),
        ("close ^ 2", None),
        ("if(close > open, volume, close)", None),
        ("fisher()", None),
    ],
)
def test_units(text: str, unit: Unit | None) -> None:
    assert unit_of(parse_expression(text)) == unit


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "volume > sma(20)",
            "volume is in shares, and sma(20) is in dollars a share: write sma(volume, 20) for "
            "that of the volume",
        ),
        (
            "ema(10) < volume",
            "ema(10) is in dollars a share, and volume is in shares: write ema(volume, 10) for "
            "that of the volume",
        ),
        (
            "close > dollar_volume",
            "close is in dollars a share, and dollar_volume is in dollars: close > dollar_volume "
            "compares unlike values",
        ),
        ("rsi(14) crosses above close", "rsi(14) is in percent, and close is in dollars a share:"),
        ("5 < volume < close", "volume is in shares, and close is in dollars a share:"),
        (
            "roc(21) > 20%",
            "roc(21) is in percent, and 20% is the number 0.2: write 20 instead of 20%",
        ),
        ("rsi(14) between 30% and 70%", "rsi(14) is in percent, and 30% is the number 0.3:"),
        ("close > max(high, 252)", "max(high, 252) is the larger of two numbers: write highest("),
        ("close < min(low, 20)", "min(low, 20) is the smaller of two numbers: write lowest("),
        ("count(volume > sma(20), 5) > 2", "volume is in shares, and sma(20) is in"),
        (
            "market_cap[20] > 1B",
            "market_cap has one value for all bars: it was the",
        ),
        (
            "2 * market_cap is rising",
            "market_cap has one value for all bars: it was the",
        ),
        ("dividend_yield crosses above 4", "dividend_yield has one value for all bars, so that it"),
        (
            "atr(14) > 5%",
            "atr(14) is in dollars a share, and 5% is the number 0.05: write atr(14) /",
        ),
        (
            "high - low < 10%",
            "high - low is in dollars a share, and 10% is the number 0.1: write (h",
        ),
        (
            "close > highest(high, 20)",
            "highest(high, 20) includes this bar, so that close is never",
        ),
        ("highest(volume, 9) < volume", "highest(volume, 9) includes this bar, so that volume is"),
        (
            "close crosses above highest(high, 20)",
            "highest(high, 20) includes this bar, so that cl",
        ),
        ("low < lowest(low, 20)", "lowest(low, 20) includes this bar, so that low is never beyond"),
        ("close > donchian(20).upper", "donchian(20).upper includes this bar, so that close is"),
        ("close > weekly(high)", "weekly(high) is that of the last complete bar, to which this"),
        (
            "low < yearly(low)",
            "yearly(low) is that of the last complete bar, to which this session",
        ),
        (
            "ppo(12, 26, 9) > 0",
            "the 9 of ppo(12, 26, 9) is the kind of average, not a signal line:",
        ),
        ("stochrsi(14, 14, 3, 3).k < 20", "the last parameter of stochrsi(14, 14, 3, 3).k is the"),
        ("bbands(2, 20).upper < close", "the number of bars comes first: write bbands(20, 2)"),
        ("supertrend(3, 10).line < close", "the number of bars comes first: write supertrend(10, "),
        ("kc(20, 2, 10).upper < close", "the multiplier of kc is its last parameter: write kc(20,"),
        ("cdldoji() == 1", "cdldoji() is -100, 0 or 100, and never 1: write cdldoji() alone"),
        ("keltner(20, 10, 2).upper < close", "the multiplier of keltner is its second parameter:"),
        (
            "percentile(roc(5)) > 90",
            "percentile(roc(5)) is from 0 to 1, and never reaches 90: write",
        ),
        ("market(pct(close > open)) > 60", "market(pct(close > open)) is from 0 to 1, and never"),
        ("willr(14) > 20", "willr(14) is from -100 to 0, and never reaches 20: write -20"),
        ("count(close > open, 20) >= 25", "count(close > open, 20) is from 0 to 20, and never"),
        ("day_of_week == 0", "day_of_week is from 1 to 5, and never reaches 0"),
        ("mfi(14)[1] < 0.2", "mfi(14)[1] is from 0 to 100: write 20 instead of 0.2"),
        ("rsi(14) crosses above 100", "rsi(14) is from 0 to 100, and is never beyond 100"),
    ],
)
def test_traps_are_named(text: str, sentence: str) -> None:
    (found,) = find_traps(parse(text), text)[:1]
    assert found.startswith(sentence)


@pytest.mark.parametrize(
    "text",
    [
        "close > sma(20) and volume > sma(volume, 20)",
        "roc(21) > 20 and close / close[21] - 1 > 20%",
        "atr(14) > 2% * close",
        "atr(14) / close > 5%",
        "bbands().width < 10",
        "bbands().percent_b < 10%",
        "percentile(roc(63)) > 90%",
        "market(pct(close > sma(50))) > 60%",
        "max(close, 5) > 5",
        "max(rsi(14), 30) > 50",
        "highest(high, 252) == high and high >= highest(high, 20) and high > highest(close, 20)",
        "close > highest(high, 20)[1] and close > weekly(high[1], running) and low > weekly(low)",
        "cdldoji() == 100 and engulfing() != 0 and engulfing() > 0 and kc(20, 10, 2).upper > 1",
        "ppo(12, 26) > 0 and stochrsi(14, 14, 3).d < 20 and bbands(5, 2).upper > close",
        "rsi(2) < 100 and willr(14) < -80 and cmf(20) > 0.1 and month >= 11 and stoch().k >= 100",
        "percentile(roc(5)) == 1 and count(close > open, 5) == 5 and adx(14) between 20 and 40",
        "rsi(14) > sma(rsi(14), 9)",
        "market_cap > 500 * dollar_volume",
        "close * volume > dollar_volume[1]",
        "obv() > sma(obv(), 20)",
        "last_dividend[3] > 2016-01-01 and (close > 5 and market_cap > 1B)[3]",
        "close[1] crosses above market_cap / shares_outstanding",
    ],
)
def test_good_conditions_have_no_trap(text: str) -> None:
    assert find_traps(parse(text), text) == []


def test_published_scans_and_presets_have_no_trap() -> None:
    scans = [json.loads(line) for line in CORPUS.read_text().splitlines()]
    texts = {scan["id"]: scan["condition"] for scan in scans if scan["condition"]}
    texts |= {preset.name: preset.condition for preset in SavedConditions().everyone()}
    kinds = {name: kind for scan in scans for name, kind in scan.get("facts", {}).items()}
    facts = tuple((name, Kind[kind.upper()]) for name, kind in kinds.items())
    own_names = OwnNames(SavedConditions(), facts, frozenset(kinds))
    traps = {name: find_traps(parse(text, own_names), text) for name, text in texts.items()}
    assert {name: found for name, found in traps.items() if found} == {}


def test_every_unit_is_that_of_its_row() -> None:
    """A row whose values are on a scale of their own has a unit, or is listed here."""
    unknown = {
        row.name
        for family, rows in FAMILIES.items()
        for row in rows
        if family not in ("Functions", "Candlestick patterns")
        and row.scale == "own"
        and not row.unit
        and unit_of(parse_expression(_call(row.name, row.outputs))) is None
    }
    assert unknown <= {
        *(
            "wilder_sum",
            "cci",
            "fisher",
            "wavetrend",
            "pmo",
            "kst",
            "rs_score",
            "special_k",
            "plus_dm",
        ),
        *("minus_dm", "sarext", "fractal", "dominant_cycle", "cycle_mode", "ht_dcphase"),
        *(
            "ht_trendmode",
            "squeeze",
            "divergence",
            "cumsum",
            "obv",
            "ad",
            "pvt",
            "wad",
            "nvi",
            "pvi",
            "efi",
        ),
        *("marketfi", "sum_oscillator", "adosc", "emv", "klinger", "sum", "var", "covar"),
        *("linearreg_angle", "fosc"),
    }


def _call(name: str, outputs: tuple[str, ...]) -> str:
    row = next(row for rows in FAMILIES.values() for row in rows if row.name == name)
    series = ", ".join(row.inputs[: row.series])
    return f"{name}({series}){f'.{outputs[0]}' if outputs else ''}"


def test_a_scan_warns_and_a_strict_one_refuses(market: ms.Market, example_data: Path) -> None:
    condition = "close > 500 and volume > sma(20)"
    hits = market.scan(condition)
    assert any(warning.startswith("volume is in shares") for warning in hits.warnings)
    assert not any("is in" in warning for warning in market.scan("close > 500").warnings)
    with pytest.raises(ConditionError, match="volume is in shares"):
        market.scan(condition, strict=True)
    assert len(market.scan("close > 500", strict=True)) > 1
    signals = market.signals(condition, since="2016-12-28")
    assert any(warning.startswith("volume is in shares") for warning in signals.warnings)
    done = run("scan", condition, "--data", example_data)
    assert (done.returncode, "write sma(volume, 20)" in done.stderr) == (0, True)
    with pytest.raises(ConditionError, match="volume is in shares"):
        market.signals(condition, since="2016-12-28", strict=True)
    sweep = ("sweep", "close > 500 and volume > sma({n})", "--vary", "n=20..200..60")
    done = run(*sweep, "--data", example_data)
    assert (done.returncode, done.stderr.count("volume is in shares")) == (0, 1)
    done = run(*sweep, "--strict", "--data", example_data)
    assert (done.returncode, "write sma(volume, 20)" in done.stderr) == (2, True)
    done = run("signals", condition, "--strict", "--data", example_data)
    assert (done.returncode, "write sma(volume, 20)" in done.stderr) == (2, True)
    done = run("scan", condition, "--strict", "--data", example_data)
    assert (done.returncode, "write sma(volume, 20)" in done.stderr) == (2, True)
