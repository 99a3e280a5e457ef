"""`marketsweep translate`: where the text comes from, its output, and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.command import COMMAND, refused, run

PINE = "//@version=5\nalertcondition(ta.crossover(close, ta.sma(close, 50)))\n"
CONDITION = "close crosses above sma(50)"


def test_a_text_is_translated() -> None:
    done = run("translate", "plot scan = close crosses above Average(close, 50);")
    assert done.returncode == 0
    assert done.stdout == f"{CONDITION}\n"
    assert done.stderr == ""


def test_a_file_is_translated(tmp_path: Path) -> None:
    file = tmp_path / "scan.pine"
    file.write_text(PINE)
    assert run("translate", "--file", file).stdout == f"{CONDITION}\n"


def test_standard_input_is_translated() -> None:
    done = subprocess.run(
        [COMMAND, "translate"], input=PINE, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{CONDITION}\n"


def test_json_has_the_language_and_the_notes() -> None:
    text = "( {33489} ( latest close > 20 ) )"
    done = run("translate", text, "--json")
    assert json.loads(done.stdout) == {
        "language": "chartink",
        "condition": "close > 20",
        "notes": ["the group {33489} of Indian stocks was left out"],
    }
    assert done.stderr == ""
    assert "the group {33489}" in run("translate", text).stderr


def test_the_language_may_be_named() -> None:
    text = "close > open"
    for language in ("thinkscript", "pine", "chartink"):
        assert run("translate", text, "--from", language).stdout == "close > open\n"


def test_what_cannot_be_translated_is_shown() -> None:
    says = "figures of a company's accounts are not stored, at column 13"
    refused(2, "translate", "sh_price_o5,fa_pe_u20", says=says)
    refused(
        2,
        "translate",
        "plot scan = VWAP() > close;",
        says="VWAP cannot be translated: there are daily bars only",
    )


def test_faults_of_the_request(tmp_path: Path) -> None:
    refused(2, "translate", "", says="the text is empty")
    refused(2, "translate", "x", "--file", tmp_path / "f", says="not both")
    refused(2, "translate", "--file", tmp_path / "missing", says="cannot read")
    refused(2, "translate", "close > 5", "--from", "basic", says="'basic' is not one of")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    refused(2, "translate", "--file", tmp_path / "binary", says="not a text in UTF-8")


def test_the_help_has_examples_of_each_language() -> None:
    text = run("translate", "--help").stdout
    for example in ("Average(close, 50)", "ta.crossover", "{cash}", "sh_price_u10", "--json"):
        assert example in text


def test_a_scan_loads_no_translator() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from marketsweep.cli.main import main; "
        "CliRunner().invoke(main, ['scan', 'close > 5', '--data', '/nonexistent']); "
        "print([name for name in sys.modules if '.translate' in name or '.foreign' in name])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "MARKETSWEEP_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )
    assert done.stdout.strip() == "[]"
