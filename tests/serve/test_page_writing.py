"""What the page changes, in a browser: a condition is saved, and a sync is started and followed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import marketsweep as ms
from marketsweep.ingest.sandbox.launch import running as sandbox
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.two_months import FIRST, LAST, Files
from tests.serve.conftest import Server, running
from tests.serve.test_page import Visit, browser, link, shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]  # a fixture


def test_a_condition_is_saved_and_found_among_the_presets(
    browser: Browser, own_server: Server
) -> None:
    visit = Visit(browser, own_server.url)
    text = "rsi(2) < 10 and close > sma(200)"
    page = visit.open(link(text))
    page.click("#save")
    page.fill("#save-menu input >> nth=0", "a/b")
    page.press("#save-menu input >> nth=0", "Enter")
    page.wait_for_selector("#save-menu .loss >> text=letters a to z")
    page.fill("#save-menu input >> nth=0", "nr7")
    page.press("#save-menu input >> nth=0", "Enter")
    page.wait_for_selector("#save-menu .loss >> text=preset")

    page.fill("#save-menu input >> nth=0", "page_dip")
    page.fill("#save-menu input >> nth=1", "A dip to buy.")
    page.click("#save-menu button[type=submit]")
    page.wait_for_selector("#save-menu", state="hidden")
    page.click("#presets")
    page.fill("#preset-menu input", "page_dip")
    page.click("#preset-menu li button")
    shown(page, text)
    saved = {"name": "page_dip", "doc": "A dip to buy.", "condition": text, "own": True}
    assert saved in own_server.get("presets").json

    page.click("#presets")
    page.fill("#preset-menu input", "page_dip")
    with ms.open(own_server.data) as market:
        matched = f"{market.scan(text).matched:,}"
    page.wait_for_selector(f"#preset-menu li .number:text-is('{matched}')")
    page.click("#preset-menu .delete")  # the first click asks
    assert saved in own_server.get("presets").json
    page.click("#preset-menu .delete")
    page.wait_for_selector("#preset-menu .note >> text=page_dip is deleted")
    assert saved not in own_server.get("presets").json
    page.click("#preset-menu .note button")
    page.wait_for_selector("#preset-menu .delete")
    assert saved in own_server.get("presets").json
    visit.context.close()
    assert visit.faults == []


def test_a_universe_is_built_used_and_deleted(browser: Browser, own_server: Server) -> None:
    visit = Visit(browser, own_server.url)
    page = visit.open(link("close > 0"))
    shown(page, "close > 0")
    page.click("#universe-edit")
    facts = 'exchange == "NYSE"'
    box = page.locator("#universe-menu")
    box.get_by_label("name").fill("page_large")
    box.get_by_label("facts").fill(facts)
    box.get_by_label("price").fill("50")
    with ms.open(own_server.data) as market:
        matched = f"{market.scan('close >= 50', where=facts).matched:,}"
    page.wait_for_selector(f"#universe-menu >> text=about {matched} symbols")
    box.get_by_label("facts").fill("exchang")
    page.wait_for_selector("#universe-menu .loss >> text=exchang")
    box.get_by_label("facts").fill(facts)
    page.wait_for_selector(f"#universe-menu >> text=about {matched} symbols")
    page.click("#universe-menu button[type=submit]")
    page.wait_for_selector(f"#answer >> text={matched}")
    assert visit.query["universe"] == ["page_large"]
    page.click("#universe-edit")
    page.click("#universe-menu .delete")
    page.click("#universe-menu .delete")
    page.wait_for_selector("#universe option[value=page_large]", state="detached")
    assert "page_large" not in (own_server.data / "universe.toml").read_text()
    visit.context.close()
    assert visit.faults == []


def test_new_matches_and_those_that_left_are_listed(browser: Browser, server: Server) -> None:
    visit = Visit(browser, server.url)
    page = visit.open(link("nr7", as_of="2016-12-30"))
    page.wait_for_selector("#changes-line span")
    with ms.open(server.data) as market:
        now = set(market.scan("nr7", as_of="2016-12-30").symbols)
        before = set(market.scan("nr7", as_of="2016-12-29").symbols)
    counts = re.findall(r"[\d,]+", page.inner_text("#changes-line"))
    assert counts == [f"{len(now - before):,}", f"{len(before - now):,}"]
    page.click("#changes-line")
    lists = page.locator("#changes p:has(b)")
    assert set(lists.nth(0).locator("button").all_inner_texts()) == now - before
    assert set(lists.nth(1).locator("button").all_inner_texts()) == before - now
    visit.context.close()
    assert visit.faults == []


def test_a_sync_is_started_and_its_data_is_shown(
    browser: Browser, files: Files, tmp_path: Path
) -> None:
    data, day = tmp_path / "data", files.days[30]
    with Store.create(data) as store:
        sync(store, files.provider(), FIRST, day)
    with sandbox(files.settings()) as url:
        for server in running(data, "--base-url", url, MASSIVE_API_KEY="sandbox"):
            visit = Visit(browser, server.url)
            page = visit.open(link("close > 0"))
            assert f"{day}" in page.inner_text("#stored")
            page.click("#stored")
            page.click("#data .sync button")
            page.wait_for_selector("#data .sync:has-text('Done')", timeout=60_000)
            page.wait_for_selector(f"#stored:has-text('{LAST}')")
            page.wait_for_selector("#grid:not(.stale)")
            visit.context.close()
            assert visit.faults == []
            assert server.get("status").json["last"] == f"{LAST}"


def test_a_sync_without_a_key_says_what_to_do(browser: Browser, own_server: Server) -> None:
    visit = Visit(browser, own_server.url)
    page = visit.open("/")
    page.click("#stored")
    page.click("#data .sync button")
    page.wait_for_selector("#data .loss")
    assert "MASSIVE_API_KEY" in page.inner_text("#data .loss")
    assert "252 sessions" in page.inner_text("#data table")
    visit.context.close()
    assert visit.faults == []
