"""The contract of all sources of prices; each source is one module."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, Self

from marketsweep.core.records import (
    ActionAside,
    Dividend,
    FactValues,
    Listing,
    Quote,
    SessionBars,
    Span,
    Split,
    SymbolBars,
    Unavailable,
    Usage,
    Window,
)
from marketsweep.ingest.providers.tariff import Tariff

__all__ = ["Provider"]


class Provider(Protocol):
    """Yields raw, unadjusted bars by session, corporate actions and reference data.

    A provider is an async context manager: connections exist between enter and exit. Every method
    raises `ProviderRefused` if a retry cannot help, `ProviderUnreachable` after the last retry, and
    no other errors. A failure of a single session or symbol is yielded as `Unavailable`.
    """

    name: str
    usage: Usage
    tariff: Tariff
    actions_aside: list[ActionAside]
    """Reported actions that cannot be used, among the splits and dividends requested so far."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def available(self) -> Window:
        """Return the sessions of the whole market that this source can give now."""
        ...

    def expected(self, now: dt.datetime) -> Window:
        """Return what `available` should return at `now`, without a call."""
        ...

    def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars | Unavailable]:
        """Yield the bars of each of `days`, in that order, one item per day, empty without trades.

        A day that is unavailable does not stop the others.
        """
        ...

    def histories(self, spans: Sequence[Span]) -> AsyncIterator[SymbolBars | Unavailable]:
        """Yield the bars of each span, in that order, one item per span, empty without trades.

        A symbol that is unavailable does not stop the others.
        """
        ...

    async def quotes(self) -> list[Quote]:
        """Return today's bars so far of every symbol; empty if the source has none."""
        ...

    async def splits(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Split]:
        """Return splits with an ex-date on or after `since`, of `symbols` (None: all)."""
        ...

    async def dividends(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Dividend]:
        """Return cash dividends with an ex-date on or after `since`, of `symbols` (None: all)."""
        ...

    async def listings(self) -> list[Listing]:
        """Return reference data of every known ticker, delisted ones included."""
        ...

    async def facts(self, group: str, since: dt.date | None) -> list[FactValues]:
        """Return further facts of any symbols, with the values known since a day.

        `group` is one of the source's groups of facts, such as short_interest; "" for those that
        come with its reference data.
        """
        ...

    async def universe(self, days: Sequence[dt.date]) -> list[FactValues]:
        """Return the facts of listings as of earlier days, changes alone; many sources have none.

        The fact `active` is 1 from the first of the days on which a ticker is listed, and 0 from
        the first one after it on which it is not.
        """
        ...

    def details(self, symbols: Sequence[str]) -> AsyncIterator[Listing | Unavailable]:
        """Yield all facts of the symbols, in that order, without symbols that the source lacks."""
        ...

    async def details_history(
        self, symbols: Sequence[str], days: Sequence[dt.date]
    ) -> tuple[list[FactValues], list[Unavailable]]:
        """Return the facts of symbols as of earlier days, changes alone, and failed calls.

        They are `shares_outstanding`, `sector`, `industry` and `sic_code`; many sources have none.
        """
        ...

    def notes(self) -> list[str]:
        """Return notes to the user on how the source was read; most sources have none."""
        ...

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """Return rows on days that are not sessions, or in the future; most sources have none."""
        ...
