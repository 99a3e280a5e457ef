"""Runs the benchmarks and prints one table: figures, peers or limits, and what holds."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from benchmarks import (
    by_symbol,
    cluster,
    cold,
    gpu,
    incremental,
    indicators,
    machine,
    process,
    scale,
    serving,
    sizes,
    stages,
    studies,
    sweeps,
    warm,
)
from benchmarks.example import Example
from benchmarks.measure import Row, markdown

GROUPS: Final[dict[str, Callable[[Example], Iterator[Row]]]] = {
    "cold": cold.rows,
    "by-symbol": by_symbol.rows,
    "incremental": incremental.rows,
    "warm": warm.rows,
    "indicators": indicators.rows,
    "sweep": sweeps.rows,
    "study": studies.rows,
    "ray": cluster.rows,
    "gpu": gpu.rows,
    "process": process.rows,
    "serve": serving.rows,
    "stages": stages.rows,
    "scale": scale.rows,
    "sizes": sizes.rows,
}

_EXAMPLES: Final = """\
examples:
  python -m benchmarks                            everything, in some three minutes
  python -m benchmarks --only warm --only process
  python -m benchmarks --json figures.json        every sample as well
  python -m benchmarks --check                    exit code 1 where a limit is missed

groups: """ + ", ".join(GROUPS)


def main(arguments: list[str]) -> int:
    """Runs what is asked for; the exit code."""
    chosen = _parser().parse_args(arguments)
    stolen = machine.Stolen()
    with tempfile.TemporaryDirectory(prefix="marketsweep-") as folder:
        rows = list(_rows(chosen.only or list(GROUPS), Example(Path(folder))))
    where = f"{machine.described()}; {stolen}"
    print(f"{markdown(rows)}\n\n{where}.")
    if chosen.json:
        facts = {"machine": where, "rows": [row.to_dict() for row in rows]}
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=2))
    return int(chosen.check and any(row.holds is False for row in rows))


def _rows(names: list[str], example: Example) -> Iterator[Row]:
    started = monotonic()
    for name in names:
        for row in GROUPS[name](example):
            print(f"{monotonic() - started:5.0f} s  {row.what}: {row.figure}", file=sys.stderr)
            yield row


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", choices=GROUPS, metavar="NAME", help="this group; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--check", action="store_true", help="fail where a limit is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
