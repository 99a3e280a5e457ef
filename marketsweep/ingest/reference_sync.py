"""Fetch splits, dividends and reference data, beside the bars."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.records import ActionAside, Dividend, FactValues, Listing, Split, Unavailable
from marketsweep.errors import CallFailed, ProviderError, ProviderRefused
from marketsweep.ingest.call_routes import Request
from marketsweep.ingest.misses import FailureLog
from marketsweep.ingest.plan import SyncPlan, details_days, universe_days
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.store.companies.rulings import Kind
from marketsweep.store.missing_actions import (
    KINDS,
    NOTE,
    MissingActions,
    as_note,
    in_words,
    is_given,
    joined,
    no_longer_told,
    of_notes,
    to_dict,
)
from marketsweep.store.session_notes import ACTIONS, LISTED, LISTED_ON, NOT_LISTED, UNIVERSE
from marketsweep.store.writer import Writer

_T = TypeVar("_T")

_REFERENCE: Final = "reference data"

_PENDING: Final = "a sync is under way or was interrupted"

_NOTHING_MISSING: Final = as_note([])

Write = Callable[..., Coroutine[Any, Any, Any]]
"""Runs a function of the writer in the writer thread."""


class ReferenceSync:
    """Fetches the actions and reference data of a provider, and stores them.

    If a plan does not include a kind of data, or its call fails, the receipt names it and the sync
    continues.
    """

    def __init__(
        self,
        provider: Provider,
        request: Request,
        writer: Writer,
        write: Write,
        receipt: SyncReceipt,
    ) -> None:
        self._provider = provider
        self._request = request
        self._writer = writer
        self._write = write
        self._receipt = receipt
        self._reasons: dict[str, str] = {}
        self._refused_splits: list[ActionAside] = []
        self._noted = _NOTHING_MISSING
        """The stored note on missing actions."""
        self._is_pending = False
        """Whether dividends are still to be stored: until then scans that need them warn."""
        self.splits_settled = asyncio.Event()
        """Set once the splits are stored, or a note says that they are missing."""

    async def run(self, plan: SyncPlan, notes: dict[str, str], now: dt.datetime) -> None:
        """Fetch what a plan asks for; `notes` are those of the store, `now` is the sync's clock."""
        since, symbols = plan.actions_since, plan.actions_symbols
        self._noted = notes.get(NOTE, _NOTHING_MISSING)
        if not plan.merges and (plan.prices.days or plan.prices.spans):
            # Bars become visible before the dividends are stored.
            self._is_pending = True
            await self._write_missing(plan, of_notes(notes))
        splits, dividends, listings = await asyncio.gather(
            self._fetch_splits(plan, notes),
            self.call_or_none("dividends", self._provider.dividends(since, symbols)),
            self._fetch_listings(plan),
        )
        await self._store_actions(plan, splits, dividends)
        self._is_pending = False
        fetched = {"split": splits, "dividend": dividends}
        kinds = {kind for kind, actions in fetched.items() if actions}
        await self._note_missing(plan, notes, kinds)
        if plan.listings_due and not self._request.details:
            reason = self._reasons.get(_REFERENCE, "")
            if notes.get(NOT_LISTED, "") != reason:
                await self._write(self._writer.note, NOT_LISTED, reason)
        if listings:
            today = now.astimezone(NEW_YORK).date()
            await self._write(
                self._writer.put_listings,
                [_with_shares_date(listing, today) for listing in listings],
            )
            self._receipt.listings = len(listings)
            if plan.listings_due and not plan.merges:
                await self._write(self._writer.note, LISTED, now.isoformat())
                await self._write(self._writer.note, LISTED_ON, str(plan.last))
        if plan.listings_due or self._request.facts:
            await self._store_facts(plan)
        if days := universe_days(plan, self._request.universe_history, notes):
            await self._store_universe(plan, days, json.loads(notes.get(UNIVERSE, "{}")))
        if days := details_days(plan, self._request.details_history):
            await self._store_details(days)

    async def _store_universe(
        self, plan: SyncPlan, days: list[dt.date], fetched: dict[str, str]
    ) -> None:
        """Store the listings of earlier days, and note how far they reach."""
        facts = await self.call_or_none("universe history", self._provider.universe(days))
        if not facts:
            return
        if fetched.get("last") == f"{days[0]}":  # what is told of that day is stored
            facts = [
                fact._replace(rows=[row for row in fact.rows if row[1] != days[0]])
                for fact in facts
            ]
        await self._put_facts([fact for fact in facts if fact.rows])
        span = {
            "pace": self._request.universe_history,
            "first": f"{plan.start}",
            "last": f"{days[-1]}",
        }
        await self._write(self._writer.note, UNIVERSE, json.dumps(span))

    async def _put_facts(self, facts: list[FactValues]) -> None:
        """Store facts, and add their names to the receipt."""
        changes = await self._write(self._writer.put_facts, facts)
        self._receipt.facts = list(dict.fromkeys((*self._receipt.facts, *changes.stored)))

    async def _store_details(self, days: list[dt.date]) -> None:
        """Store the facts of the requested symbols as of earlier days."""
        call = self._provider.details_history(self._request.symbols or (), days)
        facts, failed = await self.call_or_none("details history", call) or ([], [])
        if facts:
            await self._put_facts(facts)
        self._receipt.warnings += [f"no details of {item.of}: {item.reason}" for item in failed]

    async def _store_facts(self, plan: SyncPlan) -> None:
        """Store further facts that the provider has, and those that are requested."""
        facts: list[FactValues] = []
        # A plan may include one group and not another.
        for group in self._request.facts or ("",):
            call = self._provider.facts(group, plan.start)
            facts += await self.call_or_none(group.replace("_", " ") or "facts", call) or []
        if not facts:
            return
        changes = await self._write(self._writer.put_facts, facts)
        self._receipt.facts = list(dict.fromkeys(changes.stored))
        self._receipt.refused_facts = changes.refused
        if not plan.prices.days and not plan.prices.spans:  # else, new symbols come with the bars
            symbols = {symbol for fact in facts for symbol, _, _ in fact.rows}
            if unknown := await self._write(self._writer.unknown_symbols, symbols):
                self._receipt.warnings.append(
                    f"{len(unknown):,} of {len(symbols):,} symbols with facts have neither bars "
                    f"nor a listing, such as {', '.join(unknown[:5])}: check their tickers"
                )
        for fact in facts:
            if fact.name in changes.refused:
                self._receipt.warnings.append(
                    f"the fact {fact.name} was not changed: it is reported as a {fact.kind}, but "
                    "stored as another kind; correct the column, or remove the stored fact with "
                    f"marketsweep facts remove {fact.name}"
                )
            elif fact.name in changes.undated:
                self._receipt.warnings.append(
                    f"the new values of {fact.name} have no valid_from, and values with one are "
                    "stored: the new ones count only before these; add a column valid_from, or "
                    f"first remove the stored values with marketsweep facts remove {fact.name}"
                )

    async def _fetch_splits(self, plan: SyncPlan, notes: dict[str, str]) -> list[Split] | None:
        """Fetch and store the splits, before any bar of the same sync becomes visible."""
        since, symbols = plan.actions_since, plan.actions_symbols
        splits: list[Split] | None = None
        try:
            splits = await self.call_or_none("splits", self._provider.splits(since, symbols))
            if splits is not None and plan.merges:
                self._refused_splits += await self._write(self._writer.add_splits, splits)
            elif splits is not None:
                self._refused_splits += await self._write(
                    self._writer.put_splits, splits, since, symbols
                )
        except ProviderError as error:
            self._reasons["splits"] = str(error)
            raise
        finally:
            try:
                if "splits" in self._reasons:
                    await self._note_missing(plan, notes, ())
            finally:
                self.splits_settled.set()
        return splits

    async def call_or_none(self, kind: str, call: Coroutine[Any, Any, _T]) -> _T | None:
        """Return the result of a call, or None if the plan does not include it or the call fails.

        The receipt gets a warning for a failed call; `kind` names what was requested.
        """
        try:
            return await call
        except (ProviderRefused, CallFailed) as error:
            self._receipt.warnings.append(f"no {kind}: {error}")
            self._reasons[kind] = str(error)
            return None

    async def _store_actions(
        self, plan: SyncPlan, splits: list[Split] | None, dividends: list[Dividend] | None
    ) -> None:
        since, symbols, writer = plan.actions_since, plan.actions_symbols, self._writer
        self._receipt.splits = len(splits or ()) - len(self._refused_splits)
        # Two equal payments on one day become one of twice the amount.
        counts = Counter(dividends)
        merged = [Dividend(d.symbol, d.ex_date, d.cash * count) for d, count in counts.items()]
        set_aside = [*self._provider.actions_aside, *self._refused_splits]
        refused: list[ActionAside] = []
        if plan.merges:
            refused = await self._write(writer.add_dividends, merged)
            set_aside += refused
            await self._write(writer.add_actions_aside, set_aside)
            withdrawn = no_longer_told(
                [*(splits or ()), *merged], await self._write(writer.reported_actions)
            )
            if withdrawn:
                self._receipt.warnings.append(in_words(withdrawn))
        else:
            if dividends is not None:
                refused = await self._write(writer.put_dividends, merged, since, symbols)
                set_aside += refused
            if splits is not None and dividends is not None:
                await self._write(writer.put_actions_aside, set_aside, since, symbols)
                if symbols is None:
                    span = json.dumps([str(plan.start), str(plan.last)])
                    await self._write(writer.note, ACTIONS, span)
        self._receipt.dividends = len(dividends or ()) - len(refused)
        self._receipt.unusable = [action._asdict() for action in set_aside]

    async def _note_missing(
        self, plan: SyncPlan, notes: dict[str, str], kinds: Collection[str]
    ) -> None:
        """Note over which days actions are unknown; scans over these days warn.

        `kinds` are the kinds with at least one action: a file with one is taken to have all.
        """
        missing = of_notes(notes)
        since, symbols = plan.actions_since, plan.actions_symbols
        for name, kind in KINDS.items():
            if name in self._reasons:
                new_missing = MissingActions(kind, since, plan.last, self._reasons[name], symbols)
                missing[kind] = joined(missing.get(kind), new_missing)
            elif kind in missing and (
                kind in kinds if plan.merges else is_given(missing[kind], since, symbols)
            ):
                del missing[kind]
        self._receipt.missing_actions = [to_dict(item) for item in missing.values()]
        await self._write_missing(plan, missing)

    async def _write_missing(self, plan: SyncPlan, missing: dict[Kind, MissingActions]) -> None:
        """Store the note on missing actions, with the dividends that are still to be stored."""
        if self._is_pending:
            since, symbols = plan.actions_since, plan.actions_symbols
            pending = MissingActions("dividend", since, plan.last, _PENDING, symbols)
            missing = missing | {"dividend": joined(missing.get("dividend"), pending)}
        text = as_note(missing.values())
        if text != self._noted:
            await self._write(self._writer.note, NOTE, text)
            self._noted = text

    async def _fetch_listings(self, plan: SyncPlan) -> list[Listing] | None:
        if self._request.details:
            return await self.call_or_none("details", self._fetch_details())
        if not plan.listings_due:
            return None
        return await self.call_or_none(_REFERENCE, self._provider.listings())

    async def _fetch_details(self) -> list[Listing]:
        failures, listings = FailureLog(), list[Listing]()
        async for item in self._provider.details(self._request.symbols or ()):
            if isinstance(item, Unavailable):
                failures.record_failure(item)
            else:
                failures.record_success()
                listings.append(item)
        failures.accept_pending()
        self._receipt.warnings += [
            f"no details of {item.of}: {item.reason}" for item in failures.confirmed
        ]
        return listings


def _with_shares_date(listing: Listing, today: dt.date) -> Listing:
    """Return the listing with a date for its number of shares: `today` if the source gives none."""
    if listing.shares is None or listing.shares_on is not None:
        return listing
    return replace(listing, shares_on=today)
