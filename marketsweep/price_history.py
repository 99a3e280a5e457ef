"""Read bars of many symbols, and first fetch the missing ones from a provider.

`fetch` finds the missing bars without a call, and syncs only these (`sync`). `read` gathers the
bars, adjusted as of the last day.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from marketsweep.core.calendar import last_closed_session, sessions_in_range
from marketsweep.core.fields import FIELDS
from marketsweep.core.records import Window
from marketsweep.engine.panel.adjustments import Adjust, History, Survey
from marketsweep.engine.panel.facts import Reference
from marketsweep.engine.panel.panel import build_panel
from marketsweep.ingest.call_routes import Request
from marketsweep.ingest.plan import check_days, make_sync_plan
from marketsweep.ingest.providers.base import Provider
from marketsweep.ingest.providers.tariff import Tariff
from marketsweep.ingest.receipt import SyncReceipt, require_answers
from marketsweep.ingest.sync import sync
from marketsweep.store.snapshot import Snapshot
from marketsweep.store.store import Store

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


class Histories(Mapping[str, "pl.DataFrame"]):
    """Bars by symbol: a frame of date, open, high, low, close, volume for each.

    `frame` has all bars, with a first column `symbol`, sorted by symbol in the order requested and
    by date. `missing` are the symbols without a bar. `receipt` describes the fetch; None if nothing
    was fetched. `warnings` say what is doubtful in the bars, such as splits that are not known.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        symbols: Sequence[str],
        receipt: SyncReceipt | None,
        warnings: list[str],
    ) -> None:
        self.frame = frame
        self.receipt = receipt
        self.warnings = warnings
        runs = frame["symbol"].rle().struct.unnest()
        ends = runs["len"].cum_sum().to_list()
        starts = [0, *ends][: len(ends)]
        self._slices = dict(zip(runs["value"], zip(starts, runs["len"], strict=True), strict=True))
        self.missing = [symbol for symbol in symbols if symbol not in self._slices]

    def __getitem__(self, symbol: str) -> pl.DataFrame:
        return without_symbol(self.frame.slice(*self._slices[symbol]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._slices)

    def __len__(self) -> int:
        return len(self._slices)

    def __repr__(self) -> str:
        cost = f"{self.receipt.usage.calls:,} calls" if self.receipt else "no call"
        return f"<Histories: {self.frame.height:,} bars of {len(self):,} symbols, {cost}>"


def fetch(
    store: Store,
    provider: Callable[[], Provider],
    symbols: Sequence[str],
    since: dt.date | None,
    until: dt.date | None,
) -> SyncReceipt | None:
    """Fetch and store the missing bars of symbols; return None if nothing is missing.

    `provider` is called only if bars are missing. Raises what `sync` raises.
    """
    now = dt.datetime.now(dt.UTC)
    check_days(since, until, now)
    if since and until and not sessions_in_range(since, until):
        return None
    with store.snapshot() as snapshot:
        window = Window(None, last_closed_session(now))
        request = Request(since, until, tuple(symbols), content=True)
        if not make_sync_plan(snapshot, window, request, Tariff(), now).prices.spans:
            return None
    receipt = sync(store, provider(), since, until, symbols=symbols, content=True)
    require_answers(receipt)
    return receipt


def read(
    snapshot: Snapshot,
    symbols: Sequence[str],
    since: dt.date | None,
    until: dt.date | None,
    adjust: Adjust,
) -> pl.DataFrame:
    """Return the stored bars of symbols from `since` to `until`, adjusted as of `until`.

    The columns are symbol, date, open, high, low, close, volume. Rows are sorted by symbol, in the
    order of `symbols`, and by date.
    """
    known = [symbol for symbol in dict.fromkeys(symbols) if symbol in snapshot.index]
    dates = snapshot.sessions[: bisect_right(snapshot.sessions, until or dt.date.max)]
    first = bisect_left(dates, since or dt.date.min)
    if not known or first == len(dates):
        return _frame([], np.empty(0, "datetime64[D]"), np.empty((len(FIELDS), 0)))
    history = History(snapshot, dates[-1])
    columns = np.array([snapshot.index[symbol] for symbol in known])
    present = history.presence(columns)[first:]
    bars = present.sum(axis=0)
    reference = Reference([], list, dates[-1])
    survey = Survey(bars, np.zeros_like(bars), np.zeros_like(bars))
    panel = build_panel(history, columns, survey, FIELDS, adjust, reference)
    # The panel has its own order of symbols; its rows end with each symbol's newest bar.
    column_of = {symbol: i for i, symbol in enumerate(panel.symbols)}
    order = [column_of[symbol] for symbol in known]
    filled = np.arange(panel.rows) >= panel.rows - bars[:, None]
    values = np.stack([panel.matrix(name)[:, order].T[filled] for name in FIELDS])
    symbol_indices, sessions = np.nonzero(present.T)
    days = np.array(dates[first:], dtype="datetime64[D]")[sessions]
    return _frame([known[index] for index in symbol_indices.tolist()], days, values)


def without_symbol(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame without its column of symbols.

    `DataFrame.drop` uses the threads of polars, which do not survive a fork.
    """
    bars = frame.clone()
    bars.drop_in_place("symbol")
    return bars


def _frame(
    symbols: list[str], days: NDArray[np.datetime64], values: NDArray[np.float64]
) -> pl.DataFrame:
    import polars as pl  # 400 ms to import, and a scan does not need it

    fields = dict(zip(FIELDS, values, strict=True))
    return pl.DataFrame({"symbol": pl.Series(symbols, dtype=pl.String), "date": days, **fields})
