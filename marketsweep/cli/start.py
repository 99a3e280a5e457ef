"""The console script: Ctrl-C ends the program with one line, even while it is imported."""

from __future__ import annotations

import gc
import os
import sys
from typing import Final

_OBJECTS_BETWEEN_COLLECTIONS: Final = 200_000
"""Imports and catalogs make many objects and no garbage: Python's 700 costs a scan 30 ms."""


def run() -> None:
    """Run the command line."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # NumPy's OpenBLAS is not used, and its threads spin for 100 ms beside those of a scan.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        # Imported here, so that an interrupt during the import is caught.
        from marketsweep.cli.main import main

        main()
    except KeyboardInterrupt:
        sys.stderr.write("marketsweep: interrupted\n")
        sys.exit(130)
    finally:
        gc.freeze()  # else Python looks through all objects once more before it ends
