"""Names a missing prerequisite, with the command that installs it, before a build fails halfway."""

import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

DEBIAN = "sudo apt-get install -y"


def missing() -> list[str]:
    """One line for each thing that the build needs and this machine lacks."""
    wants: list[str] = []
    if sys.version_info < (3, 11):  # noqa: UP036, this runs before anything is installed
        have = ".".join(map(str, sys.version_info[:3]))
        wants.append(
            f"Python 3.11 or later (this is {have}): {DEBIAN} python3.11 python3.11-venv, "
            "then make PYTHON=python3.11"
        )
    if find_spec("venv") is None or find_spec("ensurepip") is None:
        wants.append(f"Python's venv module: {DEBIAN} python3-venv")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        wants.append(f"Python's C headers: {DEBIAN} python3-dev")
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        wants.append(f"a C++ compiler: {DEBIAN} g++")
    return wants


if __name__ == "__main__":
    lacking = missing()
    for line in lacking:
        print(f"marketsweep needs {line}", file=sys.stderr)
    sys.exit(1 if lacking else 0)
