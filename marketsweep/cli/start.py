"""The console script: Ctrl-C ends it in one line, also while the program is being imported."""

from __future__ import annotations

import gc
import sys
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 200_000
"""Imports and catalogs make many objects and no garbage: Python's 700 costs a scan 30 ms."""


def run() -> None:
    """Run the command line."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        from marketsweep.cli.main import main  # what is interrupted at first is this import

        main()
    except KeyboardInterrupt:
        sys.stderr.write("marketsweep: interrupted\n")
        sys.exit(130)
