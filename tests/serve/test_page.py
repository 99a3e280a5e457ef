"""The page in a browser, over a running server of the example market."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.serve.conftest import Server

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CONDITION = "close > sma(50) and rsi(14) > 55"

pytest.importorskip("playwright")
if not CHROMIUM:
    pytest.skip("there is no browser", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Visit:
    """A page, what it complained about, and what it asked other hosts for."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:  # noqa: ANN401
        self.url = url
        self.context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda told: self._heard(told.type, told.text))
        self.page.on("request", lambda request: self._asked(request.url))

    def _heard(self, kind: str, text: str) -> None:
        # The browser reports each refused condition, which is no fault of the page.
        if kind in ("error", "warning") and "status of 422" not in text:
            self.faults.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url, "data:")):
            self.foreign.append(url)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.url + path)
        self.page.wait_for_selector("body[data-ready=true]")
        return self.page

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.page.url).query)


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    one = Visit(browser, server.url)
    yield one
    one.context.close()
    assert one.faults == []
    assert one.foreign == []


def link(condition: str = CONDITION, **more: str) -> str:
    return "/?" + "&".join(
        f"{name}={quote(text)}" for name, text in {"q": condition, **more}.items()
    )


def shown(page: Page, condition: str) -> None:
    """Wait until the table shows the matches of a condition."""
    page.wait_for_selector(f"#grid[data-shown={quoted(condition)}]:not(.stale)", state="attached")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def cells(page: Page, at: int) -> list[str]:
    """Return the texts of a column in the order of the rows."""
    rows = page.locator("#grid .body .row")
    found = rows.evaluate_all(
        "(rows, at) => rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
        ".map(row => row.children[at]?.lastChild?.textContent ?? '')",
        at,
    )
    return [str(text) for text in found]


def number(text: str) -> float:
    return float(re.sub(r"[^\d.−-]", "", text).replace("−", "-"))


def type_condition(page: Page, text: str) -> None:
    page.locator("#condition .cm-content").click()
    page.keyboard.type(text)


def test_without_a_condition_the_page_shows_all_symbols(visit: Visit, server: Server) -> None:
    page = visit.open()
    shown(page, "close > 0")
    all_symbols = server.get("scan", condition="close > 0", limit=0).json["matched"]
    assert page.locator("#answer b").inner_text() == f"{all_symbols:,} symbols"
    assert page.locator("#grid").get_attribute("aria-rowcount") == str(all_symbols + 1)
    assert page.locator("#starters button").count() == 4
    assert page.locator("#stored").inner_text().startswith("252 sessions")


def test_typing_shows_a_preview_and_enter_runs_it(visit: Visit, server: Server) -> None:
    page = visit.open()
    type_condition(page, CONDITION)
    shown(page, CONDITION)
    assert visit.query.get("q") is None  # a preview is no step of the history
    expected = server.get("scan", condition=CONDITION).json
    assert page.locator("#answer b").inner_text() == f"{expected['matched']:,} matches"
    page.keyboard.press("Enter")
    page.wait_for_url("**q=**")
    assert visit.query["q"] == [CONDITION]
    symbols = [match["symbol"] for match in expected["matches"]]
    found = cells(page, 1)
    assert found == symbols[: len(found)]
    head = page.locator("#grid .head .given").all_inner_texts()
    assert head == ["sma(50)", "rsi(14)"]
    steps = page.locator("#funnel li")
    page.wait_for_selector("#funnel li:nth-child(4)")
    assert steps.nth(3).inner_text().startswith(f"{expected['matched']:,}")


def test_shift_enter_is_a_new_line(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "let up = close > sma(50)")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("up and rsi(14) > 55")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=**")
    assert visit.query["q"] == ["let up = close > sma(50)\nup and rsi(14) > 55"]


def test_completion_fits_the_place(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "close > sm")
    option = page.locator("#condition .cm-tooltip-autocomplete li").first
    option.wait_for()
    assert option.inner_text().startswith("sma")
    assert "mean of the last n bars" in page.locator("#condition .cm-completionInfo").inner_text()
    page.keyboard.press("Tab")
    page.keyboard.type("50")
    page.keyboard.press("Tab")
    assert page.locator("#condition .cm-line").inner_text() == "close > sma(50)"


def test_a_tab_before_the_completions_are_there_takes_the_first(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "close > sm")
    page.keyboard.press("Tab")
    page.locator("#condition .cm-line", has_text="sma(").wait_for()
    page.keyboard.type("50")
    assert page.locator("#condition .cm-line").inner_text() == "close > sma(50)"


@pytest.mark.parametrize("number", ["500K", "1M", "2B"])
def test_enter_after_a_number_with_a_suffix_runs_it(visit: Visit, number: str) -> None:
    page = visit.open()
    type_condition(page, f"volume > {number}")
    page.wait_for_timeout(300)  # in which the completions of a letter would have opened
    page.keyboard.press("Enter")
    page.wait_for_url("**q=**")
    assert visit.query["q"] == [f"volume > {number}"]


def test_enter_takes_no_completion_that_only_resembles_the_word(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "close > foo")
    page.locator("#condition .cm-tooltip-autocomplete li").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**q=**")
    assert visit.query["q"] == ["close > foo"]


def test_escape_closes_what_is_open_before_the_chart(visit: Visit) -> None:
    page = visit.open(link(symbol="AAPL"))
    page.wait_for_selector("#chart[data-drawn]")
    page.click("#stored")
    page.wait_for_selector("#data:visible")
    page.keyboard.press("Escape")
    page.wait_for_selector("#data", state="hidden")
    assert page.locator("#detail").is_visible()
    page.keyboard.press("Escape")
    page.wait_for_selector("#detail", state="hidden")


def test_completion_offers_outputs_and_values_that_exist(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "close > bbands(20, 2).")
    options = page.locator("#condition .cm-tooltip-autocomplete li")
    options.first.wait_for()
    assert "upper" in " ".join(options.all_inner_texts())
    page.keyboard.press("Escape")
    page.locator("#where .cm-content").click()
    page.keyboard.type("exchange == ")
    values = page.locator("#where .cm-tooltip-autocomplete li")
    values.first.wait_for()
    offered = dict(text.split() for text in values.all_inner_texts())
    assert number(offered['"NYSE"']) > 0


def test_completion_translates_names_of_other_tools(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "close > SMA50")
    option = page.locator("#condition .cm-tooltip-autocomplete li").first
    option.wait_for()
    assert "sma(50)" in option.inner_text()
    page.keyboard.press("Tab")
    assert page.locator("#condition .cm-line").inner_text() == "close > sma(50)"


def test_error_is_underlined_and_a_click_takes_the_suggestion(visit: Visit) -> None:
    page = visit.open()
    type_condition(page, "rzi(14) < 40")
    fault = page.locator("#condition .fault")
    fault.first.wait_for()
    assert "".join(fault.all_inner_texts()) == "rzi"
    assert "unknown indicator" in page.locator("#answer").inner_text()
    assert "stale" in (page.locator("#grid").get_attribute("class") or "")
    page.locator("#answer .suggestion").first.click()
    shown(page, "rsi(14) < 40")
    assert page.locator("#condition .cm-line").inner_text() == "rsi(14) < 40"
    assert fault.count() == 0


def test_link_with_an_error_says_what_is_wrong(visit: Visit) -> None:
    page = visit.open(link("rsi(14 < 30"))
    assert "expected" in page.locator("#state").inner_text()
    assert page.locator("#answer.wrong").count() == 1


def test_click_on_a_head_sorts_by_it(visit: Visit, server: Server) -> None:
    page = visit.open(link())
    shown(page, CONDITION)
    page.locator("#grid .head button", has_text="rsi(14)").click()
    page.wait_for_selector('#grid .head [aria-sort="descending"]')
    values = [number(text) for text in cells(page, 7)]
    assert values == sorted(values, reverse=True)
    page.locator("#grid .head button", has_text="rsi(14)").click()
    page.wait_for_selector('#grid .head [aria-sort="ascending"]')
    values = [number(text) for text in cells(page, 7)]
    assert values == sorted(values)
    assert visit.query["sort"] == ["rsi(14)"]
    assert visit.query["dir"] == ["asc"]


def test_rows_come_in_pages_while_scrolling(visit: Visit, server: Server) -> None:
    page = visit.open()
    shown(page, "close > 0")
    last = server.get("scan", condition="close > 0", limit=0).json["matched"]
    page.locator("#grid").focus()
    page.keyboard.press("End")
    page.wait_for_selector(f'#grid .row[aria-rowindex="{last + 1}"][data-symbol]')
    assert page.locator("#grid .body .row").count() < 100  # only what is in view


def test_columns_are_added_and_removed(visit: Visit) -> None:
    page = visit.open(link())
    page.locator("#adder .cm-content").click()
    page.keyboard.type("roc(21)")
    page.keyboard.press("Enter")
    own = page.locator("#grid .head .given", has_text="roc(21)")
    own.wait_for()
    assert visit.query["column"] == ["roc(21)"]
    assert all(number(text) is not None for text in cells(page, 8))
    page.get_by_label("Remove the column roc(21)").click()
    own.wait_for(state="detached")
    assert "column" not in visit.query


def test_a_column_that_is_wrong_is_not_added(visit: Visit) -> None:
    page = visit.open(link())
    page.locator("#adder .cm-content").click()
    page.keyboard.type("rzi(14)")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer.wrong")
    assert "rsi" in page.locator("#answer .suggestion").inner_text()
    assert "column" not in visit.query


def test_selected_row_has_a_chart_and_an_explanation(visit: Visit, server: Server) -> None:
    page = visit.open(link())
    symbols = [one["symbol"] for one in server.get("scan", condition=CONDITION).json["matches"]]
    page.wait_for_selector(f"#chart[data-drawn={quoted(symbols[0])}] canvas")
    page.locator(f"#grid .row[data-symbol={quoted(symbols[2])}]").click()
    page.wait_for_selector(f"#chart[data-drawn={quoted(symbols[2])}] canvas")
    legend = page.locator("#chart .legend").first
    assert "sma(50)" in legend.inner_text()
    page.wait_for_function(
        "text => document.querySelector('#panel').textContent.includes(text)",
        arg=f"{symbols[2]} matches",
    )
    assert visit.query["symbol"] == [symbols[2]]
    page.locator("#grid").focus()
    page.keyboard.press("j")
    page.wait_for_selector(f"#chart[data-drawn={quoted(symbols[3])}] canvas")
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.wait_for_selector(f"#chart[data-drawn={quoted(symbols[1])}] canvas")


def test_an_expression_has_one_colour_everywhere(visit: Visit) -> None:
    page = visit.open(link("bbands(20,2).upper < close and RSI() > 55"))
    page.wait_for_selector("#chart[data-drawn] canvas")
    colour = "element => getComputedStyle(element).color"
    for name, label in (("bbands(20,2).upper", "bbands(20, 2).upper"), ("RSI()", "rsi(14)")):
        head = page.locator("#grid .head .given", has_text=name).evaluate(colour)
        editor = page.locator("#condition .cm-line [class*=hue]", has_text=name.split("(")[0])
        assert editor.first.locator("*").first.evaluate(colour) == head
        assert page.locator("#chart .legend span", has_text=label).evaluate(colour) == head


def test_track_record(visit: Visit) -> None:
    page = visit.open(link())
    page.locator("#grid").focus()
    page.keyboard.press("t")
    page.wait_for_selector("#panel .record")
    rows = page.locator("#panel .record tbody tr")
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["1", "5", "20", "63"]
    assert page.locator("#panel .notes li").count() > 0
    assert page.locator("#tab-record").get_attribute("aria-selected") == "true"
    page.keyboard.press("e")
    page.wait_for_selector("#panel .tree")


def test_session_is_chosen_by_steps_and_the_counts_are_drawn(visit: Visit) -> None:
    page = visit.open(link())
    page.wait_for_selector("#asof.counted")
    page.get_by_label("Previous session").click()
    page.wait_for_url("**as_of=2016-12-29**")
    shown(page, CONDITION)
    assert page.locator("#asof label").inner_text() == "as of Thu"
    page.locator("#day").fill("2016-11-12")  # a Saturday
    page.keyboard.press("Enter")
    page.wait_for_url("**as_of=2016-11-11**")
    page.get_by_label("As-of session", exact=True).locator("visible=true").last.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**as_of=2016-11-14**")
    page.go_back()
    page.wait_for_url("**as_of=2016-11-11**")
    assert page.locator("#day").input_value() == "2016-11-11"


def test_back_returns_to_the_state_before(visit: Visit) -> None:
    page = visit.open(link())
    shown(page, CONDITION)
    page.locator("#condition .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("rsi(14) < 45")
    page.keyboard.press("Enter")
    page.wait_for_url("**45**")
    shown(page, "rsi(14) < 45")
    page.go_back()
    shown(page, CONDITION)
    assert page.locator("#condition .cm-line").inner_text() == CONDITION
    page.go_forward()
    shown(page, "rsi(14) < 45")


def test_a_preset_is_found_by_its_words(visit: Visit) -> None:
    page = visit.open()
    page.locator("#presets").click()
    page.keyboard.type("golden")
    page.locator("#preset-menu button", has_text="golden_cross").click()
    page.wait_for_url("**q=**")
    assert "sma(50)" in visit.query["q"][0]
    assert page.locator("#preset-menu").is_hidden()


def test_where_and_universe(visit: Visit, server: Server) -> None:
    page = visit.open(link())
    page.locator("#where .cm-content").click()
    page.keyboard.type('exchange == "NYSE"')
    page.locator("#where .cm-content").blur()  # Enter may take a completion that just opened
    page.wait_for_url("**where=**")
    expected = server.get("scan", condition=CONDITION, where='exchange == "NYSE"').json["matched"]
    page.wait_for_function(
        "text => document.querySelector('#answer b').textContent === text",
        arg=f"{expected:,} matches",
    )


def test_pinned_rows_come_first(visit: Visit) -> None:
    page = visit.open(link())
    shown(page, CONDITION)
    third = cells(page, 1)[2]
    page.locator(f"#grid .row[data-symbol={quoted(third)}]").click()
    page.keyboard.press("f")
    first = page.locator('#grid .row[aria-rowindex="2"]')
    page.wait_for_selector(f'#grid .row[aria-rowindex="2"][data-symbol={quoted(third)}]')
    assert "pinned" in first.inner_text()
    page.keyboard.press("f")
    first.locator("text=pinned").wait_for(state="detached")


def test_receipt_and_keys_open_in_place(visit: Visit) -> None:
    page = visit.open(link())
    shown(page, CONDITION)
    page.locator("#receipt-line").click()
    assert "evaluated" in page.locator("#receipt").inner_text()
    page.locator("#receipt .opener").first.click()
    page.locator("#receipt .symbols button").first.wait_for()
    page.locator("#grid").focus()
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    assert page.locator("#help").get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert page.locator("#keys").is_hidden()


def test_no_match_names_the_clause_and_near_misses(visit: Visit) -> None:
    page = visit.open(link("rsi(14) > 101 and close > 5"))
    near = page.locator("#state .near button").first
    near.wait_for()
    assert "rsi(14) > 101" in page.locator("#state").inner_text()
    symbol = near.inner_text()
    near.click()
    page.wait_for_selector(f"#chart[data-drawn={quoted(symbol)}] canvas")


def test_files_are_offered(visit: Visit, server: Server) -> None:
    page = visit.open(link())
    shown(page, CONDITION)
    path = page.locator("#csv").get_attribute("href")
    assert path is not None
    answer = server.send("GET", path)
    assert answer.status == 200
    assert answer.body.decode().splitlines()[0].startswith("symbol,")


def test_a_narrow_screen_has_cards_and_a_sheet(browser: Browser, server: Server) -> None:
    visit = Visit(browser, server.url, has_touch=True, color_scheme="dark")
    visit.page.set_viewport_size({"width": 390, "height": 844})
    page = visit.open(link())
    shown(page, CONDITION)
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("#detail").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    card = page.locator("#grid .row[data-symbol]").first
    box = card.bounding_box()
    assert box is not None
    assert box["height"] == 60
    assert "sma(50)" in card.inner_text()
    card.tap()
    page.wait_for_selector("#chart[data-drawn] canvas")
    page.get_by_role("button", name="Close").locator("visible=true").tap()
    assert page.locator("#detail").is_hidden()
    assert visit.faults == []
    assert visit.foreign == []
    visit.context.close()


def test_theme_is_kept(visit: Visit) -> None:
    page = visit.open(link())
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.reload()
    page.wait_for_selector("body[data-ready=true]")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_the_first_load_is_small(visit: Visit) -> None:
    sizes: dict[str, int] = {}
    visit.page.on(
        "requestfinished",
        lambda request: sizes.update({request.url: request.sizes()["responseBodySize"]}),
    )
    page = visit.open()
    page.wait_for_load_state("networkidle")
    code = sum(
        size
        for url, size in sizes.items()
        if "/api/" not in url and "lightweight" not in url and "detail/chart.js" not in url
    )
    assert 20_000 < code < 250_000


def test_what_belongs_to_another_condition_is_marked(visit: Visit) -> None:
    page = visit.open(link("nr7"))
    page.wait_for_selector("#changes-line span")
    page.locator("#condition .cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("close > 500")
    shown(page, "close > 500")
    page.wait_for_selector("#typed:not([hidden])")
    assert page.locator("#changes-line span").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_selector("#typed", state="hidden")
    page.keyboard.press("Control+A")
    page.keyboard.type("close > foo(1)")
    page.keyboard.press("Enter")
    page.wait_for_selector("#answer.wrong")
    page.wait_for_selector("#typed:not([hidden])")
    assert page.locator("#funnel li").count() == 0


def test_the_header_names_the_session_of_the_answer(visit: Visit) -> None:
    page = visit.open(link("nr7", as_of="2016-06-18"))  # a Saturday
    page.wait_for_function("document.getElementById('day').value === '2016-06-17'")
    page = visit.open(link("nr7", panel="nonsense", symbol="AAPL"))
    page.wait_for_selector("#panel[data-done=explain]")


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_can_be_read_by_everybody(
    browser: Browser, server: Server, width: int, scheme: Literal["light", "dark"]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visit = Visit(browser, server.url, color_scheme=scheme)
    try:
        visit.page.set_viewport_size({"width": width, "height": 900})
        for path in (
            link(),
            link(symbol="AAPL", colour="rsi(14)"),
            link(colour="roc(1)"),
            link("rsii(14) < 30"),
            link("close > 1e9"),
        ):
            page = visit.open(path)
            page.wait_for_load_state("networkidle")
            if path == link():
                for opener in ("#stored", "#changes-line", "#receipt-line"):
                    page.click(opener)
            found = axe.run(page).response["violations"]
            named = [(fault["id"], [node["target"] for node in fault["nodes"]]) for fault in found]
            assert named == [], path
    finally:
        visit.context.close()


def test_suspicious_bars_are_listed_with_their_chart(visit: Visit, server: Server) -> None:
    first = server.get("quality", rule="decimal slip", limit=1).json["flags"][0]
    page = visit.open(link())
    page.click("#stored")
    page.click("#data .rules button:has-text('decimal slip')")
    page.wait_for_selector(f"#data .quality li >> text={first['evidence'][:30]}")
    page.locator("#data .quality li button").first.click()
    page.wait_for_selector(f"#chart[data-drawn={quoted(first['symbol'])}] canvas")
    assert visit.query["as_of"] == [first["last"]]


def test_facts_events_and_suspicious_bars_of_a_symbol(visit: Visit, server: Server) -> None:
    flag = server.get("quality", rule="missing split", limit=1).json["flags"][0]
    symbol = server.get(f"symbols/{flag['symbol']}").json
    assert flag in symbol["quality"]
    early = server.get(f"symbols/{flag['symbol']}", as_of="2016-01-05").json
    assert flag not in early["quality"]
    page = visit.open(link(symbol=flag["symbol"]))
    page.wait_for_selector(f"#chart[data-drawn={quoted(flag['symbol'])}] canvas")
    page.keyboard.press("i")
    page.wait_for_selector("#panel[data-done=facts]")
    text = page.inner_text("#panel")
    assert f"{symbol['bars']} bars, {symbol['first']} to {symbol['last']}" in text
    assert flag["evidence"] in text
    assert visit.query["panel"] == ["facts"]
    page.focus("#tab-facts")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#panel[data-done=explain]")


def test_a_chart_of_weeks(visit: Visit) -> None:
    page = visit.open(link(symbol="CAB"))
    page.wait_for_selector("#chart[data-drawn=CAB] canvas")
    page.click("#who button[aria-label=week]")
    page.wait_for_selector("#who button[aria-label=week][aria-pressed=true]")
    page.wait_for_selector("#chart[data-drawn=CAB] canvas")
    assert visit.query["interval"] == ["week"]
    page.go_back()
    page.wait_for_selector("#who button[aria-label=day][aria-pressed=true]")


def test_a_long_condition_is_sent_as_a_body(visit: Visit) -> None:
    page = visit.open(link())
    long = " and ".join(f"close > sma({n})" for n in range(2, 200)) + ' or name == "Zürich Ämter"'
    page.locator("#condition .cm-content").click()
    page.keyboard.press("Control+a")
    with page.expect_request(lambda sent: sent.method == "POST" and "/scan" in sent.url):
        page.keyboard.insert_text(f"({long}) or ({long})")
    page.wait_for_selector("#answer >> text=match")
