"""Published scans: each that can be written runs on the example market."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import marketsweep as ms
from docs import generate
from tests.helpers.command import run
from tests.helpers.markets import example_bars

SCANS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "corpus" / "scans.jsonl").read_text().splitlines()
]
WRITTEN = [scan for scan in SCANS if scan["condition"]]
OF_FACTS = [scan for scan in WRITTEN if scan.get("facts")]
OF_BARS = [scan for scan in WRITTEN if not scan.get("facts")]


@pytest.fixture(scope="module")
def with_facts(example_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ms.Market]:
    """The example market with a column for each fact that a scan reads, of January and October."""
    folder = tmp_path_factory.mktemp("facts")
    shutil.copytree(example_data, folder / "data")
    symbols = example_bars()["symbol"].unique().sort()
    r, columns = np.random.default_rng(5), dict[str, pl.Series]()
    for name, kind in sorted({pair for scan in OF_FACTS for pair in scan["facts"].items()}):
        columns[name] = {
            "number": pl.Series(r.uniform(0, 100, 2 * len(symbols)).round(2)),
            "text": pl.Series(r.choice(["S&P 500", "S&P 600", "Nasdaq 100"], 2 * len(symbols))),
            "date": pl.Series(np.datetime64("2016-12-30") + r.integers(-20, 20, 2 * len(symbols))),
        }[kind]
    first = [dt.date(2016, 1, 4)] * len(symbols) + [dt.date(2016, 10, 3)] * len(symbols)
    table = pl.DataFrame({"symbol": [*symbols, *symbols], "valid_from": first, **columns})
    table.write_csv(folder / "facts.csv")
    sync = ("sync", "--provider", "files", "--data", folder / "data")
    assert run(*sync, "--symbols", folder / "facts.csv").returncode == 0
    with ms.open(folder / "data") as market:
        yield market


@pytest.mark.parametrize("scan", OF_FACTS, ids=lambda scan: scan["id"])
def test_a_published_scan_of_facts_runs(scan: dict[str, Any], with_facts: ms.Market) -> None:
    hits = with_facts.scan(scan["condition"], limit=3, min_coverage=0)
    assert hits.coverage.evaluated > 1000


@pytest.mark.parametrize("scan", OF_BARS, ids=lambda scan: scan["id"])
def test_a_published_scan_runs(scan: dict[str, Any], market: ms.Market) -> None:
    hits = market.scan(scan["condition"], limit=3, min_coverage=0)
    assert hits.coverage.expected > 6000


def test_the_records_are_consistent() -> None:
    assert len({scan["id"] for scan in SCANS}) == len(SCANS)
    for scan in SCANS:
        assert scan["how"] in ("natural", "contorted", "impossible")
        assert bool(scan["lacks"]) == (scan["how"] != "natural"), scan["id"]
        assert scan["condition"] or scan["how"] != "natural"


def test_most_scans_of_daily_bars_are_natural() -> None:
    """Chart patterns are still missing."""
    daily = [scan for scan in SCANS if generate.needs_daily_bars(scan)]
    natural = [scan for scan in daily if scan["how"] == "natural"]
    assert len(natural) >= 0.95 * len(daily)
