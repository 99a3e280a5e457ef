"""Sources of prices: one module each, one contract for all."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from typing import Protocol, Self

from marketsweep.core.records import (
    ActionAside,
    Dividend,
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

    An async context manager: connections live between enter and exit. Every method raises
    `ProviderRefused` where trying again cannot help and `ProviderUnreachable` after the last
    retry; nothing else leaves a provider. What concerns one session or symbol alone is yielded in
    its place.
    """

    name: str
    usage: Usage
    tariff: Tariff
    actions_aside: list[ActionAside]
    """Told actions that cannot be used, of the splits and dividends that were asked for so far."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def available(self) -> Window:
        """The sessions that this source can give whole at this moment."""
        ...

    def expected(self, now: dt.datetime) -> Window:
        """What `available` should say at `now`, told without a call."""
        ...

    def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars | Unavailable]:
        """Bars of each of `days`, in that order, one item a day, empty where nothing traded.

        A day that cannot be had does not end the others.
        """
        ...

    def histories(self, spans: Sequence[Span]) -> AsyncIterator[SymbolBars | Unavailable]:
        """Bars of each span, in that order, one item a span, empty where nothing traded.

        A symbol that cannot be had does not end the others.
        """
        ...

    async def quotes(self) -> list[Quote]:
        """What every symbol did today so far; nothing where the source does not tell."""
        ...

    async def splits(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Split]:
        """Splits with an ex-date on or after `since`, of some symbols or (None) of all."""
        ...

    async def dividends(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Dividend]:
        """Cash dividends with an ex-date on or after `since`, of some symbols or (None) of all."""
        ...

    async def listings(self) -> list[Listing]:
        """Reference data of every ticker known, delisted ones included."""
        ...

    def details(self, symbols: Sequence[str]) -> AsyncIterator[Listing | Unavailable]:
        """All that is known of some symbols, in that order, without those that are not known."""
        ...

    def notes(self) -> list[str]:
        """What people should know of how the source was read; nothing from most."""
        ...

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """Rows that the source has on days that are not sessions, or not yet; none from most."""
        ...
