"""`sync --dry-run`: what was understood of files, before anything is stored."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.command import run
from tests.ingest.files.test_files import HEADER

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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04\x14\x00", "a zip or an Excel workbook"),
        (b"", "it is empty"),
        (b"Ticker;Date;Open;High;Low;Close;Volume\n", "this file has no bars"),
        (BARS.replace("0.5", "half", 1).encode(), "row 1: low is not a number: 'half'"),
        (BARS.replace("05/13", "13/13").encode(), "row 1: date is not a date"),
        (BARS.replace("A;05/14/2024", "A;2024-05-14").encode(), "row 2: date is not a date"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_bad_files_are_named(content: bytes, says: str, as_json: bool, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    call: list[str | Path] = ["sync", "--provider", "files", "--path", tmp_path / "mine.csv"]
    call += ["--dry-run", "--data", tmp_path / "data", *(["--json"] if as_json else [])]
    done = run(*call)
    assert done.returncode == (3 if "no bars" in says else 2)
    assert done.stdout == ""
    assert f"{tmp_path}/mine.csv: " in done.stderr
    assert says in done.stderr
    assert not (tmp_path / "data").exists()


def dry(path: Path, *more: str | Path) -> dict[str, Any]:
    done = run(*("sync", "--provider", "files", "--path", path, "--dry-run", "--json"), *more)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_rows_are_set_aside_with_each_reason(tmp_path: Path) -> None:
    future = dt.date.today() + dt.timedelta(days=400)
    (tmp_path / "mine.csv").write_text(
        HEADER
        + "A,2024-05-13,1,2,0.5,1.5,100\n"
        + "A,2024-05-13,3,4,2.5,3.5,300\n"  # the later row of a day counts
        + "A,2024-05-14,3,4,2.5,3.5,300\n" * 2
        + "A,2024-05-27,1,2,0.5,1.5,100\n"  # Memorial Day
        + "A,2024-05-18,1,2,0.5,1.5,100\n"  # a Saturday
        + "A,2024-05-14,1,,0.5,1.5,100\n"
        + "A,2024-05-15,1,2,0.5,inf,100\n"
        + '"A BC",2024-05-16,1,2,0.5,1.5,100\n'
        + f"A,{future},1,2,0.5,1.5,100\n"
    )
    answer = dry(tmp_path / "mine.csv")
    assert answer["bars"] == 2
    assert answer["set_aside"] == {
        "contradicted": 1,
        "duplicate": 1,
        "closed day": 2,
        "incomplete": 2,
        "no ticker": 1,
        "future day": 1,
    }
    row, _ = answer["rows"]
    assert (row["session"], row["close"], row["volume"]) == ("2024-05-13", 3.5, 300)
    shown = [(row["session"], row["reason"]) for row in answer["set_aside_rows"]]
    assert shown == [  # the first five, by day
        ("2024-05-13", "contradicted"),
        ("2024-05-14", "duplicate"),
        ("2024-05-14", "incomplete"),
        ("2024-05-15", "incomplete"),
        ("2024-05-16", "no ticker"),
    ]
    assert answer["set_aside_rows"][2]["high"] is None


def test_the_first_five_rows_are_shown(tmp_path: Path) -> None:
    rows = [f"{letter},2024-05-{day},1,2,0.5,1.5,100" for day in (14, 13) for letter in "DCBA"]
    (tmp_path / "mine.csv").write_text(HEADER + "\n".join(rows))
    answer = dry(tmp_path / "mine.csv")
    shown = [(row["symbol"], row["session"]) for row in answer["rows"]]
    assert shown == [
        *((letter, "2024-05-13") for letter in "ABCD"),
        ("A", "2024-05-14"),
    ]
    assert (answer["bars"], answer["symbols"], answer["sessions"]) == (8, 4, 2)


def test_the_report_for_people(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "actions.csv").write_text(
        "symbol,ex_date,kind,split_from,split_to,cash\n"
        "A,2024-05-14,split,1,2,\n"
        "A,2024-05-15,dividend,,,0.5\n"
        "A,2024-05-16,merger,,,\n"
        "A,2024-05-17,dividend,,,-1\n"
    )
    (tmp_path / "symbols.csv").write_text("symbol,name\nA,Agilent\nBRK.B,Berkshire\n")
    done = run(
        *("sync", "--provider", "files", "--path", bars, "--dry-run"),
        *("--actions", tmp_path / "actions.csv", "--symbols", tmp_path / "symbols.csv"),
        *("--data", tmp_path / "data"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{bars}: text with semicolons; columns by their names; 4 rows",
        "  columns: symbol from Ticker, date from Date, open from Open, high from High, "
        "low from Low, close from Close, volume from Volume",
        "  ignored: Comment",
        "  dates: MM/DD/YYYY",
        f"{tmp_path}/symbols.csv: symbols; columns by their names; 2 rows",
        "  columns: symbol from symbol, name from name",
        "note: dates are read as MM/DD/YYYY",
        "would store 2 bars of 2 symbols in 2 sessions, 2024-05-13 to 2024-05-14",
        "  A  2024-05-13  open 1  high 2  low 0.5  close 1.5  volume 100",
        "  BRK.B  2024-05-14  open 400  high 410  low 390  close 405  volume 1,000",
        "would set aside: 1 incomplete, 1 closed day",
        "  A  2024-05-14  open 1  high 2  low 0.5  close nan  volume 100: incomplete",
        "  A  2024-05-18  open 1  high 2  low 0.5  close 1.5  volume 100: closed day",
        "1 split, 1 dividend, 2 listings",
        "2 actions cannot be used:",
        "  A 2024-05-16 kind merger: an unknown kind",
        "  A 2024-05-17 kind dividend, cash -1: no amount above 0",
        "nothing was stored: remove --dry-run to store the data",
    ]
    assert not (tmp_path / "data").exists()


def test_actions_and_listings_as_data(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "actions.csv").write_text(
        "symbol,ex_date,kind,split_from,split_to\nA,2024-05-14,split,1,2\nA,soon,split,1,2\n"
    )
    (tmp_path / "symbols.csv").write_text("symbol\nA\n")
    more = ("--actions", tmp_path / "actions.csv", "--symbols", tmp_path / "symbols.csv")
    answer = dry(bars, *more, "--data", tmp_path / "data")
    assert (answer["splits"], answer["dividends"], answer["listings"]) == (1, 0, 1)
    (action,) = answer["unusable_actions"]
    assert (action["symbol"], action["ex_date"], action["reason"]) == ("A", None, "no day")


def test_notes_say_what_was_decided(tmp_path: Path) -> None:
    lines = ["Date;Open;High;Low;Close;Adj Close;Volume"]
    lines += [f"2024-06-0{day};1200,0;1210,5;1190,0;1200,0;120,0;1000" for day in (5, 6, 7)]
    lines += [f"2024-06-{day};120,0;121,5;119,0;120,0;120,0;10000" for day in (10, 11)]
    (tmp_path / "BRK-B.csv").write_text("\n".join(lines))
    answer = dry(tmp_path / "BRK-B.csv", "--data", tmp_path / "data")
    (file,) = answer["files"]
    assert (file["layout"], file["decimal"], file["dates"]) == ("Yahoo", ",", "YYYY-MM-DD")
    assert file["columns"]["adj_close"] == "Adj Close"
    assert file["implied"] == ["BRK.B 2024-06-10 factor 0.1"]
    assert answer["notes"] == [
        "the ticker BRK.B is from the name of the file",
        "adjusted closes imply splits that no action reports, and earlier prices are used as they "
        "are: BRK.B 2024-06-10 (factor 0.1); add them with --actions FILE",
    ]
    assert [row["close"] for row in answer["rows"]] == [1200, 1200, 1200, 120, 120]
    done = run("sync", "--provider", "files", "--path", tmp_path / "BRK-B.csv", "--dry-run")
    assert "adj_close from Adj Close (a check only)" in done.stdout
    assert "numbers: with a decimal comma" in done.stdout
    assert "note: the ticker BRK.B is from the name of the file" in done.stdout
    # A split that is told within a week needs no word.
    actions = "symbol,ex_date,kind,split_from,split_to\nBRK.B,2024-06-07,split,1,10\n"
    (tmp_path / "actions.csv").write_text(actions)
    answer = dry(tmp_path / "BRK-B.csv", "--actions", tmp_path / "actions.csv")
    assert answer["notes"] == ["the ticker BRK.B is from the name of the file"]


def test_each_file_of_a_folder_is_shown(tmp_path: Path) -> None:
    for name, day in (("one.csv", 13), ("two.csv", 14)):
        (tmp_path / name).write_text(HEADER + f"A,2024-05-{day},1,2,0.5,1.5,100\n")
    answer = dry(tmp_path)
    assert [(Path(file["path"]).name, file["rows"]) for file in answer["files"]] == [
        ("one.csv", 1),
        ("two.csv", 1),
    ]
    assert (answer["bars"], answer["first"], answer["last"]) == (2, "2024-05-13", "2024-05-14")


def test_a_sync_stores_what_the_dry_run_said(bars: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    said = dry(bars, "--data", data)
    done = run("sync", "--provider", "files", "--path", bars, "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["new"], receipt["set_aside"]) == (said["bars"], said["set_aside"])
    before = sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*"))
    (bars.parent / "mine.csv").write_text(BARS.replace("400;410;390;405", "500;510;490;505"))
    assert dry(bars, "--data", data)["rows"][1]["close"] == 505
    assert sorted((path, path.stat().st_mtime_ns) for path in data.rglob("*")) == before


def test_it_is_for_files_alone(tmp_path: Path) -> None:
    done = run("sync", "--dry-run", "--data", tmp_path, MASSIVE_API_KEY="x")
    assert done.returncode == 2
    assert "--provider files" in done.stderr


def test_a_dry_run_looks_at_what_is_asked_for(tmp_path: Path) -> None:
    rows = "".join(
        f"{symbol},2024-05-0{day},10,11,9,10,100\n" for symbol in "ABC" for day in (1, 2, 3)
    )
    path = tmp_path / "bars.csv"
    path.write_text("symbol,date,open,high,low,close,volume\n" + rows)
    asked = ("--only", "A,C", "--since", "2024-05-02", "--dry-run", "--json")
    done = run("sync", "--provider", "files", "--path", path, *asked)
    found = json.loads(done.stdout)
    assert (found["bars"], found["symbols"], found["first"]) == (4, 2, "2024-05-02")
