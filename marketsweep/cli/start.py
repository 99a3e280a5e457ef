"""The console script: Ctrl-C ends the program with one line, even while it is imported."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line."""
    try:
        from marketsweep.cli.main import (
            main,  # imported here, so that an interrupt during the import is caught
        )

        main()
    except KeyboardInterrupt:
        sys.stderr.write("marketsweep: interrupted\n")
        sys.exit(130)
