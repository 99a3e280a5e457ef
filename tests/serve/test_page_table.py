"""What a reader of many rows needs, in a browser: room, a colour scale, and any symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.serve.test_page import CONDITION, Visit, browser, link, shown, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.serve.conftest import Server

__all__ = ["browser", "visit"]  # fixtures

MANY = " and ".join(
    [f"rsi({n}) < {60 + n}" for n in range(5, 25)]
    + [f"close > sma({n}) * 0.5" for n in range(10, 210, 10)]
)


def test_thirty_rows_are_in_view_on_a_laptop(visit: Visit) -> None:
    page = visit.open(link("close > 1"))
    whole = page.locator("#grid").evaluate(
        """grid => {
            const top = grid.querySelector('.head').getBoundingClientRect().bottom - 1;
            const bottom = grid.getBoundingClientRect().bottom + 1;
            return [...grid.querySelectorAll('.body .row')].map(row => row.getBoundingClientRect())
                .filter(place => place.top >= top && place.bottom <= bottom).length;
        }"""
    )
    assert whole >= 30


@pytest.mark.parametrize("width", [390, 721, 768, 1024, 1180, 1181, 1280, 1440])
def test_nothing_is_wider_than_the_window(browser: Browser, server: Server, width: int) -> None:
    visit = Visit(browser, server.url)
    visit.page.set_viewport_size({"width": width, "height": 800})
    page = visit.open(link(symbol="AAPL"))
    shown(page, CONDITION)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.locator(".top > *, .ask > *, .bar .tools").evaluate_all(
        "all => all.filter(x => x.getBoundingClientRect().right > innerWidth + 1).map(x => x.id)"
    )
    assert outside == []
    visit.context.close()


def test_a_colour_scale_follows_the_values_of_all_matches(visit: Visit, server: Server) -> None:
    page = visit.open(link("close > 1"))
    page.fill("#adder .cm-content", "rsi(14)")
    page.keyboard.press("Enter")
    page.wait_for_selector("#grid .head >> text=rsi(14)")
    page.select_option("#colour", "rsi(14)")
    page.wait_for_selector("#grid .shaded")
    page.wait_for_url("**colour=**")
    answer = server.get("scan", condition="close > 1", columns="rsi(14)", limit=20000).json
    every = [row["values"]["rsi(14)"] for row in answer["matches"]]
    known = np.array([x for x in every if x is not None])
    low, high = np.quantile(known, 0.02), np.quantile(known, 0.98)
    painted = page.locator("#grid .shaded").evaluate_all(
        "all => all.map(x => [+x.lastChild.textContent.replace('~', ''),"
        " parseInt(x.style.getPropertyValue('--depth'))])"
    )
    assert len(painted) >= 30
    painted.sort()
    depths = [depth for _, depth in painted]
    assert depths == sorted(depths), "a larger value has a paler colour"
    for value, depth in painted:
        inner = (value - low) / (high - low)
        assert 0 <= depth <= 45
        assert not (inner < -0.1 and depth > 0)
        assert not (inner > 1.1 and depth < 45)
    middle = float(np.median(known))
    near = [depth for value, depth in painted if abs(value - middle) < 0.02 * (high - low)]
    assert all(18 <= depth <= 27 for depth in near), "the middle value has the middle colour"

    page.select_option("#colour", "")
    page.wait_for_selector("#grid .shaded", state="detached")


def test_the_colours_of_changes_have_a_second_cue(visit: Visit) -> None:
    page = visit.open(link("close > 1", colour="roc(1)"))
    page.wait_for_selector("#grid .shaded")
    wrong = page.locator("#grid .shaded").evaluate_all(
        "all => all.map(x => [x.className, x.textContent])"
        ".filter(([name, text]) => name.includes('falls') !== text.includes('−'))"
    )
    assert wrong == []


def test_any_symbol_is_reached_by_ticker_or_name(visit: Visit, server: Server) -> None:
    page = visit.open(link("rsi(14) < 5"))
    page.locator("#grid").focus()
    page.keyboard.press("g")
    page.keyboard.type("aapl")
    page.keyboard.press("Enter")
    page.wait_for_url("**symbol=AAPL**")
    page.wait_for_selector("#chart[data-drawn=AAPL]")
    page.wait_for_selector("#panel >> text=AAPL does not match")

    (named,) = server.get("symbols", q="Cabela", limit=5).json["symbols"]
    page.fill("#goto-field", "Cabela")
    page.wait_for_selector(f"#symbols option[value={named['symbol']}]", state="attached")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#chart[data-drawn={named['symbol']}]")

    page.fill("#goto-field", "NOTATHING")
    page.keyboard.press("Enter")
    page.wait_for_selector("#goto-field[aria-invalid=true]")
    assert "NOTATHING" in str(page.locator("#goto-field").get_attribute("title"))


def test_a_day_that_does_not_exist_is_refused(visit: Visit) -> None:
    page = visit.open(link())
    shown(page, CONDITION)
    page.fill("#day", "2016-02-30")
    page.keyboard.press("Enter")
    page.wait_for_selector("#day[aria-invalid=true]")
    assert "as_of" not in visit.query
    page.fill("#day", "2030-01-01")
    page.keyboard.press("Enter")
    page.wait_for_selector("#day[aria-invalid=true]")
    assert "as_of" not in visit.query
    page.fill("#day", "2016-02-29")
    page.keyboard.press("Enter")
    page.wait_for_url("**as_of=2016-02-29**")
    assert page.locator("#day").get_attribute("aria-invalid") == "false"


def test_forty_clauses_leave_the_candles_and_all_panes_readable(visit: Visit) -> None:
    page = visit.open(link(MANY, symbol="AAPL"))
    page.wait_for_selector("#chart[data-drawn=AAPL]")
    page.wait_for_selector("#chart .legend >> text=and 14 more")
    legend, height = page.locator("#chart").evaluate(
        "box => [box.querySelector('.legend'), box.querySelector('.legend').parentElement]"
        ".map(x => x.offsetHeight)"
    )
    assert legend < height / 2
    least = page.locator("#chart .legend").evaluate_all(
        "all => Math.min(...all.map(x => x.parentElement.offsetHeight))"
    )
    assert least > 30
    page.locator("#chart").evaluate("box => { box.scrollTop = 1e6; }")
    assert page.locator("#chart").evaluate("box => box.scrollTop") > 500


def test_an_error_of_where_is_shown_whole(visit: Visit) -> None:
    page = visit.open(link(where='sectorr == "Technology" and exchange == "NYSE"'))
    page.wait_for_selector("#answer.wrong")
    cut = page.locator("#answer > span").evaluate_all(
        "all => all.filter(x => x.scrollWidth > x.clientWidth + 1).map(x => x.textContent)"
    )
    assert cut == []
    assert page.locator("#answer").evaluate("x => x.scrollHeight <= x.clientHeight + 1")


def test_an_empty_universe_says_which_fact_is_missing(visit: Visit) -> None:
    page = visit.open(link(universe="common"))
    page.wait_for_selector("#state")
    text = page.locator("#state").inner_text()
    assert 'type == "CS"' in text
    assert "does not have this fact" in text


def test_the_history_lists_what_entered_and_left(visit: Visit, server: Server) -> None:
    page = visit.open(link("golden_cross"))
    page.locator("#grid").focus()
    page.keyboard.press("h")
    page.wait_for_selector("#panel[data-done=history]")
    newest = server.get("history", condition="golden_cross", sessions=20).json["sessions"][::-1]
    rows = page.locator("#panel .history tbody tr")
    assert rows.count() == len(newest) == 20
    for at in (0, 7):
        matched, entered, left = rows.nth(at).locator("td").all_inner_texts()
        assert int(matched) == newest[at]["matched"]
        assert entered.split()[1:] == newest[at]["entered"]
        assert left.split()[1:] == newest[at]["left"]
    wanted = newest[0]["left"][0]
    rows.nth(0).get_by_role("button", name=wanted, exact=True).click()
    page.wait_for_selector(f"#chart[data-drawn={wanted}]")
    rows.nth(7).locator("th button").click()
    page.wait_for_url(f"**as_of={newest[7]['day']}**")
    page.wait_for_selector("#panel[data-done=history]:not(.stale)")
