"""`sync --dry-run`: what was understood of files, before anything is stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import run

BARS = (
    "Ticker;Date;Open;High;Low;Close;Volume;Comment\n"
    "A;05/13/2024;1;2;0.5;1.5;100;\n"
    "A;05/14/2024;1;2;0.5;null;100;\n"
    "A;05/18/2024;1;2;0.5;1.5;100;a Saturday\n"
    "BRK.B;05/14/2024;400;410;390;405;1000;\n"
)


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    (tmp_path / "mine.csv").write_text(BARS)
    return tmp_path / "mine.csv"


def test_it_says_what_it_understood_and_stores_nothing(bars: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    call: list[str | Path] = ["sync", "--provider", "files", "--path", bars, "--dry-run"]
    done = run(*call, "--data", data)
    assert done.returncode == 0, done.stderr
    for said in ("semicolons", "MM/DD/YYYY", "Ticker", "Comment", "incomplete", "closed day"):
        assert said in done.stdout, done.stdout
    assert "2 bars" in done.stdout
    assert not data.exists() or not list(data.glob("segments/*"))


def test_the_same_as_data(bars: Path, tmp_path: Path) -> None:
    call: list[str | Path] = ["sync", "--provider", "files", "--path", bars, "--dry-run", "--json"]
    done = run(*call, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (file,) = answer["files"]
    assert file["path"] == str(bars)
    assert file["columns"]["symbol"] == "Ticker"
    assert file["ignored"] == ["Comment"]
    assert file["rows"] == 4
    assert (answer["bars"], answer["symbols"], answer["sessions"]) == (2, 2, 2)
    assert (answer["first"], answer["last"]) == ("2024-05-13", "2024-05-14")
    assert answer["set_aside"] == {"incomplete": 1, "closed day": 1}
    aside = {(row["symbol"], row["session"]): row["reason"] for row in answer["set_aside_rows"]}
    assert aside == {("A", "2024-05-14"): "incomplete", ("A", "2024-05-18"): "closed day"}
    assert answer["rows"][0] == {
        "symbol": "A",
        "session": "2024-05-13",
        "open": 1,
        "high": 2,
        "low": 0.5,
        "close": 1.5,
        "volume": 100,
    }


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    done = run("sync", "--provider", "files", "--path", tmp_path / "mine.csv", "--dry-run")
    assert done.returncode == 2
    assert "missing column symbol, date, open, high, low, close, volume; the file has a, b" in (
        done.stderr
    )


def test_it_is_for_files_alone(tmp_path: Path) -> None:
    done = run("sync", "--dry-run", "--data", tmp_path, MASSIVE_API_KEY="x")
    assert done.returncode == 2
    assert "--provider files" in done.stderr
