"""Pages of charts in Chromium, off the network: they draw, answer the mouse, and run no one's text.

Skipped where there is no Chromium (Debian: apt-get install chromium) or no playwright
(pip install -e '.[browser]'); what pages hold is tested without them in `test_charts`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from marketsweep.market import Market
from marketsweep.output.charts.study_page import study_page
from tests.helpers.markets import charts_of, example_bars
from tests.output.test_charts import HOSTILE, hostile

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Error, Page, Request

__all__ = ["hostile"]  # a fixture

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
LAST = date(2016, 12, 30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        launched = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page off the network; what it asks for, throws or complains of is a failure."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    opened = context.new_page()
    troubles: list[str] = []

    def complained(message: ConsoleMessage) -> None:
        if message.type == "error":  # what the page's policy has refused is one as well
            troubles.append(message.text)

    def threw(error: Error) -> None:
        troubles.append(str(error))

    def asked(dialog: Dialog) -> None:
        troubles.append(dialog.message)
        dialog.dismiss()

    def fetched(request: Request) -> None:
        if not request.url.startswith("file:"):
            troubles.append(request.url)

    opened.on("console", complained)
    opened.on("pageerror", threw)
    opened.on("dialog", asked)
    opened.on("request", fetched)
    yield opened
    context.close()
    assert not troubles


def legend(page: Page, pane: int) -> str:
    return " ".join(page.locator(".legend").nth(pane).all_inner_texts()).replace("\n", " ")


def drawn(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-drawn]")


def colours(page: Page, name: str) -> int:
    """How many pixels of all canvases have a colour of the page's."""
    found = page.evaluate(
        """(name) => {
          const style = getComputedStyle(document.documentElement);
          const hex = style.getPropertyValue("--" + name).trim().slice(1);
          const colour = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)).concat(255);
          let count = 0;
          for (const canvas of document.querySelectorAll("canvas")) {
            const { width, height } = canvas;
            if (!width || !height) continue;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            for (let i = 0; i < data.length; i += 4)
              if (colour.every((value, j) => data[i + j] === value)) count++;
          }
          return count;
        }""",
        name,
    )
    return int(found)


def test_a_page_draws_and_follows_the_mouse(market: Market, page: Page, tmp_path: Path) -> None:
    chart = market.chart("AAPL", ["sma(50)", "stoch(14, 3, 3)"], "rsi(14) < 35 and volume > 40M")
    chart.save(tmp_path / "AAPL.html")
    drawn(page, tmp_path / "AAPL.html")
    assert page.get_attribute("body", "data-drawn") == "4"
    bars = example_bars().filter(pl.col("symbol") == "AAPL")
    (last,) = bars.filter(pl.col("date") == LAST).rows(named=True)
    assert f"2016-12-30 open {last['open']:.2f} high {last['high']:.2f}" in legend(page, 0)
    assert f"volume {last['volume'] / 1e6:.2f}M" in legend(page, 1)
    assert legend(page, 2).startswith("rsi(14) ")
    assert legend(page, 3).startswith("stoch(14, 3, 3).k ")
    for name in ("up", "down", "line-0", "line-1", "mark"):
        assert colours(page, name) > 20, name

    box = page.locator("#chart").bounding_box()
    assert box
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.wait_for_function("!document.querySelector('.legend').innerText.startsWith('2016-12-30')")
    shown = date.fromisoformat(legend(page, 0)[:10])
    (bar,) = bars.filter(pl.col("date") == shown).rows(named=True)
    assert f"low {bar['low']:.2f} close {bar['close']:.2f}" in legend(page, 0)
    assert shown < date(2016, 6, 1)


def test_a_page_follows_dark_and_light(market: Market, page: Page, tmp_path: Path) -> None:
    market.chart("AAPL").save(tmp_path / "AAPL.html")
    page.emulate_media(color_scheme="light")
    drawn(page, tmp_path / "AAPL.html")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert colours(page, "up") > 20
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 28)"
    page.wait_for_timeout(300)
    assert colours(page, "up") > 20
    assert colours(page, "back") > 1000


@pytest.mark.parametrize("symbol", ["SD", "HOPE", "PRN"])
def test_holes_renames_and_short_histories_draw(
    market: Market, page: Page, tmp_path: Path, symbol: str
) -> None:
    market.chart(symbol, "sma(20), rsi(14)", "close > sma(20)").save(tmp_path / "one.html")
    drawn(page, tmp_path / "one.html")
    assert legend(page, 0).startswith("2016-12-30 open")
    assert colours(page, "up") > 5


def test_the_sheet_leads_to_the_pages(market: Market, page: Page, tmp_path: Path) -> None:
    hits = market.scan("close > sma(50)", limit=8)
    index = charts_of(hits, market, tmp_path, "splits", lambda _: None)
    page.goto(index.as_uri())
    assert page.locator("svg").count() == 8
    boxes = [picture.bounding_box() for picture in page.locator("svg").all()]
    assert all(box and box["width"] > 200 and box["height"] > 80 for box in boxes)
    page.locator("main a").nth(3).click()
    page.wait_for_selector("body[data-drawn]")
    assert page.locator("h1").inner_text().startswith(hits.symbols[3])


def test_keys_lead_from_match_to_match(market: Market, page: Page, tmp_path: Path) -> None:
    hits = market.scan("close > sma(50)", limit=3)
    index = charts_of(hits, market, tmp_path, "splits", lambda _: None)
    page.goto(index.as_uri())
    page.locator("main a").first.click()
    for key, symbol in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1)):
        page.wait_for_selector("body[data-drawn]")
        page.keyboard.press(key)
        page.wait_for_function(
            f"document.querySelector('h1').innerText.startsWith('{hits.symbols[symbol]}')"
        )
    page.wait_for_selector("body[data-drawn]")
    page.keyboard.press("Escape")
    page.wait_for_selector("main")


def test_the_sheet_sorts_and_filters(market: Market, page: Page, tmp_path: Path) -> None:
    hits = market.scan("close > sma(50)", columns="rsi(14), name, last_split", limit=12)
    index = charts_of(hits, market, tmp_path, "splits", lambda _: None)
    page.goto(index.as_uri())

    def shown() -> list[str]:
        return [b.inner_text() for b in page.locator("main a:visible b").all()]

    assert shown() == hits.symbols
    page.select_option("select[name=sort]", label="rsi(14)")
    values = dict(zip(hits.symbols, hits.values["rsi(14)"].tolist(), strict=True))
    assert shown() == sorted(hits.symbols, key=lambda symbol: -values[symbol])
    page.select_option("select[name=sort]", label="name")
    page.uncheck("input[name=descending]")
    names = dict(zip(hits.symbols, hits.values["name"].tolist(), strict=True))
    # A symbol without a name comes last.
    assert shown() == sorted(hits.symbols, key=lambda s: (names[s] is None, str(names[s]).lower()))
    page.select_option("select[name=sort]", label="symbol")
    assert shown() == sorted(hits.symbols)
    page.fill("input[name=filter]", hits.symbols[4].lower())
    assert hits.symbols[4] in shown()
    assert len(shown()) < 12


def test_ranges_and_the_logarithmic_scale(market: Market, page: Page, tmp_path: Path) -> None:
    market.chart("IDXG", "bbands(20, 2)").save(tmp_path / "one.html")
    drawn(page, tmp_path / "one.html")
    log = page.locator("#tools button", has_text="Log")
    assert log.get_attribute("aria-pressed") == "true"  # the prices are more than 4 times apart
    log.click()
    assert log.get_attribute("aria-pressed") == "false"
    before = colours(page, "up")
    page.locator("#tools button", has_text="1M").click()
    page.wait_for_timeout(200)
    assert colours(page, "up") != before
    assert page.locator("#tools button[aria-pressed=true]").inner_text() == "1M"


@pytest.mark.parametrize("width", [360, 1200])
def test_no_candle_lies_under_the_legend(
    market: Market, page: Page, tmp_path: Path, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    market.chart("AAPL", ["bbands(20, 2)", "sma(50)", "sma(200)"]).save(tmp_path / "one.html")
    drawn(page, tmp_path / "one.html")
    page.wait_for_timeout(200)
    legend_box = page.locator(".legend").first.bounding_box()
    assert legend_box
    highest = page.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const hex = (name) => style.getPropertyValue(name).trim().slice(1);
          const parts = (text) => [0, 2, 4].map((i) => parseInt(text.slice(i, i + 2), 16));
          const wanted = ["--up", "--down"].map((name) => parts(hex(name)));
          let best = 1e9;
          for (const canvas of [...document.querySelectorAll("canvas")].slice(0, 2)) {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            for (let i = 0; i < data.length; i += 4)
              if (wanted.some((c) => c.every((v, j) => data[i + j] === v)))
                best = Math.min(best, Math.floor(i / 4 / width) * canvas.clientHeight / height);
          }
          return best + document.querySelector("#chart").getBoundingClientRect().top;
        }"""
    )
    assert highest >= legend_box["y"] + legend_box["height"]


def test_hostile_names_stay_text(hostile: Market, page: Page, tmp_path: Path) -> None:
    with hostile as market:
        hits = market.scan('close > sma(5) and symbol != "<img src=x onerror=alert(3)>"')
        index = charts_of(hits, market, tmp_path / "charts", "splits", lambda _: None)
    assert len(hits) == len(HOSTILE)
    for path in sorted(index.parent.iterdir()):
        page.goto(path.as_uri())
        if path != index:
            page.wait_for_selector("body[data-drawn]")
        assert page.locator("img").count() == 0


def test_a_notebook_shows_it_in_a_frame(market: Market, page: Page, tmp_path: Path) -> None:
    chart = market.chart("AAPL", "rsi(14)")
    notebook = tmp_path / "notebook.html"
    notebook.write_text(f"<!doctype html><p>{escape(repr(chart))}</p>{chart._repr_html_()}")
    page.goto(notebook.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("body[data-drawn='3']").wait_for()
    assert "AAPL" in frame.locator("h1").inner_text()


@pytest.mark.parametrize("width", [1200, 400])
def test_the_page_of_a_study_fits_its_window(
    market: Market, page: Page, tmp_path: Path, width: int
) -> None:
    study = market.study("close crosses above sma(50)", exclude_suspect=True)
    (tmp_path / "study.html").write_text(study_page(study))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto((tmp_path / "study.html").as_uri())
    assert page.locator("svg").count() == 7
    for box in (chart.bounding_box() for chart in page.locator("svg").all()):
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
