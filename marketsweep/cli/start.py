"""The console script: Ctrl-C ends it in one line, also while the program is being imported."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line."""
    try:
        from marketsweep.cli.main import main  # what is interrupted at first is this import

        main()
    except KeyboardInterrupt:
        sys.stderr.write("marketsweep: interrupted\n")
        sys.exit(130)
