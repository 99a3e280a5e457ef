"""Charts: what is drawn where, the values of it against TA-Lib and polars, and the pages."""

from __future__ import annotations

import datetime as dt
import json
import re
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import example, given
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import Listing, SessionBars
from marketsweep.core.tickers import is_ticker
from marketsweep.errors import ConditionError, UsageError
from marketsweep.language.parsing.parser import parse, parse_expression
from marketsweep.market import Market, open_market
from marketsweep.output.charts.folder import MAX_CHARTS, page_name
from marketsweep.output.charts.page import short_dollars
from marketsweep.output.charts.panes import PRICE, VOLUME, home, panes_of
from marketsweep.store.store import Store
from tests.helpers.command import refused, run
from tests.helpers.markets import EXAMPLE, LAST, charts_of, example_bars, series
from tests.scan.test_scan import adjusted, joined

CONDITION = "close > sma(50) and rsi(14) > 55 and volume > 1.5 * sma(volume, 20)"


def data_of(html: str) -> dict[str, Any]:
    """The data that stands in a page, as its script reads it."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def lines_of(html: str) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    panes = data_of(html)["panes"]
    return {line["label"]: np.array(line["values"], float) for p in panes for line in p["lines"]}


class Reader(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1][0] not in ("script", "style"):
            self.text += data


# What is drawn where


@pytest.mark.parametrize(
    ("expression", "where"),
    [
        ("close", PRICE),
        ("hl2", PRICE),
        ("sma(50)", PRICE),
        ("ema(high, 9)", PRICE),
        ("bbands(20, 2).lower", PRICE),
        ("0.95 * highest(high, 252)", PRICE),
        ("highest(20) - 3 * atr(22)", PRICE),
        ("sma(close, 20)[3]", PRICE),
        ("(sma(20) + sma(50)) / 2", PRICE),
        ("max(sma(20), 5)", PRICE),
        ("lowest(low, 10) - 0.5", PRICE),
        ("sma(hlc3, 20)", PRICE),
        ("sma(volume, 20)", VOLUME),
        ("2 * highest(volume, 5)", VOLUME),
        ("rsi(14)", None),
        ("macd(12, 26, 9).signal", None),
        ("atr(14)", None),
        ("atr(14) / close", None),
        ("close - sma(50)", None),
        ("close / sma(50)", None),
        ("10 * close", None),
        ("-close", None),
        ("close * volume", None),
        ("dollar_volume", None),
        ("sma(dollar_volume, 20)", None),
        ("sma(rsi(14), 5)", None),
        ("close + volume", None),
        ("roc(63)", None),
        ("stoch(14, 3, 3).k", None),
        ("adx(14)", None),
        ("5", None),
        ("market_cap", None),
    ],
)
def test_home_follows_from_the_tree(expression: str, where: int | None) -> None:
    assert home(parse_expression(expression)) == where


def texts(condition: str, *indicators: str) -> list[tuple[list[str], list[str]]]:
    trees = [parse_expression(text) for text in indicators]
    panes = panes_of(parse(condition) if condition else None, trees)
    return [([str(n) for n in p.lines], [str(n) for n in p.levels]) for p in panes]


def test_a_condition_is_laid_out() -> None:
    assert texts(CONDITION) == [
        (["sma(50)"], []),
        (["1.5 * sma(volume, 20)"], []),
        (["rsi(14)"], ["55"]),
    ]
    assert texts("40 < rsi(14) < 75 or not rsi(14)[1] > 80", "rsi(14)")[2:] == [
        (["rsi(14)"], ["40", "75", "80"])
    ]
    assert texts("macd(12, 26, 9).macd crosses above macd(12, 26, 9).signal within 5 bars") == [
        ([], []),
        ([], []),
        (["macd(12, 26, 9)", "macd(12, 26, 9).signal"], []),
    ]
    # An average that is part of a ratio lies on the candles too; constants are lines of theirs.
    assert texts("close / sma(50) > 1.05 and close > 5 and volume > 1M") == [
        (["sma(50)"], ["5"]),
        ([], ["1000000"]),
        (["close / sma(50)"], ["1.05"]),
    ]
    assert texts('sector == "Energy" and market_cap > 1B and close[5] < close') == [
        ([], []),
        ([], []),
    ]
    assert texts("", "stoch(14, 3, 3).k", "adx(14)", "stoch(14, 3, 3).d")[2:] == [
        (["stoch(14, 3, 3).k", "stoch(14, 3, 3).d"], []),
        (["adx(14)"], []),
    ]


# Values


@pytest.mark.parametrize("symbol", ["AAPL", "CHD", "HOPE", "AMEH", "SD", "OPP"])
def test_values_are_those_of_talib(market: Market, symbol: str) -> None:
    """A plain symbol, one with a split, a renamed one, three with holes."""
    bars = adjusted(LAST)[symbol]
    html = market.chart(symbol, ["rsi(14)", "macd(12,26,9)"], CONDITION).html
    data, lines = data_of(html), lines_of(html)
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(data[name], bars[name], rtol=1e-12)
    close, volume = bars["close"], bars["volume"]
    sma = talib.SMA(close, 50)
    busy = 1.5 * talib.SMA(volume, 20)
    rsi = talib.RSI(close, 14)
    macd, signal, hist = talib.MACD(close, 12, 26, 9)
    expected = {
        "sma(50)": sma,
        "1.5 * sma(volume, 20)": busy,
        "rsi(14)": rsi,
        "macd(12, 26, 9).signal": signal,
        "macd(12, 26, 9).hist": hist,
    }
    for label, values in expected.items():
        np.testing.assert_allclose(lines[label], values, rtol=1e-9, atol=1e-9, err_msg=label)
    # TA-Lib shows no MACD before its signal; the line itself is there as early.
    np.testing.assert_allclose(lines["macd(12, 26, 9)"][33:], macd[33:], rtol=1e-9, atol=1e-9)
    with np.errstate(invalid="ignore"):
        truth = (close > sma) & (rsi > 55) & (volume > busy)
    np.testing.assert_array_equal(np.array(data["held"], float) == 1.0, truth)
    assert np.count_nonzero(truth) or symbol in ("SD", "OPP")


def test_days_are_the_symbols_own_and_holes_are_told(market: Market) -> None:
    frame = joined(LAST)
    for symbol in ("AMEH", "SD", "HOPE", "CHD", "PRN"):
        data = data_of(market.chart(symbol).html)
        days = frame.filter(pl.col("symbol") == symbol)["date"].to_list()
        assert data["days"] == [str(day) for day in days]
        holes = set(sessions_in_range(days[0], days[-1])) - set(days)
        assert data["holes"] == sorted(map(str, holes)), symbol
    assert len(data_of(market.chart("SD").html)["holes"]) == 191
    assert "191 sessions between them without a bar" in market.chart("SD").html


def test_a_short_history_has_what_there_is(market: Market) -> None:
    html = market.chart("PRN", ["sma(50)", "sma(5)"]).html
    lines = lines_of(html)
    assert len(data_of(html)["days"]) == 17
    assert np.isnan(lines["sma(50)"]).all()
    assert np.isnan(lines["sma(5)"]).tolist() == [True] * 4 + [False] * 13


def test_a_chart_of_the_past_sees_no_later_split(market: Market) -> None:
    before = dt.date(2016, 8, 31)
    data = data_of(market.chart("CHD", as_of=before, bars=30).html)
    raw = example_bars().filter(pl.col("symbol") == "CHD", pl.col("date") <= before)
    days = set(sessions_in_range(dt.date(2016, 1, 1), before))
    raw = raw.filter(pl.col("date").is_in(days)).tail(30)
    assert data["days"] == [str(day) for day in raw["date"]]
    np.testing.assert_array_equal(data["close"], raw["close"].to_numpy())
    halved = data_of(market.chart("CHD").html)
    np.testing.assert_allclose(
        halved["close"][halved["days"].index("2016-08-31")], raw["close"][-1] / 2, rtol=1e-12
    )
    plain = data_of(market.chart("CHD", adjust="none").html)
    assert plain["close"][plain["days"].index("2016-08-31")] == raw["close"][-1]


def test_the_newest_values_are_those_of_the_scan(market: Market, tmp_path: Path) -> None:
    hits = market.scan(
        "ema(21) < close and adx(14) > 20 and stoch(14,3,3).k > 20",
        columns="bbands(20, 2).upper, atr(14) / close, roc(63)",
        limit=30,
    )
    charts_of(hits, market, tmp_path, "splits", lambda _: None)
    for i, symbol in enumerate(hits.symbols):
        html = (tmp_path / page_name(symbol)).read_text()
        data, lines = data_of(html), lines_of(html)
        assert data["close"][-1] == hits.close[i]
        assert data["volume"][-1] == hits.volume[i]
        assert data["held"][-1] == 1.0
        for name, values in hits.values.items():
            np.testing.assert_allclose(
                lines[str(parse_expression(name))][-1], values[i], rtol=1e-10, err_msg=name
            )


def test_bars_are_the_newest_and_indicators_look_further_back(market: Market) -> None:
    whole = market.chart("AAPL", "sma(50), bbands(20,2)").html
    part = market.chart("AAPL", [ms.sma(50)], ms.close > ms.sma(50), bars=10).html
    assert len(data_of(part)["days"]) == 10
    np.testing.assert_allclose(lines_of(part)["sma(50)"], lines_of(whole)["sma(50)"][-10:])
    assert [label for label in lines_of(whole) if label.startswith("bbands")] == [
        "bbands(20, 2).upper",
        "bbands(20, 2).middle",
        "bbands(20, 2).lower",
    ]


def test_indicators_may_name_saved_conditions(market: Market) -> None:
    by_name = market.chart("AAPL", "bars_since(inside_day, 20)", bars=60).drawing
    inside_day = "high < high[1] and low > low[1]"  # as the preset says
    written = market.chart("AAPL", f"bars_since({inside_day}, 20)", bars=60).drawing
    (line,), (same,) = by_name.panes[-1].lines, written.panes[-1].lines
    assert np.isfinite(line.values).any()
    np.testing.assert_array_equal(line.values, same.values)


# What cannot be drawn


def test_what_cannot_be_drawn_is_said(market: Market) -> None:
    with pytest.raises(UsageError, match=r"no bars of 'AAPPL' are stored: did you mean .*AAPL"):
        market.chart("AAPPL")
    with pytest.raises(UsageError, match="no bars of 'PRN' are stored up to 2016-06-30"):
        market.chart("PRN", as_of="2016-06-30")
    with pytest.raises(UsageError, match="bars 0 is not a whole number"):
        market.chart("AAPL", bars=0)
    with pytest.raises(UsageError, match="splits, total, none"):
        market.chart("AAPL", adjust="magic")  # type: ignore[arg-type]
    with pytest.raises(ConditionError, match="a condition must be true or false"):
        market.chart("AAPL", condition=ms.close)
    with pytest.raises(ConditionError, match="only numbers can be drawn"):
        market.chart("AAPL", "close > 5")
    with pytest.raises(ConditionError, match="did you mean rsi"):
        market.chart("AAPL", "rsy(14)")
    with pytest.raises(ConditionError, match="macd has no output 'x'"):
        market.chart("AAPL", "macd(12, 26, 9).x")
    with pytest.raises(UsageError, match="indicators 14 are not expressions"):
        market.chart("AAPL", 14)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot write"):
        market.chart("AAPL").save("/nonexistent/AAPL.html")


# Pages


def test_a_page_is_whole_in_itself(market: Market, tmp_path: Path) -> None:
    chart = market.chart("AAPL", "rsi(14)", "rsi(14) < 30")
    chart.save(tmp_path / "chart.html")
    html = (tmp_path / "chart.html").read_text(encoding="utf-8")
    assert html == chart.html
    reader = Reader(html)
    assert [at["href"] for tag, at in reader.tags if tag == "a"] == ["https://www.tradingview.com/"]
    assert not [at for _, at in reader.tags if {"src", "srcset"} & at.keys()]
    assert not [tag for tag, _ in reader.tags if tag in ("link", "img", "iframe", "base")]
    policy = [at["content"] for _, at in reader.tags if "http-equiv" in at]
    assert policy == ["default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"]
    assert "AAPL Apple Inc." in reader.text
    assert "rsi(14) < 30" in reader.text
    frame = Reader(chart._repr_html_())
    ((tag, attributes),) = frame.tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == html
    assert attributes["sandbox"] == "allow-scripts allow-popups"


def test_the_library_comes_with_its_licence_and_notice(market: Market) -> None:
    assets = files("marketsweep.output.charts") / "assets"
    notice = (assets / "lightweight-charts.NOTICE").read_text(encoding="utf-8")
    shown = Reader(market.chart("AAPL").html).text
    assert " ".join(notice.split()) in shown
    assert "Apache License" in (assets / "lightweight-charts.LICENSE").read_text()
    assert (
        "TradingView Lightweight Charts™ v5." in (assets / "lightweight-charts.js").read_text()[:99]
    )


HOSTILE = ["<b>'\"&", "../../up", "KIMpL", "KIMPL", "</script>", "PRN", "prn", "index", "INDEX"]


@pytest.fixture
def hostile(tmp_path: Path) -> Market:
    days = sessions_in_range(dt.date(2016, 11, 1), LAST)
    values = np.full((5, len(HOSTILE)), 10.0)
    with Store.create(tmp_path / "data") as store, store.writer() as writer:
        writer.commit(
            [SessionBars(day, HOSTILE, values * (1 + i)) for i, day in enumerate(days)], "test"
        )
        name = '<img src=x onerror=alert(1)> & "Sons\'"'
        writer.put_listings([Listing(symbol=symbol, name=name) for symbol in HOSTILE])
    return open_market(tmp_path / "data")


def test_no_text_gets_out_of_its_place(hostile: Market, tmp_path: Path) -> None:
    with hostile as market:
        condition = 'close > sma(5) and symbol != "<script>alert(2)</script>" and -5 < roc(5)'
        hits = market.scan(condition)
        assert sorted(hits.symbols) == sorted(HOSTILE)
        index = charts_of(hits, market, tmp_path / "charts", "splits", lambda _: None)
    written = sorted(path.name for path in (tmp_path / "charts").iterdir())
    assert len({name.casefold() for name in written}) == len(HOSTILE) + 1
    assert not (tmp_path / "up.html").exists()
    assert {"KIM~pL.html", "KIMPL.html", "PRN~.html", "INDEX~.html", "index.html"} <= set(written)
    for name in written:
        html = (tmp_path / "charts" / name).read_text()
        reader = Reader(html)
        tags = [tag for tag, _ in reader.tags]
        assert "img" not in tags
        assert tags.count("script") == (1 if name == "index.html" else 3)
        assert tags.count("b") == (len(HOSTILE) if name == "index.html" else 0)
        assert condition.replace('"', "") in reader.text.replace('"', "")
        assert '<img src=x onerror=alert(1)> & "Sons\'"' in reader.text
        assert name == "index.html" or data_of(html)["symbol"] in HOSTILE
    sheet = Reader(index.read_text())
    links = [at["href"] for tag, at in sheet.tags if tag == "a"]
    assert links == [page_name(symbol) for symbol in hits.symbols]
    assert all(symbol in sheet.text for symbol in HOSTILE)


@given(st.lists(st.text(max_size=32).filter(is_ticker), min_size=2, max_size=2, unique=True))
def test_page_names_never_collide(symbols: list[str]) -> None:
    first, second = map(page_name, symbols)
    assert first.casefold() != second.casefold()


@given(st.sampled_from("abAB.~1<"), st.text("aAbB.~1-<", max_size=6))
def test_page_names_of_likely_letters_never_collide(letter: str, rest: str) -> None:
    one = letter + rest
    for other in {one.swapcase(), one.upper(), one.lower(), page_name(one)[:-5]} - {one}:
        assert page_name(one).casefold() != page_name(other).casefold()


@given(st.text(min_size=1, max_size=32).filter(is_ticker))
@example(".")
@example("..A")
@example("con.a")
@example("COM1")
def test_page_names_are_plain(symbol: str) -> None:
    name = page_name(symbol)
    assert re.fullmatch(r"[A-Za-z0-9~-][A-Za-z0-9.~-]*\.html", name)
    assert len(name) < 255
    assert not re.match(r"(?i)(con|prn|aux|nul|com\d|lpt\d|index)(\.|$)", name)


@pytest.mark.parametrize("symbol", ["AAPL", "BRK.B", "NAN", "TRUE", "ON"])
def test_plain_tickers_are_their_own_names(symbol: str) -> None:
    assert page_name(symbol) == f"{symbol}.html"


# The folder


def test_the_sheet_shows_the_first_matches_in_rank_order(market: Market, tmp_path: Path) -> None:
    hits = market.scan("close > sma(50)", columns="rsi(14)")
    assert len(hits) > MAX_CHARTS
    done: list[int] = []
    index = charts_of(hits, market, tmp_path, "splits", done.append)
    assert sum(done) == MAX_CHARTS
    assert len(list(tmp_path.iterdir())) == MAX_CHARTS + 1
    html = index.read_text()
    reader = Reader(html)
    links = [at["href"] for tag, at in reader.tags if tag == "a"]
    assert links == [page_name(symbol) for symbol in hits.symbols[:MAX_CHARTS]]
    assert all((tmp_path / str(link)).exists() for link in links)
    assert hits.receipt in reader.text
    assert f"The first 60 are drawn, in rank order; {len(hits) - 60:,} are not." in reader.text
    assert re.findall(r"<b>(\w+)</b>", html) == hits.symbols[:MAX_CHARTS]
    cells = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html)
    assert [name for name, _ in cells[:2]] == ["sma(50)", "rsi(14)"]
    shown = [float(value.replace(",", "")) for name, value in cells if name == "rsi(14)"]
    np.testing.assert_allclose(shown, hits.values["rsi(14)"][:MAX_CHARTS], atol=0.005)
    # A script sorts and filters; the pictures need none.
    assert sum(tag == "script" for tag, _ in reader.tags) == 1


def test_small_pictures_lie_where_the_prices_are(market: Market, tmp_path: Path) -> None:
    hits = market.scan("close > sma(50)", limit=1)
    html = charts_of(hits, market, tmp_path, "splits", lambda _: None).read_text()
    frame = joined(LAST).filter(pl.col("symbol") == hits.symbols[0])
    sessions = sessions_in_range(dt.date(2016, 1, 1), LAST)[-90:]
    slots = np.array([sessions.index(day) for day in frame["date"] if day in sessions])
    whole = adjusted(LAST)[hits.symbols[0]]
    bars = {name: values[-len(slots) :] for name, values in whole.items()}
    average = talib.SMA(whole["close"], 50)[-len(slots) :]
    top, bottom = max(bars["high"].max(), average.max()), min(bars["low"].min(), average.min())
    up = bars["close"] >= bars["open"]
    for name, which in (("up", up), ("down", ~up)):
        (path,) = re.findall(rf'<path class="{name}" d="(.*?)"/>', html)
        strokes = np.array(
            [[float(x) for x in one] for one in re.findall(r"M(\S+) (\S+?)V(\S+?)(?=M|$)", path)]
        )
        np.testing.assert_array_equal(strokes[:, 0], slots[which] * 4 + 2)
        # The heights of 128 units are the range of prices.
        prices = top - (strokes[:, 1:] - 2) / 128 * (top - bottom)
        unit = (top - bottom) / 128
        np.testing.assert_allclose(prices[:, 0], bars["high"][which], atol=unit * 0.06)
        np.testing.assert_allclose(prices[:, 1], bars["low"][which], atol=unit * 0.06)


def test_scan_writes_charts(example_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    done = run("scan", "rsi(14) > 85", "--data", example_data, "--limit", "3", "--charts", folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == f"charts of all 3 matches: {folder}/index.html"
    assert len(list(folder.glob("*.html"))) == 4
    assert done.stdout.startswith("symbol")
    none = run("scan", "rsi(14) > 100", "--data", example_data, "--charts", tmp_path / "none")
    assert none.returncode == 0, none.stderr
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["index.html"]
    text = unescape((tmp_path / "none" / "index.html").read_text())
    assert "No match: there is nothing to draw." in text
    assert "rsi(14) > 100" in text


def test_a_folder_that_cannot_be_is_refused_before_anything_is_written(
    example_data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    for folder in (file, file / "below"):
        refused(
            2,
            *("scan", "rsi(14) > 85", "--data", example_data, "--charts", folder),
            says=f"cannot write charts to {folder}: it is not a folder",
        )
    assert file.read_text() == "mine"
    # A page of that name which is a folder: it stays, and so does all that is in it.
    (tmp_path / "charts" / "index.html").mkdir(parents=True)
    done = run("scan", "rsi(14) > 100", "--data", example_data, "--charts", tmp_path / "charts")
    assert done.returncode == 2
    assert f"cannot write {tmp_path}/charts/index.html: Is a directory" in done.stderr
    bad = run("scan", "rsy(14) > 1", "--data", example_data, "--charts", tmp_path / "unmade")
    assert bad.returncode == 2
    assert not (tmp_path / "unmade").exists()


def test_what_compares_all_symbols_is_marked_as_scans_find_it(market: Market) -> None:
    condition = "rank(roc(20)) <= 600 and close > sma(10)"
    data = data_of(market.chart("NVDA", condition=condition).html)
    held = np.array(data["held"], float)
    assert 20 < np.count_nonzero(held == 1.0) < 200
    assert not np.isnan(held).any()
    days = [dt.date.fromisoformat(day) for day in data["days"]]
    for day, holds in list(zip(days, held, strict=True))[25::40]:
        assert holds == ("NVDA" in market.scan(condition, as_of=day).symbols)
    # What has values of its own is drawn; a rank in the market has none of a symbol's bars.
    assert list(lines_of(market.chart("NVDA", condition=condition).html)) == ["sma(10)"]
    early = dt.date(2016, 3, 31)
    part = data_of(market.chart("NVDA", condition=condition, as_of=early, bars=50).html)
    assert len(part["held"]) == 50
    running = data_of(market.chart("NVDA", condition="weekly(close > open, running)").html)
    assert running["held"] is None


# What is beside the lines


def test_pages_lead_to_the_sheet_and_to_the_matches_beside(market: Market, tmp_path: Path) -> None:
    hits = market.scan("close > sma(50)", limit=3)
    charts_of(hits, market, tmp_path, "splits", lambda _: None)
    names = [page_name(symbol) for symbol in hits.symbols]
    for place, name in enumerate(names):
        tags = Reader((tmp_path / name).read_text()).tags
        links = {at["class"]: at["href"] for tag, at in tags if tag == "a" and "class" in at}
        beside = {"before": names[place - 1] if place else None, "sheet": "index.html"}
        beside["after"] = names[place + 1] if place + 1 < len(names) else None
        assert links == {key: value for key, value in beside.items() if value}
    assert "<nav>" not in market.chart("AAPL").html


def test_the_head_says_what_the_last_bar_did(market: Market) -> None:
    close = series("AAPL")["close"]
    text = Reader(market.chart("AAPL").html).text
    assert f"{close[-1]:.2f} {100 * (close[-1] / close[-2] - 1):+.2f}%" in text
    assert "NASDAQ" in text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(1.234e12, "$1.23T"), (5.67e10, "$56.7B"), (1e6, "$1M"), (999_999.0, "$999,999")],
)
def test_market_caps_in_few_characters(dollars: float, text: str) -> None:
    assert short_dollars(dollars) == text


def test_splits_dividends_and_suspicious_bars_are_marked(market: Market) -> None:
    """As the source's own file of actions and the rules tell them."""
    actions = pl.read_parquet(EXAMPLE / "actions.parquet")
    mine = actions.filter(pl.col("symbol") == "AAPL", pl.col("kind") == "dividend")
    events = data_of(market.chart("AAPL").html)["events"]
    paid = [(one["day"], one["kind"], one["text"]) for one in events]
    assert paid == [
        (f"{day}", "dividend", f"dividend {cash:g}")
        for day, cash in mine.sort("ex_date").select("ex_date", "cash").iter_rows()
    ]
    splits = actions.filter(pl.col("kind") == "split", pl.col("symbol") == "CHD")
    marked = data_of(market.chart("CHD").html)["events"]
    assert [one["day"] for one in marked if one["kind"] == "split"] == [
        f"{day}" for day in splits["ex_date"]
    ]
    (suspicious,) = (
        one for one in data_of(market.chart("IDXG").html)["events"] if one["kind"] == "suspicious"
    )
    assert suspicious["day"] == "2016-12-29"
    assert suspicious["text"].startswith("missing split: from ")


def test_shapes_bands_and_guides(market: Market) -> None:
    lines = ["bbands(20, 2)", "macd(12, 26, 9)", "rsi(14)"]
    panes = data_of(market.chart("AAPL", lines, "rsi(14) < 50").html)["panes"]
    drawn = {line["label"]: (line["shape"], line["band"]) for p in panes for line in p["lines"]}
    assert drawn == {
        "bbands(20, 2).upper": ("line", 0),
        "bbands(20, 2).middle": ("line", None),
        "bbands(20, 2).lower": ("line", 0),
        "macd(12, 26, 9)": ("line", None),
        "macd(12, 26, 9).signal": ("line", None),
        "macd(12, 26, 9).hist": ("bars", None),
        "rsi(14)": ("line", None),
    }
    (rsi,) = (pane for pane in panes if any(line["label"] == "rsi(14)" for line in pane["lines"]))
    assert (rsi["levels"], rsi["guides"]) == ([50.0], [30.0, 70.0])


def test_the_command_writes_a_page(example_data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run("chart", "AAPL", "sma(50)", "--data", example_data, "--output", page)
    assert done.returncode == 0
    assert f"{page}: AAPL, 252 bars" in done.stdout
    assert list(lines_of(page.read_text())) == ["sma(50)"]
    refused(2, "chart", "AAPLE", "--data", example_data, says="AAPL")
    refused(2, "chart", "AAPL", "nonsense(3)", "--data", example_data, says="nonsense")
