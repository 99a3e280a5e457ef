"""A module imports only from lower floors; nothing is imported at the top that is dear."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "marketsweep"

# Floor by floor, the lowest first. A folder's siblings share its floor, and import each other
# only where the folder is one thing in several files (`providers._http`, the sandbox).
FLOORS: list[list[str]] = [
    [
        "errors",
        "fields",
        "records",
        "schema",
        "sic",
        "sessions",
        "standings",
        "completeness",
        "workers",
        "batches",
        "safe_text",
        "nearness",
        "kernels",
        "labels",
        "session_notes",
    ],
    ["whole_files", "spellings"],
    [
        "indicators",
        "database",
        "segments",
        "axis",
        "spans",
        "bar_days",
        "rulings",
        "distribution",
        "misses",
        "unasked",
        "time_limit",
        "watchlist",
        "listing_words",
    ],
    ["returning"],
    ["tenures"],
    ["packs", "identity", "companies", "presence", "tenure_checks", "stillness", "missing_actions"],
    ["files", "intake", "tables", "occurrences", "config", "kept_results"],
    ["vocabulary", "arguments", "catalog", "providers", "sandbox.settings"],
    ["judging"],
    ["tree", "resolution"],
    ["writer"],
    ["store", "tokens", "salvage"],
    ["reader"],
    ["calls"],
    ["condition", "by_symbol", "past"],
    ["own_bars", "data_warnings"],
    [
        "stretches",
        "reference",
        "plan",
        "saved",
        "expressions",
        "status",
        "liquidity",
        "clauses",
        "fingerprints",
    ],
    ["panel", "sandbox", "levels", "screen"],
    ["evaluate", "launches", "cost", "routes", "quality", "universes", "sync_receipt"],
    ["executors", "inspection"],
    ["passes", "suspects"],
    ["prescreen", "ranking", "results", "actions"],
    ["universe", "agenda"],
    [
        "repair",
        "census",
        "signal_results",
        "outputs",
        "low_volume",
        "reference_sync",
        "forecast",
        "dry_run",
    ],
    ["stretched", "sweep_results", "sync"],
    ["loading"],
    ["settling"],
    ["asking", "watch", "histories", "incremental"],
    ["scan", "charts"],
    ["explain", "audit", "past_sessions", "templates"],
    ["signals", "sweep"],
    ["market"],
    ["demo"],
    ["tune"],
    ["action_report", "repair_report"],
    ["reports", "quality_report", "universe_report", "tune_ray"],
    ["commands"],
    ["cli"],
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def floor_of(module: str) -> tuple[str, int]:
    """The entry of FLOORS that a dotted module (without the package) belongs to, and its floor."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in FLOOR:
            return name, FLOOR[name]
    raise AssertionError(f"marketsweep.{module} stands on no floor: add it to FLOORS")


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found.append((name, path))
    return found


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module
            found.add(node.module)
            for alias in node.names:
                inner = PACKAGE.parent / Path(*node.module.split("."), alias.name)
                if inner.with_suffix(".py").exists() or inner.is_dir():
                    found.add(f"{node.module}.{alias.name}")
    return {name.removeprefix("marketsweep.") for name in found if name.startswith("marketsweep.")}


@pytest.mark.parametrize(("module", "path"), modules(), ids=str)
def test_imports_only_from_lower_floors(module: str, path: Path) -> None:
    name, floor = floor_of(module)
    for imported in imports(path):
        below, its_floor = floor_of(imported)
        assert its_floor < floor or below == name, f"{module} imports {imported} from above"


def test_every_floor_entry_exists() -> None:
    there = {name for name, _ in modules()}
    assert set(FLOOR) <= there


def test_no_import_cycle() -> None:
    graph = {name: imports(path) for name, path in modules()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"import cycle: {' -> '.join([*path, name])}"
        if name in done:
            return
        for imported in graph.get(name, ()):
            visit(imported, (*path, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_modules_are_of_a_readable_size() -> None:
    sizes = sorted(len(path.read_text().splitlines()) for _, path in modules())
    assert sizes[len(sizes) // 2] <= 200
    assert sizes[-1] <= 600
