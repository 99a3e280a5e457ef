"""A provider over files of one's own: bars, and where there are any, actions and symbols."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from threading import Thread
from typing import Final, Self, TypeVar

import polars as pl

from marketsweep.core.calendar import NEW_YORK, is_session
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import (
    ActionAside,
    Dividend,
    Listing,
    Quote,
    SessionBars,
    Span,
    Split,
    SymbolBars,
    Usage,
    Window,
)
from marketsweep.core.safe_text import some_of
from marketsweep.errors import CoverageError
from marketsweep.ingest.files import (
    DEFAULT_MB,
    Reading,
    read_actions,
    understood_bars,
    understood_symbols,
)
from marketsweep.ingest.providers.tariff import Tariff

__all__ = ["FilesProvider"]

_NOTHING: Final = slice(0, 0)
_DAY: Final = dt.timedelta(days=1)

_Action = TypeVar("_Action", Split, Dividend)


async def _in_a_thread(work: Callable[[], None]) -> None:
    """Do work in a thread that does not keep the process: Ctrl-C ends a read that may never end.

    A pipe without a writer blocks for good, and `asyncio.run` waits for the threads of its pool.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the loop may be gone
            loop.call_soon_threadsafe(tell, error)

    Thread(target=run, daemon=True).start()
    await done


class FilesProvider:
    """Bars of files by session, with actions and symbols of others; any may be left out.

    Each path is a file, a folder or a pattern. They are read on entering, which raises
    `UsageError` for one that cannot be understood or is larger than `most_mb` megabytes, and
    `CoverageError` for bars without one.
    """

    name = "files"
    tariff = Tariff()

    def __init__(
        self,
        path: Path | None = None,
        actions: Path | None = None,
        symbols: Path | None = None,
        *,
        most_mb: int = DEFAULT_MB,
    ) -> None:
        self.usage = Usage()
        self.actions_aside: list[ActionAside] = []
        self.readings: list[Reading] = []
        """How each file of bars was read."""
        self.symbol_readings: list[Reading] = []
        self._most_mb = most_mb
        self._path = path
        self._actions_path = actions
        self._symbols_path = symbols
        self._bars = pl.DataFrame()
        self._rows: dict[dt.date, slice] = {}
        self._splits: list[Split] = []
        self._dividends: list[Dividend] = []
        self._listings: list[Listing] = []

    async def __aenter__(self) -> Self:
        await _in_a_thread(self._read)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._bars, self._rows = pl.DataFrame(), {}

    async def available(self) -> Window:
        """The days that the file has bars of, be they sessions or not."""
        return self.expected(dt.datetime.now(dt.UTC))

    def expected(self, now: dt.datetime) -> Window:
        """Return the days with bars up to `now`; the file is read already."""
        today = now.astimezone(NEW_YORK).date()
        days = frozenset(day for day in self._rows if day <= today)
        return Window(min(days, default=today), max(days, default=today), days)

    async def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars]:
        """Bars of each of `days`, in that order, one item a day, empty where the file has none."""
        for day in days:
            yield self._session(day)

    def all_sessions(self) -> Iterator[SessionBars]:
        """All rows of bars, by day; days without a session and days to come too."""
        return map(self._session, self._rows)

    async def histories(self, spans: Sequence[Span]) -> AsyncIterator[SymbolBars]:
        """Bars of each span, in that order, one item a span, empty where the file has none."""
        symbols = [span.symbol for span in spans]
        chosen = self._bars.filter(pl.col("symbol").is_in(symbols))
        of = {str(name): bars for (name,), bars in chosen.group_by("symbol", maintain_order=True)}
        for span in spans:
            bars = of.get(span.symbol, self._bars[_NOTHING])
            bars = bars.filter(pl.col("date").is_between(span.first, span.last))
            yield SymbolBars(span, bars["date"].to_numpy(), bars.select(FIELDS).to_numpy().T)

    async def quotes(self) -> list[Quote]:
        """None: a file is of the past."""
        return []

    async def splits(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Split]:
        """Splits with an ex-date on or after `since`, of some symbols or (None) of all."""
        return _chosen(self._splits, since, symbols)

    async def dividends(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Dividend]:
        """Cash dividends with an ex-date on or after `since`, of some symbols or (None) of all."""
        return _chosen(self._dividends, since, symbols)

    async def listings(self) -> list[Listing]:
        """Reference data of every ticker of the symbols file."""
        return list(self._listings)

    async def details(self, symbols: Sequence[str]) -> AsyncIterator[Listing]:
        """What the symbols file has of some symbols."""
        of = {listing.symbol: listing for listing in self._listings}
        for symbol in symbols:
            if symbol in of:
                yield of[symbol]

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """Bars from `first` to `last` on days without a session, and of days that are to come.

        They are errors of the file; whoever syncs it keeps them aside and counts them.
        """
        today = dt.datetime.now(NEW_YORK).date()
        days = (
            day
            for day in self._rows
            if day > today or (first <= day <= last and not is_session(day))
        )
        return [self._session(day) for day in days]

    def _read(self) -> None:
        if self._path is not None:
            self._read_bars(self._path)
        if self._actions_path is not None:
            told = read_actions(self._actions_path, self._most_mb)
            self._splits, self._dividends = told.splits, told.dividends
            self.actions_aside = told.aside
        if self._symbols_path is not None:
            self._listings, self.symbol_readings = understood_symbols(
                self._symbols_path, self._most_mb
            )

    def _read_bars(self, path: Path) -> None:
        bars, self.readings = understood_bars(path, self._most_mb)
        self._bars = bars.sort("date", "symbol", maintain_order=True)
        if self._bars.is_empty():
            raise CoverageError(f"{path}: there is not one bar in this file")
        runs = self._bars["date"].rle().struct.unnest()
        ends = list(accumulate(runs["len"]))
        starts = [0, *ends[:-1]]
        self._rows = dict(zip(runs["value"], map(slice, starts, ends), strict=True))

    def notes(self) -> list[str]:
        """What was decided or is doubtful in reading the files, each once."""
        readings = [*self.readings, *self.symbol_readings]
        found = [note for reading in readings for note in reading.notes]
        told = {(split.symbol, split.ex_date) for split in self._splits}
        untold = [
            split
            for reading in self.readings
            for split in reading.implied
            if not any((split.symbol, split.ex_date + off * _DAY) in told for off in range(-7, 8))
        ]
        if untold:
            named = [f"{one.symbol} {one.ex_date} (factor {one.old:g})" for one in untold]
            found.append(
                "adjusted closes imply splits that no action tells, and prices before are taken as "
                f"they are: {some_of(named, 3, last=', and')}; tell them with --actions FILE"
            )
        return list(dict.fromkeys(found))

    def _session(self, day: dt.date) -> SessionBars:
        bars = self._bars[self._rows.get(day, _NOTHING)]
        return SessionBars(day, bars["symbol"].to_list(), bars.select(FIELDS).to_numpy().T)


def _chosen(
    actions: Iterable[_Action], since: dt.date | None, symbols: Sequence[str] | None
) -> list[_Action]:
    of = None if symbols is None else frozenset(symbols)
    return [
        action
        for action in actions
        if (since is None or action.ex_date >= since) and (of is None or action.symbol in of)
    ]
