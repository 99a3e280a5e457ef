"""The page of a server that asks for a token, in a browser."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serve.conftest import running
from tests.serve.test_access import token
from tests.serve.test_page import Visit, browser, link, shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser"]  # a fixture


def test_the_page_asks_for_a_token_and_signs_out(
    browser: Browser, real: Path, tmp_path: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    data = tmp_path / "data"
    shutil.copytree(real, data)
    secret = token(data, "scan", "--name", "alice")
    for server in running(data, "--name", "scanner.example.org"):
        visit = Visit(browser, server.url)
        page = visit.page
        page.goto(server.url + link("nr7"))
        page.fill("#token", "ms_wrong")
        page.press("#token", "Enter")
        page.wait_for_selector("#token-fault:not(:empty)")
        assert axe.run(page).response["violations"] == []
        assert page.locator("#split").evaluate("one => one.closest('[inert]') !== null")
        page.fill("#token", secret)
        page.click("text=Sign in")
        shown(page, "nr7")
        assert page.locator("#token").count() == 0
        assert secret not in page.evaluate("document.cookie + JSON.stringify(localStorage)")
        page.click("#stored")
        page.wait_for_selector("#data >> text=Signed in with the token alice (scan).")
        page.click("#data .primary")  # a sync needs a token of scope admin
        page.wait_for_selector("#data .loss >> text=scope admin")
        page.click("text=Sign out")
        page.wait_for_selector("#token")
        visit.context.close()
        refused = [text for text in visit.faults if "status of 401" in text or "403" in text]
        assert visit.faults == refused
