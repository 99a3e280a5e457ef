"""Run a sandbox in a process of its own, for the duration of a `with` block."""

from __future__ import annotations

import contextlib
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

from marketsweep.errors import MarketsweepError
from marketsweep.ingest.sandbox.settings import Settings

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0


@contextlib.contextmanager
def running(settings: Settings, timeout_s: float = _START_TIMEOUT_S) -> Iterator[str]:
    """Start a sandbox, yield its base URL, and stop it in the end.

    Raises `MarketsweepError` with its stderr if it is not ready within `timeout_s` seconds.
    """
    command = [sys.executable, "-m", "marketsweep.ingest.sandbox", settings.to_json()]
    # A file, not a pipe: a pipe that nobody reads would fill up and block the sandbox.
    with tempfile.TemporaryFile() as stderr_file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr_file
        )
        try:
            yield _base_url(process, stderr_file, timeout_s)
        finally:
            _stop(process)


def _base_url(process: subprocess.Popen[bytes], stderr_file: IO[bytes], timeout_s: float) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        is_ready = selector.select(timeout_s)
    # The line is written at once: a read returns all of it, or nothing after the process ended.
    line = process.stdout.readline().decode().strip() if is_ready else ""
    if line:
        return line
    if is_ready:
        process.wait(_STOP_TIMEOUT_S)
    stderr_file.seek(0)
    message = stderr_file.read().decode(errors="replace").strip() or "it said nothing"
    problem = "ended" if is_ready else f"was not ready within {timeout_s:g} s"
    raise MarketsweepError(f"the sandbox {problem}: {message}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
