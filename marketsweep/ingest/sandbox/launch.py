"""A sandbox in a process of its own, for as long as a `with` block lasts."""

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
    """Starts a sandbox, yields its base URL, and ends it whatever happens.

    Raises `MarketsweepError` with what it wrote to stderr if it is not ready in time.
    """
    command = [sys.executable, "-m", "marketsweep.ingest.sandbox", settings.to_json()]
    # A file, not a pipe: nobody reads it while the sandbox runs, and a full pipe would stop it.
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
        )
        try:
            yield _base_url(process, complaints, timeout_s)
        finally:
            _end(process)


def _base_url(process: subprocess.Popen[bytes], complaints: IO[bytes], timeout_s: float) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        ready = selector.select(timeout_s)
    # The line is written at once, so what can be read is all of it, or nothing at the end.
    line = process.stdout.readline().decode().strip() if ready else ""
    if line:
        return line
    if ready:
        process.wait(_STOP_TIMEOUT_S)
    complaints.seek(0)
    said = complaints.read().decode(errors="replace").strip() or "it said nothing"
    problem = "ended" if ready else f"was not ready within {timeout_s:g} s"
    raise MarketsweepError(f"the sandbox {problem}: {said}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
