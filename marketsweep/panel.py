"""Store to time-major matrices: bars of a universe as of a session, adjusted, holes closed up.

1. `survey` walks each symbol back from the as-of session: how many bars, and how old the newest.
2. Symbols are ordered by how many bars they have, so that short histories share tiles.
3. Splits (and dividends) become factors of the bars before their ex-date.
4. `gather` copies each field, oldest bar first, every symbol's last bar in the last row.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from marketsweep.fields import CLOSE, FIELDS
from marketsweep.kernels import cpu
from marketsweep.kernels.cpu import TILE
from marketsweep.records import Dividend, Split
from marketsweep.reference import Reference
from marketsweep.store import Snapshot
from marketsweep.tree import Node
from marketsweep.workers import WORKERS

Adjust = Literal["splits", "total", "none"]

_CHUNK: Final = 512
"""Symbols that one thread surveys or gathers at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Bars of some symbols up to one session, for kernels; read-only once built.

    `fields[name]` is float64 [tiles, rows, TILE], C order: `symbols[i]` is lane i % TILE of tile
    i // TILE, a row is a bar of each symbol's own, and the last row its newest. `bars[i]` rows
    from the bottom hold bars, the rest is NaN; `age[i]` is how many sessions before the as-of
    session the newest of them lies.
    """

    as_of: dt.date
    symbols: list[str]
    rows: int
    fields: dict[str, NDArray[np.float64]]
    bars: NDArray[np.int64]
    age: NDArray[np.int64]
    reference: Reference

    @property
    def tiles(self) -> int:
        """How many tiles the symbols fill."""
        return _tiles(len(self.symbols))

    def matrix(self, name: str) -> NDArray[np.float64]:
        """A field as float64 [rows, symbols], copied out of the tiles."""
        flat = self.fields[name].transpose(1, 0, 2).reshape(self.rows, -1)
        return flat[:, : len(self.symbols)]

    def facts(self, nodes: Sequence[Node]) -> NDArray[np.float64]:
        """Reference data of the symbols, float64 [nodes, tiles * TILE]."""
        found = np.full((len(nodes), self.tiles * TILE), np.nan)
        found[:, : len(self.symbols)] = self.reference.columns(nodes, self.symbols)
        return found


def _tiles(symbols: int) -> int:
    return max(1, -(-symbols // TILE))


def facts_panel(symbols: list[str], reference: Reference) -> Panel:
    """A panel without bars, for conditions on reference data alone."""
    none = np.zeros(len(symbols), dtype=np.int64)
    return Panel(reference.as_of, symbols, 1, {}, none, none, reference)


class History:
    """The stored sessions up to and with one of them, as the kernels address them."""

    def __init__(self, snapshot: Snapshot, as_of: dt.date) -> None:
        self.snapshot = snapshot
        self.dates = [day for day in snapshot.sessions if day <= as_of]
        self._segments = [one for one in snapshot.segments if one.first < len(self.dates)]
        rows, widths, strides = [], [], []
        for segment in self._segments:
            values = segment.values
            within = np.arange(min(segment.count, len(self.dates) - segment.first))
            rows.append(values.ctypes.data + within * values.strides[1])
            widths.append(np.full(len(within), segment.width))
            strides.append(np.full(len(within), values.strides[0] // values.itemsize))
        self.sessions = cpu.Sessions(_joined(rows), _joined(widths), _joined(strides))

    def survey(
        self, columns: NDArray[np.int64], depth: int, sessions: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bars to load of each column for `depth` settled ones, and the age of its newest bar.

        Looks at no more than the last `sessions`; the age of a column without a bar in them is
        the number of all sessions.
        """
        oldest = 0 if sessions is None else max(0, len(self.dates) - sessions)
        self._check(depth)
        bars, age = np.zeros_like(columns), np.zeros_like(columns)

        def one(first: int, last: int) -> None:
            self.sessions.survey(columns, first, last, depth, oldest, bars, age)

        _in_chunks([one], len(columns), _CHUNK)
        return bars, age

    def _check(self, depth: int) -> None:
        """Compare the segments that nearly every symbol's bars come from with their checksums.

        Older ones are only read for symbols with many holes; `marketsweep status` checks them.
        """
        first = len(self.dates) - depth - depth // 4 - 1
        needed = [one for one in self._segments if one.first + one.count > first]
        with ThreadPoolExecutor(WORKERS) as pool:
            all(pool.map(lambda segment: segment.is_sound, needed))

    def presence(self, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which sessions hold a bar of which column: [sessions, columns]."""
        found = np.zeros((len(self.dates), len(columns)), dtype=bool)
        for segment in self._segments:
            inside = columns < segment.width
            rows = slice(segment.first, min(segment.first + segment.count, len(self.dates)))
            closes = segment.values[CLOSE, : rows.stop - rows.start]
            found[rows, inside] = ~np.isnan(closes[:, columns[inside]])
        return found

    def last_close(self, session: int, column: int) -> tuple[dt.date, float] | None:
        """The last bar's day and raw close at or before a session (an index)."""
        for segment in reversed(self._segments):
            if segment.first > session or column >= segment.width:
                continue
            row = min(session - segment.first, segment.count - 1)
            closes = segment.values[CLOSE, : row + 1, column]
            there = np.flatnonzero(~np.isnan(closes))
            if len(there):
                return self.dates[segment.first + int(there[-1])], float(closes[there[-1]])
        return None


def build_panel(
    history: History,
    columns: NDArray[np.int64],
    bars: NDArray[np.int64],
    age: NDArray[np.int64],
    fields: Iterable[str],
    adjust: Adjust,
    reference: Reference,
) -> Panel:
    """The panel of some columns of the axis; `bars` and `age` are what `survey` found of them."""
    order = np.argsort(-bars, kind="stable")
    columns, bars, age = columns[order], bars[order], age[order]
    rows, tiles = max(1, int(bars.max(initial=1))), _tiles(len(columns))
    factors = _Factors(history, columns, adjust)
    matrices = {name: np.empty((tiles, rows, TILE)) for name in sorted(set(fields))}

    def filler(name: str) -> Callable[[int, int], None]:
        def fill(first: int, last: int) -> None:
            history.sessions.gather(
                FIELDS.index(name),
                name == "volume",
                columns,
                bars,
                factors.places,
                factors.values,
                factors.starts,
                first,
                last,
                matrices[name],
            )

        return fill

    _in_chunks([filler(name) for name in matrices], tiles, _CHUNK // TILE)
    for matrix in matrices.values():
        matrix.flags.writeable = False
    symbols = [history.snapshot.symbols[column] for column in columns.tolist()]
    return Panel(history.dates[-1], symbols, rows, matrices, bars, age, reference)


def _joined(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _in_chunks(tasks: Sequence[Callable[[int, int], None]], count: int, chunk: int) -> None:
    chunks = range(0, count, chunk)
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [
            pool.submit(task, first, min(first + chunk, count))
            for task in tasks
            for first in chunks
        ]
        for job in jobs:
            job.result()


class _Factors:
    """What splits and dividends do to earlier bars, in the form that `gather` takes.

    `places`: int64 [n, 2] of panel position and session, `values`: float64 [n, 2] of the price
    and volume factor, by position and newest first; `starts[i]` is the first of position i.
    """

    def __init__(self, history: History, columns: NDArray[np.int64], adjust: Adjust) -> None:
        snapshot = history.snapshot
        self.history = history
        self.position = {snapshot.symbols[column]: i for i, column in enumerate(columns.tolist())}
        changes: list[tuple[int, int, float, float]] = []
        if adjust != "none":
            changes += self._splits(snapshot.splits())
        if adjust == "total":
            changes += self._dividends(snapshot.dividends(), snapshot.splits())
        changes.sort(key=lambda change: (change[0], -change[1]))
        self.places = np.array([c[:2] for c in changes], dtype=np.int64).reshape(-1, 2)
        self.values = np.array([c[2:] for c in changes], dtype=np.float64).reshape(-1, 2)
        self.starts = np.searchsorted(self.places[:, 0], np.arange(len(columns) + 1))

    def _session(self, ex_date: dt.date) -> int | None:
        """The first stored session that trades after the action; None where that is yet to come."""
        if ex_date > self.history.dates[-1]:
            return None
        return int(np.searchsorted(_ordinals(tuple(self.history.dates)), ex_date.toordinal()))

    def _splits(self, splits: Iterable[Split]) -> Iterable[tuple[int, int, float, float]]:
        for split in splits:
            position, session = self.position.get(split.symbol), self._session(split.ex_date)
            if position is not None and session:
                yield position, session, split.factor, 1.0 / split.factor

    def _dividends(
        self, dividends: Iterable[Dividend], splits: Iterable[Split]
    ) -> Iterable[tuple[int, int, float, float]]:
        told: dict[str, list[Split]] = {}
        for split in splits:
            told.setdefault(split.symbol, []).append(split)
        for dividend in dividends:
            position, session = self.position.get(dividend.symbol), self._session(dividend.ex_date)
            if position is None or not session:
                continue
            column = self.history.snapshot.index[dividend.symbol]
            last = self.history.last_close(session - 1, column)
            if last is None:
                continue
            day, before = last
            for split in told.get(dividend.symbol, ()):
                # The cash is paid on the shares after a split, up to one of the same day.
                if day < split.ex_date <= dividend.ex_date:
                    before *= split.factor
            # A dividend that is worth the share or more is a fault of the source: left out.
            if before > dividend.cash > 0:
                yield position, session, 1.0 - dividend.cash / before, 1.0


@lru_cache(maxsize=4)
def _ordinals(dates: tuple[dt.date, ...]) -> NDArray[np.int64]:
    return np.array([day.toordinal() for day in dates], dtype=np.int64)
