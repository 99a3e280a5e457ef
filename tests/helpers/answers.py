"""What providers yield, where nothing may be missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from marketsweep.core.records import Unavailable
from marketsweep.ingest.misses import error_of

T = TypeVar("T")


async def each(items: AsyncIterator[T | Unavailable]) -> AsyncIterator[T]:
    """Each item; raises what a sync of an unavailable one alone raises."""
    async for item in items:
        if isinstance(item, Unavailable):
            raise error_of(item)
        yield item


async def all_of(items: AsyncIterator[T | Unavailable]) -> list[T]:
    """All items; raises as `each` does."""
    return [item async for item in each(items)]
