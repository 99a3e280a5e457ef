"""The table of a sweep: a line for each variant, and what followed its events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from marketsweep.core.safe_text import counted
from marketsweep.output.sweep_table import WALK_FORWARD, best_rows, judgement, walk_forward_rows
from marketsweep.studies.sweep_outcomes import SweepOutcomes
from marketsweep.studies.sweep_result import Sweep

_SHOWN: Final = 20
"""The variants that the table of outcomes shows; csv and json have all of them."""


def sweep_report(result: Sweep) -> str:
    """Return a line per variant, or per session of a variant; with outcomes, the best variants."""
    if result.outcomes is not None:
        return "".join(f"{line}\n" for line in _outcomes(result, result.outcomes))
    table = result.to_polars()
    rows = [
        [
            f"{cell:,}" if name in ("matches", "evaluated") else f"{cell}"
            for name, cell in row.items()
        ]
        for row in table.to_dicts()
    ]
    return "".join(f"{line}\n" for line in _aligned([table.columns, *rows]))


def _outcomes(result: Sweep, outcomes: SweepOutcomes) -> Iterator[str]:
    first, last = result.sessions[0].session, result.sessions[-1].session
    yield (
        f"{result.condition}: {outcomes.outcome} after the first session of a streak, "
        f"{counted(len(result), 'variant')}, {len(result.sessions):,} sessions, {first} to {last}"
    )
    yield ""
    yield from _aligned(best_rows(result, outcomes, _SHOWN))
    if len(result) > _SHOWN:
        yield f"... and {len(result) - _SHOWN:,} more variants: --format csv has all of them"
    yield ""
    yield from _walk_forward(result, outcomes)
    yield from judgement(result, outcomes)


def _walk_forward(result: Sweep, outcomes: SweepOutcomes) -> Iterator[str]:
    if not outcomes.walk_forward:
        yield (
            "no walk-forward: the sessions are too few for the horizon; choose an earlier --since"
        )
        return
    yield WALK_FORWARD
    yield from _aligned(walk_forward_rows(result, outcomes))
    yield ""


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
