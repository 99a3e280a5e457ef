"""The page of a study: what it shows is what the study says, and no text of a user is HTML."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import marketsweep as ms
from marketsweep.cli.main import main
from marketsweep.output.charts.study_page import study_page
from marketsweep.studies.study.result import Study

_EMPTY_ELEMENTS = ("meta", "path")


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


@pytest.fixture(scope="module")
def study(opened: ms.Market) -> Study:
    return opened.study("rsi(14) < 30 and volume > 1M", benchmark="QQQ", exclude_suspect=True)


class Checker(HTMLParser):
    """Every element that begins ends, in order; the texts between."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1
        if tag not in _EMPTY_ELEMENTS:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_shows_the_figures_of_the_study(study: Study) -> None:
    page = study_page(study)
    texts = checked(page).texts
    assert "://" not in page
    for figures in study.horizons:
        assert f"{figures.events:,}" in texts
        assert figures.mean is not None
        assert f"{figures.mean:+.2%}" in texts
    assert "over QQQ" in texts
    for hold in study.holds:
        count = np.count_nonzero(~np.isnan(hold.returns))
        assert any(f"{count:,} returns" in text for text in texts)


def test_the_bars_of_a_distribution_are_those_of_its_returns(study: Study) -> None:
    page = study_page(study)
    bars = re.findall(r'class="(?:gains|losses)"[^>]* d="([^"]*)"', page)
    assert len(bars) == 2 * len(study.holds)
    for path in bars:
        heights = [float(top) for top in re.findall(r"M[\d.]+ ([\d.]+)V", path)]
        assert heights
        assert all(6 <= height <= 98 for height in heights)


def test_the_months_are_the_means_over_the_market(study: Study) -> None:
    page = study_page(study)
    hold = study.holds[1]
    months = np.array([study.dates[session].month for session in study.events.sessions])
    excess = hold.returns - hold.market
    for month in range(1, 13):
        known = excess[(months == month) & ~np.isnan(excess)]
        if len(known):
            assert f"{len(known):,} events" in page
            assert f"{known.mean():+.1%}</td>" in page


def test_the_best_and_the_worst_positions_are_listed(study: Study) -> None:
    page = study_page(study)
    returns = study.holds[1].returns
    for value in (np.nanmax(returns), np.nanmin(returns)):
        assert f"<td>{value:+.2%}</td>" in page


def test_a_condition_is_text(opened: ms.Market) -> None:
    condition = 'close < 0 and name contains "<script>alert(1)</script>&"'
    page = study_page(opened.study(condition, since="2016-12-01"))
    checked(page)
    assert "<script>" not in page
    assert condition in unescape(page)
    assert "No event has a return yet" in page


@pytest.mark.parametrize("horizons", [(1,), (2, 250), (1, 2, 3, 4, 5, 6, 7, 8)])
def test_any_horizons_make_a_page(opened: ms.Market, horizons: tuple[int, ...]) -> None:
    study = opened.study("rsi_recovery", horizons=horizons)
    page = study_page(study)
    checked(page)
    assert "nan" not in page
    assert not math.isnan(study.horizons[0].mean or 0)


def test_the_command_writes_the_page(real: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.html"
    options = ("golden_cross", "--html", f"{file}", "--data", f"{real}")
    done = CliRunner().invoke(main, ["study", *options])
    assert done.exit_code == 0
    assert "golden_cross: 558 events" in done.stdout
    assert checked(file.read_text()).count > 100


def test_a_notebook_shows_the_page(study: Study) -> None:
    html = study._repr_html_()
    assert html.startswith('<iframe srcdoc="')
    begin = len('<iframe srcdoc="')
    assert unescape(html[begin : html.index('" sandbox=')]) == study_page(study)
    assert dataclasses.replace(study, draw=None)._repr_html_().startswith("<table>")


def test_the_excess_is_added_up_by_session(study: Study) -> None:
    hold = study.holds[1]
    added, expected = study.cumulative_excess(hold), 0.0
    for row in range(len(study.sessions)):
        of_session = study.events.sessions == study.first + row
        excess = (hold.returns - hold.market)[of_session]
        known = excess[~np.isnan(excess)]
        expected += float(known.mean()) / hold.horizon if len(known) else 0.0
        assert added[row] == pytest.approx(expected, abs=1e-12)
    assert "Excess over the market, added up, horizon 5" in study_page(study)
    assert study.to_dict()["cumulative_excess"]["excess"] == added.tolist()
