"""The command line as a user meets it: whole processes, exit codes, streams."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

import marketsweep.cli.commands
from marketsweep.cli.main import COMMANDS
from marketsweep.errors import CoverageError, UsageError
from marketsweep.market import Market
from tests.helpers.command import COMMAND, process, refused, refused_process, run
from tests.helpers.markets import EXAMPLE

COMMANDS_FOLDER = Path(marketsweep.cli.commands.__file__).parent


def test_json_contract(example_data: Path, market: Market) -> None:
    condition = "rsi(14) < 35 and close > sma(close,50)*0.9"
    done = process(
        "scan",
        condition,
        "--data",
        example_data,
        "--as-of",
        "2016-12-30",
        "--format",
        "json",
        "--columns",
        "atr(14)/close, macd(12,26,9).hist",
        "--where",
        "market_cap > 100M",
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == [
        "condition",
        "as_of",
        "executor",
        "matches",
        "coverage",
        "matched",
        "columns",
        "sessions_behind",
        "warnings",
        "data_version",
        "timing",
    ]
    assert answer["condition"] == condition
    assert answer["as_of"] == "2016-12-30"
    assert answer["executor"] == "threads"
    left_out = answer["coverage"]["excluded"]
    assert list(left_out) == ["prescreen", "stale", "short_history"]
    assert set(answer["timing"]) == {"load", "evaluate", "total"}
    hits = market.scan(condition, where="market_cap > 100M")
    assert [match["symbol"] for match in answer["matches"]] == hits.symbols
    assert answer["matches"]
    for match in answer["matches"]:
        assert set(match) == {"symbol", "close", "volume", "values", "suspicious", "unsettled"}
        assert set(match["values"]) == {
            "rsi(14)",
            "sma(close,50)*0.9",
            "atr(14)/close",
            "macd(12,26,9).hist",
        }
    assert "coverage" in done.stderr


def test_files_hold_the_same_matches(example_data: Path, market: Market, tmp_path: Path) -> None:
    condition = "close crosses above sma(50)"
    hits = market.scan(condition, limit=25)
    done = process("scan", condition, "--data", example_data, "--limit", "25", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["symbol"] for row in rows] == hits.symbols
    assert [float(row["sma(50)"]) for row in rows] == hits.values["sma(50)"].tolist()
    file = tmp_path / "hits.parquet"
    done = process(
        "scan",
        condition,
        "--data",
        example_data,
        "--limit",
        "25",
        "--format",
        "parquet",
        "--output",
        file,
    )
    assert done.stdout == ""
    assert pl.read_parquet(file).equals(hits.to_polars())
    run("scan", condition, "--data", example_data, "--limit", "25", "--format", "arrow",
        "--output", file)  # fmt: skip
    assert pl.read_ipc_stream(file).equals(hits.to_polars())


def test_tables_show_what_matched(example_data: Path) -> None:
    done = process(
        "scan", "rsi(14) > 85", "--data", example_data, "--sort", "rsi(14)", "--limit", "3"
    )
    assert done.returncode == 0
    assert len(re.findall(r"^[A-Z]+ .* [\d.,]+ +[+-][\d.]+% ", done.stdout, re.MULTILINE)) == 3
    assert re.search(r"^3 of \d\d+ matches as of Fri 2016-12-30$", done.stderr, re.MULTILINE)
    empty = process("scan", "rsi(14) > 100", "--data", example_data)
    assert empty.returncode == 0
    assert "no match" in empty.stdout


def test_the_data_folder_comes_from_the_environment(example_data: Path, tmp_path: Path) -> None:
    folder = {"MARKETSWEEP_DATA": str(example_data)}
    done = process("scan", "rsi(14) > 85", "--format", "json", **folder)
    assert json.loads(done.stdout)["matches"]
    refused_process(
        2, "scan", "close > 5", says="run marketsweep sync", XDG_DATA_HOME=str(tmp_path)
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scan", "rsy(14) < 30"], "did you mean rsi"),
        (["scan", "rsi(0) < 30"], "at column 5"),
        (["scan", "(" * 20_000], "at most 16,384"),
        (["scan", "close > 5", "--where", "close > 5"], "put it into the condition"),
        (["scan", "close > 5", "--where", "sektor == 'x'"], "did you mean sector"),
        (["scan", "close > 5", "--sort", "sector"], "sorted by numbers"),
        (["scan", "close > 5", "--columns", "rsi(14), foo"], "unknown name 'foo'"),
        (["scan", "close > 5", "--executor", "quantum"], "threads, serial"),
        (["scan", "close > 5", "--format", "xml"], "table, json, csv, parquet"),
        (["scan", "close > 5", "--adjust", "magic"], "splits, total, none"),
        (["scan", "close > 5", "--as-of", "2016-13-01"], "does not match the format"),
        (["scan", "close > 5", "--as-of", "2999-01-01"], "future"),
        (["scan", "close > 5", "--as-of", "1999-01-04"], "before the first stored session"),
        (["scan", "close > 5", "--limit", "0"], "0 is not in the range"),
        (["scan", "close > 5", "--output", "/nonexistent/hits.json"], "cannot write"),
        (["signals", "close > 5", "--output", "/nonexistent/x.csv"], "no folder /nonexistent"),
        (
            [
                *("sweep", "close > {n}", "--vary", "n=1,2"),
                *("--since", "2016-12-01", "--as-of", "2016-12-30"),
            ],
            "--as-of is one session, --since and --until are many",
        ),
        (["scan"], "Missing argument"),
        (["indicators", "foo"], "unknown indicator"),
        (["scan", "close > 5", "--min-coverage", "nan"], "is not a number from 0 to 1"),
        (["sync", "--calls-per-minute", "1000000"], "is not in the range 1<=x<=100000"),
        (["sync", "--path", "bars.csv"], "need --provider files"),
        (["nothing"], "there is no command 'nothing': see marketsweep --help"),
        (["scn"], "there is no command 'scn': did you mean scan?"),
    ],
)
def test_bad_usage_exits_with_2(example_data: Path, arguments: list[str], says: str) -> None:
    refused(2, *arguments, says=says, MARKETSWEEP_DATA=str(example_data))


def test_the_help_shows_every_command_module() -> None:
    modules = {path.stem for path in COMMANDS_FOLDER.glob("[a-z]*.py")}
    shown = run("--help").stdout
    assert {name for section in COMMANDS.values() for name in section} == modules
    for name in modules:
        assert re.search(rf"^  {name} +[A-Z]", shown, re.MULTILINE)


def test_a_command_imports_no_other() -> None:
    code = (
        "import sys; from marketsweep.cli.main import main; main(['explain', '--help'], "
        "standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.rpartition(".")[2] for name in done.stderr.split() if ".commands." in name}
    assert {name for name in loaded if not name.startswith("_")} == {"explain"}


def test_low_coverage_exits_with_3_and_shows_what_there_is(example_data: Path) -> None:
    done = process(
        "scan", "close > 5", "--data", example_data, "--as-of", "2016-09-01", "--format", "json"
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["matches"]
    assert "stale" in done.stderr
    kind = process(
        "scan",
        "close > 5",
        "--data",
        example_data,
        "--as-of",
        "2016-09-01",
        "--min-coverage",
        "0.5",
    )
    assert kind.returncode == 0
    refused_process(
        3,
        "scan",
        "close > 5",
        "--data",
        example_data,
        "--as-of",
        "2017-02-01",
        says="is not stored",
    )


def test_sync_from_files_then_scan(tmp_path: Path) -> None:
    data = tmp_path / "data"
    frame = pl.read_parquet(EXAMPLE / "symbols.parquet").head(0)
    assert frame.is_empty()
    bars = tmp_path / "bars.csv"
    bars.write_text(
        "Symbol,Date,Open,High,Low,Close,Volume\n"
        "NAN,2016-12-29,1,2,0.5,1.5,100\nNAN,2016-12-30,1.5,3,1,2.5,200\n"
        "TRUE,2016-12-29,1,2,0.5,1.5,100\nTRUE,2016-12-30,nan,3,1,2.5,200\n"
        "KIMpL,2016-12-29,0,0,0,0,0\nKIMpL,2016-12-30,-1,-1,-1,-1,1.5\n"
        "BRK.B,2016-12-29,1e300,1e300,1e300,1e300,1\nBRK.B,2016-12-30,160,161,159,160,3e6\n"
        "ON,2016-12-26,1,1,1,1,1\nON,2016-12-30,12,12,12,12,5\nON,2016-12-30,13,13,13,13,5\n"
    )
    done = process("sync", "--provider", "files", "--path", bars, "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    assert receipt["new"] == 8
    assert receipt["set_aside"] == {"closed day": 1, "contradicted": 1, "incomplete": 1}
    (told,) = receipt["contradicted"]
    assert (told["symbol"], told["session"]) == ("ON", "2016-12-30")
    assert (told["old"]["close"], told["new"]["close"]) == (12, 13)
    again = json.loads(
        process("sync", "--provider", "files", "--path", bars, "--data", data, "--json").stdout
    )
    assert (again["wanted"], again["new"], again["data_version"]) == (2, 0, receipt["data_version"])
    scan = process("scan", "close > 1", "--data", data, "--format", "json", "--min-coverage", "0.5")
    assert scan.returncode == 0, scan.stderr
    assert {m["symbol"]: m["close"] for m in json.loads(scan.stdout)["matches"]} == {
        "NAN": 2.5,
        "BRK.B": 160,
        "ON": 13,
    }
    low = process(
        "scan",
        "close < 0 and close < sma(2)",
        "--data",
        data,
        "--format",
        "json",
        "--min-coverage",
        "0",
    )
    assert [m["symbol"] for m in json.loads(low.stdout)["matches"]] == ["KIMpL"]
    status = process("status", "--data", data)
    assert status.returncode == 0
    for words in ("1 contradicted", "1 incomplete", "1 closed day", "2 nonpositive", "1 absurd"):
        assert words in status.stdout
    assert "no damage" in status.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--provider", "tape"], 2, "choose massive or files"),
        (["--provider", "files"], 2, "needs --path FILE with bars, --actions FILE, --symbols"),
        (["--provider", "files", "--path", "/nonexistent.parquet"], 2, "/nonexistent.parquet"),
        ([], 2, "export MASSIVE_API_KEY"),
        (
            ["--api-key", "k", "--base-url", "http://127.0.0.1:9"],
            4,
            "127.0.0.1:9 cannot be connected to (Connection refused), after 6 tries",
        ),
        (["--api-key", "k", "--since", "2999-01-01"], 2, "future"),
        (["--api-key", "k", "--since", "2016-02-01", "--until", "2016-01-01"], 2, "after"),
    ],
)
def test_sync_refusals(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    refused(code, "sync", "--data", tmp_path, *arguments, says=says)


def test_damage_exits_with_5(tmp_path: Path) -> None:
    data = tmp_path / "data"
    bars = tmp_path / "bars.csv"
    bars.write_text("symbol,date,open,high,low,close,volume\nAAPL,2016-12-30,1,2,1,2,3\n")
    assert process("sync", "--provider", "files", "--path", bars, "--data", data).returncode == 0
    (segment,) = (data / "segments").glob("*.npy")
    content = bytearray(segment.read_bytes())
    content[-3] ^= 1
    segment.write_bytes(content)
    done = process("status", "--data", data)
    assert done.returncode == 5
    assert "DAMAGE" in done.stdout
    assert process("status", "--data", data, "--no-verify").returncode == 0
    refused_process(5, "scan", "close > 1", "--data", data, says="checksum")
    (data / "catalog.sqlite").write_bytes(b"no database at all, but long enough to look at" * 50)
    refused_process(5, "scan", "close > 1", "--data", data, says=str(data))


def test_status_as_json(example_data: Path) -> None:
    facts = json.loads(run("status", "--data", example_data, "--json").stdout)
    assert facts["sessions"] == 252
    assert facts["symbols"] == 6596
    assert facts["missing"] == []
    assert facts["damages"] == []
    assert "2016-09-01" in facts["thin"]
    assert facts["set_aside"] == {"closed day": 63}


def test_indicators_are_listed() -> None:
    done = run("indicators")
    assert done.returncode == 0
    assert "macd(close, 12, 26, 9)" in done.stdout
    facts = json.loads(run("indicators", "stoch", "--json").stdout)
    assert [row["outputs"] for row in facts] == [["k", "d"]]
    assert [(row["units"], row["first_bar"]) for row in facts] == [("percent", 18)]
    bands = run("indicators", "bbands").stdout
    assert "unit: .upper in dollars a share" in bands
    assert ".width in percent, .percent_b in a ratio" in bands
    assert "first value: bar 20" in bands


@pytest.mark.parametrize(
    "command", ["sync", "scan", "status", "actions", "sandbox", "demo", "tune", "indicators"]
)
def test_help_has_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "marketsweep" in done.stdout


@pytest.mark.parametrize(
    "name", ["scan", "signals", "explain", "presets", "indicators", "--help", "--version"]
)
def test_a_full_disk_behind_stdout(example_data: Path, name: str) -> None:
    arguments = {
        "scan": ["close > 5"],
        "signals": ["close > 900", "--format", "csv"],
        "explain": ["AAPL", "close > 5"],
        "presets": ["list"],
    }
    needs_no_data = name == "indicators" or name.startswith("-")
    data = [] if needs_no_data else ["--data", str(example_data)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, name, *arguments.get(name, []), *data],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5, done.stderr
    assert "the answer cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("format", ["csv", "parquet", "json", "table"])
@pytest.mark.parametrize("name", ["scan", "signals"])
def test_a_reader_that_leaves(example_data: Path, name: str, format: str) -> None:
    # A month of signals fills the pipe many times over.
    since = ["--since", "2016-12-01"] if name == "signals" else []
    started = subprocess.Popen(
        [COMMAND, name, "close > 1", *since, "--format", format, "--data", str(example_data)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert started.stdout
    assert started.stderr
    started.stdout.read(1)
    started.stdout.close()
    said = started.stderr.read().decode()
    started.stderr.close()
    assert "Traceback" not in said
    assert started.wait() in (0, 1, 3)


def test_without_a_stdout(example_data: Path) -> None:
    command = f"'{COMMAND}' scan 'close > 900' --data '{example_data}' >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no stdout to write to: add --output FILE" in done.stderr


def test_wrong_numbers_from_python_are_named(market: Market) -> None:
    for wrong in (-1, 1.5, "3"):
        with pytest.raises(UsageError, match="near"):
            market.scan("close > 5", near=wrong)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="sessions"):
            market.audit("close > 5", sessions=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="top"):
        market.scan("close > 5", by="sector")


def test_how_many_matched_is_told_with_a_limit(market: Market) -> None:
    whole = market.scan("close > 500")
    some = market.scan("close > 500", limit=2)
    assert (len(some), some.matched) == (2, len(whole))
    assert some.receipt.startswith(f"2 of {len(whole)} matches as of")
    assert whole.receipt.startswith(f"{len(whole)} matches as of")
    assert some.to_dict()["matched"] == whole.to_dict()["matched"] == len(whole)


def test_an_audit_of_nobody_is_none(market: Market) -> None:
    with pytest.raises(CoverageError, match="no symbol was evaluated"):
        market.audit("close > 5", where='sector == "Magic"', sessions=2)


def test_the_demo_leaves_a_market_to_scan(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    done = run("demo", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "38 matches as of Fri 2016-12-30" in done.stdout
    tried = re.findall(r"^  marketsweep (.*)$", done.stdout, re.MULTILINE)
    assert len(tried) == 3
    for line in tried:
        call = [str(tmp_path / "charts") if one == "charts" else one for one in shlex.split(line)]
        assert run(*call).returncode == 0, line
    # The next one replaces it, and nothing else.
    assert run("demo", "--data", data, "--json").returncode == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("mine")
    other = run("demo", "--data", tmp_path / "mine")
    assert other.returncode == 2
    assert "is not empty" in other.stderr
    assert (tmp_path / "mine" / "notes").exists()


@pytest.mark.parametrize("name", ["catalog.sqlite", "writer.lock", "segments/x.npy"])
@pytest.mark.parametrize("command", ["scan", "chart"])
def test_an_answer_never_takes_the_place_of_a_part_of_a_data_folder(
    name: str, command: str, example_data: Path
) -> None:
    before = (example_data / "catalog.sqlite").read_bytes()
    what = "close > 1" if command == "scan" else "AAPL"
    says = "is part of the data folder"
    refused(2, command, what, "--data", example_data, "--output", example_data / name, says=says)
    link = example_data.parent / f"link-{command}-{Path(name).name}"
    link.symlink_to(example_data / name)
    refused(2, command, what, "--data", example_data, "--output", link, says=says)
    assert (example_data / "catalog.sqlite").read_bytes() == before


def test_an_answer_goes_through_dev_stdout_into_a_pipe(example_data: Path) -> None:
    done = process(
        *("scan", "close > 5000", "--data", example_data, "--format", "csv"),
        *("--output", "/dev/stdout"),
    )
    assert done.returncode == 0
    assert done.stdout.startswith("symbol,close,volume")


def test_what_is_given_is_not_shown_with_control_characters(example_data: Path) -> None:
    done = process("scan", "close > 0", "a\x1b]0;x\x07b\u202e", "--data", example_data)
    assert done.returncode == 2
    assert "unexpected extra argument" in done.stderr
    assert not set(done.stderr) & {"\x1b", "\x07", "\u202e"}


def test_a_list_that_never_ends_is_refused(example_data: Path) -> None:
    arguments = ("--data", example_data, "--incremental", "--always", "@/dev/zero")
    refused(2, "scan", "close > 0", *arguments, says="has more than 16 MB")


def test_ctrl_c_ends_a_read_that_never_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    arguments = ("--provider", "files", "--path", tmp_path / "fifo", "--data", tmp_path / "data")
    with subprocess.Popen(
        [COMMAND, "sync", *map(str, arguments)], stderr=subprocess.PIPE, text=True
    ) as running:
        while not (tmp_path / "data").exists():
            time.sleep(0.05)
        time.sleep(0.3)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("marketsweep explain AAP", ["AAP", "AAPC", "AAPL"]),
        ("marketsweep chart brk", ["BRKL", "BRKR", "BRKS"]),
        ("marketsweep scan golden", ["golden_cross"]),
        ("marketsweep scan uptrend --universe li", ["liquid"]),
        ("marketsweep explain AAPL minervini", ["minervini_trend_template"]),
        ("marketsweep sta", ["status"]),
        ("marketsweep explain NOTHERE", []),
    ],
)
def test_a_shell_completes_names(line: str, expected: list[str], example_data: Path) -> None:
    words = line.split(" ")
    done = process(
        _MARKETSWEEP_COMPLETE="bash_complete",
        COMP_WORDS=line,
        COMP_CWORD=f"{len(words) - 1}",
        MARKETSWEEP_DATA=f"{example_data}",
    )
    assert [one.partition(",")[2] for one in done.stdout.split()] == expected
    assert done.stderr == ""


def test_a_shell_completes_nothing_without_a_data_folder(tmp_path: Path) -> None:
    done = process(
        _MARKETSWEEP_COMPLETE="bash_complete",
        COMP_WORDS="marketsweep explain AA",
        COMP_CWORD="2",
        MARKETSWEEP_DATA=f"{tmp_path / 'none'}",
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_ending_of_the_output_is_its_format(example_data: Path, tmp_path: Path) -> None:
    def written(name: str, *line: str) -> bytes:
        file = tmp_path / name
        done = run(*line, "--data", example_data, "--output", file)
        assert done.returncode == 0, done.stderr
        return file.read_bytes()

    scan = ("scan", "nr7", "--limit", "3")
    assert written("hits.csv", *scan).startswith(b"symbol,")
    assert len(json.loads(written("hits.json", *scan))["matches"]) == 3
    assert written("hits.PARQUET", *scan)[:4] == b"PAR1"
    assert written("hits.arrow", *scan)[:6] == b"ARROW1" or written("h2.arrow", *scan)[:4]
    assert written("hits.txt", *scan).startswith(b"symbol  ")
    assert written("table.csv", *scan, "--format", "table").startswith(b"symbol  ")
    assert written("signals.csv", "signals", "golden_cross").startswith(b"date,")
    done = run("signals", "nr7", "--data", example_data, "--output", tmp_path / "x.arrow")
    assert (done.returncode, "alone" in done.stderr) == (2, True)
