"""Server-sent events: the progress of the sync, as long as the client listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import StreamingResponse

from marketsweep.serve.api.sync_job import SyncJob
from marketsweep.serve.http.answers import json_bytes

_HEARTBEAT_S: Final = 15.0
"""Seconds after which a comment keeps the connection open, and shows whether it still is."""


def sync_events(job: SyncJob) -> StreamingResponse:
    """Return the progress as a stream: one event at once, then one for each change."""
    return StreamingResponse(
        _events(job), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _events(job: SyncJob) -> AsyncIterator[bytes]:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    end = job.listen(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        while not job.is_ending:
            changed.clear()
            yield b"event: progress\ndata: " + json_bytes(job.progress) + b"\n\n"
            while not await _is_set(changed):
                yield b": the connection is open\n\n"
    finally:
        end()


async def _is_set(event: asyncio.Event) -> bool:
    """Wait for an event, but not longer than a heartbeat."""
    try:
        async with asyncio.timeout(_HEARTBEAT_S):
            await event.wait()
    except TimeoutError:
        return False
    return True
