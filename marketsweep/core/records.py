"""What providers yield and the store keeps: bars of a session, corporate actions, listings."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SessionBars(NamedTuple):
    """One session of the whole market as its source gave it, unadjusted.

    `symbols[i]` is the ticker of column i of `values`, float64 [5, n] in the order of
    `fields.FIELDS`; dollars, and shares of volume. Tickers may repeat and values may be
    NaN or absurd: judging that is the store's work, and no provider drops a row.
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
    """A span of one symbol as its source gave it, unadjusted.

    Column i of `values`, float64 [5, n] in the order of `fields.FIELDS`, is of `days[i]`,
    datetime64[D] in New York. Days may repeat, and values may be absurd, as in `SessionBars`.
    """

    span: Span
    days: NDArray[np.datetime64]
    values: NDArray[np.float64]


class Unavailable(NamedTuple):
    """A session or a symbol that a source could not give, while it may give others."""

    of: dt.date | str
    reason: str
    refused: bool = False
    """Whether the source said no, so that trying again may not help."""


class Quote(NamedTuple):
    """What a symbol did today, and in the session before; None where it was not traded.

    Values are in the order of `fields.FIELDS`.
    """

    symbol: str
    today: tuple[float, ...] | None
    before: tuple[float, ...] | None


class Window(NamedTuple):
    """What a source has: from `first` (None: it does not say) to `last`."""

    first: dt.date | None
    last: dt.date
    days: frozenset[dt.date] | None = None
    """The very days, of a source that knows them and is cheap to read again, as a file is.

    It may hold a part of the market, or of a day: what it tells joins what is stored.
    """
    now: dt.datetime | None = None
    """The source's clock (aware); None where it has none, and ours counts."""


class Split(NamedTuple):
    """`old` shares became `new` shares before the open of `ex_date`."""

    symbol: str
    ex_date: dt.date
    old: float
    new: float

    @property
    def factor(self) -> float:
        """What a price before the ex-date is multiplied by: 0.5 for two new shares from one."""
        return self.old / self.new


class Dividend(NamedTuple):
    """`cash` dollars a share, owned by whoever held the share before `ex_date`."""

    symbol: str
    ex_date: dt.date
    cash: float


class ActionAside(NamedTuple):
    """A told action that cannot be used, and why; `told` is the row in words."""

    symbol: str
    ex_date: dt.date | None
    """None if the day cannot be read."""
    reason: str
    told: str


class Settled(NamedTuple):
    """What the user says of a symbol's splits or dividends of one day: it wins over providers."""

    symbol: str
    ex_date: dt.date
    kind: Literal["split", "dividend"]
    action: Split | Dividend | None
    """None: there was none."""


class LowVolume(NamedTuple):
    """A line of the kept low-volume list: a symbol to be left out, or not to be."""

    symbol: str
    manual: bool
    """By the user's word, which wins over what is built, and holds on any day before it expires."""
    out: bool
    """False: not to be left out, though it may be built into the list."""
    since: dt.date
    """The session that it was built from, or the day of the user's word."""
    expires: dt.date | None
    """The first day on which it no longer holds; None for never."""
    dollars: float | None = None
    """Median dollar volume of a session; None without a bar, and of the user's word."""
    sessions: int | None = None
    """Over which that is the median."""
    least: float | None = None
    """The threshold in dollars a session."""

    def holds_on(self, day: dt.date) -> bool:
        """Whether it counts for a scan or sync that stands on a session."""
        return (self.manual or self.since <= day) and (self.expires is None or day < self.expires)


@dataclass(frozen=True, slots=True)
class Listing:
    """Reference data of one instrument under one ticker. None means unknown, never zero or false.

    `first` and `last` are the first and last session of its listing; `last` is None while it
    is listed. `market_cap` is in dollars; where `shares` are known, the last close makes it.
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
    """The ticker that it had before."""
    instrument: int | None = field(default=None, compare=False)
    """Its number in a store: the same under all of its tickers."""
    shares: float | None = None
    """Outstanding, of the whole company where the source counts them so."""
    shares_on: dt.date | None = None
    """The day of which that is told: later splits change it."""
    renamed_to: str | None = None
    """The ticker that it had afterwards."""


class Life(NamedTuple):
    """When an instrument was listed under a ticker; None for unknown, or still."""

    symbol: str
    first: dt.date | None
    last: dt.date | None
    instrument: int


@dataclass(slots=True)
class Usage:
    """What a provider has cost so far; it counts while the sync runs."""

    calls: int = 0
    bytes_received: int = 0
    retries: int = 0
    waited_s: float = field(default=0.0)
    """Seconds spent waiting for the plan's rate limit."""
