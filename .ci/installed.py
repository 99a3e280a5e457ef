"""Run the fast tests against an installed wheel: `make check-wheel` calls this after `make wheel`.

The environment has no compiler on its path, and the tests lie in a folder of their own, without the
sources of the package. The fast tests are those of the packages that need neither a server nor a
browser: from the language to the scan.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAST = ("core", "kernels", "language", "engine", "quality", "store", "universe", "scan")
NEEDED = ("pyproject.toml", "tests", "examples", "docs", "README.md")
TOOLS = (
    *("pytest", "pytest-xdist", "hypothesis", "exchange-calendars", "pandas-market-calendars"),
    *("pandas", "pyarrow", "ta-lib", "tulip-rs", "massive"),
)


def main() -> None:
    """Install the wheel of this machine, and run the tests."""
    wheels = [*(ROOT / "dist").glob(f"*{platform.machine()}.whl")]
    if not wheels:
        sys.exit("there is no wheel in dist: run make wheel")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "bare", with_pip=True)
        python = folder / "bare" / "bin" / "python"
        install = (str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:")
        subprocess.run([*install, f"{wheels[0]}[serve]", *TOOLS], check=True)
        for needed in NEEDED:
            source, target = ROOT / needed, folder / "own" / needed
            target.parent.mkdir(exist_ok=True)
            _ = shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        environment = os.environ | {"PATH": str(python.parent)}
        program = "import marketsweep; print(marketsweep.__file__)"
        shown = subprocess.run(
            [str(python), "-c", program],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder / "own",
            env=environment,
        )
        if "site-packages" not in shown.stdout:
            sys.exit(f"the tests would not use the installed package but {shown.stdout}")
        tests = [f"tests/{package}" for package in FAST]
        command = [str(python), "-m", "pytest", "-q", "--numprocesses=auto", "--maxprocesses=4"]
        done = subprocess.run(
            [*command, "--dist=loadfile", *tests], check=False, cwd=folder / "own", env=environment
        )
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
