"""Signals: what a scan as of each session finds, from one pass over all of them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
import resource
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from msgspec.structs import replace
from numpy.typing import NDArray

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import Dividend, Listing, SessionBars, Span, Split
from marketsweep.engine.executors.registry import executor, searcher
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import SESSION, make_plan
from marketsweep.errors import ConditionError, CoverageError, UsageError
from marketsweep.ingest.per_symbol import spans_fetched
from marketsweep.language.parsing.parser import parse_expression
from marketsweep.quality.inspection import read_quality
from marketsweep.quality.rules import RULES
from marketsweep.quality.suspicious_matches import DOUBTFUL_TICKER
from marketsweep.scan.query import DEFAULT_SORT
from marketsweep.store.store import Store
from marketsweep.studies import sessions as past_sessions
from marketsweep.studies import signals
from marketsweep.studies.signals_result import SessionReceipt
from tests.helpers.executors import IN_PROCESS
from tests.helpers.markets import Bars, panel_of, random_bars
from tests.ingest.test_sync import COMMAND, command

DAYS = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 5, 27))


def same_as_scans(market: ms.Market, condition: str, days: Sequence[dt.date], **given: Any) -> int:  # noqa: ANN401, arguments of a scan
    """Compares with a scan as of each session, or of some; how many hits there are."""
    found = market.signals(condition, **given)
    of_day = found.days.astype(object)
    receipts = {one.session: one for one in found.sessions}
    given.pop("since", None)
    given.pop("until", None)
    # A scan puts suspicious matches last, unless it is told how to sort.
    given.setdefault("sort", DEFAULT_SORT)
    for day in days:
        hits = market.scan(condition, as_of=day, **given)
        places = np.flatnonzero(of_day == day)
        assert [found.symbols[place] for place in places] == hits.symbols, day
        np.testing.assert_array_equal(found.close[places], hits.close)
        np.testing.assert_array_equal(found.volume[places], hits.volume)
        assert list(found.values) == list(hits.values)
        for name, column in hits.values.items():
            np.testing.assert_allclose(found.values[name][places], column, rtol=1e-9, atol=1e-12)
        assert [found.unsettled[place] for place in places] == hits.unsettled, day
        covered, left = hits.coverage, hits.coverage.excluded
        assert receipts[day] == SessionReceipt(
            session=day,
            matches=len(hits),
            expected=covered.expected,
            evaluated=covered.evaluated + left.unknown_facts,
            prescreen=left.prescreen,
            stale=left.stale,
            short_history=left.short_history,
            suspect=left.suspect,
        )
    return len(found)


# -- the real market


@pytest.mark.parametrize(
    ("condition", "given"),
    [
        ("close > 20 and rsi(14) < 30 and volume > sma(volume, 20)", {"columns": "atr(14)/close"}),
        ("close > 100 and roc(20) > 10", {"adjust": "total", "since": dt.date(2016, 9, 20)}),
        ("close > ema(30) and rsi(14) > 60 or close < 2", {}),
        ("nr7 and close < 10", {"adjust": "none", "sort": "volume, roc(5)", "limit": 9}),
        ("rank(roc(20)) <= 40 and weekly(close > sma(5))", {}),
        ('rs(20, "AMN") > 1.2 and symbol("DRI").close > 60', {}),
        (
            "zscore(volume) > 3 and market(pct(close > sma(50))) > 0.5",
            {"sort": "percentile(close)"},
        ),
    ],
)
def test_the_real_market(real: Path, condition: str, given: dict[str, Any]) -> None:
    with ms.open(real) as market:
        sessions = [one.session for one in market.signals("close > 1e9", **given).sessions]
        # AHS became AMN on 2016-10-26, and DRI paid: their neighbourhoods, and a few more.
        some = [day for day in sessions if dt.date(2016, 10, 24) <= day <= dt.date(2016, 10, 27)]
        assert same_as_scans(market, condition, [*sessions[3::31], *some], **given) > 100


# -- markets with everything that happens


def awkward(path: Path, seed: int) -> Store:
    """Random walks with holes, frozen quotes, splits, dividends, a rename, a ticker used again."""
    r = np.random.default_rng(seed)
    names = [f"S{i}" for i in range(40)]
    walks, whole = (random_bars(len(DAYS), len(names), seed, short) for short in (0.3, 0.0))
    for name, matrix in walks.items():
        matrix[:, :9] = whole[name][:, :9]
        matrix[40:95, 3] = 1e5 if name == "volume" else 7.25  # frozen
        matrix[60:, 4] = np.nan  # delisted
        matrix[30:60, 5] = np.nan
        matrix[:45, 6] = np.nan  # S6 is what S7 was before; see below
        matrix[45:, 7] = np.nan
        matrix[50:58, 8] = np.nan  # S8 is given up, and another's later
    holes = r.random((len(DAYS), len(names))) < 0.02
    holes[:, 0] = False
    holes[45, 6] = True  # it was traded under its former ticker alone
    store = Store.create(path)
    with store.writer() as writer:
        for row, day in enumerate(DAYS):
            bars = np.array(
                [walks[name][row] for name in ("open", "high", "low", "close", "volume")]
            )
            there = ~np.isnan(bars[0]) & ~holes[row]
            symbols = [name for name, is_there in zip(names, there, strict=True) if is_there]
            writer.commit([SessionBars(day, symbols, np.ascontiguousarray(bars[:, there]))], "test")
        chosen = r.choice(len(DAYS) - 2, size=24) + 1
        told = [names[place] for place in r.choice(len(names), size=24)]
        pairs = list(dict.fromkeys(zip(told, chosen.tolist(), strict=True)))
        writer.put_splits(
            [
                Split(name, DAYS[at] + dt.timedelta(days=int(r.integers(0, 3))), 1, 2)
                for name, at in pairs[:10]
            ]
            + [
                Split("S7", DAYS[20], 1, 3),
                Split("S6", DAYS[70], 2, 1),
                Split("S6", DAYS[50], 1, 2),
            ]
        )
        writer.put_dividends(
            [Dividend(name, DAYS[at], 0.5) for name, at in pairs[10:]]
            + [Dividend("S7", DAYS[30], 0.3), Dividend("S6", DAYS[90], 0.4)]
        )
        writer.put_listings(
            [
                *(
                    Listing(name, first=DAYS[0], exchange="X")
                    for name in names
                    if name not in ("S4", "S6", "S7", "S8")
                ),
                Listing("S4", first=DAYS[0], last=DAYS[59]),
                Listing("S7", first=DAYS[0], last=DAYS[44], figi="F7"),
                Listing("S6", first=None if seed else DAYS[45], figi="F7"),
                Listing("S8", first=DAYS[0], last=DAYS[49], figi="F8", sector="Energy"),
                Listing("S8", first=DAYS[58], figi="G8", sector="Utilities"),
                Listing("NEVER", first=DAYS[10], last=DAYS[80]),
            ][: 30 + seed * 10]  # of some, nobody tells
        )
    return store


@pytest.mark.parametrize(("seed", "adjust"), [(0, "splits"), (1, "total"), (1, "none")])
@pytest.mark.parametrize(
    "condition",
    [
        "rsi(5) < 70 and close > sma(10)",
        "ema(8) > close[3] or highest(high, 12) == high",
        "rank(roc(5)) <= 12 and percentile(volume) > 0.2",
        'weekly(roc(1)) > -5 and symbol("S6").close > 1 and rs(4, "S7") > 0.5',
        "stoch(5, 3, 3).k > 40 and bbands(10, 2).lower < low and volume > 1000",
        "rank(close)[2] <= 20",
        "weekly(close > open, running)",
    ],
)
def test_every_session_of_an_awkward_market(
    tmp_path: Path, condition: str, adjust: Adjust, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward(tmp_path, seed).close()
    with ms.open(tmp_path) as market:
        assert same_as_scans(market, condition, [*DAYS[::4], DAYS[45]], adjust=adjust) > 100
        monkeypatch.setattr(past_sessions, "BLOCK", 31)
        since = DAYS[17]
        assert same_as_scans(market, condition, DAYS[20::17], adjust=adjust, since=since) > 50


def frozen(path: Path, rows: int) -> tuple[list[dt.date], NDArray[np.float64]]:
    """A store of one symbol whose quote stood still for long, and moved at last."""
    days = sessions_in_range(dt.date(2014, 1, 2), dt.date(2016, 1, 29))[:rows]
    r = np.random.default_rng(1)
    close = 50 + np.cumsum(r.normal(0, 1, rows)) % 20
    close[100:470] = close[100]
    close[-1] += 1
    with Store.create(path) as store, store.writer() as writer:
        for day, price in zip(days, close.tolist(), strict=True):
            bars = SessionBars(day, ["A"], np.array([[price]] * 4 + [[1e6]]))
            writer.commit([bars], "test")
    return days, close


def test_frozen_quotes_are_remembered_through(tmp_path: Path) -> None:
    """What an average remembers does not fade while nothing moves, at no session of them."""
    days, _ = frozen(tmp_path, 500)
    with ms.open(tmp_path) as market:
        given: dict[str, Any] = {"columns": "rsi(5)", "since": days[420]}
        assert same_as_scans(market, "close > 0", days[420::7], **given) == 80


def test_they_are_remembered_whatever_was_scanned_before(tmp_path: Path) -> None:
    """A panel that is kept for a plan with more history is cut for this one, but not too short."""
    days, close = frozen(tmp_path, 500)
    want = talib.RSI(close, 5)
    with ms.open(tmp_path) as market:
        for deep in ("close > 0", "sma(60) > 0", "sma(250) > 0", "sma(400) > 0"):
            for day in (450, 469, 475, 499):
                market.scan(deep, as_of=days[day])
                hits = market.scan("close > 0", as_of=days[day], columns="rsi(5)")
                np.testing.assert_allclose(hits.values["rsi(5)"], want[day], rtol=1e-9)


def _halted(bars: Bars, first: int, last: int) -> Bars:
    return {name: _still(values, first, last) for name, values in bars.items()}


def _still(values: NDArray[np.float64], first: int, last: int) -> NDArray[np.float64]:
    values = values.copy()
    values[first:last] = values[first]
    return values


@pytest.mark.parametrize(
    ("column", "halted", "expected"),
    [
        # It moves again since a hundred bars, and is asked of a bar before.
        ("rsi(14)[105]", lambda b: _halted(b, 250, 650), lambda b: talib.RSI(b["close"], 14)[-106]),
        # The close alone stands still, or the volume.
        (
            "rsi(2)",
            lambda b: b | {"close": _still(b["close"], 450, 750)},
            lambda b: talib.RSI(b["close"], 2)[-1],
        ),
        (
            "rsi(volume, 2)",
            lambda b: b | {"volume": _still(b["volume"], 450, 750)},
            lambda b: talib.RSI(b["volume"], 2)[-1],
        ),
        # What a ratio was while nothing moved is in what is fed by it.
        (
            "adx(14)",
            lambda b: _halted(b, 200, 735),
            lambda b: talib.ADX(b["high"], b["low"], b["close"], 14)[-1],
        ),
        (
            "sma(rsi(5), 40)",
            lambda b: _halted(b, 300, 740),
            lambda b: talib.SMA(talib.RSI(b["close"], 5), 40)[-1],
        ),
        (
            "value_when(volume > 1.9M, rsi(3))",
            lambda b: _halted(b, 300, 740) | {"volume": np.where(np.arange(750) == 700, 2e6, 1e6)},
            lambda b: talib.RSI(b["close"], 3)[700],
        ),
    ],
)
def test_history_is_enough_wherever_a_quote_stood_still(
    tmp_path: Path,
    column: str,
    halted: Callable[[Bars], Bars],
    expected: Callable[[Bars], float],
) -> None:
    """As TA-Lib has it of all that is stored, whatever else a scan asks or one before asked."""
    r = np.random.default_rng(5)
    close = 50 * np.exp(np.cumsum(r.normal(0, 0.02, 750)))
    high, low = close * r.uniform(1, 1.02, 750), close * r.uniform(0.98, 1, 750)
    volume = np.floor(r.uniform(1e5, 1e6, 750))
    bars = halted({"open": close, "high": high, "low": low, "close": close, "volume": volume})
    days = sessions_in_range(dt.date(2014, 1, 2), dt.date(2016, 12, 30))[:750]
    with Store.create(tmp_path) as store, store.writer() as writer:
        rows = np.array([bars[name] for name in FIELDS]).T
        sessions = zip(days, rows, strict=True)
        writer.commit([SessionBars(day, ["A"], row[:, np.newaxis]) for day, row in sessions], "t")
    for before in (None, "sma(20)", "sma(300)", "sma(700)"):
        with ms.open(tmp_path) as market:
            if before:
                market.scan("close > 0", columns=before)
            hits = market.scan("close > 0", columns=column)
            np.testing.assert_allclose(hits.values[column], [expected(bars)], rtol=1e-9)


@pytest.mark.parametrize(
    ("condition", "given"),
    [
        ("close > 40", {"where": 'sector != "Energy" or exchange == "X"'}),
        ("close > 30", {"where": 'sector == "Utilities" or exchange == "X"', "unknown": "keep"}),
        (
            "close > 1",
            {
                "where": 'symbol in ["S8", "S7", "S6", "S1"] and sector != "Energy"',
                "unknown": "keep",
            },
        ),
        ("rank(close) <= 9", {"where": 'exchange == "X" and symbol != "S3"'}),
        ("close > 20", {"universe": "some"}),
        ('sector == "Energy" or exchange == "X" and close > 30', {}),
        ("rank(volume) by exchange <= 9 or rank(close) by sector == 1", {"adjust": "total"}),
    ],
)
def test_facts_in_one_pass(
    tmp_path: Path, condition: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward(tmp_path, 1).close()
    (tmp_path / "universe.toml").write_text(
        "[some]\nwatchlist = ['S1', 'S5', 'S6', 'S7', 'S8', 'S20']\nexclude = ['S20']\n"
    )
    monkeypatch.delattr(signals, "_run_one_by_one")
    with ms.open(tmp_path) as market:
        told = " ".join(market.signals(condition, **given).warnings)
        assert ("the newest reported values" in told) == any(
            fact in f"{condition} {given.get('where')}" for fact in ("sector", "exchange")
        )
        days = [DAYS[44], DAYS[45], DAYS[50], DAYS[57], DAYS[58], *DAYS[3::11]]
        assert same_as_scans(market, condition, days, **given) > 100


@pytest.mark.parametrize(
    ("condition", "given"),
    [
        ("close > 40 and listing_age > 60", {}),
        ("close > 40", {"where": "listing_age > 60"}),
        ("close > 40", {"where": "rank(listing_age) <= 20"}),
        ("close > 40", {"universe": "dear"}),
        ("close > 40", {"exclude_suspect": True}),
    ],
)
def test_what_changes_by_day_is_scanned_day_by_day(
    tmp_path: Path, condition: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward(tmp_path, 1).close()
    (tmp_path / "universe.toml").write_text("[dear]\nmin_price = 45\nmin_dollar_volume = 1000\n")
    monkeypatch.delattr(signals, "_run_at_once")
    with ms.open(tmp_path) as market:
        assert same_as_scans(market, condition, DAYS[4::23], **given) > 100


def test_sessions_of_some_symbols_alone(tmp_path: Path) -> None:
    awkward(tmp_path, 0).close()
    with Store.open(tmp_path) as store, store.writer() as writer:
        values = np.array([[50.0] * 2] * 4 + [[1e6] * 2])
        day = sessions_in_range(DAYS[-1] + dt.timedelta(days=1), dt.date(2016, 6, 8))[0]
        known = spans_fetched(
            [Span(name, day, day) for name in ("S0", "S1")], dt.datetime.now(dt.UTC)
        )
        writer.commit([SessionBars(day, ["S0", "S1"], values)], "test", asked=known)
    with ms.open(tmp_path) as market:
        assert market.signals("close > 1").sessions[-1].session == DAYS[-1]
        assert same_as_scans(market, "close > 1", DAYS[-3:]) > 100


# -- marks


def test_hits_on_suspicious_bars_are_marked(real: Path) -> None:
    """Against the flags of `status --quality` and the days on which symbols have bars."""
    rules = {rule.name for rule in RULES if rule.excludes}
    with ms.open(real) as market:
        found = market.signals("close > sma(20)")
        flags = [one for one in read_quality(market.store).flags if one.rule in rules]
        of_last = market.scan("close > sma(20)", sort=DEFAULT_SORT)
        days_of = {
            one.symbol: market.history(one.symbol, adjust="none")["date"].to_list() for one in flags
        }
    places = np.flatnonzero(found.days == found.days[-1])
    assert [found.suspicious[place] for place in places] == of_last.suspicious
    hits: dict[str, dict[dt.date, set[str]]] = {}
    marks = zip(found.symbols, found.days.tolist(), found.suspicious, strict=True)
    for symbol, day, mark in marks:
        hits.setdefault(symbol, {})[day] = {*filter(None, mark.split(", "))} - {DOUBTFUL_TICKER}
    assert {symbol for symbol, of in hits.items() if any(of.values())} <= set(days_of)
    checked = marked = 0
    for symbol, days in days_of.items():
        for day, its_marks in hits.get(symbol, {}).items():
            place = days.index(day)
            window = days[max(0, place - 19) : place + 1]
            # A level that changes, and a hole, lie between a bar and the one before it.
            inside = {
                flag.rule
                for flag in flags
                if flag.symbol == symbol
                and flag.first <= window[-1]
                and (
                    window[0] <= flag.last
                    if flag.rule not in ("missing split", "premature split", "hole")
                    else window[0] < flag.first
                )
            }
            assert its_marks == inside, (symbol, day)
            checked, marked = checked + 1, marked + bool(inside)
    assert checked > 1000
    assert 100 < marked < checked


def test_marks_of_a_renamed_company_and_of_its_former_ticker(tmp_path: Path) -> None:
    awkward(tmp_path, 2).close()
    with ms.open(tmp_path) as market:
        found = market.signals("close > -1e9", since=DAYS[0], sort="close")
        flags = read_quality(market.store).flags
    hole = next(one for one in flags if one.rule == "hole" and one.symbol == "S5")
    marks = {
        day: mark
        for symbol, day, mark in zip(
            found.symbols, found.days.tolist(), found.suspicious, strict=True
        )
        if symbol == "S5"
    }
    # A condition on one bar never looks over the hole.
    assert not any("hole" in mark for mark in marks.values())
    with ms.open(tmp_path) as market:
        found = market.signals("close > close[3] - 1e9", since=DAYS[0], sort="close")
    rows = zip(found.symbols, found.days.tolist(), found.suspicious, strict=True)
    over = [day for symbol, day, mark in rows if symbol == "S5" and "hole" in mark]
    after = [day for day in DAYS if day > hole.last][:3]
    assert over == after


def test_the_table_shows_marks(real: Path) -> None:
    arguments = ("signals", "close > 100000", "--since", "2016-12-20", "--data", real)
    table = command(*arguments)
    assert "SAB!" in table.stdout
    assert table.stdout.splitlines()[-1] == "! depends on suspicious bars"
    assert "suspicious hits (" in table.stderr
    young = command("signals", "rsi(14) < 1", "--until", "2016-03-01", "--data", real)
    assert young.stdout.splitlines()[-1] == "~ too few bars to have settled"
    assert "bars that rsi(14) takes to settle" in young.stderr


# -- the search itself


def searched(name: str, condition: str, panel: Panel, rows: int) -> list[tuple[float, ...]]:
    plan = make_plan([*map(parse_expression, (condition, "close", "sma(5)"))], rows)
    found = searcher(name, 3 if name == "threads" else None)(plan, panel)
    hits = zip(found.places, found.sessions, *found.values.T, strict=True)
    return sorted((*map(float, hit),) for hit in hits)


@pytest.mark.usefixtures("processor_as_gpu")
@pytest.mark.parametrize("name", IN_PROCESS)
@pytest.mark.parametrize("condition", ["close > sma(20)", "1 < 2", "close[30] > open"])
def test_a_search_finds_what_a_run_finds(name: str, condition: str) -> None:
    rows, symbols = 90, 100
    panel = with_sessions(panel_of(random_bars(rows, symbols, seed=3)))
    assert panel.spans is not None
    plan = make_plan([*map(parse_expression, (condition, "close", "sma(5)"))], 50)
    truth, close, mean = executor("serial")(plan, panel)
    first, last, _ = panel.spans
    wanted = [
        (float(place), float(40 + row), close[row, place], mean[row, place])
        for row, place in np.argwhere(truth == 1.0).tolist()
        if first[place] <= 40 + row <= last[place] and not np.isnan(close[row, place])
    ]
    found = searched(name, condition, panel, 50)
    np.testing.assert_array_equal(found, sorted(wanted))


def with_sessions(panel: Panel) -> Panel:
    """Every bar is of a session, and each symbol looked at in some of them."""
    numbers = np.broadcast_to(np.arange(panel.rows, dtype=float)[:, None], (panel.rows, 32))
    fields = panel.fields | {
        SESSION: np.where(np.isnan(panel.fields["close"]), np.nan, numbers).copy()
    }
    r = np.random.default_rng(0)
    first = r.integers(0, panel.rows, len(panel.symbols))
    last = np.minimum(first + r.integers(0, panel.rows, len(first)), panel.rows - 1)
    spans = np.array([first, last, panel.bars])
    days = sessions_in_range(dt.date(2016, 1, 4), dt.date(2016, 12, 30))[: panel.rows]
    return replace(panel, fields=fields, spans=spans, dates=days)


@pytest.mark.parametrize(
    "expression",
    [
        *(f"sma({n})" for n in (2, 3, 4, 5, 7, 50)),
        *(f"bbands({n}, 2).{band}" for n in (2, 5, 20) for band in ("upper", "middle", "lower")),
        *(
            f"stoch({n}, {k}, {d}).{line}"
            for n, k, d in [(1, 1, 1), (5, 3, 4), (14, 3, 3)]
            for line in "kd"
        ),
        "highest(high, 9)",
        "sma(close / (volume - volume[1]), 6)",
    ],
)
def test_many_rows_equal_each_row_bit_for_bit(expression: str) -> None:
    """Several rows at once are worked out in other ways; a scan of a day must see the same."""
    rows = 70
    bars = random_bars(rows, 70, seed=5)
    bars["volume"][20:30, 7] = 5.0  # divided by nothing: infinite, or not a number
    node = parse_expression(expression)
    for wanted in (8, 9, 33, 68):
        (many,) = executor("serial")(make_plan([node], wanted), panel_of(bars))
        for back in (0, 1, 5, wanted - 1):
            cut = {name: matrix[: rows - back] for name, matrix in bars.items()}
            (one,) = executor("serial")(make_plan([node], 1), panel_of(cut))
            np.testing.assert_array_equal(many[wanted - 1 - back], one[0])


# -- at the command line


def test_the_command(real: Path) -> None:
    arguments = ("signals", "rank(roc(20)) <= 3", "--since", "2016-12-20", "--data", real)
    with ms.open(real) as market:
        found = market.signals("rank(roc(20)) <= 3", since="2016-12-20")
    table = command(*arguments)
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert len(found.sessions) == 8
    assert lines[9:] == ["! depends on suspicious bars"] * any(found.suspicious)
    assert lines[8].split()[:4] == ["2016-12-30", "3", "5,946", "6,147"]
    assert found.receipt in table.stderr
    told = json.loads(command(*arguments, "--format", "json").stdout)
    assert [(hit["date"], hit["symbol"], hit["close"]) for hit in told["hits"]] == [
        (f"{day}", symbol, close)
        for day, symbol, close in zip(found.days, found.symbols, found.close.tolist(), strict=True)
    ]
    assert [one["matches"] for one in told["sessions"]] == [3] * 8
    assert told["executor"] == "threads"
    rows = list(csv.DictReader(io.StringIO(command(*arguments, "--format", "csv").stdout)))
    assert [row["symbol"] for row in rows] == found.symbols
    assert list(rows[0])[:5] == ["date", "symbol", "close", "volume", "rank(roc(20))"]
    assert list(rows[0])[5:] == ["suspicious", "unsettled"]


def test_parquet(real: Path, tmp_path: Path) -> None:
    file = tmp_path / "signals.parquet"
    done = command(
        "signals", "close > 1000", "--format", "parquet", "--output", file, "--data", real
    )
    assert done.returncode == 0, done.stderr
    frame = pl.read_parquet(file)
    with ms.open(real) as market:
        assert frame.equals(market.signals("close > 1000").to_polars())
    assert frame.schema["date"] == pl.Date


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["close >"], 2, "close >"),
        (["close"], 2, "a condition must be true or false"),
        (
            ["close > 1", "--since", "2016-12-01", "--until", "2016-11-01"],
            2,
            "--since 2016-12-01 comes after --until 2016-11-01",
        ),
        (["close > 1", "--until", "2015-01-02"], 2, "before the first stored session"),
        (["close > 1", "--until", "2999-01-01"], 2, "--until 2999-01-01 lies in the future"),
        (["close > 1", "--since", "2017-01-05"], 2, "after the last stored session, 2016-12-30"),
        (["close > 1", "--since", "2016-12-24", "--until", "2016-12-26"], 2, "from 2016-12-24 to"),
        (["close > 1", "--limit", "0"], 2, "--limit"),
        (["close > 1", "--adjust", "some"], 2, "unknown adjustment"),
        (["close > 1", "--executor", "some"], 2, "unknown executor"),
        (["close > 1", "--format", "some"], 2, "--format"),
    ],
)
def test_bad_input(real: Path, arguments: list[str], code: int, said: str) -> None:
    done = command("signals", *arguments, "--data", real)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_errors_from_python(real: Path, tmp_path: Path) -> None:
    with ms.open(real) as market:
        with pytest.raises(UsageError, match="limit"):
            market.signals("close > 1", limit=0)
        with pytest.raises(ConditionError):
            market.signals("clsoe > 1")
        with pytest.raises(UsageError, match="since"):
            market.signals("close > 1", since="yesterday")
    Store.create(tmp_path).close()
    with ms.open(tmp_path) as market, pytest.raises(CoverageError, match="run marketsweep sync"):
        market.signals("close > 1")


def test_the_examples_of_the_docs(
    real: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "guide" / "signals.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.setenv("MARKETSWEEP_DATA", str(real))
    exec(compile(example, "signals.md", "exec"), {})
    assert "hits in 21 sessions, 2016-12-01 to 2016-12-30" in capsys.readouterr().out
    (table,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    done = command("signals", "close crosses above sma(200)", "--data", real)
    heading, *rows = table.splitlines()
    assert done.stdout.splitlines()[0] == heading
    assert done.stdout.splitlines()[-len(rows) :] == rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sma(500) > 5"], "no symbol has the 500 bars"),
        (["close > 5", "--where", 'country == "Atlantis"'], "no symbol passes the pre-screen"),
        (["close > 5", "--until", "2016-09-01"], "only 81.0% of the requested symbols have a bar"),
    ],
)
def test_what_covers_too_little_is_written_and_fails(
    real: Path, arguments: list[str], said: str
) -> None:
    done = command("signals", *arguments, "--data", real)
    assert done.returncode == 3
    assert said in done.stderr
    assert len(done.stdout.splitlines()) > 100


def test_ranks_further_back_than_anything_is_stored_cost_nothing(real: Path) -> None:
    """Of 100,000 rows back a rank was worked out, and the process killed for its memory."""
    few = 3 << 30

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (few, few))

    for condition, code, says in (
        ("rank(close)[100000] > 3", 3, "no symbol has the 100,001 bars"),
        ("count(rank(close) < 3, 100000) > 2", 0, " matches as of "),
    ):
        done = subprocess.run(
            [COMMAND, "scan", condition, "--data", str(real)],
            capture_output=True,
            text=True,
            preexec_fn=limited,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert says in done.stderr


def test_signals_as_plain_data(real: Path) -> None:
    with ms.open(real) as market:
        found = market.signals("rsi(14) < 20", since="2016-12-01")
        assert len(json.loads(json.dumps(found.to_dict()))["hits"]) == len(found) > 50
        assert pl.DataFrame(found).equals(found.to_polars())
        assert found.to_dicts()[0]["date"] == found.days[0].astype(object)
