"""A morning with the page, from an empty field to a saved condition and a sync, on each screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from marketsweep.ingest.sandbox.launch import running as sandbox
from marketsweep.ingest.sync import sync
from marketsweep.store.store import Store
from tests.helpers.two_months import FIRST, LAST, Files
from tests.serve.conftest import running
from tests.serve.test_page import Visit, browser, cells, number, shown, type_condition

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["browser"]  # a fixture

WANTED = "close > sma(20) and rsi(14) > 55"


def typed(page: Page) -> None:
    """Type a condition with a mistake, mend it by a click, and run it."""
    type_condition(page, "close > sm")
    page.locator("#condition .cm-tooltip-autocomplete li").first.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.type("20")
    page.keyboard.press("Tab")
    page.keyboard.type(" and rzi(14) > 55")
    page.locator("#condition .fault").first.wait_for()
    page.locator("#answer .suggestion").first.click()
    shown(page, WANTED)  # a preview
    page.locator("#run").click()
    page.wait_for_url("**q=**")


def ordered(page: Page, *, narrow: bool) -> None:
    """Add a column, and sort by it."""
    if narrow:
        page.click("#receipt-line")
    page.locator("#adder .cm-content").click()
    page.keyboard.type("roc(5)")
    page.keyboard.press("Enter")
    page.wait_for_url("**column=**")
    page.wait_for_selector('#sorter option:has-text("roc(5)")', state="attached")
    if narrow:
        page.click("#receipt-line")
        page.select_option("#sorter", '["roc(5)",""]')
    else:
        page.locator("#grid .head button", has_text="roc(5)").click()
    page.wait_for_url("**sort=**")
    page.wait_for_selector("#grid:not(.stale)")
    page.wait_for_function("document.querySelector('#grid .row[data-symbol] .given:last-child')")
    values = [number(text) for text in cells(page, 8)]
    assert values == sorted(values, reverse=True)
    assert len(values) > 5


def studied(page: Page) -> None:
    """Look at the first match: its chart, why it matches, and what followed such matches."""
    page.locator("#grid .row[data-symbol]").first.click()
    page.wait_for_selector("#chart[data-drawn] canvas")
    page.wait_for_selector("#panel[data-done=explain] .tree")
    assert page.locator("#panel .truth.yes").count() >= 3
    page.click("#tab-record")
    page.wait_for_selector("#panel[data-done=record] .record")
    page.click("#tab-history")
    page.wait_for_selector("#panel[data-done=history] .history")
    page.locator("#who").get_by_role("button", name="Close").click()
    page.wait_for_selector("#detail", state="hidden")


def kept(page: Page) -> None:
    """Save the condition, and go to the session before."""
    page.click("#save")
    page.fill("#save-menu input >> nth=0", "my_morning")
    page.click("#save-menu button[type=submit]")
    page.wait_for_selector("#save-menu", state="hidden")
    page.get_by_label("Previous session").click()
    page.wait_for_url("**as_of=**")
    page.wait_for_selector("#grid:not(.stale)")


def synced(page: Page) -> None:
    """Fetch the sessions that are missing, and watch it."""
    page.click("#stored")
    page.click("#data .sync button")
    page.wait_for_selector("#data .sync:has-text('Done')")
    page.wait_for_selector(f"#data :text('{LAST}')")
    page.click("#stored")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_morning(
    browser: Browser, files: Files, tmp_path: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    data = tmp_path / "data"
    with Store.create(data) as store:
        sync(store, files.provider(), FIRST, files.days[35])
    with sandbox(files.settings()) as url:
        for server in running(data, "--base-url", url, MASSIVE_API_KEY="sandbox"):
            visit = Visit(browser, server.url, color_scheme=scheme, has_touch=width < 720)
            visit.page.set_viewport_size({"width": width, "height": 860})
            page = visit.open()
            typed(page)
            ordered(page, narrow=width < 720)
            studied(page)
            kept(page)
            synced(page)
            # Rows that wait are pale, and new ones flash: neither is how the page looks.
            page.wait_for_selector("#grid:not(.stale)", state="attached")
            page.wait_for_selector("#funnel:not(.stale)", state="attached")
            page.wait_for_timeout(600)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert axe.run(page).response["violations"] == []
            visit.context.close()
            assert visit.faults == []
            assert visit.foreign == []
            assert server.get("status").json["last"] == f"{LAST}"
            assert "my_morning" in {row["name"] for row in server.get("presets").json}
