"""What terminals, browsers and spreadsheets obey never reaches them in a text from elsewhere."""

from __future__ import annotations

import ast
import csv
import io
import resource
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import marketsweep as ms
from marketsweep.core.calendar import sessions_in_range
from marketsweep.core.records import SessionBars
from marketsweep.core.safe_text import clean_line, clean_text, csv_cell
from marketsweep.output.formats import writer
from marketsweep.store.store import Store
from tests.helpers.command import COMMAND, run
from tests.helpers.markets import LAST
from tests.helpers.massive_server import KEY, Market, raw, serving

PACKAGE = Path(ms.__file__).parent


@given(st.text())
def test_no_character_is_left_that_is_obeyed(text: str) -> None:
    for shown in (clean_text(text), clean_line(text)):
        for character in shown:
            control = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
            turned = unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF")
            isolated = unicodedata.bidirectional(character) in ("LRI", "RLI", "FSI", "PDI")
            assert not control or character in "\n\t"
            assert not turned
            assert not isolated


@given(st.text(min_size=150, max_size=5000))
def test_a_text_from_elsewhere_is_one_short_line(text: str) -> None:
    shown = clean_line(text)
    assert len(shown) <= 200
    assert "\n" not in shown


def test_what_is_harmless_stays() -> None:
    for text in ("Nestlé S.A.", "株式会社", "a\tb\nc", "AT&T <b>", "naïve — 'quoted'"):
        assert clean_text(text) == text
    assert clean_line("  two\n lines ") == "two lines"


@pytest.mark.parametrize("text", ["=A1", "+1", "-1", "@SUM(A1)", "\t=A1"])
def test_formulas_of_spreadsheets(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert csv_cell(f"A{text}") == f"A{text}"


def test_every_message_is_printed_by_one_function() -> None:
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("click.echo", "print"):
                assert path.name == "_shared.py", f"{path}:{node.lineno}"
                assert "clean_text(" in ast.unparse(node)


@pytest.fixture(scope="module")
def formulas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("formulas")
    with Store.create(path) as store, store.writer() as writer:
        for day in sessions_in_range(LAST.replace(day=1), LAST):
            writer.commit([SessionBars(day, ["=HYPER()", "A"], np.full((5, 2), 9.0))], "test")
    return path


def test_tickers_in_csv_are_no_formulas(formulas: Path) -> None:
    for command in ("scan", "signals"):
        call: list[str | Path] = [command, "close > 1", "--format", "csv", "--data", formulas]
        rows = list(csv.DictReader(io.StringIO(run(*call).stdout)))
        assert {row["symbol"] for row in rows} == {"'=HYPER()", "A"}
        rows = list(csv.DictReader(io.StringIO(run(*call, "--no-csv-safe").stdout)))
        assert {row["symbol"] for row in rows} == {"=HYPER()", "A"}
    with ms.open(formulas) as market:
        file = io.BytesIO()
        writer("csv")(market.scan("close > 1"), file)
        assert b"'=HYPER()" in file.getvalue()


def test_what_a_provider_says_cannot_steer_a_terminal(tmp_path: Path) -> None:
    said = '{"status":"ERROR","error":"\\u001b]0;owned\\u0007\\u202e red \\u001b[31m"}'
    with serving(Market()) as server:
        server.always("/", raw(said.encode()))
        done = run(
            *("sync", "--data", tmp_path / "data", "--base-url", server.url), MASSIVE_API_KEY=KEY
        )
    assert done.returncode == 4
    for character in ("\x1b", "\x07", "\u202e"):
        assert character not in done.stderr
    assert "red" in done.stderr


# -- files that are asked for


def limited(bytes_: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))


def test_a_file_is_replaced_whole_or_not_at_all(example_data: Path, tmp_path: Path) -> None:
    output = tmp_path / "hits.csv"
    output.write_text("the older one")
    call: list[str | Path] = [
        COMMAND,
        "scan",
        "close > 1",
        "--data",
        example_data,
        "--format",
        "csv",
    ]
    done = subprocess.run(
        [*call, "--output", output],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: limited(100_000),  # as a disk that is full
    )
    assert done.returncode == 5, done.stderr
    assert f"cannot write {output}" in done.stderr
    assert "Traceback" not in done.stderr
    assert output.read_text() == "the older one"
    assert list(tmp_path.iterdir()) == [output]
    subprocess.run([*call, "--output", output], check=True, capture_output=True)
    assert output.read_text().startswith("symbol,")


def test_charts_on_a_full_disk(example_data: Path, tmp_path: Path) -> None:
    call: list[str | Path] = [COMMAND, "scan", "close > 1", "--limit", "1", "--data", example_data]
    call += ["--charts", tmp_path / "charts"]
    done = subprocess.run(
        call, capture_output=True, text=True, check=False, preexec_fn=lambda: limited(100_000)
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr


def test_devices_and_links_are_written_to(formulas: Path, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    call: list[str | Path] = ["scan", "close > 1", "--data", formulas]
    call += ["--format", "csv", "--output"]
    assert run(*call, tmp_path / "link.csv").returncode == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("symbol,")
    assert run(*call, "/dev/null").returncode == 0
    full = run(*call, "/dev/full")
    assert full.returncode == 5
    nowhere = run(*call, tmp_path / "none" / "hits.csv")
    assert nowhere.returncode == 2
