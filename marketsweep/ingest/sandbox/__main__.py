"""`python -m marketsweep.ingest.sandbox SETTINGS`: run the sandbox as a process, for `launch`.

The only argument is JSON from `Settings.to_json`; users run `marketsweep sandbox` instead.
"""

from __future__ import annotations

import sys

from marketsweep.errors import MarketsweepError
from marketsweep.ingest.sandbox.server import serve
from marketsweep.ingest.sandbox.settings import Settings


def main(arguments: list[str]) -> int:
    """Serve until stopped, and return the exit code."""
    try:
        serve(Settings.from_json("".join(arguments)))
    except MarketsweepError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
