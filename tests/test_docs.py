"""The docs against the program: what is there is described, and what is described is there."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

import marketsweep.market
from docs import generate, pictures
from docs.api import API, api_page
from marketsweep import errors
from marketsweep.cli.main import main
from marketsweep.core.fields import DERIVED, FIELDS
from marketsweep.language.derived_facts import DERIVED_FACTS
from marketsweep.language.indicators.events import EVENTS
from marketsweep.language.indicators.table import ALIASES, INDICATORS
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import parse
from marketsweep.language.presets import SavedConditions
from marketsweep.language.tree import Kind
from marketsweep.language.vocabulary import (
    AGGREGATES,
    CALENDAR,
    CALLS,
    DATE_FACTS,
    FRAMES,
    FUNCTIONS,
    HAPPENINGS,
    JOINS,
    KEYWORDS,
    NUMBER_FACTS,
    STANDINGS,
    TEXT_FACTS,
    TRENDS,
    WORDS,
)
from marketsweep.universe.named import read_universes
from tests.helpers.command import run

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PYTHON = ROOT / "docs" / "guide" / "python.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def command_named(name: str) -> click.Command:
    """The command of that name."""
    command = main.get_command(click.Context(main), name)
    assert command is not None, f"there is no command {name}"
    return command


def fenced(page: Path, language: str) -> list[str]:
    """The blocks of a page that are marked as being in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def conditions() -> Iterator[str]:
    """Conditions in the docs: one a line."""
    for page in PAGES:
        for block in fenced(page, "condition"):
            yield from filter(None, block.splitlines())


def shell_calls() -> Iterator[list[str]]:
    """Calls of marketsweep in the shell examples of the docs."""
    for page in PAGES:
        for block in fenced(page, "sh"):
            words = (shlex.split(line, comments=True) for line in block.splitlines())
            yield from (line[1:] for line in words if line[:1] == ["marketsweep"])


def test_generated_pages_are_up_to_date() -> None:
    hint = "run .venv/bin/python -m docs.generate"
    language, architecture = generate.LANGUAGE.read_text(), generate.ARCHITECTURE.read_text()
    assert generate.cli_page() == generate.CLI.read_text(), hint
    assert api_page() == API.read_text(), hint
    assert generate.scans_page() == generate.SCANS_PAGE.read_text(), hint
    assert generate.indicators_page() == generate.INDICATORS_PAGE.read_text(), hint
    assert generate.language_page(language) == language, hint
    quality = generate.QUALITY.read_text()
    assert generate.quality_page(quality) == quality, hint
    assert generate.architecture_page(architecture) == architecture, hint


def test_the_pictures_are_those_of_the_program() -> None:
    files = {file.stem: file.read_text() for file in pictures.FOLDER.iterdir()}
    assert files == pictures.pictures(), "run python -m docs.generate"
    # The arcsine and arccosine of prices do not exist, and no price is an efficiency.
    assert INDICATORS.keys() - files.keys() == {"asin", "acos", "adaptive"}
    for name, svg in files.items():
        assert ElementTree.fromstring(svg).tag.endswith("svg"), name


def test_the_readme_counts_the_indicators() -> None:
    assert f"Conditions know {len(INDICATORS)} [indicators" in README.read_text()


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_is_described(word: str) -> None:
    assert re.search(rf"`{word}\b", generate.LANGUAGE.read_text())


def test_the_words_are_all_kinds_of_names() -> None:
    facts = {*TEXT_FACTS, *NUMBER_FACTS, *DATE_FACTS}
    assert {*FIELDS, *DERIVED, *CALENDAR, *HAPPENINGS, *CALLS, *facts} == WORDS
    tables = {*FUNCTIONS, *TRENDS, *JOINS, *STANDINGS, *FRAMES}
    others = {"market", "rs", "frozen", "first_bar", "cumulative", "anchored_vwap", "on", "bars"}
    assert CALLS - {*INDICATORS, *ALIASES, *EVENTS} == tables | others
    for name in (*AGGREGATES, *KEYWORDS):
        assert re.search(rf"\b{name}\b", generate.LANGUAGE.read_text())


def test_derived_fields_have_their_formulas() -> None:
    for name, formula in DERIVED.items():
        assert f"`{name}` = {formula}" in generate.LANGUAGE.read_text()


@pytest.mark.parametrize("text", list(conditions()))
def test_every_condition_runs(text: str, market: marketsweep.Market) -> None:
    hits = market.scan(text, limit=3)
    assert hits.coverage.expected > 6000


def test_names_of_ones_own_over_several_lines(market: marketsweep.Market) -> None:
    (text,) = (text for text in fenced(generate.LANGUAGE, "text") if text.startswith("let "))
    assert len(market.scan(text)) > 0


@pytest.mark.parametrize(
    ("title", "command"), list(generate.commands(main, "marketsweep")), ids=str
)
def test_every_command_and_option_is_described(title: str, command: click.Command) -> None:
    _, _, section = generate.CLI.read_text().partition(f"\n## {title}\n")
    section, _, _ = section.partition("\n## ")
    assert section
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert f"`{option}`" in section


DOC_FACTS = (
    *(("pe", Kind.NUMBER), ("float", Kind.NUMBER), ("theme", Kind.TEXT)),
    ("earnings_date", Kind.DATE),
    *((name, Kind.NUMBER) for name in ("net_income", "equity", "short_interest")),
    ("days_to_cover", Kind.NUMBER),
)
"""The facts that the examples read."""


@pytest.mark.parametrize("arguments", list(shell_calls()), ids=" ".join)
def test_every_call_in_an_example_is_understood(arguments: list[str]) -> None:
    name, *rest = arguments
    command = command_named(name)
    while isinstance(command, click.Group):
        inner, *rest = rest
        command = command.commands[inner]
    context = command.make_context(name, rest)
    if name == "scan":
        parse(context.params["condition"], OwnNames(SavedConditions(), DOC_FACTS))
        if context.params["where"]:
            parse(context.params["where"], OwnNames(SavedConditions(), DOC_FACTS))


def test_the_universes_of_the_docs_are_read(tmp_path: Path) -> None:
    (example,) = fenced(ROOT / "docs" / "guide" / "universe.md", "toml")
    (tmp_path / "universe.toml").write_text(example)
    (tmp_path / "my-list.txt").write_text("XOM\n")
    (tmp_path / "never.txt").write_text("GME\n")
    universes, faulty = read_universes(tmp_path)
    assert not faulty
    assert list(universes) == ["common", "liquid", "large-tech", "traded", "mine"]
    assert universes["mine"].watchlist == frozenset(["AAPL", "MSFT", "XOM"])
    assert universes["mine"].exclude == frozenset(["TSLA", "GME"])
    _, _, guide = (ROOT / "docs" / "guide" / "universe.md").read_text().partition("## Named")
    assert set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)) == {"common", "liquid"}


def test_every_exit_code_is_in_the_readme() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.exit_code for one in classes if issubclass(one, errors.MarketsweepError)}
    _, _, section = README.read_text().partition("\n## Exit codes\n")
    section, _, _ = section.partition("\n## ")
    described = set(map(int, re.findall(r"^\| (\d+) \|", section, re.MULTILINE)))
    assert described == codes | {0, 130}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_named_exists(page: Path) -> None:
    pattern = r"`((?:marketsweep|tests|docs|kernels|examples)/[\w/-]*(?:\.\w+)?)`"
    for target in re.findall(pattern, page.read_text()):
        assert (ROOT / target).exists() or (ROOT / "marketsweep" / target).exists(), target


def test_the_python_examples_run(
    example_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_market = marketsweep.market.open_market
    monkeypatch.setattr("marketsweep.market.open_market", lambda _: open_market(example_data))
    printed = []
    for example in fenced(PYTHON, "python"):
        exec(compile(example, str(PYTHON), "exec"), {})
        printed.append(capsys.readouterr().out)
    scanned, bars = printed
    assert f"matches as of {dt.date(2016, 12, 30)}" in scanned
    assert "rsi(14)" in scanned
    assert bars in PYTHON.read_text()


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 200


_LOCAL = ("scan", "explain", "signals", "sweep", "audit", "status", "presets", "indicators")


def commands_of(page: Path) -> list[str]:
    """The commands in a page that need no provider."""
    lines = [line for block in fenced(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(tuple(f"marketsweep {c} " for c in _LOCAL))]


@pytest.mark.parametrize("line", commands_of(README), ids=lambda line: line[:60])
def test_the_commands_of_the_readme_run(line: str, real: Path, tmp_path: Path) -> None:
    words = shlex.split(line, comments=True)[1:]
    if "--data" in words:
        words = words[: words.index("--data")]
    # The example market ends in 2016.
    words = [word.replace("2026-06-30", "2016-12-30") for word in words]
    words = [f"{tmp_path / 'charts'}" if word == "charts" else word for word in words]
    done = run(*words, "--data", real)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_guide_has_every_formula_of_facts() -> None:
    guide = (ROOT / "docs" / "guide" / "universe.md").read_text()
    for name, fact in DERIVED_FACTS.items():
        assert f"| `{name}` | `{fact.formula}`" in guide
