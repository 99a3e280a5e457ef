"""The Python API: `open_market` and `Market`, a data folder opened for scanning."""

from __future__ import annotations

import datetime as dt
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, Unpack

from msgspec import structs

from marketsweep.arguments import checked_arguments
from marketsweep.core.calendar import FIRST_DAY
from marketsweep.core.settings import DEFAULTS, MAX_VALUES, THREADS, Config, read_config
from marketsweep.core.tickers import check_tickers
from marketsweep.engine.executors.options import Ray
from marketsweep.engine.executors.registry import name_of
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.time_limit import time_limit
from marketsweep.errors import DataWarning, UsageError
from marketsweep.language.builder import Expression, node_of
from marketsweep.language.parsing.own_names import OwnNames
from marketsweep.language.parsing.parser import split_expressions
from marketsweep.language.presets import SavedConditions
from marketsweep.scan.loader import FactsOf, Loader, Views
from marketsweep.scan.market_view import resolve_session
from marketsweep.scan.query import parse_condition
from marketsweep.scan.receipt import require_coverage
from marketsweep.scan.results import Hits
from marketsweep.scan.scan import MinHistory, Scan, run, run_together
from marketsweep.store.store import Store
from marketsweep.universe.screen import NO_SCREEN, Screen

if TYPE_CHECKING:
    import polars as pl

    from marketsweep.ingest.providers.base import Provider
    from marketsweep.output.charts.page import Chart
    from marketsweep.price_history import Histories
    from marketsweep.scan.explain import Explanation
    from marketsweep.scan.incremental.run import Incremental
    from marketsweep.studies.lookahead import Audit
    from marketsweep.studies.signals_result import Signals
    from marketsweep.studies.study.options import Entry, Grouped, StudyArguments
    from marketsweep.studies.study.ranking import StudyRanking
    from marketsweep.studies.study.result import Study
    from marketsweep.studies.sweep_result import Sweep


_checked = checked_arguments(elsewhere=Expression)


def data_folder(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the data folder: `path`, else MARKETSWEEP_DATA, else the platform's user folder."""
    if path is not None:
        if "\0" in str(path):
            raise UsageError(f"{str(path)!r} is not a path: it contains a NUL character")
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            raise UsageError(f"{str(path)!r} is not a path: it has invalid characters") from None
        return Path(path).expanduser()
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
        self._provider = provider or partial(_massive_from_environment, config)
        self._views = Views(store)

    @contextmanager
    def view(self, facts: FactsOf = "dated") -> Iterator[Loader]:
        """Hold the newest state of the data for several reads that belong together.

        With `facts="latest"`, stored facts have their newest values on each day.
        """
        if facts not in ("dated", "latest"):
            raise UsageError(f"facts {facts!r} is neither dated nor latest")
        with self._views.newest() as view:
            yield view if facts == "dated" else view.of_latest_facts

    def refresh(self, is_urgent: Callable[[], bool] = lambda: True) -> bool:
        """Load the newest state of the data in the background; return whether it is another one.

        From the first call on, other calls never wait for a newer state: they work on the one that
        was loaded last. A server calls this on a thread of its own, again and again. `is_urgent` is
        called once the bars are loaded: if false, the suspicious ones are found before other calls
        get the new state.
        """
        return self._views.refresh(is_urgent)

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
        facts: FactsOf = "dated",
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
        strict: bool = False,
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
        columns: further numbers, dates or text facts to return; a text is cut at its commas.
        executor: "threads", "serial", "gpu", "auto", "ray", or a `Ray` for a cluster of your own.
        threads: number of threads (None: the setting of the folder, else one per core).
        adjust: "splits", "total" (dividends too) or "none".
        exclude_suspect: leave out symbols with suspicious bars among those that are used.
        min_history: "valid": values count from TA-Lib's first valid bar; "settled": from the bar
            at which a recursion has forgotten its start.
        funnel: also count the symbols that pass each clause.
        near: also return the `near` symbols that fail exactly one clause by the smallest margin.
        strict: raise ConditionError for a part of the condition that looks like a mistake, such as
            a comparison of shares with dollars; otherwise it is a warning.
        incremental: reuse the results of symbols whose data has not changed; see `Incremental`.
        timeout: seconds after which TimedOut is raised.
        min_coverage: raise CoverageError if less than this part of the market is covered. The
            default 0 returns every answer: read `hits.coverage` before you trust it.

        Raises ConditionError if a condition is invalid, UsageError if another argument is invalid,
        CoverageError and TimedOut as above, and StoreError.
        """
        executor, threads = self._executor(executor, threads)
        if incremental and facts != "dated":
            raise UsageError("reused results are of dated facts: scan without incremental")
        if by and top is None:
            raise UsageError(f"by {by} needs top: give the number of matches per group")
        if not 0 <= min_coverage <= 1:
            raise UsageError(f"min_coverage {min_coverage} is not a number from 0 to 1")
        with time_limit(timeout), self.view(facts) as view:
            own_names = view.own_names()
            scan = Scan(
                condition=node_of(condition),
                where=None if where is None else node_of(where),
                as_of=_date(as_of),
                sort=None if sort is None else node_of(sort),
                descending=descending,
                limit=_check_count("limit", limit),
                top=_check_count("top", top),
                by=by,
                columns=tuple(node_of(column) for column in _split_list(columns)),
                executor=executor,
                threads=threads,
                adjust=adjust,
                exclude_suspect=exclude_suspect,
                min_history=min_history,
                own_names=own_names,
                funnel=funnel,
                near=_check_count("near", near, least=0) or 0,
                strict=strict,
                incremental=_incremental_options(incremental),
                screen=self._screen(universe, unknown, own_names, skip_low_volume=skip_low_volume),
            )
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
        with self.view() as view:
            scan = Scan(
                condition="",
                where=None if where is None else node_of(where),
                as_of=_date(as_of),
                sort=None if sort is None else node_of(sort),
                limit=limit,
                threads=self.config.threads,
                adjust=adjust,
                own_names=view.own_names(),
            )
            scans = [
                structs.replace(scan, condition=node_of(condition)) for condition in conditions
            ]
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
        facts: FactsOf = "dated",
        sort: str | Expression | None = None,
        descending: bool = True,
        limit: int | None = None,
        columns: str | Expression | Sequence[str | Expression] = (),
        executor: str | Ray = "threads",
        threads: int | None = None,
        adjust: Adjust = "splits",
        exclude_suspect: bool = False,
        strict: bool = False,
        progress: Callable[[int, int, int], None] | None = None,
    ) -> Signals:
        """Return what `scan` finds as of each stored session from `since` to `until`.

        The default is the newest 252 sessions. Each session is seen as a scan of that day sees it:
        with its universe, and the splits and tickers known by then. `limit` counts per session.
        `progress` is called with the number of sessions done, their total, and the hits so far.
        Hits on suspicious bars are marked; the marks use all bars up to `until`, so that a mark may
        be younger than its hit. The other arguments, and the errors, are those of `scan`.
        """
        from marketsweep.studies.signals import signals  # few scans need it

        executor, threads = self._executor(executor, threads)
        report = progress or (lambda done, total, hits: None)
        with self.view(facts) as view:
            own_names = view.own_names()
            scan = Scan(
                condition=node_of(condition),
                where=None if where is None else node_of(where),
                sort=None if sort is None else node_of(sort),
                descending=descending,
                limit=_check_count("limit", limit),
                columns=tuple(node_of(column) for column in _split_list(columns)),
                executor=executor,
                threads=threads,
                adjust=adjust,
                exclude_suspect=exclude_suspect,
                strict=strict,
                own_names=own_names,
                screen=self._screen(universe, unknown, own_names, skip_low_volume=False),
            )
            return signals(scan, view, _date(since, "since"), _date(until, "until"), report)

    @_checked
    def study(
        self,
        condition: str | Expression,
        *,
        since: dt.date | str | None = None,
        until: dt.date | str | None = None,
        horizons: Sequence[int] | None = None,
        entry: Entry = "next_open",
        exit: str | Expression | None = None,
        max_hold: int | None = None,
        stop: str | None = None,
        target: str | None = None,
        benchmark: str | None = None,
        costs: float = 0.0,
        spread: bool = False,
        every: bool = False,
        cooldown: int = 0,
        delisting_return: float | Mapping[str, float] = 0.0,
        where: str | Expression | None = None,
        universe: str | None = None,
        unknown: Literal["keep", "drop"] | None = None,
        facts: FactsOf = "dated",
        executor: str | Ray = "threads",
        threads: int | None = None,
        adjust: Adjust = "total",
        exclude_suspect: bool = False,
        regime: str | Expression | None = None,
        positions: int | None = None,
        by: Sequence[Grouped] = (),
        strict: bool = False,
        progress: Callable[[int, int, int], None] | None = None,
    ) -> Study:
        """Return what followed the signals of a condition: returns after each horizon.

        An event is a hit of `signals` whose condition did not hold at the symbol's bar before, or
        that comes after a pause of more than five sessions. A position is opened at the open of the
        next session, and closed at the close of the h-th session after the signal's, for each
        horizon h. It follows its company over ticker changes, and ends at the last close if the
        company is delisted.

        horizons: the longest holds, in sessions; 1, 5, 20 and 63 by default.
        entry: "next_open", or "close" (of the signal's session), or "next_close".
        exit: a condition that ends a position before its horizon, at the price that `entry` names.
        max_hold: the only horizon, in place of `horizons`.
        stop: the loss that ends a position: "8%" of the entry price, or "2atr", where an ATR is
            `atr(14)` in the session of the signal.
        target: the gain that ends a position, in the same form.
        benchmark: a symbol whose return over the same sessions is subtracted for the excess.
        costs: basis points of the entry price, for entry and exit together.
        spread: also deduct an estimated spread, of the price, the dollar volume and the volatility
            at the signal; the guide on studies has its formula.
        every: count each session on which the condition holds.
        cooldown: sessions after an event in which its symbol has no other.
        delisting_return: the return from the last close of a company that is delisted: -0.3, or
            by the stored fact `delisting_reason`: {"merger": 0, "other": -0.3}.
        exclude_suspect: leave out events and positions on bars that a quality rule suspects.
        regime: a condition on the market that splits the events in two; the default for
            `by=["regime"]` is the benchmark above its average of 200 days.
        positions: also follow a portfolio that takes the events as they come, at most so many at a
            time, each with an equal part of the equity, at the middle horizon.
        by: groups whose figures are in `groups`: "year", "price", "size", "sector", "regime".
        adjust: "total" counts dividends in the returns, "splits" does not; the condition is always
            evaluated on bars adjusted for splits.

        The other arguments, and the errors, are those of `signals`.
        """
        from marketsweep.studies.study.options import HORIZONS, OTHER, Options  # few scans need it
        from marketsweep.studies.study.study import study

        executor, threads = self._executor(executor, threads)
        report = progress or (lambda done, total, hits: None)
        if max_hold is not None:
            if horizons is not None:
                raise UsageError("give either the horizons or the longest hold, not both")
            horizons = (max_hold,)
        by_reason = delisting_return if isinstance(delisting_return, Mapping) else {}
        others = delisting_return if isinstance(delisting_return, int | float) else 0.0
        options = Options(
            horizons=tuple(
                _check_count("horizon", horizon, least=0) or 0
                for horizon in (HORIZONS if horizons is None else horizons)
            ),
            entry=entry,
            exit=None if exit is None else node_of(exit),
            stop=stop,
            target=target,
            benchmark=benchmark,
            costs=costs,
            spread=spread,
            every=every,
            delisting_return=by_reason.get(OTHER, others),
            delisting_returns=tuple(by_reason.items()),
            cooldown=_check_count("cooldown", cooldown, least=0) or 0,
            exclude_suspect=exclude_suspect,
            regime=None if regime is None else node_of(regime),
            positions=_check_count("positions", positions),
            by=tuple(by),
            adjust=adjust,
        )
        with self.view(facts) as view:
            own_names = view.own_names()
            scan = Scan(
                condition=node_of(condition),
                where=None if where is None else node_of(where),
                executor=executor,
                threads=threads,
                strict=strict,
                own_names=own_names,
                screen=self._screen(universe, unknown, own_names, skip_low_volume=False),
            )
            days = _date(since, "since"), _date(until, "until")
            return replace(study(scan, view, options, *days, report), draw=_study_frame)

    def study_presets(
        self,
        *,
        progress: Callable[[int, int, int], None] | None = None,
        **arguments: Unpack[StudyArguments],
    ) -> StudyRanking:
        """Return what followed each preset and saved condition, the best one first.

        The rank is the mean over the market at the middle horizon. The arguments, and the errors,
        are those of `study`; `progress` is called with the number of conditions done, their total,
        and the events so far. A condition that this data cannot answer is left out, and a warning
        names it.
        """
        from marketsweep.studies.sessions import select_sessions  # few scans need these
        from marketsweep.studies.study.ranking import rank_conditions

        with self.view(arguments.get("facts", "dated")) as view:
            names = SavedConditions.of(view.folder).names()
            since, until = _date(arguments.get("since")), _date(arguments.get("until"))
            last = resolve_session(view.snapshot, until, "--until")
            sessions = select_sessions(view, since, until, last)
            return rank_conditions(
                names, view, sessions, lambda name: self.study(name, **arguments), progress
            )

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
        facts: FactsOf = "dated",
        executor: str | Ray = "threads",
        threads: int | None = None,
        adjust: Adjust = "splits",
        strict: bool = False,
        outcome: str | None = None,
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

        outcome: "return(20)" adds up what followed the first bar of each streak: the return of a
            position that is bought at the next open and sold at the close of the 20th session,
            with dividends. "excess(20)" is less the mean of the market. The sessions are those of
            `signals`.
        """
        from marketsweep.studies.forward_returns import Outcome  # few scans need it
        from marketsweep.studies.sweep import sweep

        if as_of is not None and (since is not None or until is not None):
            raise UsageError(
                "as_of is one session, since and until are many: give one or the other"
            )
        if as_of is not None and outcome is not None:
            raise UsageError("an outcome needs many sessions: give since and until, not as_of")
        followed = None if outcome is None else Outcome.of(outcome)
        executor, threads = self._executor(executor, threads)
        report = progress or (lambda done, total, matches: None)
        first, last = _date(since, "since"), _date(until, "until")
        with self.view(facts) as view:
            own_names = view.own_names()
            scan = Scan(
                condition=condition,
                where=None if where is None else node_of(where),
                as_of=_date(as_of),
                executor=executor,
                threads=threads,
                adjust=adjust,
                own_names=own_names,
                screen=self._screen(universe, unknown, own_names, skip_low_volume=False),
                strict=strict,
            )
            return sweep(scan, values, view, first, last, report, followed)

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
        from marketsweep.scan.explain import explain  # few scans need it

        with self.view() as view:
            own_names = view.own_names()
            return explain(view, symbol, node_of(condition), _date(as_of), adjust, own_names)

    @_checked
    def audit(
        self,
        condition: str | Expression,
        *,
        where: str | Expression | None = None,
        sessions: int = 5,
        study: bool = False,
        progress: Callable[[int, int, int], None] | None = None,
    ) -> Audit:
        """Check that a condition uses no future data: scan past sessions on data that ends there.

        With `study`, the positions of its study that ended by then are compared, too. `progress` is
        called with the number of sessions done. Raises what `scan` raises.
        """
        from marketsweep.studies.lookahead import audit  # few scans need it
        from marketsweep.studies.study.options import Options

        with self.view() as view:
            scan = Scan(
                condition=node_of(condition),
                where=None if where is None else node_of(where),
                own_names=view.own_names(),
            )
            count = _check_count("sessions", sessions) or 1
            return audit(scan, view, count, progress, Options() if study else None)

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

        with self.view() as view:
            own_names = view.own_names()
            tree = None if condition is None else parse_condition(node_of(condition), own_names)
            lines = [
                line
                for indicator in _split_list(indicators, "indicators")
                for line in indicator_lines(node_of(indicator), own_names)
            ]
            session = resolve_session(view.snapshot, _date(as_of))
            ticker = view.snapshot.ticker(symbol)
            drawings = draw(view, session, [ticker], tree, lines, adjust=adjust, bars=bars)
        return Chart(drawings[0])

    def _executor(self, executor: str | Ray, threads: int | None) -> tuple[str | Ray, int | None]:
        """Return an executor and its threads, with the settings of the folder as defaults."""
        threads = _check_count("threads", threads, most=MAX_VALUES[THREADS])
        if name_of(executor) != "ray":
            return executor, threads or self.config.threads
        cluster, config = executor if isinstance(executor, Ray) else Ray(), self.config
        ray = replace(
            cluster,
            workers=cluster.workers or config.ray_workers,
            threads=threads or cluster.threads or config.ray_threads,
            block=cluster.block or config.ray_block,
        )
        return ray, ray.threads

    def _screen(
        self,
        universe: str | None,
        unknown: str | None,
        own_names: OwnNames,
        *,
        skip_low_volume: bool,
    ) -> Screen:
        screen = NO_SCREEN
        if universe is not None or unknown is not None:
            from marketsweep.universe.named import screen_of  # tomllib, which few scans need

            screen = screen_of(self.store.path, universe, unknown=unknown, own_names=own_names)
        return structs.replace(screen, skip_low_volume=skip_low_volume or screen.skip_low_volume)

    @_checked
    def history(
        self, symbol: str, *, as_of: dt.date | str | None = None, adjust: Adjust = "splits"
    ) -> pl.DataFrame:
        """Return all bars of one symbol: date, open, high, low, close, volume.

        Prices are adjusted as of the session `as_of` (None: the newest). Warns with `DataWarning`
        if the bars are doubtful, for example because splits are not known.
        """
        # This brings asyncio, which a scan does not need.
        from marketsweep.price_history import read, without_symbol

        with self.view() as view:
            names = [view.snapshot.ticker(symbol)]
            frame = read(view.snapshot, names, None, _date(as_of), adjust)
            for text in _bar_warnings(view, frame, names, adjust):
                warnings.warn(text, DataWarning, stacklevel=3)  # the caller of the checked method
        return without_symbol(frame)

    @_checked
    def price_history_batch(
        self,
        symbols: Sequence[str],
        since: dt.date | str | None = None,
        until: dt.date | str | None = None,
        *,
        adjust: Adjust = "splits",
    ) -> Histories:
        """Return the bars of many symbols from `since` to `until`, adjusted as of `until`.

        Stored bars cost no call. Missing bars are fetched by the route with the fewest calls, and
        stored. `since` None is the first stored session, or two years ago; `until` None is the
        newest session. Raises UsageError if bars are missing and there is no provider, and what a
        sync raises.
        """
        from marketsweep.price_history import Histories, fetch, read  # as above

        requested = check_tickers([symbols] if isinstance(symbols, str) else symbols)
        with self.view() as view:
            tickers, _ = view.snapshot.tickers(requested)
        first, last = _date(since, "since"), _date(until, "until")
        receipt = fetch(self.store, self._provider, tickers, first, last)
        with self.view() as view:
            frame = read(view.snapshot, tickers, first, last, adjust)
            doubts = _bar_warnings(view, frame, tickers, adjust)
        return Histories(frame, tickers, receipt, [*(receipt.warnings if receipt else ()), *doubts])


def _study_frame(study: Study) -> str:
    """Return the page of a study as it is shown in a notebook."""
    from marketsweep.output.charts.page import framed  # drawing is imported when something is drawn
    from marketsweep.output.charts.study_page import study_page

    return framed(study_page(study), 1200)


def _massive_from_environment(config: Config) -> Provider:
    from marketsweep.ingest.providers.massive.provider import (
        CONCURRENCY,
        MassiveProvider,
        http_settings,
    )

    key = os.environ.get("MASSIVE_API_KEY")
    if not key:
        raise UsageError(
            "bars are missing, and no provider is set: export MASSIVE_API_KEY=..., or open the "
            "market with a provider"
        )
    concurrency = config.concurrency or CONCURRENCY
    return MassiveProvider(
        key,
        calls_per_minute=config.calls_per_minute,
        concurrency=concurrency,
        settings=http_settings(config),
    )


def _incremental_options(incremental: bool | Incremental) -> Incremental | None:
    if incremental is False:
        return None
    from marketsweep.scan.incremental.run import Incremental  # few scans need it

    options = Incremental() if incremental is True else incremental
    if not isinstance(options, Incremental):
        raise UsageError(f"incremental {incremental!r} is neither true, false nor an Incremental")
    return options


def _date(date: dt.date | str | None, name: str = "as_of") -> dt.date | None:
    if date is None:
        return None
    try:
        day = dt.date.fromisoformat(date) if isinstance(date, str) else date
        day = day.date() if isinstance(day, dt.datetime) else day
        if day >= FIRST_DAY:
            return day
    except (TypeError, ValueError):
        pass
    raise UsageError(
        f"{name} {str(date)!r} is not a date from 1900 on: write, for example, 2016-12-30"
    )


def _bar_warnings(
    view: Loader, frame: pl.DataFrame, symbols: Sequence[str], adjust: Adjust
) -> list[str]:
    """Return what is doubtful in the bars of a frame."""
    first, last = frame["date"].min(), frame["date"].max()
    if not isinstance(first, dt.date) or not isinstance(last, dt.date):
        return []
    sessions = [day for day in view.sessions_of(last) if day >= first]
    return view.warnings_of_symbols(last, frozenset(symbols), len(sessions), adjust)


def _check_count(
    name: str, count: int | None, least: int = 1, most: int | None = None
) -> int | None:
    if count is None:
        return None
    whole = _as_whole(count)
    if whole is None or whole < least:
        raise UsageError(f"{name} {count!r} is not a whole number of at least {least}")
    if most is not None and whole > most:
        raise UsageError(f"{name} {whole:,} is above the limit of {most:,}")
    return whole


def _as_whole(number: object) -> int | None:
    """Return a whole number, of NumPy too, as an int; None for anything else."""
    return int(number) if isinstance(number, Integral) else None


def _split_list(
    expressions: str | Expression | Sequence[str | Expression], name: str = "columns"
) -> Sequence[str | Expression]:
    if isinstance(expressions, str):
        return split_expressions(expressions)
    if isinstance(expressions, Expression):
        return [expressions]
    if not isinstance(expressions, Sequence):
        raise UsageError(
            f"{name} {expressions!r} are not expressions: write, for example, 'roc(63)'"
        )
    return expressions
