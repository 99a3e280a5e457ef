"""Which matches rest on suspicious bars or on a doubtful ticker; symbols are judged when asked for.

The rules are those of `quality.RULES` for which a scan can leave a symbol out. What is suspicious
beyond the bars that a scan looks at does not matter to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import History
from marketsweep.quality.inspection import Suspicion, suspicions
from marketsweep.quality.series import Company, company_of, count_bars, read_blocks

DOUBTFUL_TICKER: Final = "doubtful ticker"
"""The mark of a symbol of which it is not clear what company had it, and when."""

REACHES: Final = (63, 252, 756)
"""Bars that scans look at, rounded up, so that few windows are judged; beyond them it is all."""

_BEFORE: Final = 252
"""Sessions before the bars that a scan looks at: what a rule compares them with."""


class Suspects:
    """The symbols of the last session of a history, judged by their newest `bars`; each once."""

    def __init__(self, history: History, bars: int | None) -> None:
        self._history = history
        self._reach = None if bars is None else bars + _BEFORE
        self._first = 0 if self._reach is None else max(0, len(history.dates) - self._reach)
        self._judged: set[str] = set()
        self._found: dict[str, list[Suspicion]] = {}

    def marks(self, symbols: Sequence[str], bars: int) -> list[str]:
        """Return what is suspicious of the newest `bars` of each symbol, as "decimal slip, hole".

        Raises StoreDamaged where a segment does not fit its checksum.
        """
        self._judge(set(symbols))
        return [", ".join(self._rules(symbol, bars)) for symbol in symbols]

    def marks_of_hits(
        self, symbols: Sequence[str], places: NDArray[np.int64], bars: int
    ) -> list[str]:
        """Return what is suspicious of the `bars` of each symbol up to an earlier session.

        `places` are the numbers of the sessions, int64 [symbols]. A symbol is judged by all its
        bars: a mark may rest on bars that came after the session.
        """
        self._judge(set(symbols))
        hits: defaultdict[str, list[int]] = defaultdict(list)
        suspicious = {symbol: self._of(symbol) for symbol in self._found.keys() | self._doubts}
        for hit, symbol in enumerate(symbols):
            if symbol in suspicious:
                hits[symbol].append(hit)
        marks = [""] * len(symbols)
        bars_of = self._sessions_of_bars(list(hits))
        for symbol, its_hits in hits.items():
            own, found = bars_of[symbol], suspicious[symbol]
            for hit in its_hits:
                place = int(places[hit])
                marks[hit] = ", ".join(self._rules_at(found, own, place, bars))
        return marks

    def _rules_at(
        self, found: Sequence[Suspicion], own: NDArray[np.intp], place: int, bars: int
    ) -> list[str]:
        """Return the rules that suspect the newest `bars` of a symbol up to a session.

        `own` are the numbers of the sessions in which it has bars.
        """
        later = len(own) - int(np.searchsorted(own, place, side="right"))
        day, sessions_later = self._history.dates[place], len(self._history.dates) - 1 - place
        return sorted(
            {
                one.rule
                for one in found
                if one.first <= day
                and one.since - (sessions_later if one.rule == DOUBTFUL_TICKER else later) < bars
            }
        )

    def _sessions_of_bars(self, symbols: Sequence[str]) -> Mapping[str, NDArray[np.intp]]:
        """Return the numbers of the sessions in which symbols have bars, ascending."""
        snapshot, dates = self._history.snapshot, self._history.dates
        wanted = [company_of(self._history, symbol) for symbol in symbols]
        return {
            symbol: block.session[:count, column] + self._first
            for block in read_blocks(snapshot, dates, wanted, self._first)
            for column, (symbol, count) in enumerate(
                zip(block.symbols, block.count.tolist(), strict=True)
            )
        }

    def _of(self, symbol: str) -> list[Suspicion]:
        return [*self._found.get(symbol, ()), *self._doubts.get(symbol, ())]

    def _rules(self, symbol: str, bars: int) -> list[str]:
        return sorted({one.rule for one in self._of(symbol) if one.since < bars})

    def _judge(self, symbols: set[str]) -> None:
        snapshot, dates = self._history.snapshot, self._history.dates
        new = sorted(one for one in symbols - self._judged if one in snapshot.index)
        if wanted := [company_of(self._history, symbol) for symbol in new]:
            far = self._reach_further(wanted)
            near = [one for one in wanted if one.symbol not in far]
            self._found |= suspicions(snapshot, dates, near, self._first)
            whole = [one for one in wanted if one.symbol in far]
            self._found |= suspicions(snapshot, dates, whole, 0)
        self._judged |= symbols

    def _reach_further(self, wanted: Sequence[Company]) -> set[str]:
        """Return the symbols with earlier bars than the sessions that are judged as a rule.

        A scan counts the bars of each symbol: beyond a hole they come from earlier sessions.
        """
        if not self._first or self._reach is None:
            return set()
        snapshot, beyond = self._history.snapshot, len(self._history.dates)
        recent = count_bars(snapshot, wanted, range(self._first, beyond))
        few = [one for one, count in zip(wanted, recent, strict=True) if count < self._reach]
        earlier = count_bars(snapshot, few, range(self._first))
        return {one.symbol for one, count in zip(few, earlier, strict=True) if count}

    @cached_property
    def _doubts(self) -> dict[str, list[Suspicion]]:
        """Doubtful tickers. A rename that lies before all bars looked at misleads nobody."""
        found: dict[str, list[Suspicion]] = {}
        snapshot, moves = self._history.snapshot, self._history.moves
        for symbol, other, _ in snapshot.doubts():
            if symbol not in snapshot.index:
                continue
            renames = moves.get(snapshot.index[symbol], ()) if other != symbol else ()
            dates = self._history.dates
            at = max((at for at, _ in renames), default=None)
            since, first = (0, dates[0]) if at is None else (len(dates) - at, dates[at])
            found.setdefault(symbol, []).append(Suspicion(DOUBTFUL_TICKER, since, first))
        return found


def reach_of(bars: int) -> int | None:
    """Return the bars to judge for a scan that looks at `bars`; None for all."""
    return next((reach for reach in REACHES if bars <= reach), None)
