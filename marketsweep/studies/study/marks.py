"""Name the quality rules that suspect bars of a position: a missing split looks like a return."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

import numpy as np
from msgspec.structs import replace

from marketsweep.engine.panel.adjustments import History
from marketsweep.scan.loader import Loader
from marketsweep.studies.study.outcomes import SUSPECT
from marketsweep.studies.study.result import Events, Hold


class Marker:
    """Marks positions; `suspects` are all symbols with a suspicious bar from session `first` on."""

    def __init__(
        self, loader: Loader, history: History, suspects: Sequence[str], first: int
    ) -> None:
        self._loader = loader
        self._history = history
        self._suspects = frozenset(suspects)
        self._first = first
        self._days = np.array(history.dates, "datetime64[D]")

    def marked(
        self, holds: Sequence[Hold], events: Events, marks: Sequence[str], *, exclude: bool
    ) -> list[Hold]:
        """Return holds with the rules that suspect their bars; `marks` are those of the signals.

        With `exclude`, such positions have no return.
        """
        is_suspect = map(self._suspects.__contains__, events.symbols)
        suspects = np.array(list(compress(range(len(events.symbols)), is_suspect)), np.int64)
        of_signals = dict(compress(enumerate(marks), marks))
        return [self._marked(hold, events, of_signals, suspects, exclude) for hold in holds]

    def _marked(
        self,
        hold: Hold,
        events: Events,
        of_signals: dict[int, str],
        suspects: np.ndarray[tuple[int], np.dtype[np.int64]],
        exclude: bool,
    ) -> Hold:
        outcomes = hold.outcomes
        done = suspects[outcomes.exit_row[suspects] >= 0]
        exits = outcomes.exit_row[done]
        of_hold = self._loader.marks_of_hits(
            [events.symbols[event] for event in done.tolist()],
            self._days[exits],
            self._history.dates[self._first],
            self._history.dates[-1],
            exits - events.sessions[done] + 1,
        )
        suspicious = of_signals.copy()
        for event, mark in compress(zip(done.tolist(), of_hold, strict=True), of_hold):
            rules = {*mark.split(", "), *suspicious.get(event, "").split(", ")} - {""}
            suspicious[event] = ", ".join(sorted(rules))
        hold = replace(hold, suspicious=suspicious)
        if not exclude:
            return hold
        left_out = done[[bool(mark) for mark in of_hold]]
        reason, returns = outcomes.reason.copy(), hold.returns.copy()
        reason[left_out], returns[left_out] = SUSPECT, np.nan
        return replace(hold, returns=returns, outcomes=replace(outcomes, reason=reason))
