"""Conditions by name: the presets and the user's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from marketsweep.errors import ConditionError, UsageError
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import MAX_LENGTH, parse
from marketsweep.language.presets import FOLDER, SavedConditions, presets, remove, save
from tests.helpers.command import run
from tests.helpers.markets import example_bars, store_of


@pytest.mark.parametrize("name", presets())
def test_a_preset_has_a_description_and_a_canonical_text(name: str) -> None:
    preset = SavedConditions().one(name)
    assert preset.doc.endswith(".")
    assert not preset.own
    tree = parse(name, OwnNames(SavedConditions()))
    assert tree == parse(preset.condition, OwnNames(SavedConditions()))
    assert len(str(tree)) < MAX_LENGTH
    assert parse(str(tree)) == tree


def test_there_are_forty_different_presets() -> None:
    assert len(presets()) >= 40
    assert len({SavedConditions().one(name).condition for name in presets()}) == len(presets())


def test_conditions_of_the_user(market: ms.Market, tmp_path: Path) -> None:
    save(tmp_path, "my_dip", "rsi(2) < 10 and uptrend", "A dip.\nTo buy.")
    dip = SavedConditions.of(tmp_path).one("my_dip")
    assert (dip.doc, dip.condition, dip.own) == ("A dip. To buy.", "rsi(2) < 10 and uptrend", True)
    save(tmp_path, "loud_dip", "my_dip and volume > 1M")
    saved = SavedConditions.of(tmp_path)
    assert parse("loud_dip", OwnNames(saved)) == parse(
        "rsi(2) < 10 and uptrend and volume > 1M", OwnNames(SavedConditions())
    )
    assert saved.names()[-2:] == ["loud_dip", "my_dip"]
    # A changed condition must give another cache key.
    save(tmp_path, "my_dip", "rsi(2) < 5")
    assert SavedConditions.of(tmp_path) != saved
    assert parse("my_dip", OwnNames(SavedConditions.of(tmp_path))) == parse("rsi(2) < 5")
    remove(tmp_path, "my_dip")
    assert SavedConditions.of(tmp_path).names()[-1] == "loud_dip"
    with pytest.raises(ConditionError, match="in the saved condition loud_dip: unknown name"):
        parse("loud_dip", OwnNames(SavedConditions.of(tmp_path)))


def test_an_error_in_a_saved_condition_has_the_place_of_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "conditions"
    folder.mkdir()
    (folder / "inner.scan").write_text("# A wrong one.\nclose > 5\nand rsii(14) < 30")
    (folder / "outer.scan").write_text("inner and close > 1")
    text = "volume > 1M and outer"
    with pytest.raises(ConditionError) as caught:
        parse(text, OwnNames(SavedConditions.of(tmp_path)))
    error = caught.value
    assert text[error.column : error.column + error.width] == "outer"
    assert error.source == text
    assert error.message.startswith("in the saved condition inner: unknown indicator")
    assert error.message.endswith("in 'and rsii(14) < 30'")
    assert error.suggestion == ""


@pytest.mark.parametrize(
    ("name", "condition", "said"),
    [
        ("close", "close > 1", "is already a word or a preset"),
        ("within", "close > 1", "is already a word or a preset"),
        ("uptrend", "close > 1", "is already a word or a preset"),
        ("../evil", "close > 1", "is not a valid name for a condition"),
        ("My Dip", "close > 1", "is not a valid name for a condition"),
        ("", "close > 1", "is not a valid name for a condition"),
        ("dip", "clos > 1", "did you mean close"),
        ("dip", "close", "true or false"),
        ("dip", "dip or close > 1", "contains itself"),
    ],
)
def test_invalid_conditions_are_not_saved(
    tmp_path: Path, name: str, condition: str, said: str
) -> None:
    with pytest.raises((UsageError, ConditionError), match=said):
        save(tmp_path, name, condition)
    assert not (tmp_path / "conditions").exists()


def test_presets_stay_and_unknown_ones_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="uptrend is a preset"):
        remove(tmp_path, "uptrend")
    with pytest.raises(UsageError, match="did you mean golden_cross"):
        SavedConditions().one("goldencross")


def test_the_command_line(tmp_path: Path, market: ms.Market) -> None:
    data = tmp_path / "data"
    missing = run("presets", "save", "mine", "close > 1", "--data", data)
    assert missing.returncode == 2
    assert "run marketsweep sync" in missing.stderr
    with ms.open(market.store.path) as opened:
        assert opened.scan("nr7 and inside_day").symbols == opened.scan("nr7_inside_day").symbols
    listed = run("presets", "list", "--data", data)
    assert "golden_cross " in listed.stdout
    facts = json.loads(run("presets", "list", "--json", "--data", data).stdout)
    assert {preset["name"] for preset in facts} == set(presets())
    shown = run("presets", "show", "darvas_box", "--data", data)
    assert SavedConditions().one("darvas_box").condition in shown.stdout
    assert run("presets", "show", "darvis_box", "--data", data).returncode == 2


def test_presets_in_one_pass_match_as_alone(market: ms.Market) -> None:
    names = presets()
    for name, hits in zip(names, market.scan_together(names, limit=50), strict=True):
        alone = market.scan(name, limit=50)
        assert hits.symbols == alone.symbols, name
        assert hits.coverage == alone.coverage
        assert hits.condition == name
        for label, values in alone.values.items():
            np.testing.assert_array_equal(hits.values[label], values)
    with pytest.raises(UsageError, match="takes a list of conditions"):
        market.scan_together([])


def test_all_presets_at_once_from_the_command_line(example_data: Path, market: ms.Market) -> None:
    result = run("presets", "run", "--data", example_data)
    assert result.returncode == 0, result.stderr
    counts = {line.split()[0]: line.split()[1] for line in result.stdout.splitlines()}
    assert set(counts) == set(presets())
    assert counts["uptrend"] == f"{len(market.scan('uptrend')):,}"
    named = run("presets", "run", "nr7", "NR7", "--json", "--data", example_data)
    assert [hits["condition"] for hits in json.loads(named.stdout)] == ["nr7", "nr7"]
    assert "did you mean nr7" in run("presets", "run", "nr77", "--data", example_data).stderr


def test_a_condition_with_missing_parts_is_skipped_in_a_run(
    example_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(example_data, data)
    assert run("presets", "save", "my_dip", "rsi(2) < 10", "--data", data).returncode == 0
    assert run("presets", "save", "mine", "my_dip and close > 5", "--data", data).returncode == 0
    assert run("presets", "remove", "my_dip", "--data", data).returncode == 0
    result = run("presets", "run", "--data", data)
    assert result.returncode == 0, result.stderr
    assert "mine is skipped: " in result.stderr
    assert "unknown name 'my_dip'" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == presets()


def test_presets_that_need_a_symbol_without_bars_are_named(tmp_path: Path) -> None:
    few = example_bars().filter(pl.col("symbol") < "AB")
    assert "QQQ" not in few["symbol"].unique().to_list()
    data = store_of(tmp_path, few, reference=False).path
    result = run("presets", "run", "--data", data, "--json")
    assert result.returncode == 0, result.stderr
    evaluated = {hits["condition"] for hits in json.loads(result.stdout)}
    skipped = set(SavedConditions().names()) - evaluated
    assert skipped
    for name in skipped:
        assert "QQQ" in SavedConditions().one(name).condition
        assert f"{name} is skipped: no bars of 'QQQ' are stored" in result.stderr
    for name in evaluated:
        assert "QQQ" not in SavedConditions().one(name).condition
    named = run("presets", "run", *sorted(skipped), "golden_cross", "--data", data)
    assert named.returncode == 0
    assert "golden_cross" in named.stdout
    none = run("presets", "run", *sorted(skipped), "--data", data)
    assert none.returncode == 2
    assert "none of these conditions can be evaluated on this data" in none.stderr


def test_a_file_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    """An editor's lock file, a link to itself, a folder, UTF-16 and a device."""
    folder = tmp_path / "conditions"
    folder.mkdir()
    (folder / "mine.scan").write_text("close > 5\n")
    (folder / ".#mine.scan").symlink_to("me@host.1")
    (folder / "loop.scan").symlink_to("loop.scan")
    (folder / "inside.scan").mkdir()
    (folder / "wide.scan").write_bytes("close > 6".encode("utf-16"))
    (folder / "endless.scan").symlink_to("/dev/zero")
    saved = SavedConditions.of(tmp_path)
    assert saved("mine") == "close > 5\n"
    assert saved.names() == [*presets(), "mine"]
    assert [condition.name for condition in saved.everyone() if condition.own] == ["mine"]
    assert len(saved.faults()) == 3
    assert all(str(folder) in error for error in saved.faults())


def test_a_folder_of_conditions_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    (tmp_path / "conditions").symlink_to("conditions")
    with pytest.raises(UsageError, match="conditions cannot be read"):
        SavedConditions.of(tmp_path)


def test_a_file_with_the_name_of_a_preset_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "uptrend.scan").write_text("close > 1\n")
    saved = SavedConditions.of(tmp_path)
    assert saved.names() == presets()
    assert not saved.one("uptrend").own


def test_a_condition_is_saved_as_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from marketsweep.language.presets import save; "
        "save(Path(sys.argv[1]), 'mine', 'close > 1', 'f\\xfcr sp\\xe4ter')"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, env=environment)
    assert SavedConditions.of(tmp_path).one("mine").doc == "für später"
