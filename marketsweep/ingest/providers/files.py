"""A provider that reads the user's files: bars, and optionally actions and symbols."""

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
from marketsweep.core.safe_text import join_first
from marketsweep.errors import CoverageError
from marketsweep.ingest.files import (
    DEFAULT_MB,
    Reading,
    ReferenceData,
    read_actions,
    read_bars_with_readings,
    read_fact_rows,
    read_reference_data,
)
from marketsweep.ingest.providers.tariff import Tariff

__all__ = ["FilesProvider"]

_NOTHING: Final = slice(0, 0)
_DAY: Final = dt.timedelta(days=1)

_Action = TypeVar("_Action", Split, Dividend)


async def _run_in_daemon_thread(work: Callable[[], None]) -> None:
    """Run `work` in a daemon thread, so that Ctrl-C ends a read that may never end.

    A pipe without a writer blocks forever, and `asyncio.run` waits for the threads of its pool.
    """
    loop = asyncio.get_running_loop()
    result = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if not result.done():
            result.set_result(None) if error is None else result.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the loop may be gone
            loop.call_soon_threadsafe(tell, error)

    Thread(target=run, daemon=True).start()
    await result


class FilesProvider:
    """Bars of files by session, with actions, symbols and facts of others; each is optional.

    Each path is a file, a folder or a pattern. The files are read on entering the context, which
    raises `UsageError` if a file cannot be understood or is larger than `most_mb` megabytes, and
    `CoverageError` if a file of bars is empty.
    """

    name = "files"
    tariff = Tariff()

    def __init__(
        self,
        path: Path | None = None,
        actions: Path | None = None,
        symbols: Path | None = None,
        facts: Path | None = None,
        *,
        most_mb: int = DEFAULT_MB,
    ) -> None:
        self.usage = Usage()
        self.actions_aside: list[ActionAside] = []
        self.readings: list[Reading] = []
        """How each file of bars was read."""
        self._action_notes: list[str] = []
        self._most_mb = most_mb
        self._path = path
        self._actions_path = actions
        self._symbols_path = symbols
        self._facts_path = facts
        self._bars = pl.DataFrame()
        self._rows: dict[dt.date, slice] = {}
        self._splits: list[Split] = []
        self._dividends: list[Dividend] = []
        self._reference = ReferenceData([], [], [])

    async def __aenter__(self) -> Self:
        await _run_in_daemon_thread(self._read)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._bars, self._rows = pl.DataFrame(), {}

    async def available(self) -> Window:
        """Return the days with bars in the files, whether sessions or not."""
        return self.expected(dt.datetime.now(dt.UTC))

    def expected(self, now: dt.datetime) -> Window:
        """Return the days with bars up to `now`; the files are already read."""
        today = now.astimezone(NEW_YORK).date()
        days = frozenset(day for day in self._rows if day <= today)
        return Window(min(days, default=today), max(days, default=today), days)

    async def sessions(self, days: Sequence[dt.date]) -> AsyncIterator[SessionBars]:
        """Yield the bars of each of `days`, in that order, one item per day, empty without bars."""
        for day in days:
            yield self._session(day)

    def all_sessions(self) -> Iterator[SessionBars]:
        """Yield all rows of bars by day, including days that are not sessions and future days."""
        return map(self._session, self._rows)

    async def histories(self, spans: Sequence[Span]) -> AsyncIterator[SymbolBars]:
        """Yield the bars of each span, in that order, one item per span, empty without bars."""
        symbols = [span.symbol for span in spans]
        selected = self._bars.filter(pl.col("symbol").is_in(symbols))
        bars_by_symbol = {
            str(name): bars for (name,), bars in selected.group_by("symbol", maintain_order=True)
        }
        for span in spans:
            bars = bars_by_symbol.get(span.symbol, self._bars[_NOTHING])
            bars = bars.filter(pl.col("date").is_between(span.first, span.last))
            yield SymbolBars(span, bars["date"].to_numpy(), bars.select(FIELDS).to_numpy().T)

    async def quotes(self) -> list[Quote]:
        """Return an empty list: files have no quotes."""
        return []

    async def splits(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Split]:
        """Return splits with an ex-date on or after `since`, of `symbols` (None: all)."""
        return _select_actions(self._splits, since, symbols)

    async def dividends(
        self, since: dt.date | None, symbols: Sequence[str] | None = None
    ) -> list[Dividend]:
        """Return cash dividends with an ex-date on or after `since`, of `symbols` (None: all)."""
        return _select_actions(self._dividends, since, symbols)

    async def listings(self) -> list[Listing]:
        """Return reference data of every ticker of the symbols file."""
        return list(self._reference.listings)

    async def facts(self, group: str, since: dt.date | None) -> list[FactValues]:
        """Return the further columns of the symbols file, and the rows of the file of facts."""
        return list(self._reference.facts)

    async def universe(self, days: Sequence[dt.date]) -> list[FactValues]:
        """Return an empty list: a file has its own days."""
        return []

    async def details_history(
        self, symbols: Sequence[str], days: Sequence[dt.date]
    ) -> tuple[list[FactValues], list[Unavailable]]:
        """Return empty lists, as `universe` does."""
        return [], []

    async def details(self, symbols: Sequence[str]) -> AsyncIterator[Listing]:
        """Yield the facts of some symbols in the symbols file."""
        by_symbol = {listing.symbol: listing for listing in self._reference.listings}
        for symbol in symbols:
            if symbol in by_symbol:
                yield by_symbol[symbol]

    @property
    def symbol_readings(self) -> list[Reading]:
        """How each symbols file was read."""
        return self._reference.readings

    def off_session(self, first: dt.date, last: dt.date) -> list[SessionBars]:
        """Return bars of days in `first` to `last` that are not sessions, and bars of future days.

        These are errors of the file; the sync sets them aside and counts them.
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
            actions = read_actions(self._actions_path, self._most_mb)
            self._splits, self._dividends = actions.splits, actions.dividends
            self.actions_aside, self._action_notes = actions.aside, actions.notes
        if self._symbols_path is not None:
            self._reference = read_reference_data(self._symbols_path, self._most_mb)
        if self._facts_path is not None:
            rows = read_fact_rows(self._facts_path, self._most_mb)
            self._reference.facts.extend(rows.facts)
            self._reference.readings.extend(rows.readings)

    def _read_bars(self, path: Path) -> None:
        bars, self.readings = read_bars_with_readings(path, self._most_mb)
        self._bars = bars.sort("date", "symbol", maintain_order=True)
        if self._bars.is_empty():
            raise CoverageError(f"{path}: this file has no bars")
        runs = self._bars["date"].rle().struct.unnest()
        ends = list(accumulate(runs["len"]))
        starts = [0, *ends[:-1]]
        self._rows = dict(zip(runs["value"], map(slice, starts, ends), strict=True))

    def notes(self) -> list[str]:
        """Return what was assumed or is doubtful in reading the files, each note once."""
        readings = [*self.readings, *self.symbol_readings]
        notes = [note for reading in readings for note in reading.notes]
        notes += [f"actions: {note}" for note in self._action_notes]
        reported = {(split.symbol, split.ex_date) for split in self._splits}
        unreported = [
            split
            for reading in self.readings
            for split in reading.implied
            if not any(
                (split.symbol, split.ex_date + offset * _DAY) in reported for offset in range(-7, 8)
            )
        ]
        if unreported:
            descriptions = [
                f"{missing.symbol} {missing.ex_date} (factor {missing.old:g})"
                for missing in unreported
            ]
            notes.append(
                "adjusted closes imply splits that no action reports, and earlier prices are used "
                f"as they are: {join_first(descriptions, 3, last=', and')}; add them with "
                "--actions FILE"
            )
        return list(dict.fromkeys(notes))

    def _session(self, day: dt.date) -> SessionBars:
        bars = self._bars[self._rows.get(day, _NOTHING)]
        return SessionBars(day, bars["symbol"].to_list(), bars.select(FIELDS).to_numpy().T)


def _select_actions(
    actions: Iterable[_Action], since: dt.date | None, symbols: Sequence[str] | None
) -> list[_Action]:
    selected = None if symbols is None else frozenset(symbols)
    return [
        action
        for action in actions
        if (since is None or action.ex_date >= since)
        and (selected is None or action.symbol in selected)
    ]
