"""The breadth of the market for a condition, drawn in the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import marketsweep as ms
from tests.helpers.command import run

DOTS = re.compile("[⠀-⣿]{10,}")


def test_the_share_of_matches_is_drawn(real: Path) -> None:
    out = run("signals", "close > sma(50)", "--plot", "--data", real).stdout
    with ms.open(real) as market:
        result = market.signals("close > sma(50)")
    shares = [
        100 * row.matches / row.evaluated if row.evaluated else np.nan for row in result.sessions
    ]
    most = int(np.nanargmax(shares))
    assert f"most {shares[most]:.2f} % on {result.sessions[most].session}" in out
    assert f"mean {np.nanmean(shares):.2f} %" in out
    assert f"now {shares[-1]:.2f} %" in out
    lines = [line for line in out.splitlines() if DOTS.match(line)]
    assert len(lines) == 8
    assert {len(DOTS.match(line)[0]) for line in lines} == {80}  # type: ignore[index]
    # The first 49 sessions know no average of 50 bars: nothing is drawn there.
    assert all(set(line[:14]) == {"⠀"} for line in lines)


def test_a_condition_that_nothing_can_answer_is_said_so(real: Path) -> None:
    done = run("signals", "close > sma(250)", "--until", "2016-03-01", "--plot", "--data", real)
    assert "no symbol can be evaluated in these sessions" in done.stdout
    assert done.returncode == 3


@pytest.mark.parametrize("more", [("--format", "csv"), ("--limit", "5")])
def test_the_picture_is_in_place_of_the_table(real: Path, more: tuple[str, str]) -> None:
    done = run("signals", "close > 5", "--plot", *more, "--data", real)
    assert done.returncode == 2
    assert "leave --format and --limit out" in done.stderr
