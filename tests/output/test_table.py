"""The table of a scan: names and changes beside the close, and what a terminal gets."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import polars as pl

from tests.helpers.command import COMMAND, run
from tests.helpers.markets import EXAMPLE, series

MANY = "close > 5"


def terminal(*arguments: str | Path, **environment: str) -> str:
    """What a terminal of 100 columns shows of an answer."""
    parent, child = pty.openpty()
    names = {**os.environ, "COLUMNS": "100", "TERM": "xterm", **environment}
    with subprocess.Popen(
        [COMMAND, *map(str, arguments)], stdout=child, stderr=subprocess.DEVNULL, env=names
    ) as process:
        os.close(child)
        text = b""
        while chunk := _read(parent):
            text += chunk
        process.wait()
    os.close(parent)
    return text.decode().replace("\r\n", "\n")


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # a terminal whose other side has gone
        return b""


def test_names_and_changes(example_data: Path) -> None:
    """Raw closes serve as expected values: no shown symbol has a split in the last session."""
    shown = run("scan", "close > 100", "--limit", "40", "--data", example_data).stdout
    names = dict(pl.read_parquet(EXAMPLE / "symbols.parquet").select("symbol", "name").rows())
    rows = [re.split(r"  +", line) for line in shown.splitlines()[2:]]
    assert len(rows) == 40
    for symbol, name, close, change, *_ in rows:
        assert names[symbol].startswith(name.removesuffix("...")), symbol
        before, last = series(symbol)["close"][-2:].tolist()
        assert float(close.replace(",", "")) == round(last, 2)
        assert change == f"{100 * (last / before - 1):+.2f}%"


def test_names_that_are_not_known_take_no_column(tmp_path: Path) -> None:
    rows = "".join(f"A,2024-05-0{day},10,11,9,10,100\n" for day in (1, 2, 3))
    (tmp_path / "bars.csv").write_text("symbol,date,open,high,low,close,volume\n" + rows)
    data = tmp_path / "data"
    run("sync", "--provider", "files", "--path", tmp_path / "bars.csv", "--data", data)
    shown = run("scan", "close > 5", "--data", data, "--min-coverage", "0").stdout
    assert re.split(r"  +", shown.splitlines()[0]) == ["symbol", "close", "change", "volume"]
    assert "+0.00%" in shown


def test_a_terminal_shows_thirty_matches_and_says_how_to_get_the_others(
    example_data: Path,
) -> None:
    shown = terminal("scan", MANY, "--data", example_data)
    rows = [line for line in shown.splitlines() if re.match(r"[A-Z]", line)]
    assert len(rows) == 30
    matched = len(run("scan", MANY, "--data", example_data).stdout.splitlines()) - 2
    left = re.search(r"^([\d,]+) more: --limit (\d+) shows them", shown, re.MULTILINE)
    assert left, shown
    assert int(left[1].replace(",", "")) == matched - 30
    assert int(left[2]) == matched
    assert "more: --limit" not in terminal("scan", MANY, "--limit", "40", "--data", example_data)


def test_changes_are_coloured_on_a_terminal_alone(example_data: Path) -> None:
    assert re.search(r"\x1b\[32m *\+\d", terminal("scan", MANY, "--data", example_data))
    assert re.search(r"\x1b\[31m *-\d", terminal("scan", MANY, "--data", example_data))
    assert "\x1b" not in terminal("scan", MANY, "--data", example_data, NO_COLOR="1")
    assert "\x1b" not in run("scan", MANY, "--data", example_data).stdout
