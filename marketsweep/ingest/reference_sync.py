"""Fetching splits, dividends and reference data, beside the bars."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from marketsweep.core.calendar import NEW_YORK
from marketsweep.core.records import ActionAside, Dividend, Listing, Split, Unavailable
from marketsweep.errors import CallFailed, ProviderError, ProviderRefused
from marketsweep.ingest.misses import Misses
from marketsweep.ingest.plan import Agenda
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.receipt import SyncReceipt
from marketsweep.ingest.routes import Request
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
from marketsweep.store.session_notes import ACTIONS, LISTED, LISTED_ON, NOT_LISTED
from marketsweep.store.writer import Writer

_T = TypeVar("_T")

_REFERENCE: Final = "reference data"

Write = Callable[..., Coroutine[Any, Any, Any]]
"""Calls a function of the writer in the thread that writes."""


class ReferenceSync:
    """Fetches what a provider tells beside prices, and stores it.

    What a plan does not include, or a call that fails, is named and does not end the sync.
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
        self._missing: dict[str, str] = {}
        self._aside: list[ActionAside] = []
        self.splits_are_known = asyncio.Event()
        """Set once the splits are stored, or it is noted that they are missing."""

    async def run(self, agenda: Agenda, notes: dict[str, str], now: dt.datetime) -> None:
        """Fetch what an agenda asks for. `notes` are those of the store, `now` the clock."""
        since, of = agenda.actions_since, agenda.actions_of
        splits, dividends, listings = await asyncio.gather(
            self._splits(agenda, notes),
            self.granted("dividends", self._provider.dividends(since, of)),
            self._listings(agenda),
        )
        await self._store_actions(agenda, splits, dividends)
        given = {"split": splits, "dividend": dividends}
        kinds = {kind for kind, some in given.items() if some}
        await self._note_missing(agenda, notes, kinds)
        if agenda.listings and not self._request.details:
            reason = self._missing.get(_REFERENCE, "")
            if notes.get(NOT_LISTED, "") != reason:
                await self._write(self._writer.note, NOT_LISTED, reason)
        if listings:
            today = now.astimezone(NEW_YORK).date()
            await self._write(self._writer.put_listings, [_dated(one, today) for one in listings])
            self._receipt.listings = len(listings)
            if agenda.listings and not agenda.joins:
                await self._write(self._writer.note, LISTED, now.isoformat())
                await self._write(self._writer.note, LISTED_ON, str(agenda.last))

    async def _splits(self, agenda: Agenda, notes: dict[str, str]) -> list[Split] | None:
        """Fetch and store the splits, before any bar of the same sync may be seen."""
        since, of = agenda.actions_since, agenda.actions_of
        splits: list[Split] | None = None
        try:
            splits = await self.granted("splits", self._provider.splits(since, of))
            if splits is not None and agenda.joins:
                self._aside += await self._write(self._writer.add_splits, splits)
            elif splits is not None:
                self._aside += await self._write(self._writer.put_splits, splits, since, of)
        except ProviderError as error:
            self._missing["splits"] = str(error)
            raise
        finally:
            try:
                if "splits" in self._missing:
                    await self._note_missing(agenda, notes, ())
            finally:
                self.splits_are_known.set()
        return splits

    async def granted(self, what: str, call: Coroutine[Any, Any, _T]) -> _T | None:
        """The answer to a call, or None: a plan may not include it, or it fails."""
        try:
            return await call
        except (ProviderRefused, CallFailed) as error:
            self._receipt.warnings.append(f"no {what}: {error}")
            self._missing[what] = str(error)
            return None

    async def _store_actions(
        self, agenda: Agenda, splits: list[Split] | None, dividends: list[Dividend] | None
    ) -> None:
        since, of, writer = agenda.actions_since, agenda.actions_of, self._writer
        self._receipt.splits = len(splits or ()) - len(self._aside)
        # Two equal payments of one day are one of twice as much.
        times = Counter(dividends)
        once = [Dividend(d.symbol, d.ex_date, d.cash * n) for d, n in times.items()]
        aside = [*self._provider.actions_aside, *self._aside]
        refused: list[ActionAside] = []
        if agenda.joins:
            refused = await self._write(writer.add_dividends, once)
            aside += refused
            await self._write(writer.add_actions_aside, aside)
            gone = no_longer_told([*(splits or ()), *once], await self._write(writer.told))
            if gone:
                self._receipt.warnings.append(in_words(gone))
        else:
            if dividends is not None:
                refused = await self._write(writer.put_dividends, once, since, of)
                aside += refused
            if splits is not None and dividends is not None:
                await self._write(writer.put_actions_aside, aside, since, of)
                if of is None:
                    known = json.dumps([str(agenda.start), str(agenda.last)])
                    await self._write(writer.note, ACTIONS, known)
        self._receipt.dividends = len(dividends or ()) - len(refused)
        self._receipt.unusable = [one._asdict() for one in aside]

    async def _note_missing(
        self, agenda: Agenda, notes: dict[str, str], given: Collection[str]
    ) -> None:
        """Note over which days actions are not known, for scans over them.

        `given` are the kinds of which there is any: of a file, that is taken for all.
        """
        before = of_notes(notes)
        missing = dict(before)
        since, of = agenda.actions_since, agenda.actions_of
        for what, kind in KINDS.items():
            if what in self._missing:
                new = MissingActions(kind, since, agenda.last, self._missing[what], of)
                missing[kind] = joined(missing.get(kind), new)
            elif kind in missing and (
                kind in given if agenda.joins else is_given(missing[kind], since, of)
            ):
                del missing[kind]
        if missing != before:
            await self._write(self._writer.note, NOTE, as_note(missing.values()))
        self._receipt.missing_actions = [to_dict(one) for one in missing.values()]

    async def _listings(self, agenda: Agenda) -> list[Listing] | None:
        if self._request.details:
            return await self.granted("details", self._details())
        if not agenda.listings:
            return None
        return await self.granted(_REFERENCE, self._provider.listings())

    async def _details(self) -> list[Listing]:
        misses, found = Misses(), list[Listing]()
        async for one in self._provider.details(self._request.symbols or ()):
            if isinstance(one, Unavailable):
                misses.failed(one)
            else:
                misses.came()
                found.append(one)
        misses.end()
        self._receipt.warnings += [f"no details of {one.of}: {one.reason}" for one in misses.known]
        return found


def _dated(listing: Listing, today: dt.date) -> Listing:
    """With the day of which its shares are told: today, where the source does not say."""
    if listing.shares is None or listing.shares_on is not None:
        return listing
    return replace(listing, shares_on=today)
