"""The records that providers yield and the store keeps: bars, corporate actions, listings."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SessionBars(NamedTuple):
    """One session of the whole market as its source reported it, unadjusted.

    `symbols[i]` is the ticker of column i of `values`, float64 [5, n] in the order of
    `fields.FIELDS`: prices in dollars, volume in shares. Tickers may repeat, and values may be NaN
    or implausible: the store checks them, and no provider drops a row.
    """

    session: dt.date
    symbols: list[str]
    values: NDArray[np.float64]


class Span(NamedTuple):
    """The sessions of one symbol from `first` to `last`."""

    symbol: str
    first: dt.date
    last: dt.date


class SymbolBars(NamedTuple):
    """The bars of one symbol over a span as the source reported them, unadjusted.

    Column i of `values`, float64 [5, n] in the order of `fields.FIELDS`, is that of `days[i]`,
    datetime64[D] in New York. Days may repeat, and values may be implausible, as in `SessionBars`.
    """

    span: Span
    days: NDArray[np.datetime64]
    values: NDArray[np.float64]


class Unavailable(NamedTuple):
    """A session or a symbol that a source could not supply, although it may supply others."""

    of: dt.date | str
    reason: str
    refused: bool = False
    """Whether the source refused, so that another attempt may not help."""


class Quote(NamedTuple):
    """The bar of a symbol today and that of the previous session; None if it was not traded."""

    symbol: str
    today: tuple[float, ...] | None
    before: tuple[float, ...] | None
    updated_ms: int = 0
    """When the quote changed last, in milliseconds since 1970; 0 if the source does not say."""


class MinuteBar(NamedTuple):
    """One minute of a symbol that was traded in it; times in milliseconds since 1970."""

    symbol: str
    start_ms: int
    end_ms: int
    open: float
    high: float
    low: float
    close: float
    day_open: float | None
    """The official open of the day, if the source has it."""
    day_volume: float
    """The volume of the day up to the end of the minute."""


class Window(NamedTuple):
    """The sessions that a source has: from `first` (None: not reported) to `last`."""

    first: dt.date | None
    last: dt.date
    days: frozenset[dt.date] | None = None
    """The exact days, if a source knows them and is cheap to read again, as a file is.

    Such a source may have a part of the market, or of a day: its data is merged into the store.
    """
    now: dt.datetime | None = None
    """The source's clock (aware); None if it has none: then the local clock is used."""


class Split(NamedTuple):
    """`old` shares became `new` shares before the open of `ex_date`."""

    symbol: str
    ex_date: dt.date
    old: float
    new: float

    @property
    def factor(self) -> float:
        """The factor of prices before the ex-date: 0.5 for two new shares from one."""
        return self.old / self.new


class Dividend(NamedTuple):
    """`cash` dollars per share, paid to the holders of the share before `ex_date`."""

    symbol: str
    ex_date: dt.date
    cash: float


class ActionAside(NamedTuple):
    """A reported action that cannot be used, with the reason; `told` is the row in words."""

    symbol: str
    ex_date: dt.date | None
    """None if the day cannot be parsed."""
    reason: str
    told: str


class ActionOverride(NamedTuple):
    """An override by the user of a symbol's splits or dividends of one day.

    It takes precedence over all providers.
    """

    symbol: str
    ex_date: dt.date
    kind: Literal["split", "dividend"]
    action: Split | Dividend | None
    """None: there was no such action."""


class LowVolume(NamedTuple):
    """A line of the low-volume list: a symbol to exclude, or never to exclude."""

    symbol: str
    manual: bool
    """Whether the user wrote the line. It overrides a built line, and has no first day."""
    out: bool
    """False: the symbol is never excluded, even if a rebuild lists it."""
    since: dt.date
    """The session that the list was built from, or the day of the user's decision."""
    expires: dt.date | None
    """The first day on which the line no longer applies; None for never."""
    dollars: float | None = None
    """Median dollar volume per session; None without a bar, and for a manual line."""
    sessions: int | None = None
    """The number of sessions of this median."""
    least: float | None = None
    """The threshold in dollars per session."""

    def holds_on(self, day: dt.date) -> bool:
        """Return whether the line applies to a scan or sync as of `day`."""
        return (self.manual or self.since <= day) and (self.expires is None or day < self.expires)


@dataclass(frozen=True, slots=True)
class Listing:
    """Reference data of one instrument under one ticker. None means unknown, never zero or false.

    `first` and `last` are the first and last session of the listing; `last` is None while the
    instrument is listed. `market_cap` is in dollars; where `shares` are known, it is computed from
    the last close.
    """

    symbol: str
    name: str | None = None
    type: str | None = None
    exchange: str | None = None
    sector: str | None = None
    industry: str | None = None
    country: str | None = None
    market_cap: float | None = None
    first: dt.date | None = None
    last: dt.date | None = None
    figi: str | None = None
    """The share class's Financial Instrument Global Identifier."""
    renamed_from: str | None = None
    """The previous ticker of the instrument."""
    instrument: int | None = field(default=None, compare=False)
    """The number of the instrument in a store; the same for all of its tickers."""
    shares: float | None = None
    """Shares outstanding; those of the whole company if the source counts so."""
    shares_on: dt.date | None = None
    """The day for which `shares` is reported: later splits change it."""
    renamed_to: str | None = None
    """The next ticker of the instrument."""


FactKind = Literal["number", "text", "date"]

FactRow = tuple[str, dt.date | None, float | str | None]
"""A symbol, the day from which a value is known (None: not reported), and the value.

A date is its number of days since 1970. None as the value means that it is unknown from that day.
"""


SHARES: Final = "shares_outstanding"
"""The fact whose stored values of earlier days come before the number of a listing."""


class FactValues(NamedTuple):
    """The values of one fact beyond those of a listing, as its source reported them.

    `kind` is None if no row has a value: the rows end the stored values, whatever their kind.
    """

    name: str
    kind: FactKind | None
    rows: list[FactRow]


class ListingPeriod(NamedTuple):
    """The period in which an instrument was listed under a ticker.

    `first` is None if unknown; `last` is None if unknown or still listed.
    """

    symbol: str
    first: dt.date | None
    last: dt.date | None
    instrument: int


class Usage(Struct):
    """The calls, bytes and waits of a provider so far; updated during the sync."""

    calls: int = 0
    bytes_received: int = 0
    retries: int = 0
    waited_s: float = 0.0
    """Seconds spent waiting for the plan's rate limit."""
