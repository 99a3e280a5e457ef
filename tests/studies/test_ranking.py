"""Studies of all presets side by side: the same figures as one by one, the best one first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import polars as pl
import pytest
from msgspec import structs

import marketsweep as ms
from marketsweep.errors import UsageError
from marketsweep.language.presets import PRESETS_ALONE, SavedConditions, save
from marketsweep.studies.study.ranking import rank_conditions
from tests.studies.test_study import command

DAYS = ("--since", "2016-11-01", "--until", "2016-11-30", "--horizons", "1,5,10")


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


def test_a_ranking_has_the_figures_of_each_study(opened: ms.Market) -> None:
    names = ["nr7", "golden_cross", "gap_down", "rsi_recovery", "close < 0.0001"]
    done: list[tuple[int, int, int]] = []
    with opened.view() as view:
        ranking = rank_conditions(
            names, view, view.sessions, opened.study, lambda *counts: done.append(counts)
        )
    assert [counts[:2] for counts in done] == [(i, 5) for i in range(1, 6)]
    assert done[-1][2] == sum(row.events for row in ranking.studies)
    assert ranking.ranked_by == 5
    assert [row.condition for row in ranking.studies][-1] == "close < 0.0001"
    excess = [row.horizons[1].excess_market for row in ranking.studies[:-1]]
    assert excess == sorted(excess, reverse=True)  # type: ignore[type-var]
    for row in ranking.studies:
        study = opened.study(row.condition)
        assert [structs.asdict(x) for x in row.horizons] == [
            structs.asdict(x) for x in study.horizons
        ]
        assert row.events == len(study)
    frame = ranking.to_polars()
    assert len(frame) == 5 * 4
    assert frame["condition"].to_list() == [
        row.condition for row in ranking.studies for _ in "1234"
    ]


def test_a_study_after_another_one_is_that_of_a_new_market(opened: ms.Market, real: Path) -> None:
    # What studies share must not carry over from one condition or rule to the next.
    opened.study("nr7", stop="5%")
    opened.study("golden_cross", since="2016-06-01")
    again = opened.study("rsi_recovery", exit="close < sma(20)")
    with ms.open(real) as market:
        alone = market.study("rsi_recovery", exit="close < sma(20)")
    assert again.to_polars().equals(alone.to_polars())


def test_a_saved_exit_that_changes_is_read_again(real: Path, tmp_path: Path) -> None:
    folder = copytree(real, tmp_path / "copy")
    with ms.open(folder) as market:
        save(folder, "my_exit", "close < sma(20)", "", PRESETS_ALONE)
        first = market.study("rsi_recovery", exit="my_exit", horizons=[20])
        save(folder, "my_exit", "close > sma(20)", "", PRESETS_ALONE)
        second = market.study("rsi_recovery", exit="my_exit", horizons=[20])
    assert first.horizons[0].mean != second.horizons[0].mean


def test_a_condition_that_cannot_be_answered_is_left_out(opened: ms.Market) -> None:
    names = ['symbol("NOPE").close > 5', "nr7"]
    with opened.view() as view:
        ranking = rank_conditions(names, view, view.sessions, opened.study)
    assert len(ranking) == 1
    assert any("is left out" in warning and "NOPE" in warning for warning in ranking.warnings)
    with opened.view() as view, pytest.raises(UsageError, match="NOPE"):
        rank_conditions(names[:1], view, view.sessions, opened.study)


def test_the_command_ranks_all_presets(real: Path) -> None:
    names = SavedConditions.of(real).names()
    code, out, _ = command("--presets", *DAYS, "--data", f"{real}")
    assert code == 0
    assert f"{len(names)} conditions, 2016-11-01 to 2016-11-30, horizon 5" in out
    assert {line.split()[0] for line in out.splitlines()[4:-2] if line} >= set(names)
    code, out, _ = command("--presets", *DAYS, "--format", "csv", "--data", f"{real}")
    frame = pl.read_csv(out.encode(), infer_schema_length=None)
    assert len(frame) == 3 * len(names)
    assert set(frame["condition"]) == set(names)


def test_json_of_a_ranking_has_the_options(real: Path) -> None:
    code, out, _ = command(
        "--presets", *DAYS, "--costs", "20", "--format", "json", "--data", f"{real}"
    )
    assert code == 0
    answer = json.loads(out)
    assert answer["costs"] == 20
    assert answer["ranked_by"] == 5
    assert {"condition", "events", "symbols", "horizons"} <= answer["studies"][0].keys()


@pytest.mark.parametrize(
    "arguments", [(), ("nr7", "--presets"), ("--presets", "--html", "page.html")]
)
def test_one_condition_or_all_presets(real: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = command(*arguments, "--data", f"{real}")
    assert code == 2
    assert "--presets" in err
