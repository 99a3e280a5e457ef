"""Which matches rest on suspicious bars or on a doubtful ticker; symbols are judged when asked for.

The rules are those of `quality.RULES` for which a scan can leave a symbol out. What is suspicious
beyond the bars that a scan looks at does not matter to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Final

from marketsweep.inspection import Suspicion, suspicions
from marketsweep.own_bars import company_of
from marketsweep.past import History

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
        self._first = 0 if bars is None else max(0, len(history.dates) - bars - _BEFORE)
        self._judged: set[str] = set()
        self._found: dict[str, list[Suspicion]] = {}

    def marks(self, symbols: Sequence[str], bars: int) -> list[str]:
        """Return what is suspicious of the newest `bars` of each symbol: "slip, hole", or "".

        Raises StoreDamaged where a segment does not fit its checksum.
        """
        self._judge(set(symbols))
        return [", ".join(self._rules(symbol, bars)) for symbol in symbols]

    def _rules(self, symbol: str, bars: int) -> list[str]:
        found = [*self._found.get(symbol, ()), *self._doubts.get(symbol, ())]
        return sorted({one.rule for one in found if one.since < bars})

    def _judge(self, symbols: set[str]) -> None:
        snapshot, dates = self._history.snapshot, self._history.dates
        new = sorted(one for one in symbols - self._judged if one in snapshot.index)
        if wanted := [company_of(self._history, symbol) for symbol in new]:
            self._found |= suspicions(snapshot, dates, wanted, self._first)
        self._judged |= symbols

    @cached_property
    def _doubts(self) -> dict[str, list[Suspicion]]:
        """Doubtful tickers. A rename that lies before all bars looked at misleads nobody."""
        found: dict[str, list[Suspicion]] = {}
        snapshot, moves = self._history.snapshot, self._history.moves
        for symbol, other, _ in snapshot.doubts():
            if symbol not in snapshot.index:
                continue
            renames = moves.get(snapshot.index[symbol], ()) if other != symbol else ()
            since = min((len(self._history.dates) - at for at, _ in renames), default=0)
            found.setdefault(symbol, []).append(Suspicion(DOUBTFUL_TICKER, since))
        return found


def reach_of(bars: int) -> int | None:
    """Return the bars to judge for a scan that looks at `bars`; None for all."""
    return next((reach for reach in REACHES if bars <= reach), None)
