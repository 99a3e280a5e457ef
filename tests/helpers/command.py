"""The command line, called in this process: half a second a call less than a process of its own.

What only a whole process shows (its exit code, streams, signals, what it imports) is tested with
`process`, and in `test_cli` for each exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from marketsweep.cli.main import main

COMMAND = Path(sys.executable).parent / "marketsweep"

_OWN = ("MARKETSWEEP", "MASSIVE")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a command line answers; an error that nobody meant is raised."""
    hidden: dict[str, str | None] = {key: None for key in os.environ if key.startswith(_OWN)}
    line = [*map(str, arguments)]
    done = CliRunner(env=hidden | environment).invoke(
        main, line, catch_exceptions=False, prog_name="marketsweep"
    )
    return subprocess.CompletedProcess(line, done.exit_code, done.stdout, done.stderr)


def refused(code: int, *arguments: str | Path, says: str, **environment: str) -> None:
    """Check that a command line is refused with that exit code, in words and nothing else."""
    assert_refused(run(*arguments, **environment), code, says)


def process(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What it answers in a process of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OWN)}
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        env=kept | environment,
        check=False,
    )


def refused_process(code: int, *arguments: str | Path, says: str, **environment: str) -> None:
    """The same in a process of its own."""
    assert_refused(process(*arguments, **environment), code, says)


def assert_refused(done: subprocess.CompletedProcess[str], code: int, says: str) -> None:
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
