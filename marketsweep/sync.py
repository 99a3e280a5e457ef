"""Provider to store: only what is missing, committed as it comes. Asynchronous calls end here.

1. What the provider can give, what was asked for and what is stored decide the sessions to fetch
   (`make_agenda`): those that are missing, and those that were provisional when they were fetched.
2. Reference data and corporate actions are fetched beside the bars (`_fetch_reference`).
3. Sessions arrive in order and are committed in batches (`_fetch_sessions`): an interruption
   loses what is in the air, and nothing else.
4. What it came to, and cost, is the receipt.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, Final, TypeVar

from marketsweep.agenda import (
    ACTIONS,
    LISTED,
    LISTED_ON,
    PROVISIONAL,
    Agenda,
    check_days,
    make_agenda,
)
from marketsweep.errors import ProviderRefused
from marketsweep.providers import Provider
from marketsweep.records import Dividend, Listing, SessionBars, Split, Usage
from marketsweep.sessions import NEW_YORK, close_time, next_session
from marketsweep.store import Snapshot, Store
from marketsweep.writer import CommitReceipt, Writer

_BATCH: Final = 21
"""Sessions committed at once at the most: a month, which is one segment."""

_PATIENCE_S: Final = 2.0
"""Seconds that fetched sessions wait for their batch to fill."""

_T = TypeVar("_T")

Progress = Callable[[int, int, int], None]
"""Told after each session: sessions fetched, sessions to fetch, bars so far."""


@dataclass(slots=True)
class SyncReceipt:
    """What a sync did, and what it cost."""

    provider: str
    first: dt.date | None = None
    """Of the sessions asked for, those stored already included."""
    last: dt.date | None = None
    wanted: int = 0
    """Sessions that had to be fetched."""
    fetched: int = 0
    empty: list[dt.date] = field(default_factory=list)
    """Sessions for which the provider had no bars; they will be asked for again."""
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows kept out of the market's bars, by reason."""
    splits: int = 0
    dividends: int = 0
    listings: int = 0
    warnings: list[str] = field(default_factory=list)
    data_version: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain data: the JSON of `marketsweep sync --json`."""
        facts = asdict(self)
        for key in ("first", "last"):
            facts[key] = facts[key] and facts[key].isoformat()
        facts["empty"] = [day.isoformat() for day in self.empty]
        return facts


def sync(
    store: Store,
    provider: Provider,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, bars: None,
) -> SyncReceipt:
    """Bring the store up to date from `since` (None: two years) to `until` (None: the newest).

    Raises UsageError for days that cannot be, ProviderError after what had arrived is committed,
    StoreLocked while another process writes, and StoreError.
    """
    check_days(since, until, dt.datetime.now(dt.UTC))
    with store.writer() as writer:
        return asyncio.run(_Sync(store, writer, provider, progress).run(since, until))


class _Sync:
    def __init__(
        self, store: Store, writer: Writer, provider: Provider, progress: Progress
    ) -> None:
        self.store = store
        self.writer = writer
        self.provider = provider
        self.progress = progress
        self.receipt = SyncReceipt(provider.name, usage=provider.usage)
        self.now = dt.datetime.now(dt.UTC)
        """When the sync began, on the provider's clock where that has one: ours may be wrong."""
        self.provisional: set[dt.date] = set()
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="marketsweep-writer")

    async def run(self, since: dt.date | None, until: dt.date | None) -> SyncReceipt:
        started = perf_counter()
        with self.store.snapshot() as snapshot, self.writing:
            async with self.provider:
                await self._fetch(snapshot, since, until)
        self.receipt.seconds = perf_counter() - started
        self.receipt.data_version = self.store.version()
        facts = self.receipt.to_dict()
        self.writer.log_sync(**facts)
        return self.receipt

    async def _fetch(
        self, snapshot: Snapshot, since: dt.date | None, until: dt.date | None
    ) -> None:
        window = await self.provider.available()
        self.now = window.now or self.now
        agenda = make_agenda(snapshot, window, since, until, self.now)
        self.provisional = agenda.provisional
        self.receipt.first, self.receipt.last = agenda.first, agenda.last
        self.receipt.wanted = len(agenda.days)
        reference = asyncio.create_task(self._fetch_reference(agenda))
        try:
            await self._fetch_sessions(agenda.days)
            await reference
        finally:
            reference.cancel()
        await self._write(self._commit, self.provider.off_session(agenda.first, agenda.last))

    async def _fetch_sessions(self, days: list[dt.date]) -> None:
        pending: list[SessionBars] = []
        bars, committed = 0, perf_counter()
        try:
            async for session in self.provider.sessions(days):
                self.receipt.fetched += 1
                bars += len(session.symbols)
                if session.symbols:
                    pending.append(session)
                else:
                    self.receipt.empty.append(session.session)
                self.progress(self.receipt.fetched, len(days), bars)
                if len(pending) >= _BATCH or perf_counter() - committed > _PATIENCE_S:
                    batch, pending = pending, []
                    await self._write(self._commit, batch)
                    committed = perf_counter()
        finally:
            # Interrupted or refused: what has arrived stays.
            self.writing.submit(self._commit, pending).result()

    async def _write(self, write: Callable[..., None], *arguments: object) -> None:
        """One write at a time, in the thread of their own, while other calls go on."""
        # Shielded: what is handed over is written, whatever becomes of who waits for it.
        await asyncio.shield(asyncio.wrap_future(self.writing.submit(write, *arguments)))

    def _commit(self, sessions: list[SessionBars]) -> None:
        if not sessions:
            return
        # Late corrections of a session come in until the next one is over.
        days = {bars.session for bars in sessions}
        young = {day for day in days if self.now < close_time(next_session(day))}
        # Noted first: were the process to end in between, a young session would pass for final.
        self._note_provisional(self.provisional | young)
        today = self.now.astimezone(NEW_YORK).date()
        self._count(self.writer.commit(sessions, self.provider.name, today))
        self._note_provisional((self.provisional - days) | young)

    def _note_provisional(self, days: set[dt.date]) -> None:
        if days != self.provisional:
            self.writer.note(PROVISIONAL, json.dumps(sorted(map(str, days))))
            self.provisional = days

    def _count(self, done: CommitReceipt) -> None:
        receipt = self.receipt
        receipt.new += done.new
        receipt.revised += done.revised
        receipt.unchanged += done.unchanged
        receipt.set_aside = dict(Counter(receipt.set_aside) + Counter(done.set_aside))

    async def _fetch_reference(self, agenda: Agenda) -> None:
        since = agenda.actions_since
        splits, dividends, listings = await asyncio.gather(
            self._granted("splits", self.provider.splits(since)),
            self._granted("dividends", self.provider.dividends(since)),
            self._listings(agenda),
        )
        await self._store_actions(agenda, splits, dividends)
        if listings:
            await self._write(self.writer.put_listings, listings)
            self.receipt.listings = len(listings)
            if not agenda.joins:
                await self._write(self.writer.note, LISTED, self.now.isoformat())
                await self._write(self.writer.note, LISTED_ON, str(agenda.last))

    async def _store_actions(
        self, agenda: Agenda, splits: list[Split] | None, dividends: list[Dividend] | None
    ) -> None:
        since = agenda.actions_since
        self.receipt.splits, self.receipt.dividends = len(splits or ()), len(dividends or ())
        # Two equal payments of one day are one of twice as much.
        times = Counter(dividends)
        once = [Dividend(d.symbol, d.ex_date, d.cash * n) for d, n in times.items()]
        if agenda.joins:
            await self._write(self.writer.add_splits, splits or [])
            await self._write(self.writer.add_dividends, once)
            return
        if splits is not None:
            await self._write(self.writer.put_splits, splits, since)
        if dividends is not None:
            await self._write(self.writer.put_dividends, once, since)
        if splits is not None and dividends is not None:
            known = json.dumps([str(agenda.start), str(agenda.last)])
            await self._write(self.writer.note, ACTIONS, known)

    async def _listings(self, agenda: Agenda) -> list[Listing] | None:
        if not agenda.listings:
            return None
        return await self._granted("reference data", self.provider.listings())

    async def _granted(self, what: str, call: Coroutine[Any, Any, _T]) -> _T | None:
        """What a plan may not include: without it there are still prices."""
        try:
            return await call
        except ProviderRefused as error:
            self.receipt.warnings.append(f"no {what}: {error}")
            return None
