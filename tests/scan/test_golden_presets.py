"""Every preset on the example market, against what a program without the package found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from marketsweep.language.presets import presets
from marketsweep.market import Market
from tests.golden.market import read_market
from tests.golden.presets import FILE, PRESETS, matches

GOLDEN: dict[str, Any] = json.loads(FILE.read_text())


@pytest.mark.parametrize("name", presets())
def test_a_preset_matches_what_the_program_found(market: Market, name: str) -> None:
    expected = GOLDEN["presets"][name]
    hits = market.scan(name)
    assert str(hits.as_of) == GOLDEN["as_of"]
    assert set(hits.symbols) - set(expected["edge"]) == set(expected["matches"])


def test_every_preset_has_matches_and_few_that_a_rounding_decides() -> None:
    assert sorted(GOLDEN["presets"]) == sorted(PRESETS) == sorted(presets())
    for name, found in GOLDEN["presets"].items():
        assert len(found["matches"]) >= 2, name
        assert len(found["edge"]) <= 8, name


def test_the_program_still_finds_what_the_file_says() -> None:
    """Of every sixtieth symbol, so that it takes seconds, and none is written by hand."""
    market = read_market()
    some = set(sorted(market.series)[::60])
    for name, found in GOLDEN["presets"].items():
        sure, edge = matches(market, name, some)
        assert sure == [symbol for symbol in found["matches"] if symbol in some], name
        assert edge == [symbol for symbol in found["edge"] if symbol in some], name


def test_the_program_does_without_the_package() -> None:
    code = "import sys, tests.golden.presets; sys.exit('marketsweep' in sys.modules)"
    root = Path(__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
