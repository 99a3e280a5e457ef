"""A snapshot: one state of a data folder, which no later commit changes."""

from __future__ import annotations

import datetime as dt
import weakref
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import numpy as np

from marketsweep.core.records import ActionAside, Dividend, Listing, LowVolume, Settled, Split
from marketsweep.core.spellings import known_as, read_as, usual
from marketsweep.core.suggest import names_near
from marketsweep.core.whole_files import disk_errors
from marketsweep.errors import StoreDamaged, StoreError, UsageError
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.rows import Revision, SessionRow, SetAside, segments_of
from marketsweep.store.catalog.sqlite import FILE
from marketsweep.store.companies.companies import Companies
from marketsweep.store.companies.rulings import Kind, Ruling, effective
from marketsweep.store.companies.tenures import Doubt, Tenure
from marketsweep.store.segments.files import FOLDER, Segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.core.records import Life, Span

_Action = TypeVar("_Action", Split, Dividend)


class Counts(NamedTuple):
    """What `marketsweep status` shows of a store."""

    version: int
    sessions: int
    first: dt.date | None
    last: dt.date | None
    symbols: int
    bars: int
    quality: dict[str, int]
    """Doubtful bars by kind: nonpositive, inverted, outside, absurd, no_volume, negative_volume."""
    set_aside: dict[str, int]
    """Rows kept out of the segments, by reason."""
    revisions: int
    splits: int
    dividends: int
    settled: int
    """Days of a symbol on whose splits or dividends the user has the last word."""
    listings: int
    segments: int
    bytes: int
    """Bytes of the segments and the catalog on disk."""
    last_sync: dict[str, object] | None
    notes: dict[str, str]


class Verification(NamedTuple):
    """What a check of the whole store found; no damages means that it holds."""

    segments: int
    bytes: int
    bars: int
    damages: list[str]

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not self.damages


class Snapshot:
    """An immutable view of one version of the store.

    The big lists are read at once; the rest is read on demand, from the same transaction.
    Segments that a later commit replaces stay on disk for ten minutes: map what you need of an
    old snapshot within that time, and take a new one when `Store.version` has moved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._catalog = catalog = Catalog.open(path)
        # Whoever holds a snapshot need not know when it was last used.
        self._end = weakref.finalize(self, catalog.close)
        catalog.begin_read()
        self.version = catalog.version()
        self.state = catalog.version_and_whether_resolved()
        """As `Store.state`."""
        self.sessions = catalog.dates()
        self.partial = catalog.partial()
        """The sessions that hold some symbols only, fetched one by one; ascending."""
        self.symbols = catalog.tickers()
        self._rows = catalog.segments()
        self.segments = segments_of(path / FOLDER, self._rows)
        if self.segments.sessions != len(self.sessions):
            raise StoreDamaged(f"{path}: the catalog's sessions do not fit its segments")

    def close(self) -> None:
        """End the transaction; what is loaded or mapped stays good."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def whole(self) -> list[dt.date]:
        """The sessions that were fetched whole, ascending."""
        partial = frozenset(self.partial)
        return [day for day in self.sessions if day not in partial]

    @property
    def newest(self) -> dt.date | None:
        """The newest session that is whole; where none is, the newest that is stored at all."""
        sessions = self.whole or self.sessions
        return sessions[-1] if sessions else None

    def asked_on(self, day: dt.date) -> frozenset[str] | None:
        """The symbols that were asked for in a session that is not whole; None where it is."""
        if day not in self.partial:
            return None
        return frozenset(span.symbol for span in self.spans() if span.first <= day <= span.last)

    @cached_property
    def index(self) -> dict[str, int]:
        """The column of each symbol."""
        return dict(zip(self.symbols, range(len(self.symbols)), strict=True))

    def bars(self, day: dt.date) -> NDArray[np.float64] | None:
        """A session's bars, [5, symbols] read-only, NaN where there is none; None if not stored."""
        place = bisect_left(self.sessions, day)
        if self.sessions[place : place + 1] != [day]:
            return None
        return self.segments.session(place)

    def spans(self, *, final: bool = False) -> list[Span]:
        """Sessions known of single symbols; with `final` those that will not be corrected."""
        return self._catalog.spans(final=final)

    def ticker(self, symbol: str) -> str:
        """Return the stored ticker that a symbol means, in whichever spelling: BRK-B is BRK.B.

        Raises UsageError, with names near it, where it has no bars.
        """
        found = known_as(symbol, self.index) if isinstance(symbol, str) else None
        if found is None:
            near = names_near(str(symbol), self.symbols, cutoff=0.5)
            hint = f": did you mean {' or '.join(near)}?" if near else ""
            raise UsageError(f"no bars of {symbol!r} are stored{hint}")
        return found

    def tickers(self, symbols: Iterable[str]) -> tuple[list[str], dict[str, str]]:
        """Return symbols in the store's spelling, each once, and those read otherwise than written.

        A symbol that is neither stored nor listed is put in the spelling that providers use.
        """

        def meaning(symbol: str) -> str:
            known = known_as(symbol, self.index) or known_as(symbol, self._listed)
            return known or usual(symbol)

        return read_as(symbols, meaning)

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(symbol for symbol, *_ in self.lives())

    def column_of(self, symbol: str) -> int:
        """Return the column of a symbol in any spelling. Raises UsageError where it has no bars."""
        return self.index[self.ticker(symbol)]

    def splits(self) -> list[Split]:
        """Every split that counts, by symbol and ex-date, under the ticker of its day."""
        return self._effective("split", self._catalog.splits())

    def dividends(self) -> list[Dividend]:
        """Every dividend that counts, by symbol and ex-date, under the ticker of its day."""
        return self._effective("dividend", self._catalog.dividends())

    def _effective(self, kind: Kind, told: list[_Action]) -> list[_Action]:
        words = [word for word in self.settled() if word.kind == kind]
        return effective(told, self.rulings(kind), words, self._catalog.word_tickers())

    def rulings(self, kind: Kind) -> list[Ruling]:
        """What becomes of the told actions that do not count just as they are told."""
        return self._catalog.rulings(kind)

    def tenures(self) -> list[Tenure]:
        """When companies had tickers, of those with several and of tickers that several had."""
        return self._catalog.tenures()

    def doubts(self) -> list[Doubt]:
        """Renames that are told and cannot be used."""
        return self._catalog.doubts()

    def frozen(self) -> list[dt.date]:
        """Sessions in which most of the market stands still."""
        return self._catalog.frozen()

    def changed_days(self) -> list[dt.date]:
        """Sessions of which bars came since companies and actions were worked out."""
        return self._catalog.changed_days()

    def actions_aside(self) -> list[ActionAside]:
        """Told actions that cannot be used, by symbol and day."""
        return self._catalog.actions_aside()

    def told(self) -> list[Split | Dividend]:
        """Every split and dividend as providers tell them."""
        return [*self._catalog.splits(), *self._catalog.dividends()]

    def settled(self) -> list[Settled]:
        """What the user says of splits and dividends, by symbol and ex-date."""
        return self._catalog.settled()

    def low_volume(self) -> list[LowVolume]:
        """The kept low-volume list, by symbol; what was built before the user's word."""
        return self._catalog.low_volume()

    def low_volume_on(self, day: dt.date) -> frozenset[str]:
        """The symbols that the list leaves out on a day; the user's word is counted in."""
        # The user's word comes last of a symbol's lines.
        lines = [line for line in self.low_volume() if line.holds_on(day)]
        last = {ticker: line.out for line in lines if (ticker := self.ticker_on(line, day))}
        return frozenset(symbol for symbol, out in last.items() if out)

    def ticker_on(self, line: LowVolume, day: dt.date) -> str | None:
        """The ticker on a day of the company that a line of the low-volume list is of."""
        companies = self._companies
        since, place = companies.place_on(line.since), companies.place_on(day)
        return companies.ticker_in(line.symbol, min(since, place), place)

    @cached_property
    def _companies(self) -> Companies:
        return Companies(self.tenures(), self.sessions, self.symbols)

    def lives(self) -> list[tuple[str, str | None, str | None, int]]:
        """Symbol, first and last day (ISO text) and instrument of every listing.

        A fifth of the cost of all that is known of them.
        """
        return self._catalog.lives()

    def shared_lives(self) -> list[Life]:
        """Return the lives of instruments with several tickers and of tickers of several owners."""
        return self._catalog.shared_lives()

    def listings(self, symbols: Container[str] | None = None) -> list[Listing]:
        """The listings of some symbols, or of all."""
        return self._catalog.listings(symbols)

    def session_rows(self) -> list[SessionRow]:
        """Every session with its source, its bars and how many of them are doubtful."""
        return self._catalog.session_rows()

    def set_aside(self, reason: str | None = None, limit: int | None = None) -> list[SetAside]:
        """Rows kept out of the segments, by session and ticker."""
        return self._catalog.set_aside(reason, limit)

    def revisions(self, symbol: str | None = None, limit: int | None = None) -> list[Revision]:
        """Bars that a later fetch changed, by session, ticker and time."""
        return self._catalog.revisions(symbol, limit)

    def notes(self) -> dict[str, str]:
        """What was noted, by key."""
        return self._catalog.notes()

    def counts(self) -> Counts:
        """The store in figures."""
        catalog, doubts = self._catalog, self._catalog.quality()
        with disk_errors(self._path):
            own = (self._path / FILE).stat().st_size
        return Counts(
            version=self.version,
            sessions=len(self.sessions),
            first=self.sessions[0] if self.sessions else None,
            last=self.sessions[-1] if self.sessions else None,
            symbols=len(self.symbols),
            bars=doubts.pop("bars"),
            quality=doubts,
            set_aside=catalog.set_aside_counts(),
            revisions=catalog.count_revisions(),
            splits=catalog.count_splits(),
            dividends=catalog.count_dividends(),
            settled=len(catalog.settled()),
            listings=catalog.count_listings(),
            segments=len(self._rows),
            bytes=own + sum(row.bytes for row in self._rows),
            last_sync=catalog.last_sync(),
            notes=catalog.notes(),
        )

    def verify(self) -> Verification:
        """Read every byte of this version and check it; damages come back in words."""
        damages = self._catalog.damages()
        if len(self.index) != len(self.symbols):
            damages.append(f"{self._path}: a ticker stands twice on the axis")
        bars = [row.counts["bars"] for row in self._catalog.session_rows()]
        for segment in self.segments.parts:
            try:
                segment.check()
                _check_bars(segment, bars[segment.first : segment.first + segment.count])
            except StoreError as error:
                damages.append(str(error))
        return Verification(
            len(self._rows), sum(row.bytes for row in self._rows), sum(bars), damages
        )


def _check_bars(segment: Segment, expected: Sequence[int]) -> None:
    absent = np.isnan(segment.values)
    found = np.count_nonzero(~absent[0], axis=1).tolist()
    if found != list(expected):
        raise StoreDamaged(f"{segment.path} has {found} bars where the catalog has {expected}")
    if (absent != absent[0]).any() or np.isinf(segment.values).any():
        raise StoreDamaged(f"{segment.path} holds bars that are not complete")
