"""Watch conditions over a running session: scan at each news, and tell what changed.

1. A source yields news of the market (`sources`); a task of its own reads it, so that a scan never
   makes the provider wait.
2. All news that has arrived is folded into the bars of today (`today`).
3. The conditions are scanned in one pass over the stored bars and those of today (`Loader`).
4. What entered and left is reported, with the clauses that decided (`changes`).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from time import monotonic
from typing import Any, Final, Literal

import numpy as np
from msgspec import Struct, structs

from marketsweep.core.calendar import NEW_YORK, close_time, is_session, next_session, open_time
from marketsweep.errors import CoverageError, UsageError
from marketsweep.live.changes import Changes, Kind
from marketsweep.live.sources import AFTER_CLOSE, Update
from marketsweep.live.today import Today
from marketsweep.market import Market
from marketsweep.scan.explain import explain
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Hits, plain
from marketsweep.scan.scan import Scan, run_together

Phase = Literal["closed", "pre-market", "open", "after hours"]

_PRE_MARKET: Final = dt.time(4)
_MOST_EXPLAINED: Final = 20
"""Symbols that left whose clauses are told, of each scan and condition."""


class Options(Struct, frozen=True):
    """How to watch."""

    confirm: int = 1
    """Scans in a row that a change must last."""
    cooldown: dt.timedelta = dt.timedelta(0)
    """Time in which a symbol that entered is not reported again."""
    max_lag_s: float | None = None
    """Seconds without news while the market is open after which the watch ends with an error."""


class Event(Struct, frozen=True):
    """A symbol that entered the matches of a condition or left them."""

    kind: Kind
    at: dt.datetime
    condition: str
    symbol: str
    close: float | None
    values: dict[str, Any]
    """What the condition compares, of a symbol that entered."""
    fails: list[str]
    """The clauses that are not true any more, of a symbol that left."""

    def to_dict(self) -> dict[str, Any]:
        """Return a line of `--json`."""
        fields = structs.asdict(self)
        return {"event": fields.pop("kind"), **fields, "at": self.at.isoformat()}


class Receipt(Struct, frozen=True):
    """One scan of the running session, and how far it can be trusted."""

    at: dt.datetime
    session: dt.date
    phase: Phase
    matched: dict[str, list[str]]
    """The matches of each condition, best first."""
    expected: int
    traded: int
    """Symbols with a bar today."""
    newest_s: float | None
    """Seconds since the newest bar changed."""
    median_s: float | None
    """Median of the seconds since the bar of each symbol changed."""
    lost_s: float
    """Seconds without a connection today. A snapshot after each brought the bars of then."""
    connections: int
    """Connections to a stream today."""
    reason: str
    """Why the last connection was lost."""
    scan_s: float
    warnings: list[str]

    @property
    def without_bar(self) -> int:
        """How many expected symbols have no bar today."""
        return max(0, self.expected - self.traded)

    def to_dict(self) -> dict[str, Any]:
        """Return a line of `--json`."""
        fields = structs.asdict(self) | {"at": self.at.isoformat(), "session": f"{self.session}"}
        return {"event": "scan", **fields, "without_bar": self.without_bar}


def phase_of(now: dt.datetime) -> Phase:
    """Return the phase of the trading day at a time."""
    local = now.astimezone(NEW_YORK)
    day = local.date()
    if not is_session(day) or local.time() < _PRE_MARKET:
        return "closed"
    if local < open_time(day):
        return "pre-market"
    return "open" if local < close_time(day) else "after hours"


async def watch(
    market: Market,
    scans: Sequence[Scan],
    source: AsyncGenerator[Update, None],
    options: Options,
    say: Callable[[Event | Receipt], None],
) -> None:
    """Scan the running session at each news until it is over, and say what changed.

    `scans` differ in their conditions alone. Raises UsageError on a day without a session or if the
    session is stored as complete, CoverageError after `max_lag_s` without news, and what a scan and
    the provider raise.
    """
    queue: asyncio.Queue[Update] = asyncio.Queue()

    async def read() -> None:
        async with aclosing(source) as updates:
            async for update in updates:
                queue.put_nowait(update)

    reader = asyncio.create_task(read())
    try:
        first = await _next(queue, reader, None)
        watched = _Watched(market, scans, options, _session_of(first.at))
        updates = [first]
        while True:
            for update in updates:
                watched.take(update)
            for news in await asyncio.to_thread(watched.scan):
                say(news)
            if watched.is_over:
                return
            updates = [await _next(queue, reader, options.max_lag_s)]
            while not queue.empty():
                updates.append(queue.get_nowait())
    finally:
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)


async def _next(
    queue: asyncio.Queue[Update], reader: asyncio.Task[None], most_s: float | None
) -> Update:
    """Return the next news. Raises what the reader raises, and CoverageError after `most_s`."""
    waiting = asyncio.create_task(queue.get())
    done, _ = await asyncio.wait(
        {waiting, reader}, timeout=most_s, return_when=asyncio.FIRST_COMPLETED
    )
    if waiting in done:
        return waiting.result()
    waiting.cancel()
    if reader in done:
        reader.result()
        raise CoverageError("the source of live bars has ended")
    raise CoverageError(f"no news of the market for {most_s:g} seconds (--max-lag)")


def _session_of(now: dt.datetime) -> dt.date:
    day = now.astimezone(NEW_YORK).date()
    if not is_session(day):
        raise UsageError(f"{day:%A %Y-%m-%d} is not a session; the next one is {next_session(day)}")
    return day


class _Watched:
    """The state of a watch: the bars of today, and the matches as they were reported."""

    def __init__(
        self, market: Market, scans: Sequence[Scan], options: Options, session: dt.date
    ) -> None:
        self._market = market
        self._scans = [structs.replace(scan, as_of=session) for scan in scans]
        self._today = Today(session)
        self._changes = [Changes(options.confirm, options.cooldown) for _ in scans]
        self._at = dt.datetime.fromtimestamp(0, dt.UTC)
        self._lost_s = 0.0
        self._connections = 0
        self._reason = ""

    @property
    def is_over(self) -> bool:
        """Whether the session has closed, and its last minutes have had time to arrive."""
        return self._at >= close_time(self._today.session) + AFTER_CLOSE

    def take(self, update: Update) -> None:
        """Fold news into the bars of today."""
        self._at = max(self._at, update.at).astimezone(NEW_YORK)
        if update.lost is not None:
            self._connections += 1
            self._lost_s += update.lost.lost_s
            self._reason = update.lost.reason
        self._today.take_snapshot(update.quotes)
        self._today.take_minutes(update.minutes)

    def scan(self) -> list[Event | Receipt]:
        """Scan the conditions over the stored bars and those of today, and return what changed."""
        started = monotonic()
        # To judge the bars of all matches takes longer than to scan: it is done at the end.
        scans = [structs.replace(scan, marked=self.is_over) for scan in self._scans]
        with self._market.view() as view:
            loader = view.with_session(self._today.bars())
            hits = run_together(scans, loader)
            changed = [
                event
                for changes, scan, answer in zip(self._changes, self._scans, hits, strict=True)
                for event in self._events(changes, scan, answer, loader)
            ]
        return [*changed, self._receipt(hits, monotonic() - started)]

    def _events(self, changes: Changes, scan: Scan, hits: Hits, loader: Loader) -> Iterator[Event]:
        places = {symbol: place for place, symbol in enumerate(hits.symbols)}
        explained = 0
        for kind, symbol in changes.take(hits.symbols, self._at):
            close, values, fails = None, {}, list[str]()
            if symbol in places:
                place = places[symbol]
                close = float(hits.close[place])
                values = {name: plain(hits.value(name, place)) for name in hits.values}
            elif explained < _MOST_EXPLAINED:
                explained += 1
                close, fails = _why_not(scan, symbol, loader)
            yield Event(kind, self._at, hits.condition, symbol, close, values, fails)

    def _receipt(self, hits: Sequence[Hits], scan_s: float) -> Receipt:
        ages = self._today.ages_s(self._at)
        return Receipt(
            at=self._at,
            session=self._today.session,
            phase=phase_of(self._at),
            matched={answer.condition: answer.symbols for answer in hits},
            expected=hits[0].coverage.expected,
            traded=len(self._today),
            newest_s=float(ages.min()) if len(ages) else None,
            median_s=float(np.median(ages)) if len(ages) else None,
            lost_s=self._lost_s,
            connections=self._connections,
            reason=self._reason,
            scan_s=scan_s,
            warnings=list(dict.fromkeys(text for answer in hits for text in answer.warnings)),
        )


def _why_not(scan: Scan, symbol: str, loader: Loader) -> tuple[float | None, list[str]]:
    """Return the close of a symbol, and the clauses of the condition that it fails."""
    try:
        explained = explain(
            loader, symbol, scan.condition, scan.as_of, scan.adjust, scan.own_names, is_judged=False
        )
    except UsageError:
        return None, []  # the symbol has no bar in this session
    clauses = [part for part in explained.parts if isinstance(part.value, bool)]
    fails = [part.text for part in clauses if part.depth == 1 and part.value is False]
    closes = [part.value for part in explained.parts if part.text == "close"]
    close = closes[0] if closes and isinstance(closes[0], float) else None
    return close, fails or [clauses[0].text]
