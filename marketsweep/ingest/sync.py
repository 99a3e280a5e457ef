"""Provider to store: only what is missing, committed as it comes. Asynchronous calls end here.

1. What the provider can give, what was asked for and what is stored decide the sessions to fetch
   (`make_agenda`): those that are missing, and those that are fetched again (`SessionNotes`).
2. Reference data and corporate actions are fetched beside the bars (`ReferenceSync`).
3. Sessions arrive in order and are committed in batches (`_keep`): an interruption loses what is
   in the air, and nothing else. What cannot be had is put aside (`Misses`).
4. Companies and actions are worked out (`_resolve`).
5. What it came to, and cost, is the receipt.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

from marketsweep.core.calendar import NEW_YORK, close_time, next_session, sessions_behind
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import SessionBars, Span, SymbolBars, Unavailable, Window
from marketsweep.core.spellings import note_of
from marketsweep.errors import ProviderError, UsageError
from marketsweep.ingest.misses import Misses
from marketsweep.ingest.per_symbol import asked, asked_of, is_recent, sessions_of, untraded
from marketsweep.ingest.plan import Agenda, check_days, check_screened, make_agenda
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.reference_sync import ReferenceSync
from marketsweep.ingest.routes import Prescreen, Prices, Request
from marketsweep.ingest.unasked import REASON, Unasked
from marketsweep.store.batches import Batches
from marketsweep.store.catalog.rows import Revision
from marketsweep.store.companies.rulings import Ruling, Verdict
from marketsweep.store.companies.stillness import would_freeze
from marketsweep.store.companies.tenures import Doubt, Tenure
from marketsweep.store.known_sessions import Asked
from marketsweep.store.session_notes import SessionNotes
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.store.writer import CommitReceipt, Writer

_BATCH: Final = 21
"""Sessions committed at once at the most: a month, which is one segment."""

_REVISIONS: Final = 100
"""Revised bars that a receipt shows; the store keeps all of them."""

_MUCH: Final = 1_000_000
"""Bars of single symbols committed at once: each time, all of their months are written anew."""

_FROZEN: Final = "most of the market stands still"

_T = TypeVar("_T")
_Bars = TypeVar("_Bars", SessionBars, SymbolBars)

Progress = Callable[[int, int, int], None]
"""Told after each session or symbol: how many came, how many are to come in all, bars so far."""


def sync(
    store: Store,
    provider: Provider,
    since: dt.date | None = None,
    until: dt.date | None = None,
    progress: Progress = lambda done, total, bars: None,
    *,
    symbols: Collection[str] | None = None,
    by_symbol: bool = False,
    always: Collection[str] = (),
    details: bool = False,
    content: bool = False,
    screen: Prescreen | None = None,
    again: bool = False,
) -> SyncReceipt:
    """Bring the store up to date from `since` (None: two years) to `until` (None: the newest).

    `symbols` are all that is wanted (None: the whole market). They are fetched one by one where
    that takes fewer calls, and with `by_symbol` in any case; those that a snapshot of the market
    shows unchanged are then spared, and of the whole market those on the low-volume list, but for
    `always`. A `screen` tells which of the whole market's symbols are asked for with `by_symbol`.
    With `details`, reference data of each of `symbols` is fetched, by a call each. With `content`,
    what is stored is good enough, though it may still be corrected; with `again`, stored sessions
    since `since` are fetched again.

    A session or symbol that cannot be had does not end the others: the receipt names it, and
    `require_use` judges whether anything came. Raises UsageError for days that cannot be,
    ProviderError after what had arrived is committed where nothing more comes, StoreLocked while
    another process writes, and StoreError.
    """
    check_days(since, until, dt.datetime.now(dt.UTC))
    chosen = None if symbols is None else tuple(dict.fromkeys(symbols))
    read: dict[str, str] = {}
    with store.snapshot() as snapshot:
        always, _ = snapshot.tickers(always)
        if chosen is not None:
            names, read = snapshot.tickers(chosen)
            chosen = tuple(names)
    always = frozenset(always)
    request = Request(since, until, chosen, by_symbol, details, always, content, screen, again)
    with store.writer() as writer:
        one = _Sync(store, writer, provider, request, progress)
        one.receipt.warnings += [note_of(read)] if read else []
        return _completed(one.run())


def _completed(work: Coroutine[Any, Any, _T]) -> _T:
    """What the work comes to; in a thread of its own where a loop runs already, as in notebooks."""
    if not _is_in_a_loop():
        return asyncio.run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="marketsweep-sync") as pool:
        return pool.submit(asyncio.run, work).result()


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _Sync:
    def __init__(
        self,
        store: Store,
        writer: Writer,
        provider: Provider,
        request: Request,
        progress: Progress,
    ) -> None:
        self.store = store
        self.writer = writer
        self.provider = provider
        self.request = request
        self.progress = progress
        self.receipt = SyncReceipt(provider.name, usage=provider.usage)
        self.reference = ReferenceSync(provider, request, writer, self._write, self.receipt)
        self.now = dt.datetime.now(dt.UTC)
        """When the sync began, on the provider's clock where that has one: ours may be wrong."""
        self.notes = SessionNotes()
        self.stored: frozenset[dt.date] = frozenset()
        """Sessions with bars before the sync."""
        self.came: set[dt.date] = set()
        """Sessions that came whole, with bars."""
        self.misses = Misses()
        self.unasked = Unasked()
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="marketsweep-writer")

    async def run(self) -> SyncReceipt:
        started = perf_counter()
        with self.writing:
            async with self.provider:
                await self._fetch()
        self.receipt.seconds = perf_counter() - started
        self.receipt.data_version = self.store.version()
        self.receipt.sessions_behind = self._behind()
        facts = self.receipt.to_dict()
        self.writer.log_sync(**facts)
        return self.receipt

    async def _fetch(self) -> None:
        window = await self.provider.available()
        self.now = window.now or self.now
        agenda = self._agenda(window)
        reference = asyncio.create_task(self.reference.run(agenda, self._notes(), self.now))
        try:
            if self.request.by_symbol and agenda.listings:
                # Who there is to be asked for, reference data tells.
                await reference
                agenda = self._agenda(window)
                prices = agenda.prices
                left_out = prices.low_volume or prices.prescreened
                if not (prices.spans or prices.spared or left_out):
                    raise UsageError("nobody tells which symbols there are: name them with --only")
            check_screened(agenda, self.request)
            self.receipt.warnings += agenda.screened.warnings if agenda.screened else []
            # Bars without their splits would be seen at once, and be wrong.
            await self.reference.splits_are_known.wait()
            await self._fetch_prices(agenda.prices)
            await reference
        except ProviderError:
            await self._write(self._note_failures)
            raise
        finally:
            reference.cancel()
        await self._write(self._commit, self.provider.off_session(agenda.first, agenda.last))
        await self._resolve()
        await self._put_aside(agenda)
        self.receipt.warnings += self.provider.notes()

    def _behind(self) -> int:
        with self.store.snapshot() as snapshot:
            newest = snapshot.newest
        return 0 if newest is None else sessions_behind(newest, self.now)

    def _agenda(self, window: Window) -> Agenda:
        with self.store.snapshot() as snapshot:
            agenda = make_agenda(snapshot, window, self.request, self.provider.tariff, self.now)
            self.stored = frozenset(snapshot.sessions)
        self.notes = agenda.notes
        self.misses = Misses(agenda.notes.put_aside.keys())
        prices, receipt = agenda.prices, self.receipt
        receipt.first, receipt.last = agenda.first, agenda.last
        receipt.route = prices.route.name if prices.route else None
        receipt.checked = agenda.check
        receipt.wanted, receipt.symbols_wanted = len(prices.days), len(prices.spans)
        receipt.avoided = prices.spared
        receipt.low_volume, receipt.prescreened = prices.low_volume, prices.prescreened
        receipt.saved = prices.saved
        receipt.funnel = agenda.screened.funnel if agenda.screened else []
        return agenda

    async def _fetch_prices(self, prices: Prices) -> None:
        if prices.days:
            days, sessions = frozenset(prices.days), self.provider.sessions(prices.days)
            asked_for = partial(self.unasked.of_sessions, days=days)
            await self._keep(sessions, len(days), _is_month, asked_for, self._commit_sessions)
        if prices.spans:
            spans = await self._changed(prices.spans)
            asked_for_bars = partial(self.unasked.of_histories, spans=frozenset(spans))
            histories = self.provider.histories(spans)
            await self._keep(
                histories, len(spans), _is_much, asked_for_bars, self._commit_histories
            )
        if self.unasked.count:
            self.receipt.warnings.append(str(self.unasked))
            self.receipt.set_aside[REASON] = self.unasked.count

    async def _keep(
        self,
        items: AsyncIterator[_Bars | Unavailable],
        total: int,
        is_batch: Callable[[int, int], bool],
        asked_for: Callable[[_Bars], _Bars | None],
        commit: Callable[[list[_Bars]], None],
    ) -> None:
        """Commit what comes; interrupted or refused, what has arrived stays."""
        batches = Batches(self.writing, commit, is_batch)
        done, bars = 0, 0
        try:
            async for item in items:
                done += 1
                if isinstance(item, Unavailable):
                    self.misses.failed(item)
                elif (own := asked_for(item)) is not None:
                    self.misses.came()
                    bars += own.values.shape[1]
                    await batches.add(own, own.values.shape[1])
                self.progress(done, total, bars)
            self.misses.end()
        finally:
            batches.finish()

    async def _changed(self, spans: list[Span]) -> list[Span]:
        """The spans without those of symbols that were not traded, as one call shows."""
        doubtful = [s for s in spans if is_recent(s) and s.symbol not in self.request.always]
        if len(doubtful) < 2:
            return spans
        quotes = await self.reference.granted("snapshot", self.provider.quotes())
        with self.store.snapshot() as snapshot:
            spared = untraded(doubtful, quotes or [], snapshot)
        await self._write(self._commit_untraded, spared)
        gone = set(spared)
        self.receipt.untraded = len(gone)
        self.receipt.avoided += len(gone)
        return [span for span in spans if span not in gone]

    async def _write(self, write: Callable[..., _T], *arguments: object) -> _T:
        """One write at a time, in the thread of their own, while other calls go on."""
        # Shielded: what is handed over is written, whatever becomes of who waits for it.
        return await asyncio.shield(asyncio.wrap_future(self.writing.submit(write, *arguments)))

    def _commit_sessions(self, sessions: list[SessionBars]) -> None:
        self.receipt.fetched += len(sessions)
        self.receipt.empty += [bars.session for bars in sessions if not bars.symbols]
        whole = [bars for bars in sessions if bars.symbols and not self._is_spoilt(bars)]
        self._commit(whole)
        self.came |= {bars.session for bars in whole}

    def _is_spoilt(self, bars: SessionBars) -> bool:
        """Whether a session came again with bars that stand still: what is stored is kept."""
        if self.request.again or bars.session not in self.stored:
            return False
        with self.store.snapshot() as snapshot:
            place = bisect_left(snapshot.sessions, bars.session)
            held = snapshot.bars(bars.session)
            before = snapshot.bars(snapshot.sessions[place - 1]) if place else None
            spoilt = held is not None and would_freeze(bars, snapshot.index, held, before)
        if spoilt:
            self.receipt.warnings.append(
                f"most bars of {bars.session} came again as bars that stand still: the stored ones "
                f"are kept (marketsweep sync --again --since {bars.session} --until "
                f"{bars.session} takes the new ones)"
            )
        return spoilt

    def _commit_histories(self, histories: list[SymbolBars]) -> None:
        self.receipt.symbols_fetched += len(histories)
        self.receipt.unknown += [one.span.symbol for one in histories if not one.days.size]
        self._commit(sessions_of(histories), asked_of(histories, self.now))

    def _commit_untraded(self, spans: list[Span]) -> None:
        self._commit([], asked(spans, self.now))

    def _commit(self, sessions: list[SessionBars], of: Asked | None = None) -> None:
        if not sessions and not (of and of.spans):
            return
        today = self.now.astimezone(NEW_YORK).date()
        if of:
            self._count(self.writer.commit(sessions, self.provider.name, today, of))
            return
        # Late corrections of a session come in until the next one is over.
        days = {bars.session for bars in sessions}
        young = {day for day in days if self.now < close_time(next_session(day))}
        # Noted first: were the process to end in between, a young session would pass for final.
        self._note_provisional(self.notes.provisional | young)
        self._count(self.writer.commit(sessions, self.provider.name, today))
        self._note_provisional((self.notes.provisional - days) | young)

    async def _put_aside(self, agenda: Agenda) -> None:
        """Note the sessions that are asked for again later, and say so."""
        receipt, stored = self.receipt, set[dt.date]()
        with self.store.snapshot() as snapshot:
            receipt.frozen = snapshot.frozen()
            stored |= set(snapshot.whole)
        missed = _of_sessions(self.misses.known)
        failed = [(day, reason) for day, reason in missed if day not in stored]
        still = [day for day in receipt.frozen if day in self.came and not agenda.joins]
        self.notes.came(self.came.difference(still))
        self.notes.failed([*failed, *((day, _FROZEN) for day in still)], self.now)
        self.notes.checked = agenda.check or self.notes.checked
        await self._write(self._keep_notes)
        receipt.unavailable = [{**one._asdict(), "of": str(one.of)} for one in self.misses.known]
        receipt.put_aside = [one.to_dict() for _, one in sorted(self.notes.put_aside.items())]

    def _note_failures(self) -> None:
        """Note what failed before the sync ended, so that the next one goes on beyond it."""
        self.notes.failed(_of_sessions(self.misses.row), self.now, due=True)
        self.notes.failed(_of_sessions(self.misses.known), self.now)
        self._keep_notes()

    def _note_provisional(self, days: set[dt.date]) -> None:
        if days != self.notes.provisional:
            self.notes.provisional = days
            self._keep_notes()

    def _keep_notes(self) -> None:
        known = self._notes()
        for key, text in self.notes.texts().items():
            if known.get(key, "") != text:
                self.writer.note(key, text)

    def _notes(self) -> dict[str, str]:
        with self.store.snapshot() as snapshot:
            return snapshot.notes()

    def _count(self, done: CommitReceipt) -> None:
        receipt = self.receipt
        receipt.new += done.new
        receipt.revised += done.revised
        receipt.unchanged += done.unchanged
        room = _REVISIONS - len(receipt.revisions)
        receipt.revisions += map(_revision, done.revisions[:room])
        room = _REVISIONS - len(receipt.contradicted)
        receipt.contradicted += map(_revision, done.contradicted[:room])
        receipt.set_aside = dict(Counter(receipt.set_aside) + Counter(done.set_aside))

    async def _resolve(self) -> None:
        """Work out companies and actions, and say what is new of them."""
        with self.store.snapshot() as snapshot:
            before = _resolved(snapshot)
        await self._write(self.writer.resolve)
        with self.store.snapshot() as snapshot:
            after = _resolved(snapshot)
        news = sorted(after.rulings - before.rulings, key=lambda one: one[:5])
        self.receipt.actions = [
            {**one._asdict(), "verdict": one.verdict.value} for one in news if one.verdict.is_told
        ]
        self.receipt.reassigned = sum(one.verdict is Verdict.OTHER_TICKER for one in news)
        self.receipt.renames = [
            {**one._asdict(), "rule": one.rule and one.rule.value}
            for one in after.changes
            if one not in before.changes
        ]
        self.receipt.doubtful_tickers = [
            one._asdict() for one in after.doubts if one not in before.doubts
        ]


def _of_sessions(missed: Iterable[Unavailable]) -> list[tuple[dt.date, str]]:
    return [(one.of, one.reason) for one in missed if isinstance(one.of, dt.date)]


class _Resolved(NamedTuple):
    """What is worked out of companies and actions."""

    rulings: frozenset[Ruling]
    changes: Sequence[Tenure]
    doubts: Sequence[Doubt]


def _resolved(snapshot: Snapshot) -> _Resolved:
    rulings = {*snapshot.rulings("split"), *snapshot.rulings("dividend")}
    changes = [one for one in snapshot.tenures() if one.before and one.first]
    return _Resolved(frozenset(rulings), changes, snapshot.doubts())


def _revision(one: Revision) -> dict[str, Any]:
    old, new = (dict(zip(FIELDS, values, strict=True)) for values in (one.old, one.new))
    return {"symbol": one.symbol, "session": one.session.isoformat(), "old": old, "new": new}


def _is_month(sessions: int, bars: int) -> bool:
    return sessions >= _BATCH


def _is_much(symbols: int, bars: int) -> bool:
    return bars >= _MUCH
