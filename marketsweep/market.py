"""A data folder opened for scanning: the Python API's way in."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from marketsweep.condition import split_expressions
from marketsweep.errors import UsageError
from marketsweep.expressions import Expression, node_of
from marketsweep.fields import FIELDS
from marketsweep.loading import Loader
from marketsweep.panel import Adjust, History, build_panel
from marketsweep.reference import Reference
from marketsweep.results import Hits
from marketsweep.scan import MIN_COVERAGE, Scan, resolve_session, run
from marketsweep.store import Store

if TYPE_CHECKING:
    import polars as pl


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The data folder: the one given, else MARKETSWEEP_DATA, else the platform's user data."""
    if given is not None:
        return Path(given).expanduser()
    if from_environment := os.environ.get("MARKETSWEEP_DATA"):
        return Path(from_environment).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "marketsweep"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "marketsweep"


def open_market(path: str | os.PathLike[str] | None = None) -> Market:
    """Open a data folder that `marketsweep sync` has filled. Raises UsageError where none is."""
    return Market(Store.open(data_folder(path)))


class Market:
    """A store with what is kept of it between scans; a context manager that closes itself."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.loader = Loader(store)

    def close(self) -> None:
        """Let go of the data folder; hits and frames stay good."""
        self.loader.snapshot.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def scan(
        self,
        condition: str | Expression,
        *,
        where: str | Expression | None = None,
        as_of: dt.date | str | None = None,
        sort: str | Expression | None = None,
        descending: bool = True,
        limit: int | None = None,
        columns: str | Expression | Sequence[str | Expression] = (),
        executor: str = "threads",
        adjust: Adjust = "splits",
        min_coverage: float = MIN_COVERAGE,
        exclude_suspect: bool = False,
    ) -> Hits:
        """Symbols for which a condition holds, ranked, with the receipt of what was covered.

        `as_of` (None: the newest session stored) is what the market looked like that day: later
        bars, splits and listings are not seen. `columns` are more values to show, a text of
        several being cut at its commas. `exclude_suspect` leaves out symbols with suspicious bars
        among those that the condition looks at. Read `hits.coverage` before you trust an answer.
        Raises ConditionError for what is no condition, UsageError for a day that cannot be.
        """
        self.loader.refresh()
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise UsageError(f"limit {limit!r} is no whole number from 1 on")
        scan = Scan(
            condition=node_of(condition),
            where=None if where is None else node_of(where),
            as_of=_date(as_of),
            sort=None if sort is None else node_of(sort),
            descending=descending,
            limit=limit,
            columns=tuple(node_of(column) for column in _several(columns)),
            executor=executor,
            adjust=adjust,
            min_coverage=min_coverage,
            exclude_suspect=exclude_suspect,
        )
        return run(scan, self.loader)

    def history(
        self, symbol: str, *, as_of: dt.date | str | None = None, adjust: Adjust = "splits"
    ) -> pl.DataFrame:
        """All bars of one symbol: date, open, high, low, close, volume; adjusted as of a day."""
        import polars as pl  # 400 ms to import, and a scan does not need it

        self.loader.refresh()
        snapshot = self.loader.snapshot
        place = snapshot.column_of(symbol)
        history = History(snapshot, resolve_session(snapshot.sessions, _date(as_of)))
        column = np.array([place])
        bars, age = history.survey(column, depth=len(history.dates))
        reference = Reference([], list, history.dates[-1])
        panel = build_panel(history, column, bars, age, FIELDS, adjust, reference)
        frame: dict[str, Any] = {"date": history.dates_of(place)}
        for name in FIELDS:
            frame[name] = panel.matrix(name)[panel.rows - len(frame["date"]) :, 0]
        return pl.DataFrame(frame)


def _date(given: dt.date | str | None) -> dt.date | None:
    if isinstance(given, dt.datetime):
        return given.date()
    if given is None or isinstance(given, dt.date):
        return given
    try:
        return dt.date.fromisoformat(given)
    except (TypeError, ValueError):
        raise UsageError(f"as_of {given!r} is no date: write, for example, 2016-12-30") from None


def _several(columns: str | Expression | Sequence[str | Expression]) -> Sequence[str | Expression]:
    if isinstance(columns, str):
        return split_expressions(columns)
    if isinstance(columns, Expression):
        return [columns]
    if not isinstance(columns, Sequence):
        raise UsageError(f"columns {columns!r} are no expressions: write, for example, 'roc(63)'")
    return columns
