"""Whole processes: how long they take from the shell's view, and how much memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import child
from benchmarks.example import Example
from benchmarks.measure import Row, Samples, Task, alternate, within
from marketsweep.cli.demo import REFERENCE_SCAN

MARKETSWEEP: Final = str(Path(sys.executable).with_name("marketsweep"))
_LAUNCHER: Final = (sys.executable, "-I", "-S", child.__file__)
_RUNS: Final = 15
_OWN_S: Final = 0.100
"""What a scan may take beyond twice the time that importing NumPy and click takes."""

_HELP_LIMIT_S: Final = 0.120
_SCAN_LIMIT_MB: Final = 400

_LONG: Final = "bbands({n}, 2).upper > close and median(close, {m}) > 5"
_VARIANTS: Final = ("--vary", "n=10..200", "--vary", "m=10..200")
"""A sweep that takes far longer than it is left to work."""
_WORKING_S: Final = 3.0
_STOP_LIMIT_S: Final = 0.200
_STOPS: Final = 7


@dataclass(frozen=True, slots=True)
class Finished:
    """What a process took."""

    seconds: float
    peak_mb: float


def launch(*command: str) -> Finished:
    """Run a command to its end. Raises RuntimeError, with what it wrote to stderr, if it failed."""
    # Who installs a package has it compiled: the first run leaves that for those which count.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [*_LAUNCHER, *command], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    seconds, peak = map(float, done.stdout.split())
    return Finished(seconds, peak / 1e6)


def rows(example: Example) -> Iterator[Row]:
    """The command line."""
    yield from _help()
    yield from _scan(example.store)
    yield from _interrupted(example.store)


def _interrupted(store: Path) -> Iterator[Row]:
    command = (MARKETSWEEP, "sweep", _LONG, *_VARIANTS, "--data", str(store))

    def stop() -> float:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            time.sleep(_WORKING_S)
            assert run.poll() is None, "the sweep ended before it could be interrupted"
            started = time.perf_counter()
            run.send_signal(signal.SIGINT)
            run.wait()
            return time.perf_counter() - started

    ours = alternate(_STOPS, stop)[0]
    yield within("Ctrl-C in a long sweep, to the end of its process", ours, _STOP_LIMIT_S)


def _help() -> Iterator[Row]:
    ours, bare = alternate(_RUNS, _seconds(MARKETSWEEP, "--help"), _python("pass"))
    yield within("`marketsweep --help`, whole process", ours, _HELP_LIMIT_S)
    yield Row("`python -c pass`, beside it", bare)


def _scan(store: Path) -> Iterator[Row]:
    command = (MARKETSWEEP, "scan", REFERENCE_SCAN, "--data", str(store))
    peaks: list[float] = []

    def scan() -> float:
        done = launch(*command)
        peaks.append(done.peak_mb)
        return done.seconds

    ours, imports = alternate(_RUNS, scan, _python("import numpy, click"))
    limit = imports.scaled(2, plus=_OWN_S)
    yield Row(
        "`marketsweep scan`, whole process, warm",
        ours,
        f"limit 2x `python -c 'import numpy, click'` + 100 ms: {limit}",
        ours.per(limit),
        1.0,
    )
    yield within("its peak memory", Samples.of(peaks, "MB"), _SCAN_LIMIT_MB)


def _python(code: str) -> Task:
    return _seconds(sys.executable, "-c", code)


def _seconds(*command: str) -> Task:
    return lambda: launch(*command).seconds
