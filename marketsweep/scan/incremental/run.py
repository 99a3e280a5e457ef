"""Evaluates the symbols whose data has changed, and takes over what the others gave in the last
scan of the same plan and session.

1. What was kept is laid beside what is looked at now; whose bars, splits, dividends, ticker or
   reference data differ from what its result was worked out from has none (`_beside`).
2. Those, whoever is always evaluated, whose result is too old, and a random sample of the rest make
   a small panel, which is evaluated (`_values`).
3. The sample must agree with what was kept, to the bit; else nothing that was kept is believed.
4. All of it together is what a panel of everybody gives, and is kept for the next scan (`_write`).

What compares symbols with each other or with another one is evaluated whole: there anybody's bars
may change anybody's result.
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

from marketsweep import __version__
from marketsweep.core.tickers import checked
from marketsweep.engine.derived import evaluate
from marketsweep.engine.executors.registry import Executor
from marketsweep.engine.panel.adjustments import Adjust
from marketsweep.engine.panel.panel import Panel
from marketsweep.engine.plan import Plan
from marketsweep.errors import StoreError, UsageError
from marketsweep.kernels import cpu
from marketsweep.language import tree
from marketsweep.scan.incremental.cache import NOT_KEPT, Kept, Results
from marketsweep.scan.incremental.fingerprints import Stand, changes_of
from marketsweep.scan.loader import Loader
from marketsweep.scan.results import Reuse
from marketsweep.universe.screen import Screen

MAX_AGE: Final = 3600.0
SAMPLE: Final = 500

Matrix = NDArray[np.float64]
Places = NDArray[np.intp]
_Number = TypeVar("_Number", np.int64, np.uint64, np.float64)


@dataclass(frozen=True, slots=True)
class Incremental:
    """What an incremental scan evaluates beside the symbols whose data has changed.

    Raises UsageError for what is not a ticker, no number of seconds or no number of symbols.
    """

    always: Sequence[str] = ()
    """Symbols that are evaluated in any case."""
    max_age: float = MAX_AGE
    """Seconds for which a result is reused."""
    sample: int = SAMPLE
    """How many of the reused, drawn at random, are evaluated all the same and must agree."""

    def __post_init__(self) -> None:
        given = (self.always,) if isinstance(self.always, str) else self.always
        object.__setattr__(self, "always", tuple(checked(given)) if given else ())
        if not isinstance(self.max_age, int | float) or not self.max_age >= 0:
            raise UsageError(f"max age {self.max_age!r} is not a number of seconds from 0 on")
        if not isinstance(self.sample, int) or self.sample < 0:
            raise UsageError(f"audit sample {self.sample!r} is not a whole number from 0 on")


class Answer(NamedTuple):
    """The results of a plan, [1, symbols] each, and the panel that they are of, less its bars."""

    panel: Panel
    results: list[Matrix]
    reuse: Reuse
    warnings: list[str]


class Reusing:
    """A plan as of one session, evaluated incrementally over a loader's data."""

    def __init__(
        self, plan: Plan, loader: Loader, as_of: dt.date, adjust: Adjust, run: Executor
    ) -> None:
        # All of it is kept: of whoever does not match, too.
        self._plan = plan = replace(plan, read_where=())
        self._loader = loader
        self._as_of = as_of
        self._adjust = adjust
        self._run = run
        self._day = loader.day(as_of)
        self._folder = Results(loader.folder)
        self._key = _key(plan, as_of, adjust)
        self._facts = list(dict.fromkeys(_facts(plan)))

    def answer(self, screen: Screen, wanted: Incremental) -> Answer:
        """What the plan gives for the universe that passes `screen`."""
        columns = self._loader.universe(self._as_of, screen).columns
        everybody = np.arange(len(columns))
        if not _is_of_single_symbols(self._plan):
            panel = self._panel(columns, everybody, screen)
            return Answer(panel, self._evaluated(panel), Reuse(len(columns), len(columns)), [])

        found, now = self._beside(columns), time.time()
        names = found.symbols[: len(columns)]
        warnings = list(_absent(wanted.always, names, self._as_of))
        age = now - found.at[everybody]
        fetched = int(np.count_nonzero(np.isinf(age)))
        always = np.array([name in wanted.always for name in names], dtype=bool)
        due = always | ~((age >= 0) & (age <= wanted.max_age))
        sample = _sample(np.flatnonzero(~due), wanted.sample)

        looked_at = due.copy()
        looked_at[sample] = True
        places = np.flatnonzero(looked_at)
        values, bars = self._values(columns, places, names, screen)
        audited = np.searchsorted(places, sample)
        agree = _alike(found.values[:, sample], values[:, audited])
        agree &= found.bars[sample] == bars[audited]
        if not agree.all():
            warnings.append(_disagreement(names[sample[~agree][0]], agree))
            found.at[:] = NOT_KEPT
            due[:], places = True, everybody
            values, bars = self._values(columns, places, names, screen)

        found.values[:, places], found.bars[places] = values, bars
        found.at[np.flatnonzero(due)] = now
        if due.any():
            warnings += self._write(found)
        evaluated = int(np.count_nonzero(due))
        reuse = Reuse(fetched, evaluated, len(columns) - evaluated, len(sample))
        bars = found.bars[everybody]
        panel = Panel(self._as_of, names, 1, {}, bars, np.zeros_like(bars), self._day.reference)
        results = [row[np.newaxis] for row in found.values[:, everybody]]
        return Answer(panel, results, reuse, warnings)

    def _beside(self, columns: NDArray[np.int64]) -> Kept:
        """What was kept, of these columns and then of all others; as of now but for the results.

        Who has no result that still holds is of the time NOT_KEPT.
        """
        kept = self._folder.read(self._key, len(self._facts), len(self._plan.results))
        stand = Stand(self._day.history, self._plan.history)
        marks, axis = stand.marks(kept), self._day.history.snapshot.symbols
        known = np.flatnonzero((kept.columns >= 0) & (kept.columns < len(axis)))
        named = np.array(axis, dtype=object)[kept.columns[known]]
        known = known[named == np.array(kept.symbols, dtype=object)[known]]
        places = np.full(len(axis), -1)
        places[kept.columns[known]] = known
        elsewhere = places >= 0
        elsewhere[columns] = False
        columns = np.concatenate([columns, np.flatnonzero(elsewhere)])
        symbols, places = [axis[column] for column in columns.tolist()], places[columns]

        changes = changes_of(self._day.history, columns, self._adjust)
        facts = self._day.reference.columns(self._facts, symbols)
        same = (places >= 0) & ~stand.changed(kept, marks)[columns]
        same &= (_taken(kept.changes, places) == changes) & _alike(
            _taken(kept.facts, places), facts
        )
        return Kept(
            symbols=symbols,
            columns=columns,
            at=np.where(same, _taken(kept.at, places), NOT_KEPT),
            bars=_taken(kept.bars, places),
            changes=changes,
            facts=facts,
            values=_taken(kept.values, places),
            parts=stand.parts,
            marks=marks,
        )

    def _values(
        self, columns: NDArray[np.int64], places: Places, names: list[str], screen: Screen
    ) -> tuple[Matrix, NDArray[np.int64]]:
        """Results [results, places], and how many bars were loaded for each."""
        if not len(places):
            return np.zeros((len(self._plan.results), 0)), np.zeros(0, dtype=np.int64)
        panel = self._panel(columns, places, screen)
        results = np.vstack(self._evaluated(panel))
        lanes = dict(zip(panel.symbols, range(len(panel.symbols)), strict=True))
        order = [lanes[names[place]] for place in places.tolist()]
        return results[:, order], panel.bars[order]

    def _panel(self, columns: NDArray[np.int64], places: Places, screen: Screen) -> Panel:
        # With the plan's history and no more: a recursion's last bits tell where it began.
        if len(places) == len(columns):
            return self._loader.panel(self._as_of, screen, self._plan, self._adjust, exact=True)
        return self._loader.panel_of(self._as_of, columns[places], self._plan, self._adjust)

    def _evaluated(self, panel: Panel) -> list[Matrix]:
        others = self._loader.others(self._as_of, self._adjust)
        return evaluate(self._plan, panel, self._run, others)

    def _write(self, found: Kept) -> list[str]:
        try:
            self._folder.write(self._key, found)
        except StoreError as error:
            return [f"the results are not kept for the next scan: {error}"]
        return []


def _is_of_single_symbols(plan: Plan) -> bool:
    """Whether a symbol's own bars and facts decide what a plan gives for it."""
    return all(
        isinstance(one.node, tree.Framed) and _is_of_single_symbols(one.plan)
        for one in plan.derived
    )


def _facts(plan: Plan) -> Iterator[tree.Node]:
    """The reference data that a plan asks for, that of its passes too."""
    yield from plan.facts
    for one in plan.derived:
        yield from _facts(one.plan)


def _key(plan: Plan, as_of: dt.date, adjust: Adjust) -> str:
    """Under what a plan's results are kept; another build of the kernels shares none."""
    build = Path(cpu.__file__).stat()
    asked = plan, as_of, adjust, __version__, build.st_size, build.st_mtime_ns
    return hashlib.blake2b(repr(asked).encode(), digest_size=16).hexdigest()


def _sample(places: Places, size: int) -> Places:
    chosen = random.sample(range(len(places)), min(size, len(places)))
    return places[np.sort(np.array(chosen, dtype=np.intp))]


def _taken(array: NDArray[_Number], places: Places) -> NDArray[_Number]:
    """The columns at some places; zeros for -1."""
    none = np.zeros((*array.shape[:-1], 1), dtype=array.dtype)
    taken: NDArray[_Number] = np.concatenate([array, none], axis=-1)[..., places]
    return taken


def _alike(some: Matrix, others: Matrix) -> NDArray[np.bool_]:
    """Which columns of two matrices are equal to the bit, whatever the bits of NaN."""
    equal = some.view(np.int64) == others.view(np.int64)
    found: NDArray[np.bool_] = (equal | (np.isnan(some) & np.isnan(others))).all(axis=0)
    return found


def _disagreement(example: str, agree: NDArray[np.bool_]) -> str:
    wrong = np.count_nonzero(~agree)
    return (
        f"{wrong:,} of {len(agree):,} kept results that were audited were wrong, "
        f"that of {example} among them: all symbols were evaluated anew, and nothing was reused"
    )


def _absent(always: Sequence[str], names: list[str], as_of: dt.date) -> Iterator[str]:
    absent = sorted(set(always).difference(names))
    if absent:
        more = ", ..." if len(absent) > 3 else ""
        yield (f"not looked at on {as_of}, though to be always: {', '.join(absent[:3])}{more}")
