"""A package imports only what the table allows, in no circle, and folders are small."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "marketsweep"

# A package imports only these, and errors; read from top to bottom it is the order of the pipeline.
ALLOWED: dict[str, str] = {
    "core": "",
    "kernels": "",
    "language": "core",
    "store": "core kernels",
    "engine": "core kernels language store",
    "ingest": "core kernels store",
    "quality": "core store engine",
    "universe": "core language store engine",
    "scan": "core kernels language store quality engine universe",
    "studies": "core language store engine universe scan",
    "output": "core language store engine scan studies",
    "arguments": "",
    "price_history": "core store ingest engine",
    "market": "arguments core language store ingest engine universe scan studies output "
    "price_history",
    "live": "core ingest scan market",
    "serve": "core language engine store ingest quality universe scan studies output market",
    "cli": "*",
}
MOST_MODULES = 12
"""Of a folder; `cli/commands` has one for each command."""


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
def test_packages_import_only_what_they_may(module: str, path: Path) -> None:
    package = module.partition(".")[0]
    if package in ("errors", "version", "cli"):
        return
    allowed = {*ALLOWED[package].split(), package, "errors", "version"}
    for imported in imports(path):
        assert imported.partition(".")[0] in allowed, f"{module} imports {imported}"


def test_errors_import_nothing() -> None:
    assert imports(PACKAGE / "errors.py") == set()


def test_every_package_is_in_the_table_and_says_what_it_is_for() -> None:
    there = {name.partition(".")[0] for name, _ in modules()} - {"errors", "version"}
    assert there == set(ALLOWED)
    for name, path in modules():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text())), f"{name} has no docstring"


def test_private_modules_stay_inside_their_package() -> None:
    for module, path in modules():
        for imported in imports(path):
            private = imported.rpartition(".")[2].startswith("_")
            inside = imported.partition(".")[0] == module.partition(".")[0]
            assert inside or not private, f"{module} imports {imported}"


def test_folders_are_small() -> None:
    for folder in {path.parent for _, path in modules()} - {PACKAGE / "cli" / "commands"}:
        files = [one for one in folder.glob("*.py") if one.name != "__init__.py"]
        assert len(files) <= MOST_MODULES, f"{folder} has {len(files)} modules"


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


UNPLAIN = {
    r'"""(?:The same|Those|Of )[^"]*': "a docstring that needs another text to be understood",
    r"(?i)(?<!there )\b(?:is|are|was|were) no (?!longer|more|other|such)[^.\n]*": "say: is not a",
}
"""Patterns of sentences that readers stumble over, and why."""

TEXTS = [
    *PACKAGE.rglob("*.py"),
    *(path for path in PACKAGE.parent.glob("*.md")),
    *(PACKAGE.parent / "docs").rglob("*.md"),
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(PACKAGE.parent)))
def test_sentences_are_plain(path: Path) -> None:
    for pattern, why in UNPLAIN.items():
        assert not re.findall(pattern, path.read_text()), why


MEANINGLESS = {"found", "given", "kept", "mine", "one", "some", "told", "what"}
"""Names that do not say what a variable holds."""


@pytest.mark.parametrize(("module", "path"), modules(), ids=str)
def test_variables_are_named_by_what_they_hold(module: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    fields = {
        id(node.target)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            assert node.arg not in MEANINGLESS, f"{module}:{node.lineno}: {node.arg}"
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and id(node) not in fields
        ):
            assert node.id not in MEANINGLESS, f"{module}:{node.lineno}: {node.id}"
