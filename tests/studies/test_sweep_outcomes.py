"""Outcomes of sweeps: against studies of each variant, and what can be known of the best one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from shutil import copytree

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import marketsweep as ms
from marketsweep.cli.main import main
from marketsweep.errors import UsageError
from marketsweep.studies.sweep_outcomes import SweepOutcomes
from marketsweep.studies.trials import FILE, count_trials


@pytest.fixture(scope="module")
def opened(real: Path) -> Iterator[ms.Market]:
    with ms.open(real) as market:
        yield market


@pytest.mark.parametrize(
    ("condition", "values", "outcome", "since"),
    [
        ("close > sma({n})", {"n": [20, 50]}, "return(20)", "2016-01-04"),
        ("rsi({n}) < {t}", {"n": [3, 14], "t": [30, 45]}, "excess(5)", "2016-01-04"),
        ("rank(roc({n})) <= 100", {"n": [21]}, "return(1)", "2016-12-01"),
        ('close > {k} * symbol("QQQ").close', {"k": [1]}, "return(5)", "2016-01-04"),
    ],
)
def test_each_variant_is_a_study_of_its_own(
    opened: ms.Market, condition: str, values: dict[str, list[float]], outcome: str, since: str
) -> None:
    kind, _, horizon = outcome.rstrip(")").partition("(")
    sweep = opened.sweep(condition, outcome=outcome, since=since, **values)  # type: ignore[arg-type]
    for number, row in enumerate(sweep.to_dicts()):
        text = condition
        for name in values:
            text = text.replace(f"{{{name}}}", f"{row[name]}")
        # The streak begins where the condition holds, and is known not to have held before.
        study = opened.study(
            f"({text}) and not ({text})[1]", every=True, horizons=[int(horizon)], since=since
        )
        frame = study.to_polars().filter(
            pl.col("return").is_not_null(), pl.col("market_return").is_not_null()
        )
        returns = frame["return"]
        if kind == "excess":
            returns = returns - frame["market_return"]
        assert row["events"] == len(returns) > 100
        assert row["mean"] == pytest.approx(returns.mean(), abs=1e-8)
        assert row["hit_rate"] == pytest.approx((returns > 1e-8).mean(), abs=2e-4)
        assert sweep.matches[number].sum() == len(study)
        by_session = frame.with_columns(returns.alias("x")).group_by("signal_date")
        means = by_session.agg(pl.col("x").mean())["x"]
        ratio = means.mean() / means.std()  # type: ignore[operator]
        assert row["sharpe"] == pytest.approx(ratio, abs=1e-5)


def test_all_executors_add_up_the_same(opened: ms.Market) -> None:
    rows = [
        opened.sweep("rsi({n}) < 30", n=[5, 14], outcome="return(5)", executor=name).to_polars()
        for name in ("threads", "serial", "auto")
    ]
    assert rows[0].equals(rows[1])
    assert rows[0].equals(rows[2])


def test_a_condition_that_needs_a_scan_of_each_session_has_outcomes_too(
    opened: ms.Market,
) -> None:
    days = {"since": "2016-11-01", "until": "2016-11-10"}
    condition = "market(pct(close > sma({n}))) > 20% and rank(roc(5)) <= 50"
    sweep = opened.sweep(condition, n=[20], outcome="return(5)", **days)  # type: ignore[arg-type]
    text = condition.replace("{n}", "20")
    study = opened.study(f"({text}) and not ({text})[1]", every=True, horizons=[5], **days)  # type: ignore[arg-type]
    frame = study.to_polars().filter(
        pl.col("return").is_not_null(), pl.col("market_return").is_not_null()
    )
    (row,) = sweep.to_dicts()
    assert row["events"] == len(frame) > 50
    assert row["mean"] == pytest.approx(frame["return"].mean(), abs=1e-8)


def outcomes_of(counts: np.ndarray, sums: np.ndarray, horizon: int = 3) -> SweepOutcomes:
    return SweepOutcomes(
        outcome=f"return({horizon})",
        horizon=horizon,
        stored=counts.shape[1] - horizon,
        counts=counts,
        above=counts // 2,
        sums=sums,
        trials=len(counts),
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_a_variant_is_chosen_by_what_was_known_before_its_test(seed: int) -> None:
    chance = np.random.default_rng(seed)
    counts = chance.integers(0, 9, (12, 150))
    sums = chance.normal(0, 1, counts.shape) * counts
    outcomes = outcomes_of(counts, sums)
    assert len(outcomes.walk_forward) == 4
    for i, fold in enumerate(outcomes.walk_forward):
        # A position that is opened in the last session of the training is closed before the test.
        assert fold.train[1] + outcomes.horizon < fold.test[0]
        later = sums.copy()
        later[:, fold.test[0] - outcomes.horizon :] *= -1
        changed = outcomes_of(counts, later).walk_forward[i]
        assert (changed.variant, changed.mean_in) == (fold.variant, fold.mean_in)
        assert fold.variant is not None
        test = slice(fold.test[0], fold.test[1] + 1)
        mean = sums[fold.variant, test].sum() / counts[fold.variant, test].sum()
        assert fold.mean_out == pytest.approx(mean)
    tests = [fold.test for fold in outcomes.walk_forward]
    assert all(a[1] + 1 == b[0] for a, b in pairwise(tests))
    assert outcomes.in_sample.stop + outcomes.horizon <= outcomes.out_of_sample.start


def test_luck_is_deflated_and_an_effect_is_not() -> None:
    chance = np.random.default_rng(1)
    counts = np.full((400, 500), 20)
    noise = chance.normal(0, 0.02, counts.shape)
    lucky = outcomes_of(counts, noise * counts, horizon=1)
    assert lucky.deflated is not None
    assert lucky.deflated < 0.95
    assert lucky.figures[lucky.best or 0].sharpe > 0.1  # type: ignore[operator]
    real = noise.copy()
    real[7] += 0.012
    found = outcomes_of(counts, real * counts, horizon=1)
    assert found.best == 7
    assert found.deflated is not None
    assert found.deflated > 0.99
    assert found.walk_forward[-1].variant == 7


def test_variants_that_are_nearly_the_same_are_no_cheaper() -> None:
    chance = np.random.default_rng(2)
    counts = np.full((1, 245), 20)
    noise = chance.normal(0.004, 0.02, counts.shape)
    alone = replace(outcomes_of(counts, noise * counts, horizon=5), trials=90)
    twice = np.repeat(counts, 2, axis=0)
    same = replace(outcomes_of(twice, np.repeat(noise, 2, axis=0) * twice, horizon=5), trials=90)
    # The best of 90 ratios of 48 independent observations without an effect is about 0.36.
    best = chance.normal(0, 1 / np.sqrt(48), (4_000, 90)).max(axis=1).mean()
    assert alone.threshold == pytest.approx(best, rel=0.05)
    assert same.threshold == alone.threshold
    assert same.deflated == pytest.approx(alone.deflated)


def test_a_variant_with_few_events_is_never_the_best() -> None:
    counts = np.ones((2, 100), dtype=np.int64)
    counts[1, 20:] = 0
    sums = np.ones((2, 100)) * np.linspace(0.01, 0.02, 100)
    sums[0] -= 0.01
    sums[1, 20:] = 0
    outcomes = outcomes_of(counts, sums)
    assert outcomes.best == 0
    assert outcomes.ranking == [0, 1]
    assert outcomes_of(counts[1:], sums[1:]).best is None


def test_trials_are_counted_once_over_sweeps_and_studies(real: Path, tmp_path: Path) -> None:
    folder = copytree(real, tmp_path / "copy", ignore=lambda *_: [FILE])
    with ms.open(folder) as market:
        first = market.sweep("close > sma({n})", n=[20, 50], outcome="return(5)")
        again = market.sweep("close > sma({n})", n=[20, 50], outcome="return(5)")
        more = market.sweep("close > sma({n})", n=[50, 100], outcome="return(5)")
        counts = [s.outcomes.trials for s in (first, again, more)]  # type: ignore[union-attr]
        assert counts == [2, 2, 3]
        # The same condition with the same rules is not a new trial of the outcome.
        assert market.study("close > sma(100)", horizons=[5]).trials == 3
        assert market.study("close > sma(200)", horizons=[5]).trials == 4
        assert market.study("close > sma(200)", horizons=[5], stop="8%").trials == 5
        assert market.study("close > sma(200)", horizons=[5], where='type == "CS"').trials == 6
        assert market.study("close > sma(200)", horizons=[20]).trials == 1


def test_a_folder_that_cannot_be_written_counts_no_trials(tmp_path: Path) -> None:
    assert count_trials(tmp_path / "absent", "return(5)", ["close > 5"]) is None
    assert count_trials(tmp_path, "return(5)", ["close > 5", "close > 6"]) == 2
    assert count_trials(tmp_path, "return(5)", ["close > 5"]) == 2
    assert count_trials(tmp_path, "return(20)", ["close > 5"]) == 1


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"outcome": "returns(20)"}, "write return"),
        ({"outcome": "return(0)"}, "horizon 0"),
        ({"outcome": "return(5)", "as_of": "2016-06-30"}, "many sessions"),
        ({"outcome": "return(5)", "executor": "gpu"}, "gpu"),
    ],
)
def test_outcomes_that_make_no_sense_are_refused(
    opened: ms.Market, given: dict[str, str], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        opened.sweep("rsi({n}) < 30", n=[5], **given)  # type: ignore[arg-type]


# -- the command


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["sweep", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_ranks_variants_and_shows_the_luck(real: Path, tmp_path: Path) -> None:
    page = tmp_path / "sweep.html"
    vary = ("rsi({n}) < {t}", "--vary", "n=5..25..5", "--vary", "t=20..40..5")
    code, out, _ = command(
        *vary, "--outcome", "return(5)", "--html", f"{page}", "--data", f"{real}"
    )
    assert code == 0
    assert "return(5) after the first session of a streak, 25 variants, 252 sessions" in out
    assert "walk-forward" in out
    assert "deflated Sharpe ratio" in out
    text = page.read_text()
    assert text.count('class="map"') == 2
    assert "n=5 t=20" in text
    assert "src=" not in text
    code, out, _ = command(*vary, "--outcome", "return(5)", "--format", "json", "--data", f"{real}")
    answer = json.loads(out)
    assert {"outcome", "best", "trials", "deflated_sharpe", "walk_forward"} <= answer.keys()
    assert len(answer["variants"]) == 25
    assert 0 <= answer["deflated_sharpe"] <= 1
    code, out, _ = command(*vary, "--outcome", "return(5)", "--format", "csv", "--data", f"{real}")
    frame = pl.read_csv(out.encode())
    assert frame.columns == [
        *("n", "t", "events", "mean", "hit_rate", "sharpe", "mean_in", "mean_out"),
    ]


def test_a_page_needs_an_outcome(real: Path, tmp_path: Path) -> None:
    code, _, err = command(
        *("rsi({n}) < 30", "--vary", "n=5,14", "--html", f"{tmp_path / 'x.html'}"),
        *("--data", f"{real}"),
    )
    assert code == 2
    assert "add --outcome" in err
