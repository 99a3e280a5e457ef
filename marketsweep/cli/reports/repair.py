"""Report what a repair did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from marketsweep.core.safe_text import join_first
from marketsweep.ingest.repair import Repaired, runs

_SHOWN: Final = 5
"""The number of damages and runs of sessions that are named."""


def repair_report(repaired: Repaired) -> str:
    """Return what was damaged, what was kept, and what is missing."""
    return "\n".join(_lines(repaired))


def _lines(repaired: Repaired) -> Iterator[str]:
    stored = f"{repaired.sessions:,} sessions in {repaired.segments:,} segments"
    if not repaired.damages:
        if not (repaired.lost_days or repaired.lost_parts):
            yield f"{repaired.path}: no damage, {stored}; nothing was changed"
            return
        yield f"{repaired.path}: no damage, but an earlier repair was not finished"
    else:
        yield f"{repaired.path}: {len(repaired.damages):,} damages"
    yield from (f"  {damage}" for damage in repaired.damages[:_SHOWN])
    if len(repaired.damages) > _SHOWN:
        yield f"  and {len(repaired.damages) - _SHOWN:,} more"
    rebuilt_note = "; its lists were rebuilt from the segments" if repaired.rebuilt else ""
    yield f"  kept: {stored}{rebuilt_note}"
    if repaired.lost_days:
        yield f"  lost: {_spans(repaired.lost_days)}"
    if repaired.fetched:
        yield f"  fetched again: {_spans(repaired.fetched)}"
    if repaired.unknown_days:
        yield "  unknown: whether there were sessions before the first one or after the last one"
    if repaired.lost_parts:
        yield f"  lost, and fetched by the next sync: {', '.join(repaired.lost_parts)}"
    if repaired.lost_for_good:
        yield f"  lost, if there was any: {', '.join(repaired.lost_for_good)}"
    if repaired.moved_to:
        yield f"  moved to {repaired.moved_to}: {join_first(repaired.moved, _SHOWN)}"
    yield "  the stored data was checked: no damage"


def _spans(days: Sequence[dt.date]) -> str:
    spans = [f"{first}" if first == last else f"{first} to {last}" for first, last in runs(days)]
    return f"{len(days):,} sessions, {join_first(spans, _SHOWN)}"
