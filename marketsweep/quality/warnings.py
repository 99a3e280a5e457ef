"""What a scan must say of the data that it rests on, such as splits that prices contradict."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Final, NamedTuple

from marketsweep.core.safe_text import some_of
from marketsweep.engine.panel.adjustments import Adjust, History
from marketsweep.store.companies.companies import Companies
from marketsweep.store.companies.rulings import Ruling, Verdict
from marketsweep.store.missing_actions import MissingActions, of_notes
from marketsweep.store.session_notes import NOT_LISTED
from marketsweep.store.snapshot import Snapshot

_SHOWN: Final = 3
"""Examples that are named."""


class _Placed(NamedTuple):
    """A ruling on an action within the history of a scan."""

    place: int
    """The session from which the action counts."""
    symbol: str
    """The company's ticker in the session that the scan stands on."""
    ruling: Ruling


class DataWarnings:
    """What is doubtful in the data of one version, and whom it concerns."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        rulings = [*snapshot.rulings("split"), *snapshot.rulings("dividend")]
        self._rulings = [
            one for one in rulings if one.verdict.is_suspect or one.verdict is Verdict.UNPLACED
        ]
        self._unresolved = len(snapshot.changed_days())
        self._frozen = snapshot.frozen()
        notes = snapshot.notes()
        self._missing = of_notes(notes)
        self._not_listed = notes.get(NOT_LISTED, "")
        self._placed: dict[dt.date, list[_Placed]] = {}

    def of_scan(
        self, history: History, symbols: Callable[[], Container[str]], bars: int, adjust: Adjust
    ) -> Iterator[str]:
        """The warnings of a scan that stands on the last session of a history.

        `symbols` are those that it looks at, and `bars` how many of each.
        """
        if adjust != "none":
            yield from self._of_actions(history, symbols, bars, adjust)
        looked_at = history.dates[-bars:]
        yield from self._of_missing(looked_at, adjust)
        if frozen := [day for day in self._frozen if looked_at[0] <= day <= looked_at[-1]]:
            named = ", ".join(map(str, frozen[:_SHOWN])) + (", ..." if len(frozen) > _SHOWN else "")
            yield (
                f"most of the market stands still in {_count(len(frozen), 'session')} of those "
                f"looked at ({named}): its bars are not what was traded; marketsweep sync asks "
                "for it again"
            )
        if self._not_listed:
            yield (
                f"the last sync could not get the list of tickers ({self._not_listed}): renames "
                "since may not be known; marketsweep sync asks for it again"
            )
        if self._unresolved:
            yield (
                f"a sync is under way or was interrupted: renames, splits and dividends of "
                f"{self._unresolved:,} sessions are not checked against prices yet; the next "
                "marketsweep sync does it"
            )

    def unadjusted(self, looked_at: Sequence[dt.date], adjust: Adjust) -> int:
        """How many of the sessions looked at may lack splits, since those of the day are unknown.

        With adjust "total" dividends too; without adjustment none. A split of the first of them
        changes nothing.
        """
        return sum(
            any(one.since <= day <= one.until for one in self._missing_of_all(adjust))
            for day in looked_at[1:]
        )

    def _missing_of_all(self, adjust: Adjust) -> list[MissingActions]:
        """Missing actions of every stored symbol that an adjustment needs."""
        stored = self._snapshot.index.keys()
        return [
            one
            for one in self._missing_for(adjust)
            if one.symbols is None or stored <= frozenset(one.symbols)
        ]

    def _missing_for(self, adjust: Adjust) -> list[MissingActions]:
        needed = {"none": (), "splits": ("split",), "total": ("split", "dividend")}[adjust]
        return [one for kind, one in self._missing.items() if kind in needed]

    def _of_missing(self, looked_at: Sequence[dt.date], adjust: Adjust) -> Iterator[str]:
        for one in self._missing_for(adjust):
            if one.since <= looked_at[-1] and looked_at[0] < one.until:
                whose = "" if one.symbols is None else f" of {_count(len(one.symbols), 'symbol')}"
                yield (
                    f"{one.kind}s{whose} from {one.since} to {one.until} are not known "
                    f"({one.reason}): prices before may be off by a factor; marketsweep sync asks "
                    "for them again"
                )

    def _of_actions(
        self, history: History, symbols: Callable[[], Container[str]], bars: int, adjust: Adjust
    ) -> Iterator[str]:
        # Some bars further back, as symbols have holes.
        oldest = len(history.dates) - 1 - bars - bars // 4
        within = [
            one
            for one in self._until(history)
            if one.place > oldest and (adjust == "total" or one.ruling.kind == "split")
        ]
        unplaced = [one.ruling for one in within if one.ruling.verdict is Verdict.UNPLACED]
        doubtful = [one for one in within if one.ruling.verdict.is_suspect]
        if doubtful:
            there = symbols()
            doubtful = [one for one in doubtful if one.symbol in there]
        if doubtful:
            yield (
                f"{_count(len(doubtful), 'told split')} that prices contradict lie within what is "
                f"looked at: {_named([one.ruling for one in doubtful])}; prices before may be "
                "wrong by the ratio: marketsweep actions list shows what holds, --exclude-suspect "
                "leaves them out"
            )
        if unplaced:
            yield (
                f"{_count(len(unplaced), 'told action')} fit no company with bars: "
                f"{_named(unplaced)}; a change of ticker may not be told"
            )

    def _until(self, history: History) -> list[_Placed]:
        """The rulings on actions up to the last session of a history."""
        last = history.dates[-1]
        if last not in self._placed:
            tenures = self._snapshot.tenures() if self._rulings else []
            companies = Companies(tenures, history.dates, self._snapshot.symbols)
            self._placed[last] = [
                _Placed(place, companies.latest(one.symbol, place), one)
                for one in self._rulings
                if (place := companies.place(one.ex_date)) < len(history.dates)
            ]
        return self._placed[last]


def _named(rulings: Sequence[Ruling]) -> str:
    return some_of([ruling.said for ruling in rulings], _SHOWN, last=", and")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
