"""Where the bars of a running session come from: the snapshot, or the stream of minutes."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple, Protocol

from marketsweep.core.calendar import NEW_YORK, close_time
from marketsweep.core.records import MinuteBar, Quote
from marketsweep.ingest.providers.massive.stream import Connected, minutes

AFTER_CLOSE: Final = dt.timedelta(minutes=2)
"""Time after the close in which the last minutes still arrive."""

_EVERY_AFTER_CLOSE_S: Final = 5.0


class LiveProvider(Protocol):
    """What a source needs of a provider."""

    async def now(self) -> dt.datetime:
        """Return the provider's time."""
        ...

    async def quotes(self) -> list[Quote]:
        """Return the bar of today so far of every ticker."""
        ...


class Update(NamedTuple):
    """News of the market at a time of the provider's clock."""

    at: dt.datetime
    quotes: Sequence[Quote] = ()
    minutes: Sequence[MinuteBar] = ()
    lost: Connected | None = None
    """What was lost before a new connection to a stream."""


async def snapshots(provider: LiveProvider, every_s: float) -> AsyncGenerator[Update, None]:
    """Yield a snapshot of the whole market every few seconds."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every_s
        quotes = await provider.quotes()
        yield Update(await provider.now(), quotes)
        await asyncio.sleep(max(0.0, due - loop.time()))


async def streamed(
    provider: LiveProvider, url: str, key: str, silence_s: float
) -> AsyncGenerator[Update, None]:
    """Yield minutes as they arrive, and snapshots after each connection and after the close.

    A snapshot has what was missed: the minutes before the first connection, and those that came
    while there was none.
    """
    async with aclosing(minutes(url, key, silence_s)) as items:
        async for item in items:
            if isinstance(item, Connected):
                quotes = await provider.quotes()
                yield Update(await provider.now(), quotes, lost=item)
            else:
                ends_ms = max(bar.end_ms for bar in item)
                at = dt.datetime.fromtimestamp(ends_ms / 1000, NEW_YORK)
                yield Update(at, minutes=item)
                if at >= close_time(at.date()):
                    break
    async for update in snapshots(provider, _EVERY_AFTER_CLOSE_S):
        yield update
