"""Published scans: each that can be written runs on the example market."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import marketsweep as ms
from docs import generate

SCANS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "corpus" / "scans.jsonl").read_text().splitlines()
]
WRITTEN = [pytest.param(scan, id=scan["id"]) for scan in SCANS if scan["condition"]]


@pytest.mark.parametrize("scan", WRITTEN)
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
    """Chart patterns and swing points are still missing."""
    daily = [scan for scan in SCANS if generate.needs_daily_bars(scan)]
    natural = [scan for scan in daily if scan["how"] == "natural"]
    assert len(natural) >= 0.88 * len(daily)
