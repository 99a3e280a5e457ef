"""A data folder opened for scanning: the Python API's way in."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from msgspec import structs

from marketsweep.arguments import checked_arguments
from marketsweep.core.calendar import FIRST_DAY
from marketsweep.core.settings import DEFAULTS, Config, read_config
from marketsweep.core.tickers import checked
from marketsweep.engine.executors.options import Ray
from marketsweep.engine.executors.registry import name_of
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.time_limit import time_limit
from marketsweep.errors import UsageError
from marketsweep.language.builder import Expression, node_of
from marketsweep.language.parser import split_expressions
from marketsweep.language.presets import Saved
from marketsweep.scan.loader import Loader, Views
from marketsweep.scan.query import parse_condition
from marketsweep.scan.results import Hits
from marketsweep.scan.scan import (
    MinHistory,
    Scan,
    require_coverage,
    resolve_session,
    run,
    run_together,
)
from marketsweep.store.store import Store
from marketsweep.universe.screen import EVERYBODY, Screen

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.ingest.providers.base import Provider
    from marketsweep.output.charts.page import Chart
    from marketsweep.price_history import Histories
    from marketsweep.scan.explain import Explanation
    from marketsweep.scan.incremental.run import Incremental
    from marketsweep.studies.lookahead import Audit
    from marketsweep.studies.signals_result import Signals
    from marketsweep.studies.sweep_result import Sweep


_checked = checked_arguments(elsewhere=Expression)


def data_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the data folder: `given`, else MARKETSWEEP_DATA, else the platform's user folder."""
    if given is not None:
        if "\0" in str(given):
            raise UsageError(f"{str(given)!r} is not a path: it has a zero in it")
        return Path(given).expanduser()
    if from_environment := os.environ.get("MARKETSWEEP_DATA"):
        return Path(from_environment).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "marketsweep"
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "marketsweep"


@_checked
def open_market(
    path: str | os.PathLike[str] | None = None, provider: Callable[[], Provider] | None = None
) -> Market:
    """Open a data folder that `marketsweep sync` has filled.

    `provider` returns the source of missing bars; with it, an empty folder can be opened. The
    default is Massive, if MASSIVE_API_KEY is set. Raises UsageError if there is no data folder.
    """
    folder = data_folder(path)
    store = Store.create(folder) if provider else Store.open(folder)
    try:
        return Market(store, read_config(folder), provider)
    except BaseException:
        store.close()
        raise


class Market:
    """An open data folder, with bars in memory between scans; use it as a context manager.

    Threads may share a market. Each call works on one state of the data: the newest one when the
    call begins; commits of other processes do not change it. Calls wait for each other while bars
    are loaded, and are evaluated at the same time. After a fork, open the folder again.
    """

    def __init__(
        self,
        store: Store,
        config: Config = DEFAULTS,
        provider: Callable[[], Provider] | None = None,
    ) -> None:
        self.store = store
        self.config = config
        self._provider = provider or partial(_from_environment, config)
        self._views = Views(store)

    @contextmanager
    def view(self) -> Iterator[Loader]:
        """Hold the newest state of the data for several reads that belong together."""
        with self._views.newest() as view:
            yield view

    def close(self) -> None:
        """Close the data folder after the running scans have ended. Hits stay valid."""
        self._views.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @_checked
    def scan(
        self,
        condition: str | Expression,
        *,
        where: str | Expression | None = None,
        universe: str | None = None,
        unknown: Literal["keep", "drop"] | None = None,
        skip_low_volume: bool = False,
        as_of: dt.date | str | None = None,
        sort: str | Expression | None = None,
        descending: bool = True,
        limit: int | None = None,
        top: int | None = None,
        by: str = "",
        columns: str | Expression | Sequence[str | Expression] = (),
        executor: str | Ray = "threads",
        threads: int | None = None,
        adjust: Adjust = "splits",
        min_coverage: float = 0.0,
        exclude_suspect: bool = False,
        min_history: MinHistory = "valid",
        funnel: bool = False,
        near: int = 0,
        incremental: bool | Incremental = False,
        timeout: float | None = None,
    ) -> Hits:
        """Return the symbols for which a condition holds, ranked, with the coverage receipt.

        as_of: session of the scan (None: the newest). Later bars, splits and listings are hidden.
        universe: name of a universe in `universe.toml` of the data folder.
        where: condition on reference data. Symbols whose facts are unknown are skipped unless
            `unknown="keep"`.
        skip_low_volume: leave out the symbols on the low-volume list.
        sort, descending, limit: order of the matches, and how many are returned.
        top, by: return the best `top` matches of each group, as by "sector".
        columns: further values to return; a text is cut at its commas.
        executor: "threads", "serial", "gpu", "auto", "ray", or a `Ray` for a cluster of your own.
        threads: number of threads (None: the setting of the folder, else one per core).
        adjust: "splits", "total" (dividends too) or "none".
        exclude_suspect: leave out symbols with suspicious bars among those that are used.
        min_history: "valid": values count from TA-Lib's first valid bar; "settled": from the bar
            at which a recursion has forgotten its start.
        funnel: also count the symbols that pass each clause.
        near: also return the `near` symbols that fail exactly one clause by the smallest margin.
        incremental: reuse the results of symbols whose data has not changed; see `Incremental`.
        timeout: seconds after which TimedOut is raised.
        min_coverage: raise CoverageError if less than this part of the market is covered. The
            default 0 returns every answer: read `hits.coverage` before you trust it.

        Raises ConditionError if a condition is invalid, UsageError if another argument is invalid,
        CoverageError and TimedOut as above, and StoreError.
        """
        executor, threads = self._executor(executor, threads)
        if by and top is None:
            raise UsageError(f"by {by}, top how many of each? Give top as well")
        scan = Scan(
            condition=node_of(condition),
            where=None if where is None else node_of(where),
            as_of=_date(as_of),
            sort=None if sort is None else node_of(sort),
            descending=descending,
            limit=_count("limit", limit),
            top=_count("top", top),
            by=by,
            columns=tuple(node_of(column) for column in _several(columns)),
            executor=executor,
            threads=threads,
            adjust=adjust,
            exclude_suspect=exclude_suspect,
            min_history=min_history,
            saved=Saved.of(self.store.path),
            funnel=funnel,
            near=_count("near", near, least=0) or 0,
            incremental=_reusing(incremental),
            screen=self._screen(universe, unknown, skip_low_volume=skip_low_volume),
        )
        if not 0 <= min_coverage <= 1:
            raise UsageError(f"min_coverage {min_coverage} is not a part between 0 and 1")
        with time_limit(timeout), self.view() as view:
            hits = run(scan, view)
        if min_coverage > 0:
            require_coverage(hits, min_coverage)
        return hits

    @_checked
    def scan_together(
        self,
        conditions: Sequence[str | Expression],
        *,
        where: str | Expression | None = None,
        as_of: dt.date | str | None = None,
        sort: str | Expression | None = None,
        limit: int | None = None,
        adjust: Adjust = "splits",
    ) -> list[Hits]:
        """Return the hits of several conditions, evaluated in one pass that shares their work.

        The arguments are those of `scan`. Raises what `scan` raises, and UsageError if
        `conditions` is empty.
        """
        if not conditions or isinstance(conditions, str):
            raise UsageError("scan_together takes a list of conditions: ['nr7', 'rsi(14) < 30']")
        scan = Scan(
            condition="",
            where=None if where is None else node_of(where),
            as_of=_date(as_of),
            sort=None if sort is None else node_of(sort),
            limit=limit,
            threads=self.config.threads,
            adjust=adjust,
            saved=Saved.of(self.store.path),
        )
        scans = [structs.replace(scan, condition=node_of(condition)) for condition in conditions]
        with self.view() as view:
            return run_together(scans, view)

    @_checked
    def signals(
        self,
        condition: str | Expression,
        *,
        since: dt.date | str | None = None,
        until: dt.date | str | None = None,
        where: str | Expression | None = None,
        universe: str | None = None,
        unknown: Literal["keep", "drop"] | None = None,
        sort: str | Expression | None = None,
        descending: bool = True,
        limit: int | None = None,
        columns: str | Expression | Sequence[str | Expression] = (),
        executor: str | Ray = "threads",
        threads: int | None = None,
        adjust: Adjust = "splits",
        exclude_suspect: bool = False,
        progress: Callable[[int, int, int], None] | None = None,
    ) -> Signals:
        """Return what `scan` finds as of each stored session from `since` to `until`.

        The default is the newest 252 sessions. Each session is seen as a scan of that day sees it:
        with its universe, and the splits and tickers known by then. `limit` counts per session.
        `progress` is called with the number of sessions done, their total, and the hits so far.
        Hits on suspicious bars are marked; the marks use all bars up to `until`, so that a mark may
        be younger than its hit. The other arguments, and the errors, are those of `scan`.
        """
        from marketsweep.studies.signals import signals  # few scans ask for it

        executor, threads = self._executor(executor, threads)
        scan = Scan(
            condition=node_of(condition),
            where=None if where is None else node_of(where),
            sort=None if sort is None else node_of(sort),
            descending=descending,
            limit=_count("limit", limit),
            columns=tuple(node_of(column) for column in _several(columns)),
            executor=executor,
            threads=threads,
            adjust=adjust,
            exclude_suspect=exclude_suspect,
            saved=Saved.of(self.store.path),
            screen=self._screen(universe, unknown, skip_low_volume=False),
        )
        told = progress or (lambda done, total, hits: None)
        with self.view() as view:
            return signals(scan, view, _date(since, "since"), _date(until, "until"), told)

    @_checked
    def sweep(
        self,
        condition: str,
        *,
        as_of: dt.date | str | None = None,
        since: dt.date | str | None = None,
        until: dt.date | str | None = None,
        where: str | Expression | None = None,
        universe: str | None = None,
        unknown: Literal["keep", "drop"] | None = None,
        executor: str | Ray = "threads",
        threads: int | None = None,
        adjust: Adjust = "splits",
        progress: Callable[[int, int, int], None] | None = None,
        **values: Iterable[float],
    ) -> Sweep:
        """Count the symbols for which each variant of a condition holds, thousands in one pass.

        The condition has names in braces in the place of numbers, and `values` has the numbers of
        each name: `market.sweep("rsi({n}) < {t}", n=range(5, 30), t=range(15, 40))`. Every
        combination is a variant. With `since` or `until`, each stored session between them is
        counted as `signals` sees it; otherwise the session `as_of`. `progress` is called with the
        number of counts done, their total, and the matches so far. The other arguments, and the
        errors, are those of `scan`.
        """
        from marketsweep.studies.sweep import sweep  # few scans ask for it

        if as_of is not None and (since is not None or until is not None):
            raise UsageError(
                "as_of is one session, since and until are many: give one or the other"
            )
        executor, threads = self._executor(executor, threads)
        scan = Scan(
            condition=condition,
            where=None if where is None else node_of(where),
            as_of=_date(as_of),
            executor=executor,
            threads=threads,
            adjust=adjust,
            saved=Saved.of(self.store.path),
            screen=self._screen(universe, unknown, skip_low_volume=False),
        )
        told = progress or (lambda done, total, matches: None)
        first, last = _date(since, "since"), _date(until, "until")
        with self.view() as view:
            return sweep(scan, values, view, first, last, told)

    @_checked
    def explain(
        self,
        symbol: str,
        condition: str | Expression,
        *,
        as_of: dt.date | str | None = None,
        adjust: Adjust = "splits",
    ) -> Explanation:
        """Explain why a symbol matches a condition or not: the value and the distance of each part.

        Raises what `scan` raises, and UsageError if the symbol was not traded in that session.
        """
        from marketsweep.scan.explain import explain  # few scans ask for it

        saved = Saved.of(self.store.path)
        with self.view() as view:
            return explain(view, symbol, node_of(condition), _date(as_of), adjust, saved)

    @_checked
    def audit(
        self,
        condition: str | Expression,
        *,
        where: str | Expression | None = None,
        sessions: int = 5,
        progress: Callable[[int, int, int], None] | None = None,
    ) -> Audit:
        """Check that a condition uses no future data: scan past sessions on data that ends there.

        `progress` is called with the number of sessions done. Raises what `scan` raises.
        """
        from marketsweep.studies.lookahead import audit  # few scans ask for it

        scan = Scan(
            condition=node_of(condition),
            where=None if where is None else node_of(where),
            saved=Saved.of(self.store.path),
        )
        with self.view() as view:
            return audit(scan, view, _count("sessions", sessions) or 1, progress)

    @_checked
    def chart(
        self,
        symbol: str,
        indicators: str | Expression | Sequence[str | Expression] = (),
        condition: str | Expression | None = None,
        *,
        as_of: dt.date | str | None = None,
        bars: int = 252,
        adjust: Adjust = "splits",
    ) -> Chart:
        """Draw one symbol: candles, volume, indicators, and the bars on which a condition held.

        The chart has the newest `bars` up to the session `as_of` (None: the newest), with the
        `indicators` and the values that the condition compares. Values on the scale of prices are
        drawn on the candles, the others in panes below. Jupyter shows a chart by itself; `save`
        writes it as a page. Raises ConditionError, and UsageError for a symbol without bars, with
        similar names.
        """
        from marketsweep.output.charts.drawing import draw, indicator_lines
        from marketsweep.output.charts.page import Chart
        from marketsweep.studies.signals import marks_of  # a scan needs none of them

        saved = Saved.of(self.store.path)
        held = None if condition is None else parse_condition(node_of(condition), saved)
        lines = [
            line
            for given in _several(indicators, "indicators")
            for line in indicator_lines(node_of(given), saved)
        ]
        with self.view() as view:
            session = resolve_session(view.snapshot, _date(as_of))
            marks = None if held is None else marks_of(held, view, session, adjust)
            ticker = view.snapshot.ticker(symbol)
            drawn = draw(
                view, session, [ticker], held, lines, marks=marks, adjust=adjust, bars=bars
            )
        return Chart(drawn[0])

    def _executor(self, given: str | Ray, threads: int | None) -> tuple[str | Ray, int | None]:
        """An executor and its threads, as the folder is set to where nothing is asked for."""
        threads = _count("threads", threads)
        if name_of(given) != "ray":
            return given, threads or self.config.threads
        asked, config = given if isinstance(given, Ray) else Ray(), self.config
        ray = replace(
            asked,
            workers=asked.workers or config.ray_workers,
            threads=threads or asked.threads or config.ray_threads,
            block=asked.block or config.ray_block,
        )
        return ray, ray.threads

    def _screen(
        self, universe: str | None, unknown: str | None, *, skip_low_volume: bool
    ) -> Screen:
        screen = EVERYBODY
        if universe is not None or unknown is not None:
            from marketsweep.universe.named import screen_of  # tomllib, which few scans need

            screen = screen_of(self.store.path, universe, unknown=unknown)
        return replace(screen, skip_low_volume=skip_low_volume or screen.skip_low_volume)

    @_checked
    def history(
        self, symbol: str, *, as_of: dt.date | str | None = None, adjust: Adjust = "splits"
    ) -> pl.DataFrame:
        """All bars of one symbol: date, open, high, low, close, volume; adjusted as of a day."""
        from marketsweep.price_history import read  # brings asyncio, which a scan does not need

        with self.view() as view:
            names = [view.snapshot.ticker(symbol)]
            return read(view.snapshot, names, None, _date(as_of), adjust).drop("symbol")

    @_checked
    def price_history_batch(
        self,
        symbols: Sequence[str],
        since: dt.date | str | None = None,
        until: dt.date | str | None = None,
        *,
        adjust: Adjust = "splits",
    ) -> Histories:
        """Bars of many symbols from `since` to `until`, adjusted as of the latter.

        What is stored costs no call; what is missing is fetched first, by the route that takes
        the fewest calls, and stored. `since` None is as far back as sessions are stored, or two
        years; `until` None is the newest session. Raises UsageError where something is missing
        and there is nobody to ask for it, and what a sync raises.
        """
        from marketsweep.price_history import Histories, fetch, read  # as above

        given = checked([symbols] if isinstance(symbols, str) else symbols)
        with self.view() as view:
            wanted, _ = view.snapshot.tickers(given)
        first, last = _date(since, "since"), _date(until, "until")
        receipt = fetch(self.store, self._provider, wanted, first, last)
        with self.view() as view:
            frame = read(view.snapshot, wanted, first, last, adjust)
        return Histories(frame, wanted, receipt)


def _from_environment(config: Config) -> Provider:
    from marketsweep.ingest.providers.massive.provider import (
        CONCURRENCY,
        MassiveProvider,
        http_settings,
    )

    key = os.environ.get("MASSIVE_API_KEY")
    if not key:
        raise UsageError(
            "bars are missing, and there is nobody to ask for them: export MASSIVE_API_KEY=..., "
            "or open the market with a provider"
        )
    at_once = config.concurrency or CONCURRENCY
    return MassiveProvider(
        key,
        calls_per_minute=config.calls_per_minute,
        concurrency=at_once,
        settings=http_settings(config),
    )


def _reusing(given: bool | Incremental) -> Incremental | None:
    if given is False:
        return None
    from marketsweep.scan.incremental.run import Incremental  # few scans ask for it

    found = Incremental() if given is True else given
    if not isinstance(found, Incremental):
        raise UsageError(f"incremental {given!r} is neither true, false nor an Incremental")
    return found


def _date(given: dt.date | str | None, name: str = "as_of") -> dt.date | None:
    if given is None:
        return None
    try:
        day = dt.date.fromisoformat(given) if isinstance(given, str) else given
        day = day.date() if isinstance(day, dt.datetime) else day
        if day >= FIRST_DAY:
            return day
    except (TypeError, ValueError):
        pass
    raise UsageError(
        f"{name} {str(given)!r} is not a date from 1900 on: write, for example, 2016-12-30"
    )


def _count(name: str, given: int | None, least: int = 1) -> int | None:
    if given is not None and (not isinstance(given, int) or given < least):
        raise UsageError(f"{name} {given!r} is not a whole number from {least} on")
    return given


def _several(
    given: str | Expression | Sequence[str | Expression], name: str = "columns"
) -> Sequence[str | Expression]:
    if isinstance(given, str):
        return split_expressions(given)
    if isinstance(given, Expression):
        return [given]
    if not isinstance(given, Sequence):
        raise UsageError(f"{name} {given!r} are not expressions: write, for example, 'roc(63)'")
    return given
