"""What people read of a repair."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final

from marketsweep.core.safe_text import some_of
from marketsweep.ingest.repair import Repaired, runs

_SHOWN: Final = 5
"""Damages and runs of sessions that are named."""


def repair_report(done: Repaired) -> str:
    """What was damaged, what was kept, and what is missing."""
    return "\n".join(_lines(done))


def _lines(done: Repaired) -> Iterator[str]:
    stored = f"{done.sessions:,} sessions in {done.segments:,} segments"
    if not done.damages:
        yield f"{done.path}: no damage, {stored}; nothing was changed"
        return
    yield f"{done.path}: {len(done.damages):,} damages"
    yield from (f"  {damage}" for damage in done.damages[:_SHOWN])
    if len(done.damages) > _SHOWN:
        yield f"  and {len(done.damages) - _SHOWN:,} more"
    how = ", its lists made again from what the segments say of themselves" if done.rebuilt else ""
    yield f"  kept: {stored}{how}"
    if done.lost_days:
        yield f"  lost: {_spans(done.lost_days)}"
    if done.fetched:
        yield f"  fetched again: {_spans(done.fetched)}"
    if done.unknown_days:
        yield "  not known: whether there were sessions before the first one, or after the last"
    if done.lost_parts:
        yield f"  lost, and fetched by the next sync: {', '.join(done.lost_parts)}"
    if done.lost_for_good:
        yield f"  lost, if there was any: {', '.join(done.lost_for_good)}"
    if done.moved_to:
        yield f"  moved to {done.moved_to}: {some_of(done.moved, _SHOWN)}"
    yield "  what is stored now was checked: no damage"


def _spans(days: Sequence[dt.date]) -> str:
    found = [f"{first}" if first == last else f"{first} to {last}" for first, last in runs(days)]
    return f"{len(days):,} sessions, {some_of(found, _SHOWN)}"
