"""Run a sync: fetch what is missing from a provider and commit it as it arrives.

1. The provider's window, the request and the store decide which sessions to fetch
   (`make_sync_plan`): missing sessions, and sessions that must be fetched again (`SessionNotes`).
2. Reference data and corporate actions are fetched beside the bars (`ReferenceSync`).
3. Sessions arrive in order and are committed in batches (`_commit_as_received`): an interruption
   loses only what is in transit. Failures are recorded in `FailureLog`.
4. Companies and actions are resolved (`_resolve`).
5. The receipt reports the result and its cost.

Asynchronous calls end here: the callers of `sync` are synchronous.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from bisect import bisect_left
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from marketsweep.core.calendar import NEW_YORK, close_time, next_session, sessions_behind
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import SessionBars, Span, SymbolBars, Unavailable, Window
from marketsweep.core.safe_text import join_first
from marketsweep.core.spellings import note_of
from marketsweep.errors import Cancelled, ProviderError, UsageError
from marketsweep.ingest.call_routes import Pace, Prescreen, Prices, Request
from marketsweep.ingest.misses import FailureLog
from marketsweep.ingest.per_symbol import (
    group_by_session,
    is_recent,
    spans_fetched,
    spans_received,
    without_trades,
)
from marketsweep.ingest.plan import (
    SyncPlan,
    check_days,
    check_facts,
    make_sync_plan,
    require_any_passes,
)
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.reference_sync import ReferenceSync
from marketsweep.ingest.unrequested import REASON, UnrequestedBars
from marketsweep.store.batches import Batches
from marketsweep.store.catalog.rows import Revision
from marketsweep.store.companies.frozen_sessions import would_freeze
from marketsweep.store.companies.rulings import Ruling, Verdict
from marketsweep.store.companies.ticker_changes import Doubt, Tenure
from marketsweep.store.known_sessions import SymbolRequest
from marketsweep.store.session_notes import LISTED_ON, STOPPED, SessionNotes
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store
from marketsweep.store.writer import CommitReceipt, Writer

_SESSIONS_PER_BATCH: Final = 21
"""Maximum number of sessions in one commit: a month, which is one segment."""

_SHOWN_REVISIONS: Final = 100
"""Maximum number of revised bars in a receipt; the store keeps all of them."""

_BARS_PER_BATCH: Final = 1_000_000
"""Bars of single symbols in one commit: each commit rewrites all months that the bars touch."""

_FROZEN_REASON: Final = "most of the market stands still"

_LATE: Final = np.timedelta64(14, "D")
"""A first bar that is later than this after the first requested session is worth a warning."""

_STOP_S: Final = 0.2
"""Seconds between two looks at whether the sync must stop."""

_T = TypeVar("_T")
_Bars = TypeVar("_Bars", SessionBars, SymbolBars)

Progress = Callable[[int, int, int], None]
"""Called after each session or symbol: number received, total to receive, bars so far."""


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
    facts: Collection[str] = (),
    universe_history: Pace | None = None,
    details_history: Pace | None = None,
    stop: Event | None = None,
) -> SyncReceipt:
    """Bring the store up to date from `since` (None: two years) to `until` (None: the newest).

    `symbols` limits the sync to these symbols (None: the whole market). They are fetched one by one
    if that takes fewer calls, and always with `by_symbol`. A sync by symbol skips symbols that a
    snapshot of the market shows unchanged and, for the whole market, symbols on the low-volume
    list; symbols in `always` are never skipped. `screen` selects the symbols of the whole market
    that are fetched with `by_symbol`. `details` also fetches reference data of each of `symbols`,
    one call per symbol. `content` accepts stored sessions that may still be corrected. `again`
    fetches stored sessions since `since` once more. `facts` names groups of further facts to fetch:
    those of Massive are float, short_interest, ratios and financials.
    `universe_history` also fetches the listings as of earlier sessions, as often as it says, and
    `details_history` the shares, sector, industry and SIC code of each of `symbols`.

    When another thread sets `stop`, the sync ends at once, also while it waits for the provider:
    what has arrived is committed, and Cancelled is raised.

    If a session or symbol is unavailable, the sync continues and the receipt names it;
    `require_use` checks whether the sync brought anything. If the provider fails for good after
    some bars were stored, the receipt says so (`stopped`). Raises UsageError for invalid days,
    ProviderError if the provider fails before that, StoreLocked while another process writes, and
    StoreError.
    """
    check_days(since, until, dt.datetime.now(dt.UTC))
    tickers = None if symbols is None else tuple(dict.fromkeys(symbols))
    respelled: dict[str, str] = {}
    with store.snapshot() as snapshot:
        always, _ = snapshot.tickers(always)
        if tickers is not None:
            stored_names, respelled = snapshot.tickers(tickers)
            tickers = tuple(stored_names)
    always = frozenset(always)
    request = Request(
        *(since, until, tickers, by_symbol, details, always, content, screen, again),
        facts=tuple(dict.fromkeys(facts)),
        universe_history=universe_history,
        details_history=details_history,
    )
    check_facts(request.facts, provider.tariff)
    with store.writer() as writer:
        run = _SyncRun(store, writer, provider, request, progress)
        run.receipt.warnings += [note_of(respelled)] if respelled else []
        return _run_to_end(run.run() if stop is None else _until_stopped(run.run(), stop))


async def _until_stopped(coroutine: Coroutine[Any, Any, _T], stop: Event) -> _T:
    """Run a coroutine until its end, or cancel it soon after the event is set."""
    task = asyncio.ensure_future(coroutine)
    while not task.done() and not stop.is_set():
        await asyncio.wait([task], timeout=_STOP_S)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    if task.cancelled():
        raise Cancelled("the sync was stopped")
    return task.result()


def _run_to_end(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine and return its result; use a new thread if an event loop is already running.

    Notebooks have a running loop.
    """
    if not _is_loop_running():
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1, thread_name_prefix="marketsweep-sync") as pool:
        return pool.submit(asyncio.run, coroutine).result()


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _SyncRun:
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
        """Start of the sync by the provider's clock, if it has one: the local clock may be off."""
        self.notes = SessionNotes()
        self.stored_before: frozenset[dt.date] = frozenset()
        """Sessions that had bars before the sync."""
        self.received: set[dt.date] = set()
        """Sessions of the whole market that were received with bars."""
        self.late_starts: list[str] = []
        """Symbols whose first bar is long after the first requested session, with its day."""
        self.failures = FailureLog()
        self.unrequested = UnrequestedBars()
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="marketsweep-writer")

    async def run(self) -> SyncReceipt:
        started = perf_counter()
        with self.writing:
            async with self.provider:
                await self._fetch()
        self.receipt.seconds = perf_counter() - started
        self.receipt.data_version = self.store.version()
        self.receipt.sessions_behind = self._sessions_behind()
        if self.request.symbols is not None:
            with self.store.snapshot() as snapshot:
                stored = [symbol in snapshot.index for symbol in self.request.symbols]
            self.receipt.requested_stored = sum(stored)
        self.receipt.warnings += self._late_starts()
        entries = self.receipt.to_dict()
        self.writer.log_sync(**entries)
        return self.receipt

    async def _fetch(self) -> None:
        window = await self.provider.available()
        self.now = window.now or self.now
        plan = self._plan(window)
        task = asyncio.create_task(self.reference.run(plan, self._stored_notes(), self.now))
        try:
            if self.request.by_symbol and plan.listings_due:
                # The symbols to request are known from the reference data.
                await task
                plan = self._plan(window)
                prices = plan.prices
                excluded = prices.low_volume or prices.prescreened
                if not (prices.spans or prices.avoided or excluded):
                    raise UsageError("the symbols of the market are unknown: name them with --only")
            require_any_passes(plan, self.request)
            self.receipt.warnings += plan.screened.warnings if plan.screened else []
            # A reader could see bars before their splits, and they would be wrong.
            await self.reference.splits_settled.wait()
            await self._fetch_prices(plan.prices)
            await task
        except ProviderError as error:
            await self._write(self._note_failures)
            if not self.receipt.bars:
                raise
            await asyncio.wait([task])  # what it still brings is of use
            if not task.cancelled():
                task.exception()  # the provider failed; the error is reported once
            self._stop(error)
        finally:
            task.cancel()
        await self._write(self._commit, self.provider.off_session(plan.first, plan.last))
        await self._resolve()
        await self._schedule_retries(plan)
        if self._stored_notes().get(STOPPED, "") != self.receipt.stopped:
            await self._write(self.writer.note, STOPPED, self.receipt.stopped)
        self.receipt.warnings += self.provider.notes()

    def _stop(self, error: ProviderError) -> None:
        """Record that the provider failed for good, after a part of the bars was stored."""
        self.receipt.stopped = str(error)
        self.receipt.warnings.append(
            f"the provider failed after {self.receipt.fetched_part}, which are stored; run "
            f"marketsweep sync again to continue: {error}"
        )

    def _late_starts(self) -> Iterator[str]:
        """Yield a warning if symbols may have had another ticker, which nothing stored tells."""
        if self.late_starts and LISTED_ON not in self._stored_notes():
            yield (
                f"no bars before the first one of {join_first(self.late_starts, 3)}: an earlier "
                "ticker of the company is unknown; marketsweep sync without --only fetches the "
                "list of tickers"
            )

    def _sessions_behind(self) -> int:
        with self.store.snapshot() as snapshot:
            newest = snapshot.newest
        return 0 if newest is None else sessions_behind(newest, self.now)

    def _plan(self, window: Window) -> SyncPlan:
        with self.store.snapshot() as snapshot:
            plan = make_sync_plan(snapshot, window, self.request, self.provider.tariff, self.now)
            self.stored_before = frozenset(snapshot.sessions)
        self.notes = plan.notes
        self.failures = FailureLog(plan.notes.put_aside.keys())
        prices, receipt = plan.prices, self.receipt
        receipt.first, receipt.last = plan.first, plan.last
        receipt.route = prices.route.name if prices.route else None
        receipt.checked = plan.recheck
        receipt.wanted, receipt.symbols_wanted = len(prices.days), len(prices.spans)
        receipt.avoided = prices.avoided
        receipt.low_volume, receipt.prescreened = prices.low_volume, prices.prescreened
        receipt.saved = prices.saved
        receipt.funnel = plan.screened.funnel if plan.screened else []
        return plan

    async def _fetch_prices(self, prices: Prices) -> None:
        if prices.days:
            days, sessions = frozenset(prices.days), self.provider.sessions(prices.days)
            select_sessions = partial(self.unrequested.filter_session, days=days)
            await self._commit_as_received(
                sessions, len(days), _is_batch_of_sessions, select_sessions, self._commit_sessions
            )
        if prices.spans:
            spans = await self._without_untraded(prices.spans)
            select_bars = partial(self.unrequested.filter_history, spans=frozenset(spans))
            histories = self.provider.histories(spans)
            await self._commit_as_received(
                histories, len(spans), _is_batch_of_bars, select_bars, self._commit_histories
            )
        if self.unrequested.count:
            self.receipt.warnings.append(str(self.unrequested))
            self.receipt.set_aside[REASON] = self.unrequested.count

    async def _commit_as_received(
        self,
        items: AsyncIterator[_Bars | Unavailable],
        total: int,
        is_batch: Callable[[int, int], bool],
        requested_part: Callable[[_Bars], _Bars | None],
        commit: Callable[[list[_Bars]], None],
    ) -> None:
        """Commit items in batches as they arrive, including what arrived before an error."""
        batches = Batches(self.writing, commit, is_batch)
        finished, bars = 0, 0
        try:
            async for item in items:
                finished += 1
                if isinstance(item, Unavailable):
                    self.failures.record_failure(item)
                elif (requested := requested_part(item)) is not None:
                    self.failures.record_success()
                    bars += requested.values.shape[1]
                    await batches.add(requested, requested.values.shape[1])
                self.progress(finished, total, bars)
            self.failures.accept_pending()
        finally:
            batches.finish()

    async def _without_untraded(self, spans: list[Span]) -> list[Span]:
        """Return the spans without those of symbols that were not traded, as one call shows."""
        recent = [s for s in spans if is_recent(s) and s.symbol not in self.request.always]
        if len(recent) < 2:
            return spans
        quotes = await self.reference.call_or_none("snapshot", self.provider.quotes())
        with self.store.snapshot() as snapshot:
            untraded_spans = without_trades(recent, quotes or [], snapshot)
        await self._write(self._commit_untraded, untraded_spans)
        skipped = set(untraded_spans)
        self.receipt.untraded = len(skipped)
        self.receipt.avoided += len(skipped)
        return [span for span in spans if span not in skipped]

    async def _write(self, write: Callable[..., _T], *arguments: object) -> _T:
        """Run a write in the writer thread, one at a time, while other calls continue."""
        # Shielded: a submitted write is completed even if its caller is cancelled.
        return await asyncio.shield(asyncio.wrap_future(self.writing.submit(write, *arguments)))

    def _commit_sessions(self, sessions: list[SessionBars]) -> None:
        self.receipt.fetched += len(sessions)
        self.receipt.empty += [bars.session for bars in sessions if not bars.symbols]
        good = [bars for bars in sessions if bars.symbols and not self._is_frozen_refetch(bars)]
        self._commit(good)
        self.received |= {bars.session for bars in good}

    def _is_frozen_refetch(self, bars: SessionBars) -> bool:
        """Return whether most bars of a session that was fetched again are frozen.

        The stored bars are then kept, and a warning is added to the receipt.
        """
        if self.request.again or bars.session not in self.stored_before:
            return False
        with self.store.snapshot() as snapshot:
            position = bisect_left(snapshot.sessions, bars.session)
            stored = snapshot.bars(bars.session)
            previous = snapshot.bars(snapshot.sessions[position - 1]) if position else None
            is_frozen = stored is not None and would_freeze(bars, snapshot.index, stored, previous)
        if is_frozen:
            self.receipt.warnings.append(
                f"most bars of {bars.session} were sent again with unchanged prices: the stored "
                f"bars are kept (marketsweep sync --again --since {bars.session} --until "
                f"{bars.session} stores the new ones)"
            )
        return is_frozen

    def _commit_histories(self, histories: list[SymbolBars]) -> None:
        self.receipt.symbols_fetched += len(histories)
        self.receipt.unknown += [bars.span.symbol for bars in histories if not bars.days.size]
        for bars in histories:
            if bars.days.size and bars.days.min() - np.datetime64(bars.span.first) > _LATE:
                self.late_starts.append(f"{bars.span.symbol} ({bars.days.min()})")
        self._commit(group_by_session(histories), spans_received(histories, self.now))

    def _commit_untraded(self, spans: list[Span]) -> None:
        self._commit([], spans_fetched(spans, self.now))

    def _commit(self, sessions: list[SessionBars], fetched: SymbolRequest | None = None) -> None:
        if not sessions and not (fetched and fetched.spans):
            return
        today = self.now.astimezone(NEW_YORK).date()
        if fetched:
            self._add_to_receipt(self.writer.commit(sessions, self.provider.name, today, fetched))
            return
        # The provider corrects a session until the close of the next one.
        days = {bars.session for bars in sessions}
        provisional = {day for day in days if self.now < close_time(next_session(day))}
        # Noted first: if the process ends in between, a provisional session must not look final.
        self._note_provisional(self.notes.provisional | provisional)
        self._add_to_receipt(self.writer.commit(sessions, self.provider.name, today))
        self._note_provisional((self.notes.provisional - days) | provisional)

    async def _schedule_retries(self, plan: SyncPlan) -> None:
        """Note the sessions that a later sync must fetch again, and list them in the receipt."""
        receipt, complete = self.receipt, set[dt.date]()
        with self.store.snapshot() as snapshot:
            receipt.frozen = snapshot.frozen()
            complete |= set(snapshot.whole)
        failures = _session_failures(self.failures.confirmed)
        missing = [(day, reason) for day, reason in failures if day not in complete]
        frozen = [day for day in receipt.frozen if day in self.received and not plan.merges]
        self.notes.came(self.received.difference(frozen))
        self.notes.failed([*missing, *((day, _FROZEN_REASON) for day in frozen)], self.now)
        if not receipt.stopped:
            self.notes.checked = plan.recheck or self.notes.checked
        await self._write(self._save_notes)
        receipt.unavailable = [
            {**failure._asdict(), "of": str(failure.of)} for failure in self.failures.confirmed
        ]
        receipt.put_aside = [
            failure.to_dict() for _, failure in sorted(self.notes.put_aside.items())
        ]

    def _note_failures(self) -> None:
        """Note the failures before the sync ended, so that the next sync continues beyond them."""
        self.notes.failed(_session_failures(self.failures.pending), self.now, due=True)
        self.notes.failed(_session_failures(self.failures.confirmed), self.now)
        self._save_notes()

    def _note_provisional(self, days: set[dt.date]) -> None:
        if days != self.notes.provisional:
            self.notes.provisional = days
            self._save_notes()

    def _save_notes(self) -> None:
        stored_notes = self._stored_notes()
        for key, text in self.notes.texts().items():
            if stored_notes.get(key, "") != text:
                self.writer.note(key, text)

    def _stored_notes(self) -> dict[str, str]:
        with self.store.snapshot() as snapshot:
            return snapshot.notes()

    def _add_to_receipt(self, commit: CommitReceipt) -> None:
        receipt = self.receipt
        receipt.new += commit.new
        receipt.revised += commit.revised
        receipt.unchanged += commit.unchanged
        room = _SHOWN_REVISIONS - len(receipt.revisions)
        receipt.revisions += map(_bar_revision, commit.revisions[:room])
        room = _SHOWN_REVISIONS - len(receipt.contradicted)
        receipt.contradicted += map(_bar_revision, commit.contradicted[:room])
        receipt.set_aside = dict(Counter(receipt.set_aside) + Counter(commit.set_aside))

    async def _resolve(self) -> None:
        """Resolve companies and actions, and put new results into the receipt."""
        with self.store.snapshot() as snapshot:
            before = _resolved(snapshot)
        await self._write(self.writer.resolve)
        with self.store.snapshot() as snapshot:
            after = _resolved(snapshot)
        new_rulings = sorted(after.rulings - before.rulings, key=lambda item: item[:5])
        self.receipt.actions = [
            {**item._asdict(), "verdict": item.verdict.value}
            for item in new_rulings
            if item.verdict.is_told
        ]
        self.receipt.reassigned = sum(item.verdict is Verdict.OTHER_TICKER for item in new_rulings)
        self.receipt.renames = [
            {**item._asdict(), "rule": item.rule and item.rule.value}
            for item in after.changes
            if item not in before.changes
        ]
        self.receipt.doubtful_tickers = [
            item._asdict() for item in after.doubts if item not in before.doubts
        ]


def _session_failures(failures: Iterable[Unavailable]) -> list[tuple[dt.date, str]]:
    return [(failure.of, failure.reason) for failure in failures if isinstance(failure.of, dt.date)]


class _Resolved(NamedTuple):
    """The results of resolving companies and actions."""

    rulings: frozenset[Ruling]
    changes: Sequence[Tenure]
    doubts: Sequence[Doubt]


def _resolved(snapshot: Snapshot) -> _Resolved:
    rulings = {*snapshot.rulings("split"), *snapshot.rulings("dividend")}
    changes = [tenure for tenure in snapshot.tenures() if tenure.before and tenure.first]
    return _Resolved(frozenset(rulings), changes, snapshot.doubts())


def _bar_revision(bar: Revision) -> dict[str, Any]:
    old, new = (dict(zip(FIELDS, values, strict=True)) for values in (bar.old, bar.new))
    return {"symbol": bar.symbol, "session": bar.session.isoformat(), "old": old, "new": new}


def _is_batch_of_sessions(sessions: int, bars: int) -> bool:
    return sessions >= _SESSIONS_PER_BATCH


def _is_batch_of_bars(symbols: int, bars: int) -> bool:
    return bars >= _BARS_PER_BATCH
