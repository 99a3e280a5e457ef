"""Evaluate the symbols whose data has changed, and reuse the last results of all others.

Results are reused from the last scan of the same plan and session.

1. The cached results are aligned with the present data. A symbol has no valid result if its bars,
   splits, dividends, ticker or reference data differ from what its result was computed from
   (`_align`).
2. These symbols, those that are always evaluated, those with a result that is too old, and a random
   sample of the others make a small panel, which is evaluated (`_values`).
3. The sample must equal the cached results to the bit; otherwise no cached result is used.
4. Together the results are those of a panel of all symbols; they are cached (`_write`).

A plan that compares symbols, or reads another symbol, is evaluated for all symbols: there the bars
of one symbol may change the result of another.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from marketsweep.core.tickers import check_tickers
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.registry import Executor
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.errors import StoreError, UsageError
from marketsweep.kernels import cpu
from marketsweep.language import tree
from marketsweep.scan.incremental.cache import NOT_CACHED, CachedResults, ResultsFolder
from marketsweep.scan.incremental.fingerprints import StoredBars, adjustment_hashes
from marketsweep.scan.market_view import MarketView
from marketsweep.scan.results import Reuse
from marketsweep.version import __version__

MAX_AGE: Final = 3600.0
SAMPLE: Final = 500

Matrix = NDArray[np.float64]
Places = NDArray[np.intp]
_Number = TypeVar("_Number", np.int64, np.uint64, np.float64)


@dataclass(frozen=True, slots=True)
class Incremental:
    """Which symbols an incremental scan evaluates besides those whose data has changed.

    Raises UsageError for an invalid ticker, number of seconds or number of symbols.
    """

    always: Sequence[str] = ()
    """Symbols that are always evaluated."""
    max_age: float = MAX_AGE
    """Seconds for which a result is reused."""
    sample: int = SAMPLE
    """How many symbols with a valid result, drawn at random, are evaluated and compared."""

    def __post_init__(self) -> None:
        symbols = (self.always,) if isinstance(self.always, str) else self.always
        object.__setattr__(self, "always", tuple(check_tickers(symbols)) if symbols else ())
        if not isinstance(self.max_age, int | float) or not self.max_age >= 0:
            raise UsageError(f"max age {self.max_age!r} is not a number of seconds of at least 0")
        if not isinstance(self.sample, int) or self.sample < 0:
            raise UsageError(f"audit sample {self.sample!r} is not a whole number of at least 0")


class IncrementalResult(NamedTuple):
    """The results of a plan, [1, symbols] each, with their panel, which has no bars."""

    panel: Panel
    results: list[Matrix]
    reuse: Reuse
    warnings: list[str]


class IncrementalRun:
    """A plan that is evaluated incrementally over one view of the market."""

    def __init__(self, plan: Plan, view: MarketView, run: Executor) -> None:
        # Results are cached for all symbols, also those that do not match.
        self._plan = plan = replace(plan, read_where=())
        self._view = view
        self._run = run
        self._folder = ResultsFolder(view.loader.folder)
        self._key = _key(plan, view.as_of, view.adjust)
        self._facts = list(dict.fromkeys(_facts(plan)))

    def answer(self, options: Incremental) -> IncrementalResult:
        """Return the results of the plan for the universe of the view."""
        view = self._view
        columns = view.universe.columns
        indices = np.arange(len(columns))
        if not self._plan.is_of_single_symbols:
            panel = self._panel(columns, indices)
            return IncrementalResult(
                panel, self._evaluate(panel), Reuse(len(columns), len(columns)), []
            )

        merged, now = self._align(columns), time.time()
        names = merged.symbols[: len(columns)]
        warnings = list(_absent_warning(options.always, names, view.as_of))
        age = now - merged.at[indices]
        fetched = int(np.count_nonzero(np.isinf(age)))
        always = np.array([name in options.always for name in names], dtype=bool)
        is_due = always | ~((age >= 0) & (age <= options.max_age))
        sample = _draw_sample(np.flatnonzero(~is_due), options.sample)

        is_evaluated = is_due.copy()
        is_evaluated[sample] = True
        evaluated_indices = np.flatnonzero(is_evaluated)
        values, bars = self._values(columns, evaluated_indices, names)
        audited = np.searchsorted(evaluated_indices, sample)
        agrees = _equal_columns(merged.values[:, sample], values[:, audited])
        agrees &= merged.bars[sample] == bars[audited]
        if not agrees.all():
            warnings.append(_disagreement(names[sample[~agrees][0]], agrees))
            merged.at[:] = NOT_CACHED
            is_due[:], evaluated_indices = True, indices
            values, bars = self._values(columns, evaluated_indices, names)

        merged.values[:, evaluated_indices], merged.bars[evaluated_indices] = values, bars
        merged.at[np.flatnonzero(is_due)] = now
        if is_due.any():
            warnings += self._write(merged)
        evaluated = int(np.count_nonzero(is_due))
        reuse = Reuse(fetched, evaluated, len(columns) - evaluated, len(sample))
        bars = merged.bars[indices]
        panel = Panel(view.as_of, names, 1, {}, bars, np.zeros_like(bars), view.reference)
        results = [row[np.newaxis] for row in merged.values[:, indices]]
        return IncrementalResult(panel, results, reuse, warnings)

    def _align(self, columns: NDArray[np.int64]) -> CachedResults:
        """Return the cached results of these columns and then of all others, with the present data.

        Symbols without a valid result have the time NOT_CACHED.
        """
        cached = self._folder.read(self._key, len(self._facts), len(self._plan.results))
        stored_bars = StoredBars(self._view.history, self._plan.history)
        fingerprints, axis = stored_bars.fingerprints(cached), self._view.history.snapshot.symbols
        valid_indices = np.flatnonzero((cached.columns >= 0) & (cached.columns < len(axis)))
        cached_tickers = np.array(axis, dtype=object)[cached.columns[valid_indices]]
        valid_indices = valid_indices[
            cached_tickers == np.array(cached.symbols, dtype=object)[valid_indices]
        ]
        cached_index = np.full(len(axis), -1)
        cached_index[cached.columns[valid_indices]] = valid_indices
        is_other = cached_index >= 0
        is_other[columns] = False
        columns = np.concatenate([columns, np.flatnonzero(is_other)])
        symbols, cached_index = [axis[column] for column in columns.tolist()], cached_index[columns]

        changes = adjustment_hashes(self._view.history, columns, self._view.adjust)
        facts = self._view.reference.columns(self._facts, symbols)
        is_valid = (cached_index >= 0) & ~stored_bars.changed_columns(cached, fingerprints)[columns]
        is_valid &= (_take(cached.changes, cached_index) == changes) & _equal_columns(
            _take(cached.facts, cached_index), facts
        )
        return CachedResults(
            symbols=symbols,
            columns=columns,
            at=np.where(is_valid, _take(cached.at, cached_index), NOT_CACHED),
            bars=_take(cached.bars, cached_index),
            changes=changes,
            facts=facts,
            values=_take(cached.values, cached_index),
            parts=stored_bars.parts,
            fingerprints=fingerprints,
        )

    def _values(
        self, columns: NDArray[np.int64], places: Places, names: list[str]
    ) -> tuple[Matrix, NDArray[np.int64]]:
        """Return results [results, places], and the number of bars loaded for each place."""
        if not len(places):
            return np.zeros((len(self._plan.results), 0)), np.zeros(0, dtype=np.int64)
        panel = self._panel(columns, places)
        results = np.vstack(self._evaluate(panel))
        index_of = dict(zip(panel.symbols, range(len(panel.symbols)), strict=True))
        order = [index_of[names[index]] for index in places.tolist()]
        return results[:, order], panel.bars[order]

    def _panel(self, columns: NDArray[np.int64], places: Places) -> Panel:
        # With exactly the plan's history: the last bits of a recursion depend on its first bar.
        if len(places) == len(columns):
            return self._view.panel(self._plan, exact=True)
        return self._view.panel_of(columns[places], self._plan)

    def _evaluate(self, panel: Panel) -> list[Matrix]:
        return evaluate(self._plan, panel, self._run, self._view.others)

    def _write(self, results: CachedResults) -> list[str]:
        try:
            self._folder.write(self._key, results)
        except StoreError as error:
            return [f"the results are not stored for the next scan: {error}"]
        return []


def _facts(plan: Plan) -> Iterator[tree.Node]:
    """Yield the reference data that a plan and its derived passes use."""
    yield from plan.facts
    for derived in plan.derived:
        yield from _facts(derived.plan)


def _key(plan: Plan, as_of: dt.date, adjust: Adjust) -> str:
    """Return the key of a plan's results; another build of the kernels has other keys."""
    build = Path(cpu.__file__).stat()
    identity = plan, as_of, adjust, __version__, build.st_size, build.st_mtime_ns
    return hashlib.blake2b(repr(identity).encode(), digest_size=16).hexdigest()


def _draw_sample(places: Places, size: int) -> Places:
    drawn = random.sample(range(len(places)), min(size, len(places)))
    return places[np.sort(np.array(drawn, dtype=np.intp))]


def _take(array: NDArray[_Number], places: Places) -> NDArray[_Number]:
    """Return the columns at some places; zeros for -1."""
    zero_column = np.zeros((*array.shape[:-1], 1), dtype=array.dtype)
    result: NDArray[_Number] = np.concatenate([array, zero_column], axis=-1)[..., places]
    return result


def _equal_columns(first: Matrix, second: Matrix) -> NDArray[np.bool_]:
    """Return which columns of two matrices are equal to the bit; all NaN are equal."""
    equal = first.view(np.int64) == second.view(np.int64)
    result: NDArray[np.bool_] = (equal | (np.isnan(first) & np.isnan(second))).all(axis=0)
    return result


def _disagreement(example: str, agree: NDArray[np.bool_]) -> str:
    wrong = np.count_nonzero(~agree)
    return (
        f"{wrong:,} of {len(agree):,} audited results were wrong, among them that of {example}: "
        "all symbols were evaluated again, and nothing was reused"
    )


def _absent_warning(always: Sequence[str], names: list[str], as_of: dt.date) -> Iterator[str]:
    absent = sorted(set(always).difference(names))
    if absent:
        more = ", ..." if len(absent) > 3 else ""
        yield (f"named in always, but without data on {as_of}: {', '.join(absent[:3])}{more}")
