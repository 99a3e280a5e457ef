"""The public names, exactly, and what they cost to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import marketsweep as ms
from marketsweep.errors import MarketsweepError
from marketsweep.language.indicators.table import INDICATORS

NAMES = [
    "ConditionError",
    "Coverage",
    "CoverageError",
    "DataWarning",
    "ExecutorError",
    "FilesProvider",
    "Histories",
    "Hits",
    "Incremental",
    "Market",
    "MarketsweepError",
    "MassiveProvider",
    "Match",
    "ProviderError",
    "ProviderRefused",
    "ProviderUnreachable",
    "Ray",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "TimedOut",
    "UsageError",
    "breadth",
    "fact",
    "open",
]


def test_public_names_are_exact() -> None:
    assert sorted(ms.__all__) == NAMES
    for name in NAMES:
        assert getattr(ms, name) is not None


def test_words_of_the_language_are_names() -> None:
    for name in [*INDICATORS, "close", "hl2", "sector", "open_"]:
        assert getattr(ms, name) is not None
    with pytest.raises(AttributeError, match="'smaa'"):
        _ = ms.smaa


def test_errors_are_one_tree() -> None:
    errors = [getattr(ms, name) for name in NAMES if name.endswith(("Error", "Refused", "Damaged"))]
    assert all(issubclass(error, MarketsweepError) for error in errors)


def imported_by(*arguments: str) -> set[str]:
    program = (
        "import sys, runpy\n"
        "sys.argv = ['marketsweep', *sys.argv[1:]]\n"
        "try: runpy.run_module('marketsweep.cli.main', run_name='not main')['main']()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["scan", "--help"],
        ["sync", "--help"],
        ["tune", "--help"],
        ["indicators"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    heavy = {
        "numpy",
        "polars",
        "pandas",
        "aiohttp",
        "rich",
        "msgspec",
        "pyarrow",
        "asyncio",
        "tomlkit",
    }
    assert not heavy & imported_by(*arguments)
