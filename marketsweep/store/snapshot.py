"""A snapshot: one state of a data folder, which no later commit changes."""

from __future__ import annotations

import datetime as dt
import weakref
from bisect import bisect_left
from collections.abc import Container, Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import numpy as np

from marketsweep.core.fields import FIELDS
from marketsweep.core.records import (
    ActionAside,
    ActionOverride,
    Dividend,
    FactKind,
    FactRow,
    Listing,
    LowVolume,
    SessionBars,
    Split,
)
from marketsweep.core.spellings import find_known, respell, to_store_spelling
from marketsweep.core.suggest import names_near
from marketsweep.core.whole_files import disk_errors
from marketsweep.errors import StoreDamaged, StoreError, UsageError
from marketsweep.store.catalog.catalog import Catalog
from marketsweep.store.catalog.rows import Revision, SessionRow, SetAside, segments_of
from marketsweep.store.catalog.sqlite import FILE
from marketsweep.store.companies.companies import Companies
from marketsweep.store.companies.rulings import Kind, Ruling, effective
from marketsweep.store.companies.ticker_changes import Doubt, Tenure
from marketsweep.store.segments.files import FOLDER
from marketsweep.store.ticker_axis import Axis
from marketsweep.store.validation import judge, quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketsweep.core.records import ListingPeriod, Span
    from marketsweep.store.segments.reading import Part

_Action = TypeVar("_Action", Split, Dividend)


class Counts(NamedTuple):
    """The figures that `marketsweep status` shows of a store."""

    version: int
    sessions: int
    first: dt.date | None
    last: dt.date | None
    symbols: int
    bars: int
    quality: dict[str, int]
    """Doubtful bars by kind: nonpositive, inverted, outside, absurd, no_volume, negative_volume."""
    set_aside: dict[str, int]
    """Rows that are not in the segments, by reason."""
    revisions: int
    splits: int
    dividends: int
    settled: int
    """Number of the user's overrides of splits or dividends."""
    listings: int
    segments: int
    bytes: int
    """Bytes of the segments and the catalog on disk."""
    last_sync: dict[str, object] | None
    notes: dict[str, str]


class Verification(NamedTuple):
    """The result of checking the whole store; it is sound if there are no damages."""

    segments: int
    bytes: int
    bars: int
    damages: list[str]

    @property
    def ok(self) -> bool:
        """Whether the store is sound."""
        return not self.damages


class Snapshot:
    """An immutable view of one version of the store.

    The big lists are read at once; the rest is read on demand, from the same transaction. Segments
    that a later commit replaces stay on disk for ten minutes: map what you need of an old snapshot
    within that time, and take a new one when `Store.version` has changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._catalog = catalog = Catalog.open(path)
        # The catalog is closed when the snapshot is garbage-collected.
        self._end = weakref.finalize(self, catalog.close)
        catalog.begin_read()
        self.version = catalog.version()
        self.state = catalog.version_and_whether_resolved()
        """See `Store.state`."""
        self.sessions = catalog.dates()
        self.partial = catalog.partial()
        """The sessions that hold some symbols only, fetched one by one; ascending."""
        self.symbols = catalog.tickers()
        self._running: SessionRow | None = None
        """The session that is in memory alone."""
        self._rows = catalog.segments()
        self.segments = segments_of(path / FOLDER, self._rows)
        if self.segments.sessions != len(self.sessions):
            raise StoreDamaged(f"{path}: the catalog's sessions do not match its segments")

    def close(self) -> None:
        """End the transaction; what is loaded or mapped stays valid."""
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
        """The newest whole session; if there is none, the newest stored session."""
        sessions = self.whole or self.sessions
        return sessions[-1] if sessions else None

    def requested_on(self, day: dt.date) -> frozenset[str] | None:
        """Return the symbols requested in a session that is not whole; None if it is whole."""
        if day not in self.partial:
            return None
        return frozenset(span.symbol for span in self.spans() if span.first <= day <= span.last)

    @cached_property
    def index(self) -> dict[str, int]:
        """The column of each symbol."""
        return dict(zip(self.symbols, range(len(self.symbols)), strict=True))

    def bars(self, day: dt.date) -> NDArray[np.float64] | None:
        """Return a session's bars, float64 [5, symbols], NaN without a bar; None if not stored.

        The array is read-only.
        """
        place = bisect_left(self.sessions, day)
        if self.sessions[place : place + 1] != [day]:
            return None
        return self.segments.session(place)

    def with_session(self, bars: SessionBars) -> Snapshot:
        """Return this snapshot with the bars of one more session, which are not stored.

        The session is the newest stored one, whose stored bars are then not used, or a later one.
        The bars are judged as those of a commit. The result is valid as long as this snapshot is
        open. Raises UsageError for an earlier session.
        """
        if self.sessions and bars.session < self.sessions[-1]:
            raise UsageError(
                f"the session of {bars.session} is over: {self.sessions[-1]} is stored"
            )
        result = copy(self)
        for name in ("whole", "index", "_listed", "_companies"):
            result.__dict__.pop(name, None)
        axis = Axis([*self.symbols])
        intake = judge(bars, axis, today=bars.session)
        result.symbols = axis.symbols
        before = [day for day in self.sessions if day < bars.session]
        result.sessions = [*before, bars.session]
        result.partial = [day for day in self.partial if day < bars.session]
        values = np.full((len(FIELDS), 1, len(result.symbols)), np.nan)
        values[:, 0, intake.columns] = intake.values
        result.segments = self.segments.extended(len(before), values)
        result._running = SessionRow(bars.session, "in memory", quality(values[:, 0]))
        return result

    def spans(self, *, final: bool = False) -> list[Span]:
        """Return the stored spans of single symbols; with `final` those that will not change."""
        return self._catalog.spans(final=final)

    def ticker(self, symbol: str) -> str:
        """Return the stored ticker of a symbol in any spelling: BRK-B is BRK.B.

        Raises UsageError, with similar names, if no bars of the symbol are stored.
        """
        ticker = find_known(symbol, self.index) if isinstance(symbol, str) else None
        if ticker is None:
            similar = names_near(str(symbol), self.symbols, cutoff=0.5)
            hint = f": did you mean {' or '.join(similar)}?" if similar else ""
            raise UsageError(f"no bars of {symbol!r} are stored{hint}")
        return ticker

    def tickers(self, symbols: Iterable[str]) -> tuple[list[str], dict[str, str]]:
        """Return symbols in the store's spelling, each once, and a map of respelled ones.

        A symbol that is neither stored nor listed gets the spelling that providers use.
        """

        def meaning(symbol: str) -> str:
            spelling = find_known(symbol, self.index) or find_known(symbol, self._listed)
            return spelling or to_store_spelling(symbol)

        return respell(symbols, meaning)

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(symbol for symbol, *_ in self.lives())

    def column_of(self, symbol: str) -> int:
        """Return the column of a symbol in any spelling. Raises UsageError if it has no bars."""
        return self.index[self.ticker(symbol)]

    def splits(self) -> list[Split]:
        """Return every split that counts, by symbol and ex-date, under the ticker of its day."""
        return self._effective("split", self._catalog.splits())

    def dividends(self) -> list[Dividend]:
        """Return every dividend that counts, by symbol and ex-date, under the ticker of its day."""
        return self._effective("dividend", self._catalog.dividends())

    def _effective(self, kind: Kind, reported: list[_Action]) -> list[_Action]:
        overrides = [override for override in self.overrides() if override.kind == kind]
        return effective(reported, self.rulings(kind), overrides, self._catalog.word_tickers())

    def rulings(self, kind: Kind) -> list[Ruling]:
        """Return the rulings on reported actions that are not applied exactly as reported."""
        return self._catalog.rulings(kind)

    def tenures(self) -> list[Tenure]:
        """Return tenures of companies with several tickers, and of tickers with several owners."""
        return self._catalog.tenures()

    def doubts(self) -> list[Doubt]:
        """Return reported renames that cannot be used."""
        return self._catalog.doubts()

    def frozen(self) -> list[dt.date]:
        """Return the frozen sessions: most of their bars are flat or repeat the session before."""
        return self._catalog.frozen()

    def changed_days(self) -> list[dt.date]:
        """Return sessions with bars newer than the last resolution of companies and actions."""
        return self._catalog.changed_days()

    def actions_aside(self) -> list[ActionAside]:
        """Return reported actions that cannot be used, by symbol and day."""
        return self._catalog.actions_aside()

    def reported_actions(self) -> list[Split | Dividend]:
        """Return every split and dividend as reported by providers."""
        return [*self._catalog.splits(), *self._catalog.dividends()]

    def overrides(self) -> list[ActionOverride]:
        """Return the user's overrides of splits and dividends, by symbol and ex-date."""
        return self._catalog.settled()

    def low_volume(self) -> list[LowVolume]:
        """Return the stored low-volume list, by symbol; built lines come before the user's."""
        return self._catalog.low_volume()

    def low_volume_on(self, day: dt.date) -> frozenset[str]:
        """Return the symbols that the list excludes on a day, with the user's lines applied."""
        # The user's lines come last among a symbol's lines.
        lines = [line for line in self.low_volume() if line.holds_on(day)]
        is_out = {ticker: line.out for line in lines if (ticker := self.ticker_on(line, day))}
        return frozenset(symbol for symbol, out in is_out.items() if out)

    def ticker_on(self, line: LowVolume, day: dt.date) -> str | None:
        """Return the ticker, on a day, of the company of a low-volume line."""
        companies = self._companies
        since, place = companies.place_on(line.since), companies.place_on(day)
        return companies.ticker_in(line.symbol, min(since, place), place)

    @cached_property
    def _companies(self) -> Companies:
        return Companies(self.tenures(), self.sessions, self.symbols)

    def lives(self) -> list[tuple[str, str | None, str | None, int]]:
        """Return symbol, first and last day (ISO text) and instrument of every listing.

        This takes a fifth of the time of `listings`.
        """
        return self._catalog.lives()

    def shared_lives(self) -> list[ListingPeriod]:
        """Return lives of instruments with several tickers and of tickers with several owners."""
        return self._catalog.shared_lives()

    def listings(self, symbols: Container[str] | None = None) -> list[Listing]:
        """Return the listings of some symbols, or of all."""
        return self._catalog.listings(symbols)

    def facts(self) -> Mapping[str, tuple[FactKind, bool]]:
        """Return the kind of each further fact, and whether it has values with a first day."""
        return self._catalog.facts()

    def fact_rows(self, name: str) -> list[FactRow]:
        """Return the values of a further fact by symbol and first day."""
        return self._catalog.fact_rows(name)

    def session_rows(self) -> list[SessionRow]:
        """Return every session with its source, its number of bars and its doubtful bars."""
        rows = self._catalog.session_rows()
        if self._running is None:
            return rows
        return [*(row for row in rows if row.date < self._running.date), self._running]

    def set_aside(self, reason: str | None = None, limit: int | None = None) -> list[SetAside]:
        """Return rows that are not in the segments, by session and ticker."""
        return self._catalog.set_aside(reason, limit)

    def revisions(self, symbol: str | None = None, limit: int | None = None) -> list[Revision]:
        """Return bars that a later fetch changed, by session, ticker and time."""
        return self._catalog.revisions(symbol, limit)

    def notes(self) -> dict[str, str]:
        """Return the notes, by key."""
        return self._catalog.notes()

    def counts(self) -> Counts:
        """Return the figures of the store."""
        catalog, doubts = self._catalog, self._catalog.quality()
        with disk_errors(self._path):
            catalog_bytes = (self._path / FILE).stat().st_size
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
            bytes=catalog_bytes + sum(row.bytes for row in self._rows),
            last_sync=catalog.last_sync(),
            notes=catalog.notes(),
        )

    def verify(self) -> Verification:
        """Read and check every byte of this version; damages are returned as text."""
        damages = self._catalog.damages()
        if len(self.index) != len(self.symbols):
            damages.append(f"{self._path}: a ticker is on the axis twice")
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


def _check_bars(segment: Part, expected: Sequence[int]) -> None:
    is_missing = np.isnan(segment.values)
    actual = np.count_nonzero(~is_missing[0], axis=1).tolist()
    if actual != list(expected):
        raise StoreDamaged(f"{segment.path} has {actual} bars where the catalog has {expected}")
    if (is_missing != is_missing[0]).any() or np.isinf(segment.values).any():
        raise StoreDamaged(f"{segment.path} has incomplete bars")
