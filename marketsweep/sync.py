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
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

from marketsweep.agenda import (
    ACTIONS,
    LISTED,
    PROVISIONAL,
    Agenda,
    check_days,
    check_screened,
    make_agenda,
)
from marketsweep.batches import Batches
from marketsweep.by_symbol import asked, asked_of, is_recent, sessions_of, untraded
from marketsweep.errors import ProviderRefused, UsageError
from marketsweep.expressions import Expression
from marketsweep.fields import FIELDS
from marketsweep.providers import Provider
from marketsweep.records import (
    Dividend,
    Listing,
    SessionBars,
    Span,
    Split,
    SymbolBars,
    Usage,
    Window,
)
from marketsweep.reference import LISTED_ON
from marketsweep.routes import Prices, Request
from marketsweep.rulings import Ruling, Verdict
from marketsweep.screen import Clause
from marketsweep.sessions import NEW_YORK, close_time, next_session
from marketsweep.spans import Asked
from marketsweep.store import Snapshot, Store
from marketsweep.tables.rows import Revision
from marketsweep.tenures import Doubt, Tenure
from marketsweep.universes import screen_of
from marketsweep.writer import CommitReceipt, Writer

_BATCH: Final = 21
"""Sessions committed at once at the most: a month, which is one segment."""

_REVISIONS: Final = 100
"""Revised bars that a receipt shows; the store keeps all of them."""

_MUCH: Final = 1_000_000
"""Bars of single symbols committed at once: each time, all of their months are written anew."""

_T = TypeVar("_T")
_Bars = TypeVar("_Bars", SessionBars, SymbolBars)

Progress = Callable[[int, int, int], None]
"""Told after each session or symbol: how many came, how many are to come in all, bars so far."""


@dataclass(slots=True)
class SyncReceipt:
    """What a sync did, and what it cost."""

    provider: str
    first: dt.date | None = None
    """Of the sessions asked for, those stored already included."""
    last: dt.date | None = None
    route: str | None = None
    """The way that the bars came."""
    wanted: int = 0
    """Sessions that had to be fetched whole."""
    fetched: int = 0
    empty: list[dt.date] = field(default_factory=list)
    """Sessions for which the provider had no bars; they will be asked for again."""
    symbols_wanted: int = 0
    """Symbols that had to be fetched one by one."""
    symbols_fetched: int = 0
    untraded: int = 0
    """Those among them of which a snapshot showed that there was nothing to fetch."""
    unknown: list[str] = field(default_factory=list)
    """Symbols for which the provider had no bars; they will be asked for again."""
    avoided: int = 0
    """Calls that the same would have taken with nothing stored, beside those made."""
    low_volume: int = 0
    """Symbols that were not asked for, since they are on the low-volume list."""
    prescreened: int = 0
    """Further symbols that were not asked for, since the pre-screen left them out."""
    saved: int = 0
    """Calls that all of those would have taken."""
    funnel: list[Clause] = field(default_factory=list)
    """What each part of the pre-screen left out of the market's symbols."""
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    revisions: list[dict[str, Any]] = field(default_factory=list)
    """The first hundred of the revised bars: symbol, session, old and new values of each field."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Rows kept out of the market's bars, by reason."""
    splits: int = 0
    dividends: int = 0
    listings: int = 0
    actions: list[dict[str, Any]] = field(default_factory=list)
    """Told actions that do not count just as they are told, and that is news: what becomes of
    each (`verdict`), and why (`evidence`)."""
    reassigned: int = 0
    """Told actions that are news and count for the ticker that their company had on that day."""
    unusable: list[dict[str, Any]] = field(default_factory=list)
    """Told actions that cannot be used: no amount, an unknown kind, told with several ids."""
    renames: list[dict[str, Any]] = field(default_factory=list)
    """Changes of tickers that are news: since when, and by which rule that day is known."""
    doubtful_tickers: list[dict[str, Any]] = field(default_factory=list)
    """Told changes of tickers that cannot be used, and that is news; and why."""
    warnings: list[str] = field(default_factory=list)
    data_version: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The receipt as plain data: the JSON of `marketsweep sync --json`."""
        facts = asdict(self)
        plain: dict[str, Any] = _plain(facts)
        return plain


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
    universe: str | None = None,
    where: str | Expression | None = None,
    unknown: str | None = None,
) -> SyncReceipt:
    """Bring the store up to date from `since` (None: two years) to `until` (None: the newest).

    `symbols` are all that is wanted (None: the whole market). They are fetched one by one where
    that takes fewer calls, and with `by_symbol` in any case; those that a snapshot of the market
    shows unchanged are then spared, and of the whole market those on the low-volume list, but for
    `always`. `universe` and `where` are a pre-screen as a scan takes it, of the whole market's
    symbols with `by_symbol`: who does not pass is not asked for, nor who lacks a fact, unless
    `unknown` is "keep". With `details`, reference data of each of
    `symbols` is fetched, by a call each. With `content`, what is stored is good enough, though it
    may still be corrected. Raises UsageError for days that cannot be,
    ProviderError after what had arrived is committed, StoreLocked while another process writes,
    and StoreError.
    """
    check_days(since, until, dt.datetime.now(dt.UTC))
    chosen = None if symbols is None else tuple(dict.fromkeys(symbols))
    screen = screen_of(store.path, universe, where, unknown)
    always = frozenset(always)
    request = Request(since, until, chosen, by_symbol, details, always, content, screen)
    with store.writer() as writer:
        one = _Sync(store, writer, provider, request, progress)
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
        self.now = dt.datetime.now(dt.UTC)
        """When the sync began, on the provider's clock where that has one: ours may be wrong."""
        self.provisional: set[dt.date] = set()
        self.writing = ThreadPoolExecutor(1, thread_name_prefix="marketsweep-writer")

    async def run(self) -> SyncReceipt:
        started = perf_counter()
        with self.writing:
            async with self.provider:
                await self._fetch()
        self.receipt.seconds = perf_counter() - started
        self.receipt.data_version = self.store.version()
        facts = self.receipt.to_dict()
        self.writer.log_sync(**facts)
        return self.receipt

    async def _fetch(self) -> None:
        window = await self.provider.available()
        self.now = window.now or self.now
        agenda = self._agenda(window)
        reference = asyncio.create_task(self._fetch_reference(agenda))
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
            await self._fetch_prices(agenda.prices)
            await reference
        finally:
            reference.cancel()
        await self._write(self._commit, self.provider.off_session(agenda.first, agenda.last))
        await self._resolve()

    def _agenda(self, window: Window) -> Agenda:
        with self.store.snapshot() as snapshot:
            agenda = make_agenda(snapshot, window, self.request, self.provider.tariff, self.now)
        self.provisional = agenda.provisional
        prices, receipt = agenda.prices, self.receipt
        receipt.first, receipt.last = agenda.first, agenda.last
        receipt.route = prices.route.name if prices.route else None
        receipt.wanted, receipt.symbols_wanted = len(prices.days), len(prices.spans)
        receipt.avoided = prices.spared
        receipt.low_volume, receipt.prescreened = prices.low_volume, prices.prescreened
        receipt.saved = prices.saved
        receipt.funnel = agenda.screened.funnel if agenda.screened else []
        return agenda

    async def _fetch_prices(self, prices: Prices) -> None:
        if prices.days:
            sessions = self.provider.sessions(prices.days)
            await self._keep(sessions, len(prices.days), _is_month, self._commit_sessions)
        if prices.spans:
            spans = await self._changed(prices.spans)
            histories = self.provider.histories(spans)
            await self._keep(histories, len(spans), _is_much, self._commit_histories)

    async def _keep(
        self,
        items: AsyncIterator[_Bars],
        total: int,
        is_batch: Callable[[int, int], bool],
        commit: Callable[[list[_Bars]], None],
    ) -> None:
        """Commit what comes; interrupted or refused, what has arrived stays."""
        batches = Batches(self.writing, commit, is_batch)
        done, bars = 0, 0
        try:
            async for item in items:
                done, bars = done + 1, bars + item.values.shape[1]
                await batches.add(item, item.values.shape[1])
                self.progress(done, total, bars)
        finally:
            batches.finish()

    async def _changed(self, spans: list[Span]) -> list[Span]:
        """The spans without those of symbols that were not traded, as one call shows."""
        doubtful = [s for s in spans if is_recent(s) and s.symbol not in self.request.always]
        if len(doubtful) < 2:
            return spans
        quotes = await self._granted("snapshot", self.provider.quotes())
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
        self._commit([bars for bars in sessions if bars.symbols])

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
        self._note_provisional(self.provisional | young)
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
        room = _REVISIONS - len(receipt.revisions)
        receipt.revisions += map(_revision, done.revisions[:room])
        receipt.set_aside = dict(Counter(receipt.set_aside) + Counter(done.set_aside))

    async def _fetch_reference(self, agenda: Agenda) -> None:
        since = agenda.actions_since
        splits, dividends, listings = await asyncio.gather(
            self._granted("splits", self.provider.splits(since, agenda.actions_of)),
            self._granted("dividends", self.provider.dividends(since, agenda.actions_of)),
            self._listings(agenda),
        )
        await self._store_actions(agenda, splits, dividends)
        if listings:
            await self._write(self.writer.put_listings, list(map(self._dated, listings)))
            self.receipt.listings = len(listings)
            if agenda.listings and not agenda.joins:
                await self._write(self.writer.note, LISTED, self.now.isoformat())
                await self._write(self.writer.note, LISTED_ON, str(agenda.last))

    async def _store_actions(
        self, agenda: Agenda, splits: list[Split] | None, dividends: list[Dividend] | None
    ) -> None:
        since, of, writer = agenda.actions_since, agenda.actions_of, self.writer
        self.receipt.splits, self.receipt.dividends = len(splits or ()), len(dividends or ())
        # Two equal payments of one day are one of twice as much.
        times = Counter(dividends)
        once = [Dividend(d.symbol, d.ex_date, d.cash * n) for d, n in times.items()]
        aside = list(self.provider.actions_aside)
        if agenda.joins:
            aside += await self._write(writer.add_splits, splits or [])
            aside += await self._write(writer.add_dividends, once)
            await self._write(writer.add_actions_aside, aside)
        else:
            if splits is not None:
                aside += await self._write(writer.put_splits, splits, since, of)
            if dividends is not None:
                aside += await self._write(writer.put_dividends, once, since, of)
            if splits is not None and dividends is not None:
                await self._write(writer.put_actions_aside, aside, since, of)
                if of is None:
                    known = json.dumps([str(agenda.start), str(agenda.last)])
                    await self._write(writer.note, ACTIONS, known)
        self.receipt.unusable = [one._asdict() for one in aside]

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

    async def _listings(self, agenda: Agenda) -> list[Listing] | None:
        if self.request.details:
            return await self._granted("details", self._details())
        if not agenda.listings:
            return None
        return await self._granted("reference data", self.provider.listings())

    def _dated(self, listing: Listing) -> Listing:
        """With the day of which its shares are told: today, where the source does not say."""
        if listing.shares is None or listing.shares_on is not None:
            return listing
        return replace(listing, shares_on=self.now.astimezone(NEW_YORK).date())

    async def _details(self) -> list[Listing]:
        symbols = self.request.symbols or ()
        return [listing async for listing in self.provider.details(symbols)]

    async def _granted(self, what: str, call: Coroutine[Any, Any, _T]) -> _T | None:
        """What a plan may not include: without it there are still prices."""
        try:
            return await call
        except ProviderRefused as error:
            self.receipt.warnings.append(f"no {what}: {error}")
            return None


def _plain(value: Any) -> Any:  # noqa: ANN401, facts of any kind
    """The same with days as ISO texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dt.date) else value


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
