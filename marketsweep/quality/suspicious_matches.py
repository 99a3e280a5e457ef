"""Which matches depend on suspicious bars or on a doubtful ticker; symbols are judged on demand.

The rules are those of `rules.RULES` for which a scan can exclude a symbol. Suspicious bars outside
the bars that a scan uses do not matter to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import compress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marketsweep.engine.panel.adjustments import History
from marketsweep.quality.inspection import Suspicion, find_suspicions
from marketsweep.quality.series import Company, company_of, count_bars, read_blocks

DOUBTFUL_TICKER: Final = "doubtful ticker"
"""The mark of a symbol whose company is unclear for some time."""

REACHES: Final = (63, 252, 756)
"""Numbers of bars to judge; the bars of a scan are rounded up to one, so that few differ."""

_BEFORE: Final = 252
"""Sessions before the bars of a scan, with which a rule compares them."""


class Suspects:
    """Judges the symbols of the last session of a history by their newest `bars`, each once."""

    def __init__(self, history: History, bars: int | None) -> None:
        self._history = history
        self._reach = None if bars is None else bars + _BEFORE
        self._first = 0 if self._reach is None else max(0, len(history.dates) - self._reach)
        self._judged: set[str] = set()
        self._suspicions: dict[str, list[Suspicion]] = {}
        self._bars_of: dict[str, NDArray[np.intp]] = {}

    def judge(self, symbols: Iterable[str]) -> None:
        """Judge symbols, so that no scan has to."""
        self._judge(set(symbols))

    def marks(self, symbols: Sequence[str], bars: int) -> list[str]:
        """Return the suspicions about the newest `bars` of each symbol, as "decimal slip, hole".

        Raises StoreDamaged if a segment does not match its checksum.
        """
        self._judge(set(symbols))
        return [", ".join(self._rule_names(symbol, bars)) for symbol in symbols]

    def marks_of_hits(
        self, symbols: Sequence[str], places: NDArray[np.int64], bars: NDArray[np.int64]
    ) -> list[str]:
        """Return the suspicions about the last `bars` of each symbol up to an earlier session.

        `places` are the numbers of the sessions; it and `bars` are int64 [symbols]. A symbol is
        judged by all its bars: a mark may depend on bars after the session.
        """
        self._judge(set(symbols))
        hits: defaultdict[str, list[int]] = defaultdict(list)
        suspicious = {
            symbol: self._suspicions_of(symbol) for symbol in self._suspicions.keys() | self._doubts
        }
        for hit, symbol in compress(enumerate(symbols), map(suspicious.__contains__, symbols)):
            hits[symbol].append(hit)
        marks = [""] * len(symbols)
        bars_of = self._sessions_of_bars(list(hits))
        for symbol, symbol_hits in hits.items():
            sessions, of_symbol = bars_of[symbol], suspicious[symbol]
            for hit in symbol_hits:
                place = int(places[hit])
                names = self._rule_names_at(of_symbol, sessions, place, int(bars[hit]))
                marks[hit] = ", ".join(names)
        return marks

    def _rule_names_at(
        self, suspicions: Sequence[Suspicion], sessions: NDArray[np.intp], place: int, bars: int
    ) -> list[str]:
        """Return the rules that suspect the newest `bars` of a symbol up to a session.

        `sessions` are the numbers of the sessions in which the symbol has bars.
        """
        later = len(sessions) - int(np.searchsorted(sessions, place, side="right"))
        day, sessions_later = self._history.dates[place], len(self._history.dates) - 1 - place
        return sorted(
            {
                suspicion.rule
                for suspicion in suspicions
                if suspicion.first <= day
                and suspicion.since
                - (sessions_later if suspicion.rule == DOUBTFUL_TICKER else later)
                < bars
            }
        )

    def _sessions_of_bars(self, symbols: Sequence[str]) -> Mapping[str, NDArray[np.intp]]:
        """Return the numbers of the sessions in which symbols have bars, ascending."""
        snapshot, dates = self._history.snapshot, self._history.dates
        missing = [symbol for symbol in symbols if symbol not in self._bars_of]
        companies = [company_of(self._history, symbol) for symbol in missing]
        for block in read_blocks(snapshot, dates, companies, self._first):
            for column, (symbol, count) in enumerate(
                zip(block.symbols, block.count.tolist(), strict=True)
            ):
                self._bars_of[symbol] = block.session[:count, column] + self._first
        return self._bars_of

    def _suspicions_of(self, symbol: str) -> list[Suspicion]:
        return [*self._suspicions.get(symbol, ()), *self._doubts.get(symbol, ())]

    def _rule_names(self, symbol: str, bars: int) -> list[str]:
        return sorted(
            {suspicion.rule for suspicion in self._suspicions_of(symbol) if suspicion.since < bars}
        )

    def _judge(self, symbols: set[str]) -> None:
        snapshot, dates = self._history.snapshot, self._history.dates
        new = sorted(symbol for symbol in symbols - self._judged if symbol in snapshot.index)
        if companies := [company_of(self._history, symbol) for symbol in new]:
            far = self._symbols_with_earlier_bars(companies)
            recent = [company for company in companies if company.symbol not in far]
            self._suspicions |= find_suspicions(snapshot, dates, recent, self._first)
            whole = [company for company in companies if company.symbol in far]
            self._suspicions |= find_suspicions(snapshot, dates, whole, 0)
        self._judged |= symbols

    def _symbols_with_earlier_bars(self, companies: Sequence[Company]) -> set[str]:
        """Return the symbols that also have bars before the sessions that are usually judged.

        A scan counts the bars of each symbol: beyond a hole they are from earlier sessions.
        """
        if not self._first or self._reach is None:
            return set()
        snapshot, end = self._history.snapshot, len(self._history.dates)
        recent = count_bars(snapshot, companies, range(self._first, end))
        short = [
            company for company, count in zip(companies, recent, strict=True) if count < self._reach
        ]
        earlier = count_bars(snapshot, short, range(self._first))
        return {company.symbol for company, count in zip(short, earlier, strict=True) if count}

    @cached_property
    def _doubts(self) -> dict[str, list[Suspicion]]:
        """Doubtful tickers. A rename before all bars of a scan does not mislead it."""
        doubts: dict[str, list[Suspicion]] = {}
        snapshot, moves = self._history.snapshot, self._history.moves
        for symbol, other, _ in snapshot.doubts():
            if symbol not in snapshot.index:
                continue
            renames = moves.get(snapshot.index[symbol], ()) if other != symbol else ()
            dates = self._history.dates
            renamed_at = max((place for place, _ in renames), default=None)
            since, first = (
                (0, dates[0])
                if renamed_at is None
                else (len(dates) - renamed_at, dates[renamed_at])
            )
            doubts.setdefault(symbol, []).append(Suspicion(DOUBTFUL_TICKER, since, first))
        return doubts


def bars_to_judge(bars: int, sessions: int) -> int | None:
    """Return the number of bars to judge for a scan that uses `bars`; None for all `sessions`."""
    reach = next((reach for reach in REACHES if bars <= reach), sessions)
    return None if reach + _BEFORE >= sessions else reach
