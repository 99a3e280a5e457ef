"""Run as a script: starts a command, and prints what it took as `seconds bytes` of peak memory.

A process of its own, and a small one: on Linux a child's peak begins at that of the process
which started it, and ours is large. The command's own output goes nowhere, its complaints to ours.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter


def main(command: list[str]) -> int:
    """Run it; its exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    silenced = [(os.POSIX_SPAWN_DUP2, nowhere, 1)]
    started = perf_counter()
    process = os.posix_spawn(command[0], command, os.environ, file_actions=silenced)
    _, status, usage = os.wait4(process, 0)
    seconds = perf_counter() - started
    # macOS counts in bytes, Linux in KiB.
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    sys.stdout.write(f"{seconds} {peak}\n")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
